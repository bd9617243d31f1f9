"""Tests of the example inputs: their notebooks run by plain papermill against the demo FlowAPI."""

import base64
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import nbformat
import pytest
import scrapbook
import yaml

from autoflow_dagster.dates.date_set import DateSet
from autoflow_dagster.dates.date_stencil import DateStencil
from autoflow_dagster.demo.server import DemoFlowapi
from autoflow_dagster.naming import iso_date_ranges

INPUTS = Path(__file__).parents[1] / "examples" / "inputs"
NOTEBOOKS = ("run_flows", "flows_report")
FIRST_DAYS = [date(2016, 1, 1) + timedelta(days=number) for number in range(14)]


def _configs():
    file = yaml.safe_load((INPUTS / "workflows.yml").read_text())
    return file["available_dates_sensor"]["workflows"]


@dataclass
class Executed:
    """Both notebooks after their execution."""

    run_flows: Path
    flows_report: Path

    def outputs(self, mime_type):
        """Return the outputs of one kind in the report, in their order."""
        notebook = nbformat.read(self.flows_report, as_version=4)
        outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
        return [output.data[mime_type] for output in outputs if mime_type in output.get("data", {})]

    def tables(self):
        """Return the tables: each with its caption, headings and rows of texts."""
        bs4 = pytest.importorskip("bs4")
        found = []
        for html in self.outputs("text/html"):
            table = bs4.BeautifulSoup(html, "html.parser").table
            rows = [[cell.text for cell in row.find_all(["th", "td"])] for row in table("tr")]
            found.append((table.caption.text, rows[0], rows[1:]))
        return found


def _papermill(demo, filename, output, parameters):
    """Execute an example notebook as a user of papermill would, in a process of its own."""
    process = subprocess.run(
        [
            *(sys.executable, "-W", "ignore", "-m", "papermill", "--no-progress-bar"),
            *("-y", json.dumps(parameters), str(INPUTS / filename), str(output)),
        ],
        env=dict(os.environ, FLOWAPI_TOKEN=demo.token, PYDEVD_DISABLE_FILE_VALIDATION="1"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stderr[-3000:]


def _execute(demo, directory, config, reference_date):
    """Execute both notebooks for a config of the example and one reference date."""
    stencil = DateStencil.parse(config["date_stencil"])
    shared = {
        "flowapi_url": demo.url,
        "reference_date": reference_date.isoformat(),
        **config["parameters"],
    }
    executed = Executed(directory / "run.ipynb", directory / "report.ipynb")
    date_ranges = iso_date_ranges(stencil.date_ranges(reference_date))
    _papermill(demo, "run_flows.ipynb", executed.run_flows, shared | {"date_ranges": date_ranges})
    previous = {"previous_notebook": str(executed.run_flows)}
    _papermill(demo, "flows_report.ipynb", executed.flows_report, shared | previous)
    return executed


@pytest.fixture(scope="module")
def demo():
    """Return a demo FlowAPI with its usual records."""
    with DemoFlowapi() as demo:
        yield demo


@pytest.fixture(scope="module")
def after_flood(demo, tmp_path_factory):
    """Return the notebooks executed for the day after the flood, by districts."""
    return _execute(demo, tmp_path_factory.mktemp("after"), _configs()[0], date(2016, 1, 10))


# The files -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_notebooks_are_committed_clean(name):
    """No outputs, no counters, ids for all cells and a kernel that everybody has."""
    raw = json.loads((INPUTS / f"{name}.ipynb").read_text())
    assert (raw["nbformat"], raw["nbformat_minor"]) == (4, 5)
    assert raw["metadata"]["kernelspec"]["name"] == "python3"
    assert all(cell["id"] for cell in raw["cells"])
    code = [cell for cell in raw["cells"] if cell["cell_type"] == "code"]
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)
    assert sum("parameters" in cell["metadata"].get("tags", []) for cell in code) == 1
    nbformat.validate(raw)


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_notebooks_have_a_title_and_safe_connections(name):
    """A heading comes first, the token is no parameter, and certificates are always checked."""
    cells = nbformat.read(INPUTS / f"{name}.ipynb", as_version=4).cells
    assert cells[0].cell_type == "markdown"
    assert cells[0].source.startswith("# ")
    code = "\n".join(cell.source for cell in cells if cell.cell_type == "code")
    assert 'token=environ["FLOWAPI_TOKEN"]' in code
    assert 'ssl_certificate=getenv("SSL_CERTIFICATE_FILE") or True' in code


@pytest.mark.parametrize(
    ("position", "unit", "expected"),
    [
        (0, "admin2", [date(2016, 1, day) for day in range(8, 15)]),
        (1, "admin3", [date(2016, 1, day) for day in range(11, 15)]),
    ],
)
def test_the_first_two_weeks_give_seven_and_four_dates(position, unit, expected):
    """The stencils and the earliest date leave these reference dates of fourteen days."""
    config = _configs()[position]
    assert config["parameters"] == {"aggregation_unit": unit}
    stencil = DateStencil.parse(config["date_stencil"])
    earliest = config.get("earliest_date", FIRST_DAYS[0])
    available = DateSet(FIRST_DAYS)
    found = [
        day
        for day in FIRST_DAYS
        if day >= earliest and stencil.check(day, available).is_satisfied()
    ]
    assert found == expected


def test_notebooks_get_all_parameters_that_they_have():
    """Every name in a parameters cell is set by the workflow, and no other."""
    workflow = yaml.safe_load((INPUTS / "workflows.yml").read_text())["workflows"][0]
    for label in NOTEBOOKS:
        cells = nbformat.read(INPUTS / f"{label}.ipynb", as_version=4).cells
        (source,) = (cell.source for cell in cells if "parameters" in cell.metadata.get("tags", []))
        names: dict[str, object] = {}
        exec(source, {}, names)
        assert names.keys() == workflow["notebooks"][label]["parameters"].keys()


# Their execution -------------------------------------------------------------------------------


@pytest.mark.integration
def test_run_flows_glues_query_ids_and_periods(after_flood):
    """The report needs nothing else; the last days of the periods are not in them."""
    scraps = scrapbook.read_notebook(str(after_flood.run_flows)).scraps
    ids = {scraps[name].data for name in ("flows_normal_id", "flows_current_id")}
    assert len(ids) == 2
    assert {len(identity) for identity in ids} == {32}
    assert scraps["periods"].data == {
        "baseline": ["2016-01-01", "2016-01-07"],
        "normal": ["2016-01-07", "2016-01-08"],
        "current": ["2016-01-10", "2016-01-11"],
    }


@pytest.mark.integration
def test_the_report_tells_of_the_flood(after_flood):
    """The headline names the flooded districts, and their refuges, with numbers."""
    headline, facts = after_flood.outputs("text/markdown")
    assert headline.startswith(
        "**On 2016-01-10, 324 more subscribers than usual had left DMO.3.2**"
    )
    assert "189 more had left DMO.3.3." in headline
    assert "arrived in DMO.1.3 (225 more), DMO.4.3 (180 more) and DMO.3.1 (151 more)." in headline
    assert "where people mostly were on 2016-01-01 to 2016-01-06" in facts


@pytest.mark.integration
def test_the_report_has_maps_for_print(after_flood):
    """One picture with both maps, sharp enough for paper."""
    (picture,) = after_flood.outputs("image/png")
    header = base64.b64decode(picture)[16:24]
    width, height = (int.from_bytes(header[start : start + 4]) for start in (0, 4))
    assert width >= 1400
    assert 0.3 < height / width < 0.7


@pytest.mark.integration
def test_the_report_has_tables_that_add_up(after_flood):
    """Departures, arrivals and routes; what is above normal is a difference."""
    departures, arrivals, routes = after_flood.tables()
    assert departures[1] == ["District", "Normal", "2016-01-10", "Above normal"]
    assert routes[1][:2] == ["Usual district", "Now in"]
    assert [row[0] for row in departures[2][:2]] == ["DMO.3.2", "DMO.3.3"]
    assert ["≤ 15" in row for row in routes[2][:3]] == [True, True, True]
    for _, _, rows in (departures, arrivals, routes):
        assert 0 < len(rows) <= 10
        for row in rows:
            normal, current, above = (int(text.removeprefix("≤ ")) for text in row[-3:])
            assert above == current - normal > 0


@pytest.mark.integration
def test_no_token_gets_into_the_notebooks(demo, after_flood):
    """Executed notebooks are passed on; a token in them would be, too."""
    for path in (after_flood.run_flows, after_flood.flows_report):
        assert demo.token not in path.read_text()


@pytest.mark.integration
def test_an_ordinary_day_is_reported_as_such(demo, tmp_path):
    """On the day before the flood nothing is clearly above normal, whatever chance makes."""
    executed = _execute(demo, tmp_path, _configs()[0], date(2016, 1, 8))
    assert executed.outputs("text/markdown")[0] == (
        "**On 2016-01-08, no district had clearly more departures or arrivals than usual.**"
    )
    assert len(executed.outputs("image/png")) == 1


@pytest.mark.integration
def test_the_report_copes_with_nothing_to_show(tmp_path):
    """When every flow is hidden, results have no columns; there are maps, and sentences for tables."""
    with DemoFlowapi(subscribers=60) as tiny:
        executed = _execute(tiny, tmp_path, _configs()[1], date(2016, 1, 11))
    headline, _, *tables = executed.outputs("text/markdown")
    assert headline.startswith("**There are no flows to show for 2016-01-11:**")
    assert len(tables) == 3
    assert all(text.endswith(": none above normal.*") for text in tables)
    assert executed.outputs("text/html") == []
    assert len(executed.outputs("image/png")) == 1
