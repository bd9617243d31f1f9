"""Own a fork server: start it when it is needed, start it again when it is gone, end it at the end."""

from __future__ import annotations

import logging
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from autoflow_dagster.outputs import written_whole
from autoflow_dagster.warm.asking import (
    NotWarmError,
    Request,
    ServerGoneError,
    WarmProcess,
    ask,
    can_be_warm,
    is_reachable,
)
from autoflow_dagster.warm.messages import READY

logger = logging.getLogger(__name__)

SERVER_MODULE = "autoflow_dagster.warm.server_process"
BACKLOG = 64
QUIET_SECONDS = 60.0

END_SECONDS = 5.0
"""For a server to end that was asked to; one that hangs is killed."""


@dataclass
class Keeper:
    """Owns a fork server; any thread may use it.

    Parameters
    ----------
    purpose : str
        ``dagster`` or ``kernels``.
    arguments : sequence of str
        Further ones for the server.
    announcement : Path or None
        File that says where the server's socket is, for processes that do not own one. A server
        that is announced there already and answers is used instead of starting another.
    quiet_seconds : float
        Between two starts at least: a server that lasts no longer has something wrong with it.
    """

    purpose: str
    arguments: Sequence[str] = ()
    announcement: Path | None = None
    quiet_seconds: float = QUIET_SECONDS
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _server: Path | None = None
    _end: int = -1
    _started_at: float = float("-inf")
    _processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def ask(self, request: Request) -> WarmProcess:
        """Ask the server for a process, starting the server when there is none.

        Raises
        ------
        NotWarmError
            When there is to be no warm process.
        """
        if self._server is not None:
            try:
                return ask(self._server, request)
            except ServerGoneError as error:
                logger.warning("The fork server for %s is gone: %s.", self.purpose, error)
        return ask(self.ensure(request.environment), request)

    def ensure(self, environment: Mapping[str, str]) -> Path:
        """Return the socket of a server that listens; it may still be importing.

        Parameters
        ----------
        environment : mapping
            Of a server to be started: that of the processes to be asked for.

        Raises
        ------
        NotWarmError
            When there is none and it is too early to start another.
        """
        with self._lock:
            server = self._server or self._announced()
            if server is not None and is_reachable(server):
                return server
            if not can_be_warm():
                raise NotWarmError("this operating system does not have what it takes")
            if time.monotonic() - self._started_at < self.quiet_seconds:
                raise NotWarmError("the fork server has just ended; its log line says why")
            self._forget()
            self._started_at = time.monotonic()
            try:
                return self._start(environment)
            except OSError as error:
                raise NotWarmError(f"the fork server cannot be started ({error})") from error

    @property
    def is_starting(self) -> bool:
        """Whether a server of this owner is still importing: who asks it now has to wait."""
        with self._lock:
            if self._server is None or self._server.with_name(READY).exists():
                return False
            return any(process.poll() is None for process in self._processes)

    @property
    def pids(self) -> list[int]:
        """The processes of this owner's servers."""
        with self._lock:
            return [process.pid for process in self._processes if process.poll() is None]

    def close(self) -> None:
        """End the server; the processes that it has forked go on."""
        with self._lock:
            self._forget()
            for process in self._processes:
                process.terminate()  # it may be importing still, and not see that its owner has gone
            deadline = time.monotonic() + END_SECONDS
            for process in self._processes:
                try:
                    process.wait(max(0.0, deadline - time.monotonic()))
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
            self._processes.clear()

    def _announced(self) -> Path | None:
        return None if self.announcement is None else announced_server(self.announcement)

    def _start(self, environment: Mapping[str, str]) -> Path:
        directory = Path(tempfile.mkdtemp(prefix="autoflow-warm-"))  # for this user only
        server = directory / self.purpose
        read_end, write_end = os.pipe()
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
                listener.bind(str(server))
                server.chmod(0o600)
                listener.listen(BACKLOG)
                self._processes.append(self._spawn(listener.fileno(), read_end, environment))
        except OSError:
            os.close(write_end)
            shutil.rmtree(directory, ignore_errors=True)
            raise
        finally:
            os.close(read_end)
        self._server, self._end = server, write_end
        if self.announcement is not None:
            with written_whole(self.announcement) as temporary:
                temporary.write_text(str(server))
        return server

    def _spawn(
        self, listener: int, read_end: int, environment: Mapping[str, str]
    ) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", SERVER_MODULE, self.purpose]
        command += ["--listener", str(listener), "--owner", str(read_end), *self.arguments]
        return subprocess.Popen(
            command,
            pass_fds=(listener, read_end),
            env=dict(environment),
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=2,  # its few lines belong into the log
            start_new_session=True,  # Ctrl-C is for the owner, which then ends the server
        )

    def _forget(self) -> None:
        """Let go of a server, which ends it."""
        if self._end >= 0:
            os.close(self._end)
            self._end = -1
        if self._server is not None:
            shutil.rmtree(self._server.parent, ignore_errors=True)
            self._server = None
        self._processes = [process for process in self._processes if process.poll() is None]


def announced_server(announcement: Path) -> Path | None:
    """Return the socket that an announcement names, None when there is none."""
    try:
        return Path(announcement.read_text().strip())
    except (OSError, ValueError):
        return None
