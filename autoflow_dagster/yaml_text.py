"""Values as they would be written in YAML, for messages."""

from __future__ import annotations

import re

_LONGEST = 80
_PLAIN_KEY = re.compile(r"[A-Za-z_][\w-]*", re.ASCII)


def written(value: object) -> str:
    """Return a value as it would be written in YAML, on one line, text in quotes.

    Examples
    --------
    >>> print(written({"format": ["pdf", None], "a b": True}))
    {format: ["pdf", null], "a b": true}
    """
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case list() | tuple():
            return f"[{', '.join(map(written, value))}]"
        case dict():
            return f"{{{', '.join(f'{_key(key)}: {written(v)}' for key, v in value.items())}}}"
        case str():
            return f'"{value}"'
        case _:
            return str(value)


def _key(key: object) -> str:
    return key if isinstance(key, str) and _PLAIN_KEY.fullmatch(key) else written(key)


def clipped(text: str, length: int = _LONGEST) -> str:
    """Return a text cut to a length that fits into a message.

    Examples
    --------
    >>> len(clipped("a" * 1000))
    80
    """
    return text if len(text) <= length else text[: length - 3] + "..."
