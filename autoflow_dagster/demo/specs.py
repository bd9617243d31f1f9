"""What a query specification may hold, and what follows from it: scopes, needed days, identity.

The kinds, their fields and the texts about mistakes are FlowAPI's, of 1.34; of its kinds only those
that the demo can answer are here. Nothing here computes anything; that is `queries`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from autoflow_dagster.demo.country import AGGREGATION_UNITS

Spec = dict[str, Any]

_REQUIRED = object()
_MISSING = "Missing data for required field."


class SpecError(Exception):
    """A query specification was refused.

    Parameters
    ----------
    body : Mapping[str, object]
        What FlowAPI answers, with status 400.
    """

    def __init__(self, body: Mapping[str, object]) -> None:
        self.body = dict(body)
        super().__init__(body["msg"])


class Period(NamedTuple):
    """A half-open range of days that a query reads, of some kinds of records.

    `end` is the day after the last one; `cdr_types` None means all kinds.
    """

    start: date
    end: date
    cdr_types: tuple[str, ...] | None

    def __str__(self) -> str:
        return f"{self.start} 00:00:00 - {self.end} 00:00:00"


class _Invalid(Exception):
    """A value was refused; `messages` is a list of texts, or a dict of such by key."""

    def __init__(self, messages: object) -> None:
        self.messages = messages
        super().__init__(messages)


@dataclass(frozen=True)
class _Field:
    """How one key of a specification is read: `read` returns the value in its one canonical form."""

    read: Callable[[Any], Any]
    default: Any = _REQUIRED


def parse_spec(raw: object) -> Spec:
    """Return a specification in canonical form: all defaults filled in, equal ones alike.

    Parameters
    ----------
    raw : object
        The body of the request, as JSON gave it.

    Raises
    ------
    SpecError
        It is not the specification of a query that can be run.

    Examples
    --------
    >>> try:
    ...     parse_spec({"query_kind": "nope"})
    ... except SpecError as error:
    ...     print(str(error).splitlines()[-4].strip())
    "Unsupported value: nope"
    """
    if not isinstance(raw, dict) or "query_kind" not in raw:
        raise SpecError({"msg": "Could not parse query spec."})
    try:
        spec = _read_query(raw, _AGGREGATES)
    except _Invalid as error:
        raise SpecError({"msg": _validation_message(raw, error.messages)}) from None
    if len(_units(spec)) > 1:
        raise not_created("All locations of a query must have the same aggregation unit.")
    for part in _parts(spec):
        if (part.get("hours") or {}).get("end_hour") == 24:
            raise not_created("hour must be in 0..23")  # passes FlowAPI's validation, too
    return spec


def not_created(reason: str) -> SpecError:
    """Return the error about a specification that is valid, but not for the data that there are."""
    return SpecError(
        {
            "status": "Error",
            "msg": "Unable to create query object.",
            "payload": {"exception": reason},
        }
    )


def query_id(spec: Spec) -> str:
    """Return the identity of a canonical specification, 32 hexadecimal digits."""
    text = json.dumps(spec, sort_keys=True)
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def aggregation_unit(spec: Spec) -> str:
    """Return the unit of the places in the result of a canonical specification."""
    return _units(spec)[0]


def scopes(spec: Spec) -> frozenset[str]:
    """Return the scopes that a token needs for a canonical specification.

    One for each kind of query in it, the outermost included, as FlowAPI spells them:
    ``unit:outermost kind:kind``.
    """
    prefix = f"{aggregation_unit(spec)}:{spec['query_kind']}"
    return frozenset(f"{prefix}:{part['query_kind']}" for part in _parts(spec))


def periods(spec: Spec) -> list[Period]:
    """Return the days that each part of a canonical specification reads.

    A part fails when none of its days is there; that some are missing goes unnoticed, as in
    FlowKit.
    """
    found = []
    for part in _parts(spec):
        if "date" in part:
            start = date.fromisoformat(part["date"])
            end = start + timedelta(days=1)
        elif "start_date" in part:
            start, end = (date.fromisoformat(part[key]) for key in ("start_date", "end_date"))
        else:
            continue
        types = part["event_types"]
        found.append(Period(start, end, None if types is None else tuple(types)))
    return found


def known_scopes() -> list[str]:
    """Return every scope that a token for the demo can have, sorted."""
    found = {"get_available_dates", "get_result", "run"}
    for unit in AGGREGATION_UNITS:
        found.add(f"{unit}:geography:geography")
        for kind in _AGGREGATES:
            found.update(f"{unit}:{kind}:{part}" for part in (kind, *_PARTS.get(kind, ())))
    return sorted(found)


def _parts(spec: Spec) -> Iterator[Spec]:
    """Yield a query and all queries inside it."""
    yield spec
    for value in spec.values():
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, dict) and "query_kind" in item:
                yield from _parts(item)


def _units(spec: Spec) -> list[str]:
    """Return the units of the places in a query, leaving out those inside a metric."""
    places = {key: value for key, value in spec.items() if key != "metric"}
    found = {part["aggregation_unit"] for part in _parts(places) if "aggregation_unit" in part}
    return sorted(found)


def _validation_message(raw: object, messages: object) -> str:
    def indented(value: object) -> str:
        lines = json.dumps(value, indent=2).splitlines()
        return "\n".join(f"   {line}" for line in lines)

    return (
        "Parameter validation failed.\n\n"
        f"The action parameters were:\n{indented(raw)}.\n\n"
        f"Validation error messages:\n{indented(messages)}.\n\n"
    )


# How values are read ---------------------------------------------------------------------------


def _read_query(raw: object, kinds: Mapping[str, Mapping[str, _Field]]) -> Spec:
    if not isinstance(raw, dict):
        raise _Invalid({"_schema": ["Invalid input type."]})
    kind = raw.get("query_kind")
    if kind is None:
        raise _Invalid({"query_kind": [_MISSING]})
    if not isinstance(kind, str) or kind not in kinds:
        raise _Invalid({"query_kind": [f"Unsupported value: {kind}"]})
    fields = {"query_kind": _Field(str), **kinds[kind]}
    messages: dict[str, object] = {key: ["Unknown field."] for key in raw.keys() - fields.keys()}
    spec = {}
    for key, field in fields.items():
        try:
            spec[key] = _read_field(raw, key, field)
        except _Invalid as error:
            messages[key] = error.messages
    if messages:
        raise _Invalid(dict(sorted(messages.items())))
    return spec


def _read_field(raw: Spec, key: str, field: _Field) -> Any:
    if key in raw and (raw[key] is not None or field.default is not None):
        return field.read(raw[key])
    if field.default is _REQUIRED:
        raise _Invalid([_MISSING])
    return field.default


def _query(*kinds: str) -> Callable[[Any], Spec]:
    return lambda raw: _read_query(raw, {kind: _LOCATIONS_AND_METRICS[kind] for kind in kinds})


def _daily_locations(raw: Any) -> list[Spec]:
    if not isinstance(raw, list):
        raise _Invalid(["Not a valid list."])
    if not raw:
        raise _Invalid(["Shorter than minimum length 1."])
    found, messages = [], {}
    for position, item in enumerate(raw):
        try:
            found.append(_query("daily_location")(item))
        except _Invalid as error:
            messages[str(position)] = error.messages
    if messages:
        raise _Invalid(messages)
    return found


def _one_of(*choices: str) -> Callable[[Any], str]:
    def read(raw: Any) -> str:
        if not isinstance(raw, str) or raw not in choices:
            raise _Invalid([f"Must be one of: {', '.join(choices)}."])
        return raw

    return read


def _day(raw: Any) -> str:
    try:
        return datetime.fromisoformat(raw).date().isoformat()
    except (TypeError, ValueError):
        raise _Invalid(["Not a valid datetime."]) from None


def _event_types(raw: Any) -> list[str]:
    if not isinstance(raw, list):
        raise _Invalid(["Not a valid list."])
    if not raw:
        raise _Invalid(["Shorter than minimum length 1."])
    allowed = _one_of("calls", "sms", "mds", "topups")
    found, messages = set(), {}
    for position, item in enumerate(raw):
        try:
            found.add(allowed(item))
        except _Invalid as error:
            messages[str(position)] = error.messages
    if messages:
        raise _Invalid(messages)
    return sorted(found)


def _hours(raw: Any) -> dict[str, int]:
    if not isinstance(raw, dict):
        raise _Invalid({"_schema": ["Invalid input type."]})
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
        raise _Invalid(messages)
    return {"start_hour": raw["start_hour"], "end_hour": raw["end_hour"]}


def _unsupported(_raw: Any) -> None:
    raise _Invalid(["Not available in the demo."])


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
_PARTS = {
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

_AGGREGATES: dict[str, dict[str, _Field]] = {
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
