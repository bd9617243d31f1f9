"""LaTeX of outputs: what of it is a formula."""

from __future__ import annotations

import re

_FENCES = (("$$", "$$"), (r"\[", r"\]"), (r"\(", r"\)"), ("$", "$"))
_NOT_FORMULAS = re.compile(
    r"(?<!\\)\$|\\begin\{(?:tabular|table|figure|document|itemize|enumerate)\*?\}"
)


def formula_of(latex: str) -> str | None:
    r"""Return the formula of a ``text/latex`` output; None when it is not a single formula.

    Examples
    --------
    >>> formula_of(r"$\displaystyle x^2$")
    'x^2'
    >>> formula_of(r"\begin{tabular}{l}a\end{tabular}") is None
    True
    """
    text = latex.strip()
    for start, end in _FENCES:
        if text.startswith(start) and text.endswith(end) and len(text) > len(start) + len(end):
            text = text[len(start) : -len(end)].strip()
            break
    text = text.removeprefix(r"\displaystyle").strip()
    if not text or _NOT_FORMULAS.search(text):
        return None
    return text
