"""``autoflow status``: is the service well? For people and for the container's health check."""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.request
from typing import Any

import click

from autoflow_dagster.errors import AutoflowError
from autoflow_dagster.instance_home import dagster_home
from autoflow_dagster.service.address_file import read_service_file
from autoflow_dagster.settings import Settings

TIMEOUT_SECONDS = 10


@click.command()
@click.option("--quiet", is_flag=True, help="Print nothing; the exit status tells.")
@click.option(
    "--alive", is_flag=True, help="Ask only whether it is alive, not whether it is ready."
)
@click.option("--url", help="Address of the site of reports.  [default: as DAGSTER_HOME tells]")
def status(quiet: bool, alive: bool, url: str | None) -> int:
    """Say whether the running service is ready: exit status 0, otherwise 1.

    Example: autoflow status
    """
    try:
        report = _ask(url or _reports_url(), "healthz" if alive else "readyz")
    except AutoflowError:
        if quiet:
            return 1
        raise
    is_good = bool(report.get("alive" if alive else "ready"))
    if not quiet:
        click.echo("\n".join(_lines(report, is_good)))
    return 0 if is_good else 1


def _reports_url() -> str:
    settings, _problems = Settings.read(os.environ)
    home = dagster_home(settings)
    found = read_service_file(home)
    if found is None:
        raise AutoflowError(
            "The service",
            f"does not run: DAGSTER_HOME {home} knows of none.",
            "Start it with `autoflow up`, or set DAGSTER_HOME or --url.",
        )
    return found.reports_url


def _ask(url: str, page: str) -> dict[str, Any]:
    address = f"{url.rstrip('/')}/{page}"
    try:
        with urllib.request.urlopen(address, timeout=TIMEOUT_SECONDS) as response:
            body = response.read()
    except urllib.error.HTTPError as error:
        body = error.read()
    except OSError as error:
        reason = getattr(error, "reason", error)
        raise AutoflowError("The service", f"does not answer at {address} ({reason}).") from error
    try:
        report = json.loads(body)
    except ValueError:
        report = None
    if not isinstance(report, dict):
        raise AutoflowError("The service", f"answers nonsense at {address}.", "Is it AutoFlow?")
    return report


def _lines(report: dict[str, Any], is_good: bool) -> list[str]:
    if "alive" in report:
        return ["alive" if is_good else "NOT alive: the main loop hangs"]
    lines = ["ready" if is_good else "NOT ready"]
    checks = report.get("checks", {})
    width = max(map(len, checks), default=0)
    for name, check in checks.items():
        sign = "ok  " if check["ok"] else ("FAIL" if check["needed"] else "note")
        first, *more = str(check["detail"]).splitlines() or [""]
        lines.append(f"  {sign}  {name:<{width}}  {first}")
        lines += [f"{'':{width + 10}}{line}" for line in more]
    return lines
