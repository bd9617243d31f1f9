"""Planning: what is due, what waits and why."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
import time
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoflow_dagster.dates.date_hashes import DateHashes
from autoflow_dagster.dates.date_set import DateSet
from autoflow_dagster.dates.date_stencil import CalendarOffset, DateStencil, EmptyDateRangeError
from autoflow_dagster.naming import parameters_hash
from autoflow_dagster.planning import (
    Attempt,
    ConfigPlan,
    History,
    PlannedDate,
    State,
    available_dates_of,
    first_dates,
    plan_config,
    plan_date,
    requestable,
    share_out,
)
from autoflow_dagster.workflows import Every, WorkflowConfig
from autoflow_dagster_tests.plans import NOW, config, day, days

HOUR = timedelta(hours=1)
ALL = {"calls": days(*range(20))}


def states(plan: ConfigPlan) -> dict[date, State]:
    """Return the state of each date of a plan."""
    return {planned.reference_date: planned.state for planned in plan.dates}


def hash_of(one: WorkflowConfig, when: date) -> str:
    """Return the parameters hash by its definition."""
    return parameters_hash(one.parameters, when, one.date_stencil.date_ranges(when))


def state_of(one: WorkflowConfig, history: History | None = None, number: int = 10) -> State:
    """Return the state of one day when 20 days are available."""
    plan = plan_config(one, ALL, history or History(), NOW)
    return states(plan)[day(number)]


class TestAvailableDates:
    """Which dates are available to a config."""

    BY_TYPE: Mapping[str, DateSet] = {
        "calls": days(1, 2, 3),
        "sms": days(3, 4),
        "forwards": days(9),
    }

    @pytest.mark.parametrize(
        ("cdr_types", "mode", "expected", "absent"),
        [
            (None, "any", days(1, 2, 3, 4, 9), ()),
            (None, "all", days(), ()),
            (("calls", "sms"), "any", days(1, 2, 3, 4), ()),
            (("calls", "sms"), "all", days(3), ()),
            (("sms",), "all", days(3, 4), ()),
            (("calls", "calls"), "all", days(1, 2, 3), ()),
            (("calls", "topups", "mds"), "any", days(1, 2, 3), ("mds", "topups")),
            (("calls", "topups"), "all", days(), ("topups",)),
            (("topups",), "any", days(), ("topups",)),
            ((), "any", days(), ()),
        ],
    )
    def test_cdr_types_are_united_or_intersected(
        self, cdr_types: tuple[str, ...] | None, mode: Any, expected: DateSet, absent: object
    ) -> None:
        """Types that FlowAPI does not have are named, in order."""
        one = config(cdr_types=cdr_types, cdr_types_mode=mode)
        assert available_dates_of(one, self.BY_TYPE) == (expected, absent)

    @pytest.mark.parametrize("mode", ["any", "all"])
    def test_nothing_is_available_from_an_empty_answer(self, mode: Any) -> None:
        """An empty plan, not an error."""
        plan = plan_config(config(cdr_types_mode=mode), {}, History(), NOW)
        assert (plan.dates, plan.counts) == ((), Counter())


class TestStates:
    """What becomes of one date."""

    @pytest.mark.parametrize(
        ("fields", "expected"),
        [
            ({}, State.DUE),
            ({"earliest_date": day(10)}, State.DUE),
            ({"earliest_date": day(11)}, State.NOT_SELECTED),
            ({"latest_date": day(10)}, State.DUE),
            ({"latest_date": day(9)}, State.NOT_SELECTED),
            ({"every": Every.TUESDAY}, State.DUE),
            ({"every": Every.MONDAY}, State.NOT_SELECTED),
            ({"every": Every.MONTH_START}, State.DUE),
            ({"every": Every.MONTH_END}, State.NOT_SELECTED),
            ({"stencil": [-10]}, State.DUE),
            ({"stencil": [-11]}, State.WAITING),
            ({"stencil": [1]}, State.DUE),
            ({"stencil": [10]}, State.WAITING),
            ({"stencil": [day(10), [0, day(15)]]}, State.DUE),
            ({"stencil": [[0, day(10)]]}, State.NEVER),
            ({"stencil": [[day(12), 0]]}, State.NEVER),
            ({"stencil": []}, State.DUE),
            ({"stencil": [[-19, 1]], "min_available": 0.55}, State.DUE),
            ({"stencil": [[-19, 1]], "min_available": 0.56}, State.WAITING),
            ({"stencil": [[-19, 1]], "min_available": 0.5, "max_gap": 9 * 24 * HOUR}, State.DUE),
            (
                {"stencil": [[-19, 1]], "min_available": 0.5, "max_gap": 8 * 24 * HOUR},
                State.WAITING,
            ),
        ],
    )
    def test_without_history(self, fields: dict[str, Any], expected: State) -> None:
        """Day 10 is 1 March 2016, a Tuesday; days 0 to 19 are available."""
        assert state_of(config(**fields)) == expected

    def test_earliest_date_does_not_cut_the_stencil(self) -> None:
        """As in AutoFlow: it is about reference dates only."""
        one = config(stencil=[[-5, 1]], earliest_date=day(10))
        assert state_of(one) == State.DUE

    def test_a_date_is_done_with_the_present_hash_only(self) -> None:
        """Changed parameters or ranges make it due again."""
        one = config(parameters={"unit": "admin3"}, stencil=[-1, 0])
        history = History(done={day(10): hash_of(one, day(10))})
        assert state_of(one, history) == State.DONE
        assert state_of(dataclasses.replace(one, parameters={"unit": "admin2"}), history) == "due"
        stencil = DateStencil([-2, 0])
        assert state_of(dataclasses.replace(one, date_stencil=stencil), history) == "due"
        same = DateStencil([[-1, 0], [0, 1]])
        assert state_of(dataclasses.replace(one, date_stencil=same), history) == State.DONE

    def test_a_done_date_stays_done_when_its_stencil_dates_vanish(self) -> None:
        """FlowAPI takes dates away while FlowETL works on them."""
        one = config(stencil=[-1, 0])
        history = History(done={day(10): hash_of(one, day(10))})
        plan = plan_config(one, {"calls": days(10)}, history, NOW)
        assert states(plan) == {day(10): State.DONE}
        assert list(plan.satisfied) == [day(10)]

    def test_a_running_date_is_running_whatever_else_holds(self) -> None:
        """Even when the config has changed, or the date is no longer selected."""
        one = config(stencil=[[-30, 0]], latest_date=day(1))
        plan = plan_config(one, ALL, History(running={day(10): "DUMMY_RUN"}), NOW)
        [planned] = plan.in_state(State.RUNNING)
        assert (planned.reference_date, planned.run_id) == (day(10), "DUMMY_RUN")

    def test_a_date_that_is_not_available_waits_for_itself(self) -> None:
        """Explained dates need not be available; the stencil may not contain 0."""
        one = config(stencil=[-1])
        available = days(*range(10))
        assert plan_date(one, day(10), available, History(), NOW).state == State.WAITING
        done = History(done={day(10): hash_of(one, day(10))})
        assert plan_date(one, day(10), available, done, NOW).state == State.DONE
        failed = attempts(one, (1, False))
        for fields in ({"max_attempts": 1}, {"retry_delay": 2 * HOUR}):
            limited = dataclasses.replace(one, **fields)
            planned = plan_date(limited, day(10), available, failed, NOW)
            assert (planned.state, planned.not_before) == (State.WAITING, None)
        outside = dataclasses.replace(one, earliest_date=day(11))
        assert plan_date(outside, day(10), available, History(), NOW).state == State.NOT_SELECTED


def attempts(one: WorkflowConfig, *ended: tuple[int, bool], number: int = 10) -> History:
    """Return a history of attempts: hours before now, and whether cancelled."""
    made = [
        Attempt(f"RUN_{i}", NOW - hours * HOUR, was_cancelled=cancelled)
        for i, (hours, cancelled) in enumerate(ended)
    ]
    return History(attempts={(day(number), hash_of(one, day(number))): made})


class TestAttempts:
    """Dates that failed before."""

    @pytest.mark.parametrize(
        ("max_attempts", "ended", "expected"),
        [
            (None, [(9, False), (8, False), (7, False)], State.DUE),
            (3, [(9, False), (8, False)], State.DUE),
            (3, [(9, False), (8, False), (7, False)], State.EXHAUSTED),
            (1, [(9, False)], State.EXHAUSTED),
            (1, [(9, True)], State.DUE),
            (2, [(9, True), (8, False), (7, True), (6, True)], State.DUE),
            (2, [(9, True), (8, False), (7, True), (6, False)], State.EXHAUSTED),
        ],
    )
    def test_failed_attempts_count_and_cancelled_ones_do_not(
        self, max_attempts: int | None, ended: list[tuple[int, bool]], expected: State
    ) -> None:
        """Stopping the service cancels runs, and must not use up attempts."""
        one = config(max_attempts=max_attempts)
        assert state_of(one, attempts(one, *ended)) == expected

    @pytest.mark.parametrize(
        ("ended", "expected"),
        [
            ([(1, False)], State.DELAYED),
            ([(2, False)], State.DUE),
            ([(3, False)], State.DUE),
            ([(1, True)], State.DUE),
            ([(5, False), (1, True)], State.DUE),
            ([(1, False), (0, True)], State.DELAYED),
            ([(1, False), (5, False)], State.DELAYED),
        ],
    )
    def test_the_delay_counts_from_the_last_failure(
        self, ended: list[tuple[int, bool]], expected: State
    ) -> None:
        """A delay of two hours; exactly two hours after it is due."""
        one = config(retry_delay=2 * HOUR)
        assert state_of(one, attempts(one, *ended)) == expected

    def test_a_delayed_date_says_until_when(self) -> None:
        """Absolute, so that it can be shown."""
        one = config(retry_delay=2 * HOUR)
        plan = plan_config(one, ALL, attempts(one, (1, False)), NOW)
        [planned] = plan.in_state(State.DELAYED)
        assert planned.not_before == NOW + HOUR

    def test_attempts_with_other_parameters_do_not_count(self) -> None:
        """A changed config starts afresh."""
        one = config(max_attempts=1)
        changed = dataclasses.replace(one, parameters={"new": 1})
        assert state_of(one, attempts(changed, (1, False))) == State.DUE

    def test_success_ends_it(self) -> None:
        """However often it had failed."""
        one = config(max_attempts=1)
        history = dataclasses.replace(
            attempts(one, (1, False)), done={day(10): hash_of(one, day(10))}
        )
        assert state_of(one, history) == State.DONE


class TestRequestable:
    """What a check may still request while it hands out a backlog."""

    @pytest.mark.parametrize(
        ("ended", "expected"),
        [
            ([], True),
            ([(2, False)], True),
            ([(1, False)], False),
            ([(0, False)], False),
            ([(0, True)], False),
            ([(0, False), (2, False)], False),
        ],
    )
    def test_a_date_that_was_tried_since_the_check_began_is_left_to_the_next(
        self, ended: list[tuple[int, bool]], expected: bool
    ) -> None:
        """The check began an hour ago."""
        one = config()
        plan = plan_config(one, {"calls": days(10)}, attempts(one, *ended), NOW)
        assert states(plan) == {day(10): State.DUE}
        assert bool(requestable(plan, NOW - HOUR)) == expected

    def test_only_due_dates_are_requestable(self) -> None:
        """In ascending order."""
        one = config(stencil=[-1, 0])
        history = History(done={day(3): hash_of(one, day(3))}, running={day(4): "DUMMY"})
        plan = plan_config(one, {"calls": days(5, 4, 3, 2, 1)}, history, NOW)
        assert [p.reference_date for p in requestable(plan, NOW)] == [day(2), day(5)]


def due(*counts: int) -> list[list[PlannedDate]]:
    """Return for each config so many due dates."""
    return [[PlannedDate(day(n), State.DUE) for n in range(count)] for count in counts]


class TestSharing:
    """Handing out a bounded number of runs."""

    @pytest.mark.parametrize(
        ("counts", "limit", "expected"),
        [
            ([], 5, []),
            ([0, 0], 5, []),
            ([3], 2, [(0, 0), (0, 1)]),
            ([2, 2], 3, [(0, 0), (1, 0), (0, 1)]),
            ([1, 3], 4, [(0, 0), (1, 0), (1, 1), (1, 2)]),
            ([9, 0, 1], 3, [(0, 0), (2, 0), (0, 1)]),
        ],
    )
    def test_configs_take_turns(
        self, counts: list[int], limit: int, expected: list[tuple[int, int]]
    ) -> None:
        """The oldest date of each first."""
        chosen = share_out(due(*counts), limit)
        assert [(index, (p.reference_date - day(0)).days) for index, p in chosen] == expected

    def test_what_runs_already_counts_as_turns(self) -> None:
        """Config 0 has had two; config 1 catches up before it gets another."""
        chosen = share_out(due(5, 5), 3, running=[2, 0])
        assert [index for index, _ in chosen] == [1, 1, 0]

    def test_with_more_configs_than_requests_nobody_waits_for_ever(self) -> None:
        """Ten configs, three requests a tick, and runs that take longer than all ticks."""
        left = due(*[20] * 10)
        running = [0] * 10
        for _ in range(10):
            for index, planned in share_out(left, 3, running):
                assert planned is left[index].pop(0)
                running[index] += 1
        assert running == [3] * 10

    @given(
        st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=6), st.integers(1, 20)
    )
    def test_it_is_fair(self, counts_and_running: list[tuple[int, int]], limit: int) -> None:
        """Nobody is two turns ahead of somebody who still has dates; none is given twice."""
        counts = [count for count, _ in counts_and_running]
        running = [number for _, number in counts_and_running]
        chosen = share_out(due(*counts), limit, running)
        assert len(chosen) == min(limit, sum(counts))
        given_out = Counter(index for index, _ in chosen)
        for index, number in given_out.items():
            dates = [p.reference_date for i, p in chosen if i == index]
            assert dates == [day(n) for n in range(number)]
            for other, count in enumerate(counts):
                if given_out[other] < count:
                    assert running[index] + number <= running[other] + given_out[other] + 1


# The oracle: sets of days, fractions and loops, without any of the code under test.

DAY_NUMBERS = st.integers(0, 14)
ENDPOINTS = st.one_of(st.integers(-6, 6), DAY_NUMBERS.map(day))
ELEMENTS: st.SearchStrategy[Any] = st.one_of(
    ENDPOINTS,
    st.tuples(ENDPOINTS, ENDPOINTS).filter(lambda pair: _is_not_lopsided(*pair)),
)
AVAILABLE = st.dictionaries(
    st.sampled_from(["calls", "sms", "forwards"]),
    st.lists(DAY_NUMBERS, min_size=1).map(lambda numbers: days(*numbers)),
)


def _is_not_lopsided(start: Any, end: Any) -> bool:
    """Return whether the stencil's own check accepts an interval."""
    return type(start) is not type(end) or bool(start < end)


@st.composite
def configs(draw: st.DrawFn) -> tuple[WorkflowConfig, list[Any]]:
    """Draw a config, and its stencil as it was written."""
    stencil = draw(st.lists(ELEMENTS, max_size=4))
    one = config(
        stencil=stencil,
        parameters=draw(st.dictionaries(st.sampled_from("xyz"), st.integers(0, 2), max_size=2)),
        earliest_date=draw(st.none() | DAY_NUMBERS.map(day)),
        latest_date=draw(st.none() | DAY_NUMBERS.map(day)),
        every=draw(st.sampled_from([Every.DAY, Every.DAY, Every.SUNDAY, Every.MONTH_END])),
        cdr_types=draw(st.none() | st.lists(st.sampled_from(["calls", "sms", "mds"])).map(tuple)),
        cdr_types_mode=draw(st.sampled_from(["any", "all"])),
        min_available=draw(st.sampled_from([1.0, 1.0, 0.75, 0.6, 0.1, 0.0])),
        max_gap=draw(st.none() | st.integers(0, 3).map(lambda n: timedelta(days=n))),
        max_attempts=draw(st.none() | st.integers(1, 3)),
        retry_delay=draw(st.none() | st.integers(0, 3).map(lambda n: n * HOUR)),
    )
    return one, stencil


@st.composite
def histories(draw: st.DrawFn, one: WorkflowConfig, ranges: Mapping[date, Any]) -> History:
    """Draw what happened before: hashes of the present and of other parameters."""
    done, running, tried = {}, {}, {}
    for when, pairs in ranges.items():
        present = oracle_hash(one, when, pairs or [])
        if draw(st.booleans()):
            done[when] = draw(st.sampled_from([present, present, "OTHER"]))
        if draw(st.integers(0, 9)) == 0:
            running[when] = "DUMMY_RUN"
        ended = draw(st.lists(st.tuples(st.integers(0, 4), st.booleans()), max_size=3))
        key = when, draw(st.sampled_from([present, "OTHER"]))
        tried[key] = [Attempt("DUMMY", NOW - hours * HOUR, gone) for hours, gone in ended]
    return History(done=done, running=running, attempts=tried)


def oracle_ranges(stencil: list[Any], when: date) -> list[tuple[date, date]] | None:
    """Return the date ranges that a stencil means; None when one is empty."""

    def absolute(endpoint: Any) -> date:
        return when + timedelta(days=endpoint) if isinstance(endpoint, int) else endpoint

    ranges = []
    for element in stencil:
        if isinstance(element, tuple):
            start, end = map(absolute, element)
        else:
            start = absolute(element)
            end = start + timedelta(days=1)
        if end <= start:
            return None
        ranges.append((start, end))
    return ranges


def oracle_hash(one: WorkflowConfig, when: date, ranges: list[tuple[date, date]]) -> str:
    """Return AutoFlow's md5."""
    hashed = dict(one.parameters)
    hashed["reference_date"] = str(when)
    hashed["date_ranges"] = [[str(start), str(end)] for start, end in ranges]
    return hashlib.md5(json.dumps(hashed, sort_keys=True).encode()).hexdigest()


def oracle_available(one: WorkflowConfig, by_type: Mapping[str, DateSet]) -> set[date]:
    """Return the dates available to a config."""
    names = list(by_type) if one.cdr_types is None else list(one.cdr_types)
    sets = [set(by_type.get(name, DateSet())) for name in names]
    if not sets:
        return set()
    return set.intersection(*sets) if one.cdr_types_mode == "all" else set.union(*sets)


def oracle_is_selected(one: WorkflowConfig, when: date) -> bool:
    """Return whether a date may be a reference date."""
    if one.earliest_date and when < one.earliest_date:
        return False
    if one.latest_date and when > one.latest_date:
        return False
    if one.every == "sunday":
        return when.strftime("%A") == "Sunday"
    if one.every == "month_end":
        return (when + timedelta(days=1)).month != when.month
    return True


def oracle_is_satisfied(
    one: WorkflowConfig, ranges: list[tuple[date, date]], available: set[date]
) -> bool:
    """Return whether enough of the stencil's days are there."""
    needed = {start + timedelta(days=n) for start, end in ranges for n in range((end - start).days)}
    missing = sorted(needed - available)
    if not missing:
        return True
    if Fraction(len(needed) - len(missing), len(needed)) < Fraction(str(one.min_available)):
        return False
    longest = run = 1
    for earlier, later in pairwise(missing):
        run = run + 1 if later - earlier == timedelta(days=1) else 1
        longest = max(longest, run)
    return one.max_gap is None or longest <= one.max_gap.days


def oracle_state(
    one: WorkflowConfig,
    when: date,
    ranges: list[tuple[date, date]] | None,
    available: set[date],
    history: History,
) -> str:
    """Return what should become of a date."""
    if ranges is None:
        return "never"
    if when in history.running:
        return "running"
    if not oracle_is_selected(one, when):
        return "not_selected"
    present = oracle_hash(one, when, ranges)
    if history.done.get(when) == present:
        return "done"
    if not oracle_is_satisfied(one, ranges, available):
        return "waiting"
    failed = [a.ended_at for a in history.attempts.get((when, present), ()) if not a.was_cancelled]
    if one.max_attempts is not None and len(failed) >= one.max_attempts:
        return "exhausted"
    if one.retry_delay is not None and any(NOW - ended < one.retry_delay for ended in failed):
        return "delayed"
    return "due"


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_plans_agree_with_brute_force(data: st.DataObject) -> None:
    """Every combination of options and histories, over two weeks with a leap day."""
    one, stencil = data.draw(configs())
    by_type = data.draw(AVAILABLE)
    available = oracle_available(one, by_type)
    ranges = {when: oracle_ranges(stencil, when) for when in sorted(available)}
    history = data.draw(histories(one, ranges))
    plan = plan_config(one, by_type, history, NOW)
    assert {when: str(state) for when, state in states(plan).items()} == {
        when: oracle_state(one, when, found, available, history) for when, found in ranges.items()
    }
    for planned in plan.dates:
        found = ranges[planned.reference_date]
        if found is None:
            assert (planned.parameters_hash, planned.check) == (None, None)
            continue
        assert planned.parameters_hash == oracle_hash(one, planned.reference_date, found)
        assert planned.date_ranges == tuple(found)
        needed = {s + timedelta(days=n) for s, e in found for n in range((e - s).days)}
        assert planned.missing_dates == tuple(sorted(needed - available))
    assert list(plan.satisfied) == [
        when
        for when, state in states(plan).items()
        if state not in ("waiting", "not_selected", "never")
    ]


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.dates(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
OFFSETS = st.builds(
    CalendarOffset, months=st.integers(-24, 24).filter(bool), days=st.integers(-3, 3)
)


@settings(deadline=None)
@given(
    st.dictionaries(st.text(), VALUES, max_size=4),
    st.lists(ELEMENTS | OFFSETS | st.tuples(st.just(-400), OFFSETS), max_size=8),
    st.dates(date(1, 1, 1), date(9999, 12, 31)),
)
def test_quick_hashes_are_the_defined_ones(
    parameters: dict[str, Any], elements: list[Any], when: date
) -> None:
    """Whatever the parameters hold and wherever in the calendar."""
    try:
        stencil = DateStencil(elements)
    except Exception:
        return
    hashes = DateHashes(parameters, stencil)
    try:
        ranges = stencil.date_ranges(when)
    except EmptyDateRangeError as error:
        with pytest.raises(EmptyDateRangeError, match=re.escape(str(error))):
            hashes(when)
        with pytest.raises(EmptyDateRangeError):
            stencil.check(when, DateSet())
    else:
        assert hashes(when) == parameters_hash(parameters, when, ranges)


@pytest.mark.parametrize(
    "parameters",
    [
        {"a": "\0reference_date"},
        {"\0date_ranges": 1},
        {"reference_date": "2016-01-01", "date_ranges": []},
        {"a": '"\\u0000date_ranges"'},
    ],
)
def test_parameters_that_look_like_our_marks_hash_right(parameters: dict[str, Any]) -> None:
    """The quick way writes marks into the text and replaces them."""
    stencil = DateStencil([-1, 0])
    ranges = stencil.date_ranges(day(1))
    assert DateHashes(parameters, stencil)(day(1)) == parameters_hash(parameters, day(1), ranges)


def test_the_reference_value_of_autoflow() -> None:
    """The md5 by which AutoFlow's own history can be recognised."""
    one = config(stencil=[-3, -1, 0], parameters={"aggregation_unit": "admin2"})
    plan = plan_config(one, {"calls": DateSet([date(2016, 1, 4)])}, History(), NOW)
    assert plan.dates[0].parameters_hash == "fc05692377782a32156bc405d787213a"


class TestSpeed:
    """A tick has 60 seconds for everything."""

    @pytest.mark.parametrize(
        "stencil", [[[-365, 0]], [0], [date(2016, 1, 1), [-365, 0]]], ids=["year", "day", "mixed"]
    )
    def test_ten_thousand_dates_are_planned_in_half_a_second(self, stencil: list[Any]) -> None:
        """Of processor time, so that a busy machine does not matter; the fastest of three."""
        available = {"calls": DateSet(day(n) for n in range(10_000) if n % 50)}
        one = config(stencil=stencil, parameters={"unit": "admin3", "list": [1, 2, 3]})
        seconds = []
        for _ in range(3):
            started = time.process_time()
            plan = plan_config(one, available, History(), NOW)
            seconds.append(time.process_time() - started)
        assert len(plan.dates) == 9_800
        assert min(seconds) < 0.5

    def test_a_plan_does_not_keep_what_nobody_asks_for(self) -> None:
        """50 configs of ten years have to fit into the code server's memory."""
        import tracemalloc

        available = {"calls": DateSet(day(n) for n in range(3_650))}
        one = config(stencil=[[-7, 1]])
        history = History(done={d: hash_of(one, d) for d in available["calls"]})
        tracemalloc.start()
        try:
            plan = plan_config(one, available, history, NOW)
            size, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert plan.counts == {State.DONE: 3_650}
        assert size < 2_000_000, "50 of these are 100 MB"


def test_first_dates_shows_a_few() -> None:
    """And says how many more there are."""
    assert first_dates(days(1, 2, 3, 4)) == "2016-02-21, 2016-02-22, 2016-02-23 and 1 more"
    assert first_dates([]) == ""


def test_planning_needs_no_particular_time_zone() -> None:
    """Attempts end in UTC, the clock may be given in another zone."""
    one = config(retry_delay=2 * HOUR)
    elsewhere = NOW.astimezone(datetime.now(UTC).astimezone().tzinfo)
    plan = plan_config(one, ALL, attempts(one, (1, False)), elsewhere)
    assert plan.counts[State.DELAYED] == 1
