"""What the pages of all configs show: the first page, and a month of all of them."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from autoflow_dagster.site import links
from autoflow_dagster.site.calendars import CalendarDay, day_name, month_calendar
from autoflow_dagster.site.config_views import beside, by_year, first_and_last
from autoflow_dagster.site.documents import Shelf, ShownDocument, ShownEntry
from autoflow_dagster.site.plans import known_days
from autoflow_dagster.site.records import DateRecord, Entry
from autoflow_dagster.site.states import NOTHING, SiteState, count_states, counts_text, state_of
from autoflow_dagster.site.summaries import Summary

NEW_REPORTS = 8
FAILED_DATES = 10
STRIP_DAYS = 28
"""Days that the first page shows of each config: most before the newest that has run, some after."""

STRIP_MONTHS = 24
"""Months, from the newest backwards, in which that day is looked for."""


@dataclass(frozen=True)
class Card:
    """A config on the first page."""

    config: str
    workflow: str
    description: str
    href: str
    counts: str
    strip: tuple[SiteState | None, ...]
    newest: ShownEntry | None
    is_retired: bool


@dataclass(frozen=True)
class NewReport:
    """A report on the first page."""

    config: str
    when: str
    href: str
    document: ShownDocument


@dataclass(frozen=True)
class FailedDate:
    """A failed date on the first page."""

    config: str
    when: str
    href: str


@dataclass(frozen=True)
class Row:
    """A config in the table of a month of all configs."""

    config: str
    href: str
    cells: tuple[CalendarDay, ...]


def recent_records(summaries: Sequence[Summary], limit: int) -> list[DateRecord]:
    """Return the successful runs of all configs that ended last, newest first."""
    records = (record for summary in summaries for record in summary.recent)
    return heapq.nlargest(limit, records, key=lambda record: (record.ended_at, record.run_id))


def index_view(summaries: Sequence[Summary], months: Sequence[str], shelf: Shelf) -> dict[str, Any]:
    """Return what the first page shows.

    Parameters
    ----------
    months : sequence of str
        All months with dates of which anything is known, ascending.
    """
    failed = heapq.nlargest(FAILED_DATES, _failed(summaries))
    failures = sum(summary.counts[SiteState.FAILED] for summary in summaries)
    return {
        "configs": [_card(summary, shelf) for summary in summaries],
        "recent": list(_new_reports(recent_records(summaries, NEW_REPORTS), shelf)),
        "failed": [_failed_date(day, config, shelf) for day, config in failed],
        "more_failed": failures - len(failed),
        "years": by_year((m, shelf.link(links.dates_page(m))) for m in reversed(months)),
        **first_and_last(summaries),
    }


def _new_reports(records: Sequence[DateRecord], shelf: Shelf) -> Iterator[NewReport]:
    """Yield the first report of each run that made one."""
    for record in records:
        entry = shelf.entry(Entry((record,)))
        for document in entry.attempt.reports[:1]:
            yield NewReport(record.config, entry.when, entry.href, document)


def _failed(summaries: Sequence[Summary]) -> Iterator[tuple[date, str]]:
    for summary in summaries:
        for month, letters in summary.months.items():
            if SiteState.FAILED.letter in letters:
                for day, letter in known_days(month, letters):
                    if letter == SiteState.FAILED.letter:
                        yield day, summary.config


def _failed_date(day: date, config: str, shelf: Shelf) -> FailedDate:
    page = links.month_page(config, links.month_of(day))
    return FailedDate(config, day_name(day), shelf.link(page, links.anchor(day.isoformat())))


def _card(summary: Summary, shelf: Shelf) -> Card:
    return Card(
        config=summary.config,
        workflow=summary.workflow,
        description=summary.description,
        href=shelf.link(links.config_page(summary.config)),
        counts=counts_text(summary.counts),
        strip=_strip(summary),
        newest=shelf.entry(Entry((summary.newest,))) if summary.newest else None,
        is_retired=summary.is_retired,
    )


def _strip(summary: Summary) -> tuple[SiteState | None, ...]:
    """Return the states of the days around the newest one that has run; none for no days."""
    months = summary.dated_months
    letters = "".join(summary.months[month] for month in months[-STRIP_MONTHS:]).rstrip(NOTHING)
    newest = max(letters.rfind(SiteState.DONE.letter), letters.rfind(SiteState.FAILED.letter))
    if newest >= 0:
        letters = letters[: newest + 1 + STRIP_DAYS // 4]
    shown = letters[-STRIP_DAYS:].rjust(STRIP_DAYS, NOTHING) if months else ""
    return tuple(state_of(letter) for letter in shown)


def dates_view(
    summaries: Sequence[Summary], months: Sequence[str], month: str, shelf: Shelf
) -> dict[str, Any]:
    """Return what the page of a month of all configs shows."""
    earlier, later = beside(months, month)

    def linked(other: str | None) -> tuple[str, str] | None:
        return (other, shelf.link(links.dates_page(other))) if other else None

    rows = [_row(summary, month, shelf) for summary in summaries if month in summary.dated_months]
    return {
        "month": month,
        "earlier": linked(earlier),
        "later": linked(later),
        "days": [cell.day for cell in rows[0].cells] if rows else [],
        "rows": rows,
        "counts": count_states(summary.months.get(month, "") for summary in summaries),
    }


def _row(summary: Summary, month: str, shelf: Shelf) -> Row:
    page = links.month_page(summary.config, month)
    is_there = (shelf.outputs / page).exists()
    calendar = month_calendar(
        month,
        summary.months.get(month, ""),
        shelf.link(page) if is_there else "",
        (lambda day: shelf.link(page, links.anchor(day.isoformat()))) if is_there else None,
    )
    cells = tuple(day for week in calendar.weeks for day in week if day is not None)
    return Row(
        summary.config, calendar.href or shelf.link(links.config_page(summary.config)), cells
    )
