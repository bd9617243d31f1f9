"""A tidied notebook written as AsciiDoc, by nbconvert's exporter and a template.

The filters that templates use are here. What becomes of the AsciiDoc is `typst_pdf.py` and
`asciidoctor.py`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autoflow_dagster.reports import remarks
from autoflow_dagster.reports.directives import with_closed_blocks
from autoflow_dagster.reports.exporter import build_exporter
from autoflow_dagster.reports.html_reader import Drawing, Piece
from autoflow_dagster.reports.jinja import named_errors
from autoflow_dagster.reports.listings import listing_part, without_directives, without_options
from autoflow_dagster.reports.markdown import Converted, Converter, with_display_math
from autoflow_dagster.reports.mathematics import formula_of
from autoflow_dagster.reports.parts import Part, Parts
from autoflow_dagster.reports.pictures import TEXT_WIDTH_PT, Picture
from autoflow_dagster.reports.provenance import ProvenanceText
from autoflow_dagster.reports.tables import Table
from autoflow_dagster.reports.tables_asciidoc import asciidoc_text, table_to_asciidoc
from autoflow_dagster.reports.tables_typst import table_to_typst, typst_string
from autoflow_dagster.reports.tidy import Tidying, with_caption


@dataclass(frozen=True)
class AsciidocSource:
    """The AsciiDoc of a report and what goes with it.

    Attributes
    ----------
    body : str
        AsciiDoc with a word for each part.
    parts : Parts
    title : str
    title_in_body : bool
        The first heading of the body is the title, so it is not shown twice.
    about : ProvenanceText
    remarks : tuple of str
        Shown under the title.
    """

    body: str
    parts: Parts
    title: str
    title_in_body: bool
    about: ProvenanceText
    remarks: tuple[str, ...] = ()

    def written_out(self) -> str:
        """Return the AsciiDoc with every part in it."""
        return self.parts.written_out(self.body)


@dataclass
class AsciidocWriter:
    """Writes one notebook as AsciiDoc; its methods are the templates' filters.

    Attributes
    ----------
    tidying : Tidying
        With the pictures of the notebook, and where notes are kept.
    converter : Converter
        Markdown and HTML to AsciiDoc.
    parts : Parts
    raw_as_text : bool
        Show raw cells as they are, without reading their AsciiDoc.
    """

    tidying: Tidying
    converter: Converter
    parts: Parts
    raw_as_text: bool = False

    def write(
        self, nb: Any, template: Path | None, inputs_dir: Path | None, facts: dict[str, Any]
    ) -> str:
        """Return the notebook as AsciiDoc, parts marked.

        Parameters
        ----------
        nb : notebook
            Tidied.
        template : Path or None
            None is the built-in template.
        inputs_dir : Path or None
        facts : dict
            What templates see as `report`.

        Raises
        ------
        ReportError
            When the template has an error: with its file, line, and the cell it was at.
        """
        pictures = {name: picture.data for name, picture in self.tidying.pictures.kept.items()}
        with named_errors(template):
            exporter = build_exporter(
                "asciidoc", template, inputs_dir, self.filters(), {"report": facts}
            )
            body, _ = exporter.from_notebook_node(nb, {"outputs": pictures})
        return str(body)

    def filters(self) -> dict[str, Any]:
        """Return the filters by the names under which templates call them."""
        return {
            "markdown2asciidoc": self.markdown,
            "html2asciidoc": self.html,
            "convert_pandoc": self.convert,
            "latex2asciidoc": self.latex,
            "listing": self.listing,
            "code_listing": self.code,
            "report_picture": self.picture,
            "raw_cell": self.raw_cell,
            "report_note": self.note,
            "asciidoc_text": asciidoc_text,
        }

    def markdown(self, source: str) -> str:
        """Turn Markdown into AsciiDoc."""
        if not source.strip():
            return ""
        result = self.converter.convert(source, "markdown")
        if result.failed:
            return self.note(remarks.UNREADABLE) + self.listing(source)
        self._look_up(result)
        return self.parts.add(Part("markdown", result.text, with_display_math(source), source))

    def html(self, html: str, output: Any = None) -> str:
        """Turn HTML into AsciiDoc: tables, drawings, and the rest in order."""
        reading = self.tidying.reading(html)
        written = [self._piece(piece, output) for piece in reading.pieces]
        if reading.letters_left_out:
            written.append(self.note(remarks.letters_left_out(reading.letters_left_out)))
        if reading.active_parts:
            written.append(self.note(remarks.SCRIPTS))
        return "\n".join(written)

    def _piece(self, piece: Piece, output: Any) -> str:
        if isinstance(piece, Table):
            return self.table(with_caption(piece, output))
        if isinstance(piece, Drawing):
            picture = self.tidying.pictures.add(piece.svg.encode(), "image/svg+xml")
            return self._shown_picture(picture, "", "")
        result = self.converter.convert(piece.html, "html")
        if result.failed:
            return self.listing(re.sub(r"<[^>]*>", "", piece.html))
        self._look_up(result)
        return self.parts.add(Part("html", result.text, piece.html, piece.html))

    def _look_up(self, converted: Converted) -> None:
        """Find the pictures of a text, which Typst will ask for by their sources."""
        for source in converted.images:
            found = self.tidying.pictures.find(source)
            if isinstance(found, str):
                self.tidying.note(found)

    def table(self, table: Table) -> str:
        """Show a table, with a remark when rows were left out."""
        note = ""
        if table.left_out:
            note = self.tidying.note(remarks.rows_left_out(table.left_out))
        asciidoc = table_to_asciidoc(table) + (f"\n_{asciidoc_text(note)}_\n" if note else "")
        return self.parts.add(
            Part("typst", asciidoc, table_to_typst(table, note, self._cell_picture), note)
        )

    def _cell_picture(self, source: str) -> str:
        picture = self.tidying.pictures.find(source)
        if isinstance(picture, str):
            return f"emph({typst_string(f'[{self.tidying.note(picture)}]')})"
        return f"inline-picture({typst_string(picture.name)}, width: {picture.width_pt:.2f}pt)"

    def convert(self, source: str, from_format: str, to_format: str, extra_args: Any = None) -> str:
        """Stand for nbconvert's ``convert_pandoc`` with the formats that templates use."""
        if to_format.startswith("asciidoc"):
            if from_format.startswith("html"):
                return self.html(source)
            if from_format.startswith("latex"):
                return self.latex(source)
            if from_format.startswith(("markdown", "gfm", "commonmark")):
                return self.markdown(source)
        return source

    def latex(self, source: str) -> str:
        """Show LaTeX of an output as a displayed formula, or its source when it is not one."""
        text = formula_of(source)
        if text is None:
            return self.listing(source)
        fence = "+" * (max((len(m) for m in re.findall(r"\++", text)), default=3) + 4)
        return self.parts.add(Part("math", f"[latexmath]\n{fence}\n{text}\n{fence}", text, text))

    def raw_cell(self, cell: Any) -> str:
        """Show a raw cell by the format that it names; AsciiDoc when it names none."""
        kind = str(cell["metadata"].get("raw_mimetype") or cell["metadata"].get("format") or "")
        source = str(cell["source"])
        if not source.strip():
            return ""
        if "markdown" in kind:
            return self.markdown(source)
        if "html" in kind:
            return self.html(source)
        if kind and "asciidoc" not in kind:
            return ""
        # read apart from the rest, so that what is wrong with it is wrong with it alone
        if self.raw_as_text:
            return self.listing(source)
        safe, _ = with_closed_blocks(without_directives(source))
        return self.parts.add(Part("asciidoc", safe, safe, source))

    def listing(self, text: str) -> str:
        """Show printed text as a listing; nothing for blank text."""
        return self.parts.add(listing_part(text)) if text.strip() else ""

    def code(self, text: str, language: str = "python") -> str:
        """Show code, highlighted."""
        clean = re.sub(r"[^\w+#-]", "", language) or "text"
        return self.parts.add(listing_part(without_options(text), clean))

    def note(self, text: str) -> str:
        """Show a remark of ours, marked as such."""
        self.tidying.note(text)
        return self.parts.add(
            Part("typst", f"_{asciidoc_text(text)}_", f"#note({typst_string(text)})", text)
        )

    def picture(self, output: Any, mime: str) -> str:
        """Show the picture of an output at its own width, at most that of the text."""
        name = (output.get("metadata", {}).get("filenames") or {}).get(mime)
        if name is None:
            return ""
        facts = output["metadata"]["autoflow"]
        return self._shown_picture(self.tidying.pictures.find(name), facts["caption"], facts["alt"])

    def _shown_picture(self, picture: Picture | str, caption: str, alt: str) -> str:
        if isinstance(picture, str):
            return self.note(picture)
        width = min(picture.width_pt, TEXT_WIDTH_PT)
        lines = [f".{asciidoc_text(caption)}"] if caption else []
        alt_text = asciidoc_text(alt or caption).replace(",", "&#44;").replace('"', "&#34;")
        lines.append(f"image::{picture.name}[{alt_text},pdfwidth={width:.1f}pt,align=center]")
        arguments = [typst_string(picture.name), f"width: {picture.width_pt:.2f}pt"]
        if caption:
            arguments.append(f"caption: {typst_string(caption)}")
        if alt or caption:
            arguments.append(f"alt: {typst_string(alt or caption)}")
        return self.parts.add(
            Part("typst", "\n".join(lines), f"#picture({', '.join(arguments)})", alt or caption)
        )
