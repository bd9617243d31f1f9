"""What the pages of Dagster's UI show, asked from its webserver as the pages ask."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from functools import partial
from typing import Any

import pytest
import yaml
from dagster import DagsterRunStatus

from autoflow_dagster.sensors import SENSOR_NAME
from autoflow_dagster_tests.conftest import wait_for, write_notebook
from autoflow_dagster_tests.deployments import TOKEN, DatesServer, Deployment, day

pytestmark = pytest.mark.integration

LONG = 240.0
REPOSITORY = {"repositoryLocationName": "autoflow_dagster", "repositoryName": "__repository__"}
AT_FIRST = [day(number) for number in (0, 1, 3, 4, 5)]
DONE, BAD, EMPTY = day(1), day(4), day(5)
"""Whose day before is there, too: one succeeds, one fails, one has no data."""

GAP = day(2)
"""Arrives late, and makes two dates due: itself and the day after."""

REPORTS_URL = "https://reports.example.org"
FIRST, SUMMARY, PDF, CALLS = (
    ["count", "first"],
    ["count", "summary"],
    ["count", "summary_pdf"],
    ["flowapi", "calls"],
)

WORKFLOWS = """\
workflows:
  - name: count
    description: Counts what can be counted.
    owners: ["team:mobility", "reports@example.org"]
    tags: {domain: mobility}
    notebooks:
      first:
        filename: first.ipynb
        description: Asks for the numbers.
        parameters: {reference_date: reference_date, place: place, unit: unit}
      summary:
        filename: summary.ipynb
        parameters: {first_notebook: first}
        output: {format: pdf}
  - name: by hand
    notebooks:
      only:
        filename: by_hand.ipynb
        parameters: {days: days, unit: unit, share: share, strict: strict}
available_dates_sensor:
  schedule: "* * * * * */2"
  cdr_types: [calls]
  workflows:
    - workflow_name: count
      parameters: {place: PLACE, unit: admin3}
      date_stencil: [[-1, 1]]
      max_attempts: 1
"""

FIRST_CELLS = (
    "import os, pathlib, sys, time\n"
    "place = pathlib.Path(place)\n"
    "print(f'PRINTED for {reference_date} with', os.environ['FLOWAPI_TOKEN'], flush=True)\n"
    "print('COMPLAINED', file=sys.stderr, flush=True)\n"
    "while (place / f'slow {reference_date}').exists():\n"
    "    time.sleep(0.05)",
    "if (place / f'bad {reference_date}').exists():\n"
    "    raise ValueError(f'{reference_date} is strange')",
    "if (place / f'empty {reference_date}').exists():\n"
    "    import autoflow_dagster\n"
    "    raise autoflow_dagster.NoData('nobody called')",
    "time.sleep(1.5)\n"
    "import matplotlib.pyplot as plt\n"
    "import pandas as pd\n"
    "import scrapbook as sb\n"
    "sb.glue('subscribers', 1234)\n"
    "sb.glue('share', 0.25)\n"
    "sb.glue('complete', True)\n"
    "sb.glue('remark', 'x' * 5000)\n"
    "sb.glue('by district', {'DMO.1': 3, 'DMO.2': 4})\n"
    "sb.glue('table', pd.DataFrame({'pcod': ['DMO.1'], 'value': [3]}), 'pandas')\n"
    "figure, axes = plt.subplots()\n"
    "sb.glue('chart', figure, display=True)",
)

Graphql = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """A service whose first dates have been run; one succeeded, one failed, one had no data."""
    root = tmp_path_factory.mktemp("metadata")
    with (
        DatesServer({"calls": AT_FIRST, "sms": []}) as flowapi,
        Deployment(root, flowapi, WORKFLOWS, AUTOFLOW_REPORTS_URL=REPORTS_URL) as running,
    ):
        _write_notebooks(running)
        (running.place / f"bad {BAD}").touch()
        (running.place / f"empty {EMPTY}").touch()
        running.start()
        wait_for("the first dates to be run", partial(_have_ended, running, 3), LONG)
        yield running
        running.service.stop()


def _have_ended(running: Deployment, number: int) -> bool:
    ended = running.records(DagsterRunStatus.SUCCESS, DagsterRunStatus.FAILURE)
    return len(ended) == number


def _write_notebooks(running: Deployment) -> None:
    write_notebook(
        running.inputs / "first.ipynb",
        *FIRST_CELLS,
        parameters="reference_date = place = unit = ''",
    )
    write_notebook(
        running.inputs / "summary.ipynb",
        "import scrapbook as sb\nsb.read_notebook(first_notebook).scraps['subscribers'].data",
        parameters="first_notebook = ''",
    )
    summary = json.loads((running.inputs / "summary.ipynb").read_text())
    heading = {"cell_type": "markdown", "id": "h", "metadata": {}, "source": "# A summary of all"}
    summary["cells"].insert(0, heading)
    (running.inputs / "summary.ipynb").write_text(json.dumps(summary))
    write_notebook(
        running.inputs / "by_hand.ipynb",
        "days, unit, share, strict",
        parameters="days = [1, 7]\nunit = 'admin3'\nshare = 0.5\nstrict = True",
    )


@pytest.fixture(scope="module")
def graphql(deployment: Deployment) -> Graphql:
    """Ask the webserver."""
    return deployment.graphql


def _run_id(deployment: Deployment, when: date) -> str:
    """Return the id of the latest run for a date."""
    runs = [record.dagster_run for record in deployment.records()]
    return [r.run_id for r in runs if r.tags["dagster/partition"] == when.isoformat()][-1]


# Lineage -----------------------------------------------------------------------------------------

NODES = """query($keys: [AssetKeyInput!]) { assetNodes(assetKeys: $keys) {
    assetKey { path } groupName description kinds isMaterializable jobNames
    dependencyKeys { path } tags { key value }
    owners { ... on TeamAssetOwner { team } ... on UserAssetOwner { email } } } }"""


@pytest.fixture(scope="module")
def nodes(graphql: Graphql) -> Mapping[str, Any]:
    """The assets, by the last part of their keys."""
    keys = [{"path": path} for path in (CALLS, FIRST, SUMMARY, PDF)]
    found = graphql(NODES, keys=keys)["assetNodes"]
    return {node["assetKey"]["path"][-1]: node for node in found}


def test_notebooks_depend_on_cdr_types_and_on_each_other_and_reports_on_notebooks(
    nodes: Mapping[str, Any],
) -> None:
    """As the data goes; CDR types are nobody's to materialize."""
    depends = {name: [key["path"] for key in n["dependencyKeys"]] for name, n in nodes.items()}
    assert depends == {"calls": [], "first": [CALLS], "summary": [FIRST], "summary_pdf": [SUMMARY]}
    assert not nodes["calls"]["isMaterializable"]
    assert all(nodes[name]["isMaterializable"] for name in ("first", "summary", "summary_pdf"))


def test_assets_have_the_group_of_their_job_and_their_kinds(nodes: Mapping[str, Any]) -> None:
    """CDR types have a group of their own."""
    groups = {name: node["groupName"] for name, node in nodes.items()}
    assert groups == dict.fromkeys(("first", "summary", "summary_pdf"), "count") | {
        "calls": "flowapi"
    }
    kinds = {name: node["kinds"] for name, node in nodes.items()}
    assert kinds == {
        "calls": ["flowkit"],
        "first": ["jupyter"],
        "summary": ["jupyter"],
        "summary_pdf": ["pdf"],
    }


def test_descriptions_come_from_the_file_or_from_the_first_heading(
    nodes: Mapping[str, Any],
) -> None:
    """And say what the asset is made from."""
    assert nodes["first"]["description"] == (
        "Asks for the numbers.\n\nExecuted notebook `first.ipynb`."
    )
    assert nodes["summary"]["description"] == (
        "A summary of all\n\nExecuted notebook `summary.ipynb`."
    )
    assert nodes["summary_pdf"]["description"]
    assert "`calls`" in nodes["calls"]["description"]


def test_owners_and_tags_come_from_the_file(nodes: Mapping[str, Any]) -> None:
    """On every asset of the workflow."""
    for name in ("first", "summary", "summary_pdf"):
        owners = [value for owner in nodes[name]["owners"] for value in owner.values()]
        assert owners == ["mobility", "reports@example.org"]
        assert {"key": "domain", "value": "mobility"} in nodes[name]["tags"]


def test_a_check_records_what_flowapi_has(graphql: Graphql) -> None:
    """Number of dates, the first, the last, gaps and what is new."""
    query = """query($key: AssetKeyInput!) { assetNodeOrError(assetKey: $key) {
        ... on AssetNode { assetObservations(limit: 1) { metadataEntries {
            label ... on IntMetadataEntry { intValue } ... on TextMetadataEntry { text } } } } } }"""
    [observed] = graphql(query, key={"path": CALLS})["assetNodeOrError"]["assetObservations"]
    entries = {e.pop("label"): next(iter(e.values())) for e in observed["metadataEntries"]}
    assert entries["dates"] == 5
    assert (entries["first"], entries["last"]) == ("2016-01-01", "2016-01-06")
    assert entries["missing days"] == 1
    assert entries["gaps begin"] == "2016-01-03"


# Partitions --------------------------------------------------------------------------------------

STATUSES = """query($key: AssetKeyInput!) { assetNodeOrError(assetKey: $key) { ... on AssetNode {
    partitionKeys
    assetPartitionStatuses { ... on DefaultPartitionStatuses {
        materializedPartitions failedPartitions unmaterializedPartitions } } } } }"""


def _texts(*days: date) -> list[str]:
    return [when.isoformat() for when in days]


def test_partitions_are_the_satisfied_dates_and_done_failed_or_missing(graphql: Graphql) -> None:
    """A date without data is done; what follows a failure is missing."""
    node = graphql(STATUSES, key={"path": FIRST})["assetNodeOrError"]
    assert node["partitionKeys"] == _texts(DONE, BAD, EMPTY)
    statuses = node["assetPartitionStatuses"]
    assert statuses["materializedPartitions"] == _texts(DONE, EMPTY)
    assert statuses["failedPartitions"] == _texts(BAD)
    report = graphql(STATUSES, key={"path": PDF})["assetNodeOrError"]["assetPartitionStatuses"]
    assert report["materializedPartitions"] == _texts(DONE, EMPTY)
    assert report["unmaterializedPartitions"] == _texts(BAD)


# A materialization -------------------------------------------------------------------------------

ENTRIES = """label ... on IntMetadataEntry { intValue } ... on FloatMetadataEntry { floatValue }
    ... on TextMetadataEntry { text } ... on JsonMetadataEntry { jsonString }
    ... on MarkdownMetadataEntry { mdStr } ... on UrlMetadataEntry { url }
    ... on PathMetadataEntry { path } ... on NotebookMetadataEntry { path }
    ... on BoolMetadataEntry { boolValue } __typename"""
MATERIALIZATIONS = """query($key: AssetKeyInput!, $partitions: [String!]) {
    assetNodeOrError(assetKey: $key) { ... on AssetNode {
        assetMaterializations(partitions: $partitions) { metadataEntries { ENTRIES } } } } }"""


class Entry:
    """An entry of a materialization's metadata, as the page gets it."""

    def __init__(self, answer: Mapping[str, Any]) -> None:
        given = dict(answer)
        self.kind = given.pop("__typename").removesuffix("MetadataEntry")
        del given["label"]
        [self.value] = given.values()


def _entries(graphql: Graphql, path: Sequence[str], when: date) -> dict[str, Entry]:
    answer = graphql(
        MATERIALIZATIONS.replace("ENTRIES", ENTRIES), key={"path": path}, partitions=_texts(when)
    )
    [latest] = answer["assetNodeOrError"]["assetMaterializations"]
    assert TOKEN not in json.dumps(latest)
    return {answer["label"]: Entry(answer) for answer in latest["metadataEntries"]}


@pytest.fixture(scope="module")
def first(graphql: Graphql) -> dict[str, Entry]:
    """Metadata of the first notebook on the day that is done."""
    return _entries(graphql, FIRST, DONE)


def test_the_executed_notebook_can_be_opened(
    deployment: Deployment, first: Mapping[str, Entry]
) -> None:
    """In the UI's own viewer."""
    notebook, link = first["executed notebook"], first["view executed notebook"]
    assert notebook.kind == "Notebook"
    [path] = (deployment.outputs / "notebooks").glob(f"first__count_{DONE}_*.ipynb")
    assert notebook.value == str(path)
    assert link.kind == "Url"
    assert link.value.startswith("/notebook?path=")


def test_it_says_what_the_notebook_was_executed_with(
    deployment: Deployment, first: Mapping[str, Entry]
) -> None:
    """Dates, values and the hash by which the original names files."""
    assert first["reference date"].value == DONE.isoformat()
    assert first["date ranges"].value == f"- {day(0)} up to, not including, {day(2)}"
    expected = {"place": str(deployment.place), "unit": "admin3"}
    assert json.loads(first["parameters"].value) == expected
    assert f"_{first['parameters hash'].value}__" in first["executed notebook"].value


def test_it_says_how_the_notebook_was_executed(first: Mapping[str, Entry]) -> None:
    """Numbers are numbers, so that Dagster plots them over dates."""
    kinds = {name: first[name].kind for name in ("duration (s)", "cells executed")}
    assert kinds == {"duration (s)": "Float", "cells executed": "Int"}
    assert 0 < first["duration (s)"].value < LONG
    # The parameters, the values that were passed, and four more.
    assert first["cells executed"].value == 6
    assert first["kernel"].value == "python3"
    assert first["kernel's peak memory (MB)"].kind == "Float"
    assert 20 < first["kernel's peak memory (MB)"].value < 2000
    assert len(first["notebook sha256"].value) == 64
    for name in ("autoflow-dagster", "dagster", "papermill"):
        assert f"{name} " in first["versions"].value


@pytest.mark.parametrize(
    ("name", "kind", "expected"),
    [
        ("subscribers", "Int", 1234),
        ("share", "Float", 0.25),
        ("complete", "Bool", True),
        ("by district", "Json", '{"DMO.1": 3, "DMO.2": 4}'),
        ("table", "Markdown", "| pcod | value |\n| --- | --- |\n| DMO.1 | 3 |"),
    ],
)
def test_each_kind_of_scrap_is_shown_as_such(
    first: Mapping[str, Entry], name: str, kind: str, expected: object
) -> None:
    """By the name under which it was glued."""
    entry = first[f"scrap: {name}"]
    assert (entry.kind, entry.value) == (kind, expected)


def test_a_long_scrap_is_shortened(first: Mapping[str, Entry]) -> None:
    """Five thousand characters are nothing to look at."""
    text = first["scrap: remark"]
    assert text.kind == "Text"
    assert text.value.startswith("xxx")
    assert len(text.value) < 2100


def test_a_plot_that_was_glued_is_shown_small(first: Mapping[str, Entry]) -> None:
    """As a picture in Markdown."""
    assert first["scrap: chart"].kind == "Markdown"
    assert first["scrap: chart"].value.startswith("![chart](data:image/png;base64,")


def test_a_report_has_its_path_a_link_and_a_picture_of_its_first_page(
    deployment: Deployment, graphql: Graphql
) -> None:
    """And what it was made with."""
    report = _entries(graphql, PDF, DONE)
    [path] = (deployment.outputs / "reports").glob(f"summary__count_{DONE}_*.pdf")
    assert (report["report"].kind, report["report"].value) == ("Path", str(path))
    assert report["link"].kind == "Url"
    assert report["link"].value == f"{REPORTS_URL}/reports/{path.name}"
    thumbnail = deployment.outputs / f"site/thumbnails/{path.stem}.png"
    encoded = base64.b64encode(thumbnail.read_bytes()).decode()
    assert report["first page"].value == f"![First page](data:image/png;base64,{encoded})"
    assert report["pages"].value == 1
    assert report["reference date"].value == DONE.isoformat()


def test_a_date_without_data_says_why_on_every_asset(graphql: Graphql) -> None:
    """It counts as done."""
    for path in (FIRST, SUMMARY, PDF):
        assert _entries(graphql, path, EMPTY)["no data"].value == "nobody called"


# A run -------------------------------------------------------------------------------------------

EVENTS = (
    """query($run: ID!) { runOrError(runId: $run) { ... on Run { status tags { key value }
    eventConnection { events { __typename
        ... on MessageEvent { message level }
        ... on LogsCapturedEvent { fileKey }
        ... on ExecutionStepFailureEvent { error { message }
            failureMetadata { description metadataEntries { ENTRIES } } } } } } } }"""
).replace("ENTRIES", ENTRIES)
OUTPUT = "query($key: [String!]!) { capturedLogs(logKey: $key) { stdout stderr } }"


def _run(graphql: Graphql, run_id: str) -> dict[str, Any]:
    run: dict[str, Any] = graphql(EVENTS, run=run_id)["runOrError"]
    return run


def test_a_run_says_which_cell_of_how_many_it_is_at(
    deployment: Deployment, graphql: Graphql
) -> None:
    """And how long it has taken until there; of cells that are over at once nobody asks."""
    events = _run(graphql, _run_id(deployment, DONE))["eventConnection"]["events"]
    lines = [event["message"] for event in events if event["__typename"] == "LogMessageEvent"]
    assert any(line.startswith("first.ipynb: code cell 6 of 6, ") for line in lines)
    assert not any(line.startswith("first.ipynb: code cell 2 of 6, ") for line in lines)


def test_a_run_has_tags_that_say_what_it_is_for(deployment: Deployment, graphql: Graphql) -> None:
    """Config, reference date, attempt."""
    run = _run(graphql, _run_id(deployment, DONE))
    tags = {tag["key"]: tag["value"] for tag in run["tags"]}
    assert tags["autoflow/config"] == "count"
    assert tags["autoflow/reference_date"] == DONE.isoformat()
    assert tags["autoflow/attempt"] == "1"
    assert tags["domain"] == "mobility"


def test_a_failed_run_shows_error_cell_and_notebook(
    deployment: Deployment, graphql: Graphql
) -> None:
    """First thing, in the step's failure."""
    run = _run(graphql, _run_id(deployment, BAD))
    assert run["status"] == "FAILURE"
    events = run["eventConnection"]["events"]
    [failed] = [e for e in events if e["__typename"] == "ExecutionStepFailureEvent"]
    text = failed["failureMetadata"]["description"]
    assert text.startswith(
        f"Notebook first.ipynb stopped at cell 3 of 5 for reference date {BAD}: "
        f"ValueError: {BAD} is strange"
    )
    assert "raise ValueError(f'{reference_date} is strange')" in text
    entries = {
        answer["label"]: Entry(answer) for answer in failed["failureMetadata"]["metadataEntries"]
    }
    [kept] = (deployment.outputs / "notebooks" / "failed").iterdir()
    assert entries["failed notebook"].value == str(kept)
    assert str(kept) in text
    assert entries["view failed notebook"].value.startswith("/notebook?path=")


# The sensor --------------------------------------------------------------------------------------


def test_the_sensor_runs_by_default_and_its_ticks_speak(graphql: Graphql) -> None:
    """What it found, what it requested, and when it looks next."""
    sensor = _sensor(graphql)
    assert (sensor["defaultStatus"], sensor["sensorState"]["status"]) == ("RUNNING", "RUNNING")
    assert sensor["description"]
    [requesting] = [tick for tick in sensor["sensorState"]["ticks"] if tick["runKeys"]]
    assert len(requesting["runKeys"]) == 3
    text = "\n".join(event["message"] for event in requesting["logEvents"]["events"])
    assert "count: 5 available dates: 3 requested, 2 waiting" in text
    assert "Next check" in text

    def reasons() -> list[str]:
        ticks = _sensor(graphql)["sensorState"]["ticks"]
        return [tick["skipReason"] for tick in ticks if tick["skipReason"]]

    def says_the_outcome() -> bool:
        words = ("count: 5 available dates: ", "2 done", "1 exhausted", "2 waiting")
        return any(all(word in reason for word in words) for reason in reasons())

    wait_for("a tick that knows what became of the dates", says_the_outcome)
    assert all("ext check" in reason for reason in reasons())


def _sensor(graphql: Graphql) -> Any:
    query = """query($sensor: SensorSelector!) { sensorOrError(sensorSelector: $sensor) {
        ... on Sensor { defaultStatus description sensorState { status ticks {
            status skipReason runKeys logEvents { events { message } } } } } } }"""
    return graphql(query, sensor={**REPOSITORY, "sensorName": SENSOR_NAME})["sensorOrError"]


# The launchpad -----------------------------------------------------------------------------------

JOB = """query($job: PipelineSelector!, $partition: String!) {
    pipelineOrError(params: $job) { ... on Pipeline { description
        partitionKeysOrError { partitionKeys }
        partition(partitionName: $partition) {
            runConfigOrError { ... on PartitionRunConfig { yaml } }
            tagsOrError { ... on PartitionTags { results { key value } } } } } } }"""
SCHEMA = """query($job: PipelineSelector!, $config: RunConfigData) {
    runConfigSchemaOrError(selector: $job) { ... on RunConfigSchema { rootDefaultYaml
        isRunConfigValid(runConfigData: $config) { __typename
            ... on RunConfigValidationInvalid { errors { message } } } } } }"""


def test_running_a_partition_again_needs_no_typing(graphql: Graphql) -> None:
    """The run config is empty, and the tags are there."""
    job = graphql(JOB, job={**REPOSITORY, "pipelineName": "count"}, partition=DONE.isoformat())
    found = job["pipelineOrError"]
    assert found["partitionKeysOrError"]["partitionKeys"] == _texts(DONE, BAD, EMPTY)
    partition = found["partition"]
    assert yaml.safe_load(partition["runConfigOrError"]["yaml"]) in ({}, None)
    tags = {tag["key"]: tag["value"] for tag in partition["tagsOrError"]["results"]}
    assert tags["autoflow/reference_date"] == DONE.isoformat()
    assert found["description"].startswith("Counts what can be counted.")


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({}, "PipelineConfigValidationValid"),
        (
            {"days": [3], "unit": "admin2", "share": 1, "strict": False},
            "PipelineConfigValidationValid",
        ),
        ({"unit": 3}, "RunConfigValidationInvalid"),
        ({"days": "all"}, "RunConfigValidationInvalid"),
        ({"strict": "yes"}, "RunConfigValidationInvalid"),
        ({"other": 1}, "RunConfigValidationInvalid"),
    ],
)
def test_the_launchpad_asks_for_typed_parameters(
    graphql: Graphql, config: Mapping[str, object], expected: str
) -> None:
    """Of a workflow that no config names: exactly its own, with the notebook's defaults."""
    answer = graphql(SCHEMA, job={**REPOSITORY, "pipelineName": "by_hand"}, config=config)
    schema = answer["runConfigSchemaOrError"]
    assert schema["isRunConfigValid"]["__typename"] == expected
    defaults = {"days": [1, 7], "unit": "admin3", "share": 0.5, "strict": True}
    assert yaml.safe_load(schema["rootDefaultYaml"]) == defaults


# What changes the deployment comes last ----------------------------------------------------------

BACKFILL = """mutation($params: LaunchBackfillParams!) {
    launchPartitionBackfill(backfillParams: $params) {
        __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message } } }"""
BACKFILL_STATUS = """query($id: String!) { partitionBackfillOrError(backfillId: $id) {
    ... on PartitionBackfill { status } } }"""


def test_a_backfill_of_assets_runs_in_spite_of_the_cdr_type_that_they_depend_on(
    deployment: Deployment, graphql: Graphql
) -> None:
    """The CDR type has neither partitions nor materializations."""
    selected = [{"path": path} for path in (FIRST, SUMMARY, PDF)]
    params = {"assetSelection": selected, "partitionNames": _texts(DONE)}
    launched = graphql(BACKFILL, params=params)["launchPartitionBackfill"]
    assert launched["__typename"] == "LaunchBackfillSuccess", launched

    def has_ended() -> bool:
        answer = graphql(BACKFILL_STATUS, id=launched["backfillId"])
        status: str = answer["partitionBackfillOrError"]["status"]
        assert not status.startswith("FAIL"), status
        return status == "COMPLETED_SUCCESS"

    wait_for("the backfill to succeed", has_ended, LONG)
    assert deployment.runs(DagsterRunStatus.SUCCESS)[DONE] == 2


def test_what_a_notebook_prints_is_there_while_it_runs_and_the_token_is_not(
    deployment: Deployment, graphql: Graphql
) -> None:
    """On a date that fills a gap and takes its time; the day after becomes due with it."""
    slow = deployment.place / f"slow {GAP}"
    slow.touch()
    try:
        deployment.flowapi.dates["calls"] = sorted([*AT_FIRST, GAP])

        def printed() -> dict[str, Any]:
            if not deployment.runs()[GAP]:
                return {}
            run_id = _run_id(deployment, GAP)
            events = _run(graphql, run_id)["eventConnection"]["events"]
            keys = [e["fileKey"] for e in events if e["__typename"] == "LogsCapturedEvent"]
            if not keys:
                return {}
            logs: dict[str, Any] = graphql(OUTPUT, key=[run_id, "compute_logs", keys[0]])
            found: dict[str, Any] = logs["capturedLogs"]
            has_both = "PRINTED" in (found["stdout"] or "") and "COMPLAINED" in found["stderr"]
            return found if has_both else {}

        found = wait_for("what the notebook prints", printed, LONG)
        assert _run(graphql, _run_id(deployment, GAP))["status"] == "STARTED"
        assert f"PRINTED for {GAP} with ***" in found["stdout"]
        assert TOKEN not in found["stdout"] + found["stderr"]
    finally:
        slow.unlink()


def test_partitions_stay_in_the_order_of_dates_when_a_gap_is_filled(
    deployment: Deployment, graphql: Graphql
) -> None:
    """On the pages of the asset and of the job, and in what they say of each date."""
    deployment.flowapi.dates["calls"] = sorted([*AT_FIRST, GAP])
    wait_for("both dates to be done", lambda: _succeeded(deployment, GAP, day(3)), LONG)
    expected = _texts(DONE, GAP, day(3), BAD, EMPTY)
    node = graphql(STATUSES, key={"path": SUMMARY})["assetNodeOrError"]
    assert node["partitionKeys"] == expected
    job = graphql(JOB, job={**REPOSITORY, "pipelineName": "count"}, partition=GAP.isoformat())
    assert job["pipelineOrError"]["partitionKeysOrError"]["partitionKeys"] == expected
    statuses = node["assetPartitionStatuses"]
    assert sorted(statuses["materializedPartitions"]) == _texts(DONE, GAP, day(3), EMPTY)


def _succeeded(deployment: Deployment, *days: date) -> bool:
    return set(days) <= set(deployment.runs(DagsterRunStatus.SUCCESS))
