"""Tables as calls of `report-table` in templates/report.typst. Text is always a string literal."""

from __future__ import annotations

import re
from collections.abc import Callable

from autoflow_dagster.reports.tables import Cell, Placed, Run, Table

LONGEST_WORD = 24
"""Letters after which a word without a space may be broken, so that no column grows without end."""

_UNBROKEN = re.compile(r"\S{%d,}" % (LONGEST_WORD + 1))
_SAMPLES = 3


def typst_string(text: str) -> str:
    r"""Return a Typst string literal: whatever the text, it is text to Typst.

    Examples
    --------
    >>> print(typst_string('a "b" \\ #let'))
    "a \"b\" \\ #let"
    """
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
    return f'"{escaped}"'


def breakable(text: str) -> str:
    """Return the text with invisible places to break words that are longer than `LONGEST_WORD`."""
    return _UNBROKEN.sub(
        lambda m: "\u200b".join(m[0][i : i + LONGEST_WORD] for i in range(0, len(m[0]), LONGEST_WORD)), text
    )


def table_to_typst(table: Table, note: str = "", picture: Callable[[str], str] | None = None) -> str:
    """Return a `report-table` call.

    Parameters
    ----------
    table : Table
    note : str
        A remark shown under the table; empty for none.
    picture : callable or None
        Turns the source of a picture inside a cell into Typst content. None shows its alt text.
    """
    width = table.width()
    cells = ", ".join(_placed(place, picture) for place in table.placed())
    full, words = [], []
    for texts in table.columns():
        full.append(_list(sorted(texts, key=len, reverse=True)[:_SAMPLES]))
        pieces = {piece for text in texts for piece in breakable(text).replace("\u200b", " ").split()}
        words.append(_list(sorted(pieces, key=lambda piece: (-len(piece), piece))[:_SAMPLES]))
    arguments = [
        f"columns: {width}",
        f"head: {table.head}",
        f"rows: {len(table.rows)}",
        f"align: ({', '.join(table.alignments())},)",
        f"cells: ({cells},)",
        f"full: ({', '.join(full)},)",
        f"words: ({', '.join(words)},)",
    ]
    if table.caption:
        arguments.append(f"caption: {typst_string(table.caption)}")
    if note:
        arguments.append(f"after: {typst_string(note)}")
    return f"#report-table({', '.join(arguments)})"


def _list(texts: list[str]) -> str:
    return "(" + "".join(typst_string(text.strip()) + "," for text in texts) + ")"


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
    if run.code:
        body = f"raw({body})"
    if run.italic:
        body = f"emph({body})"
    if run.bold:
        body = f"strong({body})"
    if run.link and run.link.startswith(("https://", "http://", "mailto:")):
        body = f"link({typst_string(run.link)}, {body})"
    return body
