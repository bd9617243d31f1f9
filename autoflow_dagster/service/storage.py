"""Dagster's storage when the service starts: wait for it, and bring its tables up to date."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

from dagster import DagsterInstance

from autoflow_dagster.errors import AutoflowError
from autoflow_dagster.instance_home import export_database, postgres_url
from autoflow_dagster.settings import Settings, redact

logger = logging.getLogger(__name__)

CONNECT_SECONDS = 120.0
"""For a database that starts together with this service."""

POLL_SECONDS = 0.5

UPGRADE_LOCK = 4_175_709_601
"""Key of the advisory lock under which one of several services upgrades a database."""


class StorageError(AutoflowError):
    """Dagster's storage cannot be used."""


def open_storage(
    settings: Settings,
    home: Path,
    stop: Callable[[], bool],
    connect_seconds: float = CONNECT_SECONDS,
) -> DagsterInstance | None:
    """Return the Dagster instance, its tables made and up to date; None when `stop` said so first.

    Parameters
    ----------
    stop : callable
        Asked again and again, also while tables are upgraded, which it does not interrupt.
    connect_seconds : float
        For a database to answer.

    Raises
    ------
    StorageError
        When the database cannot be reached in time, or its tables are those of a newer Dagster.
    """
    deadline, told = time.monotonic() + connect_seconds, ""
    while not stop():
        try:
            return _open(settings, home, stop)
        except AutoflowError:
            raise
        except Exception as error:  # of the driver, SQLAlchemy or Dagster
            reason = _reason(error, settings)
            if postgres_url(settings) is None or time.monotonic() > deadline:
                raise StorageError(
                    "Dagster's storage",
                    f"cannot be used: {reason}",
                    "Check AUTOFLOW_DB_URI, AUTOFLOW_DB_PASSWORD and that the database runs.",
                ) from None
        if reason != told:
            told = reason
            logger.warning("Waiting for the database: %s", reason)
        time.sleep(1.0)
    return None


def _reason(error: Exception, settings: Settings) -> str:
    """Return the first line of what went wrong; SQLAlchemy adds a page with the address in it."""
    first = next(iter(str(error).strip().splitlines()), type(error).__name__)
    return redact(first, settings.secret_values())


def _open(settings: Settings, home: Path, stop: Callable[[], bool]) -> DagsterInstance | None:
    export_database(settings)
    url = postgres_url(settings)
    with _postgres_lock(url, stop) if url else contextlib.nullcontext(True) as is_locked:
        if not is_locked:
            return None
        instance = DagsterInstance.from_config(str(home))
        try:
            _upgrade(instance, stop)
        except BaseException:
            instance.dispose()
            raise
    return instance


@contextlib.contextmanager
def _postgres_lock(url: str, stop: Callable[[], bool]) -> Iterator[bool]:
    """Hold the advisory lock; it ends with its connection, whatever becomes of this process.

    Yields
    ------
    bool
        False when `stop` said so before it was free.
    """
    import sqlalchemy

    engine = sqlalchemy.create_engine(
        url, poolclass=sqlalchemy.pool.NullPool, connect_args={"connect_timeout": 10}
    )
    key = {"key": UPGRADE_LOCK}
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        # Asked for again and again, not waited for: a waiting statement is one that Dagster's
        # upgrade would wait for, since it makes indexes concurrently.
        wanted = sqlalchemy.text("SELECT pg_try_advisory_lock(:key)")
        has_told = False
        while not (is_locked := connection.execute(wanted, key).scalar()) and not stop():
            if not has_told:
                logger.warning("Waiting for another service, which prepares the database's tables.")
                has_told = True
            time.sleep(POLL_SECONDS)
        yield bool(is_locked)


def _upgrade(instance: DagsterInstance, stop: Callable[[], bool]) -> None:
    """Do what ``dagster instance migrate`` does, when it is needed."""
    storages = (instance.run_storage, instance.event_log_storage, instance.schedule_storage)
    versions = {storage.alembic_version() for storage in storages if storage is not None}
    if all(found is None or found[0] == found[1] for found in versions):
        return
    started = time.monotonic()
    logger.info("Upgrading Dagster's tables from %s.", sorted(str(found) for found in versions))
    with ThreadPoolExecutor(1, "upgrade") as pool:  # it takes minutes when there are many runs
        upgraded = pool.submit(instance.upgrade, lambda text: logger.debug("%s", text))
        while not wait([upgraded], POLL_SECONDS).done:
            stop()  # for the sake of /healthz; half an upgrade would help nobody
        upgraded.result()
    logger.info("Dagster's tables were upgraded in %.1f s.", time.monotonic() - started)
