"""``autoflow report``: an executed notebook made into a report, as a run makes it."""

from __future__ import annotations

import os
import re
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import click

from autoflow_dagster.cli.options import inputs_option, read_settings
from autoflow_dagster.errors import ReportError

if TYPE_CHECKING:
    from autoflow_dagster.reports import Provenance, ReportSummary
    from autoflow_dagster.reports.model import ReportFormat
    from autoflow_dagster.settings import Settings

_FILE = click.Path(dir_okay=False, path_type=Path)

_EXECUTED = re.compile(
    r"(?P<stem>.+)__(?P<workflow>.+)_(?P<day>\d{4}-\d\d-\d\d)_(?P<hash>[0-9a-f]{32})__\d{8}T\d{6}Z"
)
"""File name of an executed notebook of a config (see naming.output_stem)."""


@click.command()
@click.argument("notebook", metavar="NOTEBOOK.ipynb", type=_FILE)
@click.option(
    "--format",
    "report_format",
    type=click.Choice(["pdf", "html"]),
    help="Format of the report.  [default: as the name of --output says, else pdf]",
)
@click.option("--template", type=_FILE, help="Your own template.  [default: the built-in one]")
@click.option("--show-code", is_flag=True, help="Show code cells and what they print.")
@click.option(
    "-o", "--output", type=_FILE, help="Where the report goes.  [default: beside the notebook]"
)
@click.option(
    "--keep-source",
    is_flag=True,
    help="Leave the AsciiDoc and Typst files in a directory beside the report.",
)
@inputs_option
def report(
    notebook: Path,
    report_format: ReportFormat | None,
    template: Path | None,
    show_code: bool,
    output: Path | None,
    keep_source: bool,
    inputs: Path | None,
) -> None:
    """Make a report of an executed notebook, exactly as a run does.

    The notebook is not executed again. For trying templates: a template may include files and use
    pictures of the inputs directory, or of its own directory when it lies outside of that.

    Example: autoflow report outputs/notebooks/flows_report__....ipynb --template flows.tpl
    """
    chosen = report_format or _format_of(output)
    destination = output or notebook.with_suffix(f".{chosen}")
    source = destination.absolute().with_suffix(".source") if keep_source else None
    summary = _write(
        read_settings(inputs), notebook, destination, chosen, template, show_code, source
    )
    for note in summary.notes:
        click.echo(f"Note: {note}", err=True)
    click.echo(_summary_text(summary))
    if source is not None and source.is_dir():
        click.echo(f"{source}: what it was made from")


def _format_of(output: Path | None) -> ReportFormat:
    return "html" if output is not None and output.suffix.lower() in (".html", ".htm") else "pdf"


def _write(
    settings: Settings,
    notebook: Path,
    destination: Path,
    report_format: ReportFormat,
    template: Path | None,
    show_code: bool,
    keep_source: Path | None,
) -> ReportSummary:
    from autoflow_dagster.reports import ReportOptions, write_report

    destination = destination.absolute()
    if not os.access(destination.parent, os.W_OK):
        exists = destination.parent.is_dir()
        problem = "cannot be written to." if exists else "there is no such directory."
        raise ReportError(str(destination.parent), problem, "Name another place with -o.")
    options = ReportOptions(
        format=report_format,
        template=template.absolute() if template else None,
        inputs_dir=_inputs_dir(settings, template),
        show_code=show_code,
        engine=settings.pdf_engine,
        author=settings.report_author,
        language=settings.report_language,
        max_table_rows=settings.report_max_table_rows,
        time_limit_seconds=settings.report_time_limit,
        memory_limit_mb=settings.report_memory_limit,
        secrets=settings.secret_values(),
        keep_source=keep_source,
    )
    return write_report(notebook.absolute(), destination, options, provenance_of(notebook))


def _inputs_dir(settings: Settings, template: Path | None) -> Path | None:
    """Return the directory that templates may read from; None means the template's own."""
    inputs = settings.inputs_dir
    if not inputs.is_dir():
        return None
    is_inside = template is None or template.resolve().is_relative_to(inputs.resolve())
    return inputs if is_inside else None


def provenance_of(notebook: Path) -> Provenance:
    """Return what the name of an executed notebook tells; nothing for other names."""
    from autoflow_dagster.reports import Provenance

    found = _EXECUTED.match(notebook.stem)
    if found is None:
        return Provenance()
    return Provenance(
        workflow=found["workflow"],
        reference_date=date.fromisoformat(found["day"]),
        parameters_hash=found["hash"],
        notebook_filename=f"{found['stem']}.ipynb",
    )


def _summary_text(summary: ReportSummary) -> str:
    pages = f"{summary.pages} page{'' if summary.pages == 1 else 's'}, " if summary.pages else ""
    size = f"{max(1, round(summary.size_bytes / 1000)):,} kB"
    return f"{summary.path}: {pages}{size}, made with {summary.engine} in {summary.seconds:.1f} s"
