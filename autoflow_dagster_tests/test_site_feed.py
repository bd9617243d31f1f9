"""The Atom feed of new reports."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from autoflow_dagster.site import SiteOptions, SiteState, record_run, write_pages
from autoflow_dagster_tests.site_samples import ENDED, document, record

ATOM = "{http://www.w3.org/2005/Atom}"


def feed_of(outputs: Path) -> ET.Element:
    """Return the feed; fail when it is not XML."""
    return ET.parse(outputs / "site/feed.xml").getroot()


def check(feed: ET.Element) -> None:
    """Fail when the feed lacks what RFC 4287 asks for."""
    assert feed.tag == f"{ATOM}feed"
    ids = []
    for element in (feed, *feed.findall(f"{ATOM}entry")):
        for name in ("id", "title", "updated"):
            (found,) = element.findall(f"{ATOM}{name}")
            assert found.text, name
        moment = element.findtext(f"{ATOM}updated", "")
        assert datetime.strptime(moment, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
        ids.append(element.findtext(f"{ATOM}id", ""))
        assert element.findall(f"{ATOM}link[@rel='alternate']")
    assert feed.find(f"{ATOM}author/{ATOM}name") is not None
    assert len(ids) == len(set(ids))
    assert all(i.startswith("urn:uuid:") for i in ids)


def test_a_feed_without_reports_is_valid(tmp_path: Path) -> None:
    """Somebody may subscribe before anything has run."""
    write_pages(tmp_path)
    check(feed_of(tmp_path))


def test_new_reports_come_first_and_failures_not_at_all(tmp_path: Path) -> None:
    """A feed of reports, newest first by the time of their making."""
    for number in range(3):
        day, ended = date(2016, 1, 9 - number), ENDED + timedelta(minutes=number)
        files = (document(tmp_path, f"n{number}"),)
        record_run(tmp_path, record(day, documents=files, ended_at=ended))
    record_run(tmp_path, record(date(2016, 1, 1), SiteState.FAILED))
    feed = feed_of(tmp_path)
    check(feed)
    assert [e.findtext(f"{ATOM}title") for e in feed.findall(f"{ATOM}entry")] == [
        "Flows above normal, 7 January 2016",
        "Flows above normal, 8 January 2016",
        "Flows above normal, 9 January 2016",
    ]
    assert feed.findtext(f"{ATOM}updated") == "2026-02-01T09:32:00Z"


@pytest.mark.parametrize(
    ("base_url", "pdf", "page"),
    [
        ("", "../reports/a.pdf", "configs/flows/2016-01.html#d2016-01-07"),
        (
            "https://example.org/r/",
            "https://example.org/r/reports/a.pdf",
            "https://example.org/r/site/configs/flows/2016-01.html#d2016-01-07",
        ),
    ],
)
def test_links_are_whole_addresses_when_the_address_is_known(
    tmp_path: Path, base_url: str, pdf: str, page: str
) -> None:
    """Otherwise they are relative to the feed."""
    files = (document(tmp_path, "a"),)
    options = SiteOptions(base_url=base_url)
    record_run(tmp_path, record(date(2016, 1, 7), documents=files), options)
    links = {
        (link.get("rel"), link.get("type")): link.get("href")
        for link in feed_of(tmp_path).iterfind(f"{ATOM}entry/{ATOM}link")
    }
    assert links["enclosure", "application/pdf"] == pdf
    assert links["alternate", "text/html"] == page


def test_text_from_data_cannot_break_the_feed(tmp_path: Path) -> None:
    """Names with markup, and characters that XML does not have."""
    name = "a<b>&\x07\x00\ud800\ufffe \u0645 ]]>"
    record_run(tmp_path, record(date(2016, 1, 7), config=name, workflow=name))
    feed = feed_of(tmp_path)
    check(feed)
    assert "a<b>&" in feed.findtext(f"{ATOM}entry/{ATOM}summary", "")


def test_the_feed_keeps_its_name(tmp_path: Path) -> None:
    """Readers know a feed by its id."""
    write_pages(tmp_path)
    before = feed_of(tmp_path).findtext(f"{ATOM}id")
    record_run(tmp_path, record(date(2016, 1, 7)))
    assert feed_of(tmp_path).findtext(f"{ATOM}id") == before
