"""What must never be in a report: secrets, and the names of this machine's directories."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

MASK = "***"


class Redactor:
    """Replaces secrets by ``***`` and directory names by ``…`` in texts and in notebooks.

    Parameters
    ----------
    secrets : iterable of str
        Values to hide, also where they are escaped for HTML or for an address.
    directories : iterable of Path
        Directories whose names are hidden; the root directory is never among them.
    """

    def __init__(self, secrets: Iterable[str], directories: Iterable[Path] = ()) -> None:
        spellings = {
            spelling
            for secret in secrets
            if secret.strip()
            for value in (secret, secret.strip())
            for spelling in (value, escape(value), quote(value, safe=""), repr(value)[1:-1])
        }
        self._secrets = sorted(spellings, key=lambda s: (-len(s), s))
        names = {str(path) for given in directories for path in (given, given.resolve())}
        self._directories = sorted(
            (name for name in names if len(Path(name).parts) > 2), key=lambda s: (-len(s), s)
        )

    def text(self, text: str) -> str:
        """Return the text with nothing in it that must not be shown."""
        for secret in self._secrets:
            if secret in text:
                text = text.replace(secret, MASK)
        for directory in self._directories:
            if directory in text:
                text = text.replace(directory, "…")
        return text

    def value(self, value: Any) -> Any:
        """Return lists, mappings and texts with every text cleaned, keys included."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return type(value)({self.value(k): self.value(v) for k, v in value.items()})
        if isinstance(value, list | tuple):
            return type(value)(self.value(item) for item in value)
        return value
