"""Tests of what is found out about notebooks, kernels and templates before anything runs."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from autoflow_dagster.errors import WorkflowsFileError
from autoflow_dagster.notebooks.facts import (
    UnreadableNotebookError,
    assigned_names,
    read_notebook_facts,
)
from autoflow_dagster.parser import parse_workflows
from autoflow_dagster.parser.notebook_checks import installed_kernels
from autoflow_dagster.workflows import WorkflowDefinitions

FILES = Path(__file__).parent / "bad_configs" / "files"
EXAMPLE = Path(__file__).parent.parent / "examples" / "inputs"
PYTHON = {"kernelspec": {"name": "python3", "language": "python"}}


def write_notebook(
    path: Path, *sources: str, parameters: str | None = None, metadata: Any = PYTHON, **more: Any
) -> Path:
    """Write a notebook with these code cells; the one with parameters comes first."""
    cells: list[dict[str, Any]] = [
        {"cell_type": "code", "metadata": {}, "source": source.splitlines(keepends=True)}
        for source in sources
    ]
    if parameters is not None:
        tagged = {"cell_type": "code", "metadata": {"tags": ["parameters"]}, "source": parameters}
        cells.insert(0, tagged)
    content = {"nbformat": 4, "nbformat_minor": 5, "metadata": metadata, "cells": cells, **more}
    path.write_text(json.dumps(content))
    return path


def check(inputs_dir: Path, notebook: str, **options: bool) -> WorkflowDefinitions:
    """Read a definition with one notebook, given in YAML's flow style."""
    return parse_workflows(
        f"workflows: [{{name: flows, notebooks: {{run: {notebook}}}}}]\n"
        "available_dates_sensor: {schedule: null, workflows: []}\n",
        inputs_dir,
        **options,
    )


# Facts


def test_the_facts_of_the_example():
    """A notebook as Jupyter writes it."""
    facts = read_notebook_facts(EXAMPLE / "run_flows.ipynb")
    assert (facts.kernel_name, facts.language) == ("python3", "python")
    assert facts.has_parameters_cell
    assert facts.parameter_names is not None
    assert {"reference_date", "date_ranges", "aggregation_unit"} <= facts.parameter_names
    assert not facts.imports_dagstermill


def test_what_a_notebook_does_not_say_is_none(tmp_path: Path):
    """Nothing is guessed."""
    facts = read_notebook_facts(write_notebook(tmp_path / "a.ipynb", metadata={}))
    assert (facts.kernel_name, facts.language) == (None, None)
    assert not facts.has_parameters_cell
    assert facts.parameter_names == frozenset()


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("a = 1", {"a"}),
        ("a = b = 1\nc, (d, *e) = 1, (2, 3)", {"a", "b", "c", "d", "e"}),
        ("a: int = 1\nb: str", {"a", "b"}),
        ("# a = 1\n'b = 2'", set()),
        ("%matplotlib inline\n!ls\na = 1", {"a"}),
        ("if True:\n    a = 1", {"a"}),
        ("a.b = 1\nc[0] = 2", set()),
        ("", set()),
    ],
)
def test_names_assigned_in_python_are_found(code: str, expected: set[str]):
    """By its syntax, without executing anything."""
    assert assigned_names(code, "python") == expected


def test_names_assigned_in_other_languages_are_found():
    """R and Julia by their form; of others nothing is said."""
    assert assigned_names("a <- 1\n b.c = 2\n# d <- 3", "r") == {"a", "b.c"}
    assert assigned_names("a = 1\nconst b = 2", "julia") == {"a", "b"}
    assert assigned_names("val a = 1", "scala") is None
    assert assigned_names("a = 1", None) is None
    assert assigned_names("this isn't python", "python") is None


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["a = 1"], {"a"}),
        (["print(a)", "a = 1"], set()),
        (["a = f(a)"], set()),
        (["a += 1"], set()),
        (["if x:\n    a = 1", "a = 2"], set()),
        (["def f():\n    return a", "a = 1"], set()),
        (["a = 1", "print(a)", "a = 2"], {"a"}),
        (["a: int = 1"], {"a"}),
        (["a: int"], set()),
        (["import b", "not python at all", "a = 1"], set()),
        (["%%time\na = 1"], {"a"}),
    ],
)
def test_names_that_would_be_overwritten_are_found(
    tmp_path: Path, cells: list[str], expected: set[str]
):
    """Only those that a notebook assigns for certain before it reads them."""
    facts = read_notebook_facts(write_notebook(tmp_path / "a.ipynb", *cells))
    assert facts.overwritten_names == expected


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("import dagstermill", True),
        ("x = 1\nfrom dagstermill import yield_result", True),
        ("    import dagstermill as dm", True),
        ("# import dagstermill", False),
        ("import dagstermill_things", False),
    ],
)
def test_imports_of_dagstermill_are_found(tmp_path: Path, code: str, expected: bool):
    """They decide how a notebook is run."""
    facts = read_notebook_facts(write_notebook(tmp_path / "a.ipynb", code))
    assert facts.imports_dagstermill is expected


def test_old_notebooks_are_understood(tmp_path: Path):
    """Those of nbformat 3, whose cells lie in worksheets."""
    cell = {"cell_type": "code", "metadata": {"tags": ["parameters"]}, "input": ["a = 1"]}
    old = {"nbformat": 3, "metadata": PYTHON, "worksheets": [{"cells": [cell]}]}
    (tmp_path / "old.ipynb").write_text(json.dumps(old))
    assert read_notebook_facts(tmp_path / "old.ipynb").parameter_names == {"a"}


@pytest.mark.parametrize(
    "metadata",
    [
        None,
        [],
        {"kernelspec": []},
        {"kernelspec": {"name": 5, "language": []}},
        {"language_info": 5},
    ],
)
def test_odd_metadata_are_no_crash(tmp_path: Path, metadata: Any):
    """They are as good as none."""
    cells = [None, 5, {"metadata": {"tags": 5}}, {"metadata": [], "source": 5}]
    path = write_notebook(tmp_path / "a.ipynb", metadata=metadata, cells=cells)
    facts = read_notebook_facts(path)
    assert (facts.kernel_name, facts.language) == (None, None)


@pytest.mark.parametrize("content", ["[" * 100_000, "5", "null", '"text"', '{"nbformat": "4"}'])
def test_what_is_no_notebook_is_refused(tmp_path: Path, content: str):
    """Whatever JSON it is."""
    (tmp_path / "a.ipynb").write_text(content)
    with pytest.raises(UnreadableNotebookError, match=r"^is not a readable notebook: it "):
        read_notebook_facts(tmp_path / "a.ipynb")


# Files


def test_files_in_sub_directories_and_links_inside_are_accepted(tmp_path: Path):
    """Mounted configuration often consists of links."""
    shutil.copytree(FILES / "sub", tmp_path / "..data" / "sub")
    (tmp_path / "run.ipynb").symlink_to(Path("..data") / "sub" / "run_flows.ipynb")
    (tmp_path / "sub").symlink_to(Path("..data") / "sub")
    assert check(tmp_path, "{filename: run.ipynb}").warnings == ()
    assert check(tmp_path, "{filename: sub/run_flows.ipynb}").warnings == ()
    assert check(tmp_path, "{filename: ./run.ipynb}").warnings == ()


def test_the_inputs_directory_may_be_a_link(tmp_path: Path):
    """What counts is where it leads."""
    (tmp_path / "inputs").symlink_to(FILES)
    assert check(tmp_path / "inputs", "{filename: run_flows.ipynb}").warnings == ()


def test_a_linked_directory_does_not_lead_out(tmp_path: Path):
    """The file itself has to be inside."""
    (tmp_path / "inputs").mkdir()
    (tmp_path / "inputs" / "sub").symlink_to(FILES / "sub")
    with pytest.raises(WorkflowsFileError, match="is a link to a file outside"):
        check(tmp_path / "inputs", "{filename: sub/run_flows.ipynb}")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_notebook_without_permission_is_told(tmp_path: Path):
    """With the reason."""
    write_notebook(tmp_path / "a.ipynb").chmod(0)
    with pytest.raises(WorkflowsFileError, match="cannot be read"):
        check(tmp_path, "{filename: a.ipynb}")


def test_files_need_not_be_opened(tmp_path: Path):
    """Without `check_notebooks` they only have to be there."""
    (tmp_path / "a.ipynb").touch()
    assert check(tmp_path, "{filename: a.ipynb}", check_notebooks=False)
    with pytest.raises(WorkflowsFileError, match="is not in the inputs directory"):
        check(tmp_path, "{filename: b.ipynb}", check_notebooks=False)
    with pytest.raises(WorkflowsFileError, match="it is empty"):
        check(tmp_path, "{filename: a.ipynb}")


def test_a_notebook_of_an_unknown_language_gets_parameters_unchecked(tmp_path: Path):
    """Papermill can do more languages than are understood here."""
    metadata = {"kernelspec": {"name": "scala", "language": "scala"}}
    write_notebook(tmp_path / "a.ipynb", parameters="val a = 1", metadata=metadata)
    assert check(tmp_path, "{filename: a.ipynb, parameters: {b: reference_date}}").warnings == ()


def test_a_kernel_can_be_given_in_the_definition(tmp_path: Path):
    """For a notebook that names none, or another one."""
    metadata = {"language_info": {"name": "python"}}
    write_notebook(tmp_path / "a.ipynb", metadata=metadata)
    assert check(tmp_path, "{filename: a.ipynb, kernel: python3}", check_kernels=True)


def test_templates_may_use_what_nbconvert_offers(tmp_path: Path):
    """Its loop controls, and filters that are known to it only."""
    write_notebook(tmp_path / "a.ipynb", metadata=PYTHON)
    (tmp_path / "a.tpl").write_text(
        "{% for c in cells %}{% break %}{% endfor %}{{ x | ansi2html }}"
    )
    assert check(tmp_path, "{filename: a.ipynb, output: {format: pdf, template: a.tpl}}")


# Kernels


def test_installed_kernels_are_those_that_jupyter_finds():
    """Without importing what finds them."""
    from jupyter_client.kernelspec import KernelSpecManager

    assert installed_kernels() == set(KernelSpecManager().find_kernel_specs())


def test_kernels_are_looked_for_in_jupyter_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A directory with a kernel.json is one."""
    for name in ("Mine", "broken"):
        (tmp_path / "kernels" / name).mkdir(parents=True)
    (tmp_path / "kernels" / "Mine" / "kernel.json").write_text("{}")
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    assert "mine" in installed_kernels()
    assert "broken" not in installed_kernels()


# Cost


def test_each_notebook_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """However many workflows it is in."""
    write_notebook(tmp_path / "a.ipynb")
    opened: list[str] = []
    sys.addaudithook(lambda event, args: opened.append(str(args[0])) if event == "open" else None)
    workflows = ", ".join(
        f"{{name: flows{n}, notebooks: {{run: {{filename: a.ipynb}}}}}}" for n in range(20)
    )
    parse_workflows(
        f"workflows: [{workflows}]\navailable_dates_sensor: {{schedule: null, workflows: []}}",
        tmp_path,
    )
    assert [path for path in opened if path.endswith("a.ipynb")] == [str(tmp_path / "a.ipynb")]


def test_large_notebooks_are_looked_into_quickly(tmp_path: Path):
    """Ten megabytes of outputs and a thousand cells."""
    path = write_notebook(
        tmp_path / "a.ipynb",
        *("x = [n ** 2 for n in range(10)]\nprint(x)" for _ in range(1000)),
        padding="x" * 10_000_000,
    )
    started = time.process_time()
    read_notebook_facts(path)
    assert time.process_time() - started < 2
