"""A real Chromium, for tests of pages."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium")
NEEDS_CHROMIUM = pytest.mark.skipif(
    CHROMIUM is None, reason="Chromium is not installed; run: make browser"
)
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
TIMEOUT_MS = 25_000


class Page:
    """One page of a browser over one address.

    Attributes
    ----------
    page : playwright page
        For everything that is not here.
    errors : list of str
        What the page has complained about in its console.
    """

    def __init__(self, page: Any, base_url: str) -> None:
        self.page = page
        self._base_url = base_url
        self.errors: list[str] = []
        page.set_default_timeout(TIMEOUT_MS)
        page.on("console", self._note)
        page.on("pageerror", lambda error: self.errors.append(str(error)))

    def _note(self, message: Any) -> None:
        # Dagster's page asks its makers' servers for news, which no test machine reaches.
        if message.type == "error" and "net::ERR" not in message.text:
            self.errors.append(message.text)

    def visit(self, path: str) -> None:
        """Open a path of the address."""
        self.errors.clear()
        self.page.goto(f"{self._base_url}{path}", wait_until="domcontentloaded")

    def see(self, text: str) -> Any:
        """Wait until a text is on the page; return its element."""
        found = self.page.get_by_text(text).first
        found.wait_for()
        return found

    def keep_picture(self, name: str) -> None:
        """Write a screenshot into the directory AUTOFLOW_SCREENSHOTS, if there is one."""
        if directory := os.environ.get("AUTOFLOW_SCREENSHOTS"):
            self.page.screenshot(path=str(Path(directory) / f"{name}.png"))

    def check_for_errors(self) -> None:
        """Fail when the page has complained, or shows an error toast."""
        assert self.errors == []
        assert self.page.get_by_text("An unexpected error occurred").count() == 0


@contextmanager
def open_browser(base_url: str) -> Iterator[Page]:
    """Give a page of a new browser."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield Page(running.new_page(viewport={"width": 1400, "height": 900}), base_url)
        running.close()
