"""What happens when a report is materialized."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import dagster as dg

from autoflow_dagster.errors import AutoflowError
from autoflow_dagster.job_spec import JobSpec, RunValues
from autoflow_dagster.ledger import LatestOutput, notebook_asset_key
from autoflow_dagster.materialization import (
    failure,
    materialized,
    no_data_result,
    path_metadata,
    upstream_output,
    values_metadata,
)
from autoflow_dagster.previews import first_page, picture_markdown
from autoflow_dagster.run_values import run_values
from autoflow_dagster.site import keep_thumbnail
from autoflow_dagster.versions import versions
from autoflow_dagster.workflows import Notebook, ReportFormat

logger = logging.getLogger(__name__)

if TYPE_CHECKING:
    from autoflow_dagster.reports import Provenance, ReportOptions


def materialize_report(
    context: dg.AssetExecutionContext,
    spec: JobSpec,
    notebook: Notebook,
    report_format: ReportFormat,
) -> dg.MaterializeResult[None]:
    """Make a report of the executed notebook.

    Raises
    ------
    dagster.Failure
        When the notebook was not executed or cannot be turned into a report.
    """
    from autoflow_dagster.reports import write_report

    values = run_values(context, spec)
    found = upstream_output(
        context, spec, notebook_asset_key(spec.name, notebook.key), notebook.key
    )
    if found.no_data is not None or found.path is None:
        return no_data_result(spec, values, found.no_data or "")
    spec.settings.reports_dir.mkdir(parents=True, exist_ok=True)
    destination = spec.settings.reports_dir / f"{found.path.stem}.{report_format}"
    try:
        summary = write_report(
            found.path,
            destination,
            _options(spec, notebook, report_format),
            _provenance(context, spec, notebook, values, found),
        )
    except AutoflowError as error:
        raise failure(error, {"executed notebook": found.path}) from error.__cause__
    return materialized(
        # The hash of the notebook it was made from: an old notebook makes an old report.
        found.params_hash,
        {
            "report": dg.MetadataValue.path(str(destination)),
            **_link(spec, destination),
            **_preview(spec, destination),
            "title": summary.title,
            **({} if summary.pages is None else {"pages": summary.pages}),
            "size (kB)": round(summary.size_bytes / 1000, 1),
            "duration (s)": round(summary.seconds, 2),
            **({"left out": "\n".join(summary.notes)} if summary.notes else {}),
            **values_metadata(values),
            **path_metadata(spec, destination),
        },
    )


def _link(spec: JobSpec, destination: Path) -> dict[str, dg.MetadataValue[str]]:
    """Return the report's address on the site of reports, when that is known."""
    if spec.settings.reports_url is None:
        return {}
    relative = destination.relative_to(spec.settings.outputs_dir)
    return {"link": dg.MetadataValue.url(f"{spec.settings.reports_url}/{quote(str(relative))}")}


def _preview(spec: JobSpec, report: Path) -> dict[str, dg.MetadataValue[str]]:
    """Return the first page of a PDF as a small picture, and keep it for the site of reports."""
    if report.suffix != ".pdf":
        return {}
    try:
        picture = first_page(report)
        outputs = spec.settings.outputs_dir
        keep_thumbnail(outputs, str(report.relative_to(outputs)), picture)
    except Exception as error:  # a report without its picture is still a report
        logger.warning("No picture of the first page of %s: %s", report.name, error)
        return {}
    preview = picture_markdown(picture, "First page")
    return {} if preview is None else {"first page": dg.MetadataValue.md(preview)}


def _options(spec: JobSpec, notebook: Notebook, report_format: ReportFormat) -> ReportOptions:
    from autoflow_dagster.reports import ReportOptions

    settings, output = spec.settings, notebook.output
    assert output is not None, "a report asset exists for a notebook with an output only"
    template = output.templates.get(report_format)
    return ReportOptions(
        format=report_format,
        template=settings.inputs_dir / template if template else None,
        inputs_dir=settings.inputs_dir,
        show_code=output.show_code,
        engine=settings.pdf_engine,
        author=settings.report_author,
        language=settings.report_language,
        max_table_rows=settings.report_max_table_rows,
        time_limit_seconds=settings.report_time_limit,
        memory_limit_mb=settings.report_memory_limit,
        secrets=settings.secret_values(),
        hidden_paths=(settings.outputs_dir, settings.inputs_dir),
    )


def _provenance(
    context: dg.AssetExecutionContext,
    spec: JobSpec,
    notebook: Notebook,
    values: RunValues,
    found: LatestOutput,
) -> Provenance:
    from autoflow_dagster.reports import Provenance

    return Provenance(
        workflow=spec.workflow.name,
        reference_date=values.reference_date,
        parameters=values.parameters,
        parameters_hash=values.params_hash,
        date_ranges=values.date_ranges,
        missing_dates=values.missing_dates,
        run_id=context.run.run_id,
        notebook_filename=notebook.filename,
        notebook_sha256=found.metadata.get("notebook sha256"),
        made_at=_written_at(found.path),
        versions=versions(),
    )


def _written_at(path: Path | None) -> datetime | None:
    return None if path is None else datetime.fromtimestamp(path.stat().st_mtime, UTC)
