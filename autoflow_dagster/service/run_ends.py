"""Runs when the service stops: let them finish, or cancel them and have their dates tried again."""

from __future__ import annotations

import dataclasses
import logging
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
from dagster import DagsterInstance

# The state of a sensor has no public names, but is what `dagster sensor cursor` works with.
from dagster._core.scheduler.instigation import InstigatorState, SensorInstigatorData

from autoflow_dagster.check_schedule import CheckCursor
from autoflow_dagster.ledger import running_runs
from autoflow_dagster.sensors import SENSOR_NAME
from autoflow_dagster.service.left_behind import in_thread
from autoflow_dagster.warm.leftovers import runs_of

logger = logging.getLogger(__name__)

CANCEL_SECONDS = 10.0
"""For cancelled runs to end their kernels and say goodbye; then they are killed."""

ANSWER_SECONDS = 5.0
"""For the storage to answer when there is no more time; it may take minutes to fail."""

LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


def finish_runs(
    instance: DagsterInstance, home: Path, grace_seconds: float, is_urgent: Callable[[], bool]
) -> None:
    """Wait for running runs; cancel those that are left, and have their dates tried again.

    Call it when nothing launches runs any more. A storage that fails ends no grace period.

    Parameters
    ----------
    home : Path
        The instance's DAGSTER_HOME.
    grace_seconds : float
        For runs to end by themselves.
    is_urgent : callable
        Asked again and again; true ends the waiting.

    Raises
    ------
    Exception
        Of the storage, when it still fails after the grace period. Runs go on then.
    """
    done = in_thread(lambda: _finish_runs(instance, home, grace_seconds, is_urgent), "finish runs")
    deadline = time.monotonic() + grace_seconds + CANCEL_SECONDS + ANSWER_SECONDS
    while not done.done() and time.monotonic() < deadline:
        if is_urgent():
            deadline = min(deadline, time.monotonic() + ANSWER_SECONDS)
        time.sleep(0.1)
    if not done.done():
        raise TimeoutError("the storage does not answer")
    done.result()


def _finish_runs(
    instance: DagsterInstance, home: Path, grace_seconds: float, is_urgent: Callable[[], bool]
) -> None:
    deadline = time.monotonic() + grace_seconds
    if number := _number_of_running(instance, home):
        logger.info("%d runs are running; they have %g s to finish.", number, grace_seconds)
    while number and time.monotonic() < deadline and not is_urgent():
        time.sleep(0.25)
        number = _number_of_running(instance, home)
    if number and (runs := running_runs(instance)):
        logger.warning("Cancelling %d runs; the next start tries their dates again.", len(runs))
        _cancel(instance, runs, is_urgent)
        ask_for_check(instance)


def _number_of_running(instance: DagsterInstance, home: Path) -> int:
    """Return how many runs are running; when the storage does not say, how many processes do."""
    try:
        return len(running_runs(instance))
    except Exception:  # of the driver, SQLAlchemy or Dagster
        return len(runs_of(home))


def _cancel(
    instance: DagsterInstance, runs: Sequence[dg.DagsterRun], is_urgent: Callable[[], bool]
) -> None:
    """Cancel runs; whoever does not end in time is killed when the instance's launcher closes."""
    for run in runs:
        instance.run_launcher.terminate(run.run_id)
    deadline = time.monotonic() + CANCEL_SECONDS
    while (left := running_runs(instance)) and time.monotonic() < deadline and not is_urgent():
        time.sleep(0.1)
    for run in left:
        instance.report_run_canceled(run)


def sensor_state(instance: DagsterInstance) -> InstigatorState | None:
    """Return what Dagster keeps about the available dates sensor; None before its first tick."""
    states = instance.all_instigator_state()
    return next((state for state in states if state.instigator_name == SENSOR_NAME), None)


def check_cursor(state: InstigatorState | None) -> CheckCursor:
    """Return the sensor's cursor."""
    data = state.instigator_data if state else None
    return CheckCursor.from_json(data.cursor if isinstance(data, SensorInstigatorData) else None)


def ask_for_check(instance: DagsterInstance) -> None:
    """Let the sensor's next tick make a check, whatever its schedule says.

    Nothing happens before the sensor's first tick, or when it has been asked already.
    """
    _change_cursor(instance, counted_from=LONG_AGO, checked_definitions="", has_backlog=False)


def ask_for_check_without_schedule(instance: DagsterInstance) -> None:
    """Let the sensor's next tick make a check when there is no schedule; otherwise that decides.

    Without a schedule nothing else would look for new dates, or try those again whose runs a crash
    has ended. The original made one check at each of its starts, too.
    """
    _change_cursor(instance, checked_definitions="")


def _change_cursor(instance: DagsterInstance, **values: Any) -> None:
    state = sensor_state(instance)
    if state is None or not isinstance(state.instigator_data, SensorInstigatorData):
        return
    cursor = check_cursor(state)
    changed = dataclasses.replace(cursor, **values)
    if changed != cursor:
        data = state.instigator_data._replace(cursor=changed.to_json())
        instance.update_instigator_state(state.with_data(data))
