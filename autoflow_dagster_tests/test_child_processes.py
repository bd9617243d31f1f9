"""Starting the service's processes, forked and not, as real processes."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from autoflow_dagster.service.child_processes import PROCESS_NAMES, Starter
from autoflow_dagster.warm.asking import WarmProcess, can_be_warm
from autoflow_dagster_tests.conftest import wait_for

pytestmark = pytest.mark.integration


@contextmanager
def prepared(home: Path, switch: str) -> Iterator[Starter]:
    """Have the imports done."""
    starter = Starter({**os.environ, "DAGSTER_HOME": str(home), "AUTOFLOW_WARM_RUNS": switch})
    starter.prepare()
    try:
        wait_for("the imports", lambda: not starter.is_preparing, 120)
        yield starter
    finally:
        starter.close()


@pytest.mark.parametrize(
    ("switch", "module", "is_forked"),
    [("on", "dagster", True), ("off", "dagster", False), ("on", "sysconfig", False)],
    ids=["forked", "switched off", "not a program of Dagster's"],
)
def test_a_process_starts_either_way(
    tmp_path: Path, switch: str, module: str, is_forked: bool
) -> None:
    """With the same environment, directory, output and exit status."""
    if is_forked and not can_be_warm():
        pytest.skip("forks nothing here")
    arguments = ["--version"] if module == "dagster" else []
    with prepared(tmp_path, switch) as starter, (tmp_path / "log").open("ab") as log:
        argv = [sys.executable, "-m", module, *arguments]
        process = starter.start(argv, "autoflow-test", tmp_path, log)
        assert process.wait(60) == 0
        assert isinstance(process, WarmProcess) == is_forked
        assert bool(starter.pids) == (switch == "on")
    assert "version" in (tmp_path / "log").read_text()
    assert starter.pids == []


def test_a_forked_process_fails_as_another_one_does(tmp_path: Path) -> None:
    """The service restarts what dies by its exit status."""
    with prepared(tmp_path, "on") as starter, (tmp_path / "log").open("ab") as log:
        argv = [sys.executable, "-m", "dagster", "no-such-command"]
        assert starter.start(argv, "autoflow-test", tmp_path, log).wait(60) == 2
    assert "No such command" in (tmp_path / "log").read_text()


def test_tools_can_show_the_names() -> None:
    """Linux cuts longer ones."""
    assert all(len(name) <= 15 for name in PROCESS_NAMES.values())
