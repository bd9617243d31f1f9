"""Backfills: dates that somebody asked for in Dagster and whose runs Dagster is yet to create.

Dagster creates the runs of a backfill in portions. Until then no run tells that a date is being
seen to, and the sensor would request it a second time.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from datetime import date

import dagster as dg
from dagster import DagsterInstance

# Backfills can be read in this way only; test_backfills.py notices when it changes.
from dagster._core.definitions.assets.graph.asset_graph_subset import AssetGraphSubset
from dagster._core.execution.backfill import (
    BulkActionsFilter,
    BulkActionStatus,
    PartitionBackfill,
)


def dates_in_backfills(
    instance: DagsterInstance, config_of_asset: Mapping[dg.AssetKey, str]
) -> dict[str, dict[date, str]]:
    """Return the dates that running backfills are yet to do, by config name.

    Parameters
    ----------
    config_of_asset : mapping
        Name of the config, which is its job's, by asset key; of all configs in question.

    Returns
    -------
    dict of str to dict of date to str
        Which backfill will do the date, in words. A config without any is absent.
    """
    found: dict[str, dict[date, str]] = {}
    wanted = BulkActionsFilter(statuses=[BulkActionStatus.REQUESTED])
    for backfill in instance.get_backfills(filters=wanted):
        for name, partition in _pending(backfill, config_of_asset):
            with contextlib.suppress(ValueError):  # added by hand, and no date
                day = date.fromisoformat(partition)
                found.setdefault(name, {})[day] = f"of backfill {backfill.backfill_id}"
    return found


def _pending(
    backfill: PartitionBackfill, config_of_asset: Mapping[dg.AssetKey, str]
) -> Iterator[tuple[str, str]]:
    """Yield config name and partition of what a backfill is yet to do."""
    if backfill.is_asset_backfill:
        yield from _of_asset_backfill(backfill, config_of_asset)
    elif backfill.job_name and backfill.job_name in config_of_asset.values():
        for partition in _not_submitted(backfill):
            yield backfill.job_name, partition


def _not_submitted(backfill: PartitionBackfill) -> list[str]:
    """Return the partitions of a job backfill that come after the last one submitted."""
    partitions = list(backfill.partition_names or ())
    last = backfill.last_submitted_partition_name
    return partitions[partitions.index(last) + 1 :] if last in partitions else partitions


def _of_asset_backfill(
    backfill: PartitionBackfill, config_of_asset: Mapping[dg.AssetKey, str]
) -> Iterator[tuple[str, str]]:
    """Yield what an asset backfill has neither materialized nor given up."""
    data = backfill.asset_backfill_data
    if data is None:  # of a Dagster before 1.5, which is not supported
        return
    for key in data.target_subset.asset_keys & config_of_asset.keys():
        ended = _partitions(data.materialized_subset, key)
        ended |= _partitions(data.failed_and_downstream_subset, key)
        for partition in _partitions(data.target_subset, key) - ended:
            yield config_of_asset[key], partition


def _partitions(subset: AssetGraphSubset, key: dg.AssetKey) -> set[str]:
    of_asset = subset.partitions_subsets_by_asset_key.get(key)
    return set(of_asset.get_partition_keys()) if of_asset else set()
