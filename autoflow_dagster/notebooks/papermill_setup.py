"""What papermill needs around a call: its own translator, a kernel that exists, memory to write to.

Knows papermill's registries; what is executed is for the notebooks module to say.
"""

from __future__ import annotations

import functools
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from autoflow_dagster.errors import NotebookError

_SCHEME = "autoflow-memory://"


def keep_papermill_translator() -> None:
    """Put papermill's own Python translator back, which importing dagstermill replaces.

    With dagstermill's in place a plain papermill call that passes parameters dies with an empty
    AssertionError.
    """
    from papermill.translators import PythonTranslator, papermill_translators

    papermill_translators.register("python", PythonTranslator)


@dataclass(frozen=True)
class Kernel:
    """An installed kernel: its kernelspec's name, and its programming language."""

    name: str
    language: str


def find_kernel(name: str | None, where: str) -> Kernel:
    """Return the kernel of a name.

    Parameters
    ----------
    name : str or None
        None when neither the notebook nor `workflows.yml` names one.
    where : str
        What to name in the error.

    Raises
    ------
    NotebookError
        When there is none, listing the installed ones.
    """
    from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel

    manager = KernelSpecManager()
    if not name:
        hint = "Choose one in Jupyter and save the notebook, or add kernel: to it in workflows.yml."
        raise NotebookError(where, "does not name a kernel.", hint)
    try:
        spec = manager.get_kernel_spec(name)  # type: ignore[no-untyped-call]
    except NoSuchKernel:
        names = ", ".join(sorted(manager.find_kernel_specs())) or "none"  # type: ignore[no-untyped-call]
        raise NotebookError(
            where, f'the kernel "{name}" is not installed.', f"Installed kernels: {names}."
        ) from None
    return Kernel(name, spec.language)


class NotebookMemory:
    """A place in memory to which papermill writes a notebook again and again.

    In memory so that a process that is killed leaves no half of a notebook and no secret behind.

    Attributes
    ----------
    address : str
        What to give papermill as the path.
    content : str or None
        The notebook as JSON, as it was written last; None before that.
    """

    def __init__(self) -> None:
        self.address = f"{_SCHEME}{uuid.uuid4().hex}.ipynb"
        self.content: str | None = None


@contextmanager
def notebook_memory() -> Iterator[NotebookMemory]:
    """Give papermill a place in memory to write to, while the block lasts."""
    memory, known = NotebookMemory(), _handler().memories
    known[memory.address] = memory
    try:
        yield memory
    finally:
        del known[memory.address]


class _MemoryHandler:
    """What papermill calls a handler: does the writing for paths of our scheme."""

    def __init__(self) -> None:
        self.memories: dict[str, NotebookMemory] = {}

    def write(self, content: str, path: str) -> None:
        self.memories[path].content = content

    def pretty_path(self, path: str) -> str:
        return path


@functools.cache
def _handler() -> _MemoryHandler:
    from papermill.iorw import papermill_io

    handler = _MemoryHandler()
    papermill_io.register(_SCHEME, handler)
    return handler


@functools.cache
def engine_name() -> str:
    """Return the name of papermill's usual engine, but that it writes the notebook at its end only.

    However it ends. Nobody looks into the memory before, and papermill would write the whole
    notebook twice for each cell: half of what executing one costs this process.
    """
    from papermill.engines import NBClientEngine, papermill_engines

    class EngineThatWritesOnce(NBClientEngine):  # type: ignore[misc]
        @classmethod
        def execute_managed_notebook(cls, nb_man: Any, kernel_name: str, **options: Any) -> None:
            path, nb_man.output_path = nb_man.output_path, None
            try:
                super().execute_managed_notebook(nb_man, kernel_name, **options)
            finally:
                nb_man.output_path = path

    papermill_engines.register("autoflow", EngineThatWritesOnce)
    return "autoflow"
