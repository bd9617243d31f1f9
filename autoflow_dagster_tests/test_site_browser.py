"""The site in a real Chromium: from a disk and from its server, on a desk and on a phone."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from autoflow_dagster.site import SiteServer, record_run
from autoflow_dagster_tests.site_samples import (
    code_cell,
    document,
    markdown_cell,
    notebook_text,
    record,
    shown,
    write_sample,
)

CHROMIUM = shutil.which("chromium")

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed; run: make browser"),
]

DESKTOP = {"width": 1280, "height": 900}
PHONE = {"width": 390, "height": 844}
PAGES = (
    "index.html",
    "site/configs/flows/index.html",
    "site/configs/flows/2016.html",
    "site/configs/flows/2016-01.html",
    "site/configs/by_hand/index.html",
    "site/configs/commuting/index.html",
    "site/dates/2016-01.html",
)
ACTIVE = (
    "<script>document.title = 'taken'; fetch('index.html')</script><img src='https://x.invalid/'>"
)

LOAD_IMAGES = """Promise.all([...document.images].map(image => {
  image.loading = 'eager'
  return image.decode()
}))"""
"""Loads the images of a page, also those below the screen, and fails when one is missing."""

on_disk_and_from_server = pytest.mark.parametrize("base", ["disk", "server"], indirect=True)

Open = Callable[..., Any]
"""Opens a page of the site; keyword arguments are those of Playwright's contexts."""


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return outputs with a site that has some of everything, and a notebook that tries to act."""
    directory = tmp_path_factory.mktemp("outputs")
    write_sample(directory)
    files = document(directory, "active")
    cells = markdown_cell(f"# Active\n\n{ACTIVE}"), code_cell("x", shown(text_html=ACTIVE))
    (directory / "notebooks/active.ipynb").write_text(notebook_text(*cells))
    (directory / "reports/active.html").write_text(f"<!DOCTYPE html><h1>Report</h1>{ACTIVE}")
    record_run(directory, record(date(2016, 1, 7), config="active", documents=(files,)))
    return directory


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Yield a Chromium."""
    from playwright.sync_api import sync_playwright

    arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield running
        running.close()


@pytest.fixture
def base(request: pytest.FixtureRequest, outputs: Path) -> Iterator[str]:
    """Yield the address of the outputs directory: on the disk, or from a server."""
    if getattr(request, "param", "disk") == "disk":
        yield f"{outputs.as_uri()}/"
    else:
        with SiteServer(outputs, prefix="/reports") as server:
            yield server.url


@pytest.fixture
def open_page(browser: Any, base: str) -> Iterator[Open]:
    """Yield a function that opens a page; afterwards nothing may have been wrong or asked for."""
    contexts, troubles = [], []

    def open_(page: str, **options: Any) -> Any:
        context = browser.new_context(**options)
        contexts.append(context)
        tab = context.new_page()
        tab.on("console", lambda message: troubles.append(message.text))
        tab.on("pageerror", lambda error: troubles.append(str(error)))
        tab.on("dialog", lambda dialog: troubles.append(dialog.message))
        tab.on(
            "request",
            lambda asked: (
                None if asked.url.startswith((base, "data:")) else troubles.append(asked.url)
            ),
        )
        tab.goto(base + page)
        return tab

    yield open_
    for context in contexts:
        context.close()
    assert troubles == []


@on_disk_and_from_server
@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_pages_fit_the_screen_and_break_no_rule(
    open_page: Open, base: str, viewport: dict[str, int]
) -> None:
    """Nothing scrolls sideways, no picture is missing, no script of data runs."""
    tab = open_page(PAGES[0], viewport=viewport)
    for page in PAGES:
        tab.goto(base + page)
        # Not `wait_for_function`: what it evaluates again, the page's own policy forbids.
        tab.evaluate(LOAD_IMAGES)
        assert tab.evaluate("document.documentElement.scrollWidth") == viewport["width"], page
        assert tab.title() != "taken"


@on_disk_and_from_server
def test_a_date_is_found_by_typing_it(open_page: Open) -> None:
    """On the first page for all configs, on a config's page for that one."""
    tab = open_page("index.html")
    tab.get_by_label("Date", exact=True).fill("2016-01-09")
    tab.get_by_role("button", name="Show").click()
    tab.wait_for_url("**/site/dates/2016-01.html#d2016-01-09")
    tab.get_by_role("link", name="9 January 2016: done").click()
    tab.wait_for_url("**/site/configs/flows/2016-01.html#d2016-01-09")
    tab.get_by_role("link", name="flows", exact=True).click()
    tab.get_by_label("Date", exact=True).fill("2016-02-03")
    tab.get_by_role("button", name="Show").click()
    tab.wait_for_url("**/site/configs/flows/2016-02.html#d2016-02-03")


def test_a_date_of_which_nothing_is_known_is_said_to_be_unknown(open_page: Open) -> None:
    """Instead of leading to a page that is not there."""
    tab = open_page("index.html")
    day = tab.get_by_label("Date", exact=True)
    day.evaluate("input => { input.removeAttribute('max'); input.value = '2031-05-05' }")
    tab.get_by_role("button", name="Show").click()
    tab.get_by_text("Nothing is known of that month.").wait_for()


@on_disk_and_from_server
def test_everything_is_found_without_scripts(open_page: Open) -> None:
    """From the first page by month and day to the files, and to the latest report."""
    tab = open_page("index.html", java_script_enabled=False, viewport=PHONE)
    tab.get_by_role("button", name="Show").wait_for(state="hidden")
    tab.get_by_role("link", name="January 2016", exact=True).click()
    tab.get_by_role("link", name="7 January 2016: done").first.click()
    tab.get_by_role("link", name="active", exact=True).click()
    tab.get_by_role("link", name="Reports", exact=True).click()
    tab.get_by_role("link", name="flows", exact=True).click()
    latest = tab.get_by_role("link", name="flows_report.pdf").get_attribute("href")
    assert latest == "../../latest/flows/flows_report.pdf"
    entry = tab.locator("#d2016-01-07")
    entry.get_by_text("1 other attempt").click()
    entry.get_by_text("Kernel died.").wait_for()
    entry.get_by_role("link", name="Notebook: Flows above normal, 7 January 2016").click()
    tab.get_by_role("heading", name="Flows").wait_for()


def test_the_keyboard_is_enough(open_page: Open) -> None:
    """The first key skips to the content; what has the focus can be seen."""
    tab = open_page("site/configs/flows/index.html")
    tab.keyboard.press("Tab")
    skip = tab.get_by_role("link", name="Skip to the content")
    assert skip.bounding_box()["x"] > 0
    tab.keyboard.press("Enter")
    tab.keyboard.press("Tab")
    focused = tab.evaluate(
        "[document.activeElement.closest('main') !== null,"
        " getComputedStyle(document.activeElement).outlineStyle]"
    )
    assert focused == [True, "solid"]


def test_fingers_can_hit_the_links_of_a_calendar(open_page: Open) -> None:
    """At least 24 by 24 pixels, as the WCAG ask."""
    tab = open_page("site/configs/flows/2016.html", viewport=PHONE)
    boxes = [link.bounding_box() for link in tab.locator(".calendar td a").all()]
    assert len(boxes) > 30
    assert min(min(box["width"], box["height"]) for box in boxes) >= 24


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_both_colour_schemes_are_followed(open_page: Open, scheme: str) -> None:
    """The page is light or dark as the reader's machine is."""
    tab = open_page("index.html", color_scheme=scheme)
    ground = tab.evaluate("getComputedStyle(document.body).backgroundColor")
    brightness = sum(map(int, ground.removeprefix("rgb(").removesuffix(")").split(", ")))
    assert (brightness > 600) == (scheme == "light")


def test_a_notebook_cannot_act(open_page: Open) -> None:
    """Its scripts are left out of its page, and so is what would be loaded."""
    tab = open_page("site/notebooks/active.html")
    tab.get_by_role("heading", name="Active").wait_for()
    assert tab.get_by_text("Something interactive is left out").count() == 2
    assert tab.title() == "Flows above normal \u2013 notebook"


def test_the_script_of_a_report_sees_nothing_of_the_site(browser: Any, outputs: Path) -> None:
    """A template may have scripts; served, they have no origin and reach nothing."""
    with SiteServer(outputs) as server:
        context = browser.new_context()
        tab = context.new_page()
        answers: list[str] = []
        tab.on("response", lambda response: answers.append(response.url))
        tab.goto(f"{server.url}reports/active.html")
        assert tab.evaluate("window.origin") == "null"
        assert answers == [f"{server.url}reports/active.html"]
        context.close()
