"""Taking over the history of an original AutoFlow."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from datetime import date
from pathlib import Path

import dagster as dg
import pytest
from click.testing import CliRunner, Result
from dagster import DagsterInstance

from autoflow_dagster.cli.import_history import import_history
from autoflow_dagster.data_versions import DATA_VERSION_TAG
from autoflow_dagster.errors import SettingsError
from autoflow_dagster.history_import import FIRST_DAY, read_past_runs
from autoflow_dagster.instance_home import POSTGRES_URL_VARIABLE
from autoflow_dagster.ledger import asset_keys, latest_output, notebook_asset_key, read_histories
from autoflow_dagster.naming import parameters_hash
from autoflow_dagster.parser import load_workflows
from autoflow_dagster_tests.conftest import write_notebook
from autoflow_dagster_tests.postgres_server import PostgresServer
from autoflow_dagster_tests.storages import needs_postgres

WORKFLOWS = """\
workflows:
  - name: flows
    notebooks:
      first: {filename: first.ipynb, parameters: {unit: unit}, output: {format: pdf}}
available_dates_sensor:
  schedule: null
  workflows:
    - {workflow_name: flows, name: flows_2, parameters: {unit: admin2}, date_stencil: [-1, 0]}
    - {workflow_name: flows, name: flows_3, parameters: {unit: admin3}}
"""

TABLE = """\
CREATE TABLE workflow_runs (
    id INTEGER PRIMARY KEY, workflow_name TEXT, parameters_hash TEXT, state TEXT, timestamp DATETIME
)
"""

Day = date


def two_days(day: Day) -> str:
    """Return the original's hash for a date of config flows_2."""
    before, after = Day.fromordinal(day.toordinal() - 1), Day.fromordinal(day.toordinal() + 1)
    return parameters_hash({"unit": "admin2"}, day, [(before, day), (day, after)])


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """An original's database: two dates of flows_2, a failure, and an outdated hash."""
    path = tmp_path / "original.sqlite"
    rows = [
        ("flows", two_days(Day(2016, 1, 2)), "running", "2016-01-03 00:00:00"),
        ("flows", two_days(Day(2016, 1, 2)), "success", "2016-01-03 00:01:00"),
        ("flows", two_days(Day(2016, 1, 3)), "success", "2016-01-04 00:01:00"),
        ("flows", two_days(Day(2016, 1, 4)), "failed", "2016-01-05 00:01:00"),
        ("flows", "0" * 32, "success", "2015-01-01 00:00:00"),
        ("gone", "1" * 32, "success", "2015-01-01 00:00:00"),
    ]
    with sqlite3.connect(path) as connection:
        connection.execute(TABLE)
        connection.executemany(
            "INSERT INTO workflow_runs (workflow_name, parameters_hash, state, timestamp) "
            "VALUES (?, ?, ?, ?)",
            rows,
        )
    connection.close()
    return path


@pytest.fixture
def run_import(tmp_path: Path) -> Callable[..., Result]:
    """Run the command over inputs with two configs."""
    inputs = tmp_path / "inputs"
    inputs.mkdir()
    (inputs / "workflows.yml").write_text(WORKFLOWS)
    write_notebook(inputs / "first.ipynb", "1", parameters="unit = ''")

    def run(*arguments: str, given: str | None = None, **environ: str) -> Result:
        home = {"DAGSTER_HOME": str(tmp_path / "home"), "AUTOFLOW_DB_URI": ""}
        return CliRunner().invoke(
            import_history,
            [*arguments, "--inputs", str(inputs), "--outputs", str(tmp_path / "outputs")],
            input=given,
            env={**home, POSTGRES_URL_VARIABLE: None, **environ},
            catch_exceptions=False,
        )

    return run


def done_in(tmp_path: Path) -> dict[str, list[Day]]:
    """Return the dates that the ledger has as done, by config."""
    definitions = load_workflows(tmp_path / "inputs")
    with DagsterInstance.from_config(str(tmp_path / "home")) as instance:
        histories = read_histories(instance, definitions.configs)
    return {name: sorted(history.done) for name, history in histories.items()}


def test_successes_count_as_done(
    tmp_path: Path, database: Path, run_import: Callable[..., Result]
) -> None:
    """Once, and only those whose hash is still the same; what was not matched is told."""
    uri = f"sqlite:///{database}"
    dry = run_import("--db-uri", uri, "--dry-run")
    assert "flows_2: 2 dates to be recorded" in dry.output
    assert done_in(tmp_path) == {"flows_2": [], "flows_3": []}

    result = run_import("--db-uri", uri)
    assert result.exit_code == 0
    assert "2 dates were recorded as done." in result.output
    assert 'Not matched: 1 successes of workflow "flows"' in result.output
    assert 'Not matched: 1 successes of workflow "gone"' in result.output
    assert "2 entries of runs without success" in result.output
    days = [Day(2016, 1, 2), Day(2016, 1, 3)]
    assert done_in(tmp_path) == {"flows_2": days, "flows_3": []}

    again = run_import("--db-uri", uri)
    assert "flows_2: 0 dates to be recorded as done, 2 are known already." in again.output
    with DagsterInstance.from_config(str(tmp_path / "home")) as instance:
        assert instance.get_dynamic_partitions("flows_2") == ["2016-01-02", "2016-01-03"]
        key = notebook_asset_key("flows_2", "first")
        found = latest_output(instance, key, "2016-01-02", tmp_path)
    assert found is not None
    assert found.path is None
    assert found.metadata["succeeded at"] == "2016-01-03T00:01:00+00:00"


@needs_postgres
def test_the_services_settings_say_where_it_is_recorded(
    tmp_path: Path, database: Path, run_import: Callable[..., Result]
) -> None:
    """In PostgreSQL, though the home was one of SQLite; the original's password is another."""
    sqlite_uri = f"sqlite:///{database}"
    result = run_import("--db-uri", sqlite_uri, "--dry-run")
    assert f"recorded in Dagster's SQLite in {tmp_path / 'home'}." in result.output
    with PostgresServer("DUMMY_PASSWORD") as postgres:
        environ = {"AUTOFLOW_DB_URI": postgres.uri, "AUTOFLOW_DB_PASSWORD": postgres.password}
        result = run_import("--db-uri", sqlite_uri, **environ)
        assert "recorded in the PostgreSQL database of AUTOFLOW_DB_URI." in result.output
        assert "2 dates were recorded as done." in result.output
        where = "FROM event_logs WHERE asset_key LIKE '%flows_2%'"
        assert postgres.value(f"SELECT count(DISTINCT partition) {where}") == "2"

        postgres.value("CREATE TABLE workflow_runs (id int, workflow_name text)")
        for column in ("parameters_hash text", "state text", "timestamp timestamp"):
            postgres.value(f"ALTER TABLE workflow_runs ADD {column}")
        days = (day.isoformat() for day in (Day(2016, 1, 3), Day(2016, 1, 5)))
        for number, text in enumerate(days):
            row = f"{number}, 'flows', '{two_days(Day.fromisoformat(text))}', 'success', '{text}'"
            postgres.value(f"INSERT INTO workflow_runs VALUES ({row})")
        postgres.value("CREATE USER original PASSWORD 'OTHER_PASSWORD'")
        postgres.value("GRANT SELECT ON workflow_runs TO original")
        uri = postgres.uri.replace("autoflow:", "original:")
        result = run_import(
            "--db-uri", uri, "--db-password-file", "-", given="OTHER_PASSWORD\n", **environ
        )
        assert "1 dates to be recorded as done, 1 are known already." in result.output
        assert postgres.value(f"SELECT count(DISTINCT partition) {where}") == "3"

        # Without them it would record where no service looks.
        with pytest.raises(SettingsError, match="keeps in PostgreSQL what it has done") as caught:
            run_import("--db-uri", sqlite_uri)
        assert caught.value.where == "AUTOFLOW_DB_URI"
    assert done_in_sqlite(tmp_path / "home") == 0


def done_in_sqlite(home: Path) -> int:
    """Return how many assets the SQLite files of a home know."""
    with sqlite3.connect(home / "history" / "runs" / "index.db") as connection:
        [count] = connection.execute("SELECT count(*) FROM asset_keys").fetchone()
    connection.close()
    return int(count)


def test_a_date_that_was_done_with_other_parameters_is_recorded(
    tmp_path: Path, database: Path, run_import: Callable[..., Result]
) -> None:
    """After a trial, for instance: by the present config the original's success counts."""
    uri = f"sqlite:///{database}"
    run_import("--db-uri", uri, "--dry-run")
    [workflow] = load_workflows(tmp_path / "inputs").workflows.values()
    with DagsterInstance.from_config(str(tmp_path / "home")) as instance:
        for key in asset_keys("flows_2", workflow):
            trial = dg.AssetMaterialization(
                key, partition="2016-01-02", tags={DATA_VERSION_TAG: "0" * 32}
            )
            instance.report_runless_asset_event(trial)
    assert "2 dates were recorded as done." in run_import("--db-uri", uri).output


def test_the_whole_time_is_searched(tmp_path: Path, run_import: Callable[..., Result]) -> None:
    """From the first day that can have been a reference date."""
    path = tmp_path / "first.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute(TABLE)
        connection.execute(
            "INSERT INTO workflow_runs VALUES (1, 'flows', ?, 'success', NULL)",
            [two_days(FIRST_DAY)],
        )
    connection.close()
    run_import("--db-uri", f"sqlite:///{path}")
    assert done_in(tmp_path)["flows_2"] == [FIRST_DAY]


@pytest.mark.parametrize(
    "uri",
    [
        "sqlite:////nonexistent/autoflow.sqlite",
        "nonsense",
        "nosuchdb://user:DUMMY_PASSWORD@host/db",
        "postgresql://user:{}@127.0.0.1:1/db",
    ],
)
def test_a_database_that_cannot_be_read_is_told_without_its_password(uri: str) -> None:
    """And without SQLAlchemy's page of advice."""
    with pytest.raises(SettingsError, match="workflow_runs cannot be read") as caught:
        read_past_runs(uri, "DUMMY_PASSWORD")
    assert "DUMMY_PASSWORD" not in str(caught.value)
    assert len(str(caught.value).splitlines()) == 2
