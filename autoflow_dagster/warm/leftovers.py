"""End the runs of a Dagster instance when its service stops, whatever state the database is in."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from pathlib import Path

from autoflow_dagster.warm.process_identity import ProcessIdentity, can_identify_processes

POLL_SECONDS = 0.1

RUN_PROCESS_NAME = "autoflow-run"
"""By which runs that were forked can be told: their command line is that of the fork server."""


def end_runs(
    home: Path, grace_seconds: float, is_urgent: Callable[[], bool] = lambda: False
) -> int:
    """End the processes of all runs of an instance; their kernels end with them.

    Processes are found by their environment, so that none is missed because it was not recorded.

    Parameters
    ----------
    home : Path
        The instance's DAGSTER_HOME, as it is in the environment of the service.
    grace_seconds : float
        For runs to report that they were interrupted; what is left then is killed.
    is_urgent : callable
        Asked again and again; true ends the waiting.

    Returns
    -------
    int
        Number of processes that had to be killed.
    """
    running = [identity for identity in runs_of(home) if identity.send_signal(signal.SIGTERM)]
    deadline = time.monotonic() + grace_seconds
    while any(identity.is_running for identity in running) and time.monotonic() < deadline:
        if is_urgent():
            break
        time.sleep(POLL_SECONDS)
    return sum(identity.send_signal(signal.SIGKILL) for identity in running)


def runs_of(home: Path) -> list[ProcessIdentity]:
    """Return the processes of runs of an instance that this user has on this machine."""
    found: list[ProcessIdentity] = []
    if not can_identify_processes():
        return found
    for directory in Path("/proc").iterdir():
        if directory.name.isdecimal() and _is_run(directory, f"DAGSTER_HOME={home}".encode()):
            identity = ProcessIdentity.of(int(directory.name))
            if identity is not None:
                found.append(identity)
    return found


def _is_run(directory: Path, home: bytes) -> bool:
    try:
        if home not in (directory / "environ").read_bytes().split(b"\0"):
            return False
        command = (directory / "cmdline").read_bytes().split(b"\0")
        name = (directory / "comm").read_text().strip()
    except OSError:  # ended meanwhile, or another user's
        return False
    return name == RUN_PROCESS_NAME or b"execute_run" in command
