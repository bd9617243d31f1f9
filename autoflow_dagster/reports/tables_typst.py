"""Tables as calls of `report-table` in templates/report.typst. Text is always a string literal."""

from __future__ import annotations

import re
from collections.abc import Callable

from autoflow_dagster.reports.tables import Cell, Placed, Run, Table
from autoflow_dagster.reports.text import is_right_to_left

LONGEST_WORD = 24
"""Letters after which a word without a space may be broken, so that no column grows without end."""

_UNBROKEN = re.compile(rf"\S{{{LONGEST_WORD + 1},}}")
_SAMPLES = 3


def typst_string(text: str) -> str:
    r"""Return a Typst string literal: whatever the text, it is text to Typst.

    Examples
    --------
    >>> print(typst_string('a "b" \\ #let'))
    "a \"b\" \\ #let"
    """
    escaped = (
        text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
    )
    return f'"{escaped}"'


def breakable(text: str) -> str:
    """Return the text with invisible places to break words that are longer than `LONGEST_WORD`."""
    return _UNBROKEN.sub(
        lambda m: "\u200b".join(
            m[0][i : i + LONGEST_WORD] for i in range(0, len(m[0]), LONGEST_WORD)
        ),
        text,
    )


def table_to_typst(
    table: Table, note: str = "", picture: Callable[[str], str] | None = None
) -> str:
    """Return a `report-table` call.

    Parameters
    ----------
    table : Table
    note : str
        A remark shown under the table; empty for none.
    picture : callable or None
        Turns the source of a picture inside a cell into Typst content. None shows its alt text.
    """
    cells = ", ".join(_placed(place, picture) for place in table.placed())
    columns = table.columns()
    full = ", ".join(_samples(column, _lines) for column in columns)
    words = ", ".join(_samples(column, _words) for column in columns)
    arguments = [
        f"columns: {len(columns)}",
        f"head: {table.head}",
        f"rows: {len(table.rows)}",
        f"align: ({', '.join(table.alignments())},)",
        f"cells: ({cells},)",
        f"full: ({full},)",
        f"words: ({words},)",
    ]
    if table.caption:
        arguments.append(f"caption: {typst_string(table.caption)}")
    if note:
        arguments.append(f"after: {typst_string(note)}")
    return f"#report-table({', '.join(arguments)})"


def _samples(column: list[tuple[str, bool]], split: Callable[[str], list[str]]) -> str:
    """Return the longest pieces of a column's texts, in their weight, to measure its width with.

    Of each weight apart: bold letters are wider, and heads are often what decides.
    """
    written = []
    for bold in (False, True):
        pieces = {piece for text, is_bold in column if is_bold == bold for piece in split(text)}
        for piece in sorted(pieces, key=lambda piece: (-len(piece), piece))[:_SAMPLES]:
            string = typst_string(piece)
            written.append(f"strong({string})," if bold else f"{string},")
    return "(" + "".join(written) + ")"


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.split("\n")]


def _words(text: str) -> list[str]:
    return breakable(text).replace("\u200b", " ").split()


def _placed(place: Placed, picture: Callable[[str], str] | None) -> str:
    cell = place.cell
    parts = [f"x: {place.x}", f"y: {place.y}", f"b: {_body(cell, picture)}"]
    if place.colspan > 1:
        parts.append(f"cs: {place.colspan}")
        parts.append("a: center")
    elif cell.align:
        parts.append(f"a: {cell.align}")
    if place.rowspan > 1:
        parts.append(f"rs: {place.rowspan}")
    if cell.bar:
        parts.append(f"f: {_gradient(cell.bar, cell.background)}")
    elif cell.background and cell.background != "#FFFFFF":
        parts.append(f'f: rgb("{cell.background}")')
    if cell.colour and cell.colour != "#000000":
        parts.append(f'i: rgb("{cell.colour}")')
    if cell.bold is not None or cell.header:
        parts.append(f"w: {str(cell.header if cell.bold is None else cell.bold).lower()}")
    return f"({', '.join(parts)})"


def _gradient(bars: tuple[tuple[float, float, str], ...], background: str | None) -> str:
    blank = f'rgb("{background}")' if background else "white"
    stops, at = [], 0.0
    for start, end, colour in bars:
        if start > at:
            stops += [f"({blank}, {at:.2f}%)", f"({blank}, {start:.2f}%)"]
        stops += [f'(rgb("{colour}"), {start:.2f}%)', f'(rgb("{colour}"), {end:.2f}%)']
        at = end
    if at < 100:
        stops += [f"({blank}, {at:.2f}%)", f"({blank}, 100%)"]
    return f"gradient.linear({', '.join(stops)})"


def _body(cell: Cell, picture: Callable[[str], str] | None) -> str:
    runs = [run for run in cell.runs if run.text or run.picture]
    body = " + ".join(_run(run, picture) for run in runs) or '""'
    return f"emph({body})" if cell.italic else body


def _run(run: Run, picture: Callable[[str], str] | None) -> str:
    if run.picture is not None and picture is not None:
        return picture(run.picture)
    body = typst_string(breakable(run.text))
    if is_right_to_left(run.text):
        body = f"right-to-left({body})"
    if run.code:
        body = f"raw({body})"
    if run.italic:
        body = f"emph({body})"
    if run.bold:
        body = f"strong({body})"
    if run.link and run.link.startswith(("https://", "http://", "mailto:")):
        body = f"link({typst_string(run.link)}, {body})"
    return body
