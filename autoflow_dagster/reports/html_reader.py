"""HTML outputs read once, from beginning to end: tables, drawings, and the rest.

Nothing of the HTML survives as it was: tables become `Table`s, the rest becomes text that pandoc
reads, and what could run or be fetched (scripts, frames, objects) is counted and left out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html import escape
from html.parser import HTMLParser

from autoflow_dagster.reports.css import Style, Stylesheet, bar, colour
from autoflow_dagster.reports.tables import Align, Cell, Run, Table

_DROPPED = frozenset({"script", "noscript", "iframe", "object", "embed", "template", "canvas", "video",
                      "audio", "form", "button", "select", "textarea", "title"})  # fmt: skip
_VOID = frozenset(
    {"embed", "br", "img", "hr", "input", "meta", "link", "base", "source", "wbr", "col"}
)
_KEPT = frozenset({"p", "div", "span", "b", "strong", "i", "em", "u", "s", "del", "sub", "sup", "code",
                   "pre", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "li", "dl", "dt", "dd",
                   "blockquote", "a", "br", "hr", "img", "small", "center", "kbd", "samp", "tt",
                   "figure", "figcaption", "section", "article", "header", "footer", "main", "details",
                   "summary", "mark", "var", "q", "cite", "abbr", "address"})  # fmt: skip
_SHAPE_LINE = re.compile(r"\s*\d+ rows \u00d7 \d+ columns\s*")
_ALIGNS: dict[str, Align] = {
    "left": "left",
    "start": "left",
    "right": "right",
    "end": "right",
    "center": "center",
}


@dataclass
class HtmlText:
    """HTML without tables that only has harmless elements."""

    html: str


@dataclass
class Drawing:
    """An ``<svg>`` found in the HTML."""

    svg: str


Piece = HtmlText | Drawing | Table


@dataclass
class Reading:
    """What was found in one HTML output, and what was left out of it."""

    pieces: list[Piece] = field(default_factory=list)
    active_parts: int = 0

    @property
    def is_empty(self) -> bool:
        """True when nothing of it can be shown."""
        return not self.pieces


def read_html(html: str, max_rows: int | None = None) -> Reading:
    """Return the tables, drawings and other text of an HTML output, in their order.

    Parameters
    ----------
    html : str
        The ``text/html`` of an output. Anything: broken HTML is read as browsers do, roughly.
    max_rows : int or None
        Body rows to keep of each table; further ones are only counted. None keeps all.
    """
    reader = _Reader(max_rows)
    reader.feed(html)
    reader.close()
    reader.finish()
    return reader.reading


@dataclass
class _OpenTable:
    """A table being read."""

    table: Table
    element_id: str | None
    section: str = "body"
    row: list[Cell] | None = None
    row_hidden: bool = False
    cell: Cell | None = None
    cell_hidden: bool = False
    in_caption: bool = False
    body_rows: int = 0
    nested: int = 0
    look: list[tuple[str, str]] = field(default_factory=list)


class _Reader(HTMLParser):
    def __init__(self, max_rows: int | None) -> None:
        super().__init__(convert_charrefs=True)
        self.reading = Reading()
        self._max_rows = max_rows
        self._css = Stylesheet()
        self._text: list[str] = []
        self._style: list[str] | None = None
        self._dropping: list[str] = []
        self._svg: list[str] | None = None
        self._svg_depth = 0
        self._open: _OpenTable | None = None

    # -- what HTMLParser calls ---------------------------------------------------------------

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
            if self._open is not None:
                self._table_start(self._open, tag, attributes)
            elif tag == "table":
                self._flush()
                self._open = _OpenTable(Table(), attributes.get("id"))
            else:
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
        elif self._open is not None:
            self._table_end(self._open, tag)
        elif tag in _KEPT and tag not in _VOID:
            self._text.append(f"</{tag}>")

    def handle_data(self, data: str) -> None:
        if self._style is not None:
            self._style.append(data)
        elif self._dropping:
            return
        elif self._svg is not None:
            self._svg.append(escape(data, quote=False))
        elif self._open is not None:
            self._table_text(self._open, data)
        else:
            self._text.append(escape(data, quote=False))

    def finish(self) -> None:
        """Close what the HTML left open."""
        if self._svg is not None:
            self._close_svg()
        if self._open is not None:
            self._close_table(self._open)
        self._flush()

    # -- text outside tables -----------------------------------------------------------------

    def _text_start(self, tag: str, attributes: dict[str, str]) -> None:
        if tag not in _KEPT:
            return
        kept = {"a": ("href",), "img": ("src", "alt", "title", "width")}.get(tag, ())
        written = "".join(
            f' {name}="{escape(attributes[name])}"' for name in kept if name in attributes
        )
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
        assert self._svg is not None
        self.reading.pieces.append(Drawing("".join(self._svg)))
        self._svg = None

    # -- tables --------------------------------------------------------------------------------

    def _table_start(self, now: _OpenTable, tag: str, attributes: dict[str, str]) -> None:
        if tag == "table":
            now.nested += 1
        elif now.nested:
            if tag in ("tr", "br", "p", "div") and now.cell is not None and now.cell.runs:
                now.cell.runs.append(Run("\n" if tag != "tr" else "; "))
        elif tag in ("thead", "tbody", "tfoot"):
            self._end_row(now)
            now.section = tag[1:]
        elif tag == "tr":
            self._end_row(now)
            now.row = []
            now.row_hidden = (
                self._css.style_of(tag, attributes, now.element_id).get("display") == "none"
            )
        elif tag in ("td", "th"):
            self._start_cell(now, tag, attributes)
        elif tag == "caption":
            now.in_caption = True
        elif now.cell is not None and (
            tag == "br" or (tag in ("p", "div", "li") and now.cell.text.strip())
        ):
            now.cell.runs.append(Run("\n"))
        elif tag == "img" and now.cell is not None:
            now.cell.runs.append(Run(attributes.get("alt", ""), picture=attributes.get("src", "")))
        elif tag in ("b", "strong", "i", "em", "code", "a"):
            now.look.append((tag, attributes.get("href", "")))

    def _start_cell(self, now: _OpenTable, tag: str, attributes: dict[str, str]) -> None:
        if now.row is None:
            now.row = []
        self._end_cell(now)
        style = self._css.style_of(tag, attributes, now.element_id)
        now.cell_hidden = style.get("display") == "none"
        now.cell = _styled(Cell(header=tag == "th"), style)
        now.cell.colspan = _span(attributes.get("colspan"))
        now.cell.rowspan = _span(attributes.get("rowspan"))
        now.look = []

    def _table_text(self, now: _OpenTable, data: str) -> None:
        if now.in_caption:
            now.table.caption += data
        elif now.cell is not None:
            text = re.sub(r"[ \t\r\n\f]+", " ", data)
            if text == " " and not now.cell.runs:
                return
            tags = {tag for tag, _ in now.look}
            link = next((href for tag, href in reversed(now.look) if tag == "a"), None)
            now.cell.runs.append(
                Run(
                    text,
                    bool(tags & {"b", "strong"}),
                    bool(tags & {"i", "em"}),
                    "code" in tags,
                    link,
                )
            )

    def _table_end(self, now: _OpenTable, tag: str) -> None:
        if now.nested:
            now.nested -= tag == "table"
        elif tag == "table":
            self._close_table(now)
        elif tag == "caption":
            now.in_caption = False
        elif tag in ("td", "th"):
            self._end_cell(now)
        elif tag in ("tr", "thead", "tbody", "tfoot"):
            self._end_row(now)
            now.section = "body" if tag != "tr" else now.section
        elif now.look and tag in {look for look, _ in now.look}:
            while now.look and now.look.pop()[0] != tag:
                pass

    def _end_cell(self, now: _OpenTable) -> None:
        if now.cell is not None and now.row is not None and not now.cell_hidden:
            now.row.append(now.cell)
        now.cell = None

    def _end_row(self, now: _OpenTable) -> None:
        self._end_cell(now)
        row, now.row = now.row, None
        if not row or now.row_hidden:
            return
        table = now.table
        only_heads = all(cell.header for cell in row)
        if table.head == len(table.rows) and (
            now.section == "head" or (only_heads and now.section != "foot")
        ):
            table.head += 1
        else:
            now.body_rows += 1
            if self._max_rows is not None and now.body_rows > self._max_rows:
                table.left_out += 1
                return
        table.rows.append(row)

    def _close_table(self, now: _OpenTable) -> None:
        self._end_row(now)
        self._open = None
        table = now.table
        table.caption = " ".join(table.caption.split())
        if table.head == len(table.rows):  # nothing but head cells: no head to repeat
            table.head = 0
        if table.rows:
            self.reading.pieces.append(table)


def _span(value: str | None) -> int:
    try:
        return max(1, min(int(value or 1), 1000))
    except ValueError:
        return 1


def _styled(cell: Cell, style: Style) -> Cell:
    cell.align = _ALIGNS.get(style.get("text-align", ""))
    cell.colour = colour(style.get("color"))
    background = style.get("background-color") or style.get("background")
    gradient = style.get("background-image") or style.get("background")
    cell.bar = bar(gradient)
    if "gradient" not in (background or ""):
        cell.background = colour(background)
    weight = style.get("font-weight")
    if weight is not None:
        cell.bold = weight in ("bold", "bolder", "600", "700", "800", "900")
    cell.italic = style.get("font-style") == "italic"
    return cell
