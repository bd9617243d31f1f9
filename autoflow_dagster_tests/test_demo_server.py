"""Tests of the demo FlowAPI through flowclient, and of its HTTP answers against a real FlowAPI's."""

import csv
import io
import json
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from collections import Counter, defaultdict
from contextlib import closing, contextmanager
from datetime import date, timedelta

import flowclient
import httpx
import numpy as np
import pytest
from flowclient.aggregates import flows_spec, spatial_aggregate_spec
from flowclient.errors import FlowclientConnectionError

from autoflow_dagster.demo.country import build_country
from autoflow_dagster.demo.records import FLOODED, build_day, build_population
from autoflow_dagster.demo.server import DemoFlowapi
from autoflow_dagster.errors import AutoflowError

pytestmark = pytest.mark.integration

START = date(2016, 1, 1)
SUBSCRIBERS = 4000
DAILY = flowclient.daily_location_spec(date="2016-01-02", aggregation_unit="admin3", method="last")
DAILY_SCOPES = [
    "admin3:spatial_aggregate:spatial_aggregate",
    "admin3:spatial_aggregate:daily_location",
]
UNKNOWN_ID = "0123456789abcdef0123456789abcdef"


@pytest.fixture(scope="module")
def demo():
    """Return a demo FlowAPI with ten days of records."""
    with DemoFlowapi(days=10, subscribers=SUBSCRIBERS) as demo:
        yield demo


@contextmanager
def connected(demo, token=None):
    """Return a flowclient connection, and close what flowclient leaves open."""
    with pytest.warns(UserWarning, match="NOT SECURE"):
        connection = flowclient.connect(url=demo.url, token=token or demo.token)
    with closing(connection.session):
        yield connection


@pytest.fixture(scope="module")
def connection(demo):
    """Return a connection with full access."""
    with connected(demo) as connection:
        yield connection


@pytest.fixture(scope="module")
def http(demo):
    """Return a plain HTTP client with full access."""
    headers = {"Authorization": f"Bearer {demo.token}"}
    with httpx.Client(base_url=demo.url, headers=headers) as http:
        yield http


def authorization(demo, *args, **kwargs):
    """Return the header of a token that `DemoFlowapi.make_token` makes of the arguments."""
    return {"Authorization": f"Bearer {demo.make_token(*args, **kwargs)}"}


def daily(day, unit, method="last"):
    """Return the location of each subscriber on one day of January."""
    return flowclient.daily_location_spec(
        date=f"2016-01-{day:02}", aggregation_unit=unit, method=method
    )


def modal(first, end, unit):
    """Return the usual location in January, from a day up to the one before another."""
    return flowclient.modal_location_from_dates_spec(
        start_date=f"2016-01-{first:02}",
        end_date=f"2016-01-{end:02}",
        aggregation_unit=unit,
        method="last",
    )


def result(connection, spec):
    """Return the rows of a result."""
    identity = flowclient.run_query(connection=connection, query_spec=spec)
    frame = flowclient.get_result_by_query_id(
        connection=connection, query_id=identity, poll_interval=0.05
    )
    return frame.to_dict("records")


def completed(http, spec):
    """Run a query to its end and return its id."""
    location = http.post("/api/0/run", json=spec).headers["location"]
    while (answer := http.get(location)).status_code == 202:
        pass
    assert answer.status_code == 303
    return answer.headers["location"].rpartition("/")[2]


@pytest.fixture(scope="module")
def last_places():
    """Return for each day and subscriber the admin3 of the last event, without any database."""
    country = build_country()
    population = build_population(country, SUBSCRIBERS)
    found = {}
    for number in range(10):
        records = build_day(country, population, START, number)
        order = np.lexsort((records.cell, records.second))
        cells = dict(
            zip(records.subscriber[order].tolist(), records.cell[order].tolist(), strict=True)
        )
        found[number + 1] = {
            who: country.pcods["admin3"][country.cell_admin3[cell]] for who, cell in cells.items()
        }
    return found


# Answers ---------------------------------------------------------------------------------------


def test_it_lists_its_dates(connection):
    """Ten days of calls and of sms, as flowclient reads them."""
    days = [(START + timedelta(days=number)).isoformat() for number in range(10)]
    assert flowclient.get_available_dates(connection=connection) == {"calls": days, "sms": days}
    only = flowclient.get_available_dates(connection=connection, event_types=["sms", "mds"])
    assert only == {"sms": days}


def test_people_are_where_their_last_event_was(connection, last_places):
    """A spatial aggregate of a daily location is what counting the records by hand gives."""
    counted = Counter(last_places[2].values())
    expected = {pcod: count for pcod, count in counted.items() if count > 15}
    answer = result(connection, spatial_aggregate_spec(locations=DAILY))
    assert {row["pcod"]: row["value"] for row in answer} == expected
    assert len(answer) > 40


def test_flows_lead_from_usual_places_to_those_of_a_day(connection, last_places):
    """Flows from a modal to a daily location are what following each subscriber gives."""

    def usual(who):
        places = [last_places[day].get(who) for day in (1, 2, 3)]
        seen = [place for place in places if place is not None]
        return max(reversed(seen), key=seen.count, default=None)  # of equals the latest

    moves = Counter((usual(who), place) for who, place in last_places[9].items())
    expected = {move: count for move, count in moves.items() if count > 15 and move[0] is not None}
    spec = flows_spec(from_location=modal(1, 4, "admin3"), to_location=daily(9, "admin3"))
    answer = result(connection, spec)
    assert {(row["pcod_from"], row["pcod_to"]): row["value"] for row in answer} == expected
    assert sum(row["value"] for row in answer) <= SUBSCRIBERS
    assert any(start != end for start, end in expected)


def test_the_flood_shows_in_the_flows(connection):
    """Many more people than before are away from the two flooded districts, and only from them."""

    def leavers(day):
        spec = flows_spec(from_location=modal(1, 7, "admin2"), to_location=daily(day, "admin2"))
        left = defaultdict(int)
        for row in result(connection, spec):
            if row["pcod_from"] != row["pcod_to"]:
                left[row["pcod_from"]] += row["value"]
        return left

    before, after = leavers(7), leavers(10)
    for pcod in FLOODED:
        assert after[pcod] - before[pcod] > 60
    others = (before.keys() | after.keys()) - FLOODED.keys()
    assert all(abs(after[pcod] - before[pcod]) < 60 for pcod in others)


def test_most_common_locations_differ_from_last_ones(connection):
    """The method of a daily location matters, and counts nobody twice."""
    last = result(connection, spatial_aggregate_spec(locations=daily(5, "admin2")))
    most = result(connection, spatial_aggregate_spec(locations=daily(5, "admin2", "most-common")))
    assert last != most
    assert sum(row["value"] for row in last) == pytest.approx(
        sum(row["value"] for row in most), rel=0.02
    )


def test_metrics_are_averaged_by_place(connection):
    """Radius of gyration in kilometres, counts of events and places; decimals all."""
    days = {"start_date": "2016-01-04", "end_date": "2016-01-07"}
    metrics = {
        "radius": flowclient.radius_of_gyration_spec(**days),
        "events": flowclient.event_count_spec(**days),
        "outgoing": flowclient.event_count_spec(direction="out", **days),
        "night": flowclient.nocturnal_events_spec(hours=(22, 5), **days),
        "places": flowclient.unique_location_counts_spec(aggregation_unit="admin3", **days),
    }
    mean = {}
    for name, metric in metrics.items():
        query = flowclient.joined_spatial_aggregate(
            connection=connection, locations=daily(5, "admin1"), metric=metric, method="avg"
        )
        values = query.get_result(poll_interval=0.05)["value"]
        assert len(values) == 4
        assert values.dtype == float
        mean[name] = values.mean()
    assert 2 < mean["radius"] < 60
    assert mean["outgoing"] == pytest.approx(mean["events"] / 2, rel=0.2)
    assert mean["night"] < mean["events"] / 4
    assert 1 <= mean["places"] < 5


@pytest.mark.parametrize("method", ["avg", "max", "min", "median", "mode", "stddev", "variance"])
def test_metrics_can_be_joined_by_any_statistic(connection, method):
    """Each of FlowAPI's statistics gives a number for each region."""
    answer = flowclient.joined_spatial_aggregate(
        connection=connection,
        locations=daily(5, "admin1"),
        metric=flowclient.event_count_spec(start_date="2016-01-04", end_date="2016-01-07"),
        method=method,
    ).get_result(poll_interval=0.05)
    assert len(answer) == 4
    assert (answer["value"] > 0).all()


def test_subscribers_are_counted_once_for_each_place(connection):
    """In the whole country there are as many as have any record."""
    frame = flowclient.unique_subscriber_counts(
        connection=connection,
        start_date="2016-01-01",
        end_date="2016-01-03",
        aggregation_unit="admin0",
    ).get_result(poll_interval=0.05)
    assert frame.to_dict("records")[0]["pcod"] == "DMO"
    assert 0.95 * SUBSCRIBERS < frame["value"].sum() <= SUBSCRIBERS


@pytest.mark.parametrize(
    ("interval", "columns"),
    [
        ("day", ["pcod", "date", "value"]),
        ("hour", ["pcod", "date", "hour", "value"]),
        ("min", ["pcod", "date", "hour", "min", "value"]),
    ],
)
def test_events_are_counted_by_interval(connection, interval, columns):
    """The columns depend on the interval; dates are texts, everything else numbers."""
    frame = flowclient.location_event_counts(
        connection=connection,
        start_date="2016-01-02",
        end_date="2016-01-04",
        count_interval=interval,
        aggregation_unit="admin1",
        event_types=["calls"],
    ).get_result(poll_interval=0.05)
    assert list(frame.columns) == columns
    assert set(frame["date"]) == {"2016-01-02", "2016-01-03"}
    assert frame["value"].min() > 15


def test_event_types_add_up(connection):
    """Calls and sms are all the events there are."""

    def events(**types):
        frame = flowclient.location_event_counts(
            connection=connection,
            start_date="2016-01-02",
            end_date="2016-01-03",
            count_interval="day",
            aggregation_unit="admin0",
            **types,
        ).get_result(poll_interval=0.05)
        return frame["value"].sum()

    calls, sms = events(event_types=["calls"]), events(event_types=["sms"])
    assert calls > sms > 0
    assert calls + sms == events()


def test_trips_lead_elsewhere(connection):
    """A trip ends somewhere else than it started, and there are trips in both directions."""
    frame = flowclient.trips_od_matrix(
        connection=connection,
        start_date="2016-01-01",
        end_date="2016-01-04",
        aggregation_unit="admin1",
    ).get_result(poll_interval=0.05)
    assert list(frame.columns) == ["pcod_from", "pcod_to", "value"]
    assert (frame["pcod_from"] != frame["pcod_to"]).all()
    routes = set(zip(frame["pcod_from"], frame["pcod_to"], strict=True))
    assert {("DMO.1_1", "DMO.2_1"), ("DMO.2_1", "DMO.1_1")} <= routes


def test_small_groups_are_left_out(connection):
    """No row rests on fifteen subscribers or fewer, and a result without rows has no columns."""
    between_small_districts = result(
        connection, flows_spec(from_location=modal(1, 4, "admin3"), to_location=daily(5, "admin3"))
    )
    assert min(row["value"] for row in between_small_districts) > 15
    with DemoFlowapi(days=1, subscribers=40) as tiny, connected(tiny) as few:
        empty = flowclient.get_result(
            connection=few, query_spec=spatial_aggregate_spec(locations=daily(1, "admin3"))
        )
    assert empty.shape == (0, 0)


def test_geography_has_only_pcods_and_centroids(connection):
    """As FlowAPI's: MultiPolygons without names, numbered from one."""
    answer = flowclient.get_geography(connection=connection, aggregation_unit="admin3")
    assert answer["type"] == "FeatureCollection"
    features = answer["features"]
    assert [feature["id"] for feature in features] == list(range(1, 48))
    assert {feature["geometry"]["type"] for feature in features} == {"MultiPolygon"}
    assert all(set(feature["properties"]) == {"pcod", "centroid"} for feature in features)
    assert features[0]["properties"]["centroid"]["type"] == "Point"


def test_results_come_with_their_places(connection):
    """GeoJSON of a spatial aggregate has a feature for each row of the result."""
    spec = spatial_aggregate_spec(locations=DAILY)
    answer = flowclient.get_geojson_result(connection=connection, query_spec=spec)
    rows = {row["pcod"]: row["value"] for row in result(connection, spec)}
    found = {f["properties"]["pcod"]: f["properties"]["value"] for f in answer["features"]}
    assert found == rows
    assert set(answer["features"][0]["properties"]) == {"pcod", "value", "centroid"}


def test_flows_come_by_place(connection):
    """GeoJSON of flows has the flows from and to a place as its properties."""
    spec = flows_spec(from_location=modal(1, 4, "admin1"), to_location=daily(5, "admin1"))
    answer = flowclient.get_geojson_result(connection=connection, query_spec=spec)
    places = {f["properties"]["pcod"]: f["properties"] for f in answer["features"]}
    rows = result(connection, spec)
    assert rows
    for row in rows:
        start, end, value = row["pcod_from"], row["pcod_to"], row["value"]
        assert places[start]["outflows"][end] == places[end]["inflows"][start] == value
    assert sum(len(place["inflows"]) for place in places.values()) == len(rows)


# HTTP ------------------------------------------------------------------------------------------


def test_it_sends_what_a_real_flowapi_sends(http):
    """Statuses, headers and bodies of running, polling and getting, as captured."""
    spec = spatial_aggregate_spec(locations=DAILY)
    identity = completed(http, spec)
    run = http.post("/api/0/run", json=spec)
    assert run.status_code == 202
    assert run.headers["location"] == f"/api/0/poll/{identity}"
    assert run.json() == {
        "query_id": identity,
        "progress": {"eligible": 0, "queued": 0, "running": 0},
    }
    poll = http.get(f"/api/0/poll/{identity}")
    assert (poll.status_code, poll.json()) == (303, {"status": "completed"})
    assert poll.headers["location"] == f"/api/0/get/{identity}"
    assert poll.content.endswith(b"\n")
    get = http.get(f"/api/0/get/{identity}")
    assert get.status_code == 200
    assert get.headers["content-type"] == "application/json"
    assert get.headers["content-disposition"] == f"attachment;filename={identity}.json"
    assert get.headers["transfer-encoding"] == "chunked"
    assert list(get.json()) == ["query_id", "query_result"]
    assert http.get(f"/api/0/get/{identity}.json").content == get.content


def test_results_come_as_csv(http):
    """A header, then a line for each row, with line ends as in the standard."""
    identity = completed(http, spatial_aggregate_spec(locations=DAILY))
    answer = http.get(f"/api/0/get/{identity}.csv")
    assert answer.headers["content-type"] == "text/csv"
    assert answer.headers["content-disposition"] == f"attachment;filename={identity}.csv"
    assert answer.text.startswith("pcod,value\r\n")
    rows = http.get(f"/api/0/get/{identity}").json()["query_result"]
    assert list(csv.DictReader(io.StringIO(answer.text))) == [
        {"pcod": row["pcod"], "value": str(row["value"])} for row in rows
    ]


def test_it_sends_empty_results():
    """Nothing but redacted rows: no rows, no features, and in CSV not even a header."""
    with DemoFlowapi(days=1, subscribers=10) as tiny:
        headers = {"Authorization": f"Bearer {tiny.token}"}
        with httpx.Client(base_url=tiny.url, headers=headers) as http:
            identity = completed(http, spatial_aggregate_spec(locations=daily(1, "admin3")))
            assert http.get(f"/api/0/get/{identity}").json()["query_result"] == []
            assert http.get(f"/api/0/get/{identity}.csv").content == b""
            geojson = http.get(f"/api/0/get/{identity}.geojson")
    assert geojson.headers["content-type"] == "application/geo+json"
    assert geojson.json() == {"type": "FeatureCollection", "features": []}


def test_a_query_takes_its_time():
    """While a query is computed, polling and getting give 202, and flowclient waits."""
    with DemoFlowapi(days=2, subscribers=100, seconds_per_query=0.5) as slow:
        headers = {"Authorization": f"Bearer {slow.token}"}
        with httpx.Client(base_url=slow.url, headers=headers) as http:
            run = http.post("/api/0/run", json=spatial_aggregate_spec(locations=DAILY))
            identity = run.json()["query_id"]
            poll = http.get(f"/api/0/poll/{identity}")
            get = http.get(f"/api/0/get/{identity}")
        with connected(slow) as connection:
            reply = flowclient.client.wait_for_query_to_be_ready(
                connection=connection, query_id=identity, disable_progress=True
            )
    assert poll.status_code == 202
    assert poll.json()["status"] in {"queued", "executing"}
    assert poll.json()["progress"]["eligible"] == 1
    assert (get.status_code, get.json()) == (202, {})
    assert reply.status_code == 303
    assert slow.requests["/api/0/poll/{query_id}"] >= 3


@pytest.mark.parametrize(
    ("path", "status", "body"),
    [
        ("/", 200, ""),
        ("/api/0/nope", 404, "Not Found"),
        ("/api/1/available_dates", 404, "Not Found"),
        ("/api/0/available_dates/", 404, "Not Found"),
        ("/api/0/run", 405, "Method Not Allowed"),
        (f"/api/0/poll/{UNKNOWN_ID}", 404, f"Unknown query ID &#x27;{UNKNOWN_ID}&#x27;"),
        (f"/api/0/get/{UNKNOWN_ID}", 404, f"Unknown query ID &#x27;{UNKNOWN_ID}&#x27;"),
    ],
)
def test_wrong_addresses_are_answered_by_pages(http, path, status, body):
    """These answers are HTML, not JSON."""
    answer = http.get(path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert body in answer.text


def test_a_doubled_slash_does_no_harm(demo, http):
    """A URL that ends with a slash gives paths that start with two."""
    assert http.get(f"{demo.url}//api/0/available_dates").status_code == 200


def test_it_says_which_scopes_there_are(demo):
    """The security scheme of the OpenAPI specification needs no token."""
    answer = httpx.get(f"{demo.url}/api/0/spec/openapi.json").json()
    scheme = answer["components"]["securitySchemes"]["token"]
    assert scheme["x-audience"] == demo.audience
    assert set(DAILY_SCOPES) < set(scheme["x-security-scopes"])


# Refusals --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("token", "message"),
    [
        ({"expires_in": timedelta(minutes=-5)}, "Token has expired"),
        ({"audience": "elsewhere"}, "status code: 422"),
        ({"scopes": {"a": ["run"]}}, "User claims verification failed"),
        ({"scopes": {}}, "User claims verification failed"),
    ],
)
def test_flowclient_reports_refused_tokens(demo, token, message, capsys):
    """Expired, foreign and insufficient tokens give the errors that users of FlowKit know."""
    refused = pytest.raises(FlowclientConnectionError, match=message)
    with connected(demo, demo.make_token(**token)) as connection, refused:
        flowclient.get_available_dates(connection=connection)
    capsys.readouterr()  # flowclient prints answers that it does not expect


@pytest.mark.parametrize(
    ("header", "status", "body"),
    [
        ({}, 401, {"msg": "Missing Authorization Header"}),
        ({"Authorization": "Bearer not.a.jwt"}, 422, {"msg": "Invalid header padding"}),
    ],
)
@pytest.mark.parametrize(
    "path", ["available_dates", "geography/admin3", f"poll/{UNKNOWN_ID}", f"get/{UNKNOWN_ID}"]
)
def test_every_address_asks_for_a_token(demo, header, status, body, path):
    """Before anything else, so that strangers learn nothing about query ids."""
    answer = httpx.get(f"{demo.url}/api/0/{path}", headers=header)
    assert (answer.status_code, answer.json()) == (status, body)


@pytest.mark.parametrize(
    ("scopes", "run", "poll", "get", "geojson"),
    [
        ({"a": ["run", *DAILY_SCOPES]}, 202, 303, 403, 403),
        ({"a": ["get_result", *DAILY_SCOPES]}, 403, 303, 200, 403),
        ({"a": DAILY_SCOPES}, 403, 303, 403, 403),
        ({"a": ["run", "get_result", DAILY_SCOPES[0]]}, 403, 403, 403, 403),
        ({"a": ["run", "get_result"], "b": DAILY_SCOPES}, 403, 303, 403, 403),
        (
            {"a": ["run", "get_result", *DAILY_SCOPES, "admin3:geography:geography"]},
            202,
            303,
            200,
            200,
        ),
    ],
)
def test_one_role_must_have_all_scopes(demo, http, scopes, run, poll, get, geojson):
    """What each request needs, and that two roles do not add up."""
    spec = spatial_aggregate_spec(locations=DAILY)
    identity = completed(http, spec)
    headers = authorization(demo, scopes)
    statuses = [
        httpx.post(f"{demo.url}/api/0/run", json=spec, headers=headers).status_code,
        httpx.get(f"{demo.url}/api/0/poll/{identity}", headers=headers).status_code,
        httpx.get(f"{demo.url}/api/0/get/{identity}", headers=headers).status_code,
        httpx.get(f"{demo.url}/api/0/get/{identity}.geojson", headers=headers).status_code,
    ]
    assert statuses == [run, poll, get, geojson]


def test_an_unknown_unit_needs_a_scope_to_be_unknown(demo, http):
    """The scope comes first: 403 for everybody, and 500 for who has a scope for nonsense."""
    assert http.get("/api/0/geography/admin9").status_code == 403
    headers = authorization(demo, {"a": ["get_result", "admin9:geography:geography"]})
    answer = httpx.get(f"{demo.url}/api/0/geography/admin9", headers=headers)
    assert answer.status_code == 500
    assert answer.json() == {"status": "Error", "msg": "Parameter validation failed."}


def test_unreadable_claims_break_it(demo, monkeypatch):
    """A token without compressed claims gives a page with status 500."""
    monkeypatch.setattr("autoflow_dagster.demo.tokens.gzip.compress", lambda text, mtime: text)
    answer = httpx.get(f"{demo.url}/api/0/available_dates", headers=authorization(demo))
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "text/html; charset=utf-8"


def test_it_refuses_bodies_that_are_no_specification(http):
    """Malformed JSON gets a page, anything else a message."""
    headers = {"Content-Type": "application/json"}
    malformed = http.post("/api/0/run", content="hello", headers=headers)
    assert malformed.status_code == 400
    assert malformed.headers["content-type"] == "text/html; charset=utf-8"
    for answer in (http.post("/api/0/run", json=["x"]), http.post("/api/0/run", content="{}")):
        assert answer.status_code == 400
        assert answer.json() == {"msg": "Could not parse query spec."}


def test_it_has_no_data_for_some_dates(http):
    """One missing day of a modal location is too many; a range may reach past the last day."""
    body = {
        "status": "Error",
        "msg": "Unable to create query object.",
        "payload": {"exception": "No data for date: 2016-01-11 00:00:00 - 2016-01-12 00:00:00"},
    }
    for location in (daily(11, "admin3"), modal(9, 13, "admin3")):
        answer = http.post("/api/0/run", json=spatial_aggregate_spec(locations=location))
        assert (answer.status_code, answer.json()) == (400, body)
    late = flowclient.aggregates.unique_subscriber_counts_spec(
        start_date="2016-01-09", end_date="2016-01-15", aggregation_unit="admin3"
    )
    assert http.post("/api/0/run", json=late).status_code == 202


def test_topups_have_no_data(http):
    """A valid kind of records of which there are none."""
    spec = spatial_aggregate_spec(locations=DAILY | {"event_types": ["mds", "topups"]})
    answer = http.post("/api/0/run", json=spec)
    assert answer.json()["payload"]["exception"].startswith("No data for date: 2016-01-02")


def test_unknown_formats_are_refused(http):
    """There is no spreadsheet."""
    identity = completed(http, spatial_aggregate_spec(locations=DAILY))
    answer = http.get(f"/api/0/get/{identity}.xlsx")
    assert answer.status_code == 400
    assert answer.json() == {"status": "error", "msg": "Invalid file format"}


# Days that come and go -------------------------------------------------------------------------


def test_dates_come_and_go():
    """A test can let days arrive and vanish, wholly or by half."""
    with DemoFlowapi(days=2, subscribers=50) as demo, connected(demo) as connection:

        def dates():
            return flowclient.get_available_dates(connection=connection)

        assert demo.add_date() == date(2016, 1, 3)
        assert demo.add_date(date(2016, 1, 5), cdr_types=["calls"]) == date(2016, 1, 5)
        demo.remove_date(date(2016, 1, 1))
        assert dates() == {
            "calls": ["2016-01-02", "2016-01-03", "2016-01-05"],
            "sms": ["2016-01-02", "2016-01-03"],
        }
        assert demo.requests["/api/0/available_dates"] == 1
        for day in (2, 3, 5):
            demo.remove_date(date(2016, 1, day))
        assert dates() == {}
        assert demo.add_date() == date(2016, 1, 1)


def test_new_days_arrive_until_there_are_enough():
    """Days come by themselves, and stop at the limit."""
    demo = DemoFlowapi(days=1, subscribers=50, new_date_every=0.05, max_days=4)
    with demo, connected(demo) as connection:
        for delivery in [t for t in threading.enumerate() if t.name == "demo-new-dates"]:
            delivery.join(timeout=30)
        days = flowclient.get_available_dates(connection=connection)["calls"]
    assert days == ["2016-01-01", "2016-01-02", "2016-01-03", "2016-01-04"]


def test_results_are_kept_when_days_go(demo, http):
    """As in FlowKit a result outlives its records, but a new query about them is refused."""
    with DemoFlowapi(days=2, subscribers=200) as demo:
        headers = {"Authorization": f"Bearer {demo.token}"}
        with httpx.Client(base_url=demo.url, headers=headers) as http:
            spec = spatial_aggregate_spec(locations=daily(2, "admin0"))
            identity = completed(http, spec)
            demo.remove_date(date(2016, 1, 2))
            assert http.get(f"/api/0/get/{identity}").json()["query_result"]
            assert http.post("/api/0/run", json=spec).status_code == 400


def test_two_demos_answer_alike(demo, http):
    """The same question to another server gives the same query id and the same bytes."""
    spec = flows_spec(from_location=modal(1, 4, "admin2"), to_location=daily(9, "admin2"))
    first = http.get(f"/api/0/get/{completed(http, spec)}").content
    with DemoFlowapi(days=9, subscribers=SUBSCRIBERS) as other:
        headers = {"Authorization": f"Bearer {other.token}"}
        with httpx.Client(base_url=other.url, headers=headers) as client:
            assert client.get(f"/api/0/get/{completed(client, spec)}").content == first


def test_nothing_stays_behind():
    """Leaving the block frees the port and ends the threads, after an error too."""
    before = set(threading.enumerate())
    demo = DemoFlowapi(days=1, subscribers=10, new_date_every=60)
    with pytest.raises(RuntimeError, match="of the caller"), demo:
        raise RuntimeError("of the caller")
    assert set(threading.enumerate()) == before
    with pytest.raises(httpx.ConnectError):
        httpx.get(demo.url)
    port = int(demo.url.rpartition(":")[2])
    with DemoFlowapi(days=1, subscribers=10, port=port) as again:
        assert again.url == demo.url


def test_a_taken_port_is_the_users_mistake(demo):
    """The message names the address and a way out."""
    port = int(demo.url.rpartition(":")[2])
    with (
        pytest.raises(AutoflowError, match="Choose another port"),
        DemoFlowapi(days=1, subscribers=10, port=port),
    ):
        pass


# The command line ------------------------------------------------------------------------------


@contextmanager
def demo_process(tmp_path, *arguments):
    """Start the demo as a user does and yield the process once its URL is known, and the URL."""
    url_file = tmp_path / "url"
    command = [sys.executable, "-m", "autoflow_dagster.demo", "--port", "0"]
    process = subprocess.Popen(
        [*command, "--url-file", str(url_file), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=dict(os.environ, PYTHONUNBUFFERED="1"),
    )
    with process:
        try:
            while not url_file.exists() and process.poll() is None:
                time.sleep(0.01)
            assert process.poll() is None, process.stderr.read()
            yield process, url_file.read_text()
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_until_it_is_told_to_stop(tmp_path, number):
    """URL and token are shown and written, the token for the owner only, and the end is quiet."""
    token_file, key_file = tmp_path / "token", tmp_path / "key.pem"
    arguments = ["--days", "2", "--subscribers", "100", "--key-file", str(key_file)]
    with demo_process(tmp_path, *arguments, "--token-file", str(token_file)) as (process, url):
        token = token_file.read_text()
        headers = {"Authorization": f"Bearer {token}"}
        answer = httpx.get(f"{url}/api/0/available_dates", headers=headers).json()
        process.send_signal(number)
        output, errors = process.communicate(timeout=20)
    assert answer["available_dates"]["sms"] == ["2016-01-01", "2016-01-02"]
    assert process.returncode == 0
    assert errors == ""
    assert not (tmp_path / "url").exists()
    assert f"FLOWAPI_URL={url}\n" in output
    assert f"FLOWAPI_TOKEN={token}\n" in output
    assert stat.S_IMODE(token_file.stat().st_mode) == 0o600
    with demo_process(tmp_path, *arguments, "--no-print-token") as (process, url):
        assert httpx.get(f"{url}/api/0/available_dates", headers=headers).status_code == 200
        process.send_signal(number)
        output, errors = process.communicate(timeout=20)
    assert process.returncode == 0
    assert "FLOWAPI_TOKEN" not in output


def test_it_starts_quickly(tmp_path):
    """From nothing to the first answer with default data: 1.3 s measured, 10 s allowed here."""
    started = time.monotonic()
    token_file = tmp_path / "token"
    with demo_process(tmp_path, "--token-file", str(token_file)) as (_, url):
        headers = {"Authorization": f"Bearer {token_file.read_text()}"}
        answer = httpx.get(f"{url}/api/0/available_dates", headers=headers)
        elapsed = time.monotonic() - started
    assert len(answer.json()["available_dates"]["calls"]) == 14
    assert elapsed < 10


def test_it_does_without_heavy_packages(tmp_path):
    """Starting the server imports neither pandas nor shapely; the latter comes with the first map."""
    code = (
        "import json, sys\n"
        "from autoflow_dagster.demo.server import DemoFlowapi\n"
        "with DemoFlowapi(days=1, subscribers=10): print(json.dumps(sorted(sys.modules)))"
    )
    process = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    unwanted = {"pandas", "geopandas", "shapely", "pyarrow", "dagster", "flowclient"}
    assert not unwanted & set(json.loads(process.stdout))


def test_mistakes_on_the_command_line_have_status_one(demo, tmp_path):
    """A taken port is told in words, without a traceback."""
    port = demo.url.rpartition(":")[2]
    process = subprocess.run(
        [sys.executable, "-m", "autoflow_dagster.demo", "--port", port, "--subscribers", "10"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 1
    assert f"127.0.0.1:{port}: the demo FlowAPI cannot listen there" in process.stderr
    assert "Traceback" not in process.stderr
