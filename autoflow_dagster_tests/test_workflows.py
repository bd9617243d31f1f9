"""Tests of the plain objects that a workflow definition becomes."""

from __future__ import annotations

import dataclasses
from datetime import date, timedelta
from graphlib import CycleError

import pytest

from autoflow_dagster.workflows import (
    Every,
    Notebook,
    Workflow,
    WorkflowConfig,
    WorkflowDefinitions,
    automatic_values,
    execution_order,
    notebook_parameters,
)

YEAR = [date(2016, 1, 1) + timedelta(days=n) for n in range(366)]


def workflow(**parameters: dict[str, str]) -> Workflow:
    """Return a workflow with a notebook for each keyword, with these parameters."""
    notebooks = {
        key: Notebook(key=key, filename=f"{key}.ipynb", parameters=given)
        for key, given in parameters.items()
    }
    return Workflow(name="flows", notebooks={k: notebooks[k] for k in execution_order(notebooks)})


@pytest.mark.parametrize(
    ("every", "count", "first"),
    [
        (Every.DAY, 366, date(2016, 1, 1)),
        (Every.MONDAY, 52, date(2016, 1, 4)),
        (Every.TUESDAY, 52, date(2016, 1, 5)),
        (Every.WEDNESDAY, 52, date(2016, 1, 6)),
        (Every.THURSDAY, 52, date(2016, 1, 7)),
        (Every.FRIDAY, 53, date(2016, 1, 1)),
        (Every.SATURDAY, 53, date(2016, 1, 2)),
        (Every.SUNDAY, 52, date(2016, 1, 3)),
        (Every.MONTH_START, 12, date(2016, 1, 1)),
        (Every.MONTH_END, 12, date(2016, 1, 31)),
    ],
)
def test_every_selects_dates(every: Every, count: int, first: date):
    """Of the leap year 2016, which began on a Friday."""
    selected = [day for day in YEAR if every.selects(day)]
    assert len(selected) == count
    assert selected[0] == first


def test_the_last_day_of_the_calendar_ends_a_month():
    """Without asking for the day after it."""
    assert Every.MONTH_END.selects(date.max)
    assert Every.MONTH_END.selects(date(2016, 2, 29))
    assert not Every.MONTH_END.selects(date(2016, 2, 28))


def test_notebooks_run_after_the_ones_they_refer_to():
    """Otherwise in the order given."""
    flows = workflow(
        report={"one": "run", "two": "clean", "again": "run"}, clean={}, run={"previous": "clean"}
    )
    assert list(flows.notebooks) == ["clean", "run", "report"]
    assert flows.upstream_of("report") == ("run", "clean")
    assert flows.upstream_of("clean") == ()
    assert list(workflow(a={}, b={}, c={}).notebooks) == ["a", "b", "c"]


def test_notebooks_in_a_circle_have_no_order():
    """The error has the circle."""
    with pytest.raises(CycleError) as caught:
        workflow(a={"x": "b"}, b={"x": "a"})
    assert set(caught.value.args[1]) == {"a", "b"}


def test_workflow_parameters_are_what_nobody_inside_provides():
    """Neither another notebook nor `flowapi_url`; automatic ones are included."""
    flows = workflow(
        run={"url": "flowapi_url", "date": "reference_date", "unit": "aggregation_unit"},
        report={"previous": "run", "missing": "missing_dates"},
    )
    assert flows.parameter_names == {"reference_date", "aggregation_unit", "missing_dates"}


@pytest.mark.parametrize(
    ("notebooks", "expected"),
    [
        ({"a": {}}, True),
        ({"a": {}, "b": {"x": "a"}}, True),
        ({"a": {}, "b": {"x": "a"}, "c": {"x": "b", "y": "a"}}, True),
        ({"a": {}, "b": {}}, False),
        ({"a": {}, "b": {"x": "a"}, "c": {"x": "a"}}, False),
        ({"a": {}, "b": {}, "c": {"x": "a", "y": "b"}}, False),
    ],
)
def test_a_chain_has_one_notebook_after_the_other(
    notebooks: dict[str, dict[str, str]], expected: bool
):
    """No two of them could run side by side."""
    assert workflow(**notebooks).is_chain is expected


def test_workflows_without_a_config_are_known():
    """They run by hand only."""
    one, two = workflow(a={}), dataclasses.replace(workflow(a={}), name="other")
    definitions = WorkflowDefinitions(
        workflows={"flows": one, "other": two},
        configs=(WorkflowConfig(name="job", workflow=one),),
        schedule=None,
    )
    assert definitions.unconfigured == (two,)


def test_notebooks_get_values_under_their_own_names():
    """From the workflow, from FlowAPI's address, and the paths of executed notebooks."""
    report = workflow(
        run={}, report={"unit": "aggregation_unit", "url": "flowapi_url", "previous": "run"}
    ).notebooks["report"]
    given = notebook_parameters(
        report,
        values={"aggregation_unit": ("admin2", date(2016, 1, 1)), "unused": 1},
        flowapi_url="https://flowapi.example.org",
        executed={"run": "/outputs/notebooks/run.ipynb"},
    )
    assert given == {
        "unit": ["admin2", "2016-01-01"],
        "url": "https://flowapi.example.org",
        "previous": "/outputs/notebooks/run.ipynb",
    }


def test_automatic_parameters_are_iso_texts():
    """Missing dates are sorted."""
    jan = [date(2016, 1, day) for day in range(1, 10)]
    assert automatic_values(jan[6], ((jan[4], jan[6]),), (jan[5], jan[4])) == {
        "reference_date": "2016-01-07",
        "date_ranges": [["2016-01-05", "2016-01-07"]],
        "missing_dates": ["2016-01-05", "2016-01-06"],
    }
