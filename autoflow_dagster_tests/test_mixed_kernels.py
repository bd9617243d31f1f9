"""Python, R and dagstermill notebooks in one job and one process, and the example of them."""

from __future__ import annotations

import json
import os
import re
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import dagster as dg
import nbformat
import pytest

from autoflow_dagster.bundled import bundled_path
from autoflow_dagster.demo.server import DemoFlowapi
from autoflow_dagster.errors import WorkflowsFileError
from autoflow_dagster.ledger import NO_DATA_METADATA, notebook_asset_key, report_asset_key
from autoflow_dagster.notebooks.execution import NotebookRun, execute_notebook
from autoflow_dagster.parser import load_workflows
from autoflow_dagster.parser.notebook_checks import installed_kernels
from autoflow_dagster_tests.conftest import names_in, write_notebook
from autoflow_dagster_tests.one_process import TOKEN, Place

EXAMPLE = bundled_path("examples/mixed-kernels")
NOTEBOOKS = ("count_subscribers", "compare_days", "subscribers_report")
JOB = "subscribers_by_district"
DAY = "2016-01-10"
FRAMEWORK = ("__dm_", "instance_ref", "executable_dict", "event-", " - DEBUG - ", "BetaWarning")
"""What dagstermill would leave in a notebook."""

needs_r = pytest.mark.skipif(
    "ir" not in installed_kernels(), reason="the R kernel is not installed; run: make r-kernel"
)


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    """An instance in a temporary directory."""
    (tmp_path / "home").mkdir()
    with dg.DagsterInstance.local_temp(str(tmp_path / "home")) as instance:
        yield instance


# The example -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_the_example_is_committed_clean(name: str) -> None:
    """No outputs, a title first, one cell of parameters, and the token is no parameter."""
    raw = json.loads((EXAMPLE / f"{name}.ipynb").read_text())
    nbformat.validate(raw)
    assert (raw["nbformat"], raw["nbformat_minor"]) == (4, 5)
    assert raw["cells"][0]["source"][0].startswith("# ")
    code = [cell for cell in raw["cells"] if cell["cell_type"] == "code"]
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)
    [parameters] = [cell for cell in code if "parameters" in cell["metadata"].get("tags", [])]
    assert "token" not in "".join(parameters["source"])


def test_a_kernel_that_is_missing_is_named_before_anything_runs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As `autoflow validate` says it: which notebook, which kernel, and which ones there are."""
    monkeypatch.setattr("jupyter_core.paths.SYSTEM_JUPYTER_PATH", [])
    monkeypatch.setenv("JUPYTER_PATH", "")
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path))
    with pytest.raises(WorkflowsFileError) as raised:
        load_workflows(EXAMPLE, check_kernels=True)
    assert 'notebook "compare_days" > kernel' in str(raised.value)
    assert 'The kernel "ir" is not installed. Installed are: "python3".' in str(raised.value)


def test_the_functions_for_r_that_are_documented_are_those_of_the_example() -> None:
    """Which are executed here."""
    documents = Path(__file__).parent.parent / "docs" / "workflows-yml.md"
    [documented] = re.findall(r"^```r\n(.*?)^```", documents.read_text(), re.M | re.S)
    raw = json.loads((EXAMPLE / "compare_days.ipynb").read_text())
    [cell] = [cell for cell in raw["cells"] if cell["id"] == "scraps"]
    assert documented.strip() in "".join(cell["source"])


@pytest.fixture(scope="module")
def example(
    tmp_path_factory: pytest.TempPathFactory, demo_flowapi: DemoFlowapi
) -> Iterator[tuple[Place, dg.ExecuteInProcessResult]]:
    """The example, after its job has run for one date in this process."""
    root = tmp_path_factory.mktemp("example")
    (root / "home").mkdir()
    access = {"FLOWAPI_URL": demo_flowapi.url, "FLOWAPI_TOKEN": demo_flowapi.token}
    with dg.DagsterInstance.local_temp(str(root / "home")) as instance:
        place = Place(root, instance, EXAMPLE, **access)
        yield place, place.run(DAY)


@needs_r
@pytest.mark.integration
class TestTheExample:
    """One job, one process, three kinds of notebooks."""

    def test_every_scrap_is_recorded(
        self, example: tuple[Place, dg.ExecuteInProcessResult]
    ) -> None:
        """Whatever language glued it; numbers stay numbers."""
        place, run = example
        assert run.success
        assert place.is_done(DAY)
        counts = place.output(notebook_asset_key(JOB, "count_subscribers"), DAY).metadata
        assert counts["kernel"] == "python3"
        assert counts["scrap: counts"][0].keys() == {"day", "pcod", "subscribers"}
        compared = place.output(notebook_asset_key(JOB, "compare_days"), DAY).metadata
        assert compared["kernel"] == "ir"
        assert compared["scrap: days before"] == 7
        assert compared["scrap: unusually many"] >= 1
        assert compared["scrap: changes"].startswith("![changes](data:image/png;base64,")
        named = [row["pcod"] for row in compared["scrap: districts"]]
        assert set(named) <= {row["pcod"] for row in counts["scrap: counts"]}

    def test_what_the_dagstermill_notebook_yields_and_logs_is_recorded(
        self, example: tuple[Place, dg.ExecuteInProcessResult]
    ) -> None:
        """With the partition key of the run."""
        place, run = example
        [observed] = [e for e in run.all_events if e.event_type_value == "ASSET_OBSERVATION"]
        assert observed.asset_key == dg.AssetKey(["flowapi", "calls"])
        metadata = observed.asset_observation_data.asset_observation.metadata
        assert metadata["reference date"].value == DAY
        compared = place.output(notebook_asset_key(JOB, "compare_days"), DAY).metadata
        many = compared["scrap: unusually many"]
        assert metadata["districts with unusually many"].value == many
        assert any(f"with unusually many: {many}." in line for line in place.logged(run))

    def test_the_reports_show_the_plot_that_r_drew(
        self, example: tuple[Place, dg.ExecuteInProcessResult]
    ) -> None:
        """In the PDF and in the HTML file, and nothing of any framework."""
        import pypdfium2  # type: ignore[import-untyped]
        import pypdfium2.raw  # type: ignore[import-untyped]

        place, _ = example
        pdf, html = (
            place.output(report_asset_key(JOB, "subscribers_report", name), DAY).path
            for name in ("pdf", "html")
        )
        assert pdf is not None
        with pypdfium2.PdfDocument(pdf) as document:
            image = pypdfium2.raw.FPDF_PAGEOBJ_IMAGE
            found = [o.get_px_size() for page in document for o in page.get_objects([image])]
        assert any(width > 1400 for width, _ in found)
        assert html is not None
        text = html.read_text()
        assert "data:image/png;base64," in text
        assert "subscribers were active" in text
        assert not [leak for leak in FRAMEWORK if leak in text]

    def test_no_token_and_no_framework_is_in_what_is_kept(
        self, example: tuple[Place, dg.ExecuteInProcessResult], demo_flowapi: DemoFlowapi
    ) -> None:
        """The notebook that connected through the context's resource included."""
        place, _ = example
        for name in NOTEBOOKS:
            text = json.dumps(place.notebook(name))
            assert not [leak for leak in (*FRAMEWORK, demo_flowapi.token) if leak in text]

    def test_a_day_without_numbers_ends_as_done_without_reports(
        self, instance: dg.DagsterInstance, tmp_path: Path
    ) -> None:
        """The R notebook glues the scrap that says so, and stops."""
        with DemoFlowapi(subscribers=20) as flowapi:
            access = {"FLOWAPI_URL": flowapi.url, "FLOWAPI_TOKEN": flowapi.token}
            place = Place(tmp_path, instance, EXAMPLE, **access)
            assert place.run(DAY).success
        assert place.is_done(DAY)
        report = place.output(report_asset_key(JOB, "subscribers_report", "pdf"), DAY)
        reason = f"FlowAPI has no numbers to compare for {DAY}"
        assert report.metadata[NO_DATA_METADATA] == reason
        assert names_in(place.settings.reports_dir) == []
        assert names_in(place.settings.failed_notebooks_dir) == []
        assert "papermill-error-cell-tag" not in json.dumps(place.notebook("compare_days"))


# In any order ------------------------------------------------------------------------------------

TEXT = 'a "place"\\with\na second line'
KINDS = "prdprpdrp"
"""Plain, R, dagstermill: each of the six orders of the three is in it, one after the other."""

PLAIN = """\
import os
import scrapbook as sb
print(os.environ["FLOWAPI_TOKEN"])
before = sb.read_notebook(previous).scraps["trail"].data if previous else []
sb.glue("trail", before + ["p"])
sb.glue("seen", [place, default, number])
"""

R = """\
cat(Sys.getenv("FLOWAPI_TOKEN"))
glue <- function(name, data) IRdisplay::publish_mimebundle(
  list("application/scrapbook.scrap.json+json" =
    list(name = name, data = data, encoder = "json", version = 1)),
  list(scrapbook = list(name = name, data = TRUE, display = FALSE))
)
before <- list()
if (nzchar(previous))
  for (cell in jsonlite::fromJSON(previous, simplifyVector = FALSE)$cells)
    for (output in cell$outputs)
      if (identical(output$metadata$scrapbook$name, "trail"))
        before <- output$data[["application/scrapbook.scrap.json+json"]]$data
glue("trail", c(before, "r"))
glue("seen", list(place, default, number))
"""

DAGSTERMILL = """\
import dagster, dagstermill, os
import scrapbook as sb
context = dagstermill.get_context()
print(os.environ["FLOWAPI_TOKEN"])
before = sb.read_notebook(previous).scraps["trail"].data if previous else []
context.log.info(f"after {len(before)} others on {context.partition_key}")
dagstermill.yield_event(dagster.AssetMaterialization("seen", metadata={"before": len(before)}))
sb.glue("trail", before + ["d"])
sb.glue("seen", [place, default, number])
"""


def _chain() -> str:
    """Return a workflow that runs the three notebooks again and again, each after the last."""
    notebooks: dict[str, dict[str, Any]] = {
        f"n{position}": {"filename": f"n{position}.ipynb", "parameters": {"place": "place"}}
        for position in range(len(KINDS))
    }
    for position in range(1, len(KINDS)):
        notebooks[f"n{position}"]["parameters"]["previous"] = f"n{position - 1}"
    notebooks[f"n{len(KINDS) - 1}"]["output"] = {"format": "html"}
    return _workflows("chain", notebooks, place=TEXT)


def _workflows(name: str, notebooks: Mapping[str, Any], **parameters: str) -> str:
    config = {"workflow_name": name, "parameters": parameters}
    return json.dumps(
        {
            "workflows": [{"name": name, "notebooks": notebooks}],
            "available_dates_sensor": {"schedule": None, "workflows": [config]},
        }
    )


def _write_r_notebook(path: Path, *cells: str, parameters: str | None = None) -> Path:
    write_notebook(path, *cells, parameters=parameters, kernel="ir")
    notebook = json.loads(path.read_text())
    notebook["metadata"]["kernelspec"]["language"] = "R"
    notebook["metadata"]["language_info"]["name"] = "R"
    path.write_text(json.dumps(notebook))
    return path


@pytest.fixture(scope="module")
def chain(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Place, dg.ExecuteInProcessResult]]:
    """The chain, after its job has run in this process."""
    root = tmp_path_factory.mktemp("chain")
    (root / "home").mkdir()
    with dg.DagsterInstance.local_temp(str(root / "home")) as instance:
        place = Place(root, instance, _chain())
        defaults = "place <- ''\nprevious <- ''\ndefault <- 'kept'\nnumber <- 3"
        for position, kind in enumerate(KINDS):
            path = place.inputs / f"n{position}.ipynb"
            if kind == "r":
                _write_r_notebook(path, R, parameters=defaults)
            else:
                code = PLAIN if kind == "p" else DAGSTERMILL
                write_notebook(path, code, parameters=defaults.replace("<-", "="))
        yield place, place.run(DAY)


@needs_r
@pytest.mark.integration
class TestInAnyOrder:
    """Six orders of three kinds of notebooks, in one job and one process."""

    def test_all_six_orders_are_there(self) -> None:
        """In a chain of nine."""
        triples = {KINDS[start : start + 3] for start in range(len(KINDS) - 2)}
        assert {"prd", "pdr", "rpd", "rdp", "dpr", "drp"} <= triples

    def test_each_reads_what_the_one_before_glued(
        self, chain: tuple[Place, dg.ExecuteInProcessResult]
    ) -> None:
        """Whatever kind it was."""
        place, run = chain
        assert run.success
        for position in range(len(KINDS)):
            metadata = place.output(notebook_asset_key("chain", f"n{position}"), DAY).metadata
            assert metadata["scrap: trail"] == list(KINDS[: position + 1])

    def test_parameters_arrive_and_defaults_stay(
        self, chain: tuple[Place, dg.ExecuteInProcessResult]
    ) -> None:
        """In each language, as what they were."""
        place, _ = chain
        for position in range(len(KINDS)):
            metadata = place.output(notebook_asset_key("chain", f"n{position}"), DAY).metadata
            assert metadata["scrap: seen"] == [TEXT, "kept", 3]

    def test_events_and_log_lines_of_each_dagstermill_notebook_are_recorded(
        self, chain: tuple[Place, dg.ExecuteInProcessResult]
    ) -> None:
        """In their order, and once."""
        place, run = chain
        positions = [position for position, kind in enumerate(KINDS) if kind == "d"]
        lines = [line for line in place.logged(run) if line.startswith("after ")]
        assert lines == [f"after {position} others on {DAY}" for position in positions]
        seen = [
            event.step_materialization_data.materialization.metadata["before"].value
            for event in run.all_events
            if event.event_type_value == "ASSET_MATERIALIZATION"
            and event.asset_key == dg.AssetKey("seen")
        ]
        assert seen == positions

    def test_nothing_of_the_framework_and_no_secret_is_kept(
        self, chain: tuple[Place, dg.ExecuteInProcessResult]
    ) -> None:
        """Each of them has printed the token: that stands there as stars."""
        place, _ = chain
        home = place.instance.root_directory
        kept = sorted(place.settings.notebooks_dir.glob("*.ipynb"))
        assert len(kept) == len(KINDS)
        for path in (*kept, *place.settings.reports_dir.iterdir()):
            text = path.read_text()
            assert not [leak for leak in (*FRAMEWORK, TOKEN, home, "run_config") if leak in text]
        for path in kept:
            printed = [o["text"] for o in _outputs(path) if o["output_type"] == "stream"]
            assert ["".join(text).strip() for text in printed] == ["***"]


def _outputs(path: Path) -> list[dict[str, Any]]:
    cells = json.loads(path.read_text())["cells"]
    return [output for cell in cells for output in cell.get("outputs", ())]


# R alone -----------------------------------------------------------------------------------------


@needs_r
@pytest.mark.integration
def test_the_server_of_warm_kernels_is_never_asked_for_an_r_kernel(tmp_path: Path) -> None:
    """It has imported Python's modules; R starts in the ordinary way."""
    source = _write_r_notebook(tmp_path / "r.ipynb", "cat(R.version$language)")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket"))
        server.listen()
        server.setblocking(False)
        executed = execute_notebook(
            NotebookRun(
                source=source,
                destination=tmp_path / "executed.ipynb",
                failed_dir=tmp_path / "failed",
                parameters={},
                working_dir=tmp_path,
                environment=dict(os.environ),
                kernel_server=tmp_path / "socket",
            )
        )
        with pytest.raises(BlockingIOError):
            server.accept()
    assert executed.kernel_name == "ir"
    assert ["".join(output["text"]) for output in _outputs(executed.path)] == ["R"]


@needs_r
@pytest.mark.integration
def test_an_error_in_r_names_its_cell(tmp_path: Path, instance: dg.DagsterInstance) -> None:
    """As one in Python does."""
    place = Place(tmp_path, instance, _workflows("r", {"only": {"filename": "r.ipynb"}}))
    _write_r_notebook(place.inputs / "r.ipynb", "x <- 1", 'stop("nothing adds up")')
    run = place.run(DAY)
    [failed] = [event for event in run.all_events if event.is_step_failure]
    data = failed.step_failure_data.user_failure_data
    assert data is not None
    assert str(data.description).startswith(
        f"Notebook r.ipynb stopped at cell 2 of 2 for reference date {DAY}: "
    )
    assert "nothing adds up" in str(data.description)
    assert len(names_in(place.settings.failed_notebooks_dir)) == 1
    assert not place.is_done(DAY)
