"""Notebooks made by hand for the tests of reports, and readers of what becomes of them."""

from __future__ import annotations

import base64
import json
import re
import struct
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import pypdf

from autoflow_dagster.reports import Provenance, ReportOptions, ReportSummary, write_report


def markdown(source: str, tags: Iterable[str] = (), **fields: Any) -> Any:
    """Return a Markdown cell."""
    return nbformat.v4.new_markdown_cell(source, metadata={"tags": list(tags)}, **fields)


def raw(source: str, **metadata: Any) -> Any:
    """Return a raw cell."""
    return nbformat.v4.new_raw_cell(source, metadata=metadata)


def code(source: str, *outputs: Any, tags: Iterable[str] = (), **metadata: Any) -> Any:
    """Return an executed code cell."""
    return nbformat.v4.new_code_cell(
        source, outputs=list(outputs), execution_count=1, metadata={"tags": list(tags), **metadata}
    )


def shown(mime: str, value: Any, plain: str | None = None, **metadata: Any) -> Any:
    """Return what `display` leaves: one form, and a plain text beside it when given."""
    data = {mime: value} if plain is None else {mime: value, "text/plain": plain}
    return nbformat.v4.new_output("display_data", data=data, metadata=metadata)


def result(text: str) -> Any:
    """Return the plain text result of a cell."""
    return nbformat.v4.new_output("execute_result", data={"text/plain": text}, execution_count=1)


def printed(text: str, name: str = "stdout") -> Any:
    """Return printed text."""
    return nbformat.v4.new_output("stream", name=name, text=text)


def error(message: str) -> Any:
    """Return the traceback of an error."""
    return nbformat.v4.new_output(
        "error",
        ename="ValueError",
        evalue=message,
        traceback=[f"\x1b[31mValueError\x1b[0m: {message}"],
    )


def png(width: int = 60, height: int = 40, colour: tuple[int, int, int] = (200, 30, 30)) -> bytes:
    """Return a PNG of one colour, without saying how many dots there are to the inch."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    rows = (b"\0" + bytes(colour) * width) * height
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def picture(data: bytes | None = None, mime: str = "image/png", **metadata: Any) -> Any:
    """Return a picture as an output."""
    value = base64.b64encode(png() if data is None else data).decode()
    return shown(mime, value, "<Figure size 60x40 with 1 Axes>", **metadata)


def dataframe(rows: int, columns: int = 3) -> str:
    """Return the HTML of a table as pandas writes it."""
    head = "".join(f"<th>col{c}</th>" for c in range(columns))
    body = "".join(
        f"<tr><th>{r}</th>" + "".join(f"<td>{r}.{c}</td>" for c in range(columns)) + "</tr>"
        for r in range(rows)
    )
    return (
        "<div><style scoped>.dataframe tbody tr th {vertical-align: top;}</style>"
        f'<table border="1" class="dataframe"><thead><tr><th></th>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table><p>{rows} rows \u00d7 {columns} columns</p></div>"
    )


@dataclass
class Report:
    """A finished report, as its reader gets it."""

    summary: ReportSummary
    path: Path

    @property
    def pdf(self) -> pypdf.PdfReader:
        """The PDF."""
        return pypdf.PdfReader(self.path)

    @property
    def pages(self) -> list[str]:
        """The text of each page of a PDF."""
        return [page.extract_text() for page in self.pdf.pages]

    @property
    def text(self) -> str:
        """All text: of a PDF's pages, or of an HTML file as it is written."""
        if self.path.suffix == ".html":
            return self.path.read_text(encoding="utf-8")
        return "\n".join(self.pages)

    @property
    def squeezed(self) -> str:
        """All text without white space, which PDF readers guess."""
        return squeezed(self.text)


def squeezed(text: str) -> str:
    """Return text without white space and invisible characters."""
    return re.sub(r"[\s\u200b\u00ad\ufeff]+", "", text)


def make(
    directory: Path,
    *cells: Any,
    provenance: Provenance | None = None,
    name: str = "flows_report.ipynb",
    metadata: dict[str, Any] | None = None,
    **options: Any,
) -> Report:
    """Make a report of the cells in `directory`."""
    nb = nbformat.v4.new_notebook(cells=list(cells), metadata=metadata or {})
    directory.mkdir(exist_ok=True)
    source = directory / name
    source.write_text(json.dumps(nb), encoding="ascii")  # half surrogate pairs and all
    chosen = ReportOptions(**options)
    destination = directory / f"report.{chosen.format}"
    return Report(write_report(source, destination, chosen, provenance), destination)
