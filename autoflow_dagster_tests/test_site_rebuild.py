"""A lost site, made again."""

from __future__ import annotations

import shutil
import subprocess
import sys
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from autoflow_dagster.naming import output_stem
from autoflow_dagster.site import SiteState, needs_rebuild, rebuild, record_run, records_on_disk
from autoflow_dagster.site.store import Store
from autoflow_dagster_tests.site_samples import document, record

DAY = date(2016, 1, 7)
HASH = "0123456789abcdef0123456789abcdef"


def stem(notebook: str, second: int, day: date | None = DAY, workflow: str = "my flow") -> str:
    """Return the name of the files of a notebook that started at some second."""
    started = datetime(2026, 2, 1, 9, 30, second, tzinfo=UTC)
    return output_stem(f"{notebook}.ipynb", workflow, day, HASH, started)


def pages(outputs: Path) -> dict[str, str]:
    """Return the pages of a site without the time of their making."""
    found = [outputs / "index.html", *(outputs / "site").rglob("*.html")]
    return {
        str(path.relative_to(outputs)): path.read_text().partition("<footer>")[0] for path in found
    }


def test_names_of_files_tell_what_has_run(tmp_path: Path) -> None:
    """Two attempts of a chain of two notebooks, of which the first attempt failed."""
    for name, second in (("first", 0), ("first", 10), ("second", 11)):
        document(tmp_path, stem(name, second), formats=("pdf",) if name == "second" else ())
    failed = tmp_path / f"notebooks/failed/{stem('second', 1)}.ipynb"
    failed.parent.mkdir()
    failed.write_text("{}")
    document(tmp_path, stem("alone", 20, None, "by_hand"))
    (tmp_path / "notebooks/other.ipynb").write_text("{}")
    found = sorted(records_on_disk(tmp_path), key=lambda one: one.ended_at)
    assert [(r.config, r.reference_date, r.state) for r in found] == [
        ("my flow", DAY, SiteState.FAILED),
        ("my flow", DAY, SiteState.DONE),
        ("by_hand", None, SiteState.DONE),
    ]
    assert [d.notebook for d in found[1].documents] == ["first", "second"]
    assert found[1].documents[1].reports == {"pdf": f"reports/{stem('second', 11)}.pdf"}


def test_the_caller_knows_the_configs(tmp_path: Path) -> None:
    """File names tell only workflows."""
    document(tmp_path, stem("a", 0))
    (found,) = records_on_disk(tmp_path, lambda workflow, params_hash, day: f"{workflow}, {day}")
    assert (found.config, found.workflow) == ("my flow, 2016-01-07", "my flow")


def test_a_lost_site_is_noticed_and_made_again_from_the_files(tmp_path: Path) -> None:
    """Somebody deleted the directory."""
    assert not needs_rebuild(tmp_path)
    document(tmp_path, stem("a", 0))
    assert needs_rebuild(tmp_path)
    assert rebuild(tmp_path) == 1
    assert not needs_rebuild(tmp_path)
    assert "7 January 2016" in (tmp_path / "index.html").read_text()


def test_a_rebuilt_site_is_the_one_that_was_kept_up_to_date(tmp_path: Path) -> None:
    """Also without the pages, or with the caller's records."""
    records = []
    for month in (1, 2, 4):
        day = date(2016, month, 5)
        files = document(tmp_path, stem("flows_report", month, day))
        records.append(record(day, documents=(files,)))
        record_run(tmp_path, records[-1])
    kept = pages(tmp_path)
    for directory in ("configs", "dates", "latest"):
        shutil.rmtree(tmp_path / "site" / directory)
    rebuild(tmp_path)
    assert pages(tmp_path) == kept
    assert len(list((tmp_path / "site/latest").rglob("*.pdf"))) == 1
    shutil.rmtree(tmp_path / "site")
    rebuild(tmp_path, reversed(records))
    assert pages(tmp_path) == kept


def test_what_is_known_is_kept_and_unknown_files_are_added(tmp_path: Path) -> None:
    """A rebuild forgets no error message."""
    record_run(tmp_path, record(DAY, SiteState.FAILED, error="boo", config="my flow"))
    document(tmp_path, stem("a", 0, date(2016, 1, 8)))
    assert rebuild(tmp_path) == 2
    assert rebuild(tmp_path) == 2
    entries = Store(tmp_path).read_month("my flow", "2016-01")
    assert entries["2016-01-07"].current.error == "boo"
    assert entries["2016-01-08"].current.state is SiteState.DONE


def test_given_records_replace_what_was_known(tmp_path: Path) -> None:
    """The caller's ledger is right."""
    record_run(tmp_path, record(date(2015, 1, 1)))
    rebuild(tmp_path, [record(DAY)])
    assert not (tmp_path / "site/configs/flows/2015-01.html").exists()
    assert "2015" not in (tmp_path / "index.html").read_text()


@pytest.mark.integration
def test_the_command_makes_a_lost_site_again(tmp_path: Path) -> None:
    """Python -m autoflow_dagster.site."""
    document(tmp_path, stem("a", 0))
    command = [sys.executable, "-m", "autoflow_dagster.site", str(tmp_path), "--no-server"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "1 runs taken in.\n"
    assert (tmp_path / "index.html").exists()
