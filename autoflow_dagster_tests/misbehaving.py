"""A server that misbehaves for real: raw sockets, so that it can break every rule of HTTP.

What it does wrong is a *behaviour*: a function that is given one accepted connection whose request
has been read. The well-behaved FlowAPI for tests is `autoflow_dagster.demo`.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Self

HTML = b"<html><body><h1>Sorry</h1></body></html>"


class Connection:
    """One accepted connection.

    Attributes
    ----------
    request : bytes
        What the client sent, up to the blank line.
    stopping : threading.Event
        Set when the server is being closed: whoever waits has to end.
    """

    def __init__(self, sock: socket.socket, stopping: threading.Event) -> None:
        self.sock = sock
        self.stopping = stopping
        self.request = b""

    def read_request(self) -> None:
        """Read up to the blank line that ends a request without a body."""
        while b"\r\n\r\n" not in self.request:
            chunk = self.sock.recv(65536)
            if not chunk:
                raise ConnectionError("the client left before it had asked")
            self.request += chunk

    def send(self, content: bytes) -> None:
        """Send all of it, or raise OSError when the client has left."""
        self.sock.sendall(content)

    def send_slowly(self, content: bytes, seconds_per_byte: float) -> None:
        """Send byte by byte, until the client or the server gives up."""
        for number in range(len(content)):
            self.send(content[number : number + 1])
            if self.stopping.wait(seconds_per_byte):
                return

    def wait_for_client(self) -> None:
        """Return when the client has closed the connection, whatever it still sends."""
        while self.sock.recv(65536):
            pass

    def reset(self) -> None:
        """Close in the rudest way: the client gets "connection reset by peer"."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


Behaviour = Callable[[Connection], None]


class MisbehavingServer:
    """Listens on a free port of this machine and does to each client what `behaviour` says.

    Use it in a ``with`` block. Leaving the block ends every thread and closes every socket.

    Parameters
    ----------
    behaviour : callable
        Called in a thread of its own for each connection.
    certificate : (Path, Path) or None
        Certificate and key for https; None for http.
    reads_request : bool
        False to leave the client's request unread.
    """

    def __init__(
        self,
        behaviour: Behaviour,
        certificate: tuple[Path, Path] | None = None,
        reads_request: bool = True,
    ) -> None:
        self._behaviour = behaviour
        self._reads_request = reads_request
        self._tls: ssl.SSLContext | None = None
        if certificate:
            self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._tls.load_cert_chain(*certificate)
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []
        self._open: set[socket.socket] = set()
        self._changed = threading.Condition()
        self.requests: list[bytes] = []

    def __enter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._start(self._accept)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stopping.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts
        with self._changed:
            for sock in self._open:
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)
        self._listener.close()

    @property
    def url(self) -> str:
        """Address of the server."""
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    def all_clients_left(self, timeout_seconds: float = 5.0) -> bool:
        """Return whether every connection has been closed, waiting for it a while."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._open, timeout_seconds)

    def _start(self, target: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._stopping.is_set():
            try:
                sock, _ = self._listener.accept()
            except OSError:  # closed
                return
            with self._changed:
                self._open.add(sock)
            self._start(self._serve, sock)

    def _serve(self, accepted: socket.socket) -> None:
        sock = accepted
        try:
            if self._tls:
                sock = self._tls.wrap_socket(accepted, server_side=True)
            connection = Connection(sock, self._stopping)
            if self._reads_request:
                connection.read_request()
                self.requests.append(connection.request)
            self._behaviour(connection)
        except OSError:  # the client has had enough, or the block was left
            pass
        finally:
            sock.close()
            accepted.close()
            with self._changed:
                self._open.discard(accepted)
                self._changed.notify_all()


def answer(
    status: int,
    body: bytes = b"",
    content_type: str = "application/json",
    *,
    length: int | None = None,
    headers: tuple[str, ...] = (),
) -> Behaviour:
    """Return the behaviour of answering so and closing.

    Parameters
    ----------
    length : int or None
        The Content-Length to claim; None for the true one.
    """
    lines = [
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}",
        f"Content-Type: {content_type}",
        f"Content-Length: {len(body) if length is None else length}",
        "Connection: close",
        *headers,
    ]
    head = "\r\n".join([*lines, "", ""]).encode()
    return lambda connection: connection.send(head + body)


def html(status: int) -> Behaviour:
    """Return the behaviour of a proxy: an HTML page with a status."""
    return answer(status, HTML, "text/html")


def say_nothing(connection: Connection) -> None:
    """Accept and never answer, as FlowAPI does while FlowMachine is down."""
    connection.wait_for_client()


def hang_up(connection: Connection) -> None:
    """Close without an answer."""


def reset(connection: Connection) -> None:
    """Reset the connection in the middle of an answer."""
    connection.send(b'HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{"availa')
    connection.reset()


def dribble_head(connection: Connection) -> None:
    """Send the headers of an answer byte by byte, for ever."""
    connection.send_slowly(b"HTTP/1.1 200 OK\r\n" + b"X-Slow: 1\r\n" * 100_000, 0.02)


def dribble_body(connection: Connection) -> None:
    """Send proper headers, then a body byte by byte, for ever."""
    connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    connection.send_slowly(b" " * 1_000_000, 0.02)


def no_http(connection: Connection) -> None:
    """Speak another protocol."""
    connection.send(b"220 mail.example.org ESMTP\r\n\r\n")


def endless_dates(number: int) -> Behaviour:
    """Return the behaviour of answering with so many dates, as fast as they are taken."""

    def pieces() -> Iterator[bytes]:
        yield b'HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{"available_dates": {"calls": ["2016-01-01"'
        piece = b', "2016-01-02"' * 1000
        for _ in range(number // 1000):
            yield piece
        yield b"]}}"

    def behave(connection: Connection) -> None:
        for piece in pieces():
            connection.send(piece)

    return behave
