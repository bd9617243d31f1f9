"""Scraps as Dagster metadata."""

from __future__ import annotations

import base64
import io
import re
from typing import Any

import pytest
from PIL import Image

from autoflow_dagster.notebooks.scraps import scraps_of
from autoflow_dagster.scrap_metadata import MAX_TEXT_CHARACTERS, scrap_metadata


def _entry(data: Any, encoder: str = "json") -> Any:
    return scrap_metadata({"x": {"name": "x", "data": data, "encoder": encoder}})["scrap: x"]


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (3, "IntMetadataValue"),
        (2.5, "FloatMetadataValue"),
        (True, "BoolMetadataValue"),
        ("text", "TextMetadataValue"),
        ([1, 2], "JsonMetadataValue"),
        ({"a": 1}, "JsonMetadataValue"),
        (None, "TextMetadataValue"),
        (float("nan"), "TextMetadataValue"),
        ([float("inf")], "TextMetadataValue"),
        (2**70, "TextMetadataValue"),
    ],
)
def test_each_kind_of_scrap_has_its_kind_of_metadata(data: Any, kind: str) -> None:
    """Numbers stay numbers, so that Dagster can plot them."""
    assert type(_entry(data)).__name__ == kind


def test_a_long_text_is_shortened_and_says_so() -> None:
    """The executed notebook has all of it."""
    text = _entry("a" * 5000).value
    assert text.startswith("a" * MAX_TEXT_CHARACTERS)
    assert text.endswith("(5000 characters; the executed notebook has all)")


def test_a_data_frame_becomes_a_markdown_table_with_limits() -> None:
    """As scrapbook glues it: parquet in base64."""
    import pyarrow
    import pyarrow.parquet

    buffer = io.BytesIO()
    table = pyarrow.table({"pcod": [f"D|{n}" for n in range(25)], "value": list(range(25))})
    pyarrow.parquet.write_table(table, buffer)
    lines = _entry(base64.b64encode(buffer.getvalue()).decode(), "pandas").value.splitlines()
    assert lines[:3] == ["| pcod | value |", "| --- | --- |", "| D\\|0 | 0 |"]
    assert lines[-1] == "5 more rows, 0 more columns."


def test_a_broken_data_frame_is_said_to_be_broken() -> None:
    """A scrap is data from a notebook, which can hold anything."""
    assert "could not be decoded" in _entry("bm8gcGFycXVldA==", "pandas").value


def test_a_later_scrap_of_the_same_name_wins() -> None:
    """As in scrapbook."""

    def output(data: int) -> dict[str, Any]:
        scrap = {"name": "n", "data": data, "encoder": "json", "version": 1}
        return {
            "data": {"application/scrapbook.scrap.json+json": scrap},
            "metadata": {"scrapbook": {"name": "n", "data": True, "display": False}},
        }

    notebook = {"cells": [{"outputs": [output(1)]}, {"outputs": [output(2)]}, {"source": ""}]}
    assert scraps_of(notebook)["n"]["data"] == 2


def _picture(width: int, height: int, kind: str = "PNG") -> str:
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), "teal").save(buffer, format=kind)
    return base64.b64encode(buffer.getvalue()).decode()


def _display(mime: str, data: Any) -> dict[str, Any]:
    return {"name": "x", "display": {mime: data, "text/plain": "<Figure>"}}


@pytest.mark.parametrize(("mime", "kind"), [("image/png", "PNG"), ("image/jpeg", "JPEG")])
def test_a_picture_that_was_glued_becomes_a_small_one(mime: str, kind: str) -> None:
    """In Markdown, which Dagster's UI draws."""
    entries = scrap_metadata({"map": _display(mime, _picture(1280, 640, kind))})
    match = re.fullmatch(
        r"!\[map\]\(data:image/png;base64,([\w+/=]+)\)", str(entries["scrap: map"].value)
    )
    assert match
    with Image.open(io.BytesIO(base64.b64decode(match[1]))) as small:
        assert small.size == (320, 160)
        assert small.convert("RGB").getpixel((5, 5)) == pytest.approx((0, 128, 128), abs=5)


@pytest.mark.parametrize(
    "display",
    [
        _display("image/png", "bm8gcGljdHVyZQ=="),
        _display("image/png", "?"),
        _display("image/png", ["a list"]),
        _display("image/png", _picture(8000, 7000)),
        _display("image/svg+xml", "<svg/>"),
    ],
    ids=["no picture", "no base64", "no text", "too large", "svg"],
)
def test_what_is_no_picture_or_too_large_is_left_out(display: dict[str, Any]) -> None:
    """The executed notebook has it."""
    assert scrap_metadata({"x": display}) == {}


def test_only_the_first_pictures_are_kept() -> None:
    """The event log has them for every date."""
    glued = {f"map {n}": _display("image/png", _picture(20, 10)) for n in range(5)}
    assert list(scrap_metadata(glued)) == ["scrap: map 0", "scrap: map 1", "scrap: map 2"]


def test_a_few_bright_points_of_a_plot_keep_their_colour() -> None:
    """They are what it is about; nearly all of it is grey lines and black letters."""
    picture = Image.effect_noise((320, 160), 60).convert("RGB")
    picture.paste((179, 88, 6), (100, 80, 104, 84))
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG")
    encoded = base64.b64encode(buffer.getvalue()).decode()
    text = str(scrap_metadata({"plot": _display("image/png", encoded)})["scrap: plot"].value)
    with Image.open(io.BytesIO(base64.b64decode(text.split("base64,")[1][:-1]))) as small:
        colour = small.convert("RGB").getpixel((102, 82))
    assert colour == pytest.approx((179, 88, 6), abs=25)
