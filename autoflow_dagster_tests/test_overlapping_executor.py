"""Steps side by side in one process: what overlaps, what fails, and what is cancelled."""

from __future__ import annotations

import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster import DagsterInstance, DagsterRunStatus

from autoflow_dagster.ledger import failure_text
from autoflow_dagster.overlapping_executor import overlapping_executor
from autoflow_dagster.warm.process_identity import ProcessIdentity
from autoflow_dagster_tests.command_line import january, start, write_dates
from autoflow_dagster_tests.conftest import names_in, wait_for, write_notebook

WORKFLOWS = """
workflows:
  - name: fan
    notebooks:
      left:
        filename: left.ipynb
        parameters: {day: reference_date}
        output: {format: html}
      right: {filename: right.ipynb, parameters: {day: reference_date}}
      last: {filename: last.ipynb, parameters: {left: left}}
available_dates_sensor:
  schedule: null
  workflows:
    - {workflow_name: fan}
"""

WAIT = """\
import os, pathlib, time
place = pathlib.Path({place!r})
def wait_for(pattern):
    deadline = time.monotonic() + 60
    while not list(place.glob(pattern)):
        if time.monotonic() > deadline:
            raise TimeoutError(pattern)
        time.sleep(0.05)
(place / {name!r}).write_text(str(os.getpid()))
if (place / ("bad " + {name!r})).exists():
    raise ValueError("told to fail")
wait_for({pattern!r})
"""


class Place:
    """Inputs of which no notebook can end unless others, or a report, are made meanwhile."""

    def __init__(self, root: Path, **waits_for: str) -> None:
        self.root = root
        inputs = root / "inputs"
        inputs.mkdir()
        (inputs / "workflows.yml").write_text(WORKFLOWS)
        waits = {"left": "right", "right": "left", "last": "outputs/reports/left__*.html"}
        for name, pattern in (waits | waits_for).items():
            code = WAIT.format(place=str(root), name=name, pattern=pattern)
            parameter = "left" if name == "last" else "day"
            write_notebook(inputs / f"{name}.ipynb", code, parameters=f"{parameter} = None")
        self.dates = write_dates(root / "dates.json", january(1))

    def start(self) -> subprocess.Popen[str]:
        """Run the date as a user does."""
        return start(
            *("run", "fan", "2016-01-01", "--inputs", self.root / "inputs"),
            *("--outputs", self.root / "outputs", "--available-dates", self.dates),
            DAGSTER_HOME=str(self.root / "home"),
        )

    def made(self) -> list[str]:
        """Return which notebooks and reports there are, by the beginnings of their names."""
        names = names_in(self.root / "outputs/notebooks") + names_in(self.root / "outputs/reports")
        return sorted(name.partition("__")[0] + Path(name).suffix for name in names if "__" in name)

    def instance(self) -> DagsterInstance:
        """Return the instance of the run."""
        return DagsterInstance.from_config(str(self.root / "home"))


@pytest.mark.integration
def test_notebooks_and_reports_overlap(tmp_path: Path) -> None:
    """Each of the first two notebooks waits for the other, and the last one for a report."""
    place = Place(tmp_path)
    process = place.start()
    out, err = process.communicate(timeout=200)
    assert process.returncode == 0, out + err
    assert place.made() == ["last.ipynb", "left.html", "left.ipynb", "right.ipynb"]


@pytest.mark.integration
def test_what_does_not_need_a_failed_notebook_goes_on(tmp_path: Path) -> None:
    """And what does is skipped."""
    place = Place(tmp_path)
    (tmp_path / "bad left").touch()
    process = place.start()
    out, err = process.communicate(timeout=200)
    assert process.returncode == 1, out + err
    assert place.made() == ["right.ipynb"]
    assert "told to fail" in out


@pytest.mark.integration
def test_a_cancelled_run_ends_with_all_its_kernels(tmp_path: Path) -> None:
    """None has failed, and none is kept."""
    place = Place(tmp_path, left="nothing", right="nothing")
    process = place.start()
    marks = [tmp_path / "left", tmp_path / "right"]
    wait_for("both kernels", lambda: all(m.exists() and m.read_text() for m in marks), 120)
    kernels = [ProcessIdentity.of(int(mark.read_text())) for mark in marks]
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130
    with place.instance() as instance:
        [run] = instance.get_runs()
        assert run.status is DagsterRunStatus.CANCELED
        assert "its run was cancelled." in failure_text(instance, run.run_id)
    assert not (tmp_path / "outputs/notebooks/failed").exists()
    for kernel in kernels:
        assert kernel is not None
        wait_for("a kernel to end", lambda kernel=kernel: not kernel.is_running)


# The executor itself, over plain ops


class Meeting:
    """Where steps wait for each other."""

    barrier = threading.Barrier(2)
    seconds = 30.0
    attempts = 0


@dg.op(out=dg.Out(dg.Nothing))
def meet() -> None:
    """Wait until another step is here, too."""
    Meeting.barrier.wait(Meeting.seconds)


@dg.op(ins={"before": dg.In(dg.Nothing)})
def fail_once() -> None:
    """Ask for another try."""
    Meeting.attempts += 1
    if Meeting.attempts == 1:
        raise dg.RetryRequested(max_retries=1)


@dg.job(executor_def=overlapping_executor)
def meeting() -> None:
    """Two steps that meet, and one after each."""
    fail_once.alias("one")(meet.alias("first")())
    meet.alias("second")()


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[DagsterInstance]:
    """An instance on SQLite files, for a meeting that has not begun."""
    Meeting.barrier, Meeting.seconds, Meeting.attempts = threading.Barrier(2), 30.0, 0
    with DagsterInstance.local_temp(str(tmp_path)) as made:
        yield made


def execute(instance: DagsterInstance, max_concurrent: int | None) -> dg.JobExecutionResult:
    """Execute the job with the executor that it has."""
    return dg.execute_job(
        dg.reconstructable(meeting),
        instance=instance,
        run_config={"execution": {"config": {"max_concurrent": max_concurrent}}},
        raise_on_error=False,
    )


def test_steps_meet_and_are_tried_again(instance: DagsterInstance) -> None:
    """On a machine with one core, too."""
    with execute(instance, None) as result:
        assert result.success
        kinds = {event.event_type_value for event in result.all_events}
    assert Meeting.attempts == 2
    assert {"STEP_START", "STEP_UP_FOR_RETRY", "STEP_RESTARTED", "LOGS_CAPTURED"} <= kinds
    stored = instance.get_records_for_run(result.run_id).records
    assert sum(r.event_log_entry.is_dagster_event for r in stored) >= len(kinds)


def test_no_more_steps_run_than_are_allowed(instance: DagsterInstance) -> None:
    """The second one would end the waiting of the first."""
    Meeting.seconds = 1.0
    with execute(instance, 1) as result:
        assert not result.success
        assert len(result.filter_events(lambda event: event.is_step_failure)) == 2
