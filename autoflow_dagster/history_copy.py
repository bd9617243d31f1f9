"""Take over the history of a job that has another name now, so that its dates do not run again.

The name of a job decides which history belongs to it. It changes when a config is given a name, and
when one of several configs without a name is moved or removed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import dagster as dg
from dagster import DagsterInstance

from autoflow_dagster.data_versions import DATA_VERSION_TAG, DataVersions
from autoflow_dagster.dates.date_hashes import DateHashes
from autoflow_dagster.errors import AutoflowError
from autoflow_dagster.ledger import asset_keys
from autoflow_dagster.partition_keys import add_partition_keys
from autoflow_dagster.workflows import WorkflowConfig

COPIED_METADATA = "taken over from"


@dataclass(frozen=True)
class CopyPlan:
    """What would be taken over.

    Attributes
    ----------
    old_job : str
        Whose history it is.
    config : WorkflowConfig
        Who takes it over.
    hashes : mapping of date to str
        Dates to be recorded as done, ascending, and their parameters hashes.
    known : int
        How many dates are done already.
    others : int
        How many dates the old job has done with other parameters or date ranges.
    """

    old_job: str
    config: WorkflowConfig
    hashes: Mapping[date, str]
    known: int
    others: int


def plan_copy(instance: DagsterInstance, old_job: str, config: WorkflowConfig) -> CopyPlan:
    """Find the dates that an old job has done as the config would do them.

    Raises
    ------
    AutoflowError
        When the old job has no history of this workflow's notebooks and reports.
    """
    old_keys = asset_keys(old_job, config.workflow)
    new_keys = asset_keys(config.name, config.workflow)
    known_keys = set(instance.get_asset_keys())
    if not known_keys.issuperset(old_keys):
        raise AutoflowError(
            f"Job {old_job}",
            f'has no history of the notebooks and reports of workflow "{config.workflow.name}".',
            _hint(config, known_keys),
        )
    versions = DataVersions()
    versions.refresh(instance, [*old_keys, *new_keys])
    old, new = versions.agreed(old_keys), versions.agreed(new_keys)
    hashes = DateHashes(config.parameters, config.date_stencil)
    same = {day: version for day, version in sorted(old.items()) if hashes.get(day) == version}
    wanted = {day: version for day, version in same.items() if new.get(day) != version}
    return CopyPlan(old_job, config, wanted, len(same) - len(wanted), len(old) - len(same))


def _hint(config: WorkflowConfig, known_keys: set[dg.AssetKey]) -> str:
    jobs = {key.path[0] for key in known_keys if len(key.path) == 2} - {config.name}
    fitting = sorted(j for j in jobs if known_keys.issuperset(asset_keys(j, config.workflow)))
    return f"Jobs that have: {', '.join(fitting)}." if fitting else "No job has."


def copy_history(instance: DagsterInstance, plan: CopyPlan) -> Iterator[date]:
    """Write what is planned into the ledger; yield each date when it is written.

    What is interrupted can be repeated: a date counts as done when the last of its assets is there.
    """
    add_partition_keys(instance, plan.config.name, [day.isoformat() for day in plan.hashes])
    old_keys = asset_keys(plan.old_job, plan.config.workflow)
    new_keys = asset_keys(plan.config.name, plan.config.workflow)
    for day, version in plan.hashes.items():
        for old_key, new_key in zip(old_keys, new_keys, strict=True):
            metadata = _metadata(instance, old_key, day.isoformat())
            instance.report_runless_asset_event(
                dg.AssetMaterialization(
                    asset_key=new_key,
                    partition=day.isoformat(),
                    metadata={**metadata, COPIED_METADATA: f"job {plan.old_job}"},
                    tags={DATA_VERSION_TAG: version},
                )
            )
        yield day


def _metadata(instance: DagsterInstance, key: dg.AssetKey, partition: str) -> Mapping[str, Any]:
    """Return the metadata of an asset's latest materialization: where its file is, among others."""
    wanted = dg.AssetRecordsFilter(key, asset_partitions=[partition])
    [record] = instance.fetch_materializations(wanted, limit=1).records
    materialization = record.asset_materialization
    return {} if materialization is None else materialization.metadata
