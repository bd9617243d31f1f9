"""Files in the outputs directory: whole or not at all."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from autoflow_dagster.outputs import (
    free_path,
    move_whole,
    remove_stale_temporaries,
    temporary_beside,
    written_whole,
)


def names(directory: Path) -> list[str]:
    """Return the names of everything in a directory, hidden files included."""
    return sorted(path.name for path in directory.iterdir())


def fail_within(destination: Path, error: BaseException) -> None:
    """Write half of a file, and fail."""
    with written_whole(destination) as temporary:
        temporary.write_text("HALF")
        raise error


class TestWrittenWhole:
    """Writing under a temporary name."""

    def test_the_file_appears_when_the_block_succeeds(self, tmp_path: Path) -> None:
        """With its directory, and nothing beside it."""
        destination = tmp_path / "new" / "report.pdf"
        with written_whole(destination) as temporary:
            temporary.write_text("DUMMY")
            assert not destination.exists()
            assert temporary.suffix == ".pdf"
            assert temporary.name.startswith("."), "hidden while it is written"
        assert destination.read_text() == "DUMMY"
        assert names(destination.parent) == ["report.pdf"]

    def test_nothing_is_left_when_the_block_fails(self, tmp_path: Path) -> None:
        """What was there before stays as it was."""
        destination = tmp_path / "report.pdf"
        destination.write_text("BEFORE")
        with pytest.raises(ZeroDivisionError):
            fail_within(destination, ZeroDivisionError())
        assert destination.read_text() == "BEFORE"
        assert names(tmp_path) == ["report.pdf"]

    def test_a_block_that_writes_nothing_is_an_error(self, tmp_path: Path) -> None:
        """Not an empty file."""
        with pytest.raises(FileNotFoundError), written_whole(tmp_path / "report.pdf"):
            pass
        assert names(tmp_path) == []

    def test_an_interrupt_leaves_nothing(self, tmp_path: Path) -> None:
        """Ctrl-C is no ordinary exception."""
        with pytest.raises(KeyboardInterrupt):
            fail_within(tmp_path / "x.html", KeyboardInterrupt())
        assert names(tmp_path) == []

    def test_a_killed_process_leaves_no_half_file_under_the_name(self, tmp_path: Path) -> None:
        """Only a temporary one, which is removed later."""
        code = (
            "import sys, time\n"
            "from pathlib import Path\n"
            "from autoflow_dagster.outputs import written_whole\n"
            "with written_whole(Path(sys.argv[1])) as temporary:\n"
            "    temporary.write_text('HALF')\n"
            "    print('written', flush=True)\n"
            "    time.sleep(60)\n"
        )
        destination = tmp_path / "report.pdf"
        command = [sys.executable, "-c", code, str(destination)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"written\n"
            process.send_signal(signal.SIGKILL)
        assert not destination.exists()
        [temporary] = tmp_path.iterdir()
        now = time.time()
        assert remove_stale_temporaries(tmp_path, 3600, now) == []
        assert remove_stale_temporaries(tmp_path, 3600, now + 3601) == [temporary]
        assert names(tmp_path) == []

    def test_a_file_that_cannot_be_written_leaves_nothing(self, tmp_path: Path) -> None:
        """A full disk, as a limit of the size of files makes one; the system's error is passed on."""
        code = (
            "import resource, sys\n"
            "from pathlib import Path\n"
            "from autoflow_dagster.outputs import written_whole\n"
            "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
            "try:\n"
            "    with written_whole(Path(sys.argv[1])) as temporary:\n"
            "        temporary.write_text('x' * 2000)\n"
            "except OSError as error:\n"
            "    print(error.strerror)\n"
        )
        command = [sys.executable, "-c", code, str(tmp_path / "report.pdf")]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert done.stdout == "File too large\n"
        assert names(tmp_path) == []


class TestNames:
    """Names that are free."""

    def test_a_taken_name_gets_a_number(self, tmp_path: Path) -> None:
        """Before the suffix, so that it is still found by it."""
        path = tmp_path / "a.b.ipynb"
        found = []
        for _ in range(3):
            free = free_path(path)
            found.append(free.name)
            free.touch()
        assert found == ["a.b.ipynb", "a.b-2.ipynb", "a.b-3.ipynb"]

    def test_temporary_names_differ(self, tmp_path: Path) -> None:
        """Two processes may write the same file."""
        path = tmp_path / "report.pdf"
        assert len({temporary_beside(path) for _ in range(100)}) == 100

    def test_a_moved_file_replaces_the_old_one(self, tmp_path: Path) -> None:
        """In one step, into a directory that is made."""
        temporary, destination = tmp_path / "x", tmp_path / "failed" / "y"
        temporary.write_text("NEW")
        move_whole(temporary, destination)
        assert (names(tmp_path), destination.read_text()) == (["failed"], "NEW")


class TestCleaning:
    """What killed processes left behind."""

    def test_only_old_temporary_files_go(self, tmp_path: Path) -> None:
        """Young ones may still be written; other hidden files are not ours."""
        now = time.time()
        ages = {".0a1b2c3d.partial.ipynb": 100, ".4e5f6a7b.partial.pdf": 10, ".hidden": 100}
        for name, age in ages.items():
            (tmp_path / name).touch()
            os.utime(tmp_path / name, (now - age, now - age))
        (tmp_path / "report.pdf").touch()
        removed = remove_stale_temporaries(tmp_path, 50, now)
        assert [path.name for path in removed] == [".0a1b2c3d.partial.ipynb"]
        assert names(tmp_path) == [".4e5f6a7b.partial.pdf", ".hidden", "report.pdf"]

    def test_a_directory_that_is_not_there_is_clean(self, tmp_path: Path) -> None:
        """Before the first run."""
        assert remove_stale_temporaries(tmp_path / "notebooks", 0, time.time()) == []
