"""The reverse proxy of the stack: a real nginx with the repository's file before a real service."""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from autoflow_dagster.service.processes import answers
from autoflow_dagster_tests.conftest import wait_for
from autoflow_dagster_tests.deployments import DatesServer, day
from autoflow_dagster_tests.up_process import UpProcess

ROOT = Path(__file__).parent.parent
SBIN = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])
NGINX = shutil.which("nginx", path=SBIN)

pytestmark = [
    pytest.mark.integration,
    pytest.mark.slow,
    pytest.mark.skipif(NGINX is None, reason="needs nginx: make nginx"),
]

LOGIN = "DUMMY_NAME:dummy/{}: pässword"
WEBSOCKET = Subprotocol("graphql-ws")


def salted(password: str) -> str:
    """Return a password as nginx can check it."""
    salt = os.urandom(8)
    digest = hashlib.sha1(password.encode() + salt, usedforsecurity=False).digest()
    return "{SSHA}" + base64.b64encode(digest + salt).decode()


def write_certificate(certificate: Path, key: Path) -> None:
    """Write a certificate of our own for this machine, and its key."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(private, hashes.SHA256())
    )
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    key.write_bytes(
        private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )


@dataclass
class Proxy:
    """A running nginx.

    Attributes
    ----------
    up : UpProcess
        What is behind it.
    """

    up: UpProcess
    port: int
    plain_port: int
    tls: ssl.SSLContext

    def ask(
        self, path: str, login: str | None = LOGIN, body: str = "", method: str = ""
    ) -> tuple[int, http.client.HTTPMessage, str]:
        """Return status, headers and text of an answer."""
        connection = http.client.HTTPSConnection(
            "localhost", self.port, timeout=60, context=self.tls
        )
        headers = {"Content-Type": "application/json"} | authorization(login)
        try:
            connection.request(method or ("POST" if body else "GET"), path, body or None, headers)
            reply = connection.getresponse()
            return reply.status, reply.headers, reply.read().decode()
        finally:
            connection.close()


def authorization(login: str | None) -> dict[str, str]:
    """Return the header with a name and a password; none for None."""
    if login is None:
        return {}
    return {"Authorization": f"Basic {base64.b64encode(login.encode()).decode()}"}


def free_ports(number: int) -> list[int]:
    """Return different ports that nobody listens at."""
    probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    ports = [int(probe.getsockname()[1]) for probe in probes]
    for probe in probes:
        probe.close()
    return ports


def port_in(url: str) -> str:
    """Return host and port of an address."""
    found = re.match(r"http://([^/]+)", url)
    assert found is not None
    return found[1]


@pytest.fixture(scope="module")
def directory() -> Iterator[Path]:
    """For nginx's files; root's nginx reads them as somebody who may not enter pytest's."""
    with tempfile.TemporaryDirectory(prefix="autoflow-nginx-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory, directory: Path) -> Iterator[Proxy]:
    """The service, one of whose dates is done, behind nginx with the file of the stack."""
    write_certificate(directory / "proxy.crt", directory / "proxy.key")
    name, _, password = LOGIN.partition(":")
    (directory / "proxy.htpasswd").write_text(f"{name}:{salted(password)}\n")
    root = tmp_path_factory.mktemp("service")
    with DatesServer({"calls": [day(0)]}) as flowapi, UpProcess(root, flowapi) as up:
        up.start("--path-prefix", "/autoflow")
        wait_for("the date to be done", lambda: up.has_succeeded([day(0)]), 120)
        wait_for("the site to show it", lambda: (up.outputs / "site/configs").exists())
        assert up.addresses is not None
        port, plain_port = free_ports(2)
        changes = {
            "/tmp/": f"{directory}/",
            "/run/secrets/": f"{directory}/",
            "server autoflow:3000;": f"server {port_in(up.addresses.ui_url)};",
            "server autoflow:3001;": f"server {port_in(up.addresses.reports_url)};",
            "listen 8443 ssl;": f"listen 127.0.0.1:{port} ssl;",
            "listen 8080;": f"listen 127.0.0.1:{plain_port};",
        }
        text = (ROOT / "deploy" / "nginx.conf").read_text()
        for old, new in changes.items():
            assert old in text
            text = text.replace(old, new)
        (directory / "nginx.conf").write_text(text)
        tls = ssl.create_default_context(cafile=str(directory / "proxy.crt"))
        with running_nginx(directory, plain_port):
            yield Proxy(up, port, plain_port, tls)


class running_nginx:  # noqa: N801
    """nginx, started with the command of the stack, for as long as a ``with`` block lasts."""

    def __init__(self, directory: Path, port: int) -> None:
        self.log = directory / "log"
        self.port = port
        self.command = ["-c", str(directory / "nginx.conf"), "-g", "daemon off;"]

    def __enter__(self) -> None:
        assert NGINX is not None
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [NGINX, *self.command], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        wait_for("nginx", self._listens_or_has_ended, 30)
        assert self.process.poll() is None, self.log.read_text()

    def _listens_or_has_ended(self) -> bool:
        with socket.socket() as probe:
            return self.process.poll() is not None or not probe.connect_ex(("127.0.0.1", self.port))

    def __exit__(self, *_error: object) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)


def test_nobody_gets_in_without_a_login(proxy: Proxy) -> None:
    """Nor with a wrong one; whatever is asked for."""
    for path in ("/", "/index.html", "/autoflow/", "/autoflow/graphql", "/site/feed.xml"):
        for login in (None, "DUMMY_NAME:wrong", "somebody:"):
            status, headers, text = proxy.ask(path, login)
            assert (status, "Basic" in headers["WWW-Authenticate"]) == (401, True), path
            assert "Dagster" not in text
    query = json.dumps({"query": "{ version }"})
    assert proxy.ask("/autoflow/graphql", None, query)[0] == 401


def test_the_ui_works_below_its_path(proxy: Proxy) -> None:
    """The page, what it loads, and GraphQL."""
    status, headers, page = proxy.ask("/autoflow")
    assert (status, headers["Location"]) == (301, "/autoflow/")
    status, _, page = proxy.ask("/autoflow/runs")
    assert status == 200
    scripts = re.findall(r'src="([^"]+\.js)"', page)
    assert scripts
    assert all(script.startswith("/autoflow/") for script in scripts)
    assert proxy.ask(scripts[0])[0] == 200
    query = json.dumps({"query": "{ runsOrError { ... on Runs { results { status } } } }"})
    status, _, text = proxy.ask("/autoflow/graphql", body=query)
    assert status == 200
    assert json.loads(text)["data"]["runsOrError"]["results"] == [{"status": "SUCCESS"}]


def test_live_updates_come_through(proxy: Proxy) -> None:
    """A subscription of the UI over a websocket, with a login and not without."""
    url = f"wss://localhost:{proxy.port}/autoflow/graphql"
    with (
        pytest.raises(InvalidStatus, match="401"),
        connect(url, ssl=proxy.tls, open_timeout=60),
    ):
        pass
    [run] = proxy.up.instance.get_run_ids()
    query = (
        "subscription Logs($run: ID!) { pipelineRunLogs(runId: $run, cursor: null) {"
        " __typename ... on PipelineRunLogsSubscriptionSuccess { messages { __typename } } } }"
    )
    start = {"query": query, "variables": {"run": run}}
    with connect(
        url,
        ssl=proxy.tls,
        subprotocols=[WEBSOCKET],
        additional_headers=authorization(LOGIN),
        open_timeout=60,
    ) as websocket:
        websocket.send(json.dumps({"type": "connection_init", "payload": {}}))
        assert json.loads(websocket.recv(60))["type"] == "connection_ack"
        websocket.send(json.dumps({"type": "start", "id": "1", "payload": start}))
        while (message := json.loads(websocket.recv(60)))["type"] == "ka":
            pass
        assert message["type"] == "data", message
        assert "RunStartEvent" in json.dumps(message)


def test_the_reports_are_shown_and_only_read(proxy: Proxy) -> None:
    """Pages and files."""
    status, _, page = proxy.ask("/")
    assert status == 200
    assert "site/configs/count/" in page
    assert proxy.ask("/site/configs/count/2016-01.html")[0] == 200
    assert proxy.ask("/", method="HEAD")[0] == 200
    assert proxy.ask("/", body="{}")[0] == 403


def test_probes_are_for_the_inside(proxy: Proxy) -> None:
    """However they are spelt; inside they answer."""
    assert proxy.up.addresses is not None
    for path in ("/healthz", "/readyz"):
        assert answers(f"{proxy.up.addresses.reports_url.rstrip('/')}{path}")
        for spelt in (path, f"/{path}", f"/.{path}", path.replace("z", "%7a")):
            assert proxy.ask(spelt)[0] == 404, spelt
            assert proxy.ask(spelt, None)[0] in (401, 404), spelt


def test_who_comes_without_encryption_is_sent_on(proxy: Proxy) -> None:
    """Before a password is asked for."""
    connection = http.client.HTTPConnection("localhost", proxy.plain_port, timeout=60)
    try:
        connection.request("GET", "/autoflow/runs?x=1", headers={"Host": "autoflow.example.org"})
        reply = connection.getresponse()
        assert reply.status == 308
        assert reply.headers["Location"] == "https://autoflow.example.org/autoflow/runs?x=1"
        assert reply.headers["WWW-Authenticate"] is None
        reply.read()
    finally:
        connection.close()
