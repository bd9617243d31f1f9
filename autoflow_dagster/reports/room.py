"""How much of an output a report shows, so that no notebook makes one that nobody can open."""

from __future__ import annotations

from dataclasses import dataclass

from autoflow_dagster.reports.model import DEFAULT_MAX_TABLE_ROWS


@dataclass(frozen=True)
class Room:
    """The most that is shown of one output; what is beyond it is left out with a remark.

    Attributes
    ----------
    lines : int
        Lines of printed text.
    letters : int
        Characters of Markdown or HTML, tables not counted.
    markup_lines : int
        Lines of Markdown.
    rows : int or None
        Body rows of a table; None is as many as `cells` allow.
    cells : int
        Cells of a table.
    """

    lines: int = 400
    letters: int = 200_000
    markup_lines: int = 5_000
    rows: int | None = DEFAULT_MAX_TABLE_ROWS
    cells: int = 100_000

    @property
    def printed_letters(self) -> int:
        """Characters of printed text."""
        return 120 * self.lines


def room_in_pdf(max_table_rows: int) -> Room:
    """Return the room of an output in a PDF."""
    return Room(rows=max_table_rows)


def room_in_html() -> Room:
    """Return the room of an output in an HTML file, where tables stay whole."""
    return Room(lines=5000, letters=1_000_000, markup_lines=20_000, rows=None, cells=600_000)
