"""Text shown letter by letter: code and printed output, in AsciiDoc and in Typst."""

from __future__ import annotations

import re

from autoflow_dagster.reports.parts import Part
from autoflow_dagster.reports.tables_typst import typst_string
from autoflow_dagster.reports.text import plain_text, wrapped

LISTING_COLUMNS = 100
"""Letters in a line of a listing; longer lines are broken, never cut off."""

_DIRECTIVE = re.compile(r"^(?=(?:include|ifdef|ifndef|ifeval|endif)::)", re.MULTILINE)
_OPTION = re.compile(r"^#\|.*\n?", re.MULTILINE)
_FENCE = re.compile(r"^-{4,}\s*$", re.MULTILINE)


def listing_text(text: str) -> str:
    """Return text as a listing shows it: no escape codes, no line too long for the page."""
    return wrapped(plain_text(text).strip("\n"), LISTING_COLUMNS)


def without_directives(text: str) -> str:
    """Return text in which no line makes Asciidoctor include a file or leave out lines."""
    return _DIRECTIVE.sub(r"\\", text)


def without_options(code: str) -> str:
    """Return code without the ``#| fig-cap: ...`` comments that are for the report."""
    return _OPTION.sub("", code).strip("\n")


def listing_part(text: str, language: str | None = None) -> Part:
    """Return a part that shows text as it is, with `language` highlighted when given."""
    shown = listing_text(text)
    longest = max((len(match[0].rstrip()) for match in _FENCE.finditer(shown)), default=3)
    fence = "-" * max(4, longest + 1)
    safe = without_directives(shown)
    head = f"[source,{language}]\n" if language else "[listing]\n"
    argument = f", lang: {typst_string(language)}" if language else ""
    return Part(
        kind="typst",
        asciidoc=f"{head}{fence}\n{safe}\n{fence}",
        text=f"#code({typst_string(shown)}{argument})",
        plain=shown,
    )
