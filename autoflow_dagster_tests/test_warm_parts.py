"""The parts of warm starts that need no server: what is imported, who is who, what is said."""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from autoflow_dagster import warm
from autoflow_dagster.warm import preload
from autoflow_dagster.warm.asking import ServerGoneError, connect
from autoflow_dagster.warm.become import Attributes
from autoflow_dagster.warm.keeper import announced_server
from autoflow_dagster.warm.messages import ConnectionLostError, receive, send
from autoflow_dagster.warm.notebook_imports import learned_modules, watched_files
from autoflow_dagster.warm.preload import Freshness
from autoflow_dagster.warm.process_identity import ProcessIdentity
from autoflow_dagster.warm.purposes import COMPANIONS, DAGSTER, KERNELS
from autoflow_dagster.warm.warm_dagster import OF_A_SERVICE
from autoflow_dagster_tests.conftest import write_notebook


class TestLearnedModules:
    """What notebooks import, found without running them."""

    def test_imports_of_all_kinds(self, tmp_path: Path) -> None:
        """In functions and conditions, with other names, and of things inside of modules."""
        write_notebook(
            tmp_path / "n.ipynb",
            "import json, xml.dom.minidom as m\nfrom collections import OrderedDict",
            "def f():\n    from email import message\nif False:\n    import csv",
            "from math import *\nimport dagster, autoflow_dagster.settings\nimport not_installed",
        )
        assert sorted(learned_modules(tmp_path)) == [
            "collections.OrderedDict",
            "csv",
            "email.message",
            "json",
            "math",
            "xml.dom.minidom",
        ]

    def test_lines_for_ipython_are_passed_over(self, tmp_path: Path) -> None:
        """Magics, shell commands and questions are no Python."""
        write_notebook(
            tmp_path / "n.ipynb",
            "%matplotlib inline\nimport json\nif True:\n    !ls\njson?\n?json",
            "%%bash\nimport csv",
            "%%time\nimport math",
        )
        assert learned_modules(tmp_path) == ["json", "math"]

    def test_modules_beside_the_notebook_are_looked_into(self, tmp_path: Path) -> None:
        """They are not imported, as they may change and depend on the directory; what they import is."""
        (tmp_path / "helpers.py").write_text("import csv, more_helpers")
        (tmp_path / "more_helpers.py").write_text("import json, helpers")
        (tmp_path / "package").mkdir()
        write_notebook(tmp_path / "n.ipynb", "import helpers, package.module")
        assert learned_modules(tmp_path) == ["csv", "json"]

    @pytest.mark.parametrize(
        "content", ["", "{}", "[1]", '{"cells": [{}]}', "\xff", '{"cells": 1}']
    )
    def test_what_is_no_notebook_is_passed_over(self, tmp_path: Path, content: str) -> None:
        """Whoever runs it is told."""
        (tmp_path / "broken.ipynb").write_text(content, encoding="latin-1")
        write_notebook(tmp_path / "n.ipynb", "import json", "this is no Python", "import csv")
        assert learned_modules(tmp_path) == ["json", "csv"]

    def test_checkpoints_are_passed_over(self, tmp_path: Path) -> None:
        """Hidden directories have copies of notebooks."""
        (tmp_path / ".ipynb_checkpoints").mkdir()
        (tmp_path / "more").mkdir()
        write_notebook(tmp_path / ".ipynb_checkpoints" / "n.ipynb", "import csv")
        write_notebook(tmp_path / "more" / "n.ipynb", "import json")
        assert learned_modules(tmp_path) == ["json"]

    def test_what_a_notebook_writes_changes_nothing(self, tmp_path: Path) -> None:
        """Otherwise everything would be imported again for each date; a notebook does change it."""
        (tmp_path / "more").mkdir()
        notebook = tmp_path / "more" / "n.ipynb"
        write_notebook(notebook, "import json")
        freshness = Freshness(watched_files(tmp_path))
        (notebook.parent / "result.csv").touch()
        (tmp_path / "result.csv").touch()
        assert freshness.is_fresh()
        write_notebook(notebook, "import csv")
        assert not freshness.is_fresh()


class TestProcessIdentity:
    """A process is told apart from others that had its pid."""

    def test_this_process(self) -> None:
        """Written down and read again it is the same."""
        own = ProcessIdentity.of(os.getpid())
        assert own is not None
        assert own.is_running
        assert ProcessIdentity.parse(str(own)) == own

    def test_a_process_that_nobody_has_waited_for_has_ended(self) -> None:
        """It is there still, but does nothing any more."""
        with subprocess.Popen([sys.executable, "-c", ""], stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.read()
            os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
            assert ProcessIdentity.of(process.pid) is None

    def test_a_signal_reaches_it_and_only_it(self) -> None:
        """When it has ended nobody gets the signal."""
        with subprocess.Popen(["sleep", "60"]) as process:
            identity = ProcessIdentity.of(process.pid)
            assert identity is not None
            assert identity.send_signal(signal.SIGTERM)
            process.wait()
            assert not identity.send_signal(signal.SIGTERM)

    @pytest.mark.parametrize("text", ["", "1", "a/b/c/d", "1/2/3", "1/2/3/4/5"])
    def test_other_texts_are_nobody(self, text: str) -> None:
        """A run tag can have any value."""
        assert ProcessIdentity.parse(text) is None


class TestMessages:
    """What goes over the sockets."""

    def test_large_messages_with_files(self) -> None:
        """An environment can be larger than a socket takes at once, and have any characters."""
        one, other = socket.socketpair()
        message = {"environment": {"BIG": "x" * 100_000, "ODD": "\udcff"}}
        with one, other, Path(os.devnull).open() as file:
            send(one, message, [file.fileno()])
            received, (descriptor,) = receive(other)
            assert received == message
            assert os.fstat(descriptor).st_rdev == os.stat(os.devnull).st_rdev  # noqa: PTH116
            os.close(descriptor)

    @pytest.mark.parametrize(
        "data", [b"", b"\0\0", b"\0\0\0\5{", b"\0\0\0\2[]", b"\xff\xff\xff\xff", b"\0\0\0\1x"]
    )
    def test_half_and_other_messages(self, data: bytes) -> None:
        """They are as good as none."""
        one, other = socket.socketpair()
        with other:
            with one:
                one.sendall(data)
            with pytest.raises(ConnectionLostError):
                receive(other)


class TestAttributes:
    """What processes inherit."""

    def test_they_travel_as_json(self) -> None:
        """And are the same afterwards; a process can always have its own."""
        import dataclasses

        own = Attributes.of_this_process()
        text = json.dumps(dataclasses.asdict(own))
        assert Attributes.from_json(json.loads(text)) == own
        assert own.obstacle(own) == ""

    @pytest.mark.parametrize(
        ("change", "reason"),
        [
            ({"nice": -20}, "higher priority"),
            ({"oom_score": -1000}, "higher priority"),
            ({"group": "0::/another"}, "another control group"),
        ],
    )
    def test_what_cannot_be_taken_is_refused(self, change: dict[str, object], reason: str) -> None:
        """A process can give up rights by itself, and not gain any."""
        from dataclasses import replace

        own = Attributes.of_this_process()
        assert reason in replace(own, **change).obstacle(own)  # type: ignore[arg-type]

    def test_higher_limits_are_refused(self) -> None:
        """And lower ones are not."""
        from dataclasses import replace

        own = Attributes.of_this_process()
        low = replace(own, limits={**own.limits, "RLIMIT_AS": (1000, 1000)})
        assert low.obstacle(own) == ""
        assert own.obstacle(low) == "the client has a higher RLIMIT_AS"


def test_an_announcement_may_be_missing_or_wrong(tmp_path: Path) -> None:
    """Then kernels start in the ordinary way."""
    assert announced_server(tmp_path / "none") is None
    (tmp_path / "socket").write_text(str(tmp_path / "nobody-listens"))
    server = announced_server(tmp_path / "socket")
    assert server is not None
    with pytest.raises(ServerGoneError):
        connect(server)


def test_shadowing_is_what_python_would_find(tmp_path: Path) -> None:
    """Modules and packages, and not what merely has such a name."""
    names = frozenset({"json", "csv"})
    (tmp_path / "json").mkdir()
    (tmp_path / "csv.txt").touch()
    assert preload.shadowed(tmp_path, names) == ""
    (tmp_path / "json" / "__init__.py").touch()
    assert preload.shadowed(tmp_path, names) == "json"
    assert preload.shadowed(Path(json.__file__).parents[1], names) == ""


def test_the_package_says_what_each_of_its_modules_is_for() -> None:
    """There are too many of them to find one's way without."""
    named = set(re.findall(r"`(\w+)`", str(warm.__doc__)))
    assert named == {module.name for module in pkgutil.iter_modules(warm.__path__)}


@pytest.mark.parametrize(
    "name",
    [
        *DAGSTER.later,
        *OF_A_SERVICE,
        *KERNELS.later,
        *(n for names in COMPANIONS.values() for n in names),
    ],
)
def test_hints_are_of_installed_packages(name: str) -> None:
    """Nothing depends on them; but a name that is gone is a start that is slower than need be."""
    if name == "dagster_postgres" or name.startswith("ipykernel"):
        pytest.importorskip(name)
    else:
        importlib.import_module(name)


@pytest.mark.integration
def test_a_rehearsal_leaves_nothing_behind(tmp_path: Path) -> None:
    """No thread, process, open file or temporary one, and not a word: runs are forked from there."""
    code = (
        "from autoflow_dagster.warm import preload, rehearsal\n"
        "before = preload.open_descriptors()\n"
        "rehearsal.rehearse_run()\n"
        "assert preload.doubt(before) == '', preload.doubt(before)"
    )
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env={**os.environ, "TMPDIR": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")
    assert list(tmp_path.iterdir()) == []
