"""A tidied notebook written as AsciiDoc, by nbconvert's exporter and a template.

The filters that templates use are here. What becomes of the AsciiDoc is `typst_pdf.py` and
`asciidoctor.py`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autoflow_dagster.reports.html_reader import Drawing, HtmlText, read_html
from autoflow_dagster.reports.jinja import OWN, build_environment, named_errors
from autoflow_dagster.reports.listings import listing_part
from autoflow_dagster.reports.markdown import Converter
from autoflow_dagster.reports.parts import Part, Parts
from autoflow_dagster.reports.pictures import TEXT_WIDTH_PT, Picture
from autoflow_dagster.reports.tables import Table
from autoflow_dagster.reports.tables_asciidoc import asciidoc_text, table_to_asciidoc
from autoflow_dagster.reports.tables_typst import table_to_typst, typst_string
from autoflow_dagster.reports.tidy import PRIORITY, Tidying


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
    max_table_rows : int
    """

    tidying: Tidying
    converter: Converter
    parts: Parts
    max_table_rows: int

    def write(self, nb: Any, template: Path | None, inputs_dir: Path | None) -> str:
        """Return the notebook as AsciiDoc, parts marked.

        Raises
        ------
        ReportError
            When the template has an error: with its file, line, and the cell it was at.
        """
        at: list[int] = []
        exporter = _exporter(template, inputs_dir, self.filters())
        exporter.environment.globals["autoflow_at"] = at.append
        resources = {"outputs": {n: p.data for n, p in self.tidying.pictures.kept.items()}}
        with named_errors(template, lambda: ""):
            body, _ = exporter.from_notebook_node(nb, resources)
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
            "report_note": self.note,
            "asciidoc_text": asciidoc_text,
        }

    def markdown(self, source: str) -> str:
        """Markdown -> AsciiDoc."""
        if not source.strip():
            return ""
        result = self.converter.convert(source, "markdown")
        if result.failed:
            return self.note("Text left unformatted: it could not be read as Markdown.") + self.listing(source)
        return self.parts.add(Part("markdown", result.text, source, source))

    def html(self, html: str, output: Any = None) -> str:
        """HTML -> AsciiDoc: tables, drawings, and the rest in order."""
        reading = read_html(html, self.max_table_rows)
        written = [self._piece(piece, output) for piece in reading.pieces]
        if reading.active_parts:
            written.append(
                self.note("Interactive content left out: it needs scripts, which reports do not run.")
            )
        return "\n".join(written)

    def _piece(self, piece: HtmlText | Drawing | Table, output: Any) -> str:
        if isinstance(piece, Table):
            if not piece.caption and output is not None:
                piece.caption = output["metadata"]["autoflow"]["caption"]
            return self.table(piece)
        if isinstance(piece, Drawing):
            picture = self.tidying.pictures.add(piece.svg.encode(), "image/svg+xml")
            return self._shown_picture(picture, "", "")
        result = self.converter.convert(piece.html, "html")
        if result.failed:
            return self.listing(re.sub(r"<[^>]*>", "", piece.html))
        return self.parts.add(Part("html", result.text, piece.html, piece.html))

    def table(self, table: Table) -> str:
        """Table -> AsciiDoc, with a note when rows were left out."""
        note = ""
        if table.left_out:
            note = self.tidying.note(f"{table.left_out:,} rows left out.")
        asciidoc = table_to_asciidoc(table) + (f"\n_{asciidoc_text(note)}_\n" if note else "")
        return self.parts.add(Part("typst", asciidoc, table_to_typst(table, note, self._cell_picture), note))

    def _cell_picture(self, source: str) -> str:
        picture = self.tidying.pictures.find(source)
        if isinstance(picture, str):
            return f"emph({typst_string(f'[{self.tidying.note(picture)}]')})"
        return f"image({typst_string(picture.name)}, width: {picture.width_pt:.2f}pt)"

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
        """LaTeX of an output -> a displayed formula."""
        text = source.strip()
        for start, end in (("$$", "$$"), (r"\[", r"\]"), ("$", "$")):
            if text.startswith(start) and text.endswith(end) and len(text) > len(start) + len(end):
                text = text[len(start) : -len(end)].strip()
                break
        text = text.removeprefix(r"\displaystyle").strip()
        if not text or "$" in text or r"\begin{tabular}" in text:
            return self.listing(source)
        fence = "+" * (max((len(m) for m in re.findall(r"\++", text)), default=3) + 4)
        return self.parts.add(Part("math", f"[latexmath]\n{fence}\n{text}\n{fence}", text, text))

    def listing(self, text: str) -> str:
        """Printed text -> a listing, nothing for blank text."""
        return self.parts.add(listing_part(text)) if text.strip() else ""

    def code(self, text: str, language: str = "python") -> str:
        """Code -> a highlighted listing."""
        clean = re.sub(r"[^\w+#-]", "", language) or "text"
        return self.parts.add(listing_part(text, clean))

    def note(self, text: str) -> str:
        """A remark of ours -> a marked paragraph."""
        self.tidying.note(text)
        return self.parts.add(Part("typst", f"_{asciidoc_text(text)}_", f"#note({typst_string(text)})", text))

    def picture(self, output: Any, mime: str) -> str:
        """The picture of an output -> an image with its own width, at most that of the text."""
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


def _exporter(template: Path | None, inputs_dir: Path | None, filters: dict[str, Any]) -> Any:
    """Return nbconvert's AsciiDoc exporter with our environment and without its preprocessors."""
    from nbconvert.exporters import ASCIIDocExporter
    from nbconvert.exporters.templateexporter import default_filters
    from traitlets.config import Config

    class ReportExporter(ASCIIDocExporter):  # type: ignore[misc]
        """nbconvert's exporter; the notebook is already tidied."""

        def _init_preprocessors(self) -> None:
            self._preprocessors: list[Any] = []

        def _create_environment(self) -> Any:
            environment = build_environment(template, inputs_dir, {}, list(self.template_paths))
            for name, jinja_filter in self.default_filters():
                self._register_filter(environment, name, jinja_filter)
            environment.filters.update(filters)
            return environment

        def _load_template(self) -> Any:
            name = OWN if template else "autoflow/report.asciidoc.j2"
            return self.environment.get_template(name)

    config = Config()
    config.NbConvertBase.display_data_priority = list(PRIORITY)
    assert default_filters
    return ReportExporter(
        config=config, exclude_input_prompt=True, exclude_output_prompt=True, exclude_raw=False
    )
