"""The site's server: what it gives, what it refuses, and with which headers."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from autoflow_dagster.errors import SettingsError
from autoflow_dagster.site import SiteServer, record_run
from autoflow_dagster_tests.site_samples import document, record

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SiteServer]:
    """Yield a server of a small site, with files around it that are nobody's business."""
    outputs = tmp_path_factory.mktemp("parent") / "outputs"
    record_run(outputs, record(date(2016, 1, 7), documents=(document(outputs, "a"),)))
    (outputs / ".dagster").mkdir()
    (outputs / ".dagster/secret.html").write_text("SECRET")
    (outputs / "reports/.hidden.pdf").write_text("SECRET")
    (outputs / "reports/notes.txt").write_text("SECRET")
    (outputs / "site/records/a.html").write_text("SECRET")
    (outputs / "other").mkdir()
    (outputs / "other/a.html").write_text("SECRET")
    (outputs / "secret.html").write_text("SECRET")
    (outputs.parent / "outside.html").write_text("SECRET")
    for name, target in (
        ("outside", outputs.parent / "outside.html"),
        ("hidden", outputs / ".dagster/secret.html"),
        ("records", outputs / "site/records/site.json"),
        ("loop", outputs / "reports/loop.html"),
    ):
        (outputs / f"reports/{name}.html").symlink_to(target)
    (outputs / "reports/inside.html").symlink_to("a.html")
    (outputs / "reports/directory").symlink_to(outputs.parent)
    with SiteServer(outputs, prefix="/reports") as running:
        yield running


def get(
    server: SiteServer, path: str, method: str = "GET", **headers: str
) -> tuple[int, dict[str, str], bytes]:
    """Ask for a path exactly as it is written."""
    connection = http.client.HTTPConnection(server.host, server.port, timeout=30)
    try:
        connection.request(method, path, headers=headers)
        response = connection.getresponse()
        found = {name.lower(): value for name, value in response.getheaders()}
        return response.status, found, response.read()
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("path", "content_type", "start"),
    [
        ("", "text/html; charset=utf-8", b"<!DOCTYPE html>"),
        ("index.html", "text/html; charset=utf-8", b"<!DOCTYPE html>"),
        ("site/configs/flows/2016-01.html", "text/html; charset=utf-8", b"<!DOCTYPE html>"),
        ("site/style.css", "text/css; charset=utf-8", b"/*"),
        ("site/feed.xml", "application/atom+xml; charset=utf-8", b"<?xml"),
        ("site/thumbnails/a.png", "image/png", b"\x89PNG"),
        ("site/latest/flows/flows_report.pdf", "application/pdf", b"%PDF"),
        ("site/notebooks/a.html", "text/html; charset=utf-8", b"<!DOCTYPE html>"),
        ("reports/a.pdf", "application/pdf", b"%PDF"),
        ("reports/inside.html", "text/html; charset=utf-8", b"<!DOCTYPE html>"),
        ("notebooks/a.ipynb", "application/x-ipynb+json", b"{"),
    ],
)
def test_it_serves_the_site(server: SiteServer, path: str, content_type: str, start: bytes) -> None:
    """Each kind of file with its type, which browsers are not to guess."""
    status, headers, body = get(server, f"/reports/{path}")
    assert (status, headers["content-type"]) == (200, content_type)
    assert body.startswith(start)
    assert headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "path",
    [
        "site/", "site", "reports/", "notebooks", "site/configs/flows/",
        ".dagster/secret.html", ".site.lock", "secret.html", "other/a.html",
        "reports/.hidden.pdf", "reports/notes.txt", "site/records/site.json",
        "site/records/flows/2016-01.json", "site/records/a.html", "site/./records/site.json", "site//records/site.json",
        "reports/outside.html", "reports/hidden.html", "reports/records.html", "reports/loop.html",
        "reports/directory/outside.html", "reports/../.dagster/secret.html",
        "reports/../../outside.html", "reports/%2e%2e/%2e%2e/outside.html",
        "reports/..%2f..%2foutside.html", "reports/..%5c..%5coutside.html",
        "%2e%2e/outside.html", "//etc/passwd", "/etc/passwd", "reports/a.pdf%00.html", "~root",
        "absent.html", "%ff%fe", "reports/" + "a" * 5000,
    ],
)  # fmt: skip
def test_it_serves_nothing_else(server: SiteServer, path: str) -> None:
    """No hidden files, no listings, no way out, and no error that tells more."""
    status, _, body = get(server, f"/reports/{path}")
    assert status == 404
    assert body == b"Not Found"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_it_changes_nothing(server: SiteServer, method: str) -> None:
    """Reading is all it can."""
    assert get(server, "/reports/index.html", method)[0] == 405


def test_head_and_ranges_and_unchanged_files_are_understood(server: SiteServer) -> None:
    """What browsers ask for when they show a PDF, or come back."""
    status, headers, body = get(server, "/reports/reports/a.pdf", "HEAD")
    assert (status, body) == (200, b"")
    assert get(server, "/reports/reports/a.pdf", Range="bytes=0-3")[0::2] == (206, b"%PDF")
    unchanged = get(server, "/reports/reports/a.pdf", **{"If-None-Match": headers["etag"]})
    assert unchanged[0::2] == (304, b"")


@pytest.mark.parametrize("path", ["/", "/reports"])
def test_the_prefix_is_found(server: SiteServer, path: str) -> None:
    """From the root, and without the slash at its end."""
    status, headers, _ = get(server, path)
    assert (status, headers["location"]) == (307, "/reports/")


def test_what_comes_from_notebooks_is_kept_apart(server: SiteServer) -> None:
    """Scripts of a report run without the site's origin; those of a notebook not at all."""
    policies = {
        path: get(server, f"/reports/{path}")[1]["content-security-policy"]
        for path in ("index.html", "reports/a.html", "site/notebooks/a.html")
    }
    assert "sandbox" not in policies["index.html"]
    for path in ("reports/a.html", "site/notebooks/a.html"):
        assert policies[path].startswith("sandbox ")
        assert "allow-same-origin" not in policies[path]
        assert "default-src 'none'" in policies[path]
    assert "script" not in policies["site/notebooks/a.html"]
    notebook = get(server, "/reports/notebooks/a.ipynb")
    assert notebook[1]["content-disposition"] == "attachment"
    assert json.loads(notebook[2])["nbformat"] == 4


def test_it_serves_all_of_the_address_without_a_prefix(tmp_path: Path) -> None:
    """And does not mind that there is no site yet."""
    with SiteServer(tmp_path / "absent") as running:
        assert running.url == f"http://127.0.0.1:{running.port}/"
        assert get(running, "/")[0] == 404
        record_run(tmp_path / "absent", record(date(2016, 1, 7)))
        assert get(running, "/")[0] == 200


def test_a_taken_port_is_said_to_be_taken(server: SiteServer, tmp_path: Path) -> None:
    """With what to do about it."""
    with (
        pytest.raises(SettingsError, match=f"Port {server.port} .* cannot be listened on"),
        SiteServer(tmp_path, port=server.port),
    ):
        pass
