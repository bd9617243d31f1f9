"""A notebook to PDF: tidied, written as AsciiDoc, set by Typst or by Asciidoctor."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from autoflow_dagster.errors import ReportError
from autoflow_dagster.reports import asciidoctor, remarks
from autoflow_dagster.reports.asciidoc import AsciidocSource, AsciidocWriter
from autoflow_dagster.reports.conversion import Conversion, Made, template_facts
from autoflow_dagster.reports.directives import resolve_directives, with_closed_blocks
from autoflow_dagster.reports.headings import report_title, texts_of, title_of_asciidoc
from autoflow_dagster.reports.markdown import Converter
from autoflow_dagster.reports.pages import page_count
from autoflow_dagster.reports.parts import Parts
from autoflow_dagster.reports.programs import ProgramFailedError, memory_error
from autoflow_dagster.reports.provenance import provenance_text
from autoflow_dagster.reports.room import room_in_pdf
from autoflow_dagster.reports.tidy import tidy_notebook
from autoflow_dagster.reports.typst_pdf import TypstJob


def make_pdf(conversion: Conversion) -> Made:
    """Make a PDF at the conversion's destination.

    A template whose AsciiDoc pandoc cannot read goes to Asciidoctor, with the engine "auto" and
    when that is installed. Else the built-in template is used, and the report says so.

    Raises
    ------
    ReportError
        When the template has an error, Asciidoctor was asked for and is missing or fails, or a
        limit was met.
    """
    options = conversion.options
    conversion.tidying.room = room_in_pdf(options.max_table_rows)
    tidy_notebook(conversion.nb, conversion.tidying)
    converter = Converter("asciidoc", conversion.limits, conversion.directory)
    converter.prepare(texts_of(conversion.nb, conversion.tidying))
    source = _asciidoc(conversion, converter, options.template)
    engine = "typst"
    if options.engine == "asciidoctor":
        asciidoctor.write_pdf(conversion, source)
        engine = "asciidoctor"
    else:
        try:
            _with_typst(conversion, source)
        except ProgramFailedError as failure:
            engine = _second_attempt(conversion, converter, source, failure)
    notes = tuple(conversion.tidying.notes)
    return Made(source.title, engine, notes, page_count(conversion.destination))


def _asciidoc(
    conversion: Conversion, converter: Converter, template: Path | None, raw_as_text: bool = False
) -> AsciidocSource:
    title, in_body = report_title(
        conversion.nb, conversion.tidying, converter, conversion.provenance
    )
    about = provenance_text(conversion.provenance, title)
    writer = AsciidocWriter(
        conversion.tidying,
        converter,
        Parts(conversion.seed),
        raw_as_text,
    )
    facts = template_facts(conversion, title, about)
    body = writer.write(conversion.nb, template, conversion.inputs_dir, facts)
    body = writer.parts.with_placeholders(conversion.redactor.text(body))
    body, unclosed = with_closed_blocks(resolve_directives(body, conversion.inputs_dir))
    conversion.pictures.find_all(body)
    source = AsciidocSource(body, writer.parts, title_of_asciidoc(body) or title, in_body, about)
    if template and unclosed:
        source = _with_remark(
            conversion, source, remarks.template_unclosed(template.name, unclosed[-1])
        )
    conversion.keep("report.asciidoc", source.written_out())
    return source


def _with_remark(conversion: Conversion, source: AsciidocSource, remark: str) -> AsciidocSource:
    """Return the source with a remark under its title."""
    return replace(source, remarks=(*source.remarks, conversion.tidying.note(remark)))


def _with_typst(conversion: Conversion, source: AsciidocSource) -> None:
    try:
        conversion.keep("report.typ", TypstJob(conversion, source).write())
    finally:
        conversion.keep_files(*conversion.pictures.kept, "report.typst", "report.json")


def _second_attempt(
    conversion: Conversion,
    converter: Converter,
    source: AsciidocSource,
    failure: ProgramFailedError,
) -> str:
    """Make the report without pandoc's reading of the template, or of raw cells; return the engine."""
    template = conversion.options.template
    reason = (
        failure.stderr.splitlines()[0][:200] if failure.stderr else "it was too much for pandoc"
    )
    if template and conversion.options.engine == "auto" and asciidoctor.is_installed():
        conversion.tidying.note(remarks.other_engine(template.name, reason))
        asciidoctor.write_pdf(conversion, source)
        return "asciidoctor"
    if template:
        remark = remarks.template_not_used(template.name, reason)
    elif any(cell.cell_type == "raw" for cell in conversion.nb.cells):
        remark = remarks.RAW_CELLS
    elif failure.out_of_memory:
        raise memory_error(conversion.limits) from failure
    else:
        raise ReportError(
            "Report",
            f"pandoc could not read the AsciiDoc of the built-in template: {reason}",
            "This is a fault of autoflow_dagster: please report it.",
        ) from failure
    plain = _asciidoc(conversion, converter, None, raw_as_text=True)
    _with_typst(conversion, _with_remark(conversion, plain, remark))
    return "typst"
