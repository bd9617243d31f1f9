"""What the sensor asks of Dagster: the partitions of a config's job, and runs of its due dates."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path

import dagster as dg
from dagster import DagsterInstance

from autoflow_dagster.dates.date_set import DateSet
from autoflow_dagster.jobs import run_tags
from autoflow_dagster.ledger import (
    PARTITION_TAG,
    latest_output,
    notebook_asset_key,
    report_asset_keys,
)
from autoflow_dagster.naming import TAG_ATTEMPT, run_key
from autoflow_dagster.partition_keys import add_partition_keys
from autoflow_dagster.planning import ConfigPlan, PlannedDate
from autoflow_dagster.run_values import TAG_MISSING_DATES
from autoflow_dagster.workflows import WorkflowConfig

PARTITION_SET_TAG = "dagster/partition_set"


def add_partitions(
    instance: DagsterInstance, plan: ConfigPlan, known: DateSet | None = None
) -> DateSet:
    """Add the reference dates whose stencil is satisfied to the partitions of the config's job.

    Done here rather than asked for in the tick's result: the daemon looks every partition up by
    itself, which takes minutes for the years of a first check.

    Parameters
    ----------
    known : DateSet or None
        What the last call returned: with the same dates there is nothing to do.
    """
    satisfied = DateSet(plan.satisfied)
    if satisfied != known:
        add_partition_keys(instance, plan.config.name, [day.isoformat() for day in satisfied])
    return satisfied


def build_run_requests(
    instance: DagsterInstance,
    plan: ConfigPlan,
    dates: Sequence[PlannedDate],
    attempts: Mapping[tuple[str, str], int],
    outputs_dir: Path,
) -> list[dg.RunRequest]:
    """Return the requests for due dates of one config.

    Parameters
    ----------
    attempts : mapping of (str, str) to int
        Number of the last attempt by config name and parameters hash.
    outputs_dir : Path
        Where executed notebooks are looked for when only reports are missing.
    """
    if not dates:
        return []
    # Somebody may have deleted one since it was added.
    keys = [planned.reference_date.isoformat() for planned in dates]
    add_partition_keys(instance, plan.config.name, keys)
    requests = []
    for planned in dates:
        number = attempts.get((plan.config.name, planned.parameters_hash or ""), 0) + 1
        reports_alone = plan.lacks_reports_only(planned) and _has_notebooks(
            instance, plan.config, planned.reference_date, outputs_dir
        )
        requests.append(_run_request(plan.config, planned, number, reports_alone))
    return requests


def _has_notebooks(
    instance: DagsterInstance, config: WorkflowConfig, day: date, outputs_dir: Path
) -> bool:
    """Return whether the executed notebooks that reports are made from are still there."""
    for notebook in config.workflow.notebooks.values():
        if notebook.output is None:
            continue
        key = notebook_asset_key(config.name, notebook.key)
        found = latest_output(instance, key, day.isoformat(), outputs_dir)
        if found is None:
            return False
        # Without data there is neither a notebook to look for nor a report to make. What was
        # imported has no path either, but there were data.
        if found.no_data is None and not (found.path and found.path.exists()):
            return False
    return True


def _run_request(
    config: WorkflowConfig, planned: PlannedDate, attempt: int, reports_alone: bool
) -> dg.RunRequest:
    day, params_hash = planned.reference_date, planned.parameters_hash or ""
    tags = run_tags(config, day) | {
        TAG_ATTEMPT: str(attempt),
        # With these Dagster takes the partition as it is. Otherwise it looks each one up, over a
        # database connection of its own.
        PARTITION_TAG: day.isoformat(),
        PARTITION_SET_TAG: f"{config.name}_partition_set",
    }
    if config.min_available < 1 or config.max_gap is not None:
        tags[TAG_MISSING_DATES] = json.dumps([d.isoformat() for d in planned.missing_dates])
    return dg.RunRequest(
        job_name=config.name,
        partition_key=day.isoformat(),
        run_key=run_key(config.name, day, params_hash, attempt),
        tags=tags,
        # A report that failed is made again alone; a notebook that failed runs again with all
        # the others, because the fault may lie in what they handed on.
        asset_selection=report_asset_keys(config.name, config.workflow) if reports_alone else None,
    )
