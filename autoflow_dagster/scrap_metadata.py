"""Scraps as Dagster metadata: numbers to plot over dates, texts, JSON, small tables and pictures.

Each kind has a size limit: metadata is for looking at, the executed notebook has everything.
"""

from __future__ import annotations

import base64
import binascii
import io
import json
from collections.abc import Mapping
from typing import Any

import dagster as dg

from autoflow_dagster.notebooks.scraps import Scraps
from autoflow_dagster.previews import picture_markdown, small_picture

MAX_SCRAPS = 50
MAX_TEXT_CHARACTERS = 2_000
MAX_JSON_CHARACTERS = 10_000
MAX_TABLE_BYTES = 200_000
"""Of an encoded table; a larger one is not even decoded."""

MAX_PICTURES = 3
"""Of scraps that are displayed; each is some ten kilobytes in the event log."""

MAX_TABLE_ROWS = 20
MAX_TABLE_COLUMNS = 12


def scrap_metadata(scraps: Scraps) -> dict[str, dg.MetadataValue[Any]]:
    """Return metadata entries, each named after its scrap.

    Parameters
    ----------
    scraps : mapping of str to scrap
        As `autoflow_dagster.notebooks.scraps.scraps_of` returns them. Of those that are only displayed, the
        first pictures are there, made small.
    """
    entries: dict[str, dg.MetadataValue[Any]] = {}
    pictures = 0
    for name, scrap in list(scraps.items())[:MAX_SCRAPS]:
        if "encoder" in scrap:
            entries[f"scrap: {name}"] = _value(scrap["data"], scrap["encoder"])
        elif pictures < MAX_PICTURES and (picture := _picture(name, scrap["display"])):
            entries[f"scrap: {name}"] = dg.MetadataValue.md(picture)
            pictures += 1
    return entries


def _picture(name: str, display: Mapping[str, Any]) -> str | None:
    for mime in ("image/png", "image/jpeg"):
        if isinstance(encoded := display.get(mime), str):
            return picture_markdown(small_picture(encoded), name)
    return None


def _value(data: Any, encoder: str) -> dg.MetadataValue[Any]:
    match data:
        case str() if encoder == "pandas":
            return dg.MetadataValue.md(_table(data))
        case bool():
            return dg.MetadataValue.bool(data)
        case int() if abs(data) < 2**53:
            return dg.MetadataValue.int(data)
        case float() if data - data == 0:  # neither infinite nor NaN: JSON has no word for these
            return dg.MetadataValue.float(data)
        case str():
            return dg.MetadataValue.text(_shortened(data, MAX_TEXT_CHARACTERS))
        case list() | dict():
            return _json(data)
        case _:
            return dg.MetadataValue.text(str(data))


def _json(data: Any) -> dg.MetadataValue[Any]:
    text = json.dumps(data, default=str)
    if len(text) <= MAX_JSON_CHARACTERS and "NaN" not in text and "Infinity" not in text:
        return dg.MetadataValue.json(json.loads(text))
    return dg.MetadataValue.text(_shortened(text, MAX_TEXT_CHARACTERS))


def _shortened(text: str, limit: int) -> str:
    if len(text) <= limit:
        return text
    return f"{text[:limit]} … ({len(text)} characters; the executed notebook has all)"


def _table(data: str) -> str:
    """Return a DataFrame that scrapbook glued (parquet in base64) as a Markdown table."""
    if len(data) > MAX_TABLE_BYTES:
        return f"A table of {len(data) // 1000} kB; the executed notebook has it."
    import pyarrow
    import pyarrow.parquet

    try:
        table = pyarrow.parquet.read_table(io.BytesIO(base64.b64decode(data)))
    except (binascii.Error, pyarrow.ArrowException):
        return "A table that could not be decoded; the executed notebook has it."
    columns = table.column_names[:MAX_TABLE_COLUMNS]
    rows = table.slice(0, MAX_TABLE_ROWS).select(columns).to_pylist()
    lines = [_row(columns), _row("---" for _ in columns)]
    lines += [_row(row[column] for column in columns) for row in rows]
    left_out = table.num_rows - len(rows), table.num_columns - len(columns)
    if any(left_out):
        lines.append(f"\n{left_out[0]} more rows, {left_out[1]} more columns.")
    return "\n".join(lines)


def _row(cells: Any) -> str:
    texts = (" ".join(str(cell).replace("|", "\\|").split()) for cell in cells)
    return f"| {' | '.join(texts)} |"
