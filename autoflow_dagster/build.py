"""Dagster definitions from a valid workflow definition."""

from __future__ import annotations

import dagster as dg

from autoflow_dagster.assets import build_assets
from autoflow_dagster.cdr_assets import build_cdr_assets
from autoflow_dagster.jobs import build_job, job_specs
from autoflow_dagster.overlapping_executor import overlapping_executor
from autoflow_dagster.retention_job import build_retention
from autoflow_dagster.sensors import build_sensor
from autoflow_dagster.settings import Settings
from autoflow_dagster.site_sensor import build_site_sensor
from autoflow_dagster.workflows import WorkflowDefinitions


def build_defs(definitions: WorkflowDefinitions, settings: Settings) -> dg.Definitions:
    """Return assets, jobs, the sensors and the schedule of the retention job."""
    specs = job_specs(definitions, settings)
    jobs = {spec.name: build_job(spec) for spec in specs}
    sensor = build_sensor(
        definitions, settings, [jobs[config.name] for config in definitions.configs]
    )
    retention_job, schedules = build_retention(definitions, settings)
    return dg.Definitions(
        assets=[
            *build_cdr_assets(definitions),
            *(asset for spec in specs for asset in build_assets(spec)),
        ],
        jobs=[*jobs.values(), retention_job],
        schedules=schedules,
        sensors=[sensor, build_site_sensor(specs)],
        executor=overlapping_executor,
    )
