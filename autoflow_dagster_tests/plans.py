"""Small workflows, configs and dates that several test modules plan with."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Any

from autoflow_dagster.dates.date_set import DateSet
from autoflow_dagster.dates.date_stencil import DateStencil
from autoflow_dagster.workflows import Notebook, Workflow, WorkflowConfig

WORKFLOW = Workflow("DUMMY_WORKFLOW", {"notebook": Notebook("notebook", "notebook.ipynb")})
FIRST = date(2016, 2, 20)
"""First day of the tests' calendar, which has a leap day in it."""

NOW = datetime(2016, 3, 1, 12, tzinfo=UTC)


def day(number: int) -> date:
    """Return a day of the tests' calendar, counted from 0."""
    return FIRST + timedelta(days=number)


def days(*numbers: int) -> DateSet:
    """Return days of the tests' calendar."""
    return DateSet(map(day, numbers))


def config(name: str = "dummy", stencil: Iterable[object] = (0,), **fields: Any) -> WorkflowConfig:
    """Return a config of the tests' workflow."""
    return WorkflowConfig(name, WORKFLOW, date_stencil=DateStencil(list(stencil)), **fields)
