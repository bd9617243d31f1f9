"""``autoflow up``: the whole service in the foreground."""

from __future__ import annotations

import contextlib
import logging
import os
import time
from collections.abc import Callable
from pathlib import Path

import click

from autoflow_dagster.errors import AutoflowError, SettingsError
from autoflow_dagster.instance_home import (
    dagster_home,
    export_database,
    postgres_url,
    prepare_home,
    service_environment,
)
from autoflow_dagster.service import Service, stop_signals
from autoflow_dagster.settings import FLOWAPI_TOKEN, Settings
from autoflow_dagster.site import SiteServer

logger = logging.getLogger(__name__)

START_TIMEOUT_SECONDS = 180


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address the UI listens at.")
@click.option("--port", default=3000, show_default=True, help="Port of the UI; 0: any free one.")
@click.option("--read-only", is_flag=True, help="Serve the UI without anything that changes.")
@click.option("--path-prefix", default="", help="Path under which a reverse proxy serves the UI.")
@click.option(
    "--reports-port", default=3001, show_default=True, help="Port of the site of reports; 0: any."
)
@click.option("--once", is_flag=True, help="One check and all due runs; then end with 0 or 1.")
def up(
    host: str, port: int, read_only: bool, path_prefix: str, reports_port: int, once: bool
) -> None:
    """Run code server, webserver and daemon until SIGTERM or Ctrl-C.

    Configured by environment variables and Docker secrets; see the settings table in the README.

    Example: FLOWAPI_URL=https://flowapi.example.org FLOWAPI_TOKEN=... autoflow up
    """
    settings = check_everything(os.environ)
    logging.basicConfig(level=settings.log_level, format="%(asctime)s %(levelname)s %(message)s")
    home = dagster_home(settings)
    prepare_home(home, settings)
    service = Service(
        environment=service_environment(home, settings),
        host=host,
        port=port,
        read_only=read_only,
        path_prefix=path_prefix,
        log_level=settings.log_level.lower(),
    )
    with contextlib.ExitStack() as stack:
        stopped = stack.enter_context(stop_signals())
        site = stack.enter_context(SiteServer(settings.outputs_dir, host, reports_port))
        stack.callback(service.stop)
        service.start()
        if not service.wait_until_ready(START_TIMEOUT_SECONDS, lambda: stopped() > 0):
            return
        logger.info("The Dagster UI is at %s, the reports at %s.", service.url, site.url)
        if once:
            _run_once(settings, home, service, lambda: stopped() > 0)
            return
        while not stopped():
            service.tend()
            time.sleep(0.5)
        logger.info("Stopping: no new runs are requested.")
        stop_gracefully(settings, home, service, lambda: stopped() > 1)


def check_everything(environ: os._Environ[str] | dict[str, str]) -> Settings:
    """Return the settings, or say everything that is wrong with them and with the inputs at once.

    Raises
    ------
    SettingsError
        With one line for each problem.
    """
    from autoflow_dagster.parser import load_workflows

    settings = Settings.from_environ(environ)
    problems = []
    for name, value in (
        ("FLOWAPI_URL", settings.flowapi_url),
        (FLOWAPI_TOKEN, settings.secret(FLOWAPI_TOKEN)),
    ):
        if not value:
            problems.append(f"{name}: not set. Set the variable or the Docker secret {name}.")
    for check in (
        lambda: postgres_url(settings),
        lambda: _make_writable(settings.outputs_dir),
        lambda: load_workflows(settings.inputs_dir),
    ):
        try:
            check()
        except AutoflowError as error:
            problems.append(str(error))
    if problems:
        raise SettingsError("", "\n".join(problems))
    return settings


def _make_writable(outputs: Path) -> None:
    try:
        for name in ("notebooks", "reports"):
            (outputs / name).mkdir(parents=True, exist_ok=True)
            if not os.access(outputs / name, os.W_OK):
                raise PermissionError(13, "Permission denied")
    except OSError as error:
        raise SettingsError(
            "AUTOFLOW_OUTPUTS_DIR",
            f"{outputs} cannot be written to ({error.strerror}).",
            f"Let user {os.getuid()} write to it.",
        ) from error


def stop_gracefully(
    settings: Settings, home: Path, service: Service, is_urgent: Callable[[], bool]
) -> None:
    """Let running runs finish for the grace period; cancel the rest, which the next start retries."""
    from dagster import DagsterInstance

    from autoflow_dagster.ledger import cancel_runs, running_runs

    service.stop_requesting()
    export_database(settings)
    with DagsterInstance.from_config(str(home)) as instance:
        deadline = time.monotonic() + settings.stop_grace_seconds
        while (runs := running_runs(instance)) and time.monotonic() < deadline and not is_urgent():
            time.sleep(0.5)
        if runs:
            logger.warning("Cancelling %d runs; their dates are tried again.", len(runs))
            cancel_runs(instance, runs)


def _run_once(
    settings: Settings, home: Path, service: Service, stopped: Callable[[], bool]
) -> None:
    """Follow one check and its runs to the end.

    Raises
    ------
    AutoflowError
        When a date failed, with a line for each.
    """
    from dagster import DagsterInstance

    from autoflow_dagster.flowapi import fetch_with
    from autoflow_dagster.parser import load_workflows
    from autoflow_dagster.progress import Progress

    export_database(settings)
    definitions = load_workflows(settings.inputs_dir)
    with DagsterInstance.from_config(str(home)) as instance:
        progress = Progress(instance, definitions)
        available = fetch_with(settings)
        while not stopped():
            for line in progress.look(available):
                click.echo(line)
            if progress.is_finished:
                break
            service.tend()
            time.sleep(1.0)
    if progress.failures:
        raise AutoflowError("", "\n".join(progress.failures))
