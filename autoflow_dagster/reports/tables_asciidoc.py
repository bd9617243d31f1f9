"""Tables as AsciiDoc that Asciidoctor and pandoc read alike; colours by attributes and inline HTML."""

from __future__ import annotations

import re

from autoflow_dagster.reports.tables import Cell, Table

_MARKUP = re.compile(r"[*_`#\[\]{}<>^~\\+|&'\"]")
_REPLACED = re.compile(r"::|;;|--|\.\.|\((?=(?:C|R|TM)\))|^[:.=/!-]|:$|://|@")
_COLUMN = {"left": "<", "right": ">", "center": "^"}


def asciidoc_text(text: str) -> str:
    """Return text that AsciiDoc shows as it is, on one line, by numeric character references.

    Examples
    --------
    >>> asciidoc_text("a|b <<x>>")
    'a&#124;b &#60;&#60;x&#62;&#62;'
    """
    text = _MARKUP.sub(lambda m: _references(m[0]), " ".join(text.split()))
    return _REPLACED.sub(lambda m: _references(m[0]), text)


def _references(text: str) -> str:
    return "".join(f"&#{ord(letter)};" for letter in text)


def table_to_asciidoc(table: Table) -> str:
    """Return an AsciiDoc table; row spans become blank cells, which both readers understand."""
    columns = ",".join(_COLUMN[align] for align in table.alignments())
    options = "%autowidth" + ("%header" if table.head else "")
    lines = [f".{asciidoc_text(table.caption)}"] if table.caption else []
    lines += [f'[{options},cols="{columns}"]', "|==="]
    grid: list[list[str]] = [[""] * table.width() for _ in table.rows]
    for place in table.placed():
        row = grid[place.y]
        span = f"{place.colspan}+^" if place.colspan > 1 else ""
        head = place.y < table.head
        bold = place.cell.header if place.cell.bold is None else place.cell.bold
        strong = "s" if bold and place.y > 0 and place.cell.text.strip() else ""
        row[place.x] = f"{span}{strong}|{_content(place.cell, head)}"
        for x in range(place.x, place.x + place.colspan):
            for y in range(place.y, place.y + place.rowspan):
                if (x, y) != (place.x, place.y):
                    # Only the first row of a cell over several rows has its text.
                    grid[y][x] = "-" if y == place.y else "|"
    for y, row in enumerate(grid):
        lines.append(" ".join(cell or "|" for cell in row if cell != "-"))
        if y == 0 and table.head:
            lines.append("")
    return "\n".join([*lines, "|===", ""])


def _content(cell: Cell, head: bool) -> str:
    text = asciidoc_text(cell.text)
    if head:
        return text
    if cell.colour and cell.colour != "#000000" and text:
        inner = "".join(_references(c) if c in "<>&|+]" else c for c in " ".join(cell.text.split()))
        text = f'+++<span style="color: {cell.colour}">{inner}</span>+++'
    # The attribute stays set until it is set again, hence for every cell.
    return text + f"{{set:cellbgcolor:{cell.background or 'transparent'}}}"
