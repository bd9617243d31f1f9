"""What tests that run on several storages are marked with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import pytest

from autoflow_dagster_tests.postgres_server import HOW_TO_INSTALL, programs

POSTGRES_MARKS = (
    pytest.mark.postgres,
    pytest.mark.skipif(programs() is None, reason=HOW_TO_INSTALL),
)
"""Of a test that starts a PostgreSQL server."""

_Test = TypeVar("_Test", bound=Callable[..., Any])


def needs_postgres(test: _Test) -> _Test:
    """Mark a test that starts a PostgreSQL server."""
    for mark in (pytest.mark.integration, *POSTGRES_MARKS):
        test = mark(test)
    return test


SQLITE_AND_POSTGRES = ("sqlite", pytest.param("postgres", marks=POSTGRES_MARKS))
"""Parameters of what runs on both."""

EVERY_STORAGE = (
    "memory",
    pytest.param("sqlite", marks=pytest.mark.integration),
    pytest.param("postgres", marks=(pytest.mark.integration, *POSTGRES_MARKS)),
)
"""Parameters of what is quick without files."""
