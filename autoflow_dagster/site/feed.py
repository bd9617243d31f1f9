"""The Atom feed of new reports (RFC 4287)."""

from __future__ import annotations

import re
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from xml.etree import ElementTree as ET

from autoflow_dagster.site import links
from autoflow_dagster.site.calendars import day_name
from autoflow_dagster.site.options import SiteOptions
from autoflow_dagster.site.overview import recent_records
from autoflow_dagster.site.records import DateRecord
from autoflow_dagster.site.summaries import Summary

FEED_ENTRIES = 50

_ATOM = "http://www.w3.org/2005/Atom"
_NOT_IN_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_TYPES = {"pdf": "application/pdf", "html": "text/html"}


def build_feed(
    summaries: Sequence[Summary], options: SiteOptions, feed_id: str, now: datetime
) -> str:
    """Return the feed of the newest reports of all configs.

    Parameters
    ----------
    feed_id : str
        An address that stays the same for as long as the site lives.
    now : datetime
        UTC-aware; the time of the update when there is no report yet.
    """
    records = recent_records(summaries, FEED_ENTRIES)
    feed = ET.Element("feed", {"xmlns": _ATOM, "xml:lang": "en"})
    _add(feed, "id", feed_id or _address("feed", options.base_url))
    _add(feed, "title", options.title)
    _add(feed, "updated", _moment(records[0].ended_at if records else now))
    _add(_add(feed, "author"), "name", options.title)
    _add(feed, "generator", "autoflow_dagster")
    if options.base_url:
        _link(feed, "self", "application/atom+xml", _href(links.FEED, options))
    _link(feed, "alternate", "text/html", _href(links.INDEX, options))
    for record in records:
        _add_entry(feed, record, options)
    ET.indent(feed, space="")
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(feed, "unicode") + "\n"


def _add_entry(feed: ET.Element, record: DateRecord, options: SiteOptions) -> None:
    entry = _add(feed, "entry")
    day = record.reference_date
    _add(entry, "id", _address(record.config, record.key, record.run_id))
    _add(entry, "title", f"{record.title}, {day_name(day)}" if day else record.title)
    _add(entry, "updated", _moment(record.ended_at))
    page = _href(links.month_page(record.config, record.month), options, links.anchor(record.key))
    _link(entry, "alternate", "text/html", page)
    for document in record.documents:
        for report_format, path in document.reports.items():
            kind = _TYPES.get(report_format, "application/octet-stream")
            link = _link(entry, "enclosure", kind, _href(path, options))
            link.set("title", _clean(f"{document.shown_title} ({report_format})"))
    subject = f"reference date {day}" if day else "run by hand"
    _add(entry, "summary", f"{record.config} (workflow {record.workflow}), {subject}.")
    entry.append(ET.Element("category", {"term": _clean(record.config)}))


def _href(target: str, options: SiteOptions, fragment: str = "") -> str:
    """Return a link to a file: a whole address when that is known, else from the feed's own."""
    if not options.base_url:
        return links.relative(links.FEED, target, fragment)
    return links.public_url(options.base_url, target, fragment)


def _address(*parts: str) -> str:
    """Return an address made from what makes the thing unique."""
    name = "\0".join(("autoflow_dagster", *parts)).encode("utf-8", "backslashreplace").decode()
    return f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, name)}"


def _moment(value: datetime) -> str:
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _add(parent: ET.Element, name: str, text: str = "") -> ET.Element:
    element = ET.SubElement(parent, name)
    if text:
        element.text = _clean(text)
    return element


def _link(parent: ET.Element, rel: str, kind: str, href: str) -> ET.Element:
    return ET.SubElement(parent, "link", {"rel": rel, "type": kind, "href": href})


def _clean(text: str) -> str:
    """Return text without the characters that XML cannot hold."""
    return _NOT_IN_XML.sub("\ufffd", text)
