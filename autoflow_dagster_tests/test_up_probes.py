"""What `autoflow up` shows of itself: whether it is ready, where it listens, what it refuses."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import jwt
import pytest
from dagster._daemon.types import DaemonHeartbeat

from autoflow_dagster.instance_home import LOCATION_NAME
from autoflow_dagster.service.checks import HEARTBEAT_SECONDS
from autoflow_dagster_tests.conftest import wait_for
from autoflow_dagster_tests.deployments import WORKFLOWS, DatesServer, day
from autoflow_dagster_tests.up_process import UpProcess

pytestmark = pytest.mark.integration

DAILY = WORKFLOWS.replace('"* * * * * */2"', '"0 3 * * *"')
"""A schedule that does not come round while a test runs."""

ADD_PARTITION = """
mutation($selector: RepositorySelector!, $key: String!) {
  addDynamicPartition(
    repositorySelector: $selector, partitionsDefName: "count", partitionKey: $key
  ) { __typename }
}"""


@pytest.fixture
def flowapi() -> Iterator[DatesServer]:
    """A FlowAPI with two dates."""
    with DatesServer({"calls": [day(0), day(1)]}) as server:
        yield server


def test_it_is_ready_only_while_everything_works(tmp_path: Path, flowapi: DatesServer) -> None:
    """Not with a daemon that hangs, and not with definitions that cannot be loaded."""
    with UpProcess(tmp_path, flowapi, DAILY) as up:
        up.start()
        for address in (up.addresses.ui_url, up.addresses.reports_url):  # type: ignore[union-attr]
            assert listening_at(int(address.rstrip("/").rpartition(":")[2])) == ["127.0.0.1"]

        [daemon] = up.processes_of("daemon")
        os.kill(daemon, signal.SIGSTOP)
        age_heartbeats(up, HEARTBEAT_SECONDS + 60)
        wait_for("the daemon to be missed", lambda: up.ask("readyz")[0] == 503)
        assert "no heartbeat from" in up.check("daemon")["detail"]
        assert up.check("storage")["ok"]
        assert up.ask("healthz") == (200, {"alive": True})
        os.kill(daemon, signal.SIGCONT)
        wait_for("the daemon to be back", lambda: up.ask("readyz")[0] == 200, 120)

        definitions = (up.home / "inputs" / "current").resolve() / "workflows.yml"
        hidden = definitions.rename(definitions.with_name("hidden"))
        kill_code_server(up)
        location = "code location"
        wait_for("a new code server", lambda: "could not load" in up.check(location)["detail"])
        assert up.ask("readyz")[0] == 503
        assert not up.check(location)["ok"]
        hidden.rename(definitions)
        kill_code_server(up)
        wait_for("the definitions to be loaded", lambda: up.ask("readyz")[0] == 200, 120)
        assert up.stop() == 0, up.log()


def listening_at(port: int) -> list[str]:
    """Return the addresses of this machine at which somebody listens on a port."""
    found = []
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, local, _, state = line.split()[:4]
        address, _, number = local.partition(":")
        if state == "0A" and int(number, 16) == port:
            found.append(".".join(str(byte) for byte in reversed(bytes.fromhex(address))))
    in_ipv6 = [line.split() for line in Path("/proc/net/tcp6").read_text().splitlines()[1:]]
    found += [w[1] for w in in_ipv6 if w[3] == "0A" and int(w[1].rpartition(":")[2], 16) == port]
    return found


def age_heartbeats(up: UpProcess, seconds: float) -> None:
    """Have every part of a stopped daemon be heard of so long ago, instead of waiting for it."""
    for kind, beat in up.instance.get_daemon_heartbeats().items():
        old = DaemonHeartbeat(time.time() - seconds, kind, beat.daemon_id, beat.errors)
        up.instance.add_daemon_heartbeat(old)


def kill_code_server(up: UpProcess) -> None:
    """Kill the code server and wait until the service has started another one."""
    [old] = up.processes_of("code server")
    os.kill(old, signal.SIGKILL)
    wait_for("another code server", lambda: up.processes_of("code server") not in ([], [old]))


def test_work_that_fails_is_noted_and_it_stays_ready(tmp_path: Path, flowapi: DatesServer) -> None:
    """A FlowAPI that does not answer, dates that fail, a token that expires: for people to see."""
    soon = int((datetime.now(UTC) + timedelta(days=2)).timestamp())
    token = jwt.encode({"exp": soon}, "DUMMY_KEY_OF_AT_LEAST_32_CHARACTERS", algorithm="HS256")
    with UpProcess(tmp_path, flowapi, FLOWAPI_TOKEN=token) as up:
        (up.place / f"bad {day(1)}").touch()
        up.start()
        wait_for("a failed date", lambda: not up.check("failed dates").get("ok", True), 120)
        assert re.fullmatch(
            rf"1 in the last \d+ runs: count {day(1)}", up.check("failed dates")["detail"]
        )
        assert up.check("last check")["ok"]
        expiry = up.check("token")
        assert (expiry["ok"], expiry["needed"]) == (False, False)
        assert (
            expiry["detail"] == f"expires at {datetime.fromtimestamp(soon, UTC):%Y-%m-%d %H:%M} UTC"
        )

        flowapi.is_down = True
        wait_for("a check in vain", lambda: not up.check("last check").get("ok", True))
        assert "HTTP 503" in up.check("last check")["detail"]
        assert up.ask("readyz")[0] == 200
        printed = subprocess.run(
            [sys.executable, "-m", "autoflow_dagster", "status"],
            env={**up.settings.environ, "DAGSTER_HOME": str(up.home)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        assert printed.startswith("ready\n")
        assert re.search(
            r"^  note  last check     at .* UTC; tried in vain at .* UTC$", printed, re.M
        )
        assert re.search(r"^  note  failed dates   1 in the last", printed, re.M)
        assert token not in printed

        flowapi.is_down = False
        (up.place / f"bad {day(1)}").unlink()
        wait_for("nothing to note", lambda: up.check("failed dates").get("ok"), 120)
        assert up.check("last check")["ok"]


def test_read_only_refuses_changes(tmp_path: Path, flowapi: DatesServer) -> None:
    """Asked over GraphQL, as the UI asks; reading goes on. Without the option it is done."""
    selector = {"repositoryLocationName": LOCATION_NAME, "repositoryName": "__repository__"}
    with UpProcess(tmp_path, flowapi, DAILY) as up:
        for options, expected, known in (
            (["--read-only"], "UnauthorizedError", []),
            ([], "AddDynamicPartitionSuccess", ["2030-01-01"]),
        ):
            up.start(*options)
            up.service.port = int(up.addresses.ui_url.rpartition(":")[2])  # type: ignore[union-attr]
            assert up.graphql("{ version }")["version"]
            answer = up.graphql(ADD_PARTITION, selector=selector, key="2030-01-01")
            assert answer["addDynamicPartition"]["__typename"] == expected
            added = {*up.instance.get_dynamic_partitions("count")} & {"2030-01-01"}
            assert sorted(added) == known
            assert up.stop() == 0, up.log()
