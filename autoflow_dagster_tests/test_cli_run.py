"""Tests of `autoflow run`: real notebooks, real kernels and a real Dagster instance."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path

import pexpect
import pytest
from dagster import DagsterInstance, DagsterRun, DagsterRunStatus, RunsFilter

from autoflow_dagster.cli.run_choice import parse_parameters
from autoflow_dagster.demo.server import DemoFlowapi
from autoflow_dagster.errors import AutoflowError
from autoflow_dagster.jobs import run_tags
from autoflow_dagster.ledger import PARTITION_TAG, read_histories
from autoflow_dagster.parser import load_workflows
from autoflow_dagster_tests.command_line import (
    Ended,
    call,
    january,
    start,
    write_dates,
    write_inputs,
)
from autoflow_dagster_tests.conftest import names_in, wait_for, write_notebook

Capsys = pytest.CaptureFixture[str]

RUN_ID = r"[0-9a-f-]{36}"

WORKFLOWS = """
workflows:
  - name: two
    notebooks:
      first: {filename: first.ipynb, parameters: {day: reference_date, missing: missing_dates}}
      second:
        filename: second.ipynb
        parameters: {previous: first}
        output: {format: html}
  - name: by hand
    notebooks:
      only: {filename: by_hand.ipynb, parameters: {days: days, unit: aggregation_unit}}
available_dates_sensor:
  schedule: null
  workflows:
    - workflow_name: two
      date_stencil: [-1, 0]
      earliest_date: 2016-01-02
      latest_date: 2016-01-10
    - workflow_name: two
      name: never
      date_stencil: [[2016-01-05, 0]]
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A directory with inputs, outputs and available dates, for all tests of this module."""
    root = tmp_path_factory.mktemp("run")
    inputs = root / "inputs"
    inputs.mkdir()
    write_notebook(
        inputs / "first.ipynb",
        "if day == '2016-01-03':\n    raise ValueError('DUMMY_MISTAKE')",
        "import time\nprint('PRINTED', missing)\ntime.sleep(1.5)",
        parameters="day = None\nmissing = None",
    )
    write_notebook(inputs / "second.ipynb", "previous", parameters="previous = None")
    write_notebook(inputs / "by_hand.ipynb", "days, unit", parameters="days = [1]")
    (inputs / "workflows.yml").write_text(WORKFLOWS)
    write_dates(root / "dates.json", january(1, 2, 3, 4, 6))
    with pytest.MonkeyPatch.context() as patch:
        for name in ("DAGSTER_HOME", "FLOWAPI_URL", "FLOWAPI_TOKEN"):
            patch.delenv(name, raising=False)
        patch.setenv("AUTOFLOW_INPUTS_DIR", str(inputs))
        patch.setenv("AUTOFLOW_OUTPUTS_DIR", str(root / "outputs"))
        # One run each: what makes the second one start quickly would only cost time.
        patch.setenv("AUTOFLOW_WARM_RUNS", "off")
        patch.setenv("AUTOFLOW_WARM_KERNELS", "off")
        yield root


def run(capsys: Capsys, place: Path, *arguments: object) -> Ended:
    """Call ``autoflow run`` with the available dates of the place."""
    return call(capsys, "run", *arguments, "--available-dates", place / "dates.json")


def runs_in(place: Path, **filters: object) -> Sequence[DagsterRun]:
    """Return the runs in the place's instance, newest first."""
    home = place / "outputs" / ".dagster"
    with DagsterInstance.from_config(str(home)) as instance:
        return instance.get_runs(RunsFilter(**filters))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def first_run(place: Path) -> Ended:
    """One date that succeeds and one that fails, run as a process of its own."""
    process = start(
        *("run", "two", "2016-01-03", "2016-01-02"),
        *("--available-dates", place / "dates.json"),
        AUTOFLOW_WARM_RUNS="on",
    )
    out, err = process.communicate(timeout=240)
    return Ended(process.returncode, out, err)


@pytest.mark.integration
def test_it_shows_plain_lines_in_a_pipe(first_run: Ended) -> None:
    """What was made and what failed; neither what notebooks print nor Dagster's log."""
    assert (first_run.status, first_run.err) == (1, "1 of 2 dates failed: 2016-01-03.\n")
    expected = rf"""two, reference date 2016-01-03: run {RUN_ID}
  first: FAILED \(SECONDS\)
two, reference date 2016-01-03: FAILED after SECONDS
    Notebook first\.ipynb stopped at cell 2 of 3 for reference date 2016-01-03: ValueError: DUMMY_MISTAKE
      The failed notebook is .*/outputs/notebooks/failed/first__two_2016-01-03_\w+__\w+\.ipynb\. .*
(?:        .*
)+two, reference date 2016-01-02: run {RUN_ID}
  first: notebooks/first__two_2016-01-02_\w+__\w+\.ipynb \(SECONDS\)
  second: notebooks/second__two_2016-01-02_\w+__\w+\.ipynb \(SECONDS\)
  second \(html\): reports/second__two_2016-01-02_\w+__\w+\.html \(SECONDS\)
two, reference date 2016-01-02: done in SECONDS
"""
    pattern = expected.replace("SECONDS", r"(?:\d+ min )?[\d.]+ s")
    assert re.fullmatch(pattern, first_run.out), first_run.out


@pytest.mark.integration
@pytest.mark.usefixtures("first_run")
def test_its_runs_are_like_those_of_the_sensor(place: Path) -> None:
    """In the same job, partition and code location, with the same tags."""
    done, failed = runs_in(place, job_name="two")
    assert done.status is DagsterRunStatus.SUCCESS
    assert failed.status is DagsterRunStatus.FAILURE
    (config, _) = load_workflows(place / "inputs").configs
    expected = {
        **run_tags(config, date(2016, 1, 2)),
        "autoflow/attempt": "1",
        "autoflow/missing_dates": "[]",
        "autoflow/workflow": "two",
        "dagster/partition": "2016-01-02",
    }
    assert expected.items() <= done.tags.items()
    assert done.remote_job_origin is not None
    label = done.remote_job_origin.repository_origin.get_label()
    assert label == "__repository__@autoflow_dagster"
    assert len(runs_in(place, tags={".dagster/repository": label})) == 2
    with DagsterInstance.from_config(str(place / "outputs" / ".dagster")) as instance:
        partitions = instance.get_dynamic_partitions("two")
        history = read_histories(instance, [config])["two"]
    assert sorted(partitions) == ["2016-01-02", "2016-01-03"]
    assert list(history.done) == january(2)
    assert [day for day, _ in history.attempts] == january(3)


@pytest.mark.integration
@pytest.mark.usefixtures("first_run")
def test_on_a_terminal_it_shows_notebooks_and_cells(place: Path) -> None:
    """As bars that are gone at the end. A date that is done is run again, and it says so."""
    child = pexpect.spawn(
        sys.executable,
        ["-m", "autoflow_dagster", "run", "two", "2016-01-02", "--available-dates", "dates.json"],
        cwd=str(place),
        env={**os.environ, "TERM": "xterm-256color"},
        dimensions=(30, 200),
        encoding="utf-8",
        timeout=240,
    )
    child.expect("dates .* 0/1 ")
    child.expect("it has succeeded before with these parameters, and is run again")
    child.expect(r"first .* cell 4 of 4 ")
    child.expect("reference date 2016-01-02: done in ")
    child.expect("dates .* 1/1 ")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0
    assert len(names_in(place / "outputs" / "reports")) == 2
    newest = runs_in(place, tags={PARTITION_TAG: "2016-01-02"})[0]
    assert newest.tags["autoflow/attempt"] == "2"


def test_dates_that_are_not_due_are_refused(capsys: Capsys, place: Path) -> None:
    """All of them, with the reason for each, before anything is run."""
    ended = run(capsys, place, "two", "2016-01-04", "2016-01-06", "2016-01-05", "2016-01-11")
    assert (ended.status, ended.out) == (1, "")
    assert ended.err == (
        "Error: two: nothing was run.\n"
        "  2016-01-06 waits for 2016-01-05 (date stencil).\n"
        "  2016-01-05 is not among the available dates.\n"
        "  2016-01-11 is not selected by earliest_date 2016-01-02, latest_date 2016-01-10.\n"
        "  Add --force to run it all the same.\n"
        "  More: autoflow explain two 2016-01-06\n"
    )


def test_a_date_whose_stencil_is_empty_cannot_be_forced(capsys: Capsys, place: Path) -> None:
    """There is nothing that it could be run with."""
    ended = run(capsys, place, "never", "2016-01-04", "--force")
    assert (ended.status, ended.out) == (1, "")
    assert ended.err == (
        "Error: never: not run.\n"
        "  2016-01-04 cannot be run: its date stencil has no days.\n"
        "  More: autoflow explain never 2016-01-04\n"
    )


@pytest.mark.parametrize("options", [(), ("--force",)])
def test_a_date_that_is_running_is_refused(
    options: tuple[str, ...], capsys: Capsys, place: Path
) -> None:
    """Whoever started it, and also if it is to be forced."""
    config = load_workflows(place / "inputs").configs[0]
    tags = {**run_tags(config, date(2016, 1, 4)), PARTITION_TAG: "2016-01-04"}
    run(capsys, place, "two", "2016-01-05")  # makes the instance
    with DagsterInstance.from_config(str(place / "outputs" / ".dagster")) as instance:
        running = DagsterRun("two", tags=tags, status=DagsterRunStatus.STARTED)
        instance.add_run(running)
        try:
            ended = run(capsys, place, "two", "2016-01-04", *options)
        finally:
            instance.delete_run(running.run_id)
    assert (ended.status, ended.out) == (1, "")
    assert ended.err == (
        "Error: two: not run.\n"
        f"  2016-01-04 is queued or running: {running.run_id}.\n"
        "  More: autoflow explain two 2016-01-04\n"
    )


def test_force_does_without_flowapi(capsys: Capsys, place: Path) -> None:
    """And says so; what follows is the refusal of a date that cannot be forced either."""
    ended = call(capsys, "run", "never", "2016-01-04", "--force")
    assert ended.status == 1
    first, *_, last = ended.err.splitlines()
    assert first.startswith("Without available dates: FLOWAPI_URL and FLOWAPI_TOKEN: not set")
    assert last == "  More: autoflow explain never 2016-01-04"
    ended = call(capsys, "run", "never", "2016-01-04")
    assert ended.err.startswith("Error: FLOWAPI_URL and FLOWAPI_TOKEN: not set")


@pytest.mark.integration
def test_a_forced_date_knows_what_is_missing(capsys: Capsys, place: Path) -> None:
    """As the automatic parameter says."""
    ended = run(capsys, place, "two", "2016-01-06", "--force")
    assert (ended.status, ended.err) == (0, "")
    assert "(forced, although 2016-01-05 is missing)" in ended.out
    (path,) = (place / "outputs" / "notebooks").glob("first__two_2016-01-06_*.ipynb")
    assert "PRINTED ['2016-01-05']" in path.read_text()


@pytest.mark.integration
def test_a_workflow_without_a_config_is_run_by_hand(capsys: Capsys, place: Path) -> None:
    """With YAML values, under its own name or its job's."""
    ended = run(
        capsys, place, "by hand", "-p", "days=[2016-01-01, 2]", "--parameters", "aggregation_unit=y"
    )
    assert (ended.status, ended.err) == (0, "")
    assert re.match(rf"by_hand: run {RUN_ID}\n  only: notebooks/by_hand__by hand_", ended.out)
    (path,) = (place / "outputs" / "notebooks").glob("by_hand__*.ipynb")
    parameters = json.loads(path.read_text())["metadata"]["papermill"]["parameters"]
    assert parameters == {"days": ["2016-01-01", 2], "unit": "y"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["by_hand"], 'Error: --parameters of by_hand: "aggregation_unit" must be given.\n  Add --parameters aggregation_unit=...\n'),
        (["by_hand", "-p", "unit=1"], 'Error: --parameters of by_hand: the workflow has no parameter "unit".\n  It has "aggregation_unit", "days".\n'),
        (["by_hand", "-p", "days=1", "-p", "aggregation_unit=1"], 'Error: --parameters of by_hand: "days" must be a list, as its default in the notebook is.\n'),
        (["by_hand", "-p", "days"], 'Error: --parameters "days": is not key=value.\n'),
        (["by_hand", "-p", "days=[1"], 'Error: --parameters "days=[1": the value is not valid YAML.\n'),
        (["by_hand", "-p", "days=1", "-p", "days=2"], 'Error: --parameters "days=2": "days" is given twice.\n'),
        (["by_hand", "2016-01-01"], 'No config names the workflow "by hand", so it has no reference dates.'),
        (["two"], "Say which dates of two to run, such as 2016-01-31."),
        (["two", "2016-01-02", "-p", "days=1"], "The parameters of two are in workflows.yml."),
        (["twoo", "2016-01-02"], 'Error: workflows.yml: there is no config called "twoo".\n  Did you mean "two"?\n'),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(
    arguments: list[str], message: str, capsys: Capsys, place: Path
) -> None:
    """Before anything is run."""
    ended = run(capsys, place, *arguments)
    assert (ended.status, ended.out) == (1, "")
    assert message in ended.err


def test_the_configs_of_a_workflow_are_suggested(capsys: Capsys, tmp_path: Path) -> None:
    """When its name is no config's."""
    inputs = write_inputs(tmp_path / "inputs", config="      name: other\n")
    ended = call(capsys, "run", "small", "2016-01-01", "--inputs", inputs)
    assert ended.status == 1
    assert 'The configs of that workflow are "other".' in ended.err


def test_parameters_are_yaml() -> None:
    """Numbers, lists, dates and texts, of which the first = separates the name."""
    assert parse_parameters(["a=1", "b=x=y", "c=", "d=[1, z]", "e=2016-01-01", "f='1'"]) == {
        "a": 1,
        "b": "x=y",
        "c": None,
        "d": [1, "z"],
        "e": date(2016, 1, 1),
        "f": "1",
    }
    with pytest.raises(AutoflowError):
        parse_parameters(["=1"])


def test_an_outputs_directory_that_cannot_be_made_is_told(capsys: Capsys, place: Path) -> None:
    """Before anything is run."""
    (place / "file").write_text("")
    outputs = place / "file" / "outputs"
    ended = run(capsys, place, "two", "2016-01-02", "--outputs", outputs)
    assert ended.status == 1
    assert ended.err == (
        f"Error: {outputs}: cannot be written to (Not a directory).\n"
        "  Name another directory with --outputs or AUTOFLOW_OUTPUTS_DIR.\n"
    )


@pytest.fixture
def slow_inputs(tmp_path: Path) -> Path:
    """Inputs whose notebook says that it runs, and would run for ever."""
    return write_inputs(
        tmp_path / "inputs",
        "import pathlib, time\n"
        f"pathlib.Path({str(tmp_path / 'runs')!r}).write_text(str(__import__('os').getpid()))\n"
        "time.sleep(600)",
    )


def is_running(pid: int) -> bool:
    """Return whether there is a process of this number that has not ended."""
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z"


@pytest.mark.integration
def test_ctrl_c_cancels_the_run_and_begins_no_other(slow_inputs: Path, tmp_path: Path) -> None:
    """The run is cancelled and not failed, and its kernel is gone."""
    dates = write_dates(tmp_path / "dates.json", january(1, 2))
    process = start(
        *("run", "small", "2016-01-01", "2016-01-02", "--inputs", slow_inputs),
        *("--outputs", tmp_path / "outputs", "--available-dates", dates),
        DAGSTER_HOME=str(tmp_path / "home"),
    )
    wait_for("the notebook to run", (tmp_path / "runs").exists, 120)
    kernel = wait_for("the kernel's pid", lambda: int((tmp_path / "runs").read_text() or 0))
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert err.startswith("Not begun: 2016-01-02.\n")
    lines = out.splitlines()
    assert lines[1] == "Cancelling the run; Ctrl-C again does not wait for it to end."
    assert re.fullmatch(r"  only: stopped \([\d.]+ s\)", lines[2])
    assert re.fullmatch(r"small, reference date 2016-01-01: cancelled after .*", lines[3])
    with DagsterInstance.from_config(str(tmp_path / "home")) as instance:
        (only,) = instance.get_runs()
    assert only.status is DagsterRunStatus.CANCELED
    wait_for("the kernel to end", lambda: not is_running(kernel))


@pytest.mark.integration
def test_a_run_whose_process_dies_has_failed(slow_inputs: Path, tmp_path: Path) -> None:
    """The command says so instead of waiting for ever."""
    dates = write_dates(tmp_path / "dates.json", january(1))
    process = start(
        *("run", "small", "2016-01-01", "--inputs", slow_inputs),
        *("--outputs", tmp_path / "outputs", "--available-dates", dates),
        DAGSTER_HOME=str(tmp_path / "home"),
    )
    wait_for("the notebook to run", (tmp_path / "runs").exists, 120)
    with DagsterInstance.from_config(str(tmp_path / "home")) as instance:
        (only,) = instance.get_runs()
    worker = only.tags[".dagster/autoflow_worker"].split("/")[0]
    os.kill(int(worker), signal.SIGKILL)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (1, "2016-01-01 failed.\n")
    assert re.search(rf"FAILED after .*\n    The run's process {worker} has ended", out)


@pytest.mark.integration
def test_what_init_writes_can_be_run(
    demo_flowapi: DemoFlowapi, capsys: Capsys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over the demo FlowAPI, to a PDF report."""
    monkeypatch.setenv("FLOWAPI_URL", demo_flowapi.url)
    monkeypatch.setenv("FLOWAPI_TOKEN", demo_flowapi.token)
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "home"))
    arguments = ("--inputs", tmp_path / "inputs", "--outputs", tmp_path / "outputs")
    call(capsys, "init", tmp_path / "inputs")
    ended = call(capsys, "run", "active_subscribers", "2016-01-03", *arguments)
    assert (ended.status, ended.err) == (0, ""), ended.out
    (report,) = names_in(tmp_path / "outputs" / "reports")
    assert report.startswith("subscribers_report__active_subscribers_2016-01-03_")
    assert report.endswith(".pdf")
    refused = call(capsys, "run", "active_subscribers", "2016-01-02", *arguments)
    assert "2016-01-02 waits for 2015-12-31 (date stencil)." in refused.err
