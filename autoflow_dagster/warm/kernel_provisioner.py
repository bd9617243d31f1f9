"""Start Jupyter kernels by asking a fork server, and in the ordinary way when it does not work out.

Takes the place of jupyter_client's local provisioner, of which it changes only how the process starts.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jupyter_client.provisioning.local_provisioner import LocalProvisioner  # noqa: TID253

from autoflow_dagster.warm.asking import NotWarmError, Request, WarmProcess, ask

logger = logging.getLogger(__name__)

KERNEL_PROCESS_NAME = "autoflow-kernel"
"""As tools such as top show a warm kernel."""

KNOWN_OPTIONS = frozenset({"env", "cwd", "kernel_id", "extra_arguments", "stdout", "stderr"})
"""Of a launch that mean the same to a warm kernel; with others it starts in the ordinary way."""


class KernelProcess:
    """A warm kernel with what jupyter_client uses of `subprocess.Popen`."""

    stdin = stdout = stderr = None

    def __init__(self, process: WarmProcess) -> None:
        self._process = process
        self.pid = process.pid

    def poll(self) -> int | None:
        """Return the exit status, None while the kernel runs."""
        return self._process.poll()

    def wait(self) -> int | None:
        """Wait until the kernel has ended; return its exit status."""
        return self._process.wait()

    def send_signal(self, number: int) -> None:
        """Send a signal to the kernel and the processes that it has started, if it still runs."""
        self._process.send_signal(number)

    def terminate(self) -> None:
        """Ask the kernel to end."""
        self._process.terminate()

    def kill(self) -> None:
        """End the kernel."""
        self._process.kill()


class WarmProvisioner(LocalProvisioner):
    """Starts a kernel warm.

    Attributes
    ----------
    server : Path or None
        Socket of the fork server.
    """

    server: Path | None = None

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> Any:
        """Start the kernel."""
        try:
            process = self._ask(cmd, kwargs)
        except NotWarmError as error:
            logger.info("A kernel does not start warm: %s", error)
            return await super().launch_kernel(cmd, **kwargs)
        self.process = KernelProcess(process)  # type: ignore[assignment]
        self.pid = process.pid
        # Not the group's number: signals go through the process, which knows whether it has ended.
        self.pgid = None
        return self.connection_info

    def _ask(self, command: Sequence[str], options: Mapping[str, Any]) -> WarmProcess:
        if self.server is None:
            raise NotWarmError("there is no fork server")
        other = {name for name, value in options.items() if value} - KNOWN_OPTIONS
        if other:
            raise NotWarmError(f"it is launched with {', '.join(sorted(other))}")
        if len(command) < 3 or command[1] != "-m" or not _is_this_python(command[0]):
            raise NotWarmError(f"it is not a module of {sys.executable}")
        environment = {**(options.get("env") or os.environ), "JPY_PARENT_PID": str(os.getpid())}
        nothing = os.open(os.devnull, os.O_RDONLY)
        try:
            request = Request(
                executable=command[0],
                module=command[2],
                arguments=command[3:],
                environment=environment,
                working_dir=Path(options.get("cwd") or Path.cwd()),
                files=(nothing, options.get("stdout") or 1, options.get("stderr") or 2),
                attached=True,
                process_name=KERNEL_PROCESS_NAME,
            )
            process = ask(self.server, request)
            process.go()
        finally:
            os.close(nothing)
        return process


def _is_this_python(program: str) -> bool:
    """Return whether a program is this interpreter, possibly by another of its names."""
    own, other = Path(sys.executable), Path(program).expanduser()
    # The directory says to which virtual environment a name of the interpreter belongs.
    return own.parent.resolve() == other.parent.resolve() and own.resolve() == other.resolve()
