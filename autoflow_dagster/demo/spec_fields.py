"""The kinds of queries that the demo knows, and how each of their fields is read and checked.

Fields and texts are FlowAPI's. What a whole specification means is in `specs`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from autoflow_dagster.demo.country import AGGREGATION_UNITS

Spec = dict[str, Any]
"""A query specification; in canonical form all keys are there and equal queries are equal."""

_REQUIRED = object()
_MISSING = "Missing data for required field."


class InvalidFieldError(Exception):
    """A value was refused; `messages` is a list of texts, or a dict of such by key."""

    def __init__(self, messages: object) -> None:
        self.messages = messages
        super().__init__(messages)


@dataclass(frozen=True)
class _Field:
    """How one key of a specification is read: `read` returns the value in its one canonical form."""

    read: Callable[[Any], Any]
    default: Any = _REQUIRED


def read_aggregate(raw: object) -> Spec:
    """Return a top-level query in canonical form.

    Raises
    ------
    InvalidFieldError
        Some field is missing, wrong or unknown; the messages name all of them.
    """
    return _read_query(raw, AGGREGATES)


# How values are read ---------------------------------------------------------------------------


def _read_query(raw: object, kinds: Mapping[str, Mapping[str, _Field]]) -> Spec:
    if not isinstance(raw, dict):
        raise InvalidFieldError({"_schema": ["Invalid input type."]})
    kind = raw.get("query_kind")
    if kind is None:
        raise InvalidFieldError({"query_kind": [_MISSING]})
    if not isinstance(kind, str) or kind not in kinds:
        raise InvalidFieldError({"query_kind": [f"Unsupported value: {kind}"]})
    fields = {"query_kind": _Field(str), **kinds[kind]}
    messages: dict[str, object] = {key: ["Unknown field."] for key in raw.keys() - fields.keys()}
    spec = {}
    for key, field in fields.items():
        try:
            spec[key] = _read_field(raw, key, field)
        except InvalidFieldError as error:
            messages[key] = error.messages
    if messages:
        raise InvalidFieldError(dict(sorted(messages.items())))
    return spec


def _read_field(raw: Spec, key: str, field: _Field) -> Any:
    if key not in raw:
        if field.default is _REQUIRED:
            raise InvalidFieldError([_MISSING])
        return field.default
    if raw[key] is None:
        if field.default is not None:
            raise InvalidFieldError(["Field may not be null."])
        return None
    return field.read(raw[key])


def _query(*kinds: str) -> Callable[[Any], Spec]:
    return lambda raw: _read_query(raw, {kind: _LOCATIONS_AND_METRICS[kind] for kind in kinds})


def _daily_locations(raw: Any) -> list[Spec]:
    if not isinstance(raw, list):
        raise InvalidFieldError(["Not a valid list."])
    if not raw:
        raise InvalidFieldError(["Shorter than minimum length 1."])
    found, messages = [], {}
    for position, item in enumerate(raw):
        try:
            found.append(_query("daily_location")(item))
        except InvalidFieldError as error:
            messages[str(position)] = error.messages
    if messages:
        raise InvalidFieldError(messages)
    return found


def _one_of(*choices: str) -> Callable[[Any], str]:
    def read(raw: Any) -> str:
        if not isinstance(raw, str) or raw not in choices:
            raise InvalidFieldError([f"Must be one of: {', '.join(choices)}."])
        return raw

    return read


def _day(raw: Any) -> str:
    try:
        return datetime.fromisoformat(raw).date().isoformat()
    except (TypeError, ValueError):
        raise InvalidFieldError(["Not a valid datetime."]) from None


def _event_types(raw: Any) -> list[str]:
    if not isinstance(raw, list):
        raise InvalidFieldError(["Not a valid list."])
    if not raw:
        raise InvalidFieldError(["Shorter than minimum length 1."])
    allowed = _one_of("calls", "sms", "mds", "topups")
    found, messages = set(), {}
    for position, item in enumerate(raw):
        try:
            found.add(allowed(item))
        except InvalidFieldError as error:
            messages[str(position)] = error.messages
    if messages:
        raise InvalidFieldError(messages)
    return sorted(found)


def _hours(raw: Any) -> dict[str, int]:
    if not isinstance(raw, dict):
        raise InvalidFieldError({"_schema": ["Invalid input type."]})
    messages: dict[str, list[str]] = {}
    for key in ("start_hour", "end_hour"):
        value = raw.get(key)
        if value is None:
            messages[key] = [_MISSING]
        elif isinstance(value, bool) or not isinstance(value, int):
            messages[key] = ["Not a valid integer."]
        elif not 0 <= value <= 24:
            messages[key] = ["Must be greater than or equal to 0 and less than or equal to 24."]
    if messages:
        raise InvalidFieldError(messages)
    return {"start_hour": raw["start_hour"], "end_hour": raw["end_hour"]}


def _unsupported(_raw: Any) -> None:
    raise InvalidFieldError(["Not available in the demo."])


# The kinds of queries and their fields ---------------------------------------------------------

_UNIT = _Field(_one_of(*AGGREGATION_UNITS))
_DIRECTION = _Field(_one_of("in", "out", "both"), "both")
_EVENTS = {
    "event_types": _Field(_event_types, None),
    "subscriber_subset": _Field(_unsupported, None),
}
_HOURS = {"hours": _Field(_hours, None)}
_RANGE = {"start_date": _Field(_day), "end_date": _Field(_day)}
_PLACES = {
    "aggregation_unit": _UNIT,
    "mapping_table": _Field(_unsupported, None),
    "geom_table": _Field(_unsupported, None),
    "geom_table_join_column": _Field(_unsupported, None),
}
_LOCATION_KINDS = ("daily_location", "modal_location")
_METRIC_KINDS = ("event_count", "nocturnal_events", "radius_of_gyration", "unique_location_counts")
PARTS = {
    "flows": _LOCATION_KINDS,
    "joined_spatial_aggregate": (*_LOCATION_KINDS, *_METRIC_KINDS),
    "spatial_aggregate": _LOCATION_KINDS,
}

_LOCATIONS_AND_METRICS: dict[str, dict[str, _Field]] = {
    "daily_location": {
        "date": _Field(_day),
        "method": _Field(_one_of("last", "most-common")),
        **_PLACES,
        **_EVENTS,
        **_HOURS,
    },
    "modal_location": {"locations": _Field(_daily_locations)},
    "event_count": {**_RANGE, "direction": _DIRECTION, **_EVENTS, **_HOURS},
    "nocturnal_events": {**_RANGE, "night_hours": _Field(_hours), **_EVENTS},
    "radius_of_gyration": {**_RANGE, **_EVENTS, **_HOURS},
    "unique_location_counts": {**_RANGE, **_PLACES, **_EVENTS, **_HOURS},
}
_LOCATION = _Field(_query(*_LOCATION_KINDS))
_JOIN_TYPES = ("inner", "full outer", "left", "left outer", "right", "right outer")
_STATISTICS = ("avg", "max", "min", "median", "mode", "stddev", "variance")

AGGREGATES: dict[str, dict[str, _Field]] = {
    "flows": {
        "from_location": _LOCATION,
        "to_location": _LOCATION,
        "join_type": _Field(_one_of(*_JOIN_TYPES), "inner"),
    },
    "joined_spatial_aggregate": {
        "locations": _LOCATION,
        "metric": _Field(_query(*_METRIC_KINDS)),
        "method": _Field(_one_of(*_STATISTICS), "avg"),
    },
    "location_event_counts": {
        **_RANGE,
        "interval": _Field(_one_of("day", "hour", "min")),
        "direction": _DIRECTION,
        **_PLACES,
        **_EVENTS,
        **_HOURS,
    },
    "spatial_aggregate": {"locations": _LOCATION},
    "trips_od_matrix": {**_RANGE, **_PLACES, **_EVENTS, **_HOURS},
    "unique_subscriber_counts": {**_RANGE, **_PLACES, **_EVENTS, **_HOURS},
}
