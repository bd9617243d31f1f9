"""Plans in plain words: what a sensor tick, `autoflow plan` and `autoflow explain` say.

Pure; the decisions are made in planning.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from autoflow_dagster.planning import ConfigPlan, PlannedDate, State, first_dates

_SHOWN = (
    State.DONE,
    State.RUNNING,
    State.DUE,
    State.WAITING,
    State.DELAYED,
    State.EXHAUSTED,
    State.NOT_SELECTED,
    State.NEVER,
)


def counts_text(plan: ConfigPlan, requested: int = 0) -> str:
    """Return one line: how many dates of a config are in which state.

    Parameters
    ----------
    plan : ConfigPlan
        As decided before the requests were made.
    requested : int
        How many of the due dates this tick requested.
    """
    counts = dict(plan.counts)
    counts[State.DUE] = counts.get(State.DUE, 0) - requested
    parts = [f"{requested} requested"] if requested else []
    parts += [f"{counts[state]} {state.replace('_', ' ')}" for state in _SHOWN if counts.get(state)]
    return f"{len(plan.dates)} available dates: {', '.join(parts) or 'nothing to do'}"


def waiting_text(plan: ConfigPlan, limit: int = 3) -> str:
    """Return which dates wait for which stencil dates; the latest ones first, at most `limit`.

    An empty string when none waits.
    """
    waiting = plan.in_state(State.WAITING)
    shown = [
        f"{planned.reference_date} waits for {first_dates(planned.missing_dates)}"
        for planned in waiting[: -limit - 1 : -1]
    ]
    more = f"; and {len(waiting) - limit} more dates wait" if len(waiting) > limit else ""
    return "; ".join(shown) + more


def config_lines(plan: ConfigPlan, requested: int = 0) -> list[str]:
    """Return what a tick says about one config."""
    lines = [f"{plan.config.name}: {counts_text(plan, requested)}."]
    if waiting := waiting_text(plan):
        lines.append(f"  Date stencil: {waiting}.")
    exhausted = [planned.reference_date for planned in plan.in_state(State.EXHAUSTED)]
    if exhausted:
        tries = _counted(plan.config.max_attempts or 0, "failed attempt")
        lines.append(f"  Given up after {tries}: {first_dates(exhausted)}.")
    if plan.absent_cdr_types:
        names = ", ".join(plan.absent_cdr_types)
        lines.append(f"  FlowAPI has no dates of CDR type {names}.")
    return lines


def next_check_text(next_check: datetime | None) -> str:
    """Return when FlowAPI is asked again; None means when `workflows.yml` changes."""
    if next_check is None:
        return "No schedule: checked once, and again when workflows.yml changes."
    return f"Next check at {next_check.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC."


def explain_lines(plan: ConfigPlan, planned: PlannedDate, errors: Sequence[str]) -> list[str]:
    """Return one date of one config in plain words.

    Parameters
    ----------
    plan : ConfigPlan
        Of the date's config.
    planned : PlannedDate
        The date; it need not be an available one.
    errors : sequence of str
        What each of the date's attempts failed with, oldest first; as many as there are attempts.
    """
    config, day = plan.config, planned.reference_date
    lines = [f"{config.name}, reference date {day}: {planned.state.replace('_', ' ')}.", ""]
    lines.append(f"Date stencil {config.date_stencil} means for {day}:")
    lines += [f"  {line}" for line in config.date_stencil.describe(day)] or ["  no dates at all"]
    if planned.check:
        there = planned.check.required - planned.check.missing_count
        lines.append(f"Of {planned.check.required} stencil dates FlowAPI has {there}.")
        if planned.missing_dates:
            lines.append(f"Missing: {first_dates(planned.missing_dates, 10)}.")
    if day not in plan.available:
        lines.append(f"FlowAPI does not have {day} itself, so it is not a reference date yet.")
    for attempt, error in zip(planned.attempts, errors, strict=True):
        what = "cancelled" if attempt.was_cancelled else "failed"
        lines.append(
            f"Run {attempt.run_id} {what} at {attempt.ended_at:%Y-%m-%d %H:%M} UTC: {error}"
        )
    return [*lines, "", _what_next(plan, planned)]


def _what_next(plan: ConfigPlan, planned: PlannedDate) -> str:
    """Return what would make the date run."""
    config, day = plan.config, planned.reference_date
    match planned.state:
        case State.DUE:
            return "The next check requests it."
        case State.RUNNING:
            return f"Run {planned.run_id} is queued or running."
        case State.DONE:
            return (
                "It has succeeded with these parameters and date ranges and is not run again by "
                f"itself. To run it again: autoflow run {config.name} {day}"
            )
        case State.WAITING:
            return _needed_text(plan, planned)
        case State.NOT_SELECTED:
            return f"It is outside {_selection_text(plan)} of this config."
        case State.NEVER:
            return "The date stencil has no days for this date: it never runs. Change date_stencil."
        case State.EXHAUSTED:
            tries = _counted(config.max_attempts or 0, "failed attempt")
            return f"Given up after {tries} (max_attempts). Mend the cause, then: autoflow run {config.name} {day}"
        case State.DELAYED:
            return f"retry_delay: it is requested at the first check after {planned.not_before:%Y-%m-%d %H:%M} UTC."


def _needed_text(plan: ConfigPlan, planned: PlannedDate) -> str:
    config = plan.config
    if planned.reference_date not in plan.available:
        return "It runs once FlowAPI lists it, and the dates of its stencil, as available."
    if config.min_available == 1:
        return "It runs once FlowAPI has all missing dates."
    share = f"{config.min_available * 100:.6g}%"
    gap = ""
    if config.max_gap is not None:
        gap = f", with no gap longer than {_counted(config.max_gap.days, 'day')}"
    return f"It runs once {share} of its stencil dates are available{gap}."


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _selection_text(plan: ConfigPlan) -> str:
    config = plan.config
    parts = []
    if config.earliest_date:
        parts.append(f"earliest_date {config.earliest_date}")
    if config.latest_date:
        parts.append(f"latest_date {config.latest_date}")
    if config.every != "day":
        parts.append(f"every {config.every}")
    return ", ".join(parts)
