"""``autoflow plan``: what the next check would do with each date, as a table or as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from autoflow_dagster.cli.options import (
    available_dates_option,
    existing_instance,
    find_config,
    inputs_option,
    no_ledger_text,
    outputs_option,
    read_available_dates,
    read_settings,
)

if TYPE_CHECKING:
    from dagster import DagsterInstance

    from autoflow_dagster.flowapi.request import AvailableDates
    from autoflow_dagster.planning import ConfigPlan, PlannedDate
    from autoflow_dagster.workflows import WorkflowConfig

MAX_ROWS = 40
"""Rows that the table has for each config, the newest; the JSON form has all dates."""

UNEVENTFUL = ("done", "not_selected", "never")
"""States of which neighbouring dates share a row."""

_STYLES = {"due": "green", "running": "cyan", "done": "dim", "waiting": "yellow"}
_STYLES |= {"delayed": "yellow", "exhausted": "red", "not_selected": "dim", "never": "dim"}


@click.command()
@click.argument("configs", nargs=-1, metavar="[CONFIG]...")
@inputs_option
@outputs_option
@available_dates_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")
@click.option("--all", "show_all", is_flag=True, help="A row for every date.")
def plan(
    configs: tuple[str, ...],
    inputs: Path | None,
    outputs: Path | None,
    dates_file: Any,
    as_json: bool,
    show_all: bool,
) -> None:
    """Show what the next check would do with each available date.

    What has been run before is read from the Dagster instance in DAGSTER_HOME, if there is one.
    Nothing is run and nothing is written.

    Example: autoflow plan --inputs examples/inputs --available-dates dates.json
    """
    from autoflow_dagster.parser import load_workflows

    settings = read_settings(inputs, outputs)
    definitions = load_workflows(settings.inputs_dir)
    chosen = [find_config(definitions, name) for name in dict.fromkeys(configs)]
    available = read_available_dates(settings, dates_file)
    with existing_instance(settings) as instance:
        plans = _plans(instance, chosen or definitions.configs, available)
        has_ledger = instance is not None
    if as_json:
        click.echo(json.dumps(plans_as_json(plans), indent=2))
        return
    _print_tables(plans, show_all)
    if not has_ledger:
        click.echo(f"\n{no_ledger_text(settings)}", err=True)


def _plans(
    instance: DagsterInstance | None,
    configs: Sequence[WorkflowConfig],
    available: AvailableDates,
) -> list[ConfigPlan]:
    from autoflow_dagster.planning import History, plan_config

    histories = {config.name: History() for config in configs}
    if instance is not None:
        from autoflow_dagster.ledger import read_histories

        histories = read_histories(instance, configs)
    now = datetime.now(UTC)
    return [plan_config(c, available, histories[c.name], now) for c in configs]


def plans_as_json(plans: Sequence[ConfigPlan]) -> dict[str, Any]:
    """Return plans as JSON values; dates in ISO form, date ranges half-open."""
    from autoflow_dagster.naming import json_value

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
    from autoflow_dagster.naming import iso_date_ranges

    return {
        "reference_date": planned.reference_date.isoformat(),
        "state": planned.state.value,
        "date_ranges": iso_date_ranges(planned.date_ranges),
        "missing_dates": [day.isoformat() for day in planned.missing_dates],
        "parameters_hash": planned.parameters_hash,
    }


def _print_tables(plans: Sequence[ConfigPlan], show_all: bool) -> None:
    from autoflow_dagster.cli.screen import print_table
    from autoflow_dagster.planning import State

    if not plans:
        click.echo("workflows.yml has no workflow configs: there is nothing to run.")
        return
    states = [state for state in State if any(plan.counts[state] for plan in plans)]
    headings = ["config", "dates", *(_words(state) for state in states)]
    rows = [
        [plan.config.name, len(plan.dates), *(plan.counts[s] for s in states)] for plan in plans
    ]
    if len(rows) > 1:
        rows.append(["all", *(sum(column) for column in list(zip(*rows, strict=True))[1:])])
    cells = [[str(cell) for cell in row] for row in rows]
    print_table("Available dates by state", headings, cells, right=range(1, len(headings)))
    for plan in plans:
        click.echo()
        _print_config(plan, show_all)


def _print_config(plan: ConfigPlan, show_all: bool) -> None:
    from autoflow_dagster.cli.screen import print_table

    groups = _groups(plan, show_all)
    newest = groups if show_all else groups[-MAX_ROWS:]
    shown = [_row(dates) for dates in newest]
    headings = ["reference date", "state", "date stencil", ""]
    used = [i for i in range(4) if i < 2 or any(str(row[i]) for row in shown)]
    title = f"{plan.config.name}, date stencil {plan.config.date_stencil}"
    if shown:
        print_table(title, [headings[i] for i in used], [[row[i] for i in used] for row in shown])
    else:
        click.echo(f"{title}: no available dates.")
    if len(shown) < len(groups):
        click.echo(f"... and {len(groups) - len(shown)} earlier rows; --all shows them.")
    for name in plan.absent_cdr_types:
        click.echo(f"FlowAPI has no dates of CDR type {name}.")


def _groups(plan: ConfigPlan, show_all: bool) -> list[list[PlannedDate]]:
    """Return each date by itself, but neighbours together of which there is only their state to say."""

    def key(planned: PlannedDate) -> tuple[Any, ...]:
        together = planned.state in UNEVENTFUL and not show_all
        return (planned.state, None if together else planned.reference_date)

    return [list(dates) for _, dates in groupby(plan.dates, key)]


def _row(dates: Sequence[PlannedDate]) -> tuple[Any, ...]:
    from rich.text import Text

    first, last = dates[0], dates[-1]
    what = Text(_words(first.state), style=_STYLES.get(first.state, ""))
    more = f"and {len(dates) - 1} more until {last.reference_date}"
    columns = (more, "") if len(dates) > 1 else (_ranges(first), _remark(first))
    return first.reference_date.isoformat(), what, *columns


def _words(state: str) -> str:
    return state.replace("_", " ")


def _ranges(planned: PlannedDate) -> str:
    from autoflow_dagster.reports.provenance import date_ranges_text

    return date_ranges_text(planned.date_ranges)


def _remark(planned: PlannedDate) -> str:
    """Return what else there is to know about a date: what it waits for, its run, its attempts."""
    from autoflow_dagster.planning import first_dates

    remarks = []
    if planned.state == "running":
        remarks.append(f"run {planned.run_id}")
    if planned.missing_dates and planned.state in ("due", "waiting"):
        remarks.append(f"missing {first_dates(planned.missing_dates)}")
    failures = sum(not attempt.was_cancelled for attempt in planned.attempts)
    if failures and planned.state != "done":
        remarks.append(f"failed {failures} time{'s' if failures > 1 else ''}")
    if planned.not_before:
        remarks.append(f"again from {planned.not_before:%Y-%m-%d %H:%M} UTC")
    return ", ".join(remarks)
