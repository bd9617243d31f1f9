"""The words of reports that are not the notebook's: remarks about what was left out."""

from __future__ import annotations

SCRIPTS = "Interactive content left out: it needs scripts, which reports do not run."
UNREADABLE = "Text left unformatted: it could not be read as Markdown."
PICTURE_BROKEN = "Picture left out: its data are broken."
PICTURE_TOO_LARGE = "Picture left out: it is too large."
PICTURE_TYPE = "Picture left out: it is neither PNG, JPEG, SVG, GIF nor WebP."
PICTURE_REMOTE = "Picture left out: reports fetch nothing from a network."
PICTURE_OUTSIDE = "Picture left out: its file is outside the inputs directory."
PICTURE_MISSING = "Picture left out: its file was not found."
FORMULAS = "Formulas are shown as their source: one of them could not be set."
PLAIN = "Text is shown unformatted: the report could not be set otherwise."


RAW_CELLS = "Raw cells are shown as text: their AsciiDoc could not be read."


def rows_left_out(count: int) -> str:
    """Return the remark under a shortened table."""
    return f"{count:,} more {'row' if count == 1 else 'rows'} left out."


def lines_left_out(count: int) -> str:
    """Return the remark under shortened printed text."""
    return f"{count:,} more {'line' if count == 1 else 'lines'} of printed text left out."


def letters_left_out(count: int) -> str:
    """Return the remark behind a shortened text."""
    return f"{count:,} more {'character' if count == 1 else 'characters'} left out."


def template_unclosed(name: str, delimiter: str) -> str:
    """Return the remark about a block of AsciiDoc that hides what follows it."""
    return f'The AsciiDoc of "{name}" opens a block with {delimiter} and never closes it.'


def other_engine(name: str, reason: str) -> str:
    """Return the remark about a template that only Asciidoctor could read."""
    return f'Made by asciidoctor-pdf: pandoc could not read the AsciiDoc of "{name}" ({reason}).'


def template_not_used(name: str, reason: str) -> str:
    """Return the remark at the head of a report that the author's template could not make."""
    return (
        f'Made with the built-in template: the AsciiDoc of "{name}" could not be read ({reason}).'
    )


def letters_without_font(letters: str) -> str:
    """Return the remark about letters that no font has."""
    shown = ", ".join(f"U+{ord(letter):04X}" for letter in letters[:12])
    more = f" and {len(letters) - 12} others" if len(letters) > 12 else ""
    return f"No font for these characters: {shown}{more}. Put one that has them into inputs/fonts."
