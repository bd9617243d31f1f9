"""How many pages a PDF has, read without a PDF library."""

from __future__ import annotations

import re
from pathlib import Path

_COUNT = re.compile(
    rb"/Type\s*/Pages\b[^>]*?/Count\s+(\d+)|/Count\s+(\d+)[^>]*?/Type\s*/Pages\b", re.DOTALL
)


def page_count(path: Path) -> int | None:
    """Return the number of pages; None when the page tree is not written plainly."""
    counts = [int(m[1] or m[2]) for m in _COUNT.finditer(path.read_bytes())]
    return max(counts, default=None)
