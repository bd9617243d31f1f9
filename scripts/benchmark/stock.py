"""Stock dagstermill ops with Dagster's default executor, one run after the other."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path

from benchmark.loops import Timing
from benchmark.machine import Disturbance, MachineTimes
from benchmark.workloads import Workload

DEFINITIONS = textwrap.dedent(
    """
    import dagster as dg
    from dagstermill import ConfigurableLocalOutputNotebookIOManager, define_dagstermill_op

    def op(name, path, **ins):
        return define_dagstermill_op(
            name, path, output_notebook_name=f"{name}_notebook", ins=ins,
            outs={"done": dg.Out(dg.Nothing)},
        )

    first = op("first", "FIRST")
    second = op("second", "SECOND", start=dg.In(dg.Nothing))

    @dg.job(resource_defs={"output_notebook_io_manager": ConfigurableLocalOutputNotebookIOManager()})
    def chain():
        second(start=first()[0])

    defs = dg.Definitions(jobs=[chain])
    """
)


def time_stock(workload: Workload, directory: Path, dates: int) -> Timing:
    """Time runs of a chain of two notebooks."""
    home = directory / "home"
    home.mkdir(parents=True)
    (home / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
    notebook = str(workload.inputs / "n0.ipynb")
    file = directory / "definitions.py"
    file.write_text(DEFINITIONS.replace("FIRST", notebook).replace("SECOND", notebook))
    command = [sys.executable, "-m", "dagster", "job", "execute", "-f", str(file), "-j", "chain"]
    environment = {**os.environ, "DAGSTER_HOME": str(home), "PYTHONWARNINGS": "ignore"}
    _execute(command, environment)
    started, before, cpu = time.monotonic(), MachineTimes.now(), _children_cpu()
    for _ in range(dates):
        _execute(command, environment)
    wall, used = time.monotonic() - started, _children_cpu() - cpu
    return Timing(dates, wall, used, {}, Disturbance.between(before, MachineTimes.now(), used))


def _execute(command: list[str], environment: dict[str, str]) -> None:
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])


def _children_cpu() -> float:
    times = os.times()
    return times.children_user + times.children_system
