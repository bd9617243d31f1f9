"""The fork server for Dagster's processes: the service's own, and runs.

`autoflow up` owns one for all of them, so that what they import is in memory once. Elsewhere, as under
``dagster dev``, the launcher of runs owns one for its runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from autoflow_dagster.warm.keeper import Keeper

ANNOUNCEMENT_VARIABLE = "AUTOFLOW_WARM_DAGSTER"
"""Set for the processes of a service: the file that says where its fork server's socket is."""

ANNOUNCEMENT = "warm_dagster_socket"
"""That file's name in DAGSTER_HOME."""

OF_A_SERVICE = (
    "dagster._daemon.cli",
    "dagster._grpc.server",
    "dagster_webserver.app",
    "dagster_webserver.cli",
)
"""What daemon, code server and webserver import and runs do not: a second, where there is no service."""


def dagster_keeper(environ: Mapping[str, str]) -> Keeper:
    """Return what asks the service's fork server, or owns one where there is no service.

    Parameters
    ----------
    environ : mapping
        Of the process that asks.
    """
    announcement = environ.get(ANNOUNCEMENT_VARIABLE)
    if not announcement:
        return Keeper("dagster")
    arguments = [word for module in OF_A_SERVICE for word in ("--module", module)]
    return Keeper("dagster", arguments, Path(announcement))
