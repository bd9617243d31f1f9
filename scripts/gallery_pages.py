"""Execute the report gallery and draw the pages of its report for the documentation.

    python scripts/gallery_pages.py [DIRECTORY]

writes `gallery.pdf` and `gallery.html` into DIRECTORY (default: a temporary one), and the pages as
small pictures into docs/images.
"""

from __future__ import annotations

import hashlib
import sys
import tempfile
from datetime import UTC, date, datetime
from io import BytesIO
from pathlib import Path

import papermill
import typst
from PIL import Image

from autoflow_dagster.reports import Provenance, ReportOptions, write_report
from autoflow_dagster.reports.fonts import font_directories

ROOT = Path(__file__).resolve().parent.parent
GALLERY = ROOT / "examples" / "report-gallery"
PICTURES = ROOT / "docs" / "images"
DOTS_PER_INCH = 80
COLOURS = 256

PROVENANCE = Provenance(
    workflow="flows_above_normal",
    reference_date=date(2016, 1, 7),
    parameters={"aggregation_unit": "admin3", "departures_above_normal": 1.5},
    date_ranges=((date(2016, 1, 1), date(2016, 1, 8)),),
    missing_dates=(date(2016, 1, 3),),
    run_id="b1946ac9-2492-4d23-a9d4-8f5fa7e9f1a5",
    notebook_filename="gallery.ipynb",
    notebook_sha256=hashlib.sha256((GALLERY / "gallery.ipynb").read_bytes()).hexdigest(),
    made_at=datetime(2016, 1, 8, 6, 0, tzinfo=UTC),
)


def main(directory: Path) -> None:
    """Make the reports in `directory` and the pictures in docs/images."""
    executed = directory / "gallery.ipynb"
    papermill.execute_notebook(
        GALLERY / "gallery.ipynb",
        executed,
        parameters={"reference_date": "2016-01-07"},
        progress_bar=False,
    )
    kept = directory / "source"
    options = ReportOptions(inputs_dir=GALLERY, keep_source=kept, author="autoflow_dagster")
    print(write_report(executed, directory / "gallery.pdf", options, PROVENANCE))
    html = ReportOptions(format="html", inputs_dir=GALLERY)
    print(write_report(executed, directory / "gallery.html", html, PROVENANCE))
    fonts = typst.Fonts(include_system_fonts=False, font_paths=list(font_directories()))
    compiler = typst.Compiler(kept / "report.typ", root=kept, font_paths=fonts)
    pages = compiler.compile(format="png", ppi=DOTS_PER_INCH)
    for number, page in enumerate(pages if isinstance(pages, list) else [pages], 1):
        image = Image.open(BytesIO(page)).convert("RGB").quantize(COLOURS)
        image.save(PICTURES / f"report-gallery-{number:02d}.png", optimize=True)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as temporary:
            main(Path(temporary))
