"""End a forked process without taking apart what its fork server had imported.

The interpreter's own ending visits every object of every module: a tenth of a second, and the pages that
were shared until then are copied. What a program can rely on happens before that and still does: threads
are waited for, functions registered with `atexit` are called, output is written. Objects that are alive
then, which Python does not promise to finalize, are finalized as far as they are of the program itself.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import logging
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass
class PromptEnd:
    """What ends a forked process.

    Make it before anything else is imported: its own `atexit` function has to be the last one.

    Attributes
    ----------
    status : int or None
        Of the process; None leaves its end to the interpreter.
    """

    status: int | None = None
    _modules: frozenset[str] = field(default_factory=frozenset)

    def __post_init__(self) -> None:
        atexit.register(self._end)

    @contextlib.contextmanager
    def after(self) -> Iterator[None]:
        """End the process promptly after the block, if this ends as programs do.

        An error, an interrupt or a message as the exit status is left to the interpreter.
        """
        self._modules = frozenset(sys.modules)
        try:
            yield
        except SystemExit as end:
            if end.code is None or isinstance(end.code, int):
                self.status = (end.code or 0) & 0xFF
            raise
        self.status = 0

    def _end(self) -> None:
        if self.status is None:
            return
        logging.shutdown()  # the one function that is registered when this module is imported
        for name in [name for name in sys.modules if name not in self._modules]:
            del sys.modules[name]
        gc.collect()
        try:
            for stream in (sys.stdout, sys.stderr):
                stream.flush()
        except (OSError, ValueError):  # the interpreter knows what to say of it
            return
        os._exit(self.status)
