"""Where the running service can be asked: a file in DAGSTER_HOME for `autoflow status`."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from autoflow_dagster.outputs import written_whole

SERVICE_FILE = "service.json"


@dataclass(frozen=True)
class ServiceFile:
    """What a running service says about itself.

    Attributes
    ----------
    ui_url, reports_url : str
        Addresses for clients on the same machine; ``/readyz`` is below the second.
    """

    ui_url: str
    reports_url: str


def write_service_file(home: Path, ui_url: str, reports_url: str) -> None:
    """Tell where the service of this process is."""
    with written_whole(home / SERVICE_FILE) as temporary:
        temporary.write_text(json.dumps(asdict(ServiceFile(ui_url, reports_url))))


def read_service_file(home: Path) -> ServiceFile | None:
    """Return what the service said that was started last; None when none was, or it has stopped."""
    try:
        return ServiceFile(**json.loads((home / SERVICE_FILE).read_text()))
    except (OSError, ValueError, TypeError):
        return None


def remove_service_file(home: Path) -> None:
    """Tell that the service has stopped."""
    (home / SERVICE_FILE).unlink(missing_ok=True)
