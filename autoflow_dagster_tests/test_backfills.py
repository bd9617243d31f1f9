"""Backfills whose runs Dagster is yet to create, built by Dagster itself."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import date

import dagster as dg
import pytest
from dagster import DagsterInstance
from dagster._core.definitions.assets.graph.asset_graph_subset import AssetGraphSubset
from dagster._core.definitions.events import AssetKeyPartitionKey
from dagster._core.execution.backfill import BulkActionStatus, PartitionBackfill
from dagster._core.remote_origin import (
    InProcessCodeLocationOrigin,
    RemotePartitionSetOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin

from autoflow_dagster.backfills import dates_in_backfills

FIRST, SECOND = date(2016, 1, 1), date(2016, 1, 2)
KEY, OTHER_KEY = dg.AssetKey(["flows", "run"]), dg.AssetKey(["other", "run"])
CONFIG_OF_ASSET = {KEY: "flows", dg.AssetKey(["flows", "report"]): "flows", OTHER_KEY: "other"}


def job_backfill(
    job: str, partitions: Sequence[str], *, last_submitted: str | None = None
) -> PartitionBackfill:
    """Return a backfill of a job, as the UI asks for it."""
    location = InProcessCodeLocationOrigin(LoadableTargetOrigin(module_name="DUMMY"))
    return PartitionBackfill(
        backfill_id="dummyid1",
        status=BulkActionStatus.REQUESTED,
        from_failure=False,
        tags={},
        backfill_timestamp=time.time(),
        partition_set_origin=RemotePartitionSetOrigin(
            repository_origin=RemoteRepositoryOrigin(location, "__repository__"),
            partition_set_name=f"{job}_partition_set",
        ),
        partition_names=list(partitions),
        last_submitted_partition_name=last_submitted,
    )


def asset_backfill(
    instance: DagsterInstance, keys: Sequence[dg.AssetKey], partitions: Sequence[str]
) -> PartitionBackfill:
    """Return a backfill of assets, as the asset page asks for it."""
    assets = [
        dg.AssetSpec(key, partitions_def=dg.DynamicPartitionsDefinition(name=key.path[0]))
        for key in CONFIG_OF_ASSET
    ]
    for name in ("flows", "other"):
        instance.add_dynamic_partitions(name, ["2016-01-01", "2016-01-02", "DUMMY"])
    repository = dg.Definitions(assets=assets).get_repository_def()
    wanted = {AssetKeyPartitionKey(key, partition) for key in keys for partition in partitions}
    return PartitionBackfill.from_asset_graph_subset(
        backfill_id="dummyid2",
        backfill_timestamp=time.time(),
        tags={},
        dynamic_partitions_store=instance,
        asset_graph_subset=AssetGraphSubset.from_asset_partition_set(
            wanted, repository.asset_graph
        ),
        title=None,
        description=None,
        run_config=None,
    )


@pytest.fixture
def memory() -> DagsterInstance:
    """An instance in memory."""
    return DagsterInstance.ephemeral()


class TestJobBackfills:
    """Of a config's job."""

    def test_partitions_that_are_not_submitted_yet_are_pending(
        self, memory: DagsterInstance
    ) -> None:
        """Those before have runs, which speak for themselves."""
        memory.add_backfill(job_backfill("flows", ["2016-01-01", "2016-01-02"]))
        of_both = dict.fromkeys((FIRST, SECOND), "of backfill dummyid1")
        assert dates_in_backfills(memory, CONFIG_OF_ASSET) == {"flows": of_both}
        submitted = job_backfill("flows", ["2016-01-01", "2016-01-02"], last_submitted="2016-01-01")
        memory.update_backfill(submitted)
        of_second = {SECOND: "of backfill dummyid1"}
        assert dates_in_backfills(memory, CONFIG_OF_ASSET) == {"flows": of_second}

    @pytest.mark.parametrize(
        "status", [status for status in BulkActionStatus if status.value != "REQUESTED"]
    )
    def test_a_backfill_that_creates_no_more_runs_is_over(
        self, memory: DagsterInstance, status: BulkActionStatus
    ) -> None:
        """Ended, or being cancelled."""
        memory.add_backfill(job_backfill("flows", ["2016-01-01"]).with_status(status))
        assert dates_in_backfills(memory, CONFIG_OF_ASSET) == {}

    def test_other_jobs_and_other_partitions_are_not_ours(self, memory: DagsterInstance) -> None:
        """Somebody else's job, and a partition that somebody has added by hand."""
        memory.add_backfill(job_backfill("somebody_elses", ["2016-01-01"]))
        assert dates_in_backfills(memory, CONFIG_OF_ASSET) == {}
        assert dates_in_backfills(memory, {}) == {}


class TestAssetBackfills:
    """Of assets, from the asset page."""

    def test_what_is_neither_materialized_nor_failed_is_pending(
        self, memory: DagsterInstance
    ) -> None:
        """By config, whichever of its assets are asked for; partitions that are no dates are not."""
        partitions = ["2016-01-01", "2016-01-02", "DUMMY"]
        backfill = asset_backfill(memory, [KEY, OTHER_KEY], partitions)
        memory.add_backfill(backfill)
        of_both = dict.fromkeys((FIRST, SECOND), "of backfill dummyid2")
        assert dates_in_backfills(memory, CONFIG_OF_ASSET) == {"flows": of_both, "other": of_both}

        data = backfill.asset_backfill_data
        assert data is not None
        of_first = asset_backfill(memory, [KEY], ["2016-01-01"]).asset_backfill_data
        of_second = asset_backfill(memory, [OTHER_KEY], ["2016-01-02"]).asset_backfill_data
        assert of_first is not None
        assert of_second is not None
        data = data._replace(
            materialized_subset=of_first.target_subset,
            failed_and_downstream_subset=of_second.target_subset,
        )
        memory.update_backfill(backfill._replace(asset_backfill_data=data))
        assert dates_in_backfills(memory, CONFIG_OF_ASSET) == {
            "flows": {SECOND: "of backfill dummyid2"},
            "other": {FIRST: "of backfill dummyid2"},
        }
