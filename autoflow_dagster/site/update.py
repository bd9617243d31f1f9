"""Keep the site up to date: take in a run or a check, and write the pages that show it.

The work of a call is bounded by what it takes in, not by how much has been recorded before. Any
number of processes may call at the same time.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from pathlib import Path

from autoflow_dagster.naming import json_value
from autoflow_dagster.planning import ConfigPlan
from autoflow_dagster.site import plans
from autoflow_dagster.site.latest import restore_latest, update_latest
from autoflow_dagster.site.options import SiteOptions
from autoflow_dagster.site.pages import Pages
from autoflow_dagster.site.plans import PlanNotes
from autoflow_dagster.site.records import DateRecord, Entry
from autoflow_dagster.site.states import SiteState
from autoflow_dagster.site.store import PageMonth, Store
from autoflow_dagster.site.summaries import Summary, letters_of, runs_of, summary_of

LAYOUT = 1
"""Raised when the pages of an earlier version have to be written anew."""


def record_run(
    outputs_dir: Path, record: DateRecord, options: SiteOptions | None = None
) -> list[str]:
    """Record how a run of a date ended, and bring the site up to date.

    Parameters
    ----------
    outputs_dir : Path
        Where ``index.html`` and ``site/`` are, beside ``notebooks/`` and ``reports/``.
    record : DateRecord
        The files that it names should be there already. Recording the same run again, for
        instance once for each of its assets, adds to what is known of it.
    options : SiteOptions or None
        None: the defaults.

    Returns
    -------
    list of str
        The pages that were written, relative to the outputs directory.

    Raises
    ------
    SiteError
        When another process did not let go of the site in time.
    OSError
        When the site cannot be written to.
    """
    options = options or SiteOptions()
    store = Store(outputs_dir)
    prepare_files(outputs_dir, record, options)
    with store.locked():
        take_in(store, record)
        return _write(store, options, {(record.config, record.month)})


def prepare_files(outputs_dir: Path, record: DateRecord, options: SiteOptions) -> None:
    """Make the pages of a record's notebooks and the pictures of its reports, each only once."""
    from autoflow_dagster.site.notebook_pages import write_notebook_page
    from autoflow_dagster.site.thumbnails import draw_thumbnail

    for document in record.documents:
        if options.notebook_pages and document.executed:
            write_notebook_page(outputs_dir, document.executed, document.shown_title)
        pdf = document.reports.get("pdf")
        if options.thumbnails and pdf:
            draw_thumbnail(outputs_dir, pdf)


def take_in(store: Store, record: DateRecord) -> None:
    """Keep a record and what follows from it; the caller holds the lock."""
    entries = store.read_month(record.config, record.month)
    known = entries.get(record.key)
    entry = known.with_attempt(record) if known else Entry((record,))
    entries[record.key] = entry
    notes = store.read_notes(record.config)
    if record.reference_date and notes.forget(record.reference_date):
        store.write_notes(record.config, notes)
    store.write_month(record.config, record.month, entries)
    summary = summary_in(store, record.config, record.workflow)
    summary.workflow = record.workflow
    if record.reference_date is None or not summary.parameters:
        summary.parameters = json_value(dict(record.parameters))
    if record.reference_date is None:
        summary.runs[record.month] = runs_of(entries)
    else:
        summary.set_letter(record.reference_date, entry.current.state.letter)
    summary.add(record, entry)
    if record.state is SiteState.DONE:
        update_latest(store.outputs, summary, record)
    store.write_summary(summary)


def summary_in(store: Store, config: str, workflow: str) -> Summary:
    """Return the summary of a config; a lost one is made again from the config's months."""
    summary = store.read_summary(config)
    if summary is None:
        months = {month: store.read_month(config, month) for month in store.months(config)}
        summary = summary_of(config, workflow, months, store.read_notes(config))
        restore_latest(store.outputs, summary, months)
    return summary


def record_plan(
    outputs_dir: Path, plans_of_check: Sequence[ConfigPlan], options: SiteOptions | None = None
) -> list[str]:
    """Record what a check found: which dates wait and why, are to be run, or have no data.

    Parameters
    ----------
    outputs_dir : Path
        As for `record_run`.
    plans_of_check : sequence of ConfigPlan
        Of all configs. Those that an earlier check had and this one has not are shown as no longer
        run; with no plans at all nothing is.
    options : SiteOptions or None
        None: the defaults.

    Returns
    -------
    list of str
        The pages that were written; none when the site says all of it already.

    Raises
    ------
    SiteError, OSError
        As for `record_run`.
    """
    options = options or SiteOptions()
    store = Store(outputs_dir)
    changed = [plan for plan in plans_of_check if _is_news(store, plan)]
    names = {plan.config.name for plan in plans_of_check}
    if not changed and not _retired(store, names) and not _is_behind(store):
        return []
    with store.locked():
        months: set[PageMonth] = set()
        for plan in changed:
            months |= _take_in_plan(store, plan)
        retired = _retired(store, names)
        for summary in retired:
            summary.is_retired = True
            store.write_summary(summary)
        # Pages of months may have to wait for later calls; the configs' own pages do not.
        own_pages = {(plan.config.name, "") for plan in changed}
        own_pages |= {(summary.config, "") for summary in retired}
        return _write(store, options, own_pages, pending=months)


def _is_news(store: Store, plan: ConfigPlan) -> bool:
    summary = store.read_summary(plan.config.name)
    if summary is None or summary.is_retired:
        return True
    return store.read_notes(plan.config.name).fingerprint != plans.fingerprint(plan)


def _retired(store: Store, names: Collection[str]) -> list[Summary]:
    """Return the configs that have had reference dates and are not planned any more."""
    if not names:
        return []
    return [
        summary
        for summary in store.read_summaries()
        if summary.config not in names and summary.dated_months and not summary.is_retired
    ]


def _is_behind(store: Store) -> bool:
    """Return whether pages are still to be written, or are those of another version."""
    return store.read_facts().get("layout") != LAYOUT or bool(store.read_pending())


def _take_in_plan(store: Store, plan: ConfigPlan) -> set[PageMonth]:
    """Keep what a plan says; return the months about which it says something new."""
    config = plan.config.name
    before, notes = store.read_notes(config), plans.notes_of(plan)
    summary = summary_in(store, config, plan.config.workflow.name)
    summary.workflow = plan.config.workflow.name
    summary.parameters = json_value(dict(plan.config.parameters))
    summary.description = plan.config.description or plan.config.workflow.description or ""
    summary.is_retired = False
    touched = set()
    for month in sorted(before.changed_months(notes)):
        if _update_month(store, summary, month, before, notes):
            touched.add((config, month))
    store.write_notes(config, notes)
    store.write_summary(summary)
    return touched


def _update_month(
    store: Store, summary: Summary, month: str, before: PlanNotes, notes: PlanNotes
) -> bool:
    """Bring a month's states up to date; return whether its page says something else now."""
    entries = store.read_month(summary.config, month)
    letters = letters_of(month, entries, notes)
    is_known = bool(letters.strip(".")) or month in summary.months
    has_changed = is_known and summary.months.get(month) != letters
    if has_changed:
        summary.months[month] = letters
    return has_changed or before.reasons_of(month) != notes.reasons_of(month)


def write_pages(
    outputs_dir: Path,
    changed: Collection[PageMonth] = (),
    options: SiteOptions | None = None,
) -> list[str]:
    """Write the pages of some months of configs, and those that earlier calls left for later.

    Call it without months to have a first page before anything has run, and to catch up.

    Parameters
    ----------
    outputs_dir : Path
        As for `record_run`.
    changed : collection of (str, str)
        Names of configs and months as ``YYYY-MM``.
    options : SiteOptions or None
        None: the defaults.

    Returns
    -------
    list of str
        The pages that were written, relative to the outputs directory.

    Raises
    ------
    SiteError, OSError
        As for `record_run`.
    """
    store = Store(outputs_dir)
    with store.locked():
        return _write(store, options or SiteOptions(), set(changed))


def _write(
    store: Store,
    options: SiteOptions,
    changed: set[PageMonth],
    pending: Collection[PageMonth] = (),
) -> list[str]:
    """Write the pages of changed months, and as many pending ones as one call may.

    What is to be written is kept until it is, so that a process that is killed loses nothing.
    """
    waiting = store.read_pending() | set(pending)
    facts = store.read_facts()
    if facts.get("layout") != LAYOUT:
        feed_id = facts.get("feed_id") or f"urn:uuid:{uuid.uuid4()}"
        store.write_facts({"layout": LAYOUT, "feed_id": feed_id})
        waiting |= {(s.config, m) for s in store.read_summaries() for m in s.all_months}
    store.write_pending(waiting | changed)
    newest_first = sorted(waiting - changed, key=lambda pair: (pair[1], pair[0]), reverse=True)
    now_due = newest_first[: options.pages_at_once]
    written = Pages(store, options, datetime.now(UTC)).write(changed | set(now_due))
    store.write_pending(newest_first[options.pages_at_once :])
    return written
