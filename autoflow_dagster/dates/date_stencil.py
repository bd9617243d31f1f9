"""Date stencils: patterns of dates, some fixed and some relative to a reference date.

The rules are those of AutoFlow's documentation, "Date stencils", with calendar offsets added.
Pure: no clock, no files. Which reference dates are tried is for the planning module to say.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cached_property

from autoflow_dagster.dates.date_set import DateSet
from autoflow_dagster.dates.stencil_elements import (
    CalendarOffset,
    Element,
    EmptyDateRangeError,
    Interval,
    InvalidDateStencilError,
    StencilProblem,
    interval_of,
    parse_elements,
    resolve_element,
)
from autoflow_dagster.naming import DateRange
from autoflow_dagster.yaml_text import clipped, written

__all__ = [
    "CalendarOffset",
    "DateStencil",
    "EmptyDateRangeError",
    "InvalidDateStencilError",
    "StencilCheck",
    "StencilProblem",
]

_FIRST_ORDINAL = date.min.toordinal()
_LAST_ORDINAL = date.max.toordinal()


@dataclass(frozen=True, init=False, repr=False)
class DateStencil:
    """A pattern of dates that a workflow needs, relative to a reference date.

    Two stencils are equal when their intervals are. Memory does not grow with the length of an
    interval.

    Parameters
    ----------
    elements : sequence
        Each an offset in days, a date, a `CalendarOffset` or a text such as ``-1 month``, meaning
        one day; or a pair of these, meaning the days from the first up to but without the second.
        Empty: a stencil that needs no dates.

    Attributes
    ----------
    intervals : tuple of pairs
        Every element as a half-open interval.

    Raises
    ------
    InvalidDateStencilError
        Naming every element that is wrong.

    Examples
    --------
    >>> stencil = DateStencil([date(2016, 1, 1), (-2, 0)])
    >>> for start, end in stencil.date_ranges(date(2016, 1, 7)):
    ...     print(start, end)
    2016-01-01 2016-01-02
    2016-01-05 2016-01-07
    """

    intervals: tuple[Interval, ...]
    elements: tuple[Element, ...] = field(compare=False)

    def __init__(self, elements: Sequence[object] = (0,)) -> None:
        parsed = parse_elements(elements)
        object.__setattr__(self, "elements", parsed)
        object.__setattr__(self, "intervals", tuple(map(interval_of, parsed)))

    @classmethod
    def parse(cls, value: object) -> DateStencil:
        """Return the stencil that a YAML value describes.

        Raises
        ------
        InvalidDateStencilError
            When it is not a list, or naming every element that is wrong.

        Examples
        --------
        >>> DateStencil.parse(["2016-01-01", ["-1 month", 0]])
        DateStencil([2016-01-01, [-1 month, 0]])
        """
        if isinstance(value, list | tuple):
            return cls(value)
        hint = "Write a list, such as [-1, 0] for the day before and the reference date."
        problem = StencilProblem((), f"{clipped(written(value))} is not a list.", hint)
        raise InvalidDateStencilError([problem])

    def date_ranges(self, reference_date: date) -> tuple[DateRange, ...]:
        """Return the half-open date ranges that the stencil means for a reference date.

        Order, overlaps and repetitions are kept, as in AutoFlow.

        Raises
        ------
        EmptyDateRangeError
            When an interval ends before it begins, or lies outside the calendar.
        """
        return tuple(resolve_element(element, reference_date) for element in self.elements)

    def check(self, reference_date: date, available: DateSet) -> StencilCheck:
        """Compare the dates needed for a reference date with the ones available.

        Costs binary searches only, whatever the number of days.

        Raises
        ------
        EmptyDateRangeError
            As `date_ranges`.
        """
        return StencilCheck(self, reference_date, available)

    def describe(self, reference_date: date) -> tuple[str, ...]:
        """Return in plain words, a line for each element, what it means for a reference date.

        Examples
        --------
        >>> stencil = DateStencil([-3, (-2, 0), (0, date(2016, 1, 5))])
        >>> for line in stencil.describe(date(2016, 1, 7)):
        ...     print(line)
        -3: 2016-01-04
        [-2, 0]: 2016-01-05 to 2016-01-06 (2 days)
        [0, 2016-01-05]: no days: it would begin on 2016-01-07 and end before 2016-01-05
        """
        return tuple(
            f"{written(element)}: {_words(element, reference_date)}" for element in self.elements
        )

    def __str__(self) -> str:
        return written(self.elements)

    def __repr__(self) -> str:
        return f"DateStencil({self})"

    @cached_property
    def _relative(self) -> list[tuple[int, int]]:
        return _merged(
            (start, end)
            for start, end in self.intervals
            if isinstance(start, int) and isinstance(end, int)
        )

    @cached_property
    def _absolute(self) -> list[tuple[int, int]]:
        return _merged(
            (start.toordinal(), end.toordinal())
            for start, end in self.intervals
            if isinstance(start, date) and isinstance(end, date)
        )

    @cached_property
    def _mixed(self) -> list[Element]:
        """Elements whose length depends on the reference date."""
        return [
            element
            for element, (start, end) in zip(self.elements, self.intervals, strict=True)
            if not (isinstance(start, int) and isinstance(end, int))
            and not (isinstance(start, date) and isinstance(end, date))
        ]

    def required_ordinals(self, reference_date: date) -> list[tuple[int, int]]:
        """Return the days needed, as ascending half-open intervals that do not touch.

        The days are proleptic Gregorian ordinals.

        Raises
        ------
        EmptyDateRangeError
            As `date_ranges`.
        """
        reference = reference_date.toordinal()
        relative = [(reference + start, reference + end) for start, end in self._relative]
        if relative and (relative[0][0] < _FIRST_ORDINAL or relative[-1][1] > _LAST_ORDINAL):
            self.date_ranges(reference_date)  # raises, naming the element
        if not self._mixed and not (relative and self._absolute):
            return relative or self._absolute
        mixed = (resolve_element(element, reference_date) for element in self._mixed)
        return _merged(
            [*relative, *self._absolute, *((s.toordinal(), e.toordinal()) for s, e in mixed)]
        )


class StencilCheck:
    """What a date stencil needs for one reference date, compared with the available dates.

    Attributes
    ----------
    reference_date : date
        For which the stencil was resolved.
    required : int
        Number of distinct days that the stencil needs.
    missing_count : int
        How many of them are not available.
    """

    def __init__(self, stencil: DateStencil, reference_date: date, available: DateSet) -> None:
        self.reference_date = reference_date
        self._stencil = stencil
        self._available = available
        self._days = stencil.required_ordinals(reference_date)
        self.required = sum(end - start for start, end in self._days)
        present = sum(available.count_ordinals(start, end) for start, end in self._days)
        self.missing_count = self.required - present

    @cached_property
    def date_ranges(self) -> tuple[DateRange, ...]:
        """What the stencil means for the reference date: half-open, in the stencil's order."""
        return self._stencil.date_ranges(self.reference_date)

    @cached_property
    def missing_dates(self) -> tuple[date, ...]:
        """The days needed that are not available, ascending."""
        return tuple(
            date.fromordinal(ordinal) for start, end in self._gaps for ordinal in range(start, end)
        )

    @cached_property
    def longest_gap(self) -> int:
        """Length, in days, of the longest run of consecutive days needed but not available."""
        return max((end - start for start, end in self._gaps), default=0)

    @property
    def _gaps(self) -> list[tuple[int, int]]:
        if not self.missing_count:
            return []
        return [
            gap for start, end in self._days for gap in self._available.gaps_in_ordinals(start, end)
        ]

    def is_satisfied(self, min_available: float = 1.0, max_gap: timedelta | None = None) -> bool:
        """Return whether the workflow may run for the reference date.

        Parameters
        ----------
        min_available : float
            Share, from 0 to 1, of the days needed that must be available.
        max_gap : timedelta or None
            Longest run of missing days to put up with, in whole days; None for no limit.
        """
        if not self.missing_count:
            return True
        # The tolerance makes 0.07 of 100 days 7 days, whatever binary fractions make of it.
        enough = self.required - self.missing_count >= min_available * self.required - 1e-9
        return enough and (max_gap is None or self.longest_gap <= max_gap.days)


def _merged(intervals: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the union of half-open intervals, ascending, joined where they touch or overlap."""
    merged: list[tuple[int, int]] = []
    for start, end in sorted(intervals):
        if merged and start <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(end, merged[-1][1])
        else:
            merged.append((start, end))
    return merged


def _words(element: Element, reference_date: date) -> str:
    try:
        start, end = resolve_element(element, reference_date)
    except EmptyDateRangeError as error:
        return error.reason
    days = (end - start).days
    return str(start) if days == 1 else f"{start} to {end - timedelta(days=1)} ({days} days)"
