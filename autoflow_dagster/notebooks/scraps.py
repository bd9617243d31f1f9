"""Scraps: what notebooks glued with scrapbook, read from their outputs without importing it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from autoflow_dagster.no_data import NO_DATA_SCRAP

Scraps = Mapping[str, Mapping[str, Any]]
"""By name: ``{"name", "data", "encoder"}`` for data, ``{"name", "display"}`` for displays."""

EVENT_PREFIX = "event-"
"""Of the scraps, and of the files they name, by which dagstermill hands events over."""


def scrap_name(output: Mapping[str, Any]) -> str | None:
    """Return the name of the scrap that an output of a cell is; None when it is none."""
    name = output.get("metadata", {}).get("scrapbook", {}).get("name")
    return None if name is None else str(name)


def scraps_of(notebook: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the scraps that a notebook glued; a later one of the same name wins.

    Read as scrapbook writes them (its schema 1).
    """
    scraps: dict[str, dict[str, Any]] = {}
    for cell in notebook["cells"]:
        for output in cell.get("outputs", ()):
            name = scrap_name(output)
            if name is None:
                continue
            for mime, payload in output.get("data", {}).items():
                scrap = scraps.setdefault(name, {"name": name})
                if mime.startswith("application/scrapbook.scrap") and isinstance(payload, Mapping):
                    scrap.update(data=payload.get("data"), encoder=payload.get("encoder"))
                else:
                    scrap.setdefault("display", {})[mime] = payload
    return scraps


def no_data_reason(scraps: Scraps) -> str | None:
    """Return why there is nothing to report on; None when there is something."""
    scrap = scraps.get(NO_DATA_SCRAP)
    return None if scrap is None else str(scrap.get("data") or "no data")
