"""The demo FlowAPI from the command line: ``python -m autoflow_dagster.demo``."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click

from autoflow_dagster.demo.server import (
    DEFAULT_DAYS,
    DEFAULT_MAX_DAYS,
    DEFAULT_SUBSCRIBERS,
    FIRST_DAY,
    serve,
)
from autoflow_dagster.errors import AutoflowError

_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen at.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=9090,
    show_default=True,
    help="Port; 0 takes any free one.",
)
@click.option("--days", default=DEFAULT_DAYS, show_default=True, help="Days of records at first.")
@click.option(
    "--start",
    type=click.DateTime(["%Y-%m-%d"]),
    default=FIRST_DAY.isoformat(),
    show_default=True,
    help="First day of the records.",
)
@click.option(
    "--new-date-every", type=float, help="Seconds until one more day arrives, repeatedly."
)
@click.option(
    "--max-days", default=DEFAULT_MAX_DAYS, show_default=True, help="No more days than this arrive."
)
@click.option("--subscribers", default=DEFAULT_SUBSCRIBERS, show_default=True, help="How many.")
@click.option("--key-file", type=_FILE, help="Keeps the signing key: tokens outlive a restart.")
@click.option("--token-file", type=_FILE, help="Write the token there, readable by you only.")
@click.option("--url-file", type=_FILE, help="Write the URL there once the server answers.")
@click.option("--print-token/--no-print-token", default=True, help="Show the token.")
def main(start: datetime, **options: object) -> None:
    """Serve a FlowAPI with synthetic records until Ctrl-C.

    Example: python -m autoflow_dagster.demo --port 9090 --new-date-every 30
    """
    try:
        serve(start=start.date(), echo=click.echo, **options)  # type: ignore[arg-type]
    except AutoflowError as error:
        raise click.ClickException(str(error)) from error


if __name__ == "__main__":
    main()
