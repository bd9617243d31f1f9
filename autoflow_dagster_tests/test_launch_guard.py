"""What keeps two daemons from doing the same work twice."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Iterator
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

import pytest
from dagster import AssetKey, DagsterInstance, DagsterRun, DagsterRunStatus

from autoflow_dagster.launch_guard import one_at_a_time, rival_of
from autoflow_dagster_tests.postgres_server import PostgresServer
from autoflow_dagster_tests.storages import SQLITE_AND_POSTGRES

REQUESTED = {
    "dagster/sensor_name": "DUMMY_SENSOR",
    "autoflow/config": "flows",
    "autoflow/parameters_hash": "HASH",
}
BY_HAND = {name: value for name, value in REQUESTED.items() if "sensor" not in name}


@pytest.fixture
def memory() -> Iterator[DagsterInstance]:
    """An instance in memory."""
    with DagsterInstance.ephemeral() as instance:
        yield instance


def add(
    instance: DagsterInstance,
    status: DagsterRunStatus = DagsterRunStatus.STARTING,
    tags: dict[str, str] | None = None,
    **fields: Any,
) -> DagsterRun:
    """Record a run; by default one that the sensor has requested."""
    return instance.add_run(DagsterRun("flows", status=status, tags=tags or REQUESTED, **fields))


class TestRivals:
    """Which run does the work of another one."""

    @pytest.mark.parametrize(
        "status",
        [DagsterRunStatus.NOT_STARTED, DagsterRunStatus.STARTED, DagsterRunStatus.CANCELING],
    )
    def test_an_earlier_run_that_is_unfinished(
        self, memory: DagsterInstance, status: DagsterRunStatus
    ) -> None:
        """Whoever launched it; the earlier one itself has no rival."""
        first = add(memory, status, BY_HAND)
        assert rival_of(memory, add(memory)) == first
        assert rival_of(memory, first) is None

    def test_an_earlier_run_that_succeeded_meanwhile(self, memory: DagsterInstance) -> None:
        """After the later one had been created; one before it is history: an asset was wiped."""
        first = add(memory)
        later = add(memory)
        memory.report_dagster_event(_success(first), first.run_id)
        rival = rival_of(memory, later)
        assert rival is not None
        assert rival.run_id == first.run_id

    def test_a_later_run_that_somebody_wanted(self, memory: DagsterInstance) -> None:
        """It overtook one that was queued: while it runs, and when it has succeeded."""
        queued = add(memory)
        wanted = add(memory, DagsterRunStatus.STARTED, BY_HAND)
        assert rival_of(memory, queued) == wanted
        memory.report_dagster_event(_success(wanted), wanted.run_id)
        rival = rival_of(memory, queued)
        assert rival is not None
        assert rival.run_id == wanted.run_id

    def test_a_later_run_that_was_requested_is_none(self, memory: DagsterInstance) -> None:
        """The earlier one is its rival: one of the two has to do the work."""
        first, later = add(memory), add(memory)
        assert rival_of(memory, first) is None
        assert rival_of(memory, later) == first

    def test_a_run_of_a_part_is_none(self, memory: DagsterInstance) -> None:
        """Unless the other one is of that part, too."""
        part = frozenset({AssetKey(["flows", "report"])})
        only_a_part = add(memory, tags=BY_HAND, asset_selection=part)
        assert rival_of(memory, add(memory)) is None
        assert rival_of(memory, add(memory, asset_selection=part)) == only_a_part

    def test_an_earlier_success_is_none(self, memory: DagsterInstance) -> None:
        """Seconds before: SQLite does not tell more exactly."""
        first = add(memory)
        memory.report_dagster_event(_success(first), first.run_id)
        time.sleep(1.1)
        assert rival_of(memory, add(memory)) is None

    @pytest.mark.parametrize("end", ["report_run_failed", "report_run_canceled"])
    def test_a_run_that_ended_badly_is_none(self, memory: DagsterInstance, end: str) -> None:
        """The later one is the next attempt."""
        first = add(memory)
        later = add(memory)
        getattr(memory, end)(first)
        assert rival_of(memory, later) is None

    def test_what_somebody_wanted_has_no_rival(self, memory: DagsterInstance) -> None:
        """Launched by hand, or re-executed with the tags of the first run."""
        first = add(memory)
        assert rival_of(memory, add(memory, tags=BY_HAND)) is None
        again = add(memory, parent_run_id=first.run_id, root_run_id=first.run_id)
        assert rival_of(memory, again) is None

    @pytest.mark.parametrize("name", ["autoflow/config", "autoflow/parameters_hash"])
    def test_other_work_is_no_rival(self, memory: DagsterInstance, name: str) -> None:
        """Another config, or other parameters."""
        add(memory, tags={**REQUESTED, name: "OTHER"})
        assert rival_of(memory, add(memory)) is None

    def test_a_run_that_was_deleted_has_no_rival(self, memory: DagsterInstance) -> None:
        """Between its launch and the question."""
        add(memory)
        later = add(memory)
        memory.delete_run(later.run_id)
        assert rival_of(memory, later) is None


def _success(run: DagsterRun) -> Any:
    from dagster import DagsterEvent

    return DagsterEvent(event_type_value="PIPELINE_SUCCESS", job_name=run.job_name)


@pytest.mark.integration
@pytest.mark.parametrize("storage", SQLITE_AND_POSTGRES)
def test_one_process_launches_at_a_time(tmp_path: Path, storage: str) -> None:
    """The next one goes on when the first is killed."""
    if storage == "sqlite":
        _check_lock(tmp_path, {})
        return
    with PostgresServer("DUMMY") as server:
        url = server.uri.replace("{}", "DUMMY").replace("postgresql:", "postgresql+psycopg2:")
        _check_lock(tmp_path, {"storage": {"postgres": {"postgres_url": url}}})


def _check_lock(home: Path, overrides: dict[str, Any]) -> None:
    context = multiprocessing.get_context("spawn")
    with DagsterInstance.local_temp(str(home), overrides):
        pass  # its tables are made once
    has_lock, second_has_lock = context.Event(), context.Event()
    first = context.Process(target=_hold_lock, args=(str(home), overrides, has_lock))
    second = context.Process(target=_hold_lock, args=(str(home), overrides, second_has_lock))
    try:
        first.start()
        assert has_lock.wait(60)
        second.start()
        assert not second_has_lock.wait(5)
        first.kill()
        assert second_has_lock.wait(60)
    finally:
        for process in (first, second):
            if process.pid is not None:
                process.kill()
                process.join()


def _hold_lock(home: str, overrides: dict[str, Any], has_lock: Event) -> None:
    with DagsterInstance.local_temp(home, overrides) as instance, one_at_a_time(instance):
        has_lock.set()
        time.sleep(600)
