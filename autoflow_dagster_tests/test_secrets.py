"""No secret is left anywhere: not in ticks, events, logs, notebooks, reports, run config or tags.

Runs are made to fail inside flowclient and to print everything they know; then every byte that the
service has kept is searched.
"""

from __future__ import annotations

import base64
import json
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest
from dagster import DagsterRunStatus

from autoflow_dagster.ledger import UNFINISHED
from autoflow_dagster_tests.conftest import wait_for, write_notebook
from autoflow_dagster_tests.deployments import DatesServer, Deployment, day
from autoflow_dagster_tests.misbehaving import Connection, answer
from autoflow_dagster_tests.postgres_server import PostgresServer
from autoflow_dagster_tests.storages import SQLITE_AND_POSTGRES

pytestmark = pytest.mark.integration

TOKEN = "DUMMY+TOKEN/that=flowclient&cannot%decode'nor\"anybody\\else"
PASSWORD = "DUMMY-p@ss:w/o?r#d %{}&ü'\"\\"
LONG = 240.0

WORKFLOWS = """\
workflows:
  - name: fails
    notebooks:
      connect:
        filename: connect.ipynb
        parameters: {flowapi_url: flowapi_url}
  - name: talks
    notebooks:
      tell:
        filename: tell.ipynb
        output: {format: [html, pdf]}
available_dates_sensor:
  schedule: null
  workflows:
    - {workflow_name: fails}
    - {workflow_name: talks}
"""

CONNECT = """\
from os import environ
import flowclient
flowclient.connect(url=flowapi_url, token=environ["FLOWAPI_TOKEN"])"""

TELL = """\
import logging, os, sys, warnings
import scrapbook as sb
token = os.environ["FLOWAPI_TOKEN"]
assert "AUTOFLOW_DB_PASSWORD" not in os.environ and "AUTOFLOW_POSTGRES_URL" not in os.environ
print(token, repr(token), {"token": token})
for character in token:
    print(character, end="", flush=True)
print(token, file=sys.stderr)
os.system('printf "%s\\n" "$FLOWAPI_TOKEN"')
os.write(2, token.encode() + b"\\n")
logging.warning("token %s", token)
warnings.warn(token)
sb.glue("secret", {"token": token})
{"Authorization": f"Bearer {token}", "environ": dict(os.environ)}"""


class EchoingServer(DatesServer):
    """A FlowAPI that at first repeats the token in what it refuses with."""

    refusals = 0

    def _answer(self, connection: Connection) -> None:
        if self.refusals >= 2:
            super()._answer(connection)
            return
        self.refusals += 1
        header = re.search(rb"Bearer ([^\r]*)", connection.request)
        assert header is not None
        body = json.dumps({"msg": f"Bad token {header[1].decode()}"}).encode()
        answer(500 if self.refusals == 1 else 401, body, headers=(f"X: {header[1].decode()}",))(
            connection
        )


def spellings(secret: str) -> set[bytes]:
    """Return how a secret can stand in a text or file: as it is, quoted, and in base64."""
    raw = secret.encode()
    texts = {
        secret,
        quote(secret, safe=""),
        quote(secret),
        quote_plus(secret),
        json.dumps(secret)[1:-1],
        json.dumps(json.dumps(secret)[1:-1])[1:-1],
        repr(secret)[1:-1],
        secret.replace("&", "&amp;").replace("'", "&#39;").replace('"', "&#34;"),
    }
    found = {text.encode() for text in texts}
    for padding in range(3):  # the three ways in which it can stand in a longer text
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            # Without the characters that depend on what stands beside it.
            found.add(encode(b"x" * padding + raw)[4 if padding else 0 : -4])
    return found


def parts(content: bytes) -> Iterator[bytes]:
    """Yield bytes and what is packed in them: deflated streams, also in the hexadecimal of a dump."""
    yield content
    for match in re.finditer(rb"\\x(789c[0-9a-f]+)", content):
        yield from _inflated(bytes.fromhex(match[1].decode()))
    if content.startswith(b"%PDF"):
        for match in re.finditer(rb"stream\r?\n(.*?)endstream", content, re.DOTALL):
            yield from _inflated(match[1])
    if content.startswith(b"SQLite format 3"):
        for match in re.finditer(rb"\x78\x9c", content):
            yield from _inflated(content[match.start() : match.start() + 1_000_000])


def _inflated(content: bytes) -> Iterator[bytes]:
    try:
        yield zlib.decompressobj().decompress(content)
    except zlib.error:
        return


def leaks(content: bytes) -> set[str]:
    """Return which secrets are in some bytes."""
    return {
        name
        for name, secret in (("token", TOKEN), ("password", PASSWORD))
        for part in parts(content)
        if any(spelling in part for spelling in spellings(secret))
    }


@pytest.mark.parametrize(
    "text",
    [
        f"x{TOKEN}y",
        f"postgresql://user:{quote(PASSWORD, safe='')}@db/x",
        json.dumps({"deep": json.dumps({"token": TOKEN})}),
        repr({"token": TOKEN}),
        base64.b64encode(f"user:{PASSWORD}!".encode()).decode(),
        base64.urlsafe_b64encode(f"Bearer {TOKEN} and more".encode()).decode(),
        "\\x" + zlib.compress(TOKEN.encode()).hex(),
    ],
)
def test_the_search_finds_what_it_is_to_find(text: str) -> None:
    """A search that finds nothing proves something only then."""
    assert leaks(text.encode())
    assert not leaks(b"DUMMY text")


@pytest.fixture(params=SQLITE_AND_POSTGRES)
def postgres(request: pytest.FixtureRequest) -> Iterator[PostgresServer | None]:
    """A PostgreSQL, or None for SQLite."""
    if request.param == "sqlite":
        yield None
        return
    with PostgresServer(PASSWORD) as server:
        yield server


@pytest.mark.timeout(600)
def test_no_secret_is_kept_anywhere(tmp_path: Path, postgres: PostgresServer | None) -> None:
    """After refused checks, runs that fail inside flowclient and runs that tell all they know."""
    with (
        EchoingServer({"calls": [day(0)]}) as flowapi,
        Deployment(
            tmp_path,
            flowapi,
            WORKFLOWS,
            postgres=postgres,
            FLOWAPI_TOKEN=TOKEN,
            **({} if postgres else {"AUTOFLOW_DB_PASSWORD": PASSWORD}),
        ) as deployment,
    ):
        write_notebook(deployment.inputs / "connect.ipynb", CONNECT, parameters="flowapi_url = ''")
        write_notebook(deployment.inputs / "tell.ipynb", TELL)
        deployment.start()
        wait_for(
            "both runs to end",
            lambda: len(deployment.records()) == 2 and not deployment.records(*UNFINISHED),
            LONG,
        )
        # What was to happen has happened.
        [failed] = deployment.records(DagsterRunStatus.FAILURE)
        assert failed.dagster_run.job_name == "fails"
        assert "Unable to decode token: '***'" in deployment.failure_of(day(0))
        assert flowapi.refusals == 2
        assert sum("HTTP" in str(tick.error) for tick in deployment.ticks()) == 2
        kept = {path.suffix for path in deployment.output_files()}
        assert {".ipynb", ".html", ".pdf"} <= kept
        shown = deployment.graphql(
            "{ runsOrError { __typename ... on Runs { results { runConfigYaml tags { key value } } } } }"
        )

        assert not leaks(json.dumps(shown).encode())
        for path in tmp_path.rglob("*"):
            if path.is_file():
                assert not leaks(path.read_bytes()), path
        for pid in deployment.processes():
            assert not leaks(Path(f"/proc/{pid}/cmdline").read_bytes())
        if postgres is not None:
            assert not leaks(postgres.dump().encode())
            assert not leaks(postgres.log().encode())
