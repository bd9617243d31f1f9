"""Jobs for real: small notebooks, real kernels, a real instance; one process."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from autoflow_dagster.ledger import (
    NO_DATA_METADATA,
    notebook_asset_key,
    report_asset_key,
)
from autoflow_dagster_tests.conftest import names_in, write_notebook
from autoflow_dagster_tests.one_process import TOKEN, Place

pytestmark = pytest.mark.integration

DAY = "2016-01-02"

WORKFLOWS = """\
workflows:
  - name: flow
    notebooks:
      first:
        filename: first.ipynb
        parameters: {reference_date: reference_date, unit: unit}
      second:
        filename: second.ipynb
        parameters: {first_notebook: first}
        output: {format: html}
available_dates_sensor:
  schedule: null
  workflows:
    - workflow_name: flow
      parameters: {unit: admin3}
      date_stencil: [-1, 0]
"""


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """An instance in a temporary directory."""
    (tmp_path / "home").mkdir()
    with dg.DagsterInstance.local_temp(str(tmp_path / "home")) as instance:
        yield Place(tmp_path, instance, WORKFLOWS)


def _second(place: Place) -> None:
    write_notebook(
        place.inputs / "second.ipynb",
        "import scrapbook as sb\nsb.read_notebook(first_notebook).scraps['n'].data",
        parameters="first_notebook = ''",
    )


def test_a_notebook_without_data_ends_the_date_as_done_without_reports(place: Place) -> None:
    """The reason is metadata of every asset; the second notebook does not run."""
    write_notebook(
        place.inputs / "first.ipynb",
        "import autoflow_dagster\nraise autoflow_dagster.NoData(f'no calls on {reference_date}')",
        parameters="reference_date = ''\nunit = ''",
    )
    _second(place)
    assert place.run(DAY).success
    assert place.is_done(DAY)
    for key in (
        notebook_asset_key("flow", "first"),
        notebook_asset_key("flow", "second"),
        report_asset_key("flow", "second", "html"),
    ):
        found = place.output(key, DAY)
        assert found.metadata[NO_DATA_METADATA] == f"no calls on {DAY}"
    assert len(names_in(place.settings.notebooks_dir)) == 1
    assert not names_in(place.settings.reports_dir)
    assert "papermill-error-cell-tag" not in json.dumps(place.notebook("first"))


def test_the_scrap_of_no_data_does_the_same_from_any_language(place: Place) -> None:
    """Kernels other than Python glue what `NoData` glues."""
    write_notebook(
        place.inputs / "first.ipynb",
        "import scrapbook as sb\nsb.glue('autoflow_no_data', 'nothing today')",
        parameters="reference_date = ''\nunit = ''",
    )
    _second(place)
    assert place.run(DAY).success
    key = report_asset_key("flow", "second", "html")
    found = place.output(key, DAY)
    assert found.no_data == "nothing today"


def test_a_dagstermill_notebook_and_a_plain_one_run_in_one_process(place: Place) -> None:
    """Context, partition key, events, log lines, plain parameters and defaults; nothing leaks."""
    write_notebook(
        place.inputs / "first.ipynb",
        "import dagster, dagstermill, scrapbook as sb\n"
        "context = dagstermill.get_context()\n"
        "context.log.info(f'hello from {context.partition_key}')\n"
        "dagstermill.yield_event(dagster.AssetMaterialization('seen', metadata={'n': 3}))\n"
        "dagstermill.yield_event(dagster.ExpectationResult(success=True, label='enough'))\n"
        "sb.glue('n', [reference_date, unit, default, context.run_id, context.partition_key])",
        parameters="import dagstermill\ncontext = dagstermill.get_context()\n"
        "reference_date = ''\nunit = ''\ndefault = 'kept'",
    )
    _second(place)
    result = place.run(DAY)
    assert result.success
    events = [event.event_type_value for event in result.all_events]
    assert events.count("ASSET_MATERIALIZATION") == 4
    assert "STEP_EXPECTATION_RESULT" in events
    assert f"hello from {DAY}" in place.logged(result)

    found = place.output(notebook_asset_key("flow", "first"), DAY)
    assert found.metadata["scrap: n"] == [DAY, "admin3", "kept", result.run_id, DAY]
    assert place.is_done(DAY)

    text = json.dumps(place.notebook("first"))
    assert "default = 'kept'" in text
    for leak in ("__dm_", "instance_ref", "event-", "DEBUG", "BetaWarning", TOKEN):
        assert leak not in text


def test_a_failure_yielded_with_dagstermill_fails_the_run(place: Place) -> None:
    """Its description is the run's error, and the notebook is kept apart from good ones."""
    write_notebook(
        place.inputs / "first.ipynb",
        "import dagster, dagstermill\n"
        "dagstermill.yield_event(dagster.Failure('the counts do not add up'))",
        parameters="reference_date = ''\nunit = ''",
    )
    _second(place)
    result = place.run(DAY)
    assert not result.success
    [failed] = [event for event in result.all_events if event.is_step_failure]
    assert failed.step_failure_data.user_failure_data is not None
    assert failed.step_failure_data.user_failure_data.description == "the counts do not add up"
    assert not names_in(place.settings.notebooks_dir)
    assert len(names_in(place.settings.failed_notebooks_dir)) == 1
    assert not place.is_done(DAY)


def test_a_retry_requested_with_dagstermill_runs_the_notebook_again(place: Place) -> None:
    """At once, in the same run; the first execution is kept apart from good ones."""
    write_notebook(
        place.inputs / "first.ipynb",
        "import dagster, dagstermill, pathlib\n"
        f"been_here = pathlib.Path({str(place.inputs / 'been here')!r})\n"
        "if not been_here.exists():\n"
        "    been_here.touch()\n"
        "    dagstermill.yield_event(dagster.RetryRequested(max_retries=1))",
        "import scrapbook as sb\n"
        "context = dagstermill.get_context()\n"
        "flowapi = context.resources.flowapi\n"
        "sb.glue('n', [context.op_config, flowapi.url])",
        parameters="reference_date = ''\nunit = ''",
    )
    _second(place)
    result = place.run(DAY)
    assert result.success
    events = [event.event_type_value for event in result.all_events]
    assert events.count("STEP_RESTARTED") == 1
    found = place.output(notebook_asset_key("flow", "first"), DAY)
    assert found.metadata["scrap: n"] == [None, "http://127.0.0.1:9"]
    assert len(names_in(place.settings.failed_notebooks_dir)) == 1
    assert len(names_in(place.settings.notebooks_dir, "first__*")) == 1


def test_a_notebook_that_fails_names_notebook_cell_date_and_error(place: Place) -> None:
    """And its message says where the failed notebook lies."""
    write_notebook(
        place.inputs / "first.ipynb",
        "raise KeyError('pcod')",
        parameters="reference_date = ''\nunit = ''",
    )
    _second(place)
    result = place.run(DAY)
    [failed] = [event for event in result.all_events if event.is_step_failure]
    data = failed.step_failure_data.user_failure_data
    assert data is not None
    [kept] = place.settings.failed_notebooks_dir.iterdir()
    assert str(data.description).startswith(
        f"Notebook first.ipynb stopped at cell 2 of 2 for reference date {DAY}: KeyError: 'pcod'"
    )
    assert str(kept) in str(data.description)
    assert data.metadata["failed notebook"].value == str(kept)
