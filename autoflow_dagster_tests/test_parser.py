"""Tests of reading `workflows.yml`: what it means, and the whole text of every message."""

from __future__ import annotations

import contextlib
import random
import shutil
import subprocess
import sys
import time
from datetime import date, timedelta
from pathlib import Path
from textwrap import dedent, indent
from typing import Any

import pytest
from croniter import croniter
from hypothesis import given, settings
from hypothesis import strategies as st

from autoflow_dagster.dates.date_stencil import DateStencil
from autoflow_dagster.errors import WorkflowsFileError
from autoflow_dagster.parser import load_workflows, notebook_checks, parse_workflows
from autoflow_dagster.parser.schema_values import is_cron
from autoflow_dagster.workflows import Every, Output, WorkflowConfig, WorkflowDefinitions

HERE = Path(__file__).parent
BAD_CONFIGS = sorted((HERE / "bad_configs").glob("*.yml"))
FILES = HERE / "bad_configs" / "files"
EXAMPLES = sorted((HERE.parent / "examples").rglob("workflows.yml"))

TWO_WORKFLOWS = """
workflows:
  - name: workflow1
    notebooks:
      notebook1:
        filename: run_flows.ipynb
        parameters:
          url: flowapi_url
          date: reference_date
          extra: dummy_param
  - name: workflow2
    notebooks:
      notebook1:
        filename: run_flows.ipynb
      notebook2:
        filename: flows_report.ipynb
        parameters:
          ranges: date_ranges
          other: notebook1
        output:
          format: pdf
          template: good.tpl
available_dates_sensor:
  schedule: "0 0 * * *"
  cdr_types:
    - calls
    - sms
  workflows:
    - workflow_name: workflow1
      parameters:
        dummy_param: 123
      earliest_date: 2016-01-01
      date_stencil:
        - [2016-01-01, 2016-01-03]
        - -1
        - 0
    - workflow_name: workflow2
"""

ONE_WORKFLOW = """
workflows:
  - name: flows
    notebooks:
      run_flows:
        filename: run_flows.ipynb
        parameters: {unit: unit, missing: missing_dates}
"""


@pytest.fixture
def inputs_dir(tmp_path: Path) -> Path:
    """Return a directory with notebooks good and bad, but without `workflows.yml`."""
    inputs_dir = tmp_path / "inputs"
    shutil.copytree(FILES, inputs_dir)
    (inputs_dir / "directory.ipynb").mkdir()
    (tmp_path / "outside.ipynb").write_text("{}")
    (inputs_dir / "link_out.ipynb").symlink_to(tmp_path / "outside.ipynb")
    (inputs_dir / "link_to_itself.ipynb").symlink_to(inputs_dir / "link_to_itself.ipynb")
    return inputs_dir


def parse_config(config: str, sensor: str = "schedule: null") -> WorkflowConfig:
    """Return the config that is written with these keys, for a workflow that takes `unit`."""
    text = dedent(config).strip()
    if "parameters" not in text:
        text += "\nparameters: {unit: admin2}"
    definitions = parse_workflows(
        f"{ONE_WORKFLOW}\navailable_dates_sensor:\n{indent(dedent(sensor).strip(), '  ')}\n"
        f"  workflows:\n    - workflow_name: flows\n{indent(text, '      ')}\n"
    )
    (found,) = definitions.configs
    return found


def parse_notebook(notebook: str) -> Any:
    """Return the notebook that is written with these keys."""
    text = dedent(notebook).strip()
    if "filename" not in text:
        text += "\nfilename: run_flows.ipynb"
    definitions = parse_workflows(
        f"workflows:\n  - name: flows\n    notebooks:\n      run:\n{indent(text, '        ')}\n"
        "available_dates_sensor: {schedule: null, workflows: []}\n"
    )
    return definitions.workflows["flows"].notebooks["run"]


def problems_of(text: str, inputs_dir: Path | None = None) -> list[str]:
    """Return the lines of the error for a file that is not valid."""
    with pytest.raises(WorkflowsFileError) as caught:
        parse_workflows(dedent(text), inputs_dir)
    return str(caught.value).splitlines()


# Messages


@pytest.mark.parametrize("path", BAD_CONFIGS, ids=lambda path: path.stem)
def test_every_mistake_has_its_message(
    path: Path, inputs_dir: Path, monkeypatch: pytest.MonkeyPatch
):
    """The whole text: all problems at once, with line, place, value and what to do."""
    monkeypatch.setattr(notebook_checks, "installed_kernels", lambda: frozenset({"python3"}))
    shutil.copy(path, inputs_dir / "workflows.yml")
    with pytest.raises(WorkflowsFileError) as caught:
        load_workflows(inputs_dir, check_kernels=True)
    assert str(caught.value) + "\n" == path.with_suffix(".txt").read_text()


def test_every_text_belongs_to_a_bad_config():
    """No expected text is left over, and there is something to test."""
    assert len(BAD_CONFIGS) > 40
    texts = (HERE / "bad_configs").glob("*.txt")
    assert {path.stem for path in texts} == {path.stem for path in BAD_CONFIGS}


@pytest.mark.parametrize("path", BAD_CONFIGS, ids=lambda path: path.stem)
def test_messages_are_sorted_by_line_and_have_one_shape(path: Path):
    """``workflows.yml:LINE: place: problem. Hint.``, one line each."""
    lines = path.with_suffix(".txt").read_text().splitlines()
    numbers = []
    for line in lines:
        file, number, rest = line.split(":", 2)
        assert file == "workflows.yml"
        assert rest.startswith(" ")
        assert line.endswith((".", "?"))
        numbers.append(int(number))
    assert numbers == sorted(numbers)
    assert len(lines) == len(set(lines))


def test_control_characters_of_the_file_do_not_reach_the_screen():
    """Nor do line ends: a message is one line."""
    (line,) = problems_of(
        r"""
        workflows: []
        available_dates_sensor:
          schedule: "\e[31m \n red \0"
          workflows: []
        """
    )
    assert line.isprintable()
    assert '"\N{REPLACEMENT CHARACTER}[31m red \N{REPLACEMENT CHARACTER}" is not a cron' in line


# Files that cannot be read


def test_a_missing_directory_is_told(tmp_path: Path):
    """With what to do about it."""
    with pytest.raises(WorkflowsFileError) as caught:
        load_workflows(tmp_path / "inputs")
    assert str(caught.value) == (
        f"{tmp_path / 'inputs'}: There is no such inputs directory.\n"
        "  Create it with autoflow init, or set AUTOFLOW_INPUTS_DIR to the right one."
    )


def test_a_missing_file_is_told(tmp_path: Path):
    """And one with a similar name."""
    with pytest.raises(WorkflowsFileError) as caught:
        load_workflows(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path}: There is no workflows.yml in it.\n  Write one: autoflow init."
    )
    (tmp_path / "workflows.yaml").touch()
    with pytest.raises(WorkflowsFileError, match=r"Rename workflows\.yaml to workflows\.yml"):
        load_workflows(tmp_path)


def test_a_file_that_cannot_be_opened_is_told(tmp_path: Path):
    """Here because it is a directory."""
    (tmp_path / "workflows.yml").mkdir()
    with pytest.raises(WorkflowsFileError) as caught:
        load_workflows(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path}: workflows.yml cannot be read (Is a directory).\n"
        "  Correct the permissions of the directory and the file."
    )


def test_an_inputs_directory_that_is_a_file_is_told(tmp_path: Path):
    """Instead of an error from the operating system."""
    (tmp_path / "inputs").touch()
    with pytest.raises(WorkflowsFileError, match="Not a directory"):
        load_workflows(tmp_path / "inputs")


def test_a_file_that_is_not_utf8_is_told(tmp_path: Path):
    """With the line of the first wrong byte."""
    (tmp_path / "workflows.yml").write_bytes("workflows: []\n# caf\xe9\n".encode("latin-1"))
    with pytest.raises(WorkflowsFileError) as caught:
        load_workflows(tmp_path)
    assert str(caught.value) == (
        "workflows.yml:2: The file is not UTF-8 (byte 0xe9). Save it as UTF-8."
    )


def test_a_byte_order_mark_is_no_mistake(inputs_dir: Path):
    """Editors on Windows write one."""
    (inputs_dir / "workflows.yml").write_text(TWO_WORKFLOWS, encoding="utf-8-sig")
    assert load_workflows(inputs_dir).workflows


def test_a_very_long_file_is_told(tmp_path: Path):
    """It is not even read to its end."""
    with (tmp_path / "workflows.yml").open("wb") as file:
        file.truncate(10**10)
    with pytest.raises(WorkflowsFileError) as caught:
        load_workflows(tmp_path)
    assert str(caught.value) == (
        "workflows.yml:1: The file is longer than 1000000 bytes. Use several inputs directories."
    )


@pytest.mark.parametrize(
    "text",
    [
        "[" * 900_000,
        "{a: " * 200_000,
        "- " * 400_000,
        "a: " * 100 + "1",
        "\n".join(" " * n + "a:" for n in range(1000)),
        "x-a: &a [" + "1, " * 10_000 + "]\nx-b: [" + "*a, " * 10_000 + "]",
        "x-a: " + "9" * 900_000,
        "x-a: 1" + ":1" * 400_000,
        "x-a: !!int " + "9" * 900_000,
        "x-a: !!timestamp " + "9" * 900_000,
        "&a : *a",
        "a: !!python/object/apply:os.system ['true']",
    ],
    ids=lambda text: text[:12],
)
def test_bombs_are_refused_promptly(text: str):
    """Deep, wide or long: no file takes long, much memory or the process."""
    started = time.process_time()
    with pytest.raises(WorkflowsFileError):
        parse_workflows(text)
    assert time.process_time() - started < 5


LINES = TWO_WORKFLOWS.splitlines()


@settings(deadline=None, max_examples=150)
@given(st.randoms(use_true_random=False))
def test_no_file_raises_anything_but_our_error(chance: random.Random) -> None:
    """A valid file with lines lost, doubled, moved in and out, or with other values."""
    lines = list(LINES)
    values = ["null", "true", "[]", "{}", "5", "-1.5", "2016-01-01", "*a", "&a", "'", "{a: [b]}"]
    for _ in range(chance.randint(1, 4)):
        index = chance.randrange(len(lines))
        match chance.randrange(5):
            case 0 if len(lines) > 1:
                del lines[index]
            case 1:
                lines.insert(index, chance.choice(LINES))
            case 2:
                lines[index] = " " * chance.randrange(6) + lines[index].lstrip()
            case 3 if ":" in lines[index]:
                lines[index] = f"{lines[index].split(':')[0]}: {chance.choice(values)}"
            case _:
                lines[index] = lines[index].replace("-", chance.choice(values), 1)
    with contextlib.suppress(WorkflowsFileError):
        assert isinstance(parse_workflows("\n".join(lines)), WorkflowDefinitions)


HEAD = (
    "workflows:\n  - {name: flows, notebooks: {run: {filename: run.ipynb}}}\n"
    "available_dates_sensor:\n  schedule: null\n  workflows:\n"
)


@pytest.mark.parametrize(
    "text",
    [
        HEAD + "".join(f"    - {{workflow_name: flows{n}x}}\n" for n in range(2000)),
        HEAD + "    - {workflow_name: flows}\n" * 2000,
        HEAD + "    - {workflow_name: flows, earliest_date: 2016-02-30, every: x}\n" * 2000,
        HEAD.replace("flows", "f" * 100_000) + "    - 5\n" * 2000,
        "x-a: &a\n"
        + "".join(f"  k{n}: {{a: 1}}\n" for n in range(2000))
        + "x-b:\n  <<: *a\n"
        + "".join(f"  k{n}: {{a: 2}}\n" for n in range(2000)),
        "workflows: []\n" * 3000,
    ],
    ids=["unknown names", "repeated", "broken dates", "long name", "merges", "duplicate keys"],
)
def test_thousands_of_mistakes_are_told_promptly(text: str):
    """The time grows with the number of mistakes, not with its square; lines stay short."""
    started = time.process_time()
    lines = problems_of(text)
    assert time.process_time() - started < 5
    assert all(len(line) < 2000 for line in lines)


@settings(deadline=None, max_examples=150)
@given(st.text(max_size=60))
def test_no_text_raises_anything_but_our_error(text: str) -> None:
    """Whatever the characters."""
    with pytest.raises(WorkflowsFileError, match=r"^workflows\.yml:"):
        parse_workflows(text)


# What a valid file means


def test_the_sample_of_autoflow_means_the_same(inputs_dir: Path):
    """Two workflows and two configs, one of them with nothing but a name."""
    (inputs_dir / "workflows.yml").write_text(TWO_WORKFLOWS)
    definitions = load_workflows(inputs_dir)
    assert list(definitions.workflows) == ["workflow1", "workflow2"]
    one, two = definitions.workflows.values()
    assert one.notebooks["notebook1"].parameters == {
        "url": "flowapi_url",
        "date": "reference_date",
        "extra": "dummy_param",
    }
    assert one.notebooks["notebook1"].output is None
    assert two.notebooks["notebook2"].output == Output(("pdf",), {"pdf": "good.tpl"})
    assert two.upstream_of("notebook2") == ("notebook1",)
    assert (definitions.schedule, definitions.timezone) == ("0 0 * * *", "UTC")
    first, second = definitions.configs
    assert first == WorkflowConfig(
        name="workflow1",
        workflow=one,
        parameters={"dummy_param": 123},
        earliest_date=date(2016, 1, 1),
        date_stencil=DateStencil([(date(2016, 1, 1), date(2016, 1, 3)), -1, 0]),
        cdr_types=("calls", "sms"),
    )
    assert second == WorkflowConfig(name="workflow2", workflow=two, cdr_types=("calls", "sms"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.parent.name)
def test_every_example_is_valid(path: Path):
    """With its notebooks, and without a warning."""
    assert load_workflows(path.parent).warnings == ()


@pytest.mark.parametrize(
    "text",
    [
        "workflows: []\navailable_dates_sensor: {schedule: null, workflows: []}",
        'workflows: []\navailable_dates_sensor: {schedule: "* * * * * 30", workflows: []}',
        'workflows: []\navailable_dates_sensor: {schedule: "@daily", workflows: []}',
        "workflows: []\navailable_dates_sensor: {schedule: 0 0 * * mon, workflows: []}",
        "available_dates_sensor: {schedule: null, cdr_types: null, workflows: []}\nworkflows: []",
        "{workflows: [], available_dates_sensor: {schedule: null, workflows: []}}",
        "%YAML 1.1\n---\nworkflows: []\navailable_dates_sensor: {schedule: , workflows: []}\n...",
    ],
)
def test_small_files_are_accepted(text: str):
    """As by AutoFlow."""
    definitions = parse_workflows(text)
    assert definitions.workflows == {}
    assert definitions.configs == ()
    assert definitions.warnings == ()


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("2016-01-04", date(2016, 1, 4)),
        ('"2016-01-04"', date(2016, 1, 4)),
        ("2016-1-4", date(2016, 1, 4)),
    ],
)
def test_dates_may_be_in_quotes(written: str, expected: date):
    """And their months and days of one digit, as in AutoFlow."""
    config = parse_config(f"earliest_date: {written}\nlatest_date: {written}")
    assert (config.earliest_date, config.latest_date) == (expected, expected)


def test_a_workflow_without_a_config_is_kept():
    """It can be run by hand, and its parameters are then given by hand."""
    definitions = parse_workflows(
        f"{ONE_WORKFLOW}\navailable_dates_sensor: {{schedule: null, workflows: []}}"
    )
    assert definitions.unconfigured == (definitions.workflows["flows"],)


def test_anchors_aliases_and_merge_keys_are_understood():
    """Keys that begin with x- are there for them; a mapping's own keys win."""
    definitions = parse_workflows(
        dedent(
            """
            x-common: &common {every: monday, max_attempts: 3}
            x-more: &more {every: tuesday, min_available: 0.5}
            x-5: {5: odd, yes: keys}
            workflows:
              - {name: flows, notebooks: &notebooks {run: {filename: run.ipynb}}}
              - {name: other, notebooks: *notebooks}
            available_dates_sensor:
              schedule: null
              workflows:
                - {workflow_name: flows, <<: *common, max_attempts: 5}
                - {workflow_name: other, <<: [*common, *more]}
            """
        )
    )
    flows, other = definitions.configs
    assert (flows.every, flows.max_attempts) == (Every.MONDAY, 5)
    assert (other.every, other.max_attempts, other.min_available) == (Every.MONDAY, 3, 0.5)
    assert definitions.warnings == ()


def test_a_mistake_in_what_an_alias_brings_in_is_told_where_it_stands():
    """Once for each use, at the line of the mistake itself."""
    lines = problems_of(
        """\
        x-common: &common
          every: mondays
        workflows:
          - {name: flows, notebooks: {run: {filename: run.ipynb}}}
        available_dates_sensor:
          schedule: null
          workflows:
            - workflow_name: flows
              <<: *common
        """
    )
    assert [line.split(": ")[:2] for line in lines] == [
        [
            "workflows.yml:2",
            'available_dates_sensor > config of workflow "flows" > every',
        ]
    ]


def test_unknown_top_level_keys_are_warnings():
    """AutoFlow ignored them; the file is used all the same."""
    definitions = parse_workflows(
        "workflows: []\navailable_dates_sensor: {schedule: null, workflows: []}\n"
        "Workflows: []\nversion: 1\n2: x\nx-version: 1\n"
    )
    assert definitions.warnings == (
        (
            'workflows.yml:3: Workflows: The key "Workflows" is not known and is ignored. '
            'Did you mean "workflows"?'
        ),
        (
            'workflows.yml:4: version: The key "version" is not known and is ignored. '
            "If it holds YAML anchors, begin its name with x-."
        ),
        (
            'workflows.yml:5: 2: The key "2" is not known and is ignored. '
            "If it holds YAML anchors, begin its name with x-."
        ),
    )


def test_doubtful_notebooks_are_warnings(inputs_dir: Path):
    """Papermill would only log, and the notebook may be right."""
    text = """
        workflows:
          - name: flows
            notebooks:
              a:
                filename: run_flows.ipynb
                parameters: {refrence_date: reference_date, previous_notebook: b}
              b:
                filename: no_parameters_cell.ipynb
                parameters: {reference_date: reference_date}
        available_dates_sensor: {schedule: null, workflows: []}
        """
    assert parse_workflows(dedent(text), inputs_dir).warnings == (
        (
            'workflows.yml:7: workflow "flows" > notebook "a" > parameters > refrence_date: '
            '"refrence_date" is not assigned in the parameters cell of "run_flows.ipynb". '
            'Did you mean "reference_date"?'
        ),
        (
            'workflows.yml:10: workflow "flows" > notebook "b" > parameters: '
            '"no_parameters_cell.ipynb" has no cell with the tag "parameters": the values are put '
            "at its top. Tag the cell that assigns the defaults."
        ),
    )
    assert parse_workflows(dedent(text)).warnings == ()


# Extensions


def test_extensions_have_the_defaults_of_autoflow():
    """A config without them behaves as it always did."""
    config = parse_config("")
    assert config == WorkflowConfig(
        name="flows", workflow=config.workflow, parameters={"unit": "admin2"}
    )


def test_all_keys_of_a_config_are_read():
    """Into days, times and numbers."""
    config = parse_config(
        """
        name: flows_admin2
        description: By district.
        parameters: {unit: admin2}
        earliest_date: 2016-01-04
        latest_date: 2016-12-31
        date_stencil: [-1 month, [-2 weeks, 0], "2016-01-01"]
        every: month_end
        cdr_types: [sms, calls, sms]
        cdr_types_mode: all
        min_available: 0.6
        max_gap: 6
        max_attempts: 3
        retry_delay: 1h 30min
        """
    )
    assert config == WorkflowConfig(
        name="flows_admin2",
        workflow=config.workflow,
        parameters={"unit": "admin2"},
        earliest_date=date(2016, 1, 4),
        latest_date=date(2016, 12, 31),
        date_stencil=DateStencil(["-1 month", (-14, 0), date(2016, 1, 1)]),
        every=Every.MONTH_END,
        cdr_types=("sms", "calls"),
        cdr_types_mode="all",
        min_available=0.6,
        max_gap=timedelta(days=6),
        max_attempts=3,
        retry_delay=timedelta(hours=1, minutes=30),
        description="By district.",
    )


def test_all_keys_of_a_notebook_are_read():
    """Into times and names."""
    notebook = parse_notebook(
        """
        description: Runs the queries.
        kernel: python3
        timeout: 2h
        engine: dagstermill
        parameters: {}
        output: {format: [pdf, html, pdf], show_code: true}
        """
    )
    assert (notebook.kernel, notebook.timeout) == ("python3", timedelta(hours=2))
    assert (notebook.engine, notebook.description) == ("dagstermill", "Runs the queries.")
    assert notebook.output == Output(("pdf", "html"), show_code=True)


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ("{format: pdf}", {}),
        ("{format: pdf, template: null}", {}),
        ("{format: pdf, template: a.tpl}", {"pdf": "a.tpl"}),
        ("{format: html, template: a.j2}", {"html": "a.j2"}),
        ("{format: [html, pdf], template: a.tpl}", {"pdf": "a.tpl"}),
        ("{format: [pdf, html], template: {html: a.j2}}", {"html": "a.j2"}),
        (
            "{format: [pdf, html], template: {html: a.j2, pdf: a.tpl}}",
            {"html": "a.j2", "pdf": "a.tpl"},
        ),
    ],
)
def test_a_template_belongs_to_a_format(output: str, expected: dict[str, str]):
    """A single one to the PDF when there is one."""
    assert parse_notebook(f"output: {output}").output.templates == expected


def test_people_and_tags_of_a_workflow_are_read():
    """For Dagster to show."""
    definitions = parse_workflows(
        dedent(
            """
            workflows:
              - name: flows
                description: Flows above normal.
                owners: [team:mobility, someone@example.org]
                tags: {country: ghana, example.org/unit: "2", empty: ""}
                notebooks: {run: {filename: run.ipynb}}
            available_dates_sensor: {schedule: null, timezone: Africa/Accra, workflows: []}
            """
        )
    )
    flows = definitions.workflows["flows"]
    assert flows.description == "Flows above normal."
    assert flows.owners == ("team:mobility", "someone@example.org")
    assert flows.tags == {"country": "ghana", "example.org/unit": "2", "empty": ""}
    assert definitions.timezone == "Africa/Accra"


@pytest.mark.parametrize(
    ("sensor", "config", "types", "mode"),
    [
        ("", "", None, "any"),
        ("cdr_types: null", "", None, "any"),
        ("cdr_types: [sms]", "", ("sms",), "any"),
        ("cdr_types: [sms]", "cdr_types: [calls, mds]", ("calls", "mds"), "any"),
        ("cdr_types: [sms]", "cdr_types: null", None, "any"),
        ("cdr_types_mode: all", "", None, "all"),
        ("cdr_types_mode: all", "cdr_types: [calls]", ("calls",), "all"),
        ("cdr_types_mode: all", "cdr_types_mode: any", None, "any"),
        ("", "cdr_types_mode: all", None, "all"),
    ],
)
def test_a_config_overrides_the_cdr_types_of_the_sensor(
    sensor: str, config: str, types: tuple[str, ...] | None, mode: str
):
    """Types and mode each for itself; null stands for all types."""
    found = parse_config(config, f"schedule: null\n{sensor}")
    assert (found.cdr_types, found.cdr_types_mode) == (types, mode)


def test_missing_dates_is_automatic_unless_a_config_gives_it():
    """A file written for AutoFlow may have a parameter of that name."""
    assert parse_config("min_available: 0.5").parameters == {"unit": "admin2"}
    given = {"unit": "admin2", "missing_dates": "none"}
    assert parse_config("parameters: {unit: admin2, missing_dates: none}").parameters == given


def test_a_limit_of_gaps_without_a_share_is_a_warning():
    """It would change nothing."""
    text = ONE_WORKFLOW + dedent(
        """
        available_dates_sensor:
          schedule: null
          workflows:
            - workflow_name: flows
              parameters: {unit: 1}
              max_gap: 2
        """
    )
    (warning,) = parse_workflows(text).warnings
    assert warning == (
        'workflows.yml:14: available_dates_sensor > config of workflow "flows" > max_gap: max_gap '
        "changes nothing while min_available is 1: all stencil dates must be there. Add "
        "min_available, such as 0.6; with 0, only the length of gaps matters."
    )
    assert parse_workflows(text + "      min_available: 0\n").warnings == ()


def test_parameters_keep_their_types():
    """Whatever YAML makes of them."""
    config = parse_config(
        """
        parameters:
          unit: {text: admin2, number: 1, real: 1.5, flag: yes, nothing: null, day: 2016-01-01,
                 list: [1, [a]], mapping: {1: a, 2: b}}
        """
    )
    assert config.parameters["unit"] == {
        "text": "admin2",
        "number": 1,
        "real": 1.5,
        "flag": True,
        "nothing": None,
        "day": date(2016, 1, 1),
        "list": [1, ["a"]],
        "mapping": {1: "a", 2: "b"},
    }


CRON_FIELDS = st.one_of(
    st.sampled_from(
        ["*", "*/5", "1-5", "1,2", "mon", "jan", "L", "?", "-1", "007", "٣", "x", "5#2"]
    ),
    st.integers(0, 99).map(str),
)


@settings(deadline=None, max_examples=200)
@given(st.lists(CRON_FIELDS, min_size=4, max_size=6))
def test_cron_strings_are_those_of_croniter(fields: list[str]) -> None:
    """Though plain ones are recognised without importing it."""
    text = " ".join(fields)
    assert is_cron(text) == croniter.is_valid(text)


@settings(deadline=None, max_examples=200)
@given(st.tuples(*(st.integers(0, n).map(str) | st.just("*") for n in (60, 24, 32, 13, 7))))
def test_plain_cron_strings_are_those_of_croniter(fields: tuple[str, ...]) -> None:
    """Numbers in and just out of range."""
    text = " ".join(fields)
    assert is_cron(text) == croniter.is_valid(text)


@pytest.mark.parametrize("cron", ["0 0 31 2 *", "0 0 30 feb *", "0 0 31 4,6 *"])
def test_a_cron_string_that_never_occurs_is_refused(cron: str) -> None:
    """No check would ever be made, and nobody would be told."""
    with pytest.raises(WorkflowsFileError, match="never occurs: no such month has that day"):
        parse_config("every: day", f'schedule: "{cron}"')


@pytest.mark.parametrize("cron", ["0 0 29 2 *", "0 0 31 2 1", "0 0 31 * *"])
def test_a_cron_string_that_occurs_seldom_is_taken(cron: str) -> None:
    """On leap days, or also on a day of the week."""
    parse_config("every: day", f'schedule: "{cron}"')


# Cost


def test_reading_definitions_imports_nothing_heavy():
    """Every run, and every load of the code location, pays for it."""
    code = (
        "import sys, pathlib\n"
        "from autoflow_dagster.parser import load_workflows\n"
        f"load_workflows(pathlib.Path({str(EXAMPLES[0].parent)!r}))\n"
        "heavy = {'dagster', 'papermill', 'nbformat', 'nbconvert', 'nbclient', 'jupyter_client',\n"
        "         'pandas', 'numpy', 'flowclient', 'httpx', 'jsonschema', 'IPython', 'croniter'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "[]\n"


def test_reading_a_large_file_takes_little_time():
    """Two hundred configs, most of them with parameters and a stencil."""
    config = (
        "    - workflow_name: flows\n      parameters: {{unit: unit{n}}}\n"
        "      date_stencil: [[-7, 0], 2016-01-01]\n"
    )
    text = f"{ONE_WORKFLOW}\navailable_dates_sensor:\n  schedule: null\n  workflows:\n" + "".join(
        config.format(n=n) for n in range(200)
    )
    started = time.process_time()
    definitions = parse_workflows(text)
    assert time.process_time() - started < 1
    assert definitions.configs[-1].name == "flows_unit199"
