"""Programs that a conversion starts: the bundled pandoc, Typst in a process of its own, asciidoctor.

Each gets a bare environment (nothing secret in it), a time limit and a memory limit.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from autoflow_dagster.errors import ReportError

_TOOK_TOO_LONG = 124
_PANDOC_HEAP = 251  # the exit code of pandoc at its heap limit

TEMPLATES = Path(__file__).with_name("templates")


class ProgramFailedError(Exception):
    """A program ended with an error; `stderr` is what it said.

    Attributes
    ----------
    code : int
        Its exit code, negative for the signal that killed it.
    out_of_memory : bool
        Whether it wanted more memory than it may have.
    """

    def __init__(self, program: str, code: int, stderr: str) -> None:
        self.program, self.code, self.stderr = program, code, stderr
        self.out_of_memory = (
            code == _PANDOC_HEAP or code in (-6, -9) or "memory allocation" in stderr
        )
        super().__init__(f"{program} ended with {code}: {stderr[:500]}")


@dataclass
class Limits:
    """What is left of the time for a conversion, and the memory each program may use.

    Attributes
    ----------
    seconds : float
        Time for the whole conversion, from the making of this object.
    memory_mb : int
        Most memory of each program, in MB.
    """

    seconds: float
    memory_mb: int
    _start: float = field(default_factory=time.monotonic)

    def left(self) -> float:
        """Return the seconds left, raising `ReportError` when there are none."""
        left = self.seconds - (time.monotonic() - self._start)
        if left <= 0:
            raise ReportError(
                "Report",
                f"the conversion took longer than its limit of {self.seconds:g} seconds.",
                "Make the notebook's outputs smaller, or raise the limit.",
            )
        return left


def memory_error(limits: Limits) -> ReportError:
    """Return the error for a conversion that wanted more memory than it may have."""
    return ReportError(
        "Report",
        f"the conversion needed more memory than its limit of {limits.memory_mb} MB.",
        "Make the notebook's outputs smaller, or raise the limit.",
    )


def run_program(
    command: Sequence[str | Path],
    text: str,
    limits: Limits,
    directory: Path,
    environment: dict[str, str] | None = None,
) -> str:
    """Run a program on a text and return what it prints.

    Raises
    ------
    ProgramFailedError
        When it ends with an error, used more memory than it may, or took half of the time that
        the conversion has left.
    ReportError
        When the conversion has no time left.
    """
    bare = {"PATH": os.defpath, "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8", "HOME": str(directory)}
    program = Path(str(command[0])).name
    try:
        done = subprocess.run(
            [str(part) for part in command],
            input=text.encode("utf-8", "replace"),
            capture_output=True,
            cwd=directory,
            env={**bare, **(environment or {})},
            timeout=max(1.0, limits.left() / 2),  # leaves time for a plainer attempt
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        limits.left()
        raise ProgramFailedError(program, _TOOK_TOO_LONG, "it took too long") from error
    if done.returncode != 0:
        message = done.stderr.decode("utf-8", "replace").strip()
        raise ProgramFailedError(program, done.returncode, message)
    return done.stdout.decode("utf-8", "replace")


def limited(command: Sequence[str | Path], limits: Limits) -> list[str | Path]:
    """Return a command for a program that knows no memory limit of its own."""
    script = (
        "import os, resource, sys; size = int(sys.argv[1]);"
        "resource.setrlimit(resource.RLIMIT_AS, (size, size)); os.execv(sys.argv[2], sys.argv[2:])"
    )
    return [sys.executable, "-c", script, str(limits.memory_mb * 1024 * 1024), *command]


def pandoc_path() -> Path:
    """Return the pandoc that comes with pypandoc_binary, never one that the machine has.

    An older pandoc of the system cannot read AsciiDoc.
    """
    import pypandoc

    path = Path(pypandoc.__file__).with_name("files") / "pandoc"
    if not path.exists():
        raise ReportError(
            "Report",
            "the package pypandoc_binary, which brings pandoc, is not installed.",
            "pip install pypandoc_binary",
        )
    return path


def run_pandoc(arguments: Sequence[str | Path], text: str, limits: Limits, directory: Path) -> str:
    """Run the bundled pandoc, which stops by itself at the memory limit."""
    memory = ["+RTS", f"-M{limits.memory_mb}m", "-RTS"]
    return run_program([pandoc_path(), *memory, *arguments], text, limits, directory)


def run_python(script: Path, text: str, limits: Limits, directory: Path) -> str:
    """Run one of our scripts in a Python of its own, with the import path of this one."""
    search = os.pathsep.join(entry for entry in sys.path if entry)
    return run_program([sys.executable, script], text, limits, directory, {"PYTHONPATH": search})
