"""AsciiDoc to PDF through the bundled pandoc and the Typst wheel."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path
from typing import Any

from autoflow_dagster.errors import ReportError
from autoflow_dagster.reports import typst_child
from autoflow_dagster.reports.fonts import MONO_FONTS, TEXT_FONTS, font_directories
from autoflow_dagster.reports.model import Provenance, ReportOptions
from autoflow_dagster.reports.parts import Parts
from autoflow_dagster.reports.pictures import Picture, Pictures
from autoflow_dagster.reports.programs import TEMPLATES, Limits, run_pandoc, run_python
from autoflow_dagster.reports.provenance import ProvenanceText

_IMAGE = re.compile(r"\bimage::?([^\[\s]+)\[")
WORDS = {"about": "About this report", "part": "part"}


@dataclass
class TypstJob:
    """Everything that one PDF is made of.

    Attributes
    ----------
    directory : Path
        Working directory, emptied by the caller; Typst reads nothing outside it.
    body : str
        AsciiDoc with parts marked.
    title_in_body : bool
        The first heading of the body is the title, so it is not shown twice.
    """

    directory: Path
    body: str
    parts: Parts
    pictures: Pictures
    title: str
    title_in_body: bool
    about: ProvenanceText
    provenance: Provenance
    options: ReportOptions
    limits: Limits
    notes: list[str]

    def write(self, destination: Path) -> str:
        """Make the PDF; return the Typst source.

        Raises
        ------
        ProgramFailed
            When pandoc cannot read the AsciiDoc, which is a matter of the template.
        ReportError
            When Typst cannot set the document, however plainly it is written.
        """
        self._write_files()
        problem = ""
        for degraded in range(4):
            source = self._typst_source(degraded)
            problem = self._compile(source, destination)
            if not problem:
                return source
        raise ReportError("Report", f"Typst cannot set it: {problem}", "This is a fault of autoflow_dagster.")

    def _write_files(self) -> None:
        for source in _IMAGE.findall(self.body):
            self.pictures.find(source)
        for picture in self.pictures.kept.values():
            (self.directory / picture.name).write_bytes(picture.data)
        shutil.copyfile(TEMPLATES / "report.typst", self.directory / "report.typst")
        facts = json.dumps(self._facts(), ensure_ascii=False)
        (self.directory / "report.json").write_text(facts, encoding="utf-8")

    def _facts(self) -> Mapping[str, Any]:
        made = self.provenance.made_at
        utc = made.astimezone(UTC) if made else None
        parts = ("year", "month", "day", "hour", "minute", "second")
        return {
            "title": self.title,
            "author": self.options.author,
            "description": " · ".join(filter(None, (self.about.workflow, self.about.reference_date))) or None,
            "lang": self.options.language,
            "workflow": self.about.workflow,
            "date": self.about.reference_date,
            "parameters": self.about.parameters,
            "provenance": self.about.rows,
            "footer": self.about.footer,
            "made": {name: getattr(utc, name) for name in parts} if utc else None,
            "fonts": TEXT_FONTS,
            "mono": MONO_FONTS,
            "words": WORDS,
            "notes": self.notes,
        }

    def _typst_source(self, degraded: int) -> str:
        job = {
            "key": self.parts.key,
            "parts": [{"kind": p.kind, "text": p.text, "plain": p.plain} for p in self.parts.parts],
            "pictures": {source: _picture_facts(found) for source, found in self.pictures.by_source.items()},
            "title_in_body": self.title_in_body,
            "degraded": degraded,
            "words": {
                "missing_picture": "Picture left out: its file was not found.",
                "unreadable": "Text left unformatted: it could not be read as Markdown.",
            },
        }
        (self.directory / "job.json").write_text(json.dumps(job), encoding="utf-8")
        arguments = ["-f", "asciidoc", "-t", "typst", "--wrap=none", "--syntax-highlighting=none",
                     "--lua-filter", TEMPLATES / "report.lua"]  # fmt: skip
        text = self.parts.with_placeholders(self.body)
        body = run_pandoc(arguments, text, self.limits, self.directory)
        return f'#import "report.typst": *\n#show: report\n\n{body}'

    def _compile(self, source: str, destination: Path) -> str:
        """Compile; return what Typst complains about, nothing when all is well."""
        (self.directory / "main.typ").write_text(source, encoding="utf-8")
        made = self.provenance.made_at
        request = {
            "root": str(self.directory),
            "fonts": [str(path) for path in font_directories(self.options.inputs_dir)],
            "timestamp": int(made.timestamp()) if made else 0,
            "memory_mb": self.limits.memory_mb,
            "documents": [{"input": str(self.directory / "main.typ"), "output": str(destination)}],
        }
        script = Path(typst_child.__file__)
        (answer,) = json.loads(run_python(script, json.dumps(request), self.limits, self.directory))
        return "" if answer["ok"] else f"{answer['message']}\n{answer['diagnostic'][:2000]}"


def _picture_facts(found: Picture | str) -> dict[str, str]:
    if isinstance(found, str):
        return {"note": found}
    return {"file": found.name, "width": f"{found.width_pt:.2f}pt"}
