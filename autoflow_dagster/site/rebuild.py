"""A lost site made again, from records that the caller has or from the names of the files."""

from __future__ import annotations

import shutil
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

from autoflow_dagster.naming import json_value
from autoflow_dagster.site import links
from autoflow_dagster.site.found_files import NameOfConfig, found_files, records_of_files
from autoflow_dagster.site.latest import restore_latest
from autoflow_dagster.site.options import SiteOptions
from autoflow_dagster.site.records import DateRecord, Entry
from autoflow_dagster.site.store import Month, Store
from autoflow_dagster.site.summaries import Summary, summary_of
from autoflow_dagster.site.update import prepare_files, write_pages


def needs_rebuild(outputs_dir: Path) -> bool:
    """Return whether the site is not there although there are files that it should show."""
    return not Store(outputs_dir).read_facts() and any(True for _ in found_files(outputs_dir))


def rebuild(
    outputs_dir: Path,
    records: Iterable[DateRecord] | None = None,
    options: SiteOptions | None = None,
    name_of_config: NameOfConfig | None = None,
) -> int:
    """Write the whole site anew; takes time in proportion to the history.

    Parameters
    ----------
    outputs_dir : Path
        As for `record_run`.
    records : iterable of DateRecord or None
        All there is, in any order; they replace what the site knew. None keeps what it knew, and
        adds the files on disk of which it did not know, as far as their names tell.
    options : SiteOptions or None
        None: the defaults.
    name_of_config : callable or None
        File names tell the workflow and not the config: this gives its name. None takes the
        workflow's name.

    Returns
    -------
    int
        How many records the site has now.

    Raises
    ------
    SiteError, OSError
        As for `record_run`.
    """
    options = options or SiteOptions()
    store = Store(outputs_dir)
    found = list(_all_known(store, name_of_config) if records is None else records)
    for record in sorted(found, key=lambda record: record.ended_at, reverse=True):
        prepare_files(outputs_dir, record, options)
    by_config: dict[str, list[DateRecord]] = defaultdict(list)
    for record in found:
        by_config[record.config].append(record)
    with store.locked():
        summaries = {summary.config: summary for summary in store.read_summaries()}
        for directory in ("latest", "configs", "dates"):
            shutil.rmtree(outputs_dir / links.SITE / directory, ignore_errors=True)
        for config in summaries.keys() | by_config.keys():
            _restore(store, config, by_config[config], summaries.get(config))
        months = {(s.config, month) for s in store.read_summaries() for month in s.all_months}
        store.write_pending(months)
    write_pages(outputs_dir, (), options)
    while store.read_pending():
        write_pages(outputs_dir, (), options)
    return len(found)


def records_on_disk(
    outputs_dir: Path, name_of_config: NameOfConfig | None = None
) -> list[DateRecord]:
    """Return what the names of executed notebooks and reports tell of earlier runs."""
    return records_of_files(found_files(outputs_dir), name_of_config)


def _all_known(store: Store, name_of_config: NameOfConfig | None) -> Iterator[DateRecord]:
    """Yield the records of the site, and those of files that it does not know."""
    known = set()
    for entry in store.all_entries():
        for record in entry.attempts:
            yield record
            known |= {document.executed for document in record.documents}
    unknown = (file for file in found_files(store.outputs) if file.executed not in known)
    yield from records_of_files(unknown, name_of_config)


def _restore(store: Store, config: str, records: list[DateRecord], before: Summary | None) -> None:
    """Write the months and the summary of a config from its records."""
    months: dict[str, Month] = defaultdict(dict)
    for record in sorted(records, key=lambda record: record.ended_at):
        entries = months[record.month]
        known = entries.get(record.key)
        entries[record.key] = known.with_attempt(record) if known else Entry((record,))
    for month in set(store.months(config)) - months.keys():
        store.remove_month(config, month)
    for month, entries in months.items():
        store.write_month(config, month, entries)
    workflow = before.workflow if before else ""
    summary = summary_of(config, workflow, months, store.read_notes(config))
    if before:
        summary.description, summary.parameters = before.description, before.parameters
        summary.is_retired = before.is_retired
    elif records:
        summary.parameters = json_value(dict(max(records, key=lambda r: r.ended_at).parameters))
    restore_latest(store.outputs, summary, months)
    store.write_summary(summary)
