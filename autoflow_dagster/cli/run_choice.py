"""What `autoflow run` is asked to run, and whether it may be run now.

Decides with the same plan as the sensor; launches nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from autoflow_dagster.errors import AutoflowError, WorkflowsFileError
from autoflow_dagster.job_spec import JobSpec
from autoflow_dagster.jobs import job_specs, run_tags
from autoflow_dagster.launch_config import parameters_schema
from autoflow_dagster.ledger import PARTITION_TAG, last_attempts, read_histories
from autoflow_dagster.naming import TAG_ATTEMPT, json_value
from autoflow_dagster.parser.problems import did_you_mean, listed
from autoflow_dagster.planning import (
    ConfigPlan,
    History,
    PlannedDate,
    State,
    first_dates,
    plan_config,
    plan_date,
)
from autoflow_dagster.run_values import TAG_MISSING_DATES
from autoflow_dagster.workflows import MISSING_DATES, WorkflowConfig

if TYPE_CHECKING:
    from dagster import DagsterInstance

    from autoflow_dagster.flowapi.request import AvailableDates
    from autoflow_dagster.settings import Settings
    from autoflow_dagster.workflows import WorkflowDefinitions

FORCEABLE = (State.WAITING, State.NOT_SELECTED)
"""States in which a date is not run, except with ``--force``."""


@dataclass(frozen=True)
class Wanted:
    """One run to be launched.

    Attributes
    ----------
    day : date or None
        None for a workflow that no config names.
    tags : mapping
        Run tags besides those that the job has anyway.
    remark : str
        What there is to say about it beforehand; empty for nothing.
    """

    spec: JobSpec
    day: date | None = None
    run_config: Mapping[str, Any] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    remark: str = ""

    @property
    def subject(self) -> str:
        """What is run, in words."""
        return f"{self.spec.name}, reference date {self.day}" if self.day else self.spec.name


def find_spec(definitions: WorkflowDefinitions, settings: Settings, name: str) -> JobSpec:
    """Return what the job of a config, or of a workflow that no config names, runs.

    Raises
    ------
    WorkflowsFileError
        When there is none of that name.
    """
    specs = job_specs(definitions, settings)
    by_name = {spec.name: spec for spec in specs}
    by_name |= {spec.workflow.name: spec for spec in specs if spec.config is None}
    if name in by_name:
        return by_name[name]
    configs = [c.name for c in definitions.configs if c.workflow.name == name]
    hint = f"The configs of that workflow are {listed(configs)}." if configs else ""
    raise WorkflowsFileError(
        "workflows.yml",
        f'there is no config called "{name}".',
        hint or did_you_mean(name, by_name) or f"There is {listed(by_name) or 'none'}.",
    )


class Choice:
    """Decides which dates of a config may be run now.

    Parameters
    ----------
    available : AvailableDates or None
        None when FlowAPI could not be asked; then nothing runs without `force`.
    force : bool
        Whether dates run that the sensor would not run.
    """

    def __init__(
        self,
        instance: DagsterInstance,
        spec: JobSpec,
        config: WorkflowConfig,
        available: AvailableDates | None,
        force: bool,
    ) -> None:
        self._instance = instance
        self._spec = spec
        self._config = config
        self._available = available
        self._force = force

    def choose(self, days: Sequence[date]) -> list[Wanted]:
        """Return the runs for these dates.

        Raises
        ------
        AutoflowError
            When one of them is not to be run, saying why for each.
        """
        plan, history = self._plan()
        planned = [self._planned(plan, history, day) for day in dict.fromkeys(days)]
        refusals = [(p, text) for p in planned if (text := self._refusal(plan, p))]
        if refusals:
            raise self._error(refusals, len(planned))
        return [self._wanted(p) for p in planned]

    def choose_again(self, day: date) -> Wanted:
        """Return the run for a date that was chosen a while ago.

        Raises
        ------
        AutoflowError
            When it is running meanwhile.
        """
        return self.choose([day])[0]

    def _plan(self) -> tuple[ConfigPlan, History]:
        history = read_histories(self._instance, [self._config])[self._config.name]
        return plan_config(self._config, self._available or {}, history, self._now()), history

    def _planned(self, plan: ConfigPlan, history: History, day: date) -> PlannedDate:
        return plan_date(self._config, day, plan.available, history, self._now())

    def _now(self) -> datetime:
        return datetime.now(UTC)

    def _refusal(self, plan: ConfigPlan, planned: PlannedDate) -> str:
        """Return why a date is not run; empty when it is."""
        day = planned.reference_date
        match planned.state:
            case State.RUNNING:
                return f"{day} is queued or running: {planned.run_id}."
            case State.NEVER:
                return f"{day} cannot be run: its date stencil has no days."
            case State.WAITING if not self._force:
                return _waiting_text(plan, planned)
            case State.NOT_SELECTED if not self._force:
                return f"{day} is not selected by {_bounds_text(self._config)}."
        return ""

    def _error(self, refusals: Sequence[tuple[PlannedDate, str]], asked: int) -> AutoflowError:
        config, first = self._config, refusals[0][0]
        lines = [text for _, text in refusals]
        if any(planned.state in FORCEABLE for planned, _ in refusals):
            lines.append("Add --force to run it all the same.")
        lines.append(f"More: autoflow explain {config.name} {first.reference_date}")
        problem = "nothing was run." if asked > 1 else "not run."
        return AutoflowError(config.name, problem, "\n  ".join(lines))

    def _wanted(self, planned: PlannedDate) -> Wanted:
        config, day = self._config, planned.reference_date
        params_hash = planned.parameters_hash or ""
        attempts = last_attempts(self._instance, [params_hash])
        tags = {**run_tags(config, day), PARTITION_TAG: day.isoformat()}
        tags[TAG_ATTEMPT] = str(attempts.get((config.name, params_hash), 0) + 1)
        wants_to_know = MISSING_DATES in config.workflow.parameter_names
        if self._available is not None and (wants_to_know or planned.missing_dates):
            tags[TAG_MISSING_DATES] = json.dumps([d.isoformat() for d in planned.missing_dates])
        return Wanted(self._spec, day, tags=tags, remark=_remark(planned))


def _waiting_text(plan: ConfigPlan, planned: PlannedDate) -> str:
    day = planned.reference_date
    if day not in plan.available:
        return f"{day} is not among the available dates."
    return f"{day} waits for {first_dates(planned.missing_dates)} (date stencil)."


def _bounds_text(config: WorkflowConfig) -> str:
    parts = [
        f"{name} {value}"
        for name in ("earliest_date", "latest_date", "every")
        if (value := getattr(config, name)) not in (None, "day")
    ]
    return ", ".join(parts)


def _remark(planned: PlannedDate) -> str:
    """Return what to say before a date is run that the sensor would not run now."""
    match planned.state:
        case State.DONE:
            return "it has succeeded before with these parameters, and is run again"
        case State.WAITING if planned.missing_dates:
            return f"forced, although {first_dates(planned.missing_dates)} is missing"
        case State.WAITING:
            return "forced, although it is not among the available dates"
        case State.NOT_SELECTED:
            return "forced, although the config does not select it"
    return ""


def by_hand(spec: JobSpec, texts: Sequence[str]) -> Wanted:
    """Return the run of a workflow that no config names.

    Parameters
    ----------
    texts : sequence of str
        ``key=value`` for each workflow parameter; the values are YAML. One for which a notebook has
        a default may be left out.

    Raises
    ------
    AutoflowError
        When a parameter is missing, unknown, given twice or not readable.
    """
    given, fields = parse_parameters(texts), parameters_schema(spec)
    unknown = sorted(given.keys() - fields.keys())
    missing = sorted(name for name in fields.keys() - given.keys() if fields[name].is_required)
    where = f"--parameters of {spec.name}"
    if unknown:
        hint = did_you_mean(unknown[0], fields) or f"It has {listed(fields) or 'none'}."
        raise AutoflowError(where, f"the workflow has no parameter {listed(unknown)}.", hint)
    if missing:
        hint = "Add " + " ".join(f"--parameters {name}=..." for name in missing)
        raise AutoflowError(where, f"{listed(missing)} must be given.", hint)
    return Wanted(spec, run_config={name: json_value(value) for name, value in given.items()})


def parse_parameters(texts: Sequence[str]) -> dict[str, Any]:
    """Return parameters from ``key=value`` texts.

    Raises
    ------
    AutoflowError
        When one has no ``=``, is not YAML or is given twice.

    Examples
    --------
    >>> parse_parameters(["aggregation_unit=admin3", "days=[1, 2]"])
    {'aggregation_unit': 'admin3', 'days': [1, 2]}
    """
    import yaml

    parameters: dict[str, Any] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        where = f'--parameters "{text}"'
        if not equals or not key:
            raise AutoflowError(where, "is not key=value.", "Write --parameters key=value.")
        if key in parameters:
            raise AutoflowError(where, f'"{key}" is given twice.', "Leave one of them out.")
        try:
            parameters[key] = yaml.safe_load(value)
        except yaml.YAMLError as error:
            hint = "Put it in quotes: --parameters key='\"value\"'"
            raise AutoflowError(where, "the value is not valid YAML.", hint) from error
    return parameters
