"""``python -m autoflow_dagster`` is ``autoflow``."""

from autoflow_dagster.cli import main

main()
