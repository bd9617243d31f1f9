"""Which process a pid meant: pids are reused, and mean nothing after a reboot or in a new container."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")


@dataclass(frozen=True)
class ProcessIdentity:
    """A process, told apart from any other that has or had its pid.

    Attributes
    ----------
    pid : int
        Within `namespace`.
    started : int
        Clock ticks from boot to the process's start.
    boot : str
        The kernel's id of this boot.
    namespace : str
        Of pids; a container has its own.
    """

    pid: int
    started: int
    boot: str
    namespace: str

    @classmethod
    def of(cls, pid: int) -> ProcessIdentity | None:
        """Return the identity of a process of this machine, None when there is none that runs.

        A process that has ended and waits for its parent to notice does not run.
        """
        started = _start_ticks(pid)
        return None if started is None else cls(pid, started, _boot(), _namespace())

    @classmethod
    def parse(cls, text: str) -> ProcessIdentity | None:
        """Read what `str` wrote; None for anything else.

        Examples
        --------
        >>> ProcessIdentity.parse("17/9001/4c5f/pid:[4026531836]").pid
        17
        >>> ProcessIdentity.parse("") is None
        True
        """
        parts = text.split("/")
        if len(parts) != 4 or not (parts[0].isdecimal() and parts[1].isdecimal()):
            return None
        return cls(int(parts[0]), int(parts[1]), parts[2], parts[3])

    def __str__(self) -> str:
        return f"{self.pid}/{self.started}/{self.boot}/{self.namespace}"

    @property
    def is_of_here(self) -> bool:
        """Whether it is of this boot and this container, so that the process can be looked for."""
        return self.boot == _boot() and self.namespace == _namespace()

    @property
    def is_running(self) -> bool:
        """Whether exactly this process runs here."""
        return self.is_of_here and _start_ticks(self.pid) == self.started

    def send_signal(self, number: int) -> bool:
        """Send a signal to exactly this process; return whether it was there."""
        if not self.is_running:
            return False
        try:
            handle = os.pidfd_open(self.pid)
        except OSError:
            return False
        try:
            if not self.is_running:  # ended, and its pid taken, before there was a handle
                return False
            signal.pidfd_send_signal(handle, number)
        except ProcessLookupError:
            return False
        finally:
            os.close(handle)
        return True


def can_identify_processes() -> bool:
    """Whether this operating system says when a process was started (Linux does)."""
    return hasattr(os, "pidfd_open") and _start_ticks(os.getpid()) is not None


def _start_ticks(pid: int) -> int | None:
    try:
        text = (_PROC / str(pid) / "stat").read_text(errors="replace")
    except OSError:
        return None
    # The second field is the name of the program, in brackets; it may contain anything.
    fields = text.rpartition(")")[2].split()
    if not fields or fields[0] in "ZX":
        return None
    return int(fields[19])


def _boot() -> str:
    try:
        return (_PROC / "sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def _namespace() -> str:
    try:
        return str((_PROC / "self/ns/pid").readlink())
    except OSError:
        return ""
