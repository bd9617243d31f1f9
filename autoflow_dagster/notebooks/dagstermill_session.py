"""Notebooks that use dagstermill: their context, events and log lines, around a papermill run.

The notebook is executed like any other one. `dagstermill.get_context` works because the kernel
prepares it first (dagstermill_kernel.py), on a scratch instance: nothing in the notebook can reach
the real one or its configuration. What it yields and logs is passed on afterwards.
"""

from __future__ import annotations

import contextlib
import json
import logging
import pickle
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import dagster as dg
from dagster import DagsterInstance

from autoflow_dagster.errors import NotebookError
from autoflow_dagster.instance_home import DEFINITIONS_MODULE
from autoflow_dagster.notebooks.dagstermill_kernel import ARGUMENTS_FILE, ERROR_FILE, STARTED_FILE
from autoflow_dagster.notebooks.scraps import EVENT_PREFIX


@dataclass(frozen=True)
class DagstermillSession:
    """The preparations for one notebook.

    Attributes
    ----------
    startup_file : Path
        Python code that the kernel executes before the notebook.
    """

    directory: Path
    scratch: DagsterInstance
    run_id: str

    @property
    def startup_file(self) -> Path:
        """Python code that the kernel executes before the notebook."""
        return self.directory / "startup.py"

    def check_started(self, notebook: str) -> None:
        """Raise NotebookError when the context could not be made."""
        if (self.directory / STARTED_FILE).exists():
            return
        error = self.directory / ERROR_FILE
        text = error.read_text().strip().splitlines() if error.exists() else ["the kernel ended"]
        raise NotebookError(
            f"Notebook {notebook}",
            f"dagstermill could not make its context ({text[-1]}).",
            "It works with Python kernels in which autoflow_dagster is installed.",
        )

    def events(self) -> Iterator[Any]:
        """Yield what the notebook yielded with `dagstermill.yield_event`, in its order."""
        files = [path for path in self.directory.glob(f"{EVENT_PREFIX}*") if path.is_file()]
        for path in sorted(files, key=lambda path: path.stat().st_mtime_ns):
            # Pickled by the kernel of this very run, in a directory of its own.
            yield pickle.loads(path.read_bytes())

    def log_lines(self) -> Iterator[tuple[int, str]]:
        """Yield level and text of what the notebook logged with ``context.log``."""
        for entry in self.scratch.all_logs(self.run_id):
            if entry.dagster_event is None and entry.user_message:
                yield int(entry.level), entry.user_message


@contextlib.contextmanager
def dagstermill_session(
    context: dg.AssetExecutionContext, partitions_name: str
) -> Iterator[DagstermillSession]:
    """Prepare a private directory for the kernel of one notebook; remove it at the end.

    Parameters
    ----------
    partitions_name : str
        Name of the job's dynamic partitions definition.
    """
    with (
        tempfile.TemporaryDirectory(prefix="autoflow-dagstermill-") as name,
        tempfile.TemporaryDirectory(prefix="autoflow-scratch-") as scratch_dir,
        DagsterInstance.local_temp(scratch_dir, {"telemetry": {"enabled": False}}) as scratch,
    ):
        directory = Path(name)
        if context.has_partition_key:
            scratch.add_dynamic_partitions(partitions_name, [context.partition_key])
        session = DagstermillSession(directory, scratch, context.run.run_id)
        arguments = _context_arguments(context, session)
        (directory / ARGUMENTS_FILE).write_text(json.dumps(arguments))
        session.startup_file.write_text(
            "from autoflow_dagster.notebooks.dagstermill_kernel import start as _autoflow_start\n"
            f"_autoflow_start({name!r})\ndel _autoflow_start\n"
        )
        yield session


def _context_arguments(
    context: dg.AssetExecutionContext, session: DagstermillSession
) -> dict[str, Any]:
    """Return what dagstermill needs to make a context, as JSON values.

    Private, as dagstermill's own compute function is; test_dagstermill_notebooks.py notices when
    it changes.
    """
    from dagster._serdes import pack_value

    step_context = context.op_execution_context.get_step_execution_context()
    return {
        "executable_dict": _reconstructable_job(step_context).to_dict(),
        # Without its ancestors, which the scratch instance does not know.
        "job_run_dict": {
            **cast("dict[str, Any]", pack_value(step_context.dagster_run)),
            "parent_run_id": None,
            "root_run_id": None,
        },
        "node_handle_kwargs": step_context.node_handle._asdict(),
        "instance_ref_dict": pack_value(session.scratch.get_ref()),
        "step_key": step_context.step.key,
        "output_log_path": "",
        "marshal_dir": str(session.directory),
        "run_config": _silent(step_context.run_config, context.has_partition_key),
        "partition_key": context.partition_key if context.has_partition_key else None,
    }


def _silent(run_config: Mapping[str, Any], is_whole: bool) -> dict[str, Any]:
    """Return a run config with which log lines do not also go to the kernel's stderr.

    Parameters
    ----------
    is_whole : bool
        False when the run config is a workflow's parameters only, which has no place for loggers.
    """
    console = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}} if is_whole else {}
    return {**run_config, **console}


def _reconstructable_job(step_context: Any) -> Any:
    from dagster._core.definitions.reconstruct import ReconstructableJob, ReconstructableRepository

    if isinstance(step_context.job, ReconstructableJob):
        return step_context.job
    # A run in the process of `autoflow run` has the job itself; the kernel has to load it.
    repository = ReconstructableRepository.for_module(DEFINITIONS_MODULE, "defs")
    return repository.get_reconstructable_job(step_context.job_name)


def pass_on(context: dg.AssetExecutionContext, session: DagstermillSession) -> None:
    """Log what the notebook logged and record what it yielded.

    Raises
    ------
    dagster.Failure, dagster.RetryRequested
        When the notebook yielded one.
    """
    for level, text in session.log_lines():
        context.log.log(logging.getLevelName(level), text)
    raised: Exception | None = None
    with warnings.catch_warnings():
        # Which kinds of events a notebook uses is its author's choice.
        warnings.simplefilter("ignore", DeprecationWarning)
        for event in session.events():
            if isinstance(event, dg.Failure | dg.RetryRequested):
                raised = raised or event
            else:
                context.log_event(event)
    if raised is not None:
        raise raised
