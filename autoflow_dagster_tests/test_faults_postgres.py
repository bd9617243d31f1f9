"""The service on a real PostgreSQL that stops, and whose clients are killed."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from dagster import DagsterRunStatus

from autoflow_dagster_tests.conftest import wait_for
from autoflow_dagster_tests.deployments import WORKFLOWS, DatesServer, Deployment, day
from autoflow_dagster_tests.postgres_server import PostgresServer
from autoflow_dagster_tests.storages import POSTGRES_MARKS
from autoflow_dagster_tests.test_faults_process import (
    KILL_ROUNDS,
    LONG,
    another_daemon,
    assert_each_was_requested_once,
    assert_nothing_is_left_behind,
    days,
    is_in_notebook,
    kill_rounds,
)

pytestmark = [
    pytest.mark.integration,
    *POSTGRES_MARKS,
]

PASSWORD = "p@ss:w/o?r#d %{}&ü"
OUTAGE_SECONDS = 10.0
"""More than the few seconds for which Dagster tries to connect again."""


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    """A PostgreSQL for this module."""
    with PostgresServer(PASSWORD) as running:
        yield running


@pytest.fixture
def postgres(server: PostgresServer) -> PostgresServer:
    """The server with an empty database."""
    server.renew()
    return server


@pytest.fixture
def flowapi() -> Iterator[DatesServer]:
    """A FlowAPI; each test gives it its dates."""
    with DatesServer({}) as running:
        yield running


def tended(deployment: Deployment, condition: Callable[[], bool]) -> Callable[[], bool]:
    """Return a condition that restarts what has died before it looks, as `autoflow up` does."""

    def look() -> bool:
        deployment.service.tend()
        return condition()

    return look


@pytest.mark.timeout(900)
def test_a_database_that_stops_costs_no_date(
    tmp_path: Path, flowapi: DatesServer, postgres: PostgresServer
) -> None:
    """While notebooks run, while nothing does, and for a moment again and again."""
    flowapi.dates["calls"] = days(3)
    with Deployment(tmp_path, flowapi, postgres=postgres) as deployment:
        slow = [deployment.place / f"slow {day(n)}" for n in range(2)]
        for flag in slow:
            flag.touch()
        deployment.start()
        wait_for("notebooks", lambda: all(is_in_notebook(deployment, day(n)) for n in (0, 1)), LONG)
        postgres.stop()
        slow[0].unlink()  # one ends while there is no database, the other goes on
        time.sleep(OUTAGE_SECONDS)
        postgres.start()
        slow[1].unlink()
        done = tended(deployment, lambda: deployment.has_succeeded(days(3)))
        wait_for("three days", done, LONG)

        postgres.stop()
        time.sleep(OUTAGE_SECONDS)
        flowapi.dates["calls"] = days(5)
        postgres.start()
        done = tended(deployment, lambda: deployment.has_succeeded(days(5)))
        wait_for("five days", done, LONG)

        flowapi.dates["calls"] = days(7)
        for _ in range(5):
            postgres.stop()
            postgres.start()
            time.sleep(1.0)
        done = tended(deployment, lambda: deployment.has_succeeded(days(7)))
        wait_for("seven days", done, LONG)
        deployment.wait_for_another_check(LONG)
        assert deployment.runs(DagsterRunStatus.SUCCESS) == Counter(days(7))
        assert_nothing_is_left_behind(deployment)


@pytest.mark.timeout(600)
def test_two_daemons_by_mistake_run_no_date_twice(
    tmp_path: Path, flowapi: DatesServer, postgres: PostgresServer
) -> None:
    """They may be on two machines: it is the database that keeps them apart."""
    flowapi.dates["calls"] = days(6)
    with Deployment(tmp_path, flowapi, postgres=postgres) as deployment:
        deployment.start()
        with another_daemon(deployment, tmp_path / "second.log"):
            wait_for("six days", lambda: deployment.has_succeeded(days(6)), LONG)
            deployment.wait_for_another_check(LONG)
        assert deployment.executions("began") == Counter(days(6))
        assert deployment.runs(DagsterRunStatus.SUCCESS) == Counter(days(6))

        # AutoFlow died of "too many connections" after many iterations.
        before = connections(postgres)
        for _ in range(3):
            deployment.wait_for_another_check(LONG)
        assert connections(postgres) <= before + 5 < 60


def connections(postgres: PostgresServer) -> int:
    """Return how many connections there are to the database."""
    return int(postgres.value("SELECT count(*) FROM pg_stat_activity WHERE datname = 'autoflow'"))


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_killing_the_daemon_loses_no_date_and_doubles_none(
    tmp_path: Path, flowapi: DatesServer, postgres: PostgresServer
) -> None:
    """`kill -9` at random moments of ticks that request runs; nothing is taken from the queue."""
    flowapi.dates["calls"] = days(5 * KILL_ROUNDS)
    once = WORKFLOWS.replace('"* * * * * */2"', "null")
    queue_only = {"concurrency": {"runs": {"max_concurrent_runs": 0}}}
    with Deployment(
        tmp_path, flowapi, once, postgres=postgres, instance_config=queue_only
    ) as deployment:
        deployment.start()
        kill_rounds(deployment, KILL_ROUNDS, 5 * KILL_ROUNDS)
        assert_each_was_requested_once(deployment, days(5 * KILL_ROUNDS))
