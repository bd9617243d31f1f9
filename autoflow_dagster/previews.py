"""Small pictures of reports and plots: files for the site, Markdown for Dagster's UI."""

from __future__ import annotations

import base64
import binascii
import io
import threading
from pathlib import Path
from typing import Any

WIDTH = 320
"""In pixels: twice the width at which they are shown, for sharp screens. What is taller than twice
that becomes narrower."""

MAX_PIXELS = 50_000_000
"""Of a picture to make a preview of; a larger one is not even decoded."""

MAX_PREVIEW_BYTES = 60_000
"""Of a preview: it is kept in Dagster's event log, for every date."""

_COLOURS = 64
_pdfium = threading.Lock()
"""PDFium may be used by one thread at a time."""


def first_page(pdf: Path) -> bytes:
    """Return the first page of a PDF as a small PNG.

    Raises
    ------
    Exception
        Of several types, when the PDF cannot be read.
    """
    import pypdfium2  # type: ignore[import-untyped]

    with _pdfium, pypdfium2.PdfDocument(pdf) as document:
        page = document[0]
        width, height = page.get_size()
        scale = min(WIDTH / width, 2 * WIDTH / height)
        return _png(page.render(scale=scale).to_pil())


def small_picture(encoded: str) -> bytes | None:
    """Return a small PNG of a PNG or JPEG picture.

    Parameters
    ----------
    encoded : str
        The picture in base64, as notebooks hold it.

    Returns
    -------
    bytes or None
        None when it is no picture, or one that is too large.
    """
    from PIL import Image

    try:
        with Image.open(io.BytesIO(base64.b64decode(encoded)), formats=("PNG", "JPEG")) as picture:
            if picture.width * picture.height > MAX_PIXELS:
                return None
            picture.thumbnail((WIDTH, 2 * WIDTH))
            on_white = Image.new("RGBA", picture.size, "white")
            on_white.alpha_composite(picture.convert("RGBA"))
    except (binascii.Error, OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
    return _png(on_white)


def _png(image: Any) -> bytes:
    from PIL.Image import Quantize

    buffer = io.BytesIO()
    # Pillow's default turns the few bright points of a plot grey.
    few_colours = image.convert("RGB").quantize(_COLOURS, method=Quantize.MAXCOVERAGE)
    few_colours.save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()


def picture_markdown(png: bytes | None, description: str) -> str | None:
    """Return a PNG picture as Markdown; None when there is none, or it is too large to be kept.

    Examples
    --------
    >>> picture_markdown(b"...", "a map")
    '![a map](data:image/png;base64,Li4u)'
    >>> picture_markdown(bytes(100_000), "a map") is None
    True
    """
    if png is None or len(png) > MAX_PREVIEW_BYTES:
        return None
    text = "".join(c for c in description if c not in "[]\\\n")
    return f"![{text}](data:image/png;base64,{base64.b64encode(png).decode()})"
