"""Executed notebooks made into reports: PDF or one self-contained HTML file.

`write_report` is the way in. A notebook becomes AsciiDoc (through the author's template or the
built-in one), AsciiDoc becomes Typst, and Typst a PDF, all with programs that come in Python
wheels. Deciding which notebooks become reports, and where those go, is not done here.
"""

from autoflow_dagster.reports.convert import write_report
from autoflow_dagster.reports.model import Provenance, ReportOptions, ReportSummary

__all__ = ["Provenance", "ReportOptions", "ReportSummary", "write_report"]
