"""What no single key of a config shows: its workflow, its parameters, its siblings.

Looks at no other file. The structure of the file has been checked before.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from autoflow_dagster.parser.config_names import content
from autoflow_dagster.parser.problems import Finding, Path, closest, did_you_mean, listed, sentences
from autoflow_dagster.parser.schema import ConfigModel
from autoflow_dagster.parser.structure import Structure
from autoflow_dagster.workflows import DATE_RANGES, FLOWAPI_URL, MISSING_DATES, REFERENCE_DATE

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
