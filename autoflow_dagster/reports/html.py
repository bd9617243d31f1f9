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

from autoflow_dagster.reports import remarks
from autoflow_dagster.reports.conversion import Conversion, Made, template_facts
from autoflow_dagster.reports.directives import with_closed_blocks
from autoflow_dagster.reports.exporter import build_exporter
from autoflow_dagster.reports.headings import report_title, texts_of
from autoflow_dagster.reports.html_reader import Drawing, Piece
from autoflow_dagster.reports.jinja import named_errors
from autoflow_dagster.reports.listings import listing_text, without_directives, without_options
from autoflow_dagster.reports.markdown import Converter
from autoflow_dagster.reports.mathematics import formula_of
from autoflow_dagster.reports.pictures import Picture
from autoflow_dagster.reports.programs import TEMPLATES
from autoflow_dagster.reports.provenance import provenance_text
from autoflow_dagster.reports.room import room_in_html
from autoflow_dagster.reports.tables import Table
from autoflow_dagster.reports.tables_html import table_to_html
from autoflow_dagster.reports.tidy import Tidying, tidy_notebook, with_caption
from autoflow_dagster.reports.web_fonts import font_faces

_IMG = re.compile(r'<img\b([^>]*?)\ssrc="([^"]*)"([^>]*)>', re.DOTALL)
FONT_FACES = "/* fonts */\n"
"""Stands in the style sheet for the fonts, which are chosen when the whole text is known."""

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

    def write(
        self, nb: Any, template: Path | None, inputs_dir: Path | None, facts: dict[str, Any]
    ) -> str:
        """Return the page.

        Parameters
        ----------
        nb : notebook
        template : Path or None
        inputs_dir : Path or None
        facts : dict
            What templates see as `report`: title, workflow, date, parameters, provenance, ...
        """
        self.title_html = html.escape(facts["title"])
        if self.title_in_body:
            self._take_title(nb)
        values = {
            **facts,
            "title_html": self.title_html,
            "css": FONT_FACES + (TEMPLATES / "report.css").read_text(encoding="utf-8"),
        }
        with named_errors(template):
            exporter = build_exporter(
                "html", template, inputs_dir, self.filters(), {"report": values}
            )
            body, _ = exporter.from_notebook_node(nb, {})
        return str(body)

    def _take_title(self, nb: Any) -> None:
        """Move the first heading of the first text to the head of the page."""
        text, form = next(iter(texts_of(nb, self.tidying)))
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
            "raw_cell": self.raw_cell,
            "report_note": self.note,
            "text2html": lambda text: html.escape(str(text)),
        }

    def markdown(self, source: str) -> str:
        """Turn Markdown into HTML with MathML and with its pictures inside."""
        if not source.strip():
            return ""
        result = self.converter.convert(source, "markdown")
        if result.failed:
            return self.note(remarks.UNREADABLE) + self.listing(source)
        return self._embedded(result.text)

    def html(self, source: str, output: Any = None) -> str:
        """Turn the HTML of an output into harmless HTML: tables, drawings, and the rest in order."""
        reading = self.tidying.reading(source)
        written = [self._piece(piece, output) for piece in reading.pieces]
        if reading.letters_left_out:
            written.append(self.note(remarks.letters_left_out(reading.letters_left_out)))
        if reading.active_parts:
            written.append(self.note(remarks.SCRIPTS))
        return "\n".join(written)

    def _piece(self, piece: Piece, output: Any) -> str:
        if isinstance(piece, Table):
            note = remarks.rows_left_out(piece.left_out) if piece.left_out else ""
            table = with_caption(piece, output)
            return table_to_html(table, lambda source: self._inline(source, ""), note)
        if isinstance(piece, Drawing):
            picture = self.tidying.pictures.add(piece.svg.encode(), "image/svg+xml")
            return self._figure(picture, "", "")
        result = self.converter.convert(piece.html, "html")
        if result.failed:
            return self.listing(re.sub(r"<[^>]*>", "", piece.html))
        return self._embedded(result.text)

    def latex(self, source: str) -> str:
        """Show LaTeX of an output as a displayed formula, or its source when it is not one."""
        formula = formula_of(source)
        if formula is None:
            return self.listing(source)
        result = self.converter.convert(f"$$\n{formula}\n$$", "markdown")
        return self.listing(source) if result.failed else result.text

    def raw_cell(self, cell: Any) -> str:
        """Show a raw cell by the format that it names; as AsciiDoc when it names none."""
        kind = str(cell["metadata"].get("raw_mimetype") or cell["metadata"].get("format") or "")
        source = str(cell["source"])
        if "markdown" in kind:
            return self.markdown(source)
        if "html" in kind:
            return self.html(source)
        if kind and "asciidoc" not in kind:
            return ""
        safe, _ = with_closed_blocks(without_directives(source))
        result = self.converter.convert(safe, "asciidoc")
        return self.listing(source) if result.failed else self._embedded(result.text)

    def listing(self, text: str) -> str:
        """Show printed text as a listing; nothing for blank text."""
        shown = listing_text(text)
        return f"<pre>{html.escape(shown, quote=False)}</pre>" if shown.strip() else ""

    def code(self, text: str, language: str = "python") -> str:
        """Show code, highlighted."""
        from pygments import highlight  # type: ignore[import-untyped]
        from pygments.formatters import HtmlFormatter  # type: ignore[import-untyped]
        from pygments.lexers import get_lexer_by_name  # type: ignore[import-untyped]
        from pygments.util import ClassNotFound  # type: ignore[import-untyped]

        try:
            lexer = get_lexer_by_name(language)
        except ClassNotFound:
            return self.listing(text)
        return str(highlight(without_options(text), lexer, HtmlFormatter(cssclass="code")))

    def note(self, text: str) -> str:
        """Show a remark of ours, marked as such."""
        return f'<p class="remark">{html.escape(self.tidying.note(text))}</p>'

    def picture(self, output: Any, mime: str) -> str:
        """Show the picture of an output, its data inside the file."""
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


def make_html(conversion: Conversion) -> Made:
    """Make a self-contained HTML file at the conversion's destination.

    Raises
    ------
    ReportError
        When the template has an error, or a limit was met.
    """
    nb = conversion.nb
    tidying = conversion.tidying
    tidying.room = room_in_html()
    tidy_notebook(nb, tidying)
    converter = Converter("html", conversion.limits, conversion.directory)
    converter.prepare(texts_of(nb, tidying))
    title, in_body = report_title(nb, tidying, converter, conversion.provenance)
    about = provenance_text(conversion.provenance, title)
    writer = HtmlWriter(conversion.tidying, converter, in_body)
    page = writer.write(
        nb,
        conversion.options.template,
        conversion.inputs_dir,
        template_facts(conversion, title, about),
    )
    page = conversion.redactor.text(page)
    page = page.replace(FONT_FACES, font_faces(page, conversion.inputs_dir), 1)
    conversion.destination.write_text(page, encoding="utf-8")
    conversion.limits.left()
    return Made(title, "html", tuple(conversion.tidying.notes), None)
