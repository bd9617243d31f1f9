"""Tests of date sets: the same answers as a plain set of dates, at any size."""

from __future__ import annotations

import pickle
import time
from datetime import date, timedelta
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from autoflow_dagster.dates.date_set import DateSet

DAY = timedelta(days=1)
FEW_DATES = st.lists(st.dates(date(2016, 1, 1), date(2016, 3, 1)))
ANY_DATES = st.lists(st.dates())
A_FEW_DAYS_AROUND = st.dates(date(2015, 12, 20), date(2016, 3, 15))


def january(*days: int) -> list[date]:
    """Return days of January 2016."""
    return [date(2016, 1, day) for day in days]


def days_between(start: date, end: date) -> list[date]:
    """Return the days of a half-open interval, one by one."""
    return [start + timedelta(days=n) for n in range((end - start).days)]


def test_it_is_a_sorted_collection_without_repetitions():
    """Order and repetition of what it is made from do not matter."""
    dates = DateSet(january(3, 1, 2, 3, 7))
    assert list(dates) == january(1, 2, 3, 7)
    assert len(dates) == 4
    assert january(7)[0] in dates
    assert january(4)[0] not in dates
    assert "2016-01-07" not in dates
    assert (dates.first, dates.last) == (date(2016, 1, 1), date(2016, 1, 7))


def test_the_empty_set_answers_every_question():
    """No dates: nothing is first, everything is missing."""
    empty = DateSet()
    assert not empty
    assert (empty.first, empty.last) == (None, None)
    assert empty.count(*january(1, 5)) == 0
    assert list(empty.missing(*january(1, 4))) == january(1, 2, 3)
    assert repr(empty) == "DateSet()"


def test_an_interval_excludes_its_end():
    """Intervals are half-open, and empty when they end before they begin."""
    dates = DateSet(january(1, 2, 5))
    assert dates.count(*january(1, 5)) == 2
    assert dates.count(*january(1, 6)) == 3
    assert dates.count(*january(5, 1)) == 0
    assert list(dates.missing(*january(2, 5))) == january(3, 4)
    assert list(dates.missing(*january(5, 2))) == []
    assert list(dates.gaps(*january(1, 8))) == [
        (date(2016, 1, 3), date(2016, 1, 5)),
        (date(2016, 1, 6), date(2016, 1, 8)),
    ]


def test_equal_sets_have_equal_hashes_and_survive_pickling():
    """They can be compared, used as keys and sent to other processes."""
    dates, same = DateSet(january(1, 2, 9)), DateSet(january(9, 2, 1, 1))
    assert dates == same
    assert hash(dates) == hash(same)
    assert pickle.loads(pickle.dumps(dates)) == dates
    assert dates != DateSet(january(1, 2))
    assert dates != set(january(1, 2, 9))
    assert repr(dates) == "<DateSet of 3 dates from 2016-01-01 to 2016-01-09>"


def test_the_first_and_last_days_of_the_calendar_can_be_in_it():
    """No arithmetic leaves the calendar."""
    dates = DateSet([date.min, date.max])
    assert list(dates) == [date.min, date.max]
    assert dates.count(date.min, date.max) == 1
    assert next(dates.missing(date.min, date.max)) == date.min + DAY


@settings(deadline=None)
@given(FEW_DATES, A_FEW_DAYS_AROUND, A_FEW_DAYS_AROUND)
def test_it_counts_and_misses_as_a_plain_set_does(days: list[date], start: date, end: date) -> None:
    """A set of days, asked day by day, gives the same answers."""
    plain, dates = set(days), DateSet(days)
    interval = days_between(start, end)
    assert dates.count(start, end) == sum(day in plain for day in interval)
    assert list(dates.missing(start, end)) == [day for day in interval if day not in plain]
    gaps = list(dates.gaps(start, end))
    assert [d for gap in gaps for d in days_between(*gap)] == list(dates.missing(start, end))
    assert all(before[1] < after[0] for before, after in pairwise(gaps))


@settings(deadline=None)
@given(ANY_DATES, st.dates())
def test_it_holds_what_a_plain_set_holds(days: list[date], day: date) -> None:
    """For dates anywhere in the calendar."""
    dates = DateSet(days)
    assert list(dates) == sorted(set(days))
    assert len(dates) == len(set(days))
    assert (day in dates) == (day in set(days))
    assert all(d in dates for d in days)


@settings(deadline=None)
@given(FEW_DATES, FEW_DATES, FEW_DATES)
def test_unions_and_intersections_are_those_of_plain_sets(
    one: list[date], two: list[date], three: list[date]
) -> None:
    """Of any number of sets; of none besides itself it is the same set."""
    sets = [DateSet(days) for days in (one, two, three)]
    assert set(sets[0].union(*sets[1:])) == {*one, *two, *three}
    assert set(sets[0].intersection(*sets[1:])) == set(one) & set(two) & set(three)
    assert sets[0].union() == sets[0].intersection() == sets[0]


def test_missing_dates_are_found_lazily():
    """The first of ten thousand years of missing days comes at once, without a list of all."""
    started = time.process_time()
    for _ in range(1000):
        assert next(DateSet().missing(date.min, date.max)) == date.min
    assert time.process_time() - started < 1
