"""Tests of the JSON Schema that editors get, against the parser and the committed copy."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from autoflow_dagster.errors import WorkflowsFileError
from autoflow_dagster.parser import parse_workflows
from autoflow_dagster.parser.job_checks import CDR_ASSETS, RESERVED_JOB_NAMES
from autoflow_dagster.parser.schema import MODELS, FileModel, json_schema
from autoflow_dagster.parser.schema_values import OWNER_PATTERN, TAG_KEY_PATTERN, TAG_VALUE_PATTERN

ROOT = Path(__file__).parent.parent
COMMITTED = ROOT / "docs" / "workflows.schema.json"
EXAMPLES = sorted((ROOT / "examples").rglob("workflows.yml"))
BAD_CONFIGS = sorted((Path(__file__).parent / "bad_configs").glob("*.yml"))
VALIDATOR = jsonschema.Draft202012Validator(json_schema())


def as_an_editor_reads(text: str) -> Any:
    """Return YAML as editors read it: JSON's types only, so that dates are text."""

    class Loader(yaml.SafeLoader):
        yaml_implicit_resolvers = {  # noqa: RUF012
            first: [found for found in resolvers if "timestamp" not in found[0]]
            for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
        }

    return yaml.load(text, Loader)


def test_the_schema_is_a_schema():
    """Of the draft that it names."""
    jsonschema.Draft202012Validator.check_schema(json_schema())
    assert json_schema()["$schema"] == jsonschema.Draft202012Validator.META_SCHEMA["$id"]


def test_the_committed_copy_is_fresh():
    """Write it again with: autoflow schema > docs/workflows.schema.json."""
    assert json.loads(COMMITTED.read_text()) == json_schema()


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.parent.name)
def test_every_example_fits_the_schema(path: Path):
    """As an editor would read it."""
    VALIDATOR.validate(as_an_editor_reads(path.read_text()))


@pytest.mark.parametrize("path", BAD_CONFIGS, ids=lambda path: path.stem)
def test_the_schema_refuses_nothing_that_the_parser_accepts(path: Path):
    """Each bad config cut down to a section or two: what the parser takes, the schema takes."""
    try:
        data = as_an_editor_reads(path.read_text())
    except (yaml.YAMLError, ValueError, TypeError):
        return
    if not isinstance(data, dict) or path.stem == "alias_bomb":
        return
    for workflow in data.get("workflows") or []:
        try:
            text = yaml.safe_dump(
                {
                    "workflows": [workflow],
                    "available_dates_sensor": {"schedule": None, "workflows": []},
                }
            )
            parse_workflows(text)
        except (WorkflowsFileError, RecursionError):
            continue
        VALIDATOR.validate(as_an_editor_reads(text))


def config(**keys: Any) -> dict[str, Any]:
    """Return a file with one config that has these keys."""
    return {
        "workflows": [{"name": "flows", "notebooks": {"run": {"filename": "run.ipynb"}}}],
        "available_dates_sensor": {
            "schedule": None,
            "workflows": [{"workflow_name": "flows", **keys}],
        },
    }


def notebook(**keys: Any) -> dict[str, Any]:
    """Return a file with one notebook that has these keys."""
    return {
        "workflows": [{"name": "flows", "notebooks": {"run": {"filename": "run.ipynb", **keys}}}],
        "available_dates_sensor": {"schedule": None, "workflows": []},
    }


SAME_FOR_BOTH = [
    *(
        config(date_stencil=stencil)
        for stencil in (
            [],
            [0, -1, [-7, 0]],
            ["2016-01-01", "-1 month", ["-2 weeks", "0 days"]],
            [[1]],
            [["-1", 0]],
            [True],
            [None],
            ["abc"],
            "abc",
            [[0, [1, 2]]],
        )
    ),
    *(config(every=every) for every in ("monday", "month_end", "tuesdays", 1)),
    *(
        config(earliest_date=day)
        for day in ("2016-01-01", "2016-1-1", "01/02/2016", 20160101, None)
    ),
    *(config(cdr_types=types) for types in (["sms"], [], ["foo"], "sms", None)),
    *(config(cdr_types_mode=mode) for mode in ("any", "all", "every", None)),
    *(config(min_available=share) for share in (0, 1, 0.6, 1.5, -1, "60%", None, True)),
    *(config(max_gap=days) for days in (0, 6, -1, "6", None, True)),
    *(config(max_attempts=count) for count in (1, 3, 0, "3", None)),
    *(config(retry_delay=delay) for delay in ("6h", "1h 30min", "6", 6, "soon", None)),
    *(config(name=name) for name in ("a_b", "a-b", "", 5, None)),
    *(config(parameters=given) for given in ({}, [], None)),
    config(stencil=[0]),
    *(notebook(filename=name) for name in ("a.ipynb", "a.py", 5, None)),
    *(notebook(parameters=given) for given in ({"a": "b"}, {"a": 5}, {"a": ""}, [], None)),
    *(notebook(timeout=time) for time in ("2h", 2, "2", None)),
    *(notebook(engine=engine) for engine in ("papermill", "dagstermill", "dagster", None)),
    *(notebook(kernel=kernel) for kernel in ("python3", "", 5, None)),
    *(
        notebook(output=output)
        for output in (
            {"format": "pdf"},
            {"format": ["pdf", "html"], "show_code": True},
            {"format": "pdf", "template": None},
            {"format": ["pdf", "html"], "template": {"html": "a"}},
            {"format": "PDF"},
            {"format": []},
            {"format": "pdf", "template": {}},
            {"format": "pdf", "show_code": "yes"},
            {"template": "a"},
            {},
            True,
            None,
        )
    ),
    {"workflows": [], "available_dates_sensor": {"schedule": None, "workflows": []}},
    {"workflows": [], "available_dates_sensor": {"workflows": []}},
    {"workflows": [], "available_dates_sensor": {"schedule": None}},
    {"workflows": []},
    {"workflows": [{"name": "a", "notebooks": {}}], **config()},
]


@pytest.mark.parametrize("data", SAME_FOR_BOTH, ids=lambda data: json.dumps(data)[-60:])
def test_schema_and_parser_agree_about_structure(data: dict[str, Any]):
    """What one refuses, the other does; beyond structure the parser refuses more."""
    if VALIDATOR.is_valid(data):
        parse_workflows(json.dumps(data))
    else:
        with pytest.raises(WorkflowsFileError):
            parse_workflows(json.dumps(data))


def test_every_key_is_described_with_an_example_that_fits():
    """In the models, from which editors and the reference get them."""
    schema = json_schema()
    definitions = schema["$defs"]
    for name, model in MODELS.items():
        properties = (schema if model is FileModel else definitions[name])["properties"]
        for key, described in properties.items():
            assert described.get("description", "").endswith("."), key
            assert described["examples"], key
            for example in described["examples"]:
                part = jsonschema.Draft202012Validator({**described, "$defs": definitions})
                assert part.is_valid(example), key


def test_null_is_allowed_where_it_means_something():
    """And nowhere else."""
    nullable = {key for model in MODELS.values() for key in model.nullable}
    assert nullable == {"schedule", "cdr_types", "template"}


def test_what_dagster_refuses_is_refused():
    """Names, owners and tags, as the installed Dagster checks them."""
    import re

    from dagster._core.definitions.utils import DISALLOWED_NAMES, is_valid_owner
    from dagster._utils.tags import is_valid_strict_tag_value, is_valid_tag_key

    from autoflow_dagster.cdr_assets import GROUP

    assert set(RESERVED_JOB_NAMES) == DISALLOWED_NAMES
    assert CDR_ASSETS == GROUP
    owners = ["team:a", "team:", "someone@example.org", "someone", "a@b", "a@b.toolongone", ""]
    for owner in owners:
        assert bool(re.match(OWNER_PATTERN, owner)) == is_valid_owner(owner), owner
    for text in ("a", "a b", "a/b", "a/b/c", "a" * 63, "a" * 64, "", "ä", "a.b-c_d", "/a", "a/"):
        assert bool(re.match(TAG_KEY_PATTERN, text)) == is_valid_tag_key(text), text
        assert bool(re.match(TAG_VALUE_PATTERN, text)) == is_valid_strict_tag_value(text), text
