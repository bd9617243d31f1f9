"""What notebooks that use dagstermill find at ``dagstermill.get_context().resources``."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

import dagster as dg

from autoflow_dagster.errors import FlowapiPermanentError, SettingsError
from autoflow_dagster.settings import FLOWAPI_TOKEN, Settings

if TYPE_CHECKING:
    import flowclient

FLOWAPI_RESOURCE = "flowapi"
REQUEST_TIMEOUT_SECONDS = 120
"""For a single request: without a limit a FlowAPI that hangs is waited for for ever."""


class FlowapiResource:
    """FlowAPI for a notebook, from the same settings as everything else.

    Holds no address and no secret: both are read when they are asked for, in the notebook's kernel.

    Parameters
    ----------
    environ : mapping
        The environment variables of the process that asks.

    Examples
    --------
    In a notebook: ``conn = dagstermill.get_context().resources.flowapi.connect()``

    >>> FlowapiResource({"FLOWAPI_URL": "https://flowapi.example.org"}).url
    'https://flowapi.example.org'
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ

    @property
    def url(self) -> str:
        """Address of FlowAPI.

        Raises
        ------
        SettingsError
            When FLOWAPI_URL is not set.
        """
        url = self._settings().flowapi_url
        if url is None:
            raise SettingsError("FLOWAPI_URL", "is not set.", "Set it to FlowAPI's address.")
        return url

    def connect(self) -> flowclient.Connection:
        """Return a new connection of flowclient; close its ``session`` when you are done.

        Raises
        ------
        SettingsError
            When FLOWAPI_URL or FLOWAPI_TOKEN is not set.
        FlowapiPermanentError
            When the token is not one.
        """
        import flowclient
        from flowclient.errors import FlowclientConnectionError

        url, settings = self.url, self._settings()
        token = settings.secret(FLOWAPI_TOKEN)
        if token is None:
            hint = "Set it, or the Docker secret of that name."
            raise SettingsError(FLOWAPI_TOKEN, "is not set.", hint)
        certificate = settings.ssl_certificate_file
        try:
            connection = flowclient.connect(
                url=url, token=token, ssl_certificate=str(certificate) if certificate else True
            )
        except FlowclientConnectionError:  # whose text is the token
            hint = "Make a new token in FlowAuth."
            raise FlowapiPermanentError(FLOWAPI_TOKEN, "is no FlowAPI token.", hint) from None
        connection.session.timeout = REQUEST_TIMEOUT_SECONDS
        return connection

    def _settings(self) -> Settings:
        return Settings.from_environ(self._environ)


flowapi_resource = dg.ResourceDefinition.hardcoded_resource(
    FlowapiResource(os.environ),
    "FlowAPI for notebooks that use dagstermill: `url`, and `connect()` for a flowclient connection.",
)
"""For `dagstermill.get_context(resource_defs={"flowapi": flowapi_resource})` outside of a run, too."""
