"""Ask a fork server for a process."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import select
import signal
import socket
import struct
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from autoflow_dagster.warm.become import Attributes
from autoflow_dagster.warm.messages import ConnectionLostError, close_all, receive, send

ANSWER_SECONDS = 20.0
"""For an answer: the server may still be importing, which takes no longer than a cold start would."""

EXIT_STATUS_SECONDS = 2.0
"""For the server to say how a process ended that has ended."""

UNKNOWN_EXIT_STATUS = 255
"""Of a process whose fork server has gone before it could say how it ended."""


class NotWarmError(Exception):
    """The process has to be started in the ordinary way; says why."""


class ServerGoneError(NotWarmError):
    """There is no fork server at this socket."""


@dataclass(frozen=True)
class Request:
    """What to start: ``executable -m module arguments``.

    Attributes
    ----------
    executable : str
        The interpreter, by the name that the process is to know it.
    environment : mapping
        The whole environment.
    files : sequence of int
        Descriptors of standard input, output and error output; they stay the caller's.
    attached : bool
        Whether the process is to end when this one does, and is to say how it ended.
    process_name : str
        As tools such as top show the process; up to 15 characters.
    """

    executable: str
    module: str
    arguments: Sequence[str]
    environment: Mapping[str, str]
    working_dir: Path
    files: Sequence[int]
    attached: bool
    process_name: str


@dataclass
class WarmProcess:
    """A process that a fork server has forked, and that waits for `go`.

    Several threads may ask how it is, as with `subprocess.Popen`.

    Attributes
    ----------
    pid : int
        Of the process, which leads a session and process group of its own.
    handle : int
        Stands for exactly this process; readable when it has ended.
    """

    pid: int
    handle: int
    connection: socket.socket | None
    returncode: int | None = field(default=None, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)

    def go(self) -> None:
        """Let the process run.

        Raises
        ------
        NotWarmError
            When it has ended already. Nothing of what was asked for has happened then.
        """
        assert self.connection is not None, "a process goes only once"
        try:
            send(self.connection, {"go": True})
        except OSError as error:
            self.close()
            raise NotWarmError("the forked process ended at once") from error

    def poll(self) -> int | None:
        """Return the exit status, None while the process runs; negative is a signal's number."""
        with self._lock:
            if self.returncode is None and (self.handle < 0 or _is_readable(self.handle, 0)):
                self.returncode = self._exit_status()
                self._close()
            return self.returncode

    def wait(self, timeout: float | None = None) -> int | None:
        """Wait until the process has ended; return its exit status, None when the time is up."""
        with self._lock:
            # One of its own: another thread may close the other, whose number then means another file.
            handle = os.dup(self.handle) if self.handle >= 0 else -1
        if handle >= 0:
            try:
                _is_readable(handle, timeout)
            finally:
                os.close(handle)
        return self.poll()

    def send_signal(self, number: int) -> None:
        """Send a signal to the process and those of its group, unless the process has ended."""
        if self.poll() is None:
            # As long as it has not ended, nobody else can have its pid as the number of a group.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, number)

    def terminate(self) -> None:
        """Ask the process to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End the process."""
        self.send_signal(signal.SIGKILL)

    def close(self) -> None:
        """Give up what stands for the process.

        A process that waits, or that is attached, is ended by that; another goes on.
        """
        with self._lock:
            self._close()

    def _close(self) -> None:
        if self.connection is not None:
            self.connection.close()
            self.connection = None
        if self.handle >= 0:
            os.close(self.handle)
            self.handle = -1

    def _exit_status(self) -> int:
        if self.connection is None:
            return UNKNOWN_EXIT_STATUS
        self.connection.settimeout(EXIT_STATUS_SECONDS)
        try:
            message, descriptors = receive(self.connection)
        except ConnectionLostError:
            return UNKNOWN_EXIT_STATUS
        close_all(descriptors)
        status = message.get("exit")
        return status if isinstance(status, int) else UNKNOWN_EXIT_STATUS


def _is_readable(handle: int, timeout: float | None) -> bool:
    poll = select.poll()
    poll.register(handle, select.POLLIN)
    return bool(poll.poll(None if timeout is None else timeout * 1000))


def ask(server: Path, request: Request, timeout: float = ANSWER_SECONDS) -> WarmProcess:
    """Ask for a process; it waits for `WarmProcess.go`.

    Raises
    ------
    ServerGoneError
        When nothing listens at the socket.
    NotWarmError
        When the server refuses or does not answer in time. Nothing has been started then.
    """
    connection = connect(server, timeout)
    deadline = time.monotonic() + timeout
    try:
        send(connection, _as_message(request), request.files)
        message, descriptors = receive(connection)
    except (OSError, ConnectionLostError) as error:
        connection.close()
        if time.monotonic() >= deadline:
            raise NotWarmError(f"no answer within {timeout:g} seconds") from error
        raise ServerGoneError("the fork server has ended") from error
    if "pid" not in message or len(descriptors) != 1:
        close_all(descriptors)
        connection.close()
        raise NotWarmError(str(message.get("refused", "the answer is not valid")))
    return WarmProcess(int(message["pid"]), descriptors[0], connection)


def _as_message(request: Request) -> dict[str, object]:
    return {
        "executable": request.executable,
        "module": request.module,
        "arguments": list(request.arguments),
        "environment": dict(request.environment),
        "working_dir": str(request.working_dir),
        "attributes": dataclasses.asdict(Attributes.of_this_process()),
        "attached": request.attached,
        "process_name": request.process_name,
    }


def connect(server: Path, timeout: float = ANSWER_SECONDS) -> socket.socket:
    """Connect to a fork server of this user.

    Parameters
    ----------
    timeout : float
        Seconds, for whatever is done with the connection.

    Raises
    ------
    ServerGoneError
        When nothing listens at the socket, another user does, or one that answers nobody.
    """
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    # Before connecting: without it, that waits for ever while too many others wait.
    connection.settimeout(timeout)
    try:
        connection.connect(str(server))
    except OSError as error:
        connection.close()
        raise ServerGoneError(f"the fork server cannot be reached ({error})") from error
    if peer_user(connection) != os.getuid():
        connection.close()
        raise ServerGoneError("the fork server is another user's")
    return connection


def peer_user(connection: socket.socket) -> int:
    """Return the user id of the process at the other end."""
    format_of_credentials = "3i"
    data = connection.getsockopt(
        socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize(format_of_credentials)
    )
    return int(struct.unpack(format_of_credentials, data)[1])


def is_reachable(server: Path) -> bool:
    """Return whether something listens at the socket, and not too many wait for its answer."""
    with contextlib.suppress(ServerGoneError):
        connect(server).close()
        return True
    return False


def can_be_warm() -> bool:
    """Whether this operating system has what warm processes need: Linux, 5.3 or later."""
    return (
        hasattr(os, "pidfd_open")
        and hasattr(signal, "pidfd_send_signal")
        and Path("/proc/self/task").exists()
    )
