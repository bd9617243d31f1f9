"""Secrets out of executed notebooks, and out of what they print while they run.

Works on a notebook's texts and not on its file, so that it stays a notebook whatever the secret is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, TextIO

from autoflow_dagster.settings import redact

_FORMAT_WORDS = {"cell_type", "output_type", "nbformat", "nbformat_minor"}
"""Entries whose value is a word of the notebook format: a password may be "code"."""

_FORMAT_KEYS = _FORMAT_WORDS | {
    "attachments",
    "cells",
    "data",
    "ename",
    "evalue",
    "execution_count",
    "id",
    "kernelspec",
    "language_info",
    "metadata",
    "name",
    "outputs",
    "papermill",
    "scrapbook",
    "source",
    "tags",
    "text",
    "traceback",
}
"""Keys of the notebook format, which are kept; MIME types are too."""

_STREAMS = {"stdout", "stderr"}


def spellings(secrets: Iterable[str]) -> tuple[str, ...]:
    """Return how secrets can stand in a text: as they are, and as Python shows them in quotes."""
    shown = [form for secret in secrets for form in (secret, repr(secret)[1:-1])]
    return tuple(dict.fromkeys(filter(None, shown)))


def without_secrets(value: Any, secrets: tuple[str, ...]) -> Any:
    """Return a JSON value, such as a notebook, with every secret in it replaced by ``***``.

    Parameters
    ----------
    value : JSON value
        Not changed.
    secrets : tuple of str
        From `spellings`.
    """
    if isinstance(value, str):
        return redact(value, secrets)
    if isinstance(value, list):
        return [without_secrets(item, secrets) for item in value]
    if isinstance(value, Mapping):
        return {
            _clean_key(key, secrets): item
            if key in _FORMAT_WORDS or (key == "name" and item in _STREAMS)
            else without_secrets(item, secrets)
            for key, item in value.items()
        }
    return value


def _clean_key(key: str, secrets: tuple[str, ...]) -> str:
    is_format = key in _FORMAT_KEYS or re.fullmatch(r"(text|image|application)/[\w.+-]{1,60}", key)
    return key if is_format else redact(key, secrets)


class RedactedStream:
    """A text file that replaces secrets before it passes text on, also when they come in pieces.

    Parameters
    ----------
    stream : text file
        Where the text goes.
    secrets : tuple of str
        From `spellings`.
    """

    def __init__(self, stream: TextIO, secrets: tuple[str, ...]) -> None:
        self._stream = stream
        self._secrets = secrets
        self._held_back = ""

    def write(self, text: str) -> int:
        """Pass on what cannot be the beginning of a secret."""
        clean = redact(self._held_back + text, self._secrets)
        hold = self._length_of_beginning(clean)
        self._held_back = clean[len(clean) - hold :]
        self._stream.write(clean[: len(clean) - hold])
        return len(text)

    def flush(self) -> None:
        """Flush what was passed on."""
        self._stream.flush()

    def finish(self) -> None:
        """Pass on the rest: nothing follows that could make a secret of it."""
        self._stream.write(self._held_back)
        self._held_back = ""
        self._stream.flush()

    def _length_of_beginning(self, text: str) -> int:
        """Return the length of the longest end of `text` with which a secret begins."""
        longest = 0
        for secret in self._secrets:
            position = max(0, len(text) - len(secret) + 1)
            while (position := text.find(secret[0], position)) >= 0:
                if secret.startswith(text[position:]):
                    longest = max(longest, len(text) - position)
                    break
                position += 1
        return longest
