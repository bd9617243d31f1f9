"""What a report says about itself: the lines under its title, its footer and the box at its end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, timedelta
from typing import Any

from autoflow_dagster.reports.model import Provenance

LONGEST_VALUE = 80
"""Letters of a parameter's value that are shown under the title."""


@dataclass(frozen=True)
class ProvenanceText:
    """Provenance as texts, the same for every format."""

    workflow: str | None
    reference_date: str | None
    parameters: tuple[tuple[str, str], ...]
    rows: tuple[tuple[str, str], ...]
    footer: str


def provenance_text(provenance: Provenance, title: str) -> ProvenanceText:
    """Return what is shown of a report's provenance.

    Parameters
    ----------
    provenance : Provenance
    title : str
        Title of the report, for its footer.
    """
    day = provenance.reference_date.isoformat() if provenance.reference_date else None
    parameters = tuple(
        (name, _short(value)) for name, value in sorted(provenance.parameters.items())
    )
    footer = " · ".join(part for part in (provenance.workflow or title, day) if part)
    return ProvenanceText(provenance.workflow, day, parameters, _rows(provenance), footer)


def _rows(provenance: Provenance) -> tuple[tuple[str, str], ...]:
    made = provenance.made_at
    versions = ", ".join(f"{name} {v}" for name, v in sorted(provenance.versions.items()))
    rows = [
        ("Notebook", provenance.notebook_filename),
        ("Notebook SHA-256", provenance.notebook_sha256),
        ("Dates used", date_ranges_text(provenance.date_ranges)),
        ("Dates without data", dates_text(provenance.missing_dates)),
        ("Parameters hash", provenance.parameters_hash),
        ("Run", provenance.run_id),
        ("Made", made.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC") if made else None),
        ("Versions", versions),
    ]
    return tuple((label, text) for label, text in rows if text)


def date_ranges_text(ranges: Sequence[tuple[date, date]]) -> str:
    """Return half-open date ranges as readers count them: first and last day.

    Examples
    --------
    >>> date_ranges_text([(date(2016, 1, 1), date(2016, 1, 3)), (date(2016, 1, 5), date(2016, 1, 6))])
    '2016-01-01 to 2016-01-02, 2016-01-05'
    """
    shown = []
    for start, end in ranges:
        last = end - timedelta(days=1)
        shown.append(f"{start}" if last <= start else f"{start} to {last}")
    return ", ".join(shown)


def dates_text(dates: Sequence[date]) -> str:
    """Return days in order, neighbours joined into ranges."""
    ranges: list[tuple[date, date]] = []
    for day in sorted(set(dates)):
        after = day + timedelta(days=1)
        if ranges and ranges[-1][1] == day:
            ranges[-1] = (ranges[-1][0], after)
        else:
            ranges.append((day, after))
    return date_ranges_text(ranges)


def _short(value: Any) -> str:
    text = " ".join(("" if value is None else str(value)).split()) or "-"
    return text if len(text) <= LONGEST_VALUE else text[: LONGEST_VALUE - 1] + "…"
