"""Keeping the site up to date: by many processes, with bounded work, and after damage."""

from __future__ import annotations

import json
import multiprocessing
import shutil
import sys
import time
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from autoflow_dagster.planning import Attempt, History
from autoflow_dagster.site import (
    Document,
    SiteError,
    SiteOptions,
    SiteState,
    links,
    record_plan,
    record_run,
    write_pages,
)
from autoflow_dagster.site.plans import PlanNotes
from autoflow_dagster.site.records import record_to_json
from autoflow_dagster.site.store import Store
from autoflow_dagster.site.summaries import summary_of
from autoflow_dagster_tests.site_samples import (
    ENDED,
    config,
    days_from,
    document,
    plan,
    record,
    tiny_pdf,
)

DAY = date(2016, 1, 7)
MONTH = "site/configs/flows/2016-01.html"


def text_of(outputs: Path, page: str = MONTH) -> str:
    """Return a page."""
    return (outputs / page).read_text(encoding="utf-8")


def test_there_is_a_first_page_before_anything_has_run(tmp_path: Path) -> None:
    """A new service has a page to show."""
    write_pages(tmp_path)
    assert "There are no reports yet" in text_of(tmp_path, "index.html")
    assert not list(tmp_path.rglob("*.partial*"))


def test_a_run_appears_on_all_pages_that_show_it(tmp_path: Path) -> None:
    """Those of the config, of its month and year, of the date, the first one and the feed."""
    written = record_run(tmp_path, record(DAY, documents=(document(tmp_path, "a"),)))
    assert sorted(written) == [
        "index.html",
        "site/configs/flows/2016-01.html",
        "site/configs/flows/2016.html",
        "site/configs/flows/index.html",
        "site/dates/2016-01.html",
        "site/feed.xml",
        "site/style.css",
    ]
    assert "Flows above normal" in text_of(tmp_path)


def test_a_month_beside_a_new_one_gets_a_link_to_it(tmp_path: Path) -> None:
    """Earlier and later lead from month to month, wherever the new one is put in."""
    for month in (1, 5, 3):
        record_run(tmp_path, record(date(2016, month, 1)))
    assert 'rel="next" href="2016-03.html"' in text_of(tmp_path)
    assert 'rel="prev" href="2016-03.html"' in text_of(tmp_path, "site/configs/flows/2016-05.html")
    assert 'rel="next" href="2016-03.html"' in text_of(tmp_path, "site/dates/2016-01.html")


def test_a_new_year_is_linked_from_the_others(tmp_path: Path) -> None:
    """The years of a config are all a click away."""
    for year in (2015, 2016):
        record_run(tmp_path, record(date(year, 6, 1)))
    assert 'href="2016.html"' in text_of(tmp_path, "site/configs/flows/2015.html")


def test_a_check_that_found_nothing_new_writes_nothing(tmp_path: Path) -> None:
    """Checks are frequent."""
    found = [plan(config(stencil=(-1, 0)), days_from(DAY, 3))]
    assert record_plan(tmp_path, found)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    assert record_plan(tmp_path, found) == []
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_a_check_says_why_dates_wait(tmp_path: Path) -> None:
    """The reason stands on the month's page until the date has run."""
    found = plan(config(stencil=(-1, 0)), days_from(DAY, 2))
    record_plan(tmp_path, [found])
    assert "7 January 2016: Waits for 2016-01-06." in text_of(tmp_path)
    record_run(tmp_path, record(DAY))
    assert "Waits for" not in text_of(tmp_path)


def test_a_failed_date_says_what_happens_to_it_next(tmp_path: Path) -> None:
    """Given up, or tried again."""
    of = config(max_attempts=2)
    record_run(tmp_path, record(DAY, SiteState.FAILED, error="ValueError: boo"))
    params_hash = plan(of, [DAY]).dates[0].parameters_hash or ""
    once = History(attempts={(DAY, params_hash): [Attempt("a", ENDED)]})
    twice = History(attempts={(DAY, params_hash): 2 * [Attempt("a", ENDED)]})
    record_plan(tmp_path, [plan(of, [DAY], once)])
    assert "Is tried again." in text_of(tmp_path)
    record_plan(tmp_path, [plan(of, [DAY], twice)])
    assert "Given up after 2 attempts." in text_of(tmp_path)


def test_a_config_that_is_gone_is_shown_apart_and_comes_back(tmp_path: Path) -> None:
    """Its reports stay."""
    flows, other = plan(config(), [DAY]), plan(config("other"), [DAY])
    record_plan(tmp_path, [flows, other])
    record_plan(tmp_path, [other])
    assert "No longer run" in text_of(tmp_path, "index.html")
    assert "No longer in the workflow definition" in text_of(
        tmp_path, "site/configs/flows/index.html"
    )
    record_plan(tmp_path, [flows, other])
    assert "No longer run" not in text_of(tmp_path, "index.html")


def test_a_change_in_the_whole_history_is_written_bit_by_bit(tmp_path: Path) -> None:
    """A check must not take minutes: the newest months come first, the rest with later calls."""
    found = [plan(config(), days_from(date(2010, 1, 1), 730))]
    options = SiteOptions(pages_at_once=10)
    page_of = tmp_path / "site/configs/flows"
    record_plan(tmp_path, found, options)
    assert sorted(path.stem for path in page_of.glob("????-??.html"))[0] == "2011-03"
    assert 'href="2011-03.html"' in text_of(tmp_path, "site/configs/flows/2011.html")
    assert 'href="2011-02.html"' not in text_of(tmp_path, "site/configs/flows/2011.html")
    record_plan(tmp_path, found, options)
    write_pages(tmp_path, options=options)
    assert len(list(page_of.glob("????-??.html"))) == 24
    assert not Store(tmp_path).read_pending()
    assert 'href="2011-02.html"' in text_of(tmp_path, "site/configs/flows/2011.html")


def test_pages_of_another_version_are_written_anew(tmp_path: Path) -> None:
    """After an upgrade all pages follow, with whatever is recorded next."""
    for month in (1, 2, 3):
        record_run(tmp_path, record(date(2016, month, 1)))
    old = tmp_path / "site/configs/flows/2016-01.html"
    old.write_text("old")
    facts = Store(tmp_path).read_facts()
    Store(tmp_path).write_facts({**facts, "layout": 0})
    record_run(tmp_path, record(date(2016, 3, 2)))
    assert old.read_text() != "old"
    assert Store(tmp_path).read_facts() == facts


def test_the_latest_link_is_that_of_the_latest_date(tmp_path: Path) -> None:
    """Also after a backfill, and when the latest date is made again."""
    link = tmp_path / links.latest_link("flows", "flows_report", "pdf")
    for stem, day, minutes in (("a", 5, 0), ("b", 4, 1), ("c", 5, 2)):
        files = document(tmp_path, stem)
        (tmp_path / f"reports/{stem}.pdf").write_bytes(tiny_pdf(stem))
        ended = ENDED + timedelta(minutes=minutes)
        fields: dict[str, Any] = {"ended_at": ended, "run_id": stem, "documents": (files,)}
        record_run(tmp_path, record(date(2016, 1, day), **fields))
        assert link.read_bytes() == tiny_pdf("a" if stem == "b" else stem)
    assert not link.is_symlink()
    (tmp_path / "reports/c.pdf").unlink()
    assert link.read_bytes() == tiny_pdf("c")


def test_a_missing_file_is_said_to_be_missing(tmp_path: Path) -> None:
    """Old outputs may be deleted; the site has no dead links."""
    files = document(tmp_path, "a")
    (tmp_path / "reports/a.pdf").unlink()
    record_run(tmp_path, record(DAY, documents=(files,)))
    assert "No longer there: PDF" in text_of(tmp_path)
    assert "a.pdf" not in text_of(tmp_path)


def test_a_lost_summary_is_made_again_from_the_months(tmp_path: Path) -> None:
    """Damage to one file costs no history."""
    for day in days_from(DAY, 3):
        record_run(tmp_path, record(day))
    (tmp_path / "site/records/flows/summary.json").write_text('{"config": 1')
    record_run(tmp_path, record(date(2016, 1, 20)))
    summary = Store(tmp_path).read_summary("flows")
    assert summary is not None
    assert summary.months["2016-01"].count("D") == 4


def test_a_deleted_site_is_begun_again(tmp_path: Path) -> None:
    """Deleting the directory is no error."""
    record_run(tmp_path, record(DAY))
    shutil.rmtree(tmp_path / "site")
    record_run(tmp_path, record(date(2016, 1, 8)))
    assert "8 January 2016" in text_of(tmp_path)


def _record_days(outputs: Path, name: str, days: list[date], barrier: Any) -> None:
    barrier.wait()
    options = SiteOptions(notebook_pages=False, thumbnails=False)
    for day in days:
        one = record(day, config=name, run_id=f"{name}-{day}")
        record_run(outputs, one, options)


@pytest.mark.integration
def test_processes_that_record_at_once_lose_nothing(tmp_path: Path) -> None:
    """Several runs end in the same second: same config and month, and different ones."""
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(4)
    shares = [("flows", days_from(DAY, 8)), ("flows", days_from(DAY + timedelta(days=8), 8))]
    shares += [(name, days_from(DAY, 8)) for name in ("first", "second")]
    processes = [
        context.Process(target=_record_days, args=(tmp_path, *share, barrier)) for share in shares
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0, 0, 0]
    counts = {s.config: s.counts[SiteState.DONE] for s in Store(tmp_path).read_summaries()}
    assert counts == {"flows": 16, "first": 8, "second": 8}
    assert len(Store(tmp_path).read_month("flows", "2016-01")) == 16
    assert text_of(tmp_path).count("<article") == 16
    assert "16 done" in text_of(tmp_path, "index.html")
    assert not list(tmp_path.rglob(".*.partial*"))


def test_a_lock_that_is_held_for_long_is_an_error_and_not_a_hang(tmp_path: Path) -> None:
    """A run must end even when another process hangs."""
    with (
        Store(tmp_path).locked(),
        pytest.raises(SiteError, match="has held this lock"),
        Store(tmp_path).locked(timeout_seconds=0.05),
    ):
        pass


class _Opened:
    """Counts the files below a directory that are opened while `is_on`."""

    def __init__(self) -> None:
        self.directory = ""
        self.paths: list[str] = []
        sys.addaudithook(self._hear)

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.directory and event == "open" and str(arguments[0]).startswith(self.directory):
            self.paths.append(str(arguments[0]))


@pytest.fixture(scope="module")
def opened() -> _Opened:
    """Return the one counter: audit hooks cannot be taken away."""
    return _Opened()


@pytest.fixture(scope="module")
def long_history(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return outputs with 10 years of 20 configs, written without writing every page."""
    outputs = tmp_path_factory.mktemp("history")
    by_month: dict[str, dict[str, Any]] = {}
    for day in days_from(date(2006, 1, 1), 3652):
        by_month.setdefault(day.isoformat()[:7], {})[day.isoformat()] = record(day)
    store = Store(outputs)
    months = {
        month: {key: [record_to_json(one)] for key, one in records.items()}
        for month, records in by_month.items()
    }
    texts = {month: json.dumps(records) for month, records in months.items()}
    for name in (f"config{number}" for number in range(20)):
        directory = store.records / name
        directory.mkdir(parents=True)
        for month, text in texts.items():
            renamed = text.replace('"config": "flows"', f'"config": "{name}"')
            (directory / f"{month}.json").write_text(renamed)
        summary = store.read_month(name, "2015-12")
        made = summary_of(name, "flows", {"2015-12": summary}, PlanNotes())
        made.months = {month: len(records) * "D" for month, records in by_month.items()}
        store.write_summary(made)
    store.write_facts({"layout": 1, "feed_id": "urn:uuid:0"})
    write_pages(outputs, [("config7", month) for month in by_month if month > "2015"])
    return outputs


def test_a_run_costs_the_same_however_long_the_history(long_history: Path, opened: _Opened) -> None:
    """Ten years of twenty configs: few files are opened, and half a second is plenty."""
    ended = ENDED + timedelta(days=1)
    one = record(date(2015, 11, 5), config="config7", run_id="new", ended_at=ended)
    before = {path: path.stat().st_mtime_ns for path in long_history.rglob("*.*")}
    opened.directory, started = str(long_history), time.process_time()
    record_run(long_history, one)
    seconds, opened.directory = time.process_time() - started, ""
    changed = [p for p in long_history.rglob("*.*") if before.get(p) != p.stat().st_mtime_ns]
    assert len(changed) <= 9, changed
    summaries = [path for path in opened.paths if path.endswith("summary.json")]
    assert len(summaries) == 20 + 1  # one for each config, and once more its own
    assert len(opened.paths) - len(summaries) < 40, opened.paths
    assert seconds < 0.5


def test_a_check_without_news_costs_little_however_long_the_history(tmp_path: Path) -> None:
    """Configs with ten years of dates are checked every minute or so."""
    days = days_from(date(2006, 1, 1), 3652)
    found = [plan(config(f"config{number}"), days) for number in range(4)]
    record_plan(tmp_path, found, SiteOptions(pages_at_once=1))
    Store(tmp_path).write_pending([])
    started = time.process_time()
    assert record_plan(tmp_path, found) == []
    assert time.process_time() - started < 0.25


def test_a_document_needs_no_report(tmp_path: Path) -> None:
    """Notebooks alone are worth a page too."""
    files = document(tmp_path, "a", formats=())
    record_run(tmp_path, record(DAY, documents=(files, Document(notebook="other"))))
    page = text_of(tmp_path)
    assert "Flows above normal" in page
    assert "../../notebooks/a.html" in page
    assert "other" in page


def test_a_site_that_cannot_be_written_is_an_os_error(tmp_path: Path) -> None:
    """The caller decides what that means for the run."""
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="Not a directory"):
        record_run(tmp_path / "file" / "outputs", record(DAY))
