"""What the site keeps of runs and checks: records, entries, notes and summaries."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
from datetime import date, timedelta

import pytest

import autoflow_dagster.site
from autoflow_dagster.planning import Attempt, History
from autoflow_dagster.site import DateRecord, Document, SiteError, SiteState, links
from autoflow_dagster.site.plans import PlanNotes, fingerprint, notes_of
from autoflow_dagster.site.records import MAX_ATTEMPTS, Entry, record_from_json, record_to_json
from autoflow_dagster.site.summaries import Summary, letters_of, summary_of
from autoflow_dagster_tests.site_samples import ENDED, config, days_from, plan, record

DAY = date(2016, 1, 7)
NOTEBOOK = Document(notebook="report", executed="notebooks/a.ipynb")
REPORT = Document(notebook="report", reports={"pdf": "reports/a.pdf"})


def attempt(minutes: int, state: SiteState, documents: tuple[Document, ...] = ()) -> DateRecord:
    """Return an attempt at the day that ended some minutes after the first one."""
    return record(
        DAY,
        state,
        run_id=f"run-{minutes}",
        ended_at=ENDED + timedelta(minutes=minutes),
        documents=documents,
    )


def entry(*attempts: DateRecord) -> Entry:
    """Return the entry that recording the attempts in this order gives."""
    made = Entry(attempts[:1])
    for one in attempts[1:]:
        made = made.with_attempt(one)
    return made


@pytest.mark.parametrize(
    "module", [module.name for module in pkgutil.iter_modules(autoflow_dagster.site.__path__)]
)
def test_the_examples_in_docstrings_are_right(module: str) -> None:
    """What a docstring shows is what the function gives."""
    loaded = importlib.import_module(f"autoflow_dagster.site.{module}")
    assert doctest.testmod(loaded).failed == 0


def test_a_record_survives_being_kept() -> None:
    """JSON loses nothing of a record."""
    kept = attempt(0, SiteState.FAILED, (NOTEBOOK, Document(notebook="b", title="\u0645<")))
    assert record_from_json(record_to_json(kept)) == kept


@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd.ipynb",
        "notebooks/../../secret.ipynb",
        "notebooks/.hidden.ipynb",
        "reports/a.ipynb",
        "notebooks/a.html",
        "notebooks.ipynb",
        "notebooks/a\n.ipynb",
    ],
)
def test_a_document_lies_in_its_directory(path: str) -> None:
    """The site links to nothing outside the directories of notebooks and reports."""
    with pytest.raises(SiteError, match="relative to the outputs directory"):
        Document(notebook="a", executed=path)


@pytest.mark.parametrize("state", [SiteState.WAITING, SiteState.TO_DO])
def test_a_run_ends_done_failed_or_without_data(state: SiteState) -> None:
    """A date that has not run has no record."""
    with pytest.raises(SiteError, match=f'cannot end as "{state.label}"'):
        record(DAY, state)


def test_the_newest_attempt_counts_in_whatever_order_attempts_are_recorded() -> None:
    """Processes record in the order in which they get to it."""
    early, late = attempt(0, SiteState.FAILED), attempt(5, SiteState.DONE)
    for made in (entry(early, late), entry(late, early)):
        assert made.current is late
        assert made.others == (early,)


def test_a_later_failure_does_not_undo_a_success_with_the_same_parameters() -> None:
    """As in the ledger: the files of the success are still there."""
    done, failed = attempt(0, SiteState.DONE), attempt(5, SiteState.FAILED)
    assert entry(done, failed).current is done


def test_a_failure_with_other_parameters_counts() -> None:
    """The date is not done with the parameters that it has now."""
    done = attempt(0, SiteState.DONE)
    failed = record(
        DAY, SiteState.FAILED, parameters_hash="other", ended_at=ENDED + timedelta(hours=1)
    )
    assert entry(done, failed).current is failed


def test_recording_a_run_again_adds_to_it() -> None:
    """Each asset of a run can be recorded as it is made."""
    first, second = attempt(0, SiteState.DONE, (NOTEBOOK,)), attempt(0, SiteState.DONE, (REPORT,))
    made = entry(first, second)
    assert len(made.attempts) == 1
    assert made.documents == (
        Document(notebook="report", executed="notebooks/a.ipynb", reports={"pdf": "reports/a.pdf"}),
    )


def test_a_report_made_alone_is_shown_with_the_notebook_of_the_earlier_run() -> None:
    """A run that failed in its report is completed by a run of the report only."""
    failed = attempt(0, SiteState.FAILED, (NOTEBOOK,))
    done = attempt(5, SiteState.DONE, (REPORT,))
    assert entry(failed, done).documents[0].executed == "notebooks/a.ipynb"


def test_a_failed_notebook_is_not_taken_over() -> None:
    """What failed before belongs to the attempt that failed."""
    lost = Document(notebook="report", executed="notebooks/failed/a.ipynb")
    made = entry(attempt(0, SiteState.FAILED, (lost,)), attempt(5, SiteState.DONE, (REPORT,)))
    assert made.documents[0].executed is None


def test_a_date_that_always_fails_keeps_few_attempts_and_its_last_success() -> None:
    """Records do not grow for ever."""
    done = record(DAY, ended_at=ENDED - timedelta(days=1), parameters_hash="other")
    made = entry(done, *(attempt(number, SiteState.FAILED) for number in range(2 * MAX_ATTEMPTS)))
    assert len(made.attempts) == MAX_ATTEMPTS + 1
    assert made.attempts[-1] == done
    assert made.current.run_id == f"run-{2 * MAX_ATTEMPTS - 1}"


def test_different_names_have_different_files() -> None:
    """Names that a file system or an address cannot hold do not meet."""
    names = [
        "a b",
        "a_b",
        "a/b",
        "..",
        ".",
        "",
        "A" * 200,
        "A" * 201,
        "\u0645",
        "\ud800",
        "_a-61b4c98b",
        "../a",
    ]
    files = [links.safe_name(name) for name in names]
    assert len(set(files)) == len(names)
    assert all(file.isascii() and not file.startswith(".") and "/" not in file for file in files)


def test_notes_tell_what_waits_and_why_what_is_to_do_and_what_has_no_data() -> None:
    """Every state of a plan that the site shows."""
    days = [day for day in days_from(date(2016, 1, 1), 8) if day.day != 5]
    of = config(stencil=(-1, 0), max_attempts=1)
    hashes = {p.reference_date: p.parameters_hash or "" for p in plan(of, days).dates}
    second, third = date(2016, 1, 2), date(2016, 1, 3)
    history = History(
        done={second: hashes[second]}, attempts={(third, hashes[third]): [Attempt("a", ENDED)]}
    )
    notes = notes_of(plan(of, days, history))
    assert notes.months["2016-01"][:9] == "WDFTNWTT."
    assert notes.reasons == {
        "2016-01-01": "Waits for 2015-12-31.",
        "2016-01-03": "Given up after 1 attempt.",
        "2016-01-06": "Waits for 2016-01-05.",
    }


def test_a_day_outside_the_config_is_not_missed() -> None:
    """Days before `earliest_date` have no data that anybody wants."""
    days = [date(2016, 1, 1), date(2016, 1, 9)]
    notes = notes_of(plan(config(earliest_date=date(2016, 1, 7)), days))
    assert notes.months["2016-01"][:10] == "......NNT."


def test_the_same_plan_has_the_same_fingerprint_and_a_start_does_not_change_it() -> None:
    """A date that is running is still to do, so nothing is written when a run starts."""
    days = days_from(date(2016, 1, 1), 3)
    first = fingerprint(plan(config(), days))
    assert fingerprint(plan(config(), days, History(running={days[0]: "run"}))) == first
    assert fingerprint(plan(config(), days[:2])) != first
    assert fingerprint(plan(config(parameters={"a": 1}), days)) != first


def test_what_ran_says_more_than_what_was_planned() -> None:
    """A record is newer than the check before it."""
    notes = PlanNotes(months={"2016-01": 31 * "T"})
    letters = letters_of("2016-01", {DAY.isoformat(): entry(attempt(0, SiteState.FAILED))}, notes)
    assert letters == 6 * "T" + "F" + 24 * "T"


def test_notes_about_a_date_that_has_run_are_dropped() -> None:
    """Until the next check nothing is known of what happens to it next."""
    notes = PlanNotes("x", {"2016-01": 31 * "T"}, {DAY.isoformat(): "Is tried again."})
    assert notes.forget(DAY)
    assert (notes.letter(DAY), notes.reasons, notes.fingerprint) == (".", {}, "")
    assert not notes.forget(DAY)


def test_a_backfill_of_old_dates_does_not_become_the_newest() -> None:
    """The newest is that of the newest date, not the one that was made last."""
    summary = Summary("flows", "flows")
    for number, day in enumerate([date(2016, 2, 1), date(2016, 1, 1)]):
        one = record(day, ended_at=ENDED + timedelta(days=number))
        summary.add(one, Entry((one,)))
    assert summary.newest is not None
    assert summary.newest.reference_date == date(2016, 2, 1)
    assert [r.reference_date for r in summary.recent] == [date(2016, 1, 1), date(2016, 2, 1)]


def test_a_summary_made_from_all_months_is_the_one_that_was_kept_up_to_date() -> None:
    """A lost summary costs time and nothing else."""
    records = [record(day, ended_at=ENDED) for day in days_from(date(2016, 1, 20), 20)]
    kept, months = Summary("flows", "flows"), {}
    for one in records:
        entries = months.setdefault(one.month, {})
        entries[one.key] = Entry((one,))
        kept.set_letter(one.reference_date, one.state.letter)
        kept.add(one, entries[one.key])
    again = summary_of("flows", "", months, PlanNotes())
    assert again.to_json() == kept.to_json()
    assert Summary.from_json(again.to_json()) == again
