"""Copies of the inputs, and edits that take effect when they are good."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from dagster import DagsterInstance

from autoflow_dagster.errors import AutoflowError, WorkflowsFileError
from autoflow_dagster.service.code_location import CodeLocationError, NoAnswerError
from autoflow_dagster.service.inputs_copy import (
    COPIES_VARIABLE,
    KEPT_COPIES,
    LARGEST_BYTES,
    InputsCopies,
    inputs_problem,
    over_copy,
)
from autoflow_dagster.service.inputs_watch import InputsWatch
from autoflow_dagster.settings import Settings
from autoflow_dagster_tests.conftest import wait_for, write_notebook
from autoflow_dagster_tests.deployments import DatesServer, day
from autoflow_dagster_tests.ticks import Ticks

WORKFLOWS = """\
workflows:
  - name: count
    notebooks: {first: {filename: first.ipynb}}
available_dates_sensor:
  schedule: "0 0 * * *"
  workflows: [{workflow_name: count}]
"""


@pytest.fixture
def copies(tmp_path: Path) -> InputsCopies:
    """Copies of good inputs; none has been taken."""
    inputs = tmp_path / "inputs"
    inputs.mkdir()
    (inputs / "workflows.yml").write_text(WORKFLOWS)
    write_notebook(inputs / "first.ipynb", "1")
    return InputsCopies(inputs, tmp_path / "copies")


def edit(copies: InputsCopies, text: str) -> None:
    """Append a comment, or anything else, to workflows.yml."""
    with (copies.inputs_dir / "workflows.yml").open("a") as file:
        file.write(f"{text}\n")


def test_a_copy_has_every_file_and_stays_as_it_is(copies: InputsCopies) -> None:
    """Folders too, but nothing hidden; a mounted configuration map consists of links."""
    (copies.inputs_dir / "templates").mkdir()
    (copies.inputs_dir / "templates" / "logo.svg").write_text("<svg/>")
    (copies.inputs_dir / ".git").mkdir()
    (copies.inputs_dir / ".git" / "config").touch()
    (copies.inputs_dir / "linked.txt").symlink_to(copies.inputs_dir / "templates" / "logo.svg")
    copy = copies.take()
    edit(copies, "# edited")
    names = sorted(str(p.relative_to(copy)) for p in copy.rglob("*") if p.is_file())
    assert names == ["first.ipynb", "linked.txt", "templates/logo.svg", "workflows.yml"]
    assert (copy / "workflows.yml").read_text() == WORKFLOWS
    assert not (copy / "linked.txt").is_symlink()


def test_large_data_is_linked_to(copies: InputsCopies) -> None:
    """A copy of gigabytes for each edit would fill the disk."""
    with (copies.inputs_dir / "data.bin").open("wb") as file:
        file.truncate(LARGEST_BYTES + 1)
    assert (copies.take() / "data.bin").resolve() == copies.inputs_dir / "data.bin"


def test_nothing_is_kept_of_wrong_inputs(copies: InputsCopies) -> None:
    """And the message is the parser's."""
    edit(copies, "workflows: 5")
    with pytest.raises(WorkflowsFileError, match="workflows"):
        copies.take()
    assert list(copies.directory.iterdir()) == []


def message_of(copies: InputsCopies) -> str:
    """Return why no copy can be taken; none of it is kept."""
    with pytest.raises(AutoflowError) as caught:
        copies.take()
    if copies.directory.is_dir():
        assert not [path for path in copies.directory.iterdir() if path.name.startswith(".")]
    return str(caught.value)


def test_a_link_that_leads_nowhere_is_left_out(copies: InputsCopies) -> None:
    """It is no problem at a start either."""
    (copies.inputs_dir / "nowhere.svg").symlink_to("missing.svg")
    assert not (copies.take() / "nowhere.svg").is_symlink()


def test_a_file_that_cannot_be_read_is_named(copies: InputsCopies) -> None:
    """From the inputs directory on, and not as a fault of the copy."""
    folder = copies.inputs_dir / "templates"
    folder.mkdir()
    (folder / "logo.svg").symlink_to("/proc/self/mem")  # a file that not even root reads from
    assert message_of(copies) == (
        f'{copies.inputs_dir}: "templates/logo.svg" cannot be read (Input/output error).\n'
        f"  Let user {os.getuid()} read it, or move it elsewhere."
    )


def test_a_place_that_cannot_be_written_to_is_named(copies: InputsCopies) -> None:
    """And what to look for."""
    copies.directory.touch()
    assert message_of(copies) == (
        f"{copies.directory}: the inputs cannot be copied there (File exists).\n"
        f"  Is there room, and may user {os.getuid()} write there?"
    )


def test_inputs_that_are_gone_are_named(copies: InputsCopies) -> None:
    """The directory itself, not the copy, as when a mount is lost; also with nothing but other files."""
    (copies.inputs_dir / "workflows.yml").rename(copies.inputs_dir / "workflows.yaml")
    assert message_of(copies) == (
        f"{copies.inputs_dir}: There is no workflows.yml in it.\n"
        "  Rename workflows.yaml to workflows.yml."
    )
    for path in copies.inputs_dir.iterdir():
        path.unlink()
    hint = "\n  Mount it again, or put its files back."
    assert message_of(copies) == f"{copies.inputs_dir}: the inputs directory is empty.{hint}"
    copies.inputs_dir.rmdir()
    assert message_of(copies) == (
        f"{copies.inputs_dir}: the inputs directory is gone, or may not be read "
        f"(No such file or directory).{hint}"
    )


def test_the_same_content_is_the_same_copy(copies: InputsCopies) -> None:
    """Touching a file is no edit."""
    first = copies.take()
    before = copies.signature()
    (copies.inputs_dir / "workflows.yml").touch()
    assert copies.signature() != before
    assert copies.take() == first


def test_the_definitions_come_from_the_present_copy(copies: InputsCopies) -> None:
    """While notebooks are executed in the inputs directory, where their data is."""
    environ = {
        "AUTOFLOW_INPUTS_DIR": str(copies.inputs_dir),
        COPIES_VARIABLE: str(copies.directory),
    }
    copies.use(copies.take())
    settings = over_copy(Settings.from_environ(environ))
    assert settings.inputs_dir == copies.current
    assert settings.working_dir == copies.inputs_dir
    assert over_copy(Settings()) == Settings()


def test_old_copies_are_removed(copies: InputsCopies) -> None:
    """The present one never."""
    for number in range(KEPT_COPIES + 3):
        edit(copies, f"# {number}")
        copies.use(copies.take())
    kept = [path for path in copies.directory.iterdir() if not path.is_symlink()]
    assert len(kept) == KEPT_COPIES
    assert copies.current in kept


def test_a_copy_that_somebody_works_from_stays(copies: InputsCopies) -> None:
    """However many edits there are; it goes with the first edit after the process has ended."""
    code = (
        "import os, sys\n"
        "from autoflow_dagster.service.inputs_copy import over_copy\n"
        "from autoflow_dagster.settings import Settings\n"
        "print(over_copy(Settings.from_environ(os.environ)).inputs_dir, flush=True)\n"
        "sys.stdin.read()\n"
    )

    def edit_often() -> None:
        for number in range(KEPT_COPIES + 1):
            edit(copies, f"# {number}")
            copies.use(copies.take())

    copies.use(copies.take())
    with subprocess.Popen(
        [sys.executable, "-c", code],
        env={**os.environ, COPIES_VARIABLE: str(copies.directory)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        used = Path(process.stdout.readline().strip())
        assert used == copies.current
        edit_often()
        assert (used / "first.ipynb").exists()
        process.kill()
    edit_often()
    assert not used.exists()


def test_what_notebooks_write_beside_them_is_no_edit(copies: InputsCopies) -> None:
    """Each run may write its results there; nothing is copied or loaded for that."""
    before = copies.signature(), copies.take()
    (copies.inputs_dir / "result.csv").write_text("1,2")
    assert (copies.signature(), copies.take()) == before
    assert not (before[1] / "result.csv").exists()


def test_a_good_edit_is_loaded_and_a_bad_one_is_not(copies: InputsCopies) -> None:
    """The last good definitions stay until the file is mended."""
    loaded: list[Path | None] = []
    copies.use(copies.take())
    watch = InputsWatch(copies, lambda: loaded.append(copies.current))

    good = copies.current
    edit(copies, "workflows: 5")
    watch.look(copies.signature())
    assert "workflows" in watch.problem
    assert (loaded, copies.current) == ([], good)

    (copies.inputs_dir / "workflows.yml").write_text(WORKFLOWS + "# mended\n")
    watch.look(copies.signature())
    assert watch.problem == ""
    assert loaded == [copies.current] != [good]


def test_other_processes_know_what_is_wrong(copies: InputsCopies) -> None:
    """As long as it is: not after it was mended, nor after a start with good inputs."""
    copies.use(copies.take())
    settings = Settings.from_environ({COPIES_VARIABLE: str(copies.directory)})
    watch = InputsWatch(copies, lambda: None)
    assert (inputs_problem(settings), inputs_problem(Settings())) == ("", "")
    edit(copies, "workflows: 5")
    watch.look(copies.signature())
    assert inputs_problem(settings) == watch.problem != ""
    (copies.inputs_dir / "workflows.yml").write_text(WORKFLOWS)
    watch.look(copies.signature())
    assert inputs_problem(settings) == ""
    copies.tell("of an earlier service")
    copies.use(copies.take())
    assert inputs_problem(settings) == ""


@pytest.mark.integration
def test_the_sensor_s_ticks_tell_what_is_wrong(copies: InputsCopies, tmp_path: Path) -> None:
    """In the UI: with requests in the tick's log, without in its text; never a token."""
    token = "DUMMY.TOKEN.OF_A_TEST"
    problem = f'workflows.yml:5: "{token}" is no schedule.'
    directory = {COPIES_VARIABLE: str(copies.directory)}
    (tmp_path / "ticks").mkdir()
    with DatesServer({"calls": [day(0)]}) as flowapi, DagsterInstance.ephemeral() as instance:
        ticks = Ticks(tmp_path / "ticks", instance, flowapi.url, token=token, **directory)
        copies.tell(problem)
        assert ticks.check().run_requests
        shown = "the last good ones are in effect. workflows.yml:5"
        assert shown in (text := ticks.text)
        quiet = ticks.tick().skip_message
        assert shown in quiet
        assert "Next check" in quiet
        assert token not in text + quiet
        copies.tell("")
        assert "in effect" not in ticks.tick().skip_message


def test_definitions_that_cannot_be_loaded_are_taken_back(copies: InputsCopies) -> None:
    """Whatever the parser thinks of them."""
    copies.use(copies.take())
    good = copies.current
    loaded: list[Path | None] = []

    def reload() -> None:
        loaded.append(copies.current)
        if copies.current != good:
            raise AutoflowError("The code server", "could not load the definitions.")

    edit(copies, "# edited")
    watch = InputsWatch(copies, reload)
    watch.look(copies.signature())
    assert "could not load" in watch.problem
    assert loaded[-1] == copies.current == good


def test_whatever_goes_wrong_the_good_copy_comes_back(
    copies: InputsCopies, caplog: pytest.LogCaptureFixture
) -> None:
    """The reason is told, not that the old definitions could not be loaded again either."""
    copies.use(copies.take())
    good = copies.current

    def reload() -> None:
        raise OSError("too many files" if copies.current != good else "still too many files")

    edit(copies, "# edited")
    watch = InputsWatch(copies, reload)
    for _ in range(2):
        watch.look(copies.signature())
        assert watch.problem == "OSError: too many files"
        assert copies.current == good
    assert "not loaded again: still too many files" in caplog.text


def test_a_good_edit_is_tried_again(copies: InputsCopies) -> None:
    """When a code server was killed, or a disk full, nobody has to touch the inputs again."""
    copies.use(copies.take())
    good = copies.current
    loaded: list[Path | None] = []

    def reload() -> None:
        if len(loaded) < 3:
            loaded.append(None)
            raise NoAnswerError("The code server", "does not answer.")
        loaded.append(copies.current)

    aside = copies.directory.with_name("aside")
    copies.directory.rename(aside)
    copies.directory.touch()  # no place for copies
    with InputsWatch(copies, reload, look_every_seconds=0.02, retry_seconds=0.05) as watch:
        edit(copies, "# edited")
        wait_for("the first problem", lambda: "cannot be copied" in watch.problem)
        copies.directory.unlink()
        aside.rename(copies.directory)
        wait_for("the edit", lambda: loaded and loaded[-1])
        wait_for("no problem", lambda: not watch.problem)
    assert loaded[-1] == copies.current != good


def test_definitions_that_are_wrong_are_not_tried_again(copies: InputsCopies) -> None:
    """Only another edit can mend them; each attempt takes seconds of a processor."""
    copies.use(copies.take())
    good = copies.current
    attempts: list[Path | None] = []

    def reload() -> None:
        if copies.current != good:
            attempts.append(copies.current)
            raise CodeLocationError("The code server", "could not load the definitions.")

    with InputsWatch(copies, reload, look_every_seconds=0.02, retry_seconds=0) as watch:
        edit(copies, "# edited")
        wait_for("the problem", lambda: watch.problem)
        edit(copies, "# edited again")
        wait_for("the next attempt", lambda: len(set(attempts)) == 2)
    assert len(attempts) == 2


def test_edits_are_noticed_by_themselves(copies: InputsCopies) -> None:
    """Once nothing changes any more."""
    import threading

    is_loaded = threading.Event()
    copies.use(copies.take())
    with InputsWatch(copies, is_loaded.set, look_every_seconds=0.02):
        edit(copies, "# edited")
        assert is_loaded.wait(10)
