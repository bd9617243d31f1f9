"""Fonts of a PDF: only those that come with Python packages, so that every machine has the same."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

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
    "Libertinus Serif",
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
