"""Checks of the files that `workflows.yml` names: notebooks, their kernels, templates.

Nothing is executed, and nothing heavy is imported: loading the code location waits for this.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from autoflow_dagster.notebooks.facts import (
    NotebookFacts,
    UnreadableNotebookError,
    read_notebook_facts,
)
from autoflow_dagster.parser import problems
from autoflow_dagster.parser.problems import Finding, did_you_mean, listed, sentences
from autoflow_dagster.parser.schema import NotebookModel, OutputModel
from autoflow_dagster.parser.structure import Structure


@dataclass
class FileChecks:
    """Checks of files, each file read once.

    Parameters
    ----------
    inputs_dir : Path
        Where the files are.
    look_inside : bool
        Whether to open notebooks and templates; otherwise they only have to be there.
    look_for_kernels : bool
        Whether the kernels have to be installed here.
    """

    inputs_dir: Path
    look_inside: bool = True
    look_for_kernels: bool = False
    _facts: dict[Path, NotebookFacts | str] = field(default_factory=dict)
    _listings: dict[str, list[str]] = field(default_factory=dict)

    def findings(self, structure: Structure) -> Iterator[Finding]:
        """Yield what is wrong with the files that a workflow definition names."""
        for index, workflow in structure.workflows.items():
            for key, notebook in workflow.notebooks.items():
                path: problems.Path = ("workflows", index, "notebooks", key)
                yield from self._notebook(notebook, path)
                if notebook.output is not None:
                    yield from self._templates(notebook.output, (*path, "output", "template"))

    def _notebook(self, notebook: NotebookModel, path: problems.Path) -> Iterator[Finding]:
        file = self._find(notebook.filename, (*path, "filename"), "*.ipynb")
        if isinstance(file, Finding):
            yield file
            return
        facts = self._facts_of(file) if self.look_inside else None
        if isinstance(facts, str):
            hint = "Open it in Jupyter and save it again, or name another file."
            yield Finding((*path, "filename"), f'"{notebook.filename}" {facts}', hint)
        elif facts is not None:
            yield from self._kernel(notebook, facts, path)
            yield from _parameters(notebook, facts, path)

    def _facts_of(self, file: Path) -> NotebookFacts | str:
        if file not in self._facts:
            try:
                self._facts[file] = read_notebook_facts(file)
            except UnreadableNotebookError as error:
                self._facts[file] = str(error)
        return self._facts[file]

    def _find(self, filename: str, path: problems.Path, pattern: str) -> Path | Finding:
        """Return the real path of an input file; a finding when there is none inside."""
        move = "Put the file into the inputs directory and write its name."
        if Path(filename).is_absolute() or ".." in Path(filename).parts:
            return Finding(path, f'"{filename}" is outside of the inputs directory.', move)
        try:
            file = (self.inputs_dir / filename).resolve(strict=True)
            if not file.is_relative_to(self.inputs_dir.resolve()):
                problem = f'"{filename}" is a link to a file outside of the inputs directory.'
                return Finding(path, problem, "Put a copy of the file into the inputs directory.")
            if not file.is_file():
                return Finding(path, f'"{filename}" is not a file.', "Name a file.")
        except (FileNotFoundError, NotADirectoryError):
            close = {str(Path(name).with_suffix("")): name for name in self._names(pattern)}
            hint = did_you_mean(str(Path(filename).with_suffix("")), close)
            hint = (hint.removesuffix('"?') + f'{Path(filename).suffix}"?') if hint else move
            return Finding(path, f'"{filename}" is not in the inputs directory.', hint)
        except (OSError, RuntimeError, ValueError):  # no file name, a link to itself, no access
            problem = f'"{filename}" is not a file that can be read.'
            return Finding(path, problem, "Name another file, or correct its permissions.")
        return file

    def _names(self, pattern: str) -> list[str]:
        """Return the names of input files, to suggest one; not of more than a thousand."""
        if pattern not in self._listings:
            found = itertools.islice(self.inputs_dir.rglob(pattern), 1000)
            self._listings[pattern] = [str(path.relative_to(self.inputs_dir)) for path in found]
        return self._listings[pattern]

    def _kernel(
        self, notebook: NotebookModel, facts: NotebookFacts, path: problems.Path
    ) -> Iterator[Finding]:
        kernel = notebook.kernel or facts.kernel_name
        where = (*path, "kernel") if notebook.kernel else (*path, "filename")
        if kernel is None:
            problem = f'"{notebook.filename}" does not name a kernel.'
            hint = "Add a kernel, such as kernel: python3, or save it with one in Jupyter."
            yield Finding(where, problem, hint)
        elif self.look_for_kernels:
            installed = installed_kernels()
            if kernel.lower() not in installed:
                hint = sentences(
                    did_you_mean(kernel.lower(), installed),
                    f"Installed are: {listed(sorted(installed))}."
                    if installed
                    else "None is installed.",
                )
                yield Finding(where, f'The kernel "{kernel}" is not installed.', hint)

    def _templates(self, output: OutputModel, path: problems.Path) -> Iterator[Finding]:
        if output.template is None:
            return
        names = (
            {path: output.template}
            if isinstance(output.template, str)
            else {(*path, key): name for key, name in output.template.items()}
        )
        for inside, name in names.items():
            file = self._find(name, inside, f"*{Path(name).suffix}")
            if isinstance(file, Finding):
                yield file
            elif self.look_inside:
                yield from _template_syntax(name, file, inside)


def _template_syntax(name: str, file: Path, path: problems.Path) -> Iterator[Finding]:
    from jinja2 import Environment, TemplateSyntaxError

    try:
        # With the extension that nbconvert loads.
        Environment(extensions=["jinja2.ext.loopcontrols"], autoescape=False).parse(
            file.read_text(encoding="utf-8")
        )
    except TemplateSyntaxError as error:
        reason = (error.message or "").rstrip(".")
        problem = f'"{name}" is not a template (its line {error.lineno}): {reason}.'
        yield Finding(path, problem, "Correct the template.")
    except UnicodeDecodeError:
        yield Finding(path, f'"{name}" is not a template: it is not UTF-8.', "Save it as UTF-8.")
    except OSError as error:
        problem = f'"{name}" cannot be read ({error.strerror}).'
        yield Finding(path, problem, "Correct its permissions.")


def _parameters(
    notebook: NotebookModel, facts: NotebookFacts, path: problems.Path
) -> Iterator[Finding]:
    passed = list(notebook.parameters)
    if not passed:
        return
    name = notebook.filename
    if facts.language is None:
        problem = f'"{name}" does not say its language, without which it cannot get parameters.'
        yield Finding((*path, "filename"), problem, "Open it in Jupyter and save it again.")
    if not facts.has_parameters_cell:
        yield _no_parameters_cell(notebook, facts, path)
    elif facts.parameter_names is not None:
        for parameter in sorted(set(passed) - facts.parameter_names):
            hint = did_you_mean(parameter, facts.parameter_names - set(passed)) or (
                "Assign a default there, or remove the parameter here."
            )
            problem = f'"{parameter}" is not assigned in the parameters cell of "{name}".'
            yield Finding((*path, "parameters", parameter), problem, hint, is_warning=True)


def _no_parameters_cell(
    notebook: NotebookModel, facts: NotebookFacts, path: problems.Path
) -> Finding:
    overwritten = sorted(facts.overwritten_names & notebook.parameters.keys())
    problem = f'"{notebook.filename}" has no cell with the tag "parameters"'
    hint = "Tag the cell that assigns the defaults."
    if overwritten:
        problem += f", and assigns {listed(overwritten)} itself: what is given would be lost."
        return Finding((*path, "parameters"), problem, hint)
    problem += ": the values are put at its top."
    return Finding((*path, "parameters"), problem, hint, is_warning=True)


def installed_kernels() -> frozenset[str]:
    """Return the names, in lower case, of the Jupyter kernels that are installed here.

    Looks at directories only; starting a kernel, or importing what starts one, takes too long.
    """
    from importlib.util import find_spec

    from jupyter_core.paths import jupyter_path

    names: set[str] = set()
    for directory in map(Path, jupyter_path("kernels")):
        names.update(path.parent.name.lower() for path in directory.glob("*/kernel.json"))
    if find_spec("ipykernel") is not None:
        names.add("python3")  # jupyter_client makes this one up when no kernelspec is installed
    return frozenset(names)
