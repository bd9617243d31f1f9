"""Start a command in the ordinary way, such that it runs only when it is told to."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

_GATE = 'read -r go && exec "$@" </dev/null'
"""Of a shell that becomes the command, with the same pid, or ends when nobody says go."""


class GatedProcess:
    """A process that waits for `go`, and ends when this process does before.

    It leads a session and process group of its own, and goes on when this process ends.

    Parameters
    ----------
    command : sequence of str
        Program and arguments.
    environment : mapping
        The whole environment.

    Attributes
    ----------
    pid : int
        Of the process.

    Raises
    ------
    OSError
        When a process cannot be started.
    """

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        read_end, self._gate = os.pipe()
        try:
            # Not with `subprocess`, which complains about processes that it is not to wait for.
            self.pid = os.posix_spawn(
                "/bin/sh",
                ["sh", "-c", _GATE, "sh", *command],
                environment,
                file_actions=[(os.POSIX_SPAWN_DUP2, read_end, 0)],
                setsid=True,
            )
        except OSError:
            self.close()
            raise
        finally:
            os.close(read_end)

    def go(self) -> None:
        """Let the command run."""
        os.write(self._gate, b"go\n")

    def close(self) -> None:
        """Give up what stands for the process: one that still waits is ended by that."""
        if self._gate >= 0:
            os.close(self._gate)
            self._gate = -1

    def has_ended(self) -> bool:
        """Return whether the process has ended, and take note of it."""
        try:
            return os.waitpid(self.pid, os.WNOHANG) != (0, 0)
        except ChildProcessError:
            return True
