"""Lengths of time as they are written in a workflow definition, such as ``2h`` or ``90 minutes``."""

from __future__ import annotations

import re
from datetime import timedelta

_UNITS = {
    1: ("s", "sec", "second", "seconds"),
    60: ("m", "min", "minute", "minutes"),
    3600: ("h", "hour", "hours"),
    86400: ("d", "day", "days"),
}
_SECONDS = {word: seconds for seconds, words in _UNITS.items() for word in words}
_NUMBER = r"\d{1,9}(?:\.\d{1,9})?"
_WORDS = "|".join(sorted(_SECONDS, key=len, reverse=True))
_PART = re.compile(rf"({_NUMBER})\s*({_WORDS})(?![a-z])", re.ASCII)
PATTERN = rf"^\s*(?:{_NUMBER}\s*(?:{_WORDS})(?![a-z])\s*)+$"
"""Of all durations, for the JSON Schema."""

LONGEST = timedelta(days=3650)


def parse_duration(text: str) -> timedelta:
    """Return the length of time that a text means.

    Raises
    ------
    ValueError
        When it has another form, is zero or longer than ten years. Its text is for the user.

    Examples
    --------
    >>> parse_duration("1h 30min") == parse_duration("90 minutes") == timedelta(hours=1.5)
    True
    """
    if not re.match(PATTERN, text, re.ASCII):
        raise ValueError("Write a number and a unit: s, min, h or d, such as 90s, 2h or 1h 30min.")
    seconds = sum(float(number) * _SECONDS[unit] for number, unit in _PART.findall(text))
    if not 0 < seconds <= LONGEST.total_seconds():
        raise ValueError("Write a time longer than nothing and not longer than ten years.")
    return timedelta(seconds=seconds)
