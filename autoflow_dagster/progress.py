"""What has changed since the last look: dates that began, succeeded or failed, as plain lines.

For commands that follow the service while it works. Reads the ledger; decides nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime

from dagster import DagsterInstance

from autoflow_dagster.data_versions import DataVersions
from autoflow_dagster.flowapi.request import AvailableDates
from autoflow_dagster.ledger import failure_text, read_histories
from autoflow_dagster.planning import ConfigPlan, PlannedDate, State, plan_config
from autoflow_dagster.workflows import WorkflowDefinitions


def plan_all(
    instance: DagsterInstance,
    definitions: WorkflowDefinitions,
    available: AvailableDates,
    versions: DataVersions | None = None,
) -> list[ConfigPlan]:
    """Return the plan of every config, by the ledger of this moment.

    Parameters
    ----------
    versions : DataVersions or None
        As for `read_histories`.
    """
    histories = read_histories(instance, definitions.configs, versions=versions)
    now = datetime.now(UTC)
    return [plan_config(c, available, histories[c.name], now) for c in definitions.configs]


@dataclass
class Progress:
    """Follows all dates of all configs.

    Attributes
    ----------
    is_finished : bool
        Whether, at the last look, every date that was requested or due had succeeded or failed.
    failures : list of str
        A line for each date that has failed and would be tried again, or was given up, at the last
        look. Not for one that the config does not select any more.
    """

    instance: DagsterInstance
    definitions: WorkflowDefinitions
    is_finished: bool = False
    failures: list[str] = field(default_factory=list)
    _versions: DataVersions = field(default_factory=DataVersions)
    _seen: dict[tuple[str, date], tuple[State, int]] = field(default_factory=dict)

    def look(self, available: AvailableDates) -> Iterator[str]:
        """Yield a line for each date that changed since the last look."""
        plans = plan_all(self.instance, self.definitions, available, self._versions)
        pending, self.failures = 0, []
        for plan in plans:
            for planned in plan.dates:
                failed = _has_failed(planned)
                pending += planned.state in (State.RUNNING, State.DUE) and not failed
                if failed:
                    self.failures.append(self._failure(plan, planned))
                yield from self._changes(plan, planned)
        self.is_finished = not pending

    def _changes(self, plan: ConfigPlan, planned: PlannedDate) -> Iterator[str]:
        name = plan.config.name
        key, new = (name, planned.reference_date), (planned.state, len(planned.attempts))
        old = self._seen.get(key)
        self._seen[key] = new
        if old == new:
            return
        subject = f"{name}, reference date {planned.reference_date}"
        if planned.state is State.RUNNING:
            yield f"{subject}: requested"
        elif planned.state is State.DONE and old is not None:
            yield f"{subject}: done"
        elif old is not None and new[1] > old[1]:
            yield self._failure(plan, planned)

    def _failure(self, plan: ConfigPlan, planned: PlannedDate) -> str:
        text = failure_text(self.instance, planned.attempts[-1].run_id)
        subject = f"{plan.config.name}, reference date {planned.reference_date}"
        return f"{subject}: FAILED\n    " + text.replace("\n", "\n    ")


def _has_failed(planned: PlannedDate) -> bool:
    return bool(planned.attempts) and planned.state in (State.DUE, State.DELAYED, State.EXHAUSTED)
