"""An immutable set of dates that answers questions about whole intervals quickly.

Pure: no clock, no files. What the dates mean, and which of them are wanted, is for others to say.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Iterator
from datetime import date
from itertools import accumulate

from autoflow_dagster.naming import DateRange


class DateSet(Collection[date]):
    """Dates, kept as runs of consecutive days.

    A question about an interval costs a binary search and no memory, however long the interval.

    Parameters
    ----------
    dates : iterable of date
        In any order; repetition is harmless.

    Examples
    --------
    >>> january = DateSet([date(2016, 1, 3), date(2016, 1, 1), date(2016, 1, 4)])
    >>> january.count(date(2016, 1, 1), date(2016, 1, 4))
    2
    >>> [str(day) for day in january.missing(date(2016, 1, 1), date(2016, 1, 6))]
    ['2016-01-02', '2016-01-05']
    """

    __slots__ = ("_counts", "_ends", "_starts")

    def __init__(self, dates: Iterable[date] = ()) -> None:
        # One entry a run, as proleptic Gregorian ordinals: first day, day after the last one, and
        # the number of days in all runs before it.
        self._starts: list[int] = []
        self._ends: list[int] = []
        for ordinal in sorted({day.toordinal() for day in dates}):
            if self._ends and self._ends[-1] == ordinal:
                self._ends[-1] += 1
            else:
                self._starts.append(ordinal)
                self._ends.append(ordinal + 1)
        lengths = (end - start for start, end in zip(self._starts, self._ends, strict=True))
        self._counts = list(accumulate(lengths, initial=0))

    def __contains__(self, day: object) -> bool:
        if not isinstance(day, date):
            return False
        ordinal = day.toordinal()
        run = bisect_right(self._starts, ordinal) - 1
        return run >= 0 and ordinal < self._ends[run]

    def __iter__(self) -> Iterator[date]:
        for start, end in zip(self._starts, self._ends, strict=True):
            yield from map(date.fromordinal, range(start, end))

    def __len__(self) -> int:
        return self._counts[-1]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, DateSet):
            return NotImplemented
        return self._starts == other._starts and self._ends == other._ends

    def __hash__(self) -> int:
        return hash((tuple(self._starts), tuple(self._ends)))

    def __repr__(self) -> str:
        if not self:
            return "DateSet()"
        return f"<DateSet of {len(self)} dates from {self.first} to {self.last}>"

    @property
    def first(self) -> date | None:
        """The earliest date; None when there is none."""
        return date.fromordinal(self._starts[0]) if self._starts else None

    @property
    def last(self) -> date | None:
        """The latest date; None when there is none."""
        return date.fromordinal(self._ends[-1] - 1) if self._ends else None

    def count(self, start: date, end: date) -> int:
        """Return how many days of ``[start, end)`` are in the set."""
        return self.count_ordinals(start.toordinal(), end.toordinal())

    def count_ordinals(self, start: int, end: int) -> int:
        """Return the same as `count`, for days given as proleptic Gregorian ordinals."""
        return max(0, self._count_before(end) - self._count_before(start))

    def _count_before(self, ordinal: int) -> int:
        run = bisect_left(self._starts, ordinal)
        if run and self._ends[run - 1] > ordinal:
            return self._counts[run] - (self._ends[run - 1] - ordinal)
        return self._counts[run]

    def gaps_in_ordinals(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        """Yield the longest intervals of ``[start, end)`` without a day of the set, ascending.

        Half-open, as proleptic Gregorian ordinals.
        """
        run = bisect_right(self._ends, start)
        while start < end:
            next_start = self._starts[run] if run < len(self._starts) else end
            if start < next_start:
                yield start, min(next_start, end)
            start = self._ends[run] if run < len(self._ends) else end
            run += 1

    def gaps(self, start: date, end: date) -> Iterator[DateRange]:
        """Yield the longest half-open intervals of ``[start, end)`` without a day of the set."""
        for gap_start, gap_end in self.gaps_in_ordinals(start.toordinal(), end.toordinal()):
            yield date.fromordinal(gap_start), date.fromordinal(gap_end)

    def missing(self, start: date, end: date) -> Iterator[date]:
        """Yield the days of ``[start, end)`` that are not in the set, ascending."""
        for gap_start, gap_end in self.gaps_in_ordinals(start.toordinal(), end.toordinal()):
            yield from map(date.fromordinal, range(gap_start, gap_end))

    def union(self, *others: DateSet) -> DateSet:
        """Return the dates that are in this set or in one of the others."""
        return DateSet(day for dates in (self, *others) for day in dates)

    def intersection(self, *others: DateSet) -> DateSet:
        """Return the dates that are in this set and in every one of the others."""
        return DateSet(day for day in self if all(day in other for other in others))
