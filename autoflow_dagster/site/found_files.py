"""What the names of executed notebooks and reports tell of the runs that made them.

The names are made by `naming.output_stem`. They tell neither the config, nor the run, nor how a run
without a failed notebook ended.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from autoflow_dagster.site.records import DateRecord, Document
from autoflow_dagster.site.states import SiteState

NameOfConfig = Callable[[str, str, date | None], str | None]
"""From workflow, parameters hash and reference date to the name of the config; None: unknown."""

_STEM = re.compile(
    r"(?P<notebook>.+?)__(?P<workflow>.+?)(?:_(?P<day>\d{4}-\d\d-\d\d))?_(?P<hash>[0-9a-f]{32})"
    r"__(?P<stamp>\d{8}T\d{6}Z)(?:-\d+)?"
)
_FORMATS = ("pdf", "html")


@dataclass(frozen=True)
class FoundFile:
    """An executed notebook.

    Attributes
    ----------
    executed : str
        Relative to the outputs directory.
    started_at : datetime
        UTC-aware.
    reports : dict of str to str
        By format, relative to the outputs directory.
    """

    executed: str
    notebook: str
    workflow: str
    reference_date: date | None
    parameters_hash: str
    started_at: datetime
    has_failed: bool
    reports: dict[str, str]


def found_files(outputs_dir: Path) -> Iterator[FoundFile]:
    """Yield the executed notebooks whose names tell what they are."""
    for directory in ("notebooks", "notebooks/failed"):
        for path in sorted((outputs_dir / directory).glob("[!.]*.ipynb")):
            if (match := _STEM.fullmatch(path.stem)) and path.name.isprintable():
                reports = {fmt: f"reports/{path.stem}.{fmt}" for fmt in _FORMATS}
                yield FoundFile(
                    executed=f"{directory}/{path.name}",
                    notebook=match["notebook"],
                    workflow=match["workflow"],
                    reference_date=_as_date(match["day"]),
                    parameters_hash=match["hash"],
                    started_at=_as_moment(match["stamp"]),
                    has_failed=directory.endswith("failed"),
                    reports={f: p for f, p in reports.items() if (outputs_dir / p).is_file()},
                )


def _as_date(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None


def _as_moment(stamp: str) -> datetime:
    return datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)


def records_of_files(
    files: Iterable[FoundFile], name_of_config: NameOfConfig | None = None
) -> list[DateRecord]:
    """Return records of the runs that seem to have made some files.

    A run executes each notebook once, and ends when one fails.
    """
    runs: dict[tuple[str, date | None, str], list[FoundFile]] = defaultdict(list)
    for file in files:
        runs[file.workflow, file.reference_date, file.parameters_hash].append(file)
    return [
        _record(attempt, name_of_config)
        for group in runs.values()
        for attempt in _attempts(sorted(group, key=lambda file: file.started_at))
    ]


def _attempts(files: Iterable[FoundFile]) -> Iterator[list[FoundFile]]:
    attempt: list[FoundFile] = []
    for file in files:
        if attempt and (
            attempt[-1].has_failed or file.notebook in {other.notebook for other in attempt}
        ):
            yield attempt
            attempt = []
        attempt.append(file)
    if attempt:
        yield attempt


def _record(files: list[FoundFile], name_of_config: NameOfConfig | None) -> DateRecord:
    last = files[-1]
    name = None
    if name_of_config:
        name = name_of_config(last.workflow, last.parameters_hash, last.reference_date)
    return DateRecord(
        config=name or last.workflow,
        workflow=last.workflow,
        reference_date=last.reference_date,
        state=SiteState.FAILED if last.has_failed else SiteState.DONE,
        ended_at=last.started_at,
        run_id=f"{last.parameters_hash[:8]}-{last.started_at:%Y%m%dT%H%M%SZ}",
        documents=tuple(
            Document(notebook=file.notebook, executed=file.executed, reports=file.reports)
            for file in files
        ),
        error="The notebook that failed was kept." if last.has_failed else "",
        parameters_hash=last.parameters_hash,
    )
