"""The site of reports, told beside the sensor's ticks."""

from __future__ import annotations

import logging
import threading
from pathlib import Path

import pytest

from autoflow_dagster import site_in_background
from autoflow_dagster.planning import ConfigPlan, History, plan_config
from autoflow_dagster.site import SiteOptions
from autoflow_dagster.site_in_background import SiteInBackground
from autoflow_dagster_tests.plans import NOW, config, days


def plan(*numbers: int) -> ConfigPlan:
    """Return a plan of some available days."""
    return plan_config(config("flows"), {"calls": days(*numbers)}, History(), NOW)


def test_what_a_check_found_is_written(tmp_path: Path) -> None:
    """The thread ends with its work, and another one begins with the next."""
    site = SiteInBackground(tmp_path, SiteOptions())
    for numbers in ((1, 2), (1, 2, 3)):
        site.tell([plan(*numbers)])
        assert site.wait(60)
        assert f"{len(numbers)}" in (tmp_path / "index.html").read_text()
    assert not [thread for thread in threading.enumerate() if thread.name == "site"]


def test_only_the_latest_of_what_waits_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tick does not wait for the writing of the one before."""
    written: list[int] = []
    go_on, is_writing = threading.Event(), threading.Event()

    def record(_: Path, plans: list[ConfigPlan], __: SiteOptions) -> None:
        written.append(len(plans))
        is_writing.set()
        assert go_on.wait(60)

    monkeypatch.setattr(site_in_background, "record_plan", record)
    site = SiteInBackground(tmp_path, SiteOptions())
    site.tell([plan(1)])
    assert is_writing.wait(60)
    site.tell([plan(1)] * 2)
    site.tell([plan(1)] * 3)
    go_on.set()
    assert site.wait(60)
    assert written == [1, 3]


def test_its_trouble_is_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The outputs directory is a file."""
    (tmp_path / "outputs").write_text("DUMMY")
    site = SiteInBackground(tmp_path / "outputs", SiteOptions())
    with caplog.at_level(logging.WARNING):
        site.tell([plan(1)])
        assert site.wait(60)
    assert "The site of reports could not be written" in caplog.text
