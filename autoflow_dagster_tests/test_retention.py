"""Old runs and files go; what has been done stays known, and the newest files stay."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
from dagster import DagsterInstance, DagsterRunStatus

from autoflow_dagster.build import build_defs
from autoflow_dagster.dates.date_hashes import DateHashes
from autoflow_dagster.instance_home import prepare_home
from autoflow_dagster.ledger import latest_output, notebook_asset_key, read_histories
from autoflow_dagster.materialization import materialized
from autoflow_dagster.naming import TAG_CONFIG, TAG_PARAMETERS_HASH
from autoflow_dagster.retention import KEPT_FROM_RUN_METADATA, delete_run, old_outputs, old_runs
from autoflow_dagster.retention_job import JOB_NAME
from autoflow_dagster.settings import Settings
from autoflow_dagster.site import DateRecord, Document, SiteState, links, record_run
from autoflow_dagster.workflows import (
    Notebook,
    Workflow,
    WorkflowConfig,
    WorkflowDefinitions,
)
from autoflow_dagster_tests.site_samples import notebook_text

DAY, NEXT_DAY = date(2016, 1, 1), date(2016, 1, 2)
OLD_HASH, NEW_HASH = "a" * 32, "b" * 32
CONFIG = WorkflowConfig("flows", Workflow("DUMMY", {"first": Notebook("first", "first.ipynb")}))
KEY = notebook_asset_key("flows", "first")
LATER = datetime.now(UTC) + timedelta(days=1)


@pytest.fixture(scope="module")
def empty_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A DAGSTER_HOME with empty SQLite files: making them takes seconds, copying does not."""
    home = tmp_path_factory.mktemp("home")
    with DagsterInstance.local_temp(str(home)) as made:
        made.get_runs()
        made.get_asset_keys()
    return home


@pytest.fixture
def instance(tmp_path: Path, empty_home: Path) -> Iterator[DagsterInstance]:
    """An instance on SQLite files."""
    shutil.copytree(empty_home, tmp_path / "home")
    with DagsterInstance.local_temp(str(tmp_path / "home")) as made:
        made.add_dynamic_partitions("flows", [str(DAY), str(NEXT_DAY)])
        yield made


def run(
    instance: DagsterInstance, day: date = DAY, params_hash: str = OLD_HASH, path: str = "x"
) -> str:
    """Run a job that materializes the only asset; return the run's id."""

    @dg.asset(key=KEY, partitions_def=dg.DynamicPartitionsDefinition(name="flows"))
    def first() -> dg.MaterializeResult[None]:
        if not path:
            raise dg.Failure("told to fail", allow_retries=False)
        return materialized(params_hash, {"path": path})

    result = dg.materialize(
        [first],
        instance=instance,
        partition_key=str(day),
        tags={TAG_CONFIG: "flows", TAG_PARAMETERS_HASH: params_hash},
        raise_on_error=False,
    )
    return result.run_id


def present_hash(day: date) -> str:
    """Return the parameters hash of a date with the config as it is."""
    return DateHashes(CONFIG.parameters, CONFIG.date_stencil)(day)


def old_ids(instance: DagsterInstance, keep: timedelta | int = timedelta(days=-1)) -> list[str]:
    """Return the ids of runs that may be deleted; without an age or a number all that may be."""
    return [record.dagster_run.run_id for record in old_runs(instance, [CONFIG], keep)]


def test_what_was_done_is_known_after_its_run_was_deleted(instance: DagsterInstance) -> None:
    """Version, path and all; and a second deletion of nothing changes nothing."""
    first, second = run(instance), run(instance, NEXT_DAY, path="y")
    assert old_ids(instance) == [first, second]
    assert old_ids(instance, timedelta(days=1)) == []
    assert [delete_run(instance, run_id) for run_id in (first, second)] == [1, 1]

    assert instance.get_runs() == []
    history = read_histories(instance, [CONFIG])["flows"]
    assert history.done == {DAY: OLD_HASH, NEXT_DAY: OLD_HASH}
    found = latest_output(instance, KEY, str(NEXT_DAY), Path("/outputs"))
    assert found is not None
    assert found.path == Path("/outputs/y")
    assert second in found.metadata[KEPT_FROM_RUN_METADATA]
    assert old_ids(instance) == []


def test_what_was_superseded_goes_for_good(instance: DagsterInstance) -> None:
    """The newer version is the ledger's, whichever run is deleted first."""
    old, new = run(instance, params_hash=OLD_HASH), run(instance, params_hash=NEW_HASH)
    assert delete_run(instance, old) == 0
    assert read_histories(instance, [CONFIG])["flows"].done == {DAY: NEW_HASH}
    assert delete_run(instance, new) == 1
    assert read_histories(instance, [CONFIG])["flows"].done == {DAY: NEW_HASH}
    assert len(instance.fetch_materializations(KEY, limit=10).records) == 1


def test_attempts_at_a_date_that_is_not_done_stay(instance: DagsterInstance) -> None:
    """They count for `max_attempts`; once it is done they are history."""
    failed = run(instance, params_hash=present_hash(DAY), path="")
    assert old_ids(instance) == []
    done = run(instance, params_hash=present_hash(DAY))
    assert old_ids(instance) == [failed, done]


@pytest.mark.parametrize(("max_attempts", "kept"), [(None, 1), (2, 2), (9, 3)])
def test_of_many_failed_attempts_those_that_count_stay(
    instance: DagsterInstance, max_attempts: int | None, kept: int
) -> None:
    """A date that fails every hour leaves thousands; those with other parameters count no more."""
    outdated = run(instance, params_hash=OLD_HASH, path="")
    failed = [run(instance, params_hash=present_hash(DAY), path="") for _ in range(3)]
    config = replace(CONFIG, max_attempts=max_attempts)
    old = [r.dagster_run.run_id for r in old_runs(instance, [config], timedelta(days=-1))]
    assert old == [outdated, *failed[: 3 - kept]]


def test_the_newest_runs_stay_when_they_are_counted(instance: DagsterInstance) -> None:
    """A failed attempt at a date that is not done stays though it is none of them."""
    attempt = run(instance, NEXT_DAY, present_hash(NEXT_DAY), path="")
    runs = [run(instance, params_hash=digit * 32) for digit in "abc"]
    assert [old_ids(instance, number) for number in (1, 2, 3, 4, 1000)] == [
        runs[:2],
        runs[:1],
        [],
        [],
        [],
    ]
    assert attempt not in old_ids(instance, 1)
    delete_run(instance, runs[0])
    assert old_ids(instance, 1) == runs[1:2]


def test_unfinished_runs_stay(instance: DagsterInstance) -> None:
    """However old they are."""
    instance.add_run(dg.DagsterRun("flows", status=DagsterRunStatus.STARTED))
    assert old_ids(instance) == []


def write(outputs: Path, name: str) -> Path:
    """Write an output file."""
    path = outputs / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


def name_of(
    params_hash: str, made_at: str, directory: str = "notebooks", more: str = ".ipynb"
) -> str:
    """Return the name of an output of config "flows" for the first day."""
    return f"{directory}/first__flows_{DAY}_{params_hash}__{made_at}{more}"


def test_the_newest_files_of_each_date_stay(instance: DagsterInstance, tmp_path: Path) -> None:
    """Superseded ones and failed ones go when they are old enough, and nothing else."""
    kept = [
        name_of(NEW_HASH, "20160103T000000Z"),
        name_of(NEW_HASH, "20160103T000000Z", "reports", ".pdf"),
        name_of(NEW_HASH, "20260101T000000Z", "notebooks/failed"),
        "notebooks/notes.ipynb",
        "reports/first__flows__20160101T000000Z.pdf",
    ]
    old = [
        name_of(OLD_HASH, "20160101T000000Z"),
        name_of(NEW_HASH, "20160102T000000Z"),
        name_of(NEW_HASH, "20160102T000000Z", "reports", ".pdf"),
        name_of(OLD_HASH, "20160101T000000Z", "notebooks/failed"),
    ]
    for name in (*kept, *old):
        write(tmp_path, name)
    run(instance, params_hash=OLD_HASH, path=old[0])
    run(instance, params_hash=NEW_HASH, path=kept[0])
    before = datetime(2020, 1, 1, tzinfo=UTC)
    assert old_outputs(instance, tmp_path, before) == sorted(tmp_path / name for name in old)
    assert old_outputs(instance, tmp_path, datetime(2016, 1, 1, tzinfo=UTC)) == []


def test_files_of_an_imported_history_stay(instance: DagsterInstance, tmp_path: Path) -> None:
    """The ledger has no path of them, and their names another hash: the original's of parameters."""
    older = write(tmp_path, name_of(OLD_HASH, "20160102T000000Z"))
    for params_hash in (OLD_HASH, "c" * 32):  # of two configs
        write(tmp_path, name_of(params_hash, "20160103T000000Z"))
    instance.report_runless_asset_event(
        dg.AssetMaterialization(KEY, partition=str(DAY), tags={"dagster/data_version": NEW_HASH})
    )
    assert old_outputs(instance, tmp_path, LATER) == [older]


def test_files_of_wiped_assets_stay(instance: DagsterInstance, tmp_path: Path) -> None:
    """Wiping makes all dates run again; until they have, there is nothing else."""
    only = name_of(NEW_HASH, "20160103T000000Z")
    write(tmp_path, only)
    run(instance, params_hash=NEW_HASH, path=only)
    instance.wipe_assets([KEY])
    assert old_outputs(instance, tmp_path, LATER) == []


def test_files_beside_a_new_ledger_stay(instance: DagsterInstance, tmp_path: Path) -> None:
    """As after a lost database."""
    write(tmp_path, name_of(NEW_HASH, "20160103T000000Z"))
    assert old_outputs(instance, tmp_path, LATER) == []


def test_a_run_stays_until_the_files_that_were_superseded_are_deleted(
    instance: DagsterInstance, tmp_path: Path
) -> None:
    """Nothing else knows that files made with other parameters may go."""
    made_at = f"{datetime.now(UTC) - timedelta(hours=1):%Y%m%dT%H%M%SZ}"
    names = [name_of(digest, made_at) for digest in (OLD_HASH, NEW_HASH)]
    for name in names:
        write(tmp_path, name)
    old = run(instance, params_hash=OLD_HASH, path=names[0])
    run(instance, params_hash=NEW_HASH, path=names[1])
    make_old(instance, tmp_path)
    job, _ = job_of(tmp_path, AUTOFLOW_KEEP_RUNS="1d", AUTOFLOW_KEEP_OUTPUTS="1d")
    assert job.execute_in_process(instance=instance).success
    assert instance.get_run_by_id(old) is not None
    (tmp_path / names[0]).unlink()
    assert job.execute_in_process(instance=instance).success
    assert instance.get_run_by_id(old) is None
    assert (tmp_path / names[1]).exists()


def test_of_two_files_of_one_second_the_later_one_stays(
    instance: DagsterInstance, tmp_path: Path
) -> None:
    """File names tell seconds; the second one has a number."""
    made_at = "20160103T000000Z"
    first = write(tmp_path, name_of(OLD_HASH, made_at))
    write(tmp_path, name_of(OLD_HASH, made_at, more="-2.ipynb"))
    run(instance, path=name_of(OLD_HASH, made_at, more="-2.ipynb"))
    assert old_outputs(instance, tmp_path, LATER) == [first]


def job_of(tmp_path: Path, **environ: str) -> tuple[dg.JobDefinition, int]:
    """Return the retention job and the number of its schedules."""
    settings = Settings.from_environ(
        {
            "AUTOFLOW_INPUTS_DIR": str(tmp_path),
            "AUTOFLOW_OUTPUTS_DIR": str(tmp_path),
            **environ,
        }
    )
    definitions = WorkflowDefinitions(
        workflows={CONFIG.workflow.name: CONFIG.workflow}, configs=(CONFIG,), schedule=None
    )
    repository = build_defs(definitions, settings).get_repository_def()
    return repository.get_job(JOB_NAME), len(repository.schedule_defs)


@pytest.mark.parametrize(
    ("value", "shown"),
    [("", "never (not set)"), ("30d", "older than 30 days"), ("7", "before the newest 7")],
)
def test_the_job_says_what_it_deletes(tmp_path: Path, value: str, shown: str) -> None:
    """In the UI, before anybody starts it."""
    job, schedules = job_of(tmp_path, AUTOFLOW_KEEP_RUNS=value)
    assert f"Deletes runs {shown} " in (job.description or "")
    assert schedules == bool(value)


def test_the_job_counts_runs(instance: DagsterInstance, tmp_path: Path) -> None:
    """And what was done in a deleted one stays done."""
    old, new = run(instance), run(instance, NEXT_DAY)
    job, _ = job_of(tmp_path, AUTOFLOW_KEEP_RUNS="1")
    assert job.execute_in_process(instance=instance).success
    assert instance.get_run_by_id(old) is None
    assert instance.get_run_by_id(new) is not None
    done = read_histories(instance, [CONFIG])["flows"].done
    assert done == {DAY: OLD_HASH, NEXT_DAY: OLD_HASH}


def test_the_site_does_not_link_to_what_the_job_deleted(
    instance: DagsterInstance, tmp_path: Path
) -> None:
    """The newer run's files stay, and are linked to."""
    names = [name_of(digest, "20160101T000000Z") for digest in (OLD_HASH, NEW_HASH)]
    for number, name in enumerate(names):
        write(tmp_path, name).write_text(notebook_text())
        site_record = DateRecord(
            config="flows",
            workflow="DUMMY",
            reference_date=DAY,
            state=SiteState.DONE,
            ended_at=datetime(2016, 1, 2 + number, tzinfo=UTC),
            run_id=str(number),
            documents=(Document(notebook="first", executed=name),),
        )
        record_run(tmp_path, site_record)
    page = tmp_path / links.month_page("flows", "2016-01")
    old, new = (
        links.relative(links.month_page("flows", "2016-01"), links.notebook_page(n)) for n in names
    )
    assert old in page.read_text()
    assert new in page.read_text()
    for name, digest in zip(names, (OLD_HASH, NEW_HASH), strict=True):
        run(instance, params_hash=digest, path=name)
    job, _ = job_of(tmp_path, AUTOFLOW_KEEP_OUTPUTS="1d")
    assert job.execute_in_process(instance=instance).success
    assert [(tmp_path / name).exists() for name in names] == [False, True]
    assert old not in page.read_text()
    assert new in page.read_text()


def make_old(instance: DagsterInstance, tmp_path: Path) -> None:
    """Let every run have ended two days ago."""
    import sqlite3

    connection = sqlite3.connect(tmp_path / "home" / "history" / "runs.db")
    with connection:
        connection.execute(
            "UPDATE runs SET create_timestamp = datetime('now', '-2 days'), "
            "end_time = end_time - 2 * 86400"
        )
    connection.close()


def test_the_job_deletes_daily_when_it_is_told_to(
    instance: DagsterInstance, tmp_path: Path
) -> None:
    """Off by default; visible all the same; with a dry run."""
    job, schedules = job_of(tmp_path)
    assert schedules == 0
    old = run(instance)
    make_old(instance, tmp_path)
    assert job.execute_in_process(instance=instance).success
    assert instance.get_run_by_id(old) is not None

    job, schedules = job_of(tmp_path, AUTOFLOW_KEEP_RUNS="1d", AUTOFLOW_KEEP_OUTPUTS="1 day")
    assert schedules == 1
    file = write(tmp_path, name_of(NEW_HASH, "20160101T000000Z"))
    newest = write(tmp_path, name_of(NEW_HASH, "20160102T000000Z"))
    dry = {"ops": {"delete_what_is_old": {"config": {"dry_run": True}}}}
    assert job.execute_in_process(instance=instance, run_config=dry).success
    assert instance.get_run_by_id(old) is not None
    assert file.exists()

    assert job.execute_in_process(instance=instance).success
    assert instance.get_run_by_id(old) is None
    assert not file.exists()
    assert newest.exists()
    assert read_histories(instance, [CONFIG])["flows"].done == {DAY: OLD_HASH}


def test_ticks_are_deleted_too(tmp_path: Path) -> None:
    """Whatever the settings say: a tick comes every few seconds, for years."""
    from dagster._core.definitions.run_request import InstigatorType
    from dagster._core.scheduler.instigation import TickStatus

    prepare_home(tmp_path, Settings())
    with DagsterInstance.from_config(str(tmp_path)) as instance:
        days = instance.get_tick_retention_settings(InstigatorType.SENSOR)
    assert days[TickStatus.SKIPPED] == 2
    assert days[TickStatus.SUCCESS] == days[TickStatus.FAILURE] == 30
