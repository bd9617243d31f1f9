"""What no single key of a workflow shows: names that must differ, notebooks in a circle.

Looks at no other file. The structure of the file has been checked before.
"""

from __future__ import annotations

from collections.abc import Iterator
from graphlib import CycleError

from autoflow_dagster.naming import dagster_name, output_stem, report_asset_name
from autoflow_dagster.parser.problems import Finding, Path
from autoflow_dagster.parser.schema import NotebookModel, WorkflowModel
from autoflow_dagster.parser.structure import Structure
from autoflow_dagster.workflows import (
    DATE_RANGES,
    FLOWAPI_URL,
    REFERENCE_DATE,
    Notebook,
    execution_order,
)

_RESERVED_KEYS = (REFERENCE_DATE, DATE_RANGES, FLOWAPI_URL)


def check_workflows(structure: Structure) -> Iterator[Finding]:
    """Yield what is wrong with the workflows, each for itself and beside each other."""
    yield from _same_names(structure)
    for index, workflow in structure.workflows.items():
        path: Path = ("workflows", index, "notebooks")
        yield from _reserved_keys(workflow, path)
        yield from _circle(workflow, path)
        yield from _same_assets(structure, workflow, path)
        yield from _templates(workflow, path)
    yield from _same_outputs(structure)


def _same_names(structure: Structure) -> Iterator[Finding]:
    for index, name in structure.all_workflow_names:
        first = structure.workflow_names[name]
        if first != index:
            line = structure.document.line_of(("workflows", first, "name"))
            problem = f'"{name}" is also the name of the workflow on line {line}.'
            hint = "Give each workflow a name of its own."
            yield Finding(("workflows", index, "name"), problem, hint)


def _reserved_keys(workflow: WorkflowModel, path: Path) -> Iterator[Finding]:
    for key in workflow.notebooks:
        if key in _RESERVED_KEYS:
            problem = f'"{key}" is the name of an automatic parameter.'
            yield Finding((*path, key), problem, "Give the notebook another key.")
        elif not key.strip():
            yield Finding((*path, key), "The notebook's key is empty.", "Write a key.")


def notebook_of(key: str, model: NotebookModel) -> Notebook:
    """Return what matters of a notebook for the order of execution."""
    return Notebook(key=key, filename=model.filename, parameters=model.parameters)


def _circle(workflow: WorkflowModel, path: Path) -> Iterator[Finding]:
    notebooks = {key: notebook_of(key, model) for key, model in workflow.notebooks.items()}
    try:
        list(execution_order(notebooks))
    except CycleError as error:
        # graphlib lists the circle from source to user, its first notebook again at the end.
        circle = list(reversed(error.args[1][:-1]))
        start = circle.index(min(circle, key=list(notebooks).index))
        circle = circle[start:] + circle[:start]
        arrows = " <- ".join(f'"{key}"' for key in [*circle, circle[0]])
        problem = f"These notebooks wait for each other: {arrows}."
        if len(circle) == 1:
            problem = f'"{circle[0]}" takes a parameter from itself.'
        hint = "Take the notebook's key out of its own parameters, or break the circle."
        yield Finding((*path, circle[0]), problem, hint)


def _same_assets(structure: Structure, workflow: WorkflowModel, path: Path) -> Iterator[Finding]:
    """Yield notebooks and reports whose asset keys are the same once valid for Dagster."""
    owners: dict[str, tuple[str, str]] = {}
    for key, notebook in workflow.notebooks.items():
        names = {dagster_name(key): f'the notebook "{key}"'}
        for report_format in notebook.output.format if notebook.output else ():
            names[report_asset_name(key, report_format)] = f'the {report_format} report of "{key}"'
        for name, what in names.items():
            if name not in owners:
                owners[name] = key, what
                continue
            other_key, other = owners[name]
            line = structure.document.line_of((*path, other_key))
            problem = f'{what} would have the name "{name}" in Dagster, as {other} (line {line}).'
            hint = "Give the notebook a key that differs in letters or digits."
            yield Finding((*path, key), problem[0].upper() + problem[1:], hint)


def _same_outputs(structure: Structure) -> Iterator[Finding]:
    """Yield notebooks whose executed notebooks would have the same file name.

    Names of output files have the notebook's file name, not its key, and the workflow's name.
    """
    first: dict[str, Path] = {}
    for index, workflow in structure.workflows.items():
        if structure.workflow_names[workflow.name] != index:
            continue
        for key, notebook in workflow.notebooks.items():
            path: Path = ("workflows", index, "notebooks", key, "filename")
            stem = _output_name(notebook.filename, workflow.name)
            if stem in first:
                other = structure.place(first[stem])
                problem = f'Executed, "{notebook.filename}" would have the file name of {other}.'
                hint = "Give one of the notebooks, or a copy of it, another file name."
                yield Finding(path, problem, hint)
            first.setdefault(stem, path)


def _output_name(filename: str, workflow_name: str) -> str:
    from datetime import UTC, datetime

    return output_stem(filename, workflow_name, None, "", datetime.min.replace(tzinfo=UTC))


def _templates(workflow: WorkflowModel, path: Path) -> Iterator[Finding]:
    for key, notebook in workflow.notebooks.items():
        output = notebook.output
        if output is None or not isinstance(output.template, dict):
            continue
        for report_format in output.template:
            if report_format not in output.format:
                problem = f"There is a template for {report_format}, but no such report."
                hint = f"Add {report_format} to format, or remove the template."
                yield Finding((*path, key, "output", "template", report_format), problem, hint)
