"""The records of the demo in DuckDB: which days are there, and one more day.

Days come from `records`; questions are put by `engine`.
"""

from __future__ import annotations

import threading
from collections.abc import Collection
from dataclasses import asdict
from datetime import date, timedelta
from typing import Any

import duckdb
import numpy as np

from autoflow_dagster.demo.country import AGGREGATION_UNITS, Country, build_country
from autoflow_dagster.demo.records import CDR_TYPES, build_day, build_population
from autoflow_dagster.demo.specs import Period

_TABLES = """
CREATE TABLE records (
    day DATE, subscriber INTEGER, cell SMALLINT, second INTEGER, cdr_type TINYINT, outgoing BOOLEAN
);
CREATE TABLE cells (
    cell SMALLINT, lon DOUBLE, lat DOUBLE,
    admin0 VARCHAR, admin1 VARCHAR, admin2 VARCHAR, admin3 VARCHAR
);
"""


class RecordStore:
    """Call detail records of some days, in memory.

    Parameters
    ----------
    start : date
        The first day for which records can be made.
    subscribers : int
        How many people leave records.

    Notes
    -----
    Methods may be called from several threads.
    """

    def __init__(self, start: date, subscribers: int) -> None:
        self.start = start
        self._country = build_country()
        self._population = build_population(self._country, subscribers)
        self._days: dict[str, set[date]] = {cdr_type: set() for cdr_type in CDR_TYPES}
        self._lock = threading.RLock()
        # Two threads: a demo leaves room for the notebooks that ask it.
        self._database = duckdb.connect(":memory:", config={"threads": 2})
        self._database.execute(_TABLES)
        self._insert("cells", _cell_columns(self._country))

    def close(self) -> None:
        """Give the memory back; nothing can be asked afterwards."""
        self._database.close()

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """Return a connection to the records for the use of one thread."""
        return self._database.cursor()

    def available_dates(self) -> dict[str, list[date]]:
        """Return for each kind of records the days there are, sorted; kinds without any are absent."""
        with self._lock:
            return {kind: sorted(days) for kind, days in self._days.items() if days}

    def has_data(self, period: Period) -> bool:
        """Tell whether any of the days in the period has any of its kinds of records."""
        with self._lock:
            kinds = self._days.keys() if period.cdr_types is None else period.cdr_types
            return any(
                period.start <= day < period.end
                for kind in kinds
                for day in self._days.get(kind, ())
            )

    def next_day(self) -> date:
        """Return the day after the last one there is, or the first one."""
        with self._lock:
            last = max((day for days in self._days.values() for day in days), default=None)
            return self.start if last is None else last + timedelta(days=1)

    def add(self, day: date, cdr_types: Collection[str] = CDR_TYPES) -> None:
        """Make the records of a day, of the given kinds; those that are there already stay.

        Raises
        ------
        ValueError
            The day is before the first one, or there is no such kind.
        """
        number = (day - self.start).days
        if number < 0:
            raise ValueError(f"The demo has no records before {self.start}, so none for {day}.")
        with self._lock:
            kinds = [kind for kind in _known(cdr_types) if day not in self._days[kind]]
            if not kinds:
                return
            made = asdict(build_day(self._country, self._population, self.start, number))
            wanted = np.isin(made["cdr_type"], [CDR_TYPES.index(kind) for kind in kinds])
            columns = {name: values[wanted] for name, values in made.items()}
            columns["day"] = np.full(wanted.sum(), np.datetime64(day, "s"))  # DuckDB knows no days
            self._insert("records", columns)
            for kind in kinds:
                self._days[kind].add(day)

    def remove(self, day: date, cdr_types: Collection[str] = CDR_TYPES) -> None:
        """Forget the records of a day, of the given kinds; those that are not there stay away.

        Raises
        ------
        ValueError
            There is no such kind.
        """
        with self._lock:
            for kind in _known(cdr_types):
                self._days[kind].discard(day)
                self._database.execute(
                    "DELETE FROM records WHERE day = ? AND cdr_type = ?",
                    [day, CDR_TYPES.index(kind)],
                )

    def _insert(self, table: str, columns: dict[str, Any]) -> None:
        cursor = self.cursor()
        cursor.register("made", columns)
        cursor.execute(f"INSERT INTO {table} BY NAME SELECT * FROM made")
        cursor.unregister("made")
        cursor.close()


def _known(cdr_types: Collection[str]) -> list[str]:
    unknown = sorted(set(cdr_types) - set(CDR_TYPES))
    if unknown:
        raise ValueError(f"The demo has {' and '.join(CDR_TYPES)}, not {', '.join(unknown)}.")
    return [kind for kind in CDR_TYPES if kind in cdr_types]


def _cell_columns(country: Country) -> dict[str, Any]:
    columns: dict[str, Any] = {
        "cell": np.arange(len(country.cell_admin3)),
        "lon": country.cell_position[:, 0].copy(),
        "lat": country.cell_position[:, 1].copy(),
    }
    for unit in AGGREGATION_UNITS:
        columns[unit] = np.array(country.pcods[unit], dtype=object)[country.cell_admin3]
    return columns
