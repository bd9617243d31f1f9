"""``autoflow run``: run dates of a config now, through the Dagster instance."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from autoflow_dagster.cli.options import (
    available_dates_option,
    has_instance,
    inputs_option,
    iso_date,
    open_instance,
    outputs_option,
    read_available_dates,
    read_settings,
)
from autoflow_dagster.errors import AutoflowError, FlowapiError, SettingsError

if TYPE_CHECKING:
    from dagster import DagsterInstance

    from autoflow_dagster.cli.launching import Outcome
    from autoflow_dagster.cli.run_choice import Choice, Wanted
    from autoflow_dagster.flowapi.request import AvailableDates
    from autoflow_dagster.job_spec import JobSpec
    from autoflow_dagster.settings import Settings
    from autoflow_dagster.workflows import WorkflowDefinitions


@click.command()
@click.argument("name", metavar="CONFIG")
@click.argument("days", metavar="[DATE]...", nargs=-1, type=iso_date)
@inputs_option
@outputs_option
@available_dates_option
@click.option("--force", is_flag=True, help="Run dates whose date stencil is not satisfied, too.")
@click.option(
    "--parameters",
    "-p",
    metavar="KEY=VALUE",
    multiple=True,
    help="Value, in YAML, of a parameter of a workflow that no config names. May be repeated.",
)
def run(
    name: str,
    days: tuple[date, ...],
    inputs: Path | None,
    outputs: Path | None,
    dates_file: Any,
    force: bool,
    parameters: tuple[str, ...],
) -> None:
    """Run dates of a config now, one after the other, and wait for them.

    The runs are recorded in the Dagster instance in DAGSTER_HOME like all others: a date that
    succeeds is done, and the sensor does not run it again. A date that is done already is run
    again. A date whose date stencil is not satisfied is refused, unless forced; one that is
    running is always refused.

    The exit status is 1 if a date failed, and 130 after Ctrl-C, which cancels the run.

    A workflow that no config names is run once, without a date:

    \b
    Example: autoflow run flows_above_normal 2016-01-11 2016-01-12
             autoflow run my_workflow --parameters aggregation_unit=admin3
    """  # noqa: D301
    from autoflow_dagster.cli.run_choice import by_hand, find_spec
    from autoflow_dagster.instance_home import dagster_home
    from autoflow_dagster.parser import load_workflows

    settings = read_settings(inputs, outputs)
    definitions = load_workflows(settings.inputs_dir)
    spec = find_spec(definitions, settings, name)
    _check_arguments(spec, days, parameters)
    wanted = [by_hand(spec, parameters)] if spec.config is None else []
    available = None if spec.config is None else _available(settings, dates_file, force)
    home = dagster_home(settings)
    _prepare(settings, home)
    with open_instance(settings, home, launches_runs=True) as instance:
        choice = _choice(instance, spec, available, force)
        if choice is not None:
            wanted = choice.choose(days)
        _run_all(instance, definitions, settings, home, choice, wanted)


def _check_arguments(spec: JobSpec, days: Sequence[date], parameters: Sequence[str]) -> None:
    if spec.config is None and days:
        raise click.UsageError(
            f'No config names the workflow "{spec.workflow.name}", so it has no reference dates. '
            "Leave the dates out."
        )
    if spec.config is not None and not days:
        raise click.UsageError(f"Say which dates of {spec.name} to run, such as 2016-01-31.")
    if spec.config is not None and parameters:
        raise click.UsageError(
            f"The parameters of {spec.name} are in workflows.yml. Leave --parameters out, or "
            "change them there."
        )


def _available(settings: Settings, dates_file: Any, force: bool) -> AvailableDates | None:
    try:
        return read_available_dates(settings, dates_file)
    except (FlowapiError, SettingsError) as error:
        if not force or dates_file is not None:
            raise
        click.echo(f"Without available dates: {error}", err=True)
        return None


def _prepare(settings: Settings, home: Path) -> None:
    """Make the directories that runs write to, and DAGSTER_HOME when there is none."""
    from autoflow_dagster.instance_home import prepare_home

    where = settings.outputs_dir
    try:
        for directory in (settings.notebooks_dir, settings.reports_dir):
            directory.mkdir(parents=True, exist_ok=True)
        where = home
        if not has_instance(home):
            prepare_home(home, settings)
    except OSError as error:
        raise SettingsError(
            str(where),
            f"cannot be written to ({error.strerror}).",
            "Name another directory with --outputs or AUTOFLOW_OUTPUTS_DIR."
            if where == settings.outputs_dir
            else "Set DAGSTER_HOME to a directory that you can write to.",
        ) from error


def _choice(
    instance: DagsterInstance, spec: JobSpec, available: AvailableDates | None, force: bool
) -> Choice | None:
    from autoflow_dagster.cli.run_choice import Choice

    if spec.config is None:
        return None
    return Choice(instance, spec, spec.config, available, force)


def _run_all(
    instance: DagsterInstance,
    definitions: WorkflowDefinitions,
    settings: Settings,
    home: Path,
    choice: Choice | None,
    wanted: Sequence[Wanted],
) -> None:
    """Run one date after the other, then say how it went.

    Raises
    ------
    AutoflowError
        When a date failed.
    KeyboardInterrupt
        When the user stopped it.
    """
    from autoflow_dagster.build import build_defs
    from autoflow_dagster.cli.launching import Launches, exported
    from autoflow_dagster.cli.run_display import RunDisplay, step_names
    from autoflow_dagster.service.processes import stop_signals

    spec = wanted[0].spec
    repository = build_defs(definitions, settings).get_repository_def()
    outcomes: list[Outcome] = []
    refused: list[str] = []
    with contextlib.ExitStack() as stack:
        stack.enter_context(exported(settings, home))
        stopped = stack.enter_context(stop_signals())
        log = stack.enter_context(tempfile.TemporaryFile())
        launches = Launches(instance, {spec.name: repository.get_job(spec.name)}, log, stopped)
        display = stack.enter_context(
            RunDisplay(step_names(spec), len(wanted), settings.outputs_dir)
        )
        for number, first in enumerate(wanted, start=1):
            if stopped():
                break
            try:
                # Meanwhile the service may have begun it, or somebody else.
                this = choice.choose_again(first.day) if choice and first.day else first
            except AutoflowError as error:
                display.say(str(error), "red")
                refused.append(str(first.day))
                continue
            created = launches.create(this)
            display.begin(this, created.run_id)
            launches.launch(created)
            outcomes.append(launches.follow(this, created, display))
            display.end(outcomes[-1], number)
        has_stopped = stopped() > 0
    _conclude(wanted, outcomes, refused, has_stopped)


def _conclude(
    wanted: Sequence[Wanted], outcomes: Sequence[Outcome], refused: Sequence[str], has_stopped: bool
) -> None:
    done = [outcome for outcome in outcomes if outcome.is_success]
    failed = [_what(outcome.wanted) for outcome in outcomes if not outcome.is_success] + [*refused]
    if has_stopped:
        left = [_what(each) for each in wanted[len(outcomes) + len(refused) :]]
        if left:
            click.echo(f"Not begun: {', '.join(left)}.", err=True)
        raise KeyboardInterrupt
    if failed:
        count = f"{len(failed)} of {len(wanted)} dates failed: " if len(wanted) > 1 else ""
        raise AutoflowError("", f"{count}{', '.join(failed)}{'' if count else ' failed'}.")
    if len(done) > 1:
        click.echo(f"All {len(done)} dates are done.")


def _what(wanted: Wanted) -> str:
    return str(wanted.day) if wanted.day else wanted.spec.name
