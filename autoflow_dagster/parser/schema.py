"""The structure of `workflows.yml`: its keys, their types, defaults and meaning.

The models are the only place where this is said: the parser reads files with them, `json_schema`
is made from them and the reference documentation is checked against them. What needs to look at
several keys, or at other files, is checked elsewhere.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, field_validator
from pydantic_core import PydanticCustomError
from pydantic_core.core_schema import ValidationInfo

from autoflow_dagster.dates.date_stencil import DateStencil
from autoflow_dagster.parser import schema_values as values
from autoflow_dagster.workflows import CdrTypesMode, Engine, Every

SCHEMA_ID = "https://json-schema.org/draft/2020-12/schema"


class Model(BaseModel):
    """A mapping with known keys only, none of them null unless it says so."""

    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, arbitrary_types_allowed=True
    )
    nullable: ClassVar[frozenset[str]] = frozenset()

    @field_validator("*", mode="before")
    @classmethod
    def _refuse_null(cls, value: object, info: ValidationInfo) -> object:
        if value is None and info.field_name not in cls.nullable:
            raise PydanticCustomError("null", "null")
        return value


class OutputModel(Model):
    """What an executed notebook is turned into."""

    nullable: ClassVar[frozenset[str]] = frozenset({"template"})

    format: values.Formats = Field(
        description="The report's format, or a list of formats.",
        examples=["pdf", ["pdf", "html"]],
    )
    template: values.Template | None = Field(
        default=None,
        description="Template file in the inputs directory: an AsciiDoc template for pdf, an HTML "
        "template for html, or a mapping with one for each format. A single name "
        "beside both formats is the one for pdf. Default, and null: the built-in template.",
        examples=["custom_asciidoc_template.tpl", {"pdf": "report.tpl", "html": "page.j2"}],
    )
    show_code: bool = Field(
        default=False, description="Whether code cells appear in the report.", examples=[True]
    )


class NotebookModel(Model):
    """One notebook of a workflow."""

    filename: values.Filename = Field(
        description="Jupyter notebook, relative to the inputs directory and inside it.",
        examples=["run_flows.ipynb"],
    )
    parameters: dict[str, values.Source] = Field(
        default={},
        description="From the name of a parameter inside the notebook to what it is taken from: a "
        "workflow parameter, the key of another notebook (whose executed file's path is passed), "
        "reference_date, date_ranges, missing_dates or flowapi_url.",
        examples=[{"date": "reference_date", "previous_notebook": "run_flows"}],
    )
    output: OutputModel | None = Field(
        default=None,
        description="Turn the executed notebook into a report. Default: no report.",
        examples=[{"format": "pdf"}],
    )
    kernel: values.Name | None = Field(
        default=None,
        description="Name of the Jupyter kernel. Default: the one that the notebook names.",
        examples=["python3"],
    )
    timeout: values.Duration | None = Field(
        default=None,
        description="Longest time that the whole notebook may take. Default: no limit.",
        examples=["2h"],
    )
    engine: Engine | None = Field(
        default=None,
        description="How the notebook is run. Default: dagstermill when the notebook imports it, "
        "papermill otherwise.",
        examples=["papermill"],
    )
    description: str | None = Field(
        default=None,
        description="Text for people, shown by Dagster. Default: none.",
        examples=["Runs the flows queries, so that they are in the cache."],
    )


class WorkflowModel(Model):
    """Notebooks that belong together."""

    name: values.Name = Field(
        description="Unique name of the workflow.", examples=["flows_above_normal"]
    )
    notebooks: Annotated[dict[str, NotebookModel], Field(min_length=1)] = Field(
        description="The notebooks, by keys with which they refer to each other.",
        examples=[{"run_flows": {"filename": "run_flows.ipynb"}}],
    )
    description: str | None = Field(
        default=None,
        description="Text for people, shown by Dagster. Default: none.",
        examples=["Flows above normal between regions."],
    )
    owners: list[values.Owner] = Field(
        default=[],
        description="E-mail addresses, or team: and a name, shown by Dagster.",
        examples=[["team:mobility"]],
    )
    tags: values.Tags = Field(
        default={},
        description="Tags on the workflow's jobs, runs and assets in Dagster.",
        examples=[{"country": "ghana"}],
    )


class ConfigModel(Model):
    """One set of parameters with which the sensor runs a workflow."""

    nullable: ClassVar[frozenset[str]] = frozenset({"cdr_types"})

    workflow_name: values.Name = Field(
        description="The workflow to run: the name of one under workflows.",
        examples=["flows_above_normal"],
    )
    name: values.JobName | None = Field(
        default=None,
        description="Unique name of the job that runs this config: letters, digits and _. Default: "
        "the workflow's name; for further configs of the workflow, with a suffix.",
        examples=["flows_admin2"],
    )
    description: str | None = Field(
        default=None,
        description="Text for people, shown by Dagster. Default: none.",
        examples=["By district."],
    )
    parameters: dict[str, Any] = Field(
        default={},
        description="Values of the workflow's parameters, without the automatic ones.",
        examples=[{"aggregation_unit": "admin2"}],
    )
    earliest_date: values.Date | None = Field(
        default=None,
        description="First date that may be a reference date, inclusive. Default: no bound.",
        examples=["2016-01-01"],
    )
    latest_date: values.Date | None = Field(
        default=None,
        description="Last date that may be a reference date, inclusive. Default: no bound.",
        examples=["2016-12-31"],
    )
    date_stencil: values.Stencil = Field(
        default=DateStencil(),
        description="Dates that must be available for a reference date: a list of offsets in days, "
        "dates, calendar offsets such as -1 month, and half-open intervals of these.",
        examples=[[[-7, 0]], ["2016-01-01", "-1 month", 0]],
    )
    every: values.EveryKey = Field(
        default=Every.DAY,
        description="Which available dates may be reference dates.",
        examples=["monday"],
    )
    cdr_types: values.CdrTypes | None = Field(
        default=None,
        description="CDR types whose dates count for this config; null for all. Default: as the "
        "sensor's cdr_types.",
        examples=[["calls", "sms"]],
    )
    cdr_types_mode: CdrTypesMode | None = Field(
        default=None,
        description="any: a date is available when one of the CDR types has it. all: when every "
        "one has it. Default: as the sensor's cdr_types_mode.",
        examples=["all"],
    )
    min_available: values.Share = Field(
        default=1.0,
        description="Share of the stencil's dates, from 0 to 1, that must be available.",
        examples=[0.6],
    )
    max_gap: values.Gap | None = Field(
        default=None,
        description="Longest run of missing stencil dates, in days, to put up with when "
        "min_available is below 1. Default: no limit.",
        examples=[6],
    )
    max_attempts: values.Attempts | None = Field(
        default=None,
        description="Failed attempts after which a date is given up. Default: never; it is tried "
        "at every check.",
        examples=[3],
    )
    retry_delay: values.Duration | None = Field(
        default=None,
        description="Least time between a failed attempt and the next one. Default: none; the next "
        "check tries again.",
        examples=["6h"],
    )


class SensorModel(Model):
    """When available dates are checked, and what runs for them."""

    nullable: ClassVar[frozenset[str]] = frozenset({"schedule", "cdr_types"})

    schedule: values.Cron | None = Field(
        description="When to check for available dates: a cron string of 5 fields (6 with "
        "seconds), or null to check once.",
        examples=["0 0 * * *", None],
    )
    timezone: values.Timezone = Field(
        default="UTC",
        description="Time zone of the schedule: an IANA name.",
        examples=["Africa/Accra"],
    )
    cdr_types: values.CdrTypes | None = Field(
        default=None,
        description="CDR types whose dates count. Default, and null: all that FlowAPI reports.",
        examples=[["calls", "sms"]],
    )
    cdr_types_mode: CdrTypesMode = Field(
        default="any",
        description="any: a date is available when one of the CDR types has it. all: when every "
        "one has it.",
        examples=["all"],
    )
    workflows: list[ConfigModel] = Field(
        description="What to run for the available dates: configs, each one Dagster job.",
        examples=[[{"workflow_name": "flows_above_normal"}]],
    )


class FileModel(Model):
    """The workflow definition file of AutoFlow."""

    model_config = ConfigDict(extra="ignore", title="AutoFlow workflows.yml")

    workflows: list[WorkflowModel] = Field(
        description="The workflows.",
        examples=[[{"name": "flows", "notebooks": {"run": {"filename": "run.ipynb"}}}]],
    )
    available_dates_sensor: SensorModel = Field(
        description="The sensor that runs workflows for dates of available CDR data.",
        examples=[{"schedule": "0 0 * * *", "workflows": [{"workflow_name": "flows"}]}],
    )


def json_schema() -> dict[str, Any]:
    """Return a JSON Schema of `workflows.yml`, for editors.

    Says less than the parser checks: what breaks the schema is refused by the parser, but not the
    other way round.
    """
    schema = FileModel.model_json_schema()
    for name, model in MODELS.items():
        _tidy(schema if model is FileModel else schema["$defs"][name], model)
    return {"$schema": SCHEMA_ID, **schema}


MODELS: dict[str, type[Model]] = {
    model.__name__: model
    for model in (FileModel, WorkflowModel, NotebookModel, OutputModel, SensorModel, ConfigModel)
}
"""By name, from the top of the file down."""


def _tidy(part: dict[str, Any], model: type[Model]) -> None:
    """Take away null, which the models use for "not given", and titles that repeat the key."""
    for key, described in part["properties"].items():
        described.pop("title", None)
        if isinstance(model.model_fields[key].default, DateStencil):
            described["default"] = [0]
        if "anyOf" not in described or key in model.nullable:
            continue
        kinds = [kind for kind in described["anyOf"] if kind != {"type": "null"}]
        if len(kinds) == 1:
            del described["anyOf"]
            described.update(kinds[0])
        else:
            described["anyOf"] = kinds
        if described.get("default", ...) is None:
            del described["default"]
