"""Tests of `autoflow plan` and `autoflow explain`, on the example and on real ledgers."""

from __future__ import annotations

import io
import json
import os
import re
import sys
import time
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster import DagsterInstance, DagsterRunStatus

from autoflow_dagster.instance_home import (
    POSTGRES_URL_VARIABLE,
    dagster_home,
    export_database,
    prepare_home,
)
from autoflow_dagster.jobs import run_tags
from autoflow_dagster.ledger import PARTITION_TAG, notebook_asset_key
from autoflow_dagster.parser import load_workflows
from autoflow_dagster.settings import Settings
from autoflow_dagster.workflows import WorkflowConfig
from autoflow_dagster_tests.command_line import (
    EXAMPLE,
    call,
    january,
    write_dates,
    write_inputs,
)
from autoflow_dagster_tests.postgres_server import PostgresServer
from autoflow_dagster_tests.storages import needs_postgres

PAGE = Path(__file__).parent.parent / "docs" / "commands.md"
NO_LEDGER = "\nAs if nothing had been run before: there is no Dagster instance in {}.\n"

Capsys = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def outputs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The outputs directory, with no Dagster instance in it and no other settings."""
    flowapi, database = ("FLOWAPI_URL", "FLOWAPI_TOKEN"), ("AUTOFLOW_DB_URI", POSTGRES_URL_VARIABLE)
    for name in ("AUTOFLOW_INPUTS_DIR", "DAGSTER_HOME", *flowapi, *database):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AUTOFLOW_OUTPUTS_DIR", str(tmp_path / "outputs"))
    return tmp_path / "outputs"


@pytest.fixture
def dates(tmp_path: Path) -> Path:
    """Available dates: the first twenty of January 2016 without the 13th."""
    return write_dates(tmp_path / "dates.json", january(*range(1, 13), *range(14, 21)))


def config_in(inputs: Path) -> WorkflowConfig:
    """Return the only config of an inputs directory."""
    (config,) = load_workflows(inputs).configs
    return config


class Ledger:
    """A Dagster instance where the commands look for one, with runs and materializations."""

    def __init__(self, instance: DagsterInstance, config: WorkflowConfig) -> None:
        self.instance = instance
        self.config = config

    def add_run(self, day: date, status: DagsterRunStatus) -> str:
        """Add a run of the config; return its id."""
        tags = {**run_tags(self.config, day), PARTITION_TAG: str(day)}
        asset = dg.asset(lambda: None, name="dummy")  # type: ignore[call-overload]
        job = dg.Definitions(
            assets=[asset], jobs=[dg.define_asset_job(self.config.name)]
        ).resolve_job_def(self.config.name)
        run = self.instance.create_run_for_job(job, tags=tags)
        if status is DagsterRunStatus.FAILURE:
            self.instance.report_run_failed(run, message="DUMMY_REASON\nin two lines")
        elif status is DagsterRunStatus.CANCELED:
            self.instance.report_run_canceled(run)
        return run.run_id

    def add_done(self, day: date) -> None:
        """Materialize the config's only asset for a date."""
        version = run_tags(self.config, day)["autoflow/parameters_hash"]
        key = notebook_asset_key(self.config.name, "only")
        self.instance.report_runless_asset_event(
            dg.AssetMaterialization(key, partition=str(day), tags={"dagster/data_version": version})
        )


@pytest.fixture
def ledger_of(outputs: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], Ledger]:
    """Return a function that makes a Dagster instance for the only config of some inputs."""

    def make(inputs: Path) -> Ledger:
        settings = Settings.from_environ({"AUTOFLOW_OUTPUTS_DIR": str(outputs)})
        home = dagster_home(settings)
        prepare_home(home, settings)
        return Ledger(DagsterInstance.from_config(str(home)), config_in(inputs))

    return make


def plan_of(capsys: Capsys, *arguments: object) -> dict[str, dict[str, Any]]:
    """Return the dates of the only config from the JSON form, by reference date."""
    ended = call(capsys, "plan", "--json", *arguments)
    assert (ended.status, ended.err) == (0, "")
    (config,) = json.loads(ended.out)["workflow_configs"]
    return {planned["reference_date"]: planned for planned in config["dates"]}


def test_the_json_form_has_what_the_docs_say(capsys: Capsys, dates: Path) -> None:
    """The whole example of the docs, value for value."""
    (block,) = re.findall(r'^```json\n({\n  "workflow_.*?)^```', PAGE.read_text(), re.M | re.S)
    (documented,) = json.loads(block)["workflow_configs"]
    ended = call(capsys, "plan", "--inputs", EXAMPLE, "--available-dates", dates, "--json")
    first, second = json.loads(ended.out)["workflow_configs"]
    by_date = {planned["reference_date"]: planned for planned in first["dates"]}
    assert len(by_date) == 19
    assert list(by_date) == sorted(by_date)
    (shown,) = documented.pop("dates")
    assert by_date[shown["reference_date"]] == shown
    assert {**first, "dates": ...} == {**documented, "dates": ...}
    assert (second["name"], second["parameters"]) == (
        "flows_above_normal_admin3",
        {"aggregation_unit": "admin3"},
    )
    waiting = second["dates"][-1]
    assert (waiting["state"], waiting["missing_dates"]) == ("waiting", ["2016-01-13"])


def test_the_table_begins_with_totals(capsys: Capsys, dates: Path, outputs: Path) -> None:
    """Then it has a row for each date of which there is more to say than its state."""
    ended = call(capsys, "plan", "--inputs", EXAMPLE, "--available-dates", dates)
    assert ended.status == 0
    assert ended.err == NO_LEDGER.format(outputs / ".dagster")
    lines = ended.out.splitlines()
    assert lines[:9] == [
        "Available dates by state",
        "config                     dates  due  waiting  not selected",
        "flows_above_normal            19   12        0             7",
        "flows_above_normal_admin3     19    8       11             0",
        "all                           38   20       11             7",
        "",
        "flows_above_normal, date stencil [[2016-01-01, 2016-01-07], 2016-01-07, 0]",
        "reference date  state         date stencil",
        "2016-01-01      not selected  and 6 more until 2016-01-07",
    ]
    assert "2016-01-08      due           2016-01-01 to 2016-01-06, 2016-01-07, 2016-01-08" in lines
    last = "2016-01-20 waiting 2016-01-10 to 2016-01-12, 2016-01-13, 2016-01-20 missing 2016-01-13"
    assert " ".join(lines[-1].split()) == last
    assert [line for line in lines if line != line.rstrip()] == []


def test_the_table_fits_a_terminal(
    capsys: Capsys, dates: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whose width the environment tells."""
    monkeypatch.setenv("COLUMNS", "60")
    ended = call(capsys, "plan", "--inputs", EXAMPLE, "--available-dates", dates)
    rows = [line for line in ended.out.splitlines() if line.startswith("2016-")]
    assert len(rows) == 13 + 19
    assert max(map(len, rows)) <= 60


def test_the_table_shows_the_newest_dates_of_many(capsys: Capsys, tmp_path: Path) -> None:
    """And says how many it leaves out; --all shows them."""
    inputs = write_inputs(tmp_path / "inputs")
    days = [date(2016, 1, 1) + timedelta(days=number) for number in range(100)]
    dates = write_dates(tmp_path / "dates.json", days)
    arguments = ("plan", "--inputs", inputs, "--available-dates", dates)
    short = call(capsys, *arguments).out
    assert short.count("2016-") == 2 * 40
    assert short.endswith(
        f"\n{days[-1]}      due    {days[-1]}\n... and 60 earlier rows; --all shows them.\n"
    )
    assert call(capsys, *arguments, "--all").out.count("2016-") == 2 * 100


def test_configs_can_be_chosen(capsys: Capsys, dates: Path) -> None:
    """By their names."""
    arguments = ("plan", "--inputs", EXAMPLE, "--available-dates", dates, "--json")
    ended = call(capsys, *arguments, "flows_above_normal_admin3")
    assert len(json.loads(ended.out)["workflow_configs"]) == 1
    ended = call(capsys, *arguments, "flows_above")
    assert ended.status == 1
    assert ended.err == (
        'Error: workflows.yml: there is no config called "flows_above".\n'
        '  Did you mean "flows_above_normal"?\n'
    )


def test_dates_are_read_from_standard_input(
    capsys: Capsys, dates: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With - as the name of the file."""
    inputs = write_inputs(tmp_path / "inputs")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(dates.read_bytes())))
    assert len(plan_of(capsys, "--inputs", inputs, "--available-dates", "-")) == 19


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"{}", "has something other than available dates (or only a part)."),
        (
            b'{"available_dates": {"calls": ["2016-1-1"]}}',
            'has something other than dates for CDR type "calls": not dates are "2016-1-1".',
        ),
        (b"\xff\xfe", "is not text in UTF-8."),
    ],
)
def test_a_file_without_dates_is_refused(
    content: bytes, problem: str, capsys: Capsys, tmp_path: Path
) -> None:
    """With the form that it should have."""
    (tmp_path / "dates.json").write_bytes(content)
    arguments = ("--inputs", EXAMPLE, "--available-dates", tmp_path / "dates.json")
    ended = call(capsys, "plan", *arguments)
    assert (ended.status, ended.out) == (1, "")
    assert ended.err == (
        f"Error: --available-dates {tmp_path / 'dates.json'}: {problem}\n"
        '  The form is {"available_dates": {"calls": ["2016-01-01", "2016-01-02"]}}\n'
    )


def test_without_flowapi_a_file_is_suggested(
    capsys: Capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether its address is not known or it does not answer; no sensor is spoken of."""
    ended = call(capsys, "plan", "--inputs", EXAMPLE)
    assert (ended.status, ended.out) == (1, "")
    assert ended.err.startswith("Error: FLOWAPI_URL and FLOWAPI_TOKEN: not set")
    assert ended.err.endswith("Or name a file with --available-dates.\n")
    monkeypatch.setenv("FLOWAPI_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("FLOWAPI_TOKEN", "DUMMY_TOKEN")
    ended = call(capsys, "plan", "--inputs", EXAMPLE)
    assert ended.status == 1
    assert ended.err == (
        "Error: FlowAPI at http://127.0.0.1:1: cannot be connected to (Connection refused).\n"
        "  Try again later. Or name a file with --available-dates.\n"
    )


def test_ten_thousand_dates_are_planned_and_shown_quickly(capsys: Capsys, tmp_path: Path) -> None:
    """With a stencil of a year: only what is shown is worked out."""
    inputs = write_inputs(tmp_path / "inputs", config="      date_stencil: [[-365, 0], 0]\n")
    days = [date(1990, 1, 1) + timedelta(days=number) for number in range(10_000)]
    dates = write_dates(tmp_path / "dates.json", days)
    call(capsys, "plan", "--inputs", EXAMPLE, "--available-dates", dates)  # imports
    started = time.perf_counter()
    ended = call(capsys, "plan", "--inputs", inputs, "--available-dates", dates)
    assert time.perf_counter() - started < 2
    assert "small   10000  9635      365" in ended.out


def test_the_ledger_is_read_from_the_instance(
    capsys: Capsys, tmp_path: Path, ledger_of: Callable[[Path], Ledger]
) -> None:
    """Done, running, failed and given-up dates."""
    options = "      max_attempts: 2\n      retry_delay: 6h\n"
    inputs = write_inputs(tmp_path / "inputs", config=options)
    dates = write_dates(tmp_path / "dates.json", january(1, 2, 3, 4, 5))
    done, running, delayed, exhausted, due = january(1, 2, 3, 4, 5)
    ledger = ledger_of(inputs)
    ledger.add_done(done)
    run_id = ledger.add_run(running, DagsterRunStatus.STARTED)
    ledger.add_run(delayed, DagsterRunStatus.FAILURE)
    for _ in range(2):
        ledger.add_run(exhausted, DagsterRunStatus.FAILURE)
    ledger.add_run(due, DagsterRunStatus.CANCELED)
    arguments = ("--inputs", inputs, "--available-dates", dates)
    states = [planned["state"] for planned in plan_of(capsys, *arguments).values()]
    assert states == ["done", "running", "delayed", "exhausted", "due"]
    ended = call(capsys, "plan", *arguments)
    assert ended.err == ""
    rows = [line.split("  ") for line in ended.out.splitlines() if line.startswith("2016-")]
    remarks = [row[-1].strip() for row in rows]
    assert remarks[0] == "2016-01-01"
    assert remarks[1] == f"run {run_id}"
    assert re.fullmatch(r"failed 1 time, again from \d{4}-\d\d-\d\d \d\d:\d\d UTC", remarks[2])
    assert remarks[3:] == ["failed 2 times", "2016-01-05"]


def test_explain_tells_everything_about_a_date(
    capsys: Capsys, tmp_path: Path, ledger_of: Callable[[Path], Ledger]
) -> None:
    """The stencil, the dates, the attempts, and what would make it run."""
    inputs = write_inputs(tmp_path / "inputs", config="      date_stencil: [[-2, 0], 0]\n")
    dates = write_dates(tmp_path / "dates.json", january(1, 3))
    ledger = ledger_of(inputs)
    failed = ledger.add_run(january(3)[0], DagsterRunStatus.FAILURE)
    cancelled = ledger.add_run(january(3)[0], DagsterRunStatus.CANCELED)
    ended = call(
        capsys, "explain", "small", "2016-01-03", "--inputs", inputs, "--available-dates", dates
    )
    assert (ended.status, ended.err) == (0, "")
    out = re.sub(r"at \d{4}-\d\d-\d\d \d\d:\d\d UTC", "at NOW", ended.out)
    assert out == (
        "small, reference date 2016-01-03: waiting.\n"
        "\n"
        "Date stencil [[-2, 0], 0] means for 2016-01-03:\n"
        "  [-2, 0]: 2016-01-01 to 2016-01-02 (2 days)\n"
        "  0: 2016-01-03\n"
        "Of 3 stencil dates FlowAPI has 2.\n"
        "Missing: 2016-01-02.\n"
        f"Run {failed} failed at NOW: DUMMY_REASON\n"
        "  in two lines\n"
        f"Run {cancelled} cancelled at NOW: it was stopped on request\n"
        "\n"
        "It runs once FlowAPI has all missing dates.\n"
        "No schedule: checked once, and again when autoflow up starts or workflows.yml changes.\n"
    )


def test_explain_says_when_nothing_is_known_of_earlier_runs(
    capsys: Capsys, dates: Path, outputs: Path
) -> None:
    """Rather than that the date is due, and no more."""
    arguments = ("--inputs", EXAMPLE, "--available-dates", dates)
    ended = call(capsys, "explain", "flows_above_normal", "2016-01-08", *arguments)
    assert ended.out.startswith("flows_above_normal, reference date 2016-01-08: due.\n")
    assert ended.err == NO_LEDGER.format(outputs / ".dagster")


@pytest.mark.parametrize("text", ["2016-01-32", "yesterday", "20160101"])
def test_what_is_no_date_is_refused(text: str, capsys: Capsys) -> None:
    """With an example of one."""
    ended = call(capsys, "explain", "flows_above_normal", text, "--inputs", EXAMPLE)
    assert ended.status == 1
    assert f'"{text}" is not a date. Write it as 2016-01-31.\n' in ended.err


def test_an_instance_that_cannot_be_opened_is_told(
    capsys: Capsys, dates: Path, outputs: Path
) -> None:
    """With the reason, and not as a bug."""
    home = outputs / ".dagster"
    home.mkdir(parents=True)
    (home / "dagster.yaml").write_text(
        "storage: {postgres: {postgres_url: {env: AUTOFLOW_TEST_UNSET}}}\n"
    )
    ended = call(capsys, "plan", "--inputs", EXAMPLE, "--available-dates", dates)
    assert (ended.status, ended.out) == (1, "")
    assert ended.err.startswith(
        f"Error: Dagster's storage in {home}: cannot be opened (AUTOFLOW_TEST_UNSET is not set).\n"
    )


def test_the_database_of_another_start_is_told_by_the_operators_name(
    capsys: Capsys, dates: Path, outputs: Path
) -> None:
    """Not by the variable by which the service's own processes know it."""
    home = outputs / ".dagster"
    uri = "postgresql://user@db/autoflow"
    prepare_home(home, Settings.from_environ({"AUTOFLOW_DB_URI": uri}))
    ended = call(capsys, "plan", "--inputs", EXAMPLE, "--available-dates", dates)
    assert ended.status == 1
    assert ended.err == (
        f"Error: Dagster's storage in {home}: cannot be opened (AUTOFLOW_DB_URI is not set).\n"
        "  Set DAGSTER_HOME to the right directory, and AUTOFLOW_DB_URI and the database's "
        "password as for the service.\n"
    )


@needs_postgres
@pytest.mark.parametrize("has_home", [True, False], ids=["home of SQLite", "no home"])
def test_the_settings_say_where_the_ledger_is(
    has_home: bool,
    capsys: Capsys,
    tmp_path: Path,
    outputs: Path,
    ledger_of: Callable[[Path], Ledger],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whatever an earlier start has left in DAGSTER_HOME; the service's home may be elsewhere."""
    inputs = write_inputs(tmp_path / "inputs")
    dates = write_dates(tmp_path / "dates.json", january(1, 2))
    with PostgresServer() as postgres:
        monkeypatch.setenv("AUTOFLOW_DB_URI", postgres.uri)
        monkeypatch.setenv("AUTOFLOW_DB_PASSWORD", postgres.password)
        monkeypatch.setenv(POSTGRES_URL_VARIABLE, "")  # what the commands set is taken back
        settings = Settings.from_environ(os.environ)
        export_database(settings)
        prepare_home(tmp_path / "other", settings)
        with DagsterInstance.from_config(str(tmp_path / "other")) as instance:
            Ledger(instance, config_in(inputs)).add_done(january(1)[0])
        if has_home:
            ledger_of(inputs).instance.dispose()
        ended = call(capsys, "plan", "--json", "--inputs", inputs, "--available-dates", dates)
        assert (ended.status, ended.err) == (0, "")
    (config,) = json.loads(ended.out)["workflow_configs"]
    assert [planned["state"] for planned in config["dates"]] == ["done", "due"]
    assert (outputs / ".dagster").exists() == has_home
