"""An executed notebook made ready for paper: what is hidden goes, what stays is cleaned.

Works on the notebook alone, before any template sees it, so that every template, format and engine
hides the same things. Nothing here writes AsciiDoc or HTML.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote

from autoflow_dagster.reports import remarks
from autoflow_dagster.reports.html_reader import Reading, read_html
from autoflow_dagster.reports.pictures import Picture, Pictures, decoded
from autoflow_dagster.reports.room import Room
from autoflow_dagster.reports.tables import Table
from autoflow_dagster.reports.text import plain_text, shortened, without_controls

HIDE = frozenset({"hide", "hide_cell", "hide-cell", "remove_cell", "remove-cell"})
HIDE_INPUT = frozenset({"hide_input", "hide-input", "remove_input", "remove-input"})
HIDE_OUTPUT = frozenset({"hide_output", "hide-output", "remove_output", "remove-output"})
SHOW_INPUT = frozenset({"show_input", "show-input"})
PAGE_BREAK = frozenset({"page_break", "page-break"})
PARAMETERS = frozenset({"parameters", "injected-parameters"})
_PAPERMILL_ERROR = "papermill-error-cell-tag"

PICTURE_TYPES = ("image/svg+xml", "image/png", "image/jpeg", "image/gif", "image/webp")
PRIORITY = ["text/html", "text/markdown", *PICTURE_TYPES, "text/latex", "text/plain"]
"""Which form of an output is shown, best first."""

_WITH_BLOCKS = ("image/svg+xml", "image/png", "image/jpeg")
_MARKUP = ("text/html", "text/markdown", "text/latex")
_NOISE = ("application/papermill", "application/scrapbook", "application/vnd.jupyter.widget")
_OBJECT = re.compile(
    r"\[?<(?:[^<>]| at 0x)* at 0x[0-9a-fA-F]+>[,\s\]]*(?:.{0,20}<.* at 0x[0-9a-fA-F]+>.*)?"
    r"|<IPython\.core\.display\.\w+ object>|<Axes(?:Subplot)?:.*>|<Figure size [^<>]*>|Text\([^()]*, '.*'\)",
    re.DOTALL,
)
_OPTION = re.compile(r"^#\|\s*([\w-]+):\s*(.*?)\s*$", re.MULTILINE)


@dataclass
class Tidying:
    """How to tidy, and what was noted while doing so.

    Attributes
    ----------
    pictures : Pictures
        Receives every picture of the notebook.
    room : Room
        How much of each output is kept.
    show_code : bool
    notes : list of str
        What was left out, in order, without repetitions.
    """

    pictures: Pictures
    room: Room = Room()
    show_code: bool = False
    notes: list[str] = field(default_factory=list)
    _readings: dict[str, Reading] = field(default_factory=dict)

    def reading(self, html: str) -> Reading:
        """Return what is in an HTML output; each is read once."""
        if html not in self._readings:
            self._readings[html] = read_html(html, self.room)
        return self._readings[html]

    def note(self, text: str) -> str:
        """Keep a note for the summary and return it, to be shown in its place."""
        if text not in self.notes:
            self.notes.append(text)
        return text


def tidy_notebook(nb: Any, tidying: Tidying) -> None:
    """Change a notebook in place into what a report shows of it.

    Each cell's metadata gets an ``autoflow`` entry: ``number`` (from 1), ``code`` (show its code and
    what it prints), ``page_break``, ``caption`` and ``alt``. Each output that has pictures gets
    ``metadata.filenames``, as templates expect.
    """
    cells = []
    for number, cell in enumerate(nb.cells, 1):
        tags = frozenset(cell.get("metadata", {}).get("tags") or ())
        if tags & HIDE or _PAPERMILL_ERROR in tags:
            continue
        if cell.cell_type == "code" and tags & PARAMETERS and not tags & SHOW_INPUT:
            continue
        _tidy_cell(cell, number, tags, tidying)
        cells.append(cell)
    nb.cells = cells


def _tidy_cell(cell: Any, number: int, tags: frozenset[str], tidying: Tidying) -> None:
    cell.source = without_controls(_joined(cell.get("source", "")).replace("\r\n", "\n"))
    options = dict(_OPTION.findall(cell.source)) if cell.cell_type == "code" else {}
    cell.metadata["autoflow"] = {
        "number": number,
        "code": bool((tidying.show_code or tags & SHOW_INPUT) and not tags & HIDE_INPUT),
        "page_break": bool(tags & PAGE_BREAK),
        "caption": _said(cell, options, "caption", ("fig-cap", "tbl-cap")),
        "alt": _said(cell, options, "alt", ("fig-alt",)),
    }
    if tags & HIDE_INPUT:
        cell.source = ""
        cell.metadata["transient"] = {"remove_source": True}
    if cell.cell_type == "markdown":
        cell.source = _fitting(cell.source, tidying)
        cell.source = _with_attachments(cell, tidying)
    elif cell.cell_type == "code":
        cell.execution_count = None
        outputs = [] if tags & HIDE_OUTPUT else _merged_streams(cell.get("outputs") or [])
        cell.outputs = [output for output in outputs if _tidy_output(output, cell, tidying)]


def _said(cell: Any, options: dict[str, str], name: str, comments: tuple[str, ...]) -> str:
    """Return what a cell says in its metadata or in a ``#| fig-cap:`` comment."""
    said = cell.metadata.get(name) or next((options[c] for c in comments if c in options), "")
    return str(said).strip("\"'")


def _merged_streams(outputs: list[Any]) -> list[Any]:
    """Return the outputs with stderr gone and neighbouring pieces of stdout joined."""
    merged: list[Any] = []
    for output in outputs:
        if output.output_type == "stream":
            if output.get("name") != "stdout":
                continue
            output["text"] = _joined(output.get("text", ""))
            if merged and merged[-1].output_type == "stream":
                merged[-1]["text"] += output["text"]
                continue
        merged.append(output)
    return merged


def _tidy_output(output: Any, cell: Any, tidying: Tidying) -> bool:
    """Tidy one output; return False when nothing of it is shown."""
    if output.output_type == "stream":
        output["text"] = _printed(output["text"], tidying)
        return bool(output["text"].strip())
    if output.output_type == "error":
        if not cell.metadata["autoflow"]["code"]:
            return False
        trace = plain_text("\n".join(output.get("traceback") or ()))
        output["traceback"] = _printed(trace, tidying).split("\n")
        return True
    if output.output_type not in ("display_data", "execute_result"):
        return False
    return _tidy_data(output, cell, tidying)


def _tidy_data(output: Any, cell: Any, tidying: Tidying) -> bool:
    data = output.get("data") or {}
    if any(mime.startswith(_NOISE) for mime in data):
        return False
    if not isinstance(output.get("metadata"), dict):
        output["metadata"] = {}
    output["data"] = {mime: _clean(mime, value) for mime, value in data.items()}
    data = output["data"]  # nbformat keeps a copy
    of_cell = cell.metadata["autoflow"]
    output.metadata["autoflow"] = {
        "caption": str(output.metadata.get("caption") or of_cell["caption"]),
        "alt": str(output.metadata.get("alt") or of_cell["alt"]),
        "note": "",
    }
    facts = output.metadata["autoflow"]
    had = frozenset(data)
    for mime in PICTURE_TYPES:
        if mime in data:
            _keep_picture(output, mime, tidying)
    if "text/markdown" in data:
        data["text/markdown"] = _fitting(data["text/markdown"], tidying)
    if "text/html" in data:
        _check_html(output, tidying)
    if "text/plain" in data:
        if _OBJECT.fullmatch(data["text/plain"].strip()):
            del data["text/plain"]
        else:
            data["text/plain"] = _printed(data["text/plain"], tidying)
    if "application/json" in data and not any(mime in data for mime in PRIORITY):
        written = json.dumps(data["application/json"], indent=2, ensure_ascii=False)
        data["text/plain"] = _printed(written, tidying)
    if any(mime in data for mime in PRIORITY):
        return True
    if data and not facts["note"] and "text/plain" not in had:
        facts["note"] = tidying.note(remarks.SCRIPTS)
    output["data"] = {"text/plain": ""}  # a form that every template knows
    return bool(facts["note"])


def _keep_picture(output: Any, mime: str, tidying: Tidying) -> None:
    try:
        data = decoded(output.data[mime], mime)
    except ValueError:
        data = b""
    own = output.metadata.get(mime)
    width = own.get("width") if isinstance(own, dict) else None
    css_pixels = float(width) * 0.75 if isinstance(width, int | float) and width > 0 else None
    picture = tidying.pictures.add(data, mime, css_pixels)
    if isinstance(picture, Picture):
        # Templates have blocks for PNG, JPEG and SVG; the others go through that of PNG.
        shown_as = mime if mime in _WITH_BLOCKS else "image/png"
        output.data[shown_as] = output.data.pop(mime)
        output.metadata.setdefault("filenames", {})[shown_as] = picture.name
    else:
        del output.data[mime]
        if not any(other in output.data for other in PICTURE_TYPES):
            output.metadata["autoflow"]["note"] = tidying.note(picture)


def _check_html(output: Any, tidying: Tidying) -> None:
    """Drop HTML of which nothing would be seen, for the sake of the output's other forms."""
    reading = tidying.reading(output.data["text/html"])
    if reading.pieces:
        return
    del output.data["text/html"]
    if reading.active_parts and not any(mime in output.data for mime in PICTURE_TYPES):
        output.data.pop("text/plain", None)
        output.metadata["autoflow"]["note"] = tidying.note(remarks.SCRIPTS)


def _printed(text: str, tidying: Tidying) -> str:
    room = tidying.room
    whole = plain_text(text)
    shown, lines, letters = shortened(whole, room.lines, room.printed_letters)
    if not lines and not letters:
        return shown
    note = remarks.lines_left_out(lines) if lines else remarks.letters_left_out(letters)
    return f"{shown}\n[{tidying.note(note)}]"


def _fitting(markup: str, tidying: Tidying) -> str:
    """Return the beginning of Markdown that there is room for."""
    room = tidying.room
    kept, lines, letters = shortened(markup, room.markup_lines, room.letters)
    if not lines and not letters:
        return markup
    note = tidying.note(remarks.letters_left_out(len(markup) - len(kept)))
    return f"{kept}\n\n*{note}*"


def _with_attachments(cell: Any, tidying: Tidying) -> str:
    source = str(cell.source)
    for name, bundle in sorted((cell.get("attachments") or {}).items()):
        for mime, value in bundle.items():
            try:
                picture = tidying.pictures.add(decoded(value, mime), mime)
            except ValueError:
                picture = remarks.PICTURE_BROKEN
            # Cells often have attachments of the same name, so each gets one of its own.
            known = _file_name(picture, tidying)
            for spelling in (name, quote(name)):
                source = source.replace(f"attachment:{spelling}", known)
    return _DATA_URI.sub(lambda match: _named(match[0], tidying), source)


def with_caption(table: Table, output: Any) -> Table:
    """Return a table with its own caption, else the one that the notebook gives its output."""
    if table.caption or output is None:
        return table
    return replace(table, caption=output["metadata"]["autoflow"]["caption"])


_DATA_URI = re.compile(r"data:image/[\w.+-]+(?:;[\w=-]+)*,[A-Za-z0-9+/=%._~\-]+")


def _named(uri: str, tidying: Tidying) -> str:
    return _file_name(tidying.pictures.find(uri), tidying)


def _file_name(picture: Picture | str, tidying: Tidying) -> str:
    """Return what text says for a picture: its file, or a name that has only a reason."""
    if isinstance(picture, Picture):
        return picture.name
    sources = tidying.pictures.by_source
    name = f"not-shown-{len(sources)}"
    sources[name] = picture
    return name


def _clean(mime: str, value: Any) -> Any:
    value = _joined(value)
    return without_controls(value) if mime in _MARKUP and isinstance(value, str) else value


def _joined(value: Any) -> Any:
    """Return the text of a notebook field, which may be a list of lines."""
    if isinstance(value, list) and all(isinstance(line, str) for line in value):
        return "".join(value)
    return value
