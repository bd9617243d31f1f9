"""One check and all due runs, followed from outside of Dagster's daemon: ``autoflow up --once``."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

from dagster import DagsterInstance, RunsFilter
from dagster._core.scheduler.instigation import InstigatorStatus, TickStatus

from autoflow_dagster.errors import AutoflowError, FlowapiTransientError
from autoflow_dagster.flowapi.request import fetch_with
from autoflow_dagster.ledger import UNFINISHED
from autoflow_dagster.progress import Progress
from autoflow_dagster.service.notes import innermost_text
from autoflow_dagster.service.run_ends import ask_for_check, check_cursor, sensor_state
from autoflow_dagster.settings import Settings
from autoflow_dagster.workflows import WorkflowDefinitions

LOOK_EVERY_SECONDS = 1.0
FAILED_CHECKS = 3
"""So many ticks in a row that fail make a failure of it all."""

MOST_REFUSALS = 60
"""Of FlowAPI, when it is asked only to tell how far the runs are; about a second apart."""

TROUBLE = "A workflow config cannot be checked; the sensor's log says why."


def follow_once(
    instance: DagsterInstance,
    definitions: WorkflowDefinitions,
    settings: Settings,
    tend: Callable[[], bool],
    say: Callable[[str], None],
) -> list[str]:
    """Have the daemon make a check, and follow the runs that it requests to their end.

    Parameters
    ----------
    tend : callable
        Called about once a second; false ends it early.
    say : callable
        Receives a line for each date that begins, succeeds or fails.

    Returns
    -------
    list of str
        A line for each date that has failed, or for what kept the check from being made.

    Raises
    ------
    AutoflowError
        When no check could be made.
    """
    started = datetime.now(UTC)
    progress = Progress(instance, definitions)
    available = checked_at = None
    refusals = 0
    while tend():
        time.sleep(LOOK_EVERY_SECONDS)
        cursor = check_cursor(sensor_state(instance))
        if cursor.check_started_at is None or cursor.check_started_at < started:
            ask_for_check(instance)
            _raise_if_in_vain(instance, started)
            continue
        if available is None or cursor.check_started_at != checked_at:
            try:
                available, checked_at = fetch_with(settings), cursor.check_started_at
            except FlowapiTransientError:  # the check has had its answer; this one only tells
                refusals += 1
                if refusals > MOST_REFUSALS:
                    raise
                continue
        for line in progress.look(available):
            say(line)
        unfinished = instance.get_runs_count(RunsFilter(statuses=list(UNFINISHED)))
        # The cursor once more: a tick may have ended since it was read.
        if not unfinished and not check_cursor(sensor_state(instance)).has_backlog:
            for line in progress.look(available):
                say(line)
            return [*progress.failures, *([TROUBLE] if cursor.has_trouble else [])]
    return ["It was stopped before every date was done."]


def _raise_if_in_vain(instance: DagsterInstance, started: datetime) -> None:
    """Raise when the sensor is switched off, or its ticks keep failing."""
    state = sensor_state(instance)
    if state is None:
        return
    if state.status is InstigatorStatus.STOPPED:
        raise AutoflowError(
            "The available dates sensor",
            "has been switched off in the Dagster UI.",
            "Switch it on again (Automation), or use another DAGSTER_HOME.",
        )
    ticks = instance.get_ticks(
        state.instigator_origin_id,
        state.selector_id,
        after=started.timestamp(),
        limit=FAILED_CHECKS,
    )
    if len(ticks) == FAILED_CHECKS and all(t.status is TickStatus.FAILURE for t in ticks):
        text = innermost_text(ticks[0].error) or "its log says why"
        raise AutoflowError("No check could be made", text)
