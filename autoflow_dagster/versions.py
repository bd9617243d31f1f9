"""Versions of the software that a result was made with."""

from __future__ import annotations

import functools
from importlib import metadata
from types import MappingProxyType

_SHOWN = ("autoflow-dagster", "dagster", "papermill", "nbconvert", "flowclient")


@functools.cache
def versions() -> MappingProxyType[str, str]:
    """Return the versions of the packages that matter for a result, by name."""
    return MappingProxyType({name: metadata.version(name) for name in _SHOWN})
