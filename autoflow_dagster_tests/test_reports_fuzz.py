"""Any text, in any kind of output, is shown in the PDF as the text that it is."""

from __future__ import annotations

import html
import re
import string
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from autoflow_dagster_tests.report_notebooks import (
    Report,
    code,
    make,
    markdown,
    printed,
    result,
    shown,
    squeezed,
)

pytestmark = pytest.mark.integration

# Letters whose shapes PDF readers give back one by one, and everything that is syntax to something.
READABLE = (
    string.ascii_letters
    + string.digits
    + string.punctuation
    + " \t\n"
    + "éßñÆλωЖя«»\u2013€°²±\u00d7≤→"
)
SYNTAX = (
    "a|b", "<<x>>", "{attr}", "#let", "++++", "include::/etc/passwd[]", "|===", "----", "....", "= h",
    "* i", "** i", ". i", "NOTE: n", ":a: b", "// c", "'''", "<<<", "image::x.png[]", "[[a]]", "[.x]",
    "a::b", "a;;", "(C)", "...", "--", "->", "&amp;", "&#65;", "<b>", "</p>", "<!--", "]]>", "$x$",
    "\\(x\\)", "@ref", "https://a.b/c", "a@b.c", "`c`", "~s~", "^s^", "\\", "\\n", "#[", "]", "*/", "/*",
    "//", "pass:[x]", "+++x+++", "{{ x }}", "{% x %}", "link:x[y]", "footnote:[z]", "#pagebreak()",
    "-1", "1.", "1)", "___", "***", "+", "====", "ifdef::x[]", "endif::[]", "toc::[]", "{set:cellbgcolor:red}",
)  # fmt: skip
READABLE_TEXT = st.lists(
    st.one_of(st.sampled_from(SYNTAX), st.text(READABLE, max_size=12)), min_size=1, max_size=5
).map(" ".join)
ANY_TEXT = st.text(st.characters(), max_size=60)

BOUNDED = settings(
    max_examples=12,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
        HealthCheck.filter_too_much,
    ],
)


def literal_markdown(text: str) -> str:
    """Return Markdown that means the text itself."""
    flat = " ".join(text.split())
    return re.sub(r"([!-/:-@\[-`{-~])", r"\\\1", flat)


def in_every_output(text: str) -> list[object]:
    """Return cells that show the text in every kind of output."""
    escaped = html.escape(text)
    return [
        code("1", result(f"A{text}A")),
        code("2", printed(f"B{text}B"), tags=["show_input"]),
        code("3", shown("text/html", f"<p>C{escaped}C</p>")),
        code(
            "4",
            shown("text/html", f"<table><tr><th>D{escaped}D</th><td>E{escaped}E</td></tr></table>"),
        ),
        code("5", shown("text/markdown", f"F{literal_markdown(text)}F")),
        markdown(f"## G{literal_markdown(text)}G"),
        code("6", shown("text/html", f"<pre>H{escaped}H</pre>")),
    ]


@contextmanager
def made(cells: list[object]) -> Iterator[Report]:
    """Make a PDF in a directory of its own."""
    with tempfile.TemporaryDirectory(prefix="autoflow-fuzz-") as directory:
        yield make(Path(directory), *cells)


def text_of(report: Report) -> str:
    """Return all text of a PDF without white space and without its footers."""
    footer = re.compile(r"Flowsreport\d+/\d+$")
    return "".join(footer.sub("", squeezed(page)) for page in report.pages)


@BOUNDED
@given(st.lists(READABLE_TEXT, min_size=4, max_size=4))
@example(["include::/etc/passwd[]", "++++\nx", "a|b <<x>> {attr} #let", "'''\n----\n....\n|===\n"])
def test_any_text_in_any_output_is_in_the_pdf(texts: list[str]) -> None:
    """Syntax of AsciiDoc, Typst, Markdown and HTML in data is text like any other."""
    with made([cell for text in texts for cell in in_every_output(text)]) as report:
        found = text_of(report)
    for text in texts:
        wanted = squeezed(text)
        for mark in "ABCDEFGH":
            assert f"{mark}{wanted}{mark}" in found
    assert report.summary.notes == ()


@BOUNDED
@given(st.lists(ANY_TEXT, min_size=4, max_size=4))
@example(["\x00\x1b[31m\x07", "\ud800", "\u202e\u2066", "\uffff\U0010ffff"])
def test_no_text_keeps_a_report_from_being_made(texts: list[str]) -> None:
    """Whatever Unicode has, in any output, as Markdown and as LaTeX too."""
    cells = [cell for text in texts for cell in in_every_output(text)]
    cells += [code("7", shown("text/markdown", text)) for text in texts]
    cells += [code("8", shown("text/latex", f"${text}$")) for text in texts]
    cells += [code("9", shown("text/html", text)) for text in texts]
    with made([markdown("# Survivor"), *cells]) as report:
        assert report.pages[0].startswith("Survivor")
