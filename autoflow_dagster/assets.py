"""Assets: one for every executed notebook and every report of a job."""

# No postponed annotations here: Dagster reads the type of `context` from the function itself.

from collections.abc import Callable
from typing import Any

import dagster as dg

from autoflow_dagster.cdr_assets import cdr_asset_key, cdr_types_of
from autoflow_dagster.job_spec import JobSpec
from autoflow_dagster.launch_config import parameters_schema
from autoflow_dagster.ledger import notebook_asset_key, report_asset_key
from autoflow_dagster.notebook_op import materialize_notebook
from autoflow_dagster.notebooks.dagstermill_resources import FLOWAPI_RESOURCE, flowapi_resource
from autoflow_dagster.notebooks.facts import NotebookFacts, facts_or_none
from autoflow_dagster.report_op import materialize_report
from autoflow_dagster.workflows import Notebook, ReportFormat


def build_assets(spec: JobSpec) -> list[dg.AssetsDefinition]:
    """Return the assets of a job: each notebook, then its reports."""
    assets = []
    for notebook in spec.workflow.notebooks.values():
        assets.append(_build_notebook_asset(spec, notebook))
        for report_format in notebook.output.formats if notebook.output else ():
            assets.append(_build_report_asset(spec, notebook, report_format))
    return assets


def _build_notebook_asset(spec: JobSpec, notebook: Notebook) -> dg.AssetsDefinition:
    source = spec.settings.inputs_dir / notebook.filename
    facts = facts_or_none(source)
    upstream = [
        notebook_asset_key(spec.name, key) for key in spec.workflow.upstream_of(notebook.key)
    ]
    resources = {FLOWAPI_RESOURCE: flowapi_resource} if _gets_context(notebook, facts) else {}

    @_asset(
        spec,
        key=notebook_asset_key(spec.name, notebook.key),
        deps=upstream or _cdr_dependencies(spec),
        kinds={"jupyter"},
        op_tags={"notebook_path": str(source), "kind": "ipynb"},
        metadata={"notebook file": notebook.filename},
        description=_description(notebook, facts),
        required_resource_keys=set(resources),
    )
    def executed_notebook(context: dg.AssetExecutionContext) -> Any:
        return materialize_notebook(context, spec, notebook)

    [asset] = dg.with_resources([executed_notebook], resources)
    return asset


def _gets_context(notebook: Notebook, facts: NotebookFacts | None) -> bool:
    """Return whether `dagstermill.get_context` gives the notebook the context of its run."""
    imports = facts is not None and facts.imports_dagstermill
    return notebook.engine == "dagstermill" or (notebook.engine is None and imports)


def _build_report_asset(
    spec: JobSpec, notebook: Notebook, report_format: ReportFormat
) -> dg.AssetsDefinition:
    notebook_key = notebook_asset_key(spec.name, notebook.key)

    @_asset(
        spec,
        key=report_asset_key(spec.name, notebook.key, report_format),
        deps=[notebook_key],
        kinds={report_format},
        description=f"Report made from the executed notebook `{notebook.filename}`.",
    )
    def report(context: dg.AssetExecutionContext) -> Any:
        return materialize_report(context, spec, notebook, report_format)

    return report


def _description(notebook: Notebook, facts: NotebookFacts | None) -> str:
    """Return the description that the file gives, else the notebook's first heading."""
    text = notebook.description or (facts.heading if facts else None)
    made = f"Executed notebook `{notebook.filename}`."
    return f"{text}\n\n{made}" if text else made


def _asset(spec: JobSpec, **arguments: Any) -> Callable[[Callable[..., Any]], dg.AssetsDefinition]:
    """Return `dagster.asset` with what notebooks and reports of a job have in common."""
    if spec.config is None and spec.workflow.parameter_names:
        arguments["config_schema"] = parameters_schema(spec)
    decorator: Callable[[Callable[..., Any]], dg.AssetsDefinition] = dg.asset(
        group_name=spec.name,
        owners=list(spec.workflow.owners) or None,
        tags=dict(spec.workflow.tags) or None,
        partitions_def=spec.partitions_def,
        **arguments,
    )
    return decorator


def _cdr_dependencies(spec: JobSpec) -> list[dg.AssetKey]:
    """Return the CDR types that decide when the first notebooks of a job run."""
    return [cdr_asset_key(name) for name in cdr_types_of(spec.config)] if spec.config else []
