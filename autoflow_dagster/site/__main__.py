"""Serve the site of an outputs directory: ``python -m autoflow_dagster.site outputs --port 3001``."""

from __future__ import annotations

from pathlib import Path

import click

from autoflow_dagster.errors import AutoflowError
from autoflow_dagster.site import SiteServer, needs_rebuild, rebuild, write_pages


@click.command()
@click.argument("outputs", type=click.Path(path_type=Path, file_okay=False))
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen at.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=3001,
    show_default=True,
    help="Port; 0: any free one.",
)
@click.option("--prefix", default="", help="Path below which the site is served, as /reports.")
@click.option("--rebuild", "anew", is_flag=True, help="Write all pages anew first.")
@click.option("--no-server", is_flag=True, help="Write what has to be written, and end.")
def main(outputs: Path, host: str, port: int, prefix: str, anew: bool, no_server: bool) -> None:
    """Serve the reports of an OUTPUTS directory, read-only.

    A site that is not there is made from the files that are.

    Example: python -m autoflow_dagster.site outputs --port 3001
    """
    try:
        if anew or needs_rebuild(outputs):
            click.echo(f"{rebuild(outputs)} runs taken in.")
        elif not (outputs / "index.html").exists():
            write_pages(outputs)
        if no_server:
            return
        server = SiteServer(outputs, host, port, prefix)
        click.echo(f"Reports at {server.url if port else 'a free port'}")
        server.serve()
    except AutoflowError as error:
        raise click.ClickException(str(error)) from error


if __name__ == "__main__":
    main()
