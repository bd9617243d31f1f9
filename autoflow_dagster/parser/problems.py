"""What is wrong with a workflow definition file, and how that is told.

A problem belongs to a path inside the file, such as ``("workflows", 0, "name")``. Here paths get
their readable names; where the problems come from is for the modules that find them.
"""

from __future__ import annotations

import difflib
import itertools
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

from autoflow_dagster.yaml_text import clipped, written

FILE_NAME = "workflows.yml"

_CONTROL_CHARACTERS = re.compile(r"[\x00-\x1f\x7f-\x9f]")

_MOST_NAMES = 700
_MOST_LISTED = 30
_LONGEST_NAME = 200

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
        place = f"{clipped(self.place, 300)}: " if self.place else ""
        # One line for each problem, and not a long one, whatever is in the values.
        line = " ".join(f"{FILE_NAME}:{self.line}: {place}{clipped(self.text, 1500)}".split())
        return _CONTROL_CHARACTERS.sub("\N{REPLACEMENT CHARACTER}", line)


class Places:
    """Paths in words, naming workflows, notebooks and configs by their own names.

    Parameters
    ----------
    data : object
        The whole file, of whatever structure it has.

    Examples
    --------
    >>> Places({"workflows": [{"name": "flows"}]}).name_of(("workflows", 0, "notebooks"))
    'workflow "flows" > notebooks'
    """

    def __init__(self, data: Any) -> None:
        self._data = data

    def name_of(self, path: Path) -> str:
        """Return a path in words; empty for the whole file."""
        words = [_word(part, _value_at(self._data, path[:i])) for i, part in enumerate(path)]
        match path:
            case ("workflows", int(index), "notebooks", _, *_):
                words[:4] = [self._workflow(index), f'notebook "{words[3]}"']
            case ("workflows", int(index), *_):
                words[:2] = [self._workflow(index)]
            case ("available_dates_sensor", "workflows", int(index), *_):
                words[1:3] = [self._configs.get(index, f"config {index + 1}")]
        return " > ".join(words)

    def _workflow(self, index: int) -> str:
        name = _value_at(self._data, ("workflows", index, "name"))
        return f'workflow "{clipped(name)}"' if isinstance(name, str) else f"workflow {index + 1}"

    @cached_property
    def _configs(self) -> dict[int, str]:
        """Words for the configs that have a name or a workflow, by index."""
        configs = _value_at(self._data, ("available_dates_sensor", "workflows"))
        words: dict[int, str] = {}
        same: dict[str, list[int]] = {}
        for index in range(len(configs) if isinstance(configs, list) else 0):
            name = _value_at(configs, (index, "name"))
            workflow = _value_at(configs, (index, "workflow_name"))
            if isinstance(workflow, str):
                same.setdefault(workflow, []).append(index)
            if isinstance(name, str):
                words[index] = f'config "{clipped(name)}"'
        for workflow, indices in same.items():
            for number, index in enumerate(indices, start=1):
                which = f"config {number}" if len(indices) > 1 else "config"
                words.setdefault(index, f'{which} of workflow "{clipped(workflow)}"')
        return words


def _word(part: str | int, container: Any) -> str:
    if isinstance(container, list):
        return f"item {int(part) + 1}"
    return clipped(part if isinstance(part, str) else written(part))


def _value_at(data: Any, path: Path) -> Any:
    """Return the value at a path; None where there is none."""
    for part in path:
        try:
            data = data[part]
        except (LookupError, TypeError):
            return None
    return data


def listed(names: Collection[str]) -> str:
    """Return names in quotes, sorted; of many only the first ones given.

    Examples
    --------
    >>> listed(["b", "a"])
    '"a", "b"'
    """
    shown = sorted(f'"{name}"' for name in itertools.islice(names, _MOST_LISTED))
    more = [f"and {len(names) - len(shown)} more"] if len(names) > len(shown) else []
    return ", ".join(shown + more)


def closest(name: str, known: Iterable[str]) -> str | None:
    """Return the closest of the known names; None when none is close, or they are very many."""
    known = list(known)
    if len(known) > _MOST_NAMES or len(name) > _LONGEST_NAME:
        return None
    known.sort()
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
