"""The available dates sensor: ask FlowAPI, plan, and request runs or explain why not."""

from __future__ import annotations

import dataclasses
import logging
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg

from autoflow_dagster import check_schedule
from autoflow_dagster.cdr_assets import observations
from autoflow_dagster.check_schedule import CheckCursor
from autoflow_dagster.data_versions import DataVersions
from autoflow_dagster.dates.date_set import DateSet
from autoflow_dagster.errors import AutoflowError, FlowapiPermanentError
from autoflow_dagster.flowapi.request import AvailableDates, fetch_with, read_token
from autoflow_dagster.ledger import last_attempts, queued_runs, read_histories
from autoflow_dagster.planning import (
    ConfigPlan,
    PlannedDate,
    State,
    plan_config,
    requestable,
    share_out,
)
from autoflow_dagster.run_requests import add_partitions, build_run_requests
from autoflow_dagster.service.inputs_copy import inputs_problem
from autoflow_dagster.settings import FLOWAPI_TOKEN, Settings, redact
from autoflow_dagster.site import SiteOptions
from autoflow_dagster.site_in_background import SiteInBackground
from autoflow_dagster.wording import config_lines, next_check_text
from autoflow_dagster.workflows import WorkflowConfig, WorkflowDefinitions

SENSOR_NAME = "available_dates_sensor"
TOKEN_WARNING_PERIOD = timedelta(days=7)

QUEUED_PORTIONS = 5
"""Portions of requests that wait in Dagster's queue, at most; the rest of a backlog waits here."""


def build_sensor(
    definitions: WorkflowDefinitions, settings: Settings, jobs: Sequence[Any]
) -> dg.SensorDefinition:
    """Return the sensor that requests the runs of all configs.

    Parameters
    ----------
    jobs : sequence of jobs
        The configs' jobs.
    """
    options = SiteOptions(base_url=settings.reports_url or "")
    memory = _Memory(SiteInBackground(settings.outputs_dir, options))

    @dg.sensor(
        name=SENSOR_NAME,
        jobs=jobs,
        # The daemon looks every 5 seconds. A look that came some milliseconds before the interval is
        # over would leave the tick to the next look.
        minimum_interval_seconds=max(1, settings.check_interval_seconds - 1),
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=_description(definitions),
    )
    def available_dates_sensor(
        context: dg.SensorEvaluationContext,
    ) -> dg.SensorResult:
        _limit_console(context.log, settings.log_level)
        with memory.lock:  # two daemons by mistake ask at the same time
            return _Tick(context, definitions, settings, memory).evaluate()

    return available_dates_sensor


def _limit_console(log: logging.Logger, level: str) -> None:
    """Have the service's log keep to a level, which Dagster does not; the tick keeps all lines."""
    # Not public, but by what else is the part for the tick to be told from the part for the log?
    from dagster._core.definitions.instigation_logger import CapturedLogHandler

    for handler in log.handlers:
        if not isinstance(handler, CapturedLogHandler):
            handler.setLevel(level)


def _description(definitions: WorkflowDefinitions) -> str:
    when = (
        f"on the schedule `{definitions.schedule}` ({definitions.timezone})"
        if definitions.schedule
        else "once, and again when `workflows.yml` changes"
    )
    return (
        f"Asks FlowAPI for available dates {when} and requests a run for each date whose date "
        "stencil is satisfied and that has not yet succeeded."
    )


@dataclass
class _Memory:
    """What the process that evaluates ticks remembers between them; a restart loses it."""

    site: SiteInBackground
    available: AvailableDates | None = None
    asked_at: datetime | None = None
    partitions: dict[str, DateSet] = field(default_factory=dict)
    versions: DataVersions = field(default_factory=DataVersions)
    lock: threading.Lock = field(default_factory=threading.Lock)


class _Tick:
    """One evaluation of the sensor."""

    def __init__(
        self,
        context: dg.SensorEvaluationContext,
        definitions: WorkflowDefinitions,
        settings: Settings,
        memory: _Memory,
    ) -> None:
        self.context = context
        self.definitions = definitions
        self.settings = settings
        self.memory = memory
        self.observations: Sequence[dg.AssetObservation] = ()
        self.troubles: dict[str, Exception] = {}
        self.now = datetime.now(UTC)
        self.cursor = check_schedule.begin_tick(CheckCursor.from_json(context.cursor), self.now)

    def evaluate(self) -> dg.SensorResult:
        """Check, go on with the last check, or say when the next one is."""
        if check_schedule.is_check_due(self.cursor, self.definitions, self.now):
            return self._check(self._ask_flowapi())
        if self.cursor.has_backlog and self.cursor.check_started_at:
            return self._hand_out_more(self.cursor.check_started_at)
        if self.cursor.has_trouble and self.cursor.check_started_at and self._may_ask():
            return self._request(self._ask_flowapi(), self.cursor.check_started_at, self.cursor)
        return self._skip("")

    def _skip(self, text: str) -> dg.SensorResult:
        reason = f"{text} {self._next_check_text(self.cursor)}".strip()
        lines = [*self._inputs_lines(), reason]
        return dg.SensorResult(skip_reason="\n".join(lines), cursor=self.cursor.to_json())

    def _next_check_text(self, cursor: CheckCursor) -> str:
        following = check_schedule.next_check(
            self.definitions.schedule, self.definitions.timezone, cursor.counted_from
        )
        return next_check_text(following)

    def _may_ask(self) -> bool:
        """Return whether FlowAPI was asked last, in vain or not, at least a minute ago."""
        asked = CheckCursor(polled_at=self.memory.asked_at)
        return check_schedule.may_poll(asked, self.now) and check_schedule.may_poll(
            self.cursor, self.now
        )

    def _ask_flowapi(self) -> AvailableDates:
        self.memory.asked_at = self.now
        before = self.memory.available
        available = fetch_with(self.settings)
        # What has not changed since is not observed again: a check may happen every minute, for
        # years.
        changed = {
            name: dates
            for name, dates in available.items()
            if before is None or dates != before.get(name)
        }
        self.observations = observations(changed, before)
        self.memory.available = available
        self.cursor = dataclasses.replace(self.cursor, polled_at=self.now)
        return available

    def _check(self, available: AvailableDates) -> dg.SensorResult:
        checked = check_schedule.after_check(
            self.cursor, self.definitions, self.now, has_backlog=False
        )
        return self._request(available, self.now, checked)

    def _hand_out_more(self, check_started_at: datetime) -> dg.SensorResult:
        """Request more due dates of the last check, with the answer that FlowAPI gave it."""
        if (queued := self._queued_runs()) > self._queue_limit:
            return self._skip(f"{queued} runs are queued; more are requested when fewer are.")
        available = self.memory.available
        if available is None:  # this process was started after the check
            if not self._may_ask():
                return self._skip("More due dates are requested at one of the next ticks.")
            available = self._ask_flowapi()
        return self._request(available, check_started_at, self.cursor)

    @property
    def _queue_limit(self) -> int:
        """Most queued runs at which a tick requests more.

        Dagster looks at each of them every few seconds, and who comes last waits for all others.
        """
        return (QUEUED_PORTIONS - 1) * self.settings.run_requests_per_tick

    def _queued_runs(self) -> int:
        names = [config.name for config in self.definitions.configs]
        return queued_runs(self.context.instance, names, up_to=self._queue_limit)

    def _request(
        self, available: AvailableDates, check_started_at: datetime, cursor: CheckCursor
    ) -> dg.SensorResult:
        """Plan every config, request what is due, and say what was found.

        Parameters
        ----------
        check_started_at : datetime
            Start of the check that this tick is, or belongs to.
        cursor : CheckCursor
            What the next tick is to know, but for what was left to it.
        """
        plans = self._plans(available)
        if not self.troubles:  # what is missing among the plans would look as if it were retired
            self.memory.site.tell(plans)
        due = [requestable(plan, check_started_at) for plan in plans]
        is_full = self._queued_runs() > self._queue_limit
        chosen = share_out(
            due,
            0 if is_full else self.settings.run_requests_per_tick,
            running=[plan.counts[State.RUNNING] for plan in plans],
        )
        hashes = [date.parameters_hash for _, date in chosen if date.parameters_hash]
        attempts = last_attempts(self.context.instance, hashes)
        requests: list[dg.RunRequest] = []
        requested = []
        for index, plan in enumerate(plans):
            made = self._run_requests(plan, [date for i, date in chosen if i == index], attempts)
            requests += made
            requested.append(len(made))
        cursor = dataclasses.replace(
            cursor,
            has_backlog=sum(map(len, due)) > len(chosen),
            has_trouble=bool(self.troubles),
        )
        return self._result(requests, self._lines(plans, requested, cursor), cursor)

    def _plans(self, available: AvailableDates) -> list[ConfigPlan]:
        """Return the plans of the configs that can be planned, with their partitions added.

        Raises
        ------
        AutoflowError
            When there are configs and none can be planned.
        """
        configs = self.definitions.configs
        histories = read_histories(
            self.context.instance, configs, self._note_trouble, self.memory.versions
        )
        plans = []
        for config in configs:
            if config.name not in histories:
                continue
            try:
                plan = plan_config(config, available, histories[config.name], self.now)
                self._add_partitions(plan)
            except Exception as error:  # whatever it is, the other configs go on
                self._note_trouble(config, error)
            else:
                plans.append(plan)
        if configs and not plans:
            raise AutoflowError(
                "No workflow config can be checked", "\n".join(self._trouble_lines())
            )
        return plans

    def _add_partitions(self, plan: ConfigPlan) -> None:
        known = self.memory.partitions
        name = plan.config.name
        known[name] = add_partitions(self.context.instance, plan, known.get(name))

    def _note_trouble(self, config: WorkflowConfig, error: Exception) -> None:
        self.troubles[config.name] = error

    def _run_requests(
        self,
        plan: ConfigPlan,
        dates: Sequence[PlannedDate],
        attempts: Mapping[tuple[str, str], int],
    ) -> list[dg.RunRequest]:
        outputs = self.settings.outputs_dir
        try:
            return build_run_requests(self.context.instance, plan, dates, attempts, outputs)
        except Exception as error:  # as in _plans
            self._note_trouble(plan.config, error)
            return []

    def _result(
        self, requests: Sequence[dg.RunRequest], lines: Sequence[str], cursor: CheckCursor
    ) -> dg.SensorResult:
        if requests:
            # A tick with requests has no skip reason; without, the log would only repeat it, in a
            # file that Dagster never deletes.
            for line in lines:
                self.context.log.info(line)
        return dg.SensorResult(
            run_requests=requests,
            skip_reason=None if requests else dg.SkipReason("\n".join(lines)),
            asset_events=self.observations,
            cursor=cursor.to_json(),
        )

    def _lines(
        self, plans: Sequence[ConfigPlan], requested: Sequence[int], cursor: CheckCursor
    ) -> list[str]:
        lines = [*self._inputs_lines(), *self._token_warnings()]
        for plan, number in zip(plans, requested, strict=True):
            lines += config_lines(plan, number)
        lines += self._trouble_lines()
        if not self.definitions.configs:
            lines.append("workflows.yml has no workflow configs: there is nothing to run.")
        if cursor.has_backlog:
            lines.append("More due dates follow at the next ticks.")
        return [*lines, self._next_check_text(cursor)]

    def _trouble_lines(self) -> list[str]:
        secrets = self.settings.secret_values()
        return [
            redact(
                f"{name}: cannot be checked ({type(error).__name__}: {error}). "
                "It is tried again in a minute; the others are not affected.",
                secrets,
            )
            for name, error in self.troubles.items()
        ]

    def _inputs_lines(self) -> list[str]:
        """Return what is wrong with inputs that have been edited and are not in effect."""
        problem = inputs_problem(self.settings)
        if not problem:
            return []
        text = f"The inputs have been edited and are wrong; the last good ones are in effect. {problem}"
        return [redact(text, self.settings.secret_values())]

    def _token_warnings(self) -> list[str]:
        token = self.settings.secret(FLOWAPI_TOKEN)
        try:
            claims = read_token(token or "")
        except FlowapiPermanentError:
            return []
        if not claims.expires_within(TOKEN_WARNING_PERIOD, self.now):
            return []
        text = (
            f"The FlowAPI token expires on {claims.expires_at:%Y-%m-%d %H:%M} UTC: "
            "make a new one in FlowAuth and set FLOWAPI_TOKEN."
        )
        self.context.log.warning(text)
        return [text]
