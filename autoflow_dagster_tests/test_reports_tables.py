"""Tables in reports: read from HTML, shrunk or parted or turned, never cut off."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from autoflow_dagster.reports import css
from autoflow_dagster.reports.html_reader import read_html
from autoflow_dagster.reports.room import Room
from autoflow_dagster.reports.tables import Table, is_number
from autoflow_dagster.reports.tables_asciidoc import table_to_asciidoc
from autoflow_dagster_tests.report_notebooks import (
    code,
    dataframe,
    make,
    markdown,
    shown,
    squeezed,
)

integration = pytest.mark.integration


def read_table(html: str, room: Room | None = None) -> Table:
    """Return the only table of some HTML."""
    (table,) = read_html(html, room or Room()).pieces
    assert isinstance(table, Table)
    return table


def texts(table: Table) -> list[list[str]]:
    """Return the texts of a table, row by row."""
    return [[cell.text for cell in row] for row in table.rows]


def as_output(html: str) -> object:
    """Return a cell that shows a table."""
    return code("df", shown("text/html", html, "plain text of the table"))


def test_a_dataframe_is_read_as_it_is_shown() -> None:
    """Head, index and numbers; pandas' line about the size is not part of it."""
    frame = pd.DataFrame({"place": ["A|B", "<C>"], "flow": [1.5, -2]}, index=["x", "y"])
    html = frame._repr_html_() + "<p>2 rows \u00d7 2 columns</p>"
    table = read_table(html)
    assert texts(table) == [["", "place", "flow"], ["x", "A|B", "1.5"], ["y", "<C>", "-2.0"]]
    assert table.head == 1
    assert table.alignments() == ["left", "left", "right"]


def test_a_styler_keeps_colours_formats_captions_and_hides_its_index() -> None:
    """What a notebook's author did to a table is seen in the report."""
    frame = pd.DataFrame({"a": [1.234, 2.5], "b": [0.1, 0.9]})
    styler = (
        frame.style.hide(axis="index")
        .format("{:.1f} %")
        .set_caption("Flows & *January*")
        .map(lambda v: "color: red; background-color: #abc; font-weight: bold" if v > 2 else "")
    )
    table = read_table(styler.to_html())
    assert table.caption == "Flows & *January*"
    assert texts(table) == [["a", "b"], ["1.2 %", "0.1 %"], ["2.5 %", "0.9 %"]]
    marked = table.rows[2][0]
    assert (marked.colour, marked.background, marked.bold) == ("#FF0000", "#AABBCC", True)
    assert table.rows[1][0].background is None


def test_bars_of_a_styler_are_bars() -> None:
    """The coloured part of each cell is kept."""
    html = pd.DataFrame({"a": [1, 4]}).style.bar(color="#d65f5f", vmin=0).to_html()
    assert read_table(html).rows[2][1].bar == ((0.0, 100.0, "#D65F5F"),)


def test_a_multiindex_keeps_its_spans() -> None:
    """Cells over several rows and columns are where pandas puts them."""
    index = pd.MultiIndex.from_product([["North", "South"], ["x", "y"]], names=["region", "kind"])
    columns = pd.MultiIndex.from_product([["2016", "2017"], ["in", "out"]])
    frame = pd.DataFrame(1, index=index, columns=columns)
    table = read_table(frame.to_html())
    assert table.head == 3
    assert table.width() == 6
    places = {
        place.cell.text: (place.x, place.y, place.colspan, place.rowspan)
        for place in table.placed()
    }
    assert places["2016"] == (2, 0, 2, 1)
    assert places["South"] == (0, 5, 1, 2)


def test_cells_keep_line_breaks_links_and_emphasis() -> None:
    """What stands inside a cell is flattened, not lost."""
    (row,) = read_table(
        '<table><tr><td>a<br>b</td><td><a href="https://example.org">l</a></td>'
        "<td><b>bold</b> <i>it</i><table><tr><td>in</td><td>ner</td></tr></table></td></tr></table>"
    ).rows
    assert [cell.text for cell in row] == ["a\nb", "l", "bold it; in ner"]
    assert row[1].runs[0].link == "https://example.org"
    assert next(run.bold for run in row[2].runs)


@pytest.mark.parametrize(
    "html",
    [
        "<table>",
        "<table><tr><td>",
        "<table><tr><td>a<td>b<tr><td>c",
        "<table><thead><tr><th>only head</th></tr></thead></table>",
        "<table><tr><td rowspan=99 colspan=99999>x</td></tr></table>",
        "<table><tr><td rowspan='x' colspan='-1'>x</td></tr></table>",
        "</table></td><table></table>",
        "<table><tr><td><script>1</script><style>x</style></td></tr></table>",
    ],
)
def test_broken_html_is_read_all_the_same(html: str) -> None:
    """Nothing about HTML is certain, least of all that it is closed."""
    for piece in read_html(html, Room()).pieces:
        assert isinstance(piece, Table)
        assert piece.placed() is not None
        assert table_to_asciidoc(piece).endswith("|===\n")


def test_rows_without_room_are_counted_and_not_read() -> None:
    """A table of a hundred thousand rows costs no more than the rows that are kept."""
    table = read_table(dataframe(100_000), Room(rows=500))
    assert len(table.rows) == 501
    assert table.left_out == 99_500


def test_what_looks_like_a_number_is_aligned_as_one() -> None:
    """Signs, separators, units and exponents do not make a word of a number."""
    for text in ("1", "-1.5", "1,234.50", "12 %", "1e-05", "+3", "1 234", "\u22125", "$5"):
        assert is_number(text), text
    for text in ("", "a", "2016-01-01", "1 to 2", "12:30", "A1", "1a"):
        assert not is_number(text), text


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("#abc", "#AABBCC"),
        ("#AABBCCDD", "#AABBCC"),
        ("#aabbcc00", None),
        ("rgb(255, 0, 16)", "#FF0010"),
        ("rgba(1,2,3,0)", None),
        ("red", "#FF0000"),
        ("Salmon", "#FA8072"),
        ("transparent", None),
        ("expression(alert(1))", None),
        (None, None),
    ],
)
def test_colours_are_understood_or_left_out(value: str | None, expected: str | None) -> None:
    """Whatever CSS says, only a plain colour gets through."""
    assert css.colour(value) == expected


@integration
def test_a_long_table_repeats_its_head_on_every_page(tmp_path: Path) -> None:
    """150 rows over several pages, each row once, the last one not as a foot."""
    report = make(tmp_path, as_output(dataframe(150)))
    assert len(report.pages) >= 3
    for page in report.pages[:3]:
        assert "col0 col1 col2" in page
    for row in (0, 75, 149):
        assert report.text.count(f"{row}.0 {row}.1") == 1
    assert "rows \u00d7" not in report.text


@integration
@pytest.mark.parametrize("columns", [18, 60])
@pytest.mark.parametrize("rows", [5, 30])
def test_a_wide_table_is_never_cut_off(tmp_path: Path, columns: int, rows: int) -> None:
    """Smaller, in parts or turned: every cell is inside the page."""
    html = pd.DataFrame(
        {f"column {c}": [1000.123456 + c * rows + r for r in range(rows)] for c in range(columns)}
    ).to_html()
    report = make(tmp_path, as_output(html))
    found = report.squeezed
    for row in range(rows):
        for column in range(columns):
            assert f"{1000.123456 + column * rows + row:.6f}" in found
    for page in report.pdf.pages:
        ends: list[float] = []

        def visit(
            text: str, cm: list[float], tm: list[float], *_: object, ends: list[float] = ends
        ) -> None:
            if text.strip():
                ends.append(cm[0] * tm[4] + cm[4])

        page.extract_text(visitor_text=visit)
        assert max(ends) < float(page.mediabox.width) - 50


@integration
def test_a_long_table_is_shortened_in_pdf_and_whole_in_html(tmp_path: Path) -> None:
    """The PDF says how many rows it left out."""
    cell = as_output(dataframe(640))
    pdf = make(tmp_path, cell)
    assert "140 more rows left out." in pdf.text
    assert pdf.summary.notes == ("140 more rows left out.",)
    assert "499.2" in pdf.text
    assert "500.2" not in pdf.text
    shorter = make(tmp_path, cell, max_table_rows=20)
    assert "620 more rows left out." in shorter.text
    page = make(tmp_path, cell, format="html")
    assert "639.2" in page.text
    assert page.summary.notes == ()


@integration
def test_text_in_tables_is_broken_into_lines_and_numbers_are_not(tmp_path: Path) -> None:
    """A long text wraps inside its column, an endless word too; numbers stay whole."""
    words = "a rather long description of a place " * 8
    endless = "x" * 300
    html = pd.DataFrame({"n": [123456.789012], "words": [words], "endless": [endless]}).to_html()
    with pd.option_context("display.max_colwidth", None):
        html = pd.DataFrame(
            {"n": [123456.789012], "words": [words], "endless": [endless]}
        ).to_html()
    report = make(tmp_path, as_output(html))
    assert len(report.pages) == 1
    assert "123456.789012" in report.text
    assert squeezed(words) in report.squeezed
    assert report.squeezed.count("x") >= 300


@integration
def test_a_multiindex_is_set_with_its_spans(tmp_path: Path) -> None:
    """The first level stands once for all its rows."""
    index = pd.MultiIndex.from_product([["North", "South"], ["x", "y", "z"]])
    report = make(tmp_path, as_output(pd.DataFrame({"n": range(6)}, index=index).to_html()))
    assert report.text.count("North") == 1
    assert "plain text of the table" not in report.text


@integration
@pytest.mark.parametrize("lines", [37, 38, 39, 40])
def test_a_heading_a_caption_and_the_first_row_stay_together(tmp_path: Path, lines: int) -> None:
    """Wherever the page ends: with so many lines before them, it ends there."""
    rows = "".join(f"<tr><td>row {n}.</td></tr>" for n in range(40))
    table = f"<table><caption>CAPTION</caption><thead><tr><th>HEAD</th></tr></thead>{rows}</table>"
    text = "\n\n".join(f"Line {n}" for n in range(lines))
    report = make(tmp_path, markdown(f"{text}\n\n## HEADING"), code("1", shown("text/html", table)))
    [page] = [page for page in report.pages if "HEADING" in page]
    assert "CAPTION" in page
    assert page.index("CAPTION") < page.index("HEAD\n") < page.index("row 0.")
