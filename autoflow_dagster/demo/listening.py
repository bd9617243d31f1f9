"""A port to listen at, and an ASGI application answering there in a thread of its own.

Nothing here knows about FlowAPI; the application comes from `app`, and `server` puts both together.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable

import uvicorn
from starlette.types import ASGIApp

from autoflow_dagster.errors import AutoflowError


class _Server(uvicorn.Server):
    """A server that says when it has started."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()


def start_server(app: ASGIApp, listening: socket.socket) -> Callable[[], None]:
    """Answer requests in a thread of its own from now on; the answer stops that."""
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        lifespan="off",
        ws="none",
        loop="asyncio",
        timeout_graceful_shutdown=1,
    )
    server = _Server(config)

    def run() -> None:
        try:
            server.run(sockets=[listening])
        finally:
            server.ready.set()  # whoever waits for a server that failed must not wait for ever

    thread = threading.Thread(target=run, name="demo-flowapi", daemon=True)
    thread.start()
    server.ready.wait()

    def stop() -> None:
        server.should_exit = True
        thread.join()

    return stop


def local_url(host: str, port: int) -> str:
    """Return the URL for clients on this machine."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens; port 0 takes any free one.

    Raises
    ------
    AutoflowError
        The address is taken, or not one of this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=128)
    except OSError as error:
        raise AutoflowError(
            f"{host}:{port}",
            f"the demo FlowAPI cannot listen there: {error.strerror}.",
            "Choose another port; 0 takes any free one.",
        ) from error
