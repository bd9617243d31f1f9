"""Options that several commands share, and what they stand for."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from autoflow_dagster.settings import Settings

if TYPE_CHECKING:
    from dagster import DagsterInstance

    from autoflow_dagster.flowapi import AvailableDates

ISO_DATE = click.DateTime(["%Y-%m-%d"])


def inputs_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--inputs DIR``."""
    return click.option(
        "--inputs",
        type=click.Path(file_okay=False, path_type=Path),
        help="Inputs directory.  [default: AUTOFLOW_INPUTS_DIR]",
    )(command)


def available_dates_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--available-dates FILE``."""
    return click.option(
        "--available-dates",
        "dates_file",
        type=click.File("r"),
        help="JSON file in FlowAPI's form, - for standard input, instead of asking FlowAPI.",
    )(command)


def read_settings(inputs: Path | None = None) -> Settings:
    """Return the environment's settings, with another inputs directory if given."""
    environ = dict(os.environ)
    if inputs is not None:
        environ["AUTOFLOW_INPUTS_DIR"] = str(inputs)
    return Settings.from_environ(environ)


def read_available_dates(settings: Settings, dates_file: Any | None) -> AvailableDates:
    """Return available dates from a file, or from FlowAPI."""
    from autoflow_dagster.flowapi import fetch_with, parse_available_dates

    if dates_file is None:
        return fetch_with(settings)
    return parse_available_dates(dates_file.read(), dates_file.name)


@contextlib.contextmanager
def existing_instance(settings: Settings) -> Iterator[DagsterInstance | None]:
    """Give the Dagster instance of DAGSTER_HOME, None when there is none yet."""
    from autoflow_dagster.instance_home import dagster_home, export_database

    home = dagster_home(settings)
    if not (home / "dagster.yaml").exists():
        yield None
        return
    from dagster import DagsterInstance

    export_database(settings)
    with DagsterInstance.from_config(str(home)) as instance:
        yield instance


def to_date(value: datetime) -> date:
    """Return the date of a click date option."""
    return value.date()
