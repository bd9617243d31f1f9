"""Available dates from FlowAPI, within a bounded time and with errors that say what to do.

Asks FlowAPI directly instead of through flowclient, which waits for ever, prints, and puts the
token into an exception. Notebooks use flowclient; this module is for the sensor and the command
line.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import json
import os
import re
import socket
import ssl
import threading
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from autoflow_dagster.errors import (
    FlowapiError,
    FlowapiPermanentError,
    FlowapiTransientError,
    SettingsError,
)
from autoflow_dagster.flowapi.access_tokens import (
    AVAILABLE_DATES_SCOPE,
    TokenClaims,
    check_characters,
    read_token,
)
from autoflow_dagster.flowapi.answers import (
    CHECK_ADDRESS,
    TRY_LATER,
    AvailableDates,
    parse_available_dates,
    status_error,
)
from autoflow_dagster.settings import FLOWAPI_TOKEN, Settings

__all__ = [
    "AVAILABLE_DATES_SCOPE",
    "AvailableDates",
    "TokenClaims",
    "fetch_available_dates",
    "fetch_with",
    "parse_available_dates",
    "read_token",
]

MAX_ANSWER_BYTES = 8_000_000
"""Six CDR types over 250 years; an answer above it is not a list of available dates."""

_GRACE_SECONDS = 0.5
"""For the request to end by itself after its time; then it is left to its own thread."""


def fetch_available_dates(
    url: str,
    token: str,
    *,
    certificate: Path | None = None,
    connect_timeout_seconds: float = 10.0,
    timeout_seconds: float = 45.0,
) -> AvailableDates:
    """Ask FlowAPI for the dates of CDR data that it has.

    Parameters
    ----------
    url : str
        Address of FlowAPI, without ``/api/0``.
    token : str
        Access token with the scope ``get_available_dates``.
    certificate : Path or None
        File with the certificate to trust; None for the usual authorities.
    connect_timeout_seconds, timeout_seconds : float
        For connecting, and for the whole request: looking up the name and the answer included.

    Raises
    ------
    FlowapiTransientError
        When asking again later can succeed.
    FlowapiPermanentError
        When the token, the address or the certificate has to be changed.
    """
    check_characters(token)
    request = _Request(url, token, certificate, connect_timeout_seconds, timeout_seconds)
    outcome = _in_own_thread(request)
    # Raised here and not where they arose: the HTTP library's errors can hold the token.
    if isinstance(outcome, FlowapiError):
        raise outcome
    # A server or proxy that repeats the request's headers must not get the token into an error.
    body, location = outcome.body, outcome.location
    for spelling in (token, json.dumps(token)[1:-1], quote(token, safe="")):
        body = body.replace(spelling.encode(), b"***")
        location = location.replace(spelling, "***")
    if outcome.status != 200:
        raise status_error(request.where, outcome.status, body, location)
    return parse_available_dates(body, request.where)


def fetch_with(settings: Settings) -> AvailableDates:
    """Ask the FlowAPI that the settings name, with the token of this moment.

    Raises
    ------
    SettingsError
        When the address or the token is not set.
    FlowapiTransientError, FlowapiPermanentError
        As `fetch_available_dates`.
    """
    token = settings.secret(FLOWAPI_TOKEN)
    absent = [
        name
        for name, value in (("FLOWAPI_URL", settings.flowapi_url), (FLOWAPI_TOKEN, token))
        if not value
    ]
    if settings.flowapi_url is None or token is None:
        raise SettingsError(
            " and ".join(absent),
            "not set, so FlowAPI cannot be asked for available dates.",
            "Set the environment variable or the Docker secret of that name.",
        )
    return fetch_available_dates(
        settings.flowapi_url,
        token,
        certificate=settings.ssl_certificate_file,
        connect_timeout_seconds=settings.flowapi_connect_timeout_seconds,
        timeout_seconds=settings.flowapi_timeout_seconds,
    )


@dataclass(frozen=True)
class _Request:
    """What to ask whom, and how long to wait."""

    url: str
    token: str
    certificate: Path | None
    connect_timeout: float
    timeout: float

    @property
    def where(self) -> str:
        """For errors, without a user's name and password."""
        return "FlowAPI at " + re.sub(r"//[^/@]*@", "//", self.url)


@dataclass(frozen=True)
class _Answer:
    """What came back, whatever it means."""

    status: int
    body: bytes
    location: str


def _in_own_thread(request: _Request) -> _Answer | FlowapiError:
    """Make the request in a thread of its own, and wait for it no longer than its time.

    The system's name look-up cannot be interrupted and may outlast every timeout, as an event loop
    waits for it when it closes.
    """
    import httpx  # noqa: F401 - a first import takes a while, which is not FlowAPI's time

    outcome: concurrent.futures.Future[_Answer | FlowapiError] = concurrent.futures.Future()
    thread = threading.Thread(
        target=lambda: asyncio.run(_settle(outcome, request)), name="flowapi", daemon=True
    )
    thread.start()
    try:
        result = outcome.result(request.timeout + _GRACE_SECONDS)
    except concurrent.futures.TimeoutError:
        return _too_late(request)
    thread.join(_GRACE_SECONDS)  # its sockets are closed when it ends
    return result


async def _settle(
    outcome: concurrent.futures.Future[_Answer | FlowapiError], request: _Request
) -> None:
    """Make the request; whatever happens becomes the outcome."""
    try:
        async with asyncio.timeout(request.timeout):
            outcome.set_result(await _ask(request))
    except FlowapiError as error:
        outcome.set_result(error)
    except TimeoutError:
        outcome.set_result(_too_late(request))
    except Exception as error:  # whatever the network or the HTTP library does
        outcome.set_result(_connection_error(request, error))


async def _ask(request: _Request) -> _Answer:
    import httpx

    is_https = request.url.lower().startswith("https")
    verify = _tls_context(request.certificate) if request.certificate and is_https else True
    limits = httpx.Timeout(request.timeout, connect=min(request.connect_timeout, request.timeout))
    headers = {"Authorization": f"Bearer {request.token}", "Accept": "application/json"}
    async with (
        httpx.AsyncClient(verify=verify, timeout=limits, follow_redirects=False) as client,
        client.stream("GET", f"{request.url}/api/0/available_dates", headers=headers) as response,
    ):
        body = bytearray()
        async for chunk in response.aiter_bytes():
            body += chunk
            if len(body) > MAX_ANSWER_BYTES:
                size = f"more than {MAX_ANSWER_BYTES // 1_000_000} MB"
                problem = f"answered {size}, which cannot be available dates."
                raise FlowapiTransientError(request.where, problem, CHECK_ADDRESS)
        return _Answer(response.status_code, bytes(body), response.headers.get("location", ""))


def _tls_context(certificate: Path) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=str(certificate))
    except (OSError, ssl.SSLError) as error:
        raise FlowapiPermanentError(
            "SSL_CERTIFICATE_FILE",
            f'"{certificate}" cannot be used as a certificate ({error.__class__.__name__}).',
            "Set it to a PEM file that this user can read.",
        ) from error


def _too_late(request: _Request) -> FlowapiTransientError:
    return FlowapiTransientError(
        request.where,
        f"no complete answer about available dates within {request.timeout:g} seconds.",
        f"FlowAPI does not answer at all while FlowMachine is down. {TRY_LATER}",
    )


def _connection_error(request: _Request, error: Exception) -> FlowapiError:
    """Return our error for a failure below HTTP; never keeps or quotes what may hold the token."""
    import httpx

    where, cause = request.where, _root_cause(error)
    if isinstance(cause, ssl.SSLCertVerificationError):
        return _certificate_error(where, cause)
    if isinstance(cause, ssl.SSLError) and cause.reason == "WRONG_VERSION_NUMBER":
        hint = "Check whether FLOWAPI_URL should begin with http://."
        return FlowapiPermanentError(where, "does not speak https.", hint)
    if isinstance(error, httpx.ConnectTimeout):
        seconds = f"{min(request.connect_timeout, request.timeout):g} seconds"
        return FlowapiTransientError(where, f"no connection within {seconds}.", TRY_LATER)
    if isinstance(error, httpx.TimeoutException):
        return _too_late(request)
    if isinstance(error, httpx.ConnectError):
        return FlowapiTransientError(
            where, f"cannot be connected to ({_reason(cause)}).", TRY_LATER
        )
    if isinstance(error, httpx.NetworkError | httpx.RemoteProtocolError | httpx.DecodingError):
        text = _reason(cause).replace(request.token, "***")  # it may quote what the server said
        return FlowapiTransientError(where, f"its answer broke off ({text}).", TRY_LATER)
    # The address, or a port or name in it that is too long for the system.
    kinds = httpx.InvalidURL, httpx.UnsupportedProtocol, httpx.LocalProtocolError
    if isinstance(error, kinds) or isinstance(cause, ValueError | OverflowError):
        problem = "is not a valid http:// or https:// address."
        return FlowapiPermanentError(where, problem, CHECK_ADDRESS)
    return FlowapiTransientError(where, f"cannot be asked ({type(cause).__name__}).", TRY_LATER)


def _certificate_error(where: str, error: ssl.SSLCertVerificationError) -> FlowapiError:
    hint = "Set SSL_CERTIFICATE_FILE to FlowAPI's certificate."
    if "mismatch" in error.verify_message:
        hint = "Set FLOWAPI_URL to a name that the certificate is for."
    elif "expired" in error.verify_message:
        hint = "Renew FlowAPI's certificate."
    return FlowapiPermanentError(
        where, f"its certificate is not trusted ({error.verify_message.rstrip('.')}).", hint
    )


def _root_cause(error: BaseException) -> BaseException:
    while True:
        if isinstance(error, BaseExceptionGroup):  # one for each address of the name
            cause: BaseException | None = error.exceptions[0]
        else:
            cause = error.__cause__ or error.__context__
        if cause is None:
            return error
        error = cause


def _reason(error: BaseException) -> str:
    """Return the system's words for a network error, without numbers and addresses."""
    if isinstance(error, ssl.SSLError):
        return str(error.reason or "TLS").replace("_", " ").lower()
    if isinstance(error, OSError) and error.errno and error.strerror:
        return error.strerror if isinstance(error, socket.gaierror) else os.strerror(error.errno)
    return str(error) or type(error).__name__
