"""Printed text made fit for paper: no escape codes, no overwritten lines, no lines without end."""

from __future__ import annotations

import re
import unicodedata

_ANSI = re.compile(
    r"\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?"  # window titles and links
    r"|\x1b[PX^_][^\x1b]*(?:\x1b\\)?"
    r"|[\x1b\x9b][\[()#;?]*(?:[0-9]{1,4}(?:[;:][0-9]{0,4})*)?[0-9A-ORZcf-nqry=><~@a-z]?"
)
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ufffe\uffff\ud800-\udfff]")


def plain_text(text: str) -> str:
    r"""Return the text as a terminal would show it: colours gone, overwritten lines gone.

    Examples
    --------
    >>> plain_text("\x1b[31mred\x1b[0m\n10%\r100%\a")
    'red\n100%'
    """
    text = _ANSI.sub("", text).replace("\r\n", "\n")
    if "\r" in text:
        text = "\n".join(line.rstrip("\r").rsplit("\r", 1)[-1] for line in text.split("\n"))
    return without_controls(text)


def without_controls(text: str) -> str:
    """Return the text without control characters and halves of surrogate pairs."""
    return _CONTROLS.sub("", text)


def shortened(text: str, max_lines: int, max_letters: int) -> tuple[str, int, int]:
    """Return the beginning of a text, and how many lines and how many letters were left out.

    The letters are those of a last line that was cut; they are not counted among the lines.
    """
    end, lines = 0, 0
    while end < len(text) and lines < max_lines:
        following = text.find("\n", end)
        if following < 0:
            following = len(text)
        if following > max_letters:
            break
        end, lines = following + 1, lines + 1
    rest = text[end:].rstrip("\n")
    kept = text[:end].rstrip("\n")
    if not rest:
        return kept, 0, 0
    if lines == max_lines:
        return kept, rest.count("\n") + 1, 0
    line, _, further = rest.partition("\n")
    cut = line[: max(0, max_letters - end)]
    return f"{kept}\n{cut}".lstrip("\n"), further.count("\n") + bool(further), len(line) - len(cut)


def wrapped(text: str, columns: int) -> str:
    """Return the text with lines broken at `columns` columns, wide letters counted twice."""
    return "\n".join(piece for line in text.split("\n") for piece in _pieces(line, columns))


def _pieces(line: str, columns: int) -> list[str]:
    line = line.expandtabs(8)
    if len(line) <= columns and line.isascii():
        return [line]
    pieces, piece, used = [], "", 0
    for letter in line:
        width = _columns_of(letter)
        if used + width > columns:
            pieces.append(piece)
            piece, used = "", 0
        piece += letter
        used += width
    return [*pieces, piece]


def _columns_of(letter: str) -> int:
    if letter.isascii():
        return 1
    if unicodedata.combining(letter) or unicodedata.category(letter) in ("Mn", "Me", "Cf"):
        return 0
    # Fallback shapes may be wider than a column of the monospaced font.
    return 2 if unicodedata.east_asian_width(letter) in "WF" or ord(letter) > 0x2FFF else 1


def is_right_to_left(text: str) -> bool:
    """Return True when the first letter with a direction runs from right to left.

    Examples
    --------
    >>> is_right_to_left("مرحبا"), is_right_to_left("12 a"), is_right_to_left("12")
    (True, False, False)
    """
    if text.isascii():
        return False
    directions = (unicodedata.bidirectional(letter) for letter in text)
    return next((kind != "L" for kind in directions if kind in ("L", "R", "AL")), False)
