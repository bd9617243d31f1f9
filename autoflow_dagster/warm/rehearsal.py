"""Do once, in the fork server for Dagster's processes, what every run would do first, for what stays in caches.

Dagster, SQLAlchemy and Jupyter find out much of what they need at first use: half of what a run costs
beyond its notebooks. Nothing is left behind but memory.
"""

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

import dagster as dg

from autoflow_dagster.instance_home import compute_logs_in
from autoflow_dagster.warm.migration_scripts import keep_migration_scripts


def rehearse_run() -> None:
    """Go through what a run does, over a storage that is thrown away."""
    keep_migration_scripts()
    _rehearse_notebook()
    _rehearse_report()
    _rehearse_dagster()


def _rehearse_notebook() -> None:
    import nbformat
    from jupyter_client.provisioning.factory import KernelProvisionerFactory

    nbformat.validate(nbformat.v4.new_notebook())  # type: ignore[no-untyped-call]
    KernelProvisionerFactory.instance()  # looks for the entry points of all packages


def _rehearse_report() -> None:
    """Read which characters the fonts have."""
    from autoflow_dagster.reports.fonts import characters, font_directories, font_paths

    for path in font_paths(font_directories()):
        characters(path)


def _rehearse_dagster() -> None:
    """Materialize two small assets, in SQLite as runs do without PostgreSQL."""
    dates = dg.DynamicPartitionsDefinition(name="rehearsed_dates")

    def materialize() -> dg.MaterializeResult[None]:
        return dg.MaterializeResult(metadata={"number": 1}, data_version=dg.DataVersion("1"))

    @dg.asset(partitions_def=dates)
    def rehearsed_notebook(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
        context.log.debug("Rehearsed.")
        return materialize()

    @dg.asset(partitions_def=dates, deps=[rehearsed_notebook])
    def rehearsed_report() -> dg.MaterializeResult[None]:
        return materialize()

    with (
        _home() as directory,
        dg.DagsterInstance.local_temp(directory, overrides=_overrides(directory)) as instance,
    ):
        instance.add_dynamic_partitions(str(dates.name), ["2016-01-01"])
        dg.materialize(
            [rehearsed_notebook, rehearsed_report],
            instance=instance,
            partition_key="2016-01-01",
            raise_on_error=False,
        )


@contextlib.contextmanager
def _home() -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="autoflow-rehearsal-") as directory:
        Path(directory, "dagster.yaml").touch()  # or Dagster would say that there is none
        yield directory


def _overrides(directory: str) -> dict[str, object]:
    """Return the instance's configuration: nothing is sent or said."""
    return {
        "telemetry": {"enabled": False},
        "python_logs": {"python_log_level": "CRITICAL"},
        "compute_logs": compute_logs_in(Path(directory)),
    }
