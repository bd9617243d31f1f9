"""``autoflow plan`` and ``autoflow explain``: what the next check would do, and why."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from autoflow_dagster.cli.options import (
    ISO_DATE,
    available_dates_option,
    existing_instance,
    inputs_option,
    read_available_dates,
    read_settings,
)
from autoflow_dagster.errors import WorkflowsFileError
from autoflow_dagster.naming import iso_date_ranges, json_value
from autoflow_dagster.parser import load_workflows
from autoflow_dagster.planning import (
    ConfigPlan,
    History,
    PlannedDate,
    State,
    first_dates,
    plan_config,
    plan_date,
)
from autoflow_dagster.wording import explain_lines
from autoflow_dagster.workflows import WorkflowConfig, WorkflowDefinitions

if TYPE_CHECKING:
    from dagster import DagsterInstance

    from autoflow_dagster.flowapi import AvailableDates

MAX_ROWS = 40
"""Dates that the table shows for each config, the newest; the JSON form has all."""


@click.command()
@inputs_option
@available_dates_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def plan(inputs: Path | None, dates_file: Any, as_json: bool) -> None:
    """Show what the next check would do with each available date.

    Example: autoflow plan --inputs examples/inputs --available-dates dates.json
    """
    settings = read_settings(inputs)
    definitions = load_workflows(settings.inputs_dir)
    available = read_available_dates(settings, dates_file)
    with existing_instance(settings) as instance:
        plans = _plans(instance, definitions, available)
    if as_json:
        click.echo(json.dumps(plans_as_json(plans), indent=2))
        return
    _print_table(plans)


def _plans(
    instance: DagsterInstance | None, definitions: WorkflowDefinitions, available: AvailableDates
) -> list[ConfigPlan]:
    if instance is None:
        now = datetime.now(UTC)
        return [plan_config(c, available, History(), now) for c in definitions.configs]
    from autoflow_dagster.progress import plan_all

    return plan_all(instance, definitions, available)


def plans_as_json(plans: Sequence[ConfigPlan]) -> dict[str, Any]:
    """Return plans as JSON values; dates in ISO form, date ranges half-open."""
    return {
        "workflow_configs": [
            {
                "name": plan.config.name,
                "workflow": plan.config.workflow.name,
                "parameters": json_value(dict(plan.config.parameters)),
                "dates": [_date_as_json(planned) for planned in plan.dates],
            }
            for plan in plans
        ]
    }


def _date_as_json(planned: PlannedDate) -> dict[str, Any]:
    return {
        "reference_date": planned.reference_date.isoformat(),
        "state": planned.state.value,
        "date_ranges": iso_date_ranges(planned.date_ranges),
        "missing_dates": [day.isoformat() for day in planned.missing_dates],
        "parameters_hash": planned.parameters_hash,
    }


def _print_table(plans: Sequence[ConfigPlan]) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(soft_wrap=False)
    totals = Table(title="Dates by state", title_justify="left", box=None, pad_edge=False)
    totals.add_column("config")
    states = [state for state in State if any(plan.counts[state] for plan in plans)]
    for state in states:
        totals.add_column(state.replace("_", " "), justify="right")
    for plan in plans:
        totals.add_row(plan.config.name, *(str(plan.counts[state]) for state in states))
    console.print(totals)
    for plan in plans:
        console.print()
        _print_config(console, plan)


def _print_config(console: Any, plan: ConfigPlan) -> None:
    from rich.table import Table

    for name in plan.absent_cdr_types:
        console.print(f"{plan.config.name}: FlowAPI has no dates of CDR type {name}.")
    table = Table(title=plan.config.name, title_justify="left", box=None, pad_edge=False)
    for heading in ("reference date", "state", "stencil dates", "missing"):
        table.add_column(heading)
    for planned in plan.dates[-MAX_ROWS:]:
        table.add_row(
            planned.reference_date.isoformat(),
            planned.state.replace("_", " "),
            ", ".join(f"{start} to {last_day(end)}" for start, end in planned.date_ranges),
            first_dates(planned.missing_dates),
        )
    console.print(table)
    if len(plan.dates) > MAX_ROWS:
        console.print(f"... and {len(plan.dates) - MAX_ROWS} earlier dates; --json has all.")


@click.command()
@click.argument("config")
@click.argument("day", metavar="DATE", type=ISO_DATE)
@inputs_option
@available_dates_option
def explain(config: str, day: datetime, inputs: Path | None, dates_file: Any) -> None:
    """Say in plain words what becomes of one date of one config, and why.

    Example: autoflow explain flows_above_normal 2016-01-07
    """
    settings = read_settings(inputs)
    definitions = load_workflows(settings.inputs_dir)
    chosen = find_config(definitions, config)
    available = read_available_dates(settings, dates_file)
    with existing_instance(settings) as instance:
        history = _history(instance, chosen)
        now = datetime.now(UTC)
        plan = plan_config(chosen, available, history, now)
        planned = plan_date(chosen, day.date(), plan.available, history, now)
        errors = _errors(instance, planned)
    click.echo("\n".join(explain_lines(plan, planned, errors)))


def _history(instance: DagsterInstance | None, config: WorkflowConfig) -> History:
    if instance is None:
        return History()
    from autoflow_dagster.ledger import read_histories

    return read_histories(instance, [config])[config.name]


def _errors(instance: DagsterInstance | None, planned: PlannedDate) -> list[str]:
    if instance is None:
        return []
    from autoflow_dagster.ledger import failure_text

    return [failure_text(instance, attempt.run_id) for attempt in planned.attempts]


def last_day(end: date) -> date:
    """Return the last day of a half-open date range that ends before `end`."""
    return end - timedelta(days=1)


def find_config(definitions: WorkflowDefinitions, name: str) -> WorkflowConfig:
    """Return the config of that name.

    Raises
    ------
    WorkflowsFileError
        Naming the configs that there are.
    """
    by_name = {config.name: config for config in definitions.configs}
    if name not in by_name:
        raise WorkflowsFileError(
            "workflows.yml",
            f'there is no workflow config called "{name}".',
            f"There is {', '.join(sorted(by_name)) or 'none'}.",
        )
    return by_name[name]
