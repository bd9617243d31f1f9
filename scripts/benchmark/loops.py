"""Run plain loops, one or more side by side."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark.machine import Disturbance, MachineTimes, PeakMemory

LOOP = Path(__file__).with_name("loop.py")


@dataclass(frozen=True)
class Timing:
    """What some dates took.

    Attributes
    ----------
    dates : int
        How many were timed.
    wall, cpu : float
        Seconds for all of them.
    memory_mb : dict of str to float
        Most memory of all processes together, by what they are.
    run_seconds : tuple of float
        Of each run from its start to its end, where there are runs.
    cell_seconds : tuple of float
        Of each run, what its notebooks' cells took.
    """

    dates: int
    wall: float
    cpu: float
    memory_mb: dict[str, float]
    disturbance: Disturbance
    run_seconds: tuple[float, ...] = ()
    cell_seconds: tuple[float, ...] = ()

    @property
    def wall_per_date(self) -> float:
        """Seconds of wall time for each date."""
        return self.wall / self.dates

    @property
    def peak_mb(self) -> float:
        """Most memory of all processes together, in MB."""
        return sum(self.memory_mb.values())

    @property
    def cpu_per_date(self) -> float:
        """Seconds of CPU time for each date."""
        return self.cpu / self.dates


def run_loops(plans: Sequence[list[Any]], environment: dict[str, str]) -> Timing:
    """Run loops side by side; the first date of each is not timed."""
    processes = [
        subprocess.Popen(
            [sys.executable, str(LOOP)],
            env={**os.environ, **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        for _ in plans
    ]
    for process, plan in zip(processes, plans, strict=True):
        _tell(process, json.dumps(plan))
    for process in processes:
        assert _hear(process) == "ready"
    with PeakMemory(lambda: [process.pid for process in processes]) as memory:
        before = MachineTimes.now()
        for process in processes:
            _tell(process, "go")
        results = [json.loads(_hear(process)) for process in processes]
        after = MachineTimes.now()
    for process in processes:
        process.communicate()
    cpu = sum(result["cpu"] for result in results)
    return Timing(
        dates=sum(len(plan) - 1 for plan in plans),
        wall=max(result["wall"] for result in results),
        cpu=cpu,
        memory_mb=memory.parts,
        disturbance=Disturbance.between(before, after, cpu),
    )


def _tell(process: subprocess.Popen[str], line: str) -> None:
    assert process.stdin is not None
    process.stdin.write(line + "\n")
    process.stdin.flush()


def _hear(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    line = process.stdout.readline().strip()
    if not line:
        raise RuntimeError(f"a loop ended with status {process.wait()}")
    return line
