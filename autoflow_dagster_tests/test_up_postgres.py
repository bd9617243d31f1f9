"""`autoflow up` on a PostgreSQL of its own: passwords, connections, outages, rotation."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest
from dagster import DagsterInstance, DagsterRunStatus

from autoflow_dagster.instance_home import export_database
from autoflow_dagster_tests.conftest import wait_for
from autoflow_dagster_tests.deployments import DatesServer, day
from autoflow_dagster_tests.postgres_server import PostgresServer
from autoflow_dagster_tests.storages import POSTGRES_MARKS
from autoflow_dagster_tests.up_process import UpProcess

RUNS = int(os.environ.get("AUTOFLOW_TEST_RUNS", "40"))
"""Of the backlog during which connections are counted; `make test-connections` has 1000."""

pytestmark = [
    pytest.mark.integration,
    *POSTGRES_MARKS,
    pytest.mark.timeout(900 + 10 * RUNS),
]

PASSWORD = "d:u/m@m y%40{}#?&'\"$\\é"
NEW_PASSWORD = "another/{dummy}:password"


@pytest.fixture
def postgres() -> Iterator[PostgresServer]:
    """A server of the test's own, which it may stop; its password has every kind of character."""
    with PostgresServer(PASSWORD) as server:
        yield server


def connections(postgres: PostgresServer) -> int:
    """Return the number of connections, the one that asks included."""
    return int(postgres.value("SELECT count(*) FROM pg_stat_activity WHERE datname = 'autoflow'"))


def test_the_service_lives_with_its_database(tmp_path: Path, postgres: PostgresServer) -> None:
    """Many runs on few connections, a stopped database, a rotated password: one service."""
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    (secrets / "AUTOFLOW_DB_PASSWORD").write_text(PASSWORD + "\n")
    flowapi = DatesServer({"calls": [day(number) for number in range(RUNS)]})
    settings = {
        "AUTOFLOW_SECRETS_DIR": str(secrets),
        "AUTOFLOW_DB_PASSWORD": "",
        "AUTOFLOW_RUN_REQUESTS_PER_TICK": "10",
    }
    with flowapi, UpProcess(tmp_path, flowapi, postgres=postgres, **settings) as up:
        up.start()
        _check_connections(up, postgres)
        done = [day(number) for number in range(RUNS + 2)]
        # Notebooks have ended before their runs; test_faults_postgres.py is about runs in an outage.
        wait_for("the last runs to end", lambda: up.has_succeeded(done[:RUNS]), 120)

        postgres.stop()
        wait_for("not to be ready", lambda: up.ask("readyz")[0] == 503)
        assert not up.check("storage")["ok"]
        assert up.ask("healthz") == (200, {"alive": True})
        postgres.start()
        wait_for("to be ready again", lambda: up.ask("readyz")[0] == 200, 120)

        running, later = done[RUNS:]
        slow = up.place / f"slow {running}"
        slow.touch()
        flowapi.dates["calls"].append(running)
        wait_for("a run", lambda: up.executions("began")[running] == 1, 180)
        postgres.value(f"ALTER USER autoflow PASSWORD '{NEW_PASSWORD}'")
        postgres.password = NEW_PASSWORD
        (secrets / "AUTOFLOW_DB_PASSWORD").write_text(NEW_PASSWORD)
        flowapi.dates["calls"].append(later)
        wait_for("the date after the rotation", lambda: up.executions()[later] > 0, 180)
        slow.unlink()
        _connect_again(up)
        wait_for("the run during the rotation", lambda: up.has_succeeded(done), 240)
        assert set(up.runs(DagsterRunStatus.SUCCESS).values()) == {1}
        assert up.stop() == 0, up.log()
        assert up.processes() == []
        for password in (PASSWORD, NEW_PASSWORD):
            assert [text for text in spellings(password) if text in up.log()] == []


def spellings(password: str) -> set[str]:
    """Return a password as it may stand in an address, in a message of Python's and in JSON."""
    quoted = {quote(password, safe=""), quote(password), quote_plus(password)}
    escaped = {repr(password)[1:-1], json.dumps(password)[1:-1]}
    return {password, *quoted, *escaped, *(text.replace("%", "%%") for text in quoted)}


def test_a_password_that_the_database_does_not_have_yet_changes_nothing(
    tmp_path: Path, postgres: PostgresServer
) -> None:
    """Nor one that was mistyped: the service goes on, tries again, and tells it once."""
    secret = tmp_path / "secrets" / "AUTOFLOW_DB_PASSWORD"
    secret.parent.mkdir()
    secret.write_text(PASSWORD)
    settings = {"AUTOFLOW_SECRETS_DIR": str(secret.parent), "AUTOFLOW_DB_PASSWORD": ""}
    flowapi = DatesServer({"calls": [day(0)]})
    with flowapi, UpProcess(tmp_path, flowapi, postgres=postgres, **settings) as up:
        up.start()
        daemon = up.processes_of("daemon")
        secret.write_text(NEW_PASSWORD)
        failures = 'failed for user "autoflow"'
        wait_for("two attempts", lambda: postgres.log().count(failures) >= 2)
        assert up.log().count("not in use yet") == 1
        assert up.processes_of("daemon") == daemon
        assert up.ask("readyz")[0] == 200

        postgres.value(f"ALTER USER autoflow PASSWORD '{NEW_PASSWORD}'")
        postgres.password = NEW_PASSWORD
        wait_for("another daemon", lambda: up.processes_of("daemon") not in ([], daemon))
        _connect_again(up)
        wait_for("the date", lambda: up.has_succeeded([day(0)]), 180)
        wait_for("the service to be ready", lambda: up.ask("readyz")[0] == 200)
        assert up.stop() == 0, up.log()
        assert NEW_PASSWORD not in up.log()


def test_stopping_ends_runs_without_a_database(tmp_path: Path, postgres: PostgresServer) -> None:
    """Kernels included. An outage ends no grace period; one that lasts is told by the status."""
    flowapi = DatesServer({"calls": [day(0)]})
    with flowapi, UpProcess(tmp_path, flowapi, postgres=postgres) as up:
        slow = up.place / f"slow {day(0)}"
        slow.touch()
        up.start(AUTOFLOW_STOP_GRACE="3")
        wait_for("the notebook", lambda: up.executions("began")[day(0)] == 1, 120)
        postgres.stop()
        up.signal()
        assert up.wait() == 1, up.log()
        assert up.processes() == []
        assert "could not be cancelled" in up.log()

        postgres.start()
        up.start(AUTOFLOW_STOP_GRACE="600")
        wait_for("the next attempt", lambda: up.executions("began")[day(0)] == 2, 180)
        postgres.stop()
        up.signal()
        wait_for("the stop", lambda: up.check("service").get("detail") == "stopping")
        wait_for("no daemon", lambda: not up.processes_of("daemon"))
        postgres.start()
        slow.unlink()
        assert up.wait(120) == 0, up.log()
        assert up.processes() == []
        assert up.has_succeeded([day(0)])
        assert up.runs(DagsterRunStatus.FAILURE) == {day(0): 1}


def test_stopping_waits_for_no_answer_of_the_database(
    tmp_path: Path, postgres: PostgresServer
) -> None:
    """It may hang for ever: a check of /readyz still waits for it when the command ends."""
    flowapi = DatesServer({"calls": [day(0)]})
    with flowapi, UpProcess(tmp_path, flowapi, postgres=postgres, AUTOFLOW_STOP_GRACE="1") as up:
        (up.place / f"slow {day(0)}").touch()
        up.start()
        wait_for("the notebook", lambda: up.executions("began")[day(0)] == 1, 120)
        with postgres.hanging():
            assert up.check("storage")["detail"] == "no answer within 5 seconds"
            up.signal()
            assert up.wait(90) == 1, up.log()
            assert up.processes() == []


def _connect_again(up: UpProcess) -> None:
    """Have the test itself use the password that the service uses now."""
    up.instance.dispose()
    export_database(up.settings)
    up.instance = DagsterInstance.from_config(str(up.home))


def _check_connections(up: UpProcess, postgres: PostgresServer) -> None:
    """Run a backlog; the number of connections depends on what runs, not on what has run.

    One that is left behind by every fourth run, or by fewer of more runs, is noticed: the fewest at
    a time in the second half would be more by 5 than in the first. Their most goes up and down.
    """
    seen: dict[str, list[int]] = {"first": [], "second": []}

    def is_done() -> bool:
        done = sum(number > 0 for number in up.executions().values())
        seen["first" if done < RUNS / 2 else "second"].append(connections(postgres))
        return done == RUNS

    wait_for("the backlog", is_done, 200 + 10 * RUNS)
    fewest = {half: min(counts) for half, counts in seen.items()}
    most = {half: max(counts) for half, counts in seen.items()}
    print(f"connections in the first and second half of {RUNS} runs: {fewest} to {most}")
    assert fewest["second"] <= fewest["first"] + 2
    assert most["second"] <= most["first"] + 5
    assert most["first"] < 60
