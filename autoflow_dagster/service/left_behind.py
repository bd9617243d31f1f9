"""Questions that may never be answered: asked in threads that the end of the process leaves behind."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")


def in_thread(work: Callable[[], T], name: str) -> Future[T]:
    """Return what `work` will return, done in a thread of its own.

    Not in a ThreadPoolExecutor: the interpreter waits for its threads at the end, and nothing ends a
    question to a database that hangs.
    """
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run, name=name, daemon=True).start()
    return future
