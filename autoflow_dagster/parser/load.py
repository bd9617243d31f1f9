"""`workflows.yml` to the frozen objects of `workflows`, or to an error that tells everything.

The order: text, YAML, structure, then what lies between keys, then the files that are named. The
steps live in modules of their own; here they are put together.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from autoflow_dagster.errors import WorkflowsFileError
from autoflow_dagster.parser.config_checks import check_configs
from autoflow_dagster.parser.config_names import job_names
from autoflow_dagster.parser.job_checks import check_job_names
from autoflow_dagster.parser.notebook_checks import FileChecks
from autoflow_dagster.parser.problems import FILE_NAME, Finding, Message, Places, sentences
from autoflow_dagster.parser.schema import ConfigModel, NotebookModel, OutputModel, SensorModel
from autoflow_dagster.parser.structure import Structure, read_structure
from autoflow_dagster.parser.workflow_checks import check_workflows
from autoflow_dagster.parser.yaml_document import (
    MAX_BYTES,
    UnreadableYamlError,
    YamlDocument,
    read_yaml,
)
from autoflow_dagster.workflows import (
    Notebook,
    Output,
    ReportFormat,
    Workflow,
    WorkflowConfig,
    WorkflowDefinitions,
    execution_order,
)


def load_workflows(
    inputs_dir: Path, *, check_notebooks: bool = True, check_kernels: bool = False
) -> WorkflowDefinitions:
    """Read the workflow definition of an inputs directory.

    Parameters
    ----------
    inputs_dir : Path
        Has `workflows.yml` and the files that it names.
    check_notebooks : bool
        Whether to open notebooks and templates; otherwise they only have to be there.
    check_kernels : bool
        Whether the notebooks' kernels have to be installed here.

    Raises
    ------
    WorkflowsFileError
        Its text has a line for each problem, sorted by line of the file.
    """
    text = _read_text(inputs_dir)
    return parse_workflows(
        text, inputs_dir, check_notebooks=check_notebooks, check_kernels=check_kernels
    )


def parse_workflows(
    text: str,
    inputs_dir: Path | None = None,
    *,
    check_notebooks: bool = True,
    check_kernels: bool = False,
) -> WorkflowDefinitions:
    """Read a workflow definition from text.

    Parameters
    ----------
    text : str
        What `workflows.yml` says.
    inputs_dir : Path or None
        Where the files that it names are; None not to look for them.
    check_notebooks, check_kernels : bool
        As for `load_workflows`.

    Raises
    ------
    WorkflowsFileError
        As `load_workflows`.
    """
    try:
        document = read_yaml(text)
    except UnreadableYamlError as error:
        raise _error([error.finding], YamlDocument()) from error
    structure = read_structure(document)
    findings = list(structure.findings)
    if structure.sensor is not None:
        findings += check_workflows(structure)
        findings += check_configs(structure)
        findings += check_job_names(structure)
        if inputs_dir is not None:
            checks = FileChecks(inputs_dir, check_notebooks, check_kernels)
            findings += checks.findings(structure)
    if structure.sensor is None or any(not finding.is_warning for finding in findings):
        raise _error(findings, document)
    return _definitions(structure, structure.sensor, tuple(_messages(findings, document)))


def _read_text(inputs_dir: Path) -> str:
    """Return the text of the file, not more than is ever read of it."""
    path = inputs_dir / FILE_NAME
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise _unreadable(inputs_dir, error) from error
    if len(content) > MAX_BYTES:
        problem = f"The file is longer than {MAX_BYTES} bytes."
        raise _error([Finding((), problem, "Use several inputs directories.")], YamlDocument())
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        problem = f"The file is not UTF-8 (byte 0x{content[error.start]:02x})."
        finding = Finding((), problem, "Save it as UTF-8.", line)
        raise _error([finding], YamlDocument()) from error


def _unreadable(inputs_dir: Path, error: OSError) -> WorkflowsFileError:
    """Return the error for a file that cannot be opened."""
    if not inputs_dir.exists():
        problem = "There is no such inputs directory."
        hint = "Create it with autoflow init, or set AUTOFLOW_INPUTS_DIR to the right one."
        return WorkflowsFileError(str(inputs_dir), problem, hint)
    if isinstance(error, FileNotFoundError):
        others = sorted(path.name for path in inputs_dir.glob("workflows.y*ml"))
        hint = f"Rename {others[0]} to {FILE_NAME}." if others else "Write one: autoflow init."
        return WorkflowsFileError(str(inputs_dir), f"There is no {FILE_NAME} in it.", hint)
    problem = f"{FILE_NAME} cannot be read ({error.strerror})."
    hint = "Correct the permissions of the directory and the file."
    return WorkflowsFileError(str(inputs_dir), problem, hint)


def _messages(findings: Iterable[Finding], document: YamlDocument) -> list[str]:
    """Return findings as lines, sorted by their line in the file, none twice."""
    places = Places(document.data)
    messages = {
        Message(
            finding.line or document.line_of(finding.path),
            places.name_of(finding.path),
            sentences(finding.problem, finding.hint),
        )
        for finding in findings
    }
    return list(map(str, sorted(messages, key=lambda message: message.sort_key)))


def _error(findings: Iterable[Finding], document: YamlDocument) -> WorkflowsFileError:
    return WorkflowsFileError("", "\n".join(_messages(findings, document)))


def _definitions(
    structure: Structure, sensor: SensorModel, warnings: tuple[str, ...]
) -> WorkflowDefinitions:
    """Return the frozen objects of a file without mistakes."""
    workflows = {}
    for model in structure.workflows.values():
        notebooks = {key: _notebook(key, nb) for key, nb in model.notebooks.items()}
        workflows[model.name] = Workflow(
            name=model.name,
            notebooks={key: notebooks[key] for key in execution_order(notebooks)},
            description=model.description,
            owners=tuple(model.owners),
            tags=model.tags,
        )
    names = job_names(structure.configs)
    configs = tuple(
        _config(names[index], model, workflows, sensor)
        for index, model in structure.configs.items()
    )
    return WorkflowDefinitions(workflows, configs, sensor.schedule, sensor.timezone, warnings)


def _notebook(key: str, model: NotebookModel) -> Notebook:
    return Notebook(
        key=key,
        filename=model.filename,
        parameters=model.parameters,
        output=_output(model.output) if model.output else None,
        kernel=model.kernel,
        timeout=model.timeout,
        engine=model.engine,
        description=model.description,
    )


def _output(model: OutputModel) -> Output:
    templates: dict[ReportFormat, str] = {}
    if isinstance(model.template, dict):
        templates = model.template
    elif model.template is not None:
        templates = {"pdf" if "pdf" in model.format else "html": model.template}
    return Output(formats=model.format, templates=templates, show_code=model.show_code)


def _config(
    name: str, model: ConfigModel, workflows: Mapping[str, Workflow], sensor: SensorModel
) -> WorkflowConfig:
    # Written as null, the config wants all types, whatever the sensor says.
    inherits_types = "cdr_types" not in model.model_fields_set
    return WorkflowConfig(
        name=name,
        workflow=workflows[model.workflow_name],
        parameters=model.parameters,
        earliest_date=model.earliest_date,
        latest_date=model.latest_date,
        date_stencil=model.date_stencil,
        every=model.every,
        cdr_types=sensor.cdr_types if inherits_types else model.cdr_types,
        cdr_types_mode=model.cdr_types_mode or sensor.cdr_types_mode,
        min_available=model.min_available,
        max_gap=model.max_gap,
        max_attempts=model.max_attempts,
        retry_delay=model.retry_delay,
        description=model.description,
    )
