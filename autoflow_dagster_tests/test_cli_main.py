"""Tests of the command line as a whole: its help, its exit statuses, its documentation."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from autoflow_dagster.cli import COMMANDS, autoflow
from autoflow_dagster.cli.reference import with_reference
from autoflow_dagster_tests.command_line import EXAMPLE, call, january, write_dates

PAGE = Path(__file__).parent.parent / "docs" / "commands.md"
HEAVY = ("dagster", "pandas", "papermill", "nbconvert", "duckdb", "starlette", "httpx")


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No settings but an outputs directory without a Dagster instance."""
    for name in ("AUTOFLOW_INPUTS_DIR", "DAGSTER_HOME", "FLOWAPI_URL", "FLOWAPI_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AUTOFLOW_OUTPUTS_DIR", str(tmp_path / "outputs"))


def command(name: str) -> click.Command:
    """Return a command."""
    found = autoflow.get_command(click.Context(autoflow), name)
    assert found is not None
    return found


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_shows_an_example(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """In its help, which also says what it is for."""
    ended = call(capsys, name, "--help")
    assert (ended.status, ended.err) == (0, "")
    assert "Example: " in ended.out
    assert (command(name).help or "").split("\n")[0].endswith(".")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_is_explained(name: str) -> None:
    """By a sentence, or at least some words."""
    options = [param for param in command(name).params if isinstance(param, click.Option)]
    assert [option.name for option in options if not option.help] == []


def test_the_list_of_commands_is_short_and_whole(capsys: pytest.CaptureFixture[str]) -> None:
    """Each summary is a sentence on one line of a narrow terminal."""
    ended = call(capsys, "--help")
    for name, entry in COMMANDS.items():
        assert f"  {name} " in ended.out
        assert entry.summary.endswith(".")
        assert f" {entry.summary}\n" in ended.out


def test_every_command_is_documented() -> None:
    """Write it again with: python -m autoflow_dagster.cli.reference docs/commands.md."""
    page = PAGE.read_text()
    assert with_reference(page) == page
    introduction = page.split("## What the commands read")[0]
    assert [name for name in COMMANDS if f"`autoflow {name}`" not in introduction] == []


def test_a_mistake_of_the_user_ends_with_1_and_no_traceback(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """And says what to do."""
    ended = call(capsys, "validate", "--inputs", tmp_path / "absent")
    assert (ended.status, ended.out) == (1, "")
    assert ended.err == (
        f"Error: {tmp_path / 'absent'}: There is no such inputs directory.\n"
        "  Create it with autoflow init, or set AUTOFLOW_INPUTS_DIR to the right one.\n"
    )


def test_a_wrong_option_ends_with_1(capsys: pytest.CaptureFixture[str]) -> None:
    """Like every other mistake of the user."""
    ended = call(capsys, "plan", "--frmat", "json")
    assert (ended.status, ended.out) == (1, "")
    assert "No such option '--frmat'." in ended.err


def test_a_misspelt_command_is_guessed(capsys: pytest.CaptureFixture[str]) -> None:
    """As far as it is close to one."""
    ended = call(capsys, "explane")
    assert ended.status == 1
    assert "No such command 'explane'. Did you mean 'explain'?" in ended.err


def test_all_wrong_settings_are_told_at_once(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a useless "Error:" before the first of them."""
    monkeypatch.setenv("AUTOFLOW_LOG_LEVEL", "loud")
    monkeypatch.setenv("FLOWAPI_URL", "flowapi.example.org")
    ended = call(capsys, "plan")
    assert ended.status == 1
    assert [line.split(":")[0] for line in ended.err.splitlines()] == [
        "AUTOFLOW_LOG_LEVEL",
        "FLOWAPI_URL",
    ]


def test_a_bug_ends_with_3_and_hides_secrets(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The traceback is shown, with what is needed to report it."""

    def fail() -> None:
        raise RuntimeError("the token is SECRET_TOKEN")

    monkeypatch.setenv("FLOWAPI_TOKEN", "SECRET_TOKEN")
    monkeypatch.setattr(command("schema"), "callback", fail)
    ended = call(capsys, "schema")
    assert ended.status == 3
    assert "RuntimeError: the token is ***" in ended.err
    assert "SECRET_TOKEN" not in ended.err
    assert ended.err.endswith("This is a bug in autoflow_dagster; please report the lines above.\n")


def test_an_interrupt_ends_with_130(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And without a traceback."""

    def interrupt() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(command("schema"), "callback", interrupt)
    ended = call(capsys, "schema")
    assert (ended.status, ended.out, ended.err.strip()) == (130, "", "")


def test_closing_the_pipe_is_no_bug() -> None:
    """As `autoflow schema | head -1` does: nothing is printed about it."""
    process = subprocess.Popen(
        [sys.executable, "-c", "from autoflow_dagster.cli import main; main(['schema'])"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    process.stdout.close()
    _, err = process.communicate()
    assert (process.returncode, err) == (1, b"")


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["--version"],
        ["schema"],
        ["validate", "--inputs", str(EXAMPLE)],
        ["plan", "--inputs", str(EXAMPLE), "--available-dates", "dates.json"],
    ],
    ids=lambda arguments: arguments[0],
)
def test_nothing_heavy_is_imported_without_need(arguments: list[str], tmp_path: Path) -> None:
    """These commands take a fraction of a second."""
    write_dates(tmp_path / "dates.json", january(1, 2, 3))
    code = (
        "import sys\n"
        "from autoflow_dagster.cli import main\n"
        "try:\n"
        f"    main({arguments!r})\n"
        "finally:\n"
        f"    print([n for n in {HEAVY!r} if n in sys.modules], file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[-1] == "[]"


def test_the_help_imports_click_and_little_else() -> None:
    """So that it is there at once."""
    code = (
        "import sys\n"
        "from autoflow_dagster.cli import main\n"
        "try:\n"
        "    main(['--help'])\n"
        "finally:\n"
        "    print(sorted({name.split('.')[0] for name in sys.modules}\n"
        "                 - sys.stdlib_module_names), file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-c", code],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr.strip() == "['__main__', 'autoflow_dagster', 'click']"
