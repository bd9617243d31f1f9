"""Specifications as SQL over the tables of `store`.

Each kind of query follows FlowKit's definition. Rows that rest on `REDACTED_UP_TO` subscribers or
fewer are left out, as FlowKit does before anything leaves the database.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from autoflow_dagster.demo.records import CDR_TYPES
from autoflow_dagster.demo.spec_fields import Spec

REDACTED_UP_TO = 15
"""A row of a result rests on more subscribers than this."""

_KM_PER_DEGREE = 111.195


class Sql(NamedTuple):
    """A statement, and the values of its question marks in their order."""

    text: str
    values: list[object]


def build_query(spec: Spec) -> Sql:
    """Return the statement that answers a canonical top-level specification.

    Its columns are those of FlowAPI's result; its rows come in a fixed order.
    """
    return _AGGREGATES[spec["query_kind"]](spec)


# Locations: subscriber, pcod -------------------------------------------------------------------


def _location(spec: Spec) -> Sql:
    if spec["query_kind"] == "modal_location":
        return _modal_location(spec)
    return _daily_location(spec)


def _daily_location(spec: Spec) -> Sql:
    unit, events = spec["aggregation_unit"], _events(spec)
    if spec["method"] == "last":
        # Of two events in one second the one with the higher cell number counts as later.
        return Sql(
            f"SELECT subscriber, max_by({unit}, second::BIGINT * 100000 + cell) AS pcod"
            f" FROM ({events.text}) GROUP BY subscriber",
            events.values,
        )
    return Sql(
        f"SELECT subscriber, {unit} AS pcod FROM ({events.text}) GROUP BY subscriber, {unit}"
        " QUALIFY row_number() OVER (PARTITION BY subscriber ORDER BY count(*) DESC, pcod) = 1",
        events.values,
    )


def _modal_location(spec: Spec) -> Sql:
    """Return the most frequent of the daily locations, and of several such the latest."""
    parts = [_daily_location(daily) for daily in spec["locations"]]
    days = [
        f"SELECT subscriber, pcod, {number} AS day_number FROM ({part.text})"
        for number, part in enumerate(parts)
    ]
    return Sql(
        f"SELECT subscriber, pcod FROM ({' UNION ALL '.join(days)}) GROUP BY subscriber, pcod"
        " QUALIFY row_number() OVER (PARTITION BY subscriber"
        " ORDER BY count(*) DESC, max(day_number) DESC, pcod) = 1",
        [value for part in parts for value in part.values],
    )


# Metrics: subscriber, value --------------------------------------------------------------------


def _event_count(spec: Spec) -> Sql:
    events = _events(spec)
    return Sql(
        f"SELECT subscriber, count(*) AS value FROM ({events.text}) GROUP BY subscriber",
        events.values,
    )


def _unique_location_counts(spec: Spec) -> Sql:
    events = _events(spec)
    return Sql(
        f"SELECT subscriber, count(DISTINCT {spec['aggregation_unit']}) AS value"
        f" FROM ({events.text}) GROUP BY subscriber",
        events.values,
    )


def _radius_of_gyration(spec: Spec) -> Sql:
    """Return the root mean square distance of the events from their middle, in kilometres."""
    events = _events(spec)
    # The country is small: degrees of longitude are as long everywhere as at the subscriber's.
    return Sql(
        "SELECT subscriber, sqrt(greatest(0, var_pop(lat)"
        f" + var_pop(lon) * cos(radians(avg(lat))) ** 2)) * {_KM_PER_DEGREE} AS value"
        f" FROM ({events.text}) GROUP BY subscriber",
        events.values,
    )


# Aggregates: what leaves the database ----------------------------------------------------------


def _spatial_aggregate(spec: Spec) -> Sql:
    location = _location(spec["locations"])
    return Sql(
        f"SELECT pcod, count(*) AS value FROM ({location.text}) GROUP BY pcod"
        f" HAVING count(*) > {REDACTED_UP_TO} ORDER BY pcod",
        location.values,
    )


def _flows(spec: Spec) -> Sql:
    start, end = _location(spec["from_location"]), _location(spec["to_location"])
    return Sql(
        "SELECT f.pcod AS pcod_from, t.pcod AS pcod_to, count(*) AS value"
        f" FROM ({start.text}) AS f {spec['join_type']} JOIN ({end.text}) AS t USING (subscriber)"
        f" GROUP BY ALL HAVING count(*) > {REDACTED_UP_TO} ORDER BY ALL",
        [*start.values, *end.values],
    )


def _joined_spatial_aggregate(spec: Spec) -> Sql:
    location = _location(spec["locations"])
    metric = _METRICS[spec["metric"]["query_kind"]](spec["metric"])
    return Sql(
        f"SELECT pcod, CAST({spec['method']}(value) AS DOUBLE) AS value"
        f" FROM ({location.text}) JOIN ({metric.text}) USING (subscriber)"
        f" GROUP BY pcod HAVING count(*) > {REDACTED_UP_TO} ORDER BY pcod",
        [*location.values, *metric.values],
    )


def _unique_subscriber_counts(spec: Spec) -> Sql:
    events = _events(spec)
    return Sql(
        f"SELECT {spec['aggregation_unit']} AS pcod, count(DISTINCT subscriber) AS value"
        f" FROM ({events.text}) GROUP BY pcod HAVING value > {REDACTED_UP_TO} ORDER BY pcod",
        events.values,
    )


def _location_event_counts(spec: Spec) -> Sql:
    events = _events(spec)
    columns = ["strftime(day, '%Y-%m-%d') AS date", "second // 3600 AS hour"]
    columns.append("second % 3600 // 60 AS min")
    columns = columns[: ("day", "hour", "min").index(spec["interval"]) + 1]
    return Sql(
        f"SELECT {spec['aggregation_unit']} AS pcod, {', '.join(columns)}, count(*) AS value"
        f" FROM ({events.text}) GROUP BY ALL HAVING count(DISTINCT subscriber) > {REDACTED_UP_TO}"
        " ORDER BY ALL",
        events.values,
    )


def _trips_od_matrix(spec: Spec) -> Sql:
    """Count moves: events that do not happen in the same place as the subscriber's last one."""
    unit, events = spec["aggregation_unit"], _events(spec)
    return Sql(
        f"WITH stops AS (SELECT subscriber, {unit} AS pcod_to, lag({unit}) OVER"
        " (PARTITION BY subscriber ORDER BY day, second, cell) AS pcod_from"
        f" FROM ({events.text}))"
        " SELECT pcod_from, pcod_to, count(*) AS value FROM stops WHERE pcod_from <> pcod_to"
        f" GROUP BY ALL HAVING count(DISTINCT subscriber) > {REDACTED_UP_TO} ORDER BY ALL",
        events.values,
    )


# Events ----------------------------------------------------------------------------------------


def _events(spec: Spec) -> Sql:
    """Return the events that a location, a metric or an aggregate is about, with their places."""
    if "date" in spec:
        conditions, values = ["day = CAST(? AS DATE)"], [spec["date"]]
    else:
        conditions = ["day >= CAST(? AS DATE)", "day < CAST(? AS DATE)"]
        values = [spec["start_date"], spec["end_date"]]
    if spec["event_types"] is not None:
        numbers = [CDR_TYPES.index(kind) for kind in spec["event_types"] if kind in CDR_TYPES]
        conditions.append("list_contains(?, cdr_type)")
        values.append(numbers)
    if spec.get("direction", "both") != "both":
        conditions.append("outgoing = ?")
        values.append(spec["direction"] == "out")
    hours = spec.get("night_hours") or spec.get("hours")
    if hours is not None:
        first, end = hours["start_hour"], hours["end_hour"]
        joint = "AND" if first < end else "OR"  # 22 to 5 o'clock goes past midnight
        conditions.append(f"(second >= ? {joint} second < ?)")
        values.extend([first * 3600, end * 3600])
    return Sql(
        f"SELECT * FROM records JOIN cells USING (cell) WHERE {' AND '.join(conditions)}", values
    )


_METRICS: dict[str, Callable[[Spec], Sql]] = {
    "event_count": _event_count,
    "nocturnal_events": _event_count,
    "radius_of_gyration": _radius_of_gyration,
    "unique_location_counts": _unique_location_counts,
}

_AGGREGATES: dict[str, Callable[[Spec], Sql]] = {
    "flows": _flows,
    "joined_spatial_aggregate": _joined_spatial_aggregate,
    "location_event_counts": _location_event_counts,
    "spatial_aggregate": _spatial_aggregate,
    "trips_od_matrix": _trips_od_matrix,
    "unique_subscriber_counts": _unique_subscriber_counts,
}
