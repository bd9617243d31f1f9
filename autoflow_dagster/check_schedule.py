"""When FlowAPI is to be asked for available dates: a cron schedule inside a sensor.

Pure: the time and the cursor are given. A sensor ticks often; a *check* is a tick that asks FlowAPI.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from autoflow_dagster.workflows import WorkflowDefinitions

POLL_INTERVAL = timedelta(minutes=1)
"""Least time between two requests to FlowAPI while a backlog is handed out."""


@dataclass(frozen=True)
class CheckCursor:
    """What one tick tells the next. Bounded, however long the history.

    Attributes
    ----------
    counted_from : datetime or None
        Cron occurrences after this time are still to be checked. None before the first tick.
    checked_definitions : str
        Digest of the definitions that were last checked; decides when there is no schedule.
    check_started_at : datetime or None
        Start of the last completed check.
    polled_at : datetime or None
        When FlowAPI last answered.
    has_backlog : bool
        Whether due dates of the last check are still to be requested.
    has_trouble : bool
        Whether the last check could not see to every config.
    """

    counted_from: datetime | None = None
    checked_definitions: str = ""
    check_started_at: datetime | None = None
    polled_at: datetime | None = None
    has_backlog: bool = False
    has_trouble: bool = False

    @classmethod
    def from_json(cls, text: str | None) -> CheckCursor:
        """Read a stored cursor; anything unreadable counts as none, so that a check follows."""
        try:
            values = json.loads(text or "{}")
            times = ("counted_from", "check_started_at", "polled_at")
            return cls(
                checked_definitions=str(values.get("checked_definitions", "")),
                has_backlog=values.get("has_backlog") is True,
                has_trouble=values.get("has_trouble") is True,
                **{name: _aware_time(values.get(name)) for name in times},
            )
        except (ValueError, TypeError, AttributeError, RecursionError):
            return cls()

    def to_json(self) -> str:
        """Return the text to store as the sensor's cursor."""
        return json.dumps(
            {
                name: value.isoformat() if isinstance(value, datetime) else value
                for name, value in dataclasses.asdict(self).items()
            }
        )


def _aware_time(text: str | None) -> datetime | None:
    if text is None:
        return None
    time = datetime.fromisoformat(text)
    if time.tzinfo is None:
        raise ValueError("Without a time zone it cannot be compared.")
    return time


def definitions_digest(definitions: WorkflowDefinitions) -> str:
    """Return a short text that changes when the meaning of `workflows.yml` does."""
    meaning = dataclasses.replace(definitions, warnings=())
    return hashlib.sha256(repr(meaning).encode()).hexdigest()[:16]


def next_check(
    schedule: str | None, timezone: str, counted_from: datetime | None
) -> datetime | None:
    """Return the first cron occurrence after a time, in UTC.

    Parameters
    ----------
    schedule : str or None
        A cron string of 5 fields, or 6 with seconds last.
    timezone : str
        IANA name of the time zone in which the fields are meant.
    counted_from : datetime or None
        UTC-aware, exclusive.

    Returns
    -------
    datetime or None
        None without a schedule, before the first tick, or when the cron string never occurs.

    Notes
    -----
    A time that a clock change skips is moved to the first minute after the gap; one that occurs
    twice that night is two occurrences, and the second check finds nothing left to do.
    """
    if schedule is None or counted_from is None:
        return None
    from croniter import CroniterBadDateError, croniter

    try:
        occurrence = croniter(schedule, counted_from.astimezone(ZoneInfo(timezone))).get_next(
            datetime
        )
    except CroniterBadDateError:  # such as 31 February
        return None
    result: datetime = occurrence.astimezone(UTC)
    return result


def begin_tick(cursor: CheckCursor, now: datetime) -> CheckCursor:
    """Return the cursor to decide with: counting starts at the first tick.

    A clock that was set back would otherwise stop all checks until the old time is reached again,
    and make failed dates look as if they had been tried before the check began.
    """
    started_at = cursor.check_started_at
    return dataclasses.replace(
        cursor,
        counted_from=min(cursor.counted_from or now, now),
        check_started_at=started_at and min(started_at, now),
    )


def is_check_due(cursor: CheckCursor, definitions: WorkflowDefinitions, now: datetime) -> bool:
    """Return whether this tick is to ask FlowAPI.

    With a schedule: when a cron occurrence has passed since counting began; several missed ones
    make one check. Without: when these definitions have not been checked yet.
    """
    if definitions.schedule is None:
        return cursor.checked_definitions != definitions_digest(definitions)
    occurrence = next_check(definitions.schedule, definitions.timezone, cursor.counted_from)
    return occurrence is not None and occurrence <= now


def may_poll(cursor: CheckCursor, now: datetime) -> bool:
    """Return whether FlowAPI may be asked again for what the last check has left."""
    return cursor.polled_at is None or not timedelta(0) <= now - cursor.polled_at < POLL_INTERVAL


def after_check(
    cursor: CheckCursor, definitions: WorkflowDefinitions, started_at: datetime, has_backlog: bool
) -> CheckCursor:
    """Return the cursor after a check that was completed."""
    return dataclasses.replace(
        cursor,
        counted_from=started_at,
        checked_definitions=definitions_digest(definitions),
        check_started_at=started_at,
        polled_at=started_at,
        has_backlog=has_backlog,
    )
