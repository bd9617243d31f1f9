"""Processes that are killed, daemons that are two, disks that are full: every date ends done, once.

With the real daemon, webserver and code server, on SQLite; test_faults_postgres.py has the rest.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from pathlib import Path

import pytest
from dagster import DagsterRunStatus

from autoflow_dagster.ledger import UNFINISHED
from autoflow_dagster.warm.process_identity import ProcessIdentity
from autoflow_dagster.warm.run_launcher import TAG_WORKER
from autoflow_dagster_tests.conftest import wait_for
from autoflow_dagster_tests.deployments import WORKFLOWS, DatesServer, Deployment, day

pytestmark = pytest.mark.integration

KILL_ROUNDS = int(os.environ.get("AUTOFLOW_KILL_ROUNDS", "20"))
LONG = 240.0
"""Seconds for what takes ten on a machine that is not busy."""


@pytest.fixture
def flowapi() -> Iterator[DatesServer]:
    """A FlowAPI; each test gives it its dates."""
    with DatesServer({}) as server:
        yield server


def days(number: int) -> list[date]:
    """Return the first so many days."""
    return [day(n) for n in range(number)]


def assert_nothing_is_left_behind(deployment: Deployment) -> None:
    """No run is unfinished, no file is half-written, no kernel has been forgotten."""
    assert deployment.records(*UNFINISHED) == []
    for path in deployment.output_files():
        assert ".partial" not in path.name, path
        if path.suffix == ".ipynb":
            assert json.loads(path.read_text())["nbformat"] == 4, path
    wait_for("no kernel to be left", lambda: not deployment.processes("ipykernel_launcher"), 30)


def kill_rounds(deployment: Deployment, number: int, dates: int) -> None:
    """Kill the daemon again and again while it requests the runs of so many dates.

    At random moments of ticks that request runs: after the first few requests of each daemon.
    """
    seed = random.SystemRandom().randrange(1000)
    print(f"Seed of the moments: {seed}")
    moments = random.Random(seed)
    for number_of_round in range(number):
        # The rest of the dates has to last for the rest of the rounds.
        left = dates - len(deployment.records())
        most = max(0, min(4, left // (number - number_of_round) - 1))
        wanted = len(deployment.records()) + moments.randint(0, most)
        wait_for("a tick", _tick_since(deployment, time.time()), LONG)
        wait_for("a few requests", lambda: len(deployment.records()) >= wanted, LONG)  # noqa: B023
        time.sleep(moments.uniform(0, 0.3))
        deployment.kill_child("daemon")
        deployment.restart_child("daemon")
    wait_for("every date to be requested", lambda: len(deployment.runs()) == dates, LONG)


def _tick_since(deployment: Deployment, then: float) -> Callable[[], bool]:
    def has_begun() -> bool:
        data = deployment.sensor_data()
        return data is not None and (data.last_tick_start_timestamp or 0) > then

    return has_begun


def assert_each_was_requested_once(deployment: Deployment, dates: Sequence[date]) -> None:
    """One run for each date, each with a run key of its own."""
    assert deployment.runs() == Counter(dates)
    keys = Counter(r.dagster_run.tags["dagster/run_key"] for r in deployment.records())
    assert set(keys.values()) == {1}


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_killing_the_daemon_loses_no_date_and_doubles_none(
    tmp_path: Path, flowapi: DatesServer
) -> None:
    """`kill -9` at random moments of ticks that request runs; nothing is taken from the queue."""
    flowapi.dates["calls"] = days(5 * KILL_ROUNDS)
    once = WORKFLOWS.replace('"* * * * * */2"', "null")
    queue_only = {"concurrency": {"runs": {"max_concurrent_runs": 0}}}
    with Deployment(tmp_path, flowapi, once, instance_config=queue_only) as deployment:
        deployment.start()
        kill_rounds(deployment, KILL_ROUNDS, 5 * KILL_ROUNDS)
        assert_each_was_requested_once(deployment, days(5 * KILL_ROUNDS))


def worker_of(deployment: Deployment, when: date) -> ProcessIdentity | None:
    """Return the process of the newest run for a date."""
    for record in reversed(deployment.records()):
        tags = record.dagster_run.tags
        if tags["dagster/partition"] == when.isoformat():
            return ProcessIdentity.parse(tags.get(TAG_WORKER, ""))
    return None


def kernel_of(deployment: Deployment, when: date) -> int:
    """Return the pid of the newest kernel for a date, as its notebook noted it."""
    return int((deployment.place / when.isoformat()).read_text().split()[-1])


def is_in_notebook(deployment: Deployment, when: date, times: int = 1) -> bool:
    """Return whether a date's notebook has begun so often."""
    return deployment.executions("began")[when] >= times


@pytest.mark.timeout(900)
def test_killed_workers_kernels_and_machines_cost_an_attempt_and_no_date(
    tmp_path: Path, flowapi: DatesServer
) -> None:
    """A run worker, a kernel, the daemon, then everything at once followed by a start: one story."""
    flowapi.dates["calls"] = days(3)
    with Deployment(tmp_path, flowapi) as deployment:
        slow = [deployment.place / f"slow {day(n)}" for n in range(5)]
        for flag in slow:
            flag.touch()
        deployment.start()

        # A run worker in a notebook: its run fails soon, its kernel does not outlive it.
        wait_for(
            "two notebooks", lambda: all(is_in_notebook(deployment, day(n)) for n in (0, 1)), LONG
        )
        worker = worker_of(deployment, day(0))
        assert worker is not None
        kernel = ProcessIdentity.of(kernel_of(deployment, day(0)))
        assert worker.send_signal(signal.SIGKILL)
        wait_for("the kernel's end", lambda: kernel is None or not kernel.is_running, 60)
        failed = lambda when: deployment.runs(DagsterRunStatus.FAILURE)[when]  # noqa: E731
        wait_for("the run to fail", lambda: failed(day(0)), LONG)

        # A kernel: its run says so.
        os.kill(kernel_of(deployment, day(1)), signal.SIGKILL)
        wait_for("the run to fail", lambda: failed(day(1)), LONG)
        assert "its kernel died" in deployment.failure_of(day(1))

        # The daemon, while notebooks run: they go on.
        wait_for("its second run", lambda: is_in_notebook(deployment, day(0), 2), LONG)
        deployment.kill_child("daemon")
        slow[0].unlink()
        wait_for("its end", lambda: deployment.executions()[day(0)] == 1, LONG)
        deployment.restart_child("daemon")
        for flag in slow[1:3]:
            flag.unlink()
        wait_for("three days", lambda: deployment.has_succeeded(days(3)), LONG)

        # Everything at once, in the notebook of a new date.
        flowapi.dates["calls"] = days(5)
        wait_for(
            "two notebooks", lambda: all(is_in_notebook(deployment, day(n)) for n in (3, 4)), LONG
        )
        deployment.kill_everything()
        for flag in slow[3:]:
            flag.unlink()
        deployment.start()
        wait_for("five days", lambda: deployment.has_succeeded(days(5)), LONG)

        assert deployment.runs(DagsterRunStatus.SUCCESS) == Counter(days(5))
        assert deployment.runs(DagsterRunStatus.FAILURE) == Counter(
            {day(0): 1, day(1): 1, day(3): 1, day(4): 1}
        )
        assert deployment.executions() == Counter(days(5))
        deployment.wait_for_another_check(LONG)
        assert sum(deployment.runs().values()) == 9
        assert_nothing_is_left_behind(deployment)


@contextlib.contextmanager
def another_daemon(deployment: Deployment, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Start a second daemon over a deployment that runs, for as long as the block lasts."""
    with log.open("wb") as file:
        second = subprocess.Popen(
            deployment.child("daemon").argv,
            env=dict(deployment.service.environment),
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield second
    finally:
        second.kill()
        second.wait()


@pytest.mark.timeout(600)
def test_two_daemons_by_mistake_run_no_date_twice(tmp_path: Path, flowapi: DatesServer) -> None:
    """Both evaluate the sensor and both launch what is queued; notebooks tell who ran."""
    flowapi.dates["calls"] = days(6)
    with Deployment(tmp_path, flowapi) as deployment:
        deployment.start()
        with another_daemon(deployment, tmp_path / "second.log") as second:
            wait_for("six days", lambda: deployment.has_succeeded(days(6)), LONG)
            for number in range(6, 9):
                flowapi.dates["calls"].append(day(number))
            wait_for("nine days", lambda: deployment.has_succeeded(days(9)), LONG)
            deployment.wait_for_another_check(LONG)
            assert second.poll() is None
        assert deployment.executions("began") == Counter(days(9))
        assert deployment.runs(DagsterRunStatus.SUCCESS) == Counter(days(9))
        assert deployment.runs(DagsterRunStatus.FAILURE) == Counter()
        assert_nothing_is_left_behind(deployment)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """An outputs directory with room for 300 kB."""
    path = tmp_path / "outputs"
    path.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(path)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("needs root and the right to mount; test_notebooks.py has a faulty writer")
    yield path
    subprocess.run(["umount", "--lazy", str(path)], check=True)


@pytest.mark.timeout(600)
def test_a_full_disk_costs_an_attempt_and_no_date(
    tmp_path: Path, flowapi: DatesServer, small_disk: Path
) -> None:
    """The run fails and says why; once there is room, the date is done."""
    flowapi.dates["calls"] = days(1)
    with Deployment(tmp_path, flowapi) as deployment:
        filler = small_disk / "filler"
        filler.write_bytes(b"x" * 250_000)
        (deployment.place / "large").touch()
        deployment.start()
        wait_for("a failure", lambda: deployment.runs(DagsterRunStatus.FAILURE)[day(0)], LONG)
        assert "No space left on device" in deployment.failure_of(day(0))
        assert not [path for path in deployment.output_files() if path.suffix == ".ipynb"]
        filler.unlink()
        wait_for("success", lambda: deployment.has_succeeded(days(1)), LONG)
        assert_nothing_is_left_behind(deployment)


@pytest.mark.timeout(600)
def test_a_run_that_never_ends_is_ended(tmp_path: Path, flowapi: DatesServer) -> None:
    """After the longest time that a run may take; the date is tried again."""
    flowapi.dates["calls"] = days(1)
    config = {"run_monitoring": {"poll_interval_seconds": 1, "max_runtime_seconds": 5}}
    with Deployment(tmp_path, flowapi, instance_config=config) as deployment:
        slow = deployment.place / f"slow {day(0)}"
        slow.touch()
        deployment.start()
        wait_for("its failure", lambda: deployment.runs(DagsterRunStatus.FAILURE)[day(0)], LONG)
        slow.unlink()
        wait_for("success", lambda: deployment.has_succeeded(days(1)), LONG)
        assert deployment.executions() == Counter(days(1))
        assert_nothing_is_left_behind(deployment)
