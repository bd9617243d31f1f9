"""Compile one Typst document; run as a script, with a JSON request on standard input.

A process of its own, so that a document can be stopped and its memory limited and given back.
Imports nothing of the package: it starts in milliseconds.
"""

from __future__ import annotations

import json
import resource
import sys


def main() -> None:
    """Read the request, compile, and print a JSON answer: pages, or the error."""
    request = json.load(sys.stdin)
    limit = request["memory_mb"] * 1024 * 1024
    # Typst maps fonts and reserves stacks for its threads, so the address space needs some room.
    resource.setrlimit(resource.RLIMIT_AS, (limit + 2**30, limit + 2**30))
    import typst

    fonts = typst.Fonts(
        include_system_fonts=False, include_embedded_fonts=True, font_paths=request["fonts"]
    )
    answers: list[dict[str, object]] = []
    for document in request["documents"]:
        try:
            compiler = typst.Compiler(
                document["input"], root=request["root"], font_paths=fonts, package_path="/nonexistent"
            )
            compiler.compile_with_warnings(
                output=document.get("output"),
                format="pdf",
                timestamp=request["timestamp"],
            )
            answers.append({"ok": True})
        except typst.TypstError as error:
            answers.append({"ok": False, "message": error.message, "diagnostic": error.diagnostic})
    json.dump(answers, sys.stdout)


if __name__ == "__main__":
    main()
