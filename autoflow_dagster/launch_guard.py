"""Keeps two daemons, running by mistake over one storage, from doing the same work twice.

Dagster does not prevent it: each daemon evaluates the sensor and launches what is queued, and its
look-up of run keys and of run states has gaps. So launching is done by one process at a time, and
looks again.
"""

from __future__ import annotations

import contextlib
import fcntl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import sqlalchemy as db
from dagster import DagsterInstance, DagsterRun, DagsterRunStatus, RunRecord, RunsFilter

from autoflow_dagster.naming import TAG_CONFIG, TAG_PARAMETERS_HASH

SENSOR_TAG = "dagster/sensor_name"
LOCK_FILE = "launching.lock"

_LOCK_NUMBER = 0x6175746F666C6F77
"""Of PostgreSQL's advisory lock: any number that nobody else chooses."""


@contextlib.contextmanager
def one_at_a_time(instance: DagsterInstance) -> Iterator[None]:
    """Wait until no other process launches a run of this instance, and keep others waiting.

    A process that dies lets the next one go on.
    """
    engine = getattr(instance.run_storage, "_engine", None)
    if getattr(getattr(engine, "dialect", None), "name", "") == "postgresql":
        with _postgres_lock(instance.run_storage):
            yield
        return
    with (Path(instance.root_directory) / LOCK_FILE).open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def _postgres_lock(storage: Any) -> Iterator[None]:
    with storage.connect() as connection:
        connection.execute(db.select(db.func.pg_advisory_lock(_LOCK_NUMBER)))
        try:
            yield
        finally:
            connection.execute(db.select(db.func.pg_advisory_unlock(_LOCK_NUMBER)))


def rival_of(instance: DagsterInstance, run: DagsterRun) -> DagsterRun | None:
    """Return another run that does or did the work of one that the sensor requested.

    One that succeeded after this one had been created, or that is unfinished and either earlier or
    wanted by somebody. What was launched by hand, or re-executed, has itself no rival.
    """
    if not _was_requested(run):
        return None
    own = instance.get_run_record_by_id(run.run_id)
    if own is None:
        return None
    same = {name: run.tags[name] for name in (TAG_CONFIG, TAG_PARAMETERS_HASH)}
    for other in instance.get_run_records(RunsFilter(tags=same), order_by="id", ascending=True):
        if other.storage_id != own.storage_id and _does_its_work(other, own):
            return other.dagster_run
    return None


def _was_requested(run: DagsterRun) -> bool:
    """Return whether the sensor requested a run, rather than somebody launched it."""
    is_of_sensor = {SENSOR_TAG, TAG_CONFIG, TAG_PARAMETERS_HASH} <= run.tags.keys()
    return is_of_sensor and run.parent_run_id is None


def _does_its_work(other: RunRecord, own: RunRecord) -> bool:
    run = other.dagster_run
    if not _covers(run, own.dagster_run):
        return False
    if run.status == DagsterRunStatus.SUCCESS:
        # SQLite keeps the time of creation in whole seconds, rounded down.
        return (other.end_time or 0) >= own.create_timestamp.timestamp()
    return not run.is_finished and (other.storage_id < own.storage_id or not _was_requested(run))


def _covers(run: DagsterRun, other: DagsterRun) -> bool:
    """Return whether a run makes all that another one makes; without a selection that is all."""
    if not run.asset_selection:
        return True
    return bool(other.asset_selection) and run.asset_selection >= (other.asset_selection or set())
