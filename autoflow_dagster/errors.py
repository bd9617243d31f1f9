"""The errors of this package: each says where, what is wrong and what to do.

No message may hold a secret; messages are shown in the Dagster UI and kept in its storage.
"""

from __future__ import annotations

import errno
from pathlib import Path


class AutoflowError(Exception):
    """Base of every error that a user can mend.

    Parameters
    ----------
    where : str
        What the error is about: a file and line, a notebook and cell, an address.
    problem : str
        What is wrong, with the value as it was written.
    hint : str
        What to do about it; empty when there is nothing to say.

    Examples
    --------
    >>> print(AutoflowError("workflows.yml:3", 'schedule: "x" is not a cron string.', "Use 5 fields."))
    workflows.yml:3: schedule: "x" is not a cron string.
      Use 5 fields.
    """

    def __init__(self, where: str, problem: str, hint: str = "") -> None:
        self.where = where
        self.problem = problem
        self.hint = hint
        super().__init__(where, problem, hint)

    def __str__(self) -> str:
        text = f"{self.where}: {self.problem}" if self.where else self.problem
        return f"{text}\n  {self.hint}" if self.hint else text


class SettingsError(AutoflowError):
    """Environment variables or secret files are missing or wrong."""


def listening_error(host: str, port: int, error: OSError | UnicodeError) -> SettingsError:
    """Return the error for an address that cannot be listened on; its port or its host is wrong."""
    reason = error.strerror if isinstance(error, OSError) else "it is no name"
    if isinstance(error, OSError) and error.errno in (errno.EADDRINUSE, errno.EACCES):
        return SettingsError(
            f"Port {port} of {host}",
            f"cannot be listened on ({reason}).",
            "Stop what uses it, or choose another port; 0 takes any free one.",
        )
    return SettingsError(
        f'--host "{host}"',
        f"cannot be listened on ({reason}).",
        "Give an address of this machine, such as 127.0.0.1, or 0.0.0.0 for all of them.",
    )


class WorkflowsFileError(AutoflowError):
    """`workflows.yml`, or a file that it names, is missing or wrong."""


class FlowapiError(AutoflowError):
    """FlowAPI could not be asked for available dates.

    Attributes
    ----------
    transient : bool
        True when asking again later can succeed without anybody changing anything.
    """

    transient = False


class FlowapiTransientError(FlowapiError):
    """FlowAPI is out of reach, overloaded or answered nonsense: the next tick asks again."""

    transient = True


class FlowapiPermanentError(FlowapiError):
    """FlowAPI refused the request: somebody has to change the token, the URL or the certificate."""


class NotebookError(AutoflowError):
    """A notebook could not be executed to its end.

    Attributes
    ----------
    kept : Path or None
        Where the executed part of the notebook was kept; None when there is none.
    """

    kept: Path | None = None


class NotebookCancelledError(NotebookError):
    """A notebook was ended because its run was cancelled; nothing is wrong with it."""


class ReportError(AutoflowError):
    """An executed notebook could not be turned into a report."""
