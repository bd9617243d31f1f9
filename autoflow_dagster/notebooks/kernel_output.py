"""What a kernel's process writes past Jupyter: to its standard output and error, by itself.

Programs that a notebook starts write there, and libraries of other languages. It is passed on to the
log of the run, without secrets.
"""

from __future__ import annotations

import codecs
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from autoflow_dagster.notebooks.secrets import RedactedStream

END_SECONDS = 2.0
"""For the last output to be passed on. A program that outlives its notebook is not waited for."""


@contextmanager
def redacted_output(stream: TextIO | None, secrets: tuple[str, ...]) -> Iterator[int | None]:
    """Give a file descriptor to write to; what is written is passed on without secrets.

    Parameters
    ----------
    stream : text file or None
        Where it goes; None gives no descriptor.
    secrets : tuple of str
        From `spellings`.
    """
    if stream is None:
        yield None
        return
    read_end, write_end = os.pipe()
    arguments = (read_end, RedactedStream(stream, secrets))
    thread = threading.Thread(target=_pass_on, args=arguments, name="kernel output", daemon=True)
    thread.start()
    try:
        yield write_end
    finally:
        os.close(write_end)
        thread.join(END_SECONDS)


def _pass_on(read_end: int, stream: RedactedStream) -> None:
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    with os.fdopen(read_end, "rb", buffering=0) as file:
        while content := file.read(65536):
            stream.write(decoder.decode(content))
            stream.flush()
    stream.write(decoder.decode(b"", final=True))
    stream.finish()
