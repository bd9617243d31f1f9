"""A server for the site: in a thread of its own, or in the foreground."""

from __future__ import annotations

import socket
import threading
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from autoflow_dagster.errors import listening_error
from autoflow_dagster.site.app import build_app

if TYPE_CHECKING:
    from collections.abc import Callable

    import uvicorn
    from starlette.types import ASGIApp


class SiteServer:
    """Serves the site for as long as a ``with`` block lasts.

    Parameters
    ----------
    outputs_dir : Path
        The directory with ``index.html``; it need not be there yet.
    host, port : str, int
        Where to listen. Port 0 takes a free one.
    prefix : str
        Path below which the site is served, such as ``/reports``; empty for all of the address.
    around : callable or None
        Receives the application of the site and returns the one that is served.

    Attributes
    ----------
    port : int
        Where it listens, once it does.

    Raises
    ------
    SettingsError
        When the port is taken, or `host` is not one of this machine.
    """

    def __init__(
        self,
        outputs_dir: Path,
        host: str = "127.0.0.1",
        port: int = 0,
        prefix: str = "",
        around: Callable[[ASGIApp], ASGIApp] | None = None,
    ) -> None:
        self.around = around
        self.outputs_dir = outputs_dir
        self.host = host
        self.port = port
        self.prefix = prefix.strip("/")

    @property
    def url(self) -> str:
        """Address of the first page, for clients on this machine."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)
        host = f"[{host}]" if ":" in host else host
        path = f"{self.prefix}/" if self.prefix else ""
        return f"http://{host}:{self.port}/{path}"

    def __enter__(self) -> SiteServer:
        self._socket = self._listen()
        self._server = self._build()
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [self._socket]}, name="site", daemon=True
        )
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.should_exit = True
        self._thread.join()
        self._socket.close()

    def serve(self) -> None:
        """Serve in the foreground until SIGINT or SIGTERM; call it in the main thread."""
        with self._listen() as listening:
            self._build().run(sockets=[listening])

    def _listen(self) -> socket.socket:
        """Return a listening socket: requests wait in it until the server has started."""
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        try:
            listening = socket.create_server((self.host, self.port), family=family, backlog=128)
        except (OSError, UnicodeError) as error:
            raise listening_error(self.host, self.port, error) from error
        self.port = listening.getsockname()[1]
        return listening

    def _build(self) -> uvicorn.Server:
        import uvicorn

        app: ASGIApp = build_app(self.outputs_dir, self.prefix)
        return uvicorn.Server(
            uvicorn.Config(
                self.around(app) if self.around else app,
                log_level="warning",
                access_log=False,
                server_header=False,
                lifespan="off",
                ws="none",
                timeout_graceful_shutdown=1,
            )
        )
