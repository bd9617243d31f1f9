"""An executed notebook turned into a report, whole or not at all."""

from __future__ import annotations

import hashlib
import os
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from autoflow_dagster.errors import ReportError
from autoflow_dagster.reports.model import Provenance, ReportOptions, ReportSummary
from autoflow_dagster.reports.pictures import Pictures
from autoflow_dagster.reports.programs import Limits
from autoflow_dagster.reports.redaction import Redactor


@dataclass(frozen=True)
class Made:
    """A report in its temporary place."""

    title: str
    engine: str
    notes: tuple[str, ...]
    pages: int | None


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
    options = options or ReportOptions()
    raw = _read(executed_notebook)
    given = provenance or Provenance()
    given = replace(
        given,
        notebook_filename=given.notebook_filename or executed_notebook.name,
        notebook_sha256=given.notebook_sha256 or hashlib.sha256(raw).hexdigest(),
    )
    temporary = destination.with_name(f".{destination.name}.{os.getpid()}.part")
    try:
        with tempfile.TemporaryDirectory(prefix="autoflow-report-") as directory:
            made = _make(raw, temporary, Path(directory), executed_notebook, destination, options, given)
        size = _put_in_place(temporary, destination)
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


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ReportError(
            f"Notebook {path.name}", f"it cannot be read ({type(error).__name__}).", "Is it there?"
        ) from error


def _put_in_place(temporary: Path, destination: Path) -> int:
    """Flush the finished file to disk and give it its name; return its size in bytes."""
    with temporary.open("rb+") as file:
        os.fsync(file.fileno())
        size = os.fstat(file.fileno()).st_size
    os.replace(temporary, destination)
    return size


def _make(
    raw: bytes,
    temporary: Path,
    directory: Path,
    notebook: Path,
    destination: Path,
    options: ReportOptions,
    provenance: Provenance,
) -> Made:
    hidden = [notebook.parent, destination.parent, *options.hidden_paths]
    hidden += [path for path in (options.inputs_dir, options.template and options.template.parent) if path]
    redactor = Redactor(options.secrets, hidden)
    nb = redactor.value(_parsed(raw, notebook))
    clean = _redacted(provenance, redactor)
    limits = Limits(options.time_limit_seconds, options.memory_limit_mb)
    inputs = options.inputs_dir or (options.template.parent if options.template else None)
    pictures = Pictures(allowed=inputs)
    from autoflow_dagster.reports.pdf import make_pdf

    return make_pdf(nb, raw, temporary, directory, pictures, options, clean, limits, redactor, inputs)


def _parsed(raw: bytes, path: Path) -> Any:
    """Return the notebook, whatever minor version it is of."""
    import nbformat

    try:
        return nbformat.reads(raw.decode("utf-8"), as_version=4)
    except Exception as error:  # nbformat raises its own, jsonschema's and json's
        raise ReportError(
            f"Notebook {path.name}",
            f"it is not a notebook ({type(error).__name__}).",
            "A report is made from an executed .ipynb file.",
        ) from error


def _redacted(provenance: Provenance, redactor: Redactor) -> Provenance:
    return replace(
        provenance,
        workflow=redactor.text(provenance.workflow) if provenance.workflow else None,
        parameters={redactor.text(k): redactor.value(v) for k, v in provenance.parameters.items()},
        versions={redactor.text(k): redactor.text(v) for k, v in provenance.versions.items()},
        notebook_filename=redactor.text(Path(provenance.notebook_filename or "").name),
    )
