"""DAGSTER_HOME, made from the settings."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
import yaml

from autoflow_dagster.errors import SettingsError
from autoflow_dagster.instance_home import (
    dagster_home,
    postgres_url,
    prepare_home,
    service_environment,
)
from autoflow_dagster.settings import POSTGRES_URL_VARIABLE, Settings

PASSWORD = "p@ss:w/o?r#d %{}&ü"
URI = "postgresql://user:{}@db.example.org:5432/autoflow"


def settings_from(environ: dict[str, str]) -> Settings:
    """Read settings, without the secret files that this machine may have."""
    return Settings.from_environ({"AUTOFLOW_SECRETS_DIR": "/nonexistent", **environ})


class TestDatabaseAddress:
    """The address of PostgreSQL with its password."""

    def test_without_a_setting_there_is_none(self) -> None:
        """Dagster's SQLite."""
        assert postgres_url(settings_from({})) is None

    @pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg2"])
    def test_the_password_may_have_any_characters(self, scheme: str) -> None:
        """Quoted, so that the address means what was meant; AutoFlow did not."""
        uri = URI.replace("postgresql", scheme)
        url = postgres_url(
            settings_from({"AUTOFLOW_DB_URI": uri, "AUTOFLOW_DB_PASSWORD": PASSWORD})
        )
        assert url is not None
        parts = urlsplit(url)
        assert unquote(parts.password or "") == PASSWORD
        assert (parts.scheme, parts.username, parts.hostname, parts.port, parts.path) == (
            "postgresql+psycopg2",
            "user",
            "db.example.org",
            5432,
            "/autoflow",
        )

    def test_without_a_place_for_it_the_password_is_left_out(self) -> None:
        """The database may not want one."""
        uri = "postgresql+psycopg2://user@db/autoflow"
        environ = {"AUTOFLOW_DB_URI": uri, "AUTOFLOW_DB_PASSWORD": PASSWORD}
        assert postgres_url(settings_from(environ)) == uri

    @pytest.mark.parametrize(
        ("uri", "kind"),
        [
            ("sqlite:////tmp/test.db", "sqlite"),
            ("mysql://user:DUMMY_SECRET@db/x", "mysql"),
            ("user:DUMMY_SECRET@db/x", "none"),
        ],
    )
    def test_another_database_is_refused_without_showing_the_address(
        self, uri: str, kind: str
    ) -> None:
        """AutoFlow's own default was SQLite."""
        with pytest.raises(SettingsError) as caught:
            postgres_url(settings_from({"AUTOFLOW_DB_URI": uri}))
        assert str(caught.value) == (
            f'AUTOFLOW_DB_URI: the database kind "{kind}" is not supported.\n'
            "  Give a postgresql:// address, or leave it unset for Dagster's SQLite."
        )

    @pytest.mark.parametrize(
        ("uri", "problem"),
        [
            ("postgresql://user:{x}@db/x", "has other braces than one {}"),
            ("postgresql://user:{}@db/{}", "has other braces than one {}"),
            ("postgresql://user:{}@db:543a/x", "is no address"),
            ("postgresql://user:{}@db:99999/x", "is no address"),
            ("postgresql://user:{}@db:0/x", "is no address"),
            ("postgresql://user:DUMMY_SECRET@[::1/x", "is no address"),
        ],
    )
    def test_what_cannot_be_an_address_is_refused(self, uri: str, problem: str) -> None:
        """Instead of being tried for minutes as if the database were down."""
        environ = {"AUTOFLOW_DB_URI": uri, "AUTOFLOW_DB_PASSWORD": PASSWORD}
        with pytest.raises(SettingsError, match=problem) as caught:
            postgres_url(settings_from(environ))
        assert caught.value.where == "AUTOFLOW_DB_URI"
        assert "DUMMY_SECRET" not in str(caught.value)

    @pytest.mark.parametrize(
        "uri",
        [
            "postgresql://user:{}@/x?host=/run/postgresql",
            "postgresql://user:pass#word@db/x",
            "postgresql://user:{}@[::1]:5432/x",
        ],
    )
    def test_what_the_driver_can_read_is_taken(self, uri: str) -> None:
        """Also addresses that a browser would not take."""
        environ = {"AUTOFLOW_DB_URI": uri, "AUTOFLOW_DB_PASSWORD": "x"}
        assert postgres_url(settings_from(environ)) is not None

    def test_a_place_for_the_password_needs_one(self) -> None:
        """The database would only say that authentication failed."""
        with pytest.raises(SettingsError) as caught:
            postgres_url(settings_from({"AUTOFLOW_DB_URI": URI}))
        assert str(caught.value) == (
            "AUTOFLOW_DB_PASSWORD: is not set, but AUTOFLOW_DB_URI has {} for it.\n"
            "  Set the variable, or the Docker secret AUTOFLOW_DB_PASSWORD."
        )


class TestHome:
    """The directory itself."""

    def test_it_is_made_with_what_the_settings_say(self, tmp_path: Path) -> None:
        """SQLite, and so many runs at the same time."""
        home = tmp_path / "new" / "home"
        prepare_home(home, settings_from({"AUTOFLOW_MAX_CONCURRENT_RUNS": "7"}))
        config = yaml.safe_load((home / "dagster.yaml").read_text())
        assert config["concurrency"]["runs"]["max_concurrent_runs"] == 7
        assert config["telemetry"] == {"enabled": False}
        assert "storage" not in config
        assert [path.name for path in home.iterdir()] == ["dagster.yaml"]

    def test_the_database_password_is_not_written(self, tmp_path: Path) -> None:
        """Only the name of the variable that has it."""
        environ = {"AUTOFLOW_DB_URI": URI, "AUTOFLOW_DB_PASSWORD": "DUMMY_SECRET"}
        prepare_home(tmp_path, settings_from(environ))
        text = (tmp_path / "dagster.yaml").read_text()
        assert "DUMMY_SECRET" not in text
        storage = yaml.safe_load(text)["storage"]
        assert storage == {"postgres": {"postgres_url": {"env": POSTGRES_URL_VARIABLE}}}

    def test_a_second_start_follows_changed_settings(self, tmp_path: Path) -> None:
        """Changes to the file are lost, as it says itself."""
        prepare_home(tmp_path, settings_from({}))
        (tmp_path / "dagster.yaml").write_text("edited: true")
        prepare_home(tmp_path, settings_from({"AUTOFLOW_MAX_CONCURRENT_RUNS": "3"}))
        text = (tmp_path / "dagster.yaml").read_text()
        assert text.startswith("# Made from AutoFlow's settings at each start; changes here are")
        assert "max_concurrent_runs: 3" in text

    def test_a_wrong_setting_leaves_the_old_file(self, tmp_path: Path) -> None:
        """Nothing is half done."""
        prepare_home(tmp_path, settings_from({}))
        before = (tmp_path / "dagster.yaml").read_text()
        with pytest.raises(SettingsError):
            prepare_home(tmp_path, settings_from({"AUTOFLOW_DB_URI": "sqlite:///x"}))
        assert (tmp_path / "dagster.yaml").read_text() == before

    def test_it_lies_in_the_outputs_unless_it_is_named(self, tmp_path: Path) -> None:
        """The outputs outlive a container."""
        environ = {"AUTOFLOW_OUTPUTS_DIR": str(tmp_path)}
        assert dagster_home(settings_from(environ)) == tmp_path / ".dagster"
        named = {**environ, "DAGSTER_HOME": "/dagster/home"}
        assert dagster_home(settings_from(named)) == Path("/dagster/home")


def test_processes_get_the_home_and_the_database() -> None:
    """And everything else that this process has."""
    environ = {"AUTOFLOW_DB_URI": URI, "AUTOFLOW_DB_PASSWORD": "x/y", "PATH": "/bin"}
    environment = service_environment(Path("/home"), settings_from(environ))
    assert environment["DAGSTER_HOME"] == "/home"
    assert environment["PATH"] == "/bin"
    assert environment[POSTGRES_URL_VARIABLE] == URI.replace("{}", "x%2Fy").replace(
        "postgresql:", "postgresql+psycopg2:"
    )
    assert POSTGRES_URL_VARIABLE not in service_environment(Path("/home"), settings_from({}))


@pytest.mark.integration
def test_dagster_accepts_the_home(tmp_path: Path) -> None:
    """The instance is what the file says, in a process that knows DAGSTER_HOME alone."""
    settings = settings_from({"AUTOFLOW_MAX_CONCURRENT_RUNS": "5"})
    prepare_home(tmp_path, settings)
    code = (
        "from dagster import DagsterInstance\n"
        "with DagsterInstance.get() as instance:\n"
        "    config = instance.get_concurrency_config()\n"
        "    print(config.run_queue_config.max_concurrent_runs)\n"
        "    print(type(instance.event_log_storage).__name__)\n"
        "    print(instance.telemetry_enabled, instance.run_monitoring_enabled)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **service_environment(tmp_path, settings)},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["5", "SqliteEventLogStorage", "False", "True"]
