"""Let modules that are imported in a fork server find what they would find in a kernel.

In a kernel, imports happen when the notebook's own standard output is in place, and an IPython shell. In
a fork server there is neither. Modules that keep the output they find get a stand-in, which becomes the
kernel's. Modules that ask what shell there is (pandas, to choose how many columns to show) get the answer
of a kernel. Modules that do anything with it, or that write something, are left to each kernel.
"""

from __future__ import annotations

import builtins
import contextlib
import gc
import io
import sys
from collections.abc import Callable, Iterable, Iterator
from types import FrameType
from typing import Any, TextIO


class StandIn(io.TextIOBase):
    """Standard output or error output that becomes another when the kernel has it.

    Parameters
    ----------
    name : str
        ``stdout`` or ``stderr``.

    Attributes
    ----------
    stream : text file or None
        What it stands for; None for what `sys` has at the time.
    on_write : callable
        Called before anything is written.
    is_silent : bool
        Whether what is written is dropped.
    """

    def __init__(self, name: str) -> None:
        self.stream: TextIO | None = getattr(sys, name)
        self.on_write: Callable[[], None] = _do_nothing
        self.is_silent = False
        self._name = name

    def _current(self) -> Any:
        return getattr(sys, self._name) if self.stream is None else self.stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._current(), name)

    def write(self, text: str) -> int:
        """Write to what this stands for."""
        self.on_write()
        return len(text) if self.is_silent else int(self._current().write(text))

    def flush(self) -> None:
        """Flush what this stands for."""
        self._current().flush()

    def writable(self) -> bool:
        """Return True: it is an output."""
        return True

    def isatty(self) -> bool:
        """Return whether it is a terminal."""
        return bool(self._current().isatty())

    def fileno(self) -> int:
        """Return the descriptor of what this stands for."""
        return int(self._current().fileno())

    def close(self) -> None:
        """Do nothing: what this stands for is not its own."""

    @property
    def encoding(self) -> Any:  # type: ignore[override]
        """Of what this stands for."""
        return self._current().encoding

    @property
    def errors(self) -> Any:  # type: ignore[override]
        """Of what this stands for."""
        return self._current().errors


def _do_nothing() -> None:
    pass


_stand_ins: list[StandIn] = []


def settle(streams: bool) -> None:
    """Let the stand-ins stand for what `sys` has now (True), or at each time (False)."""
    for stand_in in _stand_ins:
        stand_in.stream = getattr(sys, stand_in._name) if streams else None


class KernelUses:
    """Modules that needed a real kernel while they were imported: for its shell, or to write to it.

    Attributes
    ----------
    modules : set of str
        All modules that were being imported when one of them did.
    """

    def __init__(self) -> None:
        self.modules: set[str] = set()
        self._asked: set[str] = set()

    def note(self) -> None:
        """Note the modules that are being imported now: one needs the kernel."""
        self.modules |= _modules_being_imported()

    def watch_output(self) -> None:
        """Note who writes to the standard output or error output from now on."""
        for stand_in in _stand_ins:
            stand_in.on_write, stand_in.is_silent = self.note, False

    def note_question(self) -> None:
        """Note the modules that are being imported now: one asks for the shell."""
        self._asked |= _modules_being_imported()

    def note_all_who_asked(self) -> None:
        """Note all modules that asked: one of them has kept the shell."""
        self.modules |= self._asked


def _modules_being_imported() -> set[str]:
    names = set()
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if frame.f_code.co_name == "<module>":
            names.add(str(frame.f_globals.get("__name__")))
        frame = frame.f_back
    return names - {"__main__"}


class ShellStandIn:
    """What modules that are imported find as the IPython shell.

    Answers what they ask to know where they are: the shell's class, whether it has a kernel, whether
    its configuration names a kernel. Anything else is a use.
    """

    def __init__(self, uses: KernelUses, shell_class: type[Any]) -> None:
        self._uses = uses
        self._shell_class = shell_class
        self.kernel = _KernelStandIn(uses)
        self.config: dict[str, object] = {"IPKernelApp": {}}

    @property  # type: ignore[misc]  # for isinstance to say what it would say of a kernel's shell
    def __class__(self) -> type[Any]:
        return self._shell_class

    def __getattr__(self, name: str) -> Any:
        self._uses.note()
        raise AttributeError(name)


class _KernelStandIn:
    def __init__(self, uses: KernelUses) -> None:
        self._uses = uses

    def __getattr__(self, name: str) -> Any:
        self._uses.note()
        raise AttributeError(name)


@contextlib.contextmanager
def kernel_surroundings() -> Iterator[KernelUses]:
    """Import in the block what a notebook would import; yields who needed the kernel.

    What is written is dropped, as is what a kernel writes before it has clients; from a call of
    `KernelUses.watch_output` on it is a use.
    """
    from ipykernel.zmqshell import ZMQInteractiveShell
    from IPython.core.interactiveshell import InteractiveShell

    uses = KernelUses()
    shell = ShellStandIn(uses, ZMQInteractiveShell)

    def instance(*_arguments: object, **_options: object) -> ShellStandIn:
        uses.note_question()
        return shell

    output, errors = sys.stdout, sys.stderr
    _stand_ins[:] = [StandIn("stdout"), StandIn("stderr")]
    sys.stdout, sys.stderr = _stand_ins
    for stand_in in _stand_ins:
        stand_in.is_silent = True
    # `IPython.get_ipython` asks this class; a kernel has a `get_ipython` among the builtins, too.
    InteractiveShell.initialized = lambda: True  # type: ignore[method-assign]
    InteractiveShell.instance = instance  # type: ignore[assignment, method-assign]
    builtins.get_ipython = instance  # type: ignore[attr-defined]
    kept_by_us = sys.getrefcount(shell)
    try:
        yield uses
    finally:
        del InteractiveShell.initialized, InteractiveShell.instance
        del builtins.get_ipython  # type: ignore[attr-defined]
        sys.stdout, sys.stderr = output, errors
        gc.collect()
        if sys.getrefcount(shell) > kept_by_us:
            uses.note_all_who_asked()
        for stand_in in _stand_ins:
            stand_in.on_write, stand_in.is_silent = _do_nothing, False


def is_within(module: str, packages: Iterable[str]) -> bool:
    """Return whether a module is one of `packages` or in one of them.

    Examples
    --------
    >>> is_within("tqdm.auto", {"tqdm"}), is_within("tqdmx", {"tqdm"})
    (True, False)
    """
    return any(module == package or module.startswith(f"{package}.") for package in packages)
