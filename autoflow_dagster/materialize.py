"""What happens when an asset is materialized: execute the notebook, or make the report."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg

from autoflow_dagster.errors import AutoflowError, NotebookError
from autoflow_dagster.flowapi import fetch_with
from autoflow_dagster.job_spec import JobSpec, RunValues, config_values
from autoflow_dagster.kernels import kernel_environment
from autoflow_dagster.ledger import PATH_METADATA, latest_output, notebook_asset_key
from autoflow_dagster.naming import json_value, output_stem, parameters_hash
from autoflow_dagster.notebooks import CellProgress, ExecutedNotebook, NotebookRun, execute_notebook
from autoflow_dagster.planning import available_dates_of
from autoflow_dagster.scrap_metadata import scrap_metadata
from autoflow_dagster.workflows import MISSING_DATES, Notebook, ReportFormat, notebook_parameters

if TYPE_CHECKING:
    from autoflow_dagster.reports import Provenance

TAG_MISSING_DATES = "autoflow/missing_dates"
"""Run tag with the stencil dates that were not available when the sensor requested the run."""


def materialize_notebook(
    context: dg.AssetExecutionContext, spec: JobSpec, notebook: Notebook
) -> dg.MaterializeResult[None]:
    """Execute a notebook for the run's partition, or with the run's config.

    Raises
    ------
    dagster.Failure
        When a cell fails, the time is up, the kernel dies or an upstream notebook is not there.
    """
    values = run_values(context, spec)
    executed = _run_notebook(context, spec, notebook, values)
    return dg.MaterializeResult(
        data_version=dg.DataVersion(values.params_hash),
        metadata=_notebook_metadata(spec, values, executed),
    )


def run_values(context: dg.AssetExecutionContext, spec: JobSpec) -> RunValues:
    """Return the values for this run's partition, or for its run config."""
    if spec.config is None:
        given = dict(context.op_execution_context.op_config or {})
        params_hash = parameters_hash(given, None, None)
        return RunValues(given, {name: json_value(v) for name, v in given.items()}, params_hash)
    return config_values(
        spec.config, date.fromisoformat(context.partition_key), _missing(context, spec)
    )


def _missing(context: dg.AssetExecutionContext, spec: JobSpec) -> tuple[date, ...]:
    """Return the stencil dates that are not available.

    The sensor says so in a tag, once for all notebooks of the run; for a run that was launched by
    hand FlowAPI is asked, and only when a notebook wants to know.
    """
    config = spec.config
    if config is None or MISSING_DATES not in spec.workflow.parameter_names:
        return ()
    if MISSING_DATES in config.parameters:
        return ()
    tag = context.run.tags.get(TAG_MISSING_DATES)
    if tag is not None:
        return tuple(map(date.fromisoformat, json.loads(tag)))
    available, _ = available_dates_of(config, fetch_with(spec.settings))
    day = date.fromisoformat(context.partition_key)
    return config.date_stencil.check(day, available).missing_dates


def _run_notebook(
    context: dg.AssetExecutionContext, spec: JobSpec, notebook: Notebook, values: RunValues
) -> ExecutedNotebook:
    settings = spec.settings
    executed = dict(_executed_upstream(context, spec, notebook))
    parameters = notebook_parameters(
        notebook, values=values.values, flowapi_url=settings.flowapi_url or "", executed=executed
    )
    stem = output_stem(
        notebook.filename,
        spec.workflow.name,
        values.reference_date,
        values.params_hash,
        datetime.now(UTC),
    )

    def on_cell(progress: CellProgress) -> None:
        context.log.info(f"{notebook.filename}: cell {progress.number} of {progress.total}")

    try:
        return execute_notebook(
            NotebookRun(
                source=settings.inputs_dir / notebook.filename,
                destination=settings.notebooks_dir / f"{stem}.ipynb",
                failed_dir=settings.failed_notebooks_dir,
                parameters=parameters,
                working_dir=settings.inputs_dir,
                kernel_name=notebook.kernel,
                timeout=notebook.timeout,
                environment=kernel_environment(settings.environ, settings.kernel_env),
                secrets=settings.secret_values(),
                subject=values.subject,
                on_cell=on_cell,
                stdout=sys.stdout,
                stderr=sys.stderr,
            )
        )
    except NotebookError as error:
        raise _failure(error, {"failed notebook": error.kept} if error.kept else {}) from None


def _executed_upstream(
    context: dg.AssetExecutionContext, spec: JobSpec, notebook: Notebook
) -> Iterator[tuple[str, str]]:
    """Yield key and full path of each executed notebook that this one refers to."""
    for key in spec.workflow.upstream_of(notebook.key):
        path, _ = _existing_output(context, spec, notebook_asset_key(spec.name, key), key)
        yield key, str(path)


def _existing_output(
    context: dg.AssetExecutionContext, spec: JobSpec, asset_key: dg.AssetKey, notebook_key: str
) -> tuple[Path, str]:
    partition_key = context.partition_key if spec.config else None
    found = latest_output(context.instance, asset_key, partition_key, spec.settings.outputs_dir)
    if found is None or not found[0].exists():
        missing = "has not been executed" if found is None else f"is no longer at {found[0]}"
        subject = f" for reference date {partition_key}" if partition_key else ""
        raise _failure(
            NotebookError(
                f'Notebook "{notebook_key}" of job {spec.name}',
                f"{missing}{subject}.",
                "Materialize it first, or launch the whole job for this partition.",
            )
        )
    return found


def _failure(error: AutoflowError, files: Mapping[str, Path] | None = None) -> dg.Failure:
    """Return a Dagster failure with our message; a retry is the sensor's to decide."""
    metadata = {name: dg.MetadataValue.notebook(str(path)) for name, path in (files or {}).items()}
    return dg.Failure(description=str(error), metadata=metadata, allow_retries=False)


def _notebook_metadata(
    spec: JobSpec, values: RunValues, executed: ExecutedNotebook
) -> dict[str, Any]:
    return {
        "executed notebook": dg.MetadataValue.notebook(str(executed.path)),
        **_common_metadata(spec, values, executed.path),
        "notebook sha256": executed.source_sha256,
        "kernel": executed.kernel_name,
        "duration (s)": round(executed.duration_seconds, 2),
        "cells executed": executed.cells,
        **scrap_metadata(executed.scraps),
    }


def _common_metadata(spec: JobSpec, values: RunValues, path: Path) -> dict[str, Any]:
    metadata: dict[str, Any] = {
        PATH_METADATA: str(path.relative_to(spec.settings.outputs_dir)),
        "parameters": dg.MetadataValue.json(json_value(dict(values.parameters))),
        "parameters hash": values.params_hash,
    }
    if values.reference_date:
        metadata["reference date"] = values.reference_date.isoformat()
        metadata["date ranges"] = dg.MetadataValue.md(
            "\n".join(f"- {start} up to, not including, {end}" for start, end in values.date_ranges)
            or "none"
        )
    if values.missing_dates:
        metadata["missing dates"] = ", ".join(map(str, values.missing_dates))
    return metadata


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
    from autoflow_dagster.reports import ReportOptions, write_report

    values = run_values(context, spec)
    settings, output = spec.settings, notebook.output
    assert output is not None, "a report asset exists for a notebook with an output only"
    executed, params_hash = _existing_output(
        context, spec, notebook_asset_key(spec.name, notebook.key), notebook.key
    )
    template = output.templates.get(report_format)
    settings.reports_dir.mkdir(parents=True, exist_ok=True)
    destination = settings.reports_dir / f"{executed.stem}.{report_format}"
    options = ReportOptions(
        format=report_format,
        template=settings.inputs_dir / template if template else None,
        inputs_dir=settings.inputs_dir,
        show_code=output.show_code,
        engine=settings.pdf_engine,
        author=settings.report_author,
        secrets=settings.secret_values(),
    )
    try:
        summary = write_report(
            executed, destination, options, _provenance(context, spec, notebook, values)
        )
    except AutoflowError as error:
        raise _failure(error, {"executed notebook": executed}) from error.__cause__
    return dg.MaterializeResult(
        # The hash of the notebook it was made from: an old notebook makes an old report.
        data_version=dg.DataVersion(params_hash),
        metadata={
            "report": dg.MetadataValue.path(str(destination)),
            **_common_metadata(spec, values, destination),
            **{name: value for name, value in dataclasses.asdict(summary).items() if value},
        },
    )


def _provenance(
    context: dg.AssetExecutionContext, spec: JobSpec, notebook: Notebook, values: RunValues
) -> Provenance:
    from autoflow_dagster.reports import Provenance

    return Provenance(
        workflow=spec.workflow.name,
        reference_date=values.reference_date,
        parameters=values.parameters,
        parameters_hash=values.params_hash,
        date_ranges=values.date_ranges,
        missing_dates=values.missing_dates,
        run_id=context.run_id,
        notebook_filename=notebook.filename,
    )
