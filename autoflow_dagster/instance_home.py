"""DAGSTER_HOME: the configuration of the Dagster instance, made from the settings.

The settings decide where Dagster stores and how many runs it starts; the rest is `dagster.yaml`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import yaml

from autoflow_dagster.bundled import bundled_path
from autoflow_dagster.errors import SettingsError
from autoflow_dagster.outputs import written_whole
from autoflow_dagster.settings import DB_PASSWORD, DB_URI, POSTGRES_URL_VARIABLE, Settings

LOCATION_NAME = "autoflow_dagster"
DEFINITIONS_MODULE = "autoflow_dagster.definitions"


def prepare_home(home: Path, settings: Settings) -> None:
    """Write ``dagster.yaml`` into DAGSTER_HOME.

    Raises
    ------
    SettingsError
        When the database's address is not one of PostgreSQL.
    """
    config: dict[str, Any] = yaml.safe_load(bundled_path("dagster.yaml").read_text())
    config["concurrency"]["runs"]["max_concurrent_runs"] = settings.max_concurrent_runs
    # Never less than INFO: what it leaves out does not reach the UI either.
    level = "DEBUG" if settings.log_level == "DEBUG" else "INFO"
    config["python_logs"] = {"python_log_level": level}
    # Where Dagster keeps them by itself; it passes no directory on to a class of ours.
    config["compute_logs"] = compute_logs_in(home.absolute() / "storage")
    config.update(storage_of(settings))
    home.mkdir(parents=True, exist_ok=True)
    with written_whole(home / "dagster.yaml") as temporary:
        temporary.write_text(
            "# Made from AutoFlow's settings at each start; changes here are lost.\n"
            + yaml.safe_dump(config, sort_keys=False)
        )


def storage_of(settings: Settings) -> dict[str, Any]:
    """Return the section of ``dagster.yaml`` that says where Dagster stores; empty for its SQLite.

    Raises
    ------
    SettingsError
        When the database's address is not one of PostgreSQL.
    """
    if postgres_url(settings) is None:
        return {}
    return {"storage": {"postgres": {"postgres_url": {"env": POSTGRES_URL_VARIABLE}}}}


def storage_text(settings: Settings, home: Path) -> str:
    """Return where the settings have Dagster store, for people."""
    if settings.db_uri is None:
        return f"Dagster's SQLite in {home}"
    return "the PostgreSQL database of AUTOFLOW_DB_URI"


def is_of_postgres(home: Path) -> bool:
    """Return whether ``dagster.yaml`` was made for a PostgreSQL of the settings."""
    path = home / "dagster.yaml"
    return path.exists() and POSTGRES_URL_VARIABLE in path.read_text()


def compute_logs_in(directory: Path) -> dict[str, Any]:
    """Return the section of ``dagster.yaml`` that has compute logs kept in a directory."""
    return {
        "module": "autoflow_dagster.compute_logs",
        "class": "AutoflowComputeLogManager",
        "config": {"base_dir": str(directory)},
    }


def postgres_url(settings: Settings) -> str | None:
    """Return the database's address with its password, None for Dagster's SQLite.

    The password takes the place of ``{}`` and may have any characters.

    Raises
    ------
    SettingsError
        When the address is not one of PostgreSQL. Never shows the address: it may hold a password.
    """
    if settings.db_uri is None:
        return None
    if not settings.db_uri.startswith(("postgresql://", "postgresql+psycopg2://", "postgres://")):
        scheme = settings.db_uri.split("://")[0] if "://" in settings.db_uri else "none"
        raise SettingsError(
            DB_URI,
            f'the database kind "{scheme[:20]}" is not supported.',
            "Give a postgresql:// address, or leave it unset for Dagster's SQLite.",
        )
    scheme_free = settings.db_uri.split("://", 1)[1]
    password = quote(settings.secret(DB_PASSWORD) or "", safe="")
    # With the driver that dagster-postgres brings; SQLAlchemy 2.1 would take another by itself.
    return f"postgresql+psycopg2://{scheme_free.replace('{}', password, 1)}"


def service_environment(home: Path, settings: Settings) -> Mapping[str, str]:
    """Return the environment of the service's processes."""
    environment = {**settings.environ, "DAGSTER_HOME": str(home)}
    url = postgres_url(settings)
    if url is not None:
        environment[POSTGRES_URL_VARIABLE] = url
    return environment


def dagster_home(settings: Settings) -> Path:
    """Return DAGSTER_HOME; unset, it lies in the outputs, which outlive a container."""
    given = settings.environ.get("DAGSTER_HOME")
    return Path(given).expanduser().absolute() if given else settings.outputs_dir / ".dagster"


def export_database(settings: Settings) -> None:
    """Put the database's address where ``dagster.yaml`` of this process's instance looks for it."""
    url = postgres_url(settings)
    if url is not None:
        os.environ[POSTGRES_URL_VARIABLE] = url
