"""Tests of names that outlive a run, most of all of AutoFlow's parameters hash."""

from __future__ import annotations

import itertools
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest

from autoflow_dagster.naming import (
    dagster_name,
    iso_date_ranges,
    json_value,
    output_stem,
    parameters_hash,
    report_asset_name,
    run_key,
)

DAY = date(2016, 1, 4)
RANGES = [
    (date(2016, 1, 1), date(2016, 1, 2)),
    (date(2016, 1, 3), date(2016, 1, 4)),
    (date(2016, 1, 4), date(2016, 1, 5)),
]
STARTED = datetime(2016, 1, 1, tzinfo=UTC)


def test_the_parameters_hash_is_the_one_of_autoflow():
    """A value that the original computed, so that its history can be imported."""
    found = parameters_hash({"aggregation_unit": "admin2"}, DAY, RANGES)
    assert found == "fc05692377782a32156bc405d787213a"


def test_the_order_of_keys_does_not_matter():
    """Nor inside nested mappings."""
    one = parameters_hash({"a": 1, "b": {"c": 2, "d": 3}}, DAY, RANGES)
    two = parameters_hash({"b": {"d": 3, "c": 2}, "a": 1}, DAY, RANGES)
    assert one == two


@pytest.mark.parametrize(
    ("one", "two"),
    [([1, 2], (1, 2)), (date(2016, 1, 1), "2016-01-01"), ({"a": [1]}, {"a": (1,)})],
)
def test_what_is_the_same_in_json_has_the_same_hash(one: Any, two: Any):
    """Tuples are lists, dates are their ISO text."""
    assert parameters_hash({"x": one}, DAY, RANGES) == parameters_hash({"x": two}, DAY, RANGES)


def test_types_matter():
    """Values that Python calls equal are different parameters."""
    values: list[Any] = [1, 1.0, True, "1", None, 0, False, [], {}, "", [1]]
    hashes = [parameters_hash({"x": value}, DAY, RANGES) for value in values]
    assert len(set(hashes)) == len(values)


def test_everything_that_matters_changes_the_hash():
    """Parameters, reference date and date ranges, and whether there are any."""
    cases = itertools.product(({}, {"x": 1}), (None, DAY), (None, [], RANGES[:1], RANGES))
    hashes = {parameters_hash(*case) for case in cases}
    assert len(hashes) == 2 * 2 * 4


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("flows_above_normal", "flows_above_normal"),
        ("flows-above normal", "flows_above_normal"),
        ("Überblick 1.2", "_berblick_1_2"),
        ("人口", "__"),
    ],
)
def test_dagster_gets_letters_digits_and_underscores(text: str, expected: str):
    """One underscore for each other character."""
    assert dagster_name(text) == expected


def test_a_report_is_named_after_its_notebook_and_format():
    """So that one notebook can have two reports."""
    assert report_asset_name("flows report", "html") == "flows_report_html"


def test_notebooks_get_json_values():
    """As if every value had been sent through JSON."""
    value = {"day": date(2016, 1, 1), "pair": (1, None), 5: True}
    assert json_value(value) == {"day": "2016-01-01", "pair": [1, None], "5": True}
    assert iso_date_ranges(RANGES[:1]) == [["2016-01-01", "2016-01-02"]]


@pytest.mark.parametrize(
    ("filename", "workflow", "day", "params_hash", "expected"),
    [
        ("run.ipynb", "flows", DAY, "abc", "run__flows_2016-01-04_abc__20160101T000000Z"),
        ("run.ipynb", "flows", None, "abc", "run__flows_abc__20160101T000000Z"),
        ("sub/dir/run.v2.ipynb", "flows", None, "abc", "run.v2__flows_abc__20160101T000000Z"),
        ("run.ipynb", "a/b: {c}", None, "abc", "run__a_b_ _c__abc__20160101T000000Z"),
        ("o{x}.ipynb", "flows", None, "abc", "o_x___flows_abc__20160101T000000Z"),
    ],
)
def test_output_files_have_the_names_of_autoflow(
    filename: str, workflow: str, day: date | None, params_hash: str, expected: str
):
    """Notebook, workflow, reference date, hash and start; safe on every file system."""
    assert output_stem(filename, workflow, day, params_hash, STARTED) == expected


def test_output_files_tell_the_start_in_utc():
    """Whatever the time zone it was given in."""
    nepal = timezone(timedelta(hours=5, minutes=45))
    stem = output_stem("run.ipynb", "flows", None, "abc", STARTED.astimezone(nepal))
    assert stem.endswith("__20160101T000000Z")


def test_every_attempt_has_its_own_run_key():
    """Dagster refuses a key that was used before."""
    keys = {
        run_key(*case) for case in itertools.product("ab", (DAY, RANGES[0][0]), ("x", "y"), (1, 2))
    }
    assert len(keys) == 16
