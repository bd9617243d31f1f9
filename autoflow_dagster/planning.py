"""What is to be run, what waits and why: one pure decision for the sensor, `plan` and `explain`.

Given a config, FlowAPI's available dates, what the ledger knows and the time, every available date
gets a state. Nothing here reads a clock, a file, FlowAPI or Dagster.
"""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cached_property

from autoflow_dagster.date_set import DateSet
from autoflow_dagster.date_stencil import EmptyDateRangeError, StencilCheck
from autoflow_dagster.naming import DateRange, parameters_hash
from autoflow_dagster.workflows import WorkflowConfig


class State(enum.StrEnum):
    """What the next check would make of a date."""

    DUE = "due"
    RUNNING = "running"
    DONE = "done"
    WAITING = "waiting"
    NOT_SELECTED = "not_selected"
    NEVER = "never"
    EXHAUSTED = "exhausted"
    DELAYED = "delayed"


@dataclass(frozen=True)
class Attempt:
    """A run that ended without success.

    Attributes
    ----------
    run_id : str
        Dagster's.
    ended_at : datetime
        UTC-aware.
    was_cancelled : bool
        False when it failed.
    """

    run_id: str
    ended_at: datetime
    was_cancelled: bool = False


@dataclass(frozen=True)
class History:
    """What the ledger knows about one config.

    Attributes
    ----------
    done : mapping of date to str
        Parameters hash with which every asset of the config was last materialized; a date whose
        assets disagree, or are not all there, is absent.
    running : mapping of date to str
        Run id of the queued or running run.
    attempts : mapping of (date, hash) to sequence of Attempt
        Failed and cancelled runs, oldest first.
    """

    done: Mapping[date, str] = field(default_factory=dict)
    running: Mapping[date, str] = field(default_factory=dict)
    attempts: Mapping[tuple[date, str], Sequence[Attempt]] = field(default_factory=dict)


@dataclass(frozen=True)
class PlannedDate:
    """One available date of one config.

    Attributes
    ----------
    check : StencilCheck or None
        Which stencil dates are there; None when the stencil means nothing for this date.
    parameters_hash : str or None
        None when the stencil means nothing for this date.
    attempts : sequence of Attempt
        Failed and cancelled runs with the present parameters hash, oldest first.
    not_before : datetime or None
        For a delayed date: when it may be tried again. None when that is the next check.
    run_id : str or None
        Of the run that is queued or running.
    """

    reference_date: date
    state: State
    check: StencilCheck | None = None
    parameters_hash: str | None = None
    attempts: Sequence[Attempt] = ()
    not_before: datetime | None = None
    run_id: str | None = None

    @property
    def date_ranges(self) -> tuple[DateRange, ...]:
        """What the stencil means for the reference date, half-open; empty when it means nothing."""
        return self.check.date_ranges if self.check else ()

    @property
    def missing_dates(self) -> tuple[date, ...]:
        """Stencil dates that FlowAPI does not have, ascending."""
        return self.check.missing_dates if self.check else ()


@dataclass(frozen=True)
class ConfigPlan:
    """Every available date of one config, ascending.

    Attributes
    ----------
    available : DateSet
        Dates available to this config, by its CDR types.
    absent_cdr_types : tuple of str
        CDR types that the config lists and FlowAPI has no dates for.
    """

    config: WorkflowConfig
    dates: tuple[PlannedDate, ...]
    available: DateSet
    absent_cdr_types: tuple[str, ...] = ()

    @cached_property
    def counts(self) -> Counter[State]:
        """Number of dates in each state."""
        return Counter(planned.state for planned in self.dates)

    def in_state(self, *states: State) -> list[PlannedDate]:
        """Return the dates in one of the states, ascending."""
        return [planned for planned in self.dates if planned.state in states]

    @property
    def satisfied(self) -> Iterator[date]:
        """Reference dates whose stencil is satisfied, done or not: the job's partitions."""
        outside = (State.WAITING, State.NOT_SELECTED, State.NEVER)
        return (p.reference_date for p in self.dates if p.state not in outside)


def available_dates_of(
    config: WorkflowConfig, by_cdr_type: Mapping[str, DateSet]
) -> tuple[DateSet, tuple[str, ...]]:
    """Return the dates available to a config, and the CDR types it lists that have none.

    Types that the config lists are united (mode "any", as in AutoFlow) or intersected ("all").
    """
    if config.cdr_types is None:
        wanted = list(by_cdr_type.values())
        absent: tuple[str, ...] = ()
    else:
        wanted = [by_cdr_type.get(name, DateSet()) for name in dict.fromkeys(config.cdr_types)]
        absent = tuple(sorted(name for name in config.cdr_types if not by_cdr_type.get(name)))
    if len(wanted) < 2:
        return (wanted[0] if wanted else DateSet()), absent
    first, *others = wanted
    combine = first.intersection if config.cdr_types_mode == "all" else first.union
    return combine(*others), absent


def plan_config(
    config: WorkflowConfig,
    by_cdr_type: Mapping[str, DateSet],
    history: History,
    now: datetime,
) -> ConfigPlan:
    """Decide for every available date of a config what the next check would make of it.

    Parameters
    ----------
    config : WorkflowConfig
        What to plan.
    by_cdr_type : mapping of str to DateSet
        FlowAPI's available dates.
    history : History
        What the ledger knows.
    now : datetime
        UTC-aware; used for `retry_delay` only.
    """
    available, absent = available_dates_of(config, by_cdr_type)
    dates = tuple(plan_date(config, day, available, history, now) for day in available)
    return ConfigPlan(config=config, dates=dates, available=available, absent_cdr_types=absent)


def plan_date(
    config: WorkflowConfig, day: date, available: DateSet, history: History, now: datetime
) -> PlannedDate:
    """Decide for one reference date, available or not, what the next check would make of it."""
    try:
        check = config.date_stencil.check(day, available)
        date_ranges = check.date_ranges
    except EmptyDateRangeError:
        return PlannedDate(day, State.NEVER)
    params_hash = parameters_hash(config.parameters, day, date_ranges)
    attempts = history.attempts.get((day, params_hash), ())
    state, not_before = _state(config, day, check, params_hash, attempts, history, now)
    return PlannedDate(
        reference_date=day,
        state=state,
        check=check,
        parameters_hash=params_hash,
        attempts=attempts,
        not_before=not_before,
        run_id=history.running.get(day),
    )


def is_selected(config: WorkflowConfig, day: date) -> bool:
    """Return whether a date may be a reference date: within the bounds, and matched by `every`."""
    return (
        (config.earliest_date is None or day >= config.earliest_date)
        and (config.latest_date is None or day <= config.latest_date)
        and config.every.selects(day)
    )


def _state(
    config: WorkflowConfig,
    day: date,
    check: StencilCheck,
    params_hash: str,
    attempts: Sequence[Attempt],
    history: History,
    now: datetime,
) -> tuple[State, datetime | None]:
    """Return the state, and for a delayed date when it may be tried again."""
    if day in history.running:
        return State.RUNNING, None
    if not is_selected(config, day):
        return State.NOT_SELECTED, None
    if history.done.get(day) == params_hash:
        return State.DONE, None
    if not check.is_satisfied(config.min_available, config.max_gap):
        return State.WAITING, None
    if config.max_attempts is not None and len(attempts) >= config.max_attempts:
        return State.EXHAUSTED, None
    if attempts and config.retry_delay is not None:
        not_before = attempts[-1].ended_at + config.retry_delay
        if now < not_before:
            return State.DELAYED, not_before
    return State.DUE, None


def requestable(plan: ConfigPlan, check_started_at: datetime) -> list[PlannedDate]:
    """Return the due dates that this check may still request.

    A date whose attempt ended after the check began is left to the next check, so that a failing
    date is not tried again and again while a backlog is handed out.
    """
    return [
        planned
        for planned in plan.in_state(State.DUE)
        if not planned.attempts or planned.attempts[-1].ended_at < check_started_at
    ]


def share_out(due: Sequence[Sequence[PlannedDate]], limit: int) -> list[tuple[int, PlannedDate]]:
    """Choose at most `limit` dates, taking turns between configs, the oldest of each first.

    Parameters
    ----------
    due : sequence of sequences
        For each config its requestable dates, ascending.
    limit : int
        Most dates to choose.

    Returns
    -------
    list of (int, PlannedDate)
        Index of the config, and the date.
    """
    chosen: list[tuple[int, PlannedDate]] = []
    for round_number in range(max(map(len, due), default=0)):
        for index, dates in enumerate(due):
            if round_number < len(dates):
                if len(chosen) == limit:
                    return chosen
                chosen.append((index, dates[round_number]))
    return chosen


def first_dates(dates: Iterable[date], limit: int = 3) -> str:
    """Return the first few dates as text, with how many more there are.

    Examples
    --------
    >>> first_dates([date(2016, 1, 1), date(2016, 1, 2)], limit=1)
    '2016-01-01 and 1 more'
    """
    shown = [day.isoformat() for day in dates]
    more = f" and {len(shown) - limit} more" if len(shown) > limit else ""
    return ", ".join(shown[:limit]) + more
