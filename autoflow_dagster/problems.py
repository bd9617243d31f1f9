"""What is wrong with a workflow definition file, and how that is told.

A problem belongs to a path inside the file, such as ``("workflows", 0, "name")``. Here paths get
their readable names; where the problems come from is for the modules that find them.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeAlias

from autoflow_dagster.yaml_text import written

FILE_NAME = "workflows.yml"

_CONTROL_CHARACTERS = re.compile(r"[\x00-\x1f\x7f-\x9f]")

Path: TypeAlias = tuple[str | int, ...]
"""Keys and list indices from the top of the file; empty for the whole file."""


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, or looks so.

    Attributes
    ----------
    path : tuple of str and int
        What it is about.
    problem : str
        What is wrong, with the value as written; a sentence.
    hint : str
        What to do; sentences, or empty.
    line : int or None
        When it is not the line of `path`.
    is_warning : bool
        Whether the file can be used all the same.
    """

    path: Path
    problem: str
    hint: str = ""
    line: int | None = None
    is_warning: bool = False


@dataclass(frozen=True)
class Message:
    """A finding as it is shown: ``workflows.yml:LINE: place: what is wrong. What to do.``."""

    line: int
    place: str
    text: str

    @property
    def sort_key(self) -> tuple[int, list[tuple[int, str]], str]:
        """By line, then by place with numbers as numbers: item 2 before item 10."""
        parts = re.split(r"(\d+)", self.place)
        place = [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]
        return self.line, place, self.text

    def __str__(self) -> str:
        place = f"{self.place}: " if self.place else ""
        # One line for each problem, whatever is in the values.
        line = " ".join(f"{FILE_NAME}:{self.line}: {place}{self.text}".split())
        return _CONTROL_CHARACTERS.sub("\N{REPLACEMENT CHARACTER}", line)


def place_name(path: Path, data: Any) -> str:
    """Return a path in words, naming workflows, notebooks and configs by their own names.

    Parameters
    ----------
    path : tuple of str and int
        Inside `data`.
    data : object
        The whole file, of whatever structure it has.

    Examples
    --------
    >>> place_name(("workflows", 0, "notebooks"), {"workflows": [{"name": "flows"}]})
    'workflow "flows" > notebooks'
    """
    words = [_word(part, _value_at(data, path[:depth])) for depth, part in enumerate(path)]
    match path:
        case ("workflows", int(index), "notebooks", _, *_):
            return " > ".join([_workflow_name(index, data), f'notebook "{words[3]}"', *words[4:]])
        case ("workflows", int(index), *_):
            return " > ".join([_workflow_name(index, data), *words[2:]])
        case ("available_dates_sensor", "workflows", int(index), *_):
            return " > ".join(["available_dates_sensor", _config_name(index, data), *words[3:]])
        case _:
            return " > ".join(words)


def _word(part: str | int, container: Any) -> str:
    if isinstance(container, list):
        return f"item {int(part) + 1}"
    return part if isinstance(part, str) else written(part)


def _workflow_name(index: int, data: Any) -> str:
    name = _value_at(data, ("workflows", index, "name"))
    return f'workflow "{name}"' if isinstance(name, str) else f"workflow {index + 1}"


def _config_name(index: int, data: Any) -> str:
    configs = _value_at(data, ("available_dates_sensor", "workflows"))
    name = _value_at(configs, (index, "name"))
    if isinstance(name, str):
        return f'config "{name}"'
    workflow = _value_at(configs, (index, "workflow_name"))
    if not isinstance(workflow, str):
        return f"config {index + 1}"
    same = [
        i for i, _ in enumerate(configs) if _value_at(configs, (i, "workflow_name")) == workflow
    ]
    number = f" {same.index(index) + 1}" if len(same) > 1 else ""
    return f'config{number} of workflow "{workflow}"'


def _value_at(data: Any, path: Path) -> Any:
    """Return the value at a path; None where there is none."""
    for part in path:
        try:
            data = data[part]
        except (LookupError, TypeError):
            return None
    return data


def listed(names: Iterable[object]) -> str:
    """Return names in quotes, sorted.

    Examples
    --------
    >>> listed(["b", "a"])
    '"a", "b"'
    """
    return ", ".join(f'"{name}"' for name in sorted(map(str, names)))


def closest(name: str, known: Iterable[str]) -> str | None:
    """Return the closest of the known names; None when none is close."""
    known = sorted(known)
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.7)
    close += [other for other in known if other.lower() == name.lower()]
    return close[0] if close else None


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return a question that names the closest of the known names; empty when none is close.

    Examples
    --------
    >>> did_you_mean("run_flow", ["run_flows", "flows_report"])
    'Did you mean "run_flows"?'
    """
    close = closest(name, known)
    return f'Did you mean "{close}"?' if close else ""


def sentences(*parts: str) -> str:
    """Return the parts that are not empty, with spaces between them."""
    return " ".join(part for part in parts if part)
