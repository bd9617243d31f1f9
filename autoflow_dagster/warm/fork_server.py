"""The fork server: a single-threaded process that starts processes by forking itself.

Started by `keeper` with a listening socket and a pipe; the end of that pipe is the end of the server,
and its processes go on. What is said on a connection, one for each process:

1. client: the request, with its standard input, output and error output.
2. server: ``{"refused": reason}``; or the forked process: ``{"pid": n}`` with a handle of itself.
3. client: ``{"go": true}``. A forked process whose client goes away instead ends without a trace, so
   that a client that has given up can start the process otherwise: nothing is ever started twice.
4. server, when the process has ended and the request was ``attached``: ``{"exit": status}``.

An attached process is ended when its client is, with what it has started. When what was imported is
out of date, or the imports have to be others, a new server takes over the socket and the old one stays
until its processes ended.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from autoflow_dagster.warm import become, preload
from autoflow_dagster.warm.become import Attributes, Task
from autoflow_dagster.warm.messages import READY, ConnectionLostError, close_all, receive, send
from autoflow_dagster.warm.purposes import Purpose

CLIENT_SECONDS = 10.0
"""For a client to say what it wants; nobody else is served meanwhile."""

GRACE_SECONDS = 1.0
"""For an attached process to end by itself after its client did."""


@dataclass
class Child:
    """A forked process that has not ended.

    Attributes
    ----------
    handle : int
        Readable when the process has ended.
    connection : socket or None
        To the client of an attached process.
    kill_at : float or None
        On the monotonic clock, once the client has gone.
    """

    pid: int
    handle: int
    connection: socket.socket | None
    kill_at: float | None = None


@dataclass
class ForkServer:
    """Answers requests until its owner has gone.

    Parameters
    ----------
    listener : socket
        Listens already.
    owner : int
        Read end of a pipe of which the owner holds the other end.
    successor : sequence of str
        Command that starts a server on the same socket.
    freshness : Freshness
        Of the imports.
    environment : mapping
        In which they were done.
    imposed : mapping
        Variables that the imports have set, as they would have in each process.
    own_names : frozenset of str
        Imported modules that the module to run would look for in its working directory first.
    """

    purpose: Purpose
    listener: socket.socket
    owner: int
    successor: Sequence[str]
    freshness: preload.Freshness
    environment: Mapping[str, str]
    imposed: Mapping[str, str]
    own_names: frozenset[str]
    attributes: Attributes = field(default_factory=Attributes.of_this_process)
    children: dict[int, Child] = field(default_factory=dict)
    poll: select.poll = field(default_factory=select.poll)
    is_retired: bool = False
    has_forked: bool = False
    asked_environment: Mapping[str, str] | None = None

    def serve(self) -> Task | None:
        """Answer requests; return a task in a forked process, None in the server at its end."""
        self.poll.register(self.listener, select.POLLIN)
        self.poll.register(self.owner, select.POLLIN)
        with contextlib.suppress(OSError):  # the owner may have gone, and its directory
            Path(self.listener.getsockname()).with_name(READY).touch()
        while True:
            ready = {descriptor for descriptor, _ in self.poll.poll(self._milliseconds())}
            if self.owner in ready:
                return None
            for child in list(self.children.values()):
                self._tend(child, ready)
            if self.is_retired:
                if not self.children:
                    return None
            elif self.listener.fileno() in ready:
                task = self._answer()
                if task is not None:
                    return task

    def clean_up(self) -> None:
        """Remove the socket and its directory, unless a successor has taken it over."""
        if not self.is_retired:
            with contextlib.suppress(OSError):
                socket_path = Path(self.listener.getsockname())
                socket_path.unlink(missing_ok=True)
                socket_path.with_name(READY).unlink(missing_ok=True)
                socket_path.parent.rmdir()

    def _milliseconds(self) -> float | None:
        times = [child.kill_at for child in self.children.values() if child.kill_at is not None]
        return max(0.0, min(times) - time.monotonic()) * 1000 + 1 if times else None

    def _tend(self, child: Child, ready: set[int]) -> None:
        """Notice that a process or its client has ended."""
        if child.handle in ready:
            self._bury(child)
        elif child.kill_at is not None:
            if time.monotonic() >= child.kill_at:
                child.kill_at = time.monotonic() + GRACE_SECONDS
                _kill_group(child.pid)
        elif child.connection is not None and child.connection.fileno() in ready:
            self._let_go(child)
            child.kill_at = time.monotonic() + GRACE_SECONDS

    def _bury(self, child: Child) -> None:
        if _has_lost_client(child):
            # What it has started must not outlive the run that was killed. Until it is waited for,
            # nobody else can have its pid as the number of a group.
            _kill_group(child.pid)
        _, status = os.waitpid(child.pid, 0)
        if child.connection is not None:
            with contextlib.suppress(OSError):  # the client may have ended at the same time
                send(child.connection, {"exit": os.waitstatus_to_exitcode(status)})
            self._let_go(child)
        self.poll.unregister(child.handle)
        os.close(child.handle)
        del self.children[child.pid]

    def _let_go(self, child: Child) -> None:
        assert child.connection is not None, "only attached processes have a client"
        self.poll.unregister(child.connection)
        child.connection.close()
        child.connection = None

    def _answer(self) -> Task | None:
        """Answer one request; return a task in the process that was forked for it."""
        try:
            connection, _ = self.listener.accept()
        except OSError:
            return None  # the client has given up waiting
        connection.settimeout(CLIENT_SECONDS)
        try:
            request, files = receive(connection)
        except ConnectionLostError:
            connection.close()
            return None
        try:
            task = self._task(request)
            refusal = task if isinstance(task, str) else self._obstacle(task)
            if not refusal and isinstance(task, Task):
                return self._fork(task, connection, files, bool(request.get("attached")))
            self._refuse(connection, refusal)
        finally:
            close_all(files)
        return None

    def _task(self, request: dict[str, Any]) -> Task | str:
        """Return what is asked for, or what is wrong with the request."""
        try:
            task = Task(
                executable=request["executable"],
                module=request["module"],
                arguments=request["arguments"],
                environment=request["environment"],
                working_dir=request["working_dir"],
                attributes=Attributes.from_json(request["attributes"]),
                process_name=request["process_name"],
            )
        except (KeyError, TypeError, ValueError) as error:
            return f"the request is not valid ({type(error).__name__}: {error})"
        if task.module not in self.purpose.programs:
            return f"only {', '.join(self.purpose.programs)} can be run"
        return task

    def _obstacle(self, task: Task) -> str:
        """Return why a process forked from this one would not be like a fresh one."""
        if not self.freshness.is_fresh():
            self._retire(self.environment)
            return "packages, notebooks or the interpreter have changed"
        names = self._differing_variables(task.environment)
        if names:
            # A new server is for an environment that comes to stay, not for one that changes always.
            if not self.has_forked or task.environment == self.asked_environment:
                self._retire(task.environment)
            self.asked_environment = task.environment
            return f"the environment differs in {', '.join(names)}"
        try:
            shadowed = preload.shadowed(Path(task.working_dir), self.own_names)
        except OSError as error:
            return f"the working directory cannot be read ({error.strerror})"
        if shadowed:
            return f"{task.working_dir} has a module {shadowed} of its own"
        return task.attributes.obstacle(self.attributes)

    def _differing_variables(self, environment: Mapping[str, str]) -> list[str]:
        """Return the names of variables that differ from this server's; never their values."""
        names = environment.keys() | self.environment.keys()
        names -= set(self.purpose.free_variables)
        return sorted(n for n in names if environment.get(n) != self.environment.get(n))

    def _refuse(self, connection: socket.socket, reason: str) -> None:
        with contextlib.suppress(OSError):  # the client may have given up waiting
            send(connection, {"refused": reason})
        connection.close()

    def _retire(self, environment: Mapping[str, str]) -> None:
        """Start a successor on the same socket; this process stays for its children only."""
        inherited = (self.listener.fileno(), self.owner)
        subprocess.Popen(self.successor, pass_fds=inherited, env=dict(environment))
        self.poll.unregister(self.listener)
        self.listener.close()
        self.is_retired = True

    def _fork(
        self, task: Task, connection: socket.socket, files: list[int], is_attached: bool
    ) -> Task | None:
        sys.stdout.flush()
        sys.stderr.flush()
        try:
            pid = os.fork()
        except OSError as error:
            self._refuse(connection, f"a process cannot be forked ({error.strerror})")
            return None
        if pid:
            child = Child(pid, os.pidfd_open(pid), connection if is_attached else None)
            self.children[pid] = child
            self.has_forked = True
            self.poll.register(child.handle, select.POLLIN)
            if child.connection is None:
                connection.close()
            else:
                self.poll.register(connection, select.POLLRDHUP)
            return None
        self._leave(connection, files)
        task.environment.update(self.imposed)
        return _start(self.purpose, task, connection, files, is_attached)

    def _leave(self, connection: socket.socket, files: list[int]) -> None:
        """Be no server any more, in a forked process."""
        os.setsid()
        become.reset_signals()
        self.listener.close()
        os.close(self.owner)
        for child in self.children.values():
            os.close(child.handle)
            if child.connection is not None:
                child.connection.close()


def _start(
    purpose: Purpose, task: Task, connection: socket.socket, files: list[int], is_attached: bool
) -> Task:
    """Wait in a forked process until its client has taken note of it."""
    try:
        connection.settimeout(None)
        handle = os.pidfd_open(os.getpid())
        send(connection, {"pid": os.getpid()}, [handle])
        os.close(handle)
        answer, _ = receive(connection)
    except (OSError, ConnectionLostError):
        os._exit(0)
    if answer != {"go": True}:
        os._exit(0)
    own, files[:] = list(files), []
    become.take_standard_files(own)
    become.become(task)
    if is_attached:
        purpose.in_child(connection)
    else:
        connection.close()  # it goes on whatever becomes of the client
    return task


def _has_lost_client(child: Child) -> bool:
    """Return whether an attached process has no client any more."""
    if child.connection is None:
        return child.kill_at is not None
    poll = select.poll()  # of its own: both may have ended since the server has looked
    poll.register(child.connection, select.POLLRDHUP)
    return bool(poll.poll(0))


def _kill_group(pid: int) -> None:
    for send_signal in (os.killpg, os.kill):
        try:
            send_signal(pid, signal.SIGKILL)
        except ProcessLookupError:  # not yet the leader of a group
            continue
        return
