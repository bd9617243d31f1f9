"""Executing one notebook, in real kernels."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from autoflow_dagster.errors import NotebookError
from autoflow_dagster.notebooks.cell_progress import SLOW_SECONDS, CellProgress, SlowCells
from autoflow_dagster.notebooks.errors import CellCounter
from autoflow_dagster.notebooks.execution import (
    ExecutedNotebook,
    NotebookRun,
    execute_notebook,
)
from autoflow_dagster.notebooks.kernel_environment import kernel_environment

TOKEN = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJEVU1NWSJ9.U0lHTkFUVVJF"


def code(source: str, *tags: str) -> dict[str, Any]:
    """Return a code cell."""
    return {
        "cell_type": "code",
        "execution_count": None,
        "id": hashlib.md5(source.encode()).hexdigest()[:8],
        "metadata": {"tags": list(tags)} if tags else {},
        "outputs": [],
        "source": source,
    }


def text(source: str) -> dict[str, Any]:
    """Return a Markdown cell."""
    return {"cell_type": "markdown", "id": "text", "metadata": {}, "source": source}


def notebook(*cells: dict[str, Any], kernel: str | None = "python3") -> str:
    """Return a notebook file's content."""
    spec = {"kernelspec": {"name": kernel, "display_name": "x", "language": "python"}}
    return json.dumps(
        {
            "cells": list(cells),
            "metadata": spec if kernel else {},
            "nbformat": 4,
            "nbformat_minor": 5,
        }
    )


@dataclass(frozen=True)
class Place:
    """Directories for one notebook, with braces in their names, which papermill formats."""

    root: Path

    @property
    def inputs(self) -> Path:
        """Where the notebook is, and where its kernel works."""
        return self.root / "in{x}puts"

    @property
    def outputs(self) -> Path:
        """Where executed notebooks go."""
        return self.root / "out{0}puts"

    def run(self, content: str | bytes, **fields: Any) -> NotebookRun:
        """Return what to execute, after writing the notebook."""
        self.inputs.mkdir(exist_ok=True)
        source = self.inputs / "notebook.ipynb"
        source.write_bytes(content.encode() if isinstance(content, str) else content)
        defaults: dict[str, Any] = {
            "source": source,
            "destination": self.outputs / "executed{}.ipynb",
            "failed_dir": self.outputs / "failed",
            "parameters": {},
            "working_dir": self.inputs,
            "secrets": (TOKEN,),
        }
        return NotebookRun(**(defaults | fields))

    def files(self) -> list[str]:
        """Return every file below the outputs directory, hidden ones included."""
        paths = self.outputs.rglob("*")
        return sorted(str(p.relative_to(self.outputs)) for p in paths if p.is_file())


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """Return directories for one notebook."""
    return Place(tmp_path)


def error_of(run: NotebookRun) -> NotebookError:
    """Return the error with which a notebook ends, after looking for secrets in it."""
    with pytest.raises(NotebookError) as caught:
        execute_notebook(run)
    error: BaseException | None = caught.value
    formatted = "".join(traceback.format_exception(caught.value))
    while error is not None:
        formatted += f"{error!r} {vars(error)!r}"
        error = error.__cause__
    assert TOKEN not in formatted
    return caught.value


def outputs_of(path: Path) -> str:
    """Return everything that the cells of an executed notebook show."""
    cells = json.loads(path.read_text())["cells"]
    return json.dumps([cell.get("outputs") for cell in cells])


class TestUnreadable:
    """What is refused before a kernel is started."""

    @pytest.mark.parametrize(
        ("content", "kind"),
        [
            ("", "NotJSONError"),
            ("DUMMY", "NotJSONError"),
            (b"\xff\xfe", "UnicodeDecodeError"),
            ("[]", None),
            ("{}", None),
            (notebook(code("1"))[:-5], "NotJSONError"),
            ('{"nbformat": 99, "nbformat_minor": 0}', None),
        ],
    )
    def test_what_is_no_notebook_is_refused(
        self, place: Place, content: str | bytes, kind: str | None
    ) -> None:
        """With the same words, whatever is the matter; nothing is written."""
        error = error_of(place.run(content))
        assert re.fullmatch(
            rf"Notebook notebook\.ipynb: is not a readable notebook \({kind or '[A-Za-z]+'}\)\.\n"
            r"  Open it in Jupyter and save it again\.",
            str(error),
        )
        assert (error.kept, place.files()) == (None, [])

    def test_a_notebook_that_is_gone_is_refused(self, place: Place) -> None:
        """Removed from the inputs directory since the definitions were loaded."""
        run = place.run(notebook())
        run.source.unlink()
        assert str(error_of(run)) == (
            "Notebook notebook.ipynb: cannot be read (No such file or directory).\n"
            "  Put it into the inputs directory, or mend workflows.yml."
        )

    def test_an_unknown_kernel_is_refused(self, place: Place) -> None:
        """With the kernels that there are."""
        error = error_of(place.run(notebook(code("1"), kernel="DUMMY_KERNEL")))
        assert error.problem == 'the kernel "DUMMY_KERNEL" is not installed.'
        assert re.search(r"^Installed kernels: .*\bpython3\b", error.hint)

    def test_a_notebook_without_a_kernel_is_refused(self, place: Place) -> None:
        """Python would be a guess."""
        error = error_of(place.run(notebook(code("1"), kernel=None)))
        assert error.problem == "does not name a kernel."


class TestPlaces:
    """Which cell a message means: counted as in Jupyter, in the notebook that was given."""

    CELLS = (text("x"), code("a", "parameters"), code("b"), code(" "), text("y"), code("b"))

    @pytest.mark.parametrize(
        ("index", "injects", "expected", "not_run"),
        [
            (None, True, "before its first cell", None),
            (1, False, "at cell 2 of 6", 2),
            (5, False, "at cell 6 of 6", 0),
            (1, True, "at cell 2 of 6", 2),
            (2, True, "at the injected parameters", 2),
            (4, True, "at cell 4 of 6", 1),
            (6, True, "at cell 6 of 6", 0),
        ],
    )
    def test_the_injected_cell_is_not_counted(
        self, index: int | None, injects: bool, expected: str, not_run: int | None
    ) -> None:
        """Nor are text cells and empty ones executed."""
        counter = CellCounter(self.CELLS, injects)
        assert counter.place(index) == expected
        assert counter.total == 3 + injects
        if index is not None:
            assert counter.not_run(index) == not_run

    def test_without_a_parameters_cell_they_come_first(self) -> None:
        """As papermill does it."""
        counter = CellCounter([code("a"), code("b")], injects=True)
        assert [counter.place(index) for index in range(3)] == [
            "at the injected parameters",
            "at cell 1 of 2",
            "at cell 2 of 2",
        ]

    def test_an_old_injected_cell_is_replaced(self) -> None:
        """A notebook that is itself the output of papermill."""
        cells = [code("a", "parameters"), code("old", "injected-parameters"), code("b")]
        counter = CellCounter(cells, injects=True)
        assert [counter.place(index) for index in range(3)] == [
            "at cell 1 of 3",
            "at cell 2 of 3",
            "at cell 3 of 3",
        ]
        assert counter.total == 3


class Handshake(io.StringIO):
    """Receives what a notebook prints, and lets it go on when it says that it waits."""

    def __init__(self, flag: Path) -> None:
        super().__init__()
        self._flag = flag

    def write(self, text: str) -> int:
        """Answer the notebook."""
        if "WAITING" in text:
            self._flag.touch()
        return super().write(text)


@dataclass(frozen=True)
class Good:
    """A notebook that was executed to its end, and what was seen of it."""

    place: Place
    run: NotebookRun
    executed: ExecutedNotebook
    progress: list[CellProgress]
    printed: str
    complained: str
    directory_before: Path

    @property
    def content(self) -> dict[str, Any]:
        """The executed notebook."""
        content: dict[str, Any] = json.loads(self.executed.path.read_text())
        return content


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Good:
    """Return an executed notebook that does everything that works, in one kernel."""
    place = Place(tmp_path_factory.mktemp("good"))
    cells = [
        text("# DUMMY"),
        code("given = 'default'\nkept = 'default'", "parameters"),
        code("print(f'{given} {kept} {dates} {nothing}')"),
        code(
            "import os, sys, time\n"
            "from pathlib import Path\n"
            "print(f'WAITING with {os.environ[\"FLOWAPI_TOKEN\"]}', flush=True)\n"
            "deadline = time.monotonic() + 60\n"
            "while not (Path('flag').exists() and Path('told').exists()):\n"
            "    assert time.monotonic() < deadline, 'nobody listens'\n"
            "    time.sleep(0.01)\n"
            "print('complaint', file=sys.stderr)"
        ),
        code("  "),
        code("os.environ['FLOWAPI_TOKEN'], 'AUTOFLOW_DB_PASSWORD' in os.environ"),
        code(
            "from IPython.display import display\n"
            "scrap = {'name': 's', 'data': [1], 'encoder': 'json', 'version': 1}\n"
            "display({'application/scrapbook.scrap.json+json': scrap}, raw=True,\n"
            "        metadata={'scrapbook': {'name': 's'}})\n"
            "import beside\n"
            "print(beside.__name__, Path.cwd().name)"
        ),
    ]
    stdout, stderr = Handshake(place.inputs / "flag"), io.StringIO()
    progress: list[CellProgress] = []

    def on_cell(cell: CellProgress) -> None:
        progress.append(cell)
        (place.inputs / "told").touch()

    environ = {**os.environ, "FLOWAPI_TOKEN": TOKEN, "AUTOFLOW_DB_PASSWORD": "DUMMY"}
    run = place.run(
        notebook(*cells),
        parameters={"given": "injected", "dates": [["2016-01-01", "2016-01-02"]], "nothing": None},
        environment=kernel_environment(environ),
        on_cell=on_cell,
        stdout=stdout,
        stderr=stderr,
        timeout=timedelta(minutes=2),
    )
    (place.inputs / "beside.py").touch()
    before = Path.cwd()
    executed = execute_notebook(run)
    return Good(place, run, executed, progress, stdout.getvalue(), stderr.getvalue(), before)


class TestSlowCells:
    """Of which cells is told."""

    def test_only_the_one_that_runs_for_long(self) -> None:
        """Not those that were over before, and none when all are."""
        told: list[CellProgress] = []
        first, second, third = (CellProgress(number, 3) for number in (1, 2, 3))

        async def cells() -> None:
            is_told = asyncio.Event()

            def tell(cell: CellProgress) -> None:
                told.append(cell)
                is_told.set()

            slow = SlowCells(tell)
            slow.begin(first)
            slow.begin(second)
            await asyncio.wait_for(is_told.wait(), 60)
            slow.begin(third)
            slow.close()
            await asyncio.sleep(2 * SLOW_SECONDS)  # nothing is to happen in this time

        asyncio.run(cells())
        assert told == [second]


@pytest.mark.integration
class TestGoodNotebook:
    """A notebook that was executed to its end."""

    def test_only_the_executed_notebook_is_there(self, good: Good) -> None:
        """Under its name, braces and all; the source is untouched."""
        assert good.place.files() == ["executed{}.ipynb"]
        assert good.executed.path == good.run.destination
        digest = hashlib.sha256(good.run.source.read_bytes()).hexdigest()
        assert good.executed.source_sha256 == digest

    def test_parameters_are_injected_and_defaults_survive(self, good: Good) -> None:
        """Behind the notebook's own parameters cell."""
        assert "injected default [['2016-01-01', '2016-01-02']] None\n" in good.printed
        tags = [cell["metadata"].get("tags") for cell in good.content["cells"]]
        assert tags[1:3] == [["parameters"], ["injected-parameters"]]

    def test_what_it_prints_is_passed_on_while_it_runs(self, good: Good) -> None:
        """The notebook waited until its words had arrived."""
        assert "WAITING with ***\n" in good.printed
        assert good.complained == "complaint\n"

    def test_no_secret_is_in_the_notebook_or_in_what_was_printed(self, good: Good) -> None:
        """The notebook itself could read the token, and not the database's password."""
        assert TOKEN not in good.executed.path.read_text()
        assert TOKEN not in good.printed
        assert "('***', False)" in outputs_of(good.executed.path)

    def test_it_works_in_its_working_directory(self, good: Good) -> None:
        """And finds modules there; this process has stayed where it was."""
        assert "beside in{x}puts\n" in good.printed
        assert Path.cwd() == good.directory_before

    def test_cells_are_counted_while_they_are_executed(self, good: Good) -> None:
        """Code cells that are not empty, and the injected one; the notebook waited to be told of."""
        assert CellProgress(4, 6) in good.progress
        assert good.progress == sorted(good.progress, key=lambda cell: cell.number)
        assert good.executed.cells == 6

    def test_it_says_with_what_it_was_executed(self, good: Good) -> None:
        """Kernel, time, and in the notebook itself where it came from."""
        assert good.executed.kernel_name == "python3"
        assert 0 < good.executed.duration_seconds < 120
        assert good.executed.peak_memory_bytes is not None
        assert 20e6 < good.executed.peak_memory_bytes < 600e6
        metadata = good.content["metadata"]["papermill"]
        assert metadata["input_path"] == str(good.run.source)
        assert metadata["output_path"] == str(good.executed.path)
        assert metadata["parameters"]["given"] == "injected"

    def test_its_scraps_are_read(self, good: Good) -> None:
        """As scrapbook writes them."""
        assert good.executed.scraps == {"s": {"name": "s", "data": [1], "encoder": "json"}}
        assert good.executed.no_data is None


@pytest.mark.integration
class TestStopped:
    """Notebooks that did not come to their end."""

    def test_a_cell_that_fails(self, place: Place) -> None:
        """The message is complete; the notebook is kept apart, with all that was shown so far."""
        stdout = io.StringIO()
        cells = [
            code("def ask(token):\n    raise ValueError(f'bad token {token!r}')", "parameters"),
            text("then"),
            code("import os; print('before')"),
            code("print(os.environ['FLOWAPI_TOKEN'])\nask(os.environ['FLOWAPI_TOKEN'])"),
            code("print('never')"),
            text("end"),
            code("print('never')"),
        ]
        run = place.run(
            notebook(*cells),
            parameters={"x": 1},
            environment={**os.environ, "FLOWAPI_TOKEN": TOKEN},
            stdout=stdout,
            subject="for reference date 2016-01-07",
        )
        error = error_of(run)
        kept = place.outputs / "failed" / "executed{}.ipynb"
        assert str(error) == (
            "Notebook notebook.ipynb stopped at cell 4 of 7 for reference date 2016-01-07: "
            "ValueError: bad token '***'\n"
            f"  The failed notebook is {kept}. 2 cells were not run. Cell:\n"
            "    print(os.environ['FLOWAPI_TOKEN'])\n"
            "    ask(os.environ['FLOWAPI_TOKEN'])"
        )
        assert (error.kept, place.files()) == (kept, ["failed/executed{}.ipynb"])
        assert TOKEN not in kept.read_text()
        assert "bad token" in outputs_of(kept)
        assert "never" not in outputs_of(kept)
        assert stdout.getvalue() == "before\n***\n"

    def test_the_time_is_for_the_whole_notebook(self, place: Place) -> None:
        """Each cell alone would be quick enough; a notebook without parameters gets none injected."""
        cells = [code(f"import time; time.sleep(60 * {n} or 0.01)  # {TOKEN}") for n in (0, 0, 1)]
        run = place.run(notebook(*cells), timeout=timedelta(seconds=6))
        started = time.monotonic()
        error = error_of(run)
        assert time.monotonic() - started < 40
        kept = place.outputs / "failed" / "executed{}.ipynb"
        assert str(error) == (
            "Notebook notebook.ipynb stopped at cell 3 of 3: the notebook's timeout of 0:00:06 is "
            f"up.\n  The failed notebook is {kept}. "
            "Raise timeout: of the notebook in workflows.yml, or make it quicker."
        )
        assert [cell["execution_count"] for cell in json.loads(kept.read_text())["cells"]][:2] == [
            1,
            2,
        ]
        assert TOKEN not in kept.read_text()

    def test_a_kernel_that_dies(self, place: Place) -> None:
        """As when the system runs out of memory."""
        cells = [code("1"), code("import os, signal; os.kill(os.getpid(), signal.SIGKILL)")]
        error = error_of(place.run(notebook(*cells)))
        assert str(error) == (
            "Notebook notebook.ipynb stopped at cell 2 of 2: its kernel died.\n"
            f"  The failed notebook is {error.kept}. "
            "Most often the system killed it for lack of memory."
        )
        assert place.files() == ["failed/executed{}.ipynb"]


SCRIPT = """
import resource, signal, sys
from pathlib import Path
from autoflow_dagster.errors import NotebookError
from autoflow_dagster.notebooks.execution import NotebookRun, execute_notebook
source, destination, failed = map(Path, sys.argv[1:4])
def run(**parameters):
    return execute_notebook(NotebookRun(
        source=source, destination=destination, failed_dir=failed, parameters=parameters,
        working_dir=source.parent, stdout=sys.stdout,
    ))
"""


def script(place: Place, content: str, body: str) -> list[str]:
    """Return a command that executes a notebook in a process of its own."""
    run = place.run(content)
    paths = map(str, (run.source, run.destination, run.failed_dir))
    return [sys.executable, "-c", SCRIPT + body, *paths]


def wait_for(condition: Callable[[], bool], timeout_seconds: float = 30) -> bool:
    """Return whether something became true in time."""
    deadline = time.monotonic() + timeout_seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def is_gone(pid: int) -> bool:
    """Return whether a process has ended, also when nobody has asked for its status yet."""
    try:
        return "State:\tZ" in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return True


@pytest.mark.integration
class TestProcesses:
    """What happens to the process around the notebook."""

    ENDLESS = notebook(
        code("import os, time; print('kernel', os.getpid(), flush=True)"), code("time.sleep(600)")
    )

    @pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT], ids=["killed", "Ctrl-C"])
    def test_a_process_that_ends_in_the_middle_leaves_nothing(
        self, place: Place, number: signal.Signals
    ) -> None:
        """No half of a notebook, no temporary file, and no kernel."""
        command = script(place, self.ENDLESS, "run()")
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        ) as process:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line.startswith("kernel "), line
            process.send_signal(number)
            process.wait(30)
        assert process.returncode != 0
        assert place.files() == []
        assert wait_for(lambda: is_gone(int(line.split()[1]))), "the kernel lives on"

    def test_a_full_disk_leaves_no_half_notebook(self, place: Place) -> None:
        """A limit of the size of files makes it full; the message says what to do."""
        body = (
            "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
            "resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))\n"
            "try:\n"
            "    run()\n"
            "except NotebookError as error:\n"
            "    print('ERROR', error, error.kept)\n"
        )
        command = script(place, notebook(code("'x' * 50_000")), body)
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
        assert done.stdout == (
            "ERROR Notebook notebook.ipynb: was executed, but cannot be written to "
            f"{place.outputs} (File too large).\n"
            "  Make room there or correct the permissions, then run it again. None\n"
        )
        assert place.files() == []

    def test_a_failed_notebook_that_cannot_be_kept_still_says_why_it_failed(
        self, place: Place
    ) -> None:
        """The first error is the one to mend."""
        (place.outputs).mkdir(parents=True)
        (place.outputs / "failed").write_text("a file where the directory should be")
        error = error_of(place.run(notebook(code("1 / 0"))))
        assert str(error) == (
            "Notebook notebook.ipynb stopped at cell 1 of 1: ZeroDivisionError: division by zero\n"
            "  The failed notebook was executed, but cannot be written to "
            f"{place.outputs / 'failed'} (File exists). Cell:\n"
            "    1 / 0"
        )
        assert error.kept is None

    def test_dagstermill_does_not_get_in_the_way(self, place: Place) -> None:
        """Importing it replaces papermill's translator for Python in the whole process."""
        body = (
            "import warnings\n"
            "warnings.simplefilter('ignore')\n"
            "import dagstermill\n"
            "print(run(given='injected').cells)\n"
        )
        content = notebook(
            code("given = kept = 'default'", "parameters"), code("print(given, kept)")
        )
        command = script(place, content, body)
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
        assert done.stdout == "injected default\n3\n"
