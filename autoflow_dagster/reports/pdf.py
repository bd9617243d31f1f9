"""A notebook to PDF: tidied, written as AsciiDoc, set by Typst."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from autoflow_dagster.reports.asciidoc import AsciidocWriter
from autoflow_dagster.reports.convert import Made
from autoflow_dagster.reports.headings import report_title, texts_of
from autoflow_dagster.reports.markdown import Converter
from autoflow_dagster.reports.model import Provenance, ReportOptions
from autoflow_dagster.reports.parts import Parts
from autoflow_dagster.reports.pictures import Pictures
from autoflow_dagster.reports.programs import Limits
from autoflow_dagster.reports.provenance import provenance_text
from autoflow_dagster.reports.redaction import Redactor
from autoflow_dagster.reports.tidy import Tidying, tidy_notebook
from autoflow_dagster.reports.typst_pdf import TypstJob


def make_pdf(
    nb: Any, raw: bytes, temporary: Path, directory: Path, pictures: Pictures, options: ReportOptions,
    provenance: Provenance, limits: Limits, redactor: Redactor, inputs: Path | None,
) -> Made:  # fmt: skip
    """Make a PDF at `temporary`."""
    tidying = Tidying(pictures, options.show_code)
    tidy_notebook(nb, tidying)
    converter = Converter("asciidoc", limits, directory)
    converter.prepare(texts_of(nb))
    title, in_body = report_title(nb, converter, provenance)
    writer = AsciidocWriter(tidying, converter, Parts(raw), options.max_table_rows)
    body = redactor.text(writer.write(nb, options.template, inputs))
    about = provenance_text(provenance, title)
    job = TypstJob(directory, body, writer.parts, pictures, title, in_body, about, provenance, options, limits, [])
    source = job.write(temporary)
    if options.keep_source:
        options.keep_source.mkdir(parents=True, exist_ok=True)
        (options.keep_source / "report.adoc").write_text(writer.parts.without_marks(body))
        (options.keep_source / "report.typ").write_text(source)
    from autoflow_dagster.reports.pages import page_count

    return Made(title, "typst", tuple(tidying.notes), page_count(temporary))
