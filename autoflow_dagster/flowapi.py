"""Available dates from FlowAPI, within a bounded time and with errors that say what to do.

Asks FlowAPI directly instead of through flowclient, which waits for ever, prints, and puts the
token into an exception. Notebooks use flowclient; this module is for the sensor and the command
line.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import gzip
import json
import re
import ssl
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from autoflow_dagster.date_set import DateSet
from autoflow_dagster.errors import (
    FlowapiError,
    FlowapiPermanentError,
    FlowapiTransientError,
    SettingsError,
)
from autoflow_dagster.settings import FLOWAPI_TOKEN, Settings, redact

AVAILABLE_DATES_SCOPE = "get_available_dates"
MAX_ANSWER_BYTES = 32_000_000
"""More than six CDR types over 1,000 years; an answer above it is not a list of available dates."""

_NEW_TOKEN = (
    "Trying again will not help: make a new token in FlowAuth and set FLOWAPI_TOKEN "
    "(or the Docker secret of that name)."
)
_TRY_LATER = "The next sensor tick asks again."
_ISO_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")

AvailableDates = Mapping[str, DateSet]
"""Dates that FlowAPI has, by CDR type. A type without dates is absent."""


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
        For connecting, and for the whole request, answer included.

    Raises
    ------
    FlowapiTransientError
        When asking again later can succeed.
    FlowapiPermanentError
        When the token, the address or the certificate has to be changed.
    """
    where = f"FlowAPI at {url}"
    try:
        return asyncio.run(
            _request(url, token, certificate, connect_timeout_seconds, timeout_seconds)
        )
    except FlowapiError:
        raise
    except TimeoutError as error:
        raise FlowapiTransientError(
            where,
            f"no complete answer about available dates within {timeout_seconds:g} seconds.",
            f"FlowAPI does not answer at all while FlowMachine is down. {_TRY_LATER}",
        ) from error
    except Exception as error:  # whatever the network or the HTTP library does
        raise _connection_error(where, error, token) from None


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


async def _request(
    url: str, token: str, certificate: Path | None, connect_timeout: float, timeout: float
) -> AvailableDates:
    import httpx

    where = f"FlowAPI at {url}"
    verify = _tls_context(certificate) if certificate and url.lower().startswith("https") else True
    limits = httpx.Timeout(timeout, connect=min(connect_timeout, timeout))
    async with asyncio.timeout(timeout):
        async with (
            httpx.AsyncClient(verify=verify, timeout=limits, follow_redirects=False) as client,
            client.stream(
                "GET",
                f"{url}/api/0/available_dates",
                headers={"Authorization": f"Bearer {token}", "Accept": "application/json"},
            ) as response,
        ):
            body = bytearray()
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > MAX_ANSWER_BYTES:
                    raise FlowapiTransientError(
                        where,
                        f"more than {MAX_ANSWER_BYTES // 1_000_000} MB came instead of available dates.",
                        "Check that FLOWAPI_URL is the address of a FlowAPI.",
                    )
    if response.status_code != 200:
        raise _status_error(where, response.status_code, bytes(body), token)
    return parse_available_dates(bytes(body), where)


def _tls_context(certificate: Path) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=str(certificate))
    except (OSError, ssl.SSLError) as error:
        raise FlowapiPermanentError(
            "SSL_CERTIFICATE_FILE",
            f'"{certificate}" cannot be used as a certificate ({error.__class__.__name__}).',
            "Set it to a PEM file that this user can read.",
        ) from error


def _connection_error(where: str, error: Exception, token: str) -> FlowapiError:
    """Return our error for a failure below HTTP."""
    text = redact(str(error) or type(error).__name__, (token,))
    if isinstance(_root_cause(error), ssl.SSLCertVerificationError):
        return FlowapiPermanentError(
            where,
            f"its certificate is not trusted ({text}).",
            "Set SSL_CERTIFICATE_FILE to FlowAPI's certificate.",
        )
    if type(error).__name__ in {"InvalidURL", "UnsupportedProtocol", "LocalProtocolError"}:
        return FlowapiPermanentError(
            where, f"the request cannot be made ({text}).", "Check FLOWAPI_URL and FLOWAPI_TOKEN."
        )
    return FlowapiTransientError(where, f"cannot be reached ({text}).", _TRY_LATER)


def _root_cause(error: BaseException) -> BaseException:
    while (cause := error.__cause__ or error.__context__) is not None:
        error = cause
    return error


def _status_error(where: str, status: int, body: bytes, token: str) -> FlowapiError:
    """Return permanent or transient, by HTTP status: 5xx, 408, 425 and 429 are worth repeating."""
    says = redact(_message_in(body), (token,))
    asked = f"(HTTP {status}{': ' + says if says else ''}) when asked for available dates"
    if status == 403:
        return FlowapiPermanentError(
            where,
            f"refused {asked}: the token lacks the scope {AVAILABLE_DATES_SCOPE}.",
            _NEW_TOKEN,
        )
    if status in (401, 422):
        return FlowapiPermanentError(where, f"refused the token {asked}.", _NEW_TOKEN)
    if status >= 500 or status in (408, 425, 429):
        return FlowapiTransientError(where, f"failed {asked}.", _TRY_LATER)
    return FlowapiPermanentError(
        where,
        f"does not know the request {asked}.",
        "Check that FLOWAPI_URL is FlowAPI's address, without /api/0.",
    )


def _message_in(body: bytes) -> str:
    """Return what a JSON error body says; an empty string for anything else, such as HTML."""
    try:
        content = json.loads(body)
    except ValueError:
        return ""
    message = content.get("msg") if isinstance(content, dict) else None
    return " ".join(message.split())[:200] if isinstance(message, str) else ""


def parse_available_dates(body: bytes | str, where: str) -> AvailableDates:
    """Read FlowAPI's answer about available dates.

    Parameters
    ----------
    body : bytes or str
        JSON in FlowAPI's form, ``{"available_dates": {"calls": ["2016-01-01", ...]}}``. Dates may
        be unordered or repeated.
    where : str
        What to name in errors.

    Raises
    ------
    FlowapiTransientError
        When it is anything else, for instance cut short.

    Examples
    --------
    >>> answer = parse_available_dates('{"available_dates": {"calls": ["2016-01-01"]}}', "FlowAPI")
    >>> list(answer["calls"])
    [datetime.date(2016, 1, 1)]
    """
    try:
        content = json.loads(body)
        by_type = content["available_dates"].items()
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise FlowapiTransientError(
            where, "answered something other than available dates (or only a part).", _TRY_LATER
        ) from error
    return {cdr_type: _date_set(cdr_type, dates, where) for cdr_type, dates in by_type if dates}


def _date_set(cdr_type: str, dates: Any, where: str) -> DateSet:
    wrong = ["not a list"]
    if isinstance(dates, list):
        wrong = [repr(text)[:40] for text in dates if not _is_iso_date(text)]
    if wrong:
        more = f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        raise FlowapiTransientError(
            where,
            f'the available dates of CDR type "{cdr_type}" are not all dates: '
            f"{', '.join(wrong[:3])}{more}.",
            f"Look at FlowDB's etl records. {_TRY_LATER}",
        )
    return DateSet(date.fromisoformat(text) for text in set(dates))


def _is_iso_date(text: Any) -> bool:
    if not isinstance(text, str) or not _ISO_DATE.fullmatch(text):
        return False
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


@dataclass(frozen=True)
class TokenClaims:
    """What an access token says of itself, unverified: only FlowAPI can verify it.

    Attributes
    ----------
    subject : str or None
        Whose token it is.
    audience : str or None
        The FlowAPI server it is for.
    expires_at : datetime or None
        In UTC; None when the token says nothing (FlowAPI accepts such tokens for ever).
    scopes_by_role : mapping of str to tuple of str
        All scopes that one request needs must be in one role.
    """

    subject: str | None
    audience: str | None
    expires_at: datetime | None
    scopes_by_role: Mapping[str, tuple[str, ...]]

    def allows(self, scope: str) -> bool:
        """Return whether some role has `scope`."""
        return any(scope in scopes for scopes in self.scopes_by_role.values())

    def expires_within(self, period: timedelta, now: datetime) -> bool:
        """Return whether the token expires before `now` plus `period`, or has expired."""
        return self.expires_at is not None and self.expires_at < now + period


def read_token(token: str) -> TokenClaims:
    """Read a token's claims without verifying its signature.

    Raises
    ------
    FlowapiPermanentError
        When it is not a JSON web token; the message does not contain the token.
    """
    try:
        payload = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        expiry = claims.get("exp")
        return TokenClaims(
            subject=claims.get("sub"),
            audience=claims.get("aud"),
            expires_at=None if expiry is None else datetime.fromtimestamp(expiry, UTC),
            scopes_by_role=_scopes(claims.get("user_claims")),
        )
    except (IndexError, ValueError, TypeError, AttributeError, OverflowError, OSError):
        raise FlowapiPermanentError(
            "FLOWAPI_TOKEN",
            "is not a FlowAPI access token (a JSON web token: three parts joined by dots).",
            "Copy the whole token from FlowAuth.",
        ) from None


def _scopes(user_claims: Any) -> dict[str, tuple[str, ...]]:
    """Unpack the roles: base64 of gzip of JSON, as FlowAPI's token issuer packs them."""
    if not isinstance(user_claims, str):
        return {}
    try:
        roles = json.loads(gzip.decompress(base64.b64decode(user_claims)))
    except (binascii.Error, zlib.error, OSError, EOFError, ValueError):
        return {}
    return {role: tuple(scopes) for role, scopes in roles.items()}
