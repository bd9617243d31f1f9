"""A YAML document as the models of `schema`, with a finding for everything that does not fit.

What does not fit is left out and the rest is read, so that one look at a file finds all mistakes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from pydantic import ValidationError

from autoflow_dagster.parser.problems import Finding, Path, Places, did_you_mean
from autoflow_dagster.parser.schema import ConfigModel, FileModel, SensorModel, WorkflowModel
from autoflow_dagster.parser.type_errors import beginnings, findings_of
from autoflow_dagster.parser.yaml_document import YamlDocument
from autoflow_dagster.yaml_text import written

_MAX_ROUNDS = 10
_WORKFLOWS: Path = ("workflows",)
_CONFIGS: Path = ("available_dates_sensor", "workflows")
_STAND_INS: dict[Path, Any] = {
    _WORKFLOWS: [],
    _CONFIGS: [],
    ("available_dates_sensor",): {},
    ("available_dates_sensor", "schedule"): None,
}
"""For required keys that are missing, so that the rest of the file is still looked at."""


@dataclass(frozen=True)
class Structure:
    """What of a file fits the models.

    Attributes
    ----------
    document : YamlDocument
        The whole file.
    sensor : SensorModel or None
        Its `workflows` are not to be used, but `configs`. None when too little fits.
    workflows, configs : mapping of int to model
        By index in the file's lists; without those that do not fit.
    findings : list of Finding
        About everything that does not fit.
    broken : set of paths
        What was left out.
    """

    document: YamlDocument
    sensor: SensorModel | None = None
    workflows: dict[int, WorkflowModel] = field(default_factory=dict)
    configs: dict[int, ConfigModel] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    broken: frozenset[Path] = frozenset()

    def is_whole(self, path: Path) -> bool:
        """Return whether nothing was left out at or below a path."""
        return path not in self._incomplete

    @cached_property
    def _incomplete(self) -> set[Path]:
        return beginnings(self.broken)

    def place(self, path: Path) -> str:
        """Return a path in words, with its line."""
        return f"{self._places.name_of(path)} (line {self.document.line_of(path)})"

    @cached_property
    def _places(self) -> Places:
        return Places(self.document.data)

    def notebook_keys(self, index: int) -> list[str]:
        """Return the keys of a workflow's notebooks, those left out included."""
        notebooks = self.document.data["workflows"][index]["notebooks"]
        return [key for key in notebooks if isinstance(key, str)]

    @cached_property
    def all_workflow_names(self) -> list[tuple[int, str]]:
        """Index and name of all workflows, those left out included."""
        workflows = self.document.data.get("workflows")
        names = (
            (index, workflow.get("name"))
            for index, workflow in enumerate(workflows if isinstance(workflows, list) else ())
            if isinstance(workflow, dict)
        )
        return [(index, name) for index, name in names if isinstance(name, str)]

    @cached_property
    def workflow_names(self) -> dict[str, int]:
        """Index by name of all workflows; the first one of each name."""
        names: dict[str, int] = {}
        for index, name in self.all_workflow_names:
            names.setdefault(name, index)
        return names

    def configs_of(self, workflow_name: str) -> dict[int, ConfigModel]:
        """Return the configs that run a workflow, by index."""
        return self._configs_by_workflow.get(workflow_name, {})

    @cached_property
    def _configs_by_workflow(self) -> dict[str, dict[int, ConfigModel]]:
        found: dict[str, dict[int, ConfigModel]] = {}
        for index, config in self.configs.items():
            found.setdefault(config.workflow_name, {})[index] = config
        return found


def read_structure(document: YamlDocument) -> Structure:
    """Read the models from a document; never raises for what is in it."""
    findings = [*document.findings, *_top_level_findings(document)]
    if not isinstance(document.data, dict):
        return Structure(document, findings=findings)
    odd_keys = list(_key_findings(document.data, ()))
    findings += odd_keys
    rest = _Rest(document.data)
    rest.left_out |= document.broken
    for finding in odd_keys:
        rest.leave_out(finding.path)
    for round_number in range(_MAX_ROUNDS):
        try:
            file = FileModel.model_validate(rest.data())
        except ValidationError as error:
            found = rest.in_original(error)
            if round_number == 0:
                findings += findings_of(found, document, rest.left_out)
            for details in found:
                if details["type"] == "missing":
                    rest.do_without(details["loc"])
                else:
                    rest.leave_out(details["loc"])
        else:
            return Structure(
                document,
                file.available_dates_sensor,
                dict(zip(rest.workflows, file.workflows, strict=True)),
                dict(zip(rest.configs, file.available_dates_sensor.workflows, strict=True)),
                findings,
                frozenset(rest.left_out),
            )
    return Structure(document, findings=findings, broken=frozenset(rest.left_out))


def _top_level_findings(document: YamlDocument) -> Iterator[Finding]:
    data = document.data
    known = list(FileModel.model_fields)
    if data is None and not document.findings:
        yield Finding((), "The file is empty.", f"Write the keys {' and '.join(known)}.")
    elif data is not None and not isinstance(data, dict):
        value = document.written((), data)
        yield Finding((), f"{value} is not a mapping.", f"Write the keys {' and '.join(known)}.")
    for key in data if isinstance(data, dict) else ():
        if key not in known and not str(key).startswith("x-"):
            close = did_you_mean(str(key), known)
            hint = close or "If it holds YAML anchors, begin its name with x-."
            problem = f'The key "{key}" is not known and is ignored.'
            yield Finding((key,), problem, hint, is_warning=True)


def _key_findings(data: Any, path: Path) -> Iterator[Finding]:
    """Yield a finding for each key that is not text, but inside the values of a config."""
    match path:
        case ("available_dates_sensor", "workflows", int(), key, *inside):
            if inside or key != "parameters":
                return
    if not path:
        for key in FileModel.model_fields:
            yield from _key_findings(data.get(key), (key,))
    elif isinstance(data, list):
        for index, item in enumerate(data):
            yield from _key_findings(item, (*path, index))
    elif isinstance(data, dict):
        for key, value in data.items():
            if isinstance(key, str):
                yield from _key_findings(value, (*path, key))
            else:
                problem = f"The key is read as {written(key)}, which is not text."
                yield Finding((*path, key), problem, "Put it in quotes.")


class _Rest:
    """A copy of the file's data from which more and more is left out.

    Items of the two lists of workflows and configs keep their index in the file.
    """

    def __init__(self, data: dict[Any, Any]) -> None:
        self._data: dict[Any, Any] = _copy(data)
        self.left_out: set[Path] = set()
        self.workflows = self._items(_WORKFLOWS)
        self.configs = self._items(_CONFIGS)

    def _items(self, path: Path) -> dict[int, Any]:
        value: Any = self._data
        for key in path:
            value = value.get(key) if isinstance(value, dict) else None
        return dict(enumerate(value)) if isinstance(value, list) else {}

    def data(self) -> dict[Any, Any]:
        """Return what is left."""
        if isinstance(self._data.get("workflows"), list):
            self._data["workflows"] = list(self.workflows.values())
        sensor = self._data.get("available_dates_sensor")
        if isinstance(sensor, dict) and isinstance(sensor.get("workflows"), list):
            sensor["workflows"] = list(self.configs.values())
        return self._data

    def in_original(self, error: ValidationError) -> list[dict[str, Any]]:
        """Return pydantic's errors with their place in the file, not in what is left of it."""
        workflows, configs = list(self.workflows), list(self.configs)
        found = []
        for details in error.errors(include_url=False):
            path: Path = tuple(details["loc"])
            match path:
                case ("workflows", int(index), *rest):
                    path = (*_WORKFLOWS, workflows[index], *rest)
                case ("available_dates_sensor", "workflows", int(index), *rest):
                    path = (*_CONFIGS, configs[index], *rest)
            found.append({**details, "loc": path})
        return found

    def do_without(self, path: Path) -> None:
        """Put something in the place of a required key that is missing, or leave its owner out."""
        if path not in _STAND_INS:
            self.leave_out(path[:-1])
            return
        owner = self._data
        for key in path[:-1]:
            owner = owner[key]
        owner[path[-1]] = _copy(_STAND_INS[path])
        self.left_out.add(path)

    def leave_out(self, path: Path) -> None:
        """Remove what is at a path, or the smallest part around it that can be removed."""
        self.left_out.add(path)
        match path:
            case ("workflows", int(index), *rest):
                items, inside = self.workflows, rest
            case ("available_dates_sensor", "workflows", int(index), *rest):
                items, inside = self.configs, rest
            case _:
                _remove(self._data, list(path))
                return
        if index in items and not (inside and _remove(items[index], inside)):
            del items[index]


def _remove(data: Any, path: list[str | int]) -> bool:
    """Remove the value at a path, or the list that it is in; return whether that was possible."""
    if not isinstance(data, dict) or not path or path[0] not in data:
        return False
    key, *inside = path
    if not (inside and _remove(data[key], inside)):
        del data[key]
    return True


def _copy(data: Any) -> Any:
    if isinstance(data, dict):
        return {key: _copy(value) for key, value in data.items()}
    return [_copy(item) for item in data] if isinstance(data, list) else data
