"""Dockerfile and stack file keep what docs/deployment.md promises."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from autoflow_dagster.cli import COMMANDS
from autoflow_dagster.settings import DB_PASSWORD, FLOWAPI_TOKEN, Settings

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "scripts"))

from image_check import instructions  # noqa: E402

STEPS = instructions((ROOT / "Dockerfile").read_text())
LAST = max(number for number, (word, _) in enumerate(STEPS) if word == "FROM")
FINAL = STEPS[LAST:]


def argument(word: str) -> str:
    """Return the argument of an instruction of the final stage."""
    [found] = [rest for name, rest in FINAL if name == word]
    return found


def commands(steps: list[tuple[str, str]]) -> str:
    """Return all shell commands of a stage."""
    return "\n".join(rest for word, rest in steps if word == "RUN")


def test_instructions_are_read_as_docker_reads_them() -> None:
    """Lines that go on, and comments between them."""
    text = 'FROM a AS b\n# no\nRUN one \\\n    # no\n    && two\n\ncmd ["x"]\n'
    assert instructions(text) == [("FROM", "a AS b"), ("RUN", "one  && two"), ("CMD", '["x"]')]


def test_nothing_is_installed_or_built_in_the_final_layer() -> None:
    """No pip, no compiler; the package lists are removed in the layer that fetched them."""
    final = commands(FINAL)
    assert not re.search(r"\b(pip|gcc|build-essential|curl|wget)\b", final)
    for run in re.findall(r".*apt-get install.*", final):
        assert "--no-install-recommends" in run
        assert "rm -rf /var/lib/apt/lists/*" in run


def test_everything_is_pinned_by_the_constraints() -> None:
    """The same versions as in development."""
    assert "--constraint constraints.txt" in commands(STEPS[:LAST])
    copied = " ".join(rest for word, rest in STEPS[:LAST] if word == "COPY")
    assert "constraints.txt" in copied


def test_what_is_copied_is_there_and_not_ignored() -> None:
    """A build context without it fails."""
    ignore = (ROOT / ".dockerignore").read_text().splitlines()
    for word, rest in STEPS[:LAST]:
        if word == "COPY":
            for name in rest.split()[:-1]:
                assert (ROOT / name).exists(), name
                assert f"!{name}" in ignore, name


def test_it_runs_as_somebody_with_an_init_and_a_health_check() -> None:
    """No root; tini collects orphans; commands that exist, in a form without a shell."""
    assert argument("USER") != "root"
    assert not argument("USER").startswith("0")
    entry = json.loads(argument("ENTRYPOINT")) + json.loads(argument("CMD"))
    assert entry[:3] == ["tini", "--", "autoflow"]
    assert entry[3] in COMMANDS
    assert entry[4:] == ["--host", "0.0.0.0"]
    check = json.loads(argument("HEALTHCHECK").partition("CMD ")[2])
    assert check[0] == "autoflow"
    assert check[1] in COMMANDS


@pytest.fixture(scope="module")
def stack() -> dict[str, Any]:
    """The stack file."""
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "docker-stack.yml").read_text())
    return loaded


def test_every_name_in_the_stack_file_is_declared(stack: dict[str, Any]) -> None:
    """Secrets and volumes that a service uses."""
    for service in stack["services"].values():
        assert set(service.get("secrets", ())) <= stack["secrets"].keys()
        named = [v.split(":")[0] for v in service["volumes"] if not v.startswith("$")]
        assert set(named) <= stack["volumes"].keys()


def test_the_stack_s_environment_is_made_of_settings(stack: dict[str, Any]) -> None:
    """Each is one that the service reads; the values are valid; secrets are secrets."""
    environment = stack["services"]["autoflow"]["environment"]
    assert not {FLOWAPI_TOKEN, DB_PASSWORD} & environment.keys()
    text = (ROOT / "README.md").read_text()
    assert [name for name in environment if f"| `{name}` |" not in text] == []
    values = {
        name: re.sub(r"\$\{\w+:?[-?]([^}]*)\}", r"\1", str(value))
        for name, value in environment.items()
    }
    settings = Settings.from_environ({**values, "FLOWAPI_URL": "https://flowapi.example.org"})
    assert settings.db_uri is not None


def test_the_container_is_confined_and_stops_in_time(stack: dict[str, Any]) -> None:
    """Read-only, no capabilities, and long enough to finish notebooks."""
    service = stack["services"]["autoflow"]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "/tmp" in service["tmpfs"]
    inputs = next(volume for volume in service["volumes"] if "/mounts/inputs" in volume)
    assert inputs.endswith(":ro")
    grace = float(service["environment"]["AUTOFLOW_STOP_GRACE"])
    assert int(service["stop_grace_period"].removesuffix("s")) >= grace + 30
    assert service["deploy"]["replicas"] == 1
