"""AsciiDoc directives in templates: `include::` and `ifdef::`, which pandoc cannot be trusted with.

Worked on the AsciiDoc of templates only: what comes from notebooks has them escaped, or stands for
itself as a part.
"""

from __future__ import annotations

import re
from pathlib import Path

from autoflow_dagster.errors import ReportError

_INCLUDE = re.compile(r"^include::([^\[\]\n]+)\[[^\n]*\]\s*$")
_CONDITION = re.compile(r"^(ifdef|ifndef)::([^\[\]\n]+)\[(.*)\]\s*$")
_END = re.compile(r"^endif::[^\[\]\n]*\[\s*\]\s*$")
_ATTRIBUTE = re.compile(r"^:(!?)([\w-]+)(!?):")
_FENCE = re.compile(r"^(-{4,}|\.{4,}|\+{4,}|/{4,})\s*$")
_BLOCK = re.compile(r"^(-{4,}|\.{4,}|\+{4,}|/{4,}|={4,}|\*{4,}|_{4,}|[|,:!]={3,}|--)\s*$")
_DEEPEST = 8


def resolve_directives(body: str, inputs_dir: Path | None, depth: int = 0) -> str:
    """Return AsciiDoc with files included and conditions decided.

    Parameters
    ----------
    body : str
        AsciiDoc.
    inputs_dir : Path or None
        The only directory from which files may be included; None is nowhere.
    depth : int
        How many files deep this text is included.

    Raises
    ------
    ReportError
        For a file outside `inputs_dir`, or one that is not there.
    """
    if "::" not in body:
        return body
    defined = {"backend-pdf", "basebackend-pdf", "doctype-article", "autoflow"}
    keep: list[bool] = []
    fence: str | None = None
    lines: list[str] = []
    for line in body.split("\n"):
        mark = _FENCE.match(line)
        if mark and fence in (None, mark[1]):
            fence = None if fence else mark[1]
        if fence is None and not mark:
            condition = _CONDITION.match(line)
            if condition:
                met = _is_met(condition[1], condition[2], defined)
                if condition[3]:
                    lines += [condition[3]] if met and all(keep) else []
                else:
                    keep.append(met)
                continue
            if _END.match(line):
                del keep[-1:]
                continue
            if attribute := _ATTRIBUTE.match(line):
                unset = attribute[1] or attribute[3]
                (defined.discard if unset else defined.add)(attribute[2])
            if (include := _INCLUDE.match(line)) and all(keep):
                lines.append(_included(include[1].strip(), inputs_dir, depth))
                continue
        if all(keep):
            lines.append(line)
    return "\n".join(lines)


def with_closed_blocks(body: str) -> tuple[str, list[str]]:
    """Return AsciiDoc as pandoc can read it, and the delimiters that were never closed.

    Blocks left open are closed at the end, as Asciidoctor does it: pandoc would look for their end
    until its memory is used up. Blank lines just inside a block go, with which pandoc does not see
    the block.
    """
    lines: list[str] = []
    open_blocks: list[str] = []
    at_start = False
    for line in body.split("\n"):
        verbatim = bool(open_blocks and _FENCE.match(open_blocks[-1]))
        mark = _BLOCK.match(line)
        if at_start and not line.strip() and not verbatim:
            continue
        at_start = False
        if mark and (not verbatim or open_blocks[-1] == mark[1]):
            if mark[1] in open_blocks:
                _drop_blank_end(lines, verbatim)
                del open_blocks[open_blocks.index(mark[1]) :]
            else:
                open_blocks.append(mark[1])
                at_start = True
        lines.append(line)
    closed = open_blocks[::-1]
    return "\n".join([*lines, *closed, ""] if closed else lines), closed


def _drop_blank_end(lines: list[str], verbatim: bool) -> None:
    while lines and not verbatim and not lines[-1].strip():
        lines.pop()


def _is_met(kind: str, names: str, defined: set[str]) -> bool:
    found = [name.strip() in defined for name in re.split("[,+]", names)]
    is_defined = all(found) if "+" in names else any(found)
    return is_defined == (kind == "ifdef")


def _included(name: str, inputs_dir: Path | None, depth: int) -> str:
    where = f'Template file "{name}"'
    base = inputs_dir.resolve() if inputs_dir else None
    path = (base / name).resolve() if base else None
    if base is None or path is None or not path.is_relative_to(base):
        raise ReportError(
            where,
            "it is outside the inputs directory.",
            "Put the file into the inputs directory and name it from there.",
        )
    if depth >= _DEEPEST:
        raise ReportError(where, "files include each other without end.", "Correct the template.")
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ReportError(
            where, f"it cannot be read ({type(error).__name__}).", "Correct the template."
        ) from error
    return resolve_directives(text.rstrip("\n"), inputs_dir, depth + 1)
