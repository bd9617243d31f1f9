"""Take over what an original AutoFlow has run: its successes become entries of the ledger.

The original remembers parameters hashes and not dates, so every day that may have been a reference
date is hashed with the present configs, and compared.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

import dagster as dg
from dagster import DagsterInstance

from autoflow_dagster.data_versions import DATA_VERSION_TAG
from autoflow_dagster.dates.date_hashes import DateHashes
from autoflow_dagster.errors import SettingsError
from autoflow_dagster.ledger import asset_keys, read_histories
from autoflow_dagster.partition_keys import add_partition_keys
from autoflow_dagster.workflows import WorkflowConfig

FIRST_DAY = date(2000, 1, 1)
"""No call detail records of FlowKit are older."""

IMPORTED_METADATA = "imported from"


@dataclass(frozen=True)
class PastRun:
    """The last success of an original AutoFlow with one parameters hash.

    Attributes
    ----------
    succeeded_at : datetime or None
        As stored; the original wrote UTC without saying so.
    """

    workflow: str
    params_hash: str
    succeeded_at: datetime | None


@dataclass(frozen=True)
class Match:
    """A past run and the reference date of a config that it was for."""

    config: WorkflowConfig
    reference_date: date
    run: PastRun


@dataclass
class ImportPlan:
    """What an import would do.

    Attributes
    ----------
    new : list of Match
        Dates to be recorded, ascending for each config.
    known : Counter of str
        By config: how many matched dates are done according to the ledger.
    unmatched : Counter of str
        By workflow: how many successes belong to no date of no present config.
    not_successful : int
        Entries of runs that failed, or never ended.
    """

    new: list[Match] = field(default_factory=list)
    known: Counter[str] = field(default_factory=Counter)
    unmatched: Counter[str] = field(default_factory=Counter)
    not_successful: int = 0


def read_past_runs(db_uri: str, password: str = "") -> tuple[list[PastRun], int]:
    """Return the successes in an original AutoFlow database, and the number of other entries.

    Parameters
    ----------
    db_uri : str
        As AutoFlow had it, with ``{}`` for the password.

    Raises
    ------
    SettingsError
        When it cannot be read. Its message has neither address nor password.
    """
    import sqlalchemy
    from sqlalchemy.exc import SQLAlchemyError

    try:
        url = sqlalchemy.make_url(db_uri.replace("{}", "", 1))
        if "{}" in db_uri:
            url = url.set(password=password)
        if url.drivername == "postgresql":
            url = url.set(drivername="postgresql+psycopg2")
        engine = sqlalchemy.create_engine(url, poolclass=sqlalchemy.pool.NullPool)
        query = "SELECT workflow_name, parameters_hash, state, timestamp FROM workflow_runs"
        with engine.connect() as connection:
            rows = connection.execute(sqlalchemy.text(query)).all()
    except (SQLAlchemyError, ImportError, ValueError) as error:
        cause = getattr(error, "orig", None) or error
        reason = next(iter(str(cause).strip().splitlines()), "")
        hidden = reason.replace(password, "***") if password else reason
        raise SettingsError(
            "--db-uri",
            f"the table workflow_runs cannot be read ({type(cause).__name__}: {hidden}).",
            "Give the address that AUTOFLOW_DB_URI had for the original AutoFlow.",
        ) from None
    successes: dict[tuple[str, str], PastRun] = {}
    for workflow, params_hash, state, timestamp in rows:
        if str(state).lower() == "success":
            run = PastRun(workflow, params_hash, _as_time(timestamp))
            successes[workflow, params_hash] = run
    others = sum(str(state).lower() != "success" for _, _, state, _ in rows)
    return list(successes.values()), others


def _as_time(stored: Any) -> datetime | None:
    """Return a time as the database's driver gives it: SQLite has text."""
    if isinstance(stored, str):
        try:
            stored = datetime.fromisoformat(stored)
        except ValueError:
            return None
    if not isinstance(stored, datetime):
        return None
    return stored if stored.tzinfo else stored.replace(tzinfo=UTC)


def plan_import(
    instance: DagsterInstance,
    configs: Sequence[WorkflowConfig],
    past_runs: Iterable[PastRun],
    today: date,
) -> ImportPlan:
    """Find the dates of past runs and leave out what the ledger knows.

    Parameters
    ----------
    today : date
        The last day, inclusive, that can have been a reference date.
    """
    plan = ImportPlan()
    by_workflow: dict[str, dict[str, PastRun]] = defaultdict(dict)
    for run in past_runs:
        by_workflow[run.workflow][run.params_hash] = run
    matched: set[tuple[str, str]] = set()
    histories = read_histories(instance, configs)
    for config in configs:
        runs = by_workflow.get(config.workflow.name, {})
        done = histories[config.name].done
        for day, params_hash in _hashes(config, today) if runs else ():
            if (found := runs.get(params_hash)) is None:
                continue
            matched.add((found.workflow, params_hash))
            if done.get(day) == params_hash:
                plan.known[config.name] += 1
            else:
                plan.new.append(Match(config, day, found))
    for name, runs in by_workflow.items():
        if left := sum((name, params_hash) not in matched for params_hash in runs):
            plan.unmatched[name] = left
    return plan


def _hashes(config: WorkflowConfig, today: date) -> Iterator[tuple[date, str]]:
    hashes = DateHashes(config.parameters, config.date_stencil)
    for number in range((today - FIRST_DAY).days + 1):
        day = FIRST_DAY + timedelta(days=number)
        if (params_hash := hashes.get(day)) is not None:
            yield day, params_hash


def record(instance: DagsterInstance, matches: Sequence[Match]) -> Iterator[Match]:
    """Write matches into the ledger; yield each when it is written.

    An import that is interrupted can be repeated: a date counts as done when the last of its
    assets is there.
    """
    days: dict[str, list[str]] = defaultdict(list)
    for match in matches:
        days[match.config.name].append(match.reference_date.isoformat())
    for name, keys in days.items():
        add_partition_keys(instance, name, keys)
    for match in matches:
        for key in asset_keys(match.config.name, match.config.workflow):
            instance.report_runless_asset_event(_materialization(key, match))
        yield match


def _materialization(key: dg.AssetKey, match: Match) -> dg.AssetMaterialization:
    metadata: dict[str, Any] = {
        IMPORTED_METADATA: "an original AutoFlow, which has executed notebook and report",
        "parameters hash": match.run.params_hash,
        "reference date": match.reference_date.isoformat(),
    }
    if match.run.succeeded_at is not None:
        metadata["succeeded at"] = match.run.succeeded_at.isoformat()
    return dg.AssetMaterialization(
        asset_key=key,
        partition=match.reference_date.isoformat(),
        description="Done by an original AutoFlow; imported.",
        metadata=metadata,
        tags={DATA_VERSION_TAG: match.run.params_hash},
    )


def summary(plan: ImportPlan, configs: Sequence[str]) -> list[str]:
    """Return what was found, as lines for people.

    Parameters
    ----------
    configs : sequence of str
        Names of the present configs.
    """
    new = Counter(match.config.name for match in plan.new)
    lines = []
    for name in configs:
        text = f"{name}: {new[name]} dates to be recorded as done"
        known = plan.known[name]
        lines.append(f"{text}, {known} are known already." if known else f"{text}.")
    for workflow, number in sorted(plan.unmatched.items()):
        lines.append(
            f'Not matched: {number} successes of workflow "{workflow}". Its parameters or date '
            "stencil were others then, or no config names it: those dates count as new."
        )
    if plan.not_successful:
        lines.append(f"{plan.not_successful} entries of runs without success were left out.")
    return lines
