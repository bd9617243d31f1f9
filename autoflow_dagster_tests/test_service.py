"""The service for real: code server, webserver and daemon over a demo FlowAPI."""

from __future__ import annotations

import json
import os
import signal
import urllib.request
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pytest
from dagster import DagsterInstance, DagsterRunStatus, RunsFilter

from autoflow_dagster.demo.server import DemoFlowapi
from autoflow_dagster.instance_home import prepare_home, service_environment
from autoflow_dagster.service.child_processes import Child
from autoflow_dagster.service.code_location import check_code_location, reload_code_location
from autoflow_dagster.service.processes import Service
from autoflow_dagster.settings import Settings
from autoflow_dagster.warm.asking import can_be_warm
from autoflow_dagster_tests.conftest import names_in, wait_for, write_notebook

pytestmark = pytest.mark.integration

WORKFLOWS = """\
workflows:
  - name: count-days
    notebooks:
      first:
        filename: first.ipynb
        parameters: {reference_date: reference_date, unit: unit, flag_dir: flag_dir}
      second:
        filename: second.ipynb
        parameters: {first_notebook: first}
        output: {format: pdf}
available_dates_sensor:
  schedule: "* * * * * */4"
  cdr_types: [calls]
  workflows:
    - workflow_name: count-days
      parameters: {unit: admin3, flag_dir: FLAG_DIR}
      earliest_date: 2016-01-02
      date_stencil: [[-1, 1]]
"""


@dataclass
class Running:
    """A running service and what it works on."""

    service: Service
    instance: DagsterInstance
    demo: DemoFlowapi
    outputs: Path
    flags: Path

    @property
    def code_server(self) -> Child:
        """The present one."""
        [child] = [child for child in self.service.children if child.name == "code server"]
        return child

    def runs(self, *statuses: DagsterRunStatus) -> Counter[str]:
        """Return the number of runs by reference date."""
        found = self.instance.get_runs(RunsFilter(statuses=list(statuses) or None))
        return Counter(run.tags["dagster/partition"] for run in found)

    def succeeded(self, *days: int) -> bool:
        """Return whether exactly these days of January 2016 have a successful run."""
        return set(self.runs(DagsterRunStatus.SUCCESS)) == {f"2016-01-{d:02}" for d in days}

    def graphql(self, query: str, **variables: object) -> dict[str, object]:
        """Ask the webserver."""
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(
            f"{self.service.url}/graphql", body, {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=60) as response:
            answer = json.load(response)
        assert "errors" not in answer, answer
        data: dict[str, object] = answer["data"]
        return data


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    """A service over four days of records, with a notebook that can be made to fail."""
    inputs, flags = tmp_path / "inputs", tmp_path / "flags"
    inputs.mkdir()
    flags.mkdir()
    (inputs / "workflows.yml").write_text(WORKFLOWS.replace("FLAG_DIR", str(flags)))
    write_notebook(
        inputs / "first.ipynb",
        "from pathlib import Path\n"
        "if (Path(flag_dir) / reference_date).exists():\n"
        "    raise RuntimeError(f'told to fail on {reference_date}')",
        "import scrapbook as sb\nsb.glue('label', f'{unit} {reference_date}')",
        parameters="reference_date = ''\nunit = ''\nflag_dir = ''",
    )
    write_notebook(
        inputs / "second.ipynb",
        "import scrapbook as sb\nsb.read_notebook(first_notebook).scraps['label'].data",
        parameters="first_notebook = ''",
    )
    with DemoFlowapi(days=4, subscribers=50) as demo:
        settings = Settings.from_environ(
            {
                **os.environ,
                "AUTOFLOW_INPUTS_DIR": str(inputs),
                "AUTOFLOW_OUTPUTS_DIR": str(tmp_path / "outputs"),
                "AUTOFLOW_SENSOR_INTERVAL": "2",
                "FLOWAPI_URL": demo.url,
                "FLOWAPI_TOKEN": demo.token,
            }
        )
        home = tmp_path / "home"
        prepare_home(home, settings)
        service = Service(service_environment(home, settings), port=0, log_dir=tmp_path / "logs")
        service.start()
        try:
            assert service.wait_until_ready(90, lambda: False)
            with DagsterInstance.from_config(str(home)) as instance:
                yield Running(service, instance, demo, tmp_path / "outputs", flags)
        finally:
            service.stop()


def test_the_service_runs_each_date_until_it_succeeds_and_never_again(running: Running) -> None:
    """First check, failure and retry, a new date, a manual re-run: one story, one service."""
    (running.flags / "2016-01-03").touch()
    wait_for("the first check", lambda: running.succeeded(2, 4), 120)
    wait_for("two attempts at the failing date", lambda: running.runs()["2016-01-03"] >= 2, 120)

    failed = running.outputs / "notebooks" / "failed"
    assert all("_2016-01-03_" in name for name in names_in(failed))
    assert not names_in(running.outputs / "notebooks", "*_2016-01-03_*")

    (running.flags / "2016-01-03").unlink()
    assert running.demo.add_date() == date(2016, 1, 5)
    wait_for("the mended and the new date", lambda: running.succeeded(2, 3, 4, 5), 120)

    launched = running.runs()
    assert [launched[f"2016-01-0{day}"] for day in (2, 4, 5)] == [1, 1, 1]
    reports = names_in(running.outputs / "reports", "*.pdf")
    assert [name.split("_count-days_")[1][:10] for name in reports] == [
        f"2016-01-0{day}" for day in (2, 3, 4, 5)
    ]

    _rerun_partition(running, "2016-01-04")
    wait_for("the manual re-run", lambda: running.runs(DagsterRunStatus.SUCCESS)["2016-01-04"] == 2)
    polls = running.demo.requests["/api/0/available_dates"]
    wait_for("another check", lambda: running.demo.requests["/api/0/available_dates"] > polls)
    assert running.runs()["2016-01-04"] == 2


@pytest.mark.skipif(
    not can_be_warm() or os.environ.get("AUTOFLOW_WARM_RUNS") == "off", reason="forks nothing here"
)
def test_its_processes_are_forked_from_one_and_outlive_it(running: Running) -> None:
    """What they import is in memory once; killed, each of them comes back, and dates are run."""
    service = running.service
    [fork_server] = set(service.pids) - {child.process.pid for child in service.children}  # type: ignore[union-attr]
    assert {_parent(child.process.pid) for child in service.children} == {fork_server}  # type: ignore[union-attr]
    wait_for("the first check", lambda: running.succeeded(2, 3, 4), 120)
    log = service.log_dir / "daemon.log"  # type: ignore[operator]
    assert "does not start warm" not in log.read_text()

    os.kill(fork_server, signal.SIGKILL)
    code_server = running.code_server
    code_server.kill()

    def is_back() -> bool:
        service.tend()
        return code_server.is_running

    wait_for("the code server to be back", is_back, 60)
    assert all(child.is_running for child in service.children)
    running.demo.add_date()
    wait_for("the new date", lambda: running.succeeded(2, 3, 4, 5), 120)


def _parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def test_a_new_code_server_takes_the_place_of_the_old_one(running: Running) -> None:
    """Once it has loaded the definitions; until then, and when it cannot, the old one serves."""
    service = running.service
    old = running.code_server
    with pytest.raises(ZeroDivisionError), service.new_code_server() as refused:
        raise ZeroDivisionError
    assert not refused.is_running
    assert old in service.children
    assert service.code_socket is not None
    check_code_location(service.code_socket)

    reload_code_location(service)
    assert old not in service.children
    wait_for("the old one to end", lambda: not old.is_running, 30)
    check_code_location(service.code_socket)
    wait_for("runs", lambda: running.succeeded(2, 3, 4), 120)
    _rerun_partition(running, "2016-01-04")
    wait_for("the manual re-run", lambda: running.runs(DagsterRunStatus.SUCCESS)["2016-01-04"] == 2)


def _rerun_partition(running: Running, partition: str) -> None:
    """Launch one partition of the job as the Dagster UI does."""
    selector = {
        "repositoryLocationName": "autoflow_dagster",
        "repositoryName": "__repository__",
        "jobName": "count_days",
    }
    answer = running.graphql(
        """mutation($params: ExecutionParams!) { launchRun(executionParams: $params) {
             __typename ... on PythonError { message } } }""",
        params={
            "selector": selector,
            "runConfigData": {},
            "mode": "default",
            "executionMetadata": {"tags": [{"key": "dagster/partition", "value": partition}]},
        },
    )
    assert answer["launchRun"]["__typename"] == "LaunchRunSuccess", answer  # type: ignore[index]
