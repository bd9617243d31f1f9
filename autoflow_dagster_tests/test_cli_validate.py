"""Tests of `autoflow validate`, `autoflow schema` and `autoflow init`."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from autoflow_dagster.cli.init import STARTER
from autoflow_dagster.demo.tokens import TokenIssuer
from autoflow_dagster.parser import load_workflows
from autoflow_dagster_tests.command_line import EXAMPLE, call, write_inputs
from autoflow_dagster_tests.conftest import names_in

SCHEMA = Path(__file__).parent.parent / "docs" / "workflows.schema.json"
SCOPE = "get_available_dates"

Capsys = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """No settings from the environment of the tests."""
    for name in ("AUTOFLOW_INPUTS_DIR", "AUTOFLOW_OUTPUTS_DIR", "FLOWAPI_URL", "FLOWAPI_TOKEN"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def issuer() -> TokenIssuer:
    """An issuer of real tokens."""
    return TokenIssuer("DUMMY_SERVER")


def token(issuer: TokenIssuer, lifetime: timedelta, *scopes: str) -> str:
    """Return a token that lasts so long, with one role of these scopes."""
    return issuer.issue({"DUMMY_ROLE": scopes}, expires_in=lifetime, username="DUMMY_USER")


def test_a_valid_file_is_summed_up(capsys: Capsys) -> None:
    """With the names of the jobs, which are needed for the other commands."""
    ended = call(capsys, "validate", "--inputs", EXAMPLE)
    assert (ended.status, ended.err) == (0, "")
    assert ended.out == (
        "workflows.yml is valid: 1 workflow, 2 configs.\n"
        "  flows_above_normal         run_flows > flows_report (pdf); aggregation_unit: admin2\n"
        "  flows_above_normal_admin3  run_flows > flows_report (pdf); aggregation_unit: admin3\n"
        "FLOWAPI_TOKEN is not set: no token was checked.\n"
    )


def test_every_problem_is_told_with_its_line(capsys: Capsys, tmp_path: Path) -> None:
    """One line each, the same as the code location tells."""
    inputs = write_inputs(tmp_path / "inputs", config="      earliest_dat: 2016-01-01\n")
    path = inputs / "workflows.yml"
    path.write_text(path.read_text().replace("small.ipynb", "smal.ipynb"))
    ended = call(capsys, "validate", "--inputs", inputs)
    assert (ended.status, ended.out) == (1, "")
    lines = ended.err.splitlines()
    assert [line.split(": ")[0] for line in lines] == ["workflows.yml:4", "workflows.yml:9"]
    assert 'Did you mean "earliest_date"?' in lines[1]


def test_a_kernel_that_is_not_installed_is_a_problem(capsys: Capsys, tmp_path: Path) -> None:
    """Here, where the notebooks would run."""
    inputs = write_inputs(tmp_path / "inputs")
    notebook = inputs / "small.ipynb"
    notebook.write_text(notebook.read_text().replace('"python3"', '"DUMMY_KERNEL"'))
    ended = call(capsys, "validate", "--inputs", inputs)
    assert ended.status == 1
    assert "DUMMY_KERNEL" in ended.err


def test_a_warning_is_no_problem(capsys: Capsys, tmp_path: Path) -> None:
    """It is told, and counted."""
    inputs = write_inputs(tmp_path / "inputs")
    with (inputs / "workflows.yml").open("a") as file:
        file.write("notes: not ours\n")
    ended = call(capsys, "validate", "--inputs", inputs)
    assert ended.status == 0
    assert ended.err.startswith("Warning: workflows.yml:9: notes: ")
    assert ended.out.startswith("workflows.yml is valid: 1 workflow, 1 config, 1 warning.\n")


def test_workflows_that_no_config_names_are_told(capsys: Capsys, tmp_path: Path) -> None:
    """They run by hand only."""
    inputs = write_inputs(tmp_path / "inputs")
    path = inputs / "workflows.yml"
    text = path.read_text()
    path.write_text(text[: text.index("  workflows:\n")] + "  workflows: []\n")
    ended = call(capsys, "validate", "--inputs", inputs)
    assert ended.out.splitlines()[:2] == [
        "workflows.yml is valid: 1 workflow, 0 configs.",
        "No config names small: run by hand only.",
    ]


def test_it_says_whose_token_it_is_and_until_when(
    capsys: Capsys, issuer: TokenIssuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And for which server."""
    given = token(issuer, timedelta(days=30, hours=1), SCOPE, "run")
    monkeypatch.setenv("FLOWAPI_TOKEN", given)
    ended = call(capsys, "validate", "--inputs", EXAMPLE)
    assert (ended.status, ended.err) == (0, "")
    assert re.fullmatch(
        "FLOWAPI_TOKEN is of DUMMY_USER for the server DUMMY_SERVER, has the scope "
        r"get_available_dates, and expires on \d{4}-\d\d-\d\d \d\d:\d\d UTC, in 30 days\.",
        ended.out.splitlines()[-1],
    )
    assert given not in ended.out


def test_it_warns_before_a_token_expires(
    capsys: Capsys, issuer: TokenIssuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A week before; the file is valid all the same."""
    monkeypatch.setenv("FLOWAPI_TOKEN", token(issuer, timedelta(hours=5), SCOPE))
    ended = call(capsys, "validate", "--inputs", EXAMPLE)
    assert ended.status == 0
    assert ended.out.endswith("UTC, in less than a day.\n")
    assert ended.err.startswith("Warning: FLOWAPI_TOKEN expires soon. Make a new token in FlowAuth")


@pytest.mark.parametrize(
    ("lifetime", "scopes", "problem"),
    [
        (timedelta(hours=-1), [SCOPE], r"the token of DUMMY_USER expired on [-\d: ]+ UTC\."),
        (
            timedelta(hours=1),
            ["run"],
            r"the token of DUMMY_USER lacks the scope get_available_dates, which .*\.",
        ),
        (timedelta(hours=-1), [], r".* expired on .* lacks the scope .*"),
    ],
)
def test_a_token_that_is_good_for_nothing_is_a_problem(
    lifetime: timedelta,
    scopes: list[str],
    problem: str,
    capsys: Capsys,
    issuer: TokenIssuer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Told after what is said of the file."""
    given = token(issuer, lifetime, *scopes)
    monkeypatch.setenv("FLOWAPI_TOKEN", given)
    ended = call(capsys, "validate", "--inputs", EXAMPLE)
    assert ended.status == 1
    assert ended.out.startswith("workflows.yml is valid")
    first, second = ended.err.splitlines()
    assert re.fullmatch(f"Error: FLOWAPI_TOKEN: {problem}", first)
    assert second.startswith("  Make a new token in FlowAuth")
    assert given not in ended.err


@pytest.mark.parametrize("text", ["DUMMY_TOKEN", "a.b.c", "with a space"])
def test_what_is_no_token_is_a_problem(
    text: str, capsys: Capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whose text is not shown."""
    monkeypatch.setenv("FLOWAPI_TOKEN", text)
    ended = call(capsys, "validate", "--inputs", EXAMPLE)
    assert ended.status == 1
    assert ended.err.startswith("Error: FLOWAPI_TOKEN: ")
    assert text not in ended.err


def test_the_schema_is_the_committed_one(capsys: Capsys) -> None:
    """Byte for byte, so that the docs can be written with it."""
    ended = call(capsys, "schema")
    assert (ended.status, ended.err) == (0, "")
    assert ended.out == SCHEMA.read_text()


def test_init_writes_inputs_that_are_valid(capsys: Capsys, tmp_path: Path) -> None:
    """Without a warning, and fitting the schema that is written beside them."""
    inputs = tmp_path / "new" / "inputs"
    ended = call(capsys, "init", inputs)
    assert (ended.status, ended.err) == (0, "")
    names = names_in(inputs)
    assert names == sorted([*names_in(STARTER), "workflows.schema.json"])
    assert [f"Wrote {inputs / name}" in ended.out for name in names] == [True] * len(names)
    ended = call(capsys, "validate", "--inputs", inputs)
    assert (ended.status, ended.err) == (0, "")
    assert load_workflows(inputs, check_kernels=True).warnings == ()
    first_line = (inputs / "workflows.yml").read_text().splitlines()[0]
    assert first_line == "# yaml-language-server: $schema=workflows.schema.json"
    schema = json.loads((inputs / "workflows.schema.json").read_text())
    jsonschema.validate(yaml.safe_load((inputs / "workflows.yml").read_text()), schema)


def test_init_suggests_commands_that_work(capsys: Capsys, tmp_path: Path) -> None:
    """As far as they need no FlowAPI: names of configs and options are the real ones."""
    inputs = tmp_path / "inputs"
    suggested = re.findall(r"autoflow (.+)$", call(capsys, "init", inputs).out, re.MULTILINE)
    assert [command.split()[0] for command in suggested] == [
        "validate",
        "demo-flowapi",
        "plan",
        "run",
    ]
    (config,) = load_workflows(inputs).configs
    assert suggested[-1].startswith(f"run {config.name} 2016-01-03 ")
    for command in suggested:
        assert call(capsys, *command.split(), "--help").status == 0


def test_init_overwrites_nothing(capsys: Capsys, tmp_path: Path) -> None:
    """Not even when one file alone is there; the others are not written either."""
    (tmp_path / "workflows.yml").write_text("mine")
    ended = call(capsys, "init", tmp_path)
    assert (ended.status, ended.out) == (1, "")
    assert ended.err == (
        f"Error: {tmp_path}: there is workflows.yml already; nothing was written.\n"
        "  Name another directory.\n"
    )
    assert names_in(tmp_path) == ["workflows.yml"]
    assert (tmp_path / "workflows.yml").read_text() == "mine"


def test_init_says_when_it_cannot_write(capsys: Capsys, tmp_path: Path) -> None:
    """For instance where there is a file."""
    (tmp_path / "file").write_text("")
    ended = call(capsys, "init", tmp_path / "file" / "inputs")
    assert ended.status == 1
    assert "cannot be written to (Not a directory)" in ended.err


def test_the_starter_has_no_outputs() -> None:
    """Its notebooks have not been executed."""
    notebooks = [json.loads(path.read_text()) for path in sorted(STARTER.glob("*.ipynb"))]
    assert len(notebooks) == 2
    cells: list[Any] = [cell for notebook in notebooks for cell in notebook["cells"]]
    assert [cell for cell in cells if cell.get("outputs") or cell.get("execution_count")] == []
