"""A valid workflow definition, as plain frozen objects.

The parser makes these from `workflows.yml`; the rest of the package reads nothing else of it.
No YAML, no Dagster and no file access here.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from graphlib import TopologicalSorter
from itertools import pairwise
from typing import Any, Literal

from autoflow_dagster.dates.date_stencil import DateStencil
from autoflow_dagster.naming import DateRange, json_value

FLOWAPI_URL = "flowapi_url"
REFERENCE_DATE = "reference_date"
DATE_RANGES = "date_ranges"
MISSING_DATES = "missing_dates"

CDR_TYPES = ("calls", "mds", "sms", "topups")
"""FlowKit's; FlowAPI may report others, which are observed but have no place in the lineage."""

ReportFormat = Literal["pdf", "html"]
Engine = Literal["papermill", "dagstermill"]
CdrTypesMode = Literal["any", "all"]


class Every(enum.StrEnum):
    """Which available dates may be reference dates."""

    DAY = "day"
    MONDAY = "monday"
    TUESDAY = "tuesday"
    WEDNESDAY = "wednesday"
    THURSDAY = "thursday"
    FRIDAY = "friday"
    SATURDAY = "saturday"
    SUNDAY = "sunday"
    MONTH_START = "month_start"
    MONTH_END = "month_end"

    def selects(self, day: date) -> bool:
        """Return whether `day` may be a reference date.

        Examples
        --------
        >>> Every.MONDAY.selects(date(2016, 1, 4)), Every.MONTH_END.selects(date(2016, 2, 28))
        (True, False)
        """
        match self:
            case Every.DAY:
                return True
            case Every.MONTH_START:
                return day.day == 1
            case Every.MONTH_END:
                return day == date.max or (day + timedelta(days=1)).day == 1
            case _:
                return day.weekday() == _WEEKDAYS.index(self)


_WEEKDAYS = tuple(Every)[1:8]


@dataclass(frozen=True)
class Output:
    """What an executed notebook is turned into.

    Attributes
    ----------
    formats : tuple of str
        At least one of "pdf" and "html", without repetition.
    templates : mapping of format to str
        Template files, relative to the inputs directory. A format without one uses our default.
    show_code : bool
        Whether code cells appear in the report.
    """

    formats: tuple[ReportFormat, ...]
    templates: Mapping[ReportFormat, str] = field(default_factory=dict)
    show_code: bool = False


@dataclass(frozen=True)
class Notebook:
    """One notebook task of a workflow.

    Attributes
    ----------
    key : str
        By which other notebooks of the workflow refer to it.
    filename : str
        Relative to the inputs directory.
    parameters : mapping of str to str
        From parameter name inside the notebook to source: a workflow parameter, another notebook's
        key, an automatic parameter, or "flowapi_url".
    output : Output or None
        None when the notebook is not turned into a report.
    kernel : str or None
        Kernelspec name; None for the one that the notebook names.
    timeout : timedelta or None
        For the whole notebook; None for no limit.
    engine : str or None
        None to find it from the notebook: dagstermill when the notebook imports it.
    """

    key: str
    filename: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    output: Output | None = None
    kernel: str | None = None
    timeout: timedelta | None = None
    engine: Engine | None = None
    description: str | None = None


@dataclass(frozen=True)
class Workflow:
    """Inter-dependent notebooks.

    Attributes
    ----------
    name : str
        Unique in the file; free text.
    notebooks : mapping of str to Notebook
        At least one, by key, in an order in which they can run: each after those it refers to.
    owners : tuple of str
        E-mail addresses or ``team:name``, shown by Dagster.
    tags : mapping of str to str
        Shown by Dagster on the workflow's jobs and assets.
    """

    name: str
    notebooks: Mapping[str, Notebook]
    description: str | None = None
    owners: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)

    def upstream_of(self, key: str) -> tuple[str, ...]:
        """Return the keys of the notebooks whose executed files notebook `key` receives."""
        sources = self.notebooks[key].parameters.values()
        return tuple(dict.fromkeys(source for source in sources if source in self.notebooks))

    @property
    def parameter_names(self) -> frozenset[str]:
        """Names of all workflow parameters that the notebooks use, automatic ones included."""
        used = {source for nb in self.notebooks.values() for source in nb.parameters.values()}
        return frozenset(used - self.notebooks.keys() - {FLOWAPI_URL})

    @property
    def is_chain(self) -> bool:
        """Whether no two notebooks could run side by side."""
        keys = list(self.notebooks)
        return all(earlier in self.upstream_of(later) for earlier, later in pairwise(keys))


def execution_order(notebooks: Mapping[str, Notebook]) -> Iterator[str]:
    """Yield notebook keys, each after the ones it refers to, otherwise in the order given.

    Raises
    ------
    graphlib.CycleError
        When notebooks refer to each other in a circle; its second argument is the circle.
    """
    graph = {
        key: [source for source in nb.parameters.values() if source in notebooks]
        for key, nb in notebooks.items()
    }
    return iter(TopologicalSorter(graph).static_order())


@dataclass(frozen=True)
class WorkflowConfig:
    """One set of parameters with which the sensor runs a workflow: one Dagster job.

    Attributes
    ----------
    name : str
        Unique in the file and a valid Dagster name: the job's name.
    parameters : mapping
        Values of the workflow's parameters, without the automatic ones.
    earliest_date, latest_date : date or None
        Bounds of the reference date, both inclusive; None for no bound. Stencil dates may lie
        outside.
    cdr_types : tuple of str or None
        None for all types that FlowAPI reports.
    cdr_types_mode : str
        "any": a date is available when one of the types has it; "all": when every one has it.
    min_available : float
        Share, from 0 to 1, of the stencil's dates that must be available.
    max_gap : timedelta or None
        Longest run of missing stencil dates to put up with; None for no limit (which matters only
        when `min_available` is below 1).
    max_attempts : int or None
        Give a date up after so many failed attempts; None to try at every check.
    retry_delay : timedelta or None
        Least time between the end of a failed attempt and the next; None for none.
    """

    name: str
    workflow: Workflow
    parameters: Mapping[str, Any] = field(default_factory=dict)
    earliest_date: date | None = None
    latest_date: date | None = None
    date_stencil: DateStencil = field(default_factory=DateStencil)
    every: Every = Every.DAY
    cdr_types: tuple[str, ...] | None = None
    cdr_types_mode: CdrTypesMode = "any"
    min_available: float = 1.0
    max_gap: timedelta | None = None
    max_attempts: int | None = None
    retry_delay: timedelta | None = None
    description: str | None = None


@dataclass(frozen=True)
class WorkflowDefinitions:
    """Everything that a valid `workflows.yml` says.

    Attributes
    ----------
    workflows : mapping of str to Workflow
        By name, in the file's order.
    configs : tuple of WorkflowConfig
        In the file's order.
    schedule : str or None
        Cron string of the checks for available dates; None to check once.
    timezone : str
        IANA name of the time zone in which `schedule` is meant.
    warnings : tuple of str
        What looks like a mistake but is not one for certain, in the shape of error messages.
    """

    workflows: Mapping[str, Workflow]
    configs: tuple[WorkflowConfig, ...]
    schedule: str | None
    timezone: str = "UTC"
    warnings: tuple[str, ...] = ()

    @property
    def unconfigured(self) -> tuple[Workflow, ...]:
        """Workflows that no config names: they run by hand only."""
        configured = {config.workflow.name for config in self.configs}
        return tuple(w for name, w in self.workflows.items() if name not in configured)


def notebook_parameters(
    notebook: Notebook,
    *,
    values: Mapping[str, Any],
    flowapi_url: str,
    executed: Mapping[str, str],
) -> dict[str, Any]:
    """Return the parameters that papermill injects into a notebook.

    Parameters
    ----------
    notebook : Notebook
        Whose parameters to look up.
    values : mapping
        Values of all workflow parameters, automatic ones included.
    flowapi_url : str
        Value for "flowapi_url".
    executed : mapping of str to str
        Full paths of the executed upstream notebooks, by key.
    """
    known = {**values, FLOWAPI_URL: flowapi_url, **executed}
    return {name: json_value(known[source]) for name, source in notebook.parameters.items()}


def automatic_values(
    reference_date: date, date_ranges: tuple[DateRange, ...], missing_dates: tuple[date, ...]
) -> dict[str, Any]:
    """Return the values of the parameters that the sensor provides, as JSON values."""
    return {
        REFERENCE_DATE: reference_date.isoformat(),
        DATE_RANGES: [[start.isoformat(), end.isoformat()] for start, end in date_ranges],
        MISSING_DATES: [day.isoformat() for day in sorted(missing_dates)],
    }
