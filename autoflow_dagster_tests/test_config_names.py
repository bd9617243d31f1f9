"""Tests of the names of jobs: readable, valid, and not changed by what is added to the file."""

from __future__ import annotations

import itertools
import random
import re
from typing import Any

import pytest

from autoflow_dagster.parser.config_names import job_names
from autoflow_dagster.parser.schema import ConfigModel


def names(*configs: dict[str, Any]) -> list[str]:
    """Return the names of the jobs of configs of the workflow "flows"."""
    models = [ConfigModel(**{"workflow_name": "flows", **config}) for config in configs]
    return list(job_names(dict(enumerate(models))).values())


def with_parameters(**parameters: Any) -> dict[str, Any]:
    """Return a config with these parameters."""
    return {"parameters": parameters}


def test_the_first_config_has_the_name_of_its_workflow():
    """Made valid for Dagster, or as the config says."""
    assert names({}) == ["flows"]
    assert names({"workflow_name": "flows-above normal"}) == ["flows_above_normal"]
    assert names({"name": "districts"}) == ["districts"]


def test_configs_with_a_name_do_not_count():
    """The first one without keeps the workflow's name."""
    assert names({"name": "districts"}, {}, {"every": "monday"}) == [
        "districts",
        "flows",
        "flows_monday",
    ]


@pytest.mark.parametrize(
    ("first", "other", "expected"),
    [
        (with_parameters(unit="admin3"), with_parameters(unit="admin2"), "flows_admin2"),
        (with_parameters(a="x", b="y"), with_parameters(a="x", b="z"), "flows_z"),
        (with_parameters(a="x", b="y"), with_parameters(a="v", b="w"), "flows_v_w"),
        (with_parameters(n=1), with_parameters(n=7), "flows_n_7"),
        (with_parameters(n=1), with_parameters(n=1.0), "flows_n_1_0"),
        (with_parameters(n=1), with_parameters(n=True), "flows_n_true"),
        (with_parameters(d=["a"]), with_parameters(d=["b", "c"]), "flows_b_c"),
        ({}, {"every": "monday"}, "flows_monday"),
        ({}, {"cdr_types": ["sms", "calls"]}, "flows_sms_calls"),
        ({"cdr_types": ["sms"]}, {"cdr_types": None}, "flows_all_cdr_types"),
        (
            {"every": "monday", **with_parameters(u="a")},
            {"every": "sunday", **with_parameters(u="b")},
            "flows_b",
        ),
    ],
)
def test_later_configs_say_what_distinguishes_them(
    first: dict[str, Any], other: dict[str, Any], expected: str
):
    """Parameters first, since they are what a config is for."""
    assert names(first, other) == ["flows", expected]


@pytest.mark.parametrize(
    ("first", "other"),
    [
        ({}, {"date_stencil": [-1, 0]}),
        ({}, {"earliest_date": "2016-01-01"}),
        (with_parameters(u="a"), with_parameters(u={"b": 1})),
        (with_parameters(u="a"), with_parameters(u="人口")),
        (with_parameters(u="a"), with_parameters(u="b" * 100)),
        (with_parameters(u="a"), with_parameters(u=None)),
        (with_parameters(u="a"), with_parameters(u=[])),
    ],
)
def test_what_is_not_readable_becomes_a_hash(first: dict[str, Any], other: dict[str, Any]):
    """Of what the config says, not of where it stands."""
    _, name = names(first, other)
    assert re.fullmatch(r"flows_[0-9a-f]{8}", name)
    assert name == names(first, {"every": "monday"}, other)[2]


def test_names_do_not_depend_on_position():
    """Reordering all but the first config, and adding more, changes no name."""
    first = with_parameters(u="a", n=1)
    others = [
        with_parameters(u="b", n=1),
        with_parameters(u="b", n=2),
        {**with_parameters(u="a", n=1), "every": "monday"},
        {**with_parameters(u="a", n=1), "date_stencil": [-1]},
        {**with_parameters(u="c", n=1), "date_stencil": [-1]},
    ]
    expected = dict(zip(map(str, others), names(first, *others)[1:], strict=True))
    chance = random.Random(5)
    for count in (1, 3, 5, 5, 5):
        some = chance.sample(others, count)
        assert names(first, *some)[1:] == [expected[str(config)] for config in some]


def test_configs_that_would_share_a_name_get_a_hash():
    """The earlier one keeps the name."""
    first, second = with_parameters(u="a"), with_parameters(u="b")
    third = {**second, "every": "monday"}
    found = names(first, second, third)
    assert found[:2] == ["flows", "flows_b"]
    assert re.fullmatch(r"flows_b_[0-9a-f]{8}", found[2])


def test_names_and_descriptions_do_not_enter_the_hash():
    """Changing a description does not cost a config its history."""
    stencil = {"date_stencil": [-1]}
    assert names({}, stencil) == names({}, {**stencil, "description": "New."})


def test_names_are_valid_and_differ_for_all_kinds_of_configs():
    """A cross product of what can distinguish configs."""
    configs = [
        {"parameters": {"u": u}, "every": every, "date_stencil": stencil}
        for u, every, stencil in itertools.product(
            ("admin2", "admin-2", 2, "", [1]), ("day", "monday"), ([0], [-1])
        )
    ]
    found = names(*configs)
    assert len(set(found)) == len(configs)
    assert all(re.fullmatch(r"[A-Za-z0-9_]+", name) for name in found)
