"""Is the service alive and ready? For probes, and for ``autoflow status``.

Here is how checks are made and shown; what is checked is in `checks`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from autoflow_dagster.errors import AutoflowError
from autoflow_dagster.service.left_behind import in_thread

if TYPE_CHECKING:
    from starlette.types import ASGIApp

CHECK_SECONDS = 5.0
"""For all checks together; what has not answered by then is not well."""

REMEMBER_SECONDS = 1.0
"""Answers are used again for so long: probes may come often."""

ALIVE_SECONDS = 60.0
"""The main loop turns twice a second; when it has not for so long, it hangs."""


@dataclass(frozen=True)
class CheckResult:
    """What one check found.

    Attributes
    ----------
    detail : str
        For people; no secrets.
    is_needed : bool
        Whether the service is not ready when this is not well.
    """

    is_ok: bool
    detail: str
    is_needed: bool = True


Check = Callable[[], CheckResult]
"""Makes one check; an exception means that it is not well."""


@dataclass(frozen=True)
class Note:
    """A check that is only worth knowing: however it ends, the service is as ready as before."""

    look: Check

    def __call__(self) -> CheckResult:
        """Look."""
        return self.look()


@dataclass
class Health:
    """Makes checks when it is asked, each in a thread of its own.

    Attributes
    ----------
    checks : mapping of str to callable
        By name. Replace it as the service starts and stops.
    redacted : callable
        Takes secrets out of a text.
    """

    checks: Mapping[str, Check]
    redacted: Callable[[str], str] = str
    check_seconds: float = CHECK_SECONDS
    _beat_at: float = field(default_factory=time.monotonic)
    _results: dict[str, CheckResult] = field(default_factory=dict)
    _checked_at: float = float("-inf")
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _asked: dict[str, tuple[Check, Future[CheckResult]]] = field(default_factory=dict)

    def beat(self) -> None:
        """Say that the main loop is alive."""
        self._beat_at = time.monotonic()

    def use(self, checks: Mapping[str, Check]) -> None:
        """Make other checks from now on."""
        with self._lock:
            self.checks = checks
            self._checked_at = float("-inf")

    @property
    def is_alive(self) -> bool:
        """Whether the main loop turns."""
        return time.monotonic() - self._beat_at < ALIVE_SECONDS

    def results(self) -> Mapping[str, CheckResult]:
        """Return what each check finds, by name."""
        with self._lock:
            if time.monotonic() - self._checked_at > REMEMBER_SECONDS:
                self._results = self._check()
                self._checked_at = time.monotonic()
            return dict(self._results)

    def _check(self) -> dict[str, CheckResult]:
        for name, check in self.checks.items():
            # One that still waits for an answer is not asked again: a database that is gone would
            # take one thread more with each probe.
            asked = self._asked.get(name)
            if asked is None or asked[1].done() or asked[0] is not check:
                self._asked[name] = (check, in_thread(check, "health"))
        deadline = time.monotonic() + self.check_seconds
        results = {name: self._result(self._asked[name][1], deadline) for name in self.checks}
        return {
            name: replace(result, is_needed=False)
            if isinstance(self.checks[name], Note)
            else result
            for name, result in results.items()
        }

    def _result(self, asked: Future[CheckResult], deadline: float) -> CheckResult:
        try:
            return asked.result(max(0.0, deadline - time.monotonic()))
        except FutureTimeoutError:
            return CheckResult(False, f"no answer within {self.check_seconds:g} seconds")
        except AutoflowError as error:
            return CheckResult(False, self.redacted(str(error)))
        except Exception as error:  # of a driver or of Dagster; the first line tells what
            first = next(iter(str(error).strip().splitlines()), "")
            return CheckResult(False, self.redacted(f"{type(error).__name__}: {first}"))


def report(results: Mapping[str, CheckResult]) -> dict[str, Any]:
    """Return the JSON value that ``/readyz`` answers with."""
    return {
        "ready": is_ready(results),
        "checks": {
            name: {"ok": result.is_ok, "needed": result.is_needed, "detail": result.detail}
            for name, result in results.items()
        },
    }


def is_ready(results: Mapping[str, CheckResult]) -> bool:
    """Return whether everything that is needed is well."""
    return all(result.is_ok or not result.is_needed for result in results.values())


def with_health(app: ASGIApp, health: Health) -> ASGIApp:
    """Return an application that answers ``/healthz`` and ``/readyz``, and otherwise is `app`."""
    from starlette.concurrency import run_in_threadpool
    from starlette.requests import Request
    from starlette.responses import JSONResponse

    def answer(path: str) -> JSONResponse:
        if path == "/healthz":
            return _json({"alive": health.is_alive}, health.is_alive)
        results = health.results()
        return _json(report(results), is_ready(results))

    def _json(value: Any, is_good: bool) -> JSONResponse:
        return JSONResponse(value, 200 if is_good else 503, {"cache-control": "no-store"})

    async def healthy(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and scope["path"] in ("/healthz", "/readyz"):
            request = Request(scope)
            if request.method in ("GET", "HEAD"):
                response = await run_in_threadpool(answer, scope["path"])
                await response(scope, receive, send)
                return
        await app(scope, receive, send)

    return healthy
