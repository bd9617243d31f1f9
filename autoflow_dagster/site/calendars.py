"""Dates in words and months as calendars, for the templates. Pure, and always in English.

strftime would follow the locale of whoever starts the process.
"""

from __future__ import annotations

from calendar import Calendar
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime

from autoflow_dagster.site.states import SiteState, state_of

MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September",
    "October", "November", "December",
)  # fmt: skip
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


@dataclass(frozen=True)
class CalendarDay:
    """A day of a calendar.

    Attributes
    ----------
    state : SiteState or None
        None when nothing is known of it.
    href : str
        Link to what is known of it; empty when there is none.
    label : str
        Date and state in words.
    """

    day: date
    state: SiteState | None
    href: str
    label: str


@dataclass(frozen=True)
class MonthCalendar:
    """A month as weeks from Monday to Sunday; None stands for a day of another month.

    Attributes
    ----------
    name : str
        Such as "January 2016".
    href : str
        Link to the month's page; empty when there is none.
    """

    month: str
    name: str
    href: str
    weeks: tuple[tuple[CalendarDay | None, ...], ...]


def month_calendar(
    month: str, letters: str, href: str, day_href: Callable[[date], str] | None
) -> MonthCalendar:
    """Return a month as a calendar.

    Parameters
    ----------
    month : str
        As ``YYYY-MM``.
    letters : str
        One letter for each day; empty when nothing is known of the month.
    href : str
        Link to the month's page; empty when there is none.
    day_href : callable or None
        Gives the link of a day whose state is known; None when there is nothing to link to.
    """
    year, number = map(int, month.split("-"))

    def calendar_day(day: date) -> CalendarDay | None:
        if day.month != number:
            return None
        state = state_of(letters[day.day - 1]) if letters else None
        label = f"{day_name(day)}: {state.label if state else 'nothing known'}"
        return CalendarDay(day, state, day_href(day) if state and day_href else "", label)

    weeks = Calendar().monthdatescalendar(year, number)
    rows = tuple(tuple(calendar_day(day) for day in week) for week in weeks)
    return MonthCalendar(month, month_name(month), href, rows)


def month_name(month: str) -> str:
    """Return a month in words.

    Examples
    --------
    >>> month_name("2016-01")
    'January 2016'
    """
    year, number = month.split("-")
    return f"{MONTHS[int(number) - 1]} {year}"


def day_name(day: date) -> str:
    """Return a date in words.

    Examples
    --------
    >>> day_name(date(2016, 1, 7))
    '7 January 2016'
    """
    return f"{day.day} {MONTHS[day.month - 1]} {day.year}"


def time_name(moment: datetime) -> str:
    """Return a moment in words, in UTC.

    Examples
    --------
    >>> time_name(datetime(2016, 1, 7, 9, 5, tzinfo=UTC))
    '7 Jan 2016, 09:05 UTC'
    """
    utc = moment.astimezone(UTC)
    return f"{utc.day} {MONTHS[utc.month - 1][:3]} {utc.year}, {utc:%H:%M} UTC"


def size_name(size: int) -> str:
    """Return a file size in words.

    Examples
    --------
    >>> size_name(340_123), size_name(2_500_000), size_name(12)
    ('340 kB', '2.5 MB', '1 kB')
    """
    if size >= 1_000_000:
        return f"{size / 1_000_000:.1f} MB"
    return f"{max(1, round(size / 1000))} kB"
