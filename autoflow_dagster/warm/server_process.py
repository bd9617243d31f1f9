"""The process of a fork server: imports first, then `fork_server` serves.

``python -m autoflow_dagster.warm.server_process``; started by `keeper` only.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import gc
import itertools
import json
import os
import pkgutil
import signal
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autoflow_dagster.warm import become, preload
from autoflow_dagster.warm.ending import PromptEnd
from autoflow_dagster.warm.fork_server import ForkServer
from autoflow_dagster.warm.kernel_surroundings import KernelUses, is_within, kernel_surroundings
from autoflow_dagster.warm.notebook_imports import learned_modules, watched_files
from autoflow_dagster.warm.purposes import COMPANIONS, PURPOSES, Purpose

MODULE = "autoflow_dagster.warm.server_process"

MAX_STARTS = 10
"""Of one server, to find out what it must not import."""


@dataclass(frozen=True)
class Plan:
    """What earlier starts of this server found out about what to import.

    Attributes
    ----------
    without : tuple of str
        Modules and packages that are not to be imported before there is a kernel.
    also : tuple of str
        Modules that those import and that can be.
    starts : int
        Counted from 1.
    rehearses : bool
        Whether the server does what its purpose rehearses.
    """

    without: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    starts: int = 1
    rehearses: bool = True

    def allows(self, module: str) -> bool:
        """Return whether a module may be imported."""
        return not is_within(module, self.without)


def main(arguments: Sequence[str]) -> None:
    """Import, serve, and in a forked process run what was asked for."""
    prompt_end = PromptEnd()
    options = _parse(arguments)
    if options.plan is not None:
        arguments = arguments[:-2]  # a later server starts without this one's findings
    environment = dict(os.environ)
    _take_over(options)
    server = _import_everything(options, environment, arguments)
    task = server.serve()
    if task is None:
        server.clean_up()
    del server
    if task is not None:
        with prompt_end.after():
            become.run(task)


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Start processes by forking. Not for direct use.")
    parser.add_argument("purpose", choices=sorted(PURPOSES))
    parser.add_argument("--listener", type=int, required=True, help="descriptor of the socket")
    parser.add_argument("--owner", type=int, required=True, help="descriptor of the owner's pipe")
    parser.add_argument("--inputs", type=Path, help="directory of the notebooks to learn from")
    parser.add_argument("--module", action="append", default=[], help="import this, learn nothing")
    parser.add_argument("--plan", type=int, help="descriptor of a file with what to import")
    return parser.parse_args(arguments)


def _take_over(options: argparse.Namespace) -> None:
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
    """Do the imports and return the server, or start this process anew to import less."""
    started = time.monotonic()
    purpose, plan = PURPOSES[options.purpose], _read_plan(options)
    wanted, watched = _wanted(purpose, options)
    freshness = preload.Freshness(watched)
    descriptors = preload.open_descriptors()
    gc.disable()
    with _variables(purpose, environment):
        base = preload.preload(filter(plan.allows, purpose.modules), descriptors)
        found_by_itself = preload.top_level_modules() if purpose.learns else frozenset[str]()
        before = frozenset(sys.modules)
        surroundings = kernel_surroundings() if purpose.learns else _no_kernel()
        with surroundings as uses:
            hinted = preload.preload(filter(plan.allows, purpose.later), descriptors)
            uses.watch_output()
            names = itertools.chain(plan.also, wanted, _companions())
            later = preload.preload(filter(plan.allows, names), descriptors)
    doubtful = base.doubtful or hinted.doubtful or later.doubtful
    if doubtful or uses.modules:
        plan = _revised(plan, doubtful, uses.modules, before, options.purpose)
        _start_anew(plan, options, environment, arguments)
    if plan.rehearses and (reason := _rehearse(purpose, descriptors)):
        _say(options.purpose, f"not rehearsed: {reason}")
        _start_anew(_next(plan, rehearses=False), options, environment, arguments)
    _report(purpose, options, started, later.failed)
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
        imposed=_changes(environment),
        own_names=preload.top_level_modules() - found_by_itself,
    )


def _rehearse(purpose: Purpose, descriptors: frozenset[str]) -> str:
    """Do what the purpose rehearses; return why this process must not be forked after that."""
    if purpose.rehearsal is not None:
        with contextlib.suppress(Exception):
            pkgutil.resolve_name(purpose.rehearsal)()
    return preload.doubt(descriptors)


def _wanted(purpose: Purpose, options: argparse.Namespace) -> tuple[list[str], list[Path]]:
    """Return the modules to import besides the purpose's own, and the files that say so."""
    if options.module or not (purpose.learns and options.inputs):
        return options.module, []
    return learned_modules(options.inputs), watched_files(options.inputs)


def _companions() -> Iterator[str]:
    """Yield, when asked for, what goes with the modules that have been imported by then."""
    for module, companions in COMPANIONS.items():
        if module in sys.modules:
            yield from companions


@contextlib.contextmanager
def _variables(purpose: Purpose, environment: dict[str, str]) -> Iterator[None]:
    variables = {k: v for k, v in purpose.variables.items() if k not in environment}
    os.environ.update(variables)
    yield
    for name, value in variables.items():
        if os.environ.get(name) == value:
            del os.environ[name]


def _changes(environment: dict[str, str]) -> dict[str, str]:
    """Return the variables that imports have set; they are set in the processes, too."""
    return {k: v for k, v in os.environ.items() if environment.get(k) != v}


@contextlib.contextmanager
def _no_kernel() -> Iterator[KernelUses]:
    yield KernelUses()


def _revised(
    plan: Plan,
    doubtful: tuple[str, str] | None,
    users: set[str],
    before: frozenset[str],
    purpose: str,
) -> Plan:
    """Return the plan without what was found to be in doubt; says so."""
    without = [*plan.without, *sorted(users)]
    if users:
        names = ", ".join(sorted(users))
        _say(purpose, f"left to each process, as they use it when imported: {names}")
    if doubtful:
        without.append(doubtful[0])
        _say(purpose, f"left to each process: {doubtful[0]}; when imported, {doubtful[1]}")
    also = (m for m in list(sys.modules) if m not in before and not is_within(m, without))
    return _next(plan, without=tuple(without), also=() if doubtful else tuple(also))


def _next(plan: Plan, **changes: Any) -> Plan:
    return dataclasses.replace(plan, starts=plan.starts + 1, **changes)


def _start_anew(
    plan: Plan, options: argparse.Namespace, environment: dict[str, str], arguments: Sequence[str]
) -> None:
    """Become a new process that imports according to a plan: an import cannot be taken back."""
    if plan.starts > MAX_STARTS:
        sys.exit("Too many modules are in doubt; nothing is started warm.")
    file = os.memfd_create("plan", 0)
    os.write(file, json.dumps(dataclasses.asdict(plan)).encode())
    for descriptor in (options.listener, options.owner, file):
        os.set_inheritable(descriptor, True)
    preload.end_children()
    command = _command([*arguments, "--plan", str(file)])
    sys.stderr.flush()
    os.execve(command[0], command, environment)


def _read_plan(options: argparse.Namespace) -> Plan:
    if options.plan is None:
        return Plan()
    with os.fdopen(options.plan, "rb") as file:
        file.seek(0)
        content = json.load(file)
    of_json: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in content.items()
    }
    return Plan(**of_json)


def _command(arguments: Sequence[str]) -> list[str]:
    return [sys.executable, "-m", MODULE, *arguments]


def _report(
    purpose: Purpose, options: argparse.Namespace, started: float, failed: dict[str, str]
) -> None:
    obstacle = purpose.obstacle()
    if obstacle:
        sys.exit(f"autoflow: no warm {options.purpose}: {obstacle}.")
    for module in options.module:
        if module in failed:
            _say(options.purpose, f"{module} cannot be imported ({failed[module]})")
    seconds = time.monotonic() - started
    _say(options.purpose, f"ready with {len(sys.modules)} modules, imported in {seconds:.1f} s")


def _say(purpose: str, text: str) -> None:
    # Not with logging: its configuration would be inherited by every process.
    sys.stderr.write(f"autoflow: warm {purpose}: {text}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
