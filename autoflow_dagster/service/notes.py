"""What is worth knowing beside readiness: does the work go well? None of it makes a probe fail.

Cheap, for probes come often: a few rows of Dagster's storage. Plans of all dates are not made here.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any

from dagster import DagsterInstance, DagsterRunStatus, RunsFilter
from dagster._core.scheduler.instigation import InstigatorStatus, TickStatus

from autoflow_dagster.errors import FlowapiPermanentError
from autoflow_dagster.flowapi.access_tokens import read_token
from autoflow_dagster.ledger import PARTITION_TAG
from autoflow_dagster.sensors import TOKEN_WARNING_PERIOD
from autoflow_dagster.service.health import CheckResult, Note
from autoflow_dagster.service.run_ends import check_cursor, sensor_state
from autoflow_dagster.settings import FLOWAPI_TOKEN, Settings, redact

RUNS = 100
"""So many finished runs are looked at, newest first."""

NAMED_DATES = 3
FINISHED = (DagsterRunStatus.SUCCESS, DagsterRunStatus.FAILURE, DagsterRunStatus.CANCELED)


def notes(instance: DagsterInstance, settings: Settings) -> Mapping[str, Note]:
    """Return what is looked at, by name."""
    return {
        "last check": Note(partial(last_check, instance, settings)),
        "failed dates": Note(partial(failed_dates, instance)),
        "token": Note(partial(token, settings)),
    }


def last_check(instance: DagsterInstance, settings: Settings) -> CheckResult:
    """Say when FlowAPI was last asked with success, and whether it is asked in vain now."""
    state = sensor_state(instance)
    cursor = check_cursor(state)
    started = cursor.check_started_at
    text = f"at {_minute(started)}" if started else "none yet"
    if state is None:
        return CheckResult(True, text)
    if state.status is InstigatorStatus.STOPPED:
        return CheckResult(False, f"{text}; the sensor is switched off (Automation in the UI)")
    ids = state.instigator_origin_id, state.selector_id
    ended = [TickStatus.SUCCESS, TickStatus.SKIPPED, TickStatus.FAILURE]
    ticks = instance.get_ticks(*ids, limit=1, statuses=ended)
    if ticks and ticks[0].status is TickStatus.FAILURE:
        when = _minute(datetime.fromtimestamp(ticks[0].timestamp, UTC))
        why = redact(innermost_text(ticks[0].error), settings.secret_values())
        return CheckResult(False, f"{text}; tried in vain at {when}\n{why}")
    if cursor.has_trouble:
        return CheckResult(False, f"{text}; a workflow config cannot be checked, see its tick")
    return CheckResult(True, text)


def innermost_text(error: Any) -> str:
    """Return what the error of a tick began with; empty without one."""
    while error is not None and error.cause is not None:
        error = error.cause
    return str(error.message).strip() if error is not None else ""


def failed_dates(instance: DagsterInstance) -> CheckResult:
    """Count the dates among the newest runs whose last run failed."""
    records = instance.get_run_records(
        RunsFilter(statuses=list(FINISHED)), limit=RUNS, order_by="update_timestamp"
    )
    last: dict[tuple[str, str], DagsterRunStatus] = {}
    for record in records:
        run = record.dagster_run
        last.setdefault((run.job_name, run.tags.get(PARTITION_TAG, "")), run.status)
    failed = [" ".join(k).strip() for k, s in last.items() if s is DagsterRunStatus.FAILURE]
    if not failed:
        return CheckResult(True, f"none in the last {len(records)} runs")
    named = ", ".join(failed[:NAMED_DATES]) + (" and others" if failed[NAMED_DATES:] else "")
    return CheckResult(False, f"{len(failed)} in the last {len(records)} runs: {named}")


def token(settings: Settings) -> CheckResult:
    """Say until when FlowAPI takes the token, by what the token says itself."""
    try:
        claims = read_token(settings.secret(FLOWAPI_TOKEN) or "")
    except FlowapiPermanentError as error:
        return CheckResult(False, error.problem)
    if claims.expires_at is None:
        return CheckResult(True, "does not say when it expires")
    now = datetime.now(UTC)
    verb = "expired" if claims.expires_at <= now else "expires"
    is_soon = claims.expires_within(TOKEN_WARNING_PERIOD, now)
    return CheckResult(not is_soon, f"{verb} at {_minute(claims.expires_at)}")


def _minute(when: datetime) -> str:
    return f"{when.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
