"""Read `workflows.yml`: every problem at once, with its line, and otherwise plain frozen objects.

From text to YAML with lines (yaml_document), to pydantic models (schema, structure), to checks of
what refers to what (workflow_checks, config_checks) and of the notebooks (notebook_checks).
"""

from autoflow_dagster.parser.load import load_workflows, parse_workflows

__all__ = ["load_workflows", "parse_workflows"]
