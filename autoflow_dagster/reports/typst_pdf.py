"""AsciiDoc to PDF through the bundled pandoc and the Typst wheel."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import dataclass, field, replace
from datetime import UTC
from pathlib import Path
from typing import Any

from autoflow_dagster.errors import ReportError
from autoflow_dagster.reports import remarks, typst_child
from autoflow_dagster.reports.asciidoc import AsciidocSource
from autoflow_dagster.reports.conversion import Conversion
from autoflow_dagster.reports.fonts import (
    MONO_FONTS,
    TEXT_FONTS,
    font_directories,
    letters_without_font,
    own_families,
)
from autoflow_dagster.reports.pictures import Picture
from autoflow_dagster.reports.programs import (
    TEMPLATES,
    ProgramFailedError,
    memory_error,
    run_pandoc,
    run_python,
)

_PICTURE = re.compile(r"picture-[0-9a-f]{12}\.\w+")
_PLAINER = (remarks.FORMULAS, remarks.PLAIN)
_DATE_PARTS = ("year", "month", "day", "hour", "minute", "second")


@dataclass
class TypstJob:
    """Everything that one PDF is made of.

    Attributes
    ----------
    conversion : Conversion
    source : AsciidocSource
    """

    conversion: Conversion
    source: AsciidocSource
    _broken: list[str] = field(default_factory=list)

    def write(self) -> str:
        """Make the PDF; return the Typst source.

        Raises
        ------
        ProgramFailedError
            When pandoc cannot read the AsciiDoc, which is a matter of the template.
        ReportError
            When Typst cannot set the document, however plainly it is written.
        """
        self._write_files()
        degraded = 0
        while True:
            source = self._typst_source(degraded)
            self._note_missing_letters(source)
            problem = self._compile(source)
            if not problem:
                return source
            self.conversion.keep("typst-error.txt", problem)
            broken = sorted(set(_PICTURE.findall(problem)) - set(self._broken))
            if broken:
                self._broken += broken
                self.conversion.tidying.note(remarks.PICTURE_BROKEN)
            elif degraded < len(_PLAINER):
                plainer = self.conversion.tidying.note(_PLAINER[degraded])
                self._remark(plainer)
                degraded += 1
            else:
                raise ReportError(
                    "Report",
                    f"Typst cannot set it: {self.conversion.redactor.text(problem)}",
                    "This is a fault of autoflow_dagster: please report it.",
                )
            self._write_facts()

    @property
    def _directory(self) -> Path:
        return self.conversion.directory

    def _write_files(self) -> None:
        for picture in self.conversion.pictures.kept.values():
            (self._directory / picture.name).write_bytes(picture.data)
        shutil.copyfile(TEMPLATES / "report.typst", self._directory / "report.typst")
        self._write_facts()

    def _write_facts(self) -> None:
        facts = json.dumps(self._facts(), ensure_ascii=False)
        (self._directory / "report.json").write_text(facts, encoding="utf-8")

    def _remark(self, note: str) -> None:
        self.source = replace(self.source, remarks=(*self.source.remarks, note))

    def _note_missing_letters(self, source: str) -> None:
        facts = (self._directory / "report.json").read_text(encoding="utf-8")
        letters = letters_without_font(source + facts, self.conversion.inputs_dir)
        if letters:
            note = self.conversion.tidying.note(remarks.letters_without_font(letters))
            if note not in self.source.remarks:
                self._remark(note)
                self._write_facts()

    def _facts(self) -> dict[str, Any]:
        made = self.conversion.provenance.made_at
        utc = made.astimezone(UTC) if made else None
        about = self.source.about
        fonts = own_families(self.conversion.inputs_dir)
        lead = " · ".join(filter(None, (about.workflow, about.reference_date)))
        return {
            "title": self.source.title,
            "author": self.conversion.options.author,
            "description": lead or None,
            "lang": self.conversion.options.language,
            "workflow": about.workflow,
            "date": about.reference_date,
            "parameters": about.parameters,
            "provenance": about.rows,
            "footer": about.footer,
            "made": {name: getattr(utc, name) for name in _DATE_PARTS} if utc else None,
            "fonts": [*TEXT_FONTS, *fonts],
            "mono": [*MONO_FONTS, *fonts],
            "words": {
                "about": "About this report",
                "part": "part",
                "broken": remarks.PICTURE_BROKEN,
            },
            "broken": self._broken,
            "notes": self.source.remarks,
        }

    def _typst_source(self, degraded: int) -> str:
        found = self.conversion.pictures.by_source
        job = {
            "key": self.source.parts.key,
            "parts": [
                {"kind": p.kind, "text": p.text, "plain": p.plain} for p in self.source.parts.parts
            ],
            "pictures": {source: _picture_facts(picture) for source, picture in found.items()},
            "title_in_body": self.source.title_in_body,
            "degraded": degraded,
            "words": {"missing_picture": remarks.PICTURE_MISSING, "unreadable": remarks.UNREADABLE},
        }
        (self._directory / "job.json").write_text(json.dumps(job), encoding="utf-8")
        arguments: list[str | Path] = ["--sandbox", "-f", "asciidoc", "-t", "typst", "--wrap=none", "--syntax-highlighting=none",
                     "--lua-filter", TEMPLATES / "report.lua"]  # fmt: skip
        body = run_pandoc(arguments, self.source.body, self.conversion.limits, self._directory)
        return f'#import "report.typst": *\n#show: report\n\n{body}'

    def _compile(self, source: str) -> str:
        """Compile; return what Typst complains about, nothing when all is well."""
        main = self._directory / "main.typ"
        main.write_text(source, encoding="utf-8")
        made = self.conversion.provenance.made_at
        request = {
            "root": str(self._directory),
            "fonts": [str(path) for path in font_directories(self.conversion.inputs_dir)],
            "timestamp": int(made.timestamp()) if made else 0,
            "memory_mb": self.conversion.limits.memory_mb,
            "input": str(main),
            "output": str(self.conversion.destination),
        }
        script = Path(typst_child.__file__)
        limits = self.conversion.limits
        try:
            answer = json.loads(run_python(script, json.dumps(request), limits, self._directory))
        except ProgramFailedError as failure:
            if failure.out_of_memory:
                raise memory_error(limits) from failure
            return f"Typst stopped: {failure.stderr[-500:]}"
        return "" if answer["ok"] else f"{answer['message']}\n{answer['diagnostic'][:2000]}"


def _picture_facts(found: Picture | str) -> dict[str, str]:
    if isinstance(found, str):
        return {"note": found}
    return {"file": found.name, "width": f"{found.width_pt:.2f}pt"}
