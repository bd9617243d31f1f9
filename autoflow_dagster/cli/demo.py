"""``autoflow demo``: the whole product on this machine, over a demo FlowAPI."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import click

from autoflow_dagster.bundled import bundled_path
from autoflow_dagster.cli.options import PORT
from autoflow_dagster.demo.__main__ import main as demo_flowapi
from autoflow_dagster.errors import AutoflowError, SettingsError
from autoflow_dagster.instance_home import prepare_home, service_environment
from autoflow_dagster.service.processes import Service, free_port, stop_signals
from autoflow_dagster.settings import Settings
from autoflow_dagster.site import SiteServer

__all__ = ["demo", "demo_flowapi"]

CHECK_EVERY_SECONDS = 15
LOOK_EVERY_SECONDS = 2.0


@dataclass(frozen=True)
class _Place:
    """Where the demo keeps its files."""

    root: Path
    outputs: Path

    @property
    def inputs(self) -> Path:
        return self.root / "inputs"

    @property
    def home(self) -> Path:
        return self.root / "dagster_home"

    @property
    def logs(self) -> Path:
        return self.root / "logs"


@click.command()
@click.option(
    "--dir",
    "root",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("autoflow-demo"),
    show_default=True,
    help="Where inputs, Dagster's storage and logs go; kept, so that a second start goes on.",
)
@click.option(
    "--outputs",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where notebooks and reports go.  [default: outputs in --dir]",
)
@click.option(
    "--port",
    type=PORT,
    default=3000,
    show_default=True,
    help="Port of the Dagster UI; 0: any.",
)
@click.option(
    "--flowapi-port", type=PORT, default=0, help="Port of the demo FlowAPI.  [default: any]"
)
@click.option("--days", default=14, show_default=True, help="Days of records at first.")
@click.option(
    "--new-date-every",
    default=120.0,
    show_default=True,
    help="Seconds until one more day of records arrives.",
)
@click.option("--once", is_flag=True, help="End when every date is done: 0, or 1 if one failed.")
@click.option("--timeout", default=1800.0, show_default=True, help="Seconds for --once.")
def demo(
    root: Path,
    outputs: Path | None,
    port: int,
    flowapi_port: int,
    days: int,
    new_date_every: float,
    once: bool,
    timeout: float,
) -> None:
    """Run the example over a demo FlowAPI, with the real sensor, daemon and UI.

    Example: autoflow demo --once
    """
    place = _Place(root.absolute(), (outputs or root / "outputs").absolute())
    _prepare_inputs(place)
    with contextlib.ExitStack() as stack:
        stopped = stack.enter_context(stop_signals())
        flowapi = stack.enter_context(
            _running_flowapi(place, flowapi_port, days, None if once else new_date_every)
        )
        site = stack.enter_context(SiteServer(place.outputs))
        settings = _settings(place, flowapi, site)
        prepare_home(place.home, settings)
        service = Service(
            environment=service_environment(place.home, settings),
            port=_ui_port(port),
            log_dir=place.logs,
        )
        stack.callback(service.stop)
        service.start()
        click.echo("Starting Dagster's code server, webserver and daemon ...")
        if service.wait_until_ready(120, lambda: stopped() > 0):
            _say_hello(place, settings, service, once, new_date_every)
            failures = _follow(place, settings, service, lambda: stopped() > 0, once, timeout)
            if failures:
                raise AutoflowError("", _failures_text(failures, place))
        click.echo("Stopping ...")


def _prepare_inputs(place: _Place) -> None:
    """Copy the example, checking often instead of once a day; what is there is left alone."""
    if place.inputs.exists():
        return
    shutil.copytree(bundled_path("examples/inputs"), place.inputs)
    path = place.inputs / "workflows.yml"
    text, replaced = re.subn(
        r'^( *schedule: *)"0 0 \* \* \*".*$',
        rf'\1"* * * * * */{CHECK_EVERY_SECONDS}"  # every {CHECK_EVERY_SECONDS} seconds',
        path.read_text(),
        flags=re.MULTILINE,
    )
    if replaced != 1:
        raise ValueError("the example's workflows.yml has no daily schedule to replace")
    path.write_text(text)


@contextlib.contextmanager
def _running_flowapi(
    place: _Place, port: int, days: int, new_date_every: float | None
) -> Iterator[tuple[str, str]]:
    """Run the demo FlowAPI; yield its URL and a token."""
    directory = place.root / "flowapi"
    directory.mkdir(parents=True, exist_ok=True)
    url_file, token_file = directory / "url", directory / "token"
    url_file.unlink(missing_ok=True)
    command = [sys.executable, "-m", "autoflow_dagster.demo", "--no-print-token"]
    command += ["--port", str(port), "--days", str(days), "--key-file", str(directory / "key.pem")]
    command += ["--url-file", str(url_file), "--token-file", str(token_file)]
    if new_date_every is not None:
        command += ["--new-date-every", str(new_date_every)]
    place.logs.mkdir(parents=True, exist_ok=True)
    with (place.logs / "flowapi.log").open("ab") as log:
        process = subprocess.Popen(
            command, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        deadline = time.monotonic() + 60
        while not url_file.exists():
            if process.poll() is not None or time.monotonic() > deadline:
                raise AutoflowError(
                    "The demo FlowAPI", "did not start.", f"Its log is in {place.logs}."
                )
            time.sleep(0.05)
        yield url_file.read_text().strip(), token_file.read_text().strip()
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)
        process.kill()
        process.wait()


def _settings(place: _Place, flowapi: tuple[str, str], site: SiteServer) -> Settings:
    url, token = flowapi
    return Settings.from_environ(
        {
            **os.environ,
            "AUTOFLOW_INPUTS_DIR": str(place.inputs),
            "AUTOFLOW_OUTPUTS_DIR": str(place.outputs),
            "AUTOFLOW_SENSOR_INTERVAL": "5",
            "AUTOFLOW_SECRETS_DIR": str(place.root / "no-secrets"),
            "AUTOFLOW_DB_URI": "",
            "AUTOFLOW_REPORTS_URL": site.url,
            "FLOWAPI_URL": url,
            "FLOWAPI_TOKEN": token,
        }
    )


def _ui_port(wanted: int) -> int:
    """Return the wanted port, or any free one when it is taken: a demo should just start."""
    try:
        return free_port("127.0.0.1", wanted)
    except SettingsError:
        click.echo(f"Port {wanted} is taken; using another one.")
        return free_port("127.0.0.1", 0)


def _say_hello(
    place: _Place, settings: Settings, service: Service, once: bool, new_date_every: float
) -> None:
    click.echo(
        f"""
  Dagster UI   {service.url}
  reports      {settings.reports_url}
  FlowAPI      {settings.flowapi_url}  (a demo with synthetic records)
  inputs       {place.inputs}
  outputs      {place.outputs}  (notebooks/ and reports/)
  logs         {place.logs}

The sensor asks FlowAPI for available dates every {CHECK_EVERY_SECONDS} seconds and requests a run
for each reference date whose date stencil is satisfied and that has not yet succeeded."""
    )
    if once:
        click.echo("This ends by itself once every date is done.\n")
    else:
        click.echo(f"A new date arrives every {new_date_every:g} seconds. Stop with Ctrl-C.\n")


def _follow(
    place: _Place,
    settings: Settings,
    service: Service,
    stopped: Callable[[], bool],
    once: bool,
    timeout: float,
) -> list[str]:
    """Print what happens until stopped, or with `once` until every date is done.

    Returns the dates that failed, for `once` only.
    """
    from dagster import DagsterInstance

    from autoflow_dagster.flowapi.request import fetch_with
    from autoflow_dagster.parser import load_workflows
    from autoflow_dagster.progress import Progress

    started, known = time.monotonic(), -1
    with DagsterInstance.from_config(str(place.home)) as instance:
        progress = Progress(instance, load_workflows(settings.inputs_dir))
        while not stopped():
            available = fetch_with(settings)
            if (count := sum(map(len, available.values()))) != known:
                known = count
                click.echo(_available_text(available))
            for line in progress.look(available):
                click.echo(f"  {line}")
            if once and progress.is_finished:
                click.echo(_summary(place, time.monotonic() - started, progress.failures))
                return progress.failures
            if once and time.monotonic() - started > timeout:
                return [f"not every date was done within {timeout:g} seconds", *progress.failures]
            service.tend()
            _sleep_unless(stopped, LOOK_EVERY_SECONDS)
    return []


def _sleep_unless(stopped: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not stopped() and time.monotonic() < deadline:
        time.sleep(0.1)


def _available_text(available: object) -> str:
    assert isinstance(available, dict), "FlowAPI's answer is a mapping"
    spans = [f"{name} {dates.first} to {dates.last}" for name, dates in sorted(available.items())]
    return f"FlowAPI has {', '.join(spans)}."


def _summary(place: _Place, seconds: float, failures: list[str]) -> str:
    notebooks = len(list((place.outputs / "notebooks").glob("*.ipynb")))
    reports = len(list((place.outputs / "reports").glob("*.pdf")))
    outcome = f"{len(failures)} dates failed" if failures else "Every date is done"
    return (
        f"{outcome} after {seconds:.0f} seconds: {notebooks} executed notebooks and "
        f"{reports} PDF reports in {place.outputs}."
    )


def _failures_text(failures: list[str], place: _Place) -> str:
    return "\n".join([*failures, f"Logs are in {place.logs}."])
