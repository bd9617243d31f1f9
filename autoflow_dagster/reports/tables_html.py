"""Tables as HTML. Only what `Table` holds is written: no markup of the notebook gets through."""

from __future__ import annotations

from collections.abc import Callable
from html import escape

from autoflow_dagster.reports.tables import Cell, Placed, Run, Table


def table_to_html(table: Table, picture: Callable[[str], str], note: str = "") -> str:
    """Return a ``<table>`` in a box that scrolls sideways when the table is wider than the page.

    Parameters
    ----------
    table : Table
    picture : callable
        Turns the source of a picture inside a cell into an ``<img>`` or a remark.
    note : str
        A remark under the table; empty for none.
    """
    width = table.width()
    aligns = table.alignments()
    rows: list[list[str]] = [[] for _ in table.rows]
    for place in table.placed():
        rows[place.y].append(_cell(place, aligns[place.x], place.y < table.head, picture))
    lines = [f"<tr>{''.join(row)}</tr>" for row in rows]
    head, body = lines[: table.head], lines[table.head :]
    size = " many" if width > 12 else ""
    parts = [f'<div class="table{size}" tabindex="0"><table>']
    if table.caption:
        parts.append(f"<caption>{escape(table.caption)}</caption>")
    if head:
        parts.append("<thead>" + "\n".join(head) + "</thead>")
    parts.append("<tbody>" + "\n".join(body) + "</tbody></table></div>")
    if note:
        parts.append(f'<p class="remark">{escape(note)}</p>')
    return "\n".join(parts)


def _cell(place: Placed, column: str, head: bool, picture: Callable[[str], str]) -> str:
    cell = place.cell
    tag = "th" if cell.header or head else "td"
    attributes = ""
    if place.colspan > 1:
        attributes += f' colspan="{place.colspan}"'
    if place.rowspan > 1:
        attributes += f' rowspan="{place.rowspan}"'
    if tag == "th":
        kind = "col" if head else "row"
        attributes += f' scope="{kind}{"group" if place.colspan > 1 or place.rowspan > 1 else ""}"'
    align = "center" if place.colspan > 1 else cell.align or column
    if align != "left":
        attributes += f' class="{align[0]}"'
    if style := _style(cell):
        attributes += f' style="{style}"'
    return f"<{tag}{attributes}>{''.join(_run(run, picture) for run in cell.runs)}</{tag}>"


def _style(cell: Cell) -> str:
    rules = []
    if cell.bar:
        stops = []
        at = 0.0
        for start, end, colour in cell.bar:
            stops += [f"transparent {at:g}% {start:g}%", f"{colour} {start:g}% {end:g}%"]
            at = end
        rules.append(f"background:linear-gradient(90deg,{','.join(stops)},transparent {at:g}%)")
    if cell.background:
        rules.append(f"background-color:{cell.background}")
    if cell.colour:
        rules.append(f"color:{cell.colour}")
    if cell.bold is not None:
        rules.append(f"font-weight:{'bold' if cell.bold else 'normal'}")
    if cell.italic:
        rules.append("font-style:italic")
    return ";".join(rules)


def _run(run: Run, picture: Callable[[str], str]) -> str:
    if run.picture is not None:
        return picture(run.picture)
    html = escape(run.text, quote=False).replace("\n", "<br>")
    for wanted, tag in ((run.code, "code"), (run.italic, "em"), (run.bold, "strong")):
        if wanted:
            html = f"<{tag}>{html}</{tag}>"
    if run.link and run.link.startswith(("https://", "http://", "mailto:")):
        html = f'<a href="{escape(run.link)}">{html}</a>'
    return html
