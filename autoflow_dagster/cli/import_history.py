"""``autoflow import-history``: take over what an original AutoFlow has already run."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import IO

import click

from autoflow_dagster.cli.options import (
    check_storage,
    inputs_option,
    ledger_of_service,
    outputs_option,
    read_settings,
)


@click.command("import-history")
@click.option(
    "--db-uri",
    required=True,
    help="Address of the original's database; {} stands for its password.",
)
@click.option(
    "--db-password-file",
    metavar="FILE",
    type=click.File("r", encoding="utf-8"),
    help="File with that password, - for standard input.  [default: AUTOFLOW_DB_PASSWORD]",
)
@click.option("--dry-run", is_flag=True, help="Say what would be recorded, and record nothing.")
@inputs_option
@outputs_option
def import_history(
    db_uri: str,
    db_password_file: IO[str] | None,
    dry_run: bool,
    inputs: Path | None,
    outputs: Path | None,
) -> None:
    """Record the successes of an original AutoFlow, so that its dates do not run again.

    They are recorded where the service keeps what it has done, so it needs the service's settings:
    AUTOFLOW_DB_URI and AUTOFLOW_DB_PASSWORD, or DAGSTER_HOME. The table workflow_runs is only read.
    Dates that are recorded already stay as they are, so this can be repeated.

    Example: autoflow import-history --db-uri 'postgresql://autoflow:{}@db:5432/autoflow' --dry-run
    """
    from autoflow_dagster.history_import import plan_import, read_past_runs, record, summary
    from autoflow_dagster.parser import load_workflows
    from autoflow_dagster.settings import DB_PASSWORD

    settings = read_settings(inputs, outputs)
    configs = load_workflows(settings.inputs_dir).configs
    password = db_password_file.read().strip() if db_password_file else settings.secret(DB_PASSWORD)
    check_storage(settings)
    past_runs, others = read_past_runs(db_uri, password or "")
    with ledger_of_service(settings) as instance:
        plan = plan_import(instance, configs, past_runs, datetime.now(UTC).date())
        plan.not_successful = others
        for line in summary(plan, [config.name for config in configs]):
            click.echo(line)
        if dry_run:
            click.echo("Nothing was recorded (--dry-run).")
            return
        done = 0
        for done, _match in enumerate(record(instance, plan.new), start=1):
            if done % 500 == 0:
                click.echo(f"{done} of {len(plan.new)} dates recorded ...")
        click.echo(f"{done} dates were recorded as done.")
