"""The title of a report, and the texts in which it and the other headings are."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from autoflow_dagster.reports.html_reader import HtmlText
from autoflow_dagster.reports.markdown import Converter, SourceFormat
from autoflow_dagster.reports.model import Provenance
from autoflow_dagster.reports.tidy import PRIORITY, Tidying

_DOCUMENT_TITLE = re.compile(r"\A(?:\s*(?::!?[\w-]+!?:.*|//.*)?\n)*= (.+)")


def texts_of(nb: Any, tidying: Tidying) -> Iterator[tuple[str, SourceFormat]]:
    """Yield every Markdown and HTML text that the report will show, in order."""
    for cell in nb.cells:
        if cell.cell_type == "markdown" and cell.source.strip():
            yield cell.source, "markdown"
        for output in cell.get("outputs") or ():
            data = output.get("data") or {}
            best = next((mime for mime in PRIORITY if mime in data), None)
            if best == "text/markdown" and data[best].strip():
                yield data[best], "markdown"
            elif best == "text/html":
                for piece in tidying.reading(data[best]).pieces:
                    if isinstance(piece, HtmlText):
                        yield piece.html, "html"


def title_of_asciidoc(body: str) -> str | None:
    """Return the document title of AsciiDoc, if it begins with one."""
    match = _DOCUMENT_TITLE.match(body)
    return html.unescape(re.sub(r"[*_`#]", "", match[1])).strip() if match else None


def report_title(
    nb: Any, tidying: Tidying, converter: Converter, provenance: Provenance
) -> tuple[str, bool]:
    """Return the title, and whether the text itself begins with it as a heading.

    The notebook's ``title`` metadata, else its first heading of the first level, else its name.
    """
    first: str | None = None
    in_body = False
    for number, (text, form) in enumerate(texts_of(nb, tidying)):
        result = converter.convert(text, form)
        tops = [heading for level, heading in result.headings if level == 1 and heading.strip()]
        if tops:
            first = " ".join(tops[0].split())
            in_body = number == 0 and result.starts_with_title
            break
    said = nb.metadata.get("title")
    if isinstance(said, str) and said.strip():
        return said.strip(), in_body
    if first:
        return first, in_body
    stem = Path(provenance.notebook_filename or "Report").stem.split("__")[0]
    words = stem.replace("_", " ").replace("-", " ").strip() or "Report"
    return words[0].upper() + words[1:], False
