"""Tells the site of reports what a check has found, beside the sensor's ticks.

A tick has a minute, and years of several configs are thousands of calendar days to draw.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from pathlib import Path

from autoflow_dagster.errors import AutoflowError
from autoflow_dagster.planning import ConfigPlan
from autoflow_dagster.site import SiteOptions, record_plan

logger = logging.getLogger(__name__)


class SiteInBackground:
    """Writes the site in a thread of its own, which ends when there is nothing left to write.

    What is lost when the process ends is told again by the next check.

    Parameters
    ----------
    outputs_dir : Path
        Where the site is.
    options : SiteOptions
        How it is made.
    """

    def __init__(self, outputs_dir: Path, options: SiteOptions) -> None:
        self._outputs_dir = outputs_dir
        self._options = options
        self._lock = threading.Lock()
        self._latest: Sequence[ConfigPlan] | None = None
        self._thread: threading.Thread | None = None

    def tell(self, plans: Sequence[ConfigPlan]) -> None:
        """Have the plans of all configs written; those of an earlier call that still wait are not."""
        with self._lock:
            self._latest = plans
            if self._thread is None:
                self._thread = threading.Thread(target=self._write, name="site", daemon=True)
                self._thread.start()

    def wait(self, timeout_seconds: float) -> bool:
        """Return whether everything has been written, waiting for it a while."""
        thread = self._thread
        if thread is not None:
            thread.join(timeout_seconds)
        return self._thread is None

    def _write(self) -> None:
        while True:
            with self._lock:
                plans, self._latest = self._latest, None
                if plans is None:
                    self._thread = None
                    return
            try:
                record_plan(self._outputs_dir, plans, self._options)
            except (AutoflowError, OSError) as error:  # its trouble is not the sensor's
                logger.warning("The site of reports could not be written: %s", error)
            except Exception:  # nor is a mistake of ours
                logger.exception("The site of reports could not be written.")
