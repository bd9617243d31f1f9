"""``autoflow schema``: the JSON Schema of `workflows.yml`."""

from __future__ import annotations

import json

import click


@click.command()
def schema() -> None:
    """Print the JSON Schema of workflows.yml, with which editors complete and check it.

    Put it beside workflows.yml and let that begin with the line
    "# yaml-language-server: $schema=workflows.schema.json".

    Example: autoflow schema > workflows.schema.json
    """
    click.echo(schema_text(), nl=False)


def schema_text() -> str:
    """Return the schema as it stands in a file."""
    from autoflow_dagster.parser.schema import json_schema

    return json.dumps(json_schema(), indent=2) + "\n"
