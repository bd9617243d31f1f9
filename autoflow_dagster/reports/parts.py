"""Parts: pieces of a notebook that reach Typst without going through AsciiDoc syntax.

In the AsciiDoc each part is written out in full, for Asciidoctor and for readers, and followed by a
comment line that marks its end. Before pandoc reads the AsciiDoc, every part that a template left
as it was is replaced by one word, and pandoc's filter puts the part itself in the place of that
word. So nothing in a notebook's data is ever read as AsciiDoc, however it is written.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Literal

Kind = Literal["markdown", "html", "asciidoc", "typst", "math"]


@dataclass(frozen=True)
class Part:
    """One part: its AsciiDoc, what stands for it in Typst, and its text when inside a listing."""

    kind: Kind
    asciidoc: str
    text: str
    plain: str


class Parts:
    """The parts of one report, and their marks in its AsciiDoc.

    Parameters
    ----------
    seed : bytes
        Anything that the notebook cannot contain, such as its own bytes: the marks come from its
        hash, so that data cannot forge them and the same notebook has the same marks.
    """

    def __init__(self, seed: bytes) -> None:
        self.key = hashlib.sha256(b"parts" + seed).hexdigest()[:16]
        self.parts: list[Part] = []
        self._placeholder = re.compile(rf"autoflow{self.key}x(\d+)x")
        self._mark = re.compile(rf"\n*// autoflow-part {self.key} (\d+)\n?")

    def add(self, part: Part) -> str:
        """Keep a part and return what to write in the AsciiDoc for it."""
        self.parts.append(part)
        return f"{part.asciidoc.strip()}\n\n// autoflow-part {self.key} {len(self.parts)}\n"

    def placeholder(self, number: int) -> str:
        """Return the word that stands for a part, counted from 1."""
        return f"autoflow{self.key}x{number}x"

    def with_placeholders(self, body: str) -> str:
        """Return AsciiDoc in which every part that is still whole is one word."""
        pieces, start = [], 0
        for match in self._mark.finditer(body):
            before = body[start : match.start()]
            whole = self.parts[int(match[1]) - 1].asciidoc.strip()
            if before.endswith(whole) and self._at_line_start(before, whole):
                pieces.append(before[: len(before) - len(whole)])
                pieces.append(f"{self.placeholder(int(match[1]))}\n")
            else:
                pieces.append(before + "\n")
            start = match.end()
        return "".join([*pieces, body[start:]])

    def written_out(self, body: str) -> str:
        """Return AsciiDoc with placeholders in which every part is written out again."""
        return self._placeholder.sub(lambda m: self.parts[int(m[1]) - 1].asciidoc.strip(), body)

    @staticmethod
    def _at_line_start(before: str, whole: str) -> bool:
        ahead = before[: len(before) - len(whole)]
        return not ahead or ahead.endswith("\n")
