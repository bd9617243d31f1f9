"""How the site is made: what the caller decides."""

from __future__ import annotations

from dataclasses import dataclass

PAGES_AT_ONCE = 40
"""Months whose pages one call writes; more wait for the next call."""


@dataclass(frozen=True)
class SiteOptions:
    """What the caller decides about the site.

    Attributes
    ----------
    title : str
        Of the site and of its feed.
    base_url : str
        Address of the outputs directory as readers see it, for the feed; empty when it is not
        known, and the feed's links are relative.
    pages_at_once : int
        Months whose pages one call writes at most, besides the month of the run it records. The
        rest waits for the next calls, so that a call after a change in the whole history is short.
    notebook_pages, thumbnails : bool
        Whether executed notebooks become pages, and first pages of PDF reports pictures.
    """

    title: str = "Reports"
    base_url: str = ""
    pages_at_once: int = PAGES_AT_ONCE
    notebook_pages: bool = True
    thumbnails: bool = True
