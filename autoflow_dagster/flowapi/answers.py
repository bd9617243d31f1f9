"""What FlowAPI's answers mean: available dates, or an error that says what to do.

Pure: bytes in, objects out. The request itself is made in flowapi.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import date
from typing import Any

from autoflow_dagster.dates.date_set import DateSet
from autoflow_dagster.errors import FlowapiError, FlowapiPermanentError, FlowapiTransientError
from autoflow_dagster.flowapi.access_tokens import AVAILABLE_DATES_SCOPE

NEW_TOKEN = (
    "Trying again will not help: make a new token in FlowAuth and set FLOWAPI_TOKEN "
    "(or the Docker secret of that name)."
)
TRY_LATER = "The next sensor tick asks again."
CHECK_ADDRESS = "Check that FLOWAPI_URL is FlowAPI's address, without /api/0."

COMPARE_CLOCKS = (
    "FlowAPI's clock is behind the one of whoever made the token: compare them. "
    "The next sensor tick asks again."
)

_TRANSIENT_STATUSES = (408, 425, 429)
_NO_REPLY = "Could not get reply for message"
"""What FlowAPI says, with 400 as well as with 500, while FlowDB is down."""
_NOT_YET_VALID = "not yet valid (nbf)"

_ISO_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)

AvailableDates = Mapping[str, DateSet]
"""Dates that FlowAPI has, by CDR type. A type without dates is absent."""


def status_error(where: str, status: int, body: bytes, location: str = "") -> FlowapiError:
    """Return the error for an HTTP status other than 200: 5xx, 408, 425 and 429 are transient.

    Parameters
    ----------
    where : str
        What to name in the error.
    status : int
        HTTP status.
    body : bytes
        Of the answer; what it says is quoted when it is JSON of FlowAPI's form.
    location : str
        Where a redirect leads.
    """
    says = _message_in(body)
    asked = f"(HTTP {status}{': ' + says if says else ''}) when asked for available dates"
    if status == 403:
        return FlowapiPermanentError(
            where, f"refused {asked}: the token lacks the scope {AVAILABLE_DATES_SCOPE}.", NEW_TOKEN
        )
    if _NOT_YET_VALID in says:
        return FlowapiTransientError(where, f"refused the token {asked}.", COMPARE_CLOCKS)
    if status in (401, 422):
        return FlowapiPermanentError(where, f"refused the token {asked}.", NEW_TOKEN)
    if status >= 500 or status in _TRANSIENT_STATUSES or says == _NO_REPLY:
        return FlowapiTransientError(where, f"failed {asked}.", TRY_LATER)
    if 300 <= status < 400:
        leads = f" to {location[:200]}" if location else ""
        return FlowapiPermanentError(where, f"redirects{leads} {asked}.", CHECK_ADDRESS)
    return FlowapiPermanentError(where, f"does not know the request {asked}.", CHECK_ADDRESS)


def _message_in(body: bytes) -> str:
    """Return what a JSON error body says; an empty string for anything else, such as HTML."""
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
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
            where, "answered something other than available dates (or only a part).", TRY_LATER
        ) from error
    sets = {cdr_type: _date_set(cdr_type, dates, where) for cdr_type, dates in by_type}
    return {cdr_type: dates for cdr_type, dates in sets.items() if dates}


def _date_set(cdr_type: str, dates: Any, where: str) -> DateSet:
    if not isinstance(dates, list):
        raise _not_dates(cdr_type, f"{_quoted(dates)} is not a list of dates", where)
    parsed = set()
    wrong = [_quoted(value) for value in dates if not isinstance(value, str)]
    for text in dict.fromkeys(value for value in dates if isinstance(value, str)):
        try:
            parsed.add(_iso_date(text))
        except ValueError:
            wrong.append(_quoted(text))
    if len(wrong) > 3:
        wrong[3:] = [f"and {len(wrong) - 3} more"]
    if wrong:
        raise _not_dates(cdr_type, f"not dates are {', '.join(wrong)}", where)
    return DateSet(parsed)


def _iso_date(text: str) -> date:
    if not _ISO_DATE.fullmatch(text):
        raise ValueError("Not in the form 2016-01-31.")
    return date.fromisoformat(text)


def _quoted(value: object) -> str:
    return f'"{value[:40]}"' if isinstance(value, str) else json.dumps(value)[:40]


def _not_dates(cdr_type: str, problem: str, where: str) -> FlowapiTransientError:
    return FlowapiTransientError(
        where,
        f"answered something other than dates for CDR type {_quoted(cdr_type)}: {problem}.",
        f"Look at FlowDB's etl records. {TRY_LATER}",
    )
