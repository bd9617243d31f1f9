"""What the site says about a date: its states, their words and their letters in stored calendars.

Pure. What makes a date done or waiting is decided in planning, and by the runs.
"""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Iterable

NOTHING = "."
"""Stands in a stored month for a day of which nothing is known."""


class SiteState(enum.StrEnum):
    """State of a date, or of one attempt to run it (then done, failed or no data)."""

    DONE = "done"
    FAILED = "failed"
    WAITING = "waiting"
    TO_DO = "to_do"
    NO_DATA = "no_data"

    @property
    def letter(self) -> str:
        """One letter, for a month stored as a string of one letter a day."""
        return _LETTERS[self]

    @property
    def label(self) -> str:
        """The state in words."""
        return self.value.replace("_", " ")


_LETTERS = {
    SiteState.DONE: "D",
    SiteState.FAILED: "F",
    SiteState.WAITING: "W",
    SiteState.TO_DO: "T",
    SiteState.NO_DATA: "N",
}
_STATES = {letter: state for state, letter in _LETTERS.items()}


def state_of(letter: str) -> SiteState | None:
    """Return the state that a letter stands for; None for a day of which nothing is known."""
    return _STATES.get(letter)


def count_states(months: Iterable[str]) -> Counter[SiteState]:
    """Return how many days are in each state.

    Examples
    --------
    >>> count_states(["DDF...", "D"])[SiteState.DONE]
    3
    """
    letters = Counter("".join(months))
    return Counter({state: letters[letter] for state, letter in _LETTERS.items()})


def counts_text(counts: Counter[SiteState]) -> str:
    """Return counts in words, in the states' order; empty when there is nothing to count.

    Examples
    --------
    >>> counts_text(count_states(["DDF.."]))
    '2 done, 1 failed'
    """
    return ", ".join(f"{counts[state]:,} {state.label}" for state in SiteState if counts[state])
