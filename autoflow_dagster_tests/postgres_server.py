"""A private PostgreSQL server for tests and benchmarks: made, started, stopped and thrown away.

Uses the programs of Debian's package ``postgresql`` (``make postgres``). They refuse to run as root,
so root runs them as the unprivileged user ``nobody``.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

USER = "autoflow"
DATABASE = "autoflow"
START_SECONDS = 60
HOW_TO_INSTALL = "needs a PostgreSQL server: make postgres"


def programs() -> Path | None:
    """Return the directory of PostgreSQL's newest programs, None when it is not installed."""
    installed = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3])
    )
    if installed:
        return installed[-1].parent
    found = shutil.which("initdb")
    return Path(found).resolve().parent if found else None


class PostgresServer:
    """A server on a free port of this machine, with one database and one user with a password.

    Use it in a ``with`` block; the data is deleted at its end.

    Parameters
    ----------
    password : str
        Of the user; any characters.
    """

    def __init__(self, password: str = "DUMMY_PASSWORD") -> None:
        self.password = password
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        found = programs()
        if found is None:
            raise FileNotFoundError(HOW_TO_INSTALL)
        self._programs = found
        # Not pytest's tmp_path: nobody may not enter a directory of root, and the path of a Unix
        # socket is limited to about 100 characters.
        self._dir = Path(tempfile.mkdtemp(prefix="autoflow-pg-"))
        self._data = self._dir / "data"
        if _is_root():
            nobody = pwd.getpwnam("nobody")
            os.chown(self._dir, nobody.pw_uid, nobody.pw_gid)
        password_file = self._dir / "password"
        password_file.write_text(self.password)
        password_file.chmod(0o644)
        self._run(
            "initdb", "-D", self._data, "-U", USER, f"--pwfile={password_file}",
            "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync",
        )  # fmt: skip
        self.port = _free_port()
        self.start()
        self._run("createdb", *self._address, DATABASE, PGPASSWORD=self.password)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()
        shutil.rmtree(self._dir, ignore_errors=True)

    @property
    def uri(self) -> str:
        """Address for AUTOFLOW_DB_URI, with ``{}`` for the password."""
        return f"postgresql://{USER}:{{}}@127.0.0.1:{self.port}/{DATABASE}"

    @property
    def _address(self) -> list[str]:
        return ["-h", "127.0.0.1", "-p", str(self.port), "-U", USER]

    def start(self) -> None:
        """Start the server and wait until it answers."""
        with (self._dir / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    self._programs / "postgres", "-D", self._data, "-p", str(self.port),
                    "-k", self._dir, "-h", "127.0.0.1",
                    "-c", "fsync=off", "-c", "max_connections=200",
                ],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                cwd="/",
                **_unprivileged(),
            )  # fmt: skip
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            if time.monotonic() > deadline or self._process.poll() is not None:
                raise RuntimeError(f"PostgreSQL does not start:\n{self.log()}")
            time.sleep(0.05)

    def _answers(self) -> bool:
        command = [self._programs / "pg_isready", "-q", *self._address]
        return subprocess.run(command, stdin=subprocess.DEVNULL, check=False).returncode == 0

    def stop(self) -> None:
        """Stop the server, breaking every connection."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)  # "fast": does not wait for its clients
            try:
                self._process.wait(START_SECONDS)
            finally:
                self._process.kill()
                self._process = None

    @contextlib.contextmanager
    def hanging(self) -> Iterator[None]:
        """Let the server answer no new connection, and refuse none, for as long as the block lasts."""
        assert self._process is not None, "the server runs"
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    def renew(self) -> None:
        """Give an empty database in place of the one there is, breaking its connections."""
        self._run("dropdb", "--force", *self._address, DATABASE, PGPASSWORD=self.password)
        self._run("createdb", *self._address, DATABASE, PGPASSWORD=self.password)

    def log(self) -> str:
        """Return the server's log."""
        return (self._dir / "log").read_text(errors="replace")

    def dump(self) -> str:
        """Return everything that is in the database, as SQL."""
        return self._run("pg_dump", *self._address, DATABASE, PGPASSWORD=self.password)

    def load(self, dump: Path) -> None:
        """Execute what `dump` or another pg_dump has written."""
        self.value(dump.read_text())

    def value(self, query: str) -> str:
        """Return the answer to a query of one value."""
        arguments = [*self._address, "-d", DATABASE, "-A", "-t", "-c", query]
        return self._run("psql", *arguments, PGPASSWORD=self.password).strip()

    def _run(self, program: str, *arguments: object, **environment: str) -> str:
        done = subprocess.run(
            [self._programs / program, *map(str, arguments)],
            env={**os.environ, **environment},
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            **_unprivileged(),
        )
        if done.returncode != 0:
            raise RuntimeError(f"{program} failed:\n{done.stderr}")
        return done.stdout


def _is_root() -> bool:
    return os.geteuid() == 0


def _unprivileged() -> dict[str, Any]:
    """Return what makes a subprocess run as somebody whom PostgreSQL accepts."""
    if not _is_root():
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
