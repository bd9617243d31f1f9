"""Launch a run from the command line and follow it to its end.

A run is created as the service's daemon would create it, so that the Dagster UI shows it in its job
and code location, and executed in a process of its own by the instance's run launcher. It waits in
no queue.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from dagster import DagsterInstance, DagsterInvalidConfigError, DagsterRun, DagsterRunStatus

from autoflow_dagster.cli.run_choice import Wanted
from autoflow_dagster.errors import AutoflowError
from autoflow_dagster.instance_home import DEFINITIONS_MODULE, LOCATION_NAME
from autoflow_dagster.ledger import failure_text

if TYPE_CHECKING:
    from autoflow_dagster.cli.run_display import RunDisplay
    from autoflow_dagster.settings import Settings

_WRONG_TYPE = re.compile(r'root:(\w+)\. Value "(.*)" of type .* expected type "(\w+)"')
_WRONG_SHAPE = re.compile(r"Value at path root:(\w+) must be (\w+)\.")

LOOK_SECONDS = 0.2
HEALTH_SECONDS = 3.0
FUNCTION = "defs"
REPOSITORY = "__repository__"
"""Name that Dagster gives to what a code location defines."""


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    Attributes
    ----------
    problem : str
        What it failed with; empty when it succeeded.
    """

    wanted: Wanted
    run_id: str
    status: DagsterRunStatus
    problem: str = ""

    @property
    def is_success(self) -> bool:
        """Whether everything was made."""
        return self.status is DagsterRunStatus.SUCCESS

    @property
    def is_cancelled(self) -> bool:
        """Whether it was ended on purpose."""
        return self.status is DagsterRunStatus.CANCELED


@contextlib.contextmanager
def exported(settings: Settings, home: Path) -> Iterator[None]:
    """Let the processes that are started meanwhile find the same directories."""
    added = {
        "AUTOFLOW_INPUTS_DIR": str(settings.inputs_dir),
        "AUTOFLOW_OUTPUTS_DIR": str(settings.outputs_dir),
        "DAGSTER_HOME": str(home),
    }
    before = {name: os.environ.get(name) for name in added}
    os.environ.update(added)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


class Launches:
    """Launches runs and follows them, one after the other.

    Parameters
    ----------
    jobs : mapping of str to job
        Job definitions by name.
    log : binary file
        Receives what run processes print; Dagster keeps the parts that matter.
    stopped : callable
        How many times the user has asked to stop.
    """

    def __init__(
        self,
        instance: DagsterInstance,
        jobs: Mapping[str, Any],
        log: IO[bytes],
        stopped: Callable[[], int],
    ) -> None:
        self._instance = instance
        self._jobs = jobs
        self._stopped = stopped
        self._log = log

    def create(self, wanted: Wanted) -> DagsterRun:
        """Create a run, and its partition.

        Raises
        ------
        AutoflowError
            When the values of parameters are not what the notebooks expect.
        """
        from dagster._core.definitions.reconstruct import ReconstructableRepository
        from dagster._core.remote_origin import (
            RegisteredCodeLocationOrigin,
            RemoteRepositoryOrigin,
        )

        spec, job = wanted.spec, self._jobs[wanted.spec.name]
        if wanted.day is not None:
            self._instance.add_dynamic_partitions(spec.name, [wanted.day.isoformat()])
        code = ReconstructableRepository.for_module(DEFINITIONS_MODULE, FUNCTION)
        location = RegisteredCodeLocationOrigin(LOCATION_NAME)
        origin = RemoteRepositoryOrigin(location, REPOSITORY).get_job_origin(spec.name)
        try:
            return self._instance.create_run_for_job(
                job_def=job,
                run_config=wanted.run_config,
                tags={**job.run_tags, **wanted.tags},
                remote_job_origin=origin,
                job_code_origin=code.get_reconstructable_job(spec.name).get_python_origin(),
            )
        except DagsterInvalidConfigError as error:
            problems = "\n  ".join(_config_problem(problem.message) for problem in error.errors)
            raise AutoflowError(f"--parameters of {spec.name}", problems) from error

    def launch(self, run: DagsterRun) -> None:
        """Start a run's process; what it prints does not appear on the screen."""
        with _standard_streams_to(self._log):
            # The launchers that need no code server do not look at the workspace.
            self._instance.launch_run(run.run_id, None)  # type: ignore[arg-type]

    def follow(self, wanted: Wanted, run: DagsterRun, display: RunDisplay) -> Outcome:
        """Show every event of a run until it has ended; cancel it when the user asks to stop."""
        cursor, requests, looked_at = None, 0, time.monotonic()
        while True:
            now = self._run(run)
            has_more = True
            while has_more:
                events = self._instance.get_records_for_run(run.run_id, cursor, limit=500)
                cursor, has_more = events.cursor, events.has_more
                for record in events.records:
                    display.show(record.event_log_entry)
            if now.is_finished:
                return self._outcome(wanted, now)
            if self._stopped() > requests:
                requests = self._stopped()
                self._cancel(now, display, at_once=requests > 1)
            if time.monotonic() - looked_at > HEALTH_SECONDS:
                looked_at = time.monotonic()
                self._check_health(now)
            time.sleep(LOOK_SECONDS)

    def _run(self, run: DagsterRun) -> DagsterRun:
        found = self._instance.get_run_by_id(run.run_id)
        assert found is not None, "nobody deletes a run that has just been created"
        return found

    def _outcome(self, wanted: Wanted, run: DagsterRun) -> Outcome:
        has_failed = run.status is DagsterRunStatus.FAILURE
        problem = failure_text(self._instance, run.run_id) if has_failed else ""
        return Outcome(wanted, run.run_id, run.status, problem)

    def _cancel(self, run: DagsterRun, display: RunDisplay, at_once: bool) -> None:
        """Let the launcher end the run, and at a second time do not wait for that."""
        if at_once:
            self._instance.report_run_canceled(run)
            return
        display.say("Cancelling the run; Ctrl-C again does not wait for it to end.")
        self._instance.run_launcher.terminate(run.run_id)

    def _check_health(self, run: DagsterRun) -> None:
        """Report a run as failed whose process has gone without a word."""
        from dagster._core.launcher import WorkerStatus

        launcher = self._instance.run_launcher
        if not launcher.supports_check_run_worker_health:
            return
        health = launcher.check_run_worker_health(run)
        if health.status is not WorkerStatus.FAILED or (run := self._run(run)).is_finished:
            return
        if run.status is DagsterRunStatus.CANCELING:  # it ended before it could say so
            self._instance.report_run_canceled(run)
        else:
            text = " ".join(part for part in (health.msg or "", self._last_words()) if part)
            self._instance.report_run_failed(run, message=text)

    def _last_words(self) -> str:
        self._log.seek(0)
        lines = self._log.read().decode(errors="replace").splitlines()
        # Besides the run, the fork servers of its launcher print there.
        said = [line.strip() for line in lines if line.strip() and not line.startswith("autoflow:")]
        return f"Its last line was: {said[-1]}" if said else ""


def _config_problem(message: str) -> str:
    """Return what Dagster says about a value in our words, or as it is."""
    if found := _WRONG_TYPE.search(message):
        name, value, kind = found.groups()
        return f'"{name}" is "{value}", but its default in the notebook is of type {kind}.'
    if found := _WRONG_SHAPE.search(message):
        name, kind = found.groups()
        return f'"{name}" must be a {kind}, as its default in the notebook is.'
    return message


@contextlib.contextmanager
def _standard_streams_to(log: IO[bytes]) -> Iterator[None]:
    """Give processes that are started meanwhile another standard output and error output."""
    sys.stdout.flush()
    sys.stderr.flush()
    saved = [(number, os.dup(number)) for number in (1, 2)]
    try:
        for number, _ in saved:
            os.dup2(log.fileno(), number)
        yield
    finally:
        for number, copy in saved:
            os.dup2(copy, number)
            os.close(copy)
