"""Data versions from Dagster's tables, compared with what Dagster itself answers."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster import DagsterEvent, DagsterEventType, DagsterInstance, DagsterRun
from dagster._core.events import StepMaterializationData
from dagster._core.storage.event_log.schema import AssetEventTagsTable, SqlEventLogStorageTable

from autoflow_dagster.data_versions import DATA_VERSION_TAG, DataVersions
from autoflow_dagster_tests.postgres_server import PostgresServer
from autoflow_dagster_tests.storages import EVERY_STORAGE

FIRST, SECOND = dg.AssetKey(["flows", "first"]), dg.AssetKey(["flows", "second"])
OTHER = dg.AssetKey(["other"])
KEYS = [FIRST, SECOND, OTHER]
EVENTS = SqlEventLogStorageTable
TAGS = AssetEventTagsTable
DAY, NEXT_DAY = date(2016, 1, 1), date(2016, 1, 2)


@pytest.fixture
def memory() -> Iterator[DagsterInstance]:
    """An instance in memory."""
    with DagsterInstance.ephemeral() as instance:
        yield instance


@pytest.fixture(params=EVERY_STORAGE)
def instance(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[DagsterInstance]:
    """An instance on each storage that we support."""
    if request.param == "memory":
        with DagsterInstance.ephemeral() as made:
            yield made
        return
    home = tmp_path / "home"
    home.mkdir()
    if request.param == "sqlite":
        with DagsterInstance.local_temp(str(home)) as made:
            yield made
        return
    with PostgresServer("DUMMY") as server:
        url = server.uri.replace("{}", "DUMMY").replace("postgresql:", "postgresql+psycopg2:")
        overrides = {"storage": {"postgres": {"postgres_url": url}}}
        with DagsterInstance.local_temp(str(home), overrides) as made:
            yield made


def report(
    instance: DagsterInstance, key: dg.AssetKey, version: str | None, partition: str | None = None
) -> None:
    """Record a materialization that belongs to no run."""
    instance.report_runless_asset_event(_made(key, version, partition or str(DAY)))


def _made(key: dg.AssetKey, version: str | None, partition: str) -> dg.AssetMaterialization:
    tags = {DATA_VERSION_TAG: version} if version else {}
    return dg.AssetMaterialization(key, partition=partition, tags=tags)


def report_in_run(instance: DagsterInstance, key: dg.AssetKey, version: str, partition: str) -> str:
    """Record a materialization that a run made; return the run's id."""
    run = instance.add_run(DagsterRun("DUMMY_JOB"))
    event = DagsterEvent(
        DagsterEventType.ASSET_MATERIALIZATION.value,
        run.job_name,
        event_specific_data=StepMaterializationData(_made(key, version, partition), []),
    )
    instance.report_dagster_event(event, run.run_id)
    return run.run_id


def by_dagster(instance: DagsterInstance, keys: Sequence[dg.AssetKey]) -> dict[date, str]:
    """Return on which dates assets agree, by Dagster's own query for one asset."""
    found = [
        {
            date.fromisoformat(partition): tags[DATA_VERSION_TAG]
            for partition, tags in instance.event_log_storage.get_latest_tags_by_partition(
                key, DagsterEventType.ASSET_MATERIALIZATION, [DATA_VERSION_TAG]
            ).items()
        }
        for key in keys
    ]
    first, *others = found
    return {day: v for day, v in first.items() if all(o.get(day) == v for o in others)}


def test_whatever_happens_the_answer_is_dagsters(instance: DagsterInstance) -> None:
    """Materializations with and without version, wiped assets, deleted runs; read each time."""
    choices = random.Random(4)
    kept, run_ids = DataVersions(), []
    for step in range(60 if "InMemory" in type(instance.run_storage).__name__ else 25):
        key = choices.choice(KEYS)
        partition = str(choices.choice([DAY, NEXT_DAY]))
        version = choices.choice(["A", "B", "C"])
        match choices.randrange(10):
            case 0:
                instance.wipe_assets([key])
            case 1 if run_ids:
                instance.delete_run(run_ids.pop(choices.randrange(len(run_ids))))
            case 2 | 3 | 4:
                run_ids.append(report_in_run(instance, key, version, partition))
            case 5:
                report(instance, key, None, partition)
            case _:
                report(instance, key, version, partition)
        if choices.random() < 0.7:  # sometimes more than one thing happens between two reads
            fresh = DataVersions()
            for versions in (kept, fresh):
                versions.refresh(instance, KEYS)
                for keys in ([FIRST], [OTHER], [FIRST, SECOND], KEYS):
                    assert versions.agreed(keys) == by_dagster(instance, keys), (step, keys)


def test_nothing_new_is_the_same_object(memory: DagsterInstance) -> None:
    """Years of dates are not compared again."""
    versions = DataVersions()
    for key in KEYS:
        report(memory, key, "A")
    versions.refresh(memory, KEYS)
    first = versions.agreed(KEYS)
    versions.refresh(memory, KEYS)
    assert versions.agreed(KEYS) is first
    report(memory, OTHER, "B")
    versions.refresh(memory, KEYS)
    assert versions.agreed(KEYS) == {}
    assert first == {DAY: "A"}  # whoever holds it is not surprised


def test_an_event_that_is_committed_late_is_not_missed(memory: DagsterInstance) -> None:
    """PostgreSQL hands out numbers before it commits: a lower one can appear after a higher one."""
    versions = DataVersions()
    for key, version in ((FIRST, "OLD"), (FIRST, "NEW"), (SECOND, "X")):
        report(memory, key, version)
    with _events(memory) as connection:
        [late] = connection.execute(EVENTS.select().where(EVENTS.c.id == 2)).fetchall()
        connection.execute(EVENTS.delete().where(EVENTS.c.id == 2))
    versions.refresh(memory, KEYS)
    assert versions.agreed([FIRST]) == {DAY: "OLD"}
    with _events(memory) as connection:
        connection.execute(EVENTS.insert().values(**late._mapping))
    versions.refresh(memory, KEYS)
    assert versions.agreed([FIRST]) == {DAY: "NEW"}


def test_a_version_that_is_committed_after_its_event_is_not_missed(
    memory: DagsterInstance,
) -> None:
    """Dagster commits a materialization first and its tags then; a read may come in between."""
    versions = DataVersions()
    report(memory, FIRST, "OLD")
    report(memory, FIRST, None, str(NEXT_DAY))
    versions.refresh(memory, KEYS)
    assert versions.agreed([FIRST]) == {DAY: "OLD"}
    report(memory, FIRST, "NEW")
    with _events(memory) as connection:
        [late] = connection.execute(TAGS.select().where(TAGS.c.value == "NEW")).fetchall()
        connection.execute(TAGS.delete().where(TAGS.c.value == "NEW"))
    for _ in range(2):
        versions.refresh(memory, KEYS)
        assert versions.agreed([FIRST]) == {}
    with _events(memory) as connection:
        connection.execute(TAGS.insert().values(**late._mapping))
    versions.refresh(memory, KEYS)
    assert versions.agreed([FIRST]) == {DAY: "NEW"}
    report(memory, FIRST, "THERE", str(NEXT_DAY))
    versions.refresh(memory, KEYS)
    assert versions.agreed([FIRST]) == {DAY: "NEW", NEXT_DAY: "THERE"}


def test_an_event_number_that_is_given_again_is_noticed(memory: DagsterInstance) -> None:
    """SQLite does so when the last events were deleted with their run."""
    versions = DataVersions()
    report(memory, FIRST, "OLD")
    run_id = report_in_run(memory, FIRST, "DELETED", str(DAY))
    versions.refresh(memory, KEYS)
    assert versions.agreed([FIRST]) == {DAY: "DELETED"}
    memory.delete_run(run_id)
    report(memory, FIRST, "NEW")
    versions.refresh(memory, KEYS)
    assert versions.agreed([FIRST]) == {DAY: "NEW"}


def _events(instance: DagsterInstance) -> Any:
    storage: Any = instance.event_log_storage
    return storage.index_connection()


def test_a_read_that_fails_is_made_up_for(
    memory: DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half of a read would stay half."""
    from autoflow_dagster import data_versions

    versions = DataVersions()
    for key in KEYS:
        report(memory, key, "A")
    versions.refresh(memory, KEYS)
    for key in KEYS:
        report(memory, key, "B")

    def failing(*_: object) -> None:
        raise OSError("DUMMY")

    with monkeypatch.context() as patched:
        patched.setattr(data_versions, "_latest_versions", failing)
        with pytest.raises(OSError, match="DUMMY"):
            versions.refresh(memory, KEYS)
    versions.refresh(memory, KEYS)
    assert versions.agreed(KEYS) == {DAY: "B"}


def test_assets_come_and_go(memory: DagsterInstance) -> None:
    """Another workflows.yml; one that comes back is read as a whole."""
    versions = DataVersions()
    report(memory, FIRST, "A")
    report(memory, SECOND, "A")
    versions.refresh(memory, [FIRST])
    versions.refresh(memory, [FIRST, SECOND])
    assert versions.agreed([FIRST, SECOND]) == {DAY: "A"}
    versions.refresh(memory, [SECOND])
    report(memory, FIRST, "B")
    versions.refresh(memory, [FIRST, SECOND])
    assert versions.agreed([FIRST]) == {DAY: "B"}
    versions.refresh(memory, [])


def test_partitions_that_are_no_dates_are_ignored(memory: DagsterInstance) -> None:
    """Added by hand."""
    versions = DataVersions()
    for partition in ("DUMMY", "2016-02-30", "2016-01-01"):
        report(memory, FIRST, "A", partition)
    versions.refresh(memory, [FIRST])
    assert versions.agreed([FIRST]) == {DAY: "A"}
