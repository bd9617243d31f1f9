"""An invented country: its coast, its three levels of districts and its mobile network's cells.

Numbers only, made with numpy; `polygons` draws the borders. Positions are degrees of longitude and
latitude in an empty part of the Atlantic, so that no place of the map is mistaken for a real one.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from autoflow_dagster.demo.noise import FloatArray, IntArray, uniform

COUNTRY_PCOD = "DMO"
AGGREGATION_UNITS = ("admin0", "admin1", "admin2", "admin3")

CENTRE = (-36.5, 13.4)
"""Longitude and latitude of the middle of the country, degrees."""

ISLAND_CENTRE = (-34.62, 14.42)
ISLAND_RADIUS = 0.24

_RADIUS = 1.35
_MAINLAND_DISTRICTS = 46
# Districts are cut from the plane again and again: how many admin1, and the shares of each cut.
# Uneven on purpose; no country is divided into equal parts.
_REGION_CUTS: tuple[tuple[float, ...], ...] = (
    (0.28, 0.41, 0.31),
    (0.4, 0.6),
    (0.31, 0.39, 0.3),
    (0.36, 0.3, 0.34),
)


@dataclass(frozen=True)
class Country:
    """The places of the country, each kind numbered from 0.

    Attributes
    ----------
    seeds : FloatArray
        A point inside each admin3, shape (admin3, 2): longitude and latitude.
    pcods : dict
        For each aggregation unit the pcod that each admin3 belongs to, in the order of admin3.
    weight : FloatArray
        How many people live in each admin3, in proportion.
    first_cell, cell_count : IntArray
        The cells of each admin3: `cell_count` consecutive numbers from `first_cell` on.
    cell_admin3 : IntArray
        The admin3 of each cell.
    cell_position : FloatArray
        Longitude and latitude of each cell, shape (cells, 2).
    """

    seeds: FloatArray
    pcods: dict[str, tuple[str, ...]]
    weight: FloatArray
    first_cell: IntArray
    cell_count: IntArray
    cell_admin3: IntArray
    cell_position: FloatArray

    def admin3_within(self, *pcods: str) -> IntArray:
        """Return the numbers of the admin3 inside the places of `pcods`, of any level."""
        inside = [
            number
            for number in range(len(self.seeds))
            if any(self.pcods[unit][number] in pcods for unit in AGGREGATION_UNITS)
        ]
        return np.array(inside, dtype=np.int64)


@cache
def build_country() -> Country:
    """Return the country; there is only one."""
    seeds, codes = _divide(_scatter())
    pcods = {
        "admin0": tuple(COUNTRY_PCOD for _ in codes),
        "admin1": tuple(f"{COUNTRY_PCOD}.{a}_1" for a, _, _ in codes),
        "admin2": tuple(f"{COUNTRY_PCOD}.{a}.{b}_1" for a, b, _ in codes),
        "admin3": tuple(f"{COUNTRY_PCOD}.{a}.{b}.{c}_1" for a, b, c in codes),
    }
    weight = _population(seeds)
    cell_count = np.clip(np.rint(weight), 1, 5).astype(np.int64) + 1
    cell_admin3 = np.repeat(np.arange(len(seeds)), cell_count)
    return Country(
        seeds=seeds,
        pcods=pcods,
        weight=weight,
        first_cell=np.cumsum(cell_count) - cell_count,
        cell_count=cell_count,
        cell_admin3=cell_admin3,
        cell_position=_cell_positions(seeds, cell_admin3),
    )


def coast_radius(angle: FloatArray, detail: int = 6) -> FloatArray:
    """Return the distance of the coast from `CENTRE` in the direction of `angle`.

    Parameters
    ----------
    angle : FloatArray
        Radians, anticlockwise from the east.
    detail : int
        Number of the waves laid over each other, from 2 on: a few for the outline, many for bays.

    Returns
    -------
    FloatArray
        Degrees.
    """
    waves = np.arange(2, detail + 2)
    size = 0.5 * (uniform("coast size", waves) + 0.35) * waves**-1.35
    phase = 2 * np.pi * uniform("coast phase", waves)
    swings = (size * np.cos(np.outer(angle, waves) + phase)).sum(axis=1)
    return np.asarray(_RADIUS * (1 + swings), dtype=np.float64)


def bend(points: FloatArray) -> FloatArray:
    """Return points shifted a little, neighbours alike: straight borders become winding ones."""
    x, y = points[:, 0], points[:, 1]
    shift_x = 0.030 * np.sin(9.0 * y + 2.0 * np.sin(5.0 * x)) + 0.012 * np.sin(31.0 * y + 7.0 * x)
    shift_y = 0.030 * np.sin(8.0 * x + 2.0 * np.sin(6.0 * y)) + 0.012 * np.sin(29.0 * x - 9.0 * y)
    return np.column_stack([x + shift_x, y + shift_y])


def _scatter() -> FloatArray:
    """Place the middle of each admin3: inside the coast, none too close to another."""
    tries = np.arange(4000)
    square = np.column_stack([uniform("seed x", tries), uniform("seed y", tries)]) * 2 - 1
    points = 2 * _RADIUS * square
    angle = np.arctan2(points[:, 1], points[:, 0])
    points = points[np.hypot(points[:, 0], points[:, 1]) < 0.9 * coast_radius(angle)]
    # Of the next twelve take the one that is farthest from those taken: evenly spread, but not
    # so evenly that all districts are of one size.
    taken = [points[0]]
    for number in range(1, _MAINLAND_DISTRICTS):
        candidates = points[number * 12 : number * 12 + 12]
        gaps = np.linalg.norm(candidates[:, None, :] - np.array(taken)[None, :, :], axis=2)
        taken.append(candidates[gaps.min(axis=1).argmax()])
    return np.vstack([np.array(taken) + CENTRE, ISLAND_CENTRE])


def _divide(points: FloatArray) -> tuple[FloatArray, list[tuple[int, int, int]]]:
    """Return the points in the order of their codes, and the codes (admin1, admin2, admin3)."""
    halves = _cut(points, np.arange(len(points)), (0.52, 0.48))
    regions = [part for half in halves for part in _cut(points, half, (0.45, 0.55))]
    order: list[int] = []
    codes: list[tuple[int, int, int]] = []
    for a, (region, shares) in enumerate(zip(regions, _REGION_CUTS, strict=True), start=1):
        for b, district in enumerate(_cut(points, region, shares), start=1):
            for c, number in enumerate(district.tolist(), start=1):
                order.append(number)
                codes.append((a, b, c))
    return points[order], codes


def _cut(points: FloatArray, members: IntArray, shares: tuple[float, ...]) -> list[IntArray]:
    """Cut the members across their longer side, into parts of the given shares."""
    extent = np.ptp(points[members], axis=0)
    ordered = members[np.argsort(points[members, int(extent.argmax())], kind="stable")]
    ends = np.rint(np.cumsum(shares) * len(members)).astype(np.int64)
    return np.split(ordered, ends[:-1])


def _population(seeds: FloatArray) -> FloatArray:
    """Return more people near the capital and two towns, few elsewhere."""
    weight = 0.7 + 0.6 * uniform("population", np.arange(len(seeds)))
    for x, y, size in ((-36.9, 13.0, 4.5), (-35.7, 14.0, 2.2), (-37.4, 14.1, 1.6)):
        distance = np.hypot(seeds[:, 0] - x, seeds[:, 1] - y)
        weight += size * np.exp(-((distance / 0.3) ** 2))
    return weight


def _cell_positions(seeds: FloatArray, cell_admin3: IntArray) -> FloatArray:
    """Place each cell at random near the middle of its district, well within its borders."""
    gaps = np.linalg.norm(seeds[:, None, :] - seeds[None, :, :], axis=2)
    np.fill_diagonal(gaps, np.inf)
    reach = np.minimum(0.22 * gaps.min(axis=1), 0.6 * ISLAND_RADIUS)[cell_admin3]
    cells = np.arange(len(cell_admin3))
    angle = 2 * np.pi * uniform("cell angle", cells)
    offset = reach * np.sqrt(uniform("cell distance", cells))
    places = seeds[cell_admin3] + (offset * np.array([np.cos(angle), np.sin(angle)])).T
    return np.round(bend(places), 5)
