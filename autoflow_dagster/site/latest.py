"""Stable names for the latest report of each notebook: real files, whatever serves them."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from autoflow_dagster.outputs import written_whole
from autoflow_dagster.site import links
from autoflow_dagster.site.records import DateRecord, Entry
from autoflow_dagster.site.states import SiteState
from autoflow_dagster.site.summaries import Summary


def update_latest(outputs: Path, summary: Summary, record: DateRecord) -> None:
    """Point the stable names at a run's reports, unless they lead to a later date's.

    Changes the summary. Reports that are not there are passed over.
    """
    for document in record.documents:
        for report_format, path in document.reports.items():
            link = links.latest_link(summary.config, document.notebook, report_format)
            known = summary.latest.get(link)
            if known and known[1] > record.order:
                continue
            with contextlib.suppress(FileNotFoundError):
                put_in_place(outputs / path, outputs / link)
                summary.latest[link] = (path, record.order)


def restore_latest(
    outputs: Path, summary: Summary, months: Mapping[str, Mapping[str, Entry]]
) -> None:
    """Point the stable names of a config at the latest of all its reports. Changes the summary."""
    for month in sorted(months, reverse=True):
        entries = sorted(months[month].values(), key=lambda e: e.current.order, reverse=True)
        for entry in entries:
            for record in entry.attempts:
                if record.state is SiteState.DONE:
                    update_latest(outputs, summary, record)


def put_in_place(source: Path, link: Path) -> None:
    """Make `link` the same file as `source`, in one step: a second name of it, or a copy.

    A symbolic link would not survive a copy of the directory, nor a careful web server.
    """
    with contextlib.suppress(FileNotFoundError):
        if link.samefile(source):
            return  # renaming one name of a file to another of its names does nothing
    with written_whole(link, is_flushed=False) as temporary:
        try:
            os.link(source, temporary)
        except FileNotFoundError:
            raise
        except OSError:  # a file system without second names
            shutil.copyfile(source, temporary)
