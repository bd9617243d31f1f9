"""Import modules into a fork server, and say when forking from it would be in doubt.

A forked process has no threads but the one that forked and shares open files with its parent, so a
module that starts threads, opens sockets or starts processes when imported is not for a fork server.
"""

from __future__ import annotations

import fcntl
import importlib
import os
import signal
import stat
import sys
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

_TASKS = Path("/proc/self/task")
_DESCRIPTORS = Path("/proc/self/fd")
_BYTECODE = "__pycache__"


@dataclass
class Preloaded:
    """What was imported.

    Attributes
    ----------
    imported : list of str
        Modules that were asked for and are there.
    failed : dict of str to str
        Modules that could not be imported, and why: a notebook that imports them fails by itself.
    doubtful : tuple of str and str, or None
        The module after whose import this process must not be forked, and why.
    """

    imported: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    doubtful: tuple[str, str] | None = None


def preload(modules: Iterable[str], descriptors: frozenset[str]) -> Preloaded:
    """Import modules, up to one that brings this process into doubt.

    Parameters
    ----------
    descriptors : frozenset of str
        What was open before the imports, as `open_descriptors` says.

    Notes
    -----
    A name such as ``matplotlib.pyplot`` can also be that of something in a module
    (``shapely.Point``): then the module is imported.
    """
    result = Preloaded()
    for name in modules:
        try:
            _import(name)
        except (Exception, SystemExit) as error:  # whatever a module does when it is imported
            result.failed[name] = f"{type(error).__name__}: {error}"
        else:
            result.imported.append(name)
        reason = doubt(descriptors)
        if reason:
            result.doubtful = (name, reason)
            break
    return result


def _import(name: str) -> None:
    try:
        importlib.import_module(name)
    except ModuleNotFoundError:
        parent, _, attribute = name.rpartition(".")
        if not parent or not hasattr(importlib.import_module(parent), attribute):
            raise


def doubt(descriptors: frozenset[str]) -> str:
    """Return why this process should not be forked, an empty string when it can be."""
    if threading.active_count() > 1:
        names = sorted(thread.name for thread in threading.enumerate())
        return f"it started threads ({', '.join(names)})"
    if _count_tasks() > 1:
        # Numeric libraries have threads that they end before a fork and start again when needed.
        _fork_and_forget()
        if _count_tasks() > 1:
            return "it started threads"
    opened = open_descriptors() - descriptors
    if opened:
        return f"it opened {', '.join(sorted(opened))}"
    if _children():
        return "it started processes"
    return ""


def _count_tasks() -> int:
    return len(list(_TASKS.iterdir()))


def _fork_and_forget() -> None:
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)


def open_descriptors() -> frozenset[str]:
    """Return what is open and cannot be shared with a forked process: all but files to read."""
    found = set()
    for entry in list(_DESCRIPTORS.iterdir()):
        try:
            target, mode = str(entry.readlink()), entry.stat().st_mode
            flags = _open_flags(int(entry.name))
        except OSError:  # the descriptor of this listing itself
            continue
        if not stat.S_ISREG(mode) or flags & os.O_ACCMODE != os.O_RDONLY:
            found.add(f"{entry.name}: {target}")
    return frozenset(found)


def _open_flags(descriptor: int) -> int:
    return fcntl.fcntl(descriptor, fcntl.F_GETFL)


def _children() -> list[int]:
    try:
        pids = (_TASKS / str(os.getpid()) / "children").read_text()
    except OSError:  # not every kernel says
        return []
    return [int(pid) for pid in pids.split()]


def end_children() -> None:
    """End the processes that a module has started when it was imported."""
    for pid in _children():
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


class Freshness:
    """Whether what was imported is still what an import would give now.

    Parameters
    ----------
    watched : sequence of Path
        Further files and directories on which the choice of modules depends.

    Notes
    -----
    An installer writes into a directory of ``sys.path``, which changes that directory's time; single
    files are looked at only where people edit them: outside of installed packages.
    """

    def __init__(self, watched: Sequence[Path] = ()) -> None:
        self._path_entries = [Path(entry) for entry in sys.path if entry]
        self._watched = [*self._path_entries, Path(os.path.realpath(sys.executable)), *watched]
        self._before = _stamps(self._watched)
        self._without_bytecode = {
            path: names
            for path in self._path_entries
            if (names := _names(path)) is not None and _BYTECODE not in names
        }
        self._edited: Mapping[Path, tuple[int, int] | None] = {}

    def modules_are_loaded(self) -> None:
        """Look at the files of all modules; call when the imports are done."""
        for path, names in self._without_bytecode.items():
            if _names(path) == names | {_BYTECODE}:  # these imports have made it
                self._before[path] = _stamp(path)
        files = (getattr(module, "__file__", None) for module in list(sys.modules.values()))
        self._edited = _stamps(
            path for path in map(Path, filter(None, files)) if not _is_installed(path)
        )

    def is_fresh(self) -> bool:
        """Return whether nothing has changed since."""
        return _stamps(self._watched) == self._before and _stamps(self._edited) == self._edited


def _names(directory: Path) -> frozenset[str] | None:
    try:
        return frozenset(entry.name for entry in directory.iterdir())
    except OSError:
        return None


def _stamps(paths: Iterable[Path]) -> dict[Path, tuple[int, int] | None]:
    return {path: _stamp(path) for path in paths}


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size if stat.S_ISREG(found.st_mode) else 0


def _is_installed(path: Path) -> bool:
    return "site-packages" in path.parts or path.is_relative_to(Path(os.__file__).parent)


def shadowed(directory: Path, names: frozenset[str]) -> str:
    """Return the first of the imported modules that a file in a directory would replace.

    A process that starts in the directory finds modules there before installed ones.

    Parameters
    ----------
    names : frozenset of str
        Top-level modules that were imported.
    """
    for entry in sorted(directory.iterdir()):
        name = entry.name.split(".")[0]
        if name not in names:
            continue
        is_module = entry.suffix in (".py", ".so", ".pyc") or (entry / "__init__.py").exists()
        if is_module and not _is_from(sys.modules.get(name), entry):
            return name
    return ""


def _is_from(module: ModuleType | None, entry: Path) -> bool:
    file = getattr(module, "__file__", None)
    return file is not None and Path(file).resolve().is_relative_to(entry.resolve())


def top_level_modules() -> frozenset[str]:
    """Return the names of imported packages and modules that come from files."""
    return frozenset(
        name
        for name, module in list(sys.modules.items())
        if "." not in name and getattr(module, "__file__", None)
    )
