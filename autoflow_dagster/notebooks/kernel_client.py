"""A client of a kernel that knows when the kernel is ready, without waiting for silence.

Imported with jupyter_client, never with the definitions.
"""

from __future__ import annotations

import asyncio
import time
from queue import Empty
from typing import Any

import zmq
from jupyter_client.asynchronous.client import AsyncKernelClient  # noqa: TID253

REPLY_SECONDS = 1.0
"""To wait for a reply before asking again: a kernel that just starts may miss a question."""

FIRST_WAIT_SECONDS = 0.05
"""For the answer to everybody once the reply is there, doubled each time. Four times in ten the channel
is connected a moment too late for the first one, and all that is left to do is to ask again."""

RECONNECT_MILLISECONDS = 10
"""Between attempts to connect to a kernel that does not listen yet, which is the rule; for ZeroMQ by
itself a tenth of a second, more than a warm kernel takes to start."""


def connect_promptly(context: zmq.Context[Any]) -> None:
    """Have the sockets that will be made look often for a kernel that does not listen yet."""
    context.setsockopt(zmq.RECONNECT_IVL, RECONNECT_MILLISECONDS)


class PromptKernelClient(AsyncKernelClient):
    """Ready as soon as the kernel has answered, and what it sends to everybody arrives.

    jupyter_client's own takes a fifth of a second longer for each kernel: it waits for silence.
    """

    def start_channels(self, *args: Any, **kwargs: Any) -> None:
        """Connect to the kernel."""
        connect_promptly(self.context)
        super().start_channels(*args, **kwargs)

    async def wait_for_ready(self, timeout: float | None = None) -> None:
        """Wait for the kernel.

        Parameters
        ----------
        timeout : float or None
            Seconds; None for no limit.

        Raises
        ------
        RuntimeError
            When the kernel dies before it is ready, or the time is up.
        """
        deadline = time.monotonic() + (float("inf") if timeout is None else timeout)
        wait = FIRST_WAIT_SECONDS
        while time.monotonic() < deadline:
            question = self.kernel_info()
            reply = await self._answer(self.shell_channel, question)
            # Sent to everybody, and last of all: when it is here, so is what was sent before, and
            # the channel works; it may have been connected too late for this one.
            if reply and await self._answer(self.iopub_channel, question, "idle", wait):
                self._handle_kernel_info_reply(reply)
                return
            wait = min(2 * wait, REPLY_SECONDS)
            if not await self._is_kernel_alive():
                raise RuntimeError("Kernel died before replying to kernel_info")
        raise RuntimeError(f"Kernel didn't respond in {timeout:g} seconds")

    async def _answer(
        self, channel: Any, question: str, state: str | None = None, wait: float = REPLY_SECONDS
    ) -> dict[str, Any] | None:
        """Return the message that answers a question, or that says so; None when it does not come."""
        try:
            async with asyncio.timeout(wait):
                while True:
                    message: dict[str, Any] = await channel.get_msg(timeout=wait)
                    is_answer = message["parent_header"].get("msg_id") == question
                    if is_answer and message["content"].get("execution_state") == state:
                        return message
        except (Empty, TimeoutError):
            return None

    async def _is_kernel_alive(self) -> bool:
        assert self.parent is not None, "it was made by a kernel manager"
        return bool(await self.parent.is_alive())
