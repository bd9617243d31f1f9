"""Messages between a fork server, its clients and the processes it forks, over a Unix socket.

A message is a JSON object behind its length; the first byte may carry file descriptors. Who says what
is described in `fork_server`.
"""

from __future__ import annotations

import array
import json
import os
import socket
import struct
from collections.abc import Sequence
from typing import Any

MAX_DESCRIPTORS = 3
MAX_BYTES = 16 * 1024 * 1024
"""Far above any environment that an operating system lets a process have."""

READY = "ready"
"""File beside a fork server's socket: there once the server has imported everything."""

_LENGTH = struct.Struct("!I")


class ConnectionLostError(Exception):
    """The other side has gone, or what it sent is no message."""


def send(
    connection: socket.socket, message: dict[str, Any], descriptors: Sequence[int] = ()
) -> None:
    """Send a message.

    Raises
    ------
    OSError
        When the other side has gone, or its time is up.
    """
    body = json.dumps(message).encode()
    data = _LENGTH.pack(len(body)) + body
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))]
    sent = connection.sendmsg([data], rights if descriptors else [], socket.MSG_NOSIGNAL)
    if sent < len(data):  # sending nothing fails when the other side has gone, all being said
        connection.sendall(data[sent:], socket.MSG_NOSIGNAL)


def receive(connection: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """Wait for a message; return it and the file descriptors that came with it.

    Raises
    ------
    ConnectionLostError
        When the other side has gone, or its time is up.
    """
    descriptors: list[int] = []
    try:
        head = _receive_exactly(connection, _LENGTH.size, descriptors)
        (length,) = _LENGTH.unpack(head)
        if length > MAX_BYTES:
            raise ConnectionLostError("a message is too long")
        message = json.loads(_receive_exactly(connection, length, descriptors))
        if not isinstance(message, dict):
            raise ConnectionLostError("a message is not an object")
    except (OSError, ValueError, ConnectionLostError) as error:
        close_all(descriptors)
        raise ConnectionLostError(str(error)) from error
    return message, descriptors


def close_all(descriptors: Sequence[int]) -> None:
    """Close file descriptors."""
    for descriptor in descriptors:
        os.close(descriptor)


def _receive_exactly(connection: socket.socket, count: int, descriptors: list[int]) -> bytes:
    data = b""
    while len(data) < count:
        part, received, _flags, _ = socket.recv_fds(
            connection, min(count - len(data), 1 << 16), MAX_DESCRIPTORS
        )
        descriptors.extend(received)
        if not part:
            raise ConnectionLostError("the other side has gone")
        data += part
    return data
