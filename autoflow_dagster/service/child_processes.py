"""The service's processes: forked from one that has imported Dagster, or each started by itself."""

from __future__ import annotations

import contextlib
import ctypes
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from autoflow_dagster.settings import Settings
from autoflow_dagster.warm.asking import NotWarmError, Request, WarmProcess
from autoflow_dagster.warm.keeper import Keeper
from autoflow_dagster.warm.warm_dagster import (
    ANNOUNCEMENT,
    ANNOUNCEMENT_VARIABLE,
    dagster_keeper,
)

logger = logging.getLogger(__name__)

ChildProcess = subprocess.Popen[bytes] | WarmProcess

PROCESS_NAMES = {
    "code server": "autoflow-code",
    "webserver": "autoflow-web",
    "daemon": "autoflow-daemon",
}
"""As tools such as top show them; no more than 15 characters."""

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


@dataclass
class Child:
    """One process of the service and how often it had to be restarted.

    Attributes
    ----------
    starts_after : Path or None
        What has to be there before it is started for the first time; None starts it at once.
    socket : Path or None
        Where a code server listens.
    """

    name: str
    argv: Sequence[str]
    starts_after: Path | None = None
    socket: Path | None = None
    process: ChildProcess | None = None
    started_at: float = 0.0
    restarts: int = 0
    restart_at: float | None = None
    log: IO[bytes] | None = None

    @property
    def is_running(self) -> bool:
        """Whether the process is alive."""
        return self.process is not None and self.process.poll() is None

    def terminate(self) -> None:
        """Ask the process to end, if there is one."""
        if self.is_running and self.process is not None:
            self.process.terminate()

    def kill(self) -> None:
        """End the process and what it has started, if there is one."""
        if self.process is None:
            return
        if isinstance(self.process, subprocess.Popen):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)
        else:
            self.process.kill()
        self.process.wait()


class Starter:
    """Starts processes that end when this one does.

    Parameters
    ----------
    environment : mapping
        Of the processes; with DAGSTER_HOME, unless ``AUTOFLOW_WARM_RUNS`` is off.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.environment = dict(environment)
        self._keeper: Keeper | None = None
        if Settings.from_environ(environment).warm_runs and "DAGSTER_HOME" in environment:
            announcement = Path(environment["DAGSTER_HOME"]) / ANNOUNCEMENT
            self.environment[ANNOUNCEMENT_VARIABLE] = str(announcement)
            # What is announced there is of a service that has been killed: nobody owns it.
            announcement.unlink(missing_ok=True)
            self._keeper = dagster_keeper(self.environment)

    def prepare(self) -> None:
        """Have the imports begin, if they are done once for all processes."""
        if self._keeper is not None:
            try:
                self._keeper.ensure(self.environment)
            except NotWarmError as error:
                self._start_cold_from_now_on(error)

    @property
    def is_preparing(self) -> bool:
        """Whether the imports have not ended yet."""
        return self._keeper is not None and self._keeper.is_starting

    def start(
        self, argv: Sequence[str], process_name: str, working_dir: Path, log: IO[bytes] | None
    ) -> ChildProcess:
        """Start ``python -m module arguments``.

        Parameters
        ----------
        argv : sequence of str
            This interpreter, ``-m``, the module and its arguments.
        process_name : str
            As tools such as top show it, when it is forked.
        log : file or None
            What it prints; None for this process's own output.
        """
        if self._keeper is not None:
            try:
                return self._fork(self._keeper, argv, process_name, working_dir, log)
            except NotWarmError as error:
                logger.info("%s starts by itself: %s", process_name, error)
        return subprocess.Popen(
            argv,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT if log else None,
            cwd=working_dir,
            start_new_session=True,  # Ctrl-C reaches us alone, and we stop them in order
            preexec_fn=_die_with_parent if _libc else None,
        )

    def _fork(
        self,
        keeper: Keeper,
        argv: Sequence[str],
        process_name: str,
        working_dir: Path,
        log: IO[bytes] | None,
    ) -> WarmProcess:
        outputs = (log.fileno(), log.fileno()) if log else (1, 2)
        with Path(os.devnull).open("rb") as nothing:
            request = Request(
                executable=argv[0],
                module=argv[2],
                arguments=argv[3:],
                environment=self.environment,
                working_dir=working_dir,
                files=(nothing.fileno(), *outputs),
                attached=True,
                process_name=process_name,
            )
            process = keeper.ask(request)
            process.go()
        return process

    def _start_cold_from_now_on(self, reason: NotWarmError) -> None:
        logger.info("Code server, webserver, daemon and runs start by themselves: %s", reason)
        self._keeper = None

    @property
    def pids(self) -> list[int]:
        """The process with the imports, if there is one."""
        return [] if self._keeper is None else self._keeper.pids

    def close(self) -> None:
        """End the process with the imports; those that were forked from it go on."""
        if self._keeper is not None:
            self._keeper.close()


def _die_with_parent() -> None:
    """See to it that a child is asked to end when this process is killed; runs in the child."""
    if _libc is not None:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
