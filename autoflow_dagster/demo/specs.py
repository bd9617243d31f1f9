"""What a query specification may hold, and what follows from it: scopes, needed days, identity.

As in FlowAPI 1.34, of whose kinds only those are here that the demo can answer. How single fields
are read is in `spec_fields`; nothing here computes an answer, that is `queries`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from typing import NamedTuple

from autoflow_dagster.demo.country import AGGREGATION_UNITS
from autoflow_dagster.demo.spec_fields import (
    AGGREGATES,
    PARTS,
    InvalidFieldError,
    Spec,
    read_aggregate,
)


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
        spec = read_aggregate(raw)
    except InvalidFieldError as error:
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
        for kind in AGGREGATES:
            found.update(f"{unit}:{kind}:{part}" for part in (kind, *PARTS.get(kind, ())))
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
