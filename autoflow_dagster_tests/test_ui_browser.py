"""The Dagster UI as an operator sees it: a real Chromium over a real service."""

from __future__ import annotations

import base64
import re
import struct
import zlib
from collections.abc import Iterator

import pytest
from dagster import DagsterRunStatus, RunsFilter

from autoflow_dagster_tests.browser import NEEDS_CHROMIUM, Page, open_browser
from autoflow_dagster_tests.conftest import wait_for, write_notebook
from autoflow_dagster_tests.deployments import DatesServer, Deployment, day

pytestmark = [pytest.mark.integration, pytest.mark.browser, NEEDS_CHROMIUM]

WORKFLOWS = """\
workflows:
  - name: count
    description: Counts what can be counted.
    notebooks:
      first:
        filename: first.ipynb
        parameters: {reference_date: reference_date}
      summary:
        filename: summary.ipynb
        parameters: {first_notebook: first}
        output: {format: pdf}
available_dates_sensor:
  schedule: null
  workflows:
    - {workflow_name: count}
"""


def _png() -> str:
    """Return a small red picture as base64."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + checksum

    row = b"\0" + b"\xc0\x20\x20" * 120
    header = struct.pack(">IIBBBBB", 120, 60, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(row * 60)) + chunk(b"IEND", b"")
    return base64.b64encode(b"\x89PNG\r\n\x1a\n" + body).decode()


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """Two dates: one is done, and one has failed in its second notebook."""
    root = tmp_path_factory.mktemp("ui")
    with (
        DatesServer({"calls": [day(0), day(1)]}) as flowapi,
        Deployment(root, flowapi, WORKFLOWS, AUTOFLOW_SENSOR_INTERVAL="20") as running,
    ):
        write_notebook(
            running.inputs / "first.ipynb",
            "import scrapbook as sb\nsb.glue('subscribers', 1234)\nsb.glue('day', reference_date)",
            parameters="reference_date = ''",
        )
        write_notebook(
            running.inputs / "summary.ipynb",
            "import scrapbook as sb\nday = sb.read_notebook(first_notebook).scraps['day'].data",
            "if day == '2016-01-02':\n    raise ValueError('the second day is strange')",
            "import base64\nfrom IPython.display import Image, display\n"
            f"display(Image(base64.b64decode('{_png()}')))",
            parameters="first_notebook = ''",
        )
        running.start()
        wait_for("one date to be done and one to fail", lambda: _outcomes(running), 180)
        yield running
        running.service.stop()


def _outcomes(running: Deployment) -> bool:
    found = running.instance.get_runs(RunsFilter())
    by_status = {(run.status, run.tags["dagster/partition"]) for run in found}
    return by_status >= {
        (DagsterRunStatus.SUCCESS, "2016-01-01"),
        (DagsterRunStatus.FAILURE, "2016-01-02"),
    }


@pytest.fixture(scope="module")
def page(deployment: Deployment) -> Iterator[Page]:
    """One page of one browser; the tests visit what they need."""
    with open_browser(deployment.service.url) as opened:
        yield opened


def test_the_lineage_shows_cdr_types_notebooks_and_reports_in_order(page: Page) -> None:
    """From left to right, as the data goes."""
    page.visit("/locations/autoflow_dagster/asset-groups/count/lineage")
    page.see("summary_pdf")
    lefts = []
    for name in ("calls", "first", "summary", "summary_pdf"):
        box = page.page.locator("svg").get_by_text(name, exact=True).first.bounding_box()
        assert box is not None
        lefts.append(box["x"])
    assert lefts == sorted(lefts)
    page.keep_picture("lineage")
    page.check_for_errors()


def test_a_done_partition_shows_the_executed_notebook_with_its_picture(page: Page) -> None:
    """In the UI's own notebook viewer."""
    page.visit("/assets/count/summary?view=partitions&partition=2016-01-01")
    page.see("executed notebook")
    with page.page.expect_popup() as opened:
        page.page.get_by_role(
            "link", name=re.compile("notebook.path=.*summary__count_2016-01-01")
        ).click()
    viewer = opened.value
    viewer.locator("img[src^='data:image/png']").first.wait_for()
    assert "Image(base64.b64decode(" in viewer.inner_text("body")
    viewer.close()
    page.check_for_errors()


def test_scraps_are_metadata_of_the_notebook(page: Page) -> None:
    """A number that Dagster plots over dates."""
    page.visit("/assets/count/first?view=partitions&partition=2016-01-01")
    page.see("scrap: subscribers")
    page.keep_picture("materialization")
    page.see("1234")
    page.keep_picture("materialization")
    page.check_for_errors()


def test_a_report_shows_a_picture_of_its_first_page(page: Page) -> None:
    """Drawn from the metadata, so that nothing has to be served for it."""
    page.visit("/assets/count/summary_pdf?view=partitions&partition=2016-01-01")
    page.see("first page")
    page.page.get_by_text("[Show Markdown]").first.click()
    picture = page.page.get_by_role("img", name="First page")
    picture.wait_for()
    assert picture.evaluate("image => image.decode().then(() => image.naturalWidth)") == 320
    page.keep_picture("first page")
    page.check_for_errors()


def test_a_failed_run_shows_the_error_and_the_cell(deployment: Deployment, page: Page) -> None:
    """First thing, without unfolding a traceback."""
    [failed] = deployment.instance.get_runs(RunsFilter(statuses=[DagsterRunStatus.FAILURE]))
    page.visit(f"/runs/{failed.run_id}")
    message = page.see("Notebook summary.ipynb stopped at cell 3 of 4")
    assert "ValueError: the second day is strange" in message.inner_text()
    page.keep_picture("failure")
    page.check_for_errors()


def test_a_sensor_tick_says_what_it_found(page: Page) -> None:
    """In words, and when the next check is."""
    page.visit("/locations/autoflow_dagster/sensors/available_dates_sensor")
    page.see("requests a run for each date whose date stencil is satisfied")
    page.page.get_by_role("button", name="View logs").last.click()
    page.see("count: 2 available dates: 2 requested")
    page.keep_picture("tick")
    page.check_for_errors()


def test_a_partition_is_launched_again_and_succeeds(deployment: Deployment, page: Page) -> None:
    """Without typing anything."""
    page.visit("/assets/count/summary?view=partitions&partition=2016-01-01")
    page.page.get_by_role("button", name=re.compile("Materialize")).first.click()
    dialog = page.page.get_by_role("dialog")
    dialog.wait_for()
    page.keep_picture("launch")
    before = len(deployment.instance.get_runs(RunsFilter()))
    dialog.get_by_role("button", name=re.compile("Launch")).last.click()
    wait_for(
        "the run that was launched by hand",
        lambda: len(deployment.instance.get_runs(RunsFilter())) > before,
        60,
    )
    page.check_for_errors()
