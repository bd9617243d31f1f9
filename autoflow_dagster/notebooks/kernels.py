"""Kernels for notebooks: with an environment of their own, and never left behind.

jupyter_client starts the processes; this module says with what. Of the environment, `kernel_environment`
says it.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

POLL_SECONDS = 0.01
"""To look whether a kernel has ended that was asked to; jupyter_client looks ten times less often."""


@dataclass
class KernelUse:
    """What a kernel has used, known once it has ended.

    Attributes
    ----------
    was_ended : bool
        Whether `end_kernels` has ended it.
    peak_memory_bytes : int or None
        The most memory that the kernel's process had at a time (resident, shared pages included);
        None when the system does not tell, or the kernel died.
    """

    was_ended: bool = False
    peak_memory_bytes: int | None = None


def peak_memory_bytes(pid: int) -> int | None:
    """Return the most memory that a process has had at a time (Linux); None when unknown.

    Examples
    --------
    >>> import os
    >>> (peak_memory_bytes(os.getpid()) or 10**9) > 1_000_000
    True
    >>> peak_memory_bytes(2**22 + 1) is None
    True
    """
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return None
    found = re.search(r"^VmHWM:\s*(\d+) kB$", status, re.MULTILINE)
    return None if found is None else 1024 * int(found[1])


_running: dict[Any, KernelUse] = {}
"""Managers of this process whose kernels run."""


def end_kernels() -> None:
    """End all kernels of this process at once; their notebooks count as cancelled."""
    for manager, use in list(_running.items()):
        use.was_ended = True
        with contextlib.suppress(ProcessLookupError):
            process, group = manager.provisioner.process, manager.provisioner.pgid
            if group is not None:
                os.killpg(group, signal.SIGKILL)
            elif process is not None:
                process.send_signal(signal.SIGKILL)


def kernel_manager_class(
    environment: Mapping[str, str] | None,
    server: Path | None = None,
    output: int | None = None,
    use: KernelUse | None = None,
) -> type[Any]:
    """Return a kernel manager class.

    A class and not an object, because nbclient shuts down the kernels of managers that it made
    itself only.

    Parameters
    ----------
    environment : mapping or None
        All that kernels get; None gives them the environment of this process.
    server : Path or None
        Socket of a fork server to ask for kernels; None: each starts in the ordinary way.
    output : int or None
        File descriptor that is the kernels' standard output and error; None: this process's own.
    use : KernelUse or None
        Told what the kernel has used, just before the kernel is asked to end.
    """
    from jupyter_client.manager import AsyncKernelManager

    from autoflow_dagster.notebooks.kernel_client import PromptKernelClient, connect_promptly
    from autoflow_dagster.warm.kernel_provisioner import WarmProvisioner

    class NotebookKernelManager(AsyncKernelManager):
        """Starts kernels with a given environment, warm when there is a server."""

        async def start_kernel(self, **kw: Any) -> None:
            connect_promptly(self.context)
            if environment is not None:
                kw.setdefault("env", dict(environment))
            if output is not None:
                kw |= {"stdout": output, "stderr": output}
            spec = self.kernel_spec
            is_ordinary = spec is not None and "kernel_provisioner" not in spec.metadata
            if server is not None and self.provisioner is None and is_ordinary:
                self.kernel_id = self.kernel_id or str(uuid.uuid4())
                self.provisioner = WarmProvisioner(
                    kernel_id=self.kernel_id, kernel_spec=spec, parent=self
                )
                self.provisioner.server = server
            await super().start_kernel(**kw)
            _running[self] = use or KernelUse()

        async def shutdown_kernel(self, now: bool = False, restart: bool = False) -> None:
            pid = getattr(self.provisioner, "pid", None)
            if use is not None and pid is not None:
                use.peak_memory_bytes = peak_memory_bytes(pid)
            _running.pop(self, None)
            await super().shutdown_kernel(now=now, restart=restart)

        def client(self, **kwargs: Any) -> Any:
            self.client_factory = PromptKernelClient
            return super().client(**kwargs)

        async def finish_shutdown(
            self,
            waittime: float | None = None,
            pollinterval: float = POLL_SECONDS,
            restart: bool | None = False,
        ) -> None:
            await super().finish_shutdown(waittime, pollinterval, restart)

    return NotebookKernelManager
