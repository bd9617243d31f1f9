"""The site's records on disk, safe to be written by several processes at once.

For each config, below ``site/records``: a file for each month with its attempts, one with the
notes of the last check, and a summary that spares reading the months. Every change is made under
one lock and written whole. What the records mean is not known here.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from autoflow_dagster.outputs import written_whole
from autoflow_dagster.site import links
from autoflow_dagster.site.plans import PlanNotes
from autoflow_dagster.site.records import Entry, SiteError, record_from_json, record_to_json
from autoflow_dagster.site.summaries import Summary

logger = logging.getLogger(__name__)

T = TypeVar("T")

LOCK = ".site.lock"
"""Beside the site, so that it outlives the site's deletion."""

LOCK_TIMEOUT_SECONDS = 60.0
_LOCK_POLL_SECONDS = 0.02
_MONTH_FILES = "[0-9]*-[0-9][0-9].json"

Month = dict[str, Entry]
"""The entries of a month of a config, by date in ISO form or by run."""

PageMonth = tuple[str, str]
"""Name of a config, and a month."""


class Store:
    """The records below an outputs directory.

    Parameters
    ----------
    outputs : Path
        The outputs directory.
    """

    def __init__(self, outputs: Path) -> None:
        self.outputs = outputs
        self.records = outputs / links.RECORDS

    @contextlib.contextmanager
    def locked(self, timeout_seconds: float = LOCK_TIMEOUT_SECONDS) -> Iterator[None]:
        """Keep other processes and threads from changing the site.

        Raises
        ------
        SiteError
            When another process did not let go of it in time.
        """
        self.outputs.mkdir(parents=True, exist_ok=True)
        deadline = time.monotonic() + timeout_seconds
        descriptor = os.open(self.outputs / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            while not _try_lock(descriptor):
                if time.monotonic() > deadline:
                    raise SiteError(
                        str(self.outputs / LOCK),
                        f"another process has held this lock for {timeout_seconds:g} seconds.",
                        "The next run or check brings the site up to date.",
                    )
                time.sleep(_LOCK_POLL_SECONDS)
            yield
        finally:
            os.close(descriptor)  # which also unlocks

    def config_directories(self) -> list[str]:
        """Return the names of the directories of configs, sorted."""
        return sorted(path.name for path in self.records.glob("*/") if path.is_dir())

    def read_summary(self, config: str) -> Summary | None:
        """Return the summary of a config; None when there is none that can be read."""
        return self._read(self._path(config, "summary"), Summary.from_json)

    def read_summaries(self) -> list[Summary]:
        """Return the summaries of all configs, by name."""
        paths = [self.records / name / "summary.json" for name in self.config_directories()]
        found = [self._read(path, Summary.from_json) for path in paths]
        return sorted(filter(None, found), key=lambda summary: summary.config.casefold())

    def write_summary(self, summary: Summary) -> None:
        """Keep a summary."""
        self._write(self._path(summary.config, "summary"), summary.to_json())

    def read_month(self, config: str, month: str) -> Month:
        """Return the entries of a month; none when it has none."""
        return self._read(self._path(config, month), _month_from_json) or {}

    def write_month(self, config: str, month: str, entries: Month) -> None:
        """Keep the entries of a month."""
        value = {key: [record_to_json(r) for r in e.attempts] for key, e in entries.items()}
        self._write(self._path(config, month), value)

    def remove_month(self, config: str, month: str) -> None:
        """Forget a month."""
        self._path(config, month).unlink(missing_ok=True)

    def months(self, config: str) -> list[str]:
        """Return the months of which there are records, ascending. Lists a directory."""
        directory = self.records / links.safe_name(config)
        return sorted(path.stem for path in directory.glob(_MONTH_FILES))

    def all_entries(self) -> Iterator[Entry]:
        """Yield everything that is recorded. Reads all of it."""
        for directory in self.config_directories():
            for path in sorted((self.records / directory).glob(_MONTH_FILES)):
                yield from (self._read(path, _month_from_json) or {}).values()

    def read_notes(self, config: str) -> PlanNotes:
        """Return what the last check said about a config."""
        return self._read(self._path(config, "plan"), PlanNotes.from_json) or PlanNotes()

    def write_notes(self, config: str, notes: PlanNotes) -> None:
        """Keep what a check said about a config."""
        self._write(self._path(config, "plan"), notes.to_json())

    def read_pending(self) -> set[PageMonth]:
        """Return the months whose pages are still to be written."""
        found = self._read(self.records / "pending.json", lambda value: value["months"])
        return {(config, month) for config, month in found or ()}

    def write_pending(self, pending: Iterable[PageMonth]) -> None:
        """Keep which months' pages are still to be written."""
        months = sorted(map(list, pending))
        if months:
            self.write_page(f"{links.RECORDS}/pending.json", json.dumps({"months": months}))
        else:
            (self.records / "pending.json").unlink(missing_ok=True)

    def read_facts(self) -> dict[str, Any]:
        """Return facts about the site as a whole; empty when there is no site yet."""
        return self._read(self.records / "site.json", dict[str, Any]) or {}

    def write_facts(self, facts: dict[str, Any]) -> None:
        """Keep facts about the site as a whole."""
        self._write(self.records / "site.json", facts)

    def write_page(self, page: str, text: str) -> bool:
        """Write a page if it is not there as it should be; return whether it was written.

        Not flushed to disk as records are: a page that is lost in a power cut can be made again.
        """
        path, content = self.outputs / page, text.encode("utf-8", "replace")
        with contextlib.suppress(OSError):
            if path.read_bytes() == content:
                return False
        with written_whole(path, is_flushed=False) as temporary:
            temporary.write_bytes(content)
        return True

    def _path(self, config: str, name: str) -> Path:
        return self.records / links.safe_name(config) / f"{name}.json"

    def _read(self, path: Path, convert: Callable[[Any], T]) -> T | None:
        """Return what a file of ours says; None when it is absent, damaged or of another version."""
        try:
            return convert(json.loads(path.read_bytes()))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (ValueError, TypeError, LookupError, AttributeError, SiteError) as error:
            logger.warning("%s is not readable (%s); the site goes on without it.", path, error)
            return None

    def _write(self, path: Path, value: Any) -> None:
        with written_whole(path) as temporary:
            temporary.write_text(json.dumps(value, separators=(",", ":")), encoding="utf-8")


def _month_from_json(value: Any) -> Month:
    return {
        key: Entry(tuple(record_from_json(record) for record in records))
        for key, records in value.items()
    }


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
