"""AsciiDoc to PDF with `asciidoctor-pdf`, for those who have it and ask for it."""

from __future__ import annotations

import os
import shutil

from autoflow_dagster.errors import ReportError
from autoflow_dagster.reports.asciidoc import AsciidocSource
from autoflow_dagster.reports.conversion import Conversion
from autoflow_dagster.reports.headings import title_of_asciidoc
from autoflow_dagster.reports.pictures import Picture
from autoflow_dagster.reports.programs import ProgramFailedError, limited, run_program
from autoflow_dagster.reports.tables_asciidoc import asciidoc_text

PROGRAM = "asciidoctor-pdf"


def is_installed() -> bool:
    """Return True when `asciidoctor-pdf` is on the PATH."""
    return shutil.which(PROGRAM) is not None


def write_pdf(conversion: Conversion, source: AsciidocSource) -> None:
    """Make a PDF at the conversion's destination.

    Raises
    ------
    ReportError
        When asciidoctor-pdf is not installed, or cannot read the AsciiDoc.
    """
    program = shutil.which(PROGRAM)
    if program is None:
        raise ReportError(
            "Report",
            "the engine is asciidoctor, and asciidoctor-pdf is not on the PATH.",
            "Install it (gem install asciidoctor-pdf), or use the engine typst.",
        )
    directory = conversion.directory
    _write_pictures(conversion)
    (directory / "report.asciidoc").write_text(_document(source), encoding="utf-8")
    made = conversion.provenance.made_at
    command = [program, "-S", "safe", "-a", "reproducible", "-a", "source-highlighter=rouge",
               "-a", "figure-caption!", "-a", "table-caption!", "-a", f"lang={conversion.options.language}",
               "-o", "report.pdf", "report.asciidoc"]  # fmt: skip
    environment = {
        "PATH": os.environ.get("PATH", os.defpath),
        "SOURCE_DATE_EPOCH": str(int(made.timestamp()) if made else 0),
    }
    try:
        run_program(
            limited(command, conversion.limits), "", conversion.limits, directory, environment
        )
    except ProgramFailedError as failure:
        raise ReportError(
            "Report",
            f"asciidoctor-pdf failed: {conversion.redactor.text(failure.stderr[:500])}",
            "Correct the template, or use the engine typst.",
        ) from failure
    shutil.copyfile(directory / "report.pdf", conversion.destination)


def _write_pictures(conversion: Conversion) -> None:
    """Put every picture where the AsciiDoc speaks of it: under its name, and a template's names."""
    directory = conversion.directory.resolve()
    for picture in conversion.pictures.kept.values():
        (directory / picture.name).write_bytes(picture.data)
    for source, found in conversion.pictures.by_source.items():
        path = (directory / source).resolve() if len(source) < 200 else directory
        if isinstance(found, Picture) and path.is_relative_to(directory) and path != directory:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(found.data)


def _document(source: AsciidocSource) -> str:
    """Return the AsciiDoc with a title, when it has none, and its provenance at the end."""
    body, about = source.written_out(), source.about
    head = (
        ""
        if title_of_asciidoc(body)
        else f":doctitle: {asciidoc_text(source.title)}\n:notitle:\n\n"
    )
    lead = " · ".join(filter(None, (about.workflow, about.reference_date)))
    rows = [f"|{asciidoc_text(label)} |{asciidoc_text(text)}" for label, text in about.rows]
    box = [
        "",
        "'''",
        "",
        asciidoc_text(lead),
        "",
        '[%autowidth,cols="<,<"]',
        "|===",
        *rows,
        "|===",
        "",
    ]
    return "\n".join([head + body, *box])
