"""Measure what the available dates sensor costs: `make bench-sensor`.

Fills Dagster's storage with years of history, starts the real code server over it and has the sensor
evaluated through it, as the daemon does. Prints a table; with ``--write`` it goes into docs/, too.
Events are stored without their bodies, which no query of a check reads.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import platform
import sqlite3
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from dagster import AssetMaterialization, DagsterInstance

from autoflow_dagster.dates.date_hashes import DateHashes
from autoflow_dagster.instance_home import export_database, prepare_home, service_environment
from autoflow_dagster.ledger import DATA_VERSION_TAG, asset_keys
from autoflow_dagster.parser import load_workflows
from autoflow_dagster.sensors import SENSOR_NAME
from autoflow_dagster.settings import Settings
from autoflow_dagster.workflows import WorkflowConfig
from autoflow_dagster_tests.conftest import write_notebook
from autoflow_dagster_tests.deployments import TOKEN, DatesServer
from autoflow_dagster_tests.postgres_server import PostgresServer, programs

FIRST_DAY = date(2010, 1, 1)
DONE_SHARE = 0.9
IDLE_TICKS = 20
IDLE_CPU_SECONDS = 0.02
"""Of half a second, in which a code server that has nothing to do answers its heartbeat."""

LOCATION = "autoflow_dagster"

HEADER = """\
workflows:
  - name: flows
    notebooks:
      run_flows: {filename: a.ipynb, parameters: {unit: unit, date_ranges: date_ranges}}
      flows_report:
        filename: b.ipynb
        parameters: {run_flows: run_flows}
        output: {format: pdf}
available_dates_sensor:
  schedule: "0 0 * * *"
  workflows:
"""


@dataclass
class Row:
    """What was measured with one number of configs on one storage; seconds, megabytes, bytes."""

    storage: str
    configs: int
    first_check: float = 0.0
    check: float = 0.0
    check_cpu: float = 0.0
    backlog_tick: float = 0.0
    idle_tick: float = 0.0
    memory: float = 0.0
    cursor: int = 0

    def cells(self) -> list[str]:
        """Return the row of the table."""
        return [
            self.storage,
            str(self.configs),
            f"{self.first_check:.2f} s",
            f"{self.check:.2f} s",
            f"{self.check_cpu:.2f} s",
            f"{self.check / self.configs * 1000:.0f} ms",
            f"{self.backlog_tick:.2f} s",
            f"{self.idle_tick * 1000:.0f} ms",
            f"{self.memory:.0f} MB",
            f"{self.cursor} B",
        ]


COLUMNS = (
    "storage", "configs", "first check", "check", "its CPU", "per config", "backlog tick", "idle tick",
    "memory above idle", "cursor",
)  # fmt: skip


class Filler:
    """Writes history into an instance's storage, row by row, past Dagster's own slow ways."""

    def __init__(self, instance: DagsterInstance) -> None:
        self._instance = instance
        self._event_id = 1_000_000
        self._run_number = 0

    def fill(self, config: WorkflowConfig, days: Sequence[date]) -> None:
        """Store a successful run, its events and its partition for each day."""
        name, keys = config.name, asset_keys(config.name, config.workflow)
        for key in keys:  # so that the asset is known
            tags = {DATA_VERSION_TAG: "of a day that is not available"}
            made = AssetMaterialization(key, partition="2009-12-31", tags=tags)
            self._instance.report_runless_asset_event(made)
        self._event_id += 1000  # past the ids that those took
        hashes = DateHashes(config.parameters, config.date_stencil)
        events, tags, runs, run_tags, partitions = [], [], [], [], []
        for day in days:
            text, version, stamp = day.isoformat(), hashes(day), f"{day} 12:00:00"
            self._run_number += 1
            run_id = str(uuid.UUID(int=self._run_number))
            run = _run(run_id, name, text, version)
            runs.append((run_id, name, "SUCCESS", run.pop("body"), text, stamp, stamp, 1.0, 2.0))
            run_tags += [(run_id, tag, value) for tag, value in run["tags"].items()]
            partitions.append((name, text))
            for kind in ("ASSET_MATERIALIZATION_PLANNED", "ASSET_MATERIALIZATION"):
                for key in keys:
                    self._event_id += 1
                    asset = key.to_string()
                    events.append((self._event_id, run_id, "{}", kind, stamp, asset, text))
                    if kind == "ASSET_MATERIALIZATION":
                        tags.append((self._event_id, asset, DATA_VERSION_TAG, version, stamp))
        with self._instance.event_log_storage.index_connection() as connection:  # type: ignore[attr-defined]
            insert = _inserter(connection)
            columns = "id,run_id,event,dagster_event_type,timestamp,asset_key,partition"
            insert("event_logs", columns, events)
            insert("asset_event_tags", "event_id,asset_key,key,value,event_timestamp", tags)
            insert("dynamic_partitions", "partitions_def_name,partition", partitions)
        with self._instance.run_storage.connect() as connection:  # type: ignore[attr-defined]
            insert = _inserter(connection)
            columns = (
                "run_id,pipeline_name,status,run_body,partition,create_timestamp,update_timestamp,"
                "start_time,end_time"
            )
            insert("runs", columns, runs)
            insert("run_tags", "run_id,key,value", run_tags)


def _run(run_id: str, name: str, day: str, version: str) -> dict[str, Any]:
    """Return the tags and the serialized body of a run that the sensor requested."""
    from dagster import DagsterRun, DagsterRunStatus, serialize_value

    tags = {
        ".dagster/autoflow_worker": "1/2/c5044577-02f4-49b4-ade4-90ba099ed957/pid:[4026531836]",
        "autoflow/attempt": "1",
        "autoflow/config": name,
        "autoflow/parameters_hash": version,
        "autoflow/reference_date": day,
        "autoflow/workflow": "flows",
        "dagster/code_location": LOCATION,
        "dagster/partition": day,
        "dagster/partition_set": f"{name}_partition_set",
        "dagster/run_key": f"{name}:{day}:{version}:1",
        "dagster/sensor_name": SENSOR_NAME,
        "dagster/tick": "3",
    }
    run = DagsterRun(name, run_id=run_id, status=DagsterRunStatus.SUCCESS, tags=tags)
    return {"tags": tags, "body": serialize_value(run)}


def _inserter(connection: Any) -> Any:
    """Return a function that inserts rows quickly: executemany for SQLite, COPY for PostgreSQL."""
    raw = connection.connection.driver_connection

    def insert(table: str, columns: str, rows: Iterable[tuple[Any, ...]]) -> None:
        rows = list(rows)
        if isinstance(raw, sqlite3.Connection):
            marks = ",".join("?" * len(columns.split(",")))
            raw.executemany(f"INSERT INTO {table} ({columns}) VALUES ({marks})", rows)
            return
        text = io.StringIO()
        for row in rows:
            text.write("\t".join(str(value) for value in row) + "\n")
        text.seek(0)
        with raw.cursor() as cursor:
            cursor.copy_expert(f"COPY {table} ({columns}) FROM STDIN", text)

    return insert


class CodeServer:
    """The code server as the daemon uses it."""

    def __init__(self, home: Path, settings: Settings) -> None:
        socket = Path(tempfile.mkdtemp()) / "socket"
        command = [
            sys.executable,
            "-m",
            "dagster",
            "api",
            "grpc",
            "-m",
            "autoflow_dagster.definitions",
        ]
        self._process = subprocess.Popen(
            [*command, "--socket", str(socket), "--location-name", LOCATION],
            env=dict(service_environment(home, settings)),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        # What the daemon calls; Dagster has no public way.
        from dagster._grpc.client import DagsterGrpcClient

        self._client = DagsterGrpcClient(socket=str(socket))
        while True:
            with contextlib.suppress(Exception):
                self._client.ping("")
                break
            time.sleep(0.1)

    def stop(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.wait()

    def memory(self, peak: bool = False) -> float:
        """Return its resident memory in megabytes, now or at its highest."""
        name = "VmHWM" if peak else "VmRSS"
        lines = Path(f"/proc/{self._process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(name))

    def cpu(self) -> float:
        """Return the seconds of processor time it has had."""
        text = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2]
        user, system = text.split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    def _wait_until_idle(self) -> None:
        used = -1.0
        while (now := self.cpu()) - used > IDLE_CPU_SECONDS:
            used = now
            time.sleep(0.5)

    def tick(self, instance: DagsterInstance, cursor: str | None) -> tuple[float, Any]:
        """Return the seconds that an evaluation took, and its result."""
        from dagster._core.remote_origin import (
            GrpcServerCodeLocationOrigin,
            RemoteRepositoryOrigin,
        )
        from dagster._grpc.types import SensorExecutionArgs
        from dagster._serdes import deserialize_value

        origin = GrpcServerCodeLocationOrigin(host="localhost", socket="socket")
        arguments = SensorExecutionArgs(
            repository_origin=RemoteRepositoryOrigin(origin, "__repository__"),
            instance_ref=instance.get_ref(),
            sensor_name=SENSOR_NAME,
            cursor=cursor,
            timeout=600,
        )
        self._wait_until_idle()  # what the tick before has told the site of reports is written
        began = time.perf_counter()
        text = self._client.external_sensor_execution(arguments)
        seconds = time.perf_counter() - began
        result: Any = deserialize_value(text)
        if not hasattr(result, "run_requests"):
            raise RuntimeError(result.error.to_string())
        return seconds, result


def measure(server: CodeServer, instance: DagsterInstance, row: Row) -> None:
    """Fill in a row."""
    server.tick(instance, json.dumps({"counted_from": datetime.now(UTC).isoformat()}))
    before = server.memory()
    due = json.dumps({"counted_from": (datetime.now(UTC) - timedelta(days=2)).isoformat()})
    row.first_check, result = server.tick(instance, due)
    assert len(result.run_requests) == 100, result.skip_message
    timed = []
    for _ in range(3):
        cpu = server.cpu()
        seconds, _ = server.tick(instance, due)
        timed.append((seconds, server.cpu() - cpu))
    row.check, row.check_cpu = min(timed)
    backlog = server.tick(instance, due)[1].cursor
    row.backlog_tick = min(server.tick(instance, backlog)[0] for _ in range(2))
    row.cursor = len(backlog)
    later = json.dumps({**json.loads(backlog), "has_backlog": False})
    ticks = sorted(server.tick(instance, later)[0] for _ in range(IDLE_TICKS))
    row.idle_tick = ticks[len(ticks) // 2]
    row.memory = server.memory(peak=True) - before


def bench(storage: str, sizes: Sequence[int], dates: int) -> Iterator[Row]:
    """Yield what was measured on one storage, with ever more configs."""
    days = [FIRST_DAY + timedelta(days=number) for number in range(dates)]
    with contextlib.ExitStack() as stack:
        root = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        postgres = stack.enter_context(PostgresServer()) if storage == "PostgreSQL" else None
        flowapi = stack.enter_context(DatesServer({"calls": days}))
        (root / "inputs").mkdir()
        for name in "ab":
            write_notebook(
                root / "inputs" / f"{name}.ipynb",
                "1",
                parameters="unit = date_ranges = run_flows = ''",
            )
        environ = {
            **os.environ,
            "AUTOFLOW_INPUTS_DIR": str(root / "inputs"),
            "AUTOFLOW_OUTPUTS_DIR": str(root / "outputs"),
            "FLOWAPI_URL": flowapi.url,
            "FLOWAPI_TOKEN": TOKEN,
        }
        if postgres:
            environ |= {"AUTOFLOW_DB_URI": postgres.uri, "AUTOFLOW_DB_PASSWORD": postgres.password}
        settings = Settings.from_environ(environ)
        prepare_home(root / "home", settings)
        export_database(settings)
        instance = stack.enter_context(DagsterInstance.from_config(str(root / "home")))
        filler, filled = Filler(instance), 0
        for size in sizes:
            _write_workflows(root / "inputs" / "workflows.yml", size)
            began = time.monotonic()
            for config in load_workflows(root / "inputs").configs[filled:size]:
                filler.fill(config, days[: int(dates * DONE_SHARE)])
            filled = size
            if postgres:
                postgres.value("VACUUM ANALYZE")  # as its autovacuum does within a minute
            print(
                f"{storage}, {size} configs: filled in {time.monotonic() - began:.0f} s",
                file=sys.stderr,
            )
            row = Row(storage, size)
            server = CodeServer(root / "home", settings)
            try:
                measure(server, instance, row)
            finally:
                server.stop()
            yield row


def _write_workflows(path: Path, configs: int) -> None:
    lines = (
        f"    - {{workflow_name: flows, name: config_{number}, parameters: {{unit: u{number}}}, "
        "date_stencil: [[-6, 1]]}\n"
        for number in range(configs)
    )
    path.write_text(HEADER + "".join(lines))


def machine() -> str:
    """Return what this ran on, without names."""
    cpu = "unknown CPU"
    with contextlib.suppress(OSError, StopIteration):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        cpu = next(line.split(": ")[1] for line in lines if line.startswith("model name"))
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    return (
        f"{cpu}, {os.cpu_count()} cores, {memory:.0f} GB of memory, {platform.system()} "
        f"{platform.release().split('-')[0]}, Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}"
    )


def table(rows: Sequence[Row]) -> str:
    """Return the measurements as Markdown."""
    lines = ["| " + " | ".join(COLUMNS) + " |", "|---|" + "---:|" * (len(COLUMNS) - 1)]
    return "\n".join([*lines, *("| " + " | ".join(row.cells()) + " |" for row in rows)])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--configs", type=int, nargs="+", default=[10, 50, 200])
    parser.add_argument("--dates", type=int, default=3650)
    parser.add_argument("--storages", nargs="+", default=["SQLite", "PostgreSQL"])
    parser.add_argument("--write", type=Path, help="Markdown file whose table is replaced.")
    options = parser.parse_args()
    rows = []
    for storage in options.storages:
        if storage == "PostgreSQL" and programs() is None:
            print("PostgreSQL is not installed: make postgres", file=sys.stderr)
            continue
        for row in bench(storage, sorted(options.configs), options.dates):
            rows.append(row)
            print(table([row]).splitlines()[-1], flush=True)
    print(f"\n{machine()}\n\n{table(rows)}")
    if options.write:
        begin, end = "<!-- table -->\n", "<!-- end -->"
        before, rest = options.write.read_text().split(begin)
        after = rest.split(end)[1]
        today = datetime.now(UTC).date()
        text = f"{before}{begin}Measured on {today}: {machine()}.\n\n{table(rows)}\n{end}{after}"
        options.write.write_text(text)


if __name__ == "__main__":
    main()
