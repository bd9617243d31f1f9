"""What is to be run, what waits and why: one pure decision for the sensor, `plan` and `explain`.

Given a config, FlowAPI's available dates, what the ledger knows and the time, every available date
gets a state. Nothing here reads a clock, a file, FlowAPI or Dagster.
"""

from __future__ import annotations

import dataclasses
import enum
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cached_property
from heapq import nsmallest

from autoflow_dagster.dates.date_hashes import DateHashes
from autoflow_dagster.dates.date_set import DateSet
from autoflow_dagster.dates.date_stencil import DateStencil, EmptyDateRangeError, StencilCheck
from autoflow_dagster.naming import DateRange
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
        False when it failed. A cancelled run is no attempt to `max_attempts` and `retry_delay`:
        stopping the service cancels runs, and must not use up what the user allowed for failures.
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
    executed : mapping of date to str
        The same for the config's notebooks alone: where it is newer than `done`, only reports are
        missing.
    running : mapping of date to str
        Run id of the queued or running run.
    attempts : mapping of (date, hash) to sequence of Attempt
        Failed and cancelled runs, oldest first.
    """

    done: Mapping[date, str] = field(default_factory=dict)
    executed: Mapping[date, str] = field(default_factory=dict)
    running: Mapping[date, str] = field(default_factory=dict)
    attempts: Mapping[tuple[date, str], Sequence[Attempt]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PlannedDate:
    """One reference date of one config.

    Attributes
    ----------
    parameters_hash : str or None
        None when the stencil means nothing for this date.
    attempts : sequence of Attempt
        Failed and cancelled runs with the present parameters hash, oldest first.
    not_before : datetime or None
        For a delayed date: when it may be tried again. None when that is the next check.
    run_id : str or None
        Of the run that is queued or running.
    stencil : DateStencil
        The config's.
    available : DateSet
        Dates available to the config.
    """

    reference_date: date
    state: State
    parameters_hash: str | None = None
    attempts: Sequence[Attempt] = ()
    not_before: datetime | None = None
    run_id: str | None = None
    stencil: DateStencil = field(default_factory=DateStencil, repr=False)
    available: DateSet = field(default_factory=DateSet, repr=False)

    @property
    def check(self) -> StencilCheck | None:
        """Which stencil dates are there; None when the stencil means nothing for this date.

        Made when it is asked for: most dates of a plan are done, and nobody asks.
        """
        if self.parameters_hash is None:
            return None
        return self.stencil.check(self.reference_date, self.available)

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
    by_cdr_type : mapping of str to DateSet
        FlowAPI's dates of the CDR types that the config looks at: those that it lists, or all.
    history : History
        With which it was planned.
    """

    config: WorkflowConfig
    dates: tuple[PlannedDate, ...]
    available: DateSet
    absent_cdr_types: tuple[str, ...] = ()
    by_cdr_type: Mapping[str, DateSet] = field(default_factory=dict, repr=False)
    history: History = field(default_factory=History, repr=False)

    @cached_property
    def counts(self) -> Counter[State]:
        """Number of dates in each state."""
        return Counter(planned.state for planned in self.dates)

    def in_state(self, *states: State) -> list[PlannedDate]:
        """Return the dates in one of the states, ascending."""
        return [planned for planned in self.dates if planned.state in states]

    def lacks_reports_only(self, planned: PlannedDate) -> bool:
        """Return whether all notebooks of a due date were executed as they would be now."""
        executed = self.history.executed.get(planned.reference_date)
        return executed is not None and executed == planned.parameters_hash

    @property
    def incomplete(self) -> list[tuple[date, tuple[str, ...]]]:
        """Dates that have some of the config's CDR types and lack others, and which; ascending.

        Empty unless the config needs all of them.
        """
        if self.config.cdr_types_mode != "all" or len(self.by_cdr_type) < 2:
            return []
        some = DateSet().union(*self.by_cdr_type.values())
        return [(day, self.lacking(day)) for day in some if day not in self.available]

    def lacking(self, day: date) -> tuple[str, ...]:
        """Return the config's CDR types of which FlowAPI does not have a date."""
        return tuple(name for name, dates in self.by_cdr_type.items() if day not in dates)

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
    hashes = DateHashes(config.parameters, config.date_stencil)
    dates = tuple(_plan_date(config, hashes, day, available, history, now) for day in available)
    return ConfigPlan(
        config=config,
        dates=dates,
        available=available,
        absent_cdr_types=absent,
        by_cdr_type={
            name: by_cdr_type.get(name, DateSet()) for name in config.cdr_types or by_cdr_type
        },
        history=history,
    )


def plan_date(
    config: WorkflowConfig, day: date, available: DateSet, history: History, now: datetime
) -> PlannedDate:
    """Decide for one reference date, available or not, what the next check would make of it.

    A date that is not available waits for itself, whatever its stencil says.
    """
    hashes = DateHashes(config.parameters, config.date_stencil)
    planned = _plan_date(config, hashes, day, available, history, now)
    if day not in available and planned.state in (State.DUE, State.EXHAUSTED, State.DELAYED):
        return dataclasses.replace(planned, state=State.WAITING, not_before=None)
    return planned


def _plan_date(
    config: WorkflowConfig,
    hashes: DateHashes,
    day: date,
    available: DateSet,
    history: History,
    now: datetime,
) -> PlannedDate:
    stencil = config.date_stencil
    try:
        params_hash = hashes(day)
    except EmptyDateRangeError:
        return PlannedDate(day, State.NEVER, stencil=stencil, available=available)
    attempts = history.attempts.get((day, params_hash), ())
    state, not_before = _state(config, day, available, params_hash, attempts, history, now)
    run_id = history.running.get(day)
    return PlannedDate(day, state, params_hash, attempts, not_before, run_id, stencil, available)


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
    available: DateSet,
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
    check = config.date_stencil.check(day, available)
    if not check.is_satisfied(config.min_available, config.max_gap):
        return State.WAITING, None
    failures = [attempt.ended_at for attempt in attempts if not attempt.was_cancelled]
    if config.max_attempts is not None and len(failures) >= config.max_attempts:
        return State.EXHAUSTED, None
    if failures and config.retry_delay is not None:
        not_before = max(failures) + config.retry_delay
        if now < not_before:
            return State.DELAYED, not_before
    return State.DUE, None


def requestable(plan: ConfigPlan, check_started_at: datetime) -> list[PlannedDate]:
    """Return the due dates that this check may still request.

    A date whose attempt ended after the check began, failed or cancelled, is left to the next
    check, so that a failing date is not tried again and again while a backlog is handed out.
    """
    return [
        planned
        for planned in plan.in_state(State.DUE)
        if all(attempt.ended_at < check_started_at for attempt in planned.attempts)
    ]


def share_out(
    due: Sequence[Sequence[PlannedDate]], limit: int, running: Sequence[int] = ()
) -> list[tuple[int, PlannedDate]]:
    """Choose at most `limit` dates, taking turns between configs, the oldest of each first.

    Parameters
    ----------
    due : sequence of sequences
        For each config its requestable dates, ascending.
    limit : int
        Most dates to choose.
    running : sequence of int
        For each config how many runs it has queued or running: those were its turns already, so
        that with more configs than `limit` the last ones do not wait for ever. Empty: none.

    Returns
    -------
    list of (int, PlannedDate)
        Index of the config, and the date.
    """
    turns = [
        (turn, index, planned.reference_date)
        for index, dates in enumerate(due)
        for turn, planned in enumerate(dates[:limit], start=running[index] if running else 0)
    ]
    chosen = nsmallest(limit, turns)
    positions = [turn - (running[index] if running else 0) for turn, index, _ in chosen]
    return [
        (index, due[index][position])
        for (_, index, _), position in zip(chosen, positions, strict=True)
    ]


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
