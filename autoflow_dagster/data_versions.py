"""Data versions of partitions, read from Dagster's asset catalogue and kept between reads.

The public API answers one partition at a time, Dagster's own bulk query one asset at a time: too
slow for years of dates. The queries here are made of the same tables; test_data_versions.py compares
their answers with Dagster's own.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from typing import Any

import dagster as dg
import sqlalchemy as db
from dagster import DagsterEventType, DagsterInstance
from dagster._core.storage.event_log.schema import (
    AssetEventTagsTable,
    AssetKeyTable,
    SqlEventLogStorageTable,
)
from dagster._core.storage.event_log.sql_event_log import SqlEventLogStorage

DATA_VERSION_TAG = "dagster/data_version"

EVENTS_PER_QUERY = 500
ASSETS_PER_QUERY = 20
"""Years of dates each: more rows at once than these take memory, and hardly less time."""

_EVENT = SqlEventLogStorageTable.c
_TAG = AssetEventTagsTable.c
_ASSET = AssetKeyTable.c

_Latest = tuple[str | None, int | None]
"""Of a partition: the version of its latest materialization, and the materialization's number."""


@dataclass
class _Asset:
    """What was read of one asset.

    Attributes
    ----------
    count : int
        Number of materializations up to the last read's event.
    wiped_at : float or None
        When it was wiped last, in seconds since the epoch.
    versions : dict of str to str
        Data version of the latest materialization, by partition.
    without : dict of str to int
        Numbers of the latest materializations that had no version when they were read, by
        partition. Dagster commits an event before its tags: they are looked for again.
    revision : int
        Another number whenever `versions` are others, also of an asset that was forgotten.
    """

    count: int = 0
    wiped_at: float | None = None
    versions: dict[str, str] = field(default_factory=dict)
    without: dict[str, int] = field(default_factory=dict)
    revision: int = 0


class DataVersions:
    """Data versions of the latest materializations of assets, by partition.

    An object that is kept, for one instance and one thread at a time, reads only what is new since
    its last read; assets that were wiped, or of which a run was deleted, it reads again.
    """

    def __init__(self) -> None:
        self._assets: dict[dg.AssetKey, _Asset] = {}
        self._revision = 0
        self._last_event = 0
        self._identity_of_last: Any = None
        self._agreed: dict[tuple[dg.AssetKey, ...], tuple[list[int], dict[date, str]]] = {}

    def refresh(self, instance: DagsterInstance, keys: Iterable[dg.AssetKey]) -> None:
        """Read what is new of some assets; the others are forgotten."""
        keys = list(dict.fromkeys(keys))
        for gone in self._assets.keys() - set(keys):
            del self._assets[gone]
        storage = instance.event_log_storage
        if not isinstance(storage, SqlEventLogStorage):
            for key in keys:
                self._replace(key, _by_dagster(instance, key), {})
            return
        if keys:
            self._refresh_from_tables(instance, storage, keys)

    def _refresh_from_tables(
        self, instance: DagsterInstance, storage: SqlEventLogStorage, keys: Sequence[dg.AssetKey]
    ) -> None:
        by_text = {key.to_string(): key for key in keys}
        with storage.index_connection() as connection:
            wiped = _wipe_times(connection, by_text)
            # The counts before the versions: an event that is committed in between is counted at
            # the next read, where the difference makes the asset be read again.
            if _identity(connection, self._last_event) != self._identity_of_last:
                self._assets.clear()  # SQLite gives the numbers of deleted last events again
            last = connection.execute(db.select(db.func.max(_EVENT.id))).scalar() or 0
            identity = _identity(connection, last)
            counts = _counts(connection, by_text, self._last_event, last)
            whole = [
                text
                for text, key in by_text.items()
                if self._is_stale(key, counts.get(text, (0, 0))[0], wiped.get(text))
            ]
            more = [t for t, (before, now) in counts.items() if now != before and t not in whole]
            found = _latest_versions(connection, whole, 0, last)
            found_since = _latest_versions(connection, more, self._last_event, last)
            came_later = _versions_of(connection, self._without_version())
        for text in (text for text in whole if text in wiped):
            # Of what was before the wiping, Dagster tells nothing; tags may still be to come.
            late = {p: latest for p, latest in found.get(text, {}).items() if latest[0] is None}
            found[text] = {**late, **_by_dagster(instance, by_text[text])}
        # From here on nothing fails: an object half up to date would stay so.
        for asset in self._assets.values():
            self._take_later(asset, came_later)
        for text in whole:
            self._replace(by_text[text], found.get(text, {}), {})
        for text in more:
            asset = self._assets[by_text[text]]
            self._replace(by_text[text], found_since[text], asset.versions, asset.without)
        for text, key in by_text.items():
            asset = self._assets[key]
            asset.count, asset.wiped_at = counts.get(text, (0, 0))[1], wiped.get(text)
        self._last_event, self._identity_of_last = last, identity

    def _is_stale(self, key: dg.AssetKey, count: int, wiped_at: float | None) -> bool:
        """Return whether something of an asset is unknown, or has gone since the last read."""
        asset = self._assets.get(key)
        return asset is None or (asset.count, asset.wiped_at) != (count, wiped_at)

    def _replace(
        self,
        key: dg.AssetKey,
        latest: Mapping[str, _Latest],
        versions: Mapping[str, str],
        without: Mapping[str, int] | None = None,
    ) -> None:
        """Take over the latest materializations of some partitions; others stay as they were."""
        asset = self._assets.setdefault(key, _Asset())
        asset.versions = {**versions, **{p: v for p, (v, _) in latest.items() if v is not None}}
        asset.without = {p: n for p, n in (without or {}).items() if p not in latest}
        for partition, (version, number) in latest.items():
            if version is None:
                asset.versions.pop(partition, None)
                if number is not None:
                    asset.without[partition] = number
        self._mark_changed(asset)

    def _mark_changed(self, asset: _Asset) -> None:
        self._revision += 1
        asset.revision = self._revision

    def _without_version(self) -> list[int]:
        return [number for asset in self._assets.values() for number in asset.without.values()]

    def _take_later(self, asset: _Asset, versions: Mapping[int, str]) -> None:
        """Take over the versions of events that were committed before their tags."""
        late = {p: versions[number] for p, number in asset.without.items() if number in versions}
        if late:
            asset.versions = {**asset.versions, **late}
            asset.without = {p: n for p, n in asset.without.items() if p not in late}
            self._mark_changed(asset)

    def agreed(self, keys: Sequence[dg.AssetKey]) -> Mapping[date, str]:
        """Return the data version of each date for which all of these assets have the same.

        Partitions that are no dates are left out. Of assets that the last `refresh` named.
        """
        assets = [self._assets[key] for key in keys]
        revisions = [asset.revision for asset in assets]
        kept = self._agreed.get(tuple(keys))
        if kept is not None and kept[0] == revisions:
            return kept[1]
        agreed = _agreed([asset.versions for asset in assets])
        self._agreed[tuple(keys)] = (revisions, agreed)
        return agreed


def _agreed(versions_of_assets: Sequence[Mapping[str, str]]) -> dict[date, str]:
    first, *others = versions_of_assets
    return {
        day: version
        for text, version in first.items()
        if all(versions.get(text) == version for versions in others) and (day := _as_date(text))
    }


@lru_cache(maxsize=20_000)
def _as_date(partition: str) -> date | None:
    try:
        return date.fromisoformat(partition)
    except ValueError:
        return None


def _by_dagster(instance: DagsterInstance, key: dg.AssetKey) -> dict[str, _Latest]:
    """Return the versions of one asset as Dagster's staleness calculation reads them."""
    tags = instance.event_log_storage.get_latest_tags_by_partition(
        key, DagsterEventType.ASSET_MATERIALIZATION, [DATA_VERSION_TAG]
    )
    return {partition: (found[DATA_VERSION_TAG], None) for partition, found in tags.items()}


def _identity(connection: Any, event: int) -> Any:
    """Return what tells an event from a later one of the same number; None when there is none."""
    query = db.select(_EVENT.run_id, _EVENT.timestamp, _EVENT.dagster_event_type)
    return connection.execute(query.where(_EVENT.id == event)).first()


def _wipe_times(connection: Any, keys: Iterable[str]) -> dict[str, float]:
    """Return when assets were wiped last; those that never were are absent.

    Not from Dagster's asset records: an asset that was wiped and not materialized since has none.
    """
    query = db.select(_ASSET.asset_key, _ASSET.asset_details).where(
        _ASSET.asset_key.in_(list(keys)), _ASSET.asset_details.is_not(None)
    )
    found = {key: json.loads(text) for key, text in connection.execute(query)}
    return {k: time for k, details in found.items() if (time := details["last_wipe_timestamp"])}


def _materializations(keys: Iterable[str]) -> Any:
    return db.and_(
        _EVENT.asset_key.in_(list(keys)),
        _EVENT.dagster_event_type == DagsterEventType.ASSET_MATERIALIZATION.value,
        _EVENT.partition.is_not(None),
    )


def _counts(
    connection: Any, keys: Iterable[str], before: int, last: int
) -> dict[str, tuple[int, int]]:
    """Return how many materializations assets have up to one event, and up to a later one."""
    until_before = db.func.sum(db.case((_EVENT.id <= before, 1), else_=0))
    query = (
        db.select(_EVENT.asset_key, until_before, db.func.count())
        .where(_materializations(keys), _EVENT.id <= last)
        .group_by(_EVENT.asset_key)
    )
    return {key: (int(first), int(second)) for key, first, second in connection.execute(query)}


def _latest_versions(
    connection: Any, keys: Sequence[str], after: int, last: int
) -> dict[str, dict[str, _Latest]]:
    """Return version and number of the latest materialization, by asset and partition.

    The version is None when somebody has reported it by hand, or its tags are still to be committed.
    """
    found: dict[str, dict[str, _Latest]] = {}
    for start in range(0, len(keys), ASSETS_PER_QUERY):
        some = keys[start : start + ASSETS_PER_QUERY]
        for key, partition, event, version in connection.execute(_latest_query(some, after, last)):
            # Interned, because the assets of a config have dates and versions in common.
            latest = (version and sys.intern(version), None if version else event)
            found.setdefault(sys.intern(key), {})[sys.intern(partition)] = latest
    return found


def _versions_of(connection: Any, events: Sequence[int]) -> dict[int, str]:
    """Return the versions of materializations that have one, by their numbers."""
    found: dict[int, str] = {}
    for start in range(0, len(events), EVENTS_PER_QUERY):
        query = db.select(_TAG.event_id, _TAG.value).where(
            _TAG.event_id.in_(events[start : start + EVENTS_PER_QUERY]),
            _TAG.key == DATA_VERSION_TAG,
        )
        found |= {row.event_id: row.value for row in connection.execute(query)}
    return found


def _latest_query(keys: Sequence[str], after: int, last: int) -> Any:
    latest = (
        db.select(_EVENT.asset_key, _EVENT.partition, db.func.max(_EVENT.id).label("id"))
        .where(_materializations(keys), _EVENT.id > after, _EVENT.id <= last)
        .group_by(_EVENT.asset_key, _EVENT.partition)
        .subquery()
    )
    its_version = db.and_(_TAG.event_id == latest.c.id, _TAG.key == DATA_VERSION_TAG)
    return db.select(latest.c.asset_key, latest.c.partition, latest.c.id, _TAG.value).select_from(
        latest.outerjoin(AssetEventTagsTable, its_version)
    )
