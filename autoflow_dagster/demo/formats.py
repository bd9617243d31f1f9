"""Results and geography in the formats in which FlowAPI sends them: JSON, CSV and GeoJSON.

Everything is an iterator of pieces of text, because FlowAPI streams, too.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from autoflow_dagster.demo.engine import Query
from autoflow_dagster.demo.polygons import places
from autoflow_dagster.demo.specs import aggregation_unit

_ROWS_PER_PIECE = 500


def compact(value: object) -> str:
    """Return JSON without spaces."""
    return json.dumps(value, separators=(",", ":"))


def as_json(query: Query) -> Iterator[str]:
    """Yield ``{"query_id": ..., "query_result": [row, ...]}``."""
    yield f'{{"query_id":"{query.query_id}", "query_result":['
    yield from _joined(dict(zip(query.columns, row, strict=True)) for row in query.rows)
    yield "]}"


def as_csv(query: Query) -> Iterator[str]:
    """Yield a line of column names and a line for each row; nothing at all when there are no rows."""
    lines = [query.columns, *query.rows] if query.rows else []
    for start in range(0, len(lines), _ROWS_PER_PIECE):
        piece = io.StringIO()
        csv.writer(piece, lineterminator="\r\n").writerows(lines[start : start + _ROWS_PER_PIECE])
        yield piece.getvalue()


def as_geojson(query: Query) -> Iterator[str]:
    """Yield a feature for each row, or for flows one for each place that a flow touches."""
    rows = [dict(zip(query.columns, row, strict=True)) for row in query.rows]
    if "pcod_from" in query.columns:
        rows = _flows_by_place(rows)
    yield from _feature_collection(aggregation_unit(query.spec), rows)


def geography(unit: str) -> Iterator[str]:
    """Yield a feature with no more than pcod and centroid for each place of an aggregation unit."""
    yield from _feature_collection(unit, [{"pcod": pcod} for pcod in places(unit)])


def _feature_collection(unit: str, rows: Iterable[dict[str, Any]]) -> Iterator[str]:
    known = places(unit)
    yield '{"type":"FeatureCollection", "features":['
    yield from _joined(
        {
            "type": "Feature",
            "id": number,
            "geometry": known[row["pcod"]]["geometry"],
            "properties": {**row, "centroid": known[row["pcod"]]["centroid"]},
        }
        for number, row in enumerate(rows, start=1)
    )
    yield "]}"


def _flows_by_place(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}

    def place(pcod: str) -> dict[str, Any]:
        return found.setdefault(pcod, {"pcod": pcod, "outflows": {}, "inflows": {}})

    for row in rows:
        start, end, value = row["pcod_from"], row["pcod_to"], row["value"]
        if start is None or end is None:  # one-sided joins: nowhere is not on the map
            continue
        place(start)["outflows"][end] = value
        place(end)["inflows"][start] = value
    return list(found.values())


def _joined(items: Iterable[object]) -> Iterator[str]:
    """Yield the items as JSON with commas between them, many at once."""
    texts = map(compact, items)
    separator = ""
    while piece := ",".join(islice(texts, _ROWS_PER_PIECE)):
        yield separator + piece
        separator = ","
