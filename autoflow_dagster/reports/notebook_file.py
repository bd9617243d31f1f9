"""Reading an executed notebook, whatever wrote it and however incomplete it is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from autoflow_dagster.errors import ReportError


def read_bytes(path: Path) -> bytes:
    """Return the bytes of the notebook file.

    Raises
    ------
    ReportError
        When there is no such file, or it may not be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise ReportError(
            f"Notebook {path.name}",
            f"it cannot be read ({type(error).__name__}).",
            "Execute the notebook first; a report is made from the executed one.",
        ) from error


def parse_notebook(raw: bytes, name: str) -> Any:
    """Return the notebook in nbformat's version 4, with what every cell must have.

    Not validated: what a report does not understand in a notebook, it does not show.

    Raises
    ------
    ReportError
        When the bytes are not a notebook of nbformat 3 or 4.
    """
    import nbformat as untyped

    nbformat: Any = untyped

    try:
        data = json.loads(raw.decode("utf-8"))
        if b"\\ud" in raw.lower():
            data = _without_half_pairs(data)
        if data.get("nbformat", 4) < 4:
            nb = nbformat.convert(nbformat.from_dict(data), 4)
        else:
            nb = nbformat.from_dict(data)
        nb.cells = [_complete(cell) for cell in nb["cells"]]
    except Exception as error:  # of json, of nbformat, or of a structure that is not a notebook's
        raise ReportError(
            f"Notebook {name}",
            f"it is not a notebook ({type(error).__name__}).",
            "A report is made from an executed .ipynb file.",
        ) from error
    if not isinstance(nb.get("metadata"), dict):
        nb["metadata"] = {}
    return nb


def _without_half_pairs(value: Any) -> Any:
    """Return JSON without halves of surrogate pairs, which can be written in it but not in UTF-8."""
    if isinstance(value, str):
        return value.encode("utf-8", "ignore").decode("utf-8")
    if isinstance(value, list):
        return [_without_half_pairs(item) for item in value]
    if isinstance(value, dict):
        return {_without_half_pairs(k): _without_half_pairs(v) for k, v in value.items()}
    return value


def _complete(cell: Any) -> Any:
    if not isinstance(cell.get("metadata"), dict):
        cell["metadata"] = {}
    if cell["cell_type"] == "code" and not isinstance(cell.get("outputs"), list):
        cell["outputs"] = []
    cell.setdefault("source", "")
    return cell
