"""Dagster's storage when the service starts: waited for, upgraded once, and used alone."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path

import pytest
import sqlalchemy
from dagster import DagsterInstance

from autoflow_dagster.errors import SettingsError
from autoflow_dagster.instance_home import postgres_url, prepare_home
from autoflow_dagster.ledger import read_histories
from autoflow_dagster.service.home_lock import alone_in
from autoflow_dagster.service.storage import UPGRADE_LOCK, StorageError, open_storage
from autoflow_dagster.settings import Settings
from autoflow_dagster.workflows import Notebook, Workflow, WorkflowConfig
from autoflow_dagster_tests.postgres_server import PostgresServer
from autoflow_dagster_tests.storages import needs_postgres

OLD_DUMP = Path(__file__).parent / "data" / "dagster_1_6_postgres.sql"
OLD_SCHEMA = "46b412388816"
CONFIG = WorkflowConfig("count", Workflow("count", {"first": Notebook("first", "first.ipynb")}))


@pytest.fixture
def postgres() -> Iterator[PostgresServer]:
    """An empty database."""
    with PostgresServer("d/u:m%m@y") as server:
        yield server


def settings_for(postgres: PostgresServer, home: Path) -> Settings:
    """Return settings of a service on that database, its home prepared."""
    settings = Settings.from_environ(
        {"AUTOFLOW_DB_URI": postgres.uri, "AUTOFLOW_DB_PASSWORD": postgres.password}
    )
    prepare_home(home, settings)
    return settings


def opened(settings: Settings, home: Path, seconds: float = 30) -> DagsterInstance:
    """Open the storage."""
    instance = open_storage(settings, home, lambda: False, seconds)
    assert instance is not None
    return instance


def versions(instance: DagsterInstance) -> set[str | None]:
    """Return the schema versions in the database; one when all is up to date."""
    storages = (instance.run_storage, instance.event_log_storage, instance.schedule_storage)
    return {storage.alembic_version()[0] for storage in storages if storage}  # type: ignore[index]


@needs_postgres
def test_an_older_database_is_upgraded_once(tmp_path: Path, postgres: PostgresServer) -> None:
    """By one of two services that start together; the other waits; what was done stays known."""
    postgres.load(OLD_DUMP)
    assert postgres.value("SELECT version_num FROM alembic_version") == OLD_SCHEMA
    homes = [tmp_path / "one", tmp_path / "two"]
    settings = settings_for(postgres, homes[0])
    prepare_home(homes[1], settings)
    with ThreadPoolExecutor(2) as pool:
        instances = list(pool.map(lambda home: opened(settings, home), homes))
    try:
        for instance in instances:
            [version] = versions(instance)
            assert version != OLD_SCHEMA
            histories = read_histories(instance, [CONFIG])
            assert histories["count"].done == {date(2016, 1, 1): "HASH"}
            assert instance.get_runs_count() == 1
    finally:
        for instance in instances:
            instance.dispose()


@contextlib.contextmanager
def transaction(settings: Settings) -> Iterator[sqlalchemy.Connection]:
    """Be another client of the database, whose transaction ends with the block."""
    url = postgres_url(settings)
    assert url is not None
    engine = sqlalchemy.create_engine(url, poolclass=sqlalchemy.pool.NullPool)
    with engine.connect() as connection:
        yield connection


@needs_postgres
@pytest.mark.timeout(120)
def test_the_wait_for_another_service_can_be_stopped(
    tmp_path: Path, postgres: PostgresServer, caplog: pytest.LogCaptureFixture
) -> None:
    """However long its upgrade takes; the log says once what is waited for."""
    settings = settings_for(postgres, tmp_path)
    asked: list[int] = []

    def stop() -> bool:
        asked.append(1)
        return len(asked) == 4

    with transaction(settings) as other:
        other.execute(sqlalchemy.text(f"SELECT pg_advisory_lock({UPGRADE_LOCK})"))
        assert open_storage(settings, tmp_path, stop) is None
    assert caplog.text.count("Waiting for another service") == 1


@needs_postgres
@pytest.mark.timeout(120)
def test_a_long_upgrade_is_a_sign_of_life(tmp_path: Path, postgres: PostgresServer) -> None:
    """`stop`, which tells /healthz that the service is alive, is asked all the time."""
    postgres.load(OLD_DUMP)
    postgres.value("ALTER DATABASE autoflow SET lock_timeout = '20s'")
    settings = settings_for(postgres, tmp_path)
    with transaction(settings) as other:
        other.execute(sqlalchemy.text("LOCK TABLE alembic_version IN EXCLUSIVE MODE"))
        asked: list[int] = []

        def stop() -> bool:
            asked.append(1)
            if len(asked) == 4:
                other.rollback()
            return len(asked) >= 4

        instance = open_storage(settings, tmp_path, stop)
    assert instance is not None
    with instance:
        assert OLD_SCHEMA not in versions(instance)


@needs_postgres
def test_a_database_that_starts_later_is_waited_for(
    tmp_path: Path, postgres: PostgresServer
) -> None:
    """As long as is reasonable; the password is not in the error, however strange it is."""
    settings = settings_for(postgres, tmp_path)
    postgres.stop()
    with pytest.raises(StorageError, match="cannot be used") as caught:
        opened(settings, tmp_path, seconds=0)
    assert postgres.password not in str(caught.value)
    assert len(str(caught.value).splitlines()) == 2
    assert open_storage(settings, tmp_path, lambda: True) is None
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(opened, settings, tmp_path)
        postgres.start()
        with waiting.result(60) as instance:
            assert instance.get_runs_count() == 0


def test_a_home_is_used_by_one_service(tmp_path: Path) -> None:
    """Two on the same SQLite files would do everything twice; the end of one frees it."""
    code = (
        "import sys, pathlib\n"
        "from autoflow_dagster.service.home_lock import alone_in\n"
        f"with alone_in(pathlib.Path({str(tmp_path)!r})):\n"
        "    print('there', flush=True)\n"
        "    sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"there\n"
        with (
            pytest.raises(SettingsError, match="another `autoflow up` runs there"),
            alone_in(tmp_path),
        ):
            pass
        other.kill()
    with alone_in(tmp_path):
        pass
