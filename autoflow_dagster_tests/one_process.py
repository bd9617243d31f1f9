"""Jobs in the process of the tests: an inputs directory, its definitions and a real instance."""

from __future__ import annotations

import json
import os
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg

from autoflow_dagster.build import build_defs
from autoflow_dagster.ledger import LatestOutput, latest_output, read_histories
from autoflow_dagster.parser import load_workflows
from autoflow_dagster.settings import Settings
from autoflow_dagster.workflows import WorkflowDefinitions

TOKEN = "the-secret-token"


class Place:
    """An inputs directory, its definitions and an instance.

    Parameters
    ----------
    root : Path
        An empty directory.
    inputs : Path or str
        The inputs directory, or the content of workflows.yml for a new one.
    environ : str
        Further environment variables.
    """

    def __init__(
        self, root: Path, instance: dg.DagsterInstance, inputs: Path | str, **environ: str
    ) -> None:
        if isinstance(inputs, str):
            self.inputs = root / "inputs"
            self.inputs.mkdir()
            (self.inputs / "workflows.yml").write_text(inputs)
        else:
            self.inputs = inputs
        self.instance = instance
        self.settings = Settings.from_environ(
            {
                **os.environ,
                "AUTOFLOW_INPUTS_DIR": str(self.inputs),
                "AUTOFLOW_OUTPUTS_DIR": str(root / "outputs"),
                "FLOWAPI_URL": "http://127.0.0.1:9",
                "FLOWAPI_TOKEN": TOKEN,
                **environ,
            }
        )

    def definitions(self) -> WorkflowDefinitions:
        """Return what the inputs directory defines."""
        return load_workflows(self.inputs)

    @property
    def job(self) -> str:
        """The name of the one config's job."""
        [config] = self.definitions().configs
        return config.name

    def run(self, day: str) -> dg.ExecuteInProcessResult:
        """Run the config's job for a reference date."""
        repository = build_defs(self.definitions(), self.settings).get_repository_def()
        self.instance.add_dynamic_partitions(self.job, [day])
        return repository.get_job(self.job).execute_in_process(
            instance=self.instance, partition_key=day, raise_on_error=False
        )

    def is_done(self, day: str) -> bool:
        """Return whether the ledger says that a date is done."""
        [config] = self.definitions().configs
        history = read_histories(self.instance, [config])[config.name]
        return date.fromisoformat(day) in history.done

    def output(self, key: dg.AssetKey, day: str) -> LatestOutput:
        """Return the materialization of an asset."""
        found = latest_output(self.instance, key, day, self.settings.outputs_dir)
        assert found is not None, key
        return found

    def logged(self, run: dg.ExecuteInProcessResult) -> list[str]:
        """Return the log lines of a run that are not Dagster's own."""
        entries = self.instance.all_logs(run.run_id)
        return [entry.user_message for entry in entries if entry.dagster_event is None]

    def notebook(self, name: str) -> dict[str, Any]:
        """Return the executed notebook of a file, which was executed once."""
        [path] = (self.settings.notebooks_dir).glob(f"{name}__*.ipynb")
        content: dict[str, Any] = json.loads(path.read_text())
        return content
