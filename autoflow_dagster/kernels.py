"""Kernels for notebooks: with an environment of their own, and never left behind.

jupyter_client starts the processes; this module says with what.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

NOT_FOR_KERNELS = (
    "AUTOFLOW_DB_URI",
    "AUTOFLOW_DB_PASSWORD",
    "AUTOFLOW_POSTGRES_URL",
    "DAGSTER_HOME",
)
"""Variables that notebooks have no business to read, least of all the database's password."""


def kernel_environment(environ: Mapping[str, str], allowed: tuple[str, ...] = ()) -> dict[str, str]:
    """Return the environment of a notebook's kernel.

    Parameters
    ----------
    environ : mapping
        The environment of this process.
    allowed : tuple of str
        Names of variables that would be hidden and that the operator allows (AUTOFLOW_KERNEL_ENV).
    """
    hidden = set(NOT_FOR_KERNELS) - set(allowed)
    return {name: value for name, value in environ.items() if name not in hidden}


def kernel_manager_class(environment: Mapping[str, str] | None) -> type[Any]:
    """Return a kernel manager class whose kernels get exactly `environment`.

    A class and not an object, because nbclient shuts down the kernels of managers that it made
    itself only. None gives kernels the environment of this process.
    """
    from jupyter_client.manager import AsyncKernelManager

    class NotebookKernelManager(AsyncKernelManager):
        """Starts kernels with a given environment."""

        async def start_kernel(self, **kw: Any) -> None:
            if environment is not None:
                kw.setdefault("env", dict(environment))
            await super().start_kernel(**kw)

    return NotebookKernelManager
