"""``autoflow copy-history``: take over what a job of another name has done."""

from __future__ import annotations

from pathlib import Path

import click

from autoflow_dagster.cli.options import (
    check_storage,
    find_config,
    inputs_option,
    ledger_of_service,
    outputs_option,
    read_settings,
)


@click.command("copy-history")
@click.argument("old_job")
@click.argument("config")
@click.option("--dry-run", is_flag=True, help="Say what would be recorded, and record nothing.")
@inputs_option
@outputs_option
def copy_history(
    old_job: str, config: str, dry_run: bool, inputs: Path | None, outputs: Path | None
) -> None:
    """Record the dates of an old job as done by a config, so that they do not run again.

    For a config whose job has another name now (see "Names of jobs"). Dates that the old job has done
    with other parameters or date ranges are left out. What the old job has stays as it is.

    Example: autoflow copy-history flows_admin2 border_flows --dry-run
    """
    from autoflow_dagster.history_copy import copy_history as copy_planned
    from autoflow_dagster.history_copy import plan_copy
    from autoflow_dagster.parser import load_workflows

    settings = read_settings(inputs, outputs)
    chosen = find_config(load_workflows(settings.inputs_dir), config)
    check_storage(settings)
    with ledger_of_service(settings) as instance:
        plan = plan_copy(instance, old_job, chosen)
        click.echo(
            f"{chosen.name}: {len(plan.hashes)} dates of {old_job} to be recorded as done; "
            f"{plan.known} are done already, {plan.others} ran with other parameters or date ranges."
        )
        if dry_run:
            click.echo("Nothing was recorded (--dry-run).")
            return
        done = sum(1 for _ in copy_planned(instance, plan))
        click.echo(f"{done} dates were recorded as done.")
