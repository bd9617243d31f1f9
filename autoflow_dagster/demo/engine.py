"""Queries in the background: submitted, computed one after another, kept by their identity.

As in FlowKit a result is kept for ever: new days do not change it, and a query that failed stays
failed. What the answers look like over HTTP is decided in `app`.
"""

from __future__ import annotations

import logging
import queue
import threading
from dataclasses import dataclass, field
from typing import Any, Literal

from autoflow_dagster.demo.queries import build_query
from autoflow_dagster.demo.spec_fields import Spec
from autoflow_dagster.demo.specs import not_created, periods, query_id
from autoflow_dagster.demo.store import RecordStore

logger = logging.getLogger(__name__)

Status = Literal["queued", "executing", "completed", "errored"]


@dataclass
class Query:
    """A submitted query.

    Attributes
    ----------
    query_id : str
        32 hexadecimal digits; the same for the same specification.
    spec : Spec
        In canonical form.
    status : str
        queued, executing, completed or errored.
    columns : list of str
        Names of the columns; filled when completed.
    rows : list of tuple
        The result; filled when completed, and empty when every row was redacted.
    """

    query_id: str
    spec: Spec
    status: Status = "queued"
    columns: list[str] = field(default_factory=list)
    rows: list[tuple[Any, ...]] = field(default_factory=list)

    @property
    def progress(self) -> dict[str, int]:
        """What FlowAPI says about the progress: how many parts wait and how many run."""
        waiting, running = self.status == "queued", self.status == "executing"
        return {
            "eligible": int(waiting or running),
            "queued": int(waiting),
            "running": int(running),
        }


class QueryEngine:
    """Computes queries over a store in one background thread.

    Parameters
    ----------
    store : RecordStore
    seconds_per_query : float
        The least time from submitting a query to its result, in seconds: real ones take long.
    """

    def __init__(self, store: RecordStore, seconds_per_query: float = 0.0) -> None:
        self._store = store
        self._seconds_per_query = seconds_per_query
        self._queries: dict[str, Query] = {}
        self._lock = threading.Lock()
        self._waiting: queue.SimpleQueue[Query | None] = queue.SimpleQueue()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._work, name="demo-queries", daemon=True)
        self._thread.start()

    def submit(self, spec: Spec) -> Query:
        """Have a query computed, unless it was submitted before.

        Parameters
        ----------
        spec : Spec
            Its specification in canonical form.

        Raises
        ------
        SpecError
            There are no records for a part of it.
        """
        for period in periods(spec):
            if not self._store.has_data(period):
                raise not_created(f"No data for date: {period}")
        identity = query_id(spec)
        with self._lock:
            query = self._queries.get(identity)
            if query is None:
                query = self._queries[identity] = Query(identity, spec)
                self._waiting.put(query)
        return query

    def get(self, identity: str) -> Query | None:
        """Return a query that was submitted, None if there is none of that identity."""
        return self._queries.get(identity)

    def stop(self) -> None:
        """Stop after the query that is being computed; the others stay queued."""
        self._stopping.set()
        self._waiting.put(None)
        self._thread.join()

    def _work(self) -> None:
        cursor = self._store.cursor()
        while (query := self._waiting.get()) is not None and not self._stopping.is_set():
            query.status = "executing"
            self._stopping.wait(self._seconds_per_query)
            try:
                sql = build_query(query.spec)
                cursor.execute(sql.text, sql.values)
                query.columns = [column[0] for column in cursor.description or ()]
                query.rows = cursor.fetchall()
            except Exception:  # the client is told "errored" only, so the log needs the rest
                logger.exception("Query %s failed.", query.query_id)
                query.status = "errored"
            else:
                query.status = "completed"
        cursor.close()
