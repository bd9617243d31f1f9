"""The available dates sensor: ask FlowAPI, plan, and request runs or explain why not."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg

from autoflow_dagster import check_schedule
from autoflow_dagster.cdr_assets import observations
from autoflow_dagster.check_schedule import CheckCursor
from autoflow_dagster.errors import FlowapiPermanentError
from autoflow_dagster.flowapi import AvailableDates, fetch_with, read_token
from autoflow_dagster.jobs import run_tags
from autoflow_dagster.ledger import launched_before, read_histories, report_asset_keys
from autoflow_dagster.naming import TAG_ATTEMPT, run_key
from autoflow_dagster.planning import (
    ConfigPlan,
    PlannedDate,
    plan_config,
    requestable,
    share_out,
)
from autoflow_dagster.run_values import TAG_MISSING_DATES
from autoflow_dagster.settings import FLOWAPI_TOKEN, Settings
from autoflow_dagster.wording import config_lines, next_check_text
from autoflow_dagster.workflows import WorkflowDefinitions

SENSOR_NAME = "available_dates_sensor"
TOKEN_WARNING_PERIOD = timedelta(days=7)


def build_sensor(
    definitions: WorkflowDefinitions, settings: Settings, jobs: Sequence[Any]
) -> dg.SensorDefinition:
    """Return the sensor that requests the runs of all configs.

    Parameters
    ----------
    jobs : sequence of jobs
        The configs' jobs.
    """
    last_answer: dict[str, AvailableDates] = {}

    @dg.sensor(
        name=SENSOR_NAME,
        jobs=jobs,
        minimum_interval_seconds=settings.check_interval_seconds,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=_description(definitions),
    )
    def available_dates_sensor(
        context: dg.SensorEvaluationContext,
    ) -> dg.SensorResult | dg.SkipReason:
        return _Tick(context, definitions, settings, last_answer).evaluate()

    return available_dates_sensor


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


class _Tick:
    """One evaluation of the sensor."""

    def __init__(
        self,
        context: dg.SensorEvaluationContext,
        definitions: WorkflowDefinitions,
        settings: Settings,
        last_answer: dict[str, AvailableDates],
    ) -> None:
        self.context = context
        self.definitions = definitions
        self.settings = settings
        self.last_answer = last_answer
        self.observations: Sequence[dg.AssetObservation] = ()
        self.now = datetime.now(UTC)
        self.cursor = check_schedule.begin_tick(CheckCursor.from_json(context.cursor), self.now)

    def evaluate(self) -> dg.SensorResult | dg.SkipReason:
        """Check, hand out more of a backlog, or say when the next check is."""
        if check_schedule.is_check_due(self.cursor, self.definitions, self.now):
            return self._request(self._ask_flowapi(), self.now)
        if self.cursor.has_backlog and self.cursor.check_started_at:
            if (available := self._available_for_backlog()) is not None:
                return self._request(available, self.cursor.check_started_at)
            return self._skip("More due dates are requested at one of the next ticks.")
        return self._skip("")

    def _skip(self, text: str) -> dg.SensorResult:
        reason = f"{text} {self._next_check_text(self.cursor)}".strip()
        return dg.SensorResult(skip_reason=reason, cursor=self.cursor.to_json())

    def _next_check_text(self, cursor: CheckCursor) -> str:
        following = check_schedule.next_check(
            self.definitions.schedule, self.definitions.timezone, cursor.counted_from
        )
        return next_check_text(following)

    def _ask_flowapi(self) -> AvailableDates:
        available = fetch_with(self.settings)
        self.observations = observations(available, self.last_answer.get("available"))
        self.last_answer["available"] = available
        self.cursor = dataclasses.replace(self.cursor, polled_at=self.now)
        return available

    def _available_for_backlog(self) -> AvailableDates | None:
        """Return available dates, asking FlowAPI at most once a minute; None when it is too soon."""
        if check_schedule.may_poll(self.cursor, self.now):
            return self._ask_flowapi()
        return self.last_answer.get("available")

    def _request(self, available: AvailableDates, check_started_at: datetime) -> dg.SensorResult:
        """Plan every config, request what is due, and say what was found."""
        configs = self.definitions.configs
        histories = read_histories(self.context.instance, configs)
        plans = [plan_config(c, available, histories[c.name], self.now) for c in configs]
        due = [requestable(plan, check_started_at) for plan in plans]
        chosen = share_out(due, self.settings.run_requests_per_tick)
        requested = [[date for i, date in chosen if i == index] for index in range(len(plans))]
        is_new_check = check_started_at == self.now
        has_backlog = sum(map(len, due)) > len(chosen)
        if is_new_check:
            cursor = check_schedule.after_check(
                self.cursor, self.definitions, self.now, has_backlog
            )
        else:
            cursor = dataclasses.replace(self.cursor, has_backlog=has_backlog)
        return self._result(plans, requested, cursor)

    def _result(
        self,
        plans: Sequence[ConfigPlan],
        requested: Sequence[Sequence[PlannedDate]],
        cursor: CheckCursor,
    ) -> dg.SensorResult:
        run_requests = [
            request
            for plan, dates in zip(plans, requested, strict=True)
            for request in self._run_requests(plan, dates)
        ]
        lines = self._lines(plans, requested, cursor)
        for line in lines:
            self.context.log.info(line)
        return dg.SensorResult(
            run_requests=run_requests,
            skip_reason=None if run_requests else dg.SkipReason("\n".join(lines)),
            dynamic_partitions_requests=self._new_partitions(plans),
            asset_events=self.observations,
            cursor=cursor.to_json(),
        )

    def _lines(
        self,
        plans: Sequence[ConfigPlan],
        requested: Sequence[Sequence[PlannedDate]],
        cursor: CheckCursor,
    ) -> list[str]:
        lines = self._token_warnings()
        for plan, dates in zip(plans, requested, strict=True):
            lines += config_lines(plan, len(dates))
        if not plans:
            lines.append("workflows.yml has no workflow configs: there is nothing to run.")
        if cursor.has_backlog:
            lines.append("More due dates follow at the next ticks.")
        return [*lines, self._next_check_text(cursor)]

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

    def _run_requests(self, plan: ConfigPlan, dates: Sequence[PlannedDate]) -> list[dg.RunRequest]:
        hashes = [planned.parameters_hash for planned in dates if planned.parameters_hash]
        launched = launched_before(self.context.instance, plan.config.name, hashes)
        return [self._run_request(plan, planned, launched) for planned in dates]

    def _run_request(
        self, plan: ConfigPlan, planned: PlannedDate, launched: Mapping[str, int]
    ) -> dg.RunRequest:
        config, day = plan.config, planned.reference_date
        params_hash = planned.parameters_hash or ""
        attempt = launched.get(params_hash, 0) + 1
        tags = run_tags(config, day) | {TAG_ATTEMPT: str(attempt)}
        if config.min_available < 1 or config.max_gap is not None:
            tags[TAG_MISSING_DATES] = json.dumps([d.isoformat() for d in planned.missing_dates])
        return dg.RunRequest(
            job_name=config.name,
            partition_key=day.isoformat(),
            run_key=run_key(config.name, day, params_hash, attempt),
            tags=tags,
            # A report that failed is made again alone; a notebook that failed runs again with all
            # the others, because the fault may lie in what they handed on.
            asset_selection=report_asset_keys(config.name, config.workflow)
            if plan.lacks_reports_only(planned)
            else None,
        )

    def _new_partitions(
        self, plans: Sequence[ConfigPlan]
    ) -> list[dg.AddDynamicPartitionsRequest | dg.DeleteDynamicPartitionsRequest]:
        """Add the reference dates whose stencil is satisfied now."""
        requests: list[dg.AddDynamicPartitionsRequest | dg.DeleteDynamicPartitionsRequest] = []
        for plan in plans:
            known = set(self.context.instance.get_dynamic_partitions(plan.config.name))
            new = [key for day in plan.satisfied if (key := day.isoformat()) not in known]
            if new:
                requests.append(dg.AddDynamicPartitionsRequest(plan.config.name, new))
        return requests
