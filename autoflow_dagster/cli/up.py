"""``autoflow up``: the whole service in the foreground."""

from __future__ import annotations

import contextlib
import logging
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from autoflow_dagster.cli.options import PORT
from autoflow_dagster.errors import AutoflowError
from autoflow_dagster.instance_home import (
    dagster_home,
    prepare_home,
    service_environment,
)
from autoflow_dagster.outputs import STALE_SECONDS, remove_stale_temporaries
from autoflow_dagster.service.address_file import remove_service_file, write_service_file
from autoflow_dagster.service.code_location import reload_code_location
from autoflow_dagster.service.health import Health, with_health
from autoflow_dagster.service.home_lock import alone_in
from autoflow_dagster.service.inputs_copy import COPIES_VARIABLE, InputsCopies
from autoflow_dagster.service.inputs_watch import InputsWatch
from autoflow_dagster.service.processes import Service, free_port, stop_signals
from autoflow_dagster.service.start_checks import checked_settings
from autoflow_dagster.settings import Settings, redact
from autoflow_dagster.site import SiteServer
from autoflow_dagster.warm.leftovers import end_runs

if TYPE_CHECKING:
    from dagster import DagsterInstance
    from starlette.types import ASGIApp

logger = logging.getLogger(__name__)

START_TIMEOUT_SECONDS = 180
LOOP_SECONDS = 0.5
PASSWORD_SECONDS = 5.0
"""Until a new password that the database refuses is tried again."""


@dataclass(frozen=True)
class _Options:
    host: str
    port: int
    read_only: bool
    path_prefix: str
    reports_port: int
    once: bool


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen at.")
@click.option(
    "--port",
    type=PORT,
    default=3000,
    show_default=True,
    help="Port of the UI; 0: any free one.",
)
@click.option("--read-only", is_flag=True, help="Serve the UI without anything that changes.")
@click.option("--path-prefix", default="", help="Path under which a reverse proxy serves the UI.")
@click.option(
    "--reports-port",
    type=PORT,
    default=3001,
    show_default=True,
    help="Port of the site of reports, /healthz and /readyz; 0: any free one.",
)
@click.option("--once", is_flag=True, help="One check and all due runs; then end with 0 or 1.")
def up(**options: object) -> int:
    """Run code server, webserver and daemon until SIGTERM or Ctrl-C.

    Configured by environment variables and Docker secrets; see the settings table in the README.

    Example: FLOWAPI_URL=https://flowapi.example.org FLOWAPI_TOKEN=... autoflow up
    """
    chosen = _Options(**options)  # type: ignore[arg-type]
    ports = (chosen.port, chosen.reports_port)
    settings = checked_settings(os.environ, *(partial(free_port, chosen.host, p) for p in ports))
    log_format = "%(asctime)s - autoflow - %(levelname)s - %(message)s"  # as Dagster's lines
    logging.basicConfig(level=settings.log_level, format=log_format, datefmt="%Y-%m-%d %H:%M:%S %z")
    for talkative in ("alembic", "httpx"):
        logging.getLogger(talkative).setLevel(logging.WARNING)
    home = dagster_home(settings)
    with alone_in(home), stop_signals() as stops:
        prepare_home(home, settings)
        return _Up(settings, home, chosen, stops).run()


class _Up:
    """The service of one ``autoflow up``, from start to end."""

    def __init__(
        self, settings: Settings, home: Path, options: _Options, stops: Callable[[], int]
    ) -> None:
        self.settings = settings
        self.home = home
        self.options = options
        self.stops = stops
        self.copies = InputsCopies(settings.inputs_dir, home / "inputs")
        self.watch = InputsWatch(self.copies, self._reload)
        self.instance: DagsterInstance | None = None
        self.password_problem = ""
        self.password_tried_at = float("-inf")
        prefix = options.path_prefix.strip("/")
        self.service = Service(
            environment=self._environment(),
            host=options.host,
            port=options.port,
            read_only=options.read_only,
            path_prefix=f"/{prefix}" if prefix else "",
            log_level=settings.log_level.lower(),
        )
        self.service.prepare()  # it imports Dagster, as this process does now
        from autoflow_dagster.service import checks

        self.health = Health(checks.starting(), self._redacted)

    def _redacted(self, text: str) -> str:
        return redact(text, self.settings.secret_values())

    def _environment(self) -> dict[str, str]:
        environment = service_environment(self.home, self.settings)
        return {**environment, COPIES_VARIABLE: str(self.copies.directory)}

    def run(self) -> int:
        """Return the exit status."""
        from autoflow_dagster.service.storage import open_storage

        options, outputs = self.options, self.settings.outputs_dir
        with contextlib.ExitStack() as stack:
            stack.callback(self.service.stop)  # what is prepared, if it is never started
            site = SiteServer(outputs, options.host, options.reports_port, around=self._with_health)
            stack.enter_context(site)
            write_service_file(self.home, self.service.url, site.url)
            stack.callback(remove_service_file, self.home)
            self.copies.use(self.copies.take())
            self.instance = open_storage(self.settings, self.home, self._is_stopped)
            if self.instance is None:
                return 0
            stack.callback(lambda: self._instance.dispose())
            stack.callback(self.service.stop, self._is_urgent)
            return self._serve(site)

    def _with_health(self, app: ASGIApp) -> ASGIApp:
        return with_health(app, self.health)

    def _is_stopped(self) -> bool:
        self.health.beat()
        return self.stops() > 0

    def _is_urgent(self) -> bool:
        self.health.beat()
        return self.stops() > 1

    @property
    def _instance(self) -> DagsterInstance:
        assert self.instance is not None, "storage has been opened"
        return self.instance

    def _serve(self, site: SiteServer) -> int:
        from autoflow_dagster.service.run_ends import ask_for_check_without_schedule

        settings = self.settings
        for directory in (
            settings.notebooks_dir,
            settings.failed_notebooks_dir,
            settings.reports_dir,
        ):
            remove_stale_temporaries(directory, STALE_SECONDS, time.time())
        ask_for_check_without_schedule(self._instance)
        self.service.start()
        write_service_file(self.home, self.service.url, site.url)
        try:
            status = self._serve_until_stopped(site)
        finally:
            has_asked_runs = self._stop()
        return status if has_asked_runs else 1

    def _serve_until_stopped(self, site: SiteServer) -> int:
        if not self.service.wait_until_ready(START_TIMEOUT_SECONDS, self._is_stopped):
            return 0
        logger.info("The Dagster UI is at %s, the reports at %s.", self.service.url, site.url)
        with self.watch:
            self._check_health()
            return self._run_once() if self.options.once else self._run_on()

    def _check_health(self) -> None:
        from autoflow_dagster.service import checks

        self.health.use(
            checks.running(self.service, self._instance, self.settings, lambda: self.watch.problem)
        )

    def _run_on(self) -> int:
        while self._tend():
            self._follow_password()
            time.sleep(LOOP_SECONDS)
        return 0

    def _reload(self) -> None:
        reload_code_location(self.service)

    def _tend(self) -> bool:
        """Do what has to be done again and again; return False when it is time to stop."""
        if self._is_stopped():
            return False
        self.service.tend()
        return True

    def _follow_password(self) -> None:
        """Start the processes again when the database's password has been rotated.

        Not before the database has the new one: until then they go on with the old one.
        """
        from autoflow_dagster.service.storage import open_storage

        if time.monotonic() - self.password_tried_at < PASSWORD_SECONDS:
            return
        try:
            environment = self._environment()
            if environment == self.service.environment:
                self.password_problem = ""
                return
            instance = open_storage(self.settings, self.home, self._is_stopped, connect_seconds=0)
        except AutoflowError as error:  # also for a secret that is just being written
            if str(error) != self.password_problem:
                logger.warning("A new database password is not in use yet: %s", error)
            self.password_problem = str(error)
            self.password_tried_at = time.monotonic()
            return
        if instance is not None:
            self.service.restart(environment)
            self._instance.dispose()
            self.instance = instance
            self._check_health()

    def _run_once(self) -> int:
        from autoflow_dagster.parser import load_workflows
        from autoflow_dagster.service.once import follow_once

        definitions = load_workflows(self.copies.current or self.settings.inputs_dir)
        failures = follow_once(self._instance, definitions, self.settings, self._tend, click.echo)
        for failure in failures:
            logger.error("%s", self._redacted(failure))
        return 1 if failures else 0

    def _stop(self) -> bool:
        """Let running runs finish for the grace period, and end the rest.

        Returns
        -------
        bool
            False when runs could not be cancelled, so that the next start does not know of them.
        """
        from autoflow_dagster.service import checks
        from autoflow_dagster.service.run_ends import CANCEL_SECONDS, finish_runs

        logger.info("Stopping: no new runs are requested.")
        self.health.use(checks.stopping())
        deadline = time.monotonic() + self.settings.stop_grace_seconds
        self.service.stop_requesting(self._is_urgent)
        grace_seconds = max(0.0, deadline - time.monotonic())
        try:
            finish_runs(self._instance, self.home, grace_seconds, self._is_urgent)
        except Exception as error:  # of the storage: the rest has to be stopped all the same
            reason = self._redacted(f"{type(error).__name__}: {error}".splitlines()[0])
            logger.error("Running runs could not be cancelled (%s); they are ended.", reason)
            return False
        finally:
            end_runs(self.home, CANCEL_SECONDS, self._is_urgent)
        return True
