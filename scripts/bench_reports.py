"""How long reports take and how much memory they need.

    python scripts/bench_reports.py [--check] [CASE ...]

Each case runs in a process of its own: one conversion to load the libraries, then three that are
timed, of which the fastest counts. Memory is the most that this process, and any program that it
started, had at once. `--check` ends with exit code 1 when a case takes more than its limit.
"""

from __future__ import annotations

import base64
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

from autoflow_dagster.reports import ReportOptions, write_report

SECOND, MEGABYTE = 1.0, 1.0
REPEATS = 3


@dataclass(frozen=True)
class Case:
    """What is converted, and the time (seconds) and memory (MB) that it may take at most."""

    name: str
    cells: Callable[[], list[dict[str, Any]]]
    seconds: float
    megabytes: float
    format: str = "pdf"


def picture(number: int, size: tuple[float, float]) -> dict[str, Any]:
    """Return a cell with a drawn map."""
    import matplotlib as mpl

    mpl.use("agg")
    import matplotlib.pyplot as plt
    import numpy as np

    random = np.random.RandomState(number)
    figure, axes = plt.subplots(1, 2, figsize=size)
    for axis in axes:
        axis.pcolormesh(random.rand(25, 40), edgecolor="white", linewidth=0.4)
        axis.scatter(40 * random.rand(150), 25 * random.rand(150), c=random.rand(150), s=12)
        axis.set_title(f"Figure {number}")
    buffer = BytesIO()
    figure.savefig(buffer, bbox_inches="tight")
    plt.close(figure)
    return output({"image/png": base64.b64encode(buffer.getvalue()).decode()})


def table(rows: int, columns: int) -> dict[str, Any]:
    """Return a cell with a coloured table."""
    import numpy as np
    import pandas as pd

    frame = pd.DataFrame(np.random.RandomState(0).rand(rows, columns))
    styler = frame.style.format("{:.2f}").background_gradient(cmap="viridis")
    return output({"text/html": styler.to_html()})


def output(data: dict[str, str]) -> dict[str, Any]:
    """Return a code cell with one output."""
    shown = {"output_type": "display_data", "data": data, "metadata": {}}
    return {"cell_type": "code", "source": "x", "metadata": {}, "outputs": [shown]}


def text(number: int) -> dict[str, Any]:
    """Return a Markdown cell."""
    source = (
        f"## Section {number}\n\nWords with *emphasis*, $x^{number}$ and a list:\n\n- one\n- two"
    )
    return {"cell_type": "markdown", "source": source, "metadata": {}}


def typical() -> list[dict[str, Any]]:
    """Return ten figures and five tables, with text between them."""
    cells = [cell for n in range(10) for cell in (text(n), picture(n, (12, 4)))]
    return [*cells, *(table(20, 6) for _ in range(5))]


def maps() -> list[dict[str, Any]]:
    """Return a hundred maps of 35 by 7 inches."""
    return [cell for n in range(100) for cell in (text(n), picture(n, (35, 7)))]


def large() -> list[dict[str, Any]]:
    """Return a table of fifty megabytes."""
    row = "<tr>" + "<td>12345.678</td>" * 8 + "</tr>"
    return [output({"text/html": f"<table>{row * (50_000_000 // len(row))}</table>"})]


CASES = (
    Case("typical", typical, 2 * SECOND, 300 * MEGABYTE),
    Case("typical-html", typical, 2 * SECOND, 300 * MEGABYTE, "html"),
    Case("100-maps", maps, 60 * SECOND, 1000 * MEGABYTE),
    Case("500-rows", lambda: [table(500, 8)], 10 * SECOND, 500 * MEGABYTE),
    Case("50-megabytes", large, 30 * SECOND, 1000 * MEGABYTE),
)


def run(case: Case) -> dict[str, Any]:
    """Convert a case and return what it took."""
    with tempfile.TemporaryDirectory() as temporary:
        notebook = Path(temporary) / "bench.ipynb"
        content = {"cells": case.cells(), "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
        notebook.write_text(json.dumps(content))
        size = notebook.stat().st_size
        del content
        command = [sys.executable, __file__, "--measure", case.format, str(notebook)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    return {"notebook_mb": size / 1e6, **json.loads(done.stdout)}


def measure(report_format: str, notebook: Path) -> None:
    """Print as JSON what the conversions of a notebook take."""
    options = ReportOptions(format="html" if report_format == "html" else "pdf")
    walls = []
    for _ in range(1 + REPEATS):
        start = time.perf_counter()
        summary = write_report(notebook, notebook.with_suffix(f".{report_format}"), options)
        walls.append(time.perf_counter() - start)
    own, programs = (
        resource.getrusage(who).ru_maxrss / 1024
        for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    found = {"first": walls[0], "best": min(walls[1:]), "own_mb": own, "program_mb": programs}
    print(json.dumps({**found, "report_mb": summary.size_bytes / 1e6, "pages": summary.pages}))


def main(arguments: list[str]) -> int:
    """Run cases and print a table; return the exit code."""
    names = [argument for argument in arguments if not argument.startswith("--")]
    chosen = [case for case in CASES if not names or case.name in names]
    late = []
    print("| case | notebook | first | best of 3 | memory: own / programs | report | pages |")
    print("|---|---|---|---|---|---|---|")
    for case in chosen:
        found = run(case)
        print(
            f"| {case.name} | {found['notebook_mb']:.1f} MB | {found['first']:.1f} s | "
            f"{found['best']:.2f} s | {found['own_mb']:.0f} / {found['program_mb']:.0f} MB | "
            f"{found['report_mb']:.1f} MB | {found['pages'] or '-'} |",
            flush=True,
        )
        if (
            found["best"] > case.seconds
            or max(found["own_mb"], found["program_mb"]) > case.megabytes
        ):
            late.append(case.name)
    for name in late:
        print(f"{name}: more than its limit")
    return 1 if late and "--check" in arguments else 0


if __name__ == "__main__":
    if sys.argv[1:2] == ["--measure"]:
        measure(sys.argv[2], Path(sys.argv[3]))
    else:
        sys.exit(main(sys.argv[1:]))
