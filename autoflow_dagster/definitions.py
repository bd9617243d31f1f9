"""The code location: what `dagster dev`, the webserver and the daemon load."""

from __future__ import annotations

import os

import dagster as dg

from autoflow_dagster.build import build_defs
from autoflow_dagster.parser import load_workflows
from autoflow_dagster.service.inputs_copy import over_copy
from autoflow_dagster.settings import Settings


@dg.definitions
def defs() -> dg.Definitions:
    """Build everything from the inputs directory that the environment names, or the copy of it."""
    settings = over_copy(Settings.from_environ(os.environ))
    return build_defs(load_workflows(settings.inputs_dir), settings)
