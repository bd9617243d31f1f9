"""Output files that are deleted leave no link behind."""

from __future__ import annotations

import re
from datetime import date, timedelta
from pathlib import Path
from urllib.parse import unquote

import pytest

from autoflow_dagster.site import SiteOptions, delete_outputs, links, record_run
from autoflow_dagster.site.store import Store
from autoflow_dagster_tests.site_samples import ENDED, document, record

DAY = date(2016, 1, 7)
LINK = re.compile(r'(?:href|src)="([^"#]+)["#]')


def dead_links(outputs: Path) -> set[str]:
    """Return what the pages and the feed link to although it is not there."""
    dead = set()
    for page in [
        *outputs.glob("*.html"),
        *(outputs / "site").rglob("*.html"),
        outputs / links.FEED,
    ]:
        for target in LINK.findall(page.read_text()):
            if ":" not in target and not (page.parent / unquote(target)).exists():
                dead.add(unquote(target))
    return dead


def record_days(outputs: Path, number: int, version: str) -> list[str]:
    """Record a run for each of some dates, a month apart; return the files that they made."""
    made = []
    for index in range(number):
        files = document(outputs, f"{version}_{index}")
        moment = ENDED + timedelta(minutes=index, hours=ord(version))
        day = date(2016 + index // 12, index % 12 + 1, 7)
        record_run(
            outputs,
            record(day, documents=(files,), ended_at=moment, run_id=f"{version}_{index}"),
        )
        made += [str(files.executed), *files.reports.values()]
    return made


def test_nothing_links_to_what_was_deleted(tmp_path: Path) -> None:
    """Files, notebook pages, pictures; on every page and in the feed."""
    old, new = record_days(tmp_path, 2, "a"), record_days(tmp_path, 2, "b")
    assert dead_links(tmp_path) == set()
    written = delete_outputs(tmp_path, old)
    assert links.month_page("flows", "2016-01") in written
    assert dead_links(tmp_path) == set()
    assert [path for path in old if (tmp_path / path).exists()] == []
    assert [path for path in new if not (tmp_path / path).exists()] == []
    left = {path.name for path in (tmp_path / "site").rglob("a_*")}
    assert left == set()
    month = (tmp_path / links.month_page("flows", "2016-01")).read_text()
    assert "b_0.pdf" in month
    assert "a_0" not in (tmp_path / links.FEED).read_text()


def test_the_pages_of_years_are_all_written(tmp_path: Path) -> None:
    """However few are written at once."""
    old = record_days(tmp_path, 5, "a")
    record_days(tmp_path, 5, "b")
    delete_outputs(tmp_path, old, SiteOptions(pages_at_once=2))
    assert dead_links(tmp_path) == set()
    assert Store(tmp_path).read_pending() == set()


def test_what_no_page_shows_changes_no_page(tmp_path: Path) -> None:
    """And what is not there is passed over."""
    record_run(tmp_path, record(DAY, documents=(document(tmp_path, "a"),)))
    stray = tmp_path / "notebooks" / "stray.ipynb"
    stray.touch()
    assert delete_outputs(tmp_path, ["notebooks/stray.ipynb", "reports/gone.pdf"]) == []
    assert not stray.exists()
    assert delete_outputs(tmp_path / "nothing", ["notebooks/stray.ipynb"]) == []


def test_pages_are_written_by_others_when_the_deletion_was_killed(tmp_path: Path) -> None:
    """They are noted before the first file goes."""
    old = record_days(tmp_path, 1, "a")
    directory = tmp_path / old[0]
    directory.unlink()
    directory.mkdir()  # what cannot be unlinked stands for a death in the middle
    with pytest.raises(OSError, match="a_0"):
        delete_outputs(tmp_path, old)
    assert Store(tmp_path).read_pending() == {("flows", "2016-01")}
