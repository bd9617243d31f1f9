"""The running code server: is it loaded, and load it again."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from autoflow_dagster.errors import AutoflowError

if TYPE_CHECKING:
    from autoflow_dagster.service.processes import Service

RELOAD_SECONDS = 180

LOOK_SECONDS = 0.1
"""Between two questions whether a new code server answers."""


class CodeLocationError(AutoflowError):
    """The code server does not answer, or could not load the definitions."""


class NoAnswerError(CodeLocationError):
    """The code server does not answer."""


def check_code_location(socket: Path) -> None:
    """Return when the definitions are loaded.

    Raises
    ------
    CodeLocationError
        When they are not.
    """
    from dagster._core.errors import DagsterUserCodeUnreachableError

    # Not public, but what `dagster` commands that talk to a code server use.
    from dagster._grpc.client import DagsterGrpcClient
    from dagster._serdes import deserialize_value
    from dagster_shared.error import SerializableErrorInfo

    try:
        answer = deserialize_value(DagsterGrpcClient(socket=str(socket)).list_repositories())
    except DagsterUserCodeUnreachableError as error:
        raise NoAnswerError("The code server", "does not answer.") from error
    if isinstance(answer, SerializableErrorInfo):
        raise CodeLocationError(
            "The code server", f"could not load the definitions: {_innermost(answer)}"
        )


def _innermost(error: object) -> str:
    while (cause := getattr(error, "cause", None)) is not None:
        error = cause
    return str(getattr(error, "message", error)).strip()


def reload_code_location(service: Service) -> None:
    """Have a new code server load the definitions, and take the place of the present one.

    Webserver and daemon notice by themselves. The present one stays when the new one cannot load
    them, and what it was asked before it answers to the end.

    Raises
    ------
    CodeLocationError
        When they cannot be loaded.
    AutoflowError
        When the service is stopped or restarted meanwhile.
    """
    with service.new_code_server() as child:
        assert child.socket is not None, "a code server has a socket"
        deadline = time.monotonic() + RELOAD_SECONDS
        while True:
            try:
                return check_code_location(child.socket)
            except NoAnswerError:
                if not child.is_running or time.monotonic() > deadline:
                    raise
            time.sleep(LOOK_SECONDS)
