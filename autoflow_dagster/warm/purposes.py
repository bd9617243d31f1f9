"""What a fork server is for: the modules that its processes run, and what those need."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from autoflow_dagster.warm.kernel_surroundings import settle

_NO_ALLOCATOR_THREAD = {"JE_ARROW_MALLOC_CONF": "background_thread:false"}
"""Importing pyarrow, as pandas does, would start a thread of an allocator that it does not even use."""

_INLINE_BACKEND = {"MPLBACKEND": "module://matplotlib_inline.backend_inline"}
"""What ipykernel sets before a notebook can import matplotlib."""

_HAS_PARENT = {"JPY_PARENT_PID": str(os.getpid())}
"""Read when ipykernel is imported, and only for whether there is a parent process to watch."""

_OF_SHELLS = ("PWD", "OLDPWD", "SHLVL", "_")
"""What a shell sets; runs that start in the ordinary way are started by one."""

_POLLER = "ParentPollerUnix"
"""Class in `ipykernel.kernelapp` of the thread that ends a kernel when its parent process ends."""


@dataclass(frozen=True)
class Purpose:
    """What a fork server starts.

    Attributes
    ----------
    programs : tuple of str
        Modules to run as by ``python -m``; a fork server runs nothing else.
    modules : tuple of str
        What the programs import when they start.
    later : tuple of str
        What they import afterwards in each process. Nothing depends on these names: one that is
        not there any more costs the processes the time of that import.
    learns : bool
        Whether the modules that the inputs' notebooks import are imported too.
    variables : mapping
        Of the environment during the imports only, unless they are set anyway.
    free_variables : tuple of str
        Variables that may differ from those of the server: nothing reads them when it is imported.
    in_child : callable
        Called in an attached process before its program is run, with the connection to the client.
    rehearsal : str or None
        Name of a function, ``module:function``, called in the server after the imports: does what
        each process would do first, for what stays in caches. May fail, which changes nothing.
    obstacle : callable
        Says after the imports why a forked process cannot run the programs; usually nothing.
    """

    programs: tuple[str, ...]
    modules: tuple[str, ...]
    later: tuple[str, ...]
    learns: bool
    variables: Mapping[str, str]
    free_variables: tuple[str, ...]
    in_child: Callable[[socket.socket], None]
    rehearsal: str | None = None
    obstacle: Callable[[], str] = lambda: ""


def _stop_with_client(connection: socket.socket) -> None:
    """Stop in order when the client has gone, as the service's processes do without the service."""

    def wait() -> None:
        connection.settimeout(None)
        try:
            connection.recv(1)
        finally:
            os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, name="autoflow-client", daemon=True).start()


def _end_with_client(connection: socket.socket) -> None:
    """End when the client does: a kernel without its run is of no use to anybody.

    Takes the place of ipykernel's thread that does this. That one waits for its own parent process
    to end, which for a forked kernel is the fork server and not the client.
    """
    from ipykernel import kernelapp

    settle(False)

    class ClientPoller(threading.Thread):
        def __init__(self, *_args: object, **_options: object) -> None:
            super().__init__(daemon=True)

        def start(self) -> None:
            settle(True)  # the kernel's output is in place, and what it starts with has run
            super().start()

        def run(self) -> None:
            connection.settimeout(None)
            try:
                connection.recv(1)
            finally:
                os._exit(1)

    setattr(kernelapp, _POLLER, ClientPoller)
    _end_promptly()


def _end_promptly() -> None:
    """Let a kernel end at once when it is asked to.

    ipykernel stops the thread that sends output, then waits for another one, which may just be
    waiting for the first to send output: until jupyter_client loses patience, after 2.5 seconds.
    """
    from ipykernel.ipkernel import IPythonKernel

    do_shutdown = IPythonKernel.do_shutdown

    def flushing_first(self: Any, restart: bool) -> Any:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
            if hasattr(stream, "pub_thread"):
                vars(stream)["flush"] = lambda: None
        return do_shutdown(self, restart)  # type: ignore[no-untyped-call]

    IPythonKernel.do_shutdown = flushing_first  # type: ignore[method-assign]


def _kernel_obstacle() -> str:
    from ipykernel import kernelapp
    from ipykernel.ipkernel import IPythonKernel

    if not hasattr(IPythonKernel, "do_shutdown"):
        return "this version of ipykernel ends kernels in another way"
    return "" if hasattr(kernelapp, _POLLER) else f"this version of ipykernel has no {_POLLER}"


_PICTURE_FORMATS = tuple(f"PIL.{n}ImagePlugin" for n in ("Bmp", "Gif", "Jpeg", "Png", "Ppm"))

DAGSTER = Purpose(
    programs=("dagster", "dagster._daemon", "dagster_webserver"),
    modules=("dagster", "dagster._cli", "papermill", "nbformat", "nbclient", "jupyter_client"),
    later=(
        *_PICTURE_FORMATS,
        "autoflow_dagster.build",
        "autoflow_dagster.parser",
        "dagster._core.assets",
        "dagster._core.definitions.repository_definition.repository_data_builder",
        "dagster._core.execution.plan.active",
        "dagster._core.executor.in_process",
        "dagster._core.executor.multiprocess",
        "dagster._core.instance.factory",
        "dagster._core.op_concurrency_limits_counter",
        "dagster._core.storage.local_compute_log_manager",
        "dagster._core.storage.root",
        "dagster._core.storage.sqlite_storage",
        "dagster._core.utility_ops",
        "dagster._core.workspace.autodiscovery",
        "dagster._daemon.auto_run_reexecution",
        "dagster_postgres",
        "alembic.autogenerate",
        "alembic.command",
        "autoflow_dagster.notebook_op",
        "autoflow_dagster.reports.convert",
        "autoflow_dagster.reports.html",
        "autoflow_dagster.reports.pdf",
        "bleach.css_sanitizer",
        "bs4",
        "croniter",
        "fontTools.ttLib.ttCollection",
        "fsspec.implementations.local",
        "html5lib",
        "httpx",
        "ipykernel.kernelspec",
        "IPython.display",
        "jinja2.ext",
        "jinja2.sandbox",
        "mako.template",
        "mistune",
        "nbconvert.exporters",
        "pygments.lexers.markup",
        "pygments.lexers.python",
        "pygments.lexers.shell",
        "pypandoc",
        "pypdfium2",
        "rich.traceback",
        "sqlite3",
        "structlog",
        "tinycss2",
        "typst",
        "upath.implementations.local",
    ),
    learns=False,
    variables=_NO_ALLOCATOR_THREAD,
    free_variables=_OF_SHELLS,
    in_child=_stop_with_client,
    rehearsal="autoflow_dagster.warm.rehearsal:rehearse_run",
)

KERNELS = Purpose(
    programs=("ipykernel_launcher",),
    modules=("ipykernel.kernelapp",),
    later=(
        "ipykernel.debugger",
        "IPython.core.completerlib",
        "IPython.core.debugger",
        "IPython.core.logger",
        "IPython.core.oinspect",
        "IPython.extensions.storemagic",
        "IPython.utils.wildcard",
        "tornado.platform.asyncio",
        "zmq.utils.garbage",
    ),
    learns=True,
    variables=_NO_ALLOCATOR_THREAD | _INLINE_BACKEND | _HAS_PARENT,
    # Jupyter's own, and what Dagster sets in a run for libraries that connect to Snowflake.
    free_variables=(*_OF_SHELLS, "JPY_PARENT_PID", "JPY_SESSION_NAME", "SF_PARTNER"),
    in_child=_end_with_client,
    obstacle=_kernel_obstacle,
)

COMPANIONS: Mapping[str, tuple[str, ...]] = {
    "geopandas": ("pyogrio",),
    "httpx": ("anyio", "h11", "httpcore"),
    "matplotlib.pyplot": (
        "matplotlib.backends.backend_agg",
        *_PICTURE_FORMATS,
    ),
    "pandas": ("jinja2", "pandas.io.formats.style", "pyarrow.pandas_compat"),
    "pyarrow.pandas_compat": ("pyarrow.vendored.version",),
}
"""What modules import later, when they are used. As with `Purpose.later`, nothing depends on these."""

PURPOSES = {"dagster": DAGSTER, "kernels": KERNELS}
