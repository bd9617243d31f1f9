"""Which pages the site has, and which of them a change touches.

A page is made from the summaries of the configs and from the records of one month (the page of a
config: of its newest months), never from all that is recorded. What the pages show is said in
config_views.py and overview.py.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import datetime
from typing import Any

from autoflow_dagster.site import config_views, links, overview
from autoflow_dagster.site.documents import Shelf
from autoflow_dagster.site.feed import build_feed
from autoflow_dagster.site.options import SiteOptions
from autoflow_dagster.site.store import PageMonth, Store
from autoflow_dagster.site.templating import render, style_sheet


class Pages:
    """Writes pages from what is kept at the moment; the caller holds the lock.

    Parameters
    ----------
    now : datetime
        UTC-aware; shown as the time of the update.
    """

    def __init__(self, store: Store, options: SiteOptions, now: datetime) -> None:
        self.store = store
        self.options = options
        self.now = now
        self.summaries = store.read_summaries()
        self._by_name = {summary.config: summary for summary in self.summaries}
        self._months = sorted({m for summary in self.summaries for m in summary.dated_months})

    def write(self, months: Collection[PageMonth]) -> list[str]:
        """Write the pages of some months of configs, and all pages on which these show.

        Parameters
        ----------
        months : collection of (str, str)
            Names of configs and months; an empty month stands for the config's own page alone.

        Returns
        -------
        list of str
            The pages that were written, relative to the outputs directory.
        """
        known = {(config, month) for config, month in months if config in self._by_name}
        touched = {pair for config, month in known for pair in self._with_neighbours(config, month)}
        written = [page for config, month in sorted(touched) for page in self._month(config, month)]
        for config in sorted({config for config, _ in known}):
            written += self._config(config, {month[:4] for name, month in known if name == config})
        for month in sorted({month for _, month in known} & set(self._months)):
            written += self._dates(month)
        return written + self.write_overview()

    def write_overview(self) -> list[str]:
        """Write the first page, the feed and what all pages need."""
        facts = self.store.read_facts()
        feed = build_feed(self.summaries, self.options, facts.get("feed_id", ""), self.now)
        written = self._put(links.STYLE, style_sheet()) + self._put(links.FEED, feed)
        shelf = self._shelf(links.INDEX)
        values = overview.index_view(self.summaries, self._months, shelf)
        return written + self._render("index.html.j2", shelf, values)

    def _month(self, config: str, month: str) -> list[str]:
        summary = self._by_name[config]
        if month not in summary.all_months:
            return []
        shelf = self._shelf(links.month_page(config, month))
        entries = self.store.read_month(config, month)
        notes = self.store.read_notes(config)
        values = config_views.month_view(summary, month, entries, notes, shelf)
        return self._render("month.html.j2", shelf, values)

    def _config(self, config: str, changed_years: Collection[str]) -> list[str]:
        """Write the page of a config and those of some years."""
        summary = self._by_name[config]
        years = set(changed_years) & set(summary.years)
        if any(not self._exists(links.year_page(config, year)) for year in years):
            years = set(summary.years)  # the pages of all years link to the new one
        written = []
        for year in sorted(years):
            shelf = self._shelf(links.year_page(config, year))
            values = config_views.year_view(summary, year, shelf)
            written += self._render("year.html.j2", shelf, values)
        shelf = self._shelf(links.config_page(config))
        newest = config_views.newest_entries(summary, self.store.read_month)
        values = config_views.config_view(summary, newest, shelf)
        return written + self._render("config.html.j2", shelf, values)

    def _dates(self, month: str) -> list[str]:
        """Write the page of a month of all configs; if it is new those that link to it, too."""
        is_new = not self._exists(links.dates_page(month))
        beside = config_views.beside(self._months, month) if is_new else (None, None)
        written = []
        for shown in (month, *(other for other in beside if other)):
            shelf = self._shelf(links.dates_page(shown))
            values = overview.dates_view(self.summaries, self._months, shown, shelf)
            written += self._render("dates.html.j2", shelf, values)
        return written

    def _with_neighbours(self, config: str, month: str) -> Iterator[PageMonth]:
        """Yield a month, and if it is new the months beside it, whose pages link to it."""
        yield config, month
        if not self._exists(links.month_page(config, month)):
            for other in config_views.beside(self._by_name[config].all_months, month):
                if other and self._exists(links.month_page(config, other)):
                    yield config, other

    def _shelf(self, page: str) -> Shelf:
        return Shelf(self.store.outputs, page)

    def _exists(self, page: str) -> bool:
        return (self.store.outputs / page).exists()

    def _render(self, template: str, shelf: Shelf, values: Mapping[str, Any]) -> list[str]:
        frame = {"shelf": shelf, "site_title": self.options.title, "updated": self.now}
        return self._put(shelf.page, render(template, **frame, **values))

    def _put(self, page: str, text: str) -> list[str]:
        return [page] if self.store.write_page(page, text) else []
