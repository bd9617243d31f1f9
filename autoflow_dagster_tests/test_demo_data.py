"""Tests of what the demo FlowAPI knows: its country, its subscribers and their records."""

import zlib
from collections import Counter
from dataclasses import asdict
from datetime import date
from itertools import pairwise

import numpy as np
import pytest
import shapely
from shapely.geometry import shape

from autoflow_dagster.demo.country import AGGREGATION_UNITS, build_country
from autoflow_dagster.demo.noise import choose, uniform
from autoflow_dagster.demo.polygons import places
from autoflow_dagster.demo.records import FLOOD_DAY, FLOODED, build_day, build_population
from autoflow_dagster.demo.specs import Period
from autoflow_dagster.demo.store import RecordStore

START = date(2016, 1, 1)


def _day_records(day, subscribers=800):
    country = build_country()
    return build_day(country, build_population(country, subscribers), START, day)


def test_it_draws_the_same_numbers_on_every_machine():
    """The numbers are SplitMix64 of a checksum and the keys, here in Python's own integers."""

    def scramble(state):
        state = (state + 0x9E3779B97F4A7C15) % 2**64
        state = (state ^ (state >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
        state = (state ^ (state >> 27)) * 0x94D049BB133111EB % 2**64
        return state ^ (state >> 31)

    states = [scramble(scramble(zlib.crc32(b"home") ^ 7) ^ who) for who in range(3)]
    assert uniform("home", 7, np.arange(3)).tolist() == [(s >> 11) / 2**53 for s in states]


def test_it_draws_evenly_and_independently():
    """Means, spread and correlation are those of independent uniform numbers."""
    who = np.arange(50_000)
    first, second = uniform("first", who), uniform("second", who)
    assert first.min() >= 0
    assert first.max() < 1
    assert first.mean() == pytest.approx(0.5, abs=0.01)
    assert first.std() == pytest.approx(12**-0.5, abs=0.01)
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.02
    assert abs(np.corrcoef(first[1:], first[:-1])[0, 1]) < 0.02


def test_it_chooses_in_proportion_to_weights():
    """An index is picked as often as its weight says, and one without weight never."""
    picked = np.bincount(choose(uniform("pick", np.arange(40_000)), np.array([1.0, 0.0, 3.0])))
    assert picked[1] == 0
    assert picked[2] / picked[0] == pytest.approx(3, rel=0.05)


def test_it_makes_the_same_records_again():
    """A day's records depend on nothing but its number."""
    first, second = _day_records(3), _day_records(3)
    for name, values in asdict(first).items():
        assert np.array_equal(values, getattr(second, name)), name


def test_more_subscribers_change_nothing_about_the_others():
    """The first hundred subscribers behave alike among many and among few."""
    few, many = _day_records(5, subscribers=100), _day_records(5, subscribers=900)
    of_few = many.subscriber < 100
    assert np.array_equal(few.cell, many.cell[of_few])
    assert np.array_equal(few.second, many.second[of_few])


def test_it_has_enough_cells_and_three_levels_of_districts():
    """There are at least sixty cells, and each level has more places than the one above."""
    country = build_country()
    assert len(country.cell_admin3) >= 60
    assert country.cell_position.shape == (len(country.cell_admin3), 2)
    counts = [len(set(country.pcods[unit])) for unit in AGGREGATION_UNITS]
    assert counts == [1, 4, 11, 47]


def test_pcods_say_which_place_is_inside_which():
    """A pcod is its parent's with one more number, as in FlowKit's geography."""
    country = build_country()
    assert country.pcods["admin3"][0] == "DMO.1.1.1_1"
    for above, below in pairwise(AGGREGATION_UNITS[1:]):
        for parent, child in zip(country.pcods[above], country.pcods[below], strict=True):
            assert child.rsplit(".", 1)[0] == parent.removesuffix("_1")


def test_districts_cover_their_parent_without_overlapping():
    """The areas of the parts add up to the area of the whole, and lie inside it."""
    whole = shape(places("admin0")["DMO"]["geometry"])
    for unit in AGGREGATION_UNITS[1:]:
        parts = [shape(place["geometry"]) for place in places(unit).values()]
        assert all(part.is_valid for part in parts)
        assert sum(part.area for part in parts) == pytest.approx(whole.area, rel=1e-3)
        assert shapely.union_all(parts).symmetric_difference(whole).area < 1e-3 * whole.area


def test_the_coast_is_irregular():
    """The outline is far longer than that of a box, and districts have different sizes."""
    mainland = max(shape(places("admin0")["DMO"]["geometry"]).geoms, key=lambda part: part.area)
    assert len(mainland.exterior.coords) > 200
    assert mainland.convex_hull.area > 1.05 * mainland.area
    areas = [shape(place["geometry"]).area for place in places("admin3").values()]
    assert max(areas) > 2 * min(areas)


def test_cells_stand_in_their_districts():
    """Nearly every cell is inside the admin3 that its records count for."""
    country = build_country()
    shapes = [shape(places("admin3")[pcod]["geometry"]) for pcod in country.pcods["admin3"]]
    inside = [
        shapely.contains_xy(shapes[admin3], *position)
        for admin3, position in zip(country.cell_admin3, country.cell_position, strict=True)
    ]
    assert np.mean(inside) > 0.95


def test_people_leave_the_flooded_districts_and_come_back_slowly():
    """Nobody is displaced before the flood, most are just after it, fewer a month later."""
    country = build_country()
    population = build_population(country, 5000)
    flooded = np.isin(country.cell_admin3[population.home], country.admin3_within(*FLOODED))

    def share_away(day):
        return np.mean(((population.leaves <= day) & (day < population.returns))[flooded])

    assert share_away(FLOOD_DAY - 1) == 0
    assert share_away(FLOOD_DAY + 2) > 0.5
    assert 0.15 < share_away(FLOOD_DAY + 30) < 0.5 * share_away(FLOOD_DAY + 2)
    assert not (population.leaves < 1000)[~flooded].any()


def test_records_are_plausible():
    """Both kinds of records, both directions, more in the evening than at night."""
    records = _day_records(4, subscribers=3000)
    hours = np.bincount(records.second // 3600, minlength=24)
    assert len(hours) == 24
    assert hours[18:22].sum() > 10 * hours[1:5].sum()
    assert set(Counter(records.cdr_type.tolist())) == {0, 1}
    assert 0.4 < records.outgoing.mean() < 0.6
    assert 0.9 < len(set(records.subscriber.tolist())) / 3000 <= 1


@pytest.fixture
def store():
    """Return a store with three days of few subscribers."""
    store = RecordStore(START, subscribers=50)
    for _ in range(3):
        store.add(store.next_day())
    yield store
    store.close()


def test_days_come_and_go(store):
    """A removed day is not available, and what comes back is what went."""
    day = date(2016, 1, 2)
    count = "SELECT count(*), sum(second) FROM records WHERE day = DATE '2016-01-02'"
    before = store.cursor().execute(count).fetchall()
    store.remove(day)
    assert store.available_dates()["calls"] == [START, date(2016, 1, 3)]
    assert store.cursor().execute(count).fetchall() == [(0, None)]
    store.add(day)
    assert store.cursor().execute(count).fetchall() == before
    store.add(day)
    assert store.cursor().execute(count).fetchall() == before


def test_one_kind_of_records_can_come_alone(store):
    """A day delivered by half is there for its kind of records only."""
    store.add(date(2016, 1, 6), ["sms"])
    assert store.available_dates()["sms"][-1] == date(2016, 1, 6)
    assert store.available_dates()["calls"][-1] == date(2016, 1, 3)
    day = (date(2016, 1, 6), date(2016, 1, 7))
    assert store.has_data(Period(*day, None))
    assert store.has_data(Period(*day, ("calls", "sms")))
    assert not store.has_data(Period(*day, ("calls",)))


def test_a_kind_without_any_day_is_absent(store):
    """As in FlowAPI, there is no empty list of dates."""
    for day in store.available_dates()["sms"]:
        store.remove(day, ["sms"])
    assert list(store.available_dates()) == ["calls"]


def test_it_refuses_days_and_kinds_that_cannot_be(store):
    """There is nothing before the first day, and nothing but calls and sms."""
    with pytest.raises(ValueError, match="no records before 2016-01-01, so none for 2015-12-31"):
        store.add(date(2015, 12, 31))
    with pytest.raises(ValueError, match="has calls and sms, not mds"):
        store.add(date(2016, 1, 9), ["mds"])
