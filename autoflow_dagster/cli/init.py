"""``autoflow init``: a small inputs directory that works, to be changed into one's own."""

from __future__ import annotations

from pathlib import Path

import click

from autoflow_dagster.errors import SettingsError

STARTER = Path(__file__).parent / "starter"
SCHEMA_FILE = "workflows.schema.json"
CONFIG = "active_subscribers"
"""The starter's config, for the commands that are suggested."""


@click.command()
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path))
def init(directory: Path) -> None:
    """Write a small inputs directory that works into DIR, with comments that explain it.

    It has a workflows.yml, two notebooks, and the JSON Schema by which editors check and complete
    workflows.yml. Nothing that is there already is overwritten.

    Example: autoflow init inputs
    """
    for name in write_starter(directory):
        click.echo(f"Wrote {directory / name}")
    click.echo(
        f"""
Check it:                autoflow validate --inputs {directory}
Start a demo FlowAPI:    autoflow demo-flowapi
Point at it (elsewhere): export FLOWAPI_URL=... FLOWAPI_TOKEN=...   (it prints both)
See what would run:      autoflow plan --inputs {directory}
Run one date:            autoflow run {CONFIG} 2016-01-03 --inputs {directory} --outputs outputs"""
    )


def write_starter(directory: Path) -> list[str]:
    """Write the starter's files; return their names.

    Raises
    ------
    SettingsError
        When one of them exists, or the directory cannot be written to; then nothing is written.
    """
    from autoflow_dagster.cli.schema import schema_text

    texts = {
        path.name: path.read_text("utf-8") for path in sorted(STARTER.iterdir()) if path.is_file()
    }
    texts[SCHEMA_FILE] = schema_text()
    try:
        present = sorted(name for name in texts if (directory / name).exists())
        if present:
            raise SettingsError(
                str(directory),
                f"there is {', '.join(present)} already; nothing was written.",
                "Name another directory.",
            )
        directory.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            (directory / name).write_text(text, "utf-8")
    except OSError as error:
        problem = f"cannot be written to ({error.strerror})."
        raise SettingsError(str(directory), problem, "Name another directory.") from error
    return list(texts)
