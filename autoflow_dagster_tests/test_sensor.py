"""The available dates sensor, tick by tick: exactly once per success."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster import DagsterInstance, DagsterRunStatus

from autoflow_dagster import sensors
from autoflow_dagster.data_versions import DATA_VERSION_TAG
from autoflow_dagster.demo.server import DemoFlowapi
from autoflow_dagster.planning import plan_config
from autoflow_dagster.wording import NO_SCHEDULE as NO_SCHEDULE_TEXT
from autoflow_dagster_tests.deployments import DatesServer
from autoflow_dagster_tests.ticks import (
    ALPHA_ONLY,
    HASH_TAG,
    TWO_CONFIGS,
    Ticks,
    dates_of,
    january,
)

NEXT_CHECK = f"Next check at {datetime.now(UTC).year + 1}-01-01 00:00:00 UTC."
NO_SCHEDULE = TWO_CONFIGS.replace('"0 0 1 1 *"', "null")
FIRST, SECOND, THIRD = "2016-01-01", "2016-01-02", "2016-01-03"


@pytest.fixture
def flowapi() -> Iterator[DatesServer]:
    """A FlowAPI with three days of calls, unordered and one of them twice."""
    with DatesServer({"calls": january(3, 1, 2, 1)}) as server:
        yield server


@pytest.fixture
def memory() -> Iterator[DagsterInstance]:
    """An instance in memory."""
    with DagsterInstance.ephemeral() as instance:
        yield instance


@pytest.fixture
def ticks(tmp_path: Path, memory: DagsterInstance, flowapi: DatesServer) -> Ticks:
    """A sensor over two configs: alpha without a stencil, beta that needs the day before, too."""
    return Ticks(tmp_path, memory, flowapi.url)


@pytest.fixture
def alpha(tmp_path: Path, memory: DagsterInstance, flowapi: DatesServer) -> Ticks:
    """A sensor over one config."""
    return Ticks(tmp_path, memory, flowapi.url, ALPHA_ONLY)


def with_options(options: str) -> str:
    """Return a workflow definition with one config that has further keys."""
    return ALPHA_ONLY.replace(
        "parameters: {unit: admin1}", f"parameters: {{unit: admin1}}, {options}"
    )


class TestRequests:
    """What a check asks Dagster for."""

    def test_every_eligible_date_is_requested_once(self, ticks: Ticks) -> None:
        """Oldest first; beta waits for the day before the first one."""
        assert dates_of(ticks.check()) == {
            "alpha": [FIRST, SECOND, THIRD],
            "beta": [SECOND, THIRD],
        }

    def test_a_request_says_what_it_is_for(self, alpha: Ticks) -> None:
        """Key and tags name config, date, hash and attempt; there is no run config."""
        first, *_ = alpha.check().run_requests
        params_hash = first.tags[HASH_TAG]
        assert len(params_hash) == 32
        assert first.run_key == f"alpha:{FIRST}:{params_hash}:1"
        assert (first.run_config, first.asset_selection) == ({}, None)
        assert {name: value for name, value in first.tags.items() if "sensor" not in name} == {
            "autoflow/attempt": "1",
            "autoflow/config": "alpha",
            "autoflow/parameters_hash": params_hash,
            "autoflow/reference_date": FIRST,
            "dagster/partition": FIRST,
            "dagster/partition_set": "alpha_partition_set",
        }

    def test_its_tags_are_those_of_a_launch_by_hand(self, alpha: Ticks) -> None:
        """They are set here so that Dagster does not look each partition up."""
        first, *_ = alpha.check().run_requests
        by_hand = alpha.repository.get_job("alpha").get_tags_for_partition_key(FIRST, None)
        assert by_hand.items() <= first.tags.items()

    def test_partitions_are_the_dates_whose_stencil_is_satisfied(self, ticks: Ticks) -> None:
        """Done or not; one that somebody has deleted comes back when it is requested."""
        ticks.check()
        partitions = ticks.instance.get_dynamic_partitions
        assert sorted(partitions("alpha")) == [FIRST, SECOND, THIRD]
        assert sorted(partitions("beta")) == [SECOND, THIRD]
        ticks.instance.delete_dynamic_partition("beta", SECOND)
        ticks.check()
        assert sorted(partitions("beta")) == [SECOND, THIRD]

    def test_partitions_come_with_dates_that_arrive(
        self, ticks: Ticks, flowapi: DatesServer
    ) -> None:
        """By themselves or because they complete a stencil."""
        ticks.check()
        flowapi.dates["sms"] = january(5, 6)
        ticks.check()
        partitions = ticks.instance.get_dynamic_partitions("beta")
        assert sorted(partitions) == [SECOND, THIRD, "2016-01-06"]

    def test_dates_that_vanish_stay_partitions(self, ticks: Ticks, flowapi: DatesServer) -> None:
        """What was done with them is still to be seen; they are not requested."""
        ticks.check()
        flowapi.dates["calls"] = january(3)
        assert dates_of(ticks.check()) == {"alpha": [THIRD]}
        assert len(ticks.instance.get_dynamic_partitions("alpha")) == 3

    def test_missing_dates_travel_as_a_tag(self, alpha: Ticks) -> None:
        """When the config puts up with some; the notebooks of a run agree on them."""
        alpha.load(with_options("date_stencil: [-1, 0], min_available: 0.5"))
        tags = {
            r.partition_key: r.tags["autoflow/missing_dates"] for r in alpha.check().run_requests
        }
        assert tags == {FIRST: '["2015-12-31"]', SECOND: "[]", THIRD: "[]"}


class TestExactlyOnce:
    """Until it has succeeded once, then never again; never while it is queued or running."""

    @pytest.mark.parametrize(
        "status",
        [
            DagsterRunStatus.NOT_STARTED,
            DagsterRunStatus.STARTING,
            DagsterRunStatus.STARTED,
            DagsterRunStatus.CANCELING,
        ],
    )
    def test_what_runs_is_not_requested(self, alpha: Ticks, status: DagsterRunStatus) -> None:
        """Whatever state it is in."""
        first, *_ = alpha.check().run_requests
        alpha.launch(first, status)
        assert dates_of(alpha.check()) == {"alpha": [SECOND, THIRD]}

    def test_what_is_done_is_not_requested(self, alpha: Ticks) -> None:
        """Nor after a restart of everything."""
        for request in alpha.check().run_requests:
            alpha.succeed(request)
        assert dates_of(alpha.check()) == {}
        alpha.cursor = None
        alpha.load()
        assert dates_of(alpha.check()) == {}

    @pytest.mark.parametrize("end", ["fail", "cancel"])
    def test_what_ended_badly_is_requested_again(self, alpha: Ticks, end: str) -> None:
        """At the next check and not before, with a run key that is not spent."""
        first, second, third = alpha.check().run_requests
        getattr(alpha, end)(first)
        alpha.succeed(second)
        alpha.launch(third)
        assert alpha.tick().run_requests == []
        [again] = alpha.check().run_requests
        assert (again.partition_key, again.tags["autoflow/attempt"]) == (FIRST, "2")
        assert again.run_key == first.run_key[:-1] + "2"
        getattr(alpha, end)(again)
        [again] = alpha.check().run_requests
        assert again.run_key == first.run_key[:-1] + "3"

    def test_deleting_runs_frees_no_run_key(self, alpha: Ticks) -> None:
        """A key that Dagster has seen would be refused for ever."""
        first, *_ = alpha.check().run_requests
        runs = [alpha.launch(first)]
        alpha.instance.report_run_failed(runs[0])
        again = alpha.check().run_requests[0]
        alpha.fail(again)
        alpha.instance.delete_run(runs[0].run_id)
        assert alpha.check().run_requests[0].run_key == first.run_key[:-1] + "3"

    def test_given_up_dates_are_not_requested(self, alpha: Ticks) -> None:
        """After max_attempts failures; cancelled runs are no attempts."""
        alpha.load(with_options("max_attempts: 2, latest_date: 2016-01-01"))
        for _ in range(2):
            alpha.cancel(alpha.check().run_requests[0])
        for _ in range(2):
            alpha.fail(alpha.check().run_requests[0])
        assert alpha.check().skip_message == (
            "alpha: 3 available dates: 1 exhausted, 2 not selected.\n"
            "  Given up after 2 failed attempts: 2016-01-01.\n" + NEXT_CHECK
        )

    def test_a_failed_date_waits_for_its_retry_delay(self, alpha: Ticks) -> None:
        """With the end of the delay, or of the option, it is due again."""
        alpha.load(with_options("retry_delay: 1h, latest_date: 2016-01-01"))
        alpha.fail(alpha.check().run_requests[0])
        assert alpha.check().skip_message == (
            "alpha: 3 available dates: 1 delayed, 2 not selected.\n" + NEXT_CHECK
        )
        alpha.load(with_options("latest_date: 2016-01-01"))
        assert dates_of(alpha.check()) == {"alpha": [FIRST]}

    def test_changed_parameters_make_dates_due(self, alpha: Ticks) -> None:
        """A changed stencil, too; with a hash of their own, attempts count from 1 again."""
        for request in alpha.check().run_requests:
            alpha.succeed(request)
        alpha.load(ALPHA_ONLY.replace("admin1", "admin3"))
        changed = alpha.check().run_requests
        assert [request.run_key[-2:] for request in changed] == [":1", ":1", ":1"]
        alpha.load(with_options("date_stencil: [[0, 1]]"))
        assert dates_of(alpha.check()) == {}  # the same days in other words
        alpha.load(with_options("date_stencil: [-1, 0]"))
        assert dates_of(alpha.check()) == {"alpha": [SECOND, THIRD]}

    def test_a_renamed_notebook_file_changes_nothing(self, alpha: Ticks) -> None:
        """The hash is of parameters and dates, as in AutoFlow."""
        for request in alpha.check().run_requests:
            alpha.succeed(request)
        (alpha.inputs / "run.ipynb").rename(alpha.inputs / "renamed.ipynb")
        alpha.load(ALPHA_ONLY.replace("run.ipynb", "renamed.ipynb"))
        assert dates_of(alpha.check()) == {}

    def test_reports_that_are_missing_are_made_alone(self, alpha: Ticks) -> None:
        """Of the notebooks that are still there; otherwise everything runs again."""
        first, second, third = alpha.check().run_requests
        for request in (first, second):
            params_hash = request.tags[HASH_TAG]
            alpha.materialize("alpha", request.partition_key, params_hash, ["run", "report"])
        alpha.succeed(third)
        (alpha.outputs / f"notebooks/alpha_report_{SECOND}.ipynb").unlink()
        report = [dg.AssetKey(["alpha", "report_html"])]
        found = {r.partition_key: r.asset_selection for r in alpha.check().run_requests}
        assert found == {FIRST: report, SECOND: None}

    def test_imported_dates_that_lack_a_report_run_as_a_whole(self, alpha: Ticks) -> None:
        """The original has executed their notebooks: there are none to make a report of."""
        for request in alpha.check().run_requests:
            for name in ("run", "report"):
                imported = dg.AssetMaterialization(
                    dg.AssetKey(["alpha", name]),
                    partition=request.partition_key,
                    tags={DATA_VERSION_TAG: request.tags[HASH_TAG]},
                )
                alpha.instance.report_runless_asset_event(imported)
        assert [r.asset_selection for r in alpha.check().run_requests] == [None, None, None]

    def test_wiping_an_asset_makes_its_dates_due(self, alpha: Ticks) -> None:
        """At once, though the sensor remembers what it has read; with run keys of their own."""
        first = alpha.check().run_requests
        for request in first:
            alpha.succeed(request)
        assert dates_of(alpha.check()) == {}
        alpha.instance.wipe_assets([dg.AssetKey(["alpha", "run"])])
        again = alpha.check().run_requests
        assert [r.run_key for r in again] == [r.run_key[:-1] + "2" for r in first]


class TestChecks:
    """When FlowAPI is asked."""

    def test_the_first_tick_waits_for_the_schedule(
        self, ticks: Ticks, flowapi: DatesServer
    ) -> None:
        """As AutoFlow's; counting begins at the first tick."""
        assert ticks.tick().skip_message == NEXT_CHECK
        assert flowapi.requests == []

    def test_a_check_happens_once_for_each_occurrence(
        self, ticks: Ticks, flowapi: DatesServer
    ) -> None:
        """Several that were missed while everything was down make one check."""
        for request in ticks.check().run_requests:
            ticks.launch(request)
        assert len(flowapi.requests) == 1
        for _ in range(3):
            assert ticks.tick().skip_message == NEXT_CHECK
        assert len(flowapi.requests) == 1

    def test_without_a_schedule_there_is_one_check_for_each_definition(
        self, ticks: Ticks, flowapi: DatesServer
    ) -> None:
        """And none after a mere restart."""
        ticks.load(NO_SCHEDULE)
        assert len(ticks.tick().run_requests) == 5
        said = NO_SCHEDULE_TEXT
        assert ticks.tick().skip_message == said
        ticks.load()
        assert ticks.tick().skip_message == said
        assert len(flowapi.requests) == 1
        ticks.load(NO_SCHEDULE.replace("admin2", "admin3"))
        assert len(ticks.tick().run_requests) == 5
        assert len(flowapi.requests) == 2

    def test_a_check_that_could_not_ask_is_repeated(
        self, ticks: Ticks, flowapi: DatesServer
    ) -> None:
        """At the next tick, and the one after."""
        ticks.make_due()
        flowapi.is_down = True
        for _ in range(2):
            with pytest.raises(Exception, match="HTTP 503"):
                ticks.tick()
        flowapi.is_down = False
        assert len(ticks.tick().run_requests) == 5

    def test_a_check_without_storage_is_repeated(
        self, tmp_path: Path, flowapi: DatesServer
    ) -> None:
        """The file of runs is broken for a while."""
        home = tmp_path / "home"
        home.mkdir()
        with DagsterInstance.local_temp(str(home)) as instance:
            ticks = Ticks(tmp_path, instance, flowapi.url)
            ticks.make_due()
            instance.get_runs()
            path = home / "history" / "runs.db"
            kept = path.read_bytes()
            path.write_bytes(b"DUMMY" * 5000)
            with pytest.raises(Exception, match="file is not a database"):
                ticks.tick()
            path.write_bytes(kept)
            assert len(ticks.tick().run_requests) == 5

    @pytest.mark.parametrize("cursor", ["", "{", "[]", '{"counted_from": 1}', "null"])
    def test_an_unreadable_cursor_starts_afresh(self, ticks: Ticks, cursor: str) -> None:
        """Nothing is requested twice, because the cursor does not say what is done."""
        ticks.cursor = cursor
        assert ticks.tick().skip_message == NEXT_CHECK

    def test_a_clock_that_was_set_back_stops_nothing(self, ticks: Ticks) -> None:
        """The cursor is from a future that has not come."""
        ticks.check()
        future = (datetime.now(UTC) + timedelta(days=365 * 20)).isoformat()
        stored = json.loads(ticks.cursor or "")
        ticks.cursor = json.dumps(stored | dict.fromkeys(("counted_from", "polled_at"), future))
        assert ticks.tick().skip_message == NEXT_CHECK
        assert json.loads(ticks.cursor)["counted_from"] <= datetime.now(UTC).isoformat()
        assert len(ticks.check().run_requests) == 5

    def test_a_clock_that_jumps_ahead_makes_one_check(
        self, ticks: Ticks, flowapi: DatesServer
    ) -> None:
        """However many occurrences it has passed."""
        ticks.cursor = json.dumps({"counted_from": "1970-01-01T00:00:00+00:00"})
        ticks.tick()
        ticks.tick()
        assert len(flowapi.requests) == 1

    def test_no_configs_are_no_error(self, ticks: Ticks) -> None:
        """An empty list is valid."""
        ticks.load(TWO_CONFIGS[: TWO_CONFIGS.index("  workflows:\n    - {")] + "  workflows: []\n")
        assert ticks.check().skip_message == (
            "workflows.yml has no workflow configs: there is nothing to run.\n" + NEXT_CHECK
        )

    def test_the_cursor_stays_small(self, ticks: Ticks, flowapi: DatesServer) -> None:
        """Below 10 kB however long the history: it holds no dates at all."""
        flowapi.dates["calls"] = [date(2000, 1, 1) + timedelta(days=n) for n in range(3650)]
        ticks.check()
        assert len(ticks.cursor or "") < 400


class TestBacklog:
    """More due dates than one tick requests."""

    @pytest.fixture
    def ticks(self, tmp_path: Path, memory: DagsterInstance, flowapi: DatesServer) -> Ticks:
        """A sensor that requests two runs a tick, over five dates of two configs."""
        flowapi.dates["calls"] = january(1, 2, 3, 4, 5)
        return Ticks(tmp_path, memory, flowapi.url, AUTOFLOW_RUN_REQUESTS_PER_TICK="2")

    def launch_all(self, ticks: Ticks, result: Any) -> dict[str, list[str]]:
        """Launch what a tick requested; return it."""
        for request in result.run_requests:
            ticks.launch(request)
        return dates_of(result)

    def test_it_is_handed_out_in_turns_oldest_first(
        self, ticks: Ticks, flowapi: DatesServer
    ) -> None:
        """At the following ticks, without another question to FlowAPI, until there is no more."""
        handed_out = [self.launch_all(ticks, ticks.check())]
        while ticks.cursor and json.loads(ticks.cursor)["has_backlog"]:
            handed_out.append(self.launch_all(ticks, ticks.tick()))
        assert handed_out == [
            {"alpha": ["2016-01-01"], "beta": ["2016-01-02"]},
            {"alpha": ["2016-01-02"], "beta": ["2016-01-03"]},
            {"alpha": ["2016-01-03"], "beta": ["2016-01-04"]},
            {"alpha": ["2016-01-04"], "beta": ["2016-01-05"]},
            {"alpha": ["2016-01-05"]},
        ]
        assert len(flowapi.requests) == 1
        assert ticks.tick().skip_message == NEXT_CHECK

    def test_what_runs_counts_as_a_turn(self, ticks: Ticks) -> None:
        """With more configs than requests a tick, the last ones do not wait for ever."""
        ticks.load(AUTOFLOW_RUN_REQUESTS_PER_TICK="1")
        handed_out = [self.launch_all(ticks, ticks.check())]
        handed_out += [self.launch_all(ticks, ticks.tick()) for _ in range(3)]
        assert [list(found) for found in handed_out] == [["alpha"], ["beta"]] * 2

    def test_a_failing_date_is_not_tried_again_meanwhile(self, ticks: Ticks) -> None:
        """It is left to the next check; otherwise it would be tried at every tick."""
        for request in ticks.check().run_requests:
            ticks.fail(request)
        assert dates_of(ticks.tick()) == {"alpha": ["2016-01-02"], "beta": ["2016-01-03"]}
        assert dates_of(ticks.check()) == {"alpha": ["2016-01-01"], "beta": ["2016-01-02"]}

    def test_after_a_restart_flowapi_is_asked_once(
        self, ticks: Ticks, flowapi: DatesServer
    ) -> None:
        """Not before a minute has passed since the last answer."""
        self.launch_all(ticks, ticks.check())
        ticks.load()
        assert ticks.tick().skip_message == (
            f"More due dates are requested at one of the next ticks. {NEXT_CHECK}"
        )
        stored = json.loads(ticks.cursor or "")
        past = datetime.now(UTC) - timedelta(seconds=61)
        ticks.cursor = json.dumps(stored | {"polled_at": past.isoformat()})
        assert len(ticks.tick().run_requests) == 2
        assert len(ticks.tick().run_requests) == 2
        assert len(flowapi.requests) == 2

    def test_a_flowapi_that_is_down_is_not_asked_more_often(
        self, ticks: Ticks, flowapi: DatesServer
    ) -> None:
        """A failed tick keeps no cursor, so the process remembers when it asked."""
        ticks.check()
        ticks.load()
        stored = json.loads(ticks.cursor or "")
        ticks.cursor = json.dumps(stored | {"polled_at": None})
        flowapi.is_down = True
        with pytest.raises(Exception, match="HTTP 503"):
            ticks.tick()
        for _ in range(3):
            assert ticks.tick().run_requests == []
        assert len(flowapi.requests) == 2

    def test_the_next_check_sees_new_dates_before_the_backlog_ends(
        self, ticks: Ticks, flowapi: DatesServer
    ) -> None:
        """Oldest first all the same."""
        self.launch_all(ticks, ticks.check())
        flowapi.dates["calls"] = january(1, 2, 3, 4, 5, 6)
        assert self.launch_all(ticks, ticks.check()) == {"alpha": [SECOND], "beta": [THIRD]}
        assert ticks.text.startswith("alpha: 6 available dates: 1 requested, 1 running, 4 due.")

    def test_dagsters_queue_is_not_flooded(
        self, ticks: Ticks, memory: DagsterInstance, flowapi: DatesServer
    ) -> None:
        """Five portions wait there at most; Dagster looks at each every few seconds."""
        flowapi.dates["calls"] = january(*range(1, 21))
        ticks.load(ALPHA_ONLY, AUTOFLOW_RUN_REQUESTS_PER_TICK="9")
        for request in ticks.check().run_requests:
            _queue(memory, request)
        ticks.load()
        assert ticks.check().run_requests == []
        assert json.loads(ticks.cursor or "")["has_backlog"]
        result = ticks.tick()
        assert result.run_requests == []
        assert result.skip_message == (
            f"9 runs are queued; more are requested when fewer are. {NEXT_CHECK}"
        )
        memory.report_run_canceled(memory.get_runs()[0])
        assert len(ticks.tick().run_requests) == 2


def _queue(instance: DagsterInstance, request: Any) -> None:
    """Record that a request became a queued run."""
    from autoflow_dagster_tests.test_ledger import add_run

    add_run(
        instance,
        DagsterRunStatus.QUEUED,
        job=request.job_name,
        config=request.job_name,
        day=request.partition_key,
        params_hash=request.tags[HASH_TAG],
    )


class TestTrouble:
    """One config's trouble never stops another's."""

    @pytest.fixture
    def broken(self, monkeypatch: pytest.MonkeyPatch) -> set[str]:
        """Names of configs whose planning fails; change it at any time."""
        names: set[str] = set()

        def plan(config: Any, *args: Any) -> Any:
            if config.name in names:
                raise ArithmeticError(f"DUMMY trouble with {config.name} and DUMMY.TOKEN.DUMMY")
            return plan_config(config, *args)

        monkeypatch.setattr(sensors, "plan_config", plan)
        return names

    def test_the_others_go_on_and_it_is_tried_again(
        self, ticks: Ticks, flowapi: DatesServer, broken: set[str]
    ) -> None:
        """A minute later, without waiting for the schedule; the text says so, without the token."""
        broken.add("alpha")
        assert dates_of(ticks.check()) == {"beta": [SECOND, THIRD]}
        assert ticks.text == (
            "beta: 3 available dates: 2 requested, 1 waiting.\n"
            "  Date stencil: 2016-01-01 waits for 2015-12-31.\n"
            "alpha: cannot be checked (ArithmeticError: DUMMY trouble with alpha and ***). "
            "It is tried again in a minute; the others are not affected.\n" + NEXT_CHECK
        )
        broken.clear()
        assert ticks.tick().skip_message == NEXT_CHECK  # not yet
        assert len(flowapi.requests) == 1
        stored = json.loads(ticks.cursor or "")
        ticks.load()
        ticks.cursor = json.dumps(stored | {"polled_at": None})
        assert dates_of(ticks.tick())["alpha"] == [FIRST, SECOND, THIRD]
        assert len(flowapi.requests) == 2
        assert not json.loads(ticks.cursor)["has_trouble"]

    def test_trouble_of_all_fails_the_tick(self, ticks: Ticks, broken: set[str]) -> None:
        """Which is then repeated as every check that could not finish."""
        broken |= {"alpha", "beta"}
        ticks.make_due()
        with pytest.raises(
            Exception, match="No workflow config can be checked: alpha: cannot"
        ) as e:
            ticks.tick()
        assert "DUMMY.TOKEN.DUMMY" not in str(e.value.__cause__ or e.value)
        broken.clear()
        assert len(ticks.tick().run_requests) == 5

    def test_storage_trouble_of_one_config_is_its_own(
        self, ticks: Ticks, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """While its partitions are added, or its requests are made."""
        add = ticks.instance.add_dynamic_partitions

        def failing(name: str, keys: Sequence[str]) -> None:
            if name == "beta":
                raise OSError("DUMMY: the disk is broken here")
            add(name, keys)

        monkeypatch.setattr(ticks.instance, "add_dynamic_partitions", failing)
        assert dates_of(ticks.check()) == {"alpha": [FIRST, SECOND, THIRD]}
        assert "beta: cannot be checked (OSError: DUMMY: the disk is broken here)." in ticks.text

    def test_an_impossible_stencil_is_its_own(self, ticks: Ticks) -> None:
        """Days that end before they begin: the date never runs, the other config's do."""
        ticks.load(TWO_CONFIGS.replace("[-1, 0]", "[[0, 2015-01-01]]"))
        result = ticks.check()
        assert dates_of(result) == {"alpha": [FIRST, SECOND, THIRD]}
        assert "beta: 3 available dates: 3 never." in ticks.text


class TestTexts:
    """Every tick says what it did."""

    def test_a_tick_with_requests_says_so_in_its_log(self, ticks: Ticks) -> None:
        """Per config the counts, what waits for which dates, and when the next check is."""
        ticks.check()
        assert ticks.text == (
            "alpha: 3 available dates: 3 requested.\n"
            "beta: 3 available dates: 2 requested, 1 waiting.\n"
            "  Date stencil: 2016-01-01 waits for 2015-12-31.\n" + NEXT_CHECK
        )

    def test_a_tick_without_requests_gives_it_as_its_reason(
        self, ticks: Ticks, flowapi: DatesServer
    ) -> None:
        """Done, running and failed dates, and a CDR type that FlowAPI does not have."""
        ticks.load(TWO_CONFIGS.replace("name: beta,", "name: beta, cdr_types: [calls, mds],"))
        requests = ticks.check().run_requests
        for request in requests[:3]:
            ticks.succeed(request)
        for request in requests[3:]:
            ticks.launch(request)
        result = ticks.check()
        assert ticks.log == []  # the log would be a file that nobody deletes
        assert result.skip_message == (
            "alpha: 3 available dates: 3 done.\n"
            "beta: 3 available dates: 2 running, 1 waiting.\n"
            "  Date stencil: 2016-01-01 waits for 2015-12-31.\n"
            "  FlowAPI has no dates of CDR type mds.\n" + NEXT_CHECK
        )

    def test_a_backlog_is_announced(self, alpha: Ticks) -> None:
        """With how many dates are still due."""
        alpha.load(AUTOFLOW_RUN_REQUESTS_PER_TICK="1")
        alpha.check()
        assert alpha.text == (
            "alpha: 3 available dates: 1 requested, 2 due.\n"
            "More due dates follow at the next ticks.\n" + NEXT_CHECK
        )

    def test_no_available_dates_at_all(self, alpha: Ticks, flowapi: DatesServer) -> None:
        """FlowAPI is up and its database is empty."""
        flowapi.dates.clear()
        assert alpha.check().skip_message == (
            "alpha: 0 available dates: nothing to do.\n" + NEXT_CHECK
        )

    def test_observations_are_made_of_what_has_changed(
        self, alpha: Ticks, flowapi: DatesServer
    ) -> None:
        """A check may happen every minute, for years."""
        flowapi.dates["sms"] = january(1)
        assert _observed(alpha.check()) == ["flowapi/calls", "flowapi/sms"]
        assert _observed(alpha.check()) == []
        flowapi.dates["sms"] = january(1, 2)
        result = alpha.check()
        assert _observed(result) == ["flowapi/sms"]
        assert result.asset_events[0].metadata["newest arrivals"].value == "2016-01-02"


def _observed(result: Any) -> list[str]:
    return [event.asset_key.to_user_string() for event in result.asset_events]


class TestBackfills:
    """Dates that somebody asked for in Dagster, before their runs exist."""

    def test_dates_of_a_running_backfill_are_not_doubled(self, ticks: Ticks) -> None:
        """They count as running, until they are done or the backfill has ended."""
        from autoflow_dagster_tests.test_backfills import job_backfill

        ticks.check()
        backfill = job_backfill("alpha", [FIRST, SECOND])
        ticks.instance.add_backfill(backfill)
        result = ticks.check()
        assert dates_of(result) == {"alpha": [THIRD], "beta": [SECOND, THIRD]}
        assert ticks.text.startswith("alpha: 3 available dates: 1 requested, 2 running.")
        ended = backfill.with_status(type(backfill.status).COMPLETED_FAILED)
        ticks.instance.update_backfill(ended)
        assert dates_of(ticks.check())["alpha"] == [FIRST, SECOND, THIRD]


@pytest.mark.integration
class TestTokens:
    """Tokens that expire, are wrong or may not ask; against a FlowAPI that verifies them."""

    @pytest.fixture
    def ticks(self, tmp_path: Path, memory: DagsterInstance, demo_flowapi: DemoFlowapi) -> Ticks:
        """A sensor over the demo FlowAPI."""
        return Ticks(tmp_path, memory, demo_flowapi.url, token=demo_flowapi.token)

    def test_a_token_that_expires_soon_is_a_warning_in_each_check(
        self, ticks: Ticks, demo_flowapi: DemoFlowapi
    ) -> None:
        """For seven days; idle ticks do not repeat it."""
        ticks.load(FLOWAPI_TOKEN=demo_flowapi.make_token(expires_in=timedelta(days=6.9)))
        expires = datetime.now(UTC) + timedelta(days=6.9)
        for number in range(2):
            result = ticks.check()
            said = ticks.text if number == 0 else result.skip_message
            first, *_ = said.splitlines()
            assert first.startswith(f"The FlowAPI token expires on {expires:%Y-%m-%d} ")
            assert first.endswith(" UTC: make a new one in FlowAuth and set FLOWAPI_TOKEN.")
            for request in result.run_requests:
                ticks.launch(request)
        assert ticks.tick().skip_message == NEXT_CHECK
        ticks.load(FLOWAPI_TOKEN=demo_flowapi.make_token(expires_in=timedelta(days=7.1)))
        assert "expires" not in ticks.check().skip_message

    @pytest.mark.parametrize(
        ("token", "message"),
        [
            (
                {"expires_in": timedelta(seconds=-1)},
                "refused the token (HTTP 401: Token has expired) when asked for available dates.",
            ),
            (
                {"scopes": {"viewer": ["run"]}},
                "refused (HTTP 403: User claims verification failed) when asked for available "
                "dates: the token lacks the scope get_available_dates.",
            ),
        ],
    )
    def test_a_token_that_is_refused_fails_the_tick(
        self, ticks: Ticks, demo_flowapi: DemoFlowapi, token: dict[str, Any], message: str
    ) -> None:
        """With what to do; the check is repeated with the next token."""
        ticks.make_due()
        ticks.load(FLOWAPI_TOKEN=demo_flowapi.make_token(**token))
        with pytest.raises(Exception, match="HTTP 40") as caught:
            ticks.tick()
        assert str(caught.value.__cause__ or caught.value) == (
            f"FlowAPI at {demo_flowapi.url}: {message}\n  Trying again will not help: make a new "
            "token in FlowAuth and set FLOWAPI_TOKEN (or the Docker secret of that name)."
        )
        ticks.load()
        assert ticks.tick().run_requests
