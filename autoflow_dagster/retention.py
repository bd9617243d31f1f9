"""Old runs and old files: which may go, and how they go without anything done being forgotten.

Dagster deletes an asset's events together with the run that made them; the ledger lives in those
events. What is the newest of its date is therefore written again, without a run, before its run is
deleted.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import dagster as dg
from dagster import DagsterEventType, DagsterInstance, DagsterRunStatus, RunsFilter

from autoflow_dagster.data_versions import DATA_VERSION_TAG
from autoflow_dagster.dates.date_hashes import DateHashes
from autoflow_dagster.ledger import PATH_METADATA, UNSUCCESSFUL, read_histories
from autoflow_dagster.planning import History
from autoflow_dagster.workflows import WorkflowConfig

FINISHED = [DagsterRunStatus.SUCCESS, *UNSUCCESSFUL]
RUNS_PER_QUERY = 100
RECORDS_PER_QUERY = 1000
KEPT_FROM_RUN_METADATA = "kept from run"

_OUTPUT_NAME = re.compile(
    r"(?P<stem>.+_\d{4}-\d\d-\d\d_[0-9a-f]{32})__(?P<at>\d{8}T\d{6}Z)"
    r"(?P<number>-\d+)?(?P<suffix>\.[a-z]+)"
)


# Runs


def old_runs(
    instance: DagsterInstance, configs: Sequence[WorkflowConfig], keep: timedelta | int
) -> Iterator[dg.RunRecord]:
    """Yield finished runs that may be deleted, oldest first.

    Failed attempts that decide when a date may be tried again stay, whatever their age.

    Parameters
    ----------
    keep : timedelta or int
        How long ago the youngest of them ended, or how many finished runs come after the last of
        them.
    """
    histories = read_histories(instance, configs)
    deciding = {id_ for config in configs for id_ in _deciding_runs(config, histories[config.name])}
    records = _older(instance, keep) if isinstance(keep, timedelta) else _excess(instance, keep)
    return (record for record in records if record.dagster_run.run_id not in deciding)


def _deciding_runs(config: WorkflowConfig, history: History) -> Iterator[str]:
    """Yield the failed runs that `max_attempts` and `retry_delay` still need to know of.

    A date that fails at every check for years has many more than that.
    """
    hashes = DateHashes(config.parameters, config.date_stencil)
    for (day, params_hash), attempts in history.attempts.items():
        if history.done.get(day) != params_hash and hashes.get(day) == params_hash:
            failures = [attempt.run_id for attempt in attempts if not attempt.was_cancelled]
            yield from failures[-(config.max_attempts or 1) :]


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


def has_files_to_delete(instance: DagsterInstance, run_id: str, outputs_dir: Path) -> bool:
    """Return whether a run made files that were superseded and are still there.

    Without the run nothing would say so any more, and they would stay for ever.
    """
    return any(
        not _is_newest(instance, materialization, run_id)
        and (path := materialization.metadata.get(PATH_METADATA)) is not None
        and (outputs_dir / str(path.value)).exists()
        for materialization, _ in _materializations_of(instance, run_id)
    )


def delete_run(instance: DagsterInstance, run_id: str) -> int:
    """Delete a run, its events and its logs; return how many asset events were kept without it."""
    kept = 0
    for materialization, happened_at in _materializations_of(instance, run_id):
        if _is_newest(instance, materialization, run_id):
            instance.report_runless_asset_event(_without_run(materialization, run_id, happened_at))
            kept += 1
    instance.delete_run(run_id)
    # Not every log manager can delete; a log that stays is no reason to keep the run.
    delete_logs: Callable[..., None] = instance.compute_log_manager.delete_logs
    with contextlib.suppress(NotImplementedError, OSError):
        delete_logs(prefix=[run_id])
    return kept


def _materializations_of(
    instance: DagsterInstance, run_id: str
) -> list[tuple[dg.AssetMaterialization, datetime]]:
    """Return what a run has materialized, and when."""
    records = instance.get_records_for_run(
        run_id, of_type=DagsterEventType.ASSET_MATERIALIZATION
    ).records
    return [
        (materialization, datetime.fromtimestamp(record.timestamp, UTC))
        for record in records
        if (materialization := record.event_log_entry.asset_materialization) is not None
    ]


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
        return cls(path, stem, made_at, number)


def old_outputs(instance: DagsterInstance, outputs_dir: Path, before: datetime) -> list[Path]:
    """Return executed notebooks and reports that may be deleted, sorted.

    Those that are known to have been superseded: there is a later file of the same notebook, date
    and parameters, or the ledger names a later one in their place. All others stay whatever their
    age: a file that the ledger does not name may be the only one of its date, as after an import,
    or when an asset was wiped. What failed goes by its age alone. Files whose names AutoFlow has
    not made are left alone.

    Parameters
    ----------
    before : datetime
        Files made at this time or later stay, by the time in their names.
    """
    newest, replaced = _named_files(instance)
    notebooks = outputs_dir / "notebooks"
    old = []
    for directory in (notebooks, outputs_dir / "reports"):
        outputs = _outputs_in(directory)
        last = {}
        for output in sorted(outputs, key=lambda o: (o.made_at, o.number)):
            last[output.stem] = output
        for output in outputs:
            name = str(output.path.relative_to(outputs_dir))
            is_superseded = last[output.stem] is not output or name in replaced
            if output.made_at < before and is_superseded and name not in newest:
                old.append(output.path)
    failed = _outputs_in(notebooks / "failed")
    return sorted([*old, *(o.path for o in failed if o.made_at < before)])


def _outputs_in(directory: Path) -> list[_Output]:
    if not directory.is_dir():
        return []
    found = (_Output.parse(path) for path in directory.iterdir() if path.is_file())
    return [output for output in found if output is not None]


def _named_files(instance: DagsterInstance) -> tuple[set[str], set[str]]:
    """Return the files of the newest materializations, and those of all earlier ones.

    Of every partition of every asset, also of configs that are no more; relative to the outputs.
    """
    newest: set[str] = set()
    replaced: set[str] = set()
    for key in instance.get_asset_keys():
        seen: set[str | None] = set()
        for materialization in _materializations(instance, key):
            path = materialization.metadata.get(PATH_METADATA)
            if path is not None:
                (replaced if materialization.partition in seen else newest).add(str(path.value))
            seen.add(materialization.partition)
    return newest, replaced


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
