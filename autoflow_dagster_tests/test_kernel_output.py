"""What a kernel's process writes past Jupyter."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import time

from autoflow_dagster.notebooks.kernel_output import END_SECONDS, redacted_output

SECRET = "DUMMY_SECRET"


def test_it_is_passed_on_without_secrets() -> None:
    """Whoever writes it, in pieces, and whether or not it is text."""
    log = io.StringIO()
    with redacted_output(log, (SECRET,)) as descriptor:
        assert descriptor is not None
        subprocess.run(["printf", f"a{SECRET}b"], stdout=descriptor, check=True)
        for byte in f"ä{SECRET}".encode():
            os.write(descriptor, bytes([byte]))
        os.write(descriptor, b"\xff")
    assert log.getvalue() == "a***bä***\N{REPLACEMENT CHARACTER}"


def test_without_a_log_there_is_no_descriptor() -> None:
    """The kernel then writes where this process does."""
    with redacted_output(None, (SECRET,)) as descriptor:
        assert descriptor is None


def test_a_program_that_goes_on_is_not_waited_for() -> None:
    """A notebook may start one; what it writes later is lost."""
    began = time.monotonic()
    with redacted_output(io.StringIO(), ()) as descriptor:
        sleeper = subprocess.Popen(
            [sys.executable, "-c", "import time; time.sleep(60)"], stdout=descriptor
        )
    try:
        assert END_SECONDS <= time.monotonic() - began < END_SECONDS + 10
    finally:
        sleeper.kill()
        sleeper.wait()
