"""``autoflow validate``: whether the inputs directory is in order, and the token."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from autoflow_dagster.cli.options import inputs_option, read_settings
from autoflow_dagster.errors import FlowapiPermanentError

if TYPE_CHECKING:
    from autoflow_dagster.flowapi.access_tokens import TokenClaims
    from autoflow_dagster.workflows import WorkflowConfig, WorkflowDefinitions

SOON = timedelta(days=7)
NEW_TOKEN = (
    "Make a new token in FlowAuth and set FLOWAPI_TOKEN (or the Docker secret of that name)."
)


@click.command()
@inputs_option
def validate(inputs: Path | None) -> None:
    """Check workflows.yml and everything that it names, without a network.

    Looks into notebooks and templates too, and whether the notebooks' kernels are installed here.
    With FLOWAPI_TOKEN set it says whose token that is, whether it has the scope that the sensor
    needs, and when it expires.

    Every problem is told with its line. The exit status is 1 if there is one; a warning is none.

    Example: autoflow validate --inputs examples/inputs
    """
    from autoflow_dagster.parser import load_workflows
    from autoflow_dagster.settings import FLOWAPI_TOKEN

    settings = read_settings(inputs)
    definitions = load_workflows(settings.inputs_dir, check_kernels=True)
    for warning in definitions.warnings:
        click.echo(f"Warning: {warning}", err=True)
    click.echo("\n".join(valid_lines(definitions)))
    token = settings.secret(FLOWAPI_TOKEN)
    if token is None:
        click.echo("FLOWAPI_TOKEN is not set: no token was checked.")
    else:
        _check_token(token, datetime.now(UTC))


def valid_lines(definitions: WorkflowDefinitions) -> list[str]:
    """Return what a valid file has: how much of everything, then each config."""
    counts = [
        _counted(len(definitions.workflows), "workflow"),
        _counted(len(definitions.configs), "config"),
        _counted(len(definitions.warnings), "warning"),
    ]
    shown = counts if definitions.warnings else counts[:2]
    lines = [f"workflows.yml is valid: {', '.join(shown)}."]
    width = max((len(config.name) for config in definitions.configs), default=0)
    lines += [f"  {config.name:{width}}  {_config_text(config)}" for config in definitions.configs]
    by_hand = [workflow.name for workflow in definitions.unconfigured]
    if by_hand:
        lines.append(f"No config names {', '.join(by_hand)}: run by hand only.")
    return lines


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _config_text(config: WorkflowConfig) -> str:
    made = [
        f"{notebook.key} ({', '.join(notebook.output.formats)})"
        if notebook.output
        else notebook.key
        for notebook in config.workflow.notebooks.values()
    ]
    parameters = [f"{name}: {value}" for name, value in config.parameters.items()]
    return "; ".join(
        [" > ".join(made) if config.workflow.is_chain else ", ".join(made), *parameters]
    )


def _check_token(token: str, now: datetime) -> None:
    """Say what the token is good for.

    Raises
    ------
    FlowapiPermanentError
        When it is good for nothing.
    """
    from autoflow_dagster.flowapi.access_tokens import check_characters, read_token

    check_characters(token)
    claims = read_token(token)
    problems = token_problems(claims, now)
    if problems:
        raise FlowapiPermanentError("FLOWAPI_TOKEN", " ".join(problems), NEW_TOKEN)
    click.echo(token_text(claims, now))
    if claims.expires_within(SOON, now):
        click.echo(f"Warning: FLOWAPI_TOKEN expires soon. {NEW_TOKEN}", err=True)


def token_problems(claims: TokenClaims, now: datetime) -> list[str]:
    """Return why FlowAPI would not tell available dates to the bearer of a token."""
    from autoflow_dagster.flowapi.access_tokens import AVAILABLE_DATES_SCOPE

    problems = []
    whose = f"the token of {claims.subject}" if claims.subject else "the token"
    if claims.expires_at is not None and claims.expires_at <= now:
        problems.append(f"{whose} expired on {_minute(claims.expires_at)}.")
    if not claims.allows(AVAILABLE_DATES_SCOPE):
        problems.append(
            f"{whose} lacks the scope {AVAILABLE_DATES_SCOPE}, which the sensor needs for "
            "available dates."
        )
    return problems


def token_text(claims: TokenClaims, now: datetime) -> str:
    """Return whose token it is, what for, and until when."""
    from autoflow_dagster.flowapi.access_tokens import AVAILABLE_DATES_SCOPE

    whose = f"of {claims.subject}" if claims.subject else "of nobody in particular"
    server = f" for the server {claims.audience}" if claims.audience else ""
    until = "does not expire"
    if claims.expires_at is not None:
        days = (claims.expires_at - now).days
        left = _counted(days, "day") if days else "less than a day"
        until = f"expires on {_minute(claims.expires_at)}, in {left}"
    return f"FLOWAPI_TOKEN is {whose}{server}, has the scope {AVAILABLE_DATES_SCOPE}, and {until}."


def _minute(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
