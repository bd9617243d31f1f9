"""A YAML document as the models of `schema`, with a finding for everything that does not fit.

What does not fit is left out and the rest is read, so that one look at a file finds all mistakes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from autoflow_dagster.problems import Finding, Path, did_you_mean, sentences
from autoflow_dagster.schema import (
    ConfigModel,
    FileModel,
    Model,
    NotebookModel,
    OutputModel,
    SensorModel,
    WorkflowModel,
)
from autoflow_dagster.stencil_elements import written
from autoflow_dagster.yaml_document import YamlDocument

_KINDS = {
    "string_type": "text",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "bool_type": "true or false",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
}
_MAX_ROUNDS = 10
_WORKFLOWS: Path = ("workflows",)
_CONFIGS: Path = ("available_dates_sensor", "workflows")


@dataclass(frozen=True)
class Structure:
    """What of a file fits the models.

    Attributes
    ----------
    sensor : SensorModel or None
        Its `workflows` are not to be used, but `configs`. None when too little fits.
    workflows, configs : mapping of int to model
        By index in the file's lists; without those that do not fit.
    findings : list of Finding
        About everything that does not fit.
    broken : set of paths
        What was left out.
    """

    sensor: SensorModel | None = None
    workflows: dict[int, WorkflowModel] = field(default_factory=dict)
    configs: dict[int, ConfigModel] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    broken: frozenset[Path] = frozenset()

    def is_whole(self, path: Path) -> bool:
        """Return whether nothing was left out at or below a path."""
        return not any(broken[: len(path)] == path for broken in self.broken)


def read_structure(document: YamlDocument) -> Structure:
    """Read the models from a document; never raises for what is in it."""
    findings = [*document.findings, *_top_level_findings(document)]
    if not isinstance(document.data, dict):
        return Structure(findings=findings)
    odd_keys = list(_key_findings(document.data, ()))
    findings += odd_keys
    rest = _Rest(document.data)
    for path in [*document.broken, *(finding.path for finding in odd_keys)]:
        rest.leave_out(path)
    for round_number in range(_MAX_ROUNDS):
        try:
            file = FileModel.model_validate(rest.data())
        except ValidationError as error:
            found = rest.in_original(error)
            if round_number == 0:
                findings += _findings(found, document, rest.left_out)
            for details in found:
                is_missing = details["type"] == "missing"
                rest.leave_out(details["loc"][:-1] if is_missing else details["loc"])
        else:
            return Structure(
                file.available_dates_sensor,
                dict(zip(rest.workflows, file.workflows, strict=True)),
                dict(zip(rest.configs, file.available_dates_sensor.workflows, strict=True)),
                findings,
                frozenset(rest.left_out),
            )
    return Structure(findings=findings, broken=frozenset(rest.left_out))


def _top_level_findings(document: YamlDocument) -> Iterator[Finding]:
    data = document.data
    known = list(FileModel.model_fields)
    if data is None and not document.findings:
        yield Finding((), "The file is empty.", f"Write the keys {' and '.join(known)}.")
    elif data is not None and not isinstance(data, dict):
        value = document.written((), data)
        yield Finding((), f"{value} is not a mapping.", f"Write the keys {' and '.join(known)}.")
    for key in data if isinstance(data, dict) else ():
        if isinstance(key, str) and key not in known and not key.startswith("x-"):
            hint = did_you_mean(key, known) or "If it holds YAML anchors, begin its name with x-."
            problem = f'The key "{key}" is not known and is ignored.'
            yield Finding((key,), problem, hint, is_warning=True)


def _key_findings(data: Any, path: Path) -> Iterator[Finding]:
    """Yield a finding for each key that is not text, outside the values of workflow parameters."""
    match path:
        case ("available_dates_sensor", "workflows", int(), "parameters", _, *_):
            return
    if isinstance(data, list):
        for index, item in enumerate(data):
            yield from _key_findings(item, (*path, index))
    elif isinstance(data, dict):
        for key, value in data.items():
            if isinstance(key, str):
                yield from _key_findings(value, (*path, key))
            else:
                problem = f"The key {written(key)} is not text."
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


def _findings(
    found: list[dict[str, Any]], document: YamlDocument, left_out: set[Path]
) -> Iterator[Finding]:
    """Yield pydantic's errors as findings, but for what is missing because it was left out."""
    for details in found:
        path: Path = details["loc"]
        if details["type"] == "missing":
            if not any(known[: len(path)] == path for known in left_out):
                yield _missing(path)
        elif details["type"] == "autoflow":
            for inside, problem, hint in details["ctx"]["problems"]:
                value = document.written((*path, *inside), _inner(details["input"], inside))
                problem, hint = (_filled(text, path, value) for text in (problem, hint))
                yield Finding((*path, *inside), problem, hint)
        else:
            yield _type_finding(details, document)


def _filled(text: str, path: Path, value: str) -> str:
    return text.replace("{key}", str(path[-1])).replace("{value}", value)


def _inner(value: Any, path: Path) -> Any:
    for part in path:
        value = value[part]
    return value


def _missing(path: Path) -> Finding:
    key = path[-1]
    return Finding(path[:-1], f'The key "{key}" is missing.', f"Add it, {_example(path)}.")


def _type_finding(details: dict[str, Any], document: YamlDocument) -> Finding:
    path: Path = details["loc"]
    value = document.written(path, details["input"])
    model, _ = _model_field(path)
    match details["type"]:
        case "null":
            return Finding(path, "null is not allowed here.", "Leave the key out, or give a value.")
        case "extra_forbidden":
            key = str(path[-1])
            known = list(model.model_fields)
            allowed = f"The keys here are: {', '.join(sorted(known))}."
            hint = sentences(did_you_mean(key, known), allowed)
            return Finding(path, f'The key "{key}" is not known.', hint)
        case "literal_error":
            problem = f"{value} is not one of: {_expected(details)}."
            return Finding(path, problem, f"Write one of these, {_example(path)}.")
        case "too_short":
            return Finding(path, f"{value} is empty.", f"Write at least one, {_example(path)}.")
        case kind if kind in _KINDS:
            return Finding(path, f"{value} is not {_KINDS[kind]}.", f"Write {_example(path)}.")
        case _:
            return Finding(path, f"{value} is out of range.", f"Write {_example(path)}.")


def _expected(details: dict[str, Any]) -> str:
    return str(details["ctx"]["expected"]).replace("'", "").replace(" or ", ", ")


def _example(path: Path) -> str:
    """Return an example of the key at, or around, a path."""
    model, key = _model_field(path)
    example = model.model_fields[key].examples
    return f"such as {key}: {written(example[0])}" if example else ""


def _model_field(path: Path) -> tuple[type[Model], str]:
    """Return the model, and its key, that a path is at or inside of."""
    match path:
        case ("workflows", int(), "notebooks", _, "output", str(key), *_):
            return OutputModel, key
        case ("workflows", int(), "notebooks", _, str(key), *_):
            return NotebookModel, key
        case ("workflows", int(), str(key), *_):
            return WorkflowModel, key
        case ("available_dates_sensor", "workflows", int(), str(key), *_):
            return ConfigModel, key
        case ("available_dates_sensor", str(key), *_):
            return SensorModel, key
    return FileModel, str(path[0])
