"""Dagster's run launcher for runs that start warm, and whose death is noticed.

Each run is a process of its own, as with Dagster's other launchers: ``dagster api execute_run``, forked
from a process that has imported Dagster or else started in the ordinary way. The process is recorded in
a run tag before it runs, so that the daemon's run monitoring can fail runs whose process has gone.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dagster import DagsterInstance, DagsterRun, DagsterRunStatus, Field, IntSource

# No public names, but what Dagster's launchers for Docker and Kubernetes are made of, too.
from dagster._core.launcher.base import (
    CheckRunHealthResult,
    LaunchRunContext,
    RunLauncher,
    WorkerStatus,
)
from dagster._grpc.types import ExecuteRunArgs
from dagster._serdes import ConfigurableClass, ConfigurableClassData, serialize_value

from autoflow_dagster.errors import AutoflowError
from autoflow_dagster.launch_guard import one_at_a_time, rival_of
from autoflow_dagster.notebooks.kernel_environment import kernel_environment
from autoflow_dagster.settings import Settings
from autoflow_dagster.warm.asking import NotWarmError, Request, WarmProcess
from autoflow_dagster.warm.gated_process import GatedProcess
from autoflow_dagster.warm.keeper import Keeper
from autoflow_dagster.warm.leftovers import RUN_PROCESS_NAME
from autoflow_dagster.warm.process_identity import ProcessIdentity, can_identify_processes
from autoflow_dagster.warm.warm_dagster import dagster_keeper
from autoflow_dagster.warm.warm_kernels import kernel_keeper

logger = logging.getLogger(__name__)

TAG_WORKER = ".dagster/autoflow_worker"
"""Run tag with the run's process; the prefix keeps it out of the UI, as Dagster's own such tags."""

NOT_BEGUN = (DagsterRunStatus.NOT_STARTED, DagsterRunStatus.STARTING)
"""Statuses of a run that has a process, but none of whose notebooks has been started."""

TERMINATE_GRACE_SECONDS = 30
POLL_SECONDS = 0.1

DISPOSE_SECONDS = 5.0
"""For a thread to see that the run it waits for has been killed."""


class AutoflowRunLauncher(RunLauncher[DagsterInstance], ConfigurableClass):
    """Launches each run in a process of this machine, warm when possible.

    Parameters
    ----------
    terminate_grace_seconds : int
        For a run to end by itself after it was asked to; then its process is killed.
    """

    def __init__(
        self,
        inst_data: ConfigurableClassData | None = None,
        terminate_grace_seconds: int = TERMINATE_GRACE_SECONDS,
    ) -> None:
        self._inst_data = inst_data
        self._grace_seconds = terminate_grace_seconds
        self._runs = dagster_keeper(os.environ)
        self._kernels: Keeper | None = None
        self._cold: list[GatedProcess] = []
        self._ending: dict[str, tuple[ProcessIdentity, threading.Thread]] = {}
        self._is_disposed = False
        super().__init__()  # type: ignore[no-untyped-call]

    @property
    def inst_data(self) -> ConfigurableClassData | None:
        """The configuration that this was made from."""
        return self._inst_data

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        """Return what ``run_launcher: config:`` in ``dagster.yaml`` may contain."""
        return {
            "terminate_grace_seconds": Field(
                IntSource,
                default_value=TERMINATE_GRACE_SECONDS,
                description="Seconds for a cancelled run to end before its process is killed.",
            )
        }

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData, config_value: Mapping[str, Any]
    ) -> AutoflowRunLauncher:
        """Make the launcher from its configuration."""
        return cls(inst_data=inst_data, **config_value)

    def launch_run(self, context: LaunchRunContext) -> None:
        """Start the run's process."""
        run, origin = context.dagster_run, context.job_code_origin
        if origin is None:
            raise AutoflowError(
                f"Run {run.run_id}",
                "does not say which Python code it is to run.",
                "Launch it from a code location that is loaded from Python.",
            )
        arguments = ExecuteRunArgs(
            job_origin=origin, run_id=run.run_id, instance_ref=self._instance.get_ref()
        )
        # Not the entry point that the origin names: it is "dagster", which need not be on the PATH.
        command = [origin.executable_path, "-m", "dagster", "api", "execute_run"]
        command.append(serialize_value(arguments))
        with one_at_a_time(self._instance):
            if not self._is_to_be_launched(run):
                return
            self._start(run, command)
        self._prepare_kernels()

    def _is_to_be_launched(self, run: DagsterRun) -> bool:
        """Return whether a run has no process yet; cancel it when another one does its work.

        Both happen when two daemons run over one storage by mistake.
        """
        now = self._instance.get_run_by_id(run.run_id)
        if now is None or now.is_finished:
            return False
        worker = _worker_of(now)
        if worker is not None and worker.is_running:
            logger.warning("Run %s was launched by another daemon, too.", run.run_id)
            return False
        if rival := rival_of(self._instance, now):
            message = f"Not started: run {rival.run_id} does or did the work of the same date."
            self._instance.report_run_canceled(now, message=message)
            return False
        return True

    def _start(self, run: DagsterRun, command: list[str]) -> None:
        try:
            if not Settings.from_environ(os.environ).warm_runs:
                raise NotWarmError("switched off")
            self._let_go(run, self._runs.ask(_request(command)))
        except (NotWarmError, AutoflowError) as error:
            logger.info("Run %s does not start warm: %s", run.run_id, error)
            self._let_go(run, self._start_cold(command))

    def _start_cold(self, command: list[str]) -> GatedProcess:
        self._cold = [process for process in self._cold if not process.has_ended()]
        process = GatedProcess(command, os.environ)
        self._cold.append(process)
        return process

    def _let_go(self, run: DagsterRun, process: WarmProcess | GatedProcess) -> None:
        """Record a process, then let it run; when it cannot be recorded it ends."""
        try:
            identity = ProcessIdentity.of(process.pid)
            if identity is not None:
                self._instance.add_run_tags(run.run_id, {TAG_WORKER: str(identity)})
            process.go()
        finally:
            process.close()

    def _prepare_kernels(self) -> None:
        """See to it that the run finds a server to ask for kernels; without one, they start cold."""
        try:
            settings = Settings.from_environ(os.environ)
            if settings.warm_kernels:
                if self._kernels is None:
                    self._kernels = kernel_keeper(settings, Path(self._instance.root_directory))
                self._kernels.ensure(kernel_environment(settings.environ, settings.kernel_env))
        except (NotWarmError, AutoflowError) as error:
            logger.info("Kernels do not start warm: %s", error)

    def terminate(self, run_id: str) -> bool:
        """Ask a run to end, and kill it when it does not; return whether there is nothing to add.

        A run without a process is reported as cancelled: nobody else would.
        """
        run = self._instance.get_run_by_id(run_id)
        if run is None or run.is_finished:
            return False
        identity = _worker_of(run)
        # A run that has not begun is not asked: it would end without a word, or begin all the same,
        # by which Dagster forgets that it is being cancelled, and end as failed.
        is_killed = (
            run.status in NOT_BEGUN
            and identity is not None
            and identity.send_signal(signal.SIGKILL)
        )
        self._instance.report_run_canceling(run)
        if identity is None or not (is_killed or identity.send_signal(signal.SIGTERM)):
            _report_canceled(self._instance, run_id, "The run had no process any more.")
            return True
        if run_id not in self._ending:
            words = "The run had not begun." if is_killed else "The run ended without a word."
            thread = threading.Thread(
                target=self._see_to_the_end,
                args=(self._instance, run_id, identity, words),
                daemon=True,
            )
            self._ending[run_id] = (identity, thread)
            thread.start()
        return True

    def _see_to_the_end(
        self, instance: DagsterInstance, run_id: str, identity: ProcessIdentity, words: str
    ) -> None:
        """Wait until a run's process is gone, then see to it that the run is cancelled.

        Parameters
        ----------
        words : str
            What to say when the process did not do so itself.
        """
        deadline = time.monotonic() + self._grace_seconds
        while identity.is_running and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
        if identity.send_signal(signal.SIGKILL):
            words = f"The run did not end within {self._grace_seconds} seconds and was killed."
        self._ending.pop(run_id, None)
        if not self._is_disposed:
            _report_canceled(instance, run_id, words)

    @property
    def supports_check_run_worker_health(self) -> bool:
        """Whether processes can be told apart here (on Linux)."""
        return can_identify_processes()

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        """Say whether the run's process is alive."""
        for process in self._cold:
            process.has_ended()  # or it would stay behind, neither alive nor gone
        identity = _worker_of(run)
        if identity is None:
            return CheckRunHealthResult(WorkerStatus.NOT_FOUND, "No process was recorded.")
        if identity.is_running:
            return CheckRunHealthResult(WorkerStatus.RUNNING, run_worker_id=str(identity))
        if not identity.is_of_here:
            message = "The run's process was lost when the machine or container was restarted."
        else:
            message = (
                f"The run's process {identity.pid} has ended without saying how: it was killed, "
                "most often for lack of memory."
            )
        return CheckRunHealthResult(WorkerStatus.FAILED, message, run_worker_id=str(identity))

    def dispose(self) -> None:
        """End the fork servers, and the runs that were asked to end; other runs go on."""
        self._is_disposed = True
        for identity, thread in list(self._ending.values()):
            identity.send_signal(signal.SIGKILL)
            thread.join(DISPOSE_SECONDS)  # the instance's storage is about to be closed
        self._runs.close()
        if self._kernels is not None:
            self._kernels.close()


def _request(command: list[str]) -> Request:
    """Return the request for a command that runs a module with this interpreter.

    Raises
    ------
    NotWarmError
        When the command is another.
    """
    if command[:2] != [sys.executable, "-m"]:
        raise NotWarmError(f"the code location runs with {command[0]}")
    return Request(
        executable=command[0],
        module=command[2],
        arguments=command[3:],
        environment=os.environ,
        working_dir=Path.cwd(),
        files=(0, 1, 2),
        attached=False,
        process_name=RUN_PROCESS_NAME,
    )


def _report_canceled(instance: DagsterInstance, run_id: str, message: str) -> None:
    """Report a run whose process has gone as cancelled, unless it has said itself how it ended."""
    run = instance.get_run_by_id(run_id)
    if run is not None and not run.is_finished:
        instance.report_run_canceled(run, message=message)


def _worker_of(run: DagsterRun) -> ProcessIdentity | None:
    return ProcessIdentity.parse(run.tags.get(TAG_WORKER, ""))
