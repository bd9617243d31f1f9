"""Old runs and old files: which may go, and how they go without anything done being forgotten.

Dagster deletes an asset's events together with the run that made them; the ledger lives in those
events. What is the newest of its date is therefore written again, without a run, before its run is
deleted.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import dagster as dg
from dagster import DagsterEventType, DagsterInstance, DagsterRunStatus, RunsFilter

from autoflow_dagster.data_versions import DATA_VERSION_TAG
from autoflow_dagster.ledger import PARTITION_TAG, PATH_METADATA, UNSUCCESSFUL, read_histories
from autoflow_dagster.naming import TAG_CONFIG, TAG_PARAMETERS_HASH
from autoflow_dagster.workflows import WorkflowConfig

FINISHED = [DagsterRunStatus.SUCCESS, *UNSUCCESSFUL]
RUNS_PER_QUERY = 100
RECORDS_PER_QUERY = 1000
KEPT_FROM_RUN_METADATA = "kept from run"

_OUTPUT_NAME = re.compile(
    r"(?P<stem>.+_(?P<day>\d{4}-\d\d-\d\d)_(?P<hash>[0-9a-f]{32}))__(?P<at>\d{8}T\d{6}Z)"
    r"(?P<number>-\d+)?(?P<suffix>\.[a-z]+)"
)


# Runs


def old_runs(
    instance: DagsterInstance, configs: Sequence[WorkflowConfig], keep: timedelta | int
) -> Iterator[dg.RunRecord]:
    """Yield finished runs that may be deleted, oldest first.

    Attempts at a date that is not done stay, whatever their age: they say how often it may still
    be tried.

    Parameters
    ----------
    keep : timedelta or int
        How long ago the youngest of them ended, or how many finished runs come after the last of
        them.
    """
    done = {name: history.done for name, history in read_histories(instance, configs).items()}
    records = _older(instance, keep) if isinstance(keep, timedelta) else _excess(instance, keep)
    return (record for record in records if not _is_attempt(record, done))


def _older(instance: DagsterInstance, keep: timedelta) -> Iterator[dg.RunRecord]:
    before = datetime.now(UTC) - keep
    for record in _finished(instance, RunsFilter(statuses=FINISHED, created_before=before)):
        if record.end_time is None or record.end_time < before.timestamp():
            yield record


def _excess(instance: DagsterInstance, keep: int) -> Iterator[dg.RunRecord]:
    wanted = RunsFilter(statuses=FINISHED)
    return islice(_finished(instance, wanted), max(0, instance.get_runs_count(wanted) - keep))


def _finished(instance: DagsterInstance, wanted: RunsFilter) -> Iterator[dg.RunRecord]:
    """Yield runs in the order in which they were made; those of a portion must stay till its end."""
    cursor = None
    while records := instance.get_run_records(
        wanted, limit=RUNS_PER_QUERY, cursor=cursor, order_by="id", ascending=True
    ):
        yield from records
        cursor = records[-1].dagster_run.run_id


def _is_attempt(record: dg.RunRecord, done: Mapping[str, Mapping[date, str]]) -> bool:
    """Return whether a run is a failed attempt at a date that is not done."""
    run = record.dagster_run
    if run.status not in UNSUCCESSFUL or (name := run.tags.get(TAG_CONFIG)) not in done:
        return False
    try:
        day = date.fromisoformat(run.tags.get(PARTITION_TAG, ""))
    except ValueError:
        return False
    return done[name or ""].get(day) != run.tags.get(TAG_PARAMETERS_HASH)


def delete_run(instance: DagsterInstance, run_id: str) -> int:
    """Delete a run, its events and its logs; return how many asset events were kept without it."""
    kept = 0
    records = instance.get_records_for_run(
        run_id, of_type=DagsterEventType.ASSET_MATERIALIZATION
    ).records
    for record in records:
        materialization = record.event_log_entry.asset_materialization
        if materialization is not None and _is_newest(instance, materialization, run_id):
            happened_at = datetime.fromtimestamp(record.timestamp, UTC)
            instance.report_runless_asset_event(_without_run(materialization, run_id, happened_at))
            kept += 1
    instance.delete_run(run_id)
    # Not every log manager can delete; a log that stays is no reason to keep the run.
    delete_logs: Callable[..., None] = instance.compute_log_manager.delete_logs
    with contextlib.suppress(NotImplementedError, OSError):
        delete_logs(prefix=[run_id])
    return kept


def _is_newest(
    instance: DagsterInstance, materialization: dg.AssetMaterialization, run_id: str
) -> bool:
    partition = materialization.partition
    newest = instance.fetch_materializations(
        dg.AssetRecordsFilter(
            materialization.asset_key, asset_partitions=[partition] if partition else None
        ),
        limit=1,
    ).records
    return bool(newest) and newest[0].run_id == run_id


def _without_run(
    materialization: dg.AssetMaterialization, run_id: str, happened_at: datetime
) -> dg.AssetMaterialization:
    tags = materialization.tags or {}
    return dg.AssetMaterialization(
        asset_key=materialization.asset_key,
        partition=materialization.partition,
        description=materialization.description,
        metadata={
            **materialization.metadata,
            KEPT_FROM_RUN_METADATA: f"{run_id}, {happened_at:%Y-%m-%d %H:%M} UTC",
        },
        tags={name: tags[name] for name in (DATA_VERSION_TAG,) if name in tags},
    )


# Files


@dataclass(frozen=True)
class _Output:
    """An executed notebook or report, by its file name."""

    path: Path
    stem: str
    day: str
    params_hash: str
    made_at: datetime
    number: int

    @classmethod
    def parse(cls, path: Path) -> _Output | None:
        """Return what a file name tells; None for a file of another kind."""
        found = _OUTPUT_NAME.fullmatch(path.name)
        if found is None:
            return None
        try:
            made_at = datetime.strptime(found["at"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        except ValueError:
            return None
        stem = found["stem"] + found["suffix"]
        number = int((found["number"] or "-1")[1:])
        return cls(path, stem, found["day"], found["hash"], made_at, number)


@dataclass(frozen=True)
class _Newest:
    """What the newest materializations of all assets say.

    Attributes
    ----------
    paths : frozenset of str
        Relative to the outputs.
    versions : frozenset of (str, str)
        Partition and parameters hash.
    """

    paths: frozenset[str]
    versions: frozenset[tuple[str, str]]


def old_outputs(instance: DagsterInstance, outputs_dir: Path, before: datetime) -> list[Path]:
    """Return executed notebooks and reports that may be deleted, sorted.

    The newest ones of each date stay whatever their age, those of an imported history too; what
    failed goes by its age alone. Files whose names AutoFlow has not made are left alone.

    Parameters
    ----------
    before : datetime
        Files made at this time or later stay, by the time in their names.
    """
    newest = _newest(instance)
    notebooks = outputs_dir / "notebooks"
    old = []
    for directory in (notebooks, outputs_dir / "reports"):
        outputs = _outputs_in(directory)
        last = {}
        for output in sorted(outputs, key=lambda o: (o.made_at, o.number)):
            last[output.stem] = output
        for output in outputs:
            is_current = (output.day, output.params_hash) in newest.versions
            is_last = last[output.stem] is output and is_current
            is_named = str(output.path.relative_to(outputs_dir)) in newest.paths
            if output.made_at < before and not is_last and not is_named:
                old.append(output.path)
    failed = _outputs_in(notebooks / "failed")
    return sorted([*old, *(o.path for o in failed if o.made_at < before)])


def _outputs_in(directory: Path) -> list[_Output]:
    if not directory.is_dir():
        return []
    found = (_Output.parse(path) for path in directory.iterdir() if path.is_file())
    return [output for output in found if output is not None]


def _newest(instance: DagsterInstance) -> _Newest:
    """Read the newest materialization of every partition of every asset, of old configs too."""
    paths, versions = set(), set()
    for key in instance.get_asset_keys():
        seen: set[str | None] = set()
        for materialization in _materializations(instance, key):
            if materialization.partition in seen:
                continue
            seen.add(materialization.partition)
            path = materialization.metadata.get(PATH_METADATA)
            if path is not None:
                paths.add(str(path.value))
            version = (materialization.tags or {}).get(DATA_VERSION_TAG, "")
            versions.add((materialization.partition or "", version))
    return _Newest(frozenset(paths), frozenset(versions))


def _materializations(
    instance: DagsterInstance, key: dg.AssetKey
) -> Iterator[dg.AssetMaterialization]:
    """Yield all materializations of an asset, the newest first."""
    cursor: Any = None
    while True:
        result = instance.fetch_materializations(key, limit=RECORDS_PER_QUERY, cursor=cursor)
        for record in result.records:
            if record.asset_materialization is not None:
                yield record.asset_materialization
        if not result.has_more:
            return
        cursor = result.cursor
