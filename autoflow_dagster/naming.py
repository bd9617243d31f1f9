"""Names that outlive a run: Dagster names, run tags, run keys, output files, the parameters hash.

Pure functions; nothing here reads a file, a clock or the environment.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

# Run tags. Operators filter runs by them in the Dagster UI.
TAG_CONFIG = "autoflow/config"
TAG_WORKFLOW = "autoflow/workflow"
TAG_REFERENCE_DATE = "autoflow/reference_date"
TAG_PARAMETERS_HASH = "autoflow/parameters_hash"
TAG_ATTEMPT = "autoflow/attempt"

DateRange = tuple[date, date]
"""A half-open interval of days: the first day, and the day after the last one."""


def dagster_name(text: str) -> str:
    """Return `text` with every character that Dagster forbids in a name replaced by ``_``.

    Different texts can give the same name; the parser refuses files in which that happens.

    Examples
    --------
    >>> dagster_name("flows-above normal")
    'flows_above_normal'
    """
    return re.sub(r"[^A-Za-z0-9_]", "_", text)


def report_asset_name(notebook_key: str, report_format: str) -> str:
    """Return the last part of a report's asset key, beside the one of its notebook.

    Examples
    --------
    >>> report_asset_name("flows_report", "pdf")
    'flows_report_pdf'
    """
    return f"{dagster_name(notebook_key)}_{report_format}"


def json_value(value: Any) -> Any:
    """Return a parameter value as the notebook receives it: dates as ISO strings, tuples as lists.

    As in AutoFlow, which sent every value through JSON.
    """
    return json.loads(json.dumps(value, default=str))


def iso_date_ranges(date_ranges: Sequence[DateRange]) -> list[list[str]]:
    """Return half-open date ranges as the automatic parameter ``date_ranges`` has them.

    Examples
    --------
    >>> iso_date_ranges([(date(2016, 1, 1), date(2016, 1, 3))])
    [['2016-01-01', '2016-01-03']]
    """
    return [[start.isoformat(), end.isoformat()] for start, end in date_ranges]


def parameters_hash(
    parameters: Mapping[str, Any],
    reference_date: date | None,
    date_ranges: Sequence[DateRange] | None,
) -> str:
    """Return the md5 by which AutoFlow recognises what has already been run.

    Parameters
    ----------
    parameters : mapping
        The workflow parameters of the config. Type-sensitive: ``1``, ``1.0`` and ``True`` differ.
    reference_date : date or None
        None for a workflow that runs without a reference date.
    date_ranges : sequence of (date, date) or None
        What the date stencil means for the reference date, half-open. None like `reference_date`.

    Notes
    -----
    The same value as AutoFlow's own, so that its history can be imported. `missing_dates` is not
    part of it: a date that ran with gaps does not run again when a gap is filled.

    Examples
    --------
    >>> parameters_hash(
    ...     {"aggregation_unit": "admin2"},
    ...     date(2016, 1, 4),
    ...     [
    ...         (date(2016, 1, 1), date(2016, 1, 2)),
    ...         (date(2016, 1, 3), date(2016, 1, 4)),
    ...         (date(2016, 1, 4), date(2016, 1, 5)),
    ...     ],
    ... )
    'fc05692377782a32156bc405d787213a'
    """
    hashed = dict(parameters)
    if reference_date is not None:
        hashed["reference_date"] = reference_date.isoformat()
    if date_ranges is not None:
        hashed["date_ranges"] = iso_date_ranges(date_ranges)
    text = json.dumps(hashed, sort_keys=True, default=str)
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def output_stem(
    filename: str,
    workflow_name: str,
    reference_date: date | None,
    params_hash: str,
    started_at: datetime,
) -> str:
    """Return the name, without suffix, of an executed notebook and of its reports.

    Parameters
    ----------
    filename : str
        The notebook's file name as in the workflow definition; folders and suffix are dropped.
    workflow_name : str
        As in the workflow definition. Characters that a file name cannot hold become ``_``, and
        so do braces, which papermill would take for a format string.
    reference_date : date or None
        Left out of the name when None.
    params_hash : str
        From `parameters_hash`.
    started_at : datetime
        When the notebook started; any time zone, written in UTC to the second.

    Examples
    --------
    >>> output_stem(
    ...     "run_flows.ipynb",
    ...     "flows",
    ...     date(2016, 1, 7),
    ...     "d41d8cd98f00b204e9800998ecf8427e",
    ...     datetime(2016, 1, 8, tzinfo=UTC),
    ... )
    'run_flows__flows_2016-01-07_d41d8cd98f00b204e9800998ecf8427e__20160108T000000Z'
    """
    stem = filename.replace("\\", "/").rsplit("/", 1)[-1].rsplit(".", 1)[0]
    middle = [workflow_name, reference_date.isoformat() if reference_date else None, params_hash]
    tag = "_".join(part for part in middle if part)
    stamp = started_at.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    return re.sub(r'[\x00-\x1f/\\{}<>:"|?*]', "_", f"{stem}__{tag}__{stamp}")


def run_key(config_name: str, reference_date: date, params_hash: str, attempt: int) -> str:
    """Return the run key of one attempt to run one date of one config.

    A run key is spent by any launched run, failed ones too, while a failed date is tried again:
    hence the attempt, counted from 1. Dagster refuses a second run with the same key, so a daemon
    that dies in the middle of a tick doubles nothing.

    Examples
    --------
    >>> run_key("flows", date(2016, 1, 7), "d41d8cd9", 2)
    'flows:2016-01-07:d41d8cd9:2'
    """
    return f"{config_name}:{reference_date.isoformat()}:{params_hash}:{attempt}"
