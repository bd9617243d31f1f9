"""What changes under a running `autoflow up`: secrets and inputs take effect without a restart."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path

import pytest
from dagster import DagsterRunStatus, RunsFilter

from autoflow_dagster.instance_home import LOCATION_NAME
from autoflow_dagster.sensors import SENSOR_NAME
from autoflow_dagster.service.inputs_copy import KEPT_COPIES
from autoflow_dagster_tests.conftest import wait_for, write_notebook
from autoflow_dagster_tests.deployments import DatesServer, day
from autoflow_dagster_tests.up_process import UpProcess

pytestmark = pytest.mark.integration

WORKFLOWS = """\
workflows:
  - name: count
    notebooks:
      first:
        filename: first.ipynb
        parameters: {reference_date: reference_date, place: place}
      second:
        filename: second.ipynb
        parameters: {reference_date: reference_date, place: place, first: first}
available_dates_sensor:
  schedule: "* * * * * */2"
  workflows:
    - {workflow_name: count, parameters: {place: PLACE}}
"""

ANOTHER_CONFIG = "    - {workflow_name: count, name: again, parameters: {place: PLACE}}\n"

SECOND_CELL = """\
import pathlib
with (pathlib.Path(place) / reference_date).open("a") as file:
    file.write("VERSION of second 1\\n")
"""


def write_second(up: UpProcess, version: str) -> None:
    """Write the second notebook such that it notes a version."""
    write_notebook(
        up.inputs / "second.ipynb",
        SECOND_CELL.replace("VERSION", version),
        parameters="reference_date = ''\nplace = ''\nfirst = ''",
    )


def asked_with(flowapi: DatesServer, token: str) -> bool:
    """Return whether the last request carried a token."""
    return any(token.encode() in request for request in flowapi.requests[-1:])


def test_secrets_and_inputs_are_followed(tmp_path: Path) -> None:
    """Token rotated; inputs edited well and badly, also in the middle of a run: one service."""
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    token_file = secrets / "FLOWAPI_TOKEN"
    token_file.write_text("OLD.TOKEN.OF_A_TEST\n")
    (secrets / "AUTOFLOW_MAX_CONCURRENT_RUNS").write_text("1\n")
    flowapi = DatesServer({"calls": [day(0)]})
    with flowapi, UpProcess(tmp_path, flowapi, WORKFLOWS, AUTOFLOW_SECRETS_DIR=str(secrets)) as up:
        write_second(up, "old")
        workflows = up.inputs / "workflows.yml"
        good = workflows.read_text()
        slow = up.place / f"slow {day(0)}"
        slow.touch()
        up.start("--path-prefix", "/autoflow/")
        _check_prefix(up)
        wait_for("a check with the first token", lambda: asked_with(flowapi, "OLD.TOKEN"))
        token_file.write_text("NEW.TOKEN.OF_A_TEST\n")
        wait_for("a check with the new token", lambda: asked_with(flowapi, "NEW.TOKEN"))

        # A run goes on with the definitions that it started with, through edits of any number.
        wait_for("the first notebook", lambda: up.executions("began")[day(0)] == 1, 120)
        for number in range(KEPT_COPIES + 1):
            write_second(up, f"newer {number}" if number < KEPT_COPIES else "new")
            wait_for("the edit", lambda number=number: _edits_in_effect(up) == number + 1)
        slow.unlink()
        wait_for("the run", lambda: up.has_succeeded([day(0)]), 120)
        assert up.executions("old of second") == {day(0): 1}

        # A wrong edit is told and has no effect; the service is ready and goes on.
        workflows.write_text(good.replace("first.ipynb", "frist.ipynb"))
        wait_for("the complaint", lambda: "frist.ipynb" in up.check("inputs").get("detail", ""))
        assert "workflows.yml:5" in up.check("inputs")["detail"]
        assert up.ask("readyz")[0] == 200
        wait_for("the sensor's page to tell", lambda: "frist.ipynb" in _latest_tick(up))
        assert "last good ones are in effect" in _latest_tick(up)
        flowapi.dates["calls"].append(day(1))
        wait_for("the new date", lambda: up.has_succeeded([day(0), day(1)]), 120)
        assert up.executions("new of second")[day(1)] == 1

        # A good one adds a config, whose dates are all run.
        workflows.write_text(good + ANOTHER_CONFIG.replace("PLACE", str(up.place)))
        wait_for("the dates of the new config", lambda: _successes(up, "again") == 2, 120)
        assert up.check("inputs")["ok"]
        wait_for("it to tell no more", lambda: "frist.ipynb" not in _latest_tick(up))
        assert up.stop() == 0
        assert up.processes() == []
        assert "TOKEN.OF_A_TEST" not in up.log()


def _edits_in_effect(up: UpProcess) -> int:
    return up.log().count("the new definitions are in effect")


def _check_prefix(up: UpProcess) -> None:
    assert up.addresses is not None
    assert up.addresses.ui_url.endswith("/autoflow")
    with urllib.request.urlopen(f"{up.addresses.ui_url}/runs", timeout=30) as reply:
        assert b"/autoflow/" in reply.read()


TICK_QUERY = """
query Tick($selector: SensorSelector!) {
  sensorOrError(sensorSelector: $selector) {
    ... on Sensor { sensorState { ticks(limit: 5) { status skipReason logEvents { events { message } } } } }
  }
}
"""
"""What the UI asks for when somebody opens the sensor's page."""


def _latest_tick(up: UpProcess) -> str:
    """Return what the UI shows of the latest tick of the sensor that said anything."""
    selector = {
        "repositoryName": "__repository__",
        "repositoryLocationName": LOCATION_NAME,
        "sensorName": SENSOR_NAME,
    }
    assert up.addresses is not None
    body = json.dumps({"query": TICK_QUERY, "variables": {"selector": selector}}).encode()
    request = urllib.request.Request(
        f"{up.addresses.ui_url}/graphql", body, {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as reply:
        answer = json.load(reply)
    for tick in answer["data"]["sensorOrError"]["sensorState"]["ticks"]:
        logged = [event["message"] for event in tick["logEvents"]["events"]]
        if text := "\n".join([tick["skipReason"] or "", *logged]).strip():
            return text
    return ""


def _successes(up: UpProcess, job: str) -> int:
    wanted = RunsFilter(job_name=job, statuses=[DagsterRunStatus.SUCCESS])
    return up.instance.get_runs_count(wanted)
