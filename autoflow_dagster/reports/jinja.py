"""Templates of authors: found in their directory and nowhere else, run in a sandbox, errors named.

Which blocks there are is said by the built-in templates (`templates/`); the filters are in
`asciidoc.py` and `html.py`.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from autoflow_dagster.errors import ReportError
from autoflow_dagster.reports.programs import TEMPLATES

OWN = "<template>"

# Names that templates written for nbconvert 5 and 7 extend, and the file of ours that each means.
_ASCIIDOC_BASE = "base.asciidoc.j2"
ALIASES = {
    "asciidoc.tpl": _ASCIIDOC_BASE,
    "asciidoc.asciidoc.j2": _ASCIIDOC_BASE,
    "asciidoc/index.asciidoc.j2": _ASCIIDOC_BASE,
    "index.asciidoc.j2": _ASCIIDOC_BASE,
    "autoflow/base.asciidoc.j2": _ASCIIDOC_BASE,
    "autoflow/report.asciidoc.j2": "report.asciidoc.j2",
    "autoflow/report.html.j2": "report.html.j2",
}
_NBCONVERT = {"display_priority.tpl": "base/display_priority.j2", "display_priority.j2": "base/display_priority.j2",
              "null.tpl": "base/null.j2", "null.j2": "base/null.j2"}  # fmt: skip


def build_environment(
    template: Path | None,
    inputs_dir: Path | None,
    filters: Mapping[str, Callable[..., Any]],
    nbconvert_paths: list[str],
) -> Any:
    """Return a sandboxed Jinja environment whose template `OWN` is the author's or the built-in one.

    Parameters
    ----------
    template : Path or None
        The author's template.
    inputs_dir : Path or None
        Where ``{% include %}`` and ``{% extends %}`` may take files from.
    filters : mapping
        Filters by name, nbconvert's included.
    nbconvert_paths : list of str
        Directories of nbconvert's own templates.
    """
    from jinja2 import ChoiceLoader, DictLoader, FileSystemLoader
    from jinja2.sandbox import SandboxedEnvironment

    shims = {name: f"{{% extends '{target}' %}}" for name, target in _NBCONVERT.items()}
    shims |= {name: (TEMPLATES / file).read_text() for name, file in ALIASES.items()}
    loaders: list[Any] = []
    if template is not None:
        loaders.append(DictLoader({OWN: _read(template)}))
    loaders.append(DictLoader(shims))
    if inputs_dir is not None:
        loaders.append(_inside_loader(inputs_dir))
    loaders.append(FileSystemLoader(nbconvert_paths))
    environment = SandboxedEnvironment(
        loader=ChoiceLoader(loaders),
        extensions=["jinja2.ext.loopcontrols", "jinja2.ext.do"],
        autoescape=False,  # noqa: S701 - AsciiDoc; HTML comes from filters that escape
        cache_size=0,
    )
    environment.filters.update(filters)
    return environment


def _read(template: Path) -> str:
    try:
        return template.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ReportError(
            f"Template {template.name}",
            f"the file cannot be read ({type(error).__name__}).",
            "Put it beside workflows.yml, as UTF-8 text.",
        ) from error


def _inside_loader(inputs_dir: Path) -> Any:
    """Return a loader of files inside a directory: no way out, not even by a symbolic link."""
    from jinja2 import FunctionLoader

    base = inputs_dir.resolve()

    def load(name: str) -> tuple[str, str, Callable[[], bool]] | None:
        path = (base / name).resolve()
        if not path.is_relative_to(base):
            raise ReportError(
                f'Template file "{name}"',
                "it is outside the inputs directory.",
                "Put the file into the inputs directory and name it from there.",
            )
        if not path.is_file():
            return None
        return path.read_text(encoding="utf-8"), name, lambda: True

    return FunctionLoader(load)


@contextmanager
def named_errors(template: Path | None, cell: Callable[[], str]) -> Iterator[None]:
    """Turn whatever goes wrong in a template into a `ReportError` with file, line and cell."""
    import jinja2

    name = template.name if template else "built-in template"
    try:
        yield
    except ReportError:
        raise
    except jinja2.TemplateSyntaxError as error:
        file = name if error.name in (OWN, None) else error.name
        raise ReportError(
            f"Template {file}:{error.lineno}", f"{error.message}", "Correct the template."
        ) from error
    except jinja2.TemplateNotFound as error:
        raise ReportError(
            f"Template {name}{_line(error, name)}",
            f'there is no template "{error.name}" to extend or include.',
            "Put the file into the inputs directory, or extend 'autoflow/report.asciidoc.j2'.",
        ) from error
    except Exception as error:
        where = f"Template {name}{_line(error, name)}{cell()}"
        raise ReportError(where, f"{type(error).__name__}: {error}", "Correct the template.") from error


def _line(error: BaseException, name: str) -> str:
    """Return ``:line`` of the last line of a template that ran, with its file when not the author's."""
    found = ""
    for frame in traceback.extract_tb(error.__traceback__):
        if frame.filename == OWN or frame.filename.endswith((".j2", ".tpl", "<template>")):
            file = "" if frame.filename in (OWN, "<template>") else f" ({frame.filename})"
            found = f":{frame.lineno}{file}"
    return found
