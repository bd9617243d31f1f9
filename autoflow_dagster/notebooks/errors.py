"""Messages about notebooks that stopped: which cell, why, and what was not run.

Pure: takes what papermill and nbclient say, returns our errors.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from autoflow_dagster.errors import NotebookError
from autoflow_dagster.settings import redact

_SHOWN_LINES = 15


class CellCounter:
    """Counts the cells of one notebook as they are executed, and names them in messages.

    Cells are named by their place in the notebook that was given, from 1, text cells included, as
    one counts them in Jupyter; papermill's injected cell is not among them.

    Parameters
    ----------
    cells : sequence of cells
        Of the notebook that was given.
    injects : bool
        Whether papermill injects a cell with parameters.
    """

    def __init__(self, cells: Sequence[Any], injects: bool) -> None:
        self.cells = cells
        self.executed = 0
        self.index: int | None = None
        self._injected = _injected_index(cells) if injects else None
        replaces = any("injected-parameters" in _tags(cell) for cell in cells)
        self._shifts = self._injected is not None and not replaces

    @property
    def total(self) -> int:
        """Number of cells that are executed, the injected one included."""
        return sum(map(_is_executed, self.cells)) + self._shifts

    def begin(self, index: int) -> None:
        """Note that the cell with this index, the injected one counted, is executed now."""
        self.executed += 1
        self.index = index

    def place(self, index: int | None) -> str:
        """Return where a notebook stopped: ``at cell 4 of 9``."""
        if index is None:
            return "before its first cell"
        if self._shifts and index == self._injected:
            return "at the injected parameters"
        return f"at cell {self._original(index) + 1} of {len(self.cells)}"

    def not_run(self, index: int) -> int:
        """Return how many cells after this one were not executed."""
        return sum(map(_is_executed, self.cells[self._original(index) + 1 :]))

    def _original(self, index: int) -> int:
        is_behind = self._shifts and self._injected is not None and index >= self._injected
        return index - is_behind


def _injected_index(cells: Sequence[Any]) -> int:
    """Return where papermill puts the parameters: over an old injected cell, behind its tag, first."""
    for tag, offset in (("injected-parameters", 0), ("parameters", 1)):
        for index, cell in enumerate(cells):
            if tag in _tags(cell):
                return index + offset
    return 0


def _tags(cell: Any) -> Sequence[str]:
    tags: Sequence[str] = cell["metadata"].get("tags", ())
    return tags


def _is_executed(cell: Any) -> bool:
    return cell["cell_type"] == "code" and bool(cell["source"].strip())


def stopped(
    filename: str,
    place: str,
    subject: str,
    problem: str,
    hint: str = "",
    secrets: tuple[str, ...] = (),
) -> NotebookError:
    """Return the error of a notebook that stopped.

    Parameters
    ----------
    place : str
        From `CellCounter.place`.
    subject : str
        Such as "for reference date 2016-01-07"; may be empty.
    secrets : tuple of str
        Not to be shown.
    """
    where = f"Notebook {filename} stopped {place}"
    return NotebookError(
        f"{where} {subject}" if subject else where, redact(problem, secrets), redact(hint, secrets)
    )


def cell_failed(
    filename: str, counter: CellCounter, subject: str, error: Any, secrets: tuple[str, ...]
) -> NotebookError:
    """Return the error of a cell that raised, with its code.

    Parameters
    ----------
    error : papermill.PapermillExecutionError
        What papermill says of it.
    """
    problem = f"{error.ename}: {error.evalue}" if error.evalue else str(error.ename)
    rest = counter.not_run(error.cell_index)
    not_run = f"{rest} {'cell was' if rest == 1 else 'cells were'} not run. " if rest else ""
    hint = f"{not_run}Cell:\n{_indented(error.source)}"
    return stopped(filename, counter.place(error.cell_index), subject, problem, hint, secrets)


def _indented(code: str) -> str:
    lines = code.rstrip().splitlines()
    shown = lines[:_SHOWN_LINES] + (["..."] if len(lines) > _SHOWN_LINES else [])
    return "\n".join(f"    {line}" for line in shown)
