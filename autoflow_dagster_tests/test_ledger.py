"""The ledger: what has been run, read from Dagster's own storage."""

from __future__ import annotations

import inspect
import json
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster import DagsterEventType, DagsterInstance, DagsterRun, DagsterRunStatus

from autoflow_dagster.assets import build_assets
from autoflow_dagster.data_versions import DATA_VERSION_TAG, DataVersions
from autoflow_dagster.jobs import job_specs
from autoflow_dagster.ledger import (
    FAILED_NOTEBOOK_METADATA,
    NO_DATA_METADATA,
    PATH_METADATA,
    LatestOutput,
    asset_keys,
    failed_notebook,
    failure_text,
    last_attempts,
    latest_output,
    notebook_asset_key,
    queued_runs,
    read_histories,
    report_asset_key,
    report_asset_keys,
)
from autoflow_dagster.naming import parameters_hash
from autoflow_dagster.planning import History
from autoflow_dagster.settings import Settings
from autoflow_dagster.workflows import (
    Notebook,
    Output,
    Workflow,
    WorkflowConfig,
    WorkflowDefinitions,
)

DAY, NEXT_DAY = date(2016, 1, 1), date(2016, 1, 2)
IMPLICIT_JOB = "__ASSET_JOB"
"""Dagster's name for the job behind the asset page's button."""

CHAIN = Workflow(
    "DUMMY",
    {
        "first": Notebook("first", "first.ipynb"),
        "second": Notebook(
            "second", "second.ipynb", {"path": "first"}, output=Output(("pdf", "html"))
        ),
    },
)
FLOWS, OTHER = WorkflowConfig("flows", CHAIN), WorkflowConfig("other", CHAIN)
KEYS = asset_keys("flows", CHAIN)


@pytest.fixture(scope="module")
def empty_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a DAGSTER_HOME with empty SQLite files: making them takes seconds, copying does not."""
    home = tmp_path_factory.mktemp("home")
    with DagsterInstance.local_temp(str(home)) as made:
        made.get_runs()
        made.get_asset_keys()
    return home


def copied(home: Path, tmp_path: Path) -> str:
    """Return the path of a copy of a DAGSTER_HOME."""
    return str(shutil.copytree(home, tmp_path / "home"))


@pytest.fixture(params=["sqlite", "memory"])
def instance(
    request: pytest.FixtureRequest, tmp_path: Path, empty_home: Path
) -> Iterator[DagsterInstance]:
    """Return an instance on SQLite files, as a user has it, and one in memory."""
    if request.param == "memory":
        made = DagsterInstance.ephemeral()
    else:
        made = DagsterInstance.local_temp(copied(empty_home, tmp_path))
    with made:
        yield made


@pytest.fixture
def memory() -> Iterator[DagsterInstance]:
    """Return an instance in memory: for what does not depend on the storage."""
    with DagsterInstance.ephemeral() as made:
        yield made


def report(
    instance: DagsterInstance, key: dg.AssetKey, version: str | None, day: date | str = DAY
) -> None:
    """Record that an asset was materialized for a date, with a parameters hash or without."""
    tags = {DATA_VERSION_TAG: version} if version else {}
    instance.report_runless_asset_event(
        dg.AssetMaterialization(key, partition=str(day), tags=tags, metadata={PATH_METADATA: "x"})
    )


def add_run(
    instance: DagsterInstance,
    status: DagsterRunStatus = DagsterRunStatus.STARTED,
    job: str = "flows",
    day: date | str | None = DAY,
    params_hash: str | None = "HASH",
    config: str | None = "flows",
    attempt: int | str | None = None,
    assets: tuple[dg.AssetKey, ...] | None = None,
) -> DagsterRun:
    """Record a run with the tags that the sensor and the jobs give it."""
    tags = {
        "dagster/partition": day and str(day),
        "autoflow/config": config,
        "autoflow/parameters_hash": params_hash,
        "autoflow/attempt": attempt and str(attempt),
    }
    is_queued = status is DagsterRunStatus.QUEUED
    run = DagsterRun(
        job_name=job,
        status=status,
        remote_job_origin=_job_origin(job) if is_queued else None,
        tags={name: value for name, value in tags.items() if value},
        asset_selection=frozenset(assets) if assets else None,
    )
    return instance.add_run(run)


def _job_origin(job: str) -> Any:
    """Return where a job is defined, without which Dagster queues nothing."""
    from dagster._core.remote_origin import (
        InProcessCodeLocationOrigin,
        RemoteJobOrigin,
        RemoteRepositoryOrigin,
    )
    from dagster._core.types.loadable_target_origin import LoadableTargetOrigin

    target = LoadableTargetOrigin(executable_path=sys.executable, module_name="DUMMY")
    location = InProcessCodeLocationOrigin(target)
    return RemoteJobOrigin(RemoteRepositoryOrigin(location, "__repository__"), job)


def history(instance: DagsterInstance) -> History:
    """Return what the ledger knows about the config "flows"."""
    return read_histories(instance, [FLOWS, OTHER])["flows"]


def test_a_job_has_an_asset_for_every_notebook_and_report() -> None:
    """Notebooks first; each format of a report is one asset."""
    assert [key.to_user_string() for key in KEYS] == [
        "flows/first",
        "flows/second",
        "flows/second_pdf",
        "flows/second_html",
    ]
    assert KEYS[0] == notebook_asset_key("flows", "first")
    assert KEYS[2:] == report_asset_keys("flows", CHAIN)
    assert KEYS[3] == report_asset_key("flows", "second", "html")


class TestDone:
    """A date is done when all assets of the config agree on it."""

    @pytest.mark.parametrize(
        ("versions", "done", "executed"),
        [
            (["A", "A", "A", "A"], {DAY: "A"}, {DAY: "A"}),
            (["A", "A", "A", None], {}, {DAY: "A"}),
            (["A", "A", None, None], {}, {DAY: "A"}),
            (["A", None, None, None], {}, {}),
            ([None, "A", "A", "A"], {}, {}),
            (["A", "A", "A", "B"], {}, {DAY: "A"}),
            (["A", "B", "B", "B"], {}, {}),
            (["B", "A", "A", "A"], {}, {}),
            ([None, None, None, None], {}, {}),
        ],
    )
    def test_all_assets_have_to_agree(
        self,
        memory: DagsterInstance,
        versions: list[str | None],
        done: dict[date, str],
        executed: dict[date, str],
    ) -> None:
        """The same parameters hash for notebooks and reports; notebooks alone are "executed"."""
        for key, version in zip(KEYS, versions, strict=True):
            if version:
                report(memory, key, version)
        found = history(memory)
        assert (found.done, found.executed) == (done, executed)

    def test_the_latest_materialization_counts(self, instance: DagsterInstance) -> None:
        """Whichever run it came from; other dates and configs are not touched."""
        for day in (DAY, NEXT_DAY):
            for key in KEYS:
                report(instance, key, "OLD", day)
        for key in KEYS:
            report(instance, key, "NEW", DAY)
        assert history(instance).done == {DAY: "NEW", NEXT_DAY: "OLD"}
        assert read_histories(instance, [OTHER])["other"] == History()
        report(instance, KEYS[1], "NEWER", DAY)
        assert history(instance).done == {NEXT_DAY: "OLD"}

    def test_a_materialization_without_a_hash_is_not_ours(self, memory: DagsterInstance) -> None:
        """Somebody reported one in the UI: the date has to run again to be sure."""
        for key in KEYS:
            report(memory, key, "HASH")
        report(memory, KEYS[0], None)
        assert history(memory).done == {}

    def test_wiping_an_asset_makes_its_dates_due(self, instance: DagsterInstance) -> None:
        """One asset is enough; materializing it again makes them done."""
        for key in KEYS:
            report(instance, key, "HASH")
        assert history(instance).done == {DAY: "HASH"}
        instance.wipe_assets([KEYS[2]])
        found = history(instance)
        assert (found.done, found.executed) == ({}, {DAY: "HASH"})
        report(instance, KEYS[2], "HASH")
        assert history(instance).done == {DAY: "HASH"}
        instance.wipe_assets([KEYS[0]])
        assert (history(instance).done, history(instance).executed) == ({}, {})

    def test_partitions_that_are_no_dates_are_ignored(self, memory: DagsterInstance) -> None:
        """Added by hand in the UI."""
        for key in KEYS:
            for day in ("DUMMY", "2016-02-30", DAY):
                report(memory, key, "HASH", day)
        assert history(memory).done == {DAY: "HASH"}

    def test_a_workflow_without_reports_is_done_with_its_notebooks(
        self, memory: DagsterInstance
    ) -> None:
        """There is nothing else to wait for."""
        one = WorkflowConfig("one", Workflow("ONE", {"only": Notebook("only", "only.ipynb")}))
        report(memory, notebook_asset_key("one", "only"), "HASH")
        assert read_histories(memory, [one])["one"].done == {DAY: "HASH"}


class TestRunning:
    """Queued and running runs, whatever launched them."""

    @pytest.mark.parametrize("status", list(DagsterRunStatus))
    def test_every_status_is_running_or_ended(
        self, memory: DagsterInstance, status: DagsterRunStatus
    ) -> None:
        """One that a later Dagster adds counts as running: nothing is done twice."""
        run = add_run(memory, status)
        ended = {"SUCCESS", "FAILURE", "CANCELED", "MANAGED"}
        expected = {} if status.value in ended else {DAY: run.run_id}
        assert history(memory).running == expected

    def test_a_run_from_the_asset_page_counts(self, instance: DagsterInstance) -> None:
        """It belongs to Dagster's implicit job: its assets tell whose it is."""
        run = add_run(instance, job=IMPLICIT_JOB, config=None, params_hash=None, assets=(KEYS[1],))
        assert history(instance).running == {DAY: run.run_id}
        assert read_histories(instance, [OTHER])["other"].running == {}

    def test_a_run_over_assets_of_two_jobs_counts_for_both(self, memory: DagsterInstance) -> None:
        """Everything can be selected on the asset page."""
        assets = (KEYS[0], notebook_asset_key("other", "second"))
        run = add_run(memory, job=IMPLICIT_JOB, config=None, assets=assets)
        found = read_histories(memory, [FLOWS, OTHER])
        assert [found[name].running for name in ("flows", "other")] == [{DAY: run.run_id}] * 2

    @pytest.mark.parametrize(
        "fields",
        [
            {"job": "somebody_elses", "config": None},
            {"job": "other", "config": "other"},
            {"day": None},
            {"day": "DUMMY"},
            {"job": IMPLICIT_JOB, "assets": (dg.AssetKey("somebody_elses"),)},
        ],
    )
    def test_other_runs_do_not(self, memory: DagsterInstance, fields: dict[str, Any]) -> None:
        """Other jobs and assets, and runs without a date."""
        add_run(memory, **fields)
        assert history(memory).running == {}


class TestAttempts:
    """Runs that ended without success."""

    def test_failed_and_cancelled_runs_are_attempts(self, instance: DagsterInstance) -> None:
        """By date and parameters hash, in the order they were launched, with their end."""
        before = datetime.now(UTC)
        runs = [add_run(instance) for _ in range(3)]
        instance.report_run_failed(runs[0])
        instance.report_run_canceled(runs[1])
        instance.report_run_failed(runs[2])
        after = datetime.now(UTC)
        made = history(instance).attempts[DAY, "HASH"]
        assert [attempt.run_id for attempt in made] == [run.run_id for run in runs]
        assert [attempt.was_cancelled for attempt in made] == [False, True, False]
        ends = [attempt.ended_at for attempt in made]
        assert [before, *ends, after] == sorted([before, *ends, after])

    @pytest.mark.parametrize("zone", ["Asia/Kathmandu"])
    def test_a_run_that_never_said_when_it_ended_ended_when_it_was_last_seen(
        self, instance: DagsterInstance, monkeypatch: pytest.MonkeyPatch, zone: str
    ) -> None:
        """In UTC, whatever this machine's time zone."""
        monkeypatch.setenv("TZ", zone)
        time.tzset()
        try:
            add_run(instance, DagsterRunStatus.FAILURE)
            [attempt] = history(instance).attempts[DAY, "HASH"]
        finally:
            monkeypatch.undo()
            time.tzset()
        assert abs(attempt.ended_at - datetime.now(UTC)) < timedelta(seconds=30)

    @pytest.mark.parametrize(
        "fields",
        [
            {"config": None},
            {"config": "other"},
            {"params_hash": None},
            {"day": None},
            {"day": "DUMMY"},
            {"status": DagsterRunStatus.SUCCESS},
            {"status": DagsterRunStatus.STARTED},
        ],
    )
    def test_other_runs_are_not(self, memory: DagsterInstance, fields: dict[str, Any]) -> None:
        """Without the tags of a config's job nobody knows with what parameters it ran."""
        add_run(memory, **({"status": DagsterRunStatus.FAILURE} | fields))
        assert dict(history(memory).attempts) == {}

    def test_a_config_that_is_gone_is_ignored(self, memory: DagsterInstance) -> None:
        """Its runs stay in the storage for years."""
        add_run(memory, DagsterRunStatus.FAILURE, job="gone", config="gone")
        assert dict(history(memory).attempts) == {}


class TestRunKeys:
    """The number of a date's last attempt, for the next run key."""

    def test_it_is_the_highest_of_any_run(self, instance: DagsterInstance) -> None:
        """Whatever became of it; runs that the sensor did not request have none."""
        for attempt, status in ((1, "FAILURE"), (3, "SUCCESS"), (2, "CANCELED"), (None, "STARTED")):
            add_run(instance, DagsterRunStatus[status], attempt=attempt)
        add_run(instance, params_hash="SECOND", attempt=10)
        add_run(instance, params_hash="BY_HAND")
        add_run(instance, params_hash="ODD", attempt="DUMMY")
        add_run(instance, config="other", job="other", attempt=20)
        hashes = ["HASH", "SECOND", "BY_HAND", "ODD", "ABSENT"]
        assert last_attempts(instance, hashes) == {
            ("flows", "HASH"): 3,
            ("flows", "SECOND"): 10,
            ("other", "HASH"): 20,
        }

    def test_a_deleted_run_frees_no_key(self, instance: DagsterInstance) -> None:
        """The keys of the others stay spent: counting runs would give one a second time."""
        runs = [add_run(instance, attempt=number) for number in (1, 2)]
        instance.delete_run(runs[0].run_id)
        assert last_attempts(instance, ["HASH"]) == {("flows", "HASH"): 2}

    def test_no_dates_need_no_query(self, memory: DagsterInstance) -> None:
        """An empty list must not mean all runs."""
        add_run(memory, attempt=1)
        assert last_attempts(memory, []) == {}


class TestQueue:
    """How much waits in Dagster's queue."""

    def test_queued_runs_of_the_configs_are_counted(self, instance: DagsterInstance) -> None:
        """Neither running ones nor those of other jobs."""
        for status in (DagsterRunStatus.QUEUED, DagsterRunStatus.QUEUED, DagsterRunStatus.STARTED):
            add_run(instance, status)
        add_run(instance, DagsterRunStatus.QUEUED, config="other", job="other")
        add_run(instance, DagsterRunStatus.QUEUED, config=None, job="somebody_elses")
        assert queued_runs(instance, ["flows"], up_to=3) == 2
        assert queued_runs(instance, ["flows", "other"], up_to=3) == 3
        assert queued_runs(instance, ["flows"], up_to=4) == 4


class TestTrouble:
    """One config's trouble never stops another's."""

    def test_a_config_that_cannot_be_read_is_left_out(
        self, memory: DagsterInstance, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """With what is the matter; without a receiver it is raised."""
        for key in KEYS:
            report(memory, key, "HASH")
        read = DataVersions.agreed

        def failing(self: DataVersions, keys: Sequence[dg.AssetKey]) -> Any:
            if notebook_asset_key("other", "first") in keys:
                raise OSError("DUMMY: the disk is broken here")
            return read(self, keys)

        monkeypatch.setattr(DataVersions, "agreed", failing)
        troubles: dict[str, str] = {}

        def note(config: WorkflowConfig, error: Exception) -> None:
            troubles[config.name] = str(error)

        found = read_histories(memory, [OTHER, FLOWS], note)
        assert {name: history.done for name, history in found.items()} == {"flows": {DAY: "HASH"}}
        assert troubles == {"other": "DUMMY: the disk is broken here"}
        with pytest.raises(OSError, match="DUMMY"):
            read_histories(memory, [OTHER, FLOWS])


class TestLatestOutput:
    """Where the file of an asset is."""

    def test_it_is_the_latest_of_the_partition(self, instance: DagsterInstance) -> None:
        """Below the outputs directory of today, wherever that was when it was written."""
        for path, day, version in (
            ("notebooks/old.ipynb", DAY, "OLD"),
            ("notebooks/new.ipynb", DAY, "NEW"),
            ("notebooks/next.ipynb", NEXT_DAY, "NEXT"),
        ):
            instance.report_runless_asset_event(
                dg.AssetMaterialization(
                    KEYS[0],
                    partition=str(day),
                    metadata={PATH_METADATA: path, "cells": 3},
                    tags={DATA_VERSION_TAG: version},
                )
            )
        outputs = Path("/outputs")
        assert latest_output(instance, KEYS[0], "2016-01-01", outputs) == LatestOutput(
            path=outputs / "notebooks/new.ipynb",
            params_hash="NEW",
            no_data=None,
            metadata={PATH_METADATA: "notebooks/new.ipynb", "cells": 3},
        )
        assert latest_output(instance, KEYS[0], "2016-01-03", outputs) is None
        assert latest_output(instance, KEYS[1], "2016-01-01", outputs) is None

    def test_a_workflow_without_a_config_has_no_partition(self, memory: DagsterInstance) -> None:
        """Its latest materialization is the latest of all."""
        memory.report_runless_asset_event(
            dg.AssetMaterialization(KEYS[0], metadata={PATH_METADATA: "notebooks/x.ipynb"})
        )
        found = latest_output(memory, KEYS[0], None, Path("/outputs"))
        assert found is not None
        assert (found.path, found.params_hash) == (Path("/outputs/notebooks/x.ipynb"), "")

    def test_a_materialization_without_data_has_a_reason_and_no_file(
        self, memory: DagsterInstance
    ) -> None:
        """One that somebody reported in the UI has neither."""
        for metadata, expected in (({NO_DATA_METADATA: "no calls"}, "no calls"), ({}, None)):
            memory.report_runless_asset_event(
                dg.AssetMaterialization(KEYS[0], partition=str(DAY), metadata=metadata)
            )
            found = latest_output(memory, KEYS[0], str(DAY), Path("/outputs"))
            assert found is not None
            assert (found.path, found.no_data) == (None, expected)


class TestFailureText:
    """What a run failed with."""

    @pytest.mark.parametrize(
        ("error", "expected"),
        [
            (dg.Failure("DUMMY message", allow_retries=False), "DUMMY message"),
            (ValueError("DUMMY value"), "ValueError: DUMMY value"),
        ],
    )
    def test_it_is_the_message_of_the_step(
        self, memory: DagsterInstance, error: Exception, expected: str
    ) -> None:
        """Ours, or Python's."""

        @dg.asset
        def failing() -> None:
            raise error

        result = dg.materialize([failing], instance=memory, raise_on_error=False)
        assert failure_text(memory, result.run_id) == expected

    def test_a_run_that_died_says_what_dagster_says(self, memory: DagsterInstance) -> None:
        """No step has failed when its process was killed."""
        run = add_run(memory)
        memory.report_run_failed(run, message="DUMMY: the worker has gone")
        assert failure_text(memory, run.run_id) == "DUMMY: the worker has gone"

    def test_a_run_that_says_nothing_gets_a_sentence(self, memory: DagsterInstance) -> None:
        """Never an empty message."""
        run = add_run(memory, DagsterRunStatus.FAILURE)
        assert failure_text(memory, run.run_id) == "the run ended before it could say why"
        assert failed_notebook(memory, run.run_id) is None

    def test_the_kept_notebook_of_the_first_failed_step_is_found(
        self, memory: DagsterInstance
    ) -> None:
        """Its metadata says where it lies; other steps keep none."""

        @dg.asset
        def keeping() -> None:
            kept = dg.MetadataValue.path("/outputs/failed/x.ipynb")
            raise dg.Failure("DUMMY", metadata={FAILED_NOTEBOOK_METADATA: kept})

        @dg.asset
        def failing() -> None:
            raise ValueError("DUMMY")

        result = dg.materialize([keeping, failing], instance=memory, raise_on_error=False)
        found = failed_notebook(memory, result.run_id)
        assert found == ("keeping", Path("/outputs/failed/x.ipynb"))


class TestStorageApi:
    """The one query that is not part of Dagster's public API."""

    def test_its_signature_is_what_we_call(self) -> None:
        """On the storages that we support; a failure here means that ledger.py has to change."""
        from dagster._core.storage.event_log import EventLogStorage, SqliteEventLogStorage
        from dagster_postgres import PostgresEventLogStorage

        for storage in (EventLogStorage, SqliteEventLogStorage, PostgresEventLogStorage):
            signature = inspect.signature(storage.get_latest_tags_by_partition)
            assert list(signature.parameters) == [
                "self",
                "asset_key",
                "event_type",
                "tag_keys",
                "asset_partitions",
                "before_cursor",
                "after_cursor",
            ]

    def test_its_result_is_what_we_read(self, instance: DagsterInstance) -> None:
        """By partition, then by tag; the tags of the latest materialization and no other."""
        report(instance, KEYS[0], "OLD")
        report(instance, KEYS[0], "NEW")
        report(instance, KEYS[0], "NEXT", NEXT_DAY)
        assert instance.event_log_storage.get_latest_tags_by_partition(
            KEYS[0], DagsterEventType.ASSET_MATERIALIZATION, [DATA_VERSION_TAG]
        ) == {
            "2016-01-01": {DATA_VERSION_TAG: "NEW"},
            "2016-01-02": {DATA_VERSION_TAG: "NEXT"},
        }

    def test_dagster_still_calls_the_tag_so(self) -> None:
        """It is written by Dagster, from the data version that our assets return."""
        from dagster._core.definitions.data_version import DATA_VERSION_TAG as DAGSTERS

        assert DAGSTERS == DATA_VERSION_TAG


@pytest.mark.integration
def test_materializing_real_assets_makes_a_date_done(tmp_path: Path, empty_home: Path) -> None:
    """A real notebook in a real kernel, through Dagster, on SQLite: done, and failed."""
    inputs = tmp_path / "inputs"
    inputs.mkdir()
    source = "assert reference_date != '2016-01-02', 'DUMMY failure'"
    (inputs / "only.ipynb").write_text(
        json.dumps(
            {
                "cells": [
                    {
                        "cell_type": "code",
                        "execution_count": None,
                        "id": "a",
                        "metadata": {},
                        "outputs": [],
                        "source": source,
                    }
                ],
                "metadata": {
                    "kernelspec": {"name": "python3", "display_name": "x", "language": "python"}
                },
                "nbformat": 4,
                "nbformat_minor": 5,
            }
        )
    )
    workflow = Workflow(
        "ONE", {"only": Notebook("only", "only.ipynb", {"reference_date": "reference_date"})}
    )
    config = WorkflowConfig("one", workflow, {})
    settings = Settings.from_environ(
        {
            "AUTOFLOW_INPUTS_DIR": str(inputs),
            "AUTOFLOW_OUTPUTS_DIR": str(tmp_path / "outputs"),
            "PATH": str(Path(sys.executable).parent),
        }
    )
    [spec] = job_specs(WorkflowDefinitions({"ONE": workflow}, (config,), None), settings)
    assets = build_assets(spec)
    with DagsterInstance.local_temp(copied(empty_home, tmp_path)) as instance:
        instance.add_dynamic_partitions("one", ["2016-01-01", "2016-01-02"])
        assert dg.materialize(assets, instance=instance, partition_key="2016-01-01").success
        failed = dg.materialize(
            assets, instance=instance, partition_key="2016-01-02", raise_on_error=False
        )
        assert not failed.success
        expected = parameters_hash({}, DAY, config.date_stencil.date_ranges(DAY))
        found = read_histories(instance, [config])["one"]
        assert (found.done, found.executed, found.running) == ({DAY: expected}, found.done, {})
        output = latest_output(instance, notebook_asset_key("one", "only"), str(DAY), tmp_path)
        assert output is not None
        assert output.params_hash == expected
        assert failure_text(instance, failed.run_id).splitlines()[0] == (
            "Notebook only.ipynb stopped at cell 1 of 1 for reference date 2016-01-02: "
            "AssertionError: DUMMY failure"
        )
