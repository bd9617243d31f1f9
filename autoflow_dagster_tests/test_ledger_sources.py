"""A date is done whichever way it was run: one service, and every way there is."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster import DagsterRunStatus

from autoflow_dagster.ledger import UNFINISHED, read_histories
from autoflow_dagster.parser import load_workflows
from autoflow_dagster_tests.conftest import wait_for, write_notebook
from autoflow_dagster_tests.deployments import FIRST_CELL, DatesServer, Deployment, day

pytestmark = pytest.mark.integration

LONG = 240.0

WORKFLOWS = """\
workflows:
  - name: count
    notebooks:
      first:
        filename: first.ipynb
        parameters: {reference_date: reference_date, place: place}
      second:
        filename: second.ipynb
        parameters: {reference_date: reference_date, place: second_place, first: first}
        output: {format: html}
available_dates_sensor:
  schedule: "* * * * * */2"
  workflows:
    - {workflow_name: count, parameters: {place: PLACE, second_place: PLACE/second}}
"""

REPOSITORY = {"repositoryLocationName": "autoflow_dagster", "repositoryName": "__repository__"}
FIRST, SECOND, REPORT = ["count", "first"], ["count", "second"], ["count", "second_html"]

LAUNCH = """mutation($params: ExecutionParams!) { launchRun(executionParams: $params) {
    __typename ... on PythonError { message }
    ... on RunConfigValidationInvalid { errors { message } } } }"""

LAUNCH_BACKFILL = """mutation($params: LaunchBackfillParams!) {
    launchPartitionBackfill(backfillParams: $params) {
        __typename ... on PythonError { message } } }"""

REEXECUTE = """mutation($params: ReexecutionParams!) {
    launchRunReexecution(reexecutionParams: $params) {
        __typename ... on PythonError { message } } }"""


class Ways:
    """The ways to run a date, as the UI and the command line go them."""

    def __init__(self, deployment: Deployment) -> None:
        self.deployment = deployment

    def launchpad(self, when: date) -> None:
        """The job's launchpad, with a partition."""
        self._launch({**REPOSITORY, "jobName": "count"}, when)

    def asset_page(self, when: date, *assets: Sequence[str]) -> None:
        """The button of the asset page, for one partition: Dagster's implicit job."""
        selected = [{"path": list(path)} for path in assets or (FIRST, SECOND, REPORT)]
        self._launch({**REPOSITORY, "jobName": "__ASSET_JOB", "assetSelection": selected}, when)

    def _launch(self, selector: Mapping[str, Any], when: date) -> None:
        tags = [{"key": "dagster/partition", "value": when.isoformat()}]
        params = {
            "selector": selector,
            "runConfigData": {},
            "mode": "default",
            "executionMetadata": {"tags": tags},
        }
        answer = self.deployment.graphql(LAUNCH, params=params)["launchRun"]
        assert answer["__typename"] == "LaunchRunSuccess", answer

    def job_backfill(self, *dates: date) -> None:
        """A backfill of the job."""
        selector = {"partitionSetName": "count_partition_set", "repositorySelector": REPOSITORY}
        self._backfill({"selector": selector}, dates)

    def asset_backfill(self, *dates: date) -> None:
        """The button of the asset page, for several partitions."""
        selected = [{"path": path} for path in (FIRST, SECOND, REPORT)]
        self._backfill({"assetSelection": selected}, dates)

    def _backfill(self, what: Mapping[str, Any], dates: Sequence[date]) -> None:
        params = {**what, "partitionNames": [when.isoformat() for when in dates]}
        answer = self.deployment.graphql(LAUNCH_BACKFILL, params=params)["launchPartitionBackfill"]
        assert answer["__typename"] == "LaunchBackfillSuccess", answer

    def from_failure(self, when: date) -> None:
        """Re-execution of a failed run from where it failed."""
        [failed] = [
            record.dagster_run.run_id
            for record in self.deployment.records(DagsterRunStatus.FAILURE)
            if record.dagster_run.tags["dagster/partition"] == when.isoformat()
        ]
        params = {"parentRunId": failed, "strategy": "FROM_FAILURE"}
        answer = self.deployment.graphql(REEXECUTE, params=params)["launchRunReexecution"]
        assert answer["__typename"] == "LaunchRunSuccess", answer

    def command_line(self, when: date) -> None:
        """`autoflow run CONFIG DATE`, which needs no service."""
        command = [sys.executable, "-m", "autoflow_dagster", "run", "count", when.isoformat()]
        environment = {**self.deployment.service.environment}
        done = subprocess.run(
            [*command, "--available-dates", "-"],
            input='{"available_dates": {"calls": ["%s"]}}' % when,  # noqa: UP031
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def deployment(tmp_path: Path) -> Iterator[Deployment]:
    """A service whose FlowAPI is down, so that the sensor requests nothing yet."""
    with (
        DatesServer({"calls": [day(n) for n in range(8)]}) as flowapi,
        Deployment(tmp_path, flowapi, WORKFLOWS) as made,
    ):
        flowapi.is_down = True
        (made.place / "second").mkdir()
        write_notebook(
            made.inputs / "second.ipynb",
            FIRST_CELL,
            parameters="reference_date = place = first = ''",
        )
        made.instance.add_dynamic_partitions("count", [day(n).isoformat() for n in range(8)])
        made.start()
        yield made


def done(deployment: Deployment) -> set[date]:
    """Return the dates that are done."""
    configs = load_workflows(deployment.inputs).configs
    return set(read_histories(deployment.instance, configs)["count"].done)


def idle(deployment: Deployment) -> bool:
    """Return whether no run is queued or running."""
    return not deployment.records(*UNFINISHED)


@pytest.mark.timeout(900)
def test_a_date_is_done_whichever_way_it_was_run(deployment: Deployment) -> None:
    """The sensor requests the one date that is left; after a wipe, the reports of all."""
    ways, bad = Ways(deployment), [deployment.place / "second" / f"bad {day(n)}" for n in (5, 6)]
    for flag in bad:
        flag.touch()
    ways.launchpad(day(1))
    ways.job_backfill(day(2))
    ways.asset_page(day(3))
    ways.asset_backfill(day(4), day(5))
    ways.launchpad(day(6))
    ways.command_line(day(7))
    wait_for("two failures", lambda: deployment.runs(DagsterRunStatus.FAILURE) == _one(5, 6), LONG)
    for flag in bad:
        flag.unlink()
    ways.asset_page(day(5), SECOND, REPORT)
    ways.from_failure(day(6))
    wait_for("seven days", lambda: done(deployment) == {day(n) for n in range(1, 8)}, LONG)
    wait_for("the ends of the runs", lambda: idle(deployment), LONG)
    assert deployment.executions() == _one(*range(1, 8))
    launched = deployment.runs()
    assert launched == _one(*range(1, 8)) + _one(5, 6)

    deployment.flowapi.is_down = False
    wait_for("the day that is left", lambda: day(0) in done(deployment), LONG)
    deployment.wait_for_another_check(LONG)
    assert deployment.runs() == launched + _one(0)
    [requested] = [
        r.dagster_run for r in deployment.records() if "dagster/run_key" in r.dagster_run.tags
    ]
    assert requested.tags["dagster/partition"] == day(0).isoformat()

    deployment.instance.wipe_assets([dg.AssetKey(REPORT)])
    wait_for("new reports", lambda: done(deployment) == {day(n) for n in range(8)}, LONG)
    wait_for("the ends of the runs", lambda: idle(deployment), LONG)
    assert deployment.runs() == launched + _one(0) + _one(*range(8))
    assert deployment.executions() == _one(*range(8))


def _one(*numbers: int) -> Counter[date]:
    return Counter(day(number) for number in numbers)
