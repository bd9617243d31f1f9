"""Available dates from FlowAPI, against servers that misbehave for real."""

from __future__ import annotations

import contextlib
import gc
import gzip
import json
import socket
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from autoflow_dagster.dates.date_set import DateSet
from autoflow_dagster.errors import (
    FlowapiError,
    FlowapiPermanentError,
    FlowapiTransientError,
    SettingsError,
)
from autoflow_dagster.flowapi.request import (
    MAX_ANSWER_BYTES,
    AvailableDates,
    fetch_available_dates,
    fetch_with,
    parse_available_dates,
)
from autoflow_dagster.settings import Settings
from autoflow_dagster_tests import misbehaving
from autoflow_dagster_tests.misbehaving import Behaviour, MisbehavingServer, answer, html

TOKEN = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJEVU1NWSJ9.U0lHTkFUVVJF"
SHORT = 0.5
"""Seconds to wait for servers that do not answer."""

LONG = 20.0
"""Seconds to wait for servers that do: a busy machine takes its time."""

SLACK = 2.0
"""Seconds that a busy machine may add to a time limit."""

NEW_TOKEN = (
    "Trying again will not help: make a new token in FlowAuth and set FLOWAPI_TOKEN "
    "(or the Docker secret of that name)."
)
TRY_LATER = "The next sensor tick asks again."
CHECK_ADDRESS = "Check that FLOWAPI_URL is FlowAPI's address, without /api/0."
NO_ANSWER = (
    "no complete answer about available dates within 0.5 seconds.\n"
    "  FlowAPI does not answer at all while FlowMachine is down. The next sensor tick asks again."
)
TWO_DAYS = {"calls": DateSet([date(2016, 1, 1), date(2016, 1, 2)])}


def fetch(
    url: str, token: str = TOKEN, certificate: Path | None = None, seconds: float = LONG
) -> AvailableDates:
    """Ask for available dates within the tests' time."""
    return fetch_available_dates(
        url,
        token,
        certificate=certificate,
        connect_timeout_seconds=seconds,
        timeout_seconds=seconds,
    )


def error_of(
    url: str, token: str = TOKEN, certificate: Path | None = None, seconds: float = LONG
) -> FlowapiError:
    """Return the error of a request, after the checks that hold for each of them."""
    started = time.monotonic()
    with pytest.raises(FlowapiError) as caught:
        fetch(url, token, certificate, seconds)
    assert time.monotonic() - started < seconds + SLACK
    assert "flowapi" not in {thread.name for thread in threading.enumerate()}
    assert_without(token, caught.value)
    return caught.value


def assert_without(secret: str, error: BaseException) -> None:
    """Check that a secret is nowhere in an error, in what it was made from, or in a traceback."""
    seen: list[BaseException] = []
    waiting: list[BaseException | None] = [error]
    while waiting:
        one = waiting.pop()
        if one is None or one in seen:
            continue
        seen.append(one)
        waiting += [one.__cause__, one.__context__]
        waiting += getattr(one, "exceptions", ())
        text = f"{one} {one!r} {one.args!r} {vars(one)!r}"
        assert secret not in text
        assert repr(secret)[1:-1] not in text
    formatted = "".join(traceback.format_exception(error))
    assert secret not in formatted
    assert repr(secret)[1:-1] not in formatted


def error_from(behaviour: Behaviour, seconds: float = LONG) -> tuple[FlowapiError, str]:
    """Return the error that a server's behaviour leads to, and the start of its message."""
    with MisbehavingServer(behaviour) as server:
        error = error_of(server.url, seconds=seconds)
        assert server.all_clients_left(), "a socket was left open"
    return error, f"FlowAPI at {server.url}: "


@pytest.fixture(scope="module", autouse=True)
def _quick_garbage_collection() -> Iterator[None]:
    """Set aside what is there already: garbage is collected after every test here."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture(autouse=True)
def _nothing_printed_or_leaked(capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
    """Check that nothing was printed, and let forgotten sockets warn within the test."""
    yield
    gc.collect()
    assert capfd.readouterr() == ("", "")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return a self-signed certificate for 127.0.0.1, and its key."""
    return self_signed(tmp_path_factory.mktemp("tls"), "127.0.0.1")


def unused_port() -> int:
    """Return a port of this machine that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port: int = sock.getsockname()[1]
        return port


class TestGoodAnswers:
    """What a well-behaved FlowAPI says."""

    def test_it_returns_the_dates_by_cdr_type(self) -> None:
        """Every type that FlowAPI reports is there, the ones AutoFlow never knew too."""
        body = {"calls": ["2016-01-01", "2016-01-02"], "forwards": ["2016-01-02"]}
        with MisbehavingServer(answer(200, json.dumps({"available_dates": body}).encode())) as s:
            assert fetch(s.url) == {**TWO_DAYS, "forwards": DateSet([date(2016, 1, 2)])}
            assert s.all_clients_left()

    def test_it_asks_as_flowapi_wants_to_be_asked(self) -> None:
        """One GET of the fixed path, with the token as a bearer token."""
        with MisbehavingServer(answer(200, b'{"available_dates": {}}')) as server:
            fetch(server.url)
        [request] = server.requests
        assert request.startswith(b"GET /api/0/available_dates HTTP/1.1\r\n")
        assert f"authorization: bearer {TOKEN}".lower() in request.decode().lower()

    def test_it_reads_a_compressed_answer(self) -> None:
        """A proxy in between may compress."""
        body = gzip.compress(b'{"available_dates": {"calls": ["2016-01-01", "2016-01-02"]}}')
        behaviour = answer(200, body, headers=("Content-Encoding: gzip",))
        with MisbehavingServer(behaviour) as server:
            assert fetch(server.url) == TWO_DAYS

    def test_it_works_inside_a_running_event_loop(self) -> None:
        """As in a notebook, or in a web server."""
        import asyncio

        async def within() -> AvailableDates:
            return fetch(server.url)

        with MisbehavingServer(answer(200, b'{"available_dates": {}}')) as server:
            assert asyncio.run(within()) == {}


class TestNoConnection:
    """Nobody there, or nobody to be trusted."""

    def test_a_refused_connection_is_transient(self) -> None:
        """FlowAPI is being restarted."""
        url = f"http://127.0.0.1:{unused_port()}"
        error = error_of(url)
        assert isinstance(error, FlowapiTransientError)
        assert str(error) == (
            f"FlowAPI at {url}: cannot be connected to (Connection refused).\n  {TRY_LATER}"
        )

    def test_a_name_that_means_several_addresses_gives_one_reason(self) -> None:
        """The localhost of many machines is an IPv6 address too."""
        error = error_of(f"http://localhost:{unused_port()}")
        assert error.problem == "cannot be connected to (Connection refused)."

    def test_an_unknown_name_is_transient(self) -> None:
        """The name server may be the one that is down; the system's words are quoted."""
        with pytest.raises(socket.gaierror) as caught:
            socket.getaddrinfo("flowapi.invalid", 80)
        error = error_of("http://flowapi.invalid")
        assert isinstance(error, FlowapiTransientError)
        assert str(error) == (
            "FlowAPI at http://flowapi.invalid: cannot be connected to "
            f"({caught.value.strerror}).\n  {TRY_LATER}"
        )

    def test_a_name_server_that_hangs_does_not_outlast_the_time_limit(self) -> None:
        """The system's look-up cannot be interrupted: the request is left to its thread."""
        code = (
            "import os, socket, time\n"
            "real = socket.getaddrinfo\n"
            "def slow(*args, **kwargs):\n"
            "    time.sleep(30)\n"
            "    return real(*args, **kwargs)\n"
            "socket.getaddrinfo = slow\n"
            "import httpx\n"
            "from autoflow_dagster.flowapi.request import fetch_available_dates\n"
            "started = time.monotonic()\n"
            "try:\n"
            "    fetch_available_dates('http://flowapi.invalid', 'a.b.c', timeout_seconds=0.3)\n"
            "except Exception as error:\n"
            "    print(time.monotonic() - started < 10, error.problem, flush=True)\n"
            "os._exit(0)  # not waiting for the look-up\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True
        )
        problem = "no complete answer about available dates within 0.3 seconds."
        assert done.stdout == f"True {problem}\n"

    def test_a_server_that_does_not_accept_is_transient(self) -> None:
        """A host that drops packets, or whose queue of connections is full."""
        with contextlib.ExitStack() as stack:
            listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
            address = listener.getsockname()
            for _ in range(2):  # fills the queue
                client = stack.enter_context(socket.socket())
                client.setblocking(False)
                client.connect_ex(address)
            url = f"http://127.0.0.1:{address[1]}"
            started = time.monotonic()
            with pytest.raises(FlowapiTransientError) as caught:
                fetch_available_dates(url, TOKEN, connect_timeout_seconds=0.3, timeout_seconds=LONG)
            assert time.monotonic() - started < 0.3 + SLACK
        assert str(caught.value) == (
            f"FlowAPI at {url}: no connection within 0.3 seconds.\n  {TRY_LATER}"
        )

    @pytest.mark.parametrize(
        "url",
        [
            "http://",
            "http://127.0.0.1:99999999",
            "http://[::1",
            "flowapi.example.org",
            "ftp://flowapi.example.org",
        ],
    )
    def test_what_is_no_address_is_permanent(self, url: str) -> None:
        """Somebody has to change FLOWAPI_URL."""
        error = error_of(url)
        assert isinstance(error, FlowapiPermanentError)
        assert str(error) == (
            f"FlowAPI at {url}: is not a valid http:// or https:// address.\n  {CHECK_ADDRESS}"
        )

    def test_a_password_in_the_address_is_not_shown(self) -> None:
        """The settings refuse such an address; a caller in Python may still give one."""
        port = unused_port()
        error = error_of(f"http://DUMMY_USER:DUMMY_PASSWORD@127.0.0.1:{port}")
        assert str(error).startswith(f"FlowAPI at http://127.0.0.1:{port}: cannot be connected to")
        assert_without("DUMMY_PASSWORD", error)


class TestTls:
    """FlowAPI over https."""

    def test_an_unknown_certificate_is_permanent(self, certificate: tuple[Path, Path]) -> None:
        """The message says which setting accepts it."""
        with MisbehavingServer(answer(200, b"{}"), certificate) as server:
            error = error_of(server.url)
            assert server.all_clients_left()
        assert isinstance(error, FlowapiPermanentError)
        assert str(error) == (
            f"FlowAPI at {server.url}: its certificate is not trusted (self-signed certificate).\n"
            "  Set SSL_CERTIFICATE_FILE to FlowAPI's certificate."
        )
        assert server.requests == []

    def test_the_certificate_file_makes_it_trusted(self, certificate: tuple[Path, Path]) -> None:
        """SSL_CERTIFICATE_FILE of the settings, from the environment to the socket."""
        body = b'{"available_dates": {"calls": ["2016-01-01", "2016-01-02"]}}'
        with MisbehavingServer(answer(200, body), certificate) as server:
            environ = {
                "FLOWAPI_URL": server.url,
                "FLOWAPI_TOKEN": TOKEN,
                "SSL_CERTIFICATE_FILE": str(certificate[0]),
            }
            assert fetch_with(Settings.from_environ(environ)) == TWO_DAYS

    def test_a_certificate_for_another_name_is_permanent(self, tmp_path: Path) -> None:
        """Trusting it does not help: the address is wrong."""
        other = self_signed(tmp_path, "127.0.0.2")
        with MisbehavingServer(answer(200, b"{}"), other) as server:
            error = error_of(server.url, certificate=other[0])
        assert isinstance(error, FlowapiPermanentError)
        assert str(error) == (
            f"FlowAPI at {server.url}: its certificate is not trusted (IP address mismatch, "
            "certificate is not valid for '127.0.0.1').\n"
            "  Set FLOWAPI_URL to a name that the certificate is for."
        )

    def test_an_expired_certificate_is_permanent(self, tmp_path: Path) -> None:
        """Trusting it does not help either."""
        old = self_signed(tmp_path, "127.0.0.1", valid_days=-1)
        with MisbehavingServer(answer(200, b"{}"), old) as server:
            error = error_of(server.url, certificate=old[0])
        assert error.problem == "its certificate is not trusted (certificate has expired)."
        assert error.hint == "Renew FlowAPI's certificate."

    @pytest.mark.parametrize(
        ("content", "kind"), [(None, "FileNotFoundError"), ("DUMMY", "SSLError"), ("", "SSLError")]
    )
    def test_a_useless_certificate_file_is_permanent(
        self, content: str | None, kind: str, tmp_path: Path
    ) -> None:
        """The setting is named, not FlowAPI."""
        path = tmp_path / "certificate.pem"
        if content is not None:
            path.write_text(content)
        error = error_of("https://127.0.0.1:1", certificate=path)
        assert isinstance(error, FlowapiPermanentError)
        assert str(error) == (
            f'SSL_CERTIFICATE_FILE: "{path}" cannot be used as a certificate ({kind}).\n'
            "  Set it to a PEM file that this user can read."
        )

    def test_a_certificate_file_is_not_read_for_plain_http(self, tmp_path: Path) -> None:
        """A deployment may set it everywhere."""
        with MisbehavingServer(answer(200, b'{"available_dates": {}}')) as server:
            assert fetch(server.url, certificate=tmp_path / "absent.pem") == {}

    def test_https_to_a_server_of_plain_http_is_permanent(self) -> None:
        """The message guesses right what is the matter."""
        with MisbehavingServer(misbehaving.no_http, reads_request=False) as server:
            url = server.url.replace("http:", "https:")
            error = error_of(url)
        assert isinstance(error, FlowapiPermanentError)
        assert str(error) == (
            f"FlowAPI at {url}: does not speak https.\n"
            "  Check whether FLOWAPI_URL should begin with http://."
        )

    def test_a_handshake_that_never_ends_is_transient(self) -> None:
        """The time to connect covers it."""
        with MisbehavingServer(misbehaving.say_nothing, reads_request=False) as server:
            url = server.url.replace("http:", "https:")
            with pytest.raises(FlowapiTransientError) as caught:
                fetch_available_dates(url, TOKEN, connect_timeout_seconds=0.2)
            assert server.all_clients_left()
        assert caught.value.problem == "no connection within 0.2 seconds."


class TestSlowness:
    """Servers that take their time."""

    @pytest.mark.parametrize(
        "behaviour",
        [misbehaving.say_nothing, misbehaving.dribble_head, misbehaving.dribble_body],
        ids=["silence", "headers byte by byte", "body byte by byte"],
    )
    def test_an_answer_that_does_not_end_is_transient(self, behaviour: Behaviour) -> None:
        """The limit is for the whole answer: a byte now and then does not extend it."""
        error, where = error_from(behaviour, SHORT)
        assert isinstance(error, FlowapiTransientError)
        assert str(error) == where + NO_ANSWER


class TestStatuses:
    """Answers other than 200."""

    @pytest.mark.parametrize(
        ("status", "kind", "text"),
        [
            (401, FlowapiPermanentError, f"refused the token (HTTP 401) {{}}.\n  {NEW_TOKEN}"),
            (422, FlowapiPermanentError, f"refused the token (HTTP 422) {{}}.\n  {NEW_TOKEN}"),
            (
                403,
                FlowapiPermanentError,
                f"refused (HTTP 403) {{}}: the token lacks the scope get_available_dates.\n  {NEW_TOKEN}",
            ),
            (
                404,
                FlowapiPermanentError,
                f"does not know the request (HTTP 404) {{}}.\n  {CHECK_ADDRESS}",
            ),
            (500, FlowapiTransientError, f"failed (HTTP 500) {{}}.\n  {TRY_LATER}"),
            (502, FlowapiTransientError, f"failed (HTTP 502) {{}}.\n  {TRY_LATER}"),
            (503, FlowapiTransientError, f"failed (HTTP 503) {{}}.\n  {TRY_LATER}"),
            (429, FlowapiTransientError, f"failed (HTTP 429) {{}}.\n  {TRY_LATER}"),
        ],
    )
    def test_a_status_with_an_html_page(
        self, status: int, kind: type[FlowapiError], text: str
    ) -> None:
        """As from a proxy; the page is not quoted."""
        error, where = error_from(html(status))
        assert type(error) is kind
        assert error.transient == (kind is FlowapiTransientError)
        assert str(error) == where + text.format("when asked for available dates")

    @pytest.mark.parametrize(
        ("status", "message", "before", "after"),
        [
            (401, "Token has expired", "refused the token", ""),
            (
                403,
                "User claims verification failed",
                "refused",
                ": the token lacks the scope get_available_dates",
            ),
            (422, "Signature verification failed", "refused the token", ""),
            (500, "Could not get reply for message", "failed", ""),
            (400, "Could not get reply for message", "failed", ""),
        ],
    )
    def test_what_flowapi_says_is_quoted(
        self, status: int, message: str, before: str, after: str
    ) -> None:
        """FlowAPI's own messages, as recorded from a running one."""
        error, where = error_from(answer(status, json.dumps({"msg": message}).encode()))
        asked = f"(HTTP {status}: {message}) when asked for available dates"
        assert f"{error.where}: {error.problem}" == f"{where}{before} {asked}{after}."
        assert error.transient == (message == "Could not get reply for message")

    def test_a_token_that_is_not_yet_valid_is_tried_again(self) -> None:
        """As recorded: its time comes, and a new token would have the same."""
        error, where = error_from(answer(422, b'{"msg": "The token is not yet valid (nbf)"}'))
        assert error.transient
        assert str(error).startswith(f"{where}refused the token (HTTP 422: ")
        assert "compare them" in str(error)

    @pytest.mark.parametrize("body", [b'{"msg": 5}', b"[1]", b'{"msg"', b"[" * 100_000, b"\xff"])
    def test_an_error_body_of_any_shape_is_survived(self, body: bytes) -> None:
        """The status alone decides."""
        error, where = error_from(answer(500, body))
        assert str(error).startswith(f"{where}failed (HTTP 500) when asked")

    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    def test_a_redirect_is_not_followed(self, status: int) -> None:
        """The token goes to nobody but the address that was given."""
        with MisbehavingServer(answer(200, b'{"available_dates": {}}')) as other:
            to = f"{other.url}/elsewhere"
            error, where = error_from(answer(status, headers=(f"Location: {to}",)))
        assert other.requests == []
        assert isinstance(error, FlowapiPermanentError)
        assert str(error) == (
            f"{where}redirects to {to} (HTTP {status}) when asked for available dates.\n"
            f"  {CHECK_ADDRESS}"
        )

    @pytest.mark.parametrize("status", [302, 401, 500])
    def test_a_server_that_repeats_the_token_does_not_get_it_into_an_error(
        self, status: int
    ) -> None:
        """As debugging proxies do."""
        body = json.dumps({"msg": f"You sent {TOKEN}"}).encode()
        error, _ = error_from(answer(status, body, headers=(f"Location: http://x/{TOKEN}",)))
        assert "***" in str(error)


NOT_DATES = "answered something other than available dates (or only a part).\n  " + TRY_LATER
LOOK = f"\n  Look at FlowDB's etl records. {TRY_LATER}"


class TestBodies:
    """Answers of status 200 that are wrong."""

    @pytest.mark.parametrize(
        "body",
        [
            b'{"available_dates": {"calls": ["2016-01-01", "2016-0',
            misbehaving.HTML,
            b"",
            b"null",
            b"[]",
            b'"available_dates"',
            b'{"dates": {"calls": ["2016-01-01"]}}',
            b'{"available_dates": ["2016-01-01"]}',
            b'{"available_dates": null}',
            b"[" * 100_000,
            b"\xff\xfe\x00",
        ],
        ids=lambda body: repr(body[:25]),
    )
    def test_a_body_of_another_shape_is_transient(self, body: bytes) -> None:
        """FlowAPI streams: a database error after the first byte cuts an answer of status 200."""
        error, where = error_from(answer(200, body))
        assert isinstance(error, FlowapiTransientError)
        assert str(error) == where + NOT_DATES

    @pytest.mark.parametrize(
        ("dates", "problem"),
        [
            (["2016-02-30", "2016-01-01"], 'not dates are "2016-02-30"'),
            (
                ["20160101", "2016-1-1", "01/02/2016", "2016-W01-1", "", None, 5, ["2016-01-01"]],
                'not dates are null, 5, ["2016-01-01"], and 5 more',
            ),
            (
                [
                    "2016-01-01T00:00:00",
                    "\u0662\u0660\u0661\u0666-\u0660\u0661-\u0660\u0661",
                    "0000-01-01",
                ],
                'not dates are "2016-01-01T00:00:00", "\u0662\u0660\u0661\u0666-\u0660\u0661-\u0660\u0661", "0000-01-01"',
            ),
            ([None, {"a": 1}], 'not dates are null, {"a": 1}'),
            ([50 * "x"], f'not dates are "{40 * "x"}"'),
            ("2016-01-01", '"2016-01-01" is not a list of dates'),
            (None, "null is not a list of dates"),
            ({"2016-01-01": 1}, '{"2016-01-01": 1} is not a list of dates'),
        ],
    )
    def test_what_is_not_a_date_is_transient(self, dates: object, problem: str) -> None:
        """Half of an answer is never used: a date would run without its stencil."""
        body = json.dumps({"available_dates": {"sms": ["2016-01-01"], "calls": dates}}).encode()
        error, where = error_from(answer(200, body))
        assert isinstance(error, FlowapiTransientError)
        what = 'answered something other than dates for CDR type "calls"'
        assert str(error) == f"{where}{what}: {problem}.{LOOK}"

    def test_an_answer_that_is_cut_short_is_transient(self) -> None:
        """Its Content-Length says that there should be more, although what came is valid."""
        body = b'{"available_dates": {"calls": ["2016-01-01"]}}'
        error, where = error_from(answer(200, body, length=len(body) + 10))
        assert isinstance(error, FlowapiTransientError)
        assert str(error) == (
            f"{where}its answer broke off (peer closed connection without sending complete message "
            f"body (received 46 bytes, expected 56)).\n  {TRY_LATER}"
        )

    @pytest.mark.parametrize(
        ("behaviour", "reason"),
        [
            (misbehaving.hang_up, "Server disconnected without sending a response."),
            (misbehaving.reset, "Connection reset by peer"),
            (misbehaving.no_http, "illegal status line: bytearray(b'220 mail.example.org ESMTP')"),
            (
                answer(200, b"DUMMY", headers=("Content-Encoding: gzip",)),
                "Error -3 while decompressing data: incorrect header check",
            ),
        ],
        ids=["hang up", "reset", "another protocol", "not gzip"],
    )
    def test_an_answer_that_is_no_http_is_transient(
        self, behaviour: Behaviour, reason: str
    ) -> None:
        """Whatever the network does."""
        error, where = error_from(behaviour)
        assert isinstance(error, FlowapiTransientError)
        assert str(error) == f"{where}its answer broke off ({reason}).\n  {TRY_LATER}"

    def test_garbage_that_repeats_the_token_is_not_quoted_with_it(self) -> None:
        """The HTTP library quotes the line that it does not understand."""

        def behave(connection: misbehaving.Connection) -> None:
            connection.send(f"You sent {TOKEN}\r\n\r\n".encode())

        error, _ = error_from(behave)
        assert error.problem.startswith("its answer broke off (illegal status line:")
        assert "You sent ***" in error.problem

    def test_ten_million_dates_are_refused_before_they_fill_the_memory(self) -> None:
        """The connection is closed as soon as there is more than could be right."""
        with MisbehavingServer(misbehaving.endless_dates(10_000_000)) as server:
            with pytest.raises(FlowapiTransientError) as caught:
                fetch_available_dates(server.url, TOKEN, timeout_seconds=LONG)
            assert server.all_clients_left()
        assert str(caught.value) == (
            f"FlowAPI at {server.url}: answered more than 8 MB, which cannot be available dates.\n"
            f"  {CHECK_ADDRESS}"
        )

    def test_the_longest_answer_is_read_in_time(self) -> None:
        """Half a million distinct dates; with the tick's own work far from Dagster's 60 seconds."""
        day = date(1600, 1, 1)
        days = [(day + timedelta(n)).isoformat() for n in range(90_000)]
        by_type = {f"type_{n}": days for n in range(6)}
        body = json.dumps({"available_dates": by_type}).encode()
        assert 0.9 * MAX_ANSWER_BYTES < len(body) < MAX_ANSWER_BYTES
        started = time.process_time()
        found = parse_available_dates(body, "FlowAPI")
        assert time.process_time() - started < 4
        assert {len(dates) for dates in found.values()} == {90_000}


class TestParsing:
    """What counts as available."""

    @pytest.mark.parametrize(
        ("by_type", "expected"),
        [
            ({}, {}),
            ({"calls": []}, {}),
            ({"calls": ["2016-01-02", "2016-01-01"]}, TWO_DAYS),
            ({"calls": ["2016-01-02", "2016-01-01", "2016-01-02"]}, TWO_DAYS),
            (
                {"forwards": ["2016-02-29"], "cell_info": []},
                {"forwards": DateSet([date(2016, 2, 29)])},
            ),
        ],
        ids=["nothing ingested", "empty type", "unordered", "duplicates", "unknown types"],
    )
    def test_it_reads(self, by_type: object, expected: AvailableDates) -> None:
        """FlowAPI promises neither order nor types; a type without dates is absent."""
        body = json.dumps({"available_dates": by_type})
        assert parse_available_dates(body, "FlowAPI") == expected

    def test_it_reads_a_recorded_answer(self) -> None:
        """Byte for byte what FlowAPI 1.34.0 sent."""
        body = (
            b'{"available_dates": {"calls": ["2016-01-01", "2016-01-03", "2016-01-02"], '
            b'"cell_info": ["2016-01-01"]}}'
        )
        assert {name: len(dates) for name, dates in parse_available_dates(body, "x").items()} == {
            "calls": 3,
            "cell_info": 1,
        }


class TestTokensThatCannotBeSent:
    """A token with characters that HTTP headers cannot hold."""

    @pytest.mark.parametrize(
        ("token", "what"),
        [
            ("eyJhbGci\nOiJSUzI1NiJ9", "has a line break at character 9"),
            ("eyJhbGci\r\nX-Evil: 1", "has a line break at character 9"),
            ("eyJhbGci OiJSUzI1NiJ9", "has a space at character 9"),
            ("eyJhbGci\tOiJSUzI1NiJ9", "has a tab at character 9"),
            ("eyJhbGci\x00OiJSUzI1NiJ9", "has a control character at character 9"),
            ("eyJhbGci…", "has a character that is not ASCII at character 9"),
        ],
    )
    def test_it_is_refused_before_anything_is_sent(self, token: str, what: str) -> None:
        """The message points at the character and quotes nothing."""
        with MisbehavingServer(answer(200, b'{"available_dates": {}}')) as server:
            error = error_of(server.url, token)
        assert server.requests == []
        assert isinstance(error, FlowapiPermanentError)
        assert str(error) == (
            f"FLOWAPI_TOKEN: {what}, so it cannot be sent.\n  Copy the whole token from FlowAuth."
        )


class TestFromSettings:
    """The address and the token of the settings."""

    @pytest.mark.parametrize(
        ("environ", "where"),
        [
            ({}, "FLOWAPI_URL and FLOWAPI_TOKEN"),
            ({"FLOWAPI_URL": "http://x"}, "FLOWAPI_TOKEN"),
            ({"FLOWAPI_TOKEN": TOKEN}, "FLOWAPI_URL"),
        ],
    )
    def test_it_names_what_is_not_set(self, environ: dict[str, str], where: str) -> None:
        """Both at once, if both are missing."""
        with pytest.raises(SettingsError) as caught:
            fetch_with(Settings.from_environ(environ))
        assert str(caught.value) == (
            f"{where}: not set, so FlowAPI cannot be asked for available dates.\n"
            "  Set the environment variable or the Docker secret of that name."
        )
        assert_without(TOKEN, caught.value)

    def test_a_rotated_token_is_used_at_once(self, tmp_path: Path) -> None:
        """The secret file is read for every request."""
        with MisbehavingServer(answer(200, b'{"available_dates": {}}')) as server:
            settings = Settings.from_environ(
                {"FLOWAPI_URL": server.url, "AUTOFLOW_SECRETS_DIR": str(tmp_path)}
            )
            for token in ("FIRST", "SECOND"):
                (tmp_path / "FLOWAPI_TOKEN").write_text(f"{token}\n")
                fetch_with(settings)
        assert [b"Bearer FIRST" in server.requests[0], b"Bearer SECOND" in server.requests[1]] == [
            True,
            True,
        ]

    def test_the_time_limits_of_the_settings_are_used(self) -> None:
        """From the environment to the socket."""
        with MisbehavingServer(misbehaving.say_nothing) as server:
            environ = {
                "FLOWAPI_URL": server.url,
                "FLOWAPI_TOKEN": TOKEN,
                "AUTOFLOW_FLOWAPI_TIMEOUT": "0.2",
            }
            with pytest.raises(FlowapiTransientError, match=r"within 0\.2 seconds"):
                fetch_with(Settings.from_environ(environ))


def test_many_requests_leave_no_file_descriptors_or_threads() -> None:
    """A sensor asks for years."""

    def open_files() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    with MisbehavingServer(html(503)) as server:
        error_of(server.url)
        assert server.all_clients_left()
        before = open_files(), threading.active_count()
        for _ in range(10):
            error_of(server.url)
        assert server.all_clients_left()
        assert (open_files(), threading.active_count()) == before


def self_signed(directory: Path, address: str, valid_days: int = 30) -> tuple[Path, Path]:
    """Make a certificate for an IP address and its key; return their paths."""
    import ipaddress

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "DUMMY")])
    end = datetime.now(UTC) + timedelta(days=valid_days)
    names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(end - timedelta(days=60))
        .not_valid_after(end)
        .add_extension(names, critical=False)
        .sign(key, hashes.SHA256())
    )
    paths = directory / "certificate.pem", directory / "key.pem"
    paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return paths
