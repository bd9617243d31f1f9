"""Tests of the demo FlowAPI's tokens; statuses and texts are a real FlowAPI's."""

import base64
import json
import stat
from datetime import UTC, datetime, timedelta

import jwt
import pytest

from autoflow_dagster.demo.specs import known_scopes
from autoflow_dagster.demo.tokens import ClaimsUnreadableError, TokenIssuer, TokenRefusedError
from autoflow_dagster.errors import AutoflowError


@pytest.fixture(scope="module")
def key_file(tmp_path_factory):
    """Return a file with a key: making one takes longer than everything else here."""
    return tmp_path_factory.mktemp("key") / "key.pem"


@pytest.fixture(scope="module")
def issuer(key_file):
    """Return an issuer for a server called "here"."""
    return TokenIssuer("here", key_file)


@pytest.fixture(scope="module")
def sign(issuer, key_file):
    """Return a function that signs any claims with the issuer's own key."""

    def sign(**changed):
        claims = jwt.decode(issuer.issue(), options={"verify_signature": False})
        kept = {key: value for key, value in (claims | changed).items() if value is not None}
        return "Bearer " + jwt.encode(kept, key_file.read_text(), algorithm="RS256")

    return sign


def _refusal(issuer, header):
    with pytest.raises(TokenRefusedError) as caught:
        issuer.check(header)
    return caught.value.status, caught.value.message


def test_a_token_holds_all_scopes_for_a_year(issuer):
    """The token that is made without asking for anything particular lets its bearer do all."""
    token = issuer.issue()
    claims = jwt.decode(token, options={"verify_signature": False})
    assert jwt.get_unverified_header(token)["alg"] == "RS256"
    assert claims["aud"] == "here"
    assert claims["sub"] == "demo"
    assert claims["exp"] - claims["iat"] == timedelta(days=365).total_seconds()
    assert issuer.check(f"Bearer {token}") == {"demo": known_scopes()}


def test_a_token_can_be_short_of_scopes(issuer):
    """Roles and their scopes come back as they were given."""
    roles = {"reader": ["get_result"], "runner": ["run", "get_available_dates"]}
    assert issuer.check(f"Bearer {issuer.issue(roles)}") == roles


def test_a_token_without_an_expiry_date_is_accepted(issuer):
    """As by FlowAPI."""
    token = issuer.issue(expires_in=None)
    assert "exp" not in jwt.decode(token, options={"verify_signature": False})
    assert issuer.check(f"Bearer {token}")


@pytest.mark.parametrize(
    ("header", "status", "message"),
    [
        (None, 401, "Missing Authorization Header"),
        ("", 422, "Bad Authorization header. Expected value 'Bearer <JWT>'"),
        ("Bearer", 422, "Bad Authorization header. Expected value 'Bearer <JWT>'"),
        ("Token abc", 422, "Bad Authorization header. Expected value 'Bearer <JWT>'"),
        ("Bearer a b", 422, "Bad Authorization header. Expected value 'Bearer <JWT>'"),
        ("Bearer not.a.jwt", 422, "Invalid header padding"),
        ("Bearer abc", 422, "Not enough segments"),
    ],
)
def test_it_refuses_headers_without_a_token(issuer, header, status, message):
    """Only a missing header is a 401."""
    assert _refusal(issuer, header) == (status, message)


@pytest.mark.parametrize(
    ("changed", "status", "message"),
    [
        ({"exp": datetime.now(UTC) - timedelta(minutes=1)}, 401, "Token has expired"),
        ({"nbf": datetime.now(UTC) + timedelta(days=1)}, 422, "The token is not yet valid (nbf)"),
        ({"aud": "elsewhere"}, 422, "Audience doesn't match"),
        ({"aud": None}, 422, 'Token is missing the "aud" claim'),
        ({"sub": None}, 422, "Missing claim: sub"),
    ],
)
def test_it_refuses_tokens_with_wrong_claims(issuer, sign, changed, status, message):
    """Only an expired token is a 401."""
    assert _refusal(issuer, sign(**changed)) == (status, message)


def test_it_makes_expired_tokens_and_those_for_other_servers(issuer):
    """Tests of clients need tokens that are refused."""
    expired = issuer.issue(expires_in=timedelta(hours=-1))
    assert _refusal(issuer, f"Bearer {expired}") == (401, "Token has expired")
    foreign = issuer.issue(audience="elsewhere")
    assert _refusal(issuer, f"Bearer {foreign}") == (422, "Audience doesn't match")


def test_it_refuses_other_keys_and_algorithms(issuer):
    """A token counts only with the server's own signature."""
    other = TokenIssuer("here").issue()
    assert _refusal(issuer, f"Bearer {other}") == (422, "Signature verification failed")
    claims = jwt.decode(other, options={"verify_signature": False})
    shared = jwt.encode(claims, "a secret that is shared, of 32 bytes", algorithm="HS256")
    assert _refusal(issuer, f"Bearer {shared}") == (422, "The specified alg value is not allowed")


@pytest.mark.parametrize(
    "claims",
    [
        None,
        {"demo": ["run"]},
        base64.b64encode(json.dumps({"demo": ["run"]}).encode()).decode(),
        "!",
    ],
)
def test_uncompressed_claims_are_unreadable(issuer, sign, claims):
    """FlowAPI fails on them with a 500."""
    with pytest.raises(ClaimsUnreadableError):
        issuer.check(sign(user_claims=claims))


def test_a_kept_key_makes_tokens_outlive_a_restart(issuer, key_file):
    """The next issuer with the same file accepts the tokens of the last; nobody else reads it."""
    assert TokenIssuer("here", key_file).check(f"Bearer {issuer.issue()}")
    assert stat.S_IMODE(key_file.stat().st_mode) == 0o600


def test_it_does_not_overwrite_a_file_that_is_no_key(tmp_path):
    """A wrong --key-file is an error with a way out, and the file stays as it was."""
    file = tmp_path / "notes.txt"
    file.write_text("notes")
    with pytest.raises(AutoflowError, match=r"notes.txt: this is not an RSA private key"):
        TokenIssuer("here", file)
    assert file.read_text() == "notes"


def test_it_says_when_the_key_cannot_be_kept(tmp_path):
    """A folder that does not exist is the user's mistake, not a crash."""
    with pytest.raises(AutoflowError, match="No such file or directory"):
        TokenIssuer("here", tmp_path / "missing" / "key.pem")
