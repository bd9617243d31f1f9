"""The fork server for kernels: with what it is started, and where it is found.

Owned by whatever launches runs, for as long as that lives; used by the runs.
"""

from __future__ import annotations

from pathlib import Path

from autoflow_dagster.settings import Settings
from autoflow_dagster.warm.keeper import Keeper, announced_server

ANNOUNCEMENT = "warm_kernels_socket"
"""File in DAGSTER_HOME with the path of the server's socket."""


def kernel_keeper(settings: Settings, home: Path | None) -> Keeper:
    """Return the owner of a fork server for kernels.

    Parameters
    ----------
    home : Path or None
        DAGSTER_HOME, where the server is announced; None for one that only this process uses.
    """
    arguments = ["--inputs", str(settings.inputs_dir)]
    for module in settings.warm_modules:
        arguments += ["--module", module]
    return Keeper("kernels", arguments, home / ANNOUNCEMENT if home else None)


def kernel_server(settings: Settings) -> Path | None:
    """Return the socket of the announced fork server for kernels; None when kernels start cold."""
    home = settings.environ.get("DAGSTER_HOME")
    if not settings.warm_kernels or not home:
        return None
    return announced_server(Path(home) / ANNOUNCEMENT)
