"""Tables and colours: as wide as the terminal, and in a pipe as wide as they need to be."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TextIO

import click

if TYPE_CHECKING:
    from rich.console import Console

UNLIMITED = 100_000
"""Columns of what is no terminal."""


def console(stream: TextIO | None = None) -> Console:
    """Return a console that writes to standard output, or to another stream."""
    from rich.console import Console

    stream = stream or sys.stdout
    width = None if stream.isatty() or "COLUMNS" in os.environ else UNLIMITED
    return Console(file=stream, width=width, highlight=False, markup=False, emoji=False)


def print_table(
    title: str, headings: Sequence[str], rows: Sequence[Sequence[Any]], right: Sequence[int] = ()
) -> None:
    """Print a table; a cell may be text or anything that rich prints.

    Parameters
    ----------
    right : sequence of int
        Numbers of the columns whose cells stand at the right, from 0.
    """
    from rich.table import Table

    table = Table(
        box=None,
        pad_edge=False,
        header_style="dim" if sys.stdout.isatty() else "",
    )
    for number, heading in enumerate(headings):
        table.add_column(heading, justify="right" if number in right else "left", overflow="fold")
    for row in rows:
        table.add_row(*row)
    click.secho(title, bold=True)
    screen = console()
    with screen.capture() as capture:
        screen.print(table)
    click.echo("\n".join(line.rstrip() for line in capture.get().splitlines()))
