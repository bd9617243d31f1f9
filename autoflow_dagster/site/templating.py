"""The site's templates: Jinja with everything from data escaped."""

from __future__ import annotations

import base64
import functools
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autoflow_dagster import __version__
from autoflow_dagster.site.calendars import WEEKDAYS, day_name, month_name, time_name
from autoflow_dagster.site.states import SiteState

if TYPE_CHECKING:
    from jinja2 import Environment

TEMPLATES = Path(__file__).with_name("templates")


@functools.cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    script = (TEMPLATES / "find.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    environment.globals |= {
        "find_script": Markup(script),
        # Scripts that come from data do not run even if escaping should fail somewhere. Style
        # sheets and pictures are left out: browsers disagree on what 'self' means for files.
        "content_policy": f"script-src 'sha256-{digest}'; object-src 'none'; base-uri 'none'",
        "states": tuple(SiteState),
        "weekdays": WEEKDAYS,
        "version": __version__,
    }
    environment.filters |= {
        "day_name": day_name,
        "month_name": month_name,
        "time_name": time_name,
    }
    return environment


def render(template: str, **values: Any) -> str:
    """Return a page; text in the values is escaped."""
    return _environment().get_template(template).render(**values)


def style_sheet() -> str:
    """Return the style sheet of all pages."""
    return (TEMPLATES / "style.css").read_text(encoding="utf-8")
