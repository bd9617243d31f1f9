"""A service that is started, broken and started again, over a FlowAPI that knows dates only.

For tests of what survives: real processes, real storage, notebooks that keep a record of each of
their executions apart from Dagster's.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import urllib.request
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import yaml
from dagster import DagsterInstance, DagsterRunStatus, RunRecord, RunsFilter

from autoflow_dagster.instance_home import export_database, prepare_home, service_environment
from autoflow_dagster.ledger import UNFINISHED, failure_text
from autoflow_dagster.sensors import SENSOR_NAME
from autoflow_dagster.service.child_processes import PROCESS_NAMES, Child
from autoflow_dagster.service.processes import Service
from autoflow_dagster.settings import Settings
from autoflow_dagster_tests.conftest import wait_for, write_notebook
from autoflow_dagster_tests.misbehaving import Connection, MisbehavingServer, answer
from autoflow_dagster_tests.postgres_server import PostgresServer

FIRST_DAY = date(2016, 1, 1)
MARKER = "AUTOFLOW_TEST_DEPLOYMENT"
"""Variable by which the processes of a deployment are told from all others."""

JOB = "count"
TOKEN = "DUMMY.TOKEN.OF_A_TEST"

WORKFLOWS = """\
workflows:
  - name: count
    notebooks:
      first:
        filename: first.ipynb
        parameters: {reference_date: reference_date, place: place}
available_dates_sensor:
  schedule: "* * * * * */2"
  workflows:
    - {workflow_name: count, parameters: {place: PLACE}}
"""

FIRST_CELL = """\
import os, pathlib, time
place = pathlib.Path(place)
def note(what):
    with (place / reference_date).open("a") as file:
        file.write(f"{what} {os.getpid()}\\n")
note("began")
if (place / f"slow {reference_date}").exists():
    deadline = time.monotonic() + 600
    while (place / f"slow {reference_date}").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
if (place / f"bad {reference_date}").exists():
    raise RuntimeError(f"told to fail on {reference_date}")
if (place / "large").exists():
    print("x" * 100_000)
note("ended")
"""


def day(number: int) -> date:
    """Return the first day (0) of the records, or one after it."""
    return FIRST_DAY + timedelta(days=number)


class DatesServer(MisbehavingServer):
    """A FlowAPI that knows available dates and nothing else.

    Attributes
    ----------
    dates : mapping of str to list of date
        By CDR type. Change it at any time.
    is_down : bool
        Whether each request is answered with 503.
    """

    def __init__(self, dates: Mapping[str, Sequence[date]]) -> None:
        self.dates: dict[str, list[date]] = {name: list(days) for name, days in dates.items()}
        self.is_down = False
        super().__init__(self._answer)

    def _answer(self, connection: Connection) -> None:
        texts = {name: [day.isoformat() for day in days] for name, days in self.dates.items()}
        body = json.dumps({"available_dates": texts}).encode()
        (answer(503) if self.is_down else answer(200, body))(connection)


class Deployment:
    """Inputs, outputs, DAGSTER_HOME and the service over them.

    Use it in a ``with`` block: at its end every process of it is gone.

    Parameters
    ----------
    root : Path
        An empty directory.
    flowapi : DatesServer
        Whom the sensor asks.
    workflows : str
        Content of workflows.yml; ``PLACE`` becomes `place`.
    postgres : PostgresServer or None
        None for SQLite.
    instance_config : mapping or None
        What to change in ``dagster.yaml``, section by section.
    environ : str
        Further environment variables.
    """

    def __init__(
        self,
        root: Path,
        flowapi: DatesServer,
        workflows: str = WORKFLOWS,
        *,
        postgres: PostgresServer | None = None,
        instance_config: Mapping[str, Mapping[str, Any]] | None = None,
        **environ: str,
    ) -> None:
        self.flowapi = flowapi
        self.inputs, self.outputs = root / "inputs", root / "outputs"
        self.home, self.place, self.logs = root / "home", root / "place", root / "logs"
        self.inputs.mkdir()
        self.place.mkdir()
        (self.inputs / "workflows.yml").write_text(workflows.replace("PLACE", str(self.place)))
        write_notebook(
            self.inputs / "first.ipynb", FIRST_CELL, parameters="reference_date = place = ''"
        )
        self._id = uuid.uuid4().hex
        database = {"AUTOFLOW_DB_URI": postgres.uri} if postgres else {}
        password = {"AUTOFLOW_DB_PASSWORD": postgres.password} if postgres else {}
        self.settings = Settings.from_environ(
            {
                **os.environ,
                MARKER: self._id,
                "AUTOFLOW_KERNEL_ENV": MARKER,  # kernels are found by it, too
                "AUTOFLOW_INPUTS_DIR": str(self.inputs),
                "AUTOFLOW_OUTPUTS_DIR": str(self.outputs),
                "AUTOFLOW_SENSOR_INTERVAL": "1",
                "AUTOFLOW_MAX_CONCURRENT_RUNS": "2",
                "FLOWAPI_URL": flowapi.url,
                "FLOWAPI_TOKEN": TOKEN,
                **database,
                **password,
                **environ,
            }
        )
        self._instance_config = instance_config or {}
        self._exported = contextlib.ExitStack()
        self.service = self._new_service()

    def __enter__(self) -> Self:
        prepare_home(self.home, self.settings)
        path = self.home / "dagster.yaml"
        config = yaml.safe_load(path.read_text())
        monitoring = {"poll_interval_seconds": 1, "start_timeout_seconds": 30}
        for section, changes in {"run_monitoring": monitoring, **self._instance_config}.items():
            config[section] = {**config.get(section, {}), **changes}
        path.write_text(yaml.safe_dump(config))
        export_database(self.settings)
        self.instance = DagsterInstance.from_config(str(self.home))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.instance.dispose()
        self.kill_everything()

    def _new_service(self) -> Service:
        return Service(service_environment(self.home, self.settings), port=0, log_dir=self.logs)

    def start(self) -> None:
        """Start the service and wait until it answers."""
        self.service = self._new_service()
        self.service.start()
        self.service.wait_until_ready(120, lambda: False)

    def child(self, name: str) -> Child:
        """Return a process of the service: the code server, the webserver or the daemon."""
        return next(child for child in self.service.children if child.name == name)

    def kill_child(self, name: str) -> None:
        """Kill one process of the service at once; `Service.tend` would start it again."""
        process = self.child(name).process
        assert process is not None
        process.kill()
        process.wait()

    def restart_child(self, name: str) -> None:
        """Start a process of the service that was killed, without the pause that `tend` makes."""
        child = self.child(name)
        child.restarts, child.restart_at = 0, 0.0
        self.service.tend()

    def kill_everything(self) -> None:
        """Kill every process of this deployment at once, as a power cut does."""
        for pid in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        wait_for("all processes to be gone", lambda: not self.processes(), 30)
        self.service.kill()

    def processes(self, containing: str = "") -> list[int]:
        """Return the pids of this deployment's processes whose command line contains a text."""
        return sorted(
            int(path.name)
            for path in Path("/proc").iterdir()
            if path.name.isdecimal() and self._is_ours(path) and containing in _command_line(path)
        )

    def processes_of(self, child: str) -> list[int]:
        """Return the pids of a process of the service, by its name there."""
        forked = [pid for pid in self.processes() if _name(pid) == PROCESS_NAMES[child]]
        return forked or self.processes(MODULES[child])

    def zombies(self) -> list[int]:
        """Return the pids of processes that have ended and whose parent here has not noticed."""
        parents = set(self.processes())
        return sorted(
            int(path.name)
            for path in Path("/proc").iterdir()
            if path.name.isdecimal()
            and (state := _state_and_parent(path))
            and state[0] == "Z"
            and int(state[1]) in parents
        )

    def _is_ours(self, process: Path) -> bool:
        try:
            environ = (process / "environ").read_bytes()
        except OSError:
            return False
        state = _state_and_parent(process)
        return (
            bool(state)
            and state[0] not in "ZX"
            and f"{MARKER}={self._id}".encode() in environ.split(b"\0")
        )

    def records(self, *statuses: DagsterRunStatus) -> list[RunRecord]:
        """Return runs, oldest first."""
        wanted = RunsFilter(statuses=list(statuses) or None)
        return list(self.instance.get_run_records(wanted, order_by="id", ascending=True))

    def runs(self, *statuses: DagsterRunStatus) -> Counter[date]:
        """Return the number of runs by reference date."""
        return Counter(
            date.fromisoformat(record.dagster_run.tags["dagster/partition"])
            for record in self.records(*statuses)
        )

    def has_succeeded(self, days: Sequence[date]) -> bool:
        """Return whether exactly these days have a successful run, and no run is unfinished."""
        return set(self.runs(DagsterRunStatus.SUCCESS)) == set(days) and not self.records(
            *UNFINISHED
        )

    def executions(self, what: str = "ended") -> Counter[date]:
        """Return how often the notebook itself noted that it began or ended, by reference date."""
        return Counter(
            {
                date.fromisoformat(path.name): path.read_text().count(f"{what} ")
                for path in self.place.glob("????-??-??")
            }
        )

    def failure_of(self, when: date) -> str:
        """Return what the latest failed run for a date failed with."""
        of_date = [
            record.dagster_run.run_id
            for record in self.records(DagsterRunStatus.FAILURE)
            if record.dagster_run.tags["dagster/partition"] == when.isoformat()
        ]
        return failure_text(self.instance, of_date[-1])

    def sensor_data(self) -> Any:
        """Return what Dagster keeps of the sensor between ticks; None before the first."""
        for state in self.instance.all_instigator_state():
            if state.instigator_name == SENSOR_NAME:
                return state.instigator_data
        return None

    def ticks(self, limit: int | None = None) -> list[Any]:
        """Return the sensor's ticks, newest first."""
        states = self.instance.all_instigator_state()
        for state in states:
            if state.instigator_name == SENSOR_NAME:
                ids = state.instigator_origin_id, state.selector_id
                return list(self.instance.get_ticks(*ids, limit=limit))
        return []

    def checks_since(self, then: datetime) -> int:
        """Return how many checks were completed since a time."""
        stamp = then.timestamp()
        found = [t for t in self.ticks() if t.timestamp > stamp and t.end_timestamp]
        return sum("Next check" in (tick.skip_reason or "") for tick in found)

    def wait_for_another_check(self, timeout_seconds: float = 60) -> None:
        """Wait until FlowAPI was asked by a tick that begins later and has ended."""
        asked = len(self.flowapi.requests)
        wait_for("another check", lambda: len(self.flowapi.requests) >= asked + 2, timeout_seconds)

    def graphql(self, query: str, **variables: object) -> dict[str, Any]:
        """Ask the webserver."""
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(
            f"{self.service.url}/graphql", body, {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=60) as response:
            found = json.load(response)
        assert "errors" not in found, found
        data: dict[str, Any] = found["data"]
        return data

    def output_files(self) -> Iterator[Path]:
        """Yield every file below the outputs directory, hidden and failed ones too."""
        return (path for path in self.outputs.rglob("*") if path.is_file())


MODULES = {
    "code server": "-m dagster api grpc ",
    "webserver": "-m dagster_webserver ",
    "daemon": "-m dagster._daemon ",
}
"""In the command lines of the service's processes that were not forked."""


def _state_and_parent(process: Path) -> list[str]:
    """Return the letter of a process's state and its parent's pid; empty when it is gone."""
    try:
        return (process / "stat").read_text().rpartition(")")[2].split()[:2]
    except OSError:
        return []


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def _command_line(process: Path) -> str:
    try:
        return (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""
