"""An HTML table, as pandas or anybody else writes it, read into a `Table`."""

from __future__ import annotations

import re
from collections.abc import Mapping

from autoflow_dagster.reports.css import Style, Stylesheet, bar, colour
from autoflow_dagster.reports.room import Room
from autoflow_dagster.reports.tables import Align, Cell, Run, Table

_SECTIONS = frozenset({"thead", "tbody", "tfoot"})
_LOOKS = frozenset({"b", "strong", "i", "em", "code", "a"})
_LINES = frozenset({"p", "div", "li"})
_SPACE = re.compile(r"[ \t\r\n\f]+")
_BOLD = frozenset({"bold", "bolder", "600", "700", "800", "900"})
_ALIGNS: dict[str, Align] = {
    "left": "left",
    "start": "left",
    "right": "right",
    "end": "right",
    "center": "center",
}
_WIDEST_SPAN = 1000


class TableReader:
    """Builds one table from the tags and texts inside ``<table>``.

    Parameters
    ----------
    css : Stylesheet
        Rules seen so far.
    element_id : str or None
        The table's ``id``, to which a Styler's rules refer.
    room : Room
        Rows and cells beyond it are counted, not kept.
    """

    def __init__(self, css: Stylesheet, element_id: str | None, room: Room) -> None:
        self.table = Table()
        self._css = css
        self._id = element_id
        self._room = room
        self._section = "tbody"
        self._row: list[Cell] | None = None
        self._row_hidden = False
        self._cell: Cell | None = None
        self._cell_hidden = False
        self._in_caption = False
        self._nested = 0
        self._looks: list[tuple[str, str]] = []
        self._cells = 0

    @property
    def is_full(self) -> bool:
        """True when every further row is left out."""
        return self.table.left_out > 0 and self._nested == 0

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        """Take a start tag."""
        if tag == "table":
            self._nested += 1
        elif self._nested:
            self._start_nested(tag)
        elif tag in _SECTIONS:
            self._end_row()
            self._section = tag
        elif tag == "tr":
            self._end_row()
            self._row = []
            style = self._css.style_of(tag, attributes, self._id)
            self._row_hidden = style.get("display") == "none"
        elif tag in ("td", "th"):
            self._start_cell(tag, attributes)
        elif tag == "caption":
            self._in_caption = True
        elif self._cell is not None:
            self._start_inside(self._cell, tag, attributes)

    def end(self, tag: str) -> bool:
        """Take an end tag; return True when it was the table's."""
        if self._nested:
            self._nested -= tag == "table"
        elif tag == "table":
            return True
        elif tag == "caption":
            self._in_caption = False
        elif tag in ("td", "th"):
            self._end_cell()
        elif tag == "tr":
            self._end_row()
        elif tag in _SECTIONS:
            self._end_row()
            self._section = "tbody"
        elif tag in {look for look, _ in self._looks}:
            while self._looks.pop()[0] != tag:
                pass
        return False

    def text(self, data: str) -> None:
        """Take a text."""
        if self._in_caption:
            self.table.caption += data
        elif self._cell is not None:
            text = _SPACE.sub(" ", data)
            if text == " " and not self._cell.runs:
                return
            looks = {look for look, _ in self._looks}
            link = next((href for look, href in reversed(self._looks) if look == "a"), None)
            bold, italic = bool(looks & {"b", "strong"}), bool(looks & {"i", "em"})
            self._cell.runs.append(Run(text, bold, italic, "code" in looks, link))

    def finished(self) -> Table:
        """Return the table."""
        self._end_row()
        table = self.table
        table.caption = " ".join(table.caption.split())
        if table.head == len(table.rows):  # nothing but head cells: no head to repeat
            table.head = 0
        return table

    def _start_nested(self, tag: str) -> None:
        """Flatten a table inside a cell: its rows follow each other."""
        if self._cell is not None and self._cell.runs:
            if tag == "tr":
                self._cell.runs.append(Run("; "))
            elif tag in ("br", "td", "th") and not self._cell.text.endswith(" "):
                self._cell.runs.append(Run(" "))

    def _start_inside(self, cell: Cell, tag: str, attributes: Mapping[str, str]) -> None:
        if tag == "br" or (tag in _LINES and cell.text.strip()):
            cell.runs.append(Run("\n"))
        elif tag == "img":
            cell.runs.append(Run(attributes.get("alt", ""), picture=attributes.get("src", "")))
        elif tag in _LOOKS:
            self._looks.append((tag, attributes.get("href", "")))

    def _start_cell(self, tag: str, attributes: Mapping[str, str]) -> None:
        if self._row is None:
            self._row = []
        self._end_cell()
        style = self._css.style_of(tag, attributes, self._id)
        self._cell_hidden = style.get("display") == "none"
        self._cell = _styled(Cell(header=tag == "th"), style)
        self._cell.colspan = _span(attributes.get("colspan"))
        self._cell.rowspan = _span(attributes.get("rowspan"))
        self._looks = []

    def _end_cell(self) -> None:
        if self._cell is not None and self._row is not None and not self._cell_hidden:
            self._row.append(self._cell)
        self._cell = None

    def _end_row(self) -> None:
        self._end_cell()
        row, self._row = self._row, None
        if not row or self._row_hidden:
            return
        table = self.table
        in_head = table.head == len(table.rows)
        if in_head and (self._section == "thead" or all(cell.header for cell in row)):
            table.head += 1
        elif self._is_beyond(len(table.rows) - table.head):
            table.left_out += 1
            return
        table.rows.append(row)
        self._cells += len(row)

    def _is_beyond(self, body_rows: int) -> bool:
        too_many = self._room.rows is not None and body_rows >= self._room.rows
        return too_many or self._cells >= self._room.cells


def _span(value: str | None) -> int:
    try:
        return max(1, min(int(value or 1), _WIDEST_SPAN))
    except ValueError:
        return 1


def _styled(cell: Cell, style: Style) -> Cell:
    if not style:
        return cell
    cell.align = _ALIGNS.get(style.get("text-align", ""))
    cell.colour = colour(style.get("color"))
    background = style.get("background-color") or style.get("background") or ""
    cell.bar = bar(style.get("background-image") or style.get("background"))
    if "gradient" not in background:
        cell.background = colour(background)
    weight = style.get("font-weight")
    if weight is not None:
        cell.bold = weight in _BOLD
    cell.italic = style.get("font-style") == "italic"
    return cell
