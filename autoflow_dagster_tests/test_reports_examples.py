"""The examples in the docstrings of reports are true."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import autoflow_dagster.reports

MODULES = sorted(
    module.name
    for module in pkgutil.iter_modules(
        autoflow_dagster.reports.__path__, "autoflow_dagster.reports."
    )
)


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings_are_true(name: str) -> None:
    """What a docstring shows is what happens."""
    assert doctest.testmod(importlib.import_module(name)).failed == 0
