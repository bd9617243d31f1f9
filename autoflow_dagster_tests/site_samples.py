"""Records, plans and files that the tests of the site of reports work on."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from autoflow_dagster.dates.date_set import DateSet
from autoflow_dagster.dates.date_stencil import DateStencil
from autoflow_dagster.planning import Attempt, ConfigPlan, History, plan_config
from autoflow_dagster.site import DateRecord, Document, SiteState, record_plan, record_run
from autoflow_dagster.workflows import Notebook, Workflow, WorkflowConfig

WORKFLOW = Workflow("flows", {"flows_report": Notebook("flows_report", "flows_report.ipynb")})
ENDED = datetime(2026, 2, 1, 9, 30, tzinfo=UTC)


def tiny_pdf(text: str = "First page") -> bytes:
    """Return a PDF of one A4 page with a line of text."""
    stream = f"BT /F1 48 Tf 60 700 Td ({text}) Tj ET".encode()
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 4 0 R/Resources 6 0 R>>",
        b"<</Length %d>>stream\n%s\nendstream" % (len(stream), stream),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
        b"<</Font<</F1 5 0 R>>>>",
    ]
    body, offsets = b"%PDF-1.4\n", []
    for number, content in enumerate(objects, start=1):
        offsets.append(len(body))
        body += b"%d 0 obj%s endobj\n" % (number, content)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    end = b"trailer<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % (7, len(body))
    return body + b"xref\n0 7\n0000000000 65535 f \n" + table + end


def notebook_text(*cells: dict[str, Any]) -> str:
    """Return the text of a notebook file."""
    shown = cells or (markdown_cell("# Flows"),)
    return json.dumps({"cells": shown, "metadata": {}, "nbformat": 4, "nbformat_minor": 4})


def markdown_cell(source: str) -> dict[str, Any]:
    """Return a Markdown cell."""
    return {"cell_type": "markdown", "metadata": {}, "source": source}


def code_cell(source: str, *outputs: dict[str, Any]) -> dict[str, Any]:
    """Return an executed code cell."""
    return {
        "cell_type": "code",
        "execution_count": 1,
        "metadata": {},
        "outputs": list(outputs),
        "source": source,
    }


def shown(**data: str) -> dict[str, Any]:
    """Return an output; ``text_html`` stands for text/html."""
    found = {kind.replace("_", "/", 1): value for kind, value in data.items()}
    return {"output_type": "display_data", "metadata": {}, "data": found}


def document(outputs: Path, stem: str, formats: Iterable[str] = ("pdf", "html")) -> Document:
    """Write an executed notebook and its reports, and return the document."""
    (outputs / "notebooks").mkdir(parents=True, exist_ok=True)
    (outputs / "reports").mkdir(exist_ok=True)
    (outputs / f"notebooks/{stem}.ipynb").write_text(notebook_text())
    contents = {"pdf": tiny_pdf(), "html": b"<!DOCTYPE html><title>Flows</title><h1>Flows</h1>"}
    reports = {}
    for report_format in formats:
        reports[report_format] = f"reports/{stem}.{report_format}"
        (outputs / reports[report_format]).write_bytes(contents[report_format])
    return Document(
        notebook="flows_report",
        title="Flows above normal",
        executed=f"notebooks/{stem}.ipynb",
        reports=reports,
    )


def record(
    day: date | None = date(2016, 1, 7), state: SiteState = SiteState.DONE, **fields: Any
) -> DateRecord:
    """Return a record; `fields` replace what it has otherwise."""
    given: dict[str, Any] = {
        "config": "flows",
        "workflow": "flows",
        "ended_at": ENDED,
        "run_id": f"run-{day}-{state.value}",
        "parameters": {"aggregation_unit": "admin3"},
        "parameters_hash": f"hash-{day}",
    }
    return DateRecord(reference_date=day, state=state, **{**given, **fields})


def config(name: str = "flows", stencil: Iterable[object] = (0,), **fields: Any) -> WorkflowConfig:
    """Return a config of the tests' workflow."""
    return WorkflowConfig(name, WORKFLOW, date_stencil=DateStencil(list(stencil)), **fields)


def plan(
    of: WorkflowConfig, available: Iterable[date], history: History | None = None
) -> ConfigPlan:
    """Return what a check finds."""
    return plan_config(of, {"calls": DateSet(available)}, history or History(), ENDED)


def days_from(first: date, number: int) -> list[date]:
    """Return consecutive days."""
    return [first + timedelta(days=count) for count in range(number)]


HOSTILE = "<script>document.title='taken'</script>&amp; \u0645\u0631\u062d\u0628\u0627 \"'"
"""A name as data may have it."""

FAILED_DAY = date(2016, 1, 8)
NO_DATA_DAY = date(2016, 1, 6)
RETRIED_DAY = date(2016, 1, 7)
GAP = (date(2016, 1, 11), date(2016, 1, 12))
"""Days that FlowAPI does not have."""

ERROR = "Notebook flows_report.ipynb stopped at cell 4: ValueError: <no> rows\n  Cell:\n    1/0"


def write_sample(outputs: Path) -> None:
    """Write a site that has some of everything.

    Config "flows" has run from 2016-01-04 to 2016-01-09, with one failed date, one without data and
    one that succeeded at the second attempt; dates wait, and the rest of 40 days is to do. Config
    "commuting" has not run, and its texts are hostile. Workflow "by_hand" has run once.
    """
    flows = config(stencil=(-2, -1, 0), parameters={"aggregation_unit": "admin3"}, max_attempts=2)
    commuting = config("commuting", parameters={"label": HOSTILE}, description=HOSTILE)
    available = [day for day in days_from(date(2015, 12, 28), 40) if day not in GAP]
    hashes = {p.reference_date: p.parameters_hash or "" for p in plan(flows, available).dates}
    ran = days_from(date(2016, 1, 4), 6)
    for number, day in enumerate(ran):
        _run(outputs, day, ENDED + timedelta(minutes=number), hashes[day])
    files = document(outputs, "by_hand__x_0123456789abcdef0123456789abcdef__20260202T100000Z")
    record_run(
        outputs,
        record(None, documents=(files,), config="by_hand", workflow=HOSTILE, run_id="r1"),
    )
    history = History(
        done={day: hashes[day] for day in ran if day != FAILED_DAY},
        attempts={(FAILED_DAY, hashes[FAILED_DAY]): [Attempt("a", ENDED), Attempt("b", ENDED)]},
    )
    record_plan(outputs, [plan(flows, available, history), plan(commuting, available)])


def _run(outputs: Path, day: date, ended_at: datetime, parameters_hash: str) -> None:
    fields: dict[str, Any] = {"ended_at": ended_at, "parameters_hash": parameters_hash}
    if day == FAILED_DAY:
        record_run(outputs, record(day, SiteState.FAILED, error=ERROR, **fields))
    elif day == NO_DATA_DAY:
        record_run(outputs, record(day, SiteState.NO_DATA, error="No flows.", **fields))
    else:
        if day == RETRIED_DAY:
            early = {**fields, "ended_at": ended_at - timedelta(days=1), "run_id": "early"}
            record_run(outputs, record(day, SiteState.FAILED, error="Kernel died.", **early))
        stem = f"flows_report__flows_{day}_{int(ended_at.timestamp()):032x}__20260201T093000Z"
        record_run(outputs, record(day, documents=(document(outputs, stem),), **fields))
