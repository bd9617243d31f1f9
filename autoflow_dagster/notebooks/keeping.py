"""Executed notebooks as files: written whole, without secrets, also when a cell failed."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autoflow_dagster.errors import NotebookError
from autoflow_dagster.notebooks.papermill_setup import NotebookMemory
from autoflow_dagster.notebooks.scraps import EVENT_PREFIX, scrap_name
from autoflow_dagster.notebooks.secrets import spellings, without_secrets
from autoflow_dagster.outputs import free_path, written_whole

if TYPE_CHECKING:
    from autoflow_dagster.notebooks.execution import NotebookRun

logger = logging.getLogger(__name__)


def save(
    run: NotebookRun, memory: NotebookMemory, wanted: Path, has_failed: bool = False
) -> tuple[Path, Any]:
    """Write what papermill wrote last to disk, without secrets.

    Parameters
    ----------
    wanted : Path
        A name beside it is taken when it is not free.
    has_failed : bool
        Keep papermill's marks of the cell that failed.

    Returns
    -------
    tuple of Path and notebook
        Where it is, and the notebook as it was written.

    Raises
    ------
    NotebookError
        When it cannot be written.
    """
    import nbformat

    notebook = nbformat.reads(memory.content, as_version=4)  # type: ignore[no-untyped-call]
    clean = without_secrets(notebook, spellings(run.secrets))
    if clean != notebook:
        logger.warning("A secret was removed from the executed notebook %s.", run.source.name)
    if not has_failed:
        # One that ended early on purpose has failed in papermill's eyes.
        clean["cells"] = [cell for cell in clean["cells"] if not _is_error_marker(cell)]
    for cell in clean["cells"]:
        if "outputs" in cell:
            cell["outputs"] = [out for out in cell["outputs"] if not _is_event_scrap(out)]
    notebook = nbformat.from_dict(clean)  # type: ignore[no-untyped-call]
    try:
        wanted.parent.mkdir(parents=True, exist_ok=True)
        path = free_path(wanted)
        paths = {"input_path": str(run.source), "output_path": str(path)}
        notebook["metadata"].setdefault("papermill", {}).update(paths)
        with written_whole(path) as temporary:
            text = nbformat.writes(notebook)  # type: ignore[no-untyped-call]
            temporary.write_text(text, encoding="utf-8")
    except OSError as error:
        raise NotebookError(
            f"Notebook {run.source.name}",
            f"was executed, but cannot be written to {wanted.parent} ({error.strerror}).",
            "Make room there or correct the permissions, then run it again.",
        ) from error
    return path, notebook


def _is_error_marker(cell: Mapping[str, Any]) -> bool:
    return "papermill-error-cell-tag" in cell["metadata"].get("tags", ())


def _is_event_scrap(output: Mapping[str, Any]) -> bool:
    """Return whether an output names a temporary file of dagstermill."""
    return (scrap_name(output) or "").startswith(EVENT_PREFIX)


def keep_failed(run: NotebookRun, memory: NotebookMemory, error: NotebookError) -> NotebookError:
    """Save what there is of a notebook that failed; return its error, saying where it lies."""
    if memory.content is None:
        return error
    kept: Path | None = None
    try:
        kept, _ = save(run, memory, run.failed_dir / run.destination.name, has_failed=True)
        note = f"The failed notebook is {kept}."
    except NotebookError as unsaved:
        note = f"The failed notebook {unsaved.problem}"
    failed = NotebookError(error.where, error.problem, f"{note} {error.hint}".strip())
    failed.kept = kept
    return failed
