"""The running code server: is it loaded, and load it again."""

from __future__ import annotations

from pathlib import Path

from autoflow_dagster.errors import AutoflowError

RELOAD_SECONDS = 180


class CodeLocationError(AutoflowError):
    """The code server does not answer, or could not load the definitions."""


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
        raise CodeLocationError("The code server", "does not answer.") from error
    if isinstance(answer, SerializableErrorInfo):
        raise CodeLocationError(
            "The code server", f"could not load the definitions: {_innermost(answer)}"
        )


def _innermost(error: object) -> str:
    while (cause := getattr(error, "cause", None)) is not None:
        error = cause
    return str(getattr(error, "message", error)).strip()


def reload_code_location(socket: Path) -> None:
    """Load the definitions again; webserver and daemon notice by themselves.

    Raises
    ------
    CodeLocationError
        When that fails.
    """
    from dagster._core.errors import DagsterUserCodeUnreachableError
    from dagster._grpc.client import DagsterGrpcClient

    try:
        DagsterGrpcClient(socket=str(socket)).reload_code(timeout=RELOAD_SECONDS)
    except DagsterUserCodeUnreachableError as error:
        raise CodeLocationError("The code server", "does not answer.") from error
    check_code_location(socket)
