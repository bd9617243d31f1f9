"""Execute one notebook with papermill, in a kernel of its own.

Knows neither workflows nor Dagster. The notebook appears under its final name when it succeeded,
and in the failed directory when it did not.
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, TextIO

from autoflow_dagster.errors import NotebookError
from autoflow_dagster.kernels import kernel_manager_class
from autoflow_dagster.outputs import free_path, move_whole, temporary_beside
from autoflow_dagster.settings import redact

START_TIMEOUT_SECONDS = 120
"""For the kernel to start; generous because several start at once on a busy machine."""


@dataclass(frozen=True)
class CellProgress:
    """A code cell is about to be executed.

    Attributes
    ----------
    number, total : int
        Counted over all code cells, from 1.
    """

    number: int
    total: int


@dataclass(frozen=True, kw_only=True)
class NotebookRun:
    """What to execute, with what, and where the result goes.

    Attributes
    ----------
    source : Path
        The notebook; never written to.
    destination : Path
        Where the executed notebook goes when every cell succeeded.
    failed_dir : Path
        Where it goes when one did not, under the same name.
    parameters : mapping
        JSON values, injected after the notebook's ``parameters`` cell; empty injects nothing.
    working_dir : Path
        The kernel's working directory.
    kernel_name : str or None
        None for the kernel that the notebook names.
    timeout : timedelta or None
        For the whole notebook; None for no limit.
    environment : mapping or None
        The kernel's whole environment; None for the environment of this process.
    secrets : tuple of str
        Values replaced by ``***`` in the executed notebook and in errors.
    subject : str
        What to add to a message after the notebook's name, such as "for reference date 2016-01-07".
    on_cell : callable or None
        Called before each code cell.
    stdout, stderr : text file or None
        Receive what the notebook prints, while it runs.
    """

    source: Path
    destination: Path
    failed_dir: Path
    parameters: Mapping[str, Any]
    working_dir: Path
    kernel_name: str | None = None
    timeout: timedelta | None = None
    environment: Mapping[str, str] | None = None
    secrets: tuple[str, ...] = ()
    subject: str = ""
    on_cell: Callable[[CellProgress], None] | None = None
    stdout: TextIO | None = None
    stderr: TextIO | None = None


@dataclass(frozen=True)
class ExecutedNotebook:
    """A notebook that was executed to its end.

    Attributes
    ----------
    path : Path
        The executed notebook.
    source_sha256 : str
        Of the notebook file as it was executed.
    cells : int
        Number of code cells executed.
    duration_seconds : float
        Wall time, kernel start included.
    kernel_name : str
        Name of the kernelspec.
    scraps : mapping of str to scrap
        What the notebook glued with scrapbook: ``{"name", "data", "encoder", "display"}``.
    """

    path: Path
    source_sha256: str
    cells: int
    duration_seconds: float
    kernel_name: str
    scraps: Mapping[str, Mapping[str, Any]]


def execute_notebook(run: NotebookRun) -> ExecutedNotebook:
    """Execute a notebook.

    Raises
    ------
    NotebookError
        Naming notebook, cell and error when a cell fails, the time is up or the kernel dies; the
        executed part is kept in the failed directory.
    """
    content = _read_source(run)
    started = time.monotonic()
    run.destination.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_beside(run.destination)
    try:
        notebook = _papermill(run, content, temporary)
        scrub(temporary, run.secrets)
        destination = free_path(run.destination)
        move_whole(temporary, destination)
    except NotebookError as error:
        raise _keep_failed(run, temporary, error) from error.__cause__
    finally:
        temporary.unlink(missing_ok=True)
    return ExecutedNotebook(
        path=destination,
        source_sha256=hashlib.sha256(content).hexdigest(),
        cells=sum(1 for cell in notebook["cells"] if cell.get("execution_count") is not None),
        duration_seconds=time.monotonic() - started,
        kernel_name=notebook["metadata"].get("kernelspec", {}).get("name", ""),
        scraps=scraps_of(notebook),
    )


def _read_source(run: NotebookRun) -> bytes:
    try:
        return run.source.read_bytes()
    except OSError as error:
        raise NotebookError(
            f"Notebook {run.source.name}",
            f"cannot be read ({error.strerror}).",
            "Put it into the inputs directory, or mend workflows.yml.",
        ) from error


def _papermill(run: NotebookRun, content: bytes, output: Path) -> Any:
    """Run papermill and return the executed notebook; everything it raises as NotebookError."""
    import nbformat
    import papermill
    from nbclient.exceptions import CellTimeoutError, DeadKernelError

    keep_papermill_translator()
    try:
        source = nbformat.reads(content.decode(), as_version=4)  # type: ignore[no-untyped-call]
    except Exception as error:  # nbformat raises half a dozen unrelated types
        raise NotebookError(
            f"Notebook {run.source.name}",
            f"is not a readable notebook ({type(error).__name__}).",
            "Open it in Jupyter and save it again.",
        ) from error
    last = _CellCounter(source["cells"], run)
    try:
        return papermill.execute_notebook(
            source,
            # papermill formats braces in paths; doubled ones stay braces.
            str(output).replace("{", "{{").replace("}", "}}"),
            parameters=dict(run.parameters),
            kernel_name=run.kernel_name,
            cwd=str(run.working_dir),
            progress_bar=False,
            start_timeout=START_TIMEOUT_SECONDS,
            stdout_file=run.stdout,
            stderr_file=run.stderr,
            on_cell_execute=last.on_cell_execute,
            timeout_func=_remaining_time(run.timeout),
            kernel_manager_class=kernel_manager_class(run.environment),
            extra_arguments=["--HistoryManager.enabled=False"] if _is_python(source, run) else [],
        )
    except papermill.PapermillExecutionError as error:
        raise _cell_error(run, source, error) from None
    except CellTimeoutError as error:
        raise _error(
            run, last.position, f"the notebook's timeout of {run.timeout} is up"
        ) from error
    except DeadKernelError as error:
        hint = (
            "The kernel was killed, most often for lack of memory. Nothing is lost: run it again."
        )
        raise _error(run, last.position, "its kernel died", hint) from error
    except Exception as error:
        text = f"{type(error).__name__}: {error}"
        raise _error(run, last.position, text, "The kernel could not be run.") from error


def keep_papermill_translator() -> None:
    """Put papermill's own Python translator back, which importing dagstermill replaces.

    With dagstermill's in place a plain papermill call that passes parameters dies with an empty
    AssertionError.
    """
    from papermill.translators import PythonTranslator, papermill_translators

    papermill_translators.register("python", PythonTranslator)


class _CellCounter:
    """Counts code cells as they are executed."""

    def __init__(self, cells: list[Any], run: NotebookRun) -> None:
        injected = 1 if run.parameters else 0
        self._total = sum(1 for cell in cells if cell["cell_type"] == "code") + injected
        self._number = 0
        self._on_cell = run.on_cell

    def on_cell_execute(self, cell: Any, cell_index: int) -> None:
        """Be told by nbclient that a cell starts."""
        self._number += 1
        if self._on_cell:
            self._on_cell(CellProgress(self._number, self._total))

    @property
    def position(self) -> str:
        return (
            f"at code cell {self._number} of {self._total}"
            if self._number
            else "before its first cell"
        )


def _remaining_time(timeout: timedelta | None) -> Callable[[Any], float | None]:
    """Return nbclient's per-cell time limit so that it ends with the whole notebook's."""
    deadline = None if timeout is None else time.monotonic() + timeout.total_seconds()

    def remaining(cell: Any) -> float | None:
        # nbclient reads 0 as "no limit".
        return None if deadline is None else max(0.01, deadline - time.monotonic())

    return remaining


def _is_python(notebook: Any, run: NotebookRun) -> bool:
    spec = notebook["metadata"].get("kernelspec", {})
    return (
        spec.get("language", "") == "python" or (run.kernel_name or spec.get("name")) == "python3"
    )


def _cell_error(run: NotebookRun, source: Any, error: Any) -> NotebookError:
    """Return the error of a failed cell, its position counted as in the notebook that was given."""
    total = len(source["cells"])
    cell = _original_position(source, error.source)
    position = f"at cell {cell} of {total}" if cell else "at a cell"
    text = f"{error.ename}: {error.evalue}" if error.evalue else str(error.ename)
    rest = total - cell if cell else 0
    not_run = f" {rest} cells were not run." if rest else ""
    return _error(
        run, position, text, f"{not_run.strip()} Cell:\n{_indented(error.source)}".strip()
    )


def _original_position(source: Any, failed: str) -> int | None:
    for number, cell in enumerate(source["cells"], start=1):
        if cell["cell_type"] == "code" and cell["source"] == failed:
            return number
    return None


def _indented(code: str, limit: int = 15) -> str:
    lines = code.rstrip().splitlines()
    shown = lines[:limit] + (["..."] if len(lines) > limit else [])
    return "\n".join(f"    {line}" for line in shown)


def _error(run: NotebookRun, position: str, text: str, hint: str = "") -> NotebookError:
    subject = f" {run.subject}" if run.subject else ""
    return NotebookError(
        f"Notebook {run.source.name} stopped {position}{subject}",
        redact(text, run.secrets),
        redact(hint, run.secrets),
    )


def _keep_failed(run: NotebookRun, temporary: Path, error: NotebookError) -> NotebookError:
    """Move what there is of the executed notebook to the failed ones and say where it lies."""
    if not temporary.exists():
        return error
    scrub(temporary, run.secrets)
    kept = free_path(run.failed_dir / run.destination.name)
    move_whole(temporary, kept)
    failed = NotebookError(
        error.where, error.problem, f"The failed notebook is {kept}. {error.hint}".strip()
    )
    failed.kept = kept
    return failed


def scrub(path: Path, secrets: tuple[str, ...]) -> None:
    """Replace secrets in a notebook file by ``***``, however JSON writes them."""
    text = path.read_text()
    clean = redact(text, tuple({form for s in secrets for form in (s, json.dumps(s)[1:-1])}))
    if clean != text:
        path.write_text(clean)
        logging.getLogger(__name__).warning("A secret was removed from %s.", path.name)


def scraps_of(notebook: Any) -> dict[str, dict[str, Any]]:
    """Return the scraps that a notebook glued, by name; a later one of the same name wins.

    Read from the outputs as scrapbook writes them (its schema 1), without importing scrapbook.
    """
    scraps: dict[str, dict[str, Any]] = {}
    for cell in notebook["cells"]:
        for output in cell.get("outputs", ()):
            name = output.get("metadata", {}).get("scrapbook", {}).get("name")
            if name is None:
                continue
            for mime, payload in output.get("data", {}).items():
                if mime.startswith("application/scrapbook.scrap") and isinstance(payload, dict):
                    scraps.setdefault(name, {"name": name}).update(
                        data=payload.get("data"), encoder=payload.get("encoder")
                    )
                else:
                    scraps.setdefault(name, {"name": name}).setdefault("display", {})[mime] = (
                        payload
                    )
    return scraps
