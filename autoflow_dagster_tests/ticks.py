"""Ticks of the sensor evaluated directly, over real storage and a real FlowAPI of dates.

Runs are recorded as Dagster and our assets record them; nothing is executed.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
from dagster import DagsterInstance, DagsterRun, DagsterRunStatus

from autoflow_dagster.build import build_defs
from autoflow_dagster.data_versions import DATA_VERSION_TAG
from autoflow_dagster.ledger import PATH_METADATA, asset_keys
from autoflow_dagster.parser import load_workflows
from autoflow_dagster.sensors import SENSOR_NAME
from autoflow_dagster.settings import Settings
from autoflow_dagster_tests.conftest import write_notebook

RUN_KEY_TAG = "dagster/run_key"
HASH_TAG = "autoflow/parameters_hash"

TWO_CONFIGS = """\
workflows:
  - name: flows
    notebooks:
      run: {filename: run.ipynb, parameters: {unit: unit, reference_date: reference_date}}
      report: {filename: report.ipynb, parameters: {run: run}, output: {format: html}}
available_dates_sensor:
  schedule: "0 0 1 1 *"
  workflows:
    - {workflow_name: flows, name: alpha, parameters: {unit: admin1}}
    - {workflow_name: flows, name: beta, parameters: {unit: admin2}, date_stencil: [-1, 0]}
"""

ALPHA_ONLY = TWO_CONFIGS[: TWO_CONFIGS.index("    - {workflow_name: flows, name: beta")]


class Ticks:
    """A sensor, what it works on, and the cursor that one tick leaves to the next.

    Parameters
    ----------
    root : Path
        An empty directory.
    url, token : str
        Of FlowAPI.
    environ : str
        Further environment variables.
    """

    def __init__(
        self,
        root: Path,
        instance: DagsterInstance,
        url: str,
        workflows: str = TWO_CONFIGS,
        token: str = "DUMMY.TOKEN.DUMMY",
        **environ: str,
    ) -> None:
        self.instance = instance
        self.inputs, self.outputs = root / "inputs", root / "outputs"
        self.inputs.mkdir()
        write_notebook(self.inputs / "run.ipynb", "1", parameters="unit = reference_date = ''")
        write_notebook(self.inputs / "report.ipynb", "1", parameters="run = ''")
        self.environ = {
            **os.environ,
            "AUTOFLOW_INPUTS_DIR": str(self.inputs),
            "AUTOFLOW_OUTPUTS_DIR": str(self.outputs),
            "FLOWAPI_URL": url,
            "FLOWAPI_TOKEN": token,
            **environ,
        }
        self.cursor: str | None = None
        self.log: list[str] = []
        self.load(workflows)

    def load(self, workflows: str | None = None, **environ: str) -> None:
        """Load the code location again, as after a restart; with another workflows.yml if given."""
        if workflows is not None:
            (self.inputs / "workflows.yml").write_text(workflows)
        settings = Settings.from_environ(self.environ | environ)
        self.configs = {c.name: c for c in load_workflows(self.inputs).configs}
        self.repository = build_defs(load_workflows(self.inputs), settings).get_repository_def()
        self.sensor = self.repository.get_sensor_def(SENSOR_NAME)

    def tick(self) -> Any:
        """Evaluate a tick; a failed one leaves the cursor as it was."""
        context = dg.build_sensor_context(
            instance=self.instance, cursor=self.cursor, repository_def=self.repository
        )
        self.log = []
        context.log.addHandler(_Lines(self.log))
        result = self.sensor.evaluate_tick(context)
        self.cursor = result.cursor
        return result

    def check(self) -> Any:
        """Evaluate a tick at which a check is due."""
        self.make_due()
        return self.tick()

    def make_due(self) -> None:
        """Let a cron occurrence, and more than a minute, pass since the last tick."""
        stored = json.loads(self.cursor or "{}")
        past = datetime.now(UTC) - timedelta(days=400)
        stored["counted_from"] = stored["polled_at"] = past.isoformat()
        self.cursor = json.dumps(stored)

    @property
    def text(self) -> str:
        """What the last tick with requests said."""
        return "\n".join(self.log)

    def launch(
        self, request: Any, status: DagsterRunStatus = DagsterRunStatus.STARTED
    ) -> DagsterRun:
        """Record that the daemon has made a run of a request."""
        run = DagsterRun(
            job_name=request.job_name,
            status=status,
            tags={**request.tags, RUN_KEY_TAG: request.run_key},
            asset_selection=frozenset(request.asset_selection or ()) or None,
        )
        return self.instance.add_run(run)

    def succeed(self, request: Any) -> None:
        """Record that a request became a run, and that this succeeded."""
        run = self.launch(request)
        self.materialize(request.job_name, request.partition_key, request.tags[HASH_TAG])
        self.instance.handle_run_event(run.run_id, _ended(run))

    def fail(self, request: Any) -> None:
        """Record that a request became a run, and that this failed."""
        self.instance.report_run_failed(self.launch(request))

    def cancel(self, request: Any) -> None:
        """Record that a request became a run, and that this was cancelled."""
        self.instance.report_run_canceled(self.launch(request))

    def materialize(
        self, config: str, partition: str, params_hash: str, keys: Sequence[str] | None = None
    ) -> None:
        """Record that assets of a config were materialized; all of them unless some are named."""
        for key in asset_keys(config, self.configs[config].workflow):
            if keys is None or key.path[-1] in keys:
                path = f"notebooks/{config}_{key.path[-1]}_{partition}.ipynb"
                (self.outputs / path).parent.mkdir(parents=True, exist_ok=True)
                (self.outputs / path).touch()
                made = dg.AssetMaterialization(
                    key,
                    partition=partition,
                    tags={DATA_VERSION_TAG: params_hash},
                    metadata={PATH_METADATA: path},
                )
                self.instance.report_runless_asset_event(made)


def _ended(run: DagsterRun) -> dg.DagsterEvent:
    return dg.DagsterEvent(event_type_value="PIPELINE_SUCCESS", job_name=run.job_name)


def dates_of(result: Any) -> dict[str, list[str]]:
    """Return the requested partitions by job, in the order requested."""
    found: dict[str, list[str]] = {}
    for request in result.run_requests or ():
        found.setdefault(request.job_name, []).append(request.partition_key)
    return found


def january(*days: int) -> list[date]:
    """Return days of January 2016."""
    return [date(2016, 1, day) for day in days]


class _Lines(logging.Handler):
    """Collects the messages of a logger."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__()
        self._lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        self._lines.append(record.getMessage())
