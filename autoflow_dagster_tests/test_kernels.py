"""The environment of kernels."""

from __future__ import annotations

from autoflow_dagster.notebooks.kernels import NOT_FOR_KERNELS, kernel_environment

ENVIRON = {
    "PATH": "/bin",
    "FLOWAPI_TOKEN": "DUMMY_TOKEN",
    "AUTOFLOW_DB_URI": "postgresql://user:{}@db/x",
    "AUTOFLOW_DB_PASSWORD": "DUMMY_PASSWORD",
    "AUTOFLOW_POSTGRES_URL": "postgresql://user:DUMMY_PASSWORD@db/x",
    "DAGSTER_HOME": "/home",
}


def test_notebooks_do_not_see_the_database() -> None:
    """They are written by users; the token of FlowAPI is theirs to use."""
    environment = kernel_environment(ENVIRON)
    assert environment == {"PATH": "/bin", "FLOWAPI_TOKEN": "DUMMY_TOKEN"}
    assert "DUMMY_PASSWORD" not in str(environment)
    assert set(NOT_FOR_KERNELS) <= ENVIRON.keys()


def test_the_operator_may_allow_more() -> None:
    """AUTOFLOW_KERNEL_ENV names what notebooks may read; what is not set stays unset."""
    environment = kernel_environment(ENVIRON, ("DAGSTER_HOME", "ABSENT"))
    assert environment["DAGSTER_HOME"] == "/home"
    assert "AUTOFLOW_DB_PASSWORD" not in environment
    assert "ABSENT" not in environment


def test_the_given_environment_is_not_changed() -> None:
    """It is this process's own."""
    kernel_environment(ENVIRON)
    assert len(ENVIRON) == 6
