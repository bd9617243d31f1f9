"""What no single key of `workflows.yml` shows: names that must fit, parameters that must match.

Looks at no other file. The structure of the file has been checked before.
"""

from __future__ import annotations

import keyword
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from graphlib import CycleError
from typing import Any

from autoflow_dagster.config_names import content, job_names
from autoflow_dagster.naming import dagster_name, report_asset_name
from autoflow_dagster.problems import (
    Finding,
    Path,
    did_you_mean,
    listed,
    place_name,
    sentences,
)
from autoflow_dagster.schema import ConfigModel, WorkflowModel
from autoflow_dagster.structure import Structure
from autoflow_dagster.workflows import (
    DATE_RANGES,
    FLOWAPI_URL,
    MISSING_DATES,
    REFERENCE_DATE,
    Notebook,
    execution_order,
)
from autoflow_dagster.yaml_document import YamlDocument

RESERVED_JOB_NAMES = frozenset(
    "context conf config meta arg_dict dict input_arg_dict output_arg_dict int str float bool "
    "input output type".split()
) | frozenset(keyword.kwlist)
"""Names that Dagster does not allow."""

RESERVED_JOB_PREFIXES = ("__ASSET_JOB", "__anonymous_asset_job")

_RESERVED_KEYS = (REFERENCE_DATE, DATE_RANGES, FLOWAPI_URL)
_ALWAYS_AUTOMATIC = (REFERENCE_DATE, DATE_RANGES)


@dataclass(frozen=True)
class _Context:
    """The file, as far as it could be read."""

    document: YamlDocument
    structure: Structure

    def line(self, path: Path) -> int:
        return self.document.line_of(path)

    def place(self, path: Path) -> str:
        """Return a path in words, with its line."""
        return f"{place_name(path, self.document.data)} (line {self.line(path)})"

    def notebook_keys(self, index: int) -> list[str]:
        """Return the keys of a workflow's notebooks, those left out included."""
        notebooks = self.document.data["workflows"][index]["notebooks"]
        return [key for key in notebooks if isinstance(key, str)]

    @property
    def workflow_names(self) -> dict[str, int]:
        """Index by name of all workflows, those left out included; the first of each name."""
        names: dict[str, int] = {}
        workflows = self.document.data.get("workflows")
        for index, workflow in enumerate(workflows if isinstance(workflows, list) else ()):
            if isinstance(workflow, dict) and isinstance(workflow.get("name"), str):
                names.setdefault(workflow["name"], index)
        return names

    def configs_of(self, workflow: WorkflowModel) -> dict[int, ConfigModel]:
        configs = self.structure.configs.items()
        return {i: config for i, config in configs if config.workflow_name == workflow.name}
