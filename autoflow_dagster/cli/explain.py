"""``autoflow explain``: one date of one config in plain words."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from autoflow_dagster.cli.options import (
    available_dates_option,
    existing_instance,
    find_config,
    inputs_option,
    iso_date,
    no_ledger_text,
    outputs_option,
    read_available_dates,
    read_settings,
)

if TYPE_CHECKING:
    from dagster import DagsterInstance

    from autoflow_dagster.planning import History, PlannedDate
    from autoflow_dagster.workflows import WorkflowConfig


@click.command()
@click.argument("config")
@click.argument("day", metavar="DATE", type=iso_date)
@inputs_option
@outputs_option
@available_dates_option
def explain(
    config: str, day: date, inputs: Path | None, outputs: Path | None, dates_file: Any
) -> None:
    """Say in plain words what becomes of one date of one config, and why.

    What the date stencil means for the date, which dates are there and which are missing, past
    attempts with their run ids and errors, and what would make it run.

    Example: autoflow explain flows_above_normal 2016-01-07
    """
    from autoflow_dagster.parser import load_workflows
    from autoflow_dagster.planning import plan_config, plan_date
    from autoflow_dagster.wording import explain_lines

    settings = read_settings(inputs, outputs)
    definitions = load_workflows(settings.inputs_dir)
    chosen = find_config(definitions, config)
    available = read_available_dates(settings, dates_file)
    with existing_instance(settings) as instance:
        history = read_history(instance, chosen)
        now = datetime.now(UTC)
        plan = plan_config(chosen, available, history, now)
        planned = plan_date(chosen, day, plan.available, history, now)
        errors = _errors(instance, planned)
        has_ledger = instance is not None
    has_schedule = definitions.schedule is not None
    click.echo("\n".join(explain_lines(plan, planned, errors, has_schedule)))
    if not has_ledger:
        click.echo(f"\n{no_ledger_text(settings)}", err=True)


def read_history(instance: DagsterInstance | None, config: WorkflowConfig) -> History:
    """Return what the ledger knows about a config; nothing without an instance."""
    from autoflow_dagster.planning import History

    if instance is None:
        return History()
    from autoflow_dagster.ledger import read_histories

    return read_histories(instance, [config])[config.name]


def _errors(instance: DagsterInstance | None, planned: PlannedDate) -> list[str]:
    if instance is None:
        return []
    from autoflow_dagster.ledger import failure_text

    return [
        "it was stopped on request"
        if attempt.was_cancelled
        else failure_text(instance, attempt.run_id).replace("\n", "\n  ")
        for attempt in planned.attempts
    ]
