"""First pages of PDF reports as small pictures."""

from __future__ import annotations

import logging
from pathlib import Path

from autoflow_dagster.outputs import written_whole
from autoflow_dagster.previews import first_page
from autoflow_dagster.site import links

logger = logging.getLogger(__name__)


def draw_thumbnail(outputs: Path, report: str) -> None:
    """Draw the first page of a PDF report, unless it has a picture already.

    A report that cannot be read gets none, and a warning.

    Parameters
    ----------
    report : str
        Relative to the outputs directory.
    """
    pdf = outputs / report
    if (outputs / links.thumbnail(report)).exists() or not pdf.exists():
        return
    try:
        keep_thumbnail(outputs, report, first_page(pdf))
    except Exception as error:  # a report without its picture is still a report
        logger.warning("No picture of the first page of %s: %s", pdf.name, error)


def keep_thumbnail(outputs: Path, report: str, picture: bytes) -> None:
    """Take a picture of a report's first page into the site, instead of one that is there.

    Parameters
    ----------
    report : str
        As for `draw_thumbnail`.
    picture : bytes
        The content of a PNG file.

    Raises
    ------
    OSError
        When it cannot be written.
    """
    with written_whole(outputs / links.thumbnail(report), is_flushed=False) as temporary:
        temporary.write_bytes(picture)
