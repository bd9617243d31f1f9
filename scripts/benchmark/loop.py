"""A plain loop over notebooks: what this product is compared with. Run as a script.

Reads a plan as JSON from standard input and executes its first date; then says so, waits for a line,
executes the others and prints what they took. Imports nothing of this product but the report maker.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path


def run_date(notebooks: list[dict[str, object]]) -> None:
    """Execute the notebooks of one date, and make their reports."""
    import papermill

    from autoflow_dagster.reports import Provenance, ReportOptions, write_report

    for notebook in notebooks:
        papermill.execute_notebook(
            notebook["source"],
            notebook["destination"],
            parameters=notebook["parameters"],
            cwd=notebook["working_dir"],
            progress_bar=False,
        )
        if notebook["report"]:
            executed = Path(str(notebook["destination"]))
            options = ReportOptions(inputs_dir=Path(str(notebook["working_dir"])), engine="typst")
            write_report(executed, executed.with_suffix(".pdf"), options, Provenance())


def main() -> None:
    """Run the plan."""
    plan = json.loads(sys.stdin.readline())
    run_date(plan[0])
    print("ready", flush=True)
    sys.stdin.readline()
    started, before = time.monotonic(), os.times()
    for notebooks in plan[1:]:
        run_date(notebooks)
    after = os.times()
    result = {"wall": time.monotonic() - started, "cpu": sum(after[:4]) - sum(before[:4])}
    print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
