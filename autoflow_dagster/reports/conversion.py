"""One conversion: all that the making of a PDF and of an HTML file have in common."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autoflow_dagster.reports.model import Provenance, ReportOptions
from autoflow_dagster.reports.pictures import Pictures
from autoflow_dagster.reports.programs import Limits
from autoflow_dagster.reports.provenance import ProvenanceText
from autoflow_dagster.reports.redaction import Redactor
from autoflow_dagster.reports.tidy import Tidying


@dataclass
class Conversion:
    """What a report is made from, and where.

    Attributes
    ----------
    nb : notebook
        Without secrets; tidied.
    seed : bytes
        The notebook file as it was read.
    directory : Path
        Empty, for the programs that take part; it is removed afterwards.
    destination : Path
        Where the finished report goes, under a temporary name.
    inputs_dir : Path or None
        Where templates may take files from.
    """

    nb: Any
    seed: bytes
    directory: Path
    destination: Path
    inputs_dir: Path | None
    options: ReportOptions
    provenance: Provenance
    limits: Limits
    redactor: Redactor
    tidying: Tidying

    @property
    def pictures(self) -> Pictures:
        """The pictures of the notebook."""
        return self.tidying.pictures

    def keep(self, name: str, text: str) -> None:
        """Leave a source file for template authors, when they asked for it."""
        if self.options.keep_source is not None:
            self.options.keep_source.mkdir(parents=True, exist_ok=True)
            (self.options.keep_source / name).write_text(text, encoding="utf-8")

    def keep_files(self, *names: str) -> None:
        """Leave files of the working directory for template authors, when they asked for it."""
        if self.options.keep_source is not None:
            self.options.keep_source.mkdir(parents=True, exist_ok=True)
            for name in names:
                shutil.copyfile(self.directory / name, self.options.keep_source / name)


@dataclass(frozen=True)
class Made:
    """A report in its temporary place.

    Attributes
    ----------
    title : str
    engine : str
        "typst", "asciidoctor" or "html".
    notes : tuple of str
    pages : int or None
    """

    title: str
    engine: str
    notes: tuple[str, ...]
    pages: int | None


def template_facts(conversion: Conversion, title: str, about: ProvenanceText) -> dict[str, Any]:
    """Return what templates see as `report`: nothing secret, texts only."""
    return {
        "title": title,
        "author": conversion.options.author,
        "language": conversion.options.language,
        "workflow": about.workflow,
        "reference_date": about.reference_date,
        "parameters": about.parameters,
        "provenance": about.rows,
        "show_code": conversion.options.show_code,
        "notes": [],
    }
