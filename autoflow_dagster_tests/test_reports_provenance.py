"""What a report says about itself, and how it comes to its place."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path

import pytest

from autoflow_dagster.errors import ReportError
from autoflow_dagster.reports import Provenance, ReportOptions, write_report
from autoflow_dagster.reports.provenance import date_ranges_text, dates_text, provenance_text
from autoflow_dagster_tests.report_notebooks import (
    Report,
    code,
    dataframe,
    make,
    markdown,
    picture,
    shown,
)

FULL = Provenance(
    workflow="flows_above_normal",
    reference_date=date(2016, 1, 7),
    parameters={"aggregation_unit": "admin3", "departure": date(2015, 12, 1), "empty": None},
    parameters_hash="0123456789abcdef0123456789abcdef",
    date_ranges=((date(2016, 1, 1), date(2016, 1, 4)), (date(2016, 1, 7), date(2016, 1, 8))),
    missing_dates=(date(2016, 1, 2),),
    run_id="8c1d5b3e",
    notebook_filename="flows_report.ipynb",
    notebook_sha256="ab" * 32,
    made_at=datetime(2016, 1, 8, 7, 30, tzinfo=timezone(timedelta(hours=2))),
    versions={"pandas": "3.1", "autoflow_dagster": "1.0"},
)
CELLS = (
    markdown("# Flows <above> *normal*\n\nText"),
    code("plot()", picture()),
    code("df", shown("text/html", dataframe(5))),
)


@pytest.fixture(scope="module", params=["pdf", "html"])
def report(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Report:
    """Return a report with full provenance."""
    directory = tmp_path_factory.mktemp("full")
    return make(
        directory, *CELLS, format=request.param, provenance=FULL, author="Team", language="fr"
    )


@pytest.mark.integration
def test_title_workflow_date_and_parameters_are_at_the_head(report: Report) -> None:
    """The title once, from the notebook's first heading, and a line of parameters."""
    text = report.text if report.path.suffix == ".html" else report.pages[0]
    head = text[: text.index("Text")]
    for part in ("flows_above_normal", "2016-01-07", "aggregation_unit", "admin3", "2015-12-01"):
        assert part in head
    assert report.summary.title == "Flows normal"


@pytest.mark.integration
def test_the_end_says_how_the_report_was_made(report: Report) -> None:
    """Notebook and hash, days used and missing, run, time in UTC and versions."""
    for part in (
        "About this report",
        "flows_report.ipynb",
        "ab" * 32,
        "2016-01-01 to 2016-01-03, 2016-01-07",
        "2016-01-02",
        "8c1d5b3e",
        "2016-01-08 05:30 UTC",
        "autoflow_dagster 1.0, pandas 3.1",
        "0123456789abcdef0123456789abcdef",
    ):
        assert part in report.text


@pytest.mark.integration
def test_pages_are_numbered_and_metadata_are_set(tmp_path: Path) -> None:
    """A PDF viewer shows title, author and language, and knows when it was made."""
    made = make(tmp_path, *CELLS, provenance=FULL, author="Team", language="fr")
    assert f"1 / {len(made.pages)}" in made.pages[0]
    assert made.summary.pages == len(made.pages)
    assert made.summary.size_bytes == made.path.stat().st_size
    metadata = made.pdf.metadata
    assert metadata is not None
    assert (metadata.title, metadata.author) == ("Flows normal", "Team")
    assert metadata.creation_date == datetime(2016, 1, 8, 5, 30, tzinfo=UTC)
    assert made.pdf.root_object["/Lang"] == "fr"


@pytest.mark.integration
@pytest.mark.parametrize("chosen", ["pdf", "html"])
def test_the_same_notebook_gives_the_same_bytes(tmp_path: Path, chosen: str) -> None:
    """Whenever and wherever it is made."""
    first = make(tmp_path / "one", *CELLS, format=chosen, provenance=FULL)
    source = tmp_path / "one" / "flows_report.ipynb"
    again = tmp_path / "again.file"
    write_report(source, again, ReportOptions(format="pdf" if chosen == "pdf" else "html"), FULL)
    assert again.read_bytes() == first.path.read_bytes()


@pytest.mark.integration
@pytest.mark.parametrize(
    ("cells", "metadata", "title"),
    [
        ([markdown("Words\n\n# Later heading")], {}, "Later heading"),
        ([markdown("## Second level only")], {}, "Flows report"),
        ([markdown("# Heading")], {"title": "Said in *metadata*"}, "Said in *metadata*"),
        ([], {}, "Flows report"),
    ],
)
def test_the_title_comes_from_the_notebook(
    tmp_path: Path, cells: list[object], metadata: dict[str, str], title: str
) -> None:
    """Its metadata, else its first heading of the first level, else its name."""
    made = make(
        tmp_path,
        *cells,
        metadata=metadata,
        name="flows_report__w_2016-01-01_ab__20160101T000000Z.ipynb",
    )
    assert made.summary.title == title
    assert title in made.pages[0]


@pytest.mark.integration
def test_a_report_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    """A conversion that fails leaves the older report, and no rubbish beside it."""
    older = tmp_path / "report.pdf"
    older.write_bytes(b"older")
    template = tmp_path / "bad.tpl"
    template.write_text("{{ nothing.at.all }}")
    with pytest.raises(ReportError):
        make(tmp_path, *CELLS, template=template)
    assert older.read_bytes() == b"older"
    assert {path.name for path in tmp_path.iterdir()} == {
        "report.pdf",
        "bad.tpl",
        "flows_report.ipynb",
    }


def test_importing_reports_imports_nothing_heavy() -> None:
    """Every run loads the code location, few of them make a report."""
    heavy = "nbconvert nbformat bs4 typst pypandoc PIL matplotlib jinja2 pygments fontTools"
    script = (
        "import sys, autoflow_dagster.reports;"
        f"print(sorted(set({heavy.split()!r}) & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    assert done.stdout.strip() == "[]"


def test_days_are_told_as_readers_count_them() -> None:
    """Half-open ranges become first and last day; neighbouring days become ranges."""
    day = date(2016, 1, 1)
    assert date_ranges_text([(day, day + timedelta(days=1))]) == "2016-01-01"
    assert date_ranges_text([(day, day + timedelta(days=3))]) == "2016-01-01 to 2016-01-03"
    days = [day + timedelta(days=n) for n in (4, 0, 1, 1)]
    assert dates_text(days) == "2016-01-01 to 2016-01-02, 2016-01-05"
    assert dates_text([]) == ""


def test_what_is_not_known_is_not_told() -> None:
    """No empty lines in the box."""
    about = provenance_text(Provenance(), "Title")
    assert about.rows == ()
    assert about.footer == "Title"
    long = provenance_text(Provenance(parameters={"a": "x" * 500}), "T")
    assert len(long.parameters[0][1]) == 80
