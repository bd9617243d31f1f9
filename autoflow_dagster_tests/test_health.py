"""Probes: what /healthz, /readyz and `autoflow status` say."""

from __future__ import annotations

import json
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from autoflow_dagster.cli.status import status
from autoflow_dagster.errors import AutoflowError
from autoflow_dagster.service import health as health_module
from autoflow_dagster.service.address_file import remove_service_file, write_service_file
from autoflow_dagster.service.health import CheckResult, Health, Note, with_health
from autoflow_dagster.site import SiteServer

GOOD = CheckResult(True, "well")


@pytest.fixture
def health() -> Health:
    """Probes of which the test says what is checked."""
    return Health({}, lambda text: text.replace("DUMMY_PASSWORD", "***"), check_seconds=0.5)


@pytest.fixture
def site(tmp_path: Path, health: Health) -> Iterator[SiteServer]:
    """The site of reports with the probes on its port."""
    with SiteServer(tmp_path, around=lambda app: with_health(app, health)) as server:
        yield server


def ask(site: SiteServer, page: str, method: str = "GET") -> tuple[int, dict[str, Any]]:
    """Return status and JSON of a page."""
    request = urllib.request.Request(f"{site.url}{page}", method=method)
    try:
        with urllib.request.urlopen(request, timeout=10) as reply:
            return reply.status, json.loads(reply.read() or "{}")
    except urllib.error.HTTPError as error:
        text = error.read()
        return error.code, json.loads(text) if text.startswith(b"{") else {}


def test_ready_means_that_everything_needed_is_well(health: Health, site: SiteServer) -> None:
    """What is only worth knowing is told and changes nothing."""
    health.use({"storage": lambda: GOOD, "inputs": lambda: CheckResult(False, "wrong", False)})
    code, report = ask(site, "readyz")
    assert (code, report["ready"]) == (200, True)
    assert report["checks"]["inputs"] == {"ok": False, "needed": False, "detail": "wrong"}

    health.use({"storage": lambda: CheckResult(False, "gone")})
    assert ask(site, "readyz")[0] == 503


def test_a_note_never_makes_it_unready(health: Health, site: SiteServer) -> None:
    """Not by what it found, not by failing, not by hanging."""
    release = threading.Event()

    def fail() -> CheckResult:
        raise OSError("no such table")

    def hang() -> CheckResult:
        release.wait(30)
        return GOOD

    health.use(
        {
            "storage": lambda: GOOD,
            "found": Note(lambda: CheckResult(False, "wrong")),
            "failed": Note(fail),
            "hung": Note(hang),
        }
    )
    code, report = ask(site, "readyz")
    release.set()
    assert code == 200
    assert {
        name: check["detail"] for name, check in report["checks"].items() if not check["ok"]
    } == {
        "found": "wrong",
        "failed": "OSError: no such table",
        "hung": "no answer within 0.5 seconds",
    }
    assert [name for name, check in report["checks"].items() if check["needed"]] == ["storage"]


def test_a_check_that_fails_says_why_without_secrets(health: Health, site: SiteServer) -> None:
    """The first line of what a driver says, or our own error."""

    def driver() -> CheckResult:
        raise OSError("no route to DUMMY_PASSWORD@host\nand a page of SQL")

    def ours() -> CheckResult:
        raise AutoflowError("The code server", "does not answer.")

    health.use({"driver": driver, "ours": ours})
    checks = ask(site, "readyz")[1]["checks"]
    assert checks["driver"]["detail"] == "OSError: no route to ***@host"
    assert checks["ours"]["detail"] == "The code server: does not answer."


def test_a_check_that_hangs_is_not_made_again_and_again(health: Health, site: SiteServer) -> None:
    """A database that swallows packets must not cost a thread with each probe."""
    calls, release = [], threading.Event()

    def hang() -> CheckResult:
        calls.append(1)
        release.wait(30)
        return GOOD

    health.use({"storage": hang})
    for _ in range(3):
        health._checked_at = float("-inf")
        assert (
            ask(site, "readyz")[1]["checks"]["storage"]["detail"] == "no answer within 0.5 seconds"
        )
    assert len(calls) == 1
    release.set()


def test_probes_that_come_often_get_the_same_answer(health: Health, site: SiteServer) -> None:
    """For a second; the database is asked once."""
    calls: list[int] = []

    def count() -> CheckResult:
        calls.append(1)
        return GOOD

    health.use({"storage": count})
    assert [ask(site, "readyz")[0] for _ in range(3)] == [200] * 3
    assert len(calls) == 1


def test_alive_means_that_the_main_loop_turns(
    health: Health, site: SiteServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the database does: killing the container would not mend that."""
    health.use({"storage": lambda: CheckResult(False, "gone")})
    assert ask(site, "healthz") == (200, {"alive": True})
    monkeypatch.setattr(health_module, "ALIVE_SECONDS", 0.0)
    assert ask(site, "healthz") == (503, {"alive": False})


def test_everything_else_is_the_sites(site: SiteServer) -> None:
    """And probes answer HEAD, but nothing that changes something."""
    assert ask(site, "index.html")[0] == 404
    assert ask(site, "healthz", "HEAD") == (200, {})
    assert ask(site, "healthz", "POST")[0] == 405


def run_status(home: Path, *arguments: str) -> tuple[int, str]:
    """Return exit status and output of `autoflow status`."""
    result = CliRunner().invoke(
        status, [*arguments], env={"DAGSTER_HOME": str(home)}, standalone_mode=False
    )
    if isinstance(result.exception, AutoflowError):
        return 1, str(result.exception)
    assert result.exception is None, result.exception
    return int(result.return_value), result.output


def test_status_prints_the_same_for_people(
    tmp_path: Path, health: Health, site: SiteServer
) -> None:
    """With the exit status for scripts and the container's health check."""
    write_service_file(tmp_path, "http://127.0.0.1:1", site.url)
    health.use(
        {"storage": lambda: GOOD, "inputs": lambda: CheckResult(False, "line 1\nline 2", False)}
    )
    assert run_status(tmp_path) == (
        0,
        "ready\n  ok    storage  well\n  note  inputs   line 1\n                 line 2\n",
    )
    health.use({"storage": lambda: CheckResult(False, "gone")})
    assert run_status(tmp_path) == (1, "NOT ready\n  FAIL  storage  gone\n")
    assert run_status(tmp_path, "--quiet") == (1, "")
    assert run_status(tmp_path, "--alive") == (0, "alive\n")
    assert run_status(tmp_path / "other", "--url", site.url)[0] == 1


def test_status_without_a_service(tmp_path: Path) -> None:
    """It has stopped, or it does not answer."""
    assert "does not run" in run_status(tmp_path)[1]
    assert run_status(tmp_path, "--quiet") == (1, "")
    write_service_file(tmp_path, "", "http://127.0.0.1:1/")
    assert "does not answer at http://127.0.0.1:1/readyz" in run_status(tmp_path)[1]
    remove_service_file(tmp_path)
    assert "does not run" in run_status(tmp_path)[1]
