"""DAGSTER_HOME: the configuration of the Dagster instance, made from the settings.

The settings decide where Dagster stores and how many runs it starts; the rest is `dagster.yaml`.
"""

from __future__ import annotations

import os
import re
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
    # Of what runs say. Never less than INFO: what it leaves out does not reach the UI either, and
    # it is kept with the run, not in the service's log.
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
        When the address is not one of PostgreSQL, or there is no password for it. Never shows the
        address: it may hold a password.
    """
    if settings.db_uri is None:
        return None
    check_database_address(settings)
    scheme_free = settings.db_uri.split("://", 1)[1]
    password = quote(database_password(settings), safe="")
    # With the driver that dagster-postgres brings; SQLAlchemy 2.1 would take another by itself.
    return f"postgresql+psycopg2://{scheme_free.replace('{}', password, 1)}"


def check_database_address(settings: Settings) -> None:
    """Raise when the database's address cannot be one of PostgreSQL; never show it.

    Raises
    ------
    SettingsError
        Of AUTOFLOW_DB_URI.
    """
    uri = settings.db_uri
    if uri is None:
        return
    if not uri.startswith(("postgresql://", "postgresql+psycopg2://", "postgres://")):
        scheme = uri.split("://")[0] if "://" in uri else "none"
        raise SettingsError(
            DB_URI,
            f'the database kind "{scheme[:20]}" is not supported.',
            "Give a postgresql:// address, or leave it unset for Dagster's SQLite.",
        )
    without_password = uri.replace("{}", "", 1)
    if re.search("[{}]", without_password):
        raise SettingsError(
            DB_URI,
            "has other braces than one {}, the place of the password.",
            "Write {} there, and %7B and %7D for braces that are meant.",
        )
    if not _is_address(without_password):
        raise SettingsError(
            DB_URI,
            "is no address; its host, port or password is not written as it must be.",
            "Write it as postgresql://user:{}@host:5432/database.",
        )


def _is_address(uri: str) -> bool:
    """Return whether what Dagster connects with can read an address."""
    import sqlalchemy  # takes a moment, and most commands have no use for it

    try:
        port = sqlalchemy.make_url(uri).port
    except (sqlalchemy.exc.ArgumentError, ValueError):  # the latter of the port
        return False
    return port is None or 0 < port < 65536


def database_password(settings: Settings) -> str:
    """Return the password that the database's address has a place for; empty if it has none.

    Raises
    ------
    SettingsError
        When it is not set.
    """
    if "{}" not in (settings.db_uri or ""):
        return ""
    password = settings.secret(DB_PASSWORD)
    if not password:
        raise SettingsError(
            DB_PASSWORD,
            "is not set, but AUTOFLOW_DB_URI has {} for it.",
            f"Set the variable, or the Docker secret {DB_PASSWORD}.",
        )
    return password


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
