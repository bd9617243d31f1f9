"""Edits of the inputs take effect without a restart; invalid ones do not take effect.

Looks at the files every few seconds: network mounts and mounted configuration maps tell nobody
that they have changed.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from autoflow_dagster.errors import AutoflowError, WorkflowsFileError
from autoflow_dagster.service.code_location import CodeLocationError, NoAnswerError
from autoflow_dagster.service.inputs_copy import InputsCopies, Signature

logger = logging.getLogger(__name__)

LOOK_EVERY_SECONDS = 2.0

RETRY_SECONDS = 10.0
"""Until an edit is tried again that could not be taken in for another reason than the inputs."""

WRONG = "The inputs have been edited, but not to the good", "they are mended"
NOT_TAKEN_IN = "An edit of the inputs could not be taken in", "another attempt succeeds"


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
    retry_seconds : float
        Until an edit is tried again that may be good.

    Attributes
    ----------
    problem : str
        Why the last edit is not in effect; empty when it is.
    """

    copies: InputsCopies
    reload: Callable[[], None]
    look_every_seconds: float = LOOK_EVERY_SECONDS
    retry_seconds: float = RETRY_SECONDS
    problem: str = ""
    _seen: Signature = frozenset()
    _try_again_at: float = float("inf")
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
            if signature == self._seen and time.monotonic() < self._try_again_at:
                continue
            # Somebody may be in the middle of saving: wait until nothing changes any more.
            if self._end.wait(self.look_every_seconds / 2):
                return
            if signature == self.copies.signature():
                self.look(signature)

    def look(self, signature: Signature) -> None:
        """Take in what the inputs are now."""
        self._seen = signature
        self._try_again_at = float("inf")
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
        except Exception as error:  # any: or no edit would take effect again, and nobody be told
            if not self._end.is_set():  # the next start takes them in
                self._complain(error)

    def _change_to(self, copy: Path, before: Path | None) -> None:
        try:
            self.copies.use(copy)
            self.reload()
        except BaseException:
            if before is not None and self.copies.current != before:
                self._take_back(before)
            raise

    def _take_back(self, before: Path) -> None:
        try:
            self.copies.use(before)
            if not self._end.is_set():
                self.reload()  # the code server may have been started again meanwhile
        except Exception as error:  # the first one is what has to be told
            logger.warning("The last good definitions were not loaded again: %s", error)

    def _complain(self, error: Exception) -> None:
        is_ours = isinstance(error, AutoflowError)
        problem = str(error) if is_ours else f"{type(error).__name__}: {error}"
        is_wrong = _is_about_inputs(error)
        if not is_wrong:
            self._try_again_at = time.monotonic() + self.retry_seconds
        if problem != self.problem:
            what, until = WRONG if is_wrong else NOT_TAKEN_IN
            logger.error("%s:\n%s", what, problem, exc_info=None if is_ours else error)
            logger.error("The last good definitions stay in effect until %s.", until)
        self.copies.tell(problem)
        self.problem = problem


def _is_about_inputs(error: Exception) -> bool:
    """Return whether only another edit can help; anything else may pass, such as a full disk."""
    is_code = isinstance(error, CodeLocationError) and not isinstance(error, NoAnswerError)
    return is_code or isinstance(error, WorkflowsFileError)
