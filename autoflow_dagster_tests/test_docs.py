"""The documents say what the code does."""

from __future__ import annotations

import importlib
import sys
from itertools import pairwise
from pathlib import Path

import yaml

from autoflow_dagster.cli import COMMANDS

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def test_the_generated_parts_of_the_readme_are_fresh() -> None:
    """Settings and layout; `python scripts/readme.py` makes them again."""
    sys.path.insert(0, str(ROOT / "scripts"))
    try:
        readme = importlib.import_module("readme")
    finally:
        sys.path.remove(str(ROOT / "scripts"))
    assert readme.up_to_date(README) == README


def test_both_instance_files_name_the_same_code_location() -> None:
    """Sensor state and run keys belong to a location name (see style of Dagster's two commands)."""
    import tomllib

    [location] = yaml.safe_load((ROOT / "workspace.yaml").read_text())["load_from"]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["dg"]["project"]
    assert location["python_module"]["location_name"] == project["code_location_name"]


def test_the_readme_mentions_only_commands_that_exist() -> None:
    """Every `autoflow COMMAND` in the README is one."""
    words = README.replace("`", " ").split()
    used = {after for word, after in pairwise(words) if word.endswith("autoflow")}
    commands = {word for word in used if word.isascii() and word.islower() and word.isalpha()}
    assert commands - COMMANDS.keys() <= {"runs", "is", "as"}
