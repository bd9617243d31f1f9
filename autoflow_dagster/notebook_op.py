"""What happens when an executed notebook is materialized."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from autoflow_dagster.errors import NotebookCancelledError, NotebookError
from autoflow_dagster.job_spec import JobSpec, RunValues
from autoflow_dagster.ledger import (
    FAILED_NOTEBOOK_METADATA,
    NO_DATA_METADATA,
    notebook_asset_key,
)
from autoflow_dagster.materialization import (
    failure,
    materialized,
    no_data_result,
    notebook_metadata,
    path_metadata,
    upstream_output,
    values_metadata,
)
from autoflow_dagster.naming import output_stem
from autoflow_dagster.notebooks.cell_progress import CellProgress
from autoflow_dagster.notebooks.execution import (
    ExecutedNotebook,
    NotebookRun,
    execute_notebook,
)
from autoflow_dagster.notebooks.facts import uses_dagstermill
from autoflow_dagster.notebooks.kernel_environment import kernel_environment
from autoflow_dagster.outputs import free_path, move_whole
from autoflow_dagster.run_values import run_values
from autoflow_dagster.scrap_metadata import scrap_metadata
from autoflow_dagster.versions import versions
from autoflow_dagster.warm.warm_kernels import kernel_server
from autoflow_dagster.workflows import Notebook, notebook_parameters


def materialize_notebook(
    context: dg.AssetExecutionContext, spec: JobSpec, notebook: Notebook
) -> dg.MaterializeResult[None]:
    """Execute a notebook for the run's partition, or with the run's config.

    Raises
    ------
    dagster.Failure
        When a cell fails, the time is up, the kernel dies or an upstream notebook is not there.
    dagster.DagsterExecutionInterruptedError
        When the run is cancelled meanwhile.
    """
    values = run_values(context, spec)
    upstream = {
        key: upstream_output(context, spec, notebook_asset_key(spec.name, key), key)
        for key in spec.workflow.upstream_of(notebook.key)
    }
    for found in upstream.values():
        if found.no_data is not None:
            return no_data_result(spec, values, found.no_data)
    parameters = notebook_parameters(
        notebook,
        values=values.values,
        flowapi_url=spec.settings.flowapi_url or "",
        executed={key: str(found.path) for key, found in upstream.items()},
    )
    try:
        executed = _execute(context, spec, notebook, values, parameters)
    except NotebookCancelledError as error:
        raise dg.DagsterExecutionInterruptedError(str(error)) from None
    except NotebookError as error:
        raise failure(error, {FAILED_NOTEBOOK_METADATA: error.kept} if error.kept else {}) from None
    return materialized(values.params_hash, _metadata(spec, values, executed))


def _execute(
    context: dg.AssetExecutionContext,
    spec: JobSpec,
    notebook: Notebook,
    values: RunValues,
    parameters: Mapping[str, Any],
) -> ExecutedNotebook:
    """Execute a notebook, with a dagstermill context around it if it wants one."""
    settings = spec.settings
    source = settings.inputs_dir / notebook.filename
    stem = output_stem(
        notebook.filename,
        spec.workflow.name,
        values.reference_date,
        values.params_hash,
        datetime.now(UTC),
    )

    started = time.monotonic()

    def on_cell(progress: CellProgress) -> None:
        elapsed = time.monotonic() - started
        context.log.info(
            f"{notebook.filename}: code cell {progress.number} of {progress.total}, {elapsed:.1f} s"
        )

    run = NotebookRun(
        source=source,
        destination=settings.notebooks_dir / f"{stem}.ipynb",
        failed_dir=settings.failed_notebooks_dir,
        parameters=parameters,
        working_dir=settings.working_dir or settings.inputs_dir,
        kernel_name=notebook.kernel,
        timeout=notebook.timeout,
        environment=kernel_environment(settings.environ, settings.kernel_env),
        secrets=settings.secret_values(),
        subject=values.subject,
        on_cell=on_cell,
        stdout=sys.stdout,
        stderr=sys.stderr,
        kernel_server=kernel_server(settings),
    )
    if notebook.engine == "papermill" or (notebook.engine is None and not uses_dagstermill(source)):
        return execute_notebook(run)
    return _execute_with_dagstermill(context, spec, run)


def _execute_with_dagstermill(
    context: dg.AssetExecutionContext, spec: JobSpec, run: NotebookRun
) -> ExecutedNotebook:
    from autoflow_dagster.notebooks.dagstermill_session import dagstermill_session, pass_on

    with dagstermill_session(context, spec.name) as session:
        try:
            executed = execute_notebook(replace(run, startup_file=session.startup_file))
            session.check_started(run.source.name)
        except NotebookError:
            session.check_started(run.source.name)  # without a context it fails for that reason
            pass_on(context, session)  # what it logged and recorded until then happened
            raise
        try:
            pass_on(context, session)
        except (dg.Failure, dg.RetryRequested):
            move_whole(executed.path, free_path(run.failed_dir / executed.path.name))
            raise
        return executed


def _metadata(spec: JobSpec, values: RunValues, executed: ExecutedNotebook) -> dict[str, Any]:
    no_data = {} if executed.no_data is None else {NO_DATA_METADATA: executed.no_data}
    return {
        **notebook_metadata("executed notebook", executed.path),
        **no_data,
        **scrap_metadata(executed.scraps),
        **values_metadata(values),
        "duration (s)": round(executed.duration_seconds, 2),
        "cells executed": executed.cells,
        "kernel": executed.kernel_name,
        **_peak_memory(executed),
        "notebook sha256": executed.source_sha256,
        "versions": ", ".join(f"{name} {version}" for name, version in versions().items()),
        **path_metadata(spec, executed.path),
    }


def _peak_memory(executed: ExecutedNotebook) -> dict[str, Any]:
    if executed.peak_memory_bytes is None:
        return {}
    return {"kernel's peak memory (MB)": round(executed.peak_memory_bytes / 1e6, 1)}
