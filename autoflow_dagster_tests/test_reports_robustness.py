"""Notebooks that no one would write, and limits: the report is made, or an error says why not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pypdf import PdfReader

from autoflow_dagster.errors import ReportError
from autoflow_dagster.reports import ReportOptions, remarks, typst_child, write_report
from autoflow_dagster.reports.markdown import Converter
from autoflow_dagster.reports.programs import (
    Limits,
    ProgramFailedError,
    memory_error,
    run_pandoc,
    run_python,
)
from autoflow_dagster.reports.text import plain_text, shortened, wrapped
from autoflow_dagster_tests.report_notebooks import (
    code,
    dataframe,
    make,
    markdown,
    printed,
    result,
    shown,
)

integration = pytest.mark.integration
MEGABYTE = 1_000_000


@integration
@pytest.mark.parametrize("chosen", ["pdf", "html"])
def test_many_megabytes_of_output_are_shortened(tmp_path: Path, chosen: str) -> None:
    """Printed text, a result on one line, a table, a page of HTML and Markdown, each with a remark."""
    cells = [
        code("1", printed("a line of text\n" * (10 * MEGABYTE // 15)), tags=["show_input"]),
        code("2", result("x " * (5 * MEGABYTE))),
        code("3", shown("text/html", f"<p>{'word ' * MEGABYTE}</p>")),
        code("4", shown("text/markdown", "word\n\n" * (MEGABYTE // 4))),
        *([code("5", shown("text/html", dataframe(30_000)))] if chosen == "pdf" else []),
        markdown("The end"),
    ]
    report = make(tmp_path, *cells, format=chosen)
    assert "The end" in report.text
    text = " ".join(report.text.split())
    assert len(report.summary.notes) == len(cells) - 1
    for note in report.summary.notes:
        assert " more " in note
        assert note in text
    assert report.path.stat().st_size < 6 * MEGABYTE


@integration
def test_escape_codes_and_overwritten_lines_do_not_show(tmp_path: Path) -> None:
    """As in a terminal, where a progress bar leaves its last state."""
    text = "\x1b[1;31mred\x1b[0m \x1b]8;;https://x\x07link\x1b]8;;\x07\a\b\x00\n 10%\r 50%\r100%\r\nend"
    report = make(tmp_path, code("1", printed(text), tags=["show_input"]), code("2", result(text)))
    assert report.text.count("red link") == 2
    assert report.text.count("100%") == 2
    for gone in ("[1;31m", "10%\n", " 50%", "8;;"):
        assert gone not in report.text


@integration
def test_letters_without_a_font_are_named(tmp_path: Path) -> None:
    """The report says which, and what to do."""
    report = make(tmp_path, markdown("# Title\n\n漢 and 字"))
    note = "No font for these characters: U+5B57, U+6F22. Put one that has them into inputs/fonts."
    assert report.summary.notes == (note,)
    assert note in " ".join(report.pages[0].split())


@integration
def test_fonts_of_the_inputs_directory_are_used(tmp_path: Path) -> None:
    """A font there fills what the packages' fonts lack."""
    from fontTools.fontBuilder import FontBuilder
    from fontTools.pens.ttGlyphPen import TTGlyphPen

    pen = TTGlyphPen(None)
    for point in ((0, 0), (0, 700), (700, 700)):
        pen.lineTo(point) if pen.points else pen.moveTo(point)
    pen.closePath()
    builder = FontBuilder(1000, isTTF=True)
    builder.setupGlyphOrder([".notdef", "han"])
    builder.setupCharacterMap({0x6F22: "han"})
    builder.setupGlyf({".notdef": pen.glyph(), "han": pen.glyph()})
    builder.setupHorizontalMetrics({".notdef": (800, 0), "han": (800, 0)})
    builder.setupHorizontalHeader(ascent=800, descent=-200)
    builder.setupNameTable({"familyName": "Test Han", "styleName": "Regular"})
    builder.setupOS2(sTypoAscender=800, usWinAscent=800, usWinDescent=200)
    builder.setupPost()
    fonts = tmp_path / "inputs" / "fonts"
    fonts.mkdir(parents=True)
    builder.save(fonts / "han.ttf")
    (fonts / "broken.ttf").write_bytes(b"not a font")
    report = make(tmp_path, markdown("A 漢"), inputs_dir=tmp_path / "inputs")
    assert report.summary.notes == ()
    assert "漢" in report.text


@integration
@pytest.mark.parametrize("chosen", ["pdf", "html"])
@pytest.mark.parametrize(
    "outputs",
    [
        [{"output_type": "display_data"}],
        [{"output_type": "display_data", "data": {}, "metadata": None}],
        [{"output_type": "display_data", "data": {"text/plain": ["a\n", "b"]}, "metadata": {}}],
        [{"output_type": "stream", "text": ["a", "b"]}],
        [{"output_type": "error"}],
        [{"output_type": "of the future", "data": {"text/plain": "x"}}],
        [
            {
                "output_type": "execute_result",
                "data": {"application/x-unknown": {"a": 1}},
                "metadata": {},
            }
        ],
        [
            {
                "output_type": "execute_result",
                "data": {"application/json": {"a": [1]}},
                "metadata": {},
            }
        ],
        None,
    ],
)
def test_notebooks_that_are_not_valid_are_read_all_the_same(
    tmp_path: Path, outputs: Any, chosen: Any
) -> None:
    """What is missing or unknown is passed over."""
    cells = [
        {"cell_type": "markdown", "source": ["# Ti", "tle"]},
        {"cell_type": "code", "source": "x", "outputs": outputs, "metadata": None},
        {"cell_type": "of the future", "source": "y"},
        {"cell_type": "code"},
    ]
    notebook = tmp_path / "odd.ipynb"
    notebook.write_text(json.dumps({"cells": cells, "nbformat": 4, "nbformat_minor": 9}))
    summary = write_report(notebook, tmp_path / "r", ReportOptions(format=chosen))
    assert summary.title == "Title"


@integration
def test_a_notebook_of_an_older_format_is_read(tmp_path: Path) -> None:
    """Version 3, in which cells stand in worksheets."""
    notebook = tmp_path / "old.ipynb"
    cells = [{"cell_type": "markdown", "source": "# Old", "metadata": {}}]
    content = {"worksheets": [{"cells": cells}], "metadata": {}, "nbformat": 3, "nbformat_minor": 0}
    notebook.write_text(json.dumps(content))
    assert write_report(notebook, tmp_path / "old.pdf").title == "Old"


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"\xff\xfe", b'{"cells": 3}', b'{"cells": [1]}']
)
def test_what_is_no_notebook_is_refused(tmp_path: Path, content: bytes) -> None:
    """With its name, and no trace of a report."""
    notebook = tmp_path / "bad.ipynb"
    notebook.write_bytes(content)
    with pytest.raises(ReportError, match=r"^Notebook bad\.ipynb: it is not a notebook"):
        write_report(notebook, tmp_path / "bad.pdf")
    assert [path.name for path in tmp_path.iterdir()] == ["bad.ipynb"]


@integration
def test_a_formula_that_typst_refuses_becomes_its_source(tmp_path: Path) -> None:
    """One formula costs the others their beauty, never the report."""
    wild = [
        r"\text{#panic()}",
        r"x^{",
        r"\left(",
        r"\begin{matrix}a&b\\",
        r"\color{red}{\verb|x|}",
        "#",
        "$$",
    ]
    cells = [code("x", shown("text/latex", f"$${latex}$$")) for latex in wild]
    report = make(tmp_path, *cells, markdown("Afterwards $x^2$"))
    assert "Afterwards" in report.text


@integration
def test_the_time_limit_is_kept_and_named(tmp_path: Path) -> None:
    """A conversion without time ends with an error that says so."""
    with pytest.raises(ReportError, match=r"took longer than its limit of 0\.001 seconds"):
        make(tmp_path, markdown("# x"), time_limit_seconds=0.001)


@integration
def test_programs_are_stopped_at_the_memory_limit(tmp_path: Path) -> None:
    """Pandoc, which would look for the end of a block for ever, and Typst."""
    limits = Limits(60, 100)
    with pytest.raises(ProgramFailedError) as caught:
        run_pandoc(["-f", "asciidoc", "-t", "native"], "++++\nno end", limits, tmp_path)
    assert caught.value.out_of_memory
    greedy = tmp_path / "greedy.typ"
    greedy.write_text("#let much = range(200000000)")
    request = {
        "root": str(tmp_path),
        "fonts": [],
        "timestamp": 0,
        "memory_mb": limits.memory_mb,
        "input": str(greedy),
        "output": str(tmp_path / "greedy.pdf"),
    }
    with pytest.raises(ProgramFailedError) as caught:
        run_python(Path(typst_child.__file__), json.dumps(request), limits, tmp_path)
    assert caught.value.out_of_memory
    message = str(memory_error(limits))
    assert message.startswith("Report: the conversion needed more memory than its limit of 100 MB.")


@integration
def test_programs_see_nothing_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither tokens, nor another pandoc, nor anybody's settings."""
    monkeypatch.setenv("FLOWAPI_TOKEN", "hush")
    fake = tmp_path / "pandoc"
    fake.write_text("#!/bin/sh\nexit 9\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    script = tmp_path / "env.lua"
    script.write_text("for k, v in pairs(pandoc.system.environment()) do print(k, v) end")
    seen = run_pandoc(["lua", script], "", Limits(60, 500), tmp_path)
    assert "hush" not in seen
    assert str(tmp_path / "pandoc") not in seen
    assert make(tmp_path, markdown("# Made")).summary.title == "Made"


@integration
def test_a_text_that_pandoc_cannot_read_is_found_among_many(tmp_path: Path) -> None:
    """The others are converted, and the one is said to have failed."""
    deep = "*a " * 5_000
    converter = Converter("asciidoc", Limits(120, 60), tmp_path)
    converter.prepare([("*a*", "markdown"), (deep, "markdown"), ("_c_", "markdown")])
    assert converter.convert("*a*", "markdown").text.strip() == "_a_"
    assert converter.convert("_c_", "markdown").text.strip() == "_c_"
    assert converter.convert(deep, "markdown").failed


@integration
def test_a_failing_program_says_what_it_said(tmp_path: Path) -> None:
    """Its words are kept for whoever mends it."""
    with pytest.raises(ProgramFailedError, match="Unknown input format nonsense"):
        run_pandoc(["-f", "nonsense"], "", Limits(60, 500), tmp_path)


def test_printed_text_is_cleaned_shortened_and_wrapped() -> None:
    """Line by line, and within a line that has no end."""
    assert plain_text("a\r\nb\rc\n") == "a\nc\n"
    assert plain_text("\x9b31mx\x1b(B\x1b[?25l") == "x"
    assert shortened("a\nb\nc", 3, 100) == ("a\nb\nc", 0, 0)
    assert shortened("a\nb\nc\n\n", 2, 100) == ("a\nb", 1, 0)
    assert shortened("x" * 50, 5, 20) == ("x" * 20, 0, 30)
    assert shortened("ab\n" + "x" * 50 + "\nc", 5, 20) == ("ab\n" + "x" * 17, 1, 33)
    assert wrapped("abcdef\n漢字", 4) == "abcd\nef\n漢字"
    assert wrapped("漢字a", 4) == "漢字\na"


def test_remarks_count_in_words() -> None:
    """One row is not rows."""
    assert remarks.rows_left_out(1) == "1 more row left out."
    assert remarks.rows_left_out(1234) == "1,234 more rows left out."
    assert remarks.lines_left_out(1) == "1 more line of printed text left out."
    assert remarks.letters_left_out(2) == "2 more characters left out."


@integration
def test_relative_paths_are_those_of_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Notebook, report, template and the pictures beside it."""
    monkeypatch.chdir(tmp_path)
    cells = [{"cell_type": "markdown", "source": "# Here", "metadata": {}}]
    content = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    Path("here.ipynb").write_text(json.dumps(content))
    Path("my.asciidoc.j2").write_text(
        "{% extends 'autoflow/report.asciidoc.j2' %}{% block footer %}RELATIVE{% endblock %}"
    )
    options = ReportOptions(template=Path("my.asciidoc.j2"), keep_source=Path("source"))
    summary = write_report(Path("here.ipynb"), Path("here.pdf"), options)
    assert summary.path == tmp_path / "here.pdf"
    assert "RELATIVE" in "".join(page.extract_text() for page in PdfReader("here.pdf").pages)
    assert list(Path("source").glob("*.asciidoc"))
