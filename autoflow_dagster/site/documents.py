"""Records made ready for the templates: titles, links to the files that are there, thumbnails."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from autoflow_dagster.site import links
from autoflow_dagster.site.calendars import WEEKDAYS, day_name, size_name, time_name
from autoflow_dagster.site.records import DateRecord, Document, Entry
from autoflow_dagster.site.states import SiteState

_LONGEST_VALUE = 300
_FORMAT_NAMES = {"pdf": "PDF", "html": "HTML"}


@dataclass(frozen=True)
class FileLink:
    """A link to a file that exists.

    Attributes
    ----------
    label : str
        What kind of file.
    size : str
        In words; empty for pages of the site.
    name : str
        For those who hear the link without what stands around it.
    """

    label: str
    href: str
    size: str
    name: str


@dataclass(frozen=True)
class ShownDocument:
    """What is shown of one notebook of a run.

    Attributes
    ----------
    thumbnail : str
        Link to a picture of the first page; empty when there is none.
    reports, notebooks : tuple of FileLink
        The first report is the one that a reader most likely wants.
    missing : tuple of str
        Labels of files that are no longer there.
    """

    title: str
    notebook: str
    thumbnail: str
    reports: tuple[FileLink, ...]
    notebooks: tuple[FileLink, ...]
    missing: tuple[str, ...]


@dataclass(frozen=True)
class ShownAttempt:
    """What is shown of one attempt.

    Attributes
    ----------
    error, details : str
        First line and the whole of why it failed or had no data; empty when there is nothing.
    parameters : tuple of (str, str)
        Names and values.
    """

    state: SiteState
    ended_at: datetime
    run_id: str
    reports: tuple[ShownDocument, ...]
    notebooks: tuple[ShownDocument, ...]
    error: str
    details: str
    parameters: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class ShownEntry:
    """What is shown of a date, or of a run without date.

    Attributes
    ----------
    when : str
        The date in words; for a run without date when it ended.
    weekday : str
        Empty for a run without date.
    href : str
        Link to the entry on its month's page.
    attempt : ShownAttempt
        The one that counts.
    others : tuple of ShownAttempt
        Newest first.
    note : str
        What happens to it next; empty when there is nothing to say.
    """

    id: str
    when: str
    weekday: str
    href: str
    state: SiteState
    attempt: ShownAttempt
    others: tuple[ShownAttempt, ...]
    note: str


class Shelf:
    """Looks up what is there of the documents that a page shows.

    Parameters
    ----------
    outputs : Path
        The outputs directory.
    page : str
        The page that links to them, relative to the outputs directory.
    """

    def __init__(self, outputs: Path, page: str) -> None:
        self.outputs = outputs
        self.page = page

    def link(self, target: str, fragment: str = "") -> str:
        """Return the link from the page to a file."""
        return links.relative(self.page, target, fragment)

    def document(self, document: Document, when: str) -> ShownDocument:
        """Return what is shown of a document; `when` says of which date it is."""
        title = document.shown_title
        reports, missing = [], []
        for report_format, path in sorted(document.reports.items(), key=_pdf_first):
            label = _FORMAT_NAMES.get(report_format, report_format)
            found = self._file(path, label, f"{title}, {when}")
            if found:
                reports.append(found)
            else:
                missing.append(label)
        notebooks, lost = self._notebook(document, when)
        return ShownDocument(
            title=title,
            notebook=document.notebook,
            thumbnail=self._thumbnail(document),
            reports=tuple(reports),
            notebooks=notebooks,
            missing=(*missing, *lost),
        )

    def _file(self, path: str, label: str, about: str) -> FileLink | None:
        try:
            size = (self.outputs / path).stat().st_size
        except OSError:
            return None
        shown = size_name(size)
        return FileLink(label, self.link(path), shown, f"{label} {shown}: {about}")

    def _notebook(
        self, document: Document, when: str
    ) -> tuple[tuple[FileLink, ...], tuple[str, ...]]:
        """Return the link to a notebook's page, else to its file, and what is missing."""
        if document.executed is None:
            return (), ()
        page = links.notebook_page(document.executed)
        about = f"{document.shown_title}, {when}"
        if (self.outputs / page).exists():
            return (FileLink("Notebook", self.link(page), "", f"Notebook: {about}"),), ()
        found = self._file(document.executed, "Notebook file", about)
        return ((found,), ()) if found else ((), ("Notebook",))

    def _thumbnail(self, document: Document) -> str:
        pdf = document.reports.get("pdf")
        if pdf is None or not (self.outputs / links.thumbnail(pdf)).exists():
            return ""
        return self.link(links.thumbnail(pdf))

    def attempt(self, record: DateRecord, documents: Sequence[Document], when: str) -> ShownAttempt:
        """Return what is shown of an attempt."""
        shown = [self.document(document, when) for document in documents]
        first, _, rest = record.error.strip().partition("\n")
        return ShownAttempt(
            state=record.state,
            ended_at=record.ended_at,
            run_id=record.run_id,
            reports=tuple(s for s, d in zip(shown, documents, strict=True) if d.reports),
            notebooks=tuple(s for s, d in zip(shown, documents, strict=True) if not d.reports),
            error=first,
            details=record.error.strip() if rest.strip() else "",
            parameters=shown_parameters(record.parameters),
        )

    def entry(self, entry: Entry, note: str = "") -> ShownEntry:
        """Return what is shown of a date that has run."""
        current = entry.current
        day = current.reference_date
        when = day_name(day) if day else time_name(current.ended_at)
        return ShownEntry(
            id=links.anchor(current.key),
            when=when,
            weekday=WEEKDAYS[day.weekday()] if day else "",
            href=self.link(
                links.month_page(current.config, current.month), links.anchor(current.key)
            ),
            state=current.state,
            attempt=self.attempt(current, entry.documents, when),
            others=tuple(self.attempt(a, a.documents, when) for a in entry.others),
            note=note,
        )


def shown_parameters(parameters: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """Return names and values of parameters as text; long values are cut."""
    rows = []
    for name, value in parameters.items():
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        rows.append((name, text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}…"))
    return tuple(rows)


def _pdf_first(item: tuple[str, str]) -> tuple[bool, str]:
    return item[0] != "pdf", item[0]
