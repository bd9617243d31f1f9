"""The borders of the invented country as GeoJSON, in the shape of FlowAPI's geography answers.

Made on first request: shapely costs a fifth of a second to import, and most answers need no map.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from autoflow_dagster.demo.country import (
    AGGREGATION_UNITS,
    CENTRE,
    ISLAND_CENTRE,
    ISLAND_RADIUS,
    Country,
    bend,
    build_country,
    coast_radius,
)
from autoflow_dagster.demo.noise import FloatArray

_GRID = 1e-4  # degrees, about 11 m: neighbours share their corners exactly
_COAST_POINTS = 480


@cache
def places(unit: str) -> dict[str, dict[str, Any]]:
    """Return the places of an aggregation unit.

    Parameters
    ----------
    unit : str
        admin0, admin1, admin2 or admin3.

    Returns
    -------
    dict
        For each pcod a dict of ``geometry`` (a GeoJSON MultiPolygon, EPSG:4326) and ``centroid``
        (a GeoJSON Point).

    Raises
    ------
    KeyError
        The country is not divided into such units.
    """
    import shapely

    found = {}
    for pcod, shape in _shapes()[unit].items():
        parts = [shape] if shape.geom_type == "Polygon" else shape.geoms
        centroid = shapely.centroid(shape)
        found[pcod] = {
            "geometry": {
                "type": "MultiPolygon",
                "coordinates": [
                    [_coordinates(ring) for ring in (part.exterior, *part.interiors)]
                    for part in parts
                ],
            },
            "centroid": {
                "type": "Point",
                "coordinates": [round(centroid.x, 5), round(centroid.y, 5)],
            },
        }
    return found


@cache
def _shapes() -> dict[str, dict[str, Any]]:
    """Return for each unit the shapely polygon of each pcod; the parents are made of the children."""
    import shapely

    country = build_country()
    parts = dict(zip(country.pcods["admin3"], _districts(country), strict=True))
    shapes: dict[str, dict[str, Any]] = {}
    for unit in AGGREGATION_UNITS:
        members: dict[str, list[Any]] = {}
        for pcod, shape in zip(country.pcods[unit], parts.values(), strict=True):
            members.setdefault(pcod, []).append(shape)
        shapes[unit] = {
            pcod: shapely.union_all(pieces, grid_size=_GRID) for pcod, pieces in members.items()
        }
    return shapes


def _districts(country: Country) -> list[Any]:
    """Return the land nearest to each seed, with winding borders."""
    import shapely

    land = _land()
    around = shapely.box(*shapely.buffer(land, 1.0).bounds)
    nearest = shapely.voronoi_polygons(
        shapely.MultiPoint(country.seeds), extend_to=around, ordered=True
    )
    districts = []
    for polygon in nearest.geoms:
        winding = shapely.transform(shapely.segmentize(polygon, 0.04), bend)
        piece = shapely.intersection(winding, land, grid_size=_GRID)
        parts = [part for part in shapely.get_parts(piece) if part.geom_type == "Polygon"]
        districts.append(shapely.MultiPolygon(parts))
    return districts


def _land() -> Any:
    """Return the mainland and the island."""
    import shapely

    angle = np.linspace(0, 2 * np.pi, _COAST_POINTS, endpoint=False)
    small = angle[::6]
    ripple = 1 + 0.18 * np.cos(2 * small + 1) + 0.1 * np.cos(5 * small) + 0.03 * np.cos(17 * small)
    outlines = [
        _around(CENTRE, coast_radius(angle, detail=90), angle),
        _around(ISLAND_CENTRE, ISLAND_RADIUS * ripple, small),
    ]
    return shapely.union_all([shapely.make_valid(shapely.Polygon(line)) for line in outlines])


def _around(centre: tuple[float, float], radius: FloatArray, angle: FloatArray) -> FloatArray:
    return np.column_stack([radius * np.cos(angle), radius * np.sin(angle)]) + centre


def _coordinates(ring: Any) -> list[list[float]]:
    return [[round(x, 4), round(y, 4)] for x, y in ring.coords]
