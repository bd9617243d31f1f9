"""SVG pictures: measured, and freed of what could run or be fetched."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_SVG = "http://www.w3.org/2000/svg"
_XLINK = "http://www.w3.org/1999/xlink"
_UNITS_PT = {
    "": 0.75,
    "px": 0.75,
    "pt": 1.0,
    "in": 72.0,
    "cm": 72 / 2.54,
    "mm": 72 / 25.4,
    "pc": 12.0,
}
_DEFAULT_WIDTH_PT = 240.0
_ACTIVE = frozenset({"script", "foreignObject", "iframe", "audio", "video", "handler", "set"})
_OUTSIDE = re.compile(r"url\(\s*['\"]?(?!#|['\"]?\s*data:)[^)]*\)|@import[^;]*;?", re.IGNORECASE)


@dataclass(frozen=True)
class Svg:
    """A harmless drawing and its width in points."""

    data: bytes
    width_pt: float


def read_svg(data: bytes) -> Svg | None:
    """Return a drawing without scripts and without references to anything outside it.

    None when it is not SVG, or declares entities, with which a small file can become a huge one.
    """
    from xml.etree import ElementTree

    text = data.decode("utf-8", "replace")
    if "<!ENTITY" in text:
        return None
    if "xmlns=" not in text[: text.find(">", text.find("<svg")) + 1]:
        text = text.replace("<svg", f'<svg xmlns="{_SVG}"', 1)
    if "xlink:" in text and "xmlns:xlink" not in text:
        text = text.replace("<svg", f'<svg xmlns:xlink="{_XLINK}"', 1)
    ElementTree.register_namespace("", _SVG)
    ElementTree.register_namespace("xlink", _XLINK)
    try:
        root = ElementTree.fromstring(re.sub(r"<!DOCTYPE[^>]*>", "", text))
    except (ElementTree.ParseError, ValueError):
        return None
    if _name(root) != "svg":
        return None
    _clean(root)
    return Svg(ElementTree.tostring(root), _width_pt(root))


def _clean(element: Element) -> None:
    for child in list(element):
        if _name(child) in _ACTIVE or (_name(child) == "image" and not _is_inside(child)):
            element.remove(child)
        else:
            _clean(child)
    for name, value in list(element.attrib.items()):
        local = name.rpartition("}")[2].lower()
        if local.startswith("on") or (
            local == "href" and not value.startswith(("#", "data:image/"))
        ):
            del element.attrib[name]
        elif "url(" in value:
            element.set(name, _OUTSIDE.sub("none", value))
    if _name(element) == "style" and element.text:
        element.text = _OUTSIDE.sub("none", element.text)


def _is_inside(image: Element) -> bool:
    source = image.get("href") or image.get(f"{{{_XLINK}}}href") or ""
    return source.startswith("data:image/")


def _name(element: Element) -> str:
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""


def _width_pt(root: Element) -> float:
    width = length_pt(root.get("width", ""))
    if width is None:
        box = re.split(r"[\s,]+", root.get("viewBox", "").strip())
        width = length_pt(box[2]) if len(box) == 4 else None
    return max(width if width is not None else _DEFAULT_WIDTH_PT, 1.0)


def length_pt(text: str) -> float | None:
    """Return a CSS length in points; None when it is relative or not a length.

    Examples
    --------
    >>> length_pt("96px"), length_pt("72pt"), length_pt("50%")
    (72.0, 72.0, None)
    """
    match = re.fullmatch(r"\s*(\d+\.?\d*|\.\d+)\s*([a-z]*)\s*", text)
    if match is None or match[2] not in _UNITS_PT:
        return None
    return float(match[1]) * _UNITS_PT[match[2]]
