"""What a Dagster job is made from, and the values with which one run of it runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import dagster as dg

from autoflow_dagster.naming import DateRange, parameters_hash
from autoflow_dagster.settings import Settings
from autoflow_dagster.workflows import Workflow, WorkflowConfig, automatic_values


@dataclass(frozen=True)
class JobSpec:
    """What one Dagster job runs: a workflow with a config's parameters, or with ones given by hand.

    Attributes
    ----------
    config : WorkflowConfig or None
        None for a workflow that no config names: its parameters are run config.
    """

    name: str
    workflow: Workflow
    config: WorkflowConfig | None
    settings: Settings

    @property
    def partitions_def(self) -> dg.DynamicPartitionsDefinition | None:
        """The job's reference dates: a partition exists because its stencil was satisfied."""
        return dg.DynamicPartitionsDefinition(name=self.name) if self.config else None


@dataclass(frozen=True)
class RunValues:
    """The values of one run: the workflow parameters and what they were made from.

    Attributes
    ----------
    parameters : mapping
        As in the config or run config, without the automatic ones.
    values : mapping
        All workflow parameters as JSON values, automatic ones included.
    """

    parameters: Mapping[str, Any]
    values: Mapping[str, Any]
    params_hash: str
    reference_date: date | None = None
    date_ranges: tuple[DateRange, ...] = ()
    missing_dates: tuple[date, ...] = ()

    @property
    def subject(self) -> str:
        """For messages about a notebook."""
        return f"for reference date {self.reference_date}" if self.reference_date else ""


def config_values(
    config: WorkflowConfig, reference_date: date, missing_dates: tuple[date, ...] = ()
) -> RunValues:
    """Return the values with which a config runs for a reference date.

    Raises
    ------
    EmptyDateRangeError
        When the date stencil means nothing for the date.
    """
    date_ranges = config.date_stencil.date_ranges(reference_date)
    automatic = automatic_values(reference_date, date_ranges, missing_dates)
    return RunValues(
        parameters=config.parameters,
        values={**automatic, **config.parameters},
        params_hash=parameters_hash(config.parameters, reference_date, date_ranges),
        reference_date=reference_date,
        date_ranges=date_ranges,
        missing_dates=missing_dates,
    )
