"""When FlowAPI is to be asked: a cron schedule inside a sensor."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoflow_dagster.check_schedule import (
    POLL_INTERVAL,
    CheckCursor,
    after_check,
    begin_tick,
    definitions_digest,
    is_check_due,
    may_poll,
    next_check,
)
from autoflow_dagster.workflows import WorkflowDefinitions
from autoflow_dagster_tests.plans import WORKFLOW, config

MINUTE = timedelta(minutes=1)
T0 = datetime(2016, 1, 1, 12, tzinfo=UTC)


def utc(text: str) -> datetime:
    """Return a time of 2016, written as month-day hour:minute, in UTC."""
    return datetime.fromisoformat(f"2016-{text}").replace(tzinfo=UTC)


def definitions(schedule: str | None = "0 0 * * *", timezone: str = "UTC") -> WorkflowDefinitions:
    """Return a workflow definition with one config."""
    workflows = {WORKFLOW.name: WORKFLOW}
    return WorkflowDefinitions(workflows, (config(),), schedule, timezone)


def occurrences(schedule: str, timezone: str, after: datetime, number: int) -> list[datetime]:
    """Return the next occurrences, each found from the one before it."""
    found: list[datetime] = []
    for _ in range(number):
        following = next_check(schedule, timezone, found[-1] if found else after)
        assert following is not None
        found.append(following)
    return found


class Sensor:
    """Ticks as the sensor does: the cursor of one tick is the next one's."""

    def __init__(self, what: WorkflowDefinitions) -> None:
        self.definitions = what
        self.stored: str | None = None

    def tick(self, now: datetime, works: bool = True) -> bool:
        """Return whether this tick checks; a check that does not work stores nothing."""
        cursor = begin_tick(CheckCursor.from_json(self.stored), now)
        is_due = is_check_due(cursor, self.definitions, now)
        if is_due and not works:
            return True
        if is_due:
            cursor = after_check(cursor, self.definitions, now, has_backlog=False)
        self.stored = cursor.to_json()
        return is_due


class TestOccurrences:
    """When a cron string occurs."""

    @pytest.mark.parametrize(
        ("schedule", "timezone", "after", "expected"),
        [
            ("0 0 * * *", "UTC", "01-01 12:00", ["01-02 00:00", "01-03 00:00"]),
            ("0 0 * * *", "UTC", "01-02 00:00", ["01-03 00:00"]),
            ("*/15 * * * *", "UTC", "01-01 12:07", ["01-01 12:15", "01-01 12:30"]),
            ("0 6 * * 1", "UTC", "01-01 12:00", ["01-04 06:00", "01-11 06:00"]),
            ("0 0 29 2 *", "UTC", "01-01 12:00", ["02-29 00:00"]),
            ("0 6 * * *", "Asia/Kathmandu", "01-01 12:00", ["01-02 00:15", "01-03 00:15"]),
            ("0 6 * * *", "Africa/Accra", "01-01 12:00", ["01-02 06:00"]),
            ("@daily", "UTC", "01-01 12:00", ["01-02 00:00"]),
        ],
    )
    def test_it_occurs(self, schedule: str, timezone: str, after: str, expected: list[str]) -> None:
        """The time given is exclusive; the fields are meant in the time zone."""
        found = occurrences(schedule, timezone, utc(after), len(expected))
        assert found == [utc(text) for text in expected]

    def test_a_sixth_field_is_seconds(self) -> None:
        """As the demo uses it."""
        found = occurrences("* * * * * */20", "UTC", T0, 4)
        assert [(time - T0).total_seconds() for time in found] == [20, 40, 60, 80]

    @pytest.mark.parametrize(
        ("schedule", "after", "expected"),
        [
            # 27 March: 02:00 becomes 03:00 at 01:00 UTC.
            ("30 2 * * *", "03-26 12:00", ["03-27 01:00", "03-28 00:30", "03-29 00:30"]),
            ("0 * * * *", "03-26 23:30", ["03-27 00:00", "03-27 01:00", "03-27 02:00"]),
            ("0 12 * * *", "03-26 12:00", ["03-27 10:00", "03-28 10:00"]),
            # 30 October: 03:00 becomes 02:00 at 01:00 UTC.
            ("30 2 * * *", "10-29 12:00", ["10-30 00:30", "10-30 01:30", "10-31 01:30"]),
            ("0 * * * *", "10-29 23:30", ["10-30 00:00", "10-30 01:00", "10-30 02:00"]),
            ("0 12 * * *", "10-29 12:00", ["10-30 11:00", "10-31 11:00"]),
        ],
    )
    def test_clocks_that_change_lose_no_check(
        self, schedule: str, after: str, expected: list[str]
    ) -> None:
        """Central European time: a skipped time is made up for at once."""
        found = occurrences(schedule, "Europe/Paris", utc(after), len(expected))
        assert found == [utc(text) for text in expected]

    @given(
        st.sampled_from(["30 2 * * *", "*/20 * * * *", "0 0 * * 0", "15 1,2,3 * * *"]),
        st.sampled_from(["Europe/Paris", "America/St_Johns", "Australia/Lord_Howe", "UTC"]),
        st.datetimes(datetime(2016, 1, 1), datetime(2016, 12, 1)),
    )
    def test_the_next_occurrence_is_later_and_in_utc(
        self, schedule: str, timezone: str, naive: datetime
    ) -> None:
        """In every zone and at every time: the sensor neither stalls nor loops."""
        after = naive.replace(tzinfo=UTC)
        following = next_check(schedule, timezone, after)
        assert following is not None
        assert following > after
        assert following.tzinfo is UTC
        between = next_check(schedule, timezone, after + (following - after) / 2)
        assert between == following

    def test_what_never_occurs_is_none(self) -> None:
        """Such as 31 February, no schedule, and counting that has not begun."""
        assert next_check("0 0 31 2 *", "UTC", T0) is None
        assert next_check(None, "UTC", T0) is None
        assert next_check("0 0 * * *", "UTC", None) is None
        assert not is_check_due(CheckCursor(T0), definitions("0 0 31 2 *"), T0 + 1000 * MINUTE)


class TestChecks:
    """Which ticks ask FlowAPI, when there is a schedule."""

    def test_the_first_tick_waits_for_an_occurrence(self) -> None:
        """As in AutoFlow: starting it does not ask."""
        sensor = Sensor(definitions("0 13 * * *"))
        assert not sensor.tick(T0)
        assert not sensor.tick(T0 + 59 * MINUTE)
        assert sensor.tick(T0 + 60 * MINUTE)

    def test_a_tick_at_an_occurrence_begins_after_it(self) -> None:
        """Counting begins at the first tick, exclusive."""
        sensor = Sensor(definitions("0 12 * * *"))
        assert not sensor.tick(T0)
        assert not sensor.tick(T0 + MINUTE)
        assert sensor.tick(T0 + timedelta(days=1))

    def test_each_occurrence_is_checked_once(self) -> None:
        """However many ticks follow it."""
        sensor = Sensor(definitions("*/10 * * * *"))
        checks = [number for number in range(40) if sensor.tick(T0 + number * MINUTE)]
        assert checks == [10, 20, 30]

    def test_missed_occurrences_make_one_check(self) -> None:
        """Everything was down for a week."""
        sensor = Sensor(definitions("0 * * * *"))
        assert not sensor.tick(T0)
        week = T0 + timedelta(days=7)
        assert [sensor.tick(week + number * MINUTE) for number in range(60)] == [True] + 59 * [
            False
        ]
        assert sensor.tick(week + 60 * MINUTE)

    def test_a_check_that_failed_is_repeated_at_the_next_tick(self) -> None:
        """It is completed when it has stored its cursor."""
        sensor = Sensor(definitions("0 13 * * *"))
        sensor.tick(T0)
        ticks = [(60, False), (61, False), (62, True), (63, True)]
        assert [sensor.tick(T0 + n * MINUTE, works) for n, works in ticks] == [
            True,
            True,
            True,
            False,
        ]

    def test_a_clock_set_back_does_not_stop_the_checks(self) -> None:
        """By two days; the next occurrence by the new clock is checked."""
        sensor = Sensor(definitions("0 * * * *"))
        sensor.tick(T0)
        assert sensor.tick(T0 + 61 * MINUTE)
        back = T0 - timedelta(days=2)
        assert not sensor.tick(back)
        assert sensor.tick(back + 60 * MINUTE)

    def test_a_clock_set_forward_makes_one_check(self) -> None:
        """And back again, another one."""
        sensor = Sensor(definitions("0 * * * *"))
        sensor.tick(T0)
        assert sensor.tick(T0 + timedelta(days=1000))
        assert not sensor.tick(T0 + MINUTE)
        assert sensor.tick(T0 + 60 * MINUTE)

    def test_another_schedule_counts_from_the_last_check(self) -> None:
        """An occurrence that has passed since is made up for."""
        sensor = Sensor(definitions("0 13 * * *"))
        sensor.tick(T0)
        assert sensor.tick(T0 + 60 * MINUTE)
        sensor.definitions = definitions("30 13 * * *")
        assert not sensor.tick(T0 + 89 * MINUTE)
        assert sensor.tick(T0 + 95 * MINUTE)

    def test_the_time_zone_of_the_schedule_counts(self) -> None:
        """Midnight in Kathmandu is 18:15 UTC."""
        sensor = Sensor(definitions("0 0 * * *", "Asia/Kathmandu"))
        sensor.tick(T0)
        midnight = datetime(2016, 1, 2, tzinfo=ZoneInfo("Asia/Kathmandu"))
        assert not sensor.tick(midnight.astimezone(UTC) - MINUTE)
        assert sensor.tick(midnight.astimezone(UTC))


class TestWithoutSchedule:
    """``schedule: null``: once for each version of the definitions."""

    def test_it_checks_once(self) -> None:
        """At the first tick, and not again."""
        sensor = Sensor(definitions(None))
        assert [sensor.tick(T0 + number * MINUTE) for number in range(3)] == [True, False, False]

    def test_it_checks_again_when_the_definitions_change(self) -> None:
        """Once for the new ones."""
        sensor = Sensor(definitions(None))
        sensor.tick(T0)
        sensor.definitions = dataclasses.replace(
            definitions(None), configs=(config(stencil=[-1, 0]),)
        )
        assert [sensor.tick(T0 + number * MINUTE) for number in (1, 2)] == [True, False]

    def test_a_check_that_failed_is_repeated(self) -> None:
        """Until it works."""
        sensor = Sensor(definitions(None))
        assert [sensor.tick(T0, works) for works in (False, False, True, True)] == [
            True,
            True,
            True,
            False,
        ]


class TestDigest:
    """What counts as changed definitions."""

    @pytest.mark.parametrize(
        "changed",
        [
            definitions("0 1 * * *"),
            definitions(timezone="Europe/Paris"),
            dataclasses.replace(definitions(), configs=()),
            dataclasses.replace(definitions(), workflows={}),
            *(
                dataclasses.replace(definitions(), configs=(config(**fields),))
                for fields in (
                    {"name": "other"},
                    {"parameters": {"a": 1}},
                    {"parameters": {"a": True}},
                    {"parameters": {"a": "1"}},
                    {"stencil": [-1]},
                    {"min_available": 0.5},
                    {"cdr_types": ("calls",)},
                    {"max_attempts": 1},
                )
            ),
        ],
    )
    def test_everything_that_is_meant_counts(self, changed: WorkflowDefinitions) -> None:
        """Parameters with their types."""
        assert definitions_digest(changed) != definitions_digest(definitions())

    def test_warnings_do_not_count(self) -> None:
        """They are about the file, not of its meaning."""
        warned = dataclasses.replace(definitions(), warnings=("DUMMY",))
        assert definitions_digest(warned) == definitions_digest(definitions())

    def test_it_is_the_same_in_every_process(self) -> None:
        """A restart is no change."""
        code = (
            "from autoflow_dagster_tests.test_check_schedule import definitions\n"
            "from autoflow_dagster.check_schedule import definitions_digest\n"
            "print(definitions_digest(definitions()))"
        )
        done = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONHASHSEED": "12345"},
        )
        assert done.stdout.strip() == definitions_digest(definitions())


class TestPolling:
    """FlowAPI is spared while a backlog is handed out."""

    @pytest.mark.parametrize(
        ("seconds_ago", "expected"),
        [(None, True), (0, False), (59.9, False), (60, True), (-5, True)],
    )
    def test_it_may_be_asked_once_a_minute(self, seconds_ago: float | None, expected: bool) -> None:
        """And at once when the clock was set back."""
        polled = None if seconds_ago is None else T0 - timedelta(seconds=seconds_ago)
        assert timedelta(seconds=60) == POLL_INTERVAL
        assert may_poll(CheckCursor(polled_at=polled), T0) == expected


class TestCursor:
    """What one tick tells the next."""

    FULL = CheckCursor(T0, "0123456789abcdef", T0 + MINUTE, T0 + 2 * MINUTE, True)

    @pytest.mark.parametrize("cursor", [FULL, CheckCursor()])
    def test_it_is_stored_and_read(self, cursor: CheckCursor) -> None:
        """Without loss."""
        assert CheckCursor.from_json(cursor.to_json()) == cursor

    def test_it_is_small(self) -> None:
        """However long the history: there is nothing in it that could grow."""
        checked = after_check(begin_tick(CheckCursor(), T0), definitions(), T0 + MINUTE, True)
        assert len(checked.to_json()) < 300

    @pytest.mark.parametrize(
        "text",
        [
            None,
            "",
            "DUMMY",
            "null",
            "5",
            "[]",
            '"2016-01-01"',
            "{}",
            "[" * 100_000,
            '{"counted_from": 5}',
            '{"counted_from": "yesterday"}',
            '{"counted_from": "2016-01-01T12:00:00"}',
            '{"polled_at": {}}',
            FULL.to_json()[:-1],
        ],
        ids=lambda text: str(text)[:30],
    )
    def test_what_cannot_be_read_counts_as_none(self, text: str | None) -> None:
        """Such as the cursor of a later version, or one that was edited in the UI."""
        assert CheckCursor.from_json(text) == CheckCursor()

    def test_unknown_entries_are_ignored(self) -> None:
        """After going back to an older version."""
        text = self.FULL.to_json().replace("{", '{"new": [1], ', 1)
        assert CheckCursor.from_json(text) == self.FULL

    def test_a_check_is_recorded_with_the_time_it_began(self) -> None:
        """What occurs while it works is another check."""
        cursor = after_check(CheckCursor(T0), definitions(), T0 + MINUTE, has_backlog=True)
        assert cursor == CheckCursor(
            T0 + MINUTE, definitions_digest(definitions()), T0 + MINUTE, T0 + MINUTE, True
        )

    def test_a_clock_set_back_moves_the_begin_of_the_check(self) -> None:
        """Failed dates would be requested at every tick until the old time is reached."""
        cursor = begin_tick(self.FULL, T0 - MINUTE)
        assert (cursor.counted_from, cursor.check_started_at) == (T0 - MINUTE, T0 - MINUTE)
        assert begin_tick(self.FULL, T0 + 5 * MINUTE) == self.FULL
