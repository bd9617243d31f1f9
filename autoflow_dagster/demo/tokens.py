"""Access tokens as FlowAuth makes them, and the checks that FlowAPI does on them.

RS256, an audience, and in ``user_claims`` the scopes by role. What each request needs is in `app`.
"""

from __future__ import annotations

import base64
import gzip
import json
import os
import tempfile
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from autoflow_dagster.demo.specs import known_scopes
from autoflow_dagster.errors import AutoflowError

Roles = dict[str, list[str]]
"""The scopes of each role of a token."""

_KEY_BITS = 2048
_YEAR = timedelta(days=365)


class TokenRefusedError(Exception):
    """A token, or the header around it, was refused.

    Parameters
    ----------
    status : int
        The HTTP status of the answer.
    message : str
        FlowAPI's words; never the token.
    """

    def __init__(self, status: int, message: str) -> None:
        self.status = status
        self.message = message
        super().__init__(status, message)


class ClaimsUnreadableError(Exception):
    """A good signature over claims that nobody can read: FlowAPI fails with status 500 on these."""


class TokenIssuer:
    """Makes tokens and checks them.

    Parameters
    ----------
    audience : str
        Which server the tokens are for.
    key_file : Path, optional
        Where the private key is kept, as PEM; made (for the owner's eyes only) if it is not there.
        None makes a new key, so that tokens of an earlier start are refused.

    Raises
    ------
    AutoflowError
        The key file cannot be read or written, or holds something else.
    """

    def __init__(self, audience: str, key_file: Path | None = None) -> None:
        self.audience = audience
        self._key = _new_key() if key_file is None else _kept_key(key_file)
        self._public_key = self._key.public_key()

    def issue(
        self,
        scopes: Mapping[str, Sequence[str]] | None = None,
        expires_in: timedelta | None = _YEAR,
        audience: str | None = None,
        username: str = "demo",
    ) -> str:
        """Return a token.

        Parameters
        ----------
        scopes : mapping of str to sequences of str, optional
            The scopes of each role. None: one role with all scopes.
        expires_in : timedelta, optional
            From now on; negative for a token that has expired already, None for one that never does.
        audience : str, optional
            Another server's audience, for a token that this one refuses.
        username : str
            The subject of the token.
        """
        now = datetime.now(UTC)
        roles = {"demo": known_scopes()} if scopes is None else scopes
        text = json.dumps({role: list(names) for role, names in roles.items()})
        claims: dict[str, Any] = {
            "iat": now,
            # Machines whose clocks differ a little must not refuse a fresh token.
            "nbf": now - timedelta(minutes=1),
            "jti": str(uuid.uuid4()),
            "sub": username,
            "aud": self.audience if audience is None else audience,
            "user_claims": base64.b64encode(gzip.compress(text.encode(), mtime=0)).decode(),
        }
        if expires_in is not None:
            claims["exp"] = now + expires_in
            claims["iat"] = min(now, now + expires_in)
        return jwt.encode(claims, self._key, algorithm="RS256")

    def check(self, header: str | None) -> Roles:
        """Return the roles of the token in an Authorization header.

        Raises
        ------
        TokenRefusedError
            There is no token, or it is not a valid one for this server.
        ClaimsUnreadableError
            Its ``user_claims`` are missing or not compressed JSON.
        """
        if header is None:
            raise TokenRefusedError(401, "Missing Authorization Header")
        scheme, _, token = header.partition(" ")
        if scheme != "Bearer" or not token or " " in token:
            raise TokenRefusedError(422, "Bad Authorization header. Expected value 'Bearer <JWT>'")
        try:
            claims = jwt.decode(
                token, self._public_key, algorithms=["RS256"], audience=self.audience
            )
        except jwt.ExpiredSignatureError:
            raise TokenRefusedError(401, "Token has expired") from None
        except jwt.PyJWTError as error:
            raise TokenRefusedError(422, str(error)) from None
        if "sub" not in claims:
            raise TokenRefusedError(422, "Missing claim: sub")
        return _read_claims(claims)


def _read_claims(claims: Mapping[str, Any]) -> Roles:
    try:
        roles = json.loads(gzip.decompress(base64.b64decode(claims["user_claims"])))
        return {role: [str(scope) for scope in scopes] for role, scopes in roles.items()}
    except (KeyError, TypeError, ValueError, AttributeError, OSError, EOFError) as error:
        raise ClaimsUnreadableError from error


def _new_key() -> RSAPrivateKey:
    return generate_private_key(public_exponent=65537, key_size=_KEY_BITS)


def _kept_key(key_file: Path) -> RSAPrivateKey:
    """Return the key in a file, a new one if there is no such file."""
    try:
        if not key_file.exists():
            pem = _new_key().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            write_private(key_file, pem.decode())
        key = load_pem_private_key(key_file.read_bytes(), password=None)
    except OSError as error:
        raise AutoflowError(
            str(key_file), f"the key cannot be kept there: {error.strerror}.", "Name another file."
        ) from error
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, RSAPrivateKey):
        raise AutoflowError(
            str(key_file),
            "this is not an RSA private key without a password, in PEM.",
            "Name a file that does not exist, and a key is put there.",
        )
    return key


def write_private(file: Path, text: str) -> None:
    """Write a file that nobody but its owner can read, whole or not at all.

    Raises
    ------
    OSError
        It cannot be written.
    """
    descriptor, temporary = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")  # 0600
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(text)
        Path(temporary).replace(file)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
