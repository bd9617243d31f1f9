"""Reading FlowAPI access tokens without verifying them."""

from __future__ import annotations

import base64
import gzip
import json
import traceback
from datetime import UTC, datetime, timedelta

import pytest

from autoflow_dagster.errors import FlowapiPermanentError
from autoflow_dagster.flowapi.access_tokens import check_characters, read_token

NOW = datetime(2016, 1, 1, tzinfo=UTC)
EXPIRY = datetime(2016, 1, 8, tzinfo=UTC)
ROLES = {"DUMMY_ROLE": ["get_available_dates", "run"], "OTHER_ROLE": ["get_result"]}
NOT_A_TOKEN = (
    "FLOWAPI_TOKEN: is not a FlowAPI access token "
    "(a JSON web token: three parts joined by dots).\n"
    "  Copy the whole token from FlowAuth."
)


def packed(roles: object) -> str:
    """Return roles as FlowAPI's token issuer packs them."""
    return base64.b64encode(gzip.compress(json.dumps(roles).encode())).decode()


def token_of(claims: object) -> str:
    """Return a token with these claims, signed by nobody."""
    parts = (json.dumps(part).encode() for part in ({"alg": "RS256"}, claims))
    encoded = [base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts]
    return ".".join([*encoded, "U0lHTkFUVVJF"])


def test_it_reads_what_a_token_says() -> None:
    """User, server, expiry, and the scopes of each role."""
    claims = read_token(
        token_of(
            {
                "sub": "DUMMY_USER",
                "aud": "DUMMY_SERVER",
                "exp": EXPIRY.timestamp(),
                "user_claims": packed(ROLES),
            }
        )
    )
    assert (claims.subject, claims.audience) == ("DUMMY_USER", "DUMMY_SERVER")
    assert claims.expires_at == EXPIRY
    assert claims.scopes_by_role == {name: tuple(scopes) for name, scopes in ROLES.items()}


@pytest.mark.parametrize("length", range(4))
def test_it_reads_claims_of_every_length(length: int) -> None:
    """Base64 without its padding."""
    assert read_token(token_of({"sub": "x" * length})).subject == "x" * length


@pytest.mark.parametrize(
    ("scope", "expected"),
    [("get_available_dates", True), ("get_result", True), ("get", False), ("", False)],
)
def test_it_says_whether_a_scope_is_there(scope: str, expected: bool) -> None:
    """In whichever role."""
    assert read_token(token_of({"user_claims": packed(ROLES)})).allows(scope) == expected


@pytest.mark.parametrize(
    ("expiry", "days", "expected"),
    [
        (EXPIRY, 7, False),
        (EXPIRY, 8, True),
        (NOW - timedelta(days=1), 0, True),
        (NOW - timedelta(days=1), 7, True),
        (None, 36500, False),
    ],
)
def test_it_says_whether_a_token_expires_soon(
    expiry: datetime | None, days: int, expected: bool
) -> None:
    """An expired one counts; one without expiry never does."""
    claims = {} if expiry is None else {"exp": expiry.timestamp()}
    period = timedelta(days=days)
    assert read_token(token_of(claims)).expires_within(period, NOW) == expected


@pytest.mark.parametrize(
    "user_claims",
    [None, ROLES, "", "DUMMY", packed(ROLES)[:20], base64.b64encode(b"DUMMY").decode(), 5],
    ids=["absent", "not packed", "empty", "not base64", "cut", "not gzip", "a number"],
)
def test_roles_that_cannot_be_unpacked_are_no_roles(user_claims: object) -> None:
    """The rest of the token is still read."""
    claims = read_token(token_of({"sub": "DUMMY_USER", "user_claims": user_claims}))
    assert claims.subject == "DUMMY_USER"
    assert claims.scopes_by_role == {}


@pytest.mark.parametrize(
    "token",
    [
        "",
        "DUMMY_SECRET",
        "DUMMY_SECRET.DUMMY_SECRET",
        "DUMMY_SECRET.DUMMY_SECRET.DUMMY_SECRET",
        "DUMMY_SECRET..",
        "DUMMY_SECRET.é.",
        token_of({"sub": "DUMMY_SECRET"}) + ".DUMMY_SECRET",
        token_of("DUMMY_SECRET"),
        token_of(["DUMMY_SECRET"]),
        token_of(None),
        token_of({"exp": "DUMMY_SECRET"}),
        token_of({"exp": 1e300}),
        token_of({"exp": [1]}),
        token_of({"user_claims": packed(["DUMMY_SECRET"])}),
        token_of({"user_claims": packed({"DUMMY_SECRET": None})}),
        token_of({"sub": "DUMMY_SECRET"})[:-60],
    ],
)
def test_what_is_no_token_is_refused_without_being_quoted(token: str) -> None:
    """Neither in the message, nor in a cause, nor in the traceback."""
    with pytest.raises(FlowapiPermanentError) as caught:
        read_token(token)
    assert str(caught.value) == NOT_A_TOKEN
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    assert "DUMMY_SECRET" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    ("token", "problem"),
    [
        ("", "is empty, so it cannot be sent."),
        ("\n", "has a line break at character 1, so it cannot be sent."),
        ("abc\x7f", "has a control character at character 4, so it cannot be sent."),
        ("abc\xa0", "has a character that is not ASCII at character 4, so it cannot be sent."),
    ],
)
def test_a_token_that_cannot_be_sent_is_refused(token: str, problem: str) -> None:
    """With the place of the first wrong character."""
    with pytest.raises(FlowapiPermanentError) as caught:
        check_characters(token)
    assert caught.value.problem == problem


def test_a_real_token_can_be_sent() -> None:
    """Every character of base64 for URLs, and dots."""
    check_characters(token_of({"sub": "DUMMY_USER", "x": "~?>" * 50}))
