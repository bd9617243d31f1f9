"""Bring the generated parts of the README up to date: `python scripts/readme.py`."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from autoflow_dagster.settings import settings_table

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"


def layout_table() -> str:
    """Return every module and package with the first sentence of its docstring."""
    package = ROOT / "autoflow_dagster"
    files = {path.name: path for path in package.glob("*.py") if not path.name.startswith("_")}
    files |= {f"{path.parent.name}/": path for path in package.glob("*/__init__.py")}
    rows = ["| In `autoflow_dagster/` | lives |", "|---|---|"]
    for name, path in sorted(files.items()):
        text = ast.get_docstring(ast.parse(path.read_text())) or ""
        rows.append(f"| `{name}` | {' '.join(text.splitlines()[0].split())} |")
    return "\n".join(rows)


def up_to_date(text: str) -> str:
    """Return the README's text with its generated parts made again."""
    for name, content in (("settings", settings_table()), ("layout", layout_table())):
        pattern = rf"(<!-- {name}: [^>]*-->\n).*?(\n<!-- end of {name} -->)"
        text = re.sub(pattern, lambda m, c=content: m[1] + c + m[2], text, flags=re.DOTALL)
    return text


if __name__ == "__main__":
    README.write_text(up_to_date(README.read_text()))
