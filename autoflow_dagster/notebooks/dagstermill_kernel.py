"""What happens inside the kernel of a notebook that uses dagstermill, before its first cell.

dagstermill puts its arguments (instance configuration, run config) into the notebook and takes the
parameters cell away. Here they come from a private file, and the notebook stays as it is.
"""

from __future__ import annotations

import atexit
import contextlib
import io
import json
import traceback
from pathlib import Path
from typing import Any

ARGUMENTS_FILE = "arguments.json"
ERROR_FILE = "error.txt"
STARTED_FILE = "started"


def start(directory: str) -> None:
    """Give `dagstermill.get_context` the context of the run.

    Never raises: a kernel that fails at its start says nothing. What went wrong is written into
    the directory, where the run looks for it.

    Parameters
    ----------
    directory : str
        Private to this notebook; see `autoflow_dagster.notebooks.dagstermill_session`.
    """
    place = Path(directory)
    try:
        # Dagster's log lines and warnings while loading are not the notebook's.
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            _reconstitute(json.loads((place / ARGUMENTS_FILE).read_text()))
        (place / STARTED_FILE).touch()
    except BaseException:
        (place / ERROR_FILE).write_text(traceback.format_exc())


def _reconstitute(arguments: dict[str, Any]) -> None:
    import dagstermill
    from IPython.core.getipython import get_ipython

    partition_key = arguments.pop("partition_key")
    # Private, and there is no other way: it is what dagstermill's own injected cell calls.
    # test_dagstermill_notebooks.py notices when it changes.
    context = dagstermill._reconstitute_job_context(**arguments)
    context.partition_key = partition_key
    atexit.register(dagstermill._teardown)
    shell = get_ipython()
    if shell is not None:
        shell.user_ns["context"] = context
