"""How a notebook says that there is nothing to report on. Imported inside kernels: kept light."""

from __future__ import annotations

import sys
from typing import Any

NO_DATA_SCRAP = "autoflow_no_data"
"""Name of the scrap that ends a date without reports. Kernels other than Python glue it themselves."""


class NoData(Exception):  # noqa: N818 - it is an outcome and not an error
    """End the workflow for this date: done, without reports, not tried again.

    Parameters
    ----------
    reason : str
        Kept as metadata of the date, and shown wherever its outcome is.

    Examples
    --------
    In a notebook: ``raise autoflow_dagster.NoData("no calls on this date")``
    """

    def __init__(self, reason: str = "no data") -> None:
        super().__init__(reason)
        self.reason = reason
        _glue(reason)

    def _render_traceback_(self) -> list[str]:
        """Tell IPython what to show instead of a traceback."""
        return [f"No data: {self.reason}"]


def _glue(reason: str) -> None:
    """Glue the scrap, in scrapbook's format and without its second of imports."""
    # A notebook's kernel has imported IPython; outside of one there is nothing to glue to.
    if "IPython" not in sys.modules:
        return
    ipython: Any = sys.modules["IPython"]  # typed in parts only, differently in each version
    if ipython.get_ipython() is None:
        return
    scrap = {"name": NO_DATA_SCRAP, "data": reason, "encoder": "text", "version": 1}
    ipython.display.display(
        {"application/scrapbook.scrap.text+json": scrap},
        metadata={"scrapbook": {"name": NO_DATA_SCRAP, "data": True, "display": False}},
        raw=True,
    )
