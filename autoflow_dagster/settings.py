"""Settings: environment variables and Docker secrets, read here and nowhere else.

A secret's value is never kept: `Settings.secret` reads it where it is used, from its file first, so
that a rotated secret is picked up without a restart.
"""

from __future__ import annotations

import dataclasses
import math
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal, get_args
from urllib.parse import quote, unquote, urlsplit

from autoflow_dagster.errors import SettingsError

FLOWAPI_TOKEN = "FLOWAPI_TOKEN"
DB_URI = "AUTOFLOW_DB_URI"
DB_PASSWORD = "AUTOFLOW_DB_PASSWORD"
POSTGRES_URL_VARIABLE = "AUTOFLOW_POSTGRES_URL"
"""Variable by which the processes of the service learn the database, password included."""

OF_THE_DATABASE = (DB_URI, DB_PASSWORD, POSTGRES_URL_VARIABLE)
"""Variables that no notebook ever sees."""

MIN_SECRET_LENGTH = 4

CGROUP = Path("/sys/fs/cgroup")
"""The limits of this container, as it sees them itself."""

LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
PdfEngine = Literal["typst", "asciidoctor", "auto"]
PDF_ENGINES: tuple[PdfEngine, ...] = get_args(PdfEngine)


def _path(text: str) -> Path:
    return Path(text).expanduser().absolute()


def _positive_int(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise ValueError("Give a whole number of 1 or more.")
    return int(text)


def _positive_seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 < seconds < float("inf"):
        raise ValueError("Give a number of seconds above 0.")
    return seconds


def _language(text: str) -> str:
    if not re.fullmatch(r"[a-z]{2,3}", text):
        raise ValueError("Give a language code of two or three letters, such as en, fr or ne.")
    return text


def default_concurrency(cores: int, memory_bytes: int) -> int:
    """Return how many runs go at the same time unless somebody says.

    One more than cores, because a run waits now and then: for FlowAPI, and for being started. The
    service takes about a gigabyte, a run with its kernel up to half of one.

    Examples
    --------
    >>> default_concurrency(cores=2, memory_bytes=8 * 2**30)
    3
    >>> default_concurrency(cores=2, memory_bytes=2 * 2**30)
    2
    >>> default_concurrency(cores=16, memory_bytes=64 * 2**30)
    8
    """
    fit = (memory_bytes - 2**30) // 2**29
    return max(1, min(cores + 1, fit, 8))


def available_cores(cgroup: Path = CGROUP) -> int:
    """Return how many processors this machine or container has; a part of one counts as one.

    Parameters
    ----------
    cgroup : Path
        Where the kernel tells what a container may use, in version 2 or 1 of its files.
    """
    cores = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 2
    )
    first_version = cgroup / "cpu"
    words = _words(cgroup / "cpu.max") or [
        *_words(first_version / "cpu.cfs_quota_us"),
        *_words(first_version / "cpu.cfs_period_us"),
    ]
    if len(words) != 2 or not all(word.isdecimal() for word in words):  # no limit: "max", or -1
        return cores
    quota, period = map(int, words)
    return max(1, min(cores, math.ceil(quota / period)))


def available_memory(cgroup: Path = CGROUP) -> int:
    """Return how many bytes of memory this machine or container has; see `available_cores`."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    words = _words(cgroup / "memory.max") or _words(cgroup / "memory" / "memory.limit_in_bytes")
    return min([memory, *(int(word) for word in words if word.isdecimal())])


def _words(path: Path) -> list[str]:
    """Return the words of a file of the kernel's; none when it is not there."""
    try:
        return path.read_text().split()
    except OSError:
        return []


def _one_of(*allowed: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in allowed:
            raise ValueError(f"Give one of {', '.join(allowed)}.")
        return text

    return parse


def _http_url(text: str) -> str:
    try:
        parts = urlsplit(text)
        is_address = bool(parts.hostname) and parts.port != 0 and not re.search(r"\s", text)
    except ValueError:  # of brackets or the port
        is_address = False
    if not is_address or parts.scheme not in ("http", "https"):
        raise ValueError("Give an address that starts with https:// or http://.")
    if parts.username is not None:
        raise ValueError("Leave out the user name and password: FlowAPI wants a token only.")
    return text.rstrip("/")


def _on_or_off(text: str) -> bool:
    return _one_of("on", "off")(text.lower()) == "on"


def _days(text: str) -> timedelta:
    match = re.fullmatch(r"([1-9][0-9]{0,4}) ?d(?:ays?)?", text)
    if not match:
        raise ValueError("Give a number of days, such as 90d.")
    return timedelta(days=int(match[1]))


def _days_or_count(text: str) -> timedelta | int:
    if text.isascii() and text.isdecimal() and int(text) > 0:
        return int(text)
    try:
        return _days(text)
    except ValueError:
        raise ValueError(
            "Give a number of days, such as 90d, or a number of runs, such as 1000."
        ) from None


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.replace(",", " ").split())


def _names_for_kernels(text: str) -> tuple[str, ...]:
    names = _names(text)
    if hidden := sorted(set(names) & set(OF_THE_DATABASE)):
        raise ValueError(f"Leave out {', '.join(hidden)}: no notebook may see the database.")
    return names


def _setting(
    name: str,
    default: Any,
    parse: Callable[[str], Any],
    meaning: str,
    shown: str = "",
    may_hold_secret: bool = False,
) -> Any:
    """Declare a setting: its variable, default, parser, and its row of the README's table."""
    metadata = {"name": name, "parse": parse, "meaning": meaning, "shown": shown}
    return dataclasses.field(default=default, repr=not may_hold_secret, metadata=metadata)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the environment says, checked.

    Attributes are documented by the settings table in the README, which is made from them.
    """

    inputs_dir: Path = _setting(
        "AUTOFLOW_INPUTS_DIR",
        Path("/mounts/inputs"),
        _path,
        "Directory of `workflows.yml`, notebooks and templates. Never written to.",
    )
    outputs_dir: Path = _setting(
        "AUTOFLOW_OUTPUTS_DIR",
        Path("/mounts/outputs"),
        _path,
        "Directory of executed notebooks (`notebooks/`) and reports (`reports/`).",
    )
    log_level: str = _setting(
        "AUTOFLOW_LOG_LEVEL",
        "INFO",
        _one_of(*LOG_LEVELS),
        "Least severity of log lines: " + ", ".join(LOG_LEVELS) + ".",
    )
    flowapi_url: str | None = _setting(
        "FLOWAPI_URL",
        None,
        _http_url,
        "Address of FlowAPI, such as `https://flowapi.example.org:9090`.",
    )
    ssl_certificate_file: Path | None = _setting(
        "SSL_CERTIFICATE_FILE",
        None,
        _path,
        "Certificate to trust for FlowAPI over https; unset: the usual authorities.",
    )
    db_uri: str | None = _setting(
        DB_URI,
        None,
        str,
        "`postgresql://user:{}@host:5432/database`, `{}` standing for the password; "
        "unset: Dagster's SQLite below `DAGSTER_HOME`.",
        may_hold_secret=True,
    )
    check_interval_seconds: int = _setting(
        "AUTOFLOW_SENSOR_INTERVAL",
        15,
        _positive_int,
        "Seconds between sensor ticks. A tick asks FlowAPI only when the schedule says so.",
    )
    run_requests_per_tick: int = _setting(
        "AUTOFLOW_RUN_REQUESTS_PER_TICK",
        100,
        _positive_int,
        "Most runs that one tick requests; the rest follow at the next ticks, oldest dates first.",
    )
    max_concurrent_runs: int = _setting(
        "AUTOFLOW_MAX_CONCURRENT_RUNS",
        default_concurrency(available_cores(), available_memory()),
        _positive_int,
        "Most runs at the same time.",
        shown="a run more than the container has cores, up to 8, as far as its memory lasts",
    )
    flowapi_connect_timeout_seconds: float = _setting(
        "AUTOFLOW_FLOWAPI_CONNECT_TIMEOUT",
        10.0,
        _positive_seconds,
        "Seconds to wait for a connection to FlowAPI.",
    )
    flowapi_timeout_seconds: float = _setting(
        "AUTOFLOW_FLOWAPI_TIMEOUT",
        45.0,
        _positive_seconds,
        "Seconds for a whole request for available dates.",
    )
    stop_grace_seconds: float = _setting(
        "AUTOFLOW_STOP_GRACE",
        60.0,
        _positive_seconds,
        "Seconds that running notebooks get to finish when the service is stopped.",
    )
    pdf_engine: PdfEngine = _setting(
        "AUTOFLOW_PDF_ENGINE",
        "typst",
        _one_of(*PDF_ENGINES),
        "What makes PDF reports: typst (built in), asciidoctor (when installed), "
        "auto (typst, then asciidoctor when typst fails).",
    )
    report_author: str = _setting(
        "AUTOFLOW_REPORT_AUTHOR", "", str, "Author in the properties of reports."
    )
    report_language: str = _setting(
        "AUTOFLOW_REPORT_LANGUAGE",
        "en",
        _language,
        "Language code in the properties of reports, such as `fr`; it also decides hyphenation.",
    )
    report_max_table_rows: int = _setting(
        "AUTOFLOW_REPORT_MAX_TABLE_ROWS",
        500,
        _positive_int,
        "Longest table of a PDF report, in rows; the rest is left out with a remark. HTML has all.",
    )
    report_time_limit: float = _setting(
        "AUTOFLOW_REPORT_TIME_LIMIT",
        300.0,
        _positive_seconds,
        "Seconds that making a report may take.",
    )
    report_memory_limit: int = _setting(
        "AUTOFLOW_REPORT_MEMORY_LIMIT",
        2000,
        _positive_int,
        "Most memory, in MB, of each program that making a report starts.",
    )
    reports_url: str | None = _setting(
        "AUTOFLOW_REPORTS_URL",
        None,
        _http_url,
        "Address at which readers find the site of reports; report assets link to it.",
    )
    kernel_env: tuple[str, ...] = _setting(
        "AUTOFLOW_KERNEL_ENV",
        (),
        _names_for_kernels,
        "Names of further environment variables that notebooks see, separated by commas. They see "
        "those of FlowAPI and those that programs need to run; never the database's.",
    )
    warm_runs: bool = _setting(
        "AUTOFLOW_WARM_RUNS",
        True,
        _on_or_off,
        "`on`: the service's processes and runs are forked from one that has imported Dagster; "
        "`off`: each imports it.",
        shown="`on`",
    )
    warm_kernels: bool = _setting(
        "AUTOFLOW_WARM_KERNELS",
        True,
        _on_or_off,
        "`on`: kernels are forked from a process that has imported what notebooks import; "
        "`off`: each imports it.",
        shown="`on`",
    )
    warm_modules: tuple[str, ...] = _setting(
        "AUTOFLOW_WARM_MODULES",
        (),
        _names,
        "Modules that warm kernels have imported, separated by commas.",
        shown="what the inputs' notebooks import",
    )
    keep_runs: timedelta | int | None = _setting(
        "AUTOFLOW_KEEP_RUNS",
        None,
        _days_or_count,
        "Age, such as `90d`, after which runs are deleted from Dagster with their event logs, or "
        "the number of newest runs, such as `1000`, that are kept. What has been done is not "
        "forgotten.",
        shown="for ever",
    )
    keep_outputs: timedelta | None = _setting(
        "AUTOFLOW_KEEP_OUTPUTS",
        None,
        _days,
        "Age, such as `365d`, after which executed notebooks and reports are deleted that have been "
        "made again since. The newest ones of each date stay.",
        shown="for ever",
    )
    secrets_dir: Path = _setting(
        "AUTOFLOW_SECRETS_DIR",
        Path("/run/secrets"),
        _path,
        "Directory of Docker secrets; a file named like a variable wins over the variable.",
    )
    working_dir: Path | None = None
    """Where notebooks are executed; None: in the inputs directory. Not a setting of the operator."""

    environ: Mapping[str, str] = dataclasses.field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Settings:
        """Read every setting.

        Parameters
        ----------
        environ : mapping
            Usually ``os.environ``; an empty value counts as unset.

        Raises
        ------
        SettingsError
            Naming all wrong values at once.
        """
        settings, problems = cls.read(environ)
        if problems:
            raise SettingsError("", "\n".join(problems))
        return settings

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> tuple[Settings, list[str]]:
        """Return the settings, with defaults for wrong values, and a line for each of those."""
        secrets_dir = _path(environ.get("AUTOFLOW_SECRETS_DIR") or "/run/secrets")
        values: dict[str, Any] = {"environ": environ}
        problems = []
        for declared in _declared():
            name = declared.metadata["name"]
            try:
                text = _read(name, environ, secrets_dir)
                if text:
                    values[declared.name] = declared.metadata["parse"](text)
            except SettingsError as error:
                problems.append(str(error))
            except ValueError as error:
                problems.append(f"{name}:{_shown_value(text)} is not valid. {error}")
        return cls(**values), sorted(problems)

    def secret(self, name: str) -> str | None:
        """Return the present value of a secret, None when it is not set.

        Raises
        ------
        SettingsError
            When the secret's file exists and cannot be read.
        """
        return _read(name, self.environ, self.secrets_dir) or None

    def secret_values(self) -> tuple[str, ...]:
        """Return the values that must never appear in anything that is kept or shown.

        The token, the database's password (in its own setting, or written into AUTOFLOW_DB_URI)
        and the password as it stands in an address. Values of fewer than 4 characters are left out:
        they are in every text.
        """
        values = [self.secret(FLOWAPI_TOKEN), self.secret(DB_PASSWORD), self._password_in_db_uri()]
        spellings = [spelling for v in values if v for spelling in (v, quote(v, safe=""))]
        return tuple(dict.fromkeys(s for s in spellings if len(s) >= MIN_SECRET_LENGTH))

    def _password_in_db_uri(self) -> str | None:
        try:
            password = urlsplit(self.db_uri or "").password
        except ValueError:
            return None
        return None if password == "{}" else unquote(password or "")

    @property
    def notebooks_dir(self) -> Path:
        """Where executed notebooks go."""
        return self.outputs_dir / "notebooks"

    @property
    def failed_notebooks_dir(self) -> Path:
        """Where notebooks go that stopped with an error: apart from the good ones."""
        return self.notebooks_dir / "failed"

    @property
    def reports_dir(self) -> Path:
        """Where reports go."""
        return self.outputs_dir / "reports"


def redact(text: str, secrets: tuple[str, ...]) -> str:
    """Return `text` with each secret replaced by ``***``.

    Examples
    --------
    >>> redact("token abc refused", ("abc",))
    'token *** refused'
    """
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, "***")
    return text


def settings_table() -> str:
    """Return the settings as a Markdown table, for the README."""
    rows = ["| Variable | Default | Meaning |", "|---|---|---|"]
    for declared in _declared():
        default = declared.metadata["shown"] or _shown_default(declared.default)
        rows.append(
            f"| `{declared.metadata['name']}` | {default} | {declared.metadata['meaning']} |"
        )
    rows += [
        f"| `{FLOWAPI_TOKEN}` | none | FlowAPI access token (secret). |",
        f"| `{DB_PASSWORD}` | none | Password of the database (secret). |",
    ]
    return "\n".join(rows)


def _declared() -> list[dataclasses.Field[Any]]:
    return [declared for declared in dataclasses.fields(Settings) if "name" in declared.metadata]


def _shown_default(default: Any) -> str:
    if default in (None, "", ()):
        return "none"
    return f"`{default:g}`" if isinstance(default, float) else f"`{default}`"


def _shown_value(text: str) -> str:
    """Return a wrong value for a message, unless it looks like a token or holds a password."""
    return "" if text.startswith("eyJ") or "@" in text else f' "{text}"'


def _read(name: str, environ: Mapping[str, str], secrets_dir: Path) -> str:
    """Return a value from its secret file, else from the environment, else an empty string."""
    try:
        return (secrets_dir / name).read_text("utf-8").strip()
    except (FileNotFoundError, NotADirectoryError):
        return environ.get(name, "").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"{secrets_dir / name}",
            f"the secret file cannot be read ({type(error).__name__}).",
            "Make it a text file that this user can read, or remove it to use the environment variable.",
        ) from error
