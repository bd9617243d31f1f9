"""What steps print: in the run's compute logs, and in the service's log."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.storage.compute_log_manager import ComputeLogManager

from autoflow_dagster.compute_logs import AutoflowComputeLogManager, captured
from autoflow_dagster.instance_home import prepare_home
from autoflow_dagster.settings import Settings


@dg.op
def talkative() -> None:
    """Print in all the ways there are, and say which processes were started for the logs."""
    print("PRINTED")
    print("COMPLAINED", file=sys.stderr)
    subprocess.run(["echo", "FROM A CHILD"], check=True)
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    os.write(1, f"CHILDREN {len(children)}\n".encode())


@dg.job
def talkative_job() -> None:
    """Run the op."""
    talkative()


@pytest.fixture
def instance(tmp_path: Path) -> dg.DagsterInstance:
    """An instance as the service has it."""
    home = tmp_path / "home"
    prepare_home(home, Settings.from_environ({"AUTOFLOW_INPUTS_DIR": str(tmp_path)}))
    return dg.DagsterInstance.from_config(str(home))


class TestCaptured:
    """A stream that leads into a file for a while."""

    def test_everything_is_in_the_file_and_where_the_stream_led(self, tmp_path: Path) -> None:
        """Also what children write; what is written before and after is none of the file's."""
        log, kept = tmp_path / "log", tmp_path / "deep" / "kept"
        with log.open("w") as stream:
            stream.write("before\n")
            with captured(stream, kept):
                stream.write("printed\n" * 100_000)
                subprocess.run(["echo", "child"], stdout=stream, check=True)
                stream.write("last")
            stream.write("\nafter\n")
        lines = kept.read_text().splitlines()
        assert sorted(set(lines)) == ["child", "last", "printed"]
        assert len(lines) == 100_002
        assert log.read_text() == f"before\n{kept.read_text()}\nafter\n"

    def test_a_file_that_is_there_is_continued(self, tmp_path: Path) -> None:
        """A step that is run again in the same run; what was there is not copied a second time."""
        log, kept = tmp_path / "log", tmp_path / "kept"
        with log.open("w") as stream:
            for text in ("one\n", "two\n"):
                with captured(stream, kept):
                    stream.write(text)
        assert kept.read_text() == log.read_text() == "one\ntwo\n"

    def test_a_stream_without_a_descriptor_is_left_alone(self, tmp_path: Path) -> None:
        """As in tests and notebooks."""
        stream = io.StringIO()
        with captured(stream, tmp_path / "kept"):
            stream.write("said")
        assert stream.getvalue() == "said"

    def test_nobody_has_to_read_the_log(self, tmp_path: Path) -> None:
        """The file is whole when the service's log has been closed at its other end."""
        reader, writer = os.pipe()
        kept = tmp_path / "kept"
        stream = os.fdopen(writer, "w")
        with captured(stream, kept):
            os.close(reader)
            print("said", file=stream)
        stream.close()
        assert kept.read_text() == "said\n"

    def test_an_error_ends_it_properly(self, tmp_path: Path) -> None:
        """The stream leads where it led before."""
        log, kept = tmp_path / "log", tmp_path / "kept"
        with log.open("w") as stream:
            with contextlib.suppress(ZeroDivisionError), captured(stream, kept):
                stream.write("within\n")
                raise ZeroDivisionError
            stream.write("after\n")
        assert (kept.read_text(), log.read_text()) == ("within\n", "within\nafter\n")


def test_the_service_has_this_manager(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    """Its files lie where Dagster puts them by itself."""
    with instance:
        manager = instance.compute_log_manager
        assert isinstance(manager, AutoflowComputeLogManager)
        assert isinstance(manager, ComputeLogManager)
        path = Path(manager.get_captured_local_path(["run", "compute_logs", "step"], "out"))
    assert path == tmp_path / "home" / "storage" / "run" / "compute_logs" / "step.out"


def test_a_run_has_its_logs_without_further_processes(
    instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    """In Dagster's storage, marked as complete, and in the service's log."""
    with instance:
        command = ["dagster", "job", "execute", "-m", __name__, "-j", talkative_job.name]
        ended = subprocess.run(
            [sys.executable, "-m", *command],
            env={**os.environ, "DAGSTER_HOME": str(tmp_path / "home")},
            capture_output=True,
            check=True,
        )
        [run] = instance.get_runs()
        [event] = instance.all_logs(run.run_id, of_type=dg.DagsterEventType.LOGS_CAPTURED)
        assert event.dagster_event is not None
        key = [run.run_id, "compute_logs", event.dagster_event.logs_captured_data.file_key]
        logs = instance.compute_log_manager.get_log_data(key)
        assert instance.compute_log_manager.is_capture_complete(key)
    assert logs.stdout is not None
    assert {b"PRINTED", b"FROM A CHILD", b"CHILDREN 0"} <= set(logs.stdout.splitlines())
    assert logs.stdout in ended.stdout
    assert logs.stderr is not None
    assert b"COMPLAINED" in logs.stderr
    assert logs.stderr in ended.stderr
