"""Markdown, HTML and raw AsciiDoc turned into AsciiDoc or HTML by pandoc, many texts in one call.

Starting pandoc takes longer than most conversions: `prepare` converts all texts of a notebook at
once, and `convert` then looks them up.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from autoflow_dagster.reports.programs import TEMPLATES, Limits, ProgramFailedError, run_pandoc

SourceFormat = Literal["markdown", "html", "asciidoc"]
_ENVIRONMENT = re.compile(
    r"^\\begin\{(equation|align|gather|multline|eqnarray|cases|matrix)(\*?)\}.*?\\end\{\1\2\}",
    re.DOTALL | re.MULTILINE,
)


@dataclass(frozen=True)
class Converted:
    """A converted text, its headings (level, text), and the sources of its pictures."""

    text: str
    headings: tuple[tuple[int, str], ...] = ()
    images: tuple[str, ...] = ()
    starts_with_title: bool = False
    failed: bool = False


@dataclass
class Converter:
    """Converts texts to one format, remembering what it has converted.

    Attributes
    ----------
    want : "asciidoc" or "html"
    limits : Limits
    directory : Path
        Where pandoc runs; nothing in it is read.
    """

    want: Literal["asciidoc", "html"]
    limits: Limits
    directory: Path
    _known: dict[tuple[str, str], Converted] = field(default_factory=dict)

    def prepare(self, texts: Iterable[tuple[str, SourceFormat]]) -> None:
        """Convert many texts in one go."""
        new = [item for item in dict.fromkeys(texts) if item not in self._known]
        if new:
            self._known.update(zip(new, self._converted(new), strict=True))

    def convert(self, text: str, source_format: SourceFormat) -> Converted:
        """Return a converted text; one that pandoc cannot read says `failed`."""
        self.prepare([(text, source_format)])
        return self._known[text, source_format]

    def replace(self, text: str, source_format: SourceFormat, converted: str) -> None:
        """Let `converted` be the conversion of a text from now on."""
        known = self.convert(text, source_format)
        self._known[text, source_format] = replace(known, text=converted)

    def _converted(self, items: list[tuple[str, SourceFormat]]) -> list[Converted]:
        request = json.dumps(
            [
                {
                    "text": _readable(text, form),
                    "format": form,
                    "want": self.want,
                    "prefix": f"n{n}-",
                }
                for n, (text, form) in enumerate(items, len(self._known))
            ]
        )
        try:
            answer = run_pandoc(
                ["lua", TEMPLATES / "batch.lua"], request, self.limits, self.directory
            )
        except ProgramFailedError:
            if len(items) == 1:  # this text is too much for pandoc
                return [Converted("", failed=True)]
            half = len(items) // 2
            return [*self._converted(items[:half]), *self._converted(items[half:])]
        return [_result(item) for item in json.loads(answer)]


def _result(item: dict[str, object]) -> Converted:
    if "failed" in item:
        return Converted("", failed=True)
    headings = item["headings"] if isinstance(item["headings"], list) else []
    images = item["images"] if isinstance(item["images"], list) else []
    return Converted(
        text=str(item["text"]),
        headings=tuple((int(level), str(text)) for level, text in headings),
        images=tuple(str(source) for source in images),
        starts_with_title=bool(item["starts_with_title"]),
    )


def _readable(text: str, source_format: SourceFormat) -> str:
    return with_display_math(text) if source_format == "markdown" else text


def with_display_math(text: str) -> str:
    r"""Put bare LaTeX environments between ``$$``, as Jupyter shows them.

    Examples
    --------
    >>> with_display_math("\\begin{align}x\\end{align}")
    '$$\\begin{align}x\\end{align}$$'
    """
    if "\\begin{" not in text:
        return text

    def fenced(match: re.Match[str]) -> str:
        before = text[: match.start()]
        inside = before.count("$$") % 2 == 1 or before.count("```") % 2 == 1
        return match[0] if inside else f"$${match[0]}$$"

    return _ENVIRONMENT.sub(fenced, text)
