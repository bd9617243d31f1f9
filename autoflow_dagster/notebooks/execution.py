"""Execute one notebook with papermill, in a kernel of its own.

Knows neither workflows nor Dagster. The notebook appears under its final name when it succeeded,
and in the failed directory when it did not; before that it is in memory only.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, TextIO

from autoflow_dagster.errors import NotebookCancelledError, NotebookError
from autoflow_dagster.notebooks.cell_progress import CellProgress, SlowCells
from autoflow_dagster.notebooks.errors import CellCounter, cell_failed, stopped
from autoflow_dagster.notebooks.keeping import keep_failed, save
from autoflow_dagster.notebooks.kernel_output import redacted_output
from autoflow_dagster.notebooks.kernels import KernelUse, kernel_manager_class
from autoflow_dagster.notebooks.papermill_setup import (
    Kernel,
    NotebookMemory,
    engine_name,
    find_kernel,
    keep_papermill_translator,
    notebook_memory,
)
from autoflow_dagster.notebooks.scraps import (
    Scraps,
    no_data_reason,
    scraps_of,
)
from autoflow_dagster.notebooks.secrets import RedactedStream, spellings

START_TIMEOUT_SECONDS = 120
"""For the kernel to start; generous because several start at once on a busy machine."""

OUTPUT_TIMEOUT_SECONDS = 120
"""For the last output of a cell to arrive after the cell has ended. nbclient's own 4 seconds are
too few for large outputs on a busy machine."""


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
        Called with each code cell that takes long, while it runs.
    stdout, stderr : text file or None
        Receive what the notebook prints, while it runs.
    startup_file : Path or None
        Python code that an IPython kernel executes before the notebook; leaves no trace in it.
    kernel_server : Path or None
        Socket of a fork server to ask for the kernel; None: the kernel starts in the ordinary way.
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
    startup_file: Path | None = None
    kernel_server: Path | None = None


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
    peak_memory_bytes : int or None
        Of the kernel's process; None when unknown.
    scraps : mapping of str to scrap
        What the notebook glued with scrapbook.
    no_data : str or None
        Why the notebook ended early on purpose; None when it did not.
    """

    path: Path
    source_sha256: str
    cells: int
    duration_seconds: float
    kernel_name: str
    peak_memory_bytes: int | None
    scraps: Scraps
    no_data: str | None = None


def execute_notebook(run: NotebookRun) -> ExecutedNotebook:
    """Execute a notebook.

    Raises
    ------
    NotebookError
        Naming notebook, cell and error when a cell fails, the time is up or the kernel dies; the
        executed part is kept in the failed directory. Also when the result cannot be written.
    NotebookCancelledError
        When `kernels.end_kernels` has ended it.
    """
    content = _read_source(run)
    started = time.monotonic()
    with notebook_memory() as memory:
        try:
            use = _papermill(run, content, memory)
        except NotebookCancelledError:
            raise
        except NotebookError as error:
            raise keep_failed(run, memory, error) from error.__cause__
        path, notebook = save(run, memory, run.destination)
    scraps = scraps_of(notebook)
    return ExecutedNotebook(
        path=path,
        source_sha256=hashlib.sha256(content).hexdigest(),
        cells=sum(1 for cell in notebook["cells"] if cell.get("execution_count") is not None),
        duration_seconds=time.monotonic() - started,
        kernel_name=notebook["metadata"].get("kernelspec", {}).get("name", ""),
        peak_memory_bytes=use.peak_memory_bytes,
        scraps=scraps,
        no_data=no_data_reason(scraps),
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


def _parse(run: NotebookRun, content: bytes) -> Any:
    """Return the notebook that was given, in today's format."""
    import nbformat
    from nbformat.warnings import DuplicateCellId, MissingIDFieldWarning

    try:
        with warnings.catch_warnings():
            # Cells get ids of their own; who wrote them cannot be warned here.
            warnings.simplefilter("ignore", MissingIDFieldWarning)
            warnings.simplefilter("ignore", DuplicateCellId)
            notebook = nbformat.reads(content.decode(), as_version=4)  # type: ignore[no-untyped-call]
        if not {"cells", "metadata"} <= notebook.keys():
            raise ValueError("Not a notebook.")
    except Exception as error:  # nbformat raises half a dozen unrelated types
        raise NotebookError(
            f"Notebook {run.source.name}",
            f"is not a readable notebook ({type(error).__name__}).",
            "Open it in Jupyter and save it again.",
        ) from error
    return notebook


def _papermill(run: NotebookRun, content: bytes, memory: NotebookMemory) -> KernelUse:
    """Run papermill; everything it raises as NotebookError."""
    from papermill import PapermillExecutionError

    source = _parse(run, content)
    asked = run.kernel_name or source["metadata"].get("kernelspec", {}).get("name")
    kernel = find_kernel(asked, f"Notebook {run.source.name}")
    counter = CellCounter(source["cells"], injects=bool(run.parameters))
    use = KernelUse()
    try:
        _call_papermill(run, source, kernel, counter, memory, use)
    except Exception as error:  # of papermill, nbclient, jupyter_client, zmq and the system
        if use.was_ended:
            raise NotebookCancelledError(
                f"Notebook {run.source.name}", "was ended: its run was cancelled."
            ) from None
        if not (isinstance(error, PapermillExecutionError) and _ended_early(memory)):
            # No cause: the libraries' errors quote cells and their output, secrets included.
            raise _notebook_error(run, counter, error) from None
    return use


def _call_papermill(
    run: NotebookRun,
    source: Any,
    kernel: Kernel,
    counter: CellCounter,
    memory: NotebookMemory,
    use: KernelUse,
) -> None:
    import papermill

    slow_cells = SlowCells(run.on_cell)

    def on_cell_execute(cell: Any, cell_index: int) -> None:
        counter.begin(cell_index)
        slow_cells.begin(CellProgress(counter.executed, counter.total))

    keep_papermill_translator()
    secrets = spellings(run.secrets)
    with (
        contextlib.closing(slow_cells),
        _redacted(run.stdout, secrets) as stdout,
        _redacted(run.stderr, secrets) as stderr,
        redacted_output(run.stderr, secrets) as kernel_output,
    ):
        papermill.execute_notebook(
            source,
            memory.address,
            parameters=dict(run.parameters),
            kernel_name=kernel.name,
            language=kernel.language,
            # Not papermill's `cwd`, which changes the directory of this whole process.
            resources={"metadata": {"path": str(run.working_dir)}},
            progress_bar=False,
            engine_name=engine_name(),
            autosave_cell_every=0,
            start_timeout=START_TIMEOUT_SECONDS,
            iopub_timeout=OUTPUT_TIMEOUT_SECONDS,
            stdout_file=stdout,
            stderr_file=stderr,
            on_cell_execute=on_cell_execute,
            timeout_func=_remaining_time(run.timeout),
            kernel_manager_class=kernel_manager_class(
                run.environment, run.kernel_server, kernel_output, use
            ),
            extra_arguments=_kernel_arguments(run, kernel),
        )


def _ended_early(memory: NotebookMemory) -> bool:
    """Return whether the notebook said that there is nothing to report on, and stopped."""
    return no_data_reason(scraps_of(json.loads(memory.content or "{}"))) is not None


def _notebook_error(run: NotebookRun, counter: CellCounter, error: Exception) -> NotebookError:
    """Return our error for whatever ended a notebook."""
    import papermill
    from nbclient.exceptions import CellTimeoutError, DeadKernelError

    secrets = spellings(run.secrets)
    if isinstance(error, papermill.PapermillExecutionError):
        return cell_failed(run.source.name, counter, run.subject, error, secrets)
    if isinstance(error, CellTimeoutError) and "IOPub" in str(error):
        problem = f"its output did not arrive within {OUTPUT_TIMEOUT_SECONDS} seconds."
        hint = "Run it again."
    elif isinstance(error, CellTimeoutError):
        problem = f"the notebook's timeout of {run.timeout} is up."
        hint = "Raise timeout: of the notebook in workflows.yml, or make it quicker."
    elif isinstance(error, DeadKernelError):
        problem = "its kernel died."
        hint = "Most often the system killed it for lack of memory."
    else:
        problem = f"{type(error).__name__}: {error}"
        hint = "The kernel could not be run."
    place = counter.place(counter.index)
    return stopped(run.source.name, place, run.subject, problem, hint, secrets)


@contextlib.contextmanager
def _redacted(stream: TextIO | None, secrets: tuple[str, ...]) -> Iterator[RedactedStream | None]:
    if stream is None:
        yield None
        return
    redacted = RedactedStream(stream, secrets)
    try:
        yield redacted
    finally:
        redacted.finish()


def _remaining_time(timeout: timedelta | None) -> Callable[[Any], float | None]:
    """Return nbclient's per-cell time limit so that it ends with the whole notebook's."""
    deadline = None if timeout is None else time.monotonic() + timeout.total_seconds()

    def remaining(cell: Any) -> float | None:
        # nbclient reads 0 as "no limit".
        return None if deadline is None else max(0.01, deadline - time.monotonic())

    return remaining


def _kernel_arguments(run: NotebookRun, kernel: Kernel) -> list[str]:
    """Return arguments for the kernel's command line; only IPython's kernel is known to take any."""
    if kernel.language.lower() != "python":
        return []
    arguments = ["--HistoryManager.enabled=False"]
    if run.startup_file is not None:
        arguments.append(f"--IPKernelApp.exec_files={run.startup_file}")
    return arguments
