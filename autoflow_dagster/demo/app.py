"""FlowAPI's HTTP interface: which address wants which scopes and answers with what.

Statuses, bodies and headers are those of FlowAPI 1.34, oddities included (a malformed token is a
422, a query that failed a 403). Computing is in `engine`, tokens are in `tokens`.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from html import escape

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response, StreamingResponse
from starlette.routing import Match, Route
from starlette.types import Receive, Scope, Send

from autoflow_dagster.demo import formats
from autoflow_dagster.demo.country import AGGREGATION_UNITS
from autoflow_dagster.demo.engine import Query, QueryEngine
from autoflow_dagster.demo.specs import (
    SpecError,
    aggregation_unit,
    known_scopes,
    parse_spec,
    scopes,
)
from autoflow_dagster.demo.store import RecordStore
from autoflow_dagster.demo.tokens import ClaimsUnreadableError, TokenIssuer, TokenRefusedError

_GEOJSON = "application/geo+json"
_FORMATS: dict[str, tuple[str, Callable[[Query], Iterator[str]]]] = {
    "json": ("application/json", formats.as_json),
    "csv": ("text/csv", formats.as_csv),
    "geojson": (_GEOJSON, formats.as_geojson),
}


class _RefusalError(Exception):
    """A request is answered with a status and a body of JSON instead of what it asked for."""

    def __init__(self, status: int, body: Mapping[str, object]) -> None:
        self.status = status
        self.body = body
        super().__init__(status, body)


class FlowapiApp:
    """FlowAPI as an ASGI application.

    Parameters
    ----------
    store : RecordStore
    engine : QueryEngine
    issuer : TokenIssuer

    Attributes
    ----------
    requests : Counter of str
        How often each path was asked for, whatever the answer. Query ids and the like are replaced
        by the names of what they are: ``/api/0/poll/{query_id}``; ``unknown`` is all the rest.
    """

    def __init__(self, store: RecordStore, engine: QueryEngine, issuer: TokenIssuer) -> None:
        self.requests: Counter[str] = Counter()
        self._store = store
        self._engine = engine
        self._issuer = issuer
        self._routes = [
            Route("/", self._root),
            Route("/api/0/available_dates", self._available_dates),
            Route("/api/0/geography/{aggregation_unit}", self._geography),
            Route("/api/0/run", self._run, methods=["POST"]),
            Route("/api/0/poll/{query_id}", self._poll),
            Route("/api/0/get/{query_id}", self._get),
            Route("/api/0/spec/openapi.json", self._openapi),
        ]
        self._starlette = self._build()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, as servers call an ASGI application."""
        if scope["type"] == "http":
            # A client whose base URL ends with a slash asks for "//api/0/...": FlowAPI answers.
            scope["path"] = "/" + scope["path"].lstrip("/")
            self.requests[self._counted_path(scope)] += 1
        await self._starlette(scope, receive, send)

    def _build(self) -> Starlette:
        app = Starlette(
            routes=self._routes,
            exception_handlers={
                HTTPException: _http_error,
                _RefusalError: _refusal,
                ClaimsUnreadableError: _claims_unreadable,
            },
        )
        app.router.redirect_slashes = False
        return app

    def _counted_path(self, scope: Scope) -> str:
        for route in self._routes:
            if route.matches(scope)[0] is not Match.NONE:
                return route.path
        return "unknown"

    # Tokens ------------------------------------------------------------------------------------

    def _roles(self, request: Request) -> list[set[str]]:
        """Return the scopes of each role of the token of a request; refuse a bad token."""
        try:
            roles = self._issuer.check(request.headers.get("Authorization"))
        except TokenRefusedError as error:
            raise _RefusalError(error.status, {"msg": error.message}) from None
        return [set(role) for role in roles.values()]

    @staticmethod
    def _demand(roles: Iterable[set[str]], *needed: str) -> None:
        """Refuse unless a single role has all the scopes; two roles do not add up."""
        if not any(role.issuperset(needed) for role in roles):
            raise _RefusalError(403, {"msg": "User claims verification failed"})

    # Addresses ---------------------------------------------------------------------------------

    async def _root(self, request: Request) -> Response:
        return HTMLResponse("")

    async def _available_dates(self, request: Request) -> Response:
        self._demand(self._roles(request), "get_available_dates")
        dates = self._store.available_dates()
        answer = {kind: [day.isoformat() for day in days] for kind, days in dates.items()}
        return _json({"available_dates": answer})

    async def _geography(self, request: Request) -> Response:
        unit = request.path_params["aggregation_unit"]
        self._demand(self._roles(request), "get_result", f"{unit}:geography:geography")
        if unit not in AGGREGATION_UNITS:
            return _json({"status": "Error", "msg": "Parameter validation failed."}, 500)
        return _download(f"{unit}.geojson", _GEOJSON, formats.geography(unit))

    async def _run(self, request: Request) -> Response:
        roles = self._roles(request)
        try:
            spec = parse_spec(await _json_body(request))
            self._demand(roles, "run", *scopes(spec))
            query = self._engine.submit(spec)
        except SpecError as error:
            raise _RefusalError(400, error.body) from None
        return _json(
            {"query_id": query.query_id, "progress": query.progress},
            202,
            {"Location": f"/api/0/poll/{query.query_id}"},
        )

    async def _poll(self, request: Request) -> Response:
        roles = self._roles(request)
        query = self._known_query(request.path_params["query_id"])
        self._demand(roles, *scopes(query.spec))
        if query.status == "completed":
            location = {"Location": f"/api/0/get/{query.query_id}"}
            return _json({"status": query.status}, 303, location)
        if query.status == "errored":
            return _json({"status": query.status, "msg": ""}, 500)
        return _json({"status": query.status, "msg": "", "progress": query.progress}, 202)

    async def _get(self, request: Request) -> Response:
        roles = self._roles(request)
        identity, _, extension = request.path_params["query_id"].partition(".")
        extension = extension or "json"
        if extension not in _FORMATS:
            raise _RefusalError(400, {"status": "error", "msg": "Invalid file format"})
        query = self._known_query(identity)
        needed = {"get_result", *scopes(query.spec)}
        if extension == "geojson":
            needed.add(f"{aggregation_unit(query.spec)}:geography:geography")
        self._demand(roles, *needed)
        if query.status == "errored":
            problem = f"Query with id '{identity}' finished with an error."
            raise _RefusalError(403, {"status": "Error", "msg": problem})
        if query.status != "completed":
            return _json({}, 202)
        media_type, write = _FORMATS[extension]
        return _download(f"{identity}.{extension}", media_type, write(query))

    async def _openapi(self, request: Request) -> Response:
        token = {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "JWT",
            "x-audience": self._issuer.audience,
            "x-security-scopes": known_scopes(),
        }
        return _json(
            {
                "openapi": "3.0.1",
                "info": {"title": "FlowAPI (demo)", "version": "0"},
                "paths": {},
                "components": {"securitySchemes": {"token": token}},
            }
        )

    def _known_query(self, identity: str) -> Query:
        query = self._engine.get(identity)
        if query is None:
            raise HTTPException(404, f"Unknown query ID '{identity}'")
        return query


# Answers ---------------------------------------------------------------------------------------


def _json(body: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(formats.compact(body) + "\n", status, headers, "application/json")


def _download(name: str, media_type: str, pieces: Iterator[str]) -> Response:
    async def stream() -> AsyncIterator[str]:  # asynchronous: no thread for every piece
        for piece in pieces:
            yield piece

    headers = {"Content-Disposition": f"attachment;filename={name}"}
    response = StreamingResponse(stream(), headers=headers)
    response.headers["Content-Type"] = media_type  # as FlowAPI: without a charset
    return response


def _page(status: int, title: str, text: str) -> Response:
    """Return an error as a web page: FlowAPI does so wherever its framework answers."""
    lines = (
        "<!doctype html>",
        "<html lang=en>",
        f"<title>{status} {title}</title>",
        f"<h1>{title}</h1>",
        f"<p>{escape(text)}</p>",
    )
    return HTMLResponse("\n".join(lines) + "\n", status)


async def _json_body(request: Request) -> object:
    if request.headers.get("Content-Type", "").partition(";")[0].strip() != "application/json":
        return None  # refused like any other body that is no specification
    try:
        return json.loads(await request.body())
    except ValueError:
        raise HTTPException(400, "The body of the request is not JSON.") from None


async def _refusal(_request: Request, error: Exception) -> Response:
    assert isinstance(error, _RefusalError)
    return _json(error.body, error.status)


async def _claims_unreadable(_request: Request, _error: Exception) -> Response:
    return _page(500, "Internal Server Error", "The server failed.")


async def _http_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    titles = {400: "Bad Request", 404: "Not Found", 405: "Method Not Allowed"}
    answer = _page(error.status_code, titles.get(error.status_code, "Error"), error.detail)
    answer.headers.update(error.headers or {})
    return answer
