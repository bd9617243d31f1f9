"""Formulas in notebooks as MathML, which browsers show without any script.

A mark stands for each formula while the notebook becomes HTML; then all of them are converted by
one call of the bundled pandoc.
"""

from __future__ import annotations

import html
import json
import secrets
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from autoflow_dagster.errors import ReportError
from autoflow_dagster.reports.programs import Limits, ProgramFailedError, run_pandoc
from autoflow_dagster.site.templating import TEMPLATES

_LIMIT_SECONDS = 30.0
_LIMIT_MB = 1000


@dataclass
class Formulas:
    """The formulas of a notebook, and the marks that stand for them."""

    _found: dict[str, tuple[str, bool]] = field(default_factory=dict)
    _key: str = field(default_factory=lambda: secrets.token_hex(8))

    def mark(self, formula: str, is_displayed: bool) -> str:
        """Keep a formula and return what stands for it: letters and digits, harmless anywhere."""
        mark = f"formula{self._key}n{len(self._found)}n"
        self._found[mark] = (formula, is_displayed)
        return mark

    def put_into(self, text: str) -> str:
        """Return HTML with MathML for the marks; with its source for what is not a formula."""
        for (mark, (formula, is_displayed)), mathml in zip(
            self._found.items(), self._mathml(), strict=True
        ):
            fence = "$$" if is_displayed else "$"
            source = html.escape(f"{fence}{formula}{fence}")
            text = text.replace(mark, mathml if mathml.startswith("<math") else source)
        return text

    def _mathml(self) -> list[str]:
        formulas = [{"text": text, "display": display} for text, display in self._found.values()]
        nothing = [""] * len(formulas)
        if not formulas:
            return nothing
        try:
            with tempfile.TemporaryDirectory(prefix="autoflow-site-") as directory:
                answer = run_pandoc(
                    ["lua", TEMPLATES / "formulas.lua"],
                    json.dumps(formulas),
                    Limits(_LIMIT_SECONDS, _LIMIT_MB),
                    Path(directory),
                )
        except (ProgramFailedError, ReportError):
            return nothing
        found = [str(mathml).strip() for mathml in json.loads(answer)]
        return found if len(found) == len(formulas) else nothing
