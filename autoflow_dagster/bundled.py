"""Files from the top of the repository that travel in the wheel: examples and instance files.

In a checkout they are read from where they stand; a wheel has a copy (see pyproject.toml).
"""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).parent


def bundled_path(name: str) -> Path:
    """Return the path of a bundled file or directory, such as ``dagster.yaml``.

    Raises
    ------
    FileNotFoundError
        When the installation is incomplete.
    """
    for root in (_PACKAGE / "_bundled", _PACKAGE.parent):
        if (root / name).exists():
            return root / name
    raise FileNotFoundError(f"{name} is missing from this installation of autoflow_dagster")
