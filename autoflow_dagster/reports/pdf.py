"""A notebook to PDF: tidied, written as AsciiDoc, set by Typst or by Asciidoctor."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from autoflow_dagster.errors import ReportError
from autoflow_dagster.reports import asciidoctor, remarks
from autoflow_dagster.reports.asciidoc import AsciidocWriter
from autoflow_dagster.reports.conversion import Conversion, Made, template_facts
from autoflow_dagster.reports.directives import resolve_directives, with_closed_blocks
from autoflow_dagster.reports.headings import report_title, texts_of, title_of_asciidoc
from autoflow_dagster.reports.markdown import Converter
from autoflow_dagster.reports.pages import page_count
from autoflow_dagster.reports.parts import Parts
from autoflow_dagster.reports.programs import ProgramFailedError, memory_error
from autoflow_dagster.reports.provenance import ProvenanceText, provenance_text
from autoflow_dagster.reports.tidy import tidy_notebook
from autoflow_dagster.reports.typst_pdf import TypstJob


@dataclass
class _Source:
    """The AsciiDoc of a report, a word in it for each part, and what goes with it."""

    body: str
    parts: Parts
    title: str
    title_in_body: bool
    about: ProvenanceText


def make_pdf(conversion: Conversion) -> Made:
    """Make a PDF at the conversion's destination.

    With the engine "auto", a template whose AsciiDoc pandoc cannot read goes to Asciidoctor when
    that is installed, and else the built-in template is used and the report says so.

    Raises
    ------
    ReportError
        When the template has an error, Asciidoctor was asked for and is missing or fails, or a
        limit was met.
    """
    options = conversion.options
    tidy_notebook(conversion.nb, conversion.tidying)
    converter = Converter("asciidoc", conversion.limits, conversion.directory)
    converter.prepare(texts_of(conversion.nb))
    source = _asciidoc(conversion, converter, options.template)
    engine = "typst"
    if options.engine == "asciidoctor":
        engine = _with_asciidoctor(conversion, source)
    else:
        try:
            _with_typst(conversion, source, [])
        except ProgramFailedError as failure:
            engine = _second_attempt(conversion, converter, source, failure)
    notes = tuple(conversion.tidying.notes)
    return Made(source.title, engine, notes, page_count(conversion.destination))


def _asciidoc(
    conversion: Conversion, converter: Converter, template: Path | None, raw_as_text: bool = False
) -> _Source:
    title, in_body = report_title(conversion.nb, converter, conversion.provenance)
    about = provenance_text(conversion.provenance, title)
    writer = AsciidocWriter(
        conversion.tidying,
        converter,
        Parts(conversion.seed),
        conversion.options.max_table_rows,
        raw_as_text,
    )
    facts = template_facts(conversion, title, about)
    body = writer.write(conversion.nb, template, conversion.inputs_dir, facts)
    body = writer.parts.with_placeholders(conversion.redactor.text(body))
    body = with_closed_blocks(resolve_directives(body, conversion.inputs_dir))
    conversion.pictures.find_all(body)
    source = _Source(body, writer.parts, title_of_asciidoc(body) or title, in_body, about)
    conversion.keep("report.asciidoc", source.parts.written_out(source.body))
    return source


def _with_typst(conversion: Conversion, source: _Source, remarks_on_top: list[str]) -> None:
    job = TypstJob(
        conversion,
        source.body,
        source.parts,
        source.title,
        source.title_in_body,
        source.about,
        remarks_on_top,
    )
    try:
        conversion.keep("report.typ", job.write())
    finally:
        pictures = conversion.pictures.kept
        conversion.keep_files(*pictures, "report.typst", "report.json")


def _with_asciidoctor(conversion: Conversion, source: _Source) -> str:
    asciidoctor.write_pdf(
        conversion, source.parts.written_out(source.body), source.title, source.about
    )
    return "asciidoctor"


def _second_attempt(
    conversion: Conversion, converter: Converter, source: _Source, failure: ProgramFailedError
) -> str:
    """Make the report without Typst's way of reading AsciiDoc, or without the author's template."""
    options = conversion.options
    raw_cells = any(cell.cell_type == "raw" for cell in conversion.nb.cells)
    if options.template is None and not raw_cells:
        if failure.out_of_memory:
            raise memory_error(conversion.limits) from failure
        raise ReportError(
            "Report",
            f"pandoc could not read the AsciiDoc of the built-in template: {failure.stderr[:500]}",
            "This is a fault of autoflow_dagster: please report it.",
        ) from failure
    if options.template and options.engine == "auto" and asciidoctor.is_installed():
        return _with_asciidoctor(conversion, source)
    notes = []
    if options.template:
        reason = failure.stderr.splitlines()[0][:200] if failure.stderr else "out of memory"
        notes.append(remarks.template_not_used(options.template.name, reason))
    else:
        notes.append(remarks.RAW_CELLS)
    plain = _asciidoc(conversion, converter, None, raw_as_text=True)
    _with_typst(conversion, plain, [conversion.tidying.note(note) for note in notes])
    return "typst"
