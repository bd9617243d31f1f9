"""What commands tell of dates while the service works on them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from dagster import DagsterInstance

from autoflow_dagster.dates.date_set import DateSet
from autoflow_dagster.parser import load_workflows
from autoflow_dagster.progress import Progress
from autoflow_dagster_tests.deployments import DatesServer
from autoflow_dagster_tests.ticks import ALPHA_ONLY, Ticks, january

AVAILABLE = {"calls": DateSet(january(1, 2, 3))}
FIRST = "alpha, reference date 2016-01-01"


@pytest.fixture
def alpha(tmp_path: Path) -> Iterator[Ticks]:
    """A sensor over one config with three dates."""
    with (
        DagsterInstance.ephemeral() as instance,
        DatesServer({"calls": january(1, 2, 3)}) as flowapi,
    ):
        yield Ticks(tmp_path, instance, flowapi.url, ALPHA_ONLY)


def test_a_date_is_told_when_it_begins_and_ends(alpha: Ticks) -> None:
    """One line each, and none for what has not changed."""
    progress = Progress(alpha.instance, load_workflows(alpha.inputs))
    assert list(progress.look(AVAILABLE)) == []
    first, second, _ = alpha.check().run_requests
    run = alpha.launch(first)
    assert list(progress.look(AVAILABLE)) == [f"{FIRST}: requested"]
    alpha.instance.report_run_failed(run)
    alpha.succeed(second)
    told = list(progress.look(AVAILABLE))
    assert [line.splitlines()[0] for line in told] == [
        f"{FIRST}: FAILED",
        "alpha, reference date 2016-01-02: done",
    ]
    assert progress.failures == told[:1]
    assert not progress.is_finished, "the third date is due"
    assert list(progress.look(AVAILABLE)) == []


def test_a_date_that_runs_again_has_not_failed(alpha: Ticks) -> None:
    """It is waited for like any other."""
    progress = Progress(alpha.instance, load_workflows(alpha.inputs))
    first, *others = alpha.check().run_requests
    alpha.fail(first)
    for request in others:
        alpha.succeed(request)
    list(progress.look(AVAILABLE))
    assert progress.is_finished
    [again] = alpha.check().run_requests
    alpha.launch(again)
    list(progress.look(AVAILABLE))
    assert (progress.is_finished, progress.failures) == (False, [])


def test_a_date_that_is_not_selected_any_more_has_not_failed(alpha: Ticks) -> None:
    """Otherwise a batch job would fail for ever, whatever is done about it."""
    first, *_ = alpha.check().run_requests
    alpha.fail(first)
    alpha.load(
        ALPHA_ONLY.replace("name: alpha,", f"name: alpha, earliest_date: {date(2016, 1, 2)},")
    )
    progress = Progress(alpha.instance, load_workflows(alpha.inputs))
    list(progress.look(AVAILABLE))
    assert progress.failures == []
