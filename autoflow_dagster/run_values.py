"""The values with which one run of a job runs: from its partition, or from its run config."""

from __future__ import annotations

import json
from datetime import date

import dagster as dg

from autoflow_dagster.flowapi.request import fetch_with
from autoflow_dagster.job_spec import JobSpec, RunValues, config_values
from autoflow_dagster.naming import json_value, parameters_hash
from autoflow_dagster.planning import available_dates_of
from autoflow_dagster.workflows import MISSING_DATES

TAG_MISSING_DATES = "autoflow/missing_dates"
"""Run tag with the stencil dates that were not available when the sensor requested the run."""


def run_values(context: dg.AssetExecutionContext, spec: JobSpec) -> RunValues:
    """Return the values for this run's partition, or for its run config."""
    if spec.config is None:
        given = dict(context.op_execution_context.op_config or {})
        params_hash = parameters_hash(given, None, None)
        return RunValues(given, {name: json_value(v) for name, v in given.items()}, params_hash)
    return config_values(
        spec.config, date.fromisoformat(context.partition_key), _missing(context, spec)
    )


def _missing(context: dg.AssetExecutionContext, spec: JobSpec) -> tuple[date, ...]:
    """Return the stencil dates that are not available.

    The sensor says so in a tag, once for all notebooks of the run; for a run that was launched by
    hand FlowAPI is asked, and only when a notebook wants to know.
    """
    config = spec.config
    if config is None or MISSING_DATES not in spec.workflow.parameter_names:
        return ()
    if MISSING_DATES in config.parameters:
        return ()
    tag = context.run.tags.get(TAG_MISSING_DATES)
    if tag is not None:
        return tuple(map(date.fromisoformat, json.loads(tag)))
    available, _ = available_dates_of(config, fetch_with(spec.settings))
    day = date.fromisoformat(context.partition_key)
    return config.date_stencil.check(day, available).missing_dates
