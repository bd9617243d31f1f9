"""Measure processes and the machine: CPU seconds of a process tree, memory, and disturbances."""

from __future__ import annotations

import os
import platform
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from autoflow_dagster.service.child_processes import PROCESS_NAMES
from autoflow_dagster.warm.kernel_provisioner import KERNEL_PROCESS_NAME
from autoflow_dagster.warm.leftovers import RUN_PROCESS_NAME

TICKS = os.sysconf("SC_CLK_TCK")
CORES = os.cpu_count() or 1
SAMPLE_SECONDS = 1.0


@dataclass(frozen=True)
class MachineTimes:
    """Seconds of all cores together since boot, as /proc/stat has them."""

    busy: float
    stolen: float
    total: float

    @classmethod
    def now(cls) -> MachineTimes:
        """Read them."""
        fields = [int(f) for f in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
        user, nice, system, idle, iowait, irq, softirq, steal = fields
        busy = user + nice + system + irq + softirq
        return cls(busy / TICKS, steal / TICKS, (busy + idle + iowait + steal) / TICKS)


@dataclass(frozen=True)
class Disturbance:
    """What else happened on the machine while something was measured, as shares of its cores.

    Attributes
    ----------
    steal : float
        What the hypervisor gave to other machines.
    others : float
        What processes that were not measured used.
    """

    steal: float
    others: float

    @classmethod
    def between(cls, before: MachineTimes, after: MachineTimes, own_cpu: float) -> Disturbance:
        """Return the disturbance of an interval in which `own_cpu` seconds were measured."""
        total = max(after.total - before.total, 1e-9)
        others = max(after.busy - before.busy - own_cpu, 0.0)
        return cls((after.stolen - before.stolen) / total, others / total)

    @property
    def is_small(self) -> bool:
        """Whether a timing counts."""
        return self.steal <= 0.05 and self.others <= 0.10

    def __str__(self) -> str:
        return f"steal {self.steal:.0%}, others {self.others:.0%}"


def _stats() -> Iterator[tuple[int, int, float]]:
    """Yield pid, parent's pid and CPU seconds, waited-for children included, of each process."""
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal():
            continue
        try:
            fields = (entry / "stat").read_text(errors="replace").rpartition(")")[2].split()
        except OSError:
            continue
        yield int(entry.name), int(fields[1]), sum(map(int, fields[11:15])) / TICKS


def tree(roots: Iterable[int]) -> dict[int, float]:
    """Return the CPU seconds of processes and all their descendants, by pid."""
    stats = {pid: (parent, cpu) for pid, parent, cpu in _stats()}
    children: dict[int, list[int]] = {}
    for pid, (parent, _) in stats.items():
        children.setdefault(parent, []).append(pid)
    found, waiting = {}, [pid for pid in roots if pid in stats]
    while waiting:
        pid = waiting.pop()
        found[pid] = stats[pid][1]
        waiting += children.get(pid, [])
    return found


def cpu_seconds(roots: Iterable[int]) -> float:
    """Return the CPU seconds that a process tree has used, ended processes included."""
    return sum(tree(roots).values())


def memory_mb(pids: Iterable[int]) -> dict[str, float]:
    """Return the memory of processes in MB, by what they are; shared pages count once (PSS)."""
    parts: dict[str, float] = {}
    for pid in pids:
        try:
            rollup = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
            name = _role(pid)
        except OSError:
            continue
        kilobytes = sum(int(line.split()[1]) for line in rollup if line.startswith("Pss:"))
        parts[name] = parts.get(name, 0.0) + kilobytes / 1024
    return parts


ROLES = {
    "ipykernel_launcher": "kernels",
    "execute_run": "runs",
    "server_process kernels": "fork server for kernels",
    "server_process dagster": "fork server for Dagster",
    "webserver": "webserver",
    "daemon": "daemon",
    "grpc": "code server",
}
"""By words of the command line."""

FORKED_ROLES = {
    **{process_name: role for role, process_name in PROCESS_NAMES.items()},
    RUN_PROCESS_NAME: "runs",
    KERNEL_PROCESS_NAME: "kernels",
}
"""By name of the process: its command line is that of the fork server."""


def _role(pid: int) -> str:
    process_name = Path(f"/proc/{pid}/comm").read_text().strip()
    if process_name in FORKED_ROLES:
        return FORKED_ROLES[process_name]
    command = Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    return next((role for words, role in ROLES.items() if words in command), "others")


class PeakMemory:
    """Samples the memory of process trees while a ``with`` block lasts.

    Attributes
    ----------
    parts : dict of str to float
        What the processes had when they had the most together, by what they are, in MB.
    """

    def __init__(self, roots: Callable[[], Sequence[int]]) -> None:
        self.parts: dict[str, float] = {}
        self._roots = roots
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)

    def _sample(self) -> None:
        while not self._stop.wait(SAMPLE_SECONDS):
            self.parts = max(self.parts, memory_mb(tree(self._roots())), key=_sum)

    def __enter__(self) -> PeakMemory:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


def _sum(parts: dict[str, float]) -> float:
    return sum(parts.values())


def wait_until_quiet(patience_seconds: float) -> None:
    """Wait until the machine has little else to do, or patience is at its end."""
    deadline = time.monotonic() + patience_seconds
    while time.monotonic() < deadline:
        before = MachineTimes.now()
        time.sleep(3)
        if Disturbance.between(before, MachineTimes.now(), 0.0).is_small:
            return


def description() -> dict[str, object]:
    """Return what is worth knowing about the machine."""
    model = next(
        (
            line.split(":", 1)[1].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "cores": CORES,
        "processor": model,
        "memory_gb": round(memory, 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }
