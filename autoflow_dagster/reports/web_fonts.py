"""Letters that readers' machines may lack, taken into HTML reports from the packages' fonts."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path

from autoflow_dagster.reports.fonts import characters, font_directories, font_paths

FAMILY = "Report Scripts"
_EVERYWHERE = (
    (0x0000, 0x052F),  # Latin, Greek, Cyrillic
    (0x1E00, 0x1FFF),
    (0x2000, 0x22FF),  # punctuation, currencies, arrows, operators
    (0x2500, 0x25FF),
    (0x1D400, 0x1D7FF),  # letters of formulas
    (0xE000, 0xF8FF),
)
"""Characters that every browser has a font for, or that nobody has one for."""

_JOINERS = frozenset({0x200C, 0x200D, 0xFE0E, 0xFE0F})


def font_faces(text: str, inputs_dir: Path | None) -> str:
    """Return ``@font-face`` rules with the shapes of a text's less common letters.

    Empty when there are none, as in most reports. The same text gives the same rules.
    """
    wanted = {ord(letter) for letter in set(text)}
    wanted = {code for code in wanted if not any(a <= code <= b for a, b in _EVERYWHERE)}
    rules = []
    for path in font_paths(font_directories(inputs_dir)):
        found = wanted & characters(path)
        if found - _JOINERS:
            wanted -= found
            data = base64.b64encode(_subset(path, found | _JOINERS)).decode("ascii")
            ranges = ",".join(f"U+{code:X}" for code in sorted(found | _JOINERS))
            rules.append(
                f'@font-face{{font-family:"{FAMILY}";font-weight:100 900;'
                f"src:url(data:font/woff;base64,{data});unicode-range:{ranges}}}"
            )
    return "\n".join(rules)


def _subset(path: Path, codes: Iterable[int]) -> bytes:
    """Return a font that has only some characters, with all that shaping them needs."""
    from fontTools import subset  # type: ignore[import-untyped]

    options = subset.Options(
        flavor="woff", layout_features=["*"], notdef_outline=True, recalc_timestamp=False
    )
    options.drop_tables += ["FFTM"]  # a note of one font editor, of which fontTools would complain
    font = subset.load_font(str(path), options, lazy=True)
    subsetter = subset.Subsetter(options)
    subsetter.populate(unicodes=codes)
    subsetter.subset(font)
    buffer = BytesIO()
    subset.save_font(font, buffer, options)
    font.close()
    return buffer.getvalue()
