"""What the launchpad asks for when a workflow without a config is started by hand."""

from __future__ import annotations

from typing import Any

import dagster as dg

from autoflow_dagster.job_spec import JobSpec
from autoflow_dagster.naming import json_value
from autoflow_dagster.notebooks.facts import facts_or_none


def parameters_schema(spec: JobSpec) -> dict[str, dg.Field]:
    """Return exactly the workflow's parameters, typed, with the notebooks' defaults.

    A parameter for which no notebook has a default has to be given.
    """
    defaults = _defaults(spec)
    return {
        name: _field(name, name in defaults, defaults.get(name))
        for name in sorted(spec.workflow.parameter_names)
    }


def _defaults(spec: JobSpec) -> dict[str, Any]:
    """Return the default of each workflow parameter: of the first notebook that has one."""
    found: dict[str, Any] = {}
    for notebook in spec.workflow.notebooks.values():
        facts = facts_or_none(spec.settings.inputs_dir / notebook.filename)
        for name, source in notebook.parameters.items():
            if facts and source in spec.workflow.parameter_names and name in facts.defaults:
                found.setdefault(source, json_value(facts.defaults[name]))
    return found


def _field(name: str, has_default: bool, default: Any) -> dg.Field:
    description = f"Workflow parameter {name}"
    if not has_default or default is None:
        return dg.Field(dg.Any, description=description, is_required=not has_default)
    return dg.Field(
        _config_type(default),
        description=f"{description}, as a {type(default).__name__}",
        is_required=False,
        default_value=default,
    )


def _config_type(default: Any) -> Any:
    match default:
        case bool() | int() | str():
            return type(default)
        case list():
            return dg.Array(dg.Any)
        case dict():
            return dg.Permissive()  # type: ignore[no-untyped-call]
        case _:  # a whole number given for a float is one, too
            return dg.Any
