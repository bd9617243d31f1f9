"""Pictures of a report: found, checked, measured, and named. Nothing is fetched from a network."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import struct
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from urllib.parse import unquote, unquote_to_bytes

TEXT_WIDTH_PT = 481.9
"""Width of the text of a page: A4 less its margins, in points."""

_SUFFIXES = {"image/png": ".png", "image/jpeg": ".jpg", "image/jpg": ".jpg", "image/svg+xml": ".svg",
             "image/gif": ".gif", "image/webp": ".webp"}  # fmt: skip
_MIMES = {suffix: mime for mime, suffix in _SUFFIXES.items()} | {".jpeg": "image/jpeg"}
_LARGEST_PIXELS = 120_000_000
_LARGEST_BYTES = 60_000_000
_UNITS_PT = {"": 0.75, "px": 0.75, "pt": 1.0, "in": 72.0, "cm": 72 / 2.54, "mm": 72 / 25.4, "pc": 12.0}


@dataclass(frozen=True)
class Picture:
    """A picture that can be shown: its file name, bytes, type, and own width in points."""

    name: str
    data: bytes
    mime: str
    width_pt: float


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

    def find(self, source: str) -> Picture | str:
        """Return the picture that a text means by `source`, or the reason why it is left out."""
        if source not in self.by_source:
            self.by_source[source] = self._look_up(source)
        return self.by_source[source]

    def _look_up(self, source: str) -> Picture | str:
        if source.startswith("data:"):
            return self._from_data_uri(source)
        if re.match(r"[a-zA-Z][\w+.-]*:|//", source):
            return "Picture left out: reports fetch nothing from a network."
        if self.allowed is None:
            return "Picture left out: its file was not found."
        base = self.allowed.resolve()
        path = (base / unquote(source)).resolve()
        if not path.is_relative_to(base):
            return "Picture left out: its file is outside the inputs directory."
        if not path.is_file() or path.stat().st_size > _LARGEST_BYTES:
            return "Picture left out: its file was not found."
        mime = _MIMES.get(path.suffix.lower())
        if mime is None:
            return "Picture left out: it is neither PNG, JPEG, SVG, GIF nor WebP."
        return self.add(path.read_bytes(), mime)

    def _from_data_uri(self, source: str) -> Picture | str:
        head, _, body = source[5:].partition(",")
        mime, *flags = head.split(";")
        try:
            data = base64.b64decode(unquote(body)) if "base64" in flags else unquote_to_bytes(body)
        except (binascii.Error, ValueError):
            return "Picture left out: its data are broken."
        return self.add(data, mime)


def _check(data: bytes, mime: str) -> tuple[bytes, str, float] | str:
    if len(data) > _LARGEST_BYTES:
        return "Picture left out: it is too large."
    if mime == "image/svg+xml":
        return _check_svg(data)
    if mime not in _SUFFIXES:
        return "Picture left out: it is neither PNG, JPEG, SVG, GIF nor WebP."
    from PIL import Image

    try:
        with Image.open(BytesIO(data)) as image:
            if image.width * image.height > _LARGEST_PIXELS:
                return "Picture left out: it is too large."
            image.load()
            actual = Image.MIME.get(image.format or "", mime)
            dots = image.info.get("dpi", (96.0, 96.0))[0]
            width = image.width * 72 / dots if 30 <= float(dots) <= 2400 else image.width * 0.75
    except Exception:  # Pillow raises a dozen kinds for broken data
        return "Picture left out: its data are broken."
    if actual not in _SUFFIXES:
        return "Picture left out: it is neither PNG, JPEG, SVG, GIF nor WebP."
    return data, actual, float(width)


def _check_svg(data: bytes) -> tuple[bytes, str, float] | str:
    from xml.etree import ElementTree

    text = data.decode("utf-8", "replace")
    if "<!ENTITY" in text:
        return "Picture left out: its data are broken."
    if "xmlns=" not in text[:5000]:
        text = text.replace("<svg", '<svg xmlns="http://www.w3.org/2000/svg"', 1)
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError:
        return "Picture left out: its data are broken."
    if not root.tag.endswith("svg"):
        return "Picture left out: its data are broken."
    width = length_pt(root.get("width", ""))
    if width is None:
        box = re.split(r"[\s,]+", root.get("viewBox", "").strip())
        width = float(box[2]) * 0.75 if len(box) == 4 and _is_float(box[2]) else TEXT_WIDTH_PT / 2
    return text.encode(), "image/svg+xml", max(width, 1.0)


def length_pt(text: str) -> float | None:
    """Return a CSS length in points; None when it is relative or not a length.

    Examples
    --------
    >>> length_pt("96px"), length_pt("72pt"), length_pt("50%")
    (72.0, 72.0, None)
    """
    match = re.fullmatch(r"\s*([\d.]+)\s*([a-z]*)\s*", text)
    if match is None or match[2] not in _UNITS_PT or not _is_float(match[1]):
        return None
    return float(match[1]) * _UNITS_PT[match[2]]


def _is_float(text: str) -> bool:
    try:
        return float(text) >= 0
    except ValueError:
        return False


def png_size(data: bytes) -> tuple[int, int] | None:
    """Return width and height of a PNG in pixels, without decoding it."""
    if data[:8] != b"\x89PNG\r\n\x1a\n" or len(data) < 24:
        return None
    width, height = struct.unpack(">II", data[16:24])
    return width, height


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
