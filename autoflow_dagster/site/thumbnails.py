"""First pages of PDF reports as small pictures."""

from __future__ import annotations

import logging
import threading
from pathlib import Path

from autoflow_dagster.outputs import temporary_beside

logger = logging.getLogger(__name__)

WIDTH = 320
"""In pixels: twice the width at which it is shown, for sharp screens."""

_TALLEST = 2 * WIDTH
_COLOURS = 64
_pdfium = threading.Lock()
"""PDFium may be used by one thread at a time."""


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
        _draw(pdf, temporary)
        temporary.replace(destination)
    except Exception as error:  # a report without its picture is still a report
        logger.warning("No picture of the first page of %s: %s", pdf.name, error)
        return False
    finally:
        temporary.unlink(missing_ok=True)
    return True


def _draw(pdf: Path, picture: Path) -> None:
    import pypdfium2  # type: ignore[import-untyped]

    with _pdfium, pypdfium2.PdfDocument(pdf) as document:
        page = document[0]
        width, height = page.get_size()
        scale = min(WIDTH / width, _TALLEST / height)
        image = page.render(scale=scale).to_pil().convert("RGB")
    image.quantize(_COLOURS).save(picture, format="PNG", optimize=True)
