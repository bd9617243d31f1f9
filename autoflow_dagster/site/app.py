"""The site for browsers: files of the outputs directory, read-only, and only those of the site.

Not a web server for the open internet: put one in front of it that knows who may read.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from autoflow_dagster.site import links

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.types import ASGIApp

_SHOWN = ("site", "reports", "notebooks")
_NOT_SHOWN = PurePosixPath(links.RECORDS).parts

_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".xml": "application/atom+xml; charset=utf-8",
    ".pdf": "application/pdf",
    ".png": "image/png",
    ".ipynb": "application/x-ipynb+json",
}
"""What there is to serve; a file of another kind is not served."""

_PAGE_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self' data:; script-src 'unsafe-inline'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)
# What comes from notebooks gets an origin of its own: it sees no cookie and no other page.
_FOREIGN_POLICY = (
    "sandbox allow-popups allow-popups-to-escape-sandbox allow-downloads{scripts}; "
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; font-src data:; "
    "media-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'self'{script_src}"
)
_NOTEBOOK_POLICY = _FOREIGN_POLICY.format(scripts="", script_src="")
_REPORT_POLICY = _FOREIGN_POLICY.format(
    scripts=" allow-scripts", script_src="; script-src 'unsafe-inline'"
)


def build_app(outputs_dir: Path, prefix: str = "") -> Starlette:
    """Return an ASGI application that serves the site.

    Parameters
    ----------
    outputs_dir : Path
        The directory with ``index.html``; it need not be there yet.
    prefix : str
        Path below which the site is served, such as ``/reports``; empty for all of the address.
        What leads there from the root is added.
    """
    from starlette.applications import Starlette
    from starlette.responses import RedirectResponse
    from starlette.routing import Mount, Route

    prefix = f"/{prefix.strip('/')}" if prefix.strip("/") else ""
    files = _files_app(outputs_dir)
    if not prefix:
        return Starlette(routes=[Mount("/", files)])

    async def to_prefix(_request: Any) -> RedirectResponse:
        return RedirectResponse(f"{prefix}/")

    routes = [Route("/", to_prefix), Route(prefix, to_prefix), Mount(prefix, files)]
    return Starlette(routes=routes)


def _files_app(outputs_dir: Path) -> ASGIApp:
    """Return an application that serves the files that `is_shown` allows."""
    from starlette.staticfiles import StaticFiles

    class ShownFiles(StaticFiles):
        async def check_config(self) -> None:
            """Do not mind that nothing has been written yet."""

        def lookup_path(self, path: str) -> tuple[str, Any]:
            wanted = path.replace("\\", "/")
            shown = shown_file(outputs_dir, "" if wanted == "." else wanted)
            return (str(shown), shown.stat()) if shown else ("", None)

        def file_response(self, full_path: Any, stat_result: Any, scope: Any, *args: Any) -> Any:
            response = super().file_response(full_path, stat_result, scope, *args)
            response.headers.update(headers_of(outputs_dir, Path(full_path)))
            return response

    return ShownFiles(directory=outputs_dir, check_dir=False)


def shown_file(outputs_dir: Path, path: str) -> Path | None:
    """Return the file that a request may read; None when there is none, or it may not.

    Parameters
    ----------
    path : str
        The requested path, decoded, without the prefix; empty for the first page.
    """
    parts = PurePosixPath(path or links.INDEX).parts
    if not _is_shown(parts):
        return None
    try:
        root = outputs_dir.resolve(strict=True)
        file = root.joinpath(*parts).resolve(strict=True)
    except (OSError, ValueError, RuntimeError):
        return None
    # A symbolic link may lead to another file of the site, and to nothing else.
    if not file.is_relative_to(root) or not _is_shown(file.relative_to(root).parts):
        return None
    return file if file.is_file() and file.suffix in _TYPES else None


def _is_shown(parts: tuple[str, ...]) -> bool:
    if any(part.startswith(".") or "\0" in part for part in parts):
        return False
    if parts[: len(_NOT_SHOWN)] == _NOT_SHOWN:
        return False
    return parts == (links.INDEX,) or (len(parts) > 1 and parts[0] in _SHOWN)


def headers_of(outputs_dir: Path, file: Path) -> dict[str, str]:
    """Return the headers with which a file is served."""
    parts = file.relative_to(outputs_dir.resolve()).parts
    headers = {
        "content-type": _TYPES[file.suffix],
        "cache-control": "no-cache",  # ask whether it has changed; mostly it has not
        "x-content-type-options": "nosniff",
        "referrer-policy": "same-origin",
        "cross-origin-resource-policy": "same-origin",
    }
    if file.suffix == ".html":
        headers["content-security-policy"] = _policy_of(parts)
    if file.suffix == ".ipynb":
        headers["content-disposition"] = "attachment"
    return headers


def _policy_of(parts: tuple[str, ...]) -> str:
    if parts[0] == "reports" or parts[:2] == ("site", "latest"):
        return _REPORT_POLICY
    if parts[:2] == ("site", "notebooks"):
        return _NOTEBOOK_POLICY
    return _PAGE_POLICY
