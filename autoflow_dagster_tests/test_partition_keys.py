"""Partitions stay in the order of their dates, whatever order they arrive in."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest
from dagster import DagsterInstance

from autoflow_dagster.partition_keys import add_partition_keys
from autoflow_dagster_tests.postgres_server import PostgresServer
from autoflow_dagster_tests.storages import EVERY_STORAGE

FIRST = date(2016, 1, 1)


def keys(*numbers: int) -> list[str]:
    """Return days as partitions, counted from 0."""
    return [(FIRST + timedelta(days=number)).isoformat() for number in numbers]


@pytest.fixture(params=EVERY_STORAGE)
def instance(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[DagsterInstance]:
    """An instance on each storage that we support."""
    if request.param == "memory":
        with DagsterInstance.ephemeral() as made:
            yield made
    elif request.param == "sqlite":
        with DagsterInstance.local_temp(str(tmp_path)) as made:
            yield made
    else:
        with PostgresServer("DUMMY") as server:
            url = server.uri.replace("{}", "DUMMY").replace("postgresql:", "postgresql+psycopg2:")
            overrides = {"storage": {"postgres": {"postgres_url": url}}}
            with DagsterInstance.local_temp(str(tmp_path), overrides) as made:
                yield made


def test_a_date_that_fills_a_gap_is_in_its_place(instance: DagsterInstance) -> None:
    """And so are dates before all others, and behind them."""
    instance.add_dynamic_partitions("others", keys(9, 3))
    for given, expected in [
        (keys(5, 2, 3), keys(2, 3, 5)),
        (keys(4), keys(2, 3, 4, 5)),
        (keys(0, 2, 7), keys(0, 2, 3, 4, 5, 7)),
        (keys(), keys(0, 2, 3, 4, 5, 7)),
    ]:
        add_partition_keys(instance, "flow", given)
        assert instance.get_dynamic_partitions("flow") == expected
        page = instance.get_paginated_dynamic_partitions("flow", limit=3, ascending=True)
        assert page.results == expected[:3]
    assert instance.has_dynamic_partition("flow", *keys(4))
    assert instance.get_dynamic_partitions("others") == keys(9, 3)


def test_what_somebody_added_is_kept_and_sorted_with_the_next_date() -> None:
    """By hand in Dagster's UI, or by a version that did not sort."""
    with DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("flow", [*keys(3, 1), "by hand"])
        add_partition_keys(instance, "flow", keys(5))
        assert instance.get_dynamic_partitions("flow") == [*keys(1, 3, 5), "by hand"]


def test_random_arrivals_end_in_order() -> None:
    """With the same seed on each run."""
    chance = random.Random(6)
    with DagsterInstance.ephemeral() as instance:
        for name in map(str, range(10)):
            expected: set[str] = set()
            for _ in range(chance.randrange(1, 6)):
                some = keys(*chance.choices(range(40), k=chance.randrange(0, 12)))
                add_partition_keys(instance, name, some)
                expected |= set(some)
                assert instance.get_dynamic_partitions(name) == sorted(expected)


@pytest.mark.integration
def test_years_of_dates_are_put_into_their_order_at_once(tmp_path: Path) -> None:
    """An old gap is filled, or the earliest date of a config is set back."""
    with DagsterInstance.local_temp(str(tmp_path)) as instance:
        add_partition_keys(instance, "flow", keys(*range(10, 3650)))
        add_partition_keys(instance, "flow", keys(0, 5))
        assert instance.get_dynamic_partitions("flow") == keys(0, 5, *range(10, 3650))
