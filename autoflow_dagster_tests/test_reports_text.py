"""Text of notebooks in reports: Markdown, mathematics, languages, raw cells and links."""

from __future__ import annotations

from pathlib import Path

import pytest

from autoflow_dagster_tests.report_notebooks import (
    Report,
    code,
    make,
    markdown,
    raw,
    shown,
    squeezed,
)

pytestmark = pytest.mark.integration

STORY = r"""# Flows *above* normal

A paragraph with **bold**, _italic_, ~~struck~~, `inline code`, a [link](https://example.org/a?b=1&c=2),
a footnote[^why] and $a^2 + b^2 = c^2$.

[^why]: Because of the holidays.

## Lists

- first
  - nested
    1. deepest
- second

Term
: Its meaning

> Quoted words
>
> - in a list

```python
def flow(x):
    return x + 1  # a comment
```

$$\int_0^1 x^2\,dx = \frac{1}{3}$$

\begin{align}
y &= \alpha x
\end{align}

| place | flow |
|:------|-----:|
| A     | 1    |
| B     | -2.5 |

---

> [!WARNING]
> Mind the gap.

Some <b>raw</b> H<sub>2</sub>O<br>text <script>alert(1)</script>.

<table><tr><td>raw table cell</td></tr></table>
"""
LANGUAGES = {
    "French": "Déplacements à Noël : « l'été », œuvre, 100 €",
    "Nepali": "काठमाडौँ उपत्यका",
    "Arabic": "حركة السكان في المدينة",
    "Greek": "Ροές πάνω από το κανονικό",
    "Cyrillic": "Потоки выше нормы",
    "Emoji": "🚀 😀 ✅ ✓",
}


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """Return a PDF of a text with everything that Markdown has."""
    cells = [
        markdown(STORY),
        *(markdown(f"### {name}\n\n{text}") for name, text in LANGUAGES.items()),
    ]
    return make(tmp_path_factory.mktemp("story"), *cells)


def test_markdown_becomes_text_without_its_signs(story: Report) -> None:
    """Emphasis, code, lists, quotes, footnotes, notes and rules are set, not printed as Markdown."""
    assert "Flows above normal" in story.pages[0]
    for text in (
        "A paragraph with bold, italic, struck, inline code, a link",
        "Because of the holidays.",
        "nested",
        "deepest",
        "Term Its meaning",
        "Quoted words",
        "return x + 1 # a comment",
        "Warning Mind the gap.",
        "raw table cell",
    ):
        assert squeezed(text) in story.squeezed
    for sign in ("**", "~~", "[^", "[!", "##", "```", "|:", "<b>", "alert", "\\begin"):
        assert sign not in story.text


def test_raw_html_in_markdown_keeps_its_meaning(story: Report) -> None:
    """Inline tags are obeyed where a report can, and scripts vanish."""
    assert "SomerawH2Otext" in story.squeezed


def test_formulas_are_set_and_not_shown_as_latex(story: Report) -> None:
    """Inline, displayed and bare environments alike."""
    assert "\\frac" not in story.text
    assert "\\alpha" not in story.text
    assert "∫" in story.text
    assert "\N{MATHEMATICAL ITALIC SMALL ALPHA}" in story.text


def test_negative_numbers_keep_the_sign_that_can_be_copied(story: Report) -> None:
    """A hyphen in data stays a hyphen; a typographic minus would not be a number any more."""
    assert "-2.5" in story.text


def test_links_are_links(story: Report) -> None:
    """A web address can be followed."""
    notes = [note.get_object() for page in story.pdf.pages for note in page.get("/Annots") or ()]
    targets = [note["/A"]["/URI"] for note in notes if "/A" in note and "/URI" in note["/A"]]
    assert "https://example.org/a?b=1&c=2" in targets


def test_headings_are_bookmarks(story: Report) -> None:
    """The outline of the PDF begins with the title and has the headings below it."""
    title, below = story.pdf.outline
    assert title.title == "Flows above normal"
    assert [item.title for item in below if not isinstance(item, list)] == ["Lists"]


@pytest.mark.parametrize("language", ["French", "Greek", "Cyrillic"])
def test_languages_are_set_with_fonts_of_the_packages(story: Report, language: str) -> None:
    """Letters can be read back from the PDF."""
    assert squeezed(LANGUAGES[language]) in story.squeezed


def test_every_script_has_a_font(story: Report) -> None:
    """No letter of these languages is without a shape, emoji included."""
    assert story.summary.notes == ()
    fonts = {
        str(font.get_object()["/BaseFont"])
        for page in story.pdf.pages
        for font in page["/Resources"]["/Font"].values()
    }
    for family in ("NotoSansArabic", "NotoSansDevanagari", "NotoEmoji"):
        assert any(family in font.replace("-", "") for font in fonts), fonts


def test_arabic_runs_from_right_to_left(tmp_path: Path) -> None:
    """A paragraph that begins with Arabic stands at the right."""
    report = make(tmp_path, markdown("Left"), markdown("حركة"))
    places: dict[str, float] = {}

    def visit(text: str, cm: list[float], tm: list[float], _font: object, _size: float) -> None:
        for letter in text.strip():
            places.setdefault(letter, cm[0] * tm[4] + cm[4])

    report.pdf.pages[0].extract_text(visitor_text=visit)
    assert places["L"] < 150
    assert places["ح"] > 400


def test_displayed_markdown_is_text_like_any_other(tmp_path: Path) -> None:
    """`display(Markdown(...))` makes headings, which are bookmarks too."""
    cell = code(
        "x", shown("text/markdown", "## Shown *so*\n\nText with $x^2$", "<Markdown object>")
    )
    report = make(tmp_path, cell)
    assert "Shown so" in report.text
    assert "<Markdown" not in report.text
    assert [item.title for item in report.pdf.outline[1]] == ["Shown so"]


def test_formulas_of_outputs_are_set(tmp_path: Path) -> None:
    """`display(Math(...))` and what sympy shows, in all their delimiters."""
    cells = [
        code("x", shown("text/latex", latex, "<IPython.core.display.Math object>"))
        for latex in (r"$\displaystyle \sum_{i=1}^{n} x_i$", r"$$\sqrt{2}$$", r"\[\beta\]")
    ]
    report = make(tmp_path, *cells)
    assert "Math object" not in report.text
    assert {"∑", "√", "𝛽"} <= set(report.text)


def test_latex_that_is_no_formula_is_shown_as_it_is(tmp_path: Path) -> None:
    """Unknown commands and tables in LaTeX are not lost."""
    report = make(tmp_path, code("x", shown("text/latex", r"\begin{tabular}{l}kept\end{tabular}")))
    assert "kept" in report.text


def test_raw_cells_are_asciidoc(tmp_path: Path) -> None:
    """As in nbconvert, a raw cell goes into the AsciiDoc; one that is broken harms nothing else."""
    cells = [
        raw("An *emphatic* word"),
        raw("++++\nnever closed"),
        raw(".dangling"),
        raw("include::/etc/passwd[]"),
        raw("Some **Markdown**", raw_mimetype="text/markdown"),
        raw("\\LaTeX", raw_mimetype="text/latex"),
        markdown("Afterwards"),
    ]
    for chosen, emphatic in (
        ("pdf", "An emphatic word"),
        ("html", "An <strong>emphatic</strong> word"),
    ):
        report = make(tmp_path, *cells, format=chosen)
        assert emphatic in report.text
        assert "Afterwards" in report.text
        for absent in ("root:", "**", "LaTeX"):
            assert absent not in report.text


def test_a_page_break_tag_begins_a_page(tmp_path: Path) -> None:
    """The cell with the tag is the first of its page."""
    report = make(tmp_path, markdown("One"), markdown("Two", tags=["page_break"]))
    assert "One" in report.pages[0]
    assert report.pages[1].lstrip().startswith("Two")


def test_links_that_could_do_harm_are_text(tmp_path: Path) -> None:
    """Only web and mail addresses can be followed."""
    bad = "[run](javascript:alert(1)) [file](file:///etc/passwd) [rel](../x.html) [here](#nowhere)"
    report = make(tmp_path, markdown(bad))
    assert "run file rel here" in report.text
    assert not any(page.get("/Annots") for page in report.pdf.pages)
