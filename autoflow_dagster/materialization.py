"""What a materialization tells: metadata entries, and failures with our messages."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import dagster as dg

from autoflow_dagster.errors import AutoflowError, NotebookError
from autoflow_dagster.instance_home import LOCATION_NAME
from autoflow_dagster.job_spec import JobSpec, RunValues
from autoflow_dagster.ledger import NO_DATA_METADATA, PATH_METADATA, LatestOutput, latest_output
from autoflow_dagster.naming import json_value


def materialized(values_hash: str, metadata: Mapping[str, Any]) -> dg.MaterializeResult[None]:
    """Return a materialization with a parameters hash as its data version: the ledger's entry."""
    return dg.MaterializeResult(data_version=dg.DataVersion(values_hash), metadata=metadata)


def no_data_result(spec: JobSpec, values: RunValues, reason: str) -> dg.MaterializeResult[None]:
    """Return the materialization of what is skipped because an upstream notebook had no data."""
    metadata = {NO_DATA_METADATA: reason, **values_metadata(values)}
    return materialized(values.params_hash, metadata)


def values_metadata(values: RunValues) -> dict[str, Any]:
    """Return what every notebook and report of a run has been made with. Never a secret."""
    metadata: dict[str, Any] = {}
    if values.reference_date:
        metadata["reference date"] = values.reference_date.isoformat()
        metadata["date ranges"] = dg.MetadataValue.md(
            "\n".join(f"- {start} up to, not including, {end}" for start, end in values.date_ranges)
            or "none"
        )
    if values.missing_dates:
        metadata["missing dates"] = ", ".join(map(str, values.missing_dates))
    metadata["parameters"] = dg.MetadataValue.json(json_value(dict(values.parameters)))
    metadata["parameters hash"] = values.params_hash
    return metadata


def notebook_metadata(name: str, path: Path) -> dict[str, Any]:
    """Return a notebook file as metadata, with a link that opens it in the UI's notebook viewer.

    Dagster's UI has a button for notebooks of definitions only; the link is what the button opens.
    """
    query = urlencode({"path": str(path), "repoLocName": LOCATION_NAME})
    return {
        f"view {name}": dg.MetadataValue.url(f"/notebook?{query}"),
        name: dg.MetadataValue.notebook(str(path)),
    }


def path_metadata(spec: JobSpec, path: Path) -> dict[str, str]:
    """Return the path by which the ledger finds a file again, also when the outputs move."""
    return {PATH_METADATA: str(path.relative_to(spec.settings.outputs_dir))}


def upstream_output(
    context: dg.AssetExecutionContext, spec: JobSpec, asset_key: dg.AssetKey, notebook_key: str
) -> LatestOutput:
    """Return the latest materialization of an upstream notebook.

    Raises
    ------
    dagster.Failure
        When there is none, or its file is gone.
    """
    partition_key = context.partition_key if spec.config else None
    found = latest_output(context.instance, asset_key, partition_key, spec.settings.outputs_dir)
    if found is not None and (found.no_data or (found.path and found.path.exists())):
        return found
    if found is None or found.path is None:
        missing = "has not been executed here"
    else:
        missing = f"is no longer at {found.path}"
    subject = f" for reference date {partition_key}" if partition_key else ""
    raise failure(
        NotebookError(
            f'Notebook "{notebook_key}" of job {spec.name}',
            f"{missing}{subject}.",
            "Materialize it first, or launch the whole job for this partition.",
        )
    )


def failure(error: AutoflowError, files: Mapping[str, Path] | None = None) -> dg.Failure:
    """Return a Dagster failure with our message; trying again is the sensor's to decide."""
    metadata: dict[str, Any] = {}
    for name, path in (files or {}).items():
        metadata |= notebook_metadata(name, path)
    return dg.Failure(description=str(error), metadata=metadata, allow_retries=False)
