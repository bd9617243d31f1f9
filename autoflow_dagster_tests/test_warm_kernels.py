"""Warm kernels: not to be told from ordinary ones, and replaced by those whenever in doubt."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from autoflow_dagster.warm.asking import NotWarmError
from autoflow_dagster.warm.keeper import Keeper
from autoflow_dagster_tests.conftest import wait_for, write_notebook
from autoflow_dagster_tests.kernel_sessions import KernelSession

pytestmark = pytest.mark.integration

MODULES = ("numpy", "pandas", "matplotlib.pyplot", "tqdm.auto", "ipywidgets")

FACTS = textwrap.dedent(
    """
    import asyncio, getpass, gc, io, json, locale, logging, os, resource, signal, sys, tempfile
    import threading, time, warnings
    import matplotlib, multiprocessing, numpy, pandas

    def shown(thing):
        return f"{type(thing).__module__}.{type(thing).__qualname__}"

    def without_file(words):
        return ["CONNECTION" if word.endswith(".json") else word for word in words]

    facts = {
        "environment": {k: v for k, v in os.environ.items()},
        "argv": without_file(sys.argv),
        "orig_argv": without_file(sys.orig_argv),
        "executable": sys.executable,
        "flags": str(sys.flags),
        "path": sys.path,
        "prefix": [sys.prefix, sys.base_prefix],
        "meta path": [shown(finder) for finder in sys.meta_path],
        "working directory": os.getcwd(),
        "name": __name__,
        "main": shown(sys.modules["__main__"]) + str(vars(sys.modules["__main__"]) is globals()),
        "main attributes": sorted(name for name in vars(sys.modules["__main__"]) if name < "_z"),
        "leads its session": os.getpid() == os.getsid(0) == os.getpgrp(),
        "umask": [old := os.umask(0), os.umask(old)][0],
        "limits": {n: resource.getrlimit(getattr(resource, n))
                   for n in dir(resource) if n.startswith("RLIMIT_")},
        "nice": os.nice(0),
        "cpus": sorted(os.sched_getaffinity(0)),
        "user": [os.getuid(), os.getgid(), sorted(os.getgroups()), getpass.getuser()],
        "signals": {str(n): str(signal.getsignal(n)).split(" at 0x")[0] for n in sorted(signal.valid_signals())},
        "blocked": sorted(map(str, signal.pthread_sigmask(signal.SIG_BLOCK, []))),
        "thread names": sorted(t.name.split("-")[0] for t in threading.enumerate()),
        "daemons": sorted(t.daemon for t in threading.enumerate()),
        "main thread": threading.main_thread().name,
        "streams": [shown(s) for s in (sys.stdin, sys.stdout, sys.stderr)],
        "first streams": [shown(s) for s in (sys.__stdin__, sys.__stdout__, sys.__stderr__)],
        "encodings": [s.encoding for s in (sys.__stdin__, sys.__stdout__, sys.__stderr__)],
        "buffering": [sys.__stdout__.line_buffering, sys.__stderr__.line_buffering],
        "input": os.read(0, 10).decode(),
        "hooks": [shown(sys.displayhook), sys.excepthook.__name__, sys.unraisablehook.__name__],
        "recursion limit": sys.getrecursionlimit(),
        "locale": [locale.setlocale(locale.LC_ALL), locale.getencoding(), time.tzname],
        "warnings": [str(entry) for entry in warnings.filters],
        "root logger": [shown(h) for h in logging.getLogger().handlers] + [logging.root.level],
        "tornado logger": [shown(h) for h in logging.getLogger("tornado").handlers],
        "start method": multiprocessing.get_start_method(allow_none=True),
        "loop": shown(asyncio.get_running_loop()),
        "collector": [gc.isenabled(), gc.get_threshold()],
        "shell": shown(get_ipython()),
        "shell configuration": sorted(map(shown, get_ipython().configurables)),
        "comm targets": sorted(get_ipython().kernel.comm_manager.targets),
        "backend": [matplotlib.get_backend(), matplotlib.rcParams["figure.dpi"]],
        "columns shown": pandas.get_option("display.max_columns"),
        "numpy errors": numpy.geterr(),
        "temporary directory": tempfile.gettempdir(),
        "zombies and children": open(f"/proc/self/task/{os.getpid()}/children").read(),
        "time zone": time.timezone,
    }
    print(json.dumps(facts))
    """
)


@pytest.fixture(scope="module")
def environment() -> dict[str, str]:
    """The environment of kernels in this module."""
    return {**os.environ, "GREETING": "good day", "OMP_NUM_THREADS": "2", "TZ": "Asia/Kathmandu"}


@pytest.fixture(scope="module")
def server(environment: dict[str, str]) -> Iterator[Path]:
    """A fork server that has imported a few usual libraries."""
    keeper = Keeper("kernels", [word for name in MODULES for word in ("--module", name)])
    try:
        yield keeper.ensure(environment)
    finally:
        keeper.close()


@pytest.fixture
def inputs(tmp_path: Path) -> Path:
    """A working directory for kernels."""
    directory = tmp_path / "inputs"
    directory.mkdir()
    return directory


def test_a_notebook_sees_no_difference(
    server: Path, inputs: Path, environment: dict[str, str]
) -> None:
    """Environment, arguments, limits, signals, threads, streams and so on are those of a cold one."""
    facts = []
    for asked in (server, None):
        with KernelSession(asked, inputs, environment) as kernel:
            assert kernel.is_warm == (asked is not None)
            kernel.run("import ipywidgets")
            facts.append(json.loads(kernel.run(FACTS)))
    warm, cold = facts
    differences = {n: (warm[n], cold[n]) for n in cold if warm[n] != cold[n]}
    assert differences == {}
    assert warm["environment"]["GREETING"] == "good day"
