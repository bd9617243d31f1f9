"""Tests of how the demo FlowAPI reads query specifications; the texts are a real FlowAPI's."""

from datetime import date

import pytest
from flowclient import (
    daily_location_spec,
    event_count_spec,
    modal_location_from_dates_spec,
    nocturnal_events_spec,
    radius_of_gyration_spec,
    unique_location_counts_spec,
)
from flowclient.aggregates import (
    flows_spec,
    joined_spatial_aggregate_spec,
    location_event_counts_spec,
    spatial_aggregate_spec,
    trips_od_matrix_spec,
    unique_subscriber_counts_spec,
)

from autoflow_dagster.demo.specs import (
    Period,
    SpecError,
    aggregation_unit,
    known_scopes,
    parse_spec,
    periods,
    query_id,
    scopes,
)

DAILY = daily_location_spec(date="2016-01-02", aggregation_unit="admin3", method="last")
MODAL = modal_location_from_dates_spec(
    start_date="2016-01-01", end_date="2016-01-04", aggregation_unit="admin3", method="last"
)
DAYS = {"start_date": "2016-01-01", "end_date": "2016-01-04"}


def _refused(spec):
    with pytest.raises(SpecError) as caught:
        parse_spec(spec)
    return caught.value.body


def _messages(spec):
    """Return the part of a refusal that names what is wrong."""
    return _refused(spec)["msg"].split("Validation error messages:\n")[1]


@pytest.mark.parametrize(
    ("spec", "unit", "expected"),
    [
        (
            spatial_aggregate_spec(locations=DAILY),
            "admin3",
            {"spatial_aggregate", "daily_location"},
        ),
        (
            spatial_aggregate_spec(locations=MODAL),
            "admin3",
            {"spatial_aggregate", "daily_location", "modal_location"},
        ),
        (
            flows_spec(from_location=MODAL, to_location=DAILY),
            "admin3",
            {"flows", "daily_location", "modal_location"},
        ),
        (
            joined_spatial_aggregate_spec(locations=DAILY, metric=radius_of_gyration_spec(**DAYS)),
            "admin3",
            {"joined_spatial_aggregate", "daily_location", "radius_of_gyration"},
        ),
        (
            joined_spatial_aggregate_spec(
                locations=DAILY,
                metric=unique_location_counts_spec(aggregation_unit="admin2", **DAYS),
            ),
            "admin3",
            {"joined_spatial_aggregate", "daily_location", "unique_location_counts"},
        ),
        (
            joined_spatial_aggregate_spec(
                locations=DAILY, metric=nocturnal_events_spec(hours=(22, 5), **DAYS)
            ),
            "admin3",
            {"joined_spatial_aggregate", "daily_location", "nocturnal_events"},
        ),
        (
            joined_spatial_aggregate_spec(
                locations=DAILY, metric=event_count_spec(**DAYS), method="median"
            ),
            "admin3",
            {"joined_spatial_aggregate", "daily_location", "event_count"},
        ),
        (
            unique_subscriber_counts_spec(aggregation_unit="admin1", **DAYS),
            "admin1",
            {"unique_subscriber_counts"},
        ),
        (
            location_event_counts_spec(aggregation_unit="admin2", count_interval="hour", **DAYS),
            "admin2",
            {"location_event_counts"},
        ),
        (trips_od_matrix_spec(aggregation_unit="admin2", **DAYS), "admin2", {"trips_od_matrix"}),
    ],
)
def test_scopes_name_every_kind_in_the_query(spec, unit, expected):
    """A token needs the outermost kind and each inner one, prefixed by unit and outermost kind."""
    parsed = parse_spec(spec)
    assert aggregation_unit(parsed) == unit
    assert scopes(parsed) == {f"{unit}:{spec['query_kind']}:{kind}" for kind in expected}
    assert scopes(parsed) <= set(known_scopes())


def test_left_out_fields_and_defaults_are_the_same_query():
    """The identity of a query does not depend on how it is spelt."""
    short = {"query_kind": "daily_location", "date": "2016-01-02", "aggregation_unit": "admin3"}
    spelt = {"method": "last", "event_types": ["sms", "calls"], **short}
    turned = dict(DAILY, event_types=["calls", "sms", "calls"], date="2016-01-02T00:00:00")
    first = query_id(parse_spec(spatial_aggregate_spec(locations=spelt)))
    assert first == query_id(parse_spec(spatial_aggregate_spec(locations=turned)))
    assert first != query_id(parse_spec(spatial_aggregate_spec(locations=DAILY)))
    assert len(first) == 32
    assert set(first) <= set("0123456789abcdef")


def test_it_knows_the_days_that_each_part_reads():
    """Every daily location of a modal location and every metric counts for itself."""
    spec = joined_spatial_aggregate_spec(
        locations=MODAL, metric=event_count_spec(event_types=["sms"], **DAYS)
    )
    days = [date(2016, 1, number) for number in (1, 2, 3, 4)]
    assert periods(parse_spec(spec)) == [
        Period(days[0], days[1], None),
        Period(days[1], days[2], None),
        Period(days[2], days[3], None),
        Period(days[0], days[3], ("sms",)),
    ]


@pytest.mark.parametrize("spec", [None, "x", 3, ["x"], {}, {"date": "2016-01-01"}])
def test_it_refuses_what_is_no_specification(spec):
    """Without a query kind there is nothing to say about the fields."""
    assert _refused(spec) == {"msg": "Could not parse query spec."}


@pytest.mark.parametrize("kind", ["nope", "daily_location", "modal_location", "event_count"])
def test_it_refuses_kinds_that_cannot_be_run_alone(kind):
    """Locations and metrics of single subscribers never leave FlowAPI."""
    assert _refused({"query_kind": kind})["msg"] == (
        "Parameter validation failed.\n\nThe action parameters were:\n"
        f'   {{\n     "query_kind": "{kind}"\n   }}.\n\nValidation error messages:\n'
        f'   {{\n     "query_kind": [\n       "Unsupported value: {kind}"\n     ]\n   }}.\n\n'
    )


def test_it_names_all_wrong_fields_at_once():
    """Two mistakes in one location give two messages, as in FlowAPI."""
    wrong = dict(DAILY, date="not-a-date", method="wrong")
    assert _messages(spatial_aggregate_spec(locations=wrong)) == (
        '   {\n     "locations": {\n       "date": [\n         "Not a valid datetime."\n       ],\n'
        '       "method": [\n         "Must be one of: last, most-common."\n       ]\n     }\n'
        "   }.\n\n"
    )


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"event_types": ["forwards"]}, "Must be one of: calls, sms, mds, topups."),
        ({"event_types": "calls"}, "Not a valid list."),
        ({"event_types": []}, "Shorter than minimum length 1."),
        ({"date": None}, "Field may not be null."),
        ({"date": 5}, "Not a valid datetime."),
        ({"aggregation_unit": "admin9"}, "Must be one of: admin0, admin1, admin2, admin3."),
        ({"aggregation_unit": None}, "Field may not be null."),
        ({"method": ["last"]}, "Must be one of: last, most-common."),
        ({"hours": [1, 2]}, "Invalid input type."),
        ({"hours": {"start_hour": 1}}, "Missing data for required field."),
        ({"hours": {"start_hour": 1, "end_hour": True}}, "Not a valid integer."),
        ({"hours": {"start_hour": 1, "end_hour": 25}}, "less than or equal to 24."),
        ({"subscriber_subset": "abc"}, "Not available in the demo."),
        ({"colour": "red"}, "Unknown field."),
        ({"query_kind": "nope"}, "Unsupported value: nope"),
        ({"query_kind": None}, "Missing data for required field."),
    ],
)
@pytest.mark.parametrize("nest", [lambda spec: spec, lambda spec: [spec]])
def test_it_refuses_wrong_fields_wherever_they_stand(changed, message, nest):
    """A daily location is checked as well inside a modal location as alone."""
    wrong = nest(DAILY | changed)
    if isinstance(wrong, list):
        wrong = {"query_kind": "modal_location", "locations": wrong}
    assert message in _messages(spatial_aggregate_spec(locations=wrong))


def test_a_modal_location_needs_a_day():
    """A reversed date range gives flowclient no day at all; FlowAPI refuses that."""
    empty = spatial_aggregate_spec(locations={"query_kind": "modal_location", "locations": []})
    assert '"Shorter than minimum length 1."' in _messages(empty)


@pytest.mark.parametrize("missing", ["start_date", "end_date", "aggregation_unit"])
def test_it_misses_required_fields(missing):
    """What has no default must be there."""
    spec = unique_subscriber_counts_spec(aggregation_unit="admin1", **DAYS)
    del spec[missing]
    assert f'"{missing}": [\n       "Missing data for required field."' in _messages(spec)


def test_it_refuses_flows_between_different_units():
    """A flow from a region to a district means nothing."""
    coarse = dict(DAILY, aggregation_unit="admin1")
    body = _refused(flows_spec(from_location=coarse, to_location=DAILY))
    assert body["msg"] == "Unable to create query object."
    assert "same aggregation unit" in body["payload"]["exception"]


def test_hour_24_is_valid_but_of_no_use():
    """FlowAPI's validation lets it pass, and then the query cannot be made."""
    late = dict(DAILY, hours={"start_hour": 20, "end_hour": 24})
    assert _refused(spatial_aggregate_spec(locations=late))["payload"] == {
        "exception": "hour must be in 0..23"
    }
