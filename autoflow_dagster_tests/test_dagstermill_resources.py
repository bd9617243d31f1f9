"""FlowAPI as a resource of notebooks that use dagstermill."""

from __future__ import annotations

import os
from pathlib import Path

import flowclient
import pytest

from autoflow_dagster.demo.server import DemoFlowapi
from autoflow_dagster.errors import FlowapiPermanentError, SettingsError
from autoflow_dagster.notebooks.dagstermill_resources import FlowapiResource, flowapi_resource

URL = "https://flowapi.example.org"


@pytest.mark.parametrize(
    ("environ", "missing"),
    [({}, "FLOWAPI_URL"), ({"FLOWAPI_URL": URL}, "FLOWAPI_TOKEN")],
    ids=["no address", "no token"],
)
def test_what_is_not_set_is_named(environ: dict[str, str], missing: str) -> None:
    """By the name of its variable."""
    with pytest.raises(SettingsError) as raised:
        FlowapiResource(environ).connect()
    assert raised.value.where == missing


def test_a_token_that_is_none_is_not_in_the_error() -> None:
    """Flowclient's own error quotes it."""
    with pytest.raises(FlowapiPermanentError) as raised:
        FlowapiResource({"FLOWAPI_URL": URL, "FLOWAPI_TOKEN": "DUMMY_TOKEN"}).connect()
    assert "DUMMY_TOKEN" not in str(raised.value)
    assert raised.value.__cause__ is None
    assert raised.value.__suppress_context__


@pytest.mark.integration
@pytest.mark.filterwarnings("ignore:Communications with this server are NOT SECURE")
def test_a_connection_is_made_with_the_settings_of_the_service(
    demo_flowapi: DemoFlowapi, tmp_path: Path
) -> None:
    """The token's file wins over its variable, as everywhere; a hanging FlowAPI is given up."""
    (tmp_path / "FLOWAPI_TOKEN").write_text(f"{demo_flowapi.token}\n")
    environ = {
        "FLOWAPI_URL": demo_flowapi.url,
        "FLOWAPI_TOKEN": "an old one",
        "AUTOFLOW_SECRETS_DIR": str(tmp_path),
    }
    connection = FlowapiResource(environ).connect()
    try:
        assert "calls" in flowclient.get_available_dates(connection=connection)
        assert connection.session.timeout.read == 120
    finally:
        connection.session.close()


def test_the_resource_holds_no_secret_and_asks_for_nothing_before_it_is_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is made when the definitions are loaded, and what it says of itself may be shown."""
    monkeypatch.setitem(os.environ, "FLOWAPI_TOKEN", "DUMMY_TOKEN")
    monkeypatch.setitem(os.environ, "FLOWAPI_URL", URL)
    made = FlowapiResource(os.environ)
    assert made.url == URL
    assert "DUMMY_TOKEN" not in repr(made)
    assert "connect()" in (flowapi_resource.description or "")
