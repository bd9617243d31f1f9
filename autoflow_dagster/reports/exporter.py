"""nbconvert's exporters, with our sandbox and without their preprocessors.

Notebooks reach them tidied (`tidy.py`), so that nothing depends on what a machine has configured
for nbconvert.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from autoflow_dagster.reports.jinja import OWN, build_environment
from autoflow_dagster.reports.tidy import PRIORITY


def build_exporter(
    kind: str,
    template: Path | None,
    inputs_dir: Path | None,
    filters: Mapping[str, Callable[..., Any]],
    values: Mapping[str, Any],
) -> Any:
    """Return an exporter whose `from_notebook_node` renders a tidied notebook.

    Parameters
    ----------
    kind : "asciidoc" or "html"
        Which built-in template is used when `template` is None.
    template : Path or None
        The author's template.
    inputs_dir : Path or None
        Where the template may include files from; None is nowhere.
    filters : mapping
        Filters that stand in front of nbconvert's own of the same name.
    values : mapping
        What templates see besides `nb` and `resources`.
    """
    from nbconvert.exporters import ASCIIDocExporter
    from traitlets.config import Config

    class ReportExporter(ASCIIDocExporter):
        """Renders a tidied notebook with our templates."""

        def _init_preprocessors(self) -> None:
            self._preprocessors: list[Any] = []

        def _preprocess(self, nb: Any, resources: Any) -> tuple[Any, Any]:
            return nb, resources  # without validating: what is odd in a notebook is passed over

        def _create_environment(self) -> Any:
            environment = build_environment(template, inputs_dir, list(self.template_paths))
            untyped: Any = self
            for name, jinja_filter in untyped.default_filters():
                untyped._register_filter(environment, name, jinja_filter)
            environment.filters.update(filters)
            environment.globals.update(values)
            return environment

        def _load_template(self) -> Any:
            return self.environment.get_template(OWN if template else f"autoflow/report.{kind}.j2")

    config = Config()
    config.NbConvertBase.display_data_priority = list(PRIORITY)
    exporter: Any = ReportExporter
    return exporter(config=config, exclude_input_prompt=True, exclude_output_prompt=True)
