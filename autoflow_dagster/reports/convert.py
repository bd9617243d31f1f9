"""An executed notebook turned into a report, whole or not at all."""

from __future__ import annotations

import hashlib
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from autoflow_dagster.outputs import move_whole, temporary_beside
from autoflow_dagster.reports.model import Provenance, ReportOptions, ReportSummary
from autoflow_dagster.reports.notebook_file import parse_notebook, read_bytes
from autoflow_dagster.reports.redaction import Redactor

if TYPE_CHECKING:
    from autoflow_dagster.reports.conversion import Conversion, Made


def write_report(
    executed_notebook: Path,
    destination: Path,
    options: ReportOptions | None = None,
    provenance: Provenance | None = None,
) -> ReportSummary:
    """Turn an executed notebook into a PDF or HTML report.

    The report appears at `destination` complete or not at all, and the same notebook, options and
    provenance give the same bytes.

    Parameters
    ----------
    executed_notebook : Path
        The notebook, with outputs. It is not executed again, nor changed.
    destination : Path
        Where the report goes; its directory must exist. An older report there is replaced.
    options : ReportOptions or None
        None makes a PDF with the built-in template.
    provenance : Provenance or None
        What the report says about its making; None only names the notebook and its hash.

    Returns
    -------
    ReportSummary

    Raises
    ------
    ReportError
        When the notebook cannot be read, the template has an error, or a limit was met.
    """
    start = time.monotonic()
    options = (options or ReportOptions()).with_absolute_paths()
    # Typst and pandoc work in a directory of their own.
    executed_notebook, destination = executed_notebook.absolute(), destination.absolute()
    raw = read_bytes(executed_notebook)
    temporary = temporary_beside(destination)
    try:
        with tempfile.TemporaryDirectory(prefix="autoflow-report-") as directory:
            conversion = _conversion(
                raw, executed_notebook, destination, Path(directory), options, provenance
            )
            conversion.destination = temporary
            made = _make(conversion)
        size = temporary.stat().st_size
        move_whole(temporary, destination)
    finally:
        temporary.unlink(missing_ok=True)
    return ReportSummary(
        path=destination,
        title=made.title,
        pages=made.pages,
        size_bytes=size,
        engine=made.engine,
        notes=made.notes,
        seconds=round(time.monotonic() - start, 3),
    )


def _conversion(
    raw: bytes,
    notebook: Path,
    destination: Path,
    directory: Path,
    options: ReportOptions,
    provenance: Provenance | None,
) -> Conversion:
    from autoflow_dagster.reports.conversion import Conversion
    from autoflow_dagster.reports.pictures import Pictures
    from autoflow_dagster.reports.programs import Limits
    from autoflow_dagster.reports.tidy import Tidying

    limits = Limits(options.time_limit_seconds, options.memory_limit_mb)
    beside_template = options.template.parent if options.template else None
    inputs_dir = options.inputs_dir or beside_template
    hidden = (
        notebook.parent,
        destination.parent,
        *options.hidden_paths,
        inputs_dir,
        beside_template,
    )
    redactor = Redactor(options.secrets, [path for path in hidden if path is not None])
    nb = redactor.value(parse_notebook(raw, notebook.name))
    pictures = Pictures(allowed=inputs_dir)
    return Conversion(
        nb=nb,
        seed=raw,
        directory=directory,
        destination=destination,
        inputs_dir=inputs_dir,
        options=replace(options, author=redactor.value(options.author)),
        provenance=_completed(provenance or Provenance(), raw, notebook, redactor),
        limits=limits,
        redactor=redactor,
        tidying=Tidying(pictures, show_code=options.show_code),
    )


def _completed(given: Provenance, raw: bytes, notebook: Path, redactor: Redactor) -> Provenance:
    """Return provenance that names the notebook and has nothing secret."""
    name = Path(given.notebook_filename or notebook).name
    return replace(
        given,
        workflow=redactor.value(given.workflow),
        run_id=redactor.value(given.run_id),
        parameters=redactor.value(dict(given.parameters)),
        versions=redactor.value(dict(given.versions)),
        notebook_filename=redactor.text(name),
        notebook_sha256=given.notebook_sha256 or hashlib.sha256(raw).hexdigest(),
    )


def _make(conversion: Conversion) -> Made:
    from autoflow_dagster.reports.html import make_html
    from autoflow_dagster.reports.pdf import make_pdf

    return make_html(conversion) if conversion.options.format == "html" else make_pdf(conversion)
