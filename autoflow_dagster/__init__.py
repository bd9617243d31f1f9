"""AutoFlow as a Dagster code location. Notebooks may raise `NoData`."""

from autoflow_dagster.no_data import NoData

__all__ = ["NoData", "__version__"]

__version__ = "0.1.0"
