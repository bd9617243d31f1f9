"""Output files deleted in such a way that no page links to them afterwards.

Which files may go is decided elsewhere. What was recorded of runs stays: the pages say that a file is
no longer there.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from autoflow_dagster.site import links
from autoflow_dagster.site.options import SiteOptions
from autoflow_dagster.site.records import DateRecord, Document
from autoflow_dagster.site.store import PageMonth, Store
from autoflow_dagster.site.update import write_pages


def delete_outputs(
    outputs_dir: Path, paths: Collection[str], options: SiteOptions | None = None
) -> list[str]:
    """Delete executed notebooks and reports, and bring the pages up to date that link to them.

    Their pages and pictures on the site go with them. A process that is killed in the middle leaves
    the rest of the pages to the next call of anything that writes pages.

    Parameters
    ----------
    outputs_dir : Path
        As for `record_run`.
    paths : collection of str
        Relative to the outputs directory; those that are not there are passed over.
    options : SiteOptions or None
        None: the defaults.

    Returns
    -------
    list of str
        The pages that were written, relative to the outputs directory.

    Raises
    ------
    SiteError
        When another process did not let go of the site in time; nothing is deleted then.
    OSError
        When a file cannot be deleted or a page cannot be written.
    """
    store, gone = Store(outputs_dir), frozenset(paths)
    with store.locked():
        months = set(_months_with(store, gone))
        _forget_recent(store, gone)
        # Before anything is deleted: whoever writes pages next writes these.
        store.write_pending(store.read_pending() | months)
        for path in (*gone, *_made_from(gone)):
            (outputs_dir / path).unlink(missing_ok=True)
    written: list[str] = []
    while months & store.read_pending():
        written += write_pages(outputs_dir, (), options)
    return written


def _months_with(store: Store, paths: Collection[str]) -> Iterator[PageMonth]:
    """Yield the months on whose pages a file is shown."""
    for summary in store.read_summaries():
        for month in store.months(summary.config):
            entries = store.read_month(summary.config, month).values()
            records = (record for entry in entries for record in entry.attempts)
            if any(_files(record.documents) & set(paths) for record in records):
                yield summary.config, month


def _forget_recent(store: Store, paths: Collection[str]) -> None:
    """Take files out of the newest reports, from which the feed is made."""
    for summary in store.read_summaries():
        recent = [_without(record, paths) for record in summary.recent]
        if recent != summary.recent:
            summary.recent = [record for record in recent if _files(record.documents)]
            store.write_summary(summary)


def _without(record: DateRecord, paths: Collection[str]) -> DateRecord:
    documents = tuple(
        replace(
            document,
            executed=None if document.executed in paths else document.executed,
            reports={kind: p for kind, p in document.reports.items() if p not in paths},
        )
        for document in record.documents
    )
    return replace(record, documents=documents)


def _files(documents: Iterable[Document]) -> set[str]:
    found = {path for document in documents for path in document.reports.values()}
    return found | {document.executed for document in documents if document.executed}


def _made_from(paths: Iterable[str]) -> Iterator[str]:
    """Yield the pages of notebooks and the pictures of reports."""
    for path in paths:
        if path.endswith(".ipynb"):
            yield links.notebook_page(path)
        elif path.endswith(".pdf"):
            yield links.thumbnail(path)
