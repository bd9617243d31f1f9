"""What a check said about the dates of a config, as the site keeps it. Pure.

Dates that ran are told by their records; a plan tells of those that wait, are to be run or have no
data, and why.
"""

from __future__ import annotations

import hashlib
from calendar import monthrange
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, timedelta
from typing import Any

from autoflow_dagster.naming import json_value
from autoflow_dagster.planning import ConfigPlan, PlannedDate, State, first_dates, is_selected
from autoflow_dagster.site.links import month_of
from autoflow_dagster.site.states import NOTHING, SiteState

_SITE_STATES = {
    State.DONE: SiteState.DONE,
    State.DUE: SiteState.TO_DO,
    State.RUNNING: SiteState.TO_DO,
    State.DELAYED: SiteState.TO_DO,
    State.WAITING: SiteState.WAITING,
    State.EXHAUSTED: SiteState.FAILED,
}


@dataclass
class PlanNotes:
    """What the last check said about one config.

    Attributes
    ----------
    fingerprint : str
        Of all that the notes are made from: equal fingerprints, equal notes.
    months : dict of str to str
        By month (``YYYY-MM``) one letter for each day; see `states`.
    reasons : dict of str to str
        By date in ISO form, why it waits, and what happens to it next; of most dates there is
        nothing to say.
    """

    fingerprint: str = ""
    months: dict[str, str] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)

    def letter(self, day: date) -> str:
        """Return the letter of a day."""
        month = self.months.get(month_of(day))
        return month[day.day - 1] if month else NOTHING

    def forget(self, day: date) -> bool:
        """Drop what is said about a day that has run since; return whether there was anything."""
        letter = self.letter(day)
        if letter == NOTHING and day.isoformat() not in self.reasons:
            return False
        self.reasons.pop(day.isoformat(), None)
        month = month_of(day)
        if month in self.months:
            self.months[month] = with_letter(self.months[month], day.day, NOTHING)
        self.fingerprint = ""
        return True

    def reasons_of(self, month: str) -> dict[str, str]:
        """Return the reasons of a month's dates."""
        return {day: reason for day, reason in self.reasons.items() if day[:7] == month}

    def changed_months(self, newer: PlanNotes) -> set[str]:
        """Return the months about which newer notes say something else."""
        changed = {
            month
            for month in self.months.keys() | newer.months.keys()
            if self.months.get(month) != newer.months.get(month)
        }
        reasons = self.reasons.items() ^ newer.reasons.items()
        return changed | {day[:7] for day, _ in reasons}

    def to_json(self) -> dict[str, Any]:
        """Return the notes as JSON values."""
        return {"fingerprint": self.fingerprint, "months": self.months, "reasons": self.reasons}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> PlanNotes:
        """Return the notes that `to_json` wrote."""
        return cls(value["fingerprint"], dict(value["months"]), dict(value["reasons"]))


def empty_month(month: str) -> str:
    """Return a month of which nothing is known.

    Examples
    --------
    >>> len(empty_month("2016-02"))
    29
    """
    year, number = month.split("-")
    return NOTHING * monthrange(int(year), int(number))[1]


def with_letter(month: str, day: int, letter: str) -> str:
    """Return a month with another letter for a day, counted from 1."""
    return month[: day - 1] + letter + month[day:]


def fingerprint(plan: ConfigPlan) -> str:
    """Return a short text that changes when what the site says about a plan changes."""
    config = plan.config
    about = (
        json_value(dict(config.parameters)),
        config.workflow.name,
        config.description,
        str(config.date_stencil),
        config.every,
        config.max_attempts,
    )
    days = [
        f"{day.reference_date}{_SITE_STATES.get(day.state)}{len(day.attempts)}{day.not_before or ''}"
        for day in plan.dates
    ]
    return hashlib.sha256("\n".join([repr(about), *days]).encode()).hexdigest()[:32]


def notes_of(plan: ConfigPlan) -> PlanNotes:
    """Return what a plan says, as it is kept."""
    notes = PlanNotes(fingerprint(plan))
    letters: dict[str, dict[int, str]] = defaultdict(dict)
    for planned in plan.dates:
        state = _SITE_STATES.get(planned.state)
        if state is None:
            continue
        letters[month_of(planned.reference_date)][planned.reference_date.day] = state.letter
        if reason := _reason(plan, planned):
            notes.reasons[planned.reference_date.isoformat()] = reason
    for day in _days_without_data(plan):
        letters[month_of(day)][day.day] = SiteState.NO_DATA.letter
    notes.months = {month: _month(month, days) for month, days in sorted(letters.items())}
    return notes


def _month(month: str, letters: Mapping[int, str]) -> str:
    length = len(empty_month(month))
    return "".join(letters.get(day, NOTHING) for day in range(1, length + 1))


def _reason(plan: ConfigPlan, planned: PlannedDate) -> str:
    match planned.state:
        case State.WAITING:
            missing = planned.missing_dates
            return f"Waits for {first_dates(missing)}." if missing else "Waits for its data."
        case State.EXHAUSTED:
            number = plan.config.max_attempts
            return f"Given up after {number} attempt{'' if number == 1 else 's'}."
        case State.DELAYED if planned.not_before:
            return f"Is tried again after {planned.not_before.astimezone(UTC):%Y-%m-%d %H:%M} UTC."
        case State.DUE | State.RUNNING | State.DELAYED if planned.attempts:
            return "Is tried again."
        case _:
            return ""


def _days_without_data(plan: ConfigPlan) -> Iterator[date]:
    """Yield the days that would be reference dates if FlowAPI had them, between the first and last."""
    first, last = plan.available.first, plan.available.last
    if first is None or last is None:
        return
    config = plan.config
    start = max(first, config.earliest_date or first)
    for day in plan.available.missing(start, last + timedelta(days=1)):
        if is_selected(config, day):
            yield day


def known_days(month: str, letters: str) -> Iterable[tuple[date, str]]:
    """Yield the days of a month of which something is known, with their letters, ascending.

    Examples
    --------
    >>> [str(day) for day, letter in known_days("2016-02", ".D" + 27 * ".")]
    ['2016-02-02']
    """
    year, number = map(int, month.split("-"))
    for day, letter in enumerate(letters, start=1):
        if letter != NOTHING:
            yield date(year, number, day), letter
