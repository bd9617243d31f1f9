"""Templates of authors: found in their directory and nowhere else, run in a sandbox, errors named.

Which blocks there are is said by the built-in templates (`templates/`); the filters are in
`asciidoc.py` and `html.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

from autoflow_dagster.errors import ReportError
from autoflow_dagster.reports.programs import TEMPLATES

OWN = "the author's template"
"""Name of the author's template among Jinja's templates: no file has it, so nothing can shadow it."""

# Names that templates written for nbconvert 5 and 7 extend, and the file of ours that each means.
_ASCIIDOC = "base.asciidoc.j2"
_HTML = "report.html.j2"
_ALIASES = {
    "autoflow/base.asciidoc.j2": _ASCIIDOC,
    "autoflow/report.asciidoc.j2": "report.asciidoc.j2",
    "autoflow/report.html.j2": _HTML,
    "asciidoc.tpl": _ASCIIDOC,
    "asciidoc/index.asciidoc.j2": _ASCIIDOC,
    "index.asciidoc.j2": _ASCIIDOC,
    "basic.tpl": _HTML,
    "full.tpl": _HTML,
    "basic/index.html.j2": _HTML,
    "classic/index.html.j2": _HTML,
    "lab/index.html.j2": _HTML,
    "index.html.j2": _HTML,
}
_NBCONVERT = {
    "display_priority.tpl": "base/display_priority.j2",
    "display_priority.j2": "base/display_priority.j2",
    "null.tpl": "base/null.j2",
    "null.j2": "base/null.j2",
}


def build_environment(
    template: Path | None, inputs_dir: Path | None, nbconvert_paths: list[str]
) -> Any:
    """Return a sandboxed Jinja environment in which `OWN` is the author's template, if there is one.

    Parameters
    ----------
    template : Path or None
        The author's template.
    inputs_dir : Path or None
        Where ``{% include %}`` and ``{% extends %}`` may take files from, besides our own and
        nbconvert's templates.
    nbconvert_paths : list of str
        Directories of nbconvert's own templates.
    """
    from jinja2 import ChoiceLoader, DictLoader, FileSystemLoader
    from jinja2.sandbox import SandboxedEnvironment

    texts = {name: f"{{% extends '{target}' %}}" for name, target in _NBCONVERT.items()}
    texts |= {name: (TEMPLATES / file).read_text("utf-8") for name, file in _ALIASES.items()}
    if template is not None:
        texts[OWN] = _text_of(template)
    loaders: list[Any] = [DictLoader(texts)]
    if inputs_dir is not None:
        loaders.append(_inside_loader(inputs_dir))
    loaders.append(FileSystemLoader(nbconvert_paths))
    return SandboxedEnvironment(
        loader=ChoiceLoader(loaders), extensions=["jinja2.ext.loopcontrols", "jinja2.ext.do"]
    )


def _text_of(template: Path) -> str:
    try:
        return template.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ReportError(
            f"Template {template.name}",
            f"it cannot be read ({type(error).__name__}).",
            "Put it beside workflows.yml, as UTF-8 text.",
        ) from error


def _inside_loader(inputs_dir: Path) -> Any:
    """Return a loader of files inside a directory: no way out, not even by a symbolic link."""
    from jinja2 import FunctionLoader

    base = inputs_dir.resolve()

    def load(name: str) -> tuple[str, str, Callable[[], bool]] | None:
        path = (base / name).resolve()
        if not path.is_relative_to(base):
            raise _OutsideError(name)
        if not path.is_file():
            return None
        return _text_of(path), name, lambda: True

    return FunctionLoader(load)


class _OutsideError(Exception):
    """A template asked for a file outside the inputs directory."""


@contextmanager
def named_errors(template: Path | None) -> Iterator[None]:
    """Turn whatever goes wrong in a template into a `ReportError` that names file, line and cell."""
    import jinja2

    name = template.name if template else "built-in template"
    try:
        yield
    except ReportError:
        raise
    except _OutsideError as error:
        raise ReportError(
            f"Template {name}{_place(error.__traceback__)}",
            f'the file "{error}" is outside the inputs directory.',
            "Put it into the inputs directory and name it from there.",
        ) from error
    except jinja2.TemplateSyntaxError as error:
        file = error.name if error.name not in (OWN, None) else name
        problem = f"{error.message or 'syntax error'}"
        raise ReportError(
            f"Template {file}:{error.lineno}", problem, "Correct the template."
        ) from error
    except jinja2.TemplateNotFound as error:
        raise ReportError(
            f"Template {name}{_place(error.__traceback__)}",
            f'there is no template "{error.name}" to extend or include.',
            "Put the file into the inputs directory, or extend 'autoflow/report.asciidoc.j2'.",
        ) from error
    except Exception as error:
        where = f"Template {name}{_place(error.__traceback__)}"
        problem = f"{type(error).__name__}: {error}"
        raise ReportError(where, problem, "Correct the template.") from error


def _place(trace: TracebackType | None) -> str:
    """Return ``:line, cell N`` of the template code that ran last."""
    line, cell = "", ""
    while trace is not None:
        frame = trace.tb_frame
        file = frame.f_code.co_filename
        if file in (OWN, "<template>"):
            line = f":{trace.tb_lineno}"
        for name, value in frame.f_locals.items():
            if name == "cell" or name.endswith("_cell"):
                number = _cell_number(value)
                cell = f", cell {number} of the notebook" if number else cell
        trace = trace.tb_next
    return line + cell


def _cell_number(cell: Any) -> int | None:
    try:
        return int(cell["metadata"]["autoflow"]["number"])
    except (KeyError, TypeError):
        return None
