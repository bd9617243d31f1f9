"""Tests of `autoflow report`: the same documents as a run makes, for authors of templates."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest
from bs4 import BeautifulSoup
from pypdf import PdfReader

from autoflow_dagster.cli.report import provenance_of
from autoflow_dagster_tests.command_line import call
from autoflow_dagster_tests.conftest import names_in

Capsys = pytest.CaptureFixture[str]

HASH = "d41d8cd98f00b204e9800998ecf8427e"
NAME = f"notes__my_flow_2016-01-07_{HASH}__20160108T000000Z"
TEMPLATE = """{% extends "autoflow/report.asciidoc.j2" %}
{% block footer %}
DUMMY_FOOTER
{% endblock footer %}
"""


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No settings but an inputs directory that is not there."""
    monkeypatch.setenv("AUTOFLOW_INPUTS_DIR", str(tmp_path / "inputs"))
    for name in ("AUTOFLOW_REPORT_AUTHOR", "FLOWAPI_TOKEN"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def notebook(tmp_path: Path) -> Path:
    """An executed notebook with a heading, a line of code and its result."""
    result = {
        "output_type": "execute_result",
        "execution_count": 1,
        "metadata": {},
        "data": {"text/plain": "'DUMMY_RESULT'"},
    }
    content = {
        "cells": [
            {"cell_type": "markdown", "id": "a", "metadata": {}, "source": "# DUMMY_TITLE"},
            {
                "cell_type": "code",
                "id": "b",
                "execution_count": 1,
                "metadata": {},
                "outputs": [result],
                "source": "'DUMMY_' + 'RESULT'",
            },
        ],
        "metadata": {"kernelspec": {"name": "python3", "display_name": "", "language": "python"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    path = tmp_path / f"{NAME}.ipynb"
    path.write_text(json.dumps(content))
    return path


def text_of(pdf: Path) -> str:
    """Return the text of a PDF."""
    return "\n".join(page.extract_text() for page in PdfReader(pdf).pages)


def test_a_report_appears_beside_its_notebook(capsys: Capsys, notebook: Path) -> None:
    """With what the notebook's name tells of the run, and without code."""
    ended = call(capsys, "report", notebook)
    assert (ended.status, ended.err) == (0, "")
    report = notebook.with_suffix(".pdf")
    assert ended.out.startswith(f"{report}: 1 page, ")
    text = text_of(report)
    assert "DUMMY_TITLE" in text
    assert "DUMMY_RESULT" in text
    assert "my_flow" in text
    assert "2016-01-07" in text
    assert "'DUMMY_' +" not in text


def test_the_format_is_that_of_the_output(capsys: Capsys, notebook: Path) -> None:
    """Or what --format says."""
    directory = notebook.parent
    ended = call(capsys, "report", notebook, "-o", directory / "a.html", "--show-code")
    assert ended.status == 0
    text = BeautifulSoup((directory / "a.html").read_text(), "html.parser").get_text()
    assert "DUMMY_TITLE" in text
    assert "'DUMMY_' + 'RESULT'" in text
    ended = call(capsys, "report", notebook, "-o", directory / "b", "--format", "html")
    assert ended.status == 0
    assert (directory / "b").read_text().lstrip().startswith("<!")


def test_the_sources_can_be_kept(capsys: Capsys, notebook: Path) -> None:
    """In a directory of their own, so that two reports do not overwrite each other's."""
    destination = notebook.parent / "kept.pdf"
    ended = call(capsys, "report", notebook, "-o", destination, "--keep-source")
    assert ended.status == 0
    source = notebook.parent / "kept.source"
    assert ended.out.endswith(f"\n{source}: what it was made from\n")
    assert "DUMMY_RESULT" in next(source.glob("*.asciidoc")).read_text()
    assert list(source.glob("*.typ"))


def test_a_template_is_used(capsys: Capsys, notebook: Path) -> None:
    """One that lies outside the inputs directory, too."""
    template = notebook.parent / "my.asciidoc.j2"
    template.write_text(TEMPLATE)
    destination = notebook.parent / "templated.pdf"
    ended = call(capsys, "report", notebook, "--template", template, "-o", destination)
    assert (ended.status, ended.err) == (0, "")
    assert "DUMMY_FOOTER" in text_of(destination)


def test_a_mistake_in_a_template_is_told_as_in_a_run(capsys: Capsys, notebook: Path) -> None:
    """With its line; no report appears."""
    template = notebook.parent / "bad.tpl"
    template.write_text("{% extends 'asciidoc.tpl' %}\n{% block %}\n")
    destination = notebook.parent / "bad.pdf"
    ended = call(capsys, "report", notebook, "--template", template, "-o", destination)
    assert (ended.status, ended.out) == (1, "")
    assert ended.err.startswith("Error: Template bad.tpl:2: ")
    assert not destination.exists()


def test_what_is_not_there_is_told(capsys: Capsys, notebook: Path) -> None:
    """The notebook, or the directory of the report."""
    ended = call(capsys, "report", notebook.parent / "absent.ipynb")
    assert ended.status == 1
    assert ended.err.startswith("Error: Notebook absent.ipynb: ")
    absent = notebook.parent / "absent"
    ended = call(capsys, "report", notebook, "-o", absent / "a.pdf")
    assert (ended.status, ended.err) == (
        1,
        f"Error: {absent}: there is no such directory.\n  Name another place with -o.\n",
    )
    assert names_in(notebook.parent) == [notebook.name]


def test_provenance_is_read_from_the_name() -> None:
    """As output_stem writes it; another name tells nothing."""
    provenance = provenance_of(Path("outputs") / f"{NAME}.ipynb")
    assert provenance.workflow == "my_flow"
    assert provenance.reference_date == date(2016, 1, 7)
    assert provenance.parameters_hash == HASH
    assert provenance.notebook_filename == "notes.ipynb"
    assert provenance_of(Path("mine.ipynb")).workflow is None


def test_settings_count_as_in_a_run(
    capsys: Capsys, notebook: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Language, author and the longest table of a PDF, and the limit of time."""
    content = json.loads(notebook.read_text())
    rows = "".join(f"<tr><td>row{n}</td></tr>" for n in range(9))
    content["cells"][1]["outputs"][0]["data"]["text/html"] = f"<table>{rows}</table>"
    notebook.write_text(json.dumps(content))
    monkeypatch.setenv("AUTOFLOW_REPORT_LANGUAGE", "fr")
    monkeypatch.setenv("AUTOFLOW_REPORT_AUTHOR", "DUMMY_AUTHOR")
    monkeypatch.setenv("AUTOFLOW_REPORT_MAX_TABLE_ROWS", "4")
    assert call(capsys, "report", notebook).status == 0
    pdf = notebook.with_suffix(".pdf")
    assert PdfReader(pdf).trailer["/Root"]["/Lang"] == "fr"
    assert PdfReader(pdf).metadata["/Author"] == "DUMMY_AUTHOR"
    text = text_of(pdf)
    assert "row3" in text
    assert "row5" not in text
    assert "5 more rows left out" in text
    monkeypatch.setenv("AUTOFLOW_REPORT_TIME_LIMIT", "0.001")
    ended = call(capsys, "report", notebook)
    assert ended.status == 1
    assert "0.001" in ended.err
