"""What `autoflow run` shows: lines for what has ended, and on a terminal bars for what runs."""

from __future__ import annotations

import contextlib
import os
import re
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dagster import DagsterEvent, DagsterEventType, DagsterExecutionInterruptedError

from autoflow_dagster.cli.screen import console
from autoflow_dagster.ledger import (
    NO_DATA_METADATA,
    PATH_METADATA,
    notebook_asset_key,
    report_asset_key,
)

if TYPE_CHECKING:
    from dagster import EventLogEntry

    from autoflow_dagster.cli.launching import Outcome
    from autoflow_dagster.cli.run_choice import Wanted
    from autoflow_dagster.job_spec import JobSpec

_CELL = re.compile(r": code cell (\d+) of (\d+)\b")
"""What a notebook's step logs before each cell."""


def step_names(spec: JobSpec) -> dict[str, str]:
    """Return by step key what each step of a job makes, in words."""
    names = {}
    for notebook in spec.workflow.notebooks.values():
        key = notebook_asset_key(spec.name, notebook.key)
        names[key.to_python_identifier()] = notebook.key
        for report_format in notebook.output.formats if notebook.output else ():
            key = report_asset_key(spec.name, notebook.key, report_format)
            names[key.to_python_identifier()] = f"{notebook.key} ({report_format})"
    return names


class RunDisplay:
    """Shows runs, one after the other.

    Parameters
    ----------
    steps : mapping of str to str
        Names of the steps, by step key.
    total : int
        Number of runs.
    outputs_dir : Path
        Relative to which files are named.
    """

    def __init__(self, steps: Mapping[str, str], total: int, outputs_dir: Path) -> None:
        self._steps = steps
        self._total = total
        self._outputs_dir = outputs_dir
        self._began = 0.0
        self._begun_steps: dict[str, float] = {}
        self._ends: dict[str, str] = {}
        self._bars: dict[str, Any] = {}
        self._stack = contextlib.ExitStack()
        self._progress: Any = None
        self._all: Any = None

    def __enter__(self) -> RunDisplay:
        if not sys.stdout.isatty():
            self._console = console()
            return self
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        # A descriptor of its own: standard output is another file while a process is started.
        screen = self._stack.enter_context(os.fdopen(os.dup(sys.stdout.fileno()), "w"))
        self._console = console(screen)
        self._progress = self._stack.enter_context(
            Progress(
                SpinnerColumn(),
                TextColumn("{task.description}"),
                BarColumn(),
                TextColumn("{task.fields[count]}"),
                TimeElapsedColumn(),
                console=self._console,
                refresh_per_second=5,
                transient=True,
            )
        )
        self._all = self._progress.add_task("dates", total=self._total, count=f"0/{self._total}")
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def say(self, text: str, style: str = "") -> None:
        """Print lines, above the bars if there are any."""
        from rich.text import Text

        self._console.print(Text(text, style), soft_wrap=True)

    def begin(self, wanted: Wanted, run_id: str) -> None:
        """Show that a run begins."""
        self._began = time.time()
        remark = f" ({wanted.remark})" if wanted.remark else ""
        self.say(f"{wanted.subject}: run {run_id}{remark}")

    def show(self, entry: EventLogEntry) -> None:
        """Show an event of the run."""
        step = self._steps.get(entry.step_key or "")
        if step is None:
            return
        event = entry.dagster_event
        if event is None:
            self._show_cell(step, entry.user_message)
            return
        match event.event_type:
            case DagsterEventType.STEP_START:
                self._begun_steps[step] = entry.timestamp
                self._add_bar(step)
            case DagsterEventType.ASSET_MATERIALIZATION:
                made = event.step_materialization_data.materialization.metadata
                self._ends[step] = _made(made, self._outputs_dir)
            case DagsterEventType.STEP_SUCCESS:
                self._end_step(step, entry.timestamp, self._ends.pop(step, "done"))
            case DagsterEventType.STEP_FAILURE if _was_interrupted(event):
                self._end_step(step, entry.timestamp, "stopped", "yellow")
            case DagsterEventType.STEP_FAILURE:
                self._end_step(step, entry.timestamp, "FAILED", "red")

    def end(self, outcome: Outcome, number: int) -> None:
        """Show how a run ended; it was the `number`-th."""
        for step in list(self._bars):
            self._remove_bar(step)
        subject, seconds = outcome.wanted.subject, _duration(time.time() - self._began)
        if outcome.is_success:
            self.say(f"{subject}: done in {seconds}", "green")
        elif outcome.is_cancelled:
            self.say(f"{subject}: cancelled after {seconds}", "yellow")
        else:
            self.say(f"{subject}: FAILED after {seconds}", "red")
            self.say("    " + outcome.problem.replace("\n", "\n    "))
        if self._all is not None:
            self._progress.update(self._all, completed=number, count=f"{number}/{self._total}")

    def _show_cell(self, step: str, message: str) -> None:
        if step in self._bars and (found := _CELL.search(message)):
            number, total = map(int, found.groups())
            self._progress.update(
                self._bars[step],
                completed=number - 1,
                total=total,
                count=f"code cell {number} of {total}",
            )

    def _add_bar(self, step: str) -> None:
        if self._progress is not None:
            self._bars[step] = self._progress.add_task(f"  {step}", total=None, count="")

    def _remove_bar(self, step: str) -> None:
        if step in self._bars:
            self._progress.remove_task(self._bars.pop(step))

    def _end_step(self, step: str, timestamp: float, how: str, style: str = "") -> None:
        self._remove_bar(step)
        seconds = _duration(timestamp - self._begun_steps.pop(step, timestamp))
        self.say(f"  {step}: {how} ({seconds})", style)


def _was_interrupted(event: DagsterEvent) -> bool:
    error = event.step_failure_data.error
    return error is not None and error.cls_name == DagsterExecutionInterruptedError.__name__


def _made(metadata: Mapping[str, Any], outputs_dir: Path) -> str:
    """Return what a step has made: a file in the outputs directory, or nothing and why."""
    if NO_DATA_METADATA in metadata:
        return f"no data: {metadata[NO_DATA_METADATA].value}"
    if PATH_METADATA in metadata:
        path = Path(str(metadata[PATH_METADATA].value))
        return str(path.relative_to(outputs_dir) if path.is_relative_to(outputs_dir) else path)
    return "done"


def _duration(seconds: float) -> str:
    """Return a duration in words.

    Examples
    --------
    >>> _duration(2.345), _duration(75)
    ('2.3 s', '1 min 15 s')
    """
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s"
