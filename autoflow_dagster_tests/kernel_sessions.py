"""A kernel to talk to, as jupyter_client starts it, for tests of how kernels start and end."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from autoflow_dagster.notebooks.kernels import kernel_manager_class
from autoflow_dagster.warm.kernel_provisioner import KernelProcess

REPLY_SECONDS = 60


class KernelSession:
    """A kernel and its client; ends the kernel at the end of the block.

    Parameters
    ----------
    server : Path or None
        Fork server to ask for the kernel.
    options : object
        For `start_kernel`.
    """

    def __init__(
        self,
        server: Path | None,
        working_dir: Path,
        environment: Mapping[str, str] | None = None,
        **options: Any,
    ) -> None:
        self._loop = asyncio.new_event_loop()
        self._options = {"cwd": str(working_dir), **options}
        self.manager = kernel_manager_class(environment or os.environ, server)()
        self.client: Any = None

    def __enter__(self) -> KernelSession:
        self._run(self.manager.start_kernel(**self._options))
        self.client = self.manager.client()
        self.client.start_channels()
        self._run(self.client.wait_for_ready(timeout=REPLY_SECONDS))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self.client is not None:
            self.client.stop_channels()
        if self.process is not None:
            self._run(self.manager.shutdown_kernel(now=True))
        self._run(self.manager.cleanup_resources())
        self.manager.context.destroy(linger=0)
        self._loop.close()

    def _run(self, awaitable: Any) -> Any:
        return self._loop.run_until_complete(awaitable)

    @property
    def process(self) -> Any:
        """The kernel's process, None once it has been shut down."""
        return self.manager.provisioner.process if self.manager.provisioner else None

    @property
    def is_warm(self) -> bool:
        """Whether the kernel was forked."""
        return isinstance(self.process, KernelProcess)

    @property
    def pid(self) -> int:
        """Of the kernel's process."""
        return int(self.process.pid)

    def run(self, code: str) -> str:
        """Run code; return what it prints and, last, the name of the error that ended it."""
        printed: list[str] = []

        def on_output(message: dict[str, Any]) -> None:
            content = message["content"]
            if message["msg_type"] == "stream":
                printed.append(content["text"])
            elif message["msg_type"] == "error":
                printed.append(content["ename"])
            elif message["msg_type"] == "display_data":
                printed.extend(f"{kind}\n" for kind in sorted(content["data"]))

        self._run(
            self.client.execute_interactive(
                code,
                output_hook=on_output,
                timeout=REPLY_SECONDS,
                store_history=False,
                stop_on_error=False,
            )
        )
        return "".join(printed)

    def begin(self, code: str) -> None:
        """Start to run code, and do not wait for it."""
        # Not to stop on an error: for a moment, the kernel would refuse what comes next.
        self.client.execute(code, stop_on_error=False)

    def reply(self) -> str:
        """Wait for what was begun; return the name of the error that ended it, or ``ok``."""
        content = self._run(self.client.get_shell_msg(timeout=REPLY_SECONDS))["content"]
        return str(content.get("ename", content["status"]))

    def value(self, expression: str) -> Any:
        """Return the value of an expression, which has to be one that JSON can hold."""
        return json.loads(self.run(f"import json; print(json.dumps({expression}))"))

    def interrupt(self) -> None:
        """Interrupt the kernel."""
        self._run(self.manager.interrupt_kernel())

    def shut_down(self) -> None:
        """Ask the kernel to end, and wait until it has."""
        self._run(self.manager.shutdown_kernel())

    def kill(self) -> None:
        """End the kernel's process as the system does when memory runs out."""
        os.kill(self.pid, signal.SIGKILL)
