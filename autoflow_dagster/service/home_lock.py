"""One service at a time in a DAGSTER_HOME."""

from __future__ import annotations

import contextlib
import fcntl
import logging
from collections.abc import Iterator
from pathlib import Path

from autoflow_dagster.errors import SettingsError

logger = logging.getLogger(__name__)


@contextlib.contextmanager
def alone_in(home: Path) -> Iterator[None]:
    """Keep other services out of DAGSTER_HOME for as long as the block lasts.

    Raises
    ------
    SettingsError
        When there is one already.
    """
    home.mkdir(parents=True, exist_ok=True)
    with (home / "service.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise SettingsError(
                f"DAGSTER_HOME {home}",
                "is in use: another `autoflow up` runs there.",
                "Stop it first, or set DAGSTER_HOME to another directory.",
            ) from error
        except OSError:  # a file system without locks
            logger.warning("%s cannot be locked: see to it that no other service uses it.", home)
        yield
