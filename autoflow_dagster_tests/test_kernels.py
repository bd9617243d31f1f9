"""The environment of kernels."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import dagster as dg
import pytest

from autoflow_dagster.ledger import notebook_asset_key
from autoflow_dagster.notebooks.execution import NotebookRun, execute_notebook
from autoflow_dagster.notebooks.kernel_environment import kernel_environment
from autoflow_dagster.parser.notebook_checks import installed_kernels
from autoflow_dagster.service.inputs_copy import COPIES_VARIABLE
from autoflow_dagster.settings import OF_THE_DATABASE
from autoflow_dagster_tests.conftest import write_notebook
from autoflow_dagster_tests.one_process import Place

SEEN = {
    "PATH": "/bin",
    "HOME": "/home/user",
    "LC_ALL": "C.UTF-8",
    "TZ": "Asia/Kathmandu",
    "PYTHONPATH": "/lib",
    "PYTHONHASHSEED": "1",
    "LD_LIBRARY_PATH": "/lib",
    "https_proxy": "http://proxy:3128",
    "NO_PROXY": "localhost",
    "REQUESTS_CA_BUNDLE": "/ca.pem",
    "OMP_NUM_THREADS": "2",
    "MPLCONFIGDIR": "/tmp/matplotlib",
    "IPYTHONDIR": "/tmp/ipython",
    "R_LIBS_USER": "/r",
    "PROJ_DATA": "/proj",
    "XDG_CACHE_HOME": "/cache",
    "FLOWAPI_URL": "https://flowapi.example.org",
    "FLOWAPI_TOKEN": "DUMMY_TOKEN",
    "SSL_CERTIFICATE_FILE": "/cert.pem",
    "AUTOFLOW_INPUTS_DIR": "/inputs",
    COPIES_VARIABLE: "/copies",
}

HIDDEN = {
    "AUTOFLOW_DB_URI": "postgresql://user:{}@db/x",
    "AUTOFLOW_DB_PASSWORD": "DUMMY_PASSWORD",
    "AUTOFLOW_POSTGRES_URL": "postgresql://user:DUMMY_PASSWORD@db/x",
    "PGPASSWORD": "DUMMY_PASSWORD",
    "POSTGRES_PASSWORD": "DUMMY_PASSWORD",
    "AWS_SECRET_ACCESS_KEY": "DUMMY_PASSWORD",
    "JUPYTER_TOKEN": "DUMMY_PASSWORD",
    "DAGSTER_HOME": "/home",
    "GREETING": "good day",
}


def test_notebooks_see_what_programs_and_flowapi_need_and_nothing_else() -> None:
    """They are written by users; the token of FlowAPI is theirs to use."""
    environment = kernel_environment(SEEN | HIDDEN)
    assert environment == SEEN
    assert set(OF_THE_DATABASE) <= HIDDEN.keys()


def test_the_operator_may_allow_more() -> None:
    """AUTOFLOW_KERNEL_ENV names what notebooks see; what is not set stays unset."""
    environment = kernel_environment(SEEN | HIDDEN, ("DAGSTER_HOME", "GREETING", "ABSENT"))
    assert environment == {**SEEN, "DAGSTER_HOME": "/home", "GREETING": "good day"}


def test_nobody_may_allow_the_database() -> None:
    """It is refused as a setting; should it come here, it is hidden all the same."""
    assert kernel_environment(SEEN | HIDDEN, OF_THE_DATABASE) == SEEN


def test_the_given_environment_is_not_changed() -> None:
    """It is this process's own."""
    environ = SEEN | HIDDEN
    kernel_environment(environ)
    assert environ == SEEN | HIDDEN


ENVIRON = "import os; import scrapbook as sb; sb.glue('environ', dict(os.environ))"

WORKFLOWS = """
workflows: [{name: tells, notebooks: {tells: {filename: tells.ipynb}}}]
available_dates_sensor: {schedule: null, workflows: [{workflow_name: tells}]}
"""


@pytest.mark.integration
def test_the_notebook_of_a_job_sees_what_the_settings_say(tmp_path: Path) -> None:
    """From AUTOFLOW_KERNEL_ENV to the kernel."""
    (tmp_path / "home").mkdir()
    environ = {**HIDDEN, "AUTOFLOW_KERNEL_ENV": "GREETING", "PYTHONHASHSEED": "1"}
    del environ["AUTOFLOW_DB_URI"], environ["DAGSTER_HOME"]
    with dg.DagsterInstance.local_temp(str(tmp_path / "home")) as instance:
        place = Place(tmp_path, instance, WORKFLOWS, **environ)
        write_notebook(place.inputs / "tells.ipynb", ENVIRON)
        assert place.run("2016-01-01").success
        output = place.output(notebook_asset_key("tells", "tells"), "2016-01-01")
    seen = json.loads(Path(str(output.path)).read_text())["cells"][0]["outputs"][0]
    environment = seen["data"]["application/scrapbook.scrap.json+json"]["data"]
    assert environment["GREETING"] == "good day"
    assert environment["PYTHONHASHSEED"] == "1"
    assert {"FLOWAPI_TOKEN", "PATH"} <= environment.keys()
    assert not environment.keys() & (HIDDEN.keys() - {"GREETING"})


def _shown(tmp_path: Path, kernel: str, code: str) -> str:
    """Return what code prints in a kernel that is started as that of a notebook."""
    source = write_notebook(tmp_path / "a.ipynb", code, kernel=kernel)
    environ = {**os.environ, **HIDDEN, "FLOWAPI_URL": "https://flowapi.example.org"}
    run = NotebookRun(
        source=source,
        destination=tmp_path / "executed.ipynb",
        failed_dir=tmp_path / "failed",
        parameters={},
        working_dir=tmp_path,
        environment=kernel_environment(environ),
    )
    [cell] = json.loads(execute_notebook(run).path.read_text())["cells"]
    return "".join(cell["outputs"][0]["text"])


@pytest.mark.integration
@pytest.mark.skipif("ir" not in installed_kernels(), reason="the R kernel is not installed")
def test_a_kernel_of_another_language_starts_with_it(tmp_path: Path) -> None:
    """R is started by a script that wants to know much of its surroundings."""
    code = 'cat(Sys.getenv(c("FLOWAPI_URL", "AUTOFLOW_DB_PASSWORD", "PGPASSWORD", "GREETING")))'
    assert _shown(tmp_path, "ir", code) == "https://flowapi.example.org   "


@pytest.mark.integration
def test_a_kernelspec_adds_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As those of conda environments do; of ours it can only name what notebooks see."""
    spec = {
        "argv": [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        "display_name": "like conda",
        "language": "python",
        "env": {
            "CONDA_PREFIX": "/conda",
            "PATH": "/conda/bin:${PATH}",
            "OF_THE_SPEC": "set",
            "LEAK": "${AUTOFLOW_DB_PASSWORD}",
        },
    }
    directory = tmp_path / "jupyter" / "kernels" / "like-conda"
    directory.mkdir(parents=True)
    (directory / "kernel.json").write_text(json.dumps(spec))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    code = "import json, os; print(json.dumps(dict(os.environ)))"
    environment = json.loads(_shown(tmp_path, "like-conda", code))
    assert environment["CONDA_PREFIX"] == "/conda"
    assert environment["PATH"] == f"/conda/bin:{os.environ['PATH']}"
    assert environment["OF_THE_SPEC"] == "set"
    assert "DUMMY_PASSWORD" not in environment.values()
