"""What the pages of the site show, that they are valid, and that their links lead somewhere."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from urllib.parse import unquote, urldefrag
from xml.etree.ElementTree import Element

import html5lib
import pytest

from autoflow_dagster.site import Document, record_run, write_pages
from autoflow_dagster_tests.site_samples import (
    ERROR,
    HOSTILE,
    document,
    record,
    write_sample,
)

FLOWS = "site/configs/flows"


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return outputs with a site that has some of everything."""
    outputs = tmp_path_factory.mktemp("outputs")
    write_sample(outputs)
    return outputs


def parsed(path: Path) -> Element:
    """Return a page's elements; fail when it is not valid HTML."""
    parser = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False)
    return parser.parse(path.read_text(encoding="utf-8"))


def pages_of(outputs: Path) -> list[Path]:
    """Return all pages of a site."""
    return [outputs / "index.html", *sorted((outputs / "site").rglob("*.html"))]


def text_in(element: Element) -> str:
    """Return the text of an element, white space made single spaces."""
    return " ".join(" ".join(element.itertext()).split())


def entry_text(outputs: Path, day: str) -> str:
    """Return what the page of the month says about a date of flows."""
    page = parsed(outputs / FLOWS / f"{day[:7]}.html")
    return text_in(next(e for e in page.iter() if e.get("id") == f"d{day}"))


def test_every_page_is_valid_and_no_id_is_given_twice(sample: Path) -> None:
    """Browsers need not guess."""
    pages = pages_of(sample)
    assert len(pages) > 15
    for path in pages:
        ids = [e.get("id") for e in parsed(path).iter() if e.get("id")]
        assert len(ids) == len(set(ids)), path


def links_of(path: Path) -> Iterator[tuple[Path, str]]:
    """Yield file and place that a page links to."""
    for element in parsed(path).iter():
        for name in ("href", "src"):
            target = element.get(name)
            if target and not target.startswith("data:"):
                file, fragment = urldefrag(target)
                yield (path.parent / unquote(file)).resolve() if file else path, unquote(fragment)


def test_every_link_leads_to_a_file_and_a_place_in_it(sample: Path) -> None:
    """Also from the calendars to the dates."""
    ids: dict[Path, set[str | None]] = {}
    number = 0
    for path in pages_of(sample):
        for file, fragment in links_of(path):
            number += 1
            assert file.is_file(), f"{path} links to {file}"
            if fragment and file not in ids:
                ids[file] = {element.get("id") for element in parsed(file).iter()}
            assert not fragment or fragment in ids[file], f"{path} links to {file}#{fragment}"
    assert number > 200


def test_nothing_is_fetched_from_elsewhere(sample: Path) -> None:
    """All addresses are relative: the site works from a disk, and without a network."""
    for path in [*pages_of(sample), sample / "site/style.css"]:
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"""(?:src|href|url)\s*[=(]\s*["']?(?:https?:)?//""", text), path


def test_text_from_data_is_shown_and_not_obeyed(sample: Path) -> None:
    """Names of workflows, parameters, descriptions and errors."""
    for page in ("index.html", "site/configs/commuting/index.html"):
        assert HOSTILE in text_in(parsed(sample / page))
    for path in pages_of(sample):
        for script in parsed(path).iter("script"):
            assert "taken" not in text_in(script)
    assert "ValueError: <no> rows" in entry_text(sample, "2016-01-08")


def test_every_picture_has_a_text_instead(sample: Path) -> None:
    """Which says what is on it."""
    page = parsed(sample / FLOWS / "2016-01.html")
    texts = [image.get("alt") for image in page.iter("img")]
    assert "First page of Flows above normal, 9 January 2016" in texts


def test_the_calendar_tells_states_in_words_too(sample: Path) -> None:
    """For those who see no colours."""
    page = parsed(sample / FLOWS / "2016.html")
    labels = {e.get("aria-label") for e in page.iter("a")}
    assert {
        "9 January 2016: done",
        "8 January 2016: failed",
        "6 January 2016: no data",
        "11 January 2016: no data",
        "13 January 2016: waiting",
        "20 January 2016: to do",
    } <= labels


def test_the_newest_date_comes_first(sample: Path) -> None:
    """On the pages of months and of the config."""
    for page in ("2016-01.html", "index.html"):
        found = [e.get("id") for e in parsed(sample / FLOWS / page).iter("article")]
        assert found == sorted(found, reverse=True)
        assert len(found) == 6


def test_a_date_shows_its_reports_and_what_it_ran_with(sample: Path) -> None:
    """Everything about a date is in one place."""
    text = entry_text(sample, "2016-01-09")
    assert text.startswith("9 January 2016 Saturday done Flows above normal PDF 1 kB HTML 1 kB")
    assert "aggregation_unit admin3" in text


def test_a_failed_date_says_why_and_what_comes_next(sample: Path) -> None:
    """The first line in full view, the whole message at a click."""
    text = entry_text(sample, "2016-01-08")
    assert "failed Given up after 2 attempts." in text
    assert re.sub(r"\s+", " ", ERROR) in text


def test_previous_attempts_are_below(sample: Path) -> None:
    """With what they failed with."""
    text = entry_text(sample, "2016-01-07")
    assert text.index("done") < text.index("1 other attempt") < text.index("failed 31 Jan 2026")
    assert text.endswith("Kernel died.")


def test_a_date_without_data_says_so(sample: Path) -> None:
    """It is no failure."""
    assert "no data No flows." in entry_text(sample, "2016-01-06")


def test_waiting_dates_say_for_what(sample: Path) -> None:
    """Dates whose stencil is not satisfied."""
    page = text_in(parsed(sample / FLOWS / "2016-01.html"))
    assert "14 January 2016: Waits for 2016-01-12." in page
    assert "13 January 2016: Waits for 2016-01-11, 2016-01-12." in page
    assert "no data FlowAPI has no data of these dates. 12 January 2016 11 January 2016" in page


def test_the_first_page_shows_new_reports_failures_and_all_configs(sample: Path) -> None:
    """What a reader comes for."""
    page = parsed(sample / "index.html")
    text = text_in(page)
    assert "Failed 8 January 2016 flows" in text
    assert "4 done, 1 failed" in text
    shelf = next(e for e in page.iter("ul") if e.get("class") == "shelf")
    assert text_in(shelf).startswith("Flows above normal 9 January 2016 , flows PDF 1 kB")


def test_a_date_can_be_found_without_a_script(sample: Path) -> None:
    """By month: from there to each config's entry of the date."""
    months = [e.get("href") for e in parsed(sample / "index.html").iter("a") if e.get("data-month")]
    assert months == [f"site/dates/{month}.html" for month in ("2016-01", "2016-02", "2015-12")]
    cells = {e.get("href") for e in parsed(sample / "site/dates/2016-01.html").iter("a")}
    assert "../configs/flows/2016-01.html#d2016-01-09" in cells


def test_runs_without_a_date_are_shown_by_the_time_of_their_end(sample: Path) -> None:
    """Workflows that no config names."""
    page = text_in(parsed(sample / "site/configs/by_hand/2026-02.html"))
    assert "1 Feb 2026, 09:30 UTC done Flows above normal" in page
    assert not (sample / "site/dates/2026-02.html").exists()
    assert "No longer run" not in text_in(parsed(sample / "index.html"))


def test_awkward_file_names_can_be_linked_to(tmp_path: Path) -> None:
    """Names of notebooks and workflows become file names."""
    files = document(tmp_path, "50% #1 a?b \u0645\u0631 'x'")
    record_run(tmp_path, record(date(2016, 1, 7), config="a b/c", documents=(files,)))
    write_pages(tmp_path)
    for path in pages_of(tmp_path):
        for file, _ in links_of(path):
            assert file.is_file(), f"{path} links to {file}"


def test_control_characters_and_broken_text_do_no_harm(tmp_path: Path) -> None:
    """Errors can hold anything."""
    files = (Document(notebook="a", title="bell \x07 half \ud800"),)
    record_run(tmp_path, record(date(2016, 1, 7), error="\x00\x1b[31m\ud800 boo", documents=files))
    for path in pages_of(tmp_path):
        path.read_bytes().decode("utf-8")


def contrast(first: str, second: str) -> float:
    """Return the contrast ratio of two colours, as the WCAG define it."""

    def luminance(colour: str) -> float:
        digits = "".join(2 * c for c in colour[1:]) if len(colour) == 4 else colour[1:]
        parts = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
        linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((luminance(first), luminance(second)))
    return (high + 0.05) / (low + 0.05)


def test_colours_have_contrast_in_both_schemes(sample: Path) -> None:
    """At least 4.5 to 1, as the WCAG ask for text."""
    css = (sample / "site/style.css").read_text()
    light, dark = [
        dict(re.findall(r"--([\w-]+): (#[0-9a-f]+)", block))
        for block in re.findall(r":root \{(.*?)\}", css, re.DOTALL)[:2]
    ]
    for scheme in (light, dark):
        for text, ground in (
            ("ink", "page"), ("soft", "page"), ("soft", "surface"), ("accent", "page"),
            ("accent", "surface"), ("on-accent", "accent"), ("on-done", "done"),
            ("on-failed", "failed"), ("on-waiting", "waiting"), ("on-waiting", "surface"),
            ("on-no-data", "no-data"), ("to-do", "surface"),
        ):  # fmt: skip
            assert contrast(scheme[text], scheme[ground]) >= 4.5, (text, ground)
