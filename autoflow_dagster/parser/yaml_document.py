"""YAML text as plain values that know their line, within limits.

Knows nothing of workflows. Unlike ``yaml.safe_load``, it refuses duplicate keys, and files that
would take long or much memory to read.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

import yaml

from autoflow_dagster.parser.problems import Finding, Path
from autoflow_dagster.yaml_text import clipped, written

MAX_BYTES = 1_000_000
MAX_DEPTH = 50
MAX_VALUES = 100_000
"""Values of a file after its aliases are written out."""

_MAX_TYPED_LENGTH = 400
"""A number or date longer than this is none; some take long to convert."""

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TAG = "tag:yaml.org,2002:"
_CONSTRUCTOR = yaml.constructor.SafeConstructor()
_TYPED: dict[str, Any] = {
    f"{_TAG}bool": _CONSTRUCTOR.construct_yaml_bool,
    f"{_TAG}int": _CONSTRUCTOR.construct_yaml_int,
    f"{_TAG}float": _CONSTRUCTOR.construct_yaml_float,
    f"{_TAG}timestamp": _CONSTRUCTOR.construct_yaml_timestamp,
}
_HINT_QUOTES = "Put text in quotes."


class UnreadableYamlError(ValueError):
    """The text cannot be read as YAML at all."""

    def __init__(self, line: int, problem: str, hint: str = "") -> None:
        self.finding = Finding((), problem, hint, line=line)
        super().__init__(line, problem, hint)


@dataclass
class YamlDocument:
    """The values of a YAML text.

    Attributes
    ----------
    data : object
        Plain dicts, lists, texts, numbers, dates and None.
    findings : list of Finding
        Duplicate keys, values that no type fits and so on.
    broken : set of paths
        Of values that could not be read; `data` has None in their place.
    """

    data: Any = None
    findings: list[Finding] = field(default_factory=list)
    broken: set[Path] = field(default_factory=set)
    _lines: dict[Path, int] = field(default_factory=dict)
    _texts: dict[Path, str] = field(default_factory=dict)

    def line_of(self, path: Path) -> int:
        """Return the line, from 1, of a key or list item; of what it would be in when absent."""
        while path and path not in self._lines:
            path = path[:-1]
        return self._lines.get(path, 1)

    def written(self, path: Path, value: Any) -> str:
        """Return a value as it is written in the file, on one line, cut when it is long."""
        is_as_read = not isinstance(value, str | list | dict) and path in self._texts
        text = self._texts[path] if is_as_read else written(value)
        return clipped(" ".join(text.split()))


def read_yaml(text: str) -> YamlDocument:
    """Return the only document of a YAML text.

    Raises
    ------
    UnreadableYamlError
        When it is not YAML, or too large, too deep or a bomb.
    """
    try:
        _check_nesting(text)
        node = yaml.compose(text, Loader=_Loader)
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        # libyaml gives a number, PyYAML's own reader the character.
        character = error.character
        number = character if isinstance(character, int) else ord(str(character)[0])
        problem = f"The character U+{number:04X} cannot stand in YAML."
        raise UnreadableYamlError(line, problem, "Remove it.") from error
    except yaml.MarkedYAMLError as error:
        raise _not_yaml(error, text) from error
    document = YamlDocument()
    if node is not None:
        document.data = _Reader(document).read(node, ())
    return document


def _not_yaml(error: yaml.MarkedYAMLError, text: str) -> UnreadableYamlError:
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    begun = ""
    if error.context and error.context_mark and error.context_mark.line + 1 < line:
        begun = f", {error.context} that begins on line {error.context_mark.line + 1}"
    problem = f"This is not YAML: {error.problem} (column {column}{begun})."
    if text.splitlines()[line - 1 : line] and "\t" in text.splitlines()[line - 1][:column]:
        problem = f"A tab stands where YAML needs spaces (column {column})."
        return UnreadableYamlError(line, problem, "Indent with spaces.")
    if "single document" in str(error.context):
        hint = "Remove the line with --- that begins another one."
        return UnreadableYamlError(line, "There is more than one document.", hint)
    hint = "Check indentation, quotes and brackets here and on the line before."
    return UnreadableYamlError(line, problem, hint)


def _check_nesting(text: str) -> None:
    """Refuse deep nesting, which libyaml reads slowly and which can end the process."""
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MAX_DEPTH:
                line = event.start_mark.line + 1 if event.start_mark else 1
                problem = f"Values are nested more than {MAX_DEPTH} deep."
                raise UnreadableYamlError(line, problem, "Close brackets that are left open.")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


class _Reader:
    """Turns nodes into values, noting lines and findings in a document."""

    def __init__(self, document: YamlDocument) -> None:
        self._document = document
        self._open: set[int] = set()
        self._count = 0

    def read(self, node: yaml.Node, path: Path, line: int | None = None) -> Any:
        """Return the value of a node; None, and a finding more, when it has none.

        The value belongs to `line`, that of its key; None for the line on which it begins.
        """
        self._document._lines[path] = line or node.start_mark.line + 1
        self._count_value(node)
        if isinstance(node, yaml.ScalarNode):
            self._document._texts[path] = node.value
            return self._scalar(node, path)
        if id(node) in self._open:
            self._break(path, "The alias refers to what it is part of.", "Write it out.")
            return None
        self._open.add(id(node))
        try:
            if isinstance(node, yaml.MappingNode):
                return self._mapping(node, path)
            return self._sequence(node, path)
        finally:
            self._open.remove(id(node))

    def _count_value(self, node: yaml.Node) -> None:
        self._count += 1
        if self._count > MAX_VALUES:
            raise UnreadableYamlError(
                node.start_mark.line + 1,
                f"The file has more than {MAX_VALUES} values, with aliases (*) written out.",
                "Use fewer aliases, or several inputs directories.",
            )

    def _find(self, path: Path, problem: str, hint: str = "", line: int | None = None) -> None:
        self._document.findings.append(Finding(path, problem, hint, line))

    def _break(self, path: Path, problem: str, hint: str) -> None:
        """Note that the value at a path cannot be read."""
        self._find(path, problem, hint)
        self._document.broken.add(path)

    def _scalar(self, node: yaml.ScalarNode, path: Path) -> Any:
        if node.tag == f"{_TAG}null":
            return None
        if node.tag in (f"{_TAG}str", f"{_TAG}value", f"{_TAG}merge"):
            return node.value
        text = clipped(node.value)
        if node.tag not in _TYPED:
            self._break(path, f"The tag {_tag(node)} is not known here.", "Remove it.")
        elif len(node.value) > _MAX_TYPED_LENGTH:
            self._break(path, f"{text} is too long for a number or date.", _HINT_QUOTES)
        else:
            try:
                value = _TYPED[node.tag](node)
            except (ValueError, OverflowError, AttributeError, LookupError):
                kind = {"timestamp": "a day of the calendar", "bool": "true or false"}
                what = kind.get(node.tag.removeprefix(_TAG), "a number")
                hint = "Correct it, or put it in quotes if it is text."
                self._break(path, f"{text} is not {what}.", hint)
            else:
                return value if isinstance(value, bool | int | float | date | datetime) else None
        return None

    def _sequence(self, node: yaml.Node, path: Path) -> list[Any] | None:
        if node.tag != f"{_TAG}seq":
            self._break(path, f"The tag {_tag(node)} is not known here.", "Remove it.")
            return None
        return [self.read(item, (*path, index)) for index, item in enumerate(node.value)]

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[Any, Any] | None:
        if node.tag != f"{_TAG}map":
            self._break(path, f"The tag {_tag(node)} is not known here.", "Remove it.")
            return None
        values = self._merged(node, path)
        # By type as well: 1 and true are equal in Python.
        first_lines: dict[tuple[type, Any], int] = {}
        for key_node, value_node in node.value:
            if key_node.tag == f"{_TAG}merge":
                continue
            key = self._key(key_node, path)
            line = key_node.start_mark.line + 1
            if key is None:
                continue
            identity = type(key), key
            if identity in first_lines:
                first = first_lines[identity]
                problem = (
                    f'The key "{key}" stands here a second time; the first is on line {first}.'
                )
                self._find((*path, key), problem, "Remove one of the two.", line)
                continue
            first_lines[identity] = line
            values[key] = self.read(value_node, (*path, key), line)
        return values

    def _key(self, node: yaml.Node, path: Path) -> Any:
        """Return the value of a key; None, and a finding more, when it can be none."""
        if not isinstance(node, yaml.ScalarNode):
            line = node.start_mark.line + 1
            self._find(path, "A list or mapping cannot be a key.", "Write a name.", line)
            return None
        if node.tag == f"{_TAG}null":
            line = node.start_mark.line + 1
            self._find(path, "A key is empty.", "Write a name before the colon.", line)
            return None
        self._count_value(node)
        before = len(self._document.findings)
        key = self._scalar(node, (*path, node.value))
        for finding in self._document.findings[before:]:
            # Found at the line of the key, not of what holds it.
            self._document._lines[finding.path] = node.start_mark.line + 1
        return key

    def _merged(self, node: yaml.MappingNode, path: Path) -> dict[Any, Any]:
        """Return what the merge key ``<<`` brings in: of a list, the first mapping wins."""
        values: dict[Any, Any] = {}
        own_line = self._document._lines[path]
        for key_node, value_node in node.value:
            if key_node.tag != f"{_TAG}merge":
                continue
            is_list = isinstance(value_node, yaml.SequenceNode)
            for merged_node in reversed(value_node.value) if is_list else [value_node]:
                value = self.read(merged_node, path, own_line)
                if isinstance(value, dict):
                    values.update(value)
                else:
                    line = key_node.start_mark.line + 1
                    self._find(path, "<< can bring in mappings only.", "Name a mapping.", line)
        return values


def _tag(node: yaml.Node) -> str:
    return str(node.tag).replace(_TAG, "!!")
