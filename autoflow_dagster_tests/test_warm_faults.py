"""Fork servers and their kernels when something dies, is missing or is in doubt: nothing is lost."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from autoflow_dagster.warm.asking import NotWarmError, is_reachable
from autoflow_dagster.warm.keeper import Keeper
from autoflow_dagster.warm.messages import READY
from autoflow_dagster.warm.process_identity import ProcessIdentity
from autoflow_dagster_tests.conftest import wait_for
from autoflow_dagster_tests.kernel_sessions import KernelSession

pytestmark = pytest.mark.integration

ROUNDS = int(os.environ.get("AUTOFLOW_TEST_KERNELS", "500"))
"""Kernels in a row with faults; 500 take about four minutes."""


@pytest.fixture
def libraries(tmp_path: Path) -> Path:
    """A directory of modules that kernels can import, and one below of installed ones."""
    directory = tmp_path / "libraries"
    (directory / "site-packages").mkdir(parents=True)
    return directory


@pytest.fixture
def environment(libraries: Path) -> dict[str, str]:
    """The environment of fork servers and kernels."""
    return {**os.environ, "PYTHONPATH": f"{libraries}:{libraries / 'site-packages'}"}


@pytest.fixture
def inputs(tmp_path: Path) -> Path:
    """A working directory for kernels."""
    directory = tmp_path / "inputs"
    directory.mkdir()
    return directory


@contextlib.contextmanager
def fork_server(environment: dict[str, str], *arguments: str) -> Iterator[Path]:
    """Run a fork server for kernels; yield its socket."""
    keeper = Keeper("kernels", arguments)
    try:
        yield keeper.ensure(environment)
    finally:
        keeper.close()


def server_pid(kernel: KernelSession) -> int:
    """Return the pid of the fork server that has forked a kernel."""
    stat = Path(f"/proc/{kernel.pid}/stat").read_text()
    return int(stat.rpartition(")")[2].split()[1])


def has_ended(identity: ProcessIdentity) -> bool:
    """Return whether a process is no more."""
    return not identity.is_running


def identity_of(pid: int) -> ProcessIdentity:
    """Return the identity of a process that runs."""
    identity = ProcessIdentity.of(pid)
    assert identity is not None
    return identity


STUCK = {
    "idle": "",
    "busy in Python": "while True: pass",
    "stuck outside of Python": "import ctypes; ctypes.PyDLL(None).sleep(600)",
}


@pytest.mark.parametrize("doing", STUCK)
@pytest.mark.parametrize("server_lives", [True, False])
def test_a_kernel_ends_with_its_run(
    environment: dict[str, str], inputs: Path, doing: str, server_lives: bool
) -> None:
    """Whatever it is doing; without a fork server only if it lets its other threads run."""
    if doing == "stuck outside of Python" and not server_lives:
        pytest.skip("nobody is left to notice, as with an ordinary kernel")
    script = textwrap.dedent(
        """
        import sys, time
        from pathlib import Path
        from autoflow_dagster_tests.kernel_sessions import KernelSession
        with KernelSession(Path(sys.argv[1]), Path(sys.argv[2])) as kernel:
            kernel.begin(sys.argv[3])
            print(kernel.is_warm, kernel.pid, flush=True)
            time.sleep(600)
        """
    )
    with fork_server(environment, "--module", "json") as server:
        command = [sys.executable, "-c", script, str(server), str(inputs), STUCK[doing]]
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as run:
            assert run.stdout is not None
            is_warm, pid = run.stdout.readline().split()
            assert is_warm == "True"
            kernel = identity_of(int(pid))
            if not server_lives:
                stat = Path(f"/proc/{pid}/stat").read_text()
                os.kill(int(stat.rpartition(")")[2].split()[1]), signal.SIGKILL)
            run.kill()
        wait_for("the kernel to end", lambda: has_ended(kernel), 20)


STARTS_ANOTHER = "import subprocess; print(subprocess.Popen(['sleep', '600']).pid)"


def test_what_a_notebook_has_started_ends_with_its_run(
    environment: dict[str, str], inputs: Path
) -> None:
    """The kernel ends by itself when its run is killed; its fork server sees to the rest."""
    script = textwrap.dedent(
        """
        import sys, time
        from pathlib import Path
        from autoflow_dagster_tests.kernel_sessions import KernelSession
        with KernelSession(Path(sys.argv[1]), Path(sys.argv[2])) as kernel:
            print(kernel.is_warm, kernel.pid, kernel.run(sys.argv[3]), flush=True)
            time.sleep(600)
        """
    )
    with fork_server(environment, "--module", "json") as server:
        command = [sys.executable, "-c", script, str(server), str(inputs), STARTS_ANOTHER]
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as run:
            assert run.stdout is not None
            is_warm, *pids = run.stdout.readline().split()
            assert is_warm == "True"
            kernel, started = (identity_of(int(pid)) for pid in pids)
            run.kill()
        wait_for("the kernel to end", lambda: has_ended(kernel), 20)
        wait_for("what it has started to end", lambda: has_ended(started), 20)


def test_what_a_notebook_has_started_outlives_its_kernel(
    environment: dict[str, str], inputs: Path
) -> None:
    """When the kernel ends and its run goes on, as with an ordinary kernel: it may be meant to."""
    with (
        fork_server(environment, "--module", "json") as server,
        KernelSession(server, inputs, environment) as kernel,
    ):
        assert kernel.is_warm
        process = kernel.process
        started = identity_of(int(kernel.run(STARTS_ANOTHER)))
        kernel.begin("import os; os._exit(7)")
        assert process.wait() == 7
        assert started.send_signal(signal.SIGKILL)


def test_a_kernel_outlives_its_server(environment: dict[str, str], inputs: Path) -> None:
    """The notebook goes on; the next kernel starts in the ordinary way."""
    with fork_server(environment, "--module", "json") as server:
        with KernelSession(server, inputs, environment) as kernel:
            kernel.run("answer = 42")
            os.kill(server_pid(kernel), signal.SIGKILL)
            wait_for("the server to end", lambda: not is_reachable(server))
            assert kernel.value("answer") == 42
            process = kernel.process
            kernel.shut_down()
            assert process.poll() is not None
        with KernelSession(server, inputs, environment) as kernel:
            assert not kernel.is_warm
            assert kernel.value("1 + 1") == 2


def test_a_server_ends_with_its_owner_and_leaves_nothing_behind(
    environment: dict[str, str], inputs: Path
) -> None:
    """Also when the owner is killed; its kernels go on."""
    script = textwrap.dedent(
        """
        import os, time
        from autoflow_dagster.warm.keeper import Keeper
        keeper = Keeper("kernels", ["--module", "json"])
        print(keeper.ensure(os.environ), flush=True)
        time.sleep(600)
        """
    )
    command = [sys.executable, "-c", script]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        server = Path(owner.stdout.readline().strip())
        assert server.stat().st_mode & 0o777 == 0o600
        assert server.parent.stat().st_mode & 0o777 == 0o700
        with KernelSession(server, inputs, environment) as kernel:
            server_process = identity_of(server_pid(kernel))
            owner.kill()
            wait_for("the server to end", lambda: has_ended(server_process))
            assert kernel.value("1 + 1") == 2
    assert not server.parent.exists()


def test_a_deleted_socket_is_noticed(environment: dict[str, str], inputs: Path) -> None:
    """Kernels start in the ordinary way until the owner has another server."""
    with fork_server(environment, "--module", "json") as server:
        server.unlink()
        with KernelSession(server, inputs, environment) as kernel:
            assert not kernel.is_warm


@pytest.mark.timeout(120)
def test_a_server_that_hangs_is_replaced_and_stops_nobody(
    environment: dict[str, str], inputs: Path
) -> None:
    """Once nobody else can wait for its answer it counts as gone; at the end it is killed."""
    keeper = Keeper("kernels", ["--module", "json"], quiet_seconds=0)
    try:
        server = keeper.ensure(environment)
        wait_for("the server to be ready", server.with_name(READY).exists)
        [hanging] = map(identity_of, keeper.pids)
        hanging.send_signal(signal.SIGSTOP)
        while is_reachable(server):
            pass  # each time, one more waits
        with KernelSession(server, inputs, environment) as kernel:
            assert not kernel.is_warm
        with KernelSession(keeper.ensure(environment), inputs, environment) as kernel:
            assert kernel.is_warm
    finally:
        keeper.close()
    assert has_ended(hanging)


CULPRITS = {
    "starts a thread": "import threading; threading.Thread(target=threading.Event().wait, daemon=True).start()",
    "opens a socket": "import socket; connection = socket.socket()",
    "starts a process": "import subprocess; p = subprocess.Popen(['sleep', '600'])",
    "writes": "print('Thank you for using culprit!')",
    "uses the shell": "from IPython import get_ipython; get_ipython().events.register('post_execute', print)",
    "keeps the shell": "from IPython import get_ipython; shell = get_ipython()",
    "has a shell by itself": "get_ipython().user_ns",
}


@pytest.mark.parametrize("deed", CULPRITS)
def test_a_module_in_doubt_is_left_to_each_kernel(
    environment: dict[str, str], inputs: Path, libraries: Path, deed: str
) -> None:
    """It and what imports it; all else is imported all the same, also what it imports itself."""
    (libraries / "culprit.py").write_text(f"import innocent\n{CULPRITS[deed]}\n")
    (libraries / "innocent.py").write_text("")
    (libraries / "importer.py").write_text("import culprit")
    modules = ["--module", "importer", "--module", "colorsys"]
    with (
        fork_server(environment, *modules) as server,
        KernelSession(server, inputs, environment) as kernel,
    ):
        assert kernel.is_warm
        names = ("culprit", "importer", "colorsys")
        assert kernel.value(f"[n in __import__('sys').modules for n in {names}]") == [
            False, False, True,
        ]  # fmt: skip
        assert "Error" not in kernel.run("import importer")


def test_a_module_that_fails_is_left_to_the_notebook(
    environment: dict[str, str], inputs: Path, libraries: Path
) -> None:
    """The error is the notebook's, and the server serves."""
    (libraries / "broken.py").write_text("raise SystemExit(1)")
    with (
        fork_server(environment, "--module", "broken") as server,
        KernelSession(server, inputs, environment) as kernel,
    ):
        assert kernel.is_warm
        assert "broken" not in kernel.value("list(__import__('sys').modules)")


def test_another_environment_is_served_when_it_stays(
    environment: dict[str, str], inputs: Path
) -> None:
    """Variables are read when modules are imported: a kernel with others starts cold at first."""
    other = {**environment, "COLOUR": "green"}
    with fork_server(environment, "--module", "json") as server:
        with KernelSession(server, inputs, environment) as kernel:
            assert kernel.is_warm
        for _ in range(2):  # after the second one it is worth a new server
            with KernelSession(server, inputs, other) as kernel:
                assert not kernel.is_warm
        with KernelSession(server, inputs, other) as kernel:
            assert kernel.is_warm
            assert kernel.value("__import__('os').environ['COLOUR']") == "green"


def test_changed_packages_make_a_new_server(
    environment: dict[str, str], inputs: Path, libraries: Path
) -> None:
    """The next kernel but one is warm with them, and none has old ones."""
    module = libraries / "edited.py"
    module.write_text("value = 'old'")
    with fork_server(environment, "--module", "edited") as server:
        with KernelSession(server, inputs, environment) as kernel:
            assert kernel.is_warm
            module.write_text("value = 'edited'")
            # A kernel that runs keeps what it has, and its server until it ends.
            with KernelSession(server, inputs, environment) as next_kernel:
                assert not next_kernel.is_warm
                assert next_kernel.value("__import__('edited').value") == "edited"
            assert kernel.value("__import__('edited').value") == "old"
            process = kernel.process
            kernel.shut_down()
            assert process.poll() == 0
        with KernelSession(server, inputs, environment) as kernel:
            assert kernel.is_warm
            assert kernel.value("__import__('edited').value") == "edited"
        (libraries / "site-packages" / "installed.py").touch()
        with KernelSession(server, inputs, environment) as kernel:
            assert not kernel.is_warm


def test_modules_beside_the_notebooks_come_first(
    environment: dict[str, str], inputs: Path, libraries: Path
) -> None:
    """As in any kernel: the working directory is searched before installed packages."""
    (libraries / "site-packages" / "helpers.py").write_text("origin = 'installed'")
    with fork_server(environment, "--module", "helpers") as server:
        with KernelSession(server, inputs, environment) as kernel:
            assert kernel.is_warm
        (inputs / "helpers").mkdir()  # a directory that is no package hides nothing
        with KernelSession(server, inputs, environment) as kernel:
            assert kernel.is_warm
            assert kernel.value("__import__('helpers').origin") == "installed"
        (inputs / "helpers.py").write_text("origin = 'beside the notebook'")
        with KernelSession(server, inputs, environment) as kernel:
            assert not kernel.is_warm
            assert kernel.value("__import__('helpers').origin") == "beside the notebook"


def test_other_kernels_start_in_the_ordinary_way(
    environment: dict[str, str], inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of another interpreter, or of this one with options."""
    specs = tmp_path / "jupyter"
    directory = specs / "kernels" / "isolated"
    directory.mkdir(parents=True)
    argv = [sys.executable, "-X", "utf8", "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    spec = {"argv": argv, "display_name": "Isolated", "language": "python"}
    (directory / "kernel.json").write_text(json.dumps(spec))
    monkeypatch.setenv("JUPYTER_PATH", str(specs))
    with fork_server(environment, "--module", "json") as server:
        kernel = KernelSession(server, inputs, environment)
        kernel.manager.kernel_name = "isolated"
        with kernel:
            assert not kernel.is_warm
            assert kernel.value("__import__('sys').flags.utf8_mode") == 1


FAULTS = (
    "",
    "kernel",
    "",
    "",
    "server",
    "",
    "",
    "server meanwhile",
    "",
    "",
    "socket",
    "",
    "",
    "fork",
)


@pytest.mark.timeout(300 + 2 * ROUNDS)
def test_nothing_is_lost_when_everything_dies(
    environment: dict[str, str], inputs: Path, libraries: Path, tmp_path: Path
) -> None:
    """Kernels in a row while kernels, servers and sockets are taken away: each gives its result."""
    no_fork = tmp_path / "no_fork"
    (libraries / "sitecustomize.py").write_text(
        textwrap.dedent(
            f"""
            import os
            fork = os.fork
            def fork_unless_forbidden():
                if os.path.exists({str(no_fork)!r}):
                    raise OSError(11, "Resource temporarily unavailable")
                return fork()
            os.fork = fork_unless_forbidden
            """
        )
    )
    keeper = Keeper("kernels", ["--module", "json"], quiet_seconds=0.5)
    warm = []
    try:
        for number in range(ROUNDS):
            fault = FAULTS[number % len(FAULTS)]
            server = wait_for("a server", lambda: _server_or_none(keeper, environment))
            if fault == "fork":
                no_fork.touch()
            elif fault == "socket":
                server.unlink()
            elif fault == "server":
                _kill_server(server, inputs, environment)
            warm.append(_one_result(server, inputs, environment, number, fault))
            no_fork.unlink(missing_ok=True)
    finally:
        keeper.close()
    expected = [FAULTS[n % len(FAULTS)] not in ("server", "socket", "fork") for n in range(ROUNDS)]
    assert warm == expected


def _server_or_none(keeper: Keeper, environment: dict[str, str]) -> Path | None:
    try:
        return keeper.ensure(environment)
    except NotWarmError:
        return None


def _kill_server(server: Path, inputs: Path, environment: dict[str, str]) -> None:
    with KernelSession(server, inputs, environment) as kernel:
        os.kill(server_pid(kernel), signal.SIGKILL)


def _one_result(
    server: Path, inputs: Path, environment: dict[str, str], number: int, fault: str
) -> bool:
    """Get a kernel's result in spite of a fault; return whether the first kernel was warm."""
    with KernelSession(server, inputs, environment) as kernel:
        is_warm = kernel.is_warm
        kernel.run(f"number = {number}")
        if fault == "server meanwhile":
            os.kill(server_pid(kernel), signal.SIGKILL)
        if fault != "kernel":
            assert kernel.value("number * 2") == number * 2
            return is_warm
        process = kernel.process
        kernel.kill()
        assert process.wait() == -signal.SIGKILL
    return _one_result(server, inputs, environment, number, "") and is_warm
