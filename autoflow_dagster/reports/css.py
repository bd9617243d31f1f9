"""The little CSS that pandas writes: inline styles, and rules by id, tag and class.

Not a CSS engine: selectors that need more than one element and its table are left alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

_RULE = re.compile(r"([^{}]+)\{([^{}]*)\}")
_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_COMPOUND = re.compile(r"(?P<tag>[a-zA-Z][\w]*)?(?P<rest>(?:[.#][\w-]+)*)")
_HEX = re.compile(r"#([0-9a-fA-F]{8}|[0-9a-fA-F]{6}|[0-9a-fA-F]{3,4})(?![0-9a-fA-F])")
_RGB = re.compile(r"rgba?\(\s*(\d+)[\s,]+(\d+)[\s,]+(\d+)(?:[\s,/]+([\d.]+%?))?\s*\)")
_STOP = re.compile(r"(#[0-9a-fA-F]{3,8}|rgba?\([^)]*\)|[a-zA-Z]+)\s+([\d.]+)%")
_PARTS = re.compile(r"(?:[^\s,(]|\([^)]*\))+")

Style = dict[str, str]


def declarations(text: str) -> Style:
    """Return the declarations of a ``style`` attribute or rule body, property names in lower case."""
    found: Style = {}
    for part in text.split(";"):
        name, colon, value = part.partition(":")
        if colon and value.strip():
            found[name.strip().lower()] = value.replace("!important", "").strip()
    return found


@dataclass
class Stylesheet:
    """Rules collected from ``<style>`` elements, asked element by element."""

    by_id: dict[str, Style] = field(default_factory=dict)
    others: list[tuple[str | None, str | None, frozenset[str], Style]] = field(default_factory=list)

    def add(self, css: str) -> None:
        """Add the rules of one ``<style>`` element; what is not understood is passed over."""
        for selectors, body in _RULE.findall(_COMMENT.sub("", css)):
            style = declarations(body)
            if style:
                for selector in selectors.split(","):
                    self._add_rule(selector.strip(), style)

    def _add_rule(self, selector: str, style: Style) -> None:
        if not selector or any(mark in selector for mark in ":>+~[@*"):
            return
        compounds = selector.split()
        if len(compounds) == 1 and re.fullmatch(r"#[\w-]+", selector):
            self.by_id.setdefault(selector[1:], {}).update(style)
            return
        last = _COMPOUND.fullmatch(compounds[-1])
        first = re.search(r"#([\w-]+)", compounds[0])
        if last is None or len(compounds) > 2:
            return
        classes = frozenset(re.findall(r"\.([\w-]+)", last["rest"]))
        self.others.append((first[1] if first else None, last["tag"], classes, style))

    def style_of(self, tag: str, attributes: Mapping[str, str], table_id: str | None) -> Style:
        """Return what applies to an element inside the table `table_id`, strongest last."""
        found: Style = {}
        if self.others:
            classes = set(attributes.get("class", "").split())
            for rule_id, rule_tag, rule_classes, style in self.others:
                if rule_id not in (None, table_id) or rule_tag not in (None, tag):
                    continue
                if rule_classes <= classes:
                    found.update(style)
        element_id = attributes.get("id")
        if element_id in self.by_id:
            found.update(self.by_id[element_id])
        if "style" in attributes:
            found.update(declarations(attributes["style"]))
        return found


def colour(value: str | None) -> str | None:
    """Return a CSS colour as ``#RRGGBB``; None when absent, transparent or not understood.

    Examples
    --------
    >>> colour("#abc"), colour("rgb(255, 0, 0)"), colour("salmon"), colour("transparent")
    ('#AABBCC', '#FF0000', '#FA8072', None)
    """
    if not value:
        return None
    if match := _HEX.search(value):
        digits = match[1]
        if len(digits) in (3, 4):
            digits = "".join(2 * digit for digit in digits)
        return None if digits[6:] == "00" else "#" + digits[:6].upper()
    if match := _RGB.search(value):
        if match[4] in ("0", "0%", "0.0"):
            return None
        return "#" + "".join(f"{min(int(part), 255):02X}" for part in match.groups()[:3])
    return next((NAMED[w.lower()] for w in _PARTS.findall(value) if w.lower() in NAMED), None)


def bar(value: str | None) -> tuple[tuple[float, float, str], ...]:
    """Return the coloured stretches of a Styler bar: start, end (percent) and colour of each.

    Examples
    --------
    >>> bar("linear-gradient(90deg, #d65f5f 50.0%, transparent 50.0%)")
    ((0.0, 50.0, '#D65F5F'),)
    >>> bar("linear-gradient(90deg, transparent 20%, red 20%, red 60%, transparent 60%)")
    ((20.0, 60.0, '#FF0000'),)
    """
    if not value or not value.startswith("linear-gradient(90deg"):
        return ()
    start, found = 0.0, []
    for name, percent in _STOP.findall(value):
        end, hexadecimal = min(float(percent), 100.0), colour(name)
        if hexadecimal and end > start:
            found.append((start, end, hexadecimal))
        start = max(start, end)
    return tuple(found)


NAMED = {
    "white": "#FFFFFF", "black": "#000000", "red": "#FF0000", "green": "#008000", "blue": "#0000FF",
    "yellow": "#FFFF00", "orange": "#FFA500", "purple": "#800080", "grey": "#808080",
    "gray": "#808080", "lightgreen": "#90EE90", "lightblue": "#ADD8E6", "pink": "#FFC0CB",
    "salmon": "#FA8072", "lightgrey": "#D3D3D3", "lightgray": "#D3D3D3", "darkgreen": "#006400",
    "darkred": "#8B0000", "darkblue": "#00008B", "darkorange": "#FF8C00", "gold": "#FFD700",
    "lightyellow": "#FFFFE0", "lightcoral": "#F08080", "lightsalmon": "#FFA07A", "coral": "#FF7F50",
    "tomato": "#FF6347", "crimson": "#DC143C", "firebrick": "#B22222", "maroon": "#800000",
    "navy": "#000080", "teal": "#008080", "cyan": "#00FFFF", "aqua": "#00FFFF",
    "magenta": "#FF00FF", "lime": "#00FF00", "olive": "#808000", "silver": "#C0C0C0",
    "brown": "#A52A2A", "violet": "#EE82EE", "indigo": "#4B0082", "khaki": "#F0E68C",
    "skyblue": "#87CEEB", "steelblue": "#4682B4", "palegreen": "#98FB98", "beige": "#F5F5DC",
    "lavender": "#E6E6FA", "wheat": "#F5DEB3", "mistyrose": "#FFE4E1", "honeydew": "#F0FFF0",
    "aliceblue": "#F0F8FF", "whitesmoke": "#F5F5F5", "dimgray": "#696969", "dimgrey": "#696969",
    "darkgray": "#A9A9A9", "darkgrey": "#A9A9A9", "seagreen": "#2E8B57", "forestgreen": "#228B22",
    "limegreen": "#32CD32", "yellowgreen": "#9ACD32", "turquoise": "#40E0D0",
    "cornflowerblue": "#6495ED", "royalblue": "#4169E1", "dodgerblue": "#1E90FF",
}  # fmt: skip
"""The CSS colour names met in notebooks."""
