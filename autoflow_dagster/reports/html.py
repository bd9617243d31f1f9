"""A tidied notebook written as one self-contained HTML file.

Pictures are inside the file, nothing runs, and nothing is fetched: the page forbids both itself.
"""

from __future__ import annotations

import base64
import html
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autoflow_dagster.reports.exporter import build_exporter
from autoflow_dagster.reports.html_reader import Drawing, HtmlText, read_html
from autoflow_dagster.reports.jinja import named_errors
from autoflow_dagster.reports.listings import listing_text
from autoflow_dagster.reports.markdown import Converter
from autoflow_dagster.reports.mathematics import formula_of
from autoflow_dagster.reports.pictures import Picture
from autoflow_dagster.reports.programs import TEMPLATES
from autoflow_dagster.reports.tables import Table
from autoflow_dagster.reports.tables_html import table_to_html
from autoflow_dagster.reports.tidy import SCRIPTS_NOTE, UNREADABLE_NOTE, Tidying

_IMG = re.compile(r'<img\b([^>]*?)\ssrc="([^"]*)"([^>]*)>', re.DOTALL)
_TITLE = re.compile(r"\s*<h1[^>]*>(.*?)</h1>\s*", re.DOTALL)


@dataclass
class HtmlWriter:
    """Writes one notebook as HTML; its methods are the templates' filters.

    Attributes
    ----------
    tidying : Tidying
    converter : Converter
        Markdown and HTML to HTML.
    title_in_body : bool
        The first text begins with the title, which stands at the head of the page instead.
    """

    tidying: Tidying
    converter: Converter
    title_in_body: bool
    title_html: str = ""

    def write(self, nb: Any, template: Path | None, inputs_dir: Path | None, facts: dict[str, Any]) -> str:
        """Return the page.

        Parameters
        ----------
        nb : notebook
        template : Path or None
        inputs_dir : Path or None
        facts : dict
            What templates see as `report`: title, workflow, date, parameters, provenance, ...
        """
        cells = _Cells(nb)
        with named_errors(template, cells.where):
            exporter = build_exporter(
                template, "autoflow/report.html.j2", inputs_dir, self.filters(), cells
            )
            self.title_html = html.escape(facts["title"])
            if self.title_in_body:
                self._take_title(nb)
            exporter.environment.globals["report"] = {
                **facts,
                "title_html": self.title_html,
                "css": (TEMPLATES / "report.css").read_text(encoding="utf-8"),
            }
            body, _ = exporter.from_notebook_node(nb, {})
        return str(body)

    def _take_title(self, nb: Any) -> None:
        """Move the first heading of the first text to the head of the page."""
        from autoflow_dagster.reports.headings import texts_of

        text, form = next(iter(texts_of(nb)))
        result = self.converter.convert(text, form)
        match = _TITLE.match(result.text)
        if match:
            self.title_html = match[1]
            self.converter.replace(text, form, result.text[match.end() :])

    def filters(self) -> dict[str, Any]:
        """Return the filters by the names under which templates call them."""
        return {
            "markdown2html": self.markdown,
            "markdown2report": self.markdown,
            "html2report": self.html,
            "latex2report": self.latex,
            "listing": self.listing,
            "code_listing": self.code,
            "report_picture": self.picture,
            "report_note": self.note,
            "text2html": lambda text: html.escape(str(text)),
        }

    def markdown(self, source: str) -> str:
        """Markdown -> HTML with MathML and pictures inside."""
        if not source.strip():
            return ""
        result = self.converter.convert(source, "markdown")
        if result.failed:
            return self.note(UNREADABLE_NOTE) + self.listing(source)
        return self._embedded(result.text)

    def html(self, source: str, output: Any = None) -> str:
        """HTML of an output -> harmless HTML: tables, drawings, and the rest in order."""
        reading = read_html(source)
        written = [self._piece(piece, output) for piece in reading.pieces]
        if reading.active_parts:
            written.append(self.note(SCRIPTS_NOTE))
        return "\n".join(written)

    def _piece(self, piece: HtmlText | Drawing | Table, output: Any) -> str:
        if isinstance(piece, Table):
            if not piece.caption and output is not None:
                piece.caption = output["metadata"]["autoflow"]["caption"]
            return table_to_html(piece, lambda source: self._inline(source, ""))
        if isinstance(piece, Drawing):
            picture = self.tidying.pictures.add(piece.svg.encode(), "image/svg+xml")
            return self._figure(picture, "", "")
        result = self.converter.convert(piece.html, "html")
        if result.failed:
            return self.listing(re.sub(r"<[^>]*>", "", piece.html))
        return self._embedded(result.text)

    def latex(self, source: str) -> str:
        """LaTeX of an output -> a displayed formula in MathML, or its source."""
        formula = formula_of(source)
        if formula is None:
            return self.listing(source)
        result = self.converter.convert(f"$$\n{formula}\n$$", "markdown")
        return self.listing(source) if result.failed else result.text

    def listing(self, text: str) -> str:
        """Printed text -> ``<pre>``."""
        shown = listing_text(text)
        return f"<pre>{html.escape(shown, quote=False)}</pre>" if shown.strip() else ""

    def code(self, text: str, language: str = "python") -> str:
        """Code -> highlighted ``<pre>``."""
        from pygments import highlight
        from pygments.formatters import HtmlFormatter
        from pygments.lexers import get_lexer_by_name
        from pygments.util import ClassNotFound

        try:
            lexer = get_lexer_by_name(language)
        except ClassNotFound:
            return self.listing(text)
        return str(highlight(text, lexer, HtmlFormatter(cssclass="code")))

    def note(self, text: str) -> str:
        """A remark of ours -> a marked paragraph."""
        return f'<p class="note">{html.escape(self.tidying.note(text))}</p>'

    def picture(self, output: Any, mime: str) -> str:
        """The picture of an output -> ``<figure>`` with the picture inside the file."""
        name = (output.get("metadata", {}).get("filenames") or {}).get(mime)
        if name is None:
            return ""
        facts = output["metadata"]["autoflow"]
        return self._figure(self.tidying.pictures.find(name), facts["caption"], facts["alt"])

    def _figure(self, picture: Picture | str, caption: str, alt: str) -> str:
        if isinstance(picture, str):
            return self.note(picture)
        below = f"<figcaption>{html.escape(caption)}</figcaption>" if caption else ""
        return f"<figure>{_img(picture, alt or caption)}{below}</figure>"

    def _inline(self, source: str, alt: str) -> str:
        picture = self.tidying.pictures.find(html.unescape(source))
        if isinstance(picture, str):
            return f'<em class="missing">[{html.escape(self.tidying.note(picture))}]</em>'
        return _img(picture, alt)

    def _embedded(self, text: str) -> str:
        def replaced(match: re.Match[str]) -> str:
            found = self._inline(match[2], "")
            if not found.startswith("<img"):
                return found
            rest = match[1] + match[3].rstrip("/")
            own = re.sub(r"\s(?:width|style)=\"[^\"]*\"", "", found) if "width" in rest else found
            return own[:-1].replace(' alt=""', "" if "alt=" in rest else ' alt=""') + f"{rest}>"

        return _IMG.sub(replaced, text)


def _img(picture: Picture, alt: str) -> str:
    data = base64.b64encode(picture.data).decode("ascii")
    return (
        f'<img src="data:{picture.mime};base64,{data}" alt="{html.escape(alt)}"'
        f' width="{max(1, round(picture.width_pt / 0.75))}">'
    )


class _Cells:
    """Which cell a template is at, for its errors."""

    def __init__(self, nb: Any) -> None:
        self._numbers = {id(cell): number for number, cell in enumerate(nb.cells, 1)}

    def where(self) -> str:
        """Return ``, cell N``, or nothing when no cell was begun."""
        return ""
