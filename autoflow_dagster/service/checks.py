"""What must be well for the service to be ready: storage, code location, UI and daemon."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from dagster import DagsterInstance

from autoflow_dagster.service.code_location import check_code_location
from autoflow_dagster.service.health import Check, CheckResult
from autoflow_dagster.service.notes import notes
from autoflow_dagster.service.processes import Service, answers
from autoflow_dagster.settings import Settings

HEARTBEAT_SECONDS = 120.0
"""A daemon says every 30 seconds that it is alive; this is how late it may be on a busy machine."""


def starting() -> Mapping[str, Check]:
    """Return the checks while the service starts: it is not ready."""
    return {"service": lambda: CheckResult(False, "starting")}


def stopping() -> Mapping[str, Check]:
    """Return the checks while the service stops: it is no longer ready."""
    return {"service": lambda: CheckResult(False, "stopping")}


def running(
    service: Service,
    instance: DagsterInstance,
    settings: Settings,
    inputs_problem: Callable[[], str],
) -> Mapping[str, Check]:
    """Return the checks of a running service.

    Parameters
    ----------
    settings : Settings
        For what is noted of its work.
    inputs_problem : callable
        Says why the last edit of the inputs is not in effect; empty when it is.
    """
    return {
        "storage": partial(_storage, instance),
        "code location": partial(_code_location, service),
        "webserver": partial(_webserver, service),
        "daemon": partial(_daemon, instance),
        "processes": partial(_processes, service),
        "inputs": partial(_inputs, inputs_problem),
        **notes(instance, settings),
    }


def _storage(instance: DagsterInstance) -> CheckResult:
    started = time.monotonic()
    instance.get_runs_count()
    return CheckResult(True, f"answers in {1000 * (time.monotonic() - started):.0f} ms")


def _code_location(service: Service) -> CheckResult:
    check_code_location(service.code_socket or Path())
    return CheckResult(True, "loaded")


def _webserver(service: Service) -> CheckResult:
    is_ok = answers(f"{service.url}/server_info")
    return CheckResult(is_ok, service.url if is_ok else f"{service.url} does not answer")


def _daemon(instance: DagsterInstance) -> CheckResult:
    from dagster._daemon.controller import get_daemon_statuses

    statuses = get_daemon_statuses(
        instance,
        instance.get_required_daemon_types(),
        ignore_errors=True,  # such as a failing sensor tick: the daemon itself is well
        heartbeat_tolerance_seconds=HEARTBEAT_SECONDS,
    )
    late = sorted(name for name, status in statuses.items() if not status.healthy)
    beats = [s.last_heartbeat.timestamp for s in statuses.values() if s.last_heartbeat]
    if late:
        return CheckResult(False, f"no heartbeat from {', '.join(late)}")
    return CheckResult(True, f"last heartbeat {time.time() - min(beats):.0f} s ago")


def _processes(service: Service) -> CheckResult:
    dead = [child.name for child in service.children if not child.is_running]
    restarted = [f"{c.name} ({c.restarts})" for c in service.children if c.restarts]
    if dead:
        return CheckResult(False, f"being restarted: {', '.join(dead)}")
    text = f"all running; restarted of late: {', '.join(restarted)}" if restarted else "all running"
    return CheckResult(True, text)


def _inputs(problem: Callable[[], str]) -> CheckResult:
    text = problem()
    if not text:
        return CheckResult(True, "the last edit is in effect", is_needed=False)
    return CheckResult(False, f"the last good ones are in effect; {text}", is_needed=False)
