"""What a table is, whatever it was written in and whatever it will be written as.

Reading HTML is `html_reader.py`; writing is `tables_asciidoc.py`, `tables_typst.py` and
`tables_html.py`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal

Align = Literal["left", "right", "center"]

_NUMBER = re.compile(
    r"[-+\u2212]?[^\w\s]?\d[\d\s,.'\u00a0\u202f]*(?:e[-+]?\d+)?\s*[%\u2030]?", re.IGNORECASE
)
_BLANK_NUMBERS = frozenset({"", "-", "\u2013", "nan", "none", "<na>", "nat", "inf", "-inf", "null"})


@dataclass(frozen=True, slots=True)
class Run:
    """A stretch of a cell's text with one look; `picture` is the name of a file instead of text."""

    text: str
    bold: bool = False
    italic: bool = False
    code: bool = False
    link: str | None = None
    picture: str | None = None


@dataclass(slots=True)
class Cell:
    """One cell. `bar` is a Styler bar: (start, end, colour), in percent of the cell's width."""

    runs: list[Run] = field(default_factory=list)
    header: bool = False
    colspan: int = 1
    rowspan: int = 1
    align: Align | None = None
    bold: bool | None = None
    italic: bool = False
    colour: str | None = None
    background: str | None = None
    bar: tuple[tuple[float, float, str], ...] = ()

    @property
    def text(self) -> str:
        """The cell's text without its looks."""
        return "".join(run.text for run in self.runs)


@dataclass(frozen=True, slots=True)
class Placed:
    """A cell at its place in the grid: column `x` and row `y`, both from 0."""

    x: int
    y: int
    colspan: int
    rowspan: int
    cell: Cell


@dataclass
class Table:
    """A table: `head` counts the rows that are repeated on every page."""

    rows: list[list[Cell]] = field(default_factory=list)
    head: int = 0
    caption: str = ""
    left_out: int = 0

    def placed(self) -> list[Placed]:
        """Return every cell at its place, with spans cut at the table's edges."""
        width = self.width()
        taken: set[tuple[int, int]] = set()
        found = []
        for y, row in enumerate(self.rows):
            x = 0
            for cell in row:
                while (x, y) in taken:
                    x += 1
                if x >= width:
                    break
                cs = min(cell.colspan, width - x)
                # A head cell that spans into the body would keep the head from repeating.
                last = self.head if y < self.head else len(self.rows)
                rs = max(1, min(cell.rowspan, last - y))
                if rs > 1 or cs > 1:
                    taken.update((x + dx, y + dy) for dx in range(cs) for dy in range(rs))
                found.append(Placed(x, y, cs, rs, cell))
                x += cs
        return found

    def width(self) -> int:
        """Return the number of columns."""
        hanging: dict[int, int] = {}
        widest = 0
        for row in self.rows:
            x = 0
            upcoming = {column: left - 1 for column, left in hanging.items() if left > 1}
            for cell in row:
                while hanging.get(x, 0) > 0:
                    x += 1
                for column in range(x, x + cell.colspan):
                    if cell.rowspan > 1:
                        upcoming[column] = cell.rowspan - 1
                x += cell.colspan
            while hanging.get(x, 0) > 0:
                x += 1
            widest = max(widest, x)
            hanging = upcoming
        return widest

    def alignments(self) -> list[Align]:
        """Return the alignment of each column: its cells' own, else right for numbers."""
        own: dict[int, set[Align | None]] = {}
        words: set[int] = set()
        numbers: set[int] = set()
        for place in self.placed():
            if place.y < self.head or place.colspan > 1:
                continue
            own.setdefault(place.x, set()).add(place.cell.align)
            text = place.cell.text.strip()
            if text.lower() in _BLANK_NUMBERS:
                continue
            (numbers if is_number(text) else words).add(place.x)
        found: list[Align] = []
        for x in range(self.width()):
            said = own.get(x, set())
            if len(said) == 1 and (align := next(iter(said))) is not None:
                found.append(align)
            else:
                found.append("right" if x in numbers and x not in words else "left")
        return found

    def columns(self) -> list[list[tuple[str, bool]]]:
        """Return of each column its texts and whether they are bold, but no spanning cells."""
        found: list[list[tuple[str, bool]]] = [[] for _ in range(self.width())]
        for place in self.placed():
            if place.colspan == 1:
                cell = place.cell
                bold = place.y < self.head or (cell.header if cell.bold is None else cell.bold)
                found[place.x].append((cell.text, bold))
        return found


def is_number(text: str) -> bool:
    """Return True for what is aligned as a number: signs, separators and units included.

    Examples
    --------
    >>> is_number("-1,234.50"), is_number("12 %"), is_number("2016-01-01"), is_number("A1")
    (True, True, False, False)
    """
    return _NUMBER.fullmatch(text) is not None
