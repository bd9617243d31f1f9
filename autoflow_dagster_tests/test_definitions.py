"""What the definitions are made of: names, lineage, descriptions, launch config."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pytest

from autoflow_dagster.build import build_defs
from autoflow_dagster.bundled import bundled_path
from autoflow_dagster.parser import load_workflows
from autoflow_dagster.settings import Settings
from autoflow_dagster_tests.conftest import write_notebook

BY_HAND = """\
workflows:
  - name: by hand
    description: Compares two districts.
    owners: ["team:analysts"]
    tags: {domain: mobility}
    notebooks:
      compare:
        filename: compare.ipynb
        parameters: {district: district, limit: threshold, when: reference_date, url: flowapi_url}
        output: {format: [pdf, html]}
available_dates_sensor: {schedule: null, workflows: []}
"""


def _repository(inputs: Path) -> dg.RepositoryDefinition:
    settings = Settings.from_environ({"AUTOFLOW_INPUTS_DIR": str(inputs)})
    return build_defs(load_workflows(inputs), settings).get_repository_def()


@pytest.fixture
def by_hand(tmp_path: Path) -> dg.RepositoryDefinition:
    """A workflow that no config names."""
    (tmp_path / "workflows.yml").write_text(BY_HAND)
    write_notebook(
        tmp_path / "compare.ipynb",
        "print(district)",
        parameters="district = 'DMO.1'\nlimit = 15\nwhen = ''\nurl = ''",
    )
    return _repository(tmp_path)


def test_the_example_becomes_these_assets_jobs_and_sensors() -> None:
    """Names are what run history and saved links hang on."""
    repository = _repository(bundled_path("examples/inputs"))
    jobs = {job.name for job in repository.get_all_jobs() if not job.name.startswith("__")}
    assert jobs == {"flows_above_normal", "flows_above_normal_admin3", "autoflow_retention"}
    assert {sensor.name for sensor in repository.sensor_defs} == {
        "available_dates_sensor",
        "report_site_sensor",
    }
    graph = repository.asset_graph
    lineage = {
        key.to_user_string(): sorted(
            parent.to_user_string() for parent in graph.get(key).parent_keys
        )
        for key in graph.get_all_asset_keys()
        if "admin3" not in key.to_user_string()
    }
    assert lineage == {
        "flowapi/calls": [],
        "flows_above_normal/run_flows": ["flowapi/calls"],
        "flows_above_normal/flows_report": ["flows_above_normal/run_flows"],
        "flows_above_normal/flows_report_pdf": ["flows_above_normal/flows_report"],
    }


def test_assets_have_kinds_groups_and_the_notebook_s_heading() -> None:
    """An operator who has never seen the notebooks reads what they are about."""
    graph = _repository(bundled_path("examples/inputs")).asset_graph
    report = graph.get(dg.AssetKey(["flows_above_normal", "flows_report"]))
    assert report.kinds == {"jupyter"}
    assert report.group_name == "flows_above_normal"
    assert report.description is not None
    assert report.description.splitlines()[0] == "Flows above normal"
    assert graph.get(dg.AssetKey(["flows_above_normal", "flows_report_pdf"])).kinds == {"pdf"}


def test_owners_and_tags_of_the_file_are_those_of_the_assets(
    by_hand: dg.RepositoryDefinition,
) -> None:
    """As the YAML gives them."""
    node = by_hand.asset_graph.get(dg.AssetKey(["by_hand", "compare"]))
    assert node.owners == ["team:analysts"]
    assert node.tags["domain"] == "mobility"


def test_the_launchpad_asks_for_exactly_the_parameters_of_a_workflow_without_a_config(
    by_hand: dg.RepositoryDefinition,
) -> None:
    """Typed, and with the defaults of the notebook."""
    mapping = by_hand.get_job("by_hand").config_mapping
    assert mapping is not None
    fields = mapping.config_schema.config_type.fields  # type: ignore[union-attr]
    shown = {name: (f.config_type.given_name, f.default_value) for name, f in fields.items()}
    assert shown == {
        "district": ("String", "DMO.1"),
        "reference_date": ("String", ""),
        "threshold": ("Int", 15),
    }


def test_a_job_says_what_it_is_for(by_hand: dg.RepositoryDefinition) -> None:
    """The YAML's description first."""
    description = by_hand.get_job("by_hand").description
    assert description is not None
    assert description.startswith("Compares two districts.")


def test_an_invalid_file_fails_to_load_with_its_messages(tmp_path: Path) -> None:
    """Dagster shows the same text as `autoflow validate`."""
    (tmp_path / "workflows.yml").write_text("workflows: []\n")
    with pytest.raises(Exception, match="available_dates_sensor"):
        _repository(tmp_path)
