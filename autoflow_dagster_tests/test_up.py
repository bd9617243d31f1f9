"""``autoflow up`` for real: a process that is signalled, killed, misconfigured and started again."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from dagster import DagsterRunStatus
from dagster._core.definitions.instigation_logger import get_instigation_log_records

from autoflow_dagster.errors import AutoflowError
from autoflow_dagster.service.child_processes import Child
from autoflow_dagster.service.processes import Service
from autoflow_dagster_tests.conftest import wait_for
from autoflow_dagster_tests.deployments import TOKEN, WORKFLOWS, DatesServer, day
from autoflow_dagster_tests.postgres_server import PostgresServer
from autoflow_dagster_tests.storages import SQLITE_AND_POSTGRES
from autoflow_dagster_tests.up_process import COMMAND, UpProcess

DAILY = WORKFLOWS.replace('"* * * * * */2"', '"0 3 * * *"')
"""A schedule that does not come round while a test runs."""


@pytest.fixture
def flowapi() -> Iterator[DatesServer]:
    """A FlowAPI with two dates."""
    with DatesServer({"calls": [day(0), day(1)]}) as server:
        yield server


def hold(up: UpProcess, number: int) -> Path:
    """Make a date's notebook wait; unlink the path to let it go on."""
    path = up.place / f"slow {day(number)}"
    path.touch()
    return path


def restarts_of(up: UpProcess, name: str) -> int:
    """Return how often a process was started again, by the command's own log."""
    return up.log().count(f"The {name} died")


@pytest.fixture(params=SQLITE_AND_POSTGRES)
def postgres(request: pytest.FixtureRequest) -> Iterator[PostgresServer | None]:
    """Dagster's storage: None for its SQLite, then a PostgreSQL."""
    if request.param == "sqlite":
        yield None
        return
    with PostgresServer() as server:
        yield server


@pytest.mark.integration
def test_sigterm_lets_a_notebook_finish_and_ends_everything(
    tmp_path: Path, flowapi: DatesServer, postgres: PostgresServer | None
) -> None:
    """Start, check, run, a webserver that dies, SIGTERM in the middle of a notebook."""
    with UpProcess(tmp_path, flowapi, postgres=postgres) as up:
        held = hold(up, 0)
        up.start()
        wait_for("the notebook to wait", lambda: up.executions("began")[day(0)] == 1, 120)

        [webserver] = up.processes_of("webserver")
        os.kill(webserver, signal.SIGKILL)
        wait_for("a new webserver", lambda: up.processes_of("webserver") not in ([], [webserver]))
        assert restarts_of(up, "webserver") == 1
        wait_for("no process to be left as a zombie", lambda: not up.zombies())

        up.signal()
        wait_for("the stop", lambda: up.check("service").get("detail") == "stopping")
        wait_for("no daemon", lambda: not up.processes_of("daemon"))
        held.unlink()
        assert up.wait() == 0, up.log()
        assert up.processes() == []
        assert up.executions("ended")[day(0)] == 1
        assert up.runs(DagsterRunStatus.SUCCESS)[day(0)] == 1
        assert not up.runs(DagsterRunStatus.CANCELED)
        assert up.ask("healthz") == (0, {})


@pytest.mark.integration
def test_what_does_not_finish_is_cancelled_and_tried_again_at_the_next_start(
    tmp_path: Path, flowapi: DatesServer, postgres: PostgresServer | None
) -> None:
    """Also with a schedule that would not check before tomorrow."""
    with UpProcess(tmp_path, flowapi, DAILY, postgres=postgres) as up:
        held = [hold(up, 0), hold(up, 1)]
        up.launch("--once", AUTOFLOW_STOP_GRACE="1")
        wait_for("both notebooks", lambda: len(up.executions("began")) == 2, 150)
        up.signal()
        assert up.wait() == 1, up.log()
        assert up.processes() == [], "kernels included"
        assert up.runs(DagsterRunStatus.CANCELED) == {day(0): 1, day(1): 1}

        for path in held:
            path.unlink()
        up.start()
        wait_for("both dates", lambda: up.has_succeeded([day(0), day(1)]), 120)
        assert up.executions("ended") == {day(0): 1, day(1): 1}
        assert up.stop() == 0


@pytest.mark.integration
def test_the_log_has_what_its_level_says(tmp_path: Path, flowapi: DatesServer) -> None:
    """From every process of the service; the tick in the UI has all lines nevertheless."""
    levels = {}
    for level in ("INFO", "ERROR"):
        (tmp_path / level).mkdir()
        with UpProcess(tmp_path / level, flowapi, DAILY, AUTOFLOW_LOG_LEVEL=level) as up:
            up.launch("--once")
            assert up.wait(200) == 0, up.log()
            levels[level] = set(re.findall(r"\b(DEBUG|INFO|WARNING|ERROR)\b", up.log()))
            told = tick_lines(up)
            assert any("2 available dates: 2 requested" in line for line in told), told
            from_us = re.findall(r"^[-\d]+ [:\d]+ [+-]\d{4} - autoflow - INFO - ", up.log(), re.M)
            assert bool(from_us) == (level == "INFO")
    assert "INFO" in levels["INFO"]
    assert levels["ERROR"] == set()


def tick_lines(up: UpProcess) -> list[str]:
    """Return what the sensor's ticks have logged, as the UI shows it."""
    return [
        str(record["msg"])
        for tick in up.ticks()
        if tick.log_key
        for record in get_instigation_log_records(up.instance, tick.log_key)
    ]


@pytest.mark.integration
def test_a_second_signal_ends_everything_at_once(tmp_path: Path, flowapi: DatesServer) -> None:
    """However long the grace period is."""
    with UpProcess(tmp_path, flowapi, AUTOFLOW_STOP_GRACE="600") as up:
        hold(up, 0)
        hold(up, 1)
        up.start()
        wait_for("both notebooks", lambda: len(up.executions("began")) == 2, 120)
        up.signal()
        wait_for("the stop", lambda: up.check("service").get("detail") == "stopping")
        up.signal()
        second = time.monotonic()
        assert up.wait() == 0, up.log()
        assert time.monotonic() - second < 15
        assert up.processes() == []
        assert up.runs(DagsterRunStatus.CANCELED) == {day(0): 1, day(1): 1}


@pytest.mark.integration
def test_once_ends_by_itself_with_the_outcome(tmp_path: Path, flowapi: DatesServer) -> None:
    """The check is made by the daemon, every time, whatever the schedule: a batch job."""
    with UpProcess(tmp_path, flowapi, WORKFLOWS.replace('"* * * * * */2"', "null")) as up:
        bad = up.place / f"bad {day(1)}"
        bad.touch()
        up.launch("--once")
        assert up.wait(200) == 1, up.log()
        assert f"told to fail on {day(1)}" in up.log()
        assert up.executions("ended") == {day(0): 1, day(1): 0}
        assert up.processes() == []

        bad.unlink()
        up.launch("--once")
        assert up.wait(200) == 0, up.log()
        assert up.executions("ended") == {day(0): 1, day(1): 1}


@pytest.mark.integration
def test_without_a_schedule_every_start_makes_a_check(tmp_path: Path, flowapi: DatesServer) -> None:
    """As the original did; a date that failed, or was not there yet, is not lost."""
    with UpProcess(tmp_path, flowapi, WORKFLOWS.replace('"* * * * * */2"', "null")) as up:
        bad = up.place / f"bad {day(1)}"
        bad.touch()
        up.start()
        wait_for("a failure", lambda: up.runs(DagsterRunStatus.FAILURE)[day(1)] == 1, 120)
        wait_for("a success", lambda: up.has_succeeded([day(0)]), 120)
        assert up.stop() == 0
        bad.unlink()
        half = up.settings.notebooks_dir / ".0a1b2c3d.partial.ipynb"
        half.touch()
        os.utime(half, (0, 0))
        up.start()
        assert not half.exists(), "nobody is still writing it"
        wait_for("the date that failed", lambda: up.has_succeeded([day(0), day(1)]), 120)
        assert up.executions("ended") == {day(0): 1, day(1): 1}
        assert up.stop() == 0


@pytest.mark.integration
def test_once_fails_when_no_check_can_be_made(tmp_path: Path, flowapi: DatesServer) -> None:
    """Instead of waiting for FlowAPI for ever."""
    flowapi.is_down = True
    with UpProcess(tmp_path, flowapi) as up:
        up.launch("--once")
        assert up.wait(200) == 1
        assert "No check could be made" in up.log()
        assert up.processes() == []


def run_up(environ: dict[str, str], *options: str) -> tuple[int, str]:
    """Return exit status and standard error of a command that is to fail early."""
    done = subprocess.run(
        [*COMMAND, *options],
        env={"PATH": os.environ["PATH"], "HOME": "/nonexistent", **environ},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.returncode, done.stderr


def test_all_configuration_problems_are_told_at_once(tmp_path: Path) -> None:
    """Settings, secrets, directories, certificate, database and inputs, with exit status 1."""
    (tmp_path / "inputs").mkdir()
    (tmp_path / "inputs" / "workflows.yml").write_text("workflows: []\n")
    (tmp_path / "file").touch()
    status, text = run_up(
        {
            "AUTOFLOW_INPUTS_DIR": str(tmp_path / "inputs"),
            "AUTOFLOW_OUTPUTS_DIR": str(tmp_path / "file" / "outputs"),
            "DAGSTER_HOME": str(tmp_path / "home"),
            "AUTOFLOW_LOG_LEVEL": "loud",
            "AUTOFLOW_STOP_GRACE": "soon",
            "AUTOFLOW_DB_URI": "mysql://user:DUMMY_PASSWORD@host/autoflow",
            "SSL_CERTIFICATE_FILE": str(tmp_path / "missing.pem"),
            "FLOWAPI_URL": "flowapi.example.org",
        }
    )
    assert status == 1
    for name in (
        "AUTOFLOW_LOG_LEVEL",
        "AUTOFLOW_STOP_GRACE",
        "AUTOFLOW_DB_URI",
        "SSL_CERTIFICATE_FILE",
        "FLOWAPI_URL",
        "FLOWAPI_TOKEN",
        "AUTOFLOW_OUTPUTS_DIR",
        "workflows.yml",
    ):
        assert re.search(rf"^{name}", text, re.MULTILINE), text
    assert "Traceback" not in text
    assert "DUMMY_PASSWORD" not in text


def test_the_database_and_the_address_are_told_with_the_rest(tmp_path: Path) -> None:
    """The port of an address of a database, a password that is missing, a host and a port."""
    base = {"AUTOFLOW_OUTPUTS_DIR": str(tmp_path), "AUTOFLOW_DB_URI": "postgresql://u:{}@db:x/y"}
    status, text = run_up(base, "--host", "nosuch.invalid")
    assert status == 1
    for name in ("AUTOFLOW_DB_URI", "AUTOFLOW_DB_PASSWORD", "FLOWAPI_URL", "FLOWAPI_TOKEN"):
        assert len(re.findall(rf"^{name}: ", text, re.MULTILINE)) == 1, text
    assert re.search(
        r'^--host "nosuch.invalid": cannot be listened on \(.*\)\.\n  Give an', text, re.M
    )
    assert text.count("nosuch.invalid") == 1, "though two ports are to be listened on"
    assert "Waiting" not in text

    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        status, text = run_up(base, "--reports-port", port)
        assert status == 1
        assert f"Port {port} of 127.0.0.1: cannot be listened on (Address already in use)." in text


@pytest.mark.parametrize("option", ["--port", "--reports-port"])
def test_a_port_is_a_number_below_65536(option: str) -> None:
    """Another one is the user's mistake, not a bug."""
    status, text = run_up({}, option, "99999")
    assert status == 1
    assert f"Invalid value for '{option}': 99999 is not in the range 0<=x<=65535." in text


def test_a_process_that_keeps_dying_ends_the_service() -> None:
    """The container's supervisor has to notice."""
    service = Service({}, first_delay_seconds=0.01)
    service.children = [Child("webserver", ["/bin/false"])]

    def tend_for_ever() -> None:
        while True:
            service.tend()
            time.sleep(0.01)

    with pytest.raises(AutoflowError, match="The webserver: has died 6 times in a row"):
        tend_for_ever()


@pytest.mark.integration
def test_the_service_ends_with_the_command(tmp_path: Path, flowapi: DatesServer) -> None:
    """Even when the command is killed and can stop nothing itself; two in one home are refused."""
    with UpProcess(tmp_path, flowapi, DAILY) as up:
        up.start()
        status, text = run_up({**up.settings.environ, "DAGSTER_HOME": str(up.home)})
        assert (status, "another `autoflow up` runs there" in text) == (1, True), text
        assert TOKEN not in text + up.log()

        up.signal(signal.SIGKILL)
        up.wait()
        wait_for("nothing to be left", lambda: not up.processes(), 60)
