"""What the site knows of a config without reading its months: small, and kept up to date. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

from autoflow_dagster.site.plans import PlanNotes, empty_month, with_letter
from autoflow_dagster.site.records import (
    DateRecord,
    Document,
    Entry,
    record_from_json,
    record_to_json,
)
from autoflow_dagster.site.states import NOTHING, SiteState, count_states

RECENT = 20
"""Newest reports kept in a summary, for the feed and the overview."""


@dataclass
class Summary:
    """One config in short.

    Attributes
    ----------
    months : dict of str to str
        By month (``YYYY-MM``) one letter for each day: the state of the date.
    runs : dict of str to dict of str to int
        For runs without a reference date, by month of their end, how many ended in which state.
    recent : list of DateRecord
        The newest successful runs by the time of their end, newest first; without parameters.
    newest : DateRecord or None
        The successful run of the newest date, with what it took over from earlier ones.
    latest : dict of str to tuple
        By stable link the report it leads to and the order of its record.
    is_retired : bool
        Whether the config is no longer in the workflow definition.
    """

    config: str
    workflow: str
    description: str = ""
    parameters: dict[str, Any] = field(default_factory=dict)
    months: dict[str, str] = field(default_factory=dict)
    runs: dict[str, dict[str, int]] = field(default_factory=dict)
    recent: list[DateRecord] = field(default_factory=list)
    newest: DateRecord | None = None
    latest: dict[str, tuple[str, tuple[str, str]]] = field(default_factory=dict)
    is_retired: bool = False

    @property
    def counts(self) -> Counter[SiteState]:
        """Number of dates, and of runs without date, in each state."""
        counts = count_states(self.months.values())
        for states in self.runs.values():
            counts.update({SiteState(state): number for state, number in states.items()})
        return counts

    @property
    def dated_months(self) -> list[str]:
        """Months with dates of which anything is known, ascending."""
        return sorted(month for month, letters in self.months.items() if letters.strip(NOTHING))

    @property
    def all_months(self) -> list[str]:
        """The same, and the months in which runs without a reference date ended."""
        return sorted({*self.dated_months, *self.runs})

    @property
    def years(self) -> list[str]:
        """Years of which anything is known, ascending."""
        return sorted({month[:4] for month in self.all_months})

    def set_letter(self, day: date, letter: str) -> None:
        """Set the state of a day."""
        month = day.isoformat()[:7]
        letters = self.months.get(month) or empty_month(month)
        self.months[month] = with_letter(letters, day.day, letter)

    def add(self, record: DateRecord, entry: Entry) -> None:
        """Take in a successful run, if it is one.

        Parameters
        ----------
        entry : Entry
            The record's, with the record.
        """
        if record.state is not SiteState.DONE:
            return
        record = replace(record, documents=_documents(record, entry), parameters={}, error="")
        others = [r for r in self.recent if (r.run_id, r.key) != (record.run_id, record.key)]
        self.recent = sorted([record, *others], key=lambda r: r.ended_at, reverse=True)[:RECENT]
        if self.newest is None or record.order >= self.newest.order:
            self.newest = record

    def to_json(self) -> dict[str, Any]:
        """Return the summary as JSON values."""
        return {
            "config": self.config,
            "workflow": self.workflow,
            "description": self.description,
            "parameters": self.parameters,
            "months": self.months,
            "runs": self.runs,
            "recent": [record_to_json(record) for record in self.recent],
            "newest": record_to_json(self.newest) if self.newest else None,
            "latest": self.latest,
            "is_retired": self.is_retired,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Summary:
        """Return the summary that `to_json` wrote."""
        newest = value["newest"]
        return cls(
            config=value["config"],
            workflow=value["workflow"],
            description=value["description"],
            parameters=dict(value["parameters"]),
            months=dict(value["months"]),
            runs=dict(value["runs"]),
            recent=[record_from_json(record) for record in value["recent"]],
            newest=record_from_json(newest) if newest else None,
            latest={
                link: (path, (order[0], order[1]))
                for link, (path, order) in value["latest"].items()
            },
            is_retired=value["is_retired"],
        )


def _documents(record: DateRecord, entry: Entry) -> tuple[Document, ...]:
    return entry.documents if entry.current.run_id == record.run_id else record.documents


def letters_of(month: str, entries: Mapping[str, Entry], notes: PlanNotes) -> str:
    """Return the states of a month's days: what ran says more than what was planned."""
    letters = notes.months.get(month) or empty_month(month)
    for entry in entries.values():
        current = entry.current
        if current.reference_date is not None:
            letters = with_letter(letters, current.reference_date.day, current.state.letter)
    return letters


def runs_of(entries: Mapping[str, Entry]) -> dict[str, int]:
    """Return how many runs without a reference date ended in which state."""
    states = [e.current.state.value for e in entries.values() if e.current.reference_date is None]
    return dict(Counter(states))


def summary_of(
    config: str, workflow: str, months: Mapping[str, Mapping[str, Entry]], notes: PlanNotes
) -> Summary:
    """Return the summary of a config from all that is recorded of it, but for its stable links."""
    summary = Summary(config, workflow)
    for month in sorted(months.keys() | notes.months.keys()):
        entries = months.get(month, {})
        if (letters := letters_of(month, entries, notes)).strip(NOTHING):
            summary.months[month] = letters
        if runs := runs_of(entries):
            summary.runs[month] = runs
        for entry in entries.values():
            for record in reversed(entry.attempts):
                summary.workflow = record.workflow
                summary.add(record, entry)
    return summary
