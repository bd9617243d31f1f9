"""CDR types as assets: what FlowAPI has, observed at each check. Nothing here runs."""

from __future__ import annotations

from collections.abc import Sequence

import dagster as dg

from autoflow_dagster.dates.date_set import DateSet
from autoflow_dagster.flowapi.request import AvailableDates
from autoflow_dagster.planning import first_dates
from autoflow_dagster.workflows import CDR_TYPES, WorkflowConfig, WorkflowDefinitions

GROUP = "flowapi"


def cdr_asset_key(cdr_type: str) -> dg.AssetKey:
    """Return the asset key of a CDR type."""
    return dg.AssetKey([GROUP, cdr_type])


def cdr_types_of(config: WorkflowConfig) -> tuple[str, ...]:
    """Return the CDR types whose dates a config uses."""
    return config.cdr_types if config.cdr_types is not None else CDR_TYPES


def build_cdr_assets(definitions: WorkflowDefinitions) -> list[dg.AssetSpec]:
    """Return one external asset for each CDR type that some config uses."""
    used = dict.fromkeys(name for config in definitions.configs for name in cdr_types_of(config))
    return [
        dg.AssetSpec(
            cdr_asset_key(name),
            group_name=GROUP,
            kinds={"flowkit"},
            description=f"Dates of `{name}` data that FlowAPI lists as available, as of each check.",
        )
        for name in used
    ]


def observations(
    available: AvailableDates, before: AvailableDates | None
) -> Sequence[dg.AssetObservation]:
    """Return what a check saw, for each CDR type.

    Parameters
    ----------
    available : AvailableDates
        FlowAPI's answer.
    before : AvailableDates or None
        Its answer to the check before; None when that is not known.
    """
    return [
        dg.AssetObservation(
            cdr_asset_key(name),
            metadata=_metadata(dates, None if before is None else before.get(name, DateSet())),
        )
        for name, dates in sorted(available.items())
    ]


def _metadata(dates: DateSet, before: DateSet | None) -> dict[str, int | str]:
    metadata: dict[str, int | str] = {"dates": len(dates)}
    if dates.first is None or dates.last is None:
        return metadata
    gaps = [day for start, end in dates.gaps(dates.first, dates.last) for day in (start, end)]
    missing = (dates.last - dates.first).days + 1 - len(dates)
    metadata |= {
        "first": dates.first.isoformat(),
        "last": dates.last.isoformat(),
        "missing days": missing,
    }
    if gaps:
        metadata["gaps begin"] = first_dates(gaps[::2], 10)
    if before is not None:
        new = [day for day in dates if day not in before]
        metadata["newest arrivals"] = first_dates(new, 10) or "none"
    return metadata
