"""The site of reports: static pages below the outputs directory, to find and read what was made.

`record_run` takes in how a run ended, `record_plan` what a check found; both bring the pages up to
date, as does `delete_outputs` with files. `rebuild` makes a lost site again, `SiteServer` shows it to browsers. What is done, due or
waiting is decided elsewhere, and reports are made elsewhere. Nothing here knows Dagster.
"""

from autoflow_dagster.site.app import build_app
from autoflow_dagster.site.deletion import delete_outputs
from autoflow_dagster.site.links import date_url
from autoflow_dagster.site.options import SiteOptions
from autoflow_dagster.site.rebuild import needs_rebuild, rebuild, records_on_disk
from autoflow_dagster.site.records import DateRecord, Document, SiteError
from autoflow_dagster.site.server import SiteServer
from autoflow_dagster.site.states import SiteState
from autoflow_dagster.site.thumbnails import keep_thumbnail
from autoflow_dagster.site.update import record_plan, record_run, write_pages

__all__ = [
    "DateRecord",
    "Document",
    "SiteError",
    "SiteOptions",
    "SiteServer",
    "SiteState",
    "build_app",
    "date_url",
    "delete_outputs",
    "keep_thumbnail",
    "needs_rebuild",
    "rebuild",
    "record_plan",
    "record_run",
    "records_on_disk",
    "write_pages",
]
