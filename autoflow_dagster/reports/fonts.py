"""Fonts of a PDF: only those that come with Python packages, so that every machine has the same."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

TEXT_FONTS = (
    "Noto Sans",
    "Noto Sans Arabic",
    "Noto Sans Devanagari",
    "Noto Sans Bengali",
    "Noto Sans Ethiopic",
    "Noto Sans Khmer",
    "Noto Sans Myanmar",
    "Noto Sans Sinhala",
    "Noto Sans Tamil",
    "Noto Sans Thai",
    "Noto Sans Lao",
    "Noto Sans Hebrew",
    "Noto Sans Armenian",
    "Noto Sans Georgian",
    "Noto Sans Gujarati",
    "Noto Sans Gurmukhi",
    "Noto Sans Kannada",
    "Noto Sans Malayalam",
    "Noto Sans Oriya",
    "Noto Sans Telugu",
    "DejaVu Sans",
    "Noto Emoji",
    "Noto Sans Symbols",
    "STIXGeneral",
    "New Computer Modern Math",
)
"""Families in the order in which each letter looks for its shape."""

MONO_FONTS = ("DejaVu Sans Mono", *TEXT_FONTS)

_PACKAGES = (
    ("manimgx_fonts", ""),
    ("fontpkg_noto_sans_devanagari", "files"),
    ("fontpkg_noto_sans_arabic", "files"),
    ("matplotlib", "mpl-data/fonts/ttf"),
)
_SUFFIXES = frozenset({".ttf", ".otf", ".ttc"})
_LAST_RESORT = "LastResort"  # has a shape for every character, all of them boxes
_ALWAYS_SHOWN = frozenset(
    code
    for first, last in (
        (0x09, 0x0D),
        (0x20, 0x24F),  # Latin
        (0x370, 0x377),  # Greek
        (0x386, 0x3FE),
        (0x400, 0x45F),  # Cyrillic
        (0x60B, 0x6FF),  # Arabic
        (0x900, 0x97F),  # Devanagari
        (0x2010, 0x2027),
        (0x2030, 0x203A),
        (0x20AC, 0x20AC),
        (0x2190, 0x2195),
        (0x2212, 0x2212),
    )
    for code in range(first, last + 1)
)
"""Characters known to be in the fonts, so that ordinary reports need not look."""


def font_directories(inputs_dir: Path | None = None) -> list[Path]:
    """Return the directories of the packages' fonts, and `inputs_dir`/fonts when there is one."""
    directories = []
    for package, inside in _PACKAGES:
        spec = find_spec(package)
        if spec is not None and spec.submodule_search_locations:
            directories.append(Path(spec.submodule_search_locations[0]) / inside)
    if inputs_dir is not None:
        directories.append(inputs_dir / "fonts")
    return [directory for directory in directories if directory.is_dir()]


def own_families(inputs_dir: Path | None) -> tuple[str, ...]:
    """Return the families of the fonts in `inputs_dir`/fonts, which stand behind all others."""
    if inputs_dir is None or not (inputs_dir / "fonts").is_dir():
        return ()
    names = {_family(path) for path in font_paths([inputs_dir / "fonts"])}
    return tuple(sorted(name for name in names if name))


def letters_without_font(text: Iterable[str], inputs_dir: Path | None) -> str:
    """Return the characters for which there is no shape in any font, in order, each once."""
    unusual = {letter for letter in text if ord(letter) not in _ALWAYS_SHOWN}
    unusual = {letter for letter in unusual if letter.isprintable()}
    if not unusual:
        return ""
    for path in font_paths(font_directories(inputs_dir)):
        unusual -= {letter for letter in unusual if ord(letter) in characters(path)}
        if not unusual:
            break
    return "".join(sorted(unusual))


def font_paths(directories: Iterable[Path]) -> list[Path]:
    """Return the font files of directories, in order."""
    return [
        path
        for directory in directories
        for path in sorted(directory.iterdir())
        if path.suffix.lower() in _SUFFIXES and not path.name.startswith(_LAST_RESORT)
    ]


@lru_cache(maxsize=200)
def characters(path: Path) -> frozenset[int]:
    """Return the characters that a font has; none when it cannot be read."""
    with _opened(path) as font:
        return frozenset(font.getBestCmap() or ()) if font is not None else frozenset()


def _family(path: Path) -> str:
    with _opened(path) as font:
        names = font["name"] if font is not None and "name" in font else None
        return "" if names is None else str(names.getDebugName(16) or names.getDebugName(1) or "")


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """Open a font; None when it is none."""
    from fontTools.ttLib import TTFont, TTLibError  # type: ignore[import-untyped]

    with path.open("rb") as file:
        try:
            font = TTFont(file, lazy=True, fontNumber=0)
        except (TTLibError, OSError):
            font = None
        yield font
