"""The command line: ``autoflow``. One module for each group of commands, imported when used.

Here are the list of the commands and the one place where errors become messages and exit statuses.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Mapping
from typing import Any, NamedTuple, NoReturn

import click

from autoflow_dagster import __version__
from autoflow_dagster.errors import AutoflowError

EXIT_USER_ERROR = 1
EXIT_BUG = 3
EXIT_INTERRUPTED = 130


class CommandEntry(NamedTuple):
    """Where a command is, and what the list of commands says about it.

    Attributes
    ----------
    module : str
        Has a function of the command's name, with ``_`` for ``-``.
    summary : str
        Known without importing the module, so that ``autoflow --help`` is quick.
    """

    module: str
    summary: str


COMMANDS: Mapping[str, CommandEntry] = {
    "init": CommandEntry("init", "Write a small inputs directory to begin with."),
    "validate": CommandEntry("validate", "Check workflows.yml, its notebooks and the token."),
    "plan": CommandEntry("plan", "Show what the next check would do with each date."),
    "explain": CommandEntry("explain", "Say in plain words why a date runs or does not."),
    "run": CommandEntry("run", "Run dates of a config now."),
    "report": CommandEntry("report", "Make a report of an executed notebook."),
    "schema": CommandEntry("schema", "Print the JSON Schema of workflows.yml for editors."),
    "up": CommandEntry("up", "Run the service: sensor, runs and Dagster UI."),
    "status": CommandEntry("status", "Say whether the running service is ready."),
    "import-history": CommandEntry(
        "import_history", "Take over what an original AutoFlow has already run."
    ),
    "copy-history": CommandEntry("copy_history", "Take over what a job of another name has done."),
    "demo": CommandEntry("demo", "Run the example over a demo FlowAPI."),
    "demo-flowapi": CommandEntry("demo", "Serve a demo FlowAPI with synthetic records."),
}


class _LazyGroup(click.Group):
    """Imports a command's module when the command is used, so that ``--help`` is quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"autoflow_dagster.cli.{COMMANDS[cmd_name].module}")
        command: click.Command = getattr(module, cmd_name.replace("-", "_"))
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        import difflib

        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            close = difflib.get_close_matches(args[0], COMMANDS, n=1)
            hint = f" Did you mean '{close[0]}'?" if close else ""
            raise click.UsageError(error.message + hint, error.ctx) from error

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.summary) for name, entry in COMMANDS.items()])


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="autoflow")
def autoflow() -> None:
    """Run FlowKit notebooks for every new date of CDR data, and make reports of them.

    \b
    Example: autoflow init inputs
             autoflow validate --inputs inputs
    """  # noqa: D301


def main(args: list[str] | None = None) -> NoReturn:
    """Run the command line and end the process.

    The exit status is 0 for success, 1 for something that the user can mend (with a message and no
    traceback), 3 for a bug of ours and 130 after Ctrl-C.
    """
    sys.exit(_exit_status(args))


def _exit_status(args: list[str] | None) -> int:
    try:
        result: Any = autoflow.main(args=args, prog_name="autoflow", standalone_mode=False)
        return result if isinstance(result, int) else 0
    except AutoflowError as error:
        text = f"Error: {error}" if error.where else str(error)
        click.echo(_without_secrets(text), err=True)
        return EXIT_USER_ERROR
    except click.ClickException as error:
        error.show()
        return EXIT_USER_ERROR
    except (click.Abort, KeyboardInterrupt):
        return EXIT_INTERRUPTED
    except Exception:
        _show_bug()
        return EXIT_BUG


def _show_bug() -> None:
    import platform
    import traceback

    lines = [
        traceback.format_exc().rstrip(),
        f"autoflow {__version__}, Python {platform.python_version()}, {platform.system()}",
        "This is a bug in autoflow_dagster; please report the lines above.",
    ]
    click.echo(_without_secrets("\n".join(lines)), err=True)


def _without_secrets(text: str) -> str:
    """Return `text` without the values of the token and the database's password."""
    from autoflow_dagster.settings import Settings, redact

    try:
        settings = Settings.from_environ(os.environ)
    except AutoflowError:  # the error to be shown, most likely
        settings = Settings(environ=os.environ)
    try:
        return redact(text, settings.secret_values())
    except AutoflowError:  # of a secret's file that cannot be read: its value is not here either
        return text
