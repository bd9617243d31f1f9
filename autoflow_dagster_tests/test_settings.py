"""Settings from environment variables and secret files."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoflow_dagster.errors import SettingsError
from autoflow_dagster.settings import (
    Settings,
    available_cores,
    available_memory,
    redact,
    settings_table,
)

NO_SECRETS = "/nonexistent/secrets"


def settings_from(environ: dict[str, str]) -> Settings:
    """Read settings, without the secret files that this machine may have."""
    return Settings.from_environ({"AUTOFLOW_SECRETS_DIR": NO_SECRETS, **environ})


def error_from(environ: dict[str, str]) -> str:
    """Return the message for wrong settings."""
    with pytest.raises(SettingsError) as caught:
        settings_from(environ)
    return str(caught.value)


@contextlib.contextmanager
def as_ordinary_user() -> Iterator[None]:
    """Give up root's right to read everything, if this process has it, while the block lasts."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(user)


class TestDefaults:
    """Nothing is set."""

    def test_everything_has_the_documented_default(self) -> None:
        """An empty environment gives a usable object."""
        settings = settings_from({})
        assert settings.inputs_dir == Path("/mounts/inputs")
        assert settings.outputs_dir == Path("/mounts/outputs")
        assert settings.log_level == "INFO"
        assert settings.flowapi_url is None
        assert settings.ssl_certificate_file is None
        assert settings.db_uri is None
        assert settings.run_requests_per_tick == 100
        assert settings.flowapi_connect_timeout_seconds == 10
        assert settings.flowapi_timeout_seconds == 45
        assert settings.pdf_engine == "typst"
        assert settings.kernel_env == ()
        assert 1 <= settings.max_concurrent_runs <= 8

    def test_an_empty_value_counts_as_unset(self) -> None:
        """Compose files set variables to nothing."""
        names = [f.metadata["name"] for f in dataclasses.fields(Settings) if f.metadata]
        assert len(names) > 15
        empty = settings_from({name: " " for name in names if name != "AUTOFLOW_SECRETS_DIR"})
        assert empty == settings_from({})

    def test_outputs_have_their_directories(self, tmp_path: Path) -> None:
        """Failed notebooks apart from the good ones."""
        settings = settings_from({"AUTOFLOW_OUTPUTS_DIR": str(tmp_path)})
        assert settings.notebooks_dir == tmp_path / "notebooks"
        assert settings.failed_notebooks_dir == tmp_path / "notebooks" / "failed"
        assert settings.reports_dir == tmp_path / "reports"
        assert list(tmp_path.iterdir()) == [], "reading settings writes nothing"


class TestContainer:
    """How much of the machine the container may use, by the kernel's files."""

    @pytest.mark.parametrize(
        ("files", "expected"),
        [
            ({}, 1000),
            ({"cpu.max": "max 100000\n"}, 1000),
            ({"cpu.max": "300000 100000\n"}, 3),
            ({"cpu.max": "150000 100000\n"}, 2),
            ({"cpu.max": "10000 100000\n"}, 1),
            ({"cpu.max": "200000000 100000\n"}, 1000),
            ({"cpu.max": "nonsense\n"}, 1000),
            ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, 1000),
            ({"cpu/cpu.cfs_quota_us": "50000\n", "cpu/cpu.cfs_period_us": "25000\n"}, 2),
        ],
    )
    def test_processors(
        self,
        files: dict[str, str],
        expected: int,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """In both versions; never more than the machine has, of which a thousand are assumed."""
        monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(1000)))
        assert available_cores(kernel_files(tmp_path, files)) == expected

    @pytest.mark.parametrize(
        ("files", "expected"),
        [
            ({}, None),
            ({"memory.max": "max\n"}, None),
            ({"memory.max": "1073741824\n"}, 2**30),
            ({"memory/memory.limit_in_bytes": "9223372036854771712\n"}, None),
            ({"memory/memory.limit_in_bytes": "1073741824\n"}, 2**30),
        ],
    )
    def test_memory(self, files: dict[str, str], expected: int | None, tmp_path: Path) -> None:
        """In both versions; without a limit, all that the machine has."""
        whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        assert available_memory(kernel_files(tmp_path, files)) == (expected or whole)


def kernel_files(directory: Path, files: dict[str, str]) -> Path:
    """Write files like the kernel's; return their directory."""
    for name, text in files.items():
        path = directory / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return directory


class TestValues:
    """Values that are set."""

    def test_paths_become_absolute(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        """The processes of the service have other working directories."""
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("HOME", str(tmp_path / "home"))
        settings = settings_from({"AUTOFLOW_INPUTS_DIR": "in", "AUTOFLOW_OUTPUTS_DIR": "~/out"})
        assert settings.inputs_dir == tmp_path / "in"
        assert settings.outputs_dir == tmp_path / "home" / "out"

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("https://flowapi.example.org", "https://flowapi.example.org"),
            ("https://flowapi.example.org:9090/", "https://flowapi.example.org:9090"),
            ("HTTP://[::1]:9090//", "HTTP://[::1]:9090"),
            ("http://proxy.example.org/flowapi/", "http://proxy.example.org/flowapi"),
        ],
    )
    def test_an_address_loses_its_last_slashes(self, text: str, expected: str) -> None:
        """So that a path can be put behind it."""
        assert settings_from({"FLOWAPI_URL": text}).flowapi_url == expected

    @pytest.mark.parametrize(
        ("text", "expected"), [("A", ("A",)), ("A,B", ("A", "B")), (" A , B  C,", ("A", "B", "C"))]
    )
    def test_names_are_separated_by_commas_or_spaces(
        self, text: str, expected: tuple[str, ...]
    ) -> None:
        """Both are natural."""
        assert settings_from({"AUTOFLOW_KERNEL_ENV": text}).kernel_env == expected

    @pytest.mark.parametrize(
        ("text", "expected"),
        [("90d", timedelta(days=90)), ("1 day", timedelta(days=1)), ("1000", 1000)],
    )
    def test_runs_are_kept_by_age_or_number(self, text: str, expected: timedelta | int) -> None:
        """A number alone counts runs; files go by their age only."""
        assert settings_from({"AUTOFLOW_KEEP_RUNS": text}).keep_runs == expected


class TestWrongValues:
    """Values that cannot be meant."""

    @pytest.mark.parametrize(
        "name", ["AUTOFLOW_DB_URI", "AUTOFLOW_DB_PASSWORD", "AUTOFLOW_POSTGRES_URL"]
    )
    def test_no_notebook_may_see_the_database(self, name: str) -> None:
        """Told with everything else that is wrong, instead of being passed or left out silently."""
        environ = {"AUTOFLOW_KERNEL_ENV": f"GREETING, {name}", "FLOWAPI_URL": "x"}
        first, second = error_from(environ).splitlines()
        assert first == (
            f'AUTOFLOW_KERNEL_ENV: "GREETING, {name}" is not valid. '
            f"Leave out {name}: no notebook may see the database."
        )
        assert second.startswith("FLOWAPI_URL:")

    @pytest.mark.parametrize("name", ["AUTOFLOW_SENSOR_INTERVAL", "AUTOFLOW_RUN_REQUESTS_PER_TICK"])
    @pytest.mark.parametrize("text", ["0", "-1", "1.5", "ten", "1e3", "²", "0x10"])
    def test_whole_numbers(self, name: str, text: str) -> None:
        """Each of the wrong ones for each of the variables."""
        assert error_from({name: text}) == (
            f'{name}: "{text}" is not valid. Give a whole number of 1 or more.'
        )

    @pytest.mark.parametrize("text", ["0", "0d", "-1", "1.5", "²", "forever", "1000 runs"])
    def test_what_is_kept(self, text: str) -> None:
        """Nothing at all cannot be meant."""
        assert error_from({"AUTOFLOW_KEEP_RUNS": text}) == (
            f'AUTOFLOW_KEEP_RUNS: "{text}" is not valid. '
            "Give a number of days, such as 90d, or a number of runs, such as 1000."
        )
        assert "Give a number of days, such as 90d." in error_from({"AUTOFLOW_KEEP_OUTPUTS": "7"})

    @pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "soon"])
    def test_seconds(self, text: str) -> None:
        """Zero would mean no time at all, infinity a sensor that hangs."""
        assert error_from({"AUTOFLOW_FLOWAPI_TIMEOUT": text}) == (
            f'AUTOFLOW_FLOWAPI_TIMEOUT: "{text}" is not valid. Give a number of seconds above 0.'
        )

    @pytest.mark.parametrize(
        "text",
        [
            "flowapi.example.org",
            "ftp://flowapi.example.org",
            "http://",
            "http:flowapi",
            "http://flow api",
            "http://flowapi:99999",
            "http://flowapi:0",
            "http://[::1",
        ],
    )
    def test_addresses(self, text: str) -> None:
        """What no request could be sent to."""
        assert error_from({"FLOWAPI_URL": text}) == (
            f'FLOWAPI_URL: "{text}" is not valid. '
            "Give an address that starts with https:// or http://."
        )

    @pytest.mark.parametrize(
        ("name", "text", "allowed"),
        [
            ("AUTOFLOW_LOG_LEVEL", "debug", "DEBUG, INFO, WARNING, ERROR, CRITICAL"),
            ("AUTOFLOW_PDF_ENGINE", "latex", "typst, asciidoctor, auto"),
        ],
    )
    def test_choices(self, name: str, text: str, allowed: str) -> None:
        """The message lists what is allowed."""
        assert error_from({name: text}) == f'{name}: "{text}" is not valid. Give one of {allowed}.'

    def test_all_of_them_are_named_at_once(self) -> None:
        """One restart mends everything."""
        environ = {"FLOWAPI_URL": "x", "AUTOFLOW_SENSOR_INTERVAL": "x", "AUTOFLOW_LOG_LEVEL": "x"}
        assert [line.split(":")[0] for line in error_from(environ).splitlines()] == [
            "AUTOFLOW_LOG_LEVEL",
            "AUTOFLOW_SENSOR_INTERVAL",
            "FLOWAPI_URL",
        ]

    @pytest.mark.parametrize(
        "text",
        ["https://DUMMY_USER:DUMMY_SECRET@flowapi", "eyJDUMMY_SECRET", "x://y:DUMMY_SECRET@z"],
    )
    def test_what_may_hold_a_secret_is_not_shown(self, text: str) -> None:
        """A password in an address, and a token that was put in the wrong variable."""
        message = error_from({"FLOWAPI_URL": text})
        assert message.startswith("FLOWAPI_URL: is not valid. ")
        assert "DUMMY" not in message


class TestSecrets:
    """Secrets come from files first, and their values are never kept."""

    @pytest.fixture
    def secrets_dir(self, tmp_path: Path) -> Path:
        """Return the directory of Docker secrets."""
        return tmp_path

    def test_a_file_wins_over_the_variable(self, secrets_dir: Path) -> None:
        """As in AutoFlow; white space around it is dropped."""
        (secrets_dir / "FLOWAPI_TOKEN").write_text(" FROM_FILE\r\n")
        settings = Settings.from_environ(
            {"AUTOFLOW_SECRETS_DIR": str(secrets_dir), "FLOWAPI_TOKEN": "FROM_VARIABLE"}
        )
        assert settings.secret("FLOWAPI_TOKEN") == "FROM_FILE"

    def test_the_variable_is_used_without_a_file(self) -> None:
        """None when there is neither."""
        assert settings_from({"FLOWAPI_TOKEN": "x"}).secret("FLOWAPI_TOKEN") == "x"
        assert settings_from({}).secret("FLOWAPI_TOKEN") is None
        assert settings_from({"FLOWAPI_TOKEN": "\n"}).secret("FLOWAPI_TOKEN") is None

    def test_every_setting_can_be_a_file(self, secrets_dir: Path) -> None:
        """Not the secrets alone."""
        (secrets_dir / "FLOWAPI_URL").write_text("https://flowapi.example.org\n")
        settings = Settings.from_environ({"AUTOFLOW_SECRETS_DIR": str(secrets_dir)})
        assert settings.flowapi_url == "https://flowapi.example.org"

    def test_a_rotated_secret_is_seen_at_once(self, secrets_dir: Path) -> None:
        """No restart."""
        settings = Settings.from_environ({"AUTOFLOW_SECRETS_DIR": str(secrets_dir)})
        for value in ("FIRST", "SECOND"):
            (secrets_dir / "FLOWAPI_TOKEN").write_text(value)
            assert settings.secret("FLOWAPI_TOKEN") == value

    def test_a_secret_that_is_a_directory_is_an_error(self, secrets_dir: Path) -> None:
        """Not the same as absent: Docker makes one when the file to mount does not exist."""
        (secrets_dir / "FLOWAPI_TOKEN").mkdir()
        settings = Settings.from_environ({"AUTOFLOW_SECRETS_DIR": str(secrets_dir)})
        with pytest.raises(SettingsError) as caught:
            settings.secret("FLOWAPI_TOKEN")
        assert str(caught.value) == (
            f"{secrets_dir / 'FLOWAPI_TOKEN'}: the secret file cannot be read (IsADirectoryError).\n"
            "  Make it a text file that this user can read, or remove it to use the environment "
            "variable."
        )

    def test_a_secret_that_is_no_text_is_an_error_without_its_content(
        self, secrets_dir: Path
    ) -> None:
        """Whatever the locale."""
        (secrets_dir / "FLOWAPI_TOKEN").write_bytes(b"DUMMY_SECRET\xff")
        settings = Settings.from_environ({"AUTOFLOW_SECRETS_DIR": str(secrets_dir)})
        with pytest.raises(SettingsError, match="UnicodeDecodeError") as caught:
            settings.secret("FLOWAPI_TOKEN")
        assert "DUMMY_SECRET" not in str(caught.value)

    def test_a_secret_that_may_not_be_read_is_an_error(self, secrets_dir: Path) -> None:
        """Instead of falling back silently to an old variable."""
        (secrets_dir / "FLOWAPI_TOKEN").write_text("x")
        (secrets_dir / "FLOWAPI_TOKEN").chmod(0)
        environ = {"AUTOFLOW_SECRETS_DIR": str(secrets_dir), "FLOWAPI_TOKEN": "OLD"}
        settings = Settings.from_environ(environ)
        with as_ordinary_user(), pytest.raises(SettingsError, match="PermissionError"):
            settings.secret("FLOWAPI_TOKEN")

    def test_an_unreadable_file_of_a_setting_is_reported_with_the_rest(
        self, secrets_dir: Path
    ) -> None:
        """Beside the wrong values."""
        (secrets_dir / "FLOWAPI_URL").mkdir()
        with pytest.raises(SettingsError) as caught:
            Settings.from_environ(
                {"AUTOFLOW_SECRETS_DIR": str(secrets_dir), "AUTOFLOW_LOG_LEVEL": "x"}
            )
        assert "AUTOFLOW_LOG_LEVEL:" in str(caught.value)
        assert f"{secrets_dir / 'FLOWAPI_URL'}: the secret file cannot be read" in str(caught.value)

    @pytest.mark.parametrize(
        "environ",
        [
            {"FLOWAPI_TOKEN": "DUMMY_SECRET"},
            {"AUTOFLOW_DB_PASSWORD": "DUMMY_SECRET"},
            {"AUTOFLOW_DB_URI": "postgresql://user:DUMMY_SECRET@db/autoflow"},
        ],
    )
    def test_no_secret_is_in_the_repr(self, environ: dict[str, str]) -> None:
        """Settings are shown in tracebacks and test reports."""
        settings = settings_from(environ)
        assert "DUMMY_SECRET" not in repr(settings)
        assert "DUMMY_SECRET" in settings.secret_values()

    def test_secret_values_are_all_that_must_not_be_shown(self) -> None:
        """Each value once, the password also as it stands in an address."""
        settings = settings_from(
            {
                "FLOWAPI_TOKEN": "DUMMY_TOKEN",
                "AUTOFLOW_DB_PASSWORD": "pass/word",
                "AUTOFLOW_DB_URI": "postgresql://user:{}@db/autoflow",
            }
        )
        assert settings.secret_values() == ("DUMMY_TOKEN", "pass/word", "pass%2Fword")

    @pytest.mark.parametrize(
        ("uri", "expected"),
        [
            ("postgresql://user:pass%2Fword@db/x", ("pass/word", "pass%2Fword")),
            ("postgresql://user@db/x", ()),
            ("postgresql://user:{}@db/x", ()),
            ("postgresql://[", ()),
            ("x", ()),
        ],
    )
    def test_a_password_in_the_database_address_is_secret(
        self, uri: str, expected: tuple[str, ...]
    ) -> None:
        """Whether it was meant to be there or not."""
        assert settings_from({"AUTOFLOW_DB_URI": uri}).secret_values() == expected

    def test_values_that_are_in_every_text_are_left_out(self) -> None:
        """A password of one letter would make asterisks of every report."""
        assert settings_from({"AUTOFLOW_DB_PASSWORD": "abc"}).secret_values() == ()
        assert settings_from({"AUTOFLOW_DB_PASSWORD": "abcd"}).secret_values() == ("abcd",)


@given(
    st.lists(st.text("abc", min_size=1), max_size=4).map(tuple),
    st.text("abcx"),
)
def test_nothing_secret_is_left_of_a_text(secrets: tuple[str, ...], text: str) -> None:
    """Secrets that contain each other included."""
    redacted = redact(text, secrets)
    assert all(secret not in redacted for secret in secrets)
    if not any(secret in text for secret in secrets):
        assert redacted == text


def test_every_setting_is_in_the_table() -> None:
    """The table in the README is made from the declarations."""
    table = settings_table()
    names = [f.metadata["name"] for f in dataclasses.fields(Settings) if f.metadata]
    assert [line.split("`")[1] for line in table.splitlines()[2:]] == [
        *names,
        "FLOWAPI_TOKEN",
        "AUTOFLOW_DB_PASSWORD",
    ]
    assert "| `AUTOFLOW_FLOWAPI_TIMEOUT` | `45` | Seconds for a whole request" in table
    assert "| `FLOWAPI_URL` | none |" in table
