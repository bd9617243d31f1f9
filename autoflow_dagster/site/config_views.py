"""What the pages of one config show: the config, a year of it, a month of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from autoflow_dagster.site import links
from autoflow_dagster.site.calendars import MonthCalendar, month_calendar
from autoflow_dagster.site.documents import Shelf, ShownEntry, shown_parameters
from autoflow_dagster.site.plans import PlanNotes, empty_month, known_days
from autoflow_dagster.site.records import Entry
from autoflow_dagster.site.states import SiteState, count_states, state_of
from autoflow_dagster.site.summaries import Summary

NEWEST_ENTRIES = 7
"""Dates that the page of a config shows in full."""

_MONTHS_LOOKED_AT = 3

_GROUP_TEXTS = {
    SiteState.DONE: "The site has no record of the files.",
    SiteState.TO_DO: "At one of the next checks.",
    SiteState.NO_DATA: "FlowAPI has no data of these dates.",
}


@dataclass(frozen=True)
class Group:
    """Days of a month in one state of which there is no run to show.

    Attributes
    ----------
    days : tuple of (date, str)
        Newest first, each with the reason; an empty one when there is nothing to say.
    """

    state: SiteState
    text: str
    days: tuple[tuple[date, str], ...]


def newest_entries(
    summary: Summary, read_month: Callable[[str, str], Mapping[str, Entry]]
) -> list[Entry]:
    """Return the entries of the newest dates, newest first, from the few newest months."""
    found: list[Entry] = []
    for month in summary.all_months[: -_MONTHS_LOOKED_AT - 1 : -1]:
        found += in_order(read_month(summary.config, month).values())
        if len(found) >= NEWEST_ENTRIES:
            break
    return found[:NEWEST_ENTRIES]


def in_order(entries: Iterable[Entry]) -> list[Entry]:
    """Return entries newest date first; of runs without date the one that ended last."""
    return sorted(entries, key=lambda entry: entry.current.order, reverse=True)


def config_view(summary: Summary, entries: Sequence[Entry], shelf: Shelf) -> dict[str, Any]:
    """Return what the page of a config shows.

    Parameters
    ----------
    entries : sequence of Entry
        The newest ones, newest first.
    """
    newest = shelf.entry(Entry((summary.newest,))) if summary.newest else None
    year = summary.dated_months[-1][:4] if summary.dated_months else ""
    months = reversed(summary.all_months)
    return {
        "summary": summary,
        "newest": newest,
        "stable": stable_links(summary, shelf),
        "year": year,
        "year_links": _year_links(summary, shelf),
        "calendars": _calendars(summary, year, shelf) if year else (),
        "entries": [shelf.entry(entry) for entry in entries],
        "months": by_year((m, shelf.link(links.month_page(summary.config, m))) for m in months),
        "parameters": shown_parameters(summary.parameters),
        **first_and_last([summary]),
    }


def stable_links(summary: Summary, shelf: Shelf) -> list[tuple[str, str]]:
    """Return name and link of the files that always are the latest reports."""
    return [
        (link.rsplit("/", 1)[1], shelf.link(link))
        for link in sorted(summary.latest)
        if (shelf.outputs / link).exists()
    ]


def year_view(summary: Summary, year: str, shelf: Shelf) -> dict[str, Any]:
    """Return what the page of a year shows."""
    counts = count_states(text for month, text in summary.months.items() if month[:4] == year)
    return {
        "summary": summary,
        "year": year,
        "config_href": shelf.link(links.config_page(summary.config)),
        "year_links": _year_links(summary, shelf),
        "counts": counts,
        "calendars": _calendars(summary, year, shelf),
        "runs": [
            (month, shelf.link(links.month_page(summary.config, month)), sum(states.values()))
            for month, states in sorted(summary.runs.items(), reverse=True)
            if month[:4] == year
        ],
    }


def month_view(
    summary: Summary,
    month: str,
    entries: Mapping[str, Entry],
    notes: PlanNotes,
    shelf: Shelf,
) -> dict[str, Any]:
    """Return what the page of a month shows."""
    letters = summary.months.get(month, "")
    earlier, later = beside(summary.all_months, month)

    def linked(other: str | None) -> tuple[str, str] | None:
        return (other, shelf.link(links.month_page(summary.config, other))) if other else None

    return {
        "summary": summary,
        "month": month,
        "config_href": shelf.link(links.config_page(summary.config)),
        "year_href": shelf.link(links.year_page(summary.config, month[:4])),
        "dates_href": shelf.link(links.dates_page(month)),
        "earlier": linked(earlier),
        "later": linked(later),
        "calendar": _calendar(summary, month, shelf) if letters else None,
        "counts": count_states([letters]),
        "entries": [shown_entry(entry, notes, shelf) for entry in in_order(entries.values())],
        "groups": list(_groups(month, letters, entries, notes)),
    }


def shown_entry(entry: Entry, notes: PlanNotes, shelf: Shelf) -> ShownEntry:
    """Return a date that has run, with what the last check said about it."""
    current = entry.current
    note = notes.reasons.get(current.key, "")
    if not note and current.reference_date and current.state is SiteState.DONE:
        planned = state_of(notes.letter(current.reference_date))
        if planned in (SiteState.TO_DO, SiteState.WAITING):
            note = "Is to run again, because what it runs with has changed."
    return shelf.entry(entry, note)


def _groups(
    month: str, letters: str, entries: Mapping[str, Entry], notes: PlanNotes
) -> Iterable[Group]:
    """Yield the days of a month that have not run, by state."""
    days: dict[SiteState, list[tuple[date, str]]] = defaultdict(list)
    for day, letter in known_days(month, letters):
        if day.isoformat() not in entries and (state := state_of(letter)):
            days[state].insert(0, (day, notes.reasons.get(day.isoformat(), "")))
    for state in SiteState:
        if state in days:
            yield Group(state, _GROUP_TEXTS.get(state, ""), tuple(days[state]))


def _calendars(summary: Summary, year: str, shelf: Shelf) -> list[MonthCalendar]:
    """Return the months of a year from the first of which anything is known to the last."""
    known = [int(month[5:]) for month in summary.dated_months if month[:4] == year]
    months = range(min(known), max(known) + 1) if known else ()
    return [_calendar(summary, f"{year}-{number:02}", shelf) for number in months]


def _calendar(summary: Summary, month: str, shelf: Shelf) -> MonthCalendar:
    """Return the calendar of a month; it links to the month's page if that is there."""
    page = links.month_page(summary.config, month)
    is_there = shelf.page == page or (shelf.outputs / page).exists()
    return month_calendar(
        month,
        summary.months.get(month) or empty_month(month),
        shelf.link(page) if is_there and shelf.page != page else "",
        (lambda day: shelf.link(page, links.anchor(day.isoformat()))) if is_there else None,
    )


def _year_links(summary: Summary, shelf: Shelf) -> list[tuple[str, str]]:
    years = reversed(summary.years)
    return [(year, shelf.link(links.year_page(summary.config, year))) for year in years]


def beside(months: Sequence[str], month: str) -> tuple[str | None, str | None]:
    """Return the months before and after a month, among sorted ones; None where there is none.

    Examples
    --------
    >>> beside(["2016-01", "2016-03", "2016-04"], "2016-03")
    ('2016-01', '2016-04')
    """
    earlier = max((other for other in months if other < month), default=None)
    later = min((other for other in months if other > month), default=None)
    return earlier, later


def by_year(months: Iterable[tuple[str, str]]) -> list[tuple[str, list[tuple[str, str]]]]:
    """Return months and their links by year, years in the order in which they come."""
    years: dict[str, list[tuple[str, str]]] = {}
    for month, href in months:
        years.setdefault(month[:4], []).insert(0, (month, href))
    return list(years.items())


def first_and_last(summaries: Iterable[Summary]) -> dict[str, str]:
    """Return the first and the last date of which anything is known; empty texts for none."""
    bounds = []
    for summary in summaries:
        for month in (summary.dated_months[:1], summary.dated_months[-1:]):
            bounds += [
                day.isoformat() for m in month for day, _ in known_days(m, summary.months[m])
            ]
    return {"first": min(bounds, default=""), "last": max(bounds, default="")}
