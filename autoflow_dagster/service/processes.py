"""The service in one place: code server, webserver and daemon as child processes.

Starts them, restarts what dies, and stops them in an order in which no run is lost. What they do
is Dagster's business.
"""

from __future__ import annotations

import contextlib
import logging
import signal
import socket
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from autoflow_dagster.errors import AutoflowError, listening_error
from autoflow_dagster.instance_home import DEFINITIONS_MODULE, LOCATION_NAME
from autoflow_dagster.service.child_processes import PROCESS_NAMES, Child, Starter
from autoflow_dagster.settings import Settings

logger = logging.getLogger(__name__)

POLL_SECONDS = 0.2
DAEMON_STOP_SECONDS = 10.0
"""For the daemon to end what it is doing after it was asked to end; then it is killed."""

STOP_SECONDS = 3.0
"""The same for code server and webserver: nothing of theirs is lost."""

MAX_RESTARTS = 5
"""Give up, so that the container's supervisor notices, when a process dies so often in a row."""

ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}
"""Where clients on this machine find what listens on all addresses."""

STABLE_SECONDS = 120
"""A process that lived so long starts with a clean slate of restarts."""


@dataclass
class Service:
    """Code server, webserver and daemon.

    Parameters
    ----------
    environment : mapping
        Of all three; with DAGSTER_HOME.
    host, port : str, int
        Where the webserver listens. Port 0 takes a free one.
    log_dir : Path or None
        Where each process writes its log; None for this process's own output.
    read_only : bool
        Whether the UI allows no changes.
    path_prefix : str
        Under which a reverse proxy serves the UI, such as ``/autoflow``; empty for none.
    first_delay_seconds : float
        Before a process that died is started again; doubled each time.
    """

    environment: Mapping[str, str]
    host: str = "127.0.0.1"
    port: int = 3000
    log_dir: Path | None = None
    log_level: str = "info"
    read_only: bool = False
    path_prefix: str = ""
    first_delay_seconds: float = 1.0
    children: list[Child] = field(default_factory=list)
    code_socket: Path | None = None
    _stack: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)
    _starter: Starter | None = None
    _code_servers: int = 0
    _replaced: list[Child] = field(default_factory=list)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    @property
    def url(self) -> str:
        """Address of the Dagster UI, for clients on this machine."""
        host = ANY_ADDRESS.get(self.host, self.host)
        host = f"[{host}]" if ":" in host else host
        return f"http://{host}:{self.port}{self.path_prefix}"

    def prepare(self) -> None:
        """Begin with what takes longest; optional, and there may be other things to do meanwhile."""
        self._starts().prepare()

    def _starts(self) -> Starter:
        if self._starter is None:
            self._starter = Starter(self.environment)
        return self._starter

    @property
    def pids(self) -> list[int]:
        """What has been started and runs; all other processes of the service come from these."""
        running = [child.process.pid for child in self.children if child.process]
        return [*(self._starter.pids if self._starter else ()), *running]

    def start(self) -> None:
        """Begin to start the three processes; `tend` starts those that wait for the code server.

        Raises
        ------
        SettingsError
            When the port is taken.
        """
        self.port = free_port(self.host, self.port)
        directory = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="autoflow-")))
        self.code_socket, workspace = directory / "code.sock", directory / "workspace.yaml"
        workspace.write_text(_workspace_of(self.code_socket))
        self.prepare()
        self.children = [
            self._first_code_server(),
            # They would complain at length about a code server that does not answer yet.
            Child("webserver", self._webserver(workspace), self.code_socket),
            Child("daemon", self._daemon(workspace), self.code_socket),
        ]
        self.tend()

    def _first_code_server(self) -> Child:
        child = self._new_code_server()
        self._point_to(child)
        return child

    def _new_code_server(self) -> Child:
        """Return one that listens at a socket of its own, for it removes that when it ends."""
        assert self.code_socket is not None, "the service has been started"
        self._code_servers += 1
        address = self.code_socket.with_name(f"code-{self._code_servers}.sock")
        command = [sys.executable, "-m", "dagster", "api", "grpc", "--lazy-load-user-code"]
        location = ["-m", DEFINITIONS_MODULE, "--location-name", LOCATION_NAME]
        options = ["--socket", str(address), "--log-level", self.log_level]
        return Child("code server", [*command, *location, *options], socket=address)

    def _point_to(self, code_server: Child) -> None:
        """Lead the clients that connect from now on to a code server."""
        assert self.code_socket is not None, "the service has been started"
        assert code_server.socket is not None, "a code server has a socket"
        temporary = self.code_socket.with_suffix(".new")
        temporary.unlink(missing_ok=True)
        temporary.symlink_to(code_server.socket.name)
        temporary.replace(self.code_socket)

    def _webserver(self, workspace: Path) -> list[str]:
        command = [sys.executable, "-m", "dagster_webserver", "-w", str(workspace)]
        address = ["-h", self.host, "-p", str(self.port)]
        prefix = ["-l", self.path_prefix] if self.path_prefix else []
        mode = ["--read-only"] if self.read_only else []
        return [*command, *address, *prefix, *mode, "--dagster-log-level", self.log_level]

    def _daemon(self, workspace: Path) -> list[str]:
        command = [sys.executable, "-m", "dagster._daemon", "run", "-w", str(workspace)]
        return [*command, "--log-level", self.log_level]

    def _spawn(self, child: Child) -> None:
        if self.log_dir is not None and child.log is None:
            self.log_dir.mkdir(parents=True, exist_ok=True)
            path = self.log_dir / f"{child.name.replace(' ', '_')}.log"
            child.log = self._stack.enter_context(path.open("ab"))
        process_name = PROCESS_NAMES[child.name]
        working_dir = self._working_dir()
        child.process = self._starts().start(child.argv, process_name, working_dir, child.log)
        child.started_at = time.monotonic()
        child.restart_at = None

    def _working_dir(self) -> Path:
        """Return the outputs: the UI opens notebooks below the code server's directory only."""
        outputs = Settings.from_environ(self.environment).outputs_dir
        outputs.mkdir(parents=True, exist_ok=True)
        return outputs

    def wait_until_ready(self, timeout_seconds: float, stop: Callable[[], bool]) -> bool:
        """Wait until the UI answers; return False when `stop` said so first.

        Raises
        ------
        AutoflowError
            When the time is up or a process has died for good.
        """
        deadline = time.monotonic() + timeout_seconds
        while not stop():
            if answers(f"{self.url}/server_info"):
                return True
            self.tend()
            if time.monotonic() > deadline:
                raise AutoflowError(
                    "The Dagster webserver",
                    f"does not answer at {self.url} after {timeout_seconds:g} seconds.",
                    self._where_logs_are(),
                )
            time.sleep(POLL_SECONDS)
        return False

    def tend(self) -> None:
        """Start what is to be started, and again what has died, later each time.

        Raises
        ------
        AutoflowError
            When a process keeps dying.
        """
        with self._lock:
            for child in self.children:
                self._tend(child, time.monotonic())
            self._replaced = [child for child in self._replaced if child.is_running]

    def _tend(self, child: Child, now: float) -> None:
        if child.is_running:
            if child.restarts and now - child.started_at > STABLE_SECONDS:
                child.restarts = 0
        elif child.process is None:
            is_wanted = child.starts_after is None or child.starts_after.exists()
            if is_wanted and not self._starts().is_preparing:
                self._spawn(child)
        elif child.restart_at is None:
            self._plan_restart(child, now)
        elif now >= child.restart_at:
            self._spawn(child)

    def _plan_restart(self, child: Child, now: float) -> None:
        status = child.process.returncode if child.process else None
        if child.restarts >= MAX_RESTARTS:
            raise AutoflowError(
                f"The {child.name}",
                f"has died {child.restarts + 1} times in a row (exit status {status}).",
                self._where_logs_are(),
            )
        delay = self.first_delay_seconds * 2.0**child.restarts
        child.restarts += 1
        child.restart_at = now + delay
        logger.warning(
            "The %s died (exit status %s); restarting it in %g s.", child.name, status, delay
        )

    def _where_logs_are(self) -> str:
        return f"Its log is in {self.log_dir}." if self.log_dir else "See its log lines above."

    @contextlib.contextmanager
    def new_code_server(self) -> Iterator[Child]:
        """Start another code server, which takes the first one's place after the block.

        When the block raises, the first one stays. May be called in a thread that goes on for as long as
        the service: processes that were not forked are told of the end of the thread that started them.
        """
        with self._lock:
            old = next((child for child in self.children if child.name == "code server"), None)
            if old is None:
                raise AutoflowError("The service", "has no code server: it is stopping.")
            new = self._new_code_server()
            self._spawn(new)
        try:
            yield new
            with self._lock:
                if old not in self.children:
                    raise AutoflowError("The service", "was stopped or restarted meanwhile.")
                self._point_to(new)
                self.children = [new if child is old else child for child in self.children]
                self._replaced.append(old)
                old.terminate()  # it answers first what it has been asked
        except BaseException:
            new.kill()
            raise

    def stop_requesting(self, is_urgent: Callable[[], bool] = lambda: False) -> None:
        """Stop the daemon: nothing new is requested or started, running runs go on."""
        self._stop_children("daemon", seconds=DAEMON_STOP_SECONDS, is_urgent=is_urgent)

    def restart(self, environment: Mapping[str, str]) -> None:
        """Start all three again with another environment; running runs go on."""
        names = [child.name for child in self.children]
        logger.info(
            "Restarting the %s: a setting that they start with has changed.", ", ".join(names)
        )
        with self._lock:
            _, *others = self.children
            self._stop_children(*names, seconds=DAEMON_STOP_SECONDS)
            self._starts().close()
            self.environment, self._starter = environment, None
            self.prepare()
            again = [Child(c.name, c.argv, c.starts_after, log=c.log) for c in others]
            self.children = [self._first_code_server(), *again]
        self.tend()

    def stop(self, is_urgent: Callable[[], bool] = lambda: False) -> None:
        """Stop everything that still runs and remove temporary files.

        Parameters
        ----------
        is_urgent : callable
            Asked while processes are given time to end; true kills them.
        """
        self.stop_requesting(is_urgent)
        self._stop_children("webserver", "code server", seconds=STOP_SECONDS, is_urgent=is_urgent)
        self._close()

    def kill(self) -> None:
        """End everything at once."""
        with self._lock:
            for child in self.children:
                child.kill()
            self.children = []
        self._close()

    def _close(self) -> None:
        for child in self._replaced:
            child.kill()
        if self._starter is not None:
            self._starter.close()
            self._starter = None
        self._stack.close()

    def _stop_children(
        self, *names: str, seconds: float, is_urgent: Callable[[], bool] = lambda: False
    ) -> None:
        with self._lock:
            stopping = [child for child in self.children if child.name in names]
            for child in stopping:
                child.terminate()
            deadline = time.monotonic() + seconds
            while any(c.is_running for c in stopping) and time.monotonic() < deadline:
                if is_urgent():
                    break
                time.sleep(POLL_SECONDS / 4)
            for child in stopping:
                child.kill()
            self.children = [child for child in self.children if child not in stopping]


def _workspace_of(code_socket: Path) -> str:
    server = {"socket": str(code_socket), "location_name": LOCATION_NAME}
    return yaml.safe_dump({"load_from": [{"grpc_server": server}]})


def answers(url: str) -> bool:
    """Return whether an address answers with success."""
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return bool(response.status == 200)
    except (OSError, urllib.error.URLError):
        return False


def free_port(host: str, wanted: int) -> int:
    """Return `wanted` if it can be listened on, or a free port for 0.

    Raises
    ------
    SettingsError
        When it is taken, or `host` is not one of this machine.
    """
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, wanted))
        except (OSError, UnicodeError) as error:
            raise listening_error(host, wanted, error) from error
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def stop_signals() -> Iterator[Callable[[], int]]:
    """Count SIGTERM and SIGINT instead of dying of them; yields how many have come."""
    received: list[int] = []

    def count(number: int, _frame: object) -> None:
        received.append(number)

    previous = {n: signal.signal(n, count) for n in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield lambda: len(received)
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
