"""Options that several commands share, and what they stand for."""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
from collections.abc import Callable, Iterator
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from autoflow_dagster.errors import SettingsError, WorkflowsFileError

if TYPE_CHECKING:
    from dagster import DagsterInstance

    from autoflow_dagster.flowapi.request import AvailableDates
    from autoflow_dagster.settings import Settings
    from autoflow_dagster.workflows import WorkflowConfig, WorkflowDefinitions

DIRECTORY = click.Path(file_okay=False, path_type=Path)
PORT = click.IntRange(0, 65535)


def iso_date(text: str) -> date:
    """Return the date of a command's argument, such as 2016-01-31."""
    with contextlib.suppress(ValueError):
        return datetime.strptime(text, "%Y-%m-%d").date()
    raise click.BadParameter(f'"{text}" is not a date. Write it as 2016-01-31.')


def inputs_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--inputs DIR``."""
    text = "Inputs directory.  [default: AUTOFLOW_INPUTS_DIR]"
    return click.option("--inputs", type=DIRECTORY, help=text)(command)


def outputs_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--outputs DIR``."""
    text = "Outputs directory.  [default: AUTOFLOW_OUTPUTS_DIR]"
    return click.option("--outputs", type=DIRECTORY, help=text)(command)


def available_dates_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--available-dates FILE``."""
    return click.option(
        "--available-dates",
        "dates_file",
        metavar="FILE",
        type=click.File("r", encoding="utf-8"),
        help="JSON file in FlowAPI's form, - for standard input, instead of asking FlowAPI.",
    )(command)


def read_settings(inputs: Path | None = None, outputs: Path | None = None) -> Settings:
    """Return the environment's settings, with other directories if given."""
    from autoflow_dagster.settings import Settings

    environ = dict(os.environ)
    if inputs is not None:
        environ["AUTOFLOW_INPUTS_DIR"] = str(inputs)
    if outputs is not None:
        environ["AUTOFLOW_OUTPUTS_DIR"] = str(outputs)
    return Settings.from_environ(environ)


def read_available_dates(settings: Settings, dates_file: Any | None) -> AvailableDates:
    """Return available dates from a file, or from FlowAPI.

    Raises
    ------
    SettingsError
        When the file does not have them, or FlowAPI's address or token is not set.
    FlowapiError
        When FlowAPI cannot be asked.
    """
    from autoflow_dagster.errors import FlowapiError
    from autoflow_dagster.flowapi.request import parse_available_dates

    if dates_file is None:
        return _ask_flowapi(settings)
    name = getattr(dates_file, "name", "-")
    try:
        return parse_available_dates(dates_file.read(), name)
    except UnicodeDecodeError:
        problem = "is not text in UTF-8."
    except FlowapiError as error:
        # What FlowAPI would be said to have answered; and nobody asks a file again.
        problem = error.problem.replace("answered something", "has something")
    form = '{"available_dates": {"calls": ["2016-01-01", "2016-01-02"]}}'
    raise SettingsError(f"--available-dates {name}", problem, f"The form is {form}")


def _ask_flowapi(settings: Settings) -> AvailableDates:
    from autoflow_dagster.errors import FlowapiTransientError
    from autoflow_dagster.flowapi.answers import TRY_LATER
    from autoflow_dagster.flowapi.request import fetch_with

    otherwise = "Or name a file with --available-dates."
    try:
        return fetch_with(settings)
    except SettingsError as error:
        raise SettingsError(error.where, error.problem, f"{error.hint} {otherwise}") from error
    except FlowapiTransientError as error:  # it promises that the sensor asks again
        hint = error.hint.replace(TRY_LATER, f"Try again later. {otherwise}")
        raise FlowapiTransientError(error.where, error.problem, hint) from error


@contextlib.contextmanager
def existing_instance(settings: Settings) -> Iterator[DagsterInstance | None]:
    """Give the Dagster instance of the settings, None when there is none yet.

    Raises
    ------
    SettingsError
        When there is one whose storage cannot be opened.
    """
    from autoflow_dagster.instance_home import dagster_home

    home = dagster_home(settings)
    if settings.db_uri is None and not has_instance(home):
        yield None
        return
    with open_instance(settings, home) as instance:
        yield instance


def no_ledger_text(settings: Settings) -> str:
    """Return that nothing is known of earlier runs, and where they were looked for."""
    from autoflow_dagster.instance_home import dagster_home

    home = dagster_home(settings)
    return f"As if nothing had been run before: there is no Dagster instance in {home}."


def has_instance(home: Path) -> bool:
    """Return whether a directory is the home of a Dagster instance.

    Raises
    ------
    SettingsError
        When it cannot be looked into.
    """
    try:
        # Without dagster.yaml Dagster keeps its history there, too.
        return (home / "dagster.yaml").exists() or (home / "history").exists()
    except OSError as error:
        raise _no_instance(home, error.strerror or type(error).__name__) from error


@contextlib.contextmanager
def open_instance(
    settings: Settings, home: Path, launches_runs: bool = False
) -> Iterator[DagsterInstance]:
    """Open the Dagster instance of a directory; where it stores is what the settings say.

    Its ``dagster.yaml`` may be of an earlier start with other settings.

    Parameters
    ----------
    launches_runs : bool
        Whether runs are to be launched from this process: then a launcher that would need a code
        server gives way to the one of this package.

    Raises
    ------
    SettingsError
        When its storage cannot be opened.
    """
    from dagster import DagsterInstance
    from dagster._core.instance.ref import InstanceRef

    from autoflow_dagster.instance_home import export_database, storage_of

    export_database(settings)
    overrides = storage_of(settings)
    with contextlib.ExitStack() as stack:
        if not home.is_dir():  # of a database that others use, read from here for the first time
            home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="autoflow-")))
        try:
            ref = InstanceRef.from_dir(str(home), overrides=overrides)
            if launches_runs and _needs_code_server(ref.run_launcher_data):
                overrides["run_launcher"] = {
                    "module": "autoflow_dagster.warm.run_launcher",
                    "class": "AutoflowRunLauncher",
                }
                ref = InstanceRef.from_dir(str(home), overrides=overrides)
            instance = stack.enter_context(DagsterInstance.from_ref(ref))
            instance.get_runs_count()  # connects
        except Exception as error:  # of Dagster's configuration, SQLAlchemy or the driver
            raise _no_instance(home, _reason(error)) from None
        yield instance


def _needs_code_server(launcher: Any) -> bool:
    return launcher is None or launcher.class_name == "DefaultRunLauncher"


def _reason(error: Exception) -> str:
    """Return why Dagster cannot open its storage; its own text goes on for pages."""
    from autoflow_dagster.settings import DB_URI, POSTGRES_URL_VARIABLE

    text = str(error).strip()
    if unset := re.search(r'environment variable "(\w+)" which is not set', text):
        # The service's own variable is made from the operator's.
        name = DB_URI if unset[1] == POSTGRES_URL_VARIABLE else unset[1]
        return f"{name} is not set"
    return text.split("\n", 1)[0][:200] or type(error).__name__


def _no_instance(home: Path, reason: str) -> SettingsError:
    return SettingsError(
        f"Dagster's storage in {home}",
        f"cannot be opened ({reason.rstrip('.')}).",
        "Set DAGSTER_HOME to the right directory, and AUTOFLOW_DB_URI and the database's password "
        "as for the service.",
    )


def check_storage(settings: Settings) -> None:
    """Refuse to write beside the database of the service.

    Raises
    ------
    SettingsError
        When the service of this DAGSTER_HOME has one, and the settings do not.
    """
    from autoflow_dagster.instance_home import dagster_home, is_of_postgres
    from autoflow_dagster.settings import DB_URI

    home = dagster_home(settings)
    if settings.db_uri is None and is_of_postgres(home):
        raise SettingsError(
            DB_URI,
            f"is not set, but the service of {home} keeps in PostgreSQL what it has done.",
            "Set AUTOFLOW_DB_URI and AUTOFLOW_DB_PASSWORD as for the service, or another "
            "DAGSTER_HOME.",
        )


@contextlib.contextmanager
def ledger_of_service(settings: Settings) -> Iterator[DagsterInstance]:
    """Open what the service of these settings keeps, to write to it; say where that is.

    It is made when it is not there: a migration begins with the import.
    """
    from autoflow_dagster.instance_home import dagster_home, prepare_home, storage_text
    from autoflow_dagster.service.storage import open_storage

    home = dagster_home(settings)
    prepare_home(home, settings)  # as the service does: an earlier one may have stored elsewhere
    click.echo(f"The dates that are done are recorded in {storage_text(settings, home)}.")
    instance = open_storage(settings, home, lambda: False)
    assert instance is not None, "nobody stops it"
    with instance:
        yield instance


def find_config(definitions: WorkflowDefinitions, name: str) -> WorkflowConfig:
    """Return the config of that name.

    Raises
    ------
    WorkflowsFileError
        Naming the configs that there are.
    """
    by_name = {config.name: config for config in definitions.configs}
    if name not in by_name:
        raise unknown_name(name, by_name, "config")
    return by_name[name]


def unknown_name(name: str, known: Any, what: str) -> WorkflowsFileError:
    """Return the error for a name that `workflows.yml` does not have."""
    from autoflow_dagster.parser.problems import did_you_mean, listed

    there_is = f"There is {listed(known)}." if known else f"There is no {what} in it."
    return WorkflowsFileError(
        "workflows.yml",
        f'there is no {what} called "{name}".',
        did_you_mean(name, known) or there_is,
    )
