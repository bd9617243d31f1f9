"""Reports as one HTML file: the same content as the PDF, self-contained, and harmless."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from autoflow_dagster.reports import Provenance
from autoflow_dagster_tests.report_notebooks import (
    Report,
    code,
    dataframe,
    make,
    markdown,
    picture,
    png,
    printed,
    result,
    shown,
    squeezed,
)

pytestmark = pytest.mark.integration
DRAWING = '<svg xmlns="http://www.w3.org/2000/svg" width="20" height="10" onload="alert(1)"></svg>'
CELLS = (
    markdown("# Flows\n\nOne with $x^2$[^1]\n\n[^1]: Note one.\n\n| t |\n|---|\n| Two |"),
    code("plot()", picture(caption="Three")),
    code("df", shown("text/html", dataframe(2))),
    markdown("## Four\n\nSame note[^1]\n\n[^1]: Note two."),
    code("x", result("Five")),
    code(
        "y", shown("text/html", f"<h3>Six</h3>{DRAWING}"), shown("text/latex", r"$\frac{Se}{ven}$")
    ),
    code("print('Eight')", printed("Nine"), tags=["show_input"]),
)
ATTACK = """
<script>alert('one')</script><img src=x onerror="alert('two')"><a href="javascript:alert('three')">x</a>
<iframe src="https://evil.example"></iframe><link rel=stylesheet href="https://evil.example/a.css">
<table onclick="alert('four')"><tr><td style="background:url(https://evil.example/b)"><img src="https://evil.example/c">
</td><td><a href="javascript:alert('five')">y</a></td></tr></table>
<form action="https://evil.example"><input></form><meta http-equiv="refresh" content="0;url=https://evil.example">
<svg><script>alert('six')</script><image href="https://evil.example/d"/></svg><object data="https://evil.example"></object>
<base href="https://evil.example"><style>@import url(https://evil.example/e);</style><details open ontoggle=alert(7)>z</details>
"""


class Page(HTMLParser):
    """What a browser would fetch, run or follow, and whether elements are closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.sources: list[str] = []
        self.links: list[str] = []
        self.active: list[str] = []
        self.ids: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what matters of an element."""
        for name, value in attrs:
            if name in ("src", "data", "action", "srcset", "poster", "background"):
                self.sources.append(value or "")
            elif name in ("href", "xlink:href"):
                self.links.append(value or "")
            elif name.startswith("on"):
                self.active.append(name)
            elif name == "id":
                self.ids.append(value or "")
        if tag in ("script", "iframe", "object", "embed", "link", "base", "form"):
            self.active.append(tag)
        if tag not in ("meta", "br", "img", "hr", "col", "input"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take an element that ends itself; HTML only has void ones."""
        self.handle_starttag(tag, attrs)
        if self.open and self.open[-1] == tag:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        """Check that the last open element ends."""
        assert self.open.pop() == tag


def visible(report: Report) -> str:
    """Return the text of the page without white space."""
    text = re.sub(r"<style>.*?</style>|<[^>]*>", "", report.text, flags=re.DOTALL)
    return squeezed(text)


def test_html_has_the_content_of_the_pdf_in_its_order(tmp_path: Path) -> None:
    """One notebook, two formats, one report."""
    about = Provenance(workflow="flows", run_id="run-1")
    page = visible(make(tmp_path, *CELLS, format="html", provenance=about))
    pdf = make(tmp_path, *CELLS, provenance=about).squeezed
    for words in (
        "Flows",
        "flows",
        "One",
        "Two",
        "Three",
        "col0",
        "Four",
        "Five",
        "Six",
        "Eight",
        "Nine",
        "run-1",
    ):
        assert words in page, words
        assert words in pdf, words
    order = ["One", "Two", "Three", "col0", "Four", "Five", "Six", "Eight", "Nine", "run-1"]
    assert sorted(order, key=page.index) == order
    assert sorted(order, key=pdf.index) == order


def test_html_is_one_file_that_fetches_nothing(tmp_path: Path) -> None:
    """Pictures are inside, and the page itself forbids the browser to fetch or run anything."""
    report = make(tmp_path, *CELLS, format="html")
    page = Page(report.text)
    assert len(page.sources) == 2
    assert all(source.startswith("data:image/") for source in page.sources)
    assert all(link.startswith("#") for link in page.links)
    assert page.active == []
    assert "default-src 'none'" in report.text
    assert "@media print" in report.text


def test_html_is_well_formed_and_its_anchors_are_unique(tmp_path: Path) -> None:
    """Footnotes of two cells have the same name, and still lead to their own notes."""
    page = Page(make(tmp_path, *CELLS, format="html").text)
    assert page.open == []
    assert len(set(page.ids)) == len(page.ids)
    assert {link[1:] for link in page.links} <= set(page.ids)


def test_html_of_outputs_can_do_nothing(tmp_path: Path) -> None:
    """Scripts, handlers, frames, forms and addresses of others are left out, and it is said."""
    cells = [
        code("x", shown("text/html", ATTACK)),
        markdown(ATTACK),
        code("y", shown("text/markdown", ATTACK)),
        code("z", shown("image/svg+xml", DRAWING)),
        code("w", result("<script>alert('eight')</script>"), printed("<b>"), tags=["show_input"]),
    ]
    report = make(tmp_path, *cells, format="html")
    page = Page(report.text)
    assert page.active == []
    assert all(source.startswith("data:") for source in page.sources)
    assert "evil.example" not in report.text
    assert "javascript:" not in report.text
    assert "Interactive content left out" in report.text
    assert "&lt;script&gt;alert('eight')" in report.text


def test_formulas_are_mathml(tmp_path: Path) -> None:
    """Browsers set MathML without any script."""
    report = make(tmp_path, *CELLS, format="html")
    assert report.text.count("<math") == 2
    assert "<mfrac>" in report.text


def test_tables_say_what_their_heads_are(tmp_path: Path) -> None:
    """For those who listen to a table."""
    report = make(tmp_path, *CELLS, format="html")
    assert '<th scope="col" class="r">col0</th>' in report.text
    assert '<th scope="row" class="r">0</th>' in report.text


def test_pictures_have_their_size_and_alternative_text(tmp_path: Path) -> None:
    """Retina pictures at half their pixels."""
    cell = code("#| fig-alt: A <map>\nx", picture(png(800, 400), **{"image/png": {"width": 400}}))
    report = make(tmp_path, cell, format="html")
    assert 'alt="A &lt;map&gt;" width="400"' in report.text


def test_letters_that_a_reader_may_lack_come_with_the_page(tmp_path: Path) -> None:
    """Nepali, Arabic and emoji bring their shapes; common letters do not."""
    plain = make(tmp_path, markdown("Déjà vu, Ελληνικά, Кириллица → ≤"), format="html")
    assert "@font-face" not in plain.text
    report = make(tmp_path, markdown("काठमाडौँ حركة 🚀"), format="html")
    assert report.text.count("@font-face") == 3
    for letter in "कح🚀":
        assert f"U+{ord(letter):X}" in report.text
    assert report.path.stat().st_size < 200_000


def test_a_title_with_formatting_stands_once(tmp_path: Path) -> None:
    """The first heading moves to the head of the page."""
    report = make(tmp_path, markdown("# Flows *above* 1 < 2\n\nText"), format="html")
    assert "<h1>Flows <em>above</em> 1 &lt; 2</h1>" in report.text
    assert "<title>Flows above 1 &lt; 2</title>" in report.text
    assert report.text.count("<h1") == 1
