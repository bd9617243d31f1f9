"""The gallery is executed and becomes a report; its documentation tells the truth."""

from __future__ import annotations

import re
from pathlib import Path

import papermill
import pytest

from autoflow_dagster.reports import ReportOptions, remarks, write_report
from autoflow_dagster.reports.jinja import _ALIASES, _NBCONVERT
from autoflow_dagster.reports.programs import TEMPLATES
from autoflow_dagster.reports.tidy import HIDE, HIDE_INPUT, HIDE_OUTPUT, PAGE_BREAK, SHOW_INPUT
from autoflow_dagster_tests.report_notebooks import Report

ROOT = Path(__file__).parent.parent
GALLERY = ROOT / "examples" / "report-gallery"
PAGE = (ROOT / "docs" / "reports.md").read_text(encoding="utf-8")


@pytest.mark.integration
@pytest.mark.filterwarnings("default")  # other packages' warnings while a kernel is started
def test_the_gallery_becomes_both_kinds_of_report(tmp_path: Path) -> None:
    """One notebook with everything that a report can show, in both formats."""
    executed = tmp_path / "gallery.ipynb"
    papermill.execute_notebook(
        GALLERY / "gallery.ipynb", executed, {"reference_date": "2016-01-08"}, progress_bar=False
    )
    for chosen in ("pdf", "html"):
        path = tmp_path / f"gallery.{chosen}"
        options = ReportOptions(format="html" if chosen == "html" else "pdf", inputs_dir=GALLERY)
        report = Report(write_report(executed, path, options), path)
        assert report.summary.notes == (remarks.SCRIPTS,)
        for words in (
            "on 2016-01-08 outflows",
            "Outflows by region",
            "flood | road closed",
            "1.5 times normal",
        ):
            assert words in re.sub(r"\s+", " ", report.text)
        for words in ("has the tag hide", "Printed text is for", "import numpy"):
            assert words not in report.text


def test_the_documentation_shows_the_pages_of_the_gallery() -> None:
    """Every picture is there, none is left over, and they are small."""
    shown = set(re.findall(r"images/(report-gallery-\d+\.png)", PAGE))
    there = {
        path.name: path.stat().st_size for path in (ROOT / "docs/images").glob("report-gallery-*")
    }
    assert shown == set(there)
    assert sum(there.values()) < 1_500_000


def test_the_documentation_names_every_tag_and_block() -> None:
    """Blocks that templates can override, and tags that cells can have."""
    for tag in ("hide", "hide_input", "hide_output", "show_input", "page_break"):
        assert any(tag in tags for tags in (HIDE, HIDE_INPUT, HIDE_OUTPUT, SHOW_INPUT, PAGE_BREAK))
        assert f"`{tag}`" in PAGE
    for name in ("base.asciidoc.j2", "report.html.j2"):
        blocks = set(
            re.findall(r"{%-? block (\w+)", (TEMPLATES / name).read_text(encoding="utf-8"))
        )
        for block in blocks - {"data_priority", "data_widget_view", "unknowncell"}:
            assert f"`{block}`" in PAGE, block
    for extended in re.findall(r"{% extends '([^']+)' %}`", PAGE):
        assert extended in _ALIASES or extended in _NBCONVERT


def test_the_example_of_the_documentation_is_the_example() -> None:
    """What the page shows of the template is in the template."""
    template = (GALLERY / "letterhead.asciidoc.j2").read_text(encoding="utf-8")
    (shown,) = re.findall(r"```jinja\n(.*?)```", PAGE, re.DOTALL)
    for block in re.split(r"\n\n(?={%-)", shown.strip()):
        assert block.strip() in template
