"""Dagster's compute logs, kept as by Dagster's own manager, but captured without further processes.

Dagster copies what a run prints to the service's log as well, with a `tail` and a Python interpreter for
each of the two streams of each run. Here a thread does that.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, TextIO

# No public names, but the ones that Dagster's documentation gives for dagster.yaml.
from dagster._core.storage.compute_log_manager import CapturedLogContext, ComputeIOType
from dagster._core.storage.local_compute_log_manager import (
    IO_TYPE_EXTENSION,
    LocalComputeLogManager,
)
from dagster._serdes import ConfigurableClassData

COPY_SECONDS = 0.25
"""Between two looks whether there is something to copy to the service's log."""

_CHUNK_BYTES = 2**20


class AutoflowComputeLogManager(LocalComputeLogManager):
    """Keeps what steps print in files on this machine, and copies it to the service's log."""

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> AutoflowComputeLogManager:
        """Make the manager from its configuration."""
        return cls(inst_data=inst_data, **config_value)

    @contextlib.contextmanager
    def capture_logs(self, log_key: Sequence[str]) -> Iterator[CapturedLogContext]:
        """Capture what this process and its children print while the block lasts."""
        streams = ((ComputeIOType.STDOUT, sys.stdout), (ComputeIOType.STDERR, sys.stderr))
        with contextlib.ExitStack() as stack:
            for kind, stream in streams:
                path = self.get_captured_local_path(log_key, IO_TYPE_EXTENSION[kind])
                stack.enter_context(captured(stream, Path(path)))
            yield CapturedLogContext(log_key)
        # How Dagster, and with it the UI, knows that nothing will be added.
        complete = self.complete_artifact_path(log_key)  # type: ignore[no-untyped-call]
        Path(complete).touch()


@contextlib.contextmanager
def captured(stream: TextIO, path: Path) -> Iterator[None]:
    """Let a stream's file descriptor lead into a file, whose content is copied to where it led before.

    A stream without a descriptor, as tests put in its place, is left alone.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        try:
            descriptor = stream.fileno()
        except (OSError, ValueError):
            yield
            return
        stream.flush()
        start = file.tell()
        with os.fdopen(os.dup(descriptor), "wb", buffering=0) as before:
            os.dup2(file.fileno(), descriptor)
            try:
                with _copied(path, start, before):
                    try:
                        yield
                    finally:
                        stream.flush()
            finally:
                os.dup2(before.fileno(), descriptor)


@contextlib.contextmanager
def _copied(path: Path, start: int, target: BinaryIO) -> Iterator[None]:
    """Copy to the target what is added to a file, until everything of the block is copied."""
    is_over = threading.Event()

    def copy() -> None:
        # The reader of the log may go away.
        with path.open("rb") as source, contextlib.suppress(OSError):
            source.seek(start)
            while True:
                is_last = is_over.wait(COPY_SECONDS)
                while chunk := source.read(_CHUNK_BYTES):
                    while chunk:
                        chunk = chunk[target.write(chunk) :]
                if is_last:
                    return

    thread = threading.Thread(target=copy, name="compute-log", daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()
