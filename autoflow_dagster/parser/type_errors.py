"""What pydantic finds in a workflow definition, in words for the person who wrote it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from autoflow_dagster.parser.problems import Finding, Path, did_you_mean, sentences
from autoflow_dagster.parser.schema import (
    ConfigModel,
    FileModel,
    Model,
    NotebookModel,
    OutputModel,
    SensorModel,
    WorkflowModel,
)
from autoflow_dagster.parser.yaml_document import YamlDocument
from autoflow_dagster.yaml_text import written

_KINDS = {
    "string_type": "text",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "bool_type": "true or false",
}


def findings_of(
    errors: Iterable[Mapping[str, Any]], document: YamlDocument, left_out: Collection[Path]
) -> Iterator[Finding]:
    """Yield pydantic's errors as findings, but for what is missing because it was left out.

    Parameters
    ----------
    errors : iterable of mappings
        As from `pydantic.ValidationError.errors`, with ``loc`` being paths in the document.
    document : YamlDocument
        Where values are taken from as they were written.
    left_out : collection of paths
        Of values that other findings are about.
    """
    left_out = set(left_out)
    incomplete = beginnings(left_out)
    for details in errors:
        path: Path = details["loc"]
        is_incomplete = path in incomplete and details["type"] in ("missing", "too_short")
        if is_incomplete or path in left_out:
            continue
        if details["type"] == "missing":
            yield _missing(path)
        elif details["type"] == "autoflow":
            for inside, problem, hint in details["ctx"]["problems"]:
                if (*path, *inside) in left_out:
                    continue
                value = document.written((*path, *inside), _inner(details["input"], inside))
                problem, hint = (_filled(text, path, value) for text in (problem, hint))
                yield Finding((*path, *inside), problem, hint)
        else:
            yield _type_finding(details, document)


def beginnings(paths: Iterable[Path]) -> set[Path]:
    """Return the paths and everything that they are in."""
    return {path[:length] for path in paths for length in range(len(path) + 1)}


def _filled(text: str, path: Path, value: str) -> str:
    return text.replace("{key}", str(path[-1])).replace("{value}", value)


def _inner(value: Any, path: Path) -> Any:
    for part in path:
        value = value[part]
    return value


def _missing(path: Path) -> Finding:
    key = path[-1]
    return Finding(path[:-1], f'The key "{key}" is missing.', f"Add it, such as {_example(path)}.")


def _type_finding(details: Mapping[str, Any], document: YamlDocument) -> Finding:
    path: Path = details["loc"]
    value = document.written(path, details["input"])
    model, _ = _model_field(path)
    match details["type"]:
        case "null":
            is_required = model.model_fields[str(path[-1])].is_required()
            hint = "Give a value." if is_required else "Leave the key out, or give a value."
            return Finding(path, "null is not allowed here.", hint)
        case "extra_forbidden":
            key = str(path[-1])
            known = list(model.model_fields)
            allowed = f"The keys here are: {', '.join(sorted(known))}."
            hint = sentences(did_you_mean(key, known), allowed)
            return Finding(path, f'The key "{key}" is not known.', hint)
        case "literal_error":
            problem = f"{value} is not one of: {_expected(details)}."
            return Finding(path, problem, f"Write one of these, such as {_example(path)}.")
        case "too_short":
            return Finding(
                path, f"{value} is empty.", f"Write at least one, such as {_example(path)}."
            )
    kind = _KINDS[details["type"]]
    return Finding(path, f"{value} is not {kind}.", f"Write {kind}, such as {_example(path)}.")


def _expected(details: Mapping[str, Any]) -> str:
    return str(details["ctx"]["expected"]).replace("'", "").replace(" or ", ", ")


def _example(path: Path) -> str:
    """Return an example of the key at, or around, a path."""
    model, key = _model_field(path)
    examples = model.model_fields[key].examples or [None]
    return f"{key}: {written(examples[0])}"


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
