"""Starting and stopping the demo FlowAPI: in the background for tests, in front for people.

The command line is in `__main__`; what the server answers is in `app`.
"""

from __future__ import annotations

import signal
import threading
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack
from datetime import date, timedelta
from pathlib import Path
from types import FrameType, TracebackType
from typing import Self

from autoflow_dagster.demo.app import FlowapiApp
from autoflow_dagster.demo.engine import QueryEngine
from autoflow_dagster.demo.listening import listen, local_url, start_server
from autoflow_dagster.demo.records import CDR_TYPES
from autoflow_dagster.demo.store import RecordStore
from autoflow_dagster.demo.tokens import TokenIssuer, write_private
from autoflow_dagster.errors import AutoflowError

AUDIENCE = "flowapi.demo"
FIRST_DAY = date(2016, 1, 1)
DEFAULT_DAYS = 14
DEFAULT_SUBSCRIBERS = 10_000
DEFAULT_MAX_DAYS = 366
"""Of the command line: a day of records takes a megabyte of memory."""


class DemoFlowapi:
    """A FlowAPI over synthetic records, for as long as a ``with`` block lasts.

    Parameters
    ----------
    days : int
        How many days of records there are at the start.
    start : date
        The first of them.
    port : int
        Where to listen; 0 takes any free port.
    host : str
        The address to listen at; ``"0.0.0.0"`` for all of this machine's.
    new_date_every : float, optional
        Seconds until one more day arrives, again and again. None: days arrive by `add_date` only.
    max_days : int, optional
        How many days there are at most by `days` and `new_date_every`. None: no limit.
    subscribers : int
        How many people leave records. With fewer than some thousand most flows between small
        districts are redacted.
    seconds_per_query : float
        How long a query takes at the least.
    key_file : Path, optional
        Keeps the key that signs tokens, so that they outlive a restart; see `TokenIssuer`.

    Attributes
    ----------
    url : str
        What a client on this machine connects to.
    token : str
        A token with all scopes, valid for a year.
    audience : str
        What tokens for this server have as audience.
    requests : Counter of str
        How often each path was asked for: ``requests["/api/0/available_dates"]``.

    Raises
    ------
    AutoflowError
        The port is taken, or the key file is unusable.

    Examples
    --------
    >>> with DemoFlowapi(days=2, subscribers=100) as demo:
    ...     demo.add_date().isoformat()
    '2016-01-03'
    """

    def __init__(
        self,
        days: int = DEFAULT_DAYS,
        start: date = FIRST_DAY,
        port: int = 0,
        host: str = "127.0.0.1",
        new_date_every: float | None = None,
        max_days: int | None = None,
        subscribers: int = DEFAULT_SUBSCRIBERS,
        seconds_per_query: float = 0.0,
        key_file: Path | None = None,
    ) -> None:
        self.audience = AUDIENCE
        self.url = ""  # known once the server listens
        self._address = (host, port)
        self._days = days if max_days is None else min(days, max_days)
        self._max_days = max_days
        self._new_date_every = new_date_every
        self._seconds_per_query = seconds_per_query
        self._issuer = TokenIssuer(AUDIENCE, key_file)
        self.token = self.make_token()
        self._store = RecordStore(start, subscribers)
        self._stopping = threading.Event()
        self._cleanup = ExitStack()

    @property
    def requests(self) -> Counter[str]:
        """How often each path was asked for."""
        return self._app.requests

    def __enter__(self) -> Self:
        with ExitStack() as cleanup:  # what has been started is stopped when the rest fails
            cleanup.callback(self._store.close)
            listening = cleanup.enter_context(listen(*self._address))
            self.url = local_url(self._address[0], listening.getsockname()[1])
            for _ in range(self._days):
                self._store.add(self._store.next_day())
            engine = QueryEngine(self._store, self._seconds_per_query)
            cleanup.callback(engine.stop)
            self._app = FlowapiApp(self._store, engine, self._issuer)
            cleanup.callback(start_server(self._app, listening))
            if self._new_date_every is not None:
                cleanup.callback(self._start_deliveries())
            self._cleanup = cleanup.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._cleanup.close()

    def add_date(self, day: date | None = None, cdr_types: Collection[str] = CDR_TYPES) -> date:
        """Let the records of one more day arrive now.

        Parameters
        ----------
        day : date, optional
            Which day; None takes the one after the last that there is.
        cdr_types : collection of str
            The kinds that arrive: calls, sms or both.

        Returns
        -------
        date
            The day.

        Raises
        ------
        ValueError
            The day is before the first one, or there is no such kind.
        """
        day = self._store.next_day() if day is None else day
        self._store.add(day, cdr_types)
        return day

    def remove_date(self, day: date, cdr_types: Collection[str] = CDR_TYPES) -> None:
        """Let the records of a day vanish; `add_date` brings the same ones back.

        Raises
        ------
        ValueError
            There is no such kind of records.
        """
        self._store.remove(day, cdr_types)

    def make_token(
        self,
        scopes: Mapping[str, Sequence[str]] | None = None,
        expires_in: timedelta | None = timedelta(days=365),
        audience: str | None = None,
        username: str = "demo",
    ) -> str:
        """Return a token, a bad one if asked for; see `TokenIssuer.issue` for the parameters."""
        return self._issuer.issue(scopes, expires_in, audience, username)

    def _start_deliveries(self) -> Callable[[], None]:
        """Let days arrive from now on; the answer stops that."""
        thread = threading.Thread(target=self._deliver, name="demo-new-dates", daemon=True)
        thread.start()

        def stop() -> None:
            self._stopping.set()
            thread.join()

        return stop

    def _deliver(self) -> None:
        while not self._stopping.wait(self._new_date_every):
            days = {day for days in self._store.available_dates().values() for day in days}
            if self._max_days is not None and len(days) >= self._max_days:
                return
            self.add_date()


def serve(
    host: str = "127.0.0.1",
    port: int = 9090,
    *,
    days: int = DEFAULT_DAYS,
    start: date = FIRST_DAY,
    new_date_every: float | None = None,
    max_days: int | None = None,
    subscribers: int = DEFAULT_SUBSCRIBERS,
    key_file: Path | None = None,
    token_file: Path | None = None,
    url_file: Path | None = None,
    print_token: bool = True,
    echo: Callable[[str], None],
) -> None:
    """Run a demo FlowAPI until SIGINT or SIGTERM; call it in the main thread.

    Parameters
    ----------
    host, port, days, start, new_date_every, max_days, subscribers, key_file
        See `DemoFlowapi`.
    token_file : Path, optional
        Where to write the token, for the owner's eyes only.
    url_file : Path, optional
        Where to write the URL: there, after `token_file`, for as long as the server answers.
    print_token : bool
        Whether the token is shown.
    echo : callable
        Takes the lines to show.

    Raises
    ------
    AutoflowError
        The port is taken, or a file is unusable.
    """
    stop = threading.Event()

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    kept = {number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        if url_file is not None:
            url_file.unlink(missing_ok=True)  # of an earlier start: this server does not answer yet
        demo = DemoFlowapi(
            days, start, port, host, new_date_every, max_days, subscribers, key_file=key_file
        )
        with demo:
            if token_file is not None:
                _write(token_file, demo.token)
            if url_file is not None:
                _write(url_file, demo.url)
            echo(f"FlowAPI demo at {demo.url}")
            echo(f"FLOWAPI_URL={demo.url}")
            if print_token:
                echo(f"FLOWAPI_TOKEN={demo.token}")
            stop.wait()
    finally:
        if url_file is not None:
            url_file.unlink(missing_ok=True)
        for number, handler in kept.items():
            signal.signal(number, handler)


def _write(file: Path, text: str) -> None:
    try:
        write_private(file, text)
    except OSError as error:
        raise AutoflowError(
            str(file), f"it cannot be written: {error.strerror}.", "Name another file."
        ) from error
