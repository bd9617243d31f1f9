"""Warm kernels: not to be told from ordinary ones, and replaced by those whenever in doubt."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from autoflow_dagster.notebooks.execution import NotebookRun, execute_notebook
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


ENVIRONMENT = {
    **os.environ,
    "GREETING": "good day",
    "OMP_NUM_THREADS": "2",
    "TZ": "Asia/Kathmandu",
}


@contextlib.contextmanager
def fork_server(*modules: str) -> Iterator[Path]:
    """Run a fork server that has imported modules; yield its socket."""
    keeper = Keeper("kernels", [word for name in modules for word in ("--module", name)])
    try:
        yield keeper.ensure(ENVIRONMENT)
    finally:
        keeper.close()


@pytest.fixture(scope="module")
def server() -> Iterator[Path]:
    """A fork server that has imported a few usual libraries."""
    with fork_server(*MODULES) as socket:
        yield socket


@contextlib.contextmanager
def warm(server: Path, inputs: Path) -> Iterator[KernelSession]:
    """Run a kernel that has to be warm."""
    with KernelSession(server, inputs, ENVIRONMENT) as kernel:
        assert kernel.is_warm
        yield kernel


@pytest.fixture
def inputs(tmp_path: Path) -> Path:
    """A working directory for kernels."""
    directory = tmp_path / "inputs"
    directory.mkdir()
    return directory


def test_a_notebook_sees_no_difference(server: Path, inputs: Path) -> None:
    """Environment, arguments, limits, signals, threads, streams and so on are those of a cold one."""
    facts = []
    for asked in (server, None):
        with KernelSession(asked, inputs, ENVIRONMENT) as kernel:
            assert kernel.is_warm == (asked is not None)
            kernel.run("import ipywidgets")
            facts.append(json.loads(kernel.run(FACTS)))
    warm, cold = facts
    differences = {n: (warm[n], cold[n]) for n in cold if warm[n] != cold[n]}
    assert differences == {}
    assert warm["environment"]["GREETING"] == "good day"


def test_random_numbers_differ_between_kernels(server: Path, inputs: Path) -> None:
    """Each kernel seeds its generators anew, as an interpreter does when it starts."""
    code = (
        "import random, uuid, multiprocessing, secrets\n"
        "import numpy\n"
        "print([random.random(), float(numpy.random.random()), str(uuid.uuid4()),"
        " float(numpy.random.default_rng().random()),"
        " bytes(multiprocessing.current_process().authkey).hex()])"
    )
    drawn = []
    for _ in range(2):
        with warm(server, inputs) as kernel:
            drawn.append(kernel.run(code).strip("[]\n").split(", "))
    assert all(one != other for one, other in zip(*drawn, strict=True))


def test_modules_are_there_but_not_their_effects(server: Path, inputs: Path) -> None:
    """What was imported is quick to import; what the notebook did not import it does not have."""
    with warm(server, inputs) as kernel:
        assert kernel.value("'pandas' in __import__('sys').modules") is True
        assert kernel.value("'dagster' in __import__('sys').modules") is False
        assert kernel.run("pandas") == "NameError"
        assert kernel.value("[n for n in dir() if not n.startswith('_')]") == [
            "In", "Out", "exit", "get_ipython", "json", "open", "quit",
        ]  # fmt: skip


def test_figures_are_shown(server: Path, inputs: Path) -> None:
    """The inline backend draws what a cell leaves open, also after its formats were set."""
    with warm(server, inputs) as kernel:
        assert kernel.run("import matplotlib.pyplot as plt; _ = plt.plot([1, 2])") == (
            "image/png\ntext/plain\n"
        )
        formats = (
            "from matplotlib_inline.backend_inline import set_matplotlib_formats\n"
            "set_matplotlib_formats('svg')\n_ = plt.plot([1, 2])"
        )
        assert kernel.run(formats) == "image/svg+xml\ntext/plain\n"


def test_output_goes_to_the_notebook(server: Path, inputs: Path) -> None:
    """Also from modules that took the standard output when they were imported."""
    code = (
        "import sys, matplotlib.cbook, subprocess\n"
        "held = matplotlib.cbook.print_cycles.__defaults__[0]\n"
        "print('held', file=held, flush=True)\n"
        "print('error', file=sys.stderr, flush=True)\n"
    )
    with warm(server, inputs) as kernel:
        assert sorted(kernel.run(code).split()) == ["error", "held"]
        assert "from a process" in kernel.run("!echo from a process")


def test_an_interrupt_stops_a_cell_and_not_the_kernel(server: Path, inputs: Path) -> None:
    """As with any kernel."""
    started = inputs / "started"
    with warm(server, inputs) as kernel:
        kernel.begin(f"open({str(started)!r}, 'w').close(); import time; time.sleep(600)")
        wait_for("the cell to start", started.exists)
        kernel.interrupt()
        assert kernel.reply() == "KeyboardInterrupt"
        assert kernel.run("print('still here')") == "still here\n"


@pytest.mark.parametrize(
    ("ending", "status"),
    [
        ("import os; os._exit(7)", 7),
        ("import os; os.kill(os.getpid(), 9)", -signal.SIGKILL),
        ("import os, signal; os.kill(os.getpid(), signal.SIGTERM)", -signal.SIGTERM),
        ("import ctypes; ctypes.string_at(0)", -signal.SIGSEGV),
    ],
)
def test_it_is_known_how_a_kernel_ended(
    server: Path, inputs: Path, ending: str, status: int
) -> None:
    """The exit status is that of the kernel's process."""
    with warm(server, inputs) as kernel:
        process = kernel.process
        kernel.begin(ending)
        assert process.wait() == status
        assert process.poll() == status


def test_several_threads_may_ask_how_a_kernel_ended(server: Path, inputs: Path) -> None:
    """As health checks and those who start a process again do; each learns the same."""
    with warm(server, inputs) as kernel, ThreadPoolExecutor(8) as threads:
        process = kernel.process

        def status() -> int:
            while (found := process.poll()) is None:
                pass
            return int(found)

        asked = [threads.submit(status if number % 2 else process.wait) for number in range(8)]
        kernel.begin("import os; os._exit(7)")
        assert [answer.result() for answer in asked] == [7] * 8


def test_a_kernel_that_is_shut_down_ends_properly(server: Path, inputs: Path) -> None:
    """What is registered to run at exit runs, and the status is 0."""
    proof = inputs / "proof"
    with warm(server, inputs) as kernel:
        process = kernel.process
        kernel.run(f"import atexit, pathlib; atexit.register(pathlib.Path({str(proof)!r}).touch)")
        kernel.shut_down()
        assert process.poll() == 0
    assert proof.exists()


ENDINGS = """
import atexit, logging.handlers, pathlib, tempfile, threading, time
import beside

here = pathlib.Path.cwd()
atexit.register((here / 'registered').touch)

class Finalized:
    def __init__(self, name):
        self.touch = (here / name).touch
    def __del__(self):
        self.touch()

object_in_a_variable = Finalized('finalized')
in_a_cycle = Finalized('cycle')
in_a_cycle.itself = in_a_cycle
beside.kept = Finalized('module')

written = open('written', 'w')
written.write('all of it')
temporary = tempfile.NamedTemporaryFile(dir=here, prefix='temporary')
directory = tempfile.TemporaryDirectory(dir=here, prefix='temporary')

def late():
    time.sleep(0.3)
    (here / 'thread').touch()

threading.Thread(target=late).start()
handler = logging.handlers.MemoryHandler(100, target=logging.FileHandler('log'))
logging.getLogger('of the notebook').addHandler(handler)
logging.getLogger('of the notebook').warning('said last')
"""


def test_what_is_left_at_the_end_ends_as_in_an_ordinary_kernel(server: Path, inputs: Path) -> None:
    """Threads, open files, buffered messages, temporary files and objects that do something then."""
    left = []
    for socket in (server, None):
        directory = inputs / ("warm" if socket else "ordinary")
        directory.mkdir()
        (directory / "beside.py").touch()
        with KernelSession(socket, directory, ENVIRONMENT) as kernel:
            assert kernel.is_warm == (socket is not None)
            process = kernel.process
            assert kernel.run(ENDINGS) == ""
            kernel.shut_down()
            assert process.poll() == 0
        left.append({p.name: p.read_text() for p in directory.iterdir() if p.is_file()})
    assert left[0] == left[1]
    assert left[0]["written"] == "all of it"
    assert "said last" in left[0]["log"]
    assert left[0].keys() >= {"registered", "finalized", "cycle", "module", "thread"}
    assert not [name for name in left[0] if name.startswith("temporary")]


def test_notebooks_end_promptly(server: Path, inputs: Path) -> None:
    """Left to ipykernel, one kernel in four waits for itself, for 2.5 seconds and more."""
    source = inputs / "a.ipynb"
    write_notebook(source, "print(1)")
    seconds = []
    for number in range(16):
        run = NotebookRun(
            source=source,
            destination=inputs / f"executed {number}.ipynb",
            failed_dir=inputs / "failed",
            parameters={},
            working_dir=inputs,
            environment=ENVIRONMENT,
            kernel_server=server,
        )
        seconds.append(execute_notebook(run).duration_seconds)
    assert sorted(seconds)[-2] < 2.4, seconds  # one may be late on a busy machine


def test_a_kernel_ends_without_taking_modules_apart(server: Path, inputs: Path) -> None:
    """The server's modules are shared until the end, and not copied only to be dropped."""
    with warm(server, inputs) as kernel:
        process = kernel.process
        kernel.run("import threading")
        kernel.run(
            "class Told:\n"
            "    def __del__(self):\n"
            "        open('told', 'w').close()\n"
            "threading.told = Told()"
        )
        kernel.shut_down()
        assert process.poll() == 0
    assert not (inputs / "told").exists()


def test_memory_limits_hold(server: Path, inputs: Path) -> None:
    """A limit that the run has set is the kernel's: the cell fails, and not the machine."""
    script = (
        "import resource, sys\n"
        "from pathlib import Path\n"
        "from autoflow_dagster_tests.kernel_sessions import KernelSession\n"
        "resource.setrlimit(resource.RLIMIT_AS, (3 << 30, resource.RLIM_INFINITY))\n"
        "with KernelSession(Path(sys.argv[1]), Path(sys.argv[2])) as kernel:\n"
        "    print(kernel.is_warm, kernel.run('b = bytearray(4 << 30)'))\n"
    )
    command = [sys.executable, "-c", script, str(server), str(inputs)]
    output = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=True)
    assert output.stdout.split() == ["True", "MemoryError"]


def test_idle_kernels_share_their_memory(server: Path, inputs: Path) -> None:
    """Ten of them cost less than 300 MB more than one: what was imported is there once."""
    with contextlib.ExitStack() as stack:
        pids = [stack.enter_context(warm(server, inputs)).pid]
        pids.append(int(Path(f"/proc/{pids[0]}/stat").read_text().rpartition(")")[2].split()[1]))
        one = memory_mb(pids)
        pids += [stack.enter_context(warm(server, inputs)).pid for _ in range(9)]
        assert memory_mb(pids) - one < 300


def memory_mb(pids: list[int]) -> float:
    """Return the memory of processes in MB; pages that they share count once."""
    lines = [Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines() for pid in pids]
    sizes = [line.split()[1] for text in lines for line in text if line.startswith("Pss:")]
    return sum(map(int, sizes)) / 1024
