"""Names of jobs beside each other, beside Dagster's and beside our own jobs.

How a job gets its name is in `config_names`.
"""

from __future__ import annotations

import keyword
from collections.abc import Iterator
from dataclasses import dataclass

from autoflow_dagster.naming import dagster_name, report_asset_name
from autoflow_dagster.parser.config_names import content, job_names
from autoflow_dagster.parser.problems import Finding, Path
from autoflow_dagster.parser.schema import WorkflowModel
from autoflow_dagster.parser.structure import Structure
from autoflow_dagster.workflows import CDR_TYPES

RESERVED_JOB_NAMES = frozenset(
    [
        *("context", "conf", "config", "meta", "arg_dict", "dict", "input_arg_dict"),
        *("output_arg_dict", "int", "str", "float", "bool", "input", "output", "type"),
        *keyword.kwlist,
    ]
)
"""Names that Dagster does not allow."""

RETENTION_JOB = "autoflow_retention"
RETENTION_OP = "delete_what_is_old"
"""The job that deletes old runs and files, and its only op: no other job may have their names."""

CDR_ASSETS = "flowapi"
"""First part of the keys of the assets that stand for CDR types; the second is the type."""

_RESERVED_PREFIXES = ("__ASSET_JOB", "__anonymous_asset_job")


@dataclass(frozen=True)
class _Job:
    """A job that the file asks for.

    Attributes
    ----------
    path : tuple
        Of what gives it its name.
    made_from : str
        The name as it is written.
    workflow : WorkflowModel or None
        None for one that is not whole.
    """

    name: str
    path: Path
    made_from: str
    workflow: WorkflowModel | None

    @property
    def title(self) -> str:
        """The beginning of a sentence about the name."""
        made = "" if self.name == self.made_from else f', made from "{self.made_from}",'
        return f'The job name "{self.name}"{made}'

    def assets(self) -> Iterator[tuple[str, str]]:
        """Yield the name that each asset of the job has among Dagster's ops, and its notebook."""
        if self.workflow is None:
            return
        for key, notebook in self.workflow.notebooks.items():
            yield f"{self.name}__{dagster_name(key)}", key
            for report_format in notebook.output.format if notebook.output else ():
                yield f"{self.name}__{report_asset_name(key, report_format)}", key


def check_job_names(structure: Structure) -> Iterator[Finding]:
    """Yield jobs whose name Dagster does not allow, or that something else has."""
    jobs = list(_jobs(structure))
    assets = {name: (job, key) for job in jobs for name, key in job.assets()}
    owners: dict[str, Path] = {}
    for job in jobs:
        suggested = f"{job.name}_workflow"
        problem = _reserved(job)
        if not problem and job.name in owners:
            problem = f"{job.title} is also the one of {structure.place(owners[job.name])}."
            suggested = f"{job.name}_2"
        elif not problem and job.name in assets:
            other, key = assets[job.name]
            problem = (
                f'{job.title} is also the one of what "{key}" makes in the job "{other.name}".'
            )
        if problem:
            yield Finding(job.path, problem, _hint(job.path, suggested))
        owners.setdefault(job.name, job.path)


def _reserved(job: _Job) -> str:
    """Return why a job's name is not to be had; empty when it is."""
    if job.name in RESERVED_JOB_NAMES or job.name.startswith(_RESERVED_PREFIXES):
        return f'Dagster does not allow "{job.name}" as the name of a job.'
    if job.name == RETENTION_JOB:
        return f"{job.title} is the one of AutoFlow's own job, which deletes old runs and files."
    if job.name == RETENTION_OP:
        return f"{job.title} is the one of the only step of AutoFlow's own job {RETENTION_JOB}."
    if job.name == CDR_ASSETS and _has_cdr_type(job):
        return f'The assets of job "{job.name}" would have the names of those of the CDR types.'
    return ""


def _has_cdr_type(job: _Job) -> bool:
    """Return whether a notebook of a job's workflow has the key of a CDR type."""
    notebooks = job.workflow.notebooks if job.workflow else ()
    return any(dagster_name(key) in CDR_TYPES for key in notebooks)


def _jobs(structure: Structure) -> Iterator[_Job]:
    """Yield every job, configs' first."""

    def workflow_of(name: str) -> WorkflowModel | None:
        return structure.workflows.get(structure.workflow_names.get(name, -1))

    seen: set[str] = set()
    for index, name in job_names(structure.configs).items():
        config = structure.configs[index]
        path: Path = ("available_dates_sensor", "workflows", index)
        identity = f"{config.name} {content(config)}"
        if structure.is_whole(path) and identity not in seen:
            seen.add(identity)
            workflow_name = config.workflow_name
            yield _Job(name, path, config.name or workflow_name, workflow_of(workflow_name))
    configured = {config.workflow_name for config in structure.configs.values()}
    sensor = structure.document.data.get("available_dates_sensor")
    is_known = isinstance(sensor, dict) and structure.is_whole(("available_dates_sensor",))
    for workflow_name, index in structure.workflow_names.items():
        if is_known and workflow_name not in configured:
            path = ("workflows", index, "name")
            yield _Job(dagster_name(workflow_name), path, workflow_name, workflow_of(workflow_name))


def _hint(path: Path, name: str) -> str:
    if path[0] == "workflows":
        return "Give the workflow another name."
    return f"Give the config a name of its own, such as name: {name}."
