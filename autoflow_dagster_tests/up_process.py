"""``autoflow up`` as a process of its own, with everything that it works on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from autoflow_dagster.service.address_file import ServiceFile, read_service_file
from autoflow_dagster_tests.conftest import wait_for
from autoflow_dagster_tests.deployments import Deployment

COMMAND = (sys.executable, "-m", "autoflow_dagster", "up", "--port", "0", "--reports-port", "0")
START_SECONDS = 150
"""Of a service on a machine that is busy with other tests."""


class UpProcess(Deployment):
    """A deployment whose service is the command; see there for the parameters."""

    process: subprocess.Popen[bytes] | None = None
    options: tuple[str, ...] = ()

    def kill_everything(self) -> None:
        """Kill every process of this deployment at once, as a power cut does."""
        super().kill_everything()
        if self.process is not None:
            self.process.wait(30)

    @property
    def log_file(self) -> Path:
        """What the command has said."""
        return self.home.with_name("up.log")

    def log(self) -> str:
        """Return what the command and the service's processes have said."""
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

    def launch(self, *options: str, **environ: str) -> subprocess.Popen[bytes]:
        """Start the command; do not wait for anything."""
        (self.home / "service.json").unlink(missing_ok=True)
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen(
                [*COMMAND, *self.options, *options],
                env={**self.settings.environ, "DAGSTER_HOME": str(self.home), **environ},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        return self.process

    def start(self, *options: str, **environ: str) -> None:
        """Start the command and wait until the service is ready."""
        self.launch(*options, **environ)
        wait_for("the service to be ready", self._is_ready_or_gone, START_SECONDS)
        assert self.process is not None
        assert self.process.poll() is None, self.log()

    def _is_ready_or_gone(self) -> bool:
        assert self.process is not None
        return self.process.poll() is not None or self.ask("readyz")[0] == 200

    @property
    def addresses(self) -> ServiceFile | None:
        """Where the service is; None before it says so."""
        return read_service_file(self.home)

    def ask(self, page: str) -> tuple[int, dict[str, Any]]:
        """Return status and JSON of a page for probes; 0 when nobody listens."""
        if self.addresses is None:
            return 0, {}
        try:
            with urllib.request.urlopen(f"{self.addresses.reports_url}{page}", timeout=30) as reply:
                return reply.status, json.load(reply)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)
        except OSError:
            return 0, {}

    def check(self, name: str) -> dict[str, Any]:
        """Return what one check of ``/readyz`` says."""
        found: dict[str, Any] = self.ask("readyz")[1].get("checks", {}).get(name, {})
        return found

    def signal(self, number: int = signal.SIGTERM) -> None:
        """Send a signal to the command."""
        assert self.process is not None
        os.kill(self.process.pid, number)

    def wait(self, timeout_seconds: float = 60) -> int:
        """Return the exit status of the command once it has ended."""
        assert self.process is not None
        return self.process.wait(timeout_seconds)

    def stop(self) -> int:
        """Ask the command to end; return its exit status."""
        self.signal()
        return self.wait()
