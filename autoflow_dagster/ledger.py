"""The ledger: what has been run, read from Dagster's asset catalogue and run storage.

Nothing is written here and there is no other record. A date of a config is done when the latest
materialization of each of the config's assets carries the date's parameters hash as its data
version, however it was launched.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import dagster as dg
from dagster import DagsterEventType, DagsterInstance, DagsterRunStatus, RunsFilter

from autoflow_dagster.backfills import dates_in_backfills
from autoflow_dagster.data_versions import DATA_VERSION_TAG, DataVersions
from autoflow_dagster.dates.date_hashes import DateHashes
from autoflow_dagster.naming import (
    TAG_ATTEMPT,
    TAG_CONFIG,
    TAG_PARAMETERS_HASH,
    dagster_name,
    report_asset_name,
)
from autoflow_dagster.planning import Attempt, History
from autoflow_dagster.workflows import Workflow, WorkflowConfig

PATH_METADATA = "path"
"""Metadata entry with the path of an executed notebook or report, relative to the outputs."""

NO_DATA_METADATA = "no data"
"""Metadata entry with the reason why a notebook ended early on purpose."""

FAILED_NOTEBOOK_METADATA = "failed notebook"
"""Metadata entry of a failure with the path of the notebook that was kept."""

PARTITION_TAG = "dagster/partition"

UNSUCCESSFUL = (DagsterRunStatus.FAILURE, DagsterRunStatus.CANCELED)
UNFINISHED = tuple(
    status
    for status in DagsterRunStatus
    # Whatever a later Dagster adds is unfinished, so that nothing runs twice. Managed runs are
    # those of other systems.
    if status not in (*UNSUCCESSFUL, DagsterRunStatus.SUCCESS, DagsterRunStatus.MANAGED)
)


def notebook_asset_key(job_name: str, notebook_key: str) -> dg.AssetKey:
    """Return the asset key of an executed notebook."""
    return dg.AssetKey([job_name, dagster_name(notebook_key)])


def report_asset_key(job_name: str, notebook_key: str, report_format: str) -> dg.AssetKey:
    """Return the asset key of a report."""
    return dg.AssetKey([job_name, report_asset_name(notebook_key, report_format)])


def report_asset_keys(job_name: str, workflow: Workflow) -> list[dg.AssetKey]:
    """Return the keys of all reports of a job."""
    return [
        report_asset_key(job_name, notebook.key, report_format)
        for notebook in workflow.notebooks.values()
        for report_format in (notebook.output.formats if notebook.output else ())
    ]


def asset_keys(job_name: str, workflow: Workflow) -> list[dg.AssetKey]:
    """Return the keys of all notebooks and reports of a job, notebooks first."""
    notebooks = [notebook_asset_key(job_name, key) for key in workflow.notebooks]
    return notebooks + report_asset_keys(job_name, workflow)


def read_histories(
    instance: DagsterInstance,
    configs: Iterable[WorkflowConfig],
    on_trouble: Callable[[WorkflowConfig, Exception], None] | None = None,
    versions: DataVersions | None = None,
) -> dict[str, History]:
    """Return what is known about each config, by config name.

    Parameters
    ----------
    on_trouble : callable or None
        Receives a config that cannot be read and why; the config is then left out. None raises.
    versions : DataVersions or None
        What an earlier call has read of the asset catalogue; None reads everything.
    """
    configs = list(configs)
    # In the order in which a date goes from one to the next, so that none is seen in neither: a
    # backfill creates runs, and a run that ends has already left its assets.
    backfilled = dates_in_backfills(instance, _config_of_asset(configs))
    running = _read_unfinished(instance, configs)
    attempts = _read_unsuccessful(instance, configs)
    versions = versions or DataVersions()
    versions.refresh(instance, _config_of_asset(configs))
    histories = {}
    for config in configs:
        try:
            notebooks = [notebook_asset_key(config.name, key) for key in config.workflow.notebooks]
            executed = versions.agreed(notebooks)
            done = versions.agreed(asset_keys(config.name, config.workflow))
            pending = _still_to_do(config, backfilled.get(config.name, {}), done)
        except Exception as error:  # for this config alone
            if on_trouble is None:
                raise
            on_trouble(config, error)
            continue
        histories[config.name] = History(
            done=done,
            executed=executed,
            running=pending | running[config.name],
            attempts=attempts[config.name],
        )
    return histories


def _config_of_asset(configs: Iterable[WorkflowConfig]) -> dict[dg.AssetKey, str]:
    return {
        key: config.name for config in configs for key in asset_keys(config.name, config.workflow)
    }


def _still_to_do(
    config: WorkflowConfig, backfilled: Mapping[date, str], done: Mapping[date, str]
) -> dict[date, str]:
    """Return the dates of backfills that are not done: a backfill may name all dates there are."""
    if not backfilled:
        return {}
    hashes = DateHashes(config.parameters, config.date_stencil)
    return {day: text for day, text in backfilled.items() if done.get(day) != hashes.get(day)}


def _as_date(partition_key: str) -> date | None:
    try:
        return date.fromisoformat(partition_key)
    except ValueError:
        return None


def _read_unfinished(
    instance: DagsterInstance, configs: Sequence[WorkflowConfig]
) -> dict[str, dict[date, str]]:
    """Return queued and running runs, whatever launched them, by config name."""
    running: dict[str, dict[date, str]] = {config.name: {} for config in configs}
    config_of_asset = _config_of_asset(configs)
    for run in instance.get_runs(RunsFilter(statuses=list(UNFINISHED))):
        day = _as_date(run.tags.get(PARTITION_TAG, ""))
        if day is None:
            continue
        names = {
            config_of_asset[key] for key in run.asset_selection or () if key in config_of_asset
        }
        for name in (names | {run.job_name}) & running.keys():
            running[name][day] = run.run_id
    return running


def _read_unsuccessful(
    instance: DagsterInstance, configs: Sequence[WorkflowConfig]
) -> dict[str, dict[tuple[date, str], list[Attempt]]]:
    """Return failed and cancelled runs, oldest first, by config name."""
    attempts: dict[str, dict[tuple[date, str], list[Attempt]]] = {
        config.name: defaultdict(list) for config in configs
    }
    records = instance.get_run_records(
        RunsFilter(statuses=list(UNSUCCESSFUL)), order_by="id", ascending=True
    )
    for record in records:
        tags = record.dagster_run.tags
        day = _as_date(tags.get(PARTITION_TAG, ""))
        params_hash = tags.get(TAG_PARAMETERS_HASH)
        name = tags.get(TAG_CONFIG)
        if day is None or params_hash is None or name is None or name not in attempts:
            continue
        attempts[name][day, params_hash].append(
            Attempt(
                run_id=record.dagster_run.run_id,
                ended_at=_ended_at(record),
                was_cancelled=record.dagster_run.status == DagsterRunStatus.CANCELED,
            )
        )
    return attempts


def _ended_at(record: dg.RunRecord) -> datetime:
    if record.end_time is not None:
        return datetime.fromtimestamp(record.end_time, UTC)
    return record.update_timestamp.replace(tzinfo=record.update_timestamp.tzinfo or UTC)


def last_attempts(
    instance: DagsterInstance, params_hashes: Collection[str]
) -> dict[tuple[str, str], int]:
    """Return the number of the last attempt by config name and hash, whatever became of it.

    The highest number and not the number of runs: somebody may have deleted a run, and the run keys
    of the others stay spent. Successes count: after an asset was wiped its dates run again. What
    the sensor never requested is absent.
    """
    if not params_hashes:
        return {}
    found: dict[tuple[str, str], int] = {}
    for run in instance.get_runs(RunsFilter(tags={TAG_PARAMETERS_HASH: sorted(params_hashes)})):
        number = run.tags.get(TAG_ATTEMPT, "")
        if number.isdecimal():
            attempted = run.tags.get(TAG_CONFIG, ""), run.tags[TAG_PARAMETERS_HASH]
            found[attempted] = max(found.get(attempted, 0), int(number))
    return found


def queued_runs(instance: DagsterInstance, config_names: Sequence[str], up_to: int) -> int:
    """Return how many runs of these configs wait in the queue; exactly when more than `up_to`.

    Otherwise those of everybody count, which is one look into an index.
    """
    queued = RunsFilter(statuses=[DagsterRunStatus.QUEUED])
    number = instance.get_runs_count(queued)
    if number <= up_to or not config_names:
        return number
    of_configs = RunsFilter(statuses=queued.statuses, tags={TAG_CONFIG: list(config_names)})
    return instance.get_runs_count(of_configs)


@dataclass(frozen=True)
class LatestOutput:
    """The latest materialization of a notebook or report.

    Attributes
    ----------
    path : Path or None
        The file, which may have been deleted since; None when there was no data.
    params_hash : str
        The parameters hash it was made with.
    no_data : str or None
        Why there is nothing; None when there is something.
    metadata : mapping
        Values of the materialization's metadata entries.
    """

    path: Path | None
    params_hash: str
    no_data: str | None
    metadata: Mapping[str, Any]


def latest_output(
    instance: DagsterInstance, key: dg.AssetKey, partition_key: str | None, outputs_dir: Path
) -> LatestOutput | None:
    """Return an asset's latest materialization; None when there is none.

    Parameters
    ----------
    partition_key : str or None
        The reference date in ISO form; None for a workflow without a config.
    """
    records = instance.fetch_materializations(
        dg.AssetRecordsFilter(key, asset_partitions=[partition_key] if partition_key else None),
        limit=1,
    ).records
    if not records or (materialization := records[0].asset_materialization) is None:
        return None
    metadata = {name: value.value for name, value in materialization.metadata.items()}
    path, no_data = metadata.get(PATH_METADATA), metadata.get(NO_DATA_METADATA)
    return LatestOutput(
        path=None if path is None else outputs_dir / str(path),
        params_hash=(materialization.tags or {}).get(DATA_VERSION_TAG, ""),
        no_data=None if no_data is None else str(no_data),
        metadata=metadata,
    )


def failure_text(instance: DagsterInstance, run_id: str) -> str:
    """Return what a run failed with: the message of the first step that failed, else of the run."""
    records = instance.get_records_for_run(
        run_id, of_type={DagsterEventType.STEP_FAILURE, DagsterEventType.RUN_FAILURE}
    ).records
    for record in records:
        event = record.event_log_entry.dagster_event
        if event is None or not event.is_step_failure:
            continue
        data = event.step_failure_data
        if data.user_failure_data and data.user_failure_data.description:
            return str(data.user_failure_data.description)
        if (error := data.error) is not None:
            while error.cause is not None:  # Dagster wraps what the step raised
                error = error.cause
            return str(error.message).strip()
    messages = [record.event_log_entry.message for record in records]
    return next(filter(None, messages), "the run ended before it could say why")


def failed_notebook(instance: DagsterInstance, run_id: str) -> tuple[str, Path] | None:
    """Return the step that failed first and the notebook it kept; None when it kept none."""
    records = instance.get_records_for_run(run_id, of_type=DagsterEventType.STEP_FAILURE).records
    for record in records:
        event = record.event_log_entry.dagster_event
        if event is None or not event.is_step_failure or event.step_key is None:
            continue
        data = event.step_failure_data.user_failure_data
        kept = data.metadata.get(FAILED_NOTEBOOK_METADATA) if data else None
        if kept is not None:
            return event.step_key, Path(str(kept.value))
    return None


def running_runs(instance: DagsterInstance) -> Sequence[dg.DagsterRun]:
    """Return the runs that have a process; queued ones are not among them."""
    with_process = [status for status in UNFINISHED if status is not DagsterRunStatus.QUEUED]
    return instance.get_runs(RunsFilter(statuses=with_process))
