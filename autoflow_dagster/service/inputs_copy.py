"""The last good inputs: a copy from which the service works while somebody edits the originals.

A copy is never changed. The code server and each run resolve the link ``current`` once, when they
start; what they read afterwards stays as it was then, whatever is edited.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from autoflow_dagster.errors import SettingsError
from autoflow_dagster.outputs import written_whole
from autoflow_dagster.parser import load_workflows
from autoflow_dagster.parser.problems import FILE_NAME
from autoflow_dagster.settings import Settings

COPIES_VARIABLE = "AUTOFLOW_INPUTS_COPIES"
"""Variable by which the processes of the service learn the directory of the copies."""

CURRENT = "current"
PROBLEM = "problem.txt"
KEPT_COPIES = 5
"""Older ones are removed, unless a process works from them."""

IN_USE = ".in-use"
"""File in a copy that is locked by every process that works from it."""

_held: dict[Path, int] = {}
"""Descriptors of files that are locked for as long as this process lives, however it ends."""

LARGEST_BYTES = 16 * 2**20
"""Of a file that is copied; larger ones are linked to, since they are data and not definitions."""

ALWAYS_COPIED = (".ipynb", ".yml", ".yaml", ".j2", ".tpl", ".py")

DATA_SUFFIXES = frozenset((
    ".arrow", ".csv", ".db", ".duckdb", ".feather", ".geojson", ".gpkg", ".gz", ".h5", ".hdf5",
    ".json", ".log", ".nc", ".npy", ".npz", ".parquet", ".pickle", ".pkl", ".shp", ".sqlite",
    ".tif", ".tiff", ".tsv", ".xlsx", ".zip",
))  # fmt: skip
"""Of files that are not looked at: no definitions, but what notebooks read and write beside them."""

Signature = frozenset[tuple[str, int, int, int]]
"""Path, size, time of the last change and inode of each file: differs when the inputs do."""


def over_copy(settings: Settings) -> Settings:
    """Return settings whose definitions come from the present copy of the inputs, if there is one.

    The copy stays for as long as this process lives. Notebooks are executed in the inputs directory
    itself all the same.
    """
    directory = settings.environ.get(COPIES_VARIABLE)
    if not directory:
        return settings
    return dataclasses.replace(
        settings,
        inputs_dir=_hold((Path(directory) / CURRENT).resolve()),
        working_dir=settings.inputs_dir,
    )


def inputs_problem(settings: Settings) -> str:
    """Return why the last edit of the inputs is not in effect.

    Empty when it is, and when nobody watches the inputs. For the service's other processes, which
    only know the copy that is in effect.
    """
    directory = settings.environ.get(COPIES_VARIABLE)
    if not directory:
        return ""
    try:
        return (Path(directory) / PROBLEM).read_text("utf-8")
    except OSError:
        return ""


@dataclass(frozen=True)
class InputsCopies:
    """Copies of an inputs directory, of which one is the present one.

    Parameters
    ----------
    inputs_dir : Path
        Only read.
    directory : Path
        Where the copies are; made when absent.
    """

    inputs_dir: Path
    directory: Path

    @property
    def current(self) -> Path | None:
        """The present copy; None when there is none yet."""
        link = self.directory / CURRENT
        return link.resolve() if link.exists() else None

    def signature(self) -> Signature:
        """Return what tells whether anything has been edited since."""
        return frozenset(_signed(self.inputs_dir))

    def take(self) -> Path:
        """Copy the inputs and check the copy; return it. It is not yet the present one.

        Raises
        ------
        WorkflowsFileError
            When they are wrong. Nothing is kept then.
        SettingsError
            When they cannot be read or copied.
        """
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(
                dir=self.directory, prefix=".partial-", ignore_cleanup_errors=True
            ) as name:
                return self._take_into(Path(name))
        except OSError as error:
            raise SettingsError(
                f"{self.directory}",
                f"the inputs cannot be copied there ({_reason(error)}).",
                f"Is there room, and may user {os.getuid()} write there?",
            ) from error

    def _take_into(self, temporary: Path) -> Path:
        digest = _copy_tree(self.inputs_dir, temporary)
        if not (temporary / FILE_NAME).exists():
            _check_is_there(self.inputs_dir)
            load_workflows(self.inputs_dir)  # tells what is there instead
        load_workflows(temporary)
        copy = self.directory / digest
        if not copy.exists():
            temporary.rename(copy)
        os.utime(copy)  # by which the oldest are told
        return copy

    def tell(self, problem: str) -> None:
        """Let other processes know why the last edit is not in effect; empty when it is."""
        path = self.directory / PROBLEM
        with contextlib.suppress(OSError):  # the log and /readyz tell it, too
            if problem:
                with written_whole(path) as temporary:
                    temporary.write_text(problem, "utf-8")
            else:
                path.unlink(missing_ok=True)

    def use(self, copy: Path) -> None:
        """Make a copy the present one, and remove old ones."""
        self.tell("")
        link = self.directory / f".{CURRENT}-{os.getpid()}"
        link.unlink(missing_ok=True)
        link.symlink_to(copy.name)
        link.replace(self.directory / CURRENT)
        for old in self._copies()[:-KEPT_COPIES]:
            if old != copy:
                _remove_unless_held(old)

    def _copies(self) -> list[Path]:
        """Return the copies, the one that was taken last at the end."""
        found = [p for p in self.directory.iterdir() if p.is_dir() and not p.is_symlink()]
        return sorted(found, key=lambda path: path.stat().st_mtime)


def _hold(copy: Path) -> Path:
    if copy not in _held:
        with contextlib.suppress(OSError):  # a file system without locks: nothing is removed there
            _held[copy] = os.open(copy / IN_USE, os.O_RDWR | os.O_CREAT)
            fcntl.flock(_held[copy], fcntl.LOCK_SH)
    return copy


def _remove_unless_held(copy: Path) -> None:
    with contextlib.suppress(OSError), (copy / IN_USE).open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(copy, ignore_errors=True)


def _reason(error: OSError) -> str:
    return error.strerror or type(error).__name__


def _files(directory: Path) -> Iterator[Path]:
    """Yield every file that is neither hidden nor data; a link to a file counts as one."""
    for root, folders, names in os.walk(directory):
        folders[:] = [name for name in folders if not name.startswith((".", "__pycache__"))]
        for path in (Path(root, name) for name in names if not name.startswith(".")):
            if path.suffix.lower() not in DATA_SUFFIXES:
                yield path


def _signed(directory: Path) -> Iterator[tuple[str, int, int, int]]:
    for path in _files(directory):
        with contextlib.suppress(OSError):  # gone since it was listed
            stat = path.stat()
            yield str(path), stat.st_size, stat.st_mtime_ns, stat.st_ino


def _check_is_there(inputs_dir: Path) -> None:
    """Raise SettingsError when there are no inputs at all, since their mount was lost."""
    try:
        if any(inputs_dir.iterdir()):
            return
        problem = "the inputs directory is empty."
    except OSError as error:
        problem = f"the inputs directory is gone, or may not be read ({_reason(error)})."
    raise SettingsError(f"{inputs_dir}", problem, "Mount it again, or put its files back.")


def _copy_tree(source: Path, destination: Path) -> str:
    """Copy files, link to large ones, and return a digest of it all."""
    digest = hashlib.sha256()
    for path in sorted(_files(source)):
        name = path.relative_to(source)
        try:
            if not path.is_file():  # a link that leads nowhere, or gone since it was listed
                continue
            stat = path.stat()
            is_large = stat.st_size > LARGEST_BYTES and path.suffix not in ALWAYS_COPIED
            content = str(stat.st_mtime_ns).encode() if is_large else path.read_bytes()
        except OSError as error:
            raise SettingsError(
                f"{source}",
                f'"{name}" cannot be read ({_reason(error)}).',
                f"Let user {os.getuid()} read it, or move it elsewhere.",
            ) from error
        copy = destination / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        if is_large:
            copy.symlink_to(path.resolve())
        else:
            copy.write_bytes(content)
            copy.chmod(0o444)
        digest.update(f"{name}\0{hashlib.sha256(content).hexdigest()}\n".encode())
    return digest.hexdigest()[:16]
