"""The command line as tests call it: in this process, and as a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import pytest

from autoflow_dagster.cli import main
from autoflow_dagster_tests.conftest import write_notebook

EXAMPLE = Path(__file__).parent.parent / "examples" / "inputs"


@dataclass(frozen=True)
class Ended:
    """A command that has ended: its exit status, and what it printed."""

    status: int
    out: str
    err: str


def call(capsys: pytest.CaptureFixture[str], *arguments: object) -> Ended:
    """Call a command in this process."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    assert isinstance(ended.value.code, int)
    printed = capsys.readouterr()
    return Ended(ended.value.code, printed.out, printed.err)


def start(*arguments: object, **variables: str) -> subprocess.Popen[str]:
    """Start a command as a process, in a session of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "autoflow_dagster", *map(str, arguments)],
        env={**os.environ, **variables},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def write_dates(path: Path, days: Iterable[date]) -> Path:
    """Write available dates of calls in FlowAPI's form."""
    listed = ", ".join(f'"{day}"' for day in days)
    path.write_text(f'{{"available_dates": {{"calls": [{listed}]}}}}')
    return path


def january(*numbers: int) -> list[date]:
    """Return days of January 2016."""
    return [date(2016, 1, 1) + timedelta(days=number - 1) for number in numbers]


def write_inputs(
    directory: Path, *cells: str, config: str = "", parameters: Mapping[str, str] | None = None
) -> Path:
    """Write an inputs directory with one notebook of these cells, in one config called `small`.

    Parameters
    ----------
    config : str
        Further lines of the config.
    parameters : mapping
        Of the notebook besides the reference date, with their defaults.
    """
    directory.mkdir(exist_ok=True)
    defaults = {"reference_date": "None", **(parameters or {})}
    write_notebook(
        directory / "small.ipynb",
        *(cells or ["reference_date"]),
        parameters="\n".join(f"{name} = {default}" for name, default in defaults.items()),
    )
    passed = ", ".join(f"{name}: {name}" for name in defaults)
    (directory / "workflows.yml").write_text(
        "workflows:\n"
        "  - name: small\n"
        "    notebooks:\n"
        f"      only: {{filename: small.ipynb, parameters: {{{passed}}}}}\n"
        "available_dates_sensor:\n"
        "  schedule: null\n"
        "  workflows:\n"
        "    - workflow_name: small\n"
        f"{config}"
    )
    return directory
