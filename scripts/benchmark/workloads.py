"""The workloads: inputs directories, and what a plain loop over them has to execute."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from autoflow_dagster.bundled import bundled_path
from autoflow_dagster.job_spec import config_values
from autoflow_dagster.parser import load_workflows
from autoflow_dagster.workflows import WorkflowConfig, notebook_parameters

FIRST_DAY = date(2016, 1, 1)
CHECK_EVERY_SECONDS = 5

GLUE = "import scrapbook as sb\nsb.glue('number', {number})"
READ = "import scrapbook as sb\nnotebook = sb.read_notebook(previous_notebook)\nnotebook.scraps"


@dataclass(frozen=True)
class Workload:
    """Notebooks over dates.

    Attributes
    ----------
    inputs : Path
        Inputs directory with the notebooks and `workflows.yml`.
    first_offset : int
        Days of records before the first date that runs.
    """

    name: str
    inputs: Path
    first_offset: int

    @property
    def configs(self) -> tuple[WorkflowConfig, ...]:
        """The configs of `workflows.yml`."""
        return load_workflows(self.inputs).configs

    def days_for(self, dates: int) -> int:
        """Return how many days of records make so many dates run."""
        return self.first_offset + dates


def example(directory: Path) -> Workload:
    """Make the specification's example: two notebooks with queries and plots, one PDF."""
    shutil.copytree(bundled_path("examples/inputs"), directory)
    path = directory / "workflows.yml"
    text = _often_checked(path.read_text())
    path.write_text(text[: text.index("    # Smaller districts")])
    return Workload("example", directory, 7)


def empty(
    directory: Path, notebooks: int = 2, configs: int = 1, *, is_chain: bool = True
) -> Workload:
    """Make almost empty notebooks: each glues a number, or in a chain reads the one before."""
    directory.mkdir(parents=True)
    lines = ["workflows:", "  - name: chain", "    notebooks:"]
    for number in range(notebooks):
        reads = is_chain and number > 0
        previous = f"previous_notebook: n{number - 1}, " if reads else ""
        lines.append(f"      n{number}:")
        lines.append(f"        filename: n{number}.ipynb")
        lines.append(f"        parameters: {{{previous}label: label}}")
        code = READ if reads else GLUE.format(number=number)
        _write(directory / f"n{number}.ipynb", "previous_notebook = label = None", code)
    lines += [
        "available_dates_sensor:",
        f'  schedule: "* * * * * */{CHECK_EVERY_SECONDS}"',
        "  workflows:",
    ]
    for number in range(configs):
        lines += ["    - workflow_name: chain", f"      parameters: {{label: c{number}}}"]
    (directory / "workflows.yml").write_text("\n".join(lines) + "\n")
    return Workload("empty", directory, 0)


def _often_checked(text: str) -> str:
    schedule = rf'\1"* * * * * */{CHECK_EVERY_SECONDS}"'
    return re.sub(r'^( *schedule: *)"0 0 \* \* \*".*$', schedule, text, flags=re.MULTILINE)


def _write(path: Path, parameters: str, code: str) -> None:
    cells = [
        {
            "cell_type": "code",
            "id": f"cell{number}",
            "execution_count": None,
            "metadata": {"tags": ["parameters"]} if number == 0 else {},
            "outputs": [],
            "source": source,
        }
        for number, source in enumerate((parameters, code))
    ]
    metadata = {
        "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
        "language_info": {"name": "python"},
    }
    content = {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}
    path.write_text(json.dumps(content))


def loop_plan(
    workload: Workload, dates: list[date], flowapi_url: str, outputs: Path
) -> list[list[dict[str, object]]]:
    """Return for each date of each config what a plain loop executes, one entry per notebook."""
    plan = []
    for config in workload.configs:
        for day in dates:
            values = config_values(config, day).values
            executed = {
                key: str(outputs / f"{config.name}-{day}-{key}.ipynb")
                for key in config.workflow.notebooks
            }
            plan.append(
                [
                    {
                        "source": str(workload.inputs / notebook.filename),
                        "destination": executed[key],
                        "parameters": notebook_parameters(
                            notebook, values=values, flowapi_url=flowapi_url, executed=executed
                        ),
                        "working_dir": str(workload.inputs),
                        "report": bool(notebook.output),
                    }
                    for key, notebook in config.workflow.notebooks.items()
                ]
            )
    return plan
