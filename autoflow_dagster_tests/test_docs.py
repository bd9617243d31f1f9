"""The documents say what the code does."""

from __future__ import annotations

import ast
import importlib
import re
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


def test_the_tests_that_documents_name_exist() -> None:
    """A promise points at what proves it: ``test_file.py::TestClass::test_name``."""
    named = {
        reference
        for document in (ROOT / "docs").rglob("*.md")
        for reference in re.findall(r"`(test_\w+\.py(?:::\w+)*)`", document.read_text())
    }
    assert len(named) > 30
    for reference in sorted(named):
        file, *names = reference.split("::")
        tree: ast.AST = ast.parse((ROOT / "autoflow_dagster_tests" / file).read_text())
        for name in names:
            definitions = ast.ClassDef | ast.FunctionDef
            bodies = [d for d in ast.walk(tree) if isinstance(d, definitions) and d.name == name]
            assert bodies, reference
            tree = bodies[0]
