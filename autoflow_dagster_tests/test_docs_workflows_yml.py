"""Tests that the reference of `workflows.yml` is complete and true."""

from __future__ import annotations

import re
from datetime import date, timedelta
from pathlib import Path
from textwrap import indent
from typing import Any

import pytest
import yaml
from pydantic_core import PydanticUndefined

from autoflow_dagster.dates.date_set import DateSet
from autoflow_dagster.dates.date_stencil import DateStencil
from autoflow_dagster.parser import parse_workflows
from autoflow_dagster.parser.schema import (
    ConfigModel,
    FileModel,
    Model,
    NotebookModel,
    OutputModel,
    SensorModel,
    WorkflowModel,
)
from autoflow_dagster.planning import available_dates_of, is_selected
from autoflow_dagster.workflows import WorkflowConfig

TEXT = (Path(__file__).parent.parent / "docs" / "workflows-yml.md").read_text()
SECTIONS: dict[str, type[Model]] = {
    "Top level": FileModel,
    "A workflow": WorkflowModel,
    "A notebook": NotebookModel,
    "A report": OutputModel,
    "The available dates sensor": SensorModel,
    "A config": ConfigModel,
}
REQUIRED: dict[type[Model], dict[str, Any]] = {
    FileModel: {
        "workflows": [],
        "available_dates_sensor": {"schedule": None, "workflows": []},
    },
    WorkflowModel: {"name": "flows", "notebooks": {"run": {"filename": "run.ipynb"}}},
    NotebookModel: {"filename": "run.ipynb"},
    OutputModel: {"format": "pdf"},
    SensorModel: {"schedule": None, "workflows": []},
    ConfigModel: {"workflow_name": "flows"},
}


def section(title: str) -> str:
    """Return the text under a heading."""
    found = re.search(rf"^##+ {re.escape(title)}\n(.*?)(?=^##|\Z)", TEXT, re.MULTILINE | re.DOTALL)
    assert found, title
    return found[1]


def tables(title: str) -> list[list[list[str]]]:
    """Return the rows, without the heading, of each table under a heading."""
    found = re.findall(r"(?:^\|.*\|\n)+", section(title), re.MULTILINE)
    return [
        [[cell.strip() for cell in line[1:-1].split("|")] for line in table.splitlines()[2:]]
        for table in found
    ]


def code(cell: str) -> str:
    """Return the text of a cell that is code."""
    assert cell.startswith("`"), cell
    assert cell.endswith("`"), cell
    return cell[1:-1]


def yaml_blocks(title: str) -> list[str]:
    """Return the YAML examples under a heading."""
    return re.findall(r"^```yaml\n(.*?)^```", section(title), re.MULTILINE | re.DOTALL)


def config_of(title: str) -> WorkflowConfig:
    """Return the config that is the only example under a heading."""
    (text,) = yaml_blocks(title)
    (config,) = parse_workflows(
        "workflows: [{name: flows_above_normal, notebooks: "
        "{run: {filename: run.ipynb, parameters: {unit: aggregation_unit}}}}]\n"
        f"available_dates_sensor:\n  schedule: null\n  workflows:\n{indent(text, '    ')}"
    ).configs
    return config


def jan(*days: int) -> list[date]:
    """Return days of January 2016."""
    return [date(2016, 1, day) for day in days]


@pytest.mark.parametrize("title", SECTIONS)
def test_every_key_is_documented(title: str):
    """No key is missing, and none is documented that does not exist."""
    documented = [code(key) for key, *_ in tables(title)[0]]
    assert sorted(documented) == sorted(SECTIONS[title].model_fields)


@pytest.mark.parametrize("title", SECTIONS)
def test_every_key_has_its_type_default_meaning_and_example(title: str):
    """The default is the model's, and the example is a value that the model takes."""
    model = SECTIONS[title]
    for key, kind, default, meaning, example in tables(title)[0]:
        name = code(key)
        assert kind, name
        assert meaning.endswith("."), name
        assert default == default_of(model, name), name
        given = yaml.safe_load(code(example))
        assert list(given) == [name]
        model.model_validate({**REQUIRED[model], **given})


def default_of(model: type[Model], key: str) -> str:
    """Return a key's default as the reference writes it."""
    default = model.model_fields[key].default
    if default is PydanticUndefined:
        return "required"
    if default is None:
        # A config without CDR types has the sensor's; elsewhere null can be written.
        is_inherited = model is ConfigModel and key == "cdr_types"
        return "`null`" if key in model.nullable and not is_inherited else "none"
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    return f"`{default:g}`" if isinstance(default, float) else f"`{default}`"


@pytest.mark.parametrize("title", ["A small file", "Top level"])
def test_whole_files_are_valid(title: str):
    """Without a warning."""
    for text in yaml_blocks(title):
        assert parse_workflows(text).warnings == ()


def test_every_example_is_looked_at():
    """By one of the tests here."""
    of_configs = [
        "Date stencils", "Which dates run", "CDR types", "Gaps", "Failed attempts"
    ]  # fmt: skip
    of_workflows = ["Reports", "Kernels, time limits and engines"]
    looked_at = ["A small file", "Top level", *of_configs, *of_workflows]
    count = sum(len(yaml_blocks(title)) for title in looked_at)
    assert TEXT.count("```yaml") == count
    for title in of_configs:
        config_of(title)
    for title in of_workflows:
        (text,) = yaml_blocks(title)
        parse_workflows(
            f"workflows:\n{indent(text, '  ')}\n"
            "available_dates_sensor: {schedule: null, workflows: []}"
        )


def test_stencils_mean_what_the_reference_says():
    """Each row of the table, for the reference date above it."""
    (_, rows) = tables("Date stencils")
    assert len(rows) > 5
    for stencil, expected in rows:
        value = yaml.safe_load(code(stencil))
        ranges = DateStencil.parse(value).date_ranges(date(2016, 3, 31))
        assert ", ".join(f"{start} to {end}" for start, end in ranges) == expected


def test_the_example_of_calendar_offsets_is_true():
    """A month against the one a year ago."""
    config = config_of("Date stencils")
    reference = date(2016, 3, 1)
    assert is_selected(config, reference)
    written = [[str(d) for d in r] for r in config.date_stencil.date_ranges(reference)]
    assert str(written).replace("'", '"') in section("Date stencils")


def test_the_example_of_selected_dates_is_true():
    """Mondays, both bounds included."""
    config = config_of("Which dates run")
    days = [date(2015, 12, 1) + timedelta(days=n) for n in range(100)]
    selected = [day for day in days if is_selected(config, day)]
    assert selected == [*jan(4, 11, 18, 25), date(2016, 2, 1)]
    assert config.date_stencil.date_ranges(selected[0])[0][0] == date(2015, 12, 28)


def test_the_example_of_cdr_types_is_true():
    """Unions and intersections of what FlowAPI has."""
    by_type = {"calls": DateSet(jan(1, 2, 3, 4, 5)), "sms": DateSet(jan(4, 5, 6, 7))}
    expected = {
        "1 to 7 January": jan(1, 2, 3, 4, 5, 6, 7),
        "1 to 5 January": jan(1, 2, 3, 4, 5),
        "4 and 5 January": jan(4, 5),
        "none: FlowAPI has no top-ups": [],
    }
    (rows,) = tables("CDR types")
    assert len(rows) == 5
    for types, mode, available in rows:
        sensor = {
            "schedule": None,
            "cdr_types": yaml.safe_load(types.split("`")[1]),
            "cdr_types_mode": code(mode),
            "workflows": [{"workflow_name": "flows"}],
        }
        workflows = [{"name": "flows", "notebooks": {"run": {"filename": "run.ipynb"}}}]
        text = yaml.safe_dump({"workflows": workflows, "available_dates_sensor": sensor})
        (config,) = parse_workflows(text).configs
        assert list(available_dates_of(config, by_type)[0]) == expected[available]


def test_the_example_of_gaps_is_true():
    """Each row of the table, for the config above it."""
    config = config_of("Gaps")
    (rows,) = tables("Gaps")
    for missing, runs in rows:
        absent = [date.fromisoformat(text) for text in re.findall(r"\d{4}-\d\d-\d\d", missing)]
        available = DateSet(set(jan(*range(1, 12))) - set(absent))
        check = config.date_stencil.check(date(2016, 1, 11), available)
        assert check.is_satisfied(config.min_available, config.max_gap) == runs.startswith("yes")
        assert list(check.missing_dates) == absent


def test_the_example_of_names_is_true():
    """Each row of the table is a config of the same workflow."""
    (rows,) = tables("Names of jobs")
    configs = [
        {"workflow_name": "flows-above", "parameters": {"aggregation_unit": "admin2"}}
        | {k: v for cell in config.split("`")[1::2] for k, v in yaml.safe_load(cell).items()}
        for config, _ in rows
    ]
    notebook = {"filename": "run.ipynb", "parameters": {"unit": "aggregation_unit"}}
    text = yaml.safe_dump(
        {
            "workflows": [{"name": "flows-above", "notebooks": {"run": notebook}}],
            "available_dates_sensor": {"schedule": None, "workflows": configs},
        }
    )
    found = [config.name for config in parse_workflows(text).configs]
    assert found == [code(name) for _, name in rows]


def test_the_messages_shown_are_real():
    """Their shape and wording; the first one in full."""
    lines = re.findall(r"^workflows\.yml:\d+: .*$", section("Mistakes"), re.MULTILINE)
    texts = [path.read_text() for path in (Path(__file__).parent / "bad_configs").glob("*.txt")]
    assert len(lines) == 2
    for line in lines:
        problem = line.split(": ", 2)[2]
        hint = problem.split(". ", 1)[1] if "pair" in problem else problem.split("? ")[1]
        assert any(hint in text for text in texts)


def test_links_lead_somewhere():
    """Every anchor is a heading."""
    headings = re.findall(r"^#+ (.*)$", TEXT, re.MULTILINE)
    anchors = {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}
    used = set(re.findall(r"\]\(#([^)]+)\)", TEXT))
    assert used <= anchors
