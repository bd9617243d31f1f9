"""What can be known of a notebook from its file alone, without executing or importing anything.

Reads JSON and, for Python notebooks, the syntax of the cells.
"""

from __future__ import annotations

import ast
import contextlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_DAGSTERMILL = re.compile(
    r"^[ \t]*(?:from[ \t]+|import[ \t]+(?:[\w.]+(?:[ \t]+as[ \t]+\w+)?[ \t]*,[ \t]*)*)dagstermill\b",
    re.MULTILINE,
)
_HEADING = re.compile(r"^#{1,6}[ \t]+(.+?)[ \t#]*$", re.MULTILINE)
_NOT_PYTHON = re.compile(r"^[ \t]*[%!?].*$", re.MULTILINE)
_ASSIGNMENT = {
    "r": re.compile(r"^[ \t]*([A-Za-z.][\w.]*)[ \t]*(?:<-|=)", re.MULTILINE),
    "julia": re.compile(r"^[ \t]*(?:const[ \t]+)?(\w+)[ \t]*=", re.MULTILINE),
}


class UnreadableNotebookError(ValueError):
    """Its text says, after the name of the file, what is wrong with it."""


@dataclass(frozen=True)
class NotebookFacts:
    """What matters of a notebook before it runs.

    Attributes
    ----------
    kernel_name : str or None
        The kernelspec that the notebook names.
    language : str or None
        Lower-case, such as "python".
    has_parameters_cell : bool
        Whether a cell is tagged ``parameters``.
    parameter_names : frozenset of str or None
        Names assigned in that cell; None when the language is not one that is understood here.
    overwritten_names : frozenset of str
        Names that a Python notebook without that cell assigns, for certain, before it reads them.
    imports_dagstermill : bool
        Whether a cell does.
    defaults : mapping
        Literal values that a Python notebook assigns in its parameters cell, by name.
    heading : str or None
        The first heading of its Markdown cells.
    """

    kernel_name: str | None
    language: str | None
    has_parameters_cell: bool
    parameter_names: frozenset[str] | None
    overwritten_names: frozenset[str]
    imports_dagstermill: bool
    defaults: Mapping[str, Any] = field(default_factory=dict)
    heading: str | None = None


def read_notebook_facts(path: Path) -> NotebookFacts:
    """Read a notebook file.

    Raises
    ------
    UnreadableNotebookError
        When it is no notebook.
    """
    notebook = _read_json(path)
    cells = list(_cells(notebook))
    metadata = _mapping(notebook.get("metadata"))
    kernelspec = _mapping(metadata.get("kernelspec"))
    language_info = _mapping(metadata.get("language_info"))
    language = language_info.get("name") or kernelspec.get("language")
    language = language.lower() if isinstance(language, str) else None
    tagged = next((cell for cell in cells if "parameters" in _tags(cell)), None)
    codes = [_source(cell) for cell in cells if cell.get("cell_type") == "code"]
    kernel_name = kernelspec.get("name")
    return NotebookFacts(
        kernel_name=kernel_name if isinstance(kernel_name, str) and kernel_name else None,
        language=language,
        has_parameters_cell=tagged is not None,
        parameter_names=assigned_names(_source(tagged), language) if tagged else frozenset(),
        overwritten_names=(
            _overwritten(codes) if language == "python" and tagged is None else frozenset()
        ),
        imports_dagstermill=any(map(_DAGSTERMILL.search, codes)),
        defaults=_literals(_source(tagged)) if tagged and language == "python" else {},
        heading=_first_heading(cells),
    )


def _read_json(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8-sig")
        notebook = json.loads(text)
    except OSError as error:
        raise UnreadableNotebookError(f"cannot be read ({error.strerror}).") from error
    except UnicodeDecodeError as error:
        raise UnreadableNotebookError("is not a readable notebook: it is not UTF-8.") from error
    except RecursionError as error:
        raise UnreadableNotebookError("is not a readable notebook: it is too deep.") from error
    except ValueError as error:
        what = f"it is not JSON (line {getattr(error, 'lineno', 1)})" if text else "it is empty"
        raise UnreadableNotebookError(f"is not a readable notebook: {what}.") from error
    if not isinstance(notebook, dict) or not isinstance(notebook.get("nbformat"), int):
        raise UnreadableNotebookError("is not a readable notebook: it has no nbformat.")
    if not isinstance(notebook.get("cells", notebook.get("worksheets")), list):
        raise UnreadableNotebookError("is not a readable notebook: it has no cells.")
    return notebook


def _cells(notebook: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the cells; those of nbformat 3 and older are in worksheets."""
    lists = [notebook.get("cells")]
    lists += [_mapping(sheet).get("cells") for sheet in notebook.get("worksheets", ())]
    for cells in lists:
        yield from (cell for cell in cells or () if isinstance(cell, dict))


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _tags(cell: dict[str, Any]) -> list[Any]:
    tags = _mapping(cell.get("metadata")).get("tags")
    return tags if isinstance(tags, list) else []


def _source(cell: dict[str, Any]) -> str:
    source = cell.get("source", cell.get("input", ""))
    return "".join(map(str, source)) if isinstance(source, list) else str(source)


def assigned_names(code: str, language: str | None) -> frozenset[str] | None:
    r"""Return the names that a cell assigns; None when its language is not understood.

    Examples
    --------
    >>> sorted(assigned_names("a = 1\nb, c = 2, 3", "python"))
    ['a', 'b', 'c']
    """
    if language in _ASSIGNMENT:
        return frozenset(_ASSIGNMENT[language].findall(code))
    if language != "python":
        return None
    tree = _parsed(code)
    return None if tree is None else frozenset(_names(tree, ast.Store))


def _parsed(code: str) -> ast.Module | None:
    """Return the syntax tree of a cell, without IPython's own lines; None if it is not Python."""
    try:
        return ast.parse(_NOT_PYTHON.sub("", code))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _names(tree: ast.AST, context: type[ast.expr_context]) -> set[str]:
    return {
        node.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and isinstance(node.ctx, context)
    }


def _overwritten(codes: list[str]) -> frozenset[str]:
    """Return the names whose first mention is a plain assignment at the top level of a cell."""
    overwritten: set[str] = set()
    read: set[str] = set()
    for code in codes:
        tree = _parsed(code)
        if tree is None:
            # What such a cell reads is not known.
            break
        for statement in tree.body:
            read |= _names(statement, ast.Load) - overwritten
            match statement:
                case ast.Assign(targets=targets):
                    stored = {name for target in targets for name in _names(target, ast.Store)}
                case ast.AnnAssign(target=target, value=ast.expr()):
                    stored = _names(target, ast.Store)
                case ast.AugAssign(target=target):
                    read |= _names(target, ast.Store) - overwritten
                    continue
                case _:
                    read |= _names(statement, ast.Store) - overwritten
                    continue
            overwritten |= stored - read
    return frozenset(overwritten)


def _literals(code: str) -> dict[str, Any]:
    """Return the names to which a cell assigns literal values, with these values."""
    tree = _parsed(code)
    found: dict[str, Any] = {}
    for statement in tree.body if tree else ():
        match statement:
            case ast.Assign(targets=targets, value=value):
                names = [target.id for target in targets if isinstance(target, ast.Name)]
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                names = [name]
            case _:
                continue
        with contextlib.suppress(ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
            found.update(dict.fromkeys(names, ast.literal_eval(value)))
    return found


def _first_heading(cells: list[dict[str, Any]]) -> str | None:
    for cell in cells:
        if cell.get("cell_type") == "markdown" and (match := _HEADING.search(_source(cell))):
            return match[1].strip()
    return None


def facts_or_none(path: Path) -> NotebookFacts | None:
    """Return a notebook's facts; None for a file that is no notebook, which others complain of."""
    try:
        return read_notebook_facts(path)
    except UnreadableNotebookError:
        return None


def uses_dagstermill(path: Path) -> bool:
    """Return whether a notebook imports dagstermill; False for a file that is no notebook."""
    facts = facts_or_none(path)
    return facts is not None and facts.imports_dagstermill
