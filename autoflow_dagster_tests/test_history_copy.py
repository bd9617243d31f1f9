"""Taking over the history of a job that has another name now."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from dagster import DagsterInstance

from autoflow_dagster.cli.copy_history import copy_history
from autoflow_dagster.ledger import latest_output, notebook_asset_key
from autoflow_dagster_tests.deployments import DatesServer
from autoflow_dagster_tests.ticks import ALPHA_ONLY, Ticks, dates_of, january

RENAMED = ALPHA_ONLY.replace("name: alpha,", "name: gamma,")


@pytest.fixture
def alpha(tmp_path: Path) -> Iterator[Ticks]:
    """A config that has done two of three dates."""
    home = tmp_path / "home"
    home.mkdir()
    (home / "dagster.yaml").touch()
    with (
        DagsterInstance.from_config(str(home)) as instance,
        DatesServer({"calls": january(1, 2, 3)}) as flowapi,
    ):
        ticks = Ticks(tmp_path, instance, flowapi.url, ALPHA_ONLY)
        for request in ticks.check().run_requests[:2]:
            ticks.succeed(request)
        yield ticks


def call(ticks: Ticks, *arguments: str) -> Result:
    """Call the command over the inputs and the instance of the ticks."""
    return CliRunner().invoke(
        copy_history,
        [*arguments, "--inputs", str(ticks.inputs), "--outputs", str(ticks.outputs)],
        env={"DAGSTER_HOME": ticks.instance.root_directory, "AUTOFLOW_DB_URI": None},
    )


def test_a_config_that_is_given_a_name_takes_its_history_along(alpha: Ticks) -> None:
    """Only the date that was not done is due, and the files are known."""
    alpha.load(RENAMED)
    dry = call(alpha, "alpha", "gamma", "--dry-run")
    assert dry.output.splitlines()[1:] == [
        "gamma: 2 dates of alpha to be recorded as done; 0 are done already, 0 ran with other "
        "parameters or date ranges.",
        "Nothing was recorded (--dry-run).",
    ]
    assert "2 dates were recorded as done." in call(alpha, "alpha", "gamma").output
    assert dates_of(alpha.check()) == {"gamma": ["2016-01-03"]}
    key = notebook_asset_key("gamma", "run")
    found = latest_output(alpha.instance, key, "2016-01-02", alpha.outputs)
    assert found is not None
    assert found.path is not None
    assert found.path.exists()
    again = call(alpha, "alpha", "gamma")
    assert "0 dates of alpha to be recorded as done; 2 are done already" in again.output


def test_dates_that_ran_with_other_parameters_are_left_out(alpha: Ticks) -> None:
    """They are others."""
    alpha.load(RENAMED.replace("admin1", "admin2"))
    told = call(alpha, "alpha", "gamma").output
    assert "0 are done already, 2 ran with other parameters" in told
    assert len(alpha.check().run_requests) == 3


def test_a_job_without_such_a_history_is_refused(alpha: Ticks) -> None:
    """With the names of those that have one."""
    alpha.load(RENAMED)
    error = call(alpha, "aplha", "gamma").exception
    assert str(error) == (
        'Job aplha: has no history of the notebooks and reports of workflow "flows".\n'
        "  Jobs that have: alpha."
    )
