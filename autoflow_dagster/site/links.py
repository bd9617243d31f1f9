"""Where everything of the site lies below the outputs directory, and links from page to page.

Pure: paths as text with ``/``, relative to the outputs directory. All links are relative, so that
the site works from the file system and under any address.
"""

from __future__ import annotations

import hashlib
import posixpath
import re
from datetime import date
from pathlib import PurePosixPath
from urllib.parse import quote

INDEX = "index.html"
SITE = "site"
RECORDS = "site/records"
FEED = "site/feed.xml"
STYLE = "site/style.css"

_LONGEST_NAME = 80
_MADE_SAFE = re.compile(r"-[0-9a-f]{8}$")


def safe_name(text: str) -> str:
    """Return a file name for a name from data: the name itself where it can be.

    Different names give different file names.

    Examples
    --------
    >>> safe_name("flows_report")
    'flows_report'
    >>> safe_name("../a")
    '_a-61b4c98b'
    """
    safe = re.sub(r"[^A-Za-z0-9_-]+", "_", text)
    if safe == text and 0 < len(text) <= _LONGEST_NAME and not _MADE_SAFE.search(text):
        return text
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{safe[:_LONGEST_NAME]}-{digest}"


def month_of(day: date) -> str:
    """Return the month of a day as ``YYYY-MM``."""
    return f"{day.year:04}-{day.month:02}"


def config_page(config: str) -> str:
    """Return the page of a config."""
    return f"{SITE}/configs/{safe_name(config)}/index.html"


def year_page(config: str, year: str) -> str:
    """Return the page with a year of a config."""
    return f"{SITE}/configs/{safe_name(config)}/{year}.html"


def month_page(config: str, month: str) -> str:
    """Return the page with a month of a config."""
    return f"{SITE}/configs/{safe_name(config)}/{month}.html"


def dates_page(month: str) -> str:
    """Return the page with a month of all configs."""
    return f"{SITE}/dates/{month}.html"


def notebook_page(executed: str) -> str:
    """Return the page that shows an executed notebook.

    Examples
    --------
    >>> notebook_page("notebooks/failed/a.ipynb")
    'site/notebooks/failed/a.html'
    """
    return f"{SITE}/{executed.removesuffix('.ipynb')}.html"


def thumbnail(report: str) -> str:
    """Return the picture of a PDF report's first page.

    Examples
    --------
    >>> thumbnail("reports/a.pdf")
    'site/thumbnails/a.png'
    """
    inside = PurePosixPath(report).with_suffix(".png").relative_to("reports")
    return f"{SITE}/thumbnails/{inside}"


def latest_link(config: str, notebook: str, report_format: str) -> str:
    """Return the stable name of the latest report of a notebook.

    Examples
    --------
    >>> latest_link("flows", "flows_report", "pdf")
    'site/latest/flows/flows_report.pdf'
    """
    return f"{SITE}/latest/{safe_name(config)}/{safe_name(notebook)}.{safe_name(report_format)}"


def anchor(key: str) -> str:
    """Return the id, within a month's page, of a date (in ISO form) or of a run."""
    return f"d{key}" if re.fullmatch(r"[\d-]+", key) else safe_name(key)


def relative(page: str, target: str, fragment: str = "") -> str:
    """Return the link from a page to a file, both relative to the outputs directory.

    Examples
    --------
    >>> relative("site/configs/flows/2016.html", "reports/50% #1.pdf")
    '../../../reports/50%25%20%231.pdf'
    """
    path = quote(posixpath.relpath(target, posixpath.dirname(page) or "."))
    return f"{path}#{quote(fragment)}" if fragment else path


def public_url(base_url: str, target: str, fragment: str = "") -> str:
    """Return the address of a file.

    Parameters
    ----------
    base_url : str
        Address of the outputs directory as readers see it, with or without a slash at its end.

    Examples
    --------
    >>> public_url("https://example.org/reports", "site/feed.xml")
    'https://example.org/reports/site/feed.xml'
    """
    return f"{base_url.rstrip('/')}/{relative('', target, fragment)}"


def date_url(base_url: str, config: str, reference_date: date | None) -> str:
    """Return the address of a date's entry on the site; without a date that of the config.

    Examples
    --------
    >>> date_url("https://example.org", "flows", date(2016, 1, 7))
    'https://example.org/site/configs/flows/2016-01.html#d2016-01-07'
    """
    if reference_date is None:
        return public_url(base_url, config_page(config))
    page = month_page(config, month_of(reference_date))
    return public_url(base_url, page, anchor(reference_date.isoformat()))
