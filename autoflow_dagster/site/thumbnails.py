"""First pages of PDF reports as small pictures."""

from __future__ import annotations

import logging
from pathlib import Path

from autoflow_dagster.outputs import temporary_beside
from autoflow_dagster.previews import first_page

logger = logging.getLogger(__name__)


def write_thumbnail(pdf: Path, destination: Path) -> bool:
    """Draw the first page of a PDF, unless the picture is there already.

    Returns
    -------
    bool
        Whether there is a picture; False when the PDF cannot be read.
    """
    if destination.exists():
        return True
    temporary = temporary_beside(destination)
    try:
        destination.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(first_page(pdf))
        temporary.replace(destination)
    except Exception as error:  # a report without its picture is still a report
        logger.warning("No picture of the first page of %s: %s", pdf.name, error)
        return False
    finally:
        temporary.unlink(missing_ok=True)
    return True
