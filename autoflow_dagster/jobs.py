"""Jobs: one for every workflow config, and one for every workflow that no config names."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from datetime import date
from typing import Any

import dagster as dg

from autoflow_dagster.dates.date_stencil import EmptyDateRangeError
from autoflow_dagster.job_spec import JobSpec, config_values
from autoflow_dagster.launch_config import parameters_schema
from autoflow_dagster.ledger import asset_keys
from autoflow_dagster.naming import (
    TAG_CONFIG,
    TAG_PARAMETERS_HASH,
    TAG_REFERENCE_DATE,
    TAG_WORKFLOW,
    dagster_name,
)
from autoflow_dagster.settings import Settings
from autoflow_dagster.workflows import WorkflowConfig, WorkflowDefinitions

JobDefinition = dg.JobDefinition | Any
"""What `dagster.define_asset_job` returns has no public name."""


def job_specs(definitions: WorkflowDefinitions, settings: Settings) -> list[JobSpec]:
    """Return what each job runs: the configs' jobs first, in the file's order."""
    configured = [
        JobSpec(config.name, config.workflow, config, settings) for config in definitions.configs
    ]
    by_hand = [
        JobSpec(dagster_name(workflow.name), workflow, None, settings)
        for workflow in definitions.unconfigured
    ]
    return configured + by_hand


def build_job(spec: JobSpec) -> JobDefinition:
    """Return the job that materializes all assets of a spec."""
    return dg.define_asset_job(
        name=spec.name,
        selection=dg.AssetSelection.assets(*asset_keys(spec.name, spec.workflow)),
        description=_description(spec),
        tags={TAG_WORKFLOW: dagster_name(spec.workflow.name), **spec.workflow.tags},
        config=_run_config(spec),
    )


def _description(spec: JobSpec) -> str:
    if spec.config is None:
        text = f"Workflow `{spec.workflow.name}`, which no config names: started by hand."
    else:
        parameters = ", ".join(f"{k}: {v}" for k, v in spec.config.parameters.items())
        text = f"Workflow `{spec.workflow.name}`" + (f" with {parameters}." if parameters else ".")
    extra = (spec.workflow.description, spec.config and spec.config.description)
    return "\n\n".join([*(part for part in extra if part), text])


def _run_config(spec: JobSpec) -> dg.PartitionedConfig[Any] | dg.ConfigMapping | None:
    if spec.partitions_def is not None and spec.config is not None:
        return _partitioned_config(spec.config, spec.partitions_def)
    if not spec.workflow.parameter_names:
        return None
    ops = [key.to_python_identifier() for key in asset_keys(spec.name, spec.workflow)]

    def to_every_op(parameters: Mapping[str, Any]) -> dict[str, Any]:
        return {"ops": {op: {"config": dict(parameters)} for op in ops}}

    return dg.ConfigMapping(config_fn=to_every_op, config_schema=parameters_schema(spec))


def _partitioned_config(
    config: WorkflowConfig, partitions_def: dg.DynamicPartitionsDefinition
) -> dg.PartitionedConfig[Any]:
    """Return an empty run config and, for every partition, tags: whatever launches the run."""

    def tags(partition_key: str) -> dict[str, str]:
        return run_tags(config, date.fromisoformat(partition_key))

    return dg.PartitionedConfig(
        partitions_def=partitions_def,
        run_config_for_partition_key_fn=lambda _: {},
        tags_for_partition_key_fn=tags,
    )


def run_tags(config: WorkflowConfig, reference_date: date) -> dict[str, str]:
    """Return the tags that say what a run is for."""
    tags = {TAG_CONFIG: config.name, TAG_REFERENCE_DATE: reference_date.isoformat()}
    with contextlib.suppress(EmptyDateRangeError):  # otherwise the run fails, and says so
        tags[TAG_PARAMETERS_HASH] = config_values(config, reference_date).params_hash
    return tags
