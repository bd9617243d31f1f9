"""The process of a fork server: imports first, then `fork_server` serves.

``python -m autoflow_dagster.warm.server_process``; started by `keeper` only.
"""

from __future__ import annotations

import argparse
import gc
import os
import signal
import socket
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from autoflow_dagster.warm import become, preload
from autoflow_dagster.warm.fork_server import ForkServer
from autoflow_dagster.warm.notebook_imports import learned_modules, watched_files
from autoflow_dagster.warm.purposes import PURPOSES, Purpose

MODULE = "autoflow_dagster.warm.server_process"

MAX_LEFT_OUT = 10
"""Modules found in doubt, one start of the server each, before it gives up."""


def main(arguments: Sequence[str]) -> None:
    """Import, serve, and in a forked process run what was asked for."""
    options = _parse(arguments)
    environment = dict(os.environ)
    _be_nobody_s_terminal(options)
    server = _import_everything(options, environment, arguments)
    task = server.serve()
    del server
    if task is not None:
        become.run(task)


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Start processes by forking. Not for direct use.")
    parser.add_argument("purpose", choices=sorted(PURPOSES))
    parser.add_argument("--listener", type=int, required=True, help="descriptor of the socket")
    parser.add_argument("--owner", type=int, required=True, help="descriptor of the owner's pipe")
    parser.add_argument("--inputs", type=Path, help="directory of the notebooks to learn from")
    parser.add_argument("--module", action="append", default=[], help="import this, learn nothing")
    parser.add_argument("--without", action="append", default=[], help="do not import this")
    return parser.parse_args(arguments)


def _be_nobody_s_terminal(options: argparse.Namespace) -> None:
    """Give up what the processes to be forked must not inherit."""
    if not sys.flags.safe_path:
        del sys.path[0]  # the working directory: each process has its own
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    for descriptor in (options.listener, options.owner):
        os.set_inheritable(descriptor, False)


def _import_everything(
    options: argparse.Namespace, environment: dict[str, str], arguments: Sequence[str]
) -> ForkServer:
    """Do the imports and return the server; starts this process anew without a doubtful module."""
    started = time.monotonic()
    purpose = PURPOSES[options.purpose]
    wanted, watched = _wanted(purpose, options)
    freshness = preload.Freshness(watched)
    descriptors = preload.open_descriptors()
    variables = {k: v for k, v in purpose.variables.items() if k not in environment}
    os.environ.update(variables)
    gc.disable()
    base = _preload([*purpose.modules, *purpose.later], options, descriptors)
    found_by_itself = preload.top_level_modules() if purpose.learns else frozenset[str]()
    rest = preload.Preloaded()
    if not base.doubtful:
        rest = _preload(wanted, options, descriptors)
    doubtful = base.doubtful or rest.doubtful
    if doubtful:
        _start_without(doubtful, options, environment, arguments)
    _report(purpose, started, base, rest)
    for name in variables:
        del os.environ[name]
    freshness.modules_are_loaded()
    gc.enable()
    gc.collect()
    gc.freeze()  # so that no collection in a forked process writes to pages that are shared
    return ForkServer(
        purpose=purpose,
        listener=socket.socket(fileno=options.listener),
        owner=options.owner,
        successor=_command(arguments),
        freshness=freshness,
        environment=environment,
        own_names=preload.top_level_modules() - found_by_itself,
    )


def _preload(
    modules: Sequence[str], options: argparse.Namespace, descriptors: frozenset[str]
) -> preload.Preloaded:
    return preload.preload((m for m in modules if m not in options.without), descriptors)


def _wanted(purpose: Purpose, options: argparse.Namespace) -> tuple[list[str], list[Path]]:
    """Return the modules to import besides the purpose's own, and the files that say so."""
    if options.module or not (purpose.learns and options.inputs):
        return options.module, []
    return learned_modules(options.inputs), watched_files(options.inputs)


def _start_without(
    doubtful: tuple[str, str],
    options: argparse.Namespace,
    environment: dict[str, str],
    arguments: Sequence[str],
) -> None:
    """Become a new process that does not import a module: an import cannot be taken back."""
    name, reason = doubtful
    _say(options.purpose, f"{name} is left to each process itself: when imported, {reason}")
    if len(options.without) >= MAX_LEFT_OUT:
        sys.exit("Too many modules are in doubt; nothing is started warm.")
    for descriptor in (options.listener, options.owner):
        os.set_inheritable(descriptor, True)
    command = _command([*arguments, "--without", name])
    os.execve(command[0], command, environment)


def _command(arguments: Sequence[str]) -> list[str]:
    return [sys.executable, "-m", MODULE, *arguments]


def _report(
    purpose: Purpose, started: float, base: preload.Preloaded, rest: preload.Preloaded
) -> None:
    name = next(name for name, known in PURPOSES.items() if known is purpose)
    obstacle = purpose.obstacle()
    if obstacle:
        sys.exit(f"No warm {name}: {obstacle}.")
    for module, problem in {**base.failed, **rest.failed}.items():
        if module not in purpose.later:
            _say(name, f"{module} cannot be imported ({problem})")
    _say(
        name,
        f"ready after {time.monotonic() - started:.1f} s with {len(sys.modules)} modules"
        + (f", among them {', '.join(rest.imported)}" if rest.imported else ""),
    )


def _say(name: str, text: str) -> None:
    # Not with logging: its configuration would be inherited by every process.
    sys.stderr.write(f"autoflow: warm {name}: {text}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
