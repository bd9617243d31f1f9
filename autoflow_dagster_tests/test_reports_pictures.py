"""Pictures in reports: their sizes, captions, and what becomes of those that cannot be shown."""

from __future__ import annotations

import base64
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from autoflow_dagster.reports import remarks
from autoflow_dagster.reports.pictures import TEXT_WIDTH_PT
from autoflow_dagster.reports.svg import length_pt, read_svg
from autoflow_dagster_tests.report_notebooks import (
    Report,
    code,
    make,
    markdown,
    picture,
    png,
    shown,
)

integration = pytest.mark.integration
DRAWING = '<svg xmlns="http://www.w3.org/2000/svg" width="200" height="80"><rect width="90" height="80"/></svg>'


def encoded(file_format: str, size: tuple[int, int] = (80, 40), **options: Any) -> bytes:
    """Return a picture in any format."""
    buffer = BytesIO()
    Image.new("RGB", size, (10, 90, 160)).save(buffer, file_format, **options)
    return buffer.getvalue()


def sizes(report: Report) -> list[tuple[float, float]]:
    """Return width and height of every picture on the pages, in points, in their order."""
    found: list[tuple[float, float]] = []

    def visit(operator: bytes, _arguments: Any, cm: list[float], _tm: Any) -> None:
        if operator == b"Do" and abs(cm[0]) > 1:
            found.append((round(abs(cm[0]), 1), round(abs(cm[3]), 1)))

    for page in report.pdf.pages:
        page.extract_text(visitor_operand_before=visit)
    return found


@integration
@pytest.mark.parametrize(
    ("data", "metadata", "expected"),
    [
        pytest.param(png(400, 200), {}, (300, 150), id="no density: 96 dots to the inch"),
        pytest.param(
            encoded("PNG", (400, 200), dpi=(100, 100)), {}, (288, 144), id="its own density"
        ),
        pytest.param(
            png(800, 400), {"image/png": {"width": 400, "height": 200}}, (300, 150), id="retina"
        ),
        pytest.param(
            encoded("PNG", (3500, 700), dpi=(100, 100)),
            {},
            (TEXT_WIDTH_PT, TEXT_WIDTH_PT / 5),
            id="a 35 x 7 inches map fills the width and no more",
        ),
    ],
)
def test_pictures_have_their_size(
    tmp_path: Path, data: bytes, metadata: dict[str, Any], expected: tuple[float, float]
) -> None:
    """Natural size, at most as wide as the text."""
    report = make(tmp_path, code("plot()", picture(data, **metadata)))
    assert sizes(report) == [pytest.approx(expected, abs=0.6)]


@integration
def test_a_picture_higher_than_the_page_is_made_to_fit(tmp_path: Path) -> None:
    """It keeps its proportions and stays on one page."""
    report = make(tmp_path, code("plot()", picture(png(300, 3000))))
    ((width, height),) = sizes(report)
    assert height < 841.9 - 100
    assert width == pytest.approx(height / 10, rel=0.01)
    assert "About this report" in report.pages[-1]


@integration
def test_every_kind_of_picture_is_shown(tmp_path: Path) -> None:
    """PNG, JPEG, GIF, WebP and SVG; in outputs, attachments, data addresses and inline HTML."""
    jpeg = encoded("JPEG")
    inline = base64.b64encode(png(30, 30)).decode()
    attached = {"map one.png": {"image/png": base64.b64encode(png(50, 20)).decode()}}
    cells = [
        code("1", picture(png())),
        code("2", picture(jpeg, "image/jpeg")),
        code("3", picture(encoded("GIF"), "image/gif")),
        code("4", picture(encoded("WEBP"), "image/webp")),
        code("5", shown("image/svg+xml", DRAWING)),
        markdown("![](attachment:map%20one.png)", attachments=attached),
        markdown(f"![dot](data:image/png;base64,{inline}) in a line"),
        code("6", shown("text/html", f"<div>{DRAWING}</div>")),
        code("7", shown("text/html", f'<img src="data:image/png;base64,{inline}" alt="x">')),
    ]
    report = make(tmp_path, *cells)
    assert report.summary.notes == ()
    assert len(sizes(report)) >= 6
    assert "left out" not in report.text


@integration
def test_captions_and_alternative_texts_come_from_the_notebook(tmp_path: Path) -> None:
    """From a comment in the cell, from metadata, from Markdown; literally."""
    cells = [
        code("#| fig-cap: 'Flows *of* January'\n#| fig-alt: A map\nplot()", picture()),
        code("plot()", picture(), caption="From | the cell"),
        code("plot()", picture(caption="From #the output")),
        code(
            "#| tbl-cap: Table words\ndf", shown("text/html", "<table><tr><td>1</td></tr></table>")
        ),
    ]
    report = make(tmp_path, *cells)
    for text in ("Flows *of* January", "From | the cell", "From #the output", "Table words"):
        assert text in report.text
    assert b"/Alt" in report.path.read_bytes()


@integration
@pytest.mark.parametrize(
    ("output", "remark"),
    [
        (picture(b"not a picture"), remarks.PICTURE_BROKEN),
        (picture(png()[:60]), remarks.PICTURE_BROKEN),
        (picture(encoded("JPEG")[:300], "image/jpeg"), remarks.PICTURE_BROKEN),
        (shown("image/png", "%%% not base64"), remarks.PICTURE_BROKEN),
        (shown("image/svg+xml", "<svg><unclosed"), remarks.PICTURE_BROKEN),
        (
            shown("image/svg+xml", '<!DOCTYPE s [<!ENTITY a "b">]><svg>&a;</svg>'),
            remarks.PICTURE_BROKEN,
        ),
        (picture(png(20_000, 20_000)), remarks.PICTURE_TOO_LARGE),
        (shown("text/html", '<img src="https://example.org/map.png">'), remarks.PICTURE_REMOTE),
        (shown("text/markdown", "![](map.png)"), remarks.PICTURE_MISSING),
        (shown("text/markdown", "![](../map.png)"), remarks.PICTURE_MISSING),
    ],
)
def test_a_picture_that_cannot_be_shown_leaves_a_remark(
    tmp_path: Path, output: Any, remark: str
) -> None:
    """The report is made all the same, says so in the picture's place, and in its summary."""
    for chosen in ("pdf", "html"):
        report = make(tmp_path, code("plot()", output), markdown("Afterwards"), format=chosen)
        assert remark in " ".join(report.text.split())
        assert "Afterwards" in report.text
        assert "Figure size" not in report.text
        assert report.summary.notes == (remark,)


@integration
def test_pictures_are_taken_from_the_inputs_directory_and_nowhere_else(tmp_path: Path) -> None:
    """A file beside the notebook's inputs can be shown; one outside cannot, by any route."""
    inputs = tmp_path / "inputs"
    inputs.mkdir()
    (inputs / "logo.png").write_bytes(png())
    (tmp_path / "secret.png").write_bytes(png())
    (inputs / "link.png").symlink_to(tmp_path / "secret.png")
    text = "![](logo.png)\n\n![](../secret.png)\n\n![](link.png)"
    report = make(tmp_path / "out", markdown(text), inputs_dir=inputs)
    assert len(sizes(report)) == 1
    assert report.summary.notes == (remarks.PICTURE_OUTSIDE,)


def test_drawings_lose_what_could_run_or_be_fetched() -> None:
    """Scripts, handlers and outside references go; shapes and what is inside the file stay."""
    drawing = read_svg(
        b'<svg width="10" height="10" onload="x()"><script>x()</script>'
        b'<image href="/etc/passwd"/><image href="data:image/png;base64,AAAA"/>'
        b'<use xlink:href="https://example.org/x.svg#a"/><use href="#inside"/>'
        b'<rect id="inside" fill="url(https://example.org/f)" width="5" height="5"/>'
        b"<style>@import url(https://example.org/s.css); rect {fill: url('//x/y')}</style></svg>"
    )
    assert drawing is not None
    text = drawing.data.decode()
    for bad in ("script", "onload", "passwd", "example.org", "//x/y"):
        assert bad not in text
    for good in ("data:image/png", "#inside", "rect"):
        assert good in text


@pytest.mark.parametrize(
    ("text", "points"),
    [
        ("96px", 72),
        ("96", 72),
        ("1in", 72),
        ("2.54cm", 72),
        ("72pt", 72),
        ("50%", None),
        ("x", None),
    ],
)
def test_lengths_are_read_in_every_unit(text: str, points: float | None) -> None:
    """Of CSS's units, the absolute ones."""
    assert length_pt(text) == (None if points is None else pytest.approx(points))
