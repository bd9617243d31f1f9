"""Plans in plain words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from autoflow_dagster.dates.date_set import DateSet
from autoflow_dagster.naming import parameters_hash
from autoflow_dagster.planning import Attempt, ConfigPlan, History, plan_config, plan_date
from autoflow_dagster.wording import (
    config_lines,
    counts_text,
    explain_lines,
    next_check_text,
    waiting_text,
)
from autoflow_dagster.workflows import WorkflowConfig
from autoflow_dagster_tests.plans import NOW, config, day, days

HOUR = timedelta(hours=1)


def hash_of(one: WorkflowConfig, number: int) -> str:
    """Return the parameters hash of a day."""
    return parameters_hash(one.parameters, day(number), one.date_stencil.date_ranges(day(number)))


def planned(one: WorkflowConfig, available: DateSet, history: History | None = None) -> ConfigPlan:
    """Return the plan of a config for these dates of calls."""
    return plan_config(one, {"calls": available}, history or History(), NOW)


class TestTicks:
    """What a sensor tick says about one config."""

    def test_counts_are_in_a_fixed_order(self) -> None:
        """What is done first, what can never run last."""
        one = config(stencil=[-1, 0], earliest_date=day(1), max_attempts=1)
        history = History(
            done={day(n): hash_of(one, n) for n in (1, 2)},
            running={day(3): "RUN"},
            attempts={(day(4), hash_of(one, 4)): [Attempt("RUN", NOW - HOUR)]},
        )
        plan = planned(one, days(0, 1, 2, 3, 4, 5, 6, 8), history)
        assert counts_text(plan) == (
            "8 available dates: 2 done, 1 running, 2 due, 1 waiting, 1 exhausted, 1 not selected"
        )
        assert counts_text(plan, requested=1) == (
            "8 available dates: 1 requested, 2 done, 1 running, 1 due, 1 waiting, 1 exhausted, "
            "1 not selected"
        )
        assert "due" not in counts_text(plan, requested=2)

    def test_nothing_available_is_nothing_to_do(self) -> None:
        """Not an empty list."""
        assert counts_text(planned(config(), days())) == "0 available dates: nothing to do"

    def test_waiting_dates_name_what_they_wait_for(self) -> None:
        """The latest ones first: the old ones wait for gaps that may never be filled."""
        plan = planned(config(stencil=[[-6, 1]]), days(0, 1, 2, 4, 5, 7, 9))
        assert waiting_text(plan, limit=2) == (
            "2016-02-29 waits for 2016-02-23, 2016-02-26, 2016-02-28; "
            "2016-02-27 waits for 2016-02-23, 2016-02-26; and 5 more dates wait"
        )
        assert waiting_text(planned(config(), days(1))) == ""

    def test_many_missing_dates_are_counted(self) -> None:
        """A line stays a line."""
        plan = planned(config(stencil=[[-365, 1]]), days(0))
        assert waiting_text(plan) == (
            "2016-02-20 waits for 2015-02-20, 2015-02-21, 2015-02-22 and 362 more"
        )

    def test_a_config_has_a_line_for_everything_that_needs_attention(self) -> None:
        """Waiting dates, dates given up, and CDR types that FlowAPI does not have."""
        one = config(stencil=[-1, 0], max_attempts=2, cdr_types=("calls", "topups"))
        tries = [Attempt("RUN", NOW - HOUR), Attempt("RUN", NOW - HOUR)]
        history = History(attempts={(day(1), hash_of(one, 1)): tries})
        assert config_lines(planned(one, days(0, 1), history)) == [
            "dummy: 2 available dates: 1 waiting, 1 exhausted.",
            "  Date stencil: 2016-02-20 waits for 2016-02-19.",
            "  Given up after 2 failed attempts: 2016-02-21.",
            "  FlowAPI has no dates of CDR type topups.",
        ]

    def test_dates_that_lack_one_of_several_cdr_types_are_named(self) -> None:
        """They are no available dates, and would not be mentioned otherwise."""
        one = config(cdr_types=("calls", "sms"), cdr_types_mode="all", earliest_date=day(1))
        by_type = {"calls": days(0, 1, 2, 3, 4, 5), "sms": days(1, 6), "mds": days(2)}
        plan = plan_config(one, by_type, History(), NOW)
        assert config_lines(plan) == [
            "dummy: 1 available dates: 1 due.",
            "  CDR types: 2016-02-26 waits for calls; 2016-02-25 waits for sms; "
            "2016-02-24 waits for sms; and 2 more dates wait.",
        ]

    def test_a_config_without_trouble_has_one_line(self) -> None:
        """Fifty configs make fifty lines."""
        assert config_lines(planned(config(), days(1)), requested=1) == [
            "dummy: 1 available dates: 1 requested."
        ]

    @pytest.mark.parametrize(
        ("time", "text"),
        [
            (
                datetime(2016, 1, 2, 1, 30, tzinfo=UTC).astimezone(),
                "Next check at 2016-01-02 01:30:00 UTC.",
            ),
            (
                None,
                "No schedule: checked once, and again when autoflow up starts or workflows.yml "
                "changes.",
            ),
        ],
    )
    def test_the_next_check_is_said_in_utc(self, time: datetime | None, text: str) -> None:
        """Whatever this machine's time zone."""
        assert next_check_text(time) == text


def explained(
    one: WorkflowConfig,
    number: int = 10,
    available: DateSet | None = None,
    history: History | None = None,
    errors: tuple[str, ...] = (),
) -> list[str]:
    """Return what is said about a day when days 0 to 19 are available."""
    dates = days(*range(20)) if available is None else available
    history = history or History()
    plan = planned(one, dates, history)
    return explain_lines(plan, plan_date(one, day(number), dates, history, NOW), errors)


class TestExplanations:
    """What ``autoflow explain`` says about one date."""

    def test_a_waiting_date_is_explained_in_full(self) -> None:
        """The stencil in words, what is missing, and what would make it run."""
        one = config(stencil=[day(0), [-3, 0], 0])
        available = days(0, 7, 9, 10)
        assert explained(one, available=available) == [
            "dummy, reference date 2016-03-01: waiting.",
            "",
            "Date stencil [2016-02-20, [-3, 0], 0] means for 2016-03-01:",
            "  2016-02-20: 2016-02-20",
            "  [-3, 0]: 2016-02-27 to 2016-02-29 (3 days)",
            "  0: 2016-03-01",
            "Of 5 stencil dates FlowAPI has 4.",
            "Missing: 2016-02-28.",
            "",
            "It runs once FlowAPI has all missing dates.",
        ]

    @pytest.mark.parametrize(
        ("mode", "types", "lines"),
        [
            (
                "all",
                ("calls", "sms"),
                [
                    "Of 2 stencil dates FlowAPI has 0 of CDR types calls and sms.",
                    "Missing: 2016-02-29, 2016-03-01.",
                    "  calls lacks 2016-02-29.",
                    "  sms lacks 2016-02-29, 2016-03-01.",
                    "FlowAPI has 2016-03-01 itself, but not of CDR type sms, so it is not a "
                    "reference date yet.",
                ],
            ),
            (
                "any",
                ("sms", "mds"),
                [
                    "Of 2 stencil dates FlowAPI has 0 of CDR type sms or mds.",
                    "Missing: 2016-02-29, 2016-03-01.",
                    "FlowAPI does not have 2016-03-01 itself of CDR type sms or mds, so it is not "
                    "a reference date yet.",
                ],
            ),
            (
                "any",
                None,
                ["Of 2 stencil dates FlowAPI has 1.", "Missing: 2016-02-29."],
            ),
        ],
    )
    def test_the_cdr_type_that_is_missing_is_named(
        self, mode: str, types: tuple[str, ...] | None, lines: list[str]
    ) -> None:
        """FlowAPI may well have the date, but not of every type that the config needs."""
        one = config(stencil=[-1, 0], cdr_types=types, cdr_types_mode=mode)
        plan = plan_config(one, {"calls": days(10, 11), "sms": days(11)}, History(), NOW)
        shown = explain_lines(plan, plan_date(one, day(10), plan.available, History(), NOW), ())
        assert shown[5:-2] == lines

    def test_without_a_schedule_it_says_what_makes_a_check(self) -> None:
        """Otherwise "the next check" would be a promise that nobody keeps."""
        plan = planned(config(), days(10))
        lines = explain_lines(
            plan, plan_date(config(), day(10), days(10), History(), NOW), (), has_schedule=False
        )
        assert lines[-2:] == ["The next check requests it.", next_check_text(None)]

    def test_attempts_are_listed_with_what_they_failed_with(self) -> None:
        """Oldest first."""
        one = config(max_attempts=1)
        made = [Attempt("RUN_1", NOW - HOUR), Attempt("RUN_2", NOW, was_cancelled=True)]
        history = History(attempts={(day(10), hash_of(one, 10)): made})
        assert explained(one, history=history, errors=("no data", "cancelled by hand"))[4:] == [
            "Of 1 stencil dates FlowAPI has 1.",
            "Run RUN_1 failed at 2016-03-01 11:00 UTC: no data",
            "Run RUN_2 cancelled at 2016-03-01 12:00 UTC: cancelled by hand",
            "",
            "Given up after 1 failed attempt (max_attempts). Mend the cause, then: autoflow run dummy 2016-03-01",
        ]

    @pytest.mark.parametrize(
        ("fields", "history", "state", "what_next"),
        [
            ({}, History(), "due", "The next check requests it."),
            (
                {},
                History(running={day(10): "DUMMY_RUN"}),
                "running",
                "Run DUMMY_RUN is queued or running.",
            ),
            (
                {},
                History(done={day(10): hash_of(config(), 10)}),
                "done",
                "It has succeeded with these parameters and date ranges and is not run again by itself. To run it again: autoflow run dummy 2016-03-01",
            ),
            (
                {"earliest_date": day(11), "latest_date": day(30)},
                History(),
                "not selected",
                "It is outside earliest_date 2016-03-02, latest_date 2016-03-21 of this config.",
            ),
            (
                {"every": "monday"},
                History(),
                "not selected",
                "It is outside every monday of this config.",
            ),
            (
                {"stencil": [[0, day(5)]]},
                History(),
                "never",
                "The date stencil has no days for this date: it never runs. Change date_stencil.",
            ),
            (
                {"retry_delay": 2 * HOUR},
                History(attempts={(day(10), hash_of(config(), 10)): [Attempt("R", NOW - HOUR)]}),
                "delayed",
                "retry_delay: it is requested at the first check after 2016-03-01 13:00 UTC.",
            ),
            (
                {"stencil": [[-19, 1]], "min_available": 0.605},
                History(),
                "waiting",
                "It runs once 60.5% of its stencil dates are available.",
            ),
            (
                {"stencil": [[-19, 1]], "min_available": 0.07, "max_gap": timedelta(days=1)},
                History(),
                "waiting",
                "It runs once 7% of its stencil dates are available, with no gap longer than 1 day.",
            ),
            (
                {"stencil": [[-19, 1]], "min_available": 0.5, "max_gap": timedelta(0)},
                History(),
                "waiting",
                "It runs once 50% of its stencil dates are available, with no gap longer than 0 days.",
            ),
        ],
    )
    def test_it_says_what_would_make_a_date_run(
        self, fields: dict[str, Any], history: History, state: str, what_next: str
    ) -> None:
        """One sentence for each state."""
        from autoflow_dagster.workflows import Every

        if "every" in fields:
            fields = {"every": Every(fields["every"])}
        errors = tuple("DUMMY" for made in history.attempts.values() for _ in made)
        lines = explained(config(**fields), history=history, errors=errors)
        assert lines[0] == f"dummy, reference date 2016-03-01: {state}."
        assert lines[-1] == what_next

    def test_a_date_that_flowapi_does_not_have_waits(self) -> None:
        """Even when its stencil is satisfied."""
        lines = explained(config(stencil=[-1]), available=days(9))
        assert lines[0] == "dummy, reference date 2016-03-01: waiting."
        assert lines[-3:] == [
            "FlowAPI does not have 2016-03-01 itself, so it is not a reference date yet.",
            "",
            "It runs once FlowAPI lists it, and the dates of its stencil, as available.",
        ]

    def test_a_done_date_that_vanished_is_still_done(self) -> None:
        """FlowAPI takes dates away while FlowETL works on them."""
        one = config()
        history = History(done={day(10): hash_of(one, 10)})
        lines = explained(one, available=days(9), history=history)
        assert lines[0] == "dummy, reference date 2016-03-01: done."
        assert lines[-1].startswith("It has succeeded with these parameters")

    def test_a_stencil_that_needs_nothing_says_so(self) -> None:
        """An empty list is allowed."""
        lines = explained(config(stencil=[]))
        assert lines[2:5] == [
            "Date stencil [] means for 2016-03-01:",
            "  no dates at all",
            "Of 0 stencil dates FlowAPI has 0.",
        ]
