"""Learn from the inputs' notebooks which modules their kernels are going to import."""

from __future__ import annotations

import ast
import importlib.util
import json
from collections.abc import Iterator
from pathlib import Path

NEVER = frozenset(
    {"__future__", "autoflow_dagster", "dagster", "dagstermill", "ipykernel", "IPython"}
)
"""Top-level modules that are not learned: dagstermill's kernels are its own affair."""

PYTHON_CELLS = ("%%capture", "%%prun", "%%time")
"""Cell magics, ``%%timeit`` among them, whose cells are Python; others' are another language."""


def notebooks_of(inputs_dir: Path) -> list[Path]:
    """Return the notebooks in the inputs directory, also in directories below, sorted."""
    return sorted(
        path
        for path in inputs_dir.rglob("*.ipynb")
        if not any(part.startswith(".") for part in path.relative_to(inputs_dir).parts)
    )


def watched_files(inputs_dir: Path) -> list[Path]:
    """Return what has to stay as it is for `learned_modules` to say the same again.

    A new notebook changes `workflows.yml`, which has to name it. Not the directories, which change
    with every file that a notebook writes.
    """
    return [
        inputs_dir / "workflows.yml",
        *notebooks_of(inputs_dir),
        *sorted(inputs_dir.glob("*.py")),
    ]


def learned_modules(inputs_dir: Path) -> list[str]:
    """Return the installed modules that the notebooks import, each once, notebook by notebook.

    Modules that lie beside the notebooks are not among them, but what those import is.
    """
    found: dict[str, None] = {}
    for notebook in notebooks_of(inputs_dir):
        for cell in _code_cells(notebook):
            _add(found, _imports(_without_magics(cell)), notebook.parent, set())
    return [name for name in found if _is_installed(name)]


def _add(found: dict[str, None], names: Iterator[str], directory: Path, seen: set[Path]) -> None:
    for name in names:
        top = name.split(".")[0]
        beside = directory / f"{top}.py"
        if beside.exists():
            if beside not in seen:
                seen.add(beside)
                _add(found, _imports(beside.read_text(errors="replace")), directory, seen)
        elif top not in NEVER and not (directory / top).is_dir():
            found.setdefault(name)


def _code_cells(notebook: Path) -> Iterator[str]:
    try:
        content = json.loads(notebook.read_text())
        for cell in content["cells"]:
            if cell["cell_type"] == "code":
                yield "".join(cell["source"])
    except (OSError, ValueError, KeyError, TypeError):
        return  # whoever runs the notebook is told what is wrong with it


def _without_magics(code: str) -> str:
    """Return the code without the lines that only IPython understands."""
    if code.startswith("%%") and not code.startswith(PYTHON_CELLS):
        return ""
    kept = []
    for line in code.splitlines():
        indent = line[: len(line) - len(line.lstrip())]
        is_python = not line.lstrip().startswith(("%", "!", "?")) and not line.rstrip().endswith(
            "?"
        )
        kept.append(line if is_python else f"{indent}pass")
    return "\n".join(kept)


def _imports(code: str) -> Iterator[str]:
    try:
        tree = ast.parse(code)
    except (SyntaxError, ValueError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            # What is imported from a package may be a module of it or anything else in it.
            yield from (
                f"{node.module}.{a.name}" if a.name != "*" else node.module for a in node.names
            )


def _is_installed(name: str) -> bool:
    try:
        return importlib.util.find_spec(name.split(".")[0]) is not None
    except (ImportError, ValueError):
        return False
