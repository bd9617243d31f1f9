"""What is wrong with a workflow definition file, and how that is told.

A problem belongs to a path inside the file, such as ``("workflows", 0, "name")``. Here paths get
their readable names; where the problems come from is for the modules that find them.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeAlias

FILE_NAME = "workflows.yml"

Path: TypeAlias = tuple[str | int, ...]
"""Keys and list indices from the top of the file; empty for the whole file."""

_LONGEST_VALUE = 80


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


@dataclass(frozen=True, order=True)
class Message:
    """A finding as it is shown: ``workflows.yml:LINE: place: what is wrong. What to do.``."""

    line: int
    place: str
    text: str

    def __str__(self) -> str:
        place = f"{self.place}: " if self.place else ""
        # One line for each problem, whatever is in the values.
        return " ".join(f"{FILE_NAME}:{self.line}: {place}{self.text}".split())


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
    match path:
        case ("workflows", int(index), *rest):
            name = _value_at(data, ("workflows", index, "name"))
            head = f'workflow "{name}"' if isinstance(name, str) else f"workflow {index + 1}"
            if len(rest) > 1 and rest[0] == "notebooks":
                return " > ".join([head, f'notebook "{rest[1]}"', *_words(rest[2:])])
            return " > ".join([head, *_words(rest)])
        case ("available_dates_sensor", "workflows", int(index), *rest):
            return " > ".join(["available_dates_sensor", _config_name(index, data), *_words(rest)])
        case _:
            return " > ".join(_words(path))


def _words(path: Iterable[str | int]) -> list[str]:
    return [f"item {part + 1}" if isinstance(part, int) else str(part) for part in path]


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


def clipped(text: str) -> str:
    """Return a value's text, cut when it is long.

    Examples
    --------
    >>> len(clipped("a" * 1000))
    80
    """
    return text if len(text) <= _LONGEST_VALUE else text[: _LONGEST_VALUE - 3] + "..."


def listed(names: Iterable[object]) -> str:
    """Return names in quotes, sorted.

    Examples
    --------
    >>> listed(["b", "a"])
    '"a", "b"'
    """
    return ", ".join(f'"{name}"' for name in sorted(map(str, names)))


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return a question that names the closest of the known names; empty when none is close.

    Examples
    --------
    >>> did_you_mean("run_flow", ["run_flows", "flows_report"])
    'Did you mean "run_flows"?'
    """
    known = sorted(known)
    close = difflib.get_close_matches(name, known, n=1)
    if not close:
        close = [other for other in known if other.lower() == name.lower()]
    return f'Did you mean "{close[0]}"?' if close else ""


def sentences(*parts: str) -> str:
    """Return the parts that are not empty, with spaces between them."""
    return " ".join(part for part in parts if part)
