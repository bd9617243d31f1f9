"""Dagster's migration scripts, read once for all processes of a fork server.

Each time that Dagster opens one of its SQLite databases, four times a run, it asks alembic which of its
88 migration scripts is the newest one, and alembic imports them all: a tenth of a second for each run.
"""

from __future__ import annotations

from functools import cache


def keep_migration_scripts() -> None:
    """Have alembic read the scripts of a directory once in this process and those forked from it.

    Takes the place of a public function of alembic, since neither alembic nor Dagster keeps its answer.
    Only for processes that end, or are started anew, when packages change: as those of a fork server.
    """
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    read = ScriptDirectory.from_config

    @cache  # Dagster keeps its configurations, one for each storage
    def from_config(config: Config) -> ScriptDirectory:
        directory = read(config)
        directory.get_heads()  # reads the scripts
        return directory

    ScriptDirectory.from_config = from_config  # type: ignore[method-assign]
