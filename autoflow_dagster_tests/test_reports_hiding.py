"""What a report does not show: code and noise, unless asked for, and secrets, never."""

from __future__ import annotations

import html
from pathlib import Path

import pytest

from autoflow_dagster.reports import Provenance
from autoflow_dagster.reports.redaction import Redactor
from autoflow_dagster_tests.report_notebooks import (
    Report,
    code,
    error,
    make,
    markdown,
    printed,
    result,
    shown,
)

WIDGET = "application/vnd.jupyter.widget-view+json"
TOKEN = "eyJhbGciOi.s3cr3t&<token>"
CELLS = (
    code("default_parameter = 1", tags=["parameters"]),
    code("injected = 2", tags=["injected-parameters"]),
    markdown("papermill says it failed", tags=["papermill-error-cell-tag"]),
    code(
        "visible_code = 3  # noqa",
        printed("said on stdout\n"),
        printed("warned on stderr\n", "stderr"),
        shown(WIDGET, {"model_id": "x"}, "widget: 50%|#####     |"),
        shown("application/papermill.record+json", {"x": 1}, "papermill record"),
        shown("application/scrapbook.scrap.json+json", {"x": 1}, "scrapbook scrap"),
        result("<function f at 0x7f6a2c>"),
        result("[<matplotlib.lines.Line2D at 0x7f6a2c>]"),
        result("<Axes: title={'center': 'x'}>"),
        result("the result"),
        error("went wrong"),
    ),
    code("hidden_cell", result("of a hidden cell"), tags=["hide"]),
    code("hidden_input = 4", result("its output"), tags=["hide_input"]),
    code("its_code = 5", result("hidden output"), tags=["hide_output"]),
    code("shown_input = 6", printed("printed by shown code"), tags=["show_input"]),
    code("removed = 7", result("of a removed cell"), tags=["remove-cell"]),
)
NEVER = (
    "default_parameter", "injected", "papermill", "stderr", "widget", "scrapbook", "0x7f6a2c", "<Axes",
    "hidden_cell", "of a hidden cell", "hidden_input", "hidden output", "removed",
)  # fmt: skip
ALWAYS = ("the result", "its output", "shown_input", "printed by shown code")
WITH_CODE = ("visible_code", "said on stdout", "ValueError: went wrong", "its_code")


@pytest.mark.integration
@pytest.mark.parametrize("chosen", ["pdf", "html"])
def test_code_and_noise_are_hidden(tmp_path: Path, chosen: str) -> None:
    """Readers see results; code, prompts, printed text, errors and progress bars they do not."""
    report = make(tmp_path, *CELLS, format=chosen)
    for text in (*NEVER, *WITH_CODE):
        assert html.escape(text, quote=False) not in report.text
    for text in ALWAYS:
        assert text in report.text
    assert "In [" not in report.text


@pytest.mark.integration
@pytest.mark.parametrize("chosen", ["pdf", "html"])
def test_code_is_shown_when_asked_for(tmp_path: Path, chosen: str) -> None:
    """With what it prints and its errors; parameters, stderr and tagged cells stay hidden."""
    report = make(tmp_path, *CELLS, format=chosen, show_code=True)
    shown_text = report.text if chosen == "pdf" else visible(report)
    for text in NEVER:
        assert text not in shown_text
    for text in (*ALWAYS, *WITH_CODE):
        assert text in shown_text


def visible(report: Report) -> str:
    """Return the text of an HTML report without its tags."""
    import re

    return html.unescape(re.sub(r"<[^>]*>", "", report.text))


@pytest.mark.integration
def test_shown_code_is_highlighted(tmp_path: Path) -> None:
    """In colours, without the comments that are meant for the report."""
    cell = code("#| fig-cap: x\ndef f():\n    return 'text'", tags=["show_input"])
    pdf = make(tmp_path, cell)
    assert "fig-cap" not in pdf.text
    assert len({bytes(c) for c in _colours(pdf)}) >= 3
    page = make(tmp_path, cell, format="html")
    assert '<span class="k">def</span>' in page.text


def _colours(report: Report) -> list[bytes]:
    found: list[bytes] = []
    for page in report.pdf.pages:
        contents = page.get_contents()
        assert contents is not None
        found += [
            line for line in contents.get_data().split(b"\n") if line.endswith((b" scn", b" rg"))
        ]
    return found


@pytest.mark.integration
@pytest.mark.parametrize("chosen", ["pdf", "html"])
def test_secrets_and_directories_are_never_in_a_report(tmp_path: Path, chosen: str) -> None:
    """However they got into the notebook, its provenance, or the kept sources."""
    escaped = html.escape(TOKEN)
    place = str(tmp_path)
    cells = [
        markdown(f"# Token {TOKEN}\n\nIn {place}/notebooks/a.ipynb"),
        code(f"token = '{TOKEN}'", printed(f"{TOKEN}\n{place}"), error(TOKEN)),
        code(
            "x",
            shown(
                "text/html", f"<p>{escaped} {place}</p><table><tr><td>{escaped}</td></tr></table>"
            ),
        ),
        code("x", result(TOKEN), shown("text/markdown", f"at {TOKEN}")),
    ]
    report = make(
        tmp_path,
        *cells,
        format=chosen,
        show_code=True,
        secrets=(TOKEN, ""),
        keep_source=tmp_path / "kept",
        author=f"by {TOKEN}",
        provenance=Provenance(
            workflow=f"flows {TOKEN}", parameters={"token": TOKEN, TOKEN: 1}, run_id=f"run {TOKEN}"
        ),
    )
    assert "***" in report.text
    assert "***" in report.summary.title
    for path in [report.path, *tmp_path.glob("kept/*")]:
        for secret in ("s3cr3t", place):
            assert secret.encode() not in path.read_bytes()
    assert "s3cr3t" not in report.text + str(report.summary)
    assert place not in report.text
    if chosen == "pdf":
        assert "s3cr3t" not in str(report.pdf.metadata)


def test_secrets_are_found_in_every_spelling() -> None:
    """As they are, and escaped for HTML, for addresses and for Python."""
    redactor = Redactor(["pa&ss/w\\rd", "  "])
    for spelling in ("pa&ss/w\\rd", "pa&amp;ss/w\\rd", "pa%26ss%2Fw%5Crd", "pa&ss/w\\\\rd"):
        assert redactor.text(f"<{spelling}>") == "<***>"
    assert redactor.text("nothing of it") == "nothing of it"
    assert redactor.value({"a": ["pa&ss/w\\rd", 1]}) == {"a": ["***", 1]}


def test_the_root_directory_is_no_secret() -> None:
    """Hiding "/" would hide every slash."""
    assert Redactor([], [Path("/"), Path("/tmp")]).text("a/b /tmp") == "a/b /tmp"
