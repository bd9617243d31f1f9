"""The documents say what the code does."""

from __future__ import annotations

from pathlib import Path

import yaml

from autoflow_dagster.cli import COMMANDS
from autoflow_dagster.settings import settings_table

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def test_the_readme_has_the_settings_table() -> None:
    """It is generated from the declarations; print it with settings_table()."""
    assert settings_table() in README


def test_the_readme_names_every_module_of_the_package() -> None:
    """A newcomer finds the room of any line by its name."""
    package = ROOT / "autoflow_dagster"
    names = [path.name for path in package.glob("*.py") if not path.name.startswith("_")]
    names += [f"{path.parent.name}/" for path in package.glob("*/__init__.py")]
    assert [name for name in sorted(names) if f"`{name}`" not in README] == []


def test_both_instance_files_name_the_same_code_location() -> None:
    """Sensor state and run keys belong to a location name (see style of Dagster's two commands)."""
    import tomllib

    [location] = yaml.safe_load((ROOT / "workspace.yaml").read_text())["load_from"]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["dg"]["project"]
    assert location["python_module"]["location_name"] == project["code_location_name"]


def test_the_readme_mentions_only_commands_that_exist() -> None:
    """Every `autoflow COMMAND` in the README is one."""
    words = README.replace("`", " ").split()
    used = {after for word, after in zip(words, words[1:], strict=False) if word.endswith("autoflow")}
    commands = {word for word in used if word.isascii() and word.islower() and word.isalpha()}
    assert commands - COMMANDS.keys() <= {"runs", "is", "as"}
