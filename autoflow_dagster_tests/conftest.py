"""Fixtures and tools that more than one test module uses."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import pytest

from autoflow_dagster.demo.server import DemoFlowapi

T = TypeVar("T")


SLOW_MODULES = (
    "test_faults_postgres",
    "test_faults_process",
    "test_secrets",
    "test_up",
    "test_up_edits",
    "test_up_postgres",
    "test_up_probes",
    "test_warm_faults",
    "test_warm_run_launcher",
)
"""Each takes minutes: services are started, broken and started again. `make test-slow` runs them."""


def pytest_configure() -> None:
    """Let commands print as into a pipe: running tests side by side sets a terminal's width."""
    os.environ.pop("COLUMNS", None)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of slow modules."""
    for item in items:
        if item.path.stem in SLOW_MODULES:
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def demo_flowapi() -> Iterator[DemoFlowapi]:
    """A demo FlowAPI with few subscribers, for tests that only read from it."""
    with DemoFlowapi(subscribers=300) as demo:
        yield demo


def write_notebook(
    path: Path, *cells: str, parameters: str | None = None, kernel: str = "python3"
) -> Path:
    """Write a notebook of code cells; `parameters` is the source of a tagged first cell."""
    sources = [(source, []) for source in cells]
    if parameters is not None:
        sources.insert(0, (parameters, ["parameters"]))
    notebook = {
        "cells": [
            {
                "cell_type": "code",
                "id": f"cell{number}",
                "execution_count": None,
                "metadata": {"tags": tags} if tags else {},
                "outputs": [],
                "source": source,
            }
            for number, (source, tags) in enumerate(sources)
        ],
        "metadata": {
            "kernelspec": {"name": kernel, "display_name": kernel, "language": "python"},
            "language_info": {"name": "python"},
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    path.write_text(json.dumps(notebook))
    return path


def wait_for(what: str, condition: Callable[[], T | None], timeout_seconds: float = 60.0) -> T:
    """Return what `condition` returns once it is true; fail, saying `what`, when time is up."""
    deadline = time.monotonic() + timeout_seconds
    while not (value := condition()):
        if time.monotonic() > deadline:
            pytest.fail(f"waited {timeout_seconds:g} s in vain for {what}")
        time.sleep(0.1)
    return value


def names_in(directory: Path, pattern: str = "*") -> Sequence[str]:
    """Return the sorted names of the files in a directory that match a pattern."""
    return sorted(path.name for path in directory.glob(pattern) if path.is_file())
