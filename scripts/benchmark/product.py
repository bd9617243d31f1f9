"""Run this product: its real service, sensor, daemon and webserver, over a demo FlowAPI."""

from __future__ import annotations

import contextlib
import json
import os
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

from dagster import DagsterInstance, DagsterRunStatus, RunsFilter

from autoflow_dagster.demo.server import DemoFlowapi
from autoflow_dagster.instance_home import prepare_home, service_environment
from autoflow_dagster.service.processes import Service
from autoflow_dagster.settings import Settings
from benchmark.loops import Timing
from benchmark.machine import Disturbance, MachineTimes, PeakMemory, cpu_seconds
from benchmark.workloads import Workload

SENSOR_INTERVAL = 5
UNTIMED = 2
"""Runs before the clock starts: they start the fork servers."""

LOOK_SECONDS = 0.2
ENDED = [DagsterRunStatus.SUCCESS, DagsterRunStatus.FAILURE, DagsterRunStatus.CANCELED]


class Product:
    """The service over a workload.

    Parameters
    ----------
    warm : bool
        Whether runs and kernels start warm.
    runs_at_once : int or None
        How many run at the same time; None for what the product does by itself.
    """

    def __init__(
        self,
        workload: Workload,
        directory: Path,
        flowapi: DemoFlowapi,
        warm: bool,
        runs_at_once: int | None = None,
    ) -> None:
        switch = "on" if warm else "off"
        self.outputs = directory / "outputs"
        self.settings = Settings.from_environ(
            {
                **os.environ,
                "AUTOFLOW_INPUTS_DIR": str(workload.inputs),
                "AUTOFLOW_OUTPUTS_DIR": str(self.outputs),
                "AUTOFLOW_SENSOR_INTERVAL": str(SENSOR_INTERVAL),
                "AUTOFLOW_SECRETS_DIR": str(directory / "no-secrets"),
                "AUTOFLOW_DB_URI": "",
                **({"AUTOFLOW_MAX_CONCURRENT_RUNS": str(runs_at_once)} if runs_at_once else {}),
                "AUTOFLOW_WARM_RUNS": switch,
                "AUTOFLOW_WARM_KERNELS": switch,
                "FLOWAPI_URL": flowapi.url,
                "FLOWAPI_TOKEN": flowapi.token,
            }
        )
        self.home = directory / "home"
        prepare_home(self.home, self.settings)
        self.service = Service(
            environment=service_environment(self.home, self.settings),
            port=0,
            log_dir=directory / "logs",
        )
        with DagsterInstance.from_config(str(self.home)):
            pass  # the databases are there before several processes want to make them

    @contextlib.contextmanager
    def running(self) -> Iterator[DagsterInstance]:
        """Run the service; yields its Dagster instance."""
        self.service.start()
        try:
            if not self.service.wait_until_ready(300, lambda: False):
                raise RuntimeError("the service did not start")
            with DagsterInstance.from_config(str(self.home)) as instance:
                yield instance
        finally:
            self.service.stop()

    def time_backlog(self, instance: DagsterInstance, dates: int) -> Timing:
        """Time a backlog of dates, after `UNTIMED` further ones."""
        _wait_for_ended(instance, UNTIMED)
        with PeakMemory(lambda: self.service.pids) as memory:
            started, before, cpu = (
                time.monotonic(),
                MachineTimes.now(),
                cpu_seconds(self.service.pids),
            )
            already = _count_ended(instance)
            _wait_for_ended(instance, UNTIMED + dates)
            wall, after = time.monotonic() - started, MachineTimes.now()
            used = cpu_seconds(self.service.pids) - cpu
        records = instance.get_run_records(RunsFilter(statuses=ENDED))
        failed = [r for r in records if r.dagster_run.status is not DagsterRunStatus.SUCCESS]
        if failed:
            raise RuntimeError(f"{len(failed)} runs failed; see {self.service.log_dir}")
        timed = records[: UNTIMED + dates - already]  # the newest first
        return Timing(
            dates=len(timed),
            wall=wall,
            cpu=used,
            memory_mb=memory.parts,
            disturbance=Disturbance.between(before, after, used),
            run_seconds=tuple(_seconds(instance, record.dagster_run.run_id) for record in timed),
            cell_seconds=self._cell_seconds(),
        )

    def _cell_seconds(self) -> tuple[float, ...]:
        """Return what the cells of each date's notebooks took, summed over the date's notebooks."""
        totals: dict[str, float] = {}
        for path in (self.outputs / "notebooks").glob("*.ipynb"):
            date_and_hash = path.stem.split("__")[1]
            cells = json.loads(path.read_text())["cells"]
            times = (cell["metadata"].get("papermill", {}).get("duration") for cell in cells)
            totals[date_and_hash] = totals.get(date_and_hash, 0.0) + sum(t or 0.0 for t in times)
        return tuple(totals.values())

    def time_new_date(self, instance: DagsterInstance, flowapi: DemoFlowapi) -> float:
        """Return the seconds from a new date in FlowAPI to the file that it leads to."""
        before = self._results()
        started = time.monotonic()
        flowapi.add_date()
        while self._results() == before:
            time.sleep(0.05)
        return time.monotonic() - started

    def _results(self) -> int:
        return len(list((self.outputs / "reports").glob("*.pdf")))


def _count_ended(instance: DagsterInstance) -> int:
    return instance.get_runs_count(RunsFilter(statuses=ENDED))


def _wait_for_ended(instance: DagsterInstance, count: int) -> None:
    while _count_ended(instance) < count:
        time.sleep(LOOK_SECONDS)


def _seconds(instance: DagsterInstance, run_id: str) -> float:
    """Return the seconds of a run, from when it was taken from the queue to its success."""
    stats = instance.get_run_stats(run_id)
    assert stats.launch_time is not None, "the run was launched"
    assert stats.end_time is not None, "the run has ended"
    return stats.end_time - stats.launch_time


def median_overhead(timing: Timing) -> float:
    """Return what a run took beyond its notebooks' cells, in seconds."""
    return statistics.median(timing.run_seconds) - statistics.median(timing.cell_seconds)
