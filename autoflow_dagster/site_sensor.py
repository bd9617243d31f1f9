"""The report site sensor: takes finished runs into the site of reports, outside of the runs.

A run is not made longer by pages and pictures, and every run is taken in, however it was launched.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path

import dagster as dg
from dagster import DagsterInstance, DagsterRunStatus, RunsFilter

from autoflow_dagster.job_spec import JobSpec
from autoflow_dagster.ledger import (
    PARTITION_TAG,
    LatestOutput,
    asset_keys,
    failed_notebook,
    failure_text,
    latest_output,
    notebook_asset_key,
    report_asset_key,
)
from autoflow_dagster.settings import redact
from autoflow_dagster.site import DateRecord, Document, SiteOptions, SiteState, record_run

SENSOR_NAME = "report_site_sensor"
FINISHED = (DagsterRunStatus.SUCCESS, DagsterRunStatus.FAILURE)
RUNS_PER_TICK = 50
SECONDS_PER_TICK = 20.0
"""A tick that has worked so long leaves the rest to the next one; Dagster allows 60."""


def build_site_sensor(specs: Sequence[JobSpec]) -> dg.SensorDefinition:
    """Return the sensor that keeps the site of reports up to date."""

    @dg.sensor(
        name=SENSOR_NAME,
        # A sensor has to have a target, although this one never requests a run.
        asset_selection=dg.AssetSelection.all(),
        minimum_interval_seconds=10,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Takes finished runs into the site of reports (`index.html` in the outputs).",
    )
    def report_site_sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        taken, cursor = take_in_runs(context.instance, specs, context.cursor)
        text = f"{taken} finished runs were taken into the site of reports."
        return dg.SensorResult(skip_reason=text, cursor=cursor)

    return report_site_sensor


def take_in_runs(
    instance: DagsterInstance, specs: Sequence[JobSpec], cursor: str | None
) -> tuple[int, str | None]:
    """Record runs that have finished since the last call.

    Parameters
    ----------
    cursor : str or None
        What the last call returned; None takes in all runs that Dagster still knows.

    Returns
    -------
    (int, str or None)
        Number of runs taken in, and the cursor for the next call.
    """
    since, seen = _parse_cursor(cursor)
    records = instance.get_run_records(
        RunsFilter(statuses=list(FINISHED), updated_after=since),
        limit=RUNS_PER_TICK,
        order_by="update_timestamp",
        ascending=True,
    )
    taken, started = 0, time.monotonic()
    for record in records:
        run = record.dagster_run
        if run.run_id not in seen:
            for spec in specs:
                taken += _take_in(instance, spec, run, record.update_timestamp)
            seen = [*seen, run.run_id][-2 * RUNS_PER_TICK :]
        since = record.update_timestamp
        if time.monotonic() - started > SECONDS_PER_TICK:
            break
    # The storage compares times with "later than", and two runs can end at one time: look back a
    # little, and remember which ones were seen.
    return taken, json.dumps({"since": since.timestamp() - 1, "seen": seen}) if since else cursor


def _parse_cursor(cursor: str | None) -> tuple[datetime | None, list[str]]:
    try:
        values = json.loads(cursor or "{}")
        since = values.get("since")
        return (datetime.fromtimestamp(since, UTC) if since else None), list(values.get("seen", ()))
    except (ValueError, TypeError, AttributeError):
        return None, []


def _take_in(
    instance: DagsterInstance, spec: JobSpec, run: dg.DagsterRun, ended_at: datetime
) -> bool:
    """Record one run for one job, if it is one of its runs and tells how a date ended."""
    keys = asset_keys(spec.name, spec.workflow)
    if run.job_name != spec.name and not set(keys) & set(run.asset_selection or ()):
        return False
    partition = run.tags.get(PARTITION_TAG)
    found = {
        key: latest_output(instance, key, partition, spec.settings.outputs_dir) for key in keys
    }
    state, error = _outcome(instance, run, found)
    if state is None:
        return False
    record_run(
        spec.settings.outputs_dir,
        DateRecord(
            config=spec.name,
            workflow=spec.workflow.name,
            reference_date=date.fromisoformat(partition) if partition else None,
            state=state,
            ended_at=ended_at.replace(tzinfo=ended_at.tzinfo or UTC),
            run_id=run.run_id,
            documents=_documents(instance, spec, run, found, has_failed=state is SiteState.FAILED),
            error=redact(error, spec.settings.secret_values()),
            parameters=dict(spec.config.parameters) if spec.config else {},
            parameters_hash=next((o.params_hash for o in found.values() if o), ""),
        ),
        SiteOptions(base_url=spec.settings.reports_url or ""),
    )
    return True


def _outcome(
    instance: DagsterInstance, run: dg.DagsterRun, found: dict[dg.AssetKey, LatestOutput | None]
) -> tuple[SiteState | None, str]:
    """Return how a date ended and why; None when a successful run was about a part of it only."""
    if run.status == DagsterRunStatus.FAILURE:
        return SiteState.FAILED, failure_text(instance, run.run_id)
    outputs = [output for output in found.values() if output is not None]
    if len(outputs) < len(found) or len({output.params_hash for output in outputs}) > 1:
        return None, ""
    reasons = [output.no_data for output in outputs if output.no_data is not None]
    return (SiteState.NO_DATA, reasons[0]) if reasons else (SiteState.DONE, "")


def _documents(
    instance: DagsterInstance,
    spec: JobSpec,
    run: dg.DagsterRun,
    found: dict[dg.AssetKey, LatestOutput | None],
    *,
    has_failed: bool,
) -> tuple[Document, ...]:
    """Return what the run left behind, in the workflow's order."""
    outputs = spec.settings.outputs_dir
    failed_step, kept = failed_notebook(instance, run.run_id) or ("", None)
    documents = []
    for notebook in spec.workflow.notebooks.values():
        key = notebook_asset_key(spec.name, notebook.key)
        if has_failed:
            if kept is not None and key.to_python_identifier() == failed_step:
                path = str(kept.relative_to(outputs))
                documents.append(Document(notebook=notebook.key, executed=path))
            continue
        reports: dict[str, str] = {}
        title = ""
        for report_format in notebook.output.formats if notebook.output else ():
            report = found[report_asset_key(spec.name, notebook.key, report_format)]
            if (relative := _relative(report, outputs)) and report:
                reports[report_format] = relative
                title = str(report.metadata.get("title", "")) or title
        executed = _relative(found[key], outputs)
        documents.append(
            Document(notebook=notebook.key, title=title, executed=executed, reports=reports)
        )
    return tuple(documents)


def _relative(output: LatestOutput | None, outputs_dir: Path) -> str | None:
    if output is None or output.path is None or not output.path.exists():
        return None
    return str(output.path.relative_to(outputs_dir))
