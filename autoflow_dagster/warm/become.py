"""Turn a forked process into what was asked for, as if its interpreter had just been started.

`Attributes.of_this_process` is the client's side: what a child that it had started itself would have
inherited.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import resource
import runpy
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_LIMITS = {name: getattr(resource, name) for name in dir(resource) if name.startswith("RLIMIT_")}


@dataclass(frozen=True)
class Attributes:
    """What a process inherits from its parent, besides environment and open files.

    Attributes
    ----------
    umask, nice, oom_score : int
        As set by the functions and the file of these names.
    limits : dict of str to tuple of int
        Soft and hard resource limits by name.
    cpus : tuple of int
        On which the process may run.
    group : str
        The control groups, which cannot be inherited from anybody but the parent.
    """

    umask: int
    nice: int
    oom_score: int
    limits: dict[str, tuple[int, int]]
    cpus: tuple[int, ...]
    group: str

    @classmethod
    def of_this_process(cls) -> Attributes:
        """Return what a child of this process would inherit."""
        return cls(
            umask=_read_umask(),
            nice=os.nice(0),
            oom_score=int(_read("/proc/self/oom_score_adj") or 0),
            limits={name: resource.getrlimit(number) for name, number in _LIMITS.items()},
            cpus=tuple(sorted(os.sched_getaffinity(0))),
            group=_read("/proc/self/cgroup"),
        )

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Attributes:
        """Read what `dataclasses.asdict` made and JSON carried."""
        limits = {name: (soft, hard) for name, (soft, hard) in value["limits"].items()}
        return cls(**{**value, "limits": limits, "cpus": tuple(value["cpus"])})

    def obstacle(self, own: Attributes) -> str:
        """Return why a process with attributes `own` cannot take these; empty when it can."""
        if self.group != own.group:
            return "the client is in another control group"
        if self.nice < own.nice or self.oom_score < own.oom_score:
            return "the client has a higher priority"
        for name, (_, hard) in self.limits.items():
            if _number(hard) > _number(own.limits[name][1]):
                return f"the client has a higher {name}"
        return ""

    def apply(self) -> None:
        """Give these to this process."""
        os.umask(self.umask)
        for name, pair in self.limits.items():
            if resource.getrlimit(_LIMITS[name]) != pair:
                resource.setrlimit(_LIMITS[name], pair)
        own = Attributes.of_this_process()
        if self.cpus != own.cpus:
            os.sched_setaffinity(0, self.cpus)
        if self.nice > own.nice:
            os.nice(self.nice - own.nice)
        if self.oom_score > own.oom_score:
            Path("/proc/self/oom_score_adj").write_text(str(self.oom_score))


def _number(limit: int) -> float:
    return float("inf") if limit == resource.RLIM_INFINITY else limit


def _read(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""


def _read_umask() -> int:
    # The kernel says so without the change and back that `os.umask` needs: other threads make files.
    for line in _read("/proc/self/status").splitlines():
        if line.startswith("Umask:"):
            return int(line.split()[1], 8)
    return 0o022


@dataclass(frozen=True)
class Task:
    """What a forked process is to run: ``executable -m module arguments``.

    Attributes
    ----------
    executable : str
        The interpreter, which may have more names than one.
    environment : dict of str to str
        The whole environment.
    process_name : str
        As tools such as top show it.
    """

    executable: str
    module: str
    arguments: Sequence[str]
    environment: dict[str, str]
    working_dir: str
    attributes: Attributes
    process_name: str


def take_standard_files(descriptors: Sequence[int]) -> None:
    """Make these this process's standard input, output and error output."""
    for number, descriptor in enumerate(descriptors):
        os.dup2(descriptor, number, inheritable=True)
        os.close(descriptor)
    for stream in (sys.stdout, sys.stderr):
        if stream.write_through:  # type: ignore[union-attr]
            continue  # as PYTHONUNBUFFERED has it
        # As the interpreter does when it starts: errors are always written line by line.
        line_buffering = stream is sys.stderr or os.isatty(stream.fileno())
        stream.reconfigure(line_buffering=line_buffering)  # type: ignore[union-attr]


def reset_signals() -> None:
    """Give this process the signal handling that an interpreter starts with.

    What is ignored stays ignored, as in any child: SIGHUP for a service that nohup has started.
    """
    signal.set_wakeup_fd(-1)
    for number in signal.valid_signals():
        if signal.getsignal(number) not in (signal.SIG_DFL, signal.SIG_IGN, None):
            signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def become(task: Task) -> None:
    """Take everything that the task says; nothing of the fork server is to be seen afterwards."""
    with contextlib.suppress(OSError):
        Path("/proc/self/comm").write_text(task.process_name)
    os.chdir(task.working_dir)
    os.environ.clear()
    os.environ.update(task.environment)
    time.tzset()
    task.attributes.apply()
    _forget_shared_randomness()


def _forget_shared_randomness() -> None:
    """Seed what processes of one parent would otherwise share; `random` does so by itself."""
    numpy_random = sys.modules.get("numpy.random")
    if numpy_random is not None:
        numpy_random.seed()
    multiprocessing_process = sys.modules.get("multiprocessing.process")
    if multiprocessing_process is not None:
        # As multiprocessing does when it is imported.
        multiprocessing_process.current_process().authkey = os.urandom(32)


def run(task: Task) -> None:
    """Run the task's module as the main program; returns or raises SystemExit when it ends."""
    sys.executable = task.executable
    sys.argv[:] = [_main_file(task.module), *task.arguments]
    sys.orig_argv[:] = [task.executable, "-m", task.module, *task.arguments]
    if not sys.flags.safe_path:
        sys.path.insert(0, str(Path.cwd()))
    runpy.run_module(task.module, run_name="__main__", alter_sys=True)


def _main_file(module: str) -> str:
    """Return what ``python -m module`` has as its ``sys.argv[0]``."""
    spec = importlib.util.find_spec(module)
    if spec is not None and spec.submodule_search_locations:
        spec = importlib.util.find_spec(f"{module}.__main__")
    return (spec and spec.origin) or "-m"
