"""Synthetic call detail records: who lives where, who works where, and a flood that moves people.

Subscribers sleep at home, some commute on weekdays, some have a second home that they visit at
times, a few travel. On the ninth day a flood strikes two districts of the south-east coast: most
people there leave within three days, to relatives in the nearest dry districts and in the capital;
three quarters of them come back, slowly. Everything follows from the number of the subscriber and of the day (see `noise`), so every day can be made
alone. What is asked about the records lives in `queries`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import numpy.typing as npt

from autoflow_dagster.demo.country import Country
from autoflow_dagster.demo.noise import FloatArray, IntArray, choose, uniform

BoolArray = npt.NDArray[np.bool_]

CDR_TYPES = ("calls", "sms")
"""The kinds of records that exist; a record's `cdr_type` is an index into this."""

FLOOD_DAY = 8
"""The day of the flood, counted from the first day of the records (0)."""

FLOODED = {"DMO.3.2_1": 0.72, "DMO.3.3_1": 0.5}
"""The districts (admin2) under water, and the share of their people that leaves."""

# Where people flee to, and how many of them: near, nearest dry land north, capital.
_REFUGES = {"DMO.3.1.1_1": 0.27, "DMO.4.3.2_1": 0.21, "DMO.4.3.1_1": 0.12, "DMO.1.3.1_1": 0.4}
_NEVER = 1 << 30
_SLOTS = 10  # the most events that a subscriber has on one day
_SECONDS_PER_HOUR = 3600
# Relative activity in each hour from midnight on.
_HOURS = np.array(
    [2, 1, 1, 1, 1, 3, 8, 14, 18, 18, 18, 19, 21, 19, 18, 18, 20, 24, 28, 32, 30, 22, 12, 5],
    dtype=np.float64,
)
_WORK_HOURS = (8, 17)


@dataclass(frozen=True)
class Population:
    """The subscribers, numbered from 0; every attribute has an element for each of them.

    Attributes
    ----------
    home, work, second_home, refuge : IntArray
        Cells. Without a commute `work` is `home` or near it, without a second home `second_home`
        is `home`; `refuge` matters to those who flee only.
    commutes : BoolArray
        Whether weekdays are spent at work.
    activity : FloatArray
        The chance that one of the ten possible events of a day happens.
    leaves, returns : IntArray
        Days, counted from the first day of the records: the first one away because of the flood
        and the first one back at home. Never: more than any day.
    """

    home: IntArray
    work: IntArray
    second_home: IntArray
    refuge: IntArray
    commutes: BoolArray
    activity: FloatArray
    leaves: IntArray
    returns: IntArray


@dataclass(frozen=True)
class DayRecords:
    """The records of one day in no particular order; every attribute has an element for each.

    Attributes
    ----------
    subscriber, cell : IntArray
        Numbers from 0.
    second : IntArray
        Seconds since midnight.
    cdr_type : IntArray
        Index into `CDR_TYPES`.
    outgoing : BoolArray
        Whether the subscriber called or wrote, rather than the other side.
    """

    subscriber: IntArray
    cell: IntArray
    second: IntArray
    cdr_type: IntArray
    outgoing: BoolArray


def build_population(country: Country, subscribers: int) -> Population:
    """Return the first `subscribers` inhabitants; more of them change nothing about the others."""
    who = np.arange(subscribers)
    home_admin3 = choose(uniform("home", who), country.weight)
    leaves, returns = _displacement(country, home_admin3)
    home = _some_cell(country, home_admin3, uniform("home cell", who))
    commutes = uniform("commutes", who) < 0.45
    work_admin3 = np.where(commutes, _workplaces(country, home_admin3), home_admin3)
    refuge_admin3 = np.array([country.pcods["admin3"].index(pcod) for pcod in _REFUGES])
    refuge = refuge_admin3[choose(uniform("refuge", who), np.array(list(_REFUGES.values())))]
    return Population(
        home=home,
        work=_some_cell(country, work_admin3, uniform("work cell", who)),
        second_home=_second_homes(country, home_admin3, home),
        refuge=_some_cell(country, refuge, uniform("refuge cell", who)),
        commutes=commutes,
        activity=0.25 + 0.6 * uniform("activity", who),
        leaves=leaves,
        returns=returns,
    )


def build_day(country: Country, population: Population, start: date, day: int) -> DayRecords:
    """Return the records of one day.

    Parameters
    ----------
    country : Country
    population : Population
    start : date
        The first day of the records.
    day : int
        The day, counted from `start`, which is 0.
    """
    who = np.arange(len(population.home))[:, None]
    slot = np.arange(_SLOTS)[None, :]
    happens = uniform("happens", day, who, slot) < population.activity[:, None]
    subscriber, slots = np.nonzero(happens)
    hour = choose(uniform("hour", day, subscriber, slots), _HOURS)
    second = _SECONDS_PER_HOUR * uniform("second", day, subscriber, slots)
    is_weekday = (start + timedelta(days=day)).weekday() < 5
    return DayRecords(
        subscriber=subscriber,
        cell=_whereabouts(country, population, day, is_weekday, subscriber, slots, hour),
        second=hour * _SECONDS_PER_HOUR + second.astype(np.int64),
        cdr_type=(uniform("type", day, subscriber, slots) < 0.4).astype(np.int64),
        outgoing=uniform("outgoing", day, subscriber, slots) < 0.5,
    )


def _displacement(country: Country, home_admin3: IntArray) -> tuple[IntArray, IntArray]:
    """Return the day on which each subscriber flees, and the day of the return."""
    who = np.arange(len(home_admin3))
    severity = np.zeros(len(country.seeds))
    for pcod, share in FLOODED.items():
        severity[country.admin3_within(pcod)] = share
    flees = uniform("flees", who) < severity[home_admin3]
    leaves = FLOOD_DAY + choose(uniform("leaves", who), np.array([0.62, 0.28, 0.1]))
    # Waiting times with a mean of nine days, and two at the least.
    away = 2 + np.floor(-9 * np.log1p(-uniform("away", who))).astype(np.int64)
    comes_back = uniform("comes back", who) < 0.75
    return (
        np.where(flees, leaves, _NEVER),
        np.where(flees & comes_back, leaves + away, _NEVER),
    )


def _workplaces(country: Country, home_admin3: IntArray) -> IntArray:
    """Return an admin3 to work in: mostly the own one, else one in the district or the capital."""
    who = np.arange(len(home_admin3))
    district = np.array(_district_numbers(country))
    starts = np.searchsorted(district, district[home_admin3])
    sizes = np.bincount(district)[district[home_admin3]]
    neighbour = starts + (sizes * uniform("neighbour", who)).astype(np.int64)
    anywhere = choose(uniform("workplace", who), country.weight**2)
    kind = choose(uniform("kind of workplace", who), np.array([0.55, 0.35, 0.1]))
    return np.choose(kind, [home_admin3, neighbour, anywhere])


def _second_homes(country: Country, home_admin3: IntArray, home: IntArray) -> IntArray:
    """Return another cell for one in four: in the capital, or in the same region."""
    who = np.arange(len(home_admin3))
    capital = country.admin3_within("DMO.1.2_1")
    region = np.array(country.pcods["admin1"])
    starts = np.searchsorted(region, region[home_admin3])
    sizes = np.searchsorted(region, region[home_admin3], side="right") - starts
    nearby = starts + (sizes * uniform("nearby", who)).astype(np.int64)
    in_capital = capital[(len(capital) * uniform("in capital", who)).astype(np.int64)]
    admin3 = np.where(uniform("kind of second home", who) < 0.5, in_capital, nearby)
    has_one = uniform("has second home", who) < 0.25
    return np.where(has_one, _some_cell(country, admin3, uniform("second home", who)), home)


def _district_numbers(country: Country) -> list[int]:
    """Return the number of the admin2 of each admin3; neighbours in this list share an admin2."""
    names = list(dict.fromkeys(country.pcods["admin2"]))
    return [names.index(pcod) for pcod in country.pcods["admin2"]]


def _some_cell(country: Country, admin3: IntArray, chances: FloatArray) -> IntArray:
    picked = (chances * country.cell_count[admin3]).astype(np.int64)
    return np.asarray(country.first_cell[admin3] + picked, dtype=np.int64)


def _whereabouts(
    country: Country,
    population: Population,
    day: int,
    is_weekday: bool,
    subscriber: IntArray,
    slots: IntArray,
    hour: IntArray,
) -> IntArray:
    """Return the cell that each event goes through."""
    elsewhere = uniform("elsewhere", day, subscriber) < (0.3 if is_weekday else 0.36)
    cell = np.where(elsewhere, population.second_home[subscriber], population.home[subscriber])
    at_work = (hour >= _WORK_HOURS[0]) & (hour < _WORK_HOURS[1]) & population.commutes[subscriber]
    if is_weekday:
        cell = np.where(at_work, population.work[subscriber], cell)
    # One in fifty is somewhere else, for three days at a time.
    trip = day // 3
    travels = uniform("travels", trip, subscriber) < 0.02
    visited = choose(uniform("visited", trip, subscriber), country.weight)
    cell = np.where(travels, _some_cell(country, visited, uniform("inn", trip, subscriber)), cell)
    # On the day of departure the morning is still spent at home.
    leaves, returns = population.leaves[subscriber], population.returns[subscriber]
    is_away = ((day > leaves) | ((day == leaves) & (hour >= 10))) & (day < returns)
    cell = np.where(is_away, population.refuge[subscriber], cell)
    # One event in eight goes through another cell of the same admin3.
    strays = uniform("strays", day, subscriber, slots) < 0.125
    other = _some_cell(country, country.cell_admin3[cell], uniform("other", day, subscriber, slots))
    return np.asarray(np.where(strays, other, cell), dtype=np.int64)
