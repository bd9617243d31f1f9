"""Start a command in the ordinary way, such that it runs only when it is told to."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence

_GATE = 'read -r go && exec "$@" </dev/null'
"""Of a shell that becomes the command, with the same pid, or ends when nobody says go."""


class GatedProcess:
    """A process that waits for `go`, and ends when this process does before.

    Parameters
    ----------
    command : sequence of str
        Program and arguments.
    environment : mapping
        The whole environment.

    Raises
    ------
    OSError
        When a process cannot be started.
    """

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            ["/bin/sh", "-c", _GATE, "sh", *command],
            env=dict(environment),
            stdin=subprocess.PIPE,
            start_new_session=True,
        )

    @property
    def pid(self) -> int:
        """Of the process, which leads a session and process group of its own."""
        return self._process.pid

    def go(self) -> None:
        """Let the command run."""
        assert self._process.stdin is not None, "it was asked for"
        self._process.stdin.write(b"go\n")
        self._process.stdin.close()

    def close(self) -> None:
        """Give up what stands for the process: one that still waits is ended by that."""
        assert self._process.stdin is not None, "it was asked for"
        self._process.stdin.close()

    def has_ended(self) -> bool:
        """Return whether the process has ended, and take note of it."""
        return self._process.poll() is not None
