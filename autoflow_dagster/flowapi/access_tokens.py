"""FlowAPI access tokens: what one says of itself.

Nothing is verified here: only FlowAPI has the key. No message contains the token.
"""

from __future__ import annotations

import base64
import binascii
import gzip
import json
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from autoflow_dagster.errors import FlowapiPermanentError
from autoflow_dagster.settings import FLOWAPI_TOKEN

AVAILABLE_DATES_SCOPE = "get_available_dates"

_VISIBLE_ASCII = re.compile(r"[\x21-\x7e]+")
_WRONG_CHARACTER = re.compile(r"[^\x21-\x7e]")


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


def check_characters(token: str) -> None:
    """Refuse a token that cannot be sent: its HTTP header would be cut, or quoted in an error.

    Raises
    ------
    FlowapiPermanentError
        Naming the first character that no token has, and where it is.
    """
    if _VISIBLE_ASCII.fullmatch(token):
        return
    wrong = _WRONG_CHARACTER.search(token)
    what = f"has a {_name_of(wrong[0])} at character {wrong.start() + 1}" if wrong else "is empty"
    raise FlowapiPermanentError(
        FLOWAPI_TOKEN, f"{what}, so it cannot be sent.", "Copy the whole token from FlowAuth."
    )


def _name_of(character: str) -> str:
    names = {"\n": "line break", "\r": "line break", " ": "space", "\t": "tab"}
    kind = "character that is not ASCII" if character > "\x7f" else "control character"
    return names.get(character, kind)


def read_token(token: str) -> TokenClaims:
    """Read a token's claims without verifying its signature.

    Raises
    ------
    FlowapiPermanentError
        When it is not a JSON web token; the message does not contain the token.
    """
    try:
        _, payload, _ = token.split(".")
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        expiry = claims.get("exp")
        return TokenClaims(
            subject=claims.get("sub"),
            audience=claims.get("aud"),
            expires_at=None if expiry is None else datetime.fromtimestamp(expiry, UTC),
            scopes_by_role=_scopes(claims.get("user_claims")),
        )
    except (ValueError, TypeError, AttributeError, OverflowError, OSError, RecursionError):
        pass
    # Outside the handler: the errors above hold the token, and would be kept as context.
    raise FlowapiPermanentError(
        FLOWAPI_TOKEN,
        "is not a FlowAPI access token (a JSON web token: three parts joined by dots).",
        "Copy the whole token from FlowAuth.",
    )


def _scopes(user_claims: Any) -> dict[str, tuple[str, ...]]:
    """Unpack the roles: base64 of gzip of JSON, as FlowAPI's token issuer packs them."""
    if not isinstance(user_claims, str):
        return {}
    try:
        roles = json.loads(gzip.decompress(base64.b64decode(user_claims)))
    except (binascii.Error, zlib.error, OSError, EOFError, ValueError):
        return {}
    return {role: tuple(scopes) for role, scopes in roles.items()}
