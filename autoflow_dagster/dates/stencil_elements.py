"""The elements of a date stencil: reading them, checking them, resolving one for a date.

The stencil itself, and what it needs compared with what is there, live in `date_stencil`.
"""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TypeAlias

from autoflow_dagster.errors import AutoflowError
from autoflow_dagster.naming import DateRange
from autoflow_dagster.yaml_text import clipped, written

MAX_OFFSET_DAYS = 365_250
"""A thousand years: an offset within it resolves for every reference date that can occur."""

_ISO_DATE = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})", re.ASCII)
_CALENDAR_OFFSET = re.compile(r"([+-]?\d{1,9})\s+(day|week|month|year)s?", re.ASCII)
_DAYS_PER = {"day": 1, "week": 7}
_MONTHS_PER = {"month": 1, "year": 12}

_LEAP_CYCLE = [date(2000, 1, 1) + timedelta(days=days) for days in range(4 * 365 + 1)]

_ENDPOINTS = "an integer (days), a date such as 2016-01-01, or an offset such as -1 month"
_HINT_ELEMENT = f"Write {_ENDPOINTS}, or a list of two of these."
_HINT_ENDPOINT = f"Write {_ENDPOINTS}."
_HINT_INTERVAL = "The second end is the day after the last one: [-7, 0] is the seven days before."
_HINT_PAIR = "Write the first day and the day after the last one, such as [-7, 0]."


class EmptyDateRangeError(AutoflowError):
    """An element of a date stencil has no days for a reference date: the date never runs.

    Attributes
    ----------
    reference_date : date
        The date that never runs.
    element : Element
        The first one without days.
    reason : str
        Why it has none, for the user, without a full stop.
    """

    def __init__(self, reference_date: date, element: Element, reason: str) -> None:
        self.reference_date = reference_date
        self.element = element
        self.reason = reason
        problem = f"{written(element)} of the date stencil means {reason}."
        super().__init__(f"Reference date {reference_date}", problem)

    def __reduce__(self) -> tuple[type[EmptyDateRangeError], tuple[object, ...]]:
        return type(self), (self.reference_date, self.element, self.reason)


@dataclass(frozen=True)
class StencilProblem:
    """One thing wrong with one element of a date stencil.

    Attributes
    ----------
    path : tuple of int
        Index of the element, then, for one end of an interval, 0 or 1. Empty: the whole value.
    problem, hint : str
        What is wrong, with the value as it was given, and what to do.
    """

    path: tuple[int, ...]
    problem: str
    hint: str = ""

    def __str__(self) -> str:
        place = "".join(f"[{index}]" for index in self.path)
        return f"date_stencil{place}: {self.problem} {self.hint}".rstrip()


class InvalidDateStencilError(AutoflowError):
    """A value is not a date stencil.

    Attributes
    ----------
    problems : tuple of StencilProblem
        All of them, in the order of the elements.
    """

    def __init__(self, problems: Sequence[StencilProblem]) -> None:
        self.problems = tuple(problems)
        super().__init__("date_stencil", "\n".join(map(str, problems)))

    def __str__(self) -> str:
        return self.problem

    def __reduce__(self) -> tuple[type[InvalidDateStencilError], tuple[object, ...]]:
        return type(self), (self.problems,)


@dataclass(frozen=True)
class CalendarOffset:
    """So many months from a reference date, then so many days.

    The day of the month is kept, or clamped to the month's last one.

    Examples
    --------
    >>> CalendarOffset(months=-1).resolve(date(2016, 3, 31))
    datetime.date(2016, 2, 29)
    """

    months: int
    days: int = 0

    def resolve(self, reference_date: date) -> date:
        """Return the date meant.

        Raises
        ------
        OverflowError
            When it lies outside the years 1 to 9999.
        """
        year, month0 = divmod(reference_date.year * 12 + reference_date.month - 1 + self.months, 12)
        if not date.min.year <= year <= date.max.year:
            raise OverflowError(f"{self} from {reference_date} is outside the years 1 to 9999")
        day = min(reference_date.day, monthrange(year, month0 + 1)[1])
        return date(year, month0 + 1, day) + timedelta(days=self.days)

    def __str__(self) -> str:
        in_years = self.months and self.months % 12 == 0
        number, unit = (self.months // 12, "year") if in_years else (self.months, "month")
        text = f"{number} {unit}" if abs(number) == 1 else f"{number} {unit}s"
        return f"{text} {self.days:+d} days" if self.days else text


Endpoint: TypeAlias = int | date | CalendarOffset
"""An offset in days, an absolute date, or an offset in months."""

Interval: TypeAlias = tuple[Endpoint, Endpoint]
"""Half-open: the first day, and the day after the last one."""

Element: TypeAlias = Endpoint | Interval


def parse_elements(values: Sequence[object]) -> tuple[Element, ...]:
    """Return the values of a stencil, as YAML or a caller gives them, as elements.

    Raises
    ------
    InvalidDateStencilError
        Naming every value that is wrong.
    """
    problems: list[StencilProblem] = []
    elements: list[Element] = []
    for index, value in enumerate(values):
        element = _parse_element(value, (index,), problems)
        if element is not None:
            elements.append(element)
    if problems:
        raise InvalidDateStencilError(problems)
    return tuple(elements)


def parse_iso_date(text: str) -> date:
    """Return the date that ``YYYY-MM-DD`` means; month and day may have one digit, as in AutoFlow.

    Raises
    ------
    ValueError
        When the text has another form, or there is no such day. Its text is for the user.
    """
    match = _ISO_DATE.fullmatch(text)
    if match is None:
        raise ValueError(f'"{text}" is not a date.')
    try:
        return date(*map(int, match.groups()))
    except ValueError as error:
        raise ValueError(f'"{text}" is not a day of the calendar.') from error


def interval_of(element: Element) -> Interval:
    """Return an element as a half-open interval; a single one is one day."""
    match element:
        case (start, end):
            return start, end
        case CalendarOffset():
            return element, CalendarOffset(element.months, element.days + 1)
        case date():
            return element, element + timedelta(days=1)
        case _:
            return element, element + 1


def resolve_element(element: Element, reference_date: date) -> DateRange:
    """Return the half-open date range that an element means for a reference date.

    Raises
    ------
    EmptyDateRangeError
        When it ends before it begins, or lies outside the calendar.
    """
    try:
        start, end = (_resolve(endpoint, reference_date) for endpoint in interval_of(element))
    except OverflowError as error:
        reason = "no days: it lies outside the calendar"
        raise EmptyDateRangeError(reference_date, element, reason) from error
    if end <= start:
        reason = f"no days: it would begin on {start} and end before {end}"
        raise EmptyDateRangeError(reference_date, element, reason)
    return start, end


def _shown(value: object) -> str:
    return clipped(written(value))


def _resolve(endpoint: Endpoint, reference_date: date) -> date:
    match endpoint:
        case CalendarOffset():
            return endpoint.resolve(reference_date)
        case date():
            return endpoint
        case _:
            return reference_date + timedelta(days=endpoint)


def _parse_element(
    value: object, path: tuple[int, ...], problems: list[StencilProblem]
) -> Element | None:
    """Return a value as an element; None, and a problem more, when it is not one."""
    if not isinstance(value, list | tuple):
        element = _parse_endpoint(value, path, problems, _HINT_ELEMENT)
        if element == date.max:
            problem = f"{_shown(value)} has no day after it, so no interval can hold it."
            problems.append(StencilProblem(path, problem, "Write an earlier date."))
        return element
    if len(value) != 2:
        problem = f"{_shown(value)} is not a pair of dates or offsets."
        problems.append(StencilProblem(path, problem, _HINT_PAIR))
        return None
    start = _parse_endpoint(value[0], (*path, 0), problems, _HINT_ENDPOINT)
    end = _parse_endpoint(value[1], (*path, 1), problems, _HINT_ENDPOINT)
    if start is None or end is None:
        return None
    if _is_always_empty(start, end):
        problem = f"{_shown(value)} has no days, whatever the reference date."
        problems.append(StencilProblem(path, problem, _HINT_INTERVAL))
    return start, end


def _parse_endpoint(
    value: object, path: tuple[int, ...], problems: list[StencilProblem], hint: str
) -> Endpoint | None:
    try:
        endpoint = _read_endpoint(value, hint)
    except _NotAnEndpointError as error:
        problem = f"{_shown(value)} is not a date or an offset."
        problems.append(StencilProblem(path, problem, str(error)))
        return None
    match endpoint:
        case CalendarOffset():
            is_far = abs(endpoint.months) > MAX_OFFSET_DAYS // 31
        case int():
            is_far = abs(endpoint) > MAX_OFFSET_DAYS
        case _:
            is_far = False
    if is_far:
        problem = f"{_shown(value)} is more than a thousand years away."
        problems.append(StencilProblem(path, problem, "Write a smaller offset."))
        return None
    return endpoint


class _NotAnEndpointError(ValueError):
    """Its text says what to write instead."""


def _read_endpoint(value: object, hint: str) -> Endpoint:
    match value:
        case bool():
            raise _NotAnEndpointError(f"Write {int(value)} if an offset in days is meant.")
        case datetime():
            raise _NotAnEndpointError(f"Stencils are made of whole days: write {value.date()}.")
        case int() | date() | CalendarOffset():
            return value
        case str():
            return _read_text(value.strip(), hint)
    raise _NotAnEndpointError(hint)


def _read_text(text: str, hint: str) -> Endpoint:
    if match := _CALENDAR_OFFSET.fullmatch(text):
        number, unit = int(match[1]), match[2]
        if unit in _DAYS_PER:
            return number * _DAYS_PER[unit]
        return CalendarOffset(number * _MONTHS_PER[unit])
    if re.fullmatch(r"[+-]?\d{1,9}", text, re.ASCII):
        raise _NotAnEndpointError(f"Write {int(text)}, without quotes.")
    if _ISO_DATE.fullmatch(text):
        try:
            return parse_iso_date(text)
        except ValueError as error:
            raise _NotAnEndpointError("There is no such day in the calendar.") from error
    raise _NotAnEndpointError(hint)


def _is_always_empty(start: Endpoint, end: Endpoint) -> bool:
    """Return whether an interval has no days for any reference date.

    Mixed dates and offsets depend on the reference date. Months against days are tried on every
    day of a leap cycle, which has months and years of every length.
    """
    if isinstance(start, date) and isinstance(end, date):
        return end <= start
    if isinstance(start, int) and isinstance(end, int):
        return end <= start
    if isinstance(start, date) or isinstance(end, date):
        return False
    return all(_resolve(end, day) <= _resolve(start, day) for day in _LEAP_CYCLE)
