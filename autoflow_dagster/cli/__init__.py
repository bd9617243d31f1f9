"""The command line: ``autoflow``. One module for each group of commands, imported when used."""

from __future__ import annotations

import importlib
import sys
import traceback
from collections.abc import Mapping
from typing import Any

import click

from autoflow_dagster import __version__
from autoflow_dagster.errors import AutoflowError

EXIT_USER_ERROR = 1
EXIT_BUG = 3
EXIT_INTERRUPTED = 130

_COMMANDS: Mapping[str, str] = {
    # Command name -> module that has a function of this name, with "-" for "_".
    "demo": "demo",
    "demo-flowapi": "demo",
    "up": "up",
}


class _LazyGroup(click.Group):
    """Imports a command's module when the command is used, so that ``--help`` is quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module = importlib.import_module(f"autoflow_dagster.cli.{_COMMANDS[cmd_name]}")
        command: click.Command = getattr(module, cmd_name.replace("-", "_"))
        return command


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="autoflow")
def autoflow() -> None:
    """Run FlowKit notebooks for every new date of CDR data, and make reports of them."""


def main(args: list[str] | None = None) -> Any:
    """Run the command line; end with 1 for a user's mistake, 3 for a bug of ours."""
    try:
        autoflow.main(args=args, prog_name="autoflow", standalone_mode=False)
    except AutoflowError as error:
        click.echo(f"Error: {error}" if error.where else str(error), err=True)
        sys.exit(EXIT_USER_ERROR)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(EXIT_INTERRUPTED)
    except click.exceptions.Exit as error:
        sys.exit(error.exit_code)
    except Exception:
        traceback.print_exc()
        click.echo("This is a bug in autoflow_dagster; please report the lines above.", err=True)
        sys.exit(EXIT_BUG)
    sys.exit(0)
