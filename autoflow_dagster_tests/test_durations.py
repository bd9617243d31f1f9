"""Tests of lengths of time as they are written."""

from __future__ import annotations

from datetime import timedelta

import pytest

from autoflow_dagster.parser.durations import LONGEST, parse_duration


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90s", timedelta(seconds=90)),
        ("90 seconds", timedelta(seconds=90)),
        ("1 sec", timedelta(seconds=1)),
        ("5m", timedelta(minutes=5)),
        ("5min", timedelta(minutes=5)),
        ("1 minute", timedelta(minutes=1)),
        ("2h", timedelta(hours=2)),
        ("1.5 hours", timedelta(minutes=90)),
        ("7d", timedelta(days=7)),
        ("1 day 2 hours", timedelta(days=1, hours=2)),
        ("1h30min", timedelta(minutes=90)),
        (" 1h 30m 5s ", timedelta(hours=1, minutes=30, seconds=5)),
        ("3650d", LONGEST),
    ],
)
def test_a_duration_is_numbers_and_units(text: str, expected: timedelta):
    """One or several, with or without spaces."""
    assert parse_duration(text) == expected


@pytest.mark.parametrize(
    "text",
    ["", "2", "h", "2 fortnights", "-1h", "1:30", "2hh", "1h -5s", "1month", "2H", "٢h", "1 h,"],
)
def test_other_texts_are_refused_with_the_units(text: str):
    """The message says what to write."""
    with pytest.raises(ValueError, match="Write a number and a unit: s, min, h or d"):
        parse_duration(text)


@pytest.mark.parametrize("text", ["0s", "0h 0min", "3650d 1s", "999999999d 999999999d"])
def test_nothing_and_eternity_are_refused(text: str):
    """They would be mistakes."""
    with pytest.raises(ValueError, match="longer than nothing and not longer than ten years"):
        parse_duration(text)
