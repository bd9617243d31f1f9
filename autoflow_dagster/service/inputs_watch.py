"""Edits of the inputs take effect without a restart; invalid ones do not take effect.

Looks at the files every few seconds: network mounts and mounted configuration maps tell nobody
that they have changed.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from autoflow_dagster.errors import AutoflowError
from autoflow_dagster.service.inputs_copy import InputsCopies, Signature

logger = logging.getLogger(__name__)

LOOK_EVERY_SECONDS = 2.0


@dataclass
class InputsWatch:
    """Looks at the inputs in a thread of its own, for as long as a ``with`` block lasts.

    Parameters
    ----------
    copies : InputsCopies
        With a present copy.
    reload : callable
        Loads the definitions of the present copy again; raises AutoflowError when it cannot.
    look_every_seconds : float
        Between two looks.

    Attributes
    ----------
    problem : str
        Why the last edit is not in effect; empty when it is.
    """

    copies: InputsCopies
    reload: Callable[[], None]
    look_every_seconds: float = LOOK_EVERY_SECONDS
    problem: str = ""
    _seen: Signature = frozenset()
    _end: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> InputsWatch:
        self._thread = threading.Thread(target=self._look_again, name="inputs", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._end.set()
        self._thread.join(5)  # a reload goes on; the code server is about to end anyway

    def _look_again(self) -> None:
        self._seen = self.copies.signature()
        self.look(self._seen)  # at what was edited since the copy was taken
        while not self._end.wait(self.look_every_seconds):
            signature = self.copies.signature()
            if signature == self._seen:
                continue
            # Somebody may be in the middle of saving: wait until nothing changes any more.
            if self._end.wait(self.look_every_seconds / 2):
                return
            if signature == self.copies.signature():
                self.look(signature)

    def look(self, signature: Signature) -> None:
        """Take in what the inputs are now."""
        self._seen = signature
        before = self.copies.current
        try:
            copy = self.copies.take()
            if copy != before:
                self._change_to(copy, before)
                logger.info("The inputs have been edited: the new definitions are in effect.")
            elif self.problem:
                logger.info("The inputs are valid again, as they were before.")
            self.copies.tell("")
            self.problem = ""
        except AutoflowError as error:
            self._complain(str(error))
        except Exception as error:  # or edits would never again take effect, and nobody be told
            logger.exception("The inputs could not be taken in.")
            self._complain(f"{type(error).__name__}: {error}")

    def _change_to(self, copy: Path, before: Path | None) -> None:
        self.copies.use(copy)
        try:
            self.reload()
        except AutoflowError:
            if before is not None:
                self.copies.use(before)
                self.reload()
            raise

    def _complain(self, problem: str) -> None:
        if problem != self.problem:
            logger.error("The inputs have been edited, but not to the good:\n%s", problem)
            logger.error("The last good definitions stay in effect until they are mended.")
        self.copies.tell(problem)
        self.problem = problem
