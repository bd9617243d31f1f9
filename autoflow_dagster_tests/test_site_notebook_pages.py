"""Executed notebooks as pages: everything is shown, nothing runs, nothing is loaded."""

from __future__ import annotations

import re
from pathlib import Path

import html5lib
import pytest

from autoflow_dagster.previews import WIDTH
from autoflow_dagster.site.notebook_pages import (
    LARGEST_NOTEBOOK_BYTES,
    harmless,
    notebook_html,
    write_notebook_page,
)
from autoflow_dagster.site.thumbnails import draw_thumbnail, keep_thumbnail
from autoflow_dagster_tests.site_samples import (
    code_cell,
    markdown_cell,
    notebook_text,
    shown,
    tiny_pdf,
)


def page_of(*cells: dict[str, object], executed: str = "notebooks/a.ipynb") -> str:
    """Return the page of a notebook with some cells."""
    return notebook_html(notebook_text(*cells), executed, "Flows <b>")


def body_of(*cells: dict[str, object]) -> str:
    """Return the part of the page that comes from the notebook."""
    return page_of(*cells).split("</bdi></p>", 1)[1]


def test_code_and_outputs_are_shown() -> None:
    """Unlike in a report nothing is hidden."""
    warning = {"output_type": "stream", "name": "stderr", "text": "careful <x>"}
    error = {
        "output_type": "error",
        "ename": "E",
        "evalue": "v",
        "traceback": ["\x1b[31mValueError\x1b[0m: <v>"],
    }
    body = body_of(
        markdown_cell("# Title"),
        code_cell("x = 1", shown(text_html="<table><tr><td>7</td></tr></table>"), warning, error),
    )
    for part in ("<h1>Title</h1>", '<span class="mi">1</span>', "<td>7</td>", "careful &lt;x&gt;"):
        assert part in body
    assert '<span class="ansi-red-fg">ValueError</span>: &lt;v&gt;' in body


def test_the_page_is_valid_and_escapes_the_title() -> None:
    """And links back, and to the notebook itself."""
    page = page_of(executed="notebooks/failed/a b.ipynb")
    html5lib.HTMLParser(strict=True).parse(page)
    assert "<title>Flows &lt;b&gt;" in page
    assert 'href="../../../index.html"' in page
    assert 'href="../../../notebooks/failed/a%20b.ipynb"' in page
    assert "stopped with an error" in page


def test_the_page_forbids_itself_to_run_or_load_anything() -> None:
    """Whatever serves it."""
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page_of())
    assert policy
    assert policy[1].startswith("default-src 'none'; img-src data:; style-src 'unsafe-inline'")


@pytest.mark.parametrize(
    "active",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "<svg onload=alert(1)></svg>",
        '<a href="javascript:alert(1)">a</a>',
        '<a href=" java\tscript:alert(1)">a</a>',
        '<a href="data:text/html,<script>alert(1)</script>">a</a>',
        "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
        '<iframe src="https://alert.example.org"></iframe>',
        '<meta http-equiv="refresh" content="0;url=https://alert.example.org">',
        '<base href="https://alert.example.org/">',
        '<link rel="stylesheet" href="https://alert.example.org">',
        '<form action="https://alert.example.org"><button>x</button></form>',
        '<object data="https://alert.example.org"></object>',
        '<svg><a xlink:href="javascript:alert(1)"><text>a</text></a></svg>',
        '<button formaction="javascript:alert(1)">a</button>',
    ],
)
def test_what_runs_or_loads_is_left_out(active: str) -> None:
    """In texts and in outputs."""
    body = body_of(markdown_cell(f"before {active} after"), code_cell("x", shown(text_html=active)))
    assert "alert" not in body
    assert "before" in body


def test_what_is_harmless_stays() -> None:
    """Links, pictures inside the file, styles of tables, drawings."""
    kept = (
        '<a href="https://example.org/a?b=c#d">a</a><a href="#here">b</a><a href="other.html">c</a>'
        '<img alt="" src="data:image/png;base64,AAAA"/><td style="color: red">1</td>'
        '<svg viewbox="0 0 1 1"><path d="M0 0"></path></svg>'
    )
    assert harmless(kept) == kept


def test_an_interactive_output_says_that_it_is_left_out() -> None:
    """Rather than leaving an empty place."""
    active = "<div id='plot'></div><script>draw()</script>"
    assert "Open the notebook file in Jupyter" in body_of(code_cell("x", shown(text_html=active)))


def test_scraps_and_other_invisible_outputs_are_passed_over() -> None:
    """Without a warning."""
    scrap = shown(**{"application_scrapbook.scrap.json+json": "{}"})
    assert "output_area" not in body_of(code_cell("glue", scrap))


def test_formulas_are_shown_without_a_script() -> None:
    """As MathML: in texts and in results. Money stays money."""
    body = body_of(
        markdown_cell(
            "Inline $x^2$.\n\n$$\\int f$$\n\n\\begin{align}a&=b\\end{align}\n\n$5 and $6"
        ),
        code_cell("x", shown(text_latex="$\\displaystyle y$", text_plain="y")),
        markdown_cell("$\\notacommand{$"),
    )
    assert body.count("<math") == 4
    assert "$5 and $6" in body
    assert "$\\notacommand{$" in body


def test_a_missing_attachment_does_not_cost_the_page() -> None:
    """Its text is shown instead."""
    assert "<em>a map</em>" in body_of(markdown_cell("![a map](attachment:map.png)"))


def test_files_of_this_machine_are_not_read(tmp_path: Path) -> None:
    """A notebook is shown, not completed."""
    (tmp_path / "secret.png").write_bytes(b"SECRET")
    body = body_of(markdown_cell(f"![a]({tmp_path}/secret.png) ![b](secret.png)"))
    assert "U0VDUkVU" not in body


def test_a_page_is_made_once(tmp_path: Path) -> None:
    """An executed notebook does not change."""
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks/a.ipynb").write_text(notebook_text())
    assert write_notebook_page(tmp_path, "notebooks/a.ipynb", "A")
    page = tmp_path / "site/notebooks/a.html"
    page.write_text("made")
    assert write_notebook_page(tmp_path, "notebooks/a.ipynb", "A")
    assert page.read_text() == "made"


def test_a_broken_or_huge_notebook_has_no_page(tmp_path: Path) -> None:
    """And is no error: the file itself is linked to."""
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks/broken.ipynb").write_text("{")
    with (tmp_path / "notebooks/huge.ipynb").open("wb") as file:
        file.truncate(LARGEST_NOTEBOOK_BYTES + 1)
    for name in ("broken", "huge", "absent"):
        assert not write_notebook_page(tmp_path, f"notebooks/{name}.ipynb", name)
    assert not list(tmp_path.rglob("*.html"))


def test_the_first_page_of_a_report_becomes_a_small_picture(tmp_path: Path) -> None:
    """Readable on sharp screens, and a few kilobytes."""
    from PIL import Image

    (tmp_path / "reports").mkdir()
    (tmp_path / "reports/a.pdf").write_bytes(tiny_pdf())
    draw_thumbnail(tmp_path, "reports/a.pdf")
    with Image.open(tmp_path / "site/thumbnails/a.png") as picture:
        assert picture.size == (WIDTH, round(WIDTH * 842 / 595))
        assert picture.convert("L").getextrema() == (0, 255)
    assert (tmp_path / "site/thumbnails/a.png").stat().st_size < 20_000


def test_a_report_that_is_no_pdf_has_no_picture(tmp_path: Path) -> None:
    """And is no error."""
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports/a.pdf").write_text("no PDF")
    draw_thumbnail(tmp_path, "reports/a.pdf")
    draw_thumbnail(tmp_path, "reports/absent.pdf")
    assert not list(tmp_path.rglob("*.png"))


def test_a_picture_is_drawn_once_and_replaced_with_its_report(tmp_path: Path) -> None:
    """Who makes a report has its picture already."""
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports/a.pdf").write_bytes(tiny_pdf())
    for picture in (b"first", b"second"):
        keep_thumbnail(tmp_path, "reports/a.pdf", picture)
        draw_thumbnail(tmp_path, "reports/a.pdf")
        assert (tmp_path / "site/thumbnails/a.png").read_bytes() == picture
    assert len(list((tmp_path / "site/thumbnails").iterdir())) == 1
