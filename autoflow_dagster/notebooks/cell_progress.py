"""Which cell of a notebook is being executed, told when a cell takes so long that one would ask.

Telling has its price, an event in Dagster's storage each, and most cells take less time than that.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

SLOW_SECONDS = 0.3
"""How long a cell runs before it is told."""


@dataclass(frozen=True)
class CellProgress:
    """A code cell is being executed.

    Attributes
    ----------
    number, total : int
        Counted over all code cells, from 1.
    """

    number: int
    total: int


@dataclass
class SlowCells:
    """Tells of the cells that take their time; used within nbclient's event loop.

    Parameters
    ----------
    tell : callable or None
        Called `SLOW_SECONDS` after a cell has begun, if it runs then.
    """

    tell: Callable[[CellProgress], None] | None
    _later: asyncio.TimerHandle | None = field(default=None, init=False)

    def begin(self, progress: CellProgress) -> None:
        """Note that a cell begins, and that the one before has ended."""
        self.close()
        if self.tell is not None:
            self._later = asyncio.get_running_loop().call_later(SLOW_SECONDS, self.tell, progress)

    def close(self) -> None:
        """Note that no cell is executed any more."""
        if self._later is not None:
            self._later.cancel()
