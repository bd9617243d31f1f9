"""What no single key of a config shows: its workflow, its parameters, the name of its job.

Looks at no other file. The structure of the file has been checked before.
"""

from __future__ import annotations

import json
import keyword
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from autoflow_dagster.naming import dagster_name
from autoflow_dagster.parser.config_names import content, job_names
from autoflow_dagster.parser.problems import Finding, Path, closest, did_you_mean, listed, sentences
from autoflow_dagster.parser.schema import ConfigModel
from autoflow_dagster.parser.schema_values import CDR_TYPES
from autoflow_dagster.parser.structure import Structure
from autoflow_dagster.workflows import DATE_RANGES, FLOWAPI_URL, MISSING_DATES, REFERENCE_DATE

RESERVED_JOB_NAMES = frozenset(
    [
        *("context", "conf", "config", "meta", "arg_dict", "dict", "input_arg_dict"),
        *("output_arg_dict", "int", "str", "float", "bool", "input", "output", "type"),
        *keyword.kwlist,
    ]
)
"""Names that Dagster does not allow."""

CDR_ASSETS = "flowapi"
"""First part of the keys of the assets that stand for CDR types; the second is the type."""

_RESERVED_PREFIXES = ("__ASSET_JOB", "__anonymous_asset_job")
_ALWAYS_AUTOMATIC = (REFERENCE_DATE, DATE_RANGES)


def check_configs(structure: Structure) -> Iterator[Finding]:
    """Yield what is wrong with the configs, each for itself, with its workflow and its siblings."""
    for index, config in structure.configs.items():
        path: Path = ("available_dates_sensor", "workflows", index)
        yield from _unknown_workflow(structure, config, path)
        yield from _bounds(config, path)
        yield from _gaps(structure, config, path)
        yield from _unsortable_keys(structure, config, path)
    for workflow_index in structure.workflows:
        yield from _Parameters.of(structure, workflow_index).findings()
    yield from _repeated(structure)
    yield from _job_names(structure)


def _unknown_workflow(structure: Structure, config: ConfigModel, path: Path) -> Iterator[Finding]:
    name = config.workflow_name
    if name not in structure.workflow_names:
        known = structure.workflow_names
        hint = did_you_mean(name, known) or (
            f"The workflows are: {listed(known)}." if known else "Add it under workflows."
        )
        yield Finding((*path, "workflow_name"), f'There is no workflow "{name}".', hint)


def _bounds(config: ConfigModel, path: Path) -> Iterator[Finding]:
    earliest, latest = config.earliest_date, config.latest_date
    if earliest and latest and latest < earliest:
        problem = f"{latest} is before earliest_date, {earliest}: no date could run."
        yield Finding((*path, "latest_date"), problem, "Exchange or correct the two dates.")


def _gaps(structure: Structure, config: ConfigModel, path: Path) -> Iterator[Finding]:
    is_known = structure.is_whole((*path, "min_available"))
    if config.max_gap and config.min_available == 1 and is_known:
        yield Finding(
            (*path, "max_gap"),
            "max_gap changes nothing while min_available is 1: all stencil dates must be there.",
            "Add min_available, such as 0.6; with 0, only the length of gaps matters.",
            is_warning=True,
        )


def _unsortable_keys(structure: Structure, config: ConfigModel, path: Path) -> Iterator[Finding]:
    for name, value in config.parameters.items():
        try:
            json.dumps(value, sort_keys=True, default=str)
        except TypeError:
            inside: Path = (*path, "parameters", name)
            problem = f"{structure.document.written(inside, value)} has keys of different kinds."
            yield Finding(inside, problem, "Put all keys of the mapping in quotes.")


@dataclass(frozen=True)
class _Use:
    """A notebook's parameter that is taken from a workflow parameter."""

    path: Path
    parameter: str
    notebook_key: str


@dataclass(frozen=True)
class _Parameters:
    """What a workflow's notebooks take, against what its configs give."""

    structure: Structure
    index: int
    notebook_keys: frozenset[str]
    taken: dict[str, _Use]
    configs: dict[int, ConfigModel]

    @classmethod
    def of(cls, structure: Structure, index: int) -> _Parameters:
        workflow = structure.workflows[index]
        keys = frozenset(structure.notebook_keys(index))
        taken: dict[str, _Use] = {}
        for key, notebook in workflow.notebooks.items():
            for parameter, source in notebook.parameters.items():
                if source not in keys and source != FLOWAPI_URL:
                    path = ("workflows", index, "notebooks", key, "parameters", parameter)
                    taken.setdefault(source, _Use(path, parameter, key))
        is_first = structure.workflow_names[workflow.name] == index
        configs = structure.configs_of(workflow.name) if is_first else {}
        return cls(structure, index, keys, taken, configs)

    def findings(self) -> Iterator[Finding]:
        """Yield parameters that are given and not taken, or taken and not given."""
        nowhere: set[str] = set()
        if self.configs and all(self._is_known(index) for index in self.configs):
            given = {name for config in self.configs.values() for name in config.parameters}
            nowhere = self._required - given
        meant = {closest(source, self._providers) for source in nowhere}
        for source in nowhere:
            yield self._nowhere(source)
        for index, config in self.configs.items():
            for name in config.parameters.keys() - meant:
                yield from self._given(index, config, name)
            if self._is_known(index):
                for source in self._required - config.parameters.keys() - nowhere:
                    yield self._missing(index, source)

    def _path(self, index: int, *inside: str) -> Path:
        return ("available_dates_sensor", "workflows", index, *inside)

    def _is_known(self, index: int) -> bool:
        return self.structure.is_whole(self._path(index, "parameters"))

    @cached_property
    def _required(self) -> set[str]:
        """Every config has to give these; `missing_dates` one may give."""
        return self.taken.keys() - {*_ALWAYS_AUTOMATIC, MISSING_DATES}

    @cached_property
    def _takes(self) -> list[str]:
        return sorted(self._required)

    @cached_property
    def _providers(self) -> set[str]:
        """Everything that a notebook's parameter could be taken from."""
        given = {name for config in self.configs.values() for name in config.parameters}
        return {*self.notebook_keys, *given, *_ALWAYS_AUTOMATIC, MISSING_DATES, FLOWAPI_URL}

    def _nowhere(self, source: str) -> Finding:
        """Return the finding about a name that no config gives: a slip, or meant as a value."""
        use = self.taken[source]
        first = self._path(next(iter(self.configs)))
        others = len(self.configs) - 1
        configs = self.structure.place(first) + (f" and {others} more" if others else "")
        problem = (
            f'"{source}" is not a notebook of this workflow or an automatic parameter, and not '
            f"among the parameters of {configs}."
        )
        value = (
            f'If the value "{source}" is meant, write `{use.parameter}: {use.parameter}` here and '
            f"`{use.parameter}: {source}` under those parameters."
        )
        hint = did_you_mean(source, self._providers)
        return Finding(use.path, problem, hint or f'Add "{source}" there. {value}')

    def _given(self, index: int, config: ConfigModel, name: str) -> Iterator[Finding]:
        path = self._path(index, "parameters", name)
        uses_gaps = config.max_gap is not None or config.min_available < 1
        if name in _ALWAYS_AUTOMATIC or (name == MISSING_DATES and uses_gaps):
            problem = f'"{name}" is given automatically.'
            yield Finding(path, problem, "Remove it, or give the parameter another name.")
        elif name == FLOWAPI_URL or name in self.notebook_keys:
            what = "flowapi_url is" if name == FLOWAPI_URL else f'"{name}" is a notebook, and'
            problem = f"{what} not a parameter that a config can give."
            hint = "Remove it, or give the parameter another name."
            yield Finding(path, problem, hint)
        elif name not in self.taken and self.structure.is_whole(("workflows", self.index)):
            missing = self._required - config.parameters.keys()
            takes = self._takes
            hint = sentences(
                did_you_mean(name, missing) or "Remove it.",
                f"The workflow takes: {listed(takes)}." if takes else "The workflow takes none.",
            )
            yield Finding(path, f'No notebook of the workflow takes "{name}".', hint)

    def _missing(self, index: int, source: str) -> Finding:
        config, use = self.configs[index], self.taken[source]
        line = self.structure.document.line_of(use.path)
        problem = (
            f'The parameter "{source}" is missing: notebook "{use.notebook_key}" takes its '
            f'parameter "{use.parameter}" from it (line {line}).'
        )
        unused = [name for name in config.parameters if not self._is_wanted(name)]
        hint = did_you_mean(source, unused) or sentences(
            f'Add "{source}" to the parameters.',
            did_you_mean(source, self.notebook_keys).replace("?", f" on line {line}?"),
        )
        return Finding(self._path(index, "parameters"), problem, hint)

    def _is_wanted(self, name: str) -> bool:
        reserved = (*_ALWAYS_AUTOMATIC, MISSING_DATES, FLOWAPI_URL)
        return name in self.taken or name in self.notebook_keys or name in reserved


def _repeated(structure: Structure) -> Iterator[Finding]:
    """Yield configs that say the same as an earlier one."""
    first: dict[str, int] = {}
    for index, config in structure.configs.items():
        path: Path = ("available_dates_sensor", "workflows", index)
        if not structure.is_whole(path):
            continue
        text = f"{config.name} {content(config)}"
        if text in first:
            line = structure.document.line_of((*path[:-1], first[text]))
            problem = f"This config says the same as the one on line {line}."
            yield Finding(path, problem, "Remove it, or say what it should do differently.")
        first.setdefault(text, index)


def _job_names(structure: Structure) -> Iterator[Finding]:
    """Yield jobs whose name Dagster does not allow, or that another job has."""
    owners: dict[str, Path] = {}
    for name, path, original, workflow_name in _jobs(structure):
        if name in RESERVED_JOB_NAMES or name.startswith(_RESERVED_PREFIXES):
            problem = f'Dagster does not allow "{name}" as the name of a job.'
            yield Finding(path, problem, _name_hint(path, f"{name}_workflow"))
        elif name == CDR_ASSETS and _has_cdr_type(structure, workflow_name):
            problem = f'The assets of job "{name}" would have the names of those of the CDR types.'
            yield Finding(path, problem, _name_hint(path, f"{name}_workflow"))
        elif name in owners:
            made = "" if name == original else f', made from "{original}",'
            other = structure.place(owners[name])
            problem = f'The job name "{name}"{made} is also the one of {other}.'
            yield Finding(path, problem, _name_hint(path, f"{name}_2"))
        owners.setdefault(name, path)


def _has_cdr_type(structure: Structure, workflow_name: str) -> bool:
    """Return whether a notebook of a workflow has the key of a CDR type."""
    workflow = structure.workflows.get(structure.workflow_names.get(workflow_name, -1))
    return workflow is not None and any(
        dagster_name(key) in CDR_TYPES for key in workflow.notebooks
    )


def _jobs(structure: Structure) -> Iterator[tuple[str, Path, str, str]]:
    """Yield name, path, what the name was made from and workflow of every job, configs' first."""
    seen: set[str] = set()
    for index, name in job_names(structure.configs).items():
        config = structure.configs[index]
        path: Path = ("available_dates_sensor", "workflows", index)
        identity = f"{config.name} {content(config)}"
        if structure.is_whole(path) and identity not in seen:
            seen.add(identity)
            yield name, path, config.name or config.workflow_name, config.workflow_name
    configured = {config.workflow_name for config in structure.configs.values()}
    sensor = structure.document.data.get("available_dates_sensor")
    is_known = isinstance(sensor, dict) and structure.is_whole(("available_dates_sensor",))
    for workflow_name, index in structure.workflow_names.items():
        if is_known and workflow_name not in configured:
            path = ("workflows", index, "name")
            yield dagster_name(workflow_name), path, workflow_name, workflow_name


def _name_hint(path: Path, name: str) -> str:
    if path[0] == "workflows":
        return "Give the workflow another name."
    return f"Give the config a name of its own, such as name: {name}."
