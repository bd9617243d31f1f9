"""Executed notebooks as pages: everything that is in them, but nothing that runs or loads.

A page of its own with the style inside, made once. Reports, for readers, are made elsewhere.
"""

from __future__ import annotations

import functools
import html
import logging
import re
import threading
from pathlib import Path
from typing import Any

from autoflow_dagster.outputs import written_whole
from autoflow_dagster.reports.mathematics import formula_of
from autoflow_dagster.site import links
from autoflow_dagster.site.formulas import Formulas
from autoflow_dagster.site.templating import TEMPLATES, render

logger = logging.getLogger(__name__)

_exporting = threading.Lock()
"""The exporter keeps what belongs to one notebook: its formulas, the language of its code."""

LARGEST_NOTEBOOK_BYTES = 40_000_000
"""A larger one has no page: no browser is glad of it, and making it would take minutes."""

_ACTIVE_TAGS = (
    "script", "iframe", "frame", "frameset", "object", "embed", "applet", "meta", "base", "link",
    "form", "template", "portal",
)  # fmt: skip
_LINKS = ("href", "xlink:href")
_HARMLESS_LINK = re.compile(r"(?:https?:|mailto:|#|[^:]*(?:[/?#]|$))", re.IGNORECASE)
_LOADED = ("src", "srcset", "data", "poster", "background", "action", "formaction", "ping")
_SHOWABLE = (
    "text/html", "text/markdown", "text/plain", "text/latex", "image/svg+xml", "image/png",
    "image/jpeg",
)  # fmt: skip
_LEFT_OUT = "Something interactive is left out here. Open the notebook file in Jupyter to see it."


def write_notebook_page(outputs: Path, executed: str, title: str) -> bool:
    """Write the page of an executed notebook, unless it is there already.

    Parameters
    ----------
    executed : str
        The notebook, relative to the outputs directory.

    Returns
    -------
    bool
        Whether there is a page; False when the notebook cannot be read or is too large.
    """
    page, notebook = outputs / links.notebook_page(executed), outputs / executed
    if page.exists():
        return True
    try:
        if notebook.stat().st_size > LARGEST_NOTEBOOK_BYTES:
            logger.warning("%s is too large for a page of its own.", notebook.name)
            return False
        text = notebook_html(notebook.read_text(encoding="utf-8"), executed, title)
        with written_whole(page, is_flushed=False) as temporary:
            temporary.write_text(text, encoding="utf-8", errors="replace")
    except Exception as error:  # the file itself is still there to be read
        logger.warning("No page of %s: %s: %s", notebook.name, type(error).__name__, error)
        return False
    return True


def notebook_html(source: str, executed: str, title: str) -> str:
    """Return the page of an executed notebook.

    Parameters
    ----------
    source : str
        The notebook file's text.
    """
    import nbformat
    from markupsafe import Markup

    notebook = nbformat.reads(source, as_version=4)  # type: ignore[no-untyped-call]
    page = links.notebook_page(executed)
    return render(
        "notebook.html.j2",
        title=title,
        name=executed.rsplit("/", 1)[-1],
        file_href=links.relative(page, executed),
        index_href=links.relative(page, links.INDEX),
        failed=executed.startswith("notebooks/failed/"),
        css=Markup((TEMPLATES / "notebook.css").read_text(encoding="utf-8")),
        body=Markup(_body(notebook)),
    )


def _body(notebook: Any) -> str:
    """Return the cells as HTML, with formulas in MathML."""
    formulas = Formulas()
    _make_showable(notebook, formulas)
    with _exporting:
        exporter = _exporter()
        exporter.formulas = formulas
        body, _ = exporter.from_notebook_node(notebook)
    return formulas.put_into(harmless(body))


@functools.cache
def _exporter() -> Any:
    """Return nbconvert's exporter; it compiles its templates once, which takes most of the time."""
    from jinja2 import pass_context
    from nbconvert.exporters import HTMLExporter
    from nbconvert.filters.markdown_mistune import (
        InvalidNotebook,
        IPythonRenderer,
        MarkdownWithMath,
    )

    class Renderer(IPythonRenderer):
        formulas: Formulas

        def block_math(self, body: str) -> str:
            return self.formulas.mark(body, True)

        def image(self, text: str, url: str, title: str | None = None) -> str:
            try:
                return str(super().image(text, url, title))
            except InvalidNotebook:  # names an attachment that it does not have
                return f"<em>{html.escape(text)}</em>"

        def inline_math(self, body: str) -> str:
            if body != body.strip():  # from one sum of money to the next
                return html.escape(f"${body}$")
            return self.formulas.mark(body, False)

        def latex_environment(self, name: str, body: str) -> str:
            return self.formulas.mark(rf"\begin{{{name}}}{body}\end{{{name}}}", True)

    class Exporter(HTMLExporter):
        formulas: Formulas

        @pass_context
        def markdown2html(self, context: Any, source: str) -> str:
            attachments = context.get("cell", {}).get("attachments", {})
            renderer = Renderer(escape=False, attachments=attachments, exclude_anchor_links=True)
            renderer.formulas = self.formulas
            return str(MarkdownWithMath(renderer=renderer).render(source))

    return Exporter(template_name="basic")  # type: ignore[no-untyped-call]


def _make_showable(notebook: Any, formulas: Formulas) -> None:
    """Leave out outputs that no page can show, and put marks in place of those that are formulas.

    Scraps are of the first kind, SymPy's results of the second.
    """
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            data = output.get("data", {})
            formula = formula_of(data["text/latex"]) if "text/latex" in data else None
            if formula and "text/html" not in data:
                output["data"] = {"text/html": formulas.mark(formula, True)}
        if "outputs" in cell:
            cell.outputs = [output for output in cell.outputs if _is_showable(output)]


def _is_showable(output: Any) -> bool:
    return "data" not in output or any(kind in output["data"] for kind in _SHOWABLE)


def harmless(body: str) -> str:
    """Return HTML without anything that runs, loads, sends, or leads elsewhere by itself.

    The page forbids the same to itself, but not every reader heeds that.
    """
    from bs4 import BeautifulSoup

    soup = BeautifulSoup(body, "html.parser")
    for tag in soup.find_all(_ACTIVE_TAGS):
        if tag.name in ("script", "iframe", "object", "embed"):
            note = soup.new_tag("p", attrs={"class": "left-out"})
            note.string = _LEFT_OUT
            before = tag.find_previous_sibling()
            if before is None or before.get("class") != ["left-out"]:
                tag.insert_before(note)
        tag.decompose()
    for tag in soup.find_all(True):
        for name in list(tag.attrs):
            if not _is_harmless(name, str(tag.attrs[name])):
                del tag.attrs[name]
    return str(soup)


def _is_harmless(name: str, value: str) -> bool:
    """Return whether an attribute neither runs nor loads anything; pictures inside the file may."""
    value = re.sub(r"[\x00-\x20]", "", value)  # browsers read over it
    if name in _LINKS:
        return bool(_HARMLESS_LINK.match(value))
    if name in _LOADED:
        return value.startswith("data:image/")
    return not name.startswith("on")
