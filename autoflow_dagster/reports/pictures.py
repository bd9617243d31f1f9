"""Pictures of a report: found, checked, measured, and named. Nothing is fetched from a network."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import warnings
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from urllib.parse import unquote, unquote_to_bytes

from autoflow_dagster.reports import remarks
from autoflow_dagster.reports.svg import read_svg

TEXT_WIDTH_PT = 481.9
"""Width of the text of a page: A4 less its margins, in points."""

_SUFFIXES = {"image/png": ".png", "image/jpeg": ".jpg", "image/jpg": ".jpg", "image/svg+xml": ".svg",
             "image/gif": ".gif", "image/webp": ".webp"}  # fmt: skip
_MIMES = {suffix: mime for mime, suffix in _SUFFIXES.items()} | {".jpeg": "image/jpeg"}
_CSS_DPI = 96.0
_LARGEST_BYTES = 60_000_000


@dataclass(frozen=True)
class Picture:
    """A picture that can be shown: its file name, bytes, type, and own width in points."""

    name: str
    data: bytes
    mime: str
    width_pt: float


_IMAGE_MACRO = re.compile(r"\bimage::?([^\[\s]+)\[")


@dataclass
class Pictures:
    """All pictures of one report, by the source under which the text speaks of them.

    Attributes
    ----------
    allowed : Path or None
        The directory from which files may be taken; None allows none.
    """

    allowed: Path | None = None
    by_source: dict[str, Picture | str] = field(default_factory=dict)
    kept: dict[str, Picture] = field(default_factory=dict)

    def add(self, data: bytes, mime: str, width_pt: float | None = None) -> Picture | str:
        """Check and keep a picture; return it, or the reason why it cannot be shown."""
        mime = mime.split(";")[0].strip().lower()
        checked = _check(data, mime)
        if isinstance(checked, str):
            return checked
        data, mime, own_width = checked
        name = f"picture-{hashlib.sha256(data).hexdigest()[:12]}{_SUFFIXES[mime]}"
        picture = Picture(name, data, mime, width_pt or own_width)
        self.kept[name] = picture
        self.by_source.setdefault(name, picture)
        return picture

    def find_all(self, asciidoc: str) -> None:
        """Look up every picture that AsciiDoc speaks of, templates' own among them."""
        for source in _IMAGE_MACRO.findall(asciidoc):
            self.find(source)

    def find(self, source: str) -> Picture | str:
        """Return the picture that a text means by `source`, or the reason why it is left out."""
        if source not in self.by_source:
            self.by_source[source] = self._look_up(source)
        return self.by_source[source]

    def _look_up(self, source: str) -> Picture | str:
        if source.startswith("data:"):
            return self._from_data_uri(source)
        if re.match(r"[a-zA-Z][\w+.-]*:|//", source):
            return remarks.PICTURE_REMOTE
        if self.allowed is None:
            return remarks.PICTURE_MISSING
        base = self.allowed.resolve()
        path = (base / unquote(source)).resolve()
        if not path.is_relative_to(base):
            return remarks.PICTURE_OUTSIDE
        if not path.is_file() or path.stat().st_size > _LARGEST_BYTES:
            return remarks.PICTURE_MISSING
        mime = _MIMES.get(path.suffix.lower())
        if mime is None:
            return remarks.PICTURE_TYPE
        return self.add(path.read_bytes(), mime)

    def _from_data_uri(self, source: str) -> Picture | str:
        head, _, body = source[5:].partition(",")
        mime, *flags = head.split(";")
        try:
            data = base64.b64decode(unquote(body)) if "base64" in flags else unquote_to_bytes(body)
        except (binascii.Error, ValueError):
            return remarks.PICTURE_BROKEN
        return self.add(data, mime)


def _check(data: bytes, mime: str) -> tuple[bytes, str, float] | str:
    if len(data) > _LARGEST_BYTES:
        return remarks.PICTURE_TOO_LARGE
    if mime == "image/svg+xml":
        drawing = read_svg(data)
        return remarks.PICTURE_BROKEN if drawing is None else (drawing.data, mime, drawing.width_pt)
    if mime not in _SUFFIXES:
        return remarks.PICTURE_TYPE
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            return _check_pixels(data)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        return remarks.PICTURE_TOO_LARGE
    except Exception:  # Pillow raises a dozen kinds for broken data
        return remarks.PICTURE_BROKEN


def _check_pixels(data: bytes) -> tuple[bytes, str, float] | str:
    from PIL import Image

    with Image.open(BytesIO(data)) as image:
        actual = Image.MIME.get(image.format or "", "")
        if actual not in _SUFFIXES:
            return remarks.PICTURE_TYPE
        dots = float(image.info.get("dpi", (_CSS_DPI, _CSS_DPI))[0])
        width = image.width * 72 / (dots if 30 <= dots <= 2400 else _CSS_DPI)
        if actual == "image/png":
            image.verify()  # by its checksums
        else:
            image.load()  # only decoding shows whether it is whole
    return data, actual, float(width)


def decoded(value: str | list[str], mime: str) -> bytes:
    """Return the bytes of an output's picture: base64, or text for SVG.

    Raises
    ------
    ValueError
        When it is not base64.
    """
    text = "".join(value) if isinstance(value, list) else value
    if mime == "image/svg+xml":
        return text.encode()
    return base64.b64decode(text)
