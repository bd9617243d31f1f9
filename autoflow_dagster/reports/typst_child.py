"""Compile one Typst document; run as a script, with a JSON request on standard input.

A process of its own, so that a document can be stopped and its memory limited and given back.
Imports nothing of the package: it starts in milliseconds.
"""

from __future__ import annotations

import json
import resource
import sys

ROOM_FOR_MAPPINGS = 2**30
"""Address space, in bytes, for mapped fonts and the stacks of Typst's threads."""


def main() -> None:
    """Read the request, compile, and print as JSON whether it went well."""
    request = json.load(sys.stdin)
    limit = request["memory_mb"] * 1024 * 1024 + ROOM_FOR_MAPPINGS
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    import typst

    fonts = typst.Fonts(
        include_system_fonts=False, include_embedded_fonts=True, font_paths=request["fonts"]
    )
    # A package path of our own keeps Typst from looking for packages, and from fetching them.
    compiler = typst.Compiler(
        request["input"],
        root=request["root"],
        font_paths=fonts,
        package_path=request["root"],
        package_cache_path=request["root"],
    )
    answer: dict[str, object] = {"ok": True}
    try:
        # Always told the time, or the same notebook would not give the same bytes.
        compiler.compile(output=request["output"], format="pdf", timestamp=request["timestamp"])
    except typst.TypstError as error:
        answer = {"ok": False, "message": error.message, "diagnostic": error.diagnostic}
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
