"""Partitions of a job's reference dates, added so that Dagster shows them in the order of dates.

Dagster shows dynamic partitions in the order in which they were added. A date that fills a gap is
added after later ones; these then move behind it. The public API could do that one partition at a
time, and a partition that is gone for a moment is missed by whoever looks for it just then; here it
is one transaction. test_partition_keys.py compares its result with Dagster's own answers.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import zip_longest

import sqlalchemy as db
from dagster import DagsterInstance
from dagster._core.storage.event_log.schema import DynamicPartitionsTable
from dagster._core.storage.event_log.sql_event_log import SqlEventLogStorage

PARTITIONS_PER_QUERY = 500

_ROW = DynamicPartitionsTable.c


def add_partition_keys(instance: DagsterInstance, name: str, keys: Iterable[str]) -> None:
    """Add partitions that are not there yet; afterwards all of them are sorted.

    Parameters
    ----------
    name : str
        Of the dynamic partitions definition.
    keys : iterable of str
        ISO dates.
    """
    there = list(instance.get_dynamic_partitions(name))
    new = sorted(set(keys) - set(there))
    wanted = sorted([*there, *new])
    storage = instance.event_log_storage
    if [*there, *new] == wanted or not isinstance(storage, SqlEventLogStorage):
        for start in range(0, len(new), PARTITIONS_PER_QUERY):
            instance.add_dynamic_partitions(name, new[start : start + PARTITIONS_PER_QUERY])
        return
    first = next(key for old, key in zip_longest(there, wanted) if old != key)
    _add_and_move(storage, name, new, first)


def _add_and_move(storage: SqlEventLogStorage, name: str, new: Sequence[str], first: str) -> None:
    """Add partitions, and put those from `first` on into their order."""
    with storage.index_transaction() as connection:
        moved = connection.execute(
            DynamicPartitionsTable.delete()
            .where(db.and_(_ROW.partitions_def_name == name, _ROW.partition >= first))
            .returning(_ROW.partition)
        ).scalars()
        rows = [{"partitions_def_name": name, "partition": key} for key in sorted({*moved, *new})]
        connection.execute(DynamicPartitionsTable.insert(), rows)
