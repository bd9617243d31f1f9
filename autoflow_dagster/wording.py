"""Plans in plain words: what a sensor tick, `autoflow plan` and `autoflow explain` say.

Pure; the decisions are made in planning.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime

from autoflow_dagster.planning import ConfigPlan, PlannedDate, State, first_dates, is_selected

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


NO_SCHEDULE = (
    "No schedule: checked once, and again when autoflow up starts or workflows.yml changes."
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
    return _waits(
        [
            (planned.reference_date, first_dates(planned.missing_dates))
            for planned in waiting[-limit:]
        ],
        len(waiting),
    )


def incomplete_text(plan: ConfigPlan, limit: int = 3) -> str:
    """Return which dates wait for which CDR types, in the same way."""
    lacking = [pair for pair in plan.incomplete if is_selected(plan.config, pair[0])]
    return _waits([(day, " and ".join(names)) for day, names in lacking[-limit:]], len(lacking))


def _waits(shown: Sequence[tuple[date, str]], number: int) -> str:
    texts = [f"{day} waits for {what}" for day, what in reversed(shown)]
    left = number - len(shown)
    return "; ".join(texts) + (f"; and {left} more dates wait" if left else "")


def config_lines(plan: ConfigPlan, requested: int = 0) -> list[str]:
    """Return what a tick says about one config."""
    lines = [f"{plan.config.name}: {counts_text(plan, requested)}."]
    if waiting := waiting_text(plan):
        lines.append(f"  Date stencil: {waiting}.")
    if incomplete := incomplete_text(plan):
        lines.append(f"  CDR types: {incomplete}.")
    exhausted = [planned.reference_date for planned in plan.in_state(State.EXHAUSTED)]
    if exhausted:
        tries = _counted(plan.config.max_attempts or 0, "failed attempt")
        lines.append(f"  Given up after {tries}: {first_dates(exhausted)}.")
    if plan.absent_cdr_types:
        names = ", ".join(plan.absent_cdr_types)
        lines.append(f"  FlowAPI has no dates of CDR type {names}.")
    return lines


def next_check_text(next_check: datetime | None) -> str:
    """Return when FlowAPI is asked again; None without a schedule."""
    if next_check is None:
        return NO_SCHEDULE
    return f"Next check at {next_check.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC."


def explain_lines(
    plan: ConfigPlan, planned: PlannedDate, errors: Sequence[str], has_schedule: bool = True
) -> list[str]:
    """Return one date of one config in plain words.

    Parameters
    ----------
    plan : ConfigPlan
        Of the date's config.
    planned : PlannedDate
        The date; it need not be an available one.
    errors : sequence of str
        What each of the date's attempts failed with, oldest first; as many as there are attempts.
    has_schedule : bool
        Whether there are checks on a schedule.
    """
    config, day = plan.config, planned.reference_date
    lines = [f"{config.name}, reference date {day}: {planned.state.replace('_', ' ')}.", ""]
    lines.append(f"Date stencil {config.date_stencil} means for {day}:")
    lines += [f"  {line}" for line in config.date_stencil.describe(day)] or ["  no dates at all"]
    if planned.check:
        there = planned.check.required - planned.check.missing_count
        lines.append(
            f"Of {planned.check.required} stencil dates FlowAPI has {there}{_of_types(plan)}."
        )
        if planned.missing_dates:
            lines.append(f"Missing: {first_dates(planned.missing_dates, 10)}.")
        lines += _missing_by_type(plan, planned)
    if day not in plan.available:
        lines.append(_not_available_text(plan, day))
    for attempt, error in zip(planned.attempts, errors, strict=True):
        what = "cancelled" if attempt.was_cancelled else "failed"
        lines.append(
            f"Run {attempt.run_id} {what} at {attempt.ended_at:%Y-%m-%d %H:%M} UTC: {error}"
        )
    lines += ["", _what_next(plan, planned)]
    if not has_schedule and planned.state in (State.DUE, State.WAITING, State.DELAYED):
        lines.append(NO_SCHEDULE)
    return lines


def _of_types(plan: ConfigPlan) -> str:
    """Return after a number of dates which CDR types have to be there; empty for any."""
    needs_all = plan.config.cdr_types_mode == "all" and len(plan.by_cdr_type) > 1
    if plan.config.cdr_types is None and not needs_all:
        return ""
    noun, link = ("CDR types", " and ") if needs_all else ("CDR type", " or ")
    return f" of {noun} {link.join(plan.by_cdr_type)}"


def _missing_by_type(plan: ConfigPlan, planned: PlannedDate) -> list[str]:
    """Return what each CDR type lacks, when all have to be there and not all lack the same."""
    if plan.config.cdr_types_mode != "all" or len(plan.by_cdr_type) < 2:
        return []
    missing = {
        name: [day for day in planned.missing_dates if day not in dates]
        for name, dates in plan.by_cdr_type.items()
    }
    return [f"  {name} lacks {first_dates(days, 10)}." for name, days in missing.items() if days]


def _not_available_text(plan: ConfigPlan, day: date) -> str:
    lacking = plan.lacking(day)
    if len(lacking) == len(plan.by_cdr_type):
        what = f"FlowAPI does not have {day} itself{_of_types(plan)}"
    else:
        what = f"FlowAPI has {day} itself, but not of CDR type {' or '.join(lacking)}"
    return f"{what}, so it is not a reference date yet."


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
