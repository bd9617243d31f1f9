"""Which module may import which, and what loading the code location must not import."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import autoflow_dagster

PACKAGE = Path(autoflow_dagster.__file__).parent

# Modules and packages, by what they may know. A module imports from its own band and from those
# before it; a package is in one band, but for modules of it that are named themselves.
BANDS: Mapping[str, str] = {
    "pure": """
        check_schedule dates errors naming no_data planning wording workflows yaml_text
    """,
    "files, network and kernels, but no Dagster": """
        bundled demo flowapi instance_home notebooks outputs parser previews reports
        service.address_file service.child_processes service.home_lock service.inputs_copy
        service.processes service.start_checks settings site versions warm
    """,
    "Dagster": """
        assets backfills build cdr_assets compute_logs data_versions history_copy history_import job_spec jobs
        launch_config launch_guard ledger materialization notebook_op
        notebooks.dagstermill_resources notebooks.dagstermill_session overlapping_executor
        partition_keys progress
        report_op retention retention_job run_requests run_values scrap_metadata sensors service
        site_in_background site_sensor warm.rehearsal warm.run_launcher
    """,
    "entry points": "__main__ cli definitions",
}
BAND_OF = {name: index for index, names in enumerate(BANDS.values()) for name in names.split()}
PURE, WORLD, DAGSTER, ENTRY = range(4)

WORLDLY = (
    "os",
    "socket",
    "subprocess",
    "urllib.request",
    "http",
    "shutil",
    "tempfile",
    "threading",
)
"""What a pure module does not import: it has no files, no clock and no network."""

HEAVY = (
    "dagstermill",
    "duckdb",
    "flowclient",
    "geopandas",
    "httpx",
    "jupyter_client",
    "matplotlib",
    "nbclient",
    "nbconvert",
    "nbformat",
    "pandas",
    "papermill",
    "pypandoc",
    "scrapbook",
    "typst",
)
"""Each costs a tenth of a second or more, and every run would pay for it."""


@cache
def modules() -> Mapping[str, Path]:
    """Return every module of the package, by dotted name without the package's own."""
    paths = {path.relative_to(PACKAGE).with_suffix(""): path for path in PACKAGE.rglob("*.py")}
    return {".".join(name.parts).removesuffix(".__init__"): path for name, path in paths.items()}


@cache
def imports(name: str) -> frozenset[str]:
    """Return what a module imports, inside functions too, as full dotted names.

    What is imported for type checkers alone does not count.
    """
    tree = ast.parse(modules()[name].read_text())
    found: set[str] = set()
    for node in _at_run_time(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {_imported(node.module, alias.name) for alias in node.names}
    return frozenset(found)


def _at_run_time(node: ast.AST) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        is_guard = isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test)
        if not is_guard:
            yield child
            yield from _at_run_time(child)


def _imported(module: str, name: str) -> str:
    """Return the module meant by ``from module import name``."""
    full = f"{module}.{name}"
    return full if full.removeprefix("autoflow_dagster.") in modules() else module


def own_imports(name: str) -> set[str]:
    """Return the modules of this package that a module imports."""
    shortened = {full.removeprefix("autoflow_dagster.") for full in imports(name)}
    return {short for short in shortened if short in modules() and short != name}


def place(name: str) -> str:
    """Return the name under which a module is in a band: its own, or its package's."""
    return name if name in BAND_OF else name.split(".")[0]


def in_band(*bands: int) -> list[str]:
    """Return the modules of bands."""
    return sorted(name for name in modules() if BAND_OF.get(place(name)) in bands)


def test_every_module_has_a_place() -> None:
    """One that is new has to be put into a band above; one that is gone has to be taken out."""
    assert {place(name) for name in modules()} - {"__init__"} == BAND_OF.keys()


@pytest.mark.parametrize("name", in_band(PURE, WORLD, DAGSTER))
def test_modules_import_from_their_band_and_the_ones_before_it(name: str) -> None:
    """Inside functions too."""
    band = BAND_OF[place(name)]
    others = own_imports(name) - {"__init__"}
    assert [other for other in sorted(others) if BAND_OF.get(place(other), ENTRY) > band] == []


def test_there_are_no_cycles() -> None:
    """Not even of imports inside functions."""
    graph = {name: own_imports(name) for name in modules()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" imports ".join(reversed(error.args[1])))


@pytest.mark.parametrize("name", in_band(PURE, WORLD))
def test_dagster_is_imported_by_its_own_band_only(name: str) -> None:
    """Everything before it can be tested without, in milliseconds."""
    roots = {full.split(".")[0] for full in imports(name)}
    assert not roots & {"dagster", "dagster_postgres", "dagster_webserver"}


@pytest.mark.parametrize("name", in_band(PURE))
def test_pure_modules_know_nothing_of_the_world(name: str) -> None:
    """No files, no network, no processes: what they need is given to them."""
    assert not [full for full in imports(name) if full.startswith(WORLDLY)]


def test_the_demo_server_knows_nothing_of_the_product() -> None:
    """It stands in for FlowAPI; sharing code would hide mistakes."""
    demo = [name for name in modules() if place(name) == "demo"]
    others = {place(other) for name in demo for other in own_imports(name)}
    assert others <= {"demo", "errors", "__init__"}


def test_nothing_heavy_is_imported_when_the_definitions_are_loaded() -> None:
    """From the example's `workflows.yml` to the repository that Dagster serves."""
    code = (
        "import os, sys\n"
        "import autoflow_dagster.definitions\n"
        "from autoflow_dagster.build import build_defs\n"
        "from autoflow_dagster.parser import load_workflows\n"
        "from autoflow_dagster.settings import Settings\n"
        "settings = Settings.from_environ(os.environ)\n"
        "defs = build_defs(load_workflows(settings.inputs_dir), settings)\n"
        "print(len(defs.get_repository_def().get_all_jobs()) > 1)\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])\n"
    )
    example = PACKAGE.parent / "examples" / "inputs"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "AUTOFLOW_INPUTS_DIR": str(example)},
    )
    assert done.stdout == "True\n[]\n", done.stderr


def test_importing_the_definitions_reads_nothing() -> None:
    """Neither the environment nor the inputs directory: Dagster imports before it asks."""
    done = subprocess.run(
        [sys.executable, "-c", "import autoflow_dagster.definitions"],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": "/nonexistent", "AUTOFLOW_INPUTS_DIR": "/nonexistent", "FLOWAPI_URL": "wrong"},
    )
    assert (done.returncode, done.stderr) == (0, "")
