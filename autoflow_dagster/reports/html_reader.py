"""HTML outputs read once, from beginning to end: tables, drawings, and the rest.

Nothing of the HTML survives as it was: tables become `Table`s (`html_tables.py`), the rest becomes
text that pandoc reads, and what could run or be fetched (scripts, frames, objects) is left out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html import escape
from html.parser import HTMLParser

from autoflow_dagster.reports.css import Stylesheet
from autoflow_dagster.reports.html_tables import TableReader
from autoflow_dagster.reports.room import Room
from autoflow_dagster.reports.tables import Table

_CHUNK = 1_000_000
_DROPPED = frozenset(
    "script noscript iframe object embed template canvas video audio form button select textarea "  # noqa: SIM905
    "title".split()
)
_VOID = frozenset("embed br img hr input meta link base source wbr col area track param".split())  # noqa: SIM905
_KEPT = frozenset(
    "p div span b strong i em u s del sub sup code pre h1 h2 h3 h4 h5 h6 ul ol li dl dt dd "  # noqa: SIM905
    "blockquote a br hr img small center kbd samp tt figure figcaption section article header "
    "footer main details summary mark var q cite abbr address".split()
)
_ATTRIBUTES = {"a": ("href",), "img": ("src", "alt", "title", "width")}
_SHAPE_LINE = re.compile(r"\s*\d+ rows \u00d7 \d+ columns\s*")


@dataclass(frozen=True)
class HtmlText:
    """HTML without tables that only has harmless elements."""

    html: str


@dataclass(frozen=True)
class Drawing:
    """An ``<svg>`` found in the HTML."""

    svg: str


Piece = HtmlText | Drawing | Table


@dataclass
class Reading:
    """What was found in one HTML output, and what was left out of it.

    Attributes
    ----------
    pieces : list
        In their order.
    active_parts : int
        Scripts, frames and the like.
    letters_left_out : int
        Characters for which there was no room, tables not counted.
    """

    pieces: list[Piece] = field(default_factory=list)
    active_parts: int = 0
    letters_left_out: int = 0


def read_html(html: str, room: Room) -> Reading:
    """Return the tables, drawings and other text of an HTML output, in their order.

    Parameters
    ----------
    html : str
        The ``text/html`` of an output. Anything: broken HTML is read as browsers do, roughly.
    room : Room
        How much of it is kept; rows and characters beyond it are only counted.
    """
    reader = _Reader(room)
    position = 0
    while position < len(html):
        reader.feed(html[position : position + _CHUNK])
        position = reader.skip(html, position + _CHUNK)
    reader.close()
    reader.finish()
    return reader.reading


class _Reader(HTMLParser):
    def __init__(self, room: Room) -> None:
        super().__init__(convert_charrefs=True)
        self.reading = Reading()
        self._room = room
        self._letters = 0
        self._css = Stylesheet()
        self._text: list[str] = []
        self._style: list[str] | None = None
        self._dropping: list[str] = []
        self._svg: list[str] | None = None
        self._svg_depth = 0
        self._table: TableReader | None = None

    def skip(self, html: str, position: int) -> int:
        """Return where to go on: behind what there is no room for, which is counted, not read."""
        if self._table is not None and self._table.is_full:
            start = position - len(self.rawdata)
            end = html.find("</table", start)
            end = len(html) if end < 0 else end
            self._table.table.left_out += html.count("<tr", start, end)
        elif self._table is None and self._letters > self._room.letters and not self._nested():
            start = position - len(self.rawdata)
            end = html.find("<table", start)
            end = len(html) if end < 0 else end
            self.reading.letters_left_out += end - start
        else:
            return position
        self.rawdata = ""
        return end

    def _nested(self) -> bool:
        return self._style is not None or bool(self._dropping) or self._svg is not None

    # -- what HTMLParser calls -----------------------------------------------------------------

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if self._svg is not None:
            self._svg.append(self.get_starttag_text() or "")
            self._svg_depth += tag == "svg"
        elif tag == "style":
            self._style = []
        elif tag in _DROPPED:
            self.reading.active_parts += tag != "title"
            if tag not in _VOID:
                self._dropping.append(tag)
        elif self._dropping:
            return
        elif tag == "svg":
            self._flush()
            self._svg, self._svg_depth = [self.get_starttag_text() or ""], 1
        else:
            attributes = {name: value or "" for name, value in attrs}
            if self._table is not None:
                self._table.start(tag, attributes)
            elif tag == "table":
                self._flush()
                self._table = TableReader(self._css, attributes.get("id"), self._room)
            elif tag in _KEPT:
                self._text_start(tag, attributes)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if self._svg is not None:
            self._svg.append(self.get_starttag_text() or "")
            return
        self.handle_starttag(tag, attrs)
        if tag not in _VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        if self._svg is not None:
            self._svg.append(f"</{tag}>")
            self._svg_depth -= tag == "svg"
            if self._svg_depth == 0:
                self._close_svg()
        elif tag == "style" and self._style is not None:
            self._css.add("".join(self._style))
            self._style = None
        elif self._dropping:
            if tag in self._dropping:
                del self._dropping[self._dropping.index(tag) :]
        elif self._table is not None:
            if self._table.end(tag):
                self._close_table()
        elif tag in _KEPT and tag not in _VOID:
            self._text.append(f"</{tag}>")

    def handle_data(self, data: str) -> None:
        if self._style is not None:
            self._style.append(data)
        elif self._dropping:
            return
        elif self._svg is not None:
            self._svg.append(escape(data, quote=False))
        elif self._table is not None:
            self._table.text(data)
        else:
            self._add_text(data)

    def finish(self) -> None:
        """Close what the HTML left open."""
        if self._svg is not None:
            self._close_svg()
        if self._table is not None:
            self._close_table()
        self._flush()

    # -- text outside tables -------------------------------------------------------------------

    def _add_text(self, data: str) -> None:
        room = max(0, self._room.letters - self._letters)
        self._letters += len(data)
        self.reading.letters_left_out += max(0, len(data) - room)
        self._text.append(escape(data[:room], quote=False))

    def _text_start(self, tag: str, attributes: dict[str, str]) -> None:
        kept = [name for name in _ATTRIBUTES.get(tag, ()) if name in attributes]
        written = "".join(f' {name}="{escape(attributes[name])}"' for name in kept)
        self._text.append(f"<{tag}{written}>")

    def _flush(self) -> None:
        html = "".join(self._text)
        self._text = []
        seen = re.sub(r"<[^>]*>", "", html)
        if _SHAPE_LINE.fullmatch(seen):  # the size that pandas writes below a table
            return
        if seen.strip() or "<img" in html:
            self.reading.pieces.append(HtmlText(html))

    def _close_svg(self) -> None:
        self.reading.pieces.append(Drawing("".join(self._svg or ())))
        self._svg = None

    def _close_table(self) -> None:
        if self._table is not None:
            table = self._table.finished()
            if table.rows:
                self.reading.pieces.append(table)
        self._table = None
