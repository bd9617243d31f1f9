"""What the site keeps of runs: one record for each attempt to run a date.

Pure: plain objects and their JSON. Where they are kept is said in store.py.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from pathlib import PurePosixPath
from typing import Any

from autoflow_dagster.errors import AutoflowError
from autoflow_dagster.naming import json_value
from autoflow_dagster.site.links import month_of
from autoflow_dagster.site.states import SiteState

MAX_ATTEMPTS = 20
"""Attempts kept of a date; a date can fail at every check for years."""

_LONGEST_ERROR = 4000
_RECORD_STATES = (SiteState.DONE, SiteState.FAILED, SiteState.NO_DATA)


class SiteError(AutoflowError):
    """The site of reports could not be brought up to date."""


@dataclass(frozen=True, kw_only=True)
class Document:
    """What one notebook of a run left behind.

    Attributes
    ----------
    notebook : str
        The notebook's key in its workflow.
    title : str
        Of the report or the notebook; empty shows the key.
    executed : str or None
        The executed notebook, relative to the outputs directory (``notebooks/x.ipynb``, for a
        failed one ``notebooks/failed/x.ipynb``). None when this run did not execute it.
    reports : mapping of str to str
        By format, relative to the outputs directory: ``{"pdf": "reports/x.pdf"}``.

    Raises
    ------
    SiteError
        When a path is not one of these.
    """

    notebook: str
    title: str = ""
    executed: str | None = None
    reports: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.executed is not None:
            _check_path(self.executed, "notebooks", ".ipynb")
        for report_format, path in self.reports.items():
            if not re.fullmatch(r"[a-z0-9]+", report_format):
                raise SiteError("Report", f'"{report_format}" is not the name of a format.')
            _check_path(path, "reports", f".{report_format}")

    @property
    def has_failed(self) -> bool:
        """Whether the notebook is kept as one that failed."""
        return self.executed is not None and self.executed.startswith("notebooks/failed/")

    @property
    def shown_title(self) -> str:
        """The title, or what there is instead."""
        return self.title or self.notebook

    def completed_by(self, older: Document) -> Document:
        """Return this document with what it lacks taken from an older one of the same notebook."""
        executed = self.executed
        if executed is None and not older.has_failed:
            executed = older.executed
        reports = {**older.reports, **self.reports}
        return replace(self, title=self.title or older.title, executed=executed, reports=reports)


def _check_path(path: str, directory: str, suffix: str) -> None:
    parts = PurePosixPath(path).parts
    if (
        len(parts) < 2
        or parts[0] != directory
        or any(part.startswith(".") for part in parts)
        or not path.endswith(suffix)
        or not path.isprintable()
    ):
        raise SiteError(
            "Site of reports",
            f'"{path}" is not a {suffix} file of the {directory} directory.',
            "Give the path relative to the outputs directory.",
        )


@dataclass(frozen=True, kw_only=True)
class DateRecord:
    """How one run of one date ended.

    Attributes
    ----------
    config : str
        Name of the config's job.
    workflow : str
        Name of the workflow.
    reference_date : date or None
        None for a workflow that runs without one.
    state : SiteState
        DONE, FAILED or NO_DATA.
    ended_at : datetime
        UTC-aware. Of attempts to run the same date the one that ended last counts.
    run_id : str
        Recording a run again replaces what was recorded of it and adds to its documents.
    documents : tuple of Document
        In the workflow's order.
    error : str
        Why it failed, or why there were no data; nothing secret. Long ones are cut.
    parameters : mapping
        The workflow parameters, without the automatic ones.
    parameters_hash : str
        From `naming.parameters_hash`. A later failure with the same hash does not undo a success.

    Raises
    ------
    SiteError
        When the state is none that a run can end in.
    """

    config: str
    workflow: str
    reference_date: date | None
    state: SiteState
    ended_at: datetime
    run_id: str
    documents: tuple[Document, ...] = ()
    error: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    parameters_hash: str = ""

    def __post_init__(self) -> None:
        if self.state not in _RECORD_STATES:
            raise SiteError("Site of reports", f'a run cannot end as "{self.state.label}".')

    @property
    def key(self) -> str:
        """What the record is filed under within its month: the date, or the run."""
        return self.reference_date.isoformat() if self.reference_date else f"run-{self.run_id}"

    @property
    def month(self) -> str:
        """The month that the record is filed under: of the date, else of the end of the run."""
        return month_of(self.reference_date or self.ended_at.astimezone(UTC).date())

    @property
    def order(self) -> tuple[str, str]:
        """Sorts records: by reference date, then by time."""
        day = self.reference_date.isoformat() if self.reference_date else ""
        return day, self.ended_at.astimezone(UTC).isoformat()

    @property
    def title(self) -> str:
        """Title of the first document that has a report, else of the first one."""
        with_reports = [document for document in self.documents if document.reports]
        return next((d.shown_title for d in (*with_reports, *self.documents)), self.workflow)


@dataclass(frozen=True)
class Entry:
    """A date (or a run without date) and the attempts at it.

    Attributes
    ----------
    attempts : tuple of DateRecord
        At least one; the newest first.
    """

    attempts: tuple[DateRecord, ...]

    def with_attempt(self, record: DateRecord) -> Entry:
        """Return the entry with one more attempt, or with the same one told anew."""
        same = [a for a in self.attempts if a.run_id == record.run_id]
        others = [a for a in self.attempts if a.run_id != record.run_id]
        for earlier in same:
            record = replace(record, documents=merged([record.documents, earlier.documents]))
        return Entry(_newest([record, *others]))

    @property
    def current(self) -> DateRecord:
        """The attempt that says how the date stands: the newest one.

        Unless that failed where an earlier one with the same parameters succeeded: its files are
        still there, and the ledger calls the date done.
        """
        newest = self.attempts[0]
        if newest.state is SiteState.FAILED:
            for attempt in self.attempts:
                if (
                    attempt.state is SiteState.DONE
                    and attempt.parameters_hash == newest.parameters_hash
                ):
                    return attempt
        return newest

    @property
    def others(self) -> tuple[DateRecord, ...]:
        """The attempts that do not count, newest first."""
        current = self.current
        return tuple(attempt for attempt in self.attempts if attempt is not current)

    @property
    def documents(self) -> tuple[Document, ...]:
        """What the current attempt left, and what it took over from earlier ones.

        A run that makes a report alone uses the notebook that an earlier run executed.
        """
        current = self.current
        if current.state is not SiteState.DONE:
            return current.documents
        older = [
            attempt.documents
            for attempt in self.attempts
            if attempt.ended_at < current.ended_at
            and attempt.parameters_hash == current.parameters_hash
        ]
        return merged([current.documents, *older])


def _newest(records: Sequence[DateRecord]) -> tuple[DateRecord, ...]:
    """Return records newest first, at most `MAX_ATTEMPTS`, the last success always among them."""
    ordered = sorted(records, key=lambda r: (r.ended_at, r.run_id), reverse=True)
    kept = ordered[:MAX_ATTEMPTS]
    if all(record.state is not SiteState.DONE for record in kept):
        kept += [r for r in ordered[MAX_ATTEMPTS:] if r.state is SiteState.DONE][:1]
    return tuple(kept)


def merged(newest_first: Sequence[Sequence[Document]]) -> tuple[Document, ...]:
    """Return one document for each notebook, what newer ones lack taken from older ones."""
    found: dict[str, Document] = {}
    for documents in newest_first:
        for document in documents:
            newer = found.get(document.notebook)
            found[document.notebook] = newer.completed_by(document) if newer else document
    return tuple(found.values())


def record_to_json(record: DateRecord) -> dict[str, Any]:
    """Return a record as JSON values."""
    return {
        "config": record.config,
        "workflow": record.workflow,
        "reference_date": record.reference_date.isoformat() if record.reference_date else None,
        "state": record.state.value,
        "ended_at": record.ended_at.astimezone(UTC).isoformat(),
        "run_id": record.run_id,
        "documents": [
            {
                "notebook": document.notebook,
                "title": document.title,
                "executed": document.executed,
                "reports": dict(document.reports),
            }
            for document in record.documents
        ],
        "error": record.error[:_LONGEST_ERROR],
        "parameters": json_value(dict(record.parameters)),
        "parameters_hash": record.parameters_hash,
    }


def record_from_json(value: Mapping[str, Any]) -> DateRecord:
    """Return the record that `record_to_json` wrote."""
    day = value["reference_date"]
    return DateRecord(
        config=value["config"],
        workflow=value["workflow"],
        reference_date=date.fromisoformat(day) if day else None,
        state=SiteState(value["state"]),
        ended_at=datetime.fromisoformat(value["ended_at"]),
        run_id=value["run_id"],
        documents=tuple(Document(**document) for document in value["documents"]),
        error=value["error"],
        parameters=value["parameters"],
        parameters_hash=value["parameters_hash"],
    )
