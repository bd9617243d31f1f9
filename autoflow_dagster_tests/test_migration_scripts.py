"""Reading Dagster's migration scripts once; each case in an interpreter of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """\
import sys
from pathlib import Path

from dagster import DagsterInstance

from autoflow_dagster.warm.migration_scripts import keep_migration_scripts

home, keeps = Path(sys.argv[1]), sys.argv[2] == "keep"
(home / "dagster.yaml").touch()
if keeps:
    keep_migration_scripts()
read = []


def listen(event, arguments):
    if event == "open" and "alembic/versions" in str(arguments[0]):
        read.append(arguments[0])


sys.addaudithook(listen)
revisions = set()
for _ in range(2):
    del read[:]
    with DagsterInstance.from_config(str(home)) as instance:
        stores = (instance.run_storage, instance.event_log_storage, instance.schedule_storage)
        revisions.add(tuple(store.alembic_version() for store in stores))
print(len(read), len(revisions), all(now == newest for now, newest in revisions.pop()))
"""


@pytest.mark.parametrize(("keeps", "reads"), [("keep", False), ("forget", True)])
def test_opening_the_storage_again_reads_no_scripts(
    tmp_path: Path, keeps: str, reads: bool
) -> None:
    """With the same answer; and without it they are read, or there is no need for it any more."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path), keeps],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    count, revisions, are_newest = done.stdout.split()
    assert (int(count) > 0) == reads
    assert (revisions, are_newest) == ("1", "True")
