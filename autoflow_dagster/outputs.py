"""Files in the outputs directory: written whole or not at all.

What the files contain is for the notebooks and reports modules to say.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def written_whole(destination: Path, *, is_flushed: bool = True) -> Iterator[Path]:
    """Give a temporary path beside `destination`; rename it there when the block succeeds.

    When the block fails the temporary file is removed and `destination` stays as it was.

    Parameters
    ----------
    destination : Path
        Its directory is made when absent.
    is_flushed : bool
        Whether the file is on disk before it has its name, so that not even a power cut leaves half
        of it; false for what can be made again.

    Yields
    ------
    Path
        Hidden, in the same directory, with the suffix of `destination`. The block has to create it.
    """
    destination.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_beside(destination)
    try:
        yield temporary
        if is_flushed:
            move_whole(temporary, destination)
        else:
            temporary.replace(destination)
    finally:
        temporary.unlink(missing_ok=True)


def temporary_beside(destination: Path) -> Path:
    """Return a path in the same directory that nothing else uses; hidden from a shell's ``*``."""
    return destination.with_name(f".{secrets.token_hex(4)}.partial{destination.suffix}")


def move_whole(temporary: Path, destination: Path) -> None:
    """Rename a complete file to its name, once its content is on disk."""
    destination.parent.mkdir(parents=True, exist_ok=True)
    with temporary.open("rb") as file:
        os.fsync(file.fileno())
    temporary.replace(destination)
    directory = os.open(destination.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def free_path(path: Path) -> Path:
    """Return `path`, or when it is taken the same name with ``-2``, ``-3`` ... before the suffix.

    Two runs of one date can start within the same second, which is all that file names tell.
    """
    number, free = 1, path
    while free.exists():
        number += 1
        free = path.with_name(f"{path.stem}-{number}{path.suffix}")
    return free


STALE_SECONDS = 24 * 3600.0
"""After which nobody is still writing a temporary file."""


def remove_stale_temporaries(directory: Path, older_than_seconds: float, now: float) -> list[Path]:
    """Delete temporary files that a killed process left behind; return them.

    Parameters
    ----------
    older_than_seconds : float
        Younger ones may belong to a process that is still writing.
    now : float
        Seconds since the epoch.
    """
    removed = []
    for path in directory.glob(".*.partial*"):
        with contextlib.suppress(FileNotFoundError):
            if now - path.stat().st_mtime > older_than_seconds:
                path.unlink()
                removed.append(path)
    return removed
