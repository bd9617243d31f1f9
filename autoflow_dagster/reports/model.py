"""What a report is asked to be, what it says about its making, and what came of it.

Plain data. Making the report is `convert.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any, Literal

ReportFormat = Literal["pdf", "html"]
Engine = Literal["typst", "asciidoctor", "auto"]

DEFAULT_MAX_TABLE_ROWS = 500
DEFAULT_TIME_LIMIT_SECONDS = 300.0
DEFAULT_MEMORY_LIMIT_MB = 2000


@dataclass(frozen=True)
class Provenance:
    """Where a report comes from: shown under its title and in the box at its end.

    Everything is optional; what is empty or None is not shown.

    Attributes
    ----------
    workflow : str or None
        Name of the workflow, or of the workflow config, that ran the notebook.
    reference_date : date or None
        The day for which the notebook ran.
    parameters : mapping
        Parameters worth showing to a reader, by name.
    parameters_hash : str or None
        The hash by which a run with these parameters is recognised.
    date_ranges : tuple of (date, date)
        The half-open ranges ``[start, end)`` of days that the notebook used.
    missing_dates : tuple of date
        Days inside the ranges for which there were no data.
    run_id : str or None
        The run that executed the notebook.
    notebook_filename : str or None
        Name of the notebook, without directories. None takes the executed notebook's own name.
    notebook_sha256 : str or None
        Hash of the notebook's source file, in hexadecimal. None hashes the executed notebook.
    made_at : datetime or None
        When the notebook was executed, time zone aware. None leaves every time out of the report.
    versions : mapping
        Versions of the software used, by its name.
    """

    workflow: str | None = None
    reference_date: date | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    parameters_hash: str | None = None
    date_ranges: tuple[tuple[date, date], ...] = ()
    missing_dates: tuple[date, ...] = ()
    run_id: str | None = None
    notebook_filename: str | None = None
    notebook_sha256: str | None = None
    made_at: datetime | None = None
    versions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ReportOptions:
    """How a report is made.

    Attributes
    ----------
    format : "pdf" or "html"
    template : Path or None
        The author's template: AsciiDoc for PDF, HTML for HTML. None uses the built-in one.
    inputs_dir : Path or None
        The directory from which templates may include files and take pictures; nothing outside it
        is read. None allows the directory of the template only. Fonts in its `fonts`
        subdirectory are used too.
    show_code : bool
        Show code cells, what they print, and their errors.
    engine : "typst", "asciidoctor" or "auto"
        What makes the PDF. "auto" is Typst, and `asciidoctor-pdf` (if installed) for a template
        that Typst's way cannot read.
    author : str or None
        Author in the PDF's metadata.
    language : str
        Language code of the report's own words and of its metadata ("en", "fr", ...).
    max_table_rows : int
        Longest table of a PDF, in rows; the rest is left out with a note. HTML keeps every row.
    secrets : tuple of str
        Values that must never be in a report; each occurrence becomes ``***``.
    hidden_paths : tuple of Path
        Directories of this machine whose names must not be in a report, besides `inputs_dir` and
        those of the notebook and the report.
    keep_source : Path or None
        Directory that keeps the AsciiDoc and Typst (or HTML) sources. None keeps nothing.
    time_limit_seconds : float
        Longest time for the conversion, in seconds.
    memory_limit_mb : int
        Most memory for each program that the conversion starts, in MB.
    """

    format: ReportFormat = "pdf"
    template: Path | None = None
    inputs_dir: Path | None = None
    show_code: bool = False
    engine: Engine = "auto"
    author: str | None = None
    language: str = "en"
    max_table_rows: int = DEFAULT_MAX_TABLE_ROWS
    secrets: tuple[str, ...] = field(default=(), repr=False)
    hidden_paths: tuple[Path, ...] = ()
    keep_source: Path | None = None
    time_limit_seconds: float = DEFAULT_TIME_LIMIT_SECONDS
    memory_limit_mb: int = DEFAULT_MEMORY_LIMIT_MB

    def with_absolute_paths(self) -> ReportOptions:
        """Return these options with paths that mean the same in every working directory."""
        return replace(
            self,
            template=self.template and self.template.absolute(),
            inputs_dir=self.inputs_dir and self.inputs_dir.absolute(),
            hidden_paths=tuple(path.absolute() for path in self.hidden_paths),
            keep_source=self.keep_source and self.keep_source.absolute(),
        )


@dataclass(frozen=True)
class ReportSummary:
    """What came of a conversion.

    Attributes
    ----------
    path : Path
        The finished report.
    title : str
    pages : int or None
        Number of pages; None for HTML.
    size_bytes : int
    engine : str
        What made it: "typst", "asciidoctor" or "html".
    notes : tuple of str
        What was left out or changed, each a sentence; the report says so too.
    seconds : float
        Wall time of the conversion.
    """

    path: Path
    title: str
    pages: int | None
    size_bytes: int
    engine: str
    notes: tuple[str, ...] = ()
    seconds: float = 0.0
