"""Everything that can be wrong with settings and inputs when the service starts, told at once."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from autoflow_dagster.errors import AutoflowError, SettingsError
from autoflow_dagster.instance_home import (
    check_database_address,
    dagster_home,
    database_password,
)
from autoflow_dagster.parser import load_workflows
from autoflow_dagster.settings import FLOWAPI_TOKEN, Settings


def checked_settings(environ: Mapping[str, str], *more: Callable[[], object]) -> Settings:
    """Return the settings with which the service can start.

    Parameters
    ----------
    more : callables
        Further checks; each raises what is wrong.

    Raises
    ------
    SettingsError
        With everything that is wrong with them and with the inputs.
    """
    settings, problems = Settings.read(environ)
    known = "\n".join(problems)
    found = dict.fromkeys(_problems(settings, more))  # two checks may find the same
    problems += [problem for problem in found if problem not in known]
    if problems:
        raise SettingsError("", "\n".join(problems))
    return settings


def _problems(settings: Settings, more: Iterable[Callable[[], object]]) -> Iterator[str]:
    checks: list[Callable[[], object]] = [
        lambda: _require("FLOWAPI_URL", settings.secret("FLOWAPI_URL")),
        lambda: _require(FLOWAPI_TOKEN, settings.secret(FLOWAPI_TOKEN)),
        lambda: _require_readable(settings.ssl_certificate_file),
        lambda: check_database_address(settings),
        lambda: database_password(settings),
        lambda: _make_writable("AUTOFLOW_OUTPUTS_DIR", settings.notebooks_dir),
        lambda: _make_writable("AUTOFLOW_OUTPUTS_DIR", settings.reports_dir),
        lambda: _make_writable("DAGSTER_HOME", dagster_home(settings)),
        lambda: load_workflows(settings.inputs_dir),
        *more,
    ]
    for check in checks:
        try:
            check()
        except AutoflowError as error:
            yield str(error)


def _require(name: str, value: str | None) -> None:
    if not value:
        raise SettingsError(name, "is not set.", f"Set the variable, or the Docker secret {name}.")


def _require_readable(certificate: Path | None) -> None:
    if certificate is None:
        return
    try:
        certificate.read_bytes()
    except OSError as error:
        raise SettingsError(
            "SSL_CERTIFICATE_FILE",
            f"{certificate} cannot be read ({error.strerror}).",
            "Give the path inside the container, such as /run/secrets/cert.pem.",
        ) from error


def _make_writable(setting: str, directory: Path) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True)
        if not os.access(directory, os.W_OK | os.X_OK):
            raise PermissionError(13, "Permission denied")
    except OSError as error:
        raise SettingsError(
            setting,
            f"{directory} cannot be written to ({error.strerror}).",
            f"Let user {os.getuid()} write there, or name another directory.",
        ) from error
