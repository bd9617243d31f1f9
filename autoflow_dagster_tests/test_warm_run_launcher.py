"""Launching runs, warm and in the ordinary way: they start, are seen to die, and are ended."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from dagster import DagsterInstance, DagsterRun, DagsterRunStatus
from dagster._core.definitions.reconstruct import ReconstructableRepository
from dagster._core.launcher.base import WorkerStatus
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import EmptyWorkspaceTarget
from dagster._daemon.monitoring.run_monitoring import execute_run_monitoring_iteration

from autoflow_dagster.warm.asking import NotWarmError, Request
from autoflow_dagster.warm.gated_process import GatedProcess
from autoflow_dagster.warm.keeper import Keeper
from autoflow_dagster.warm.leftovers import end_runs, runs_of
from autoflow_dagster.warm.process_identity import ProcessIdentity
from autoflow_dagster.warm.run_launcher import TAG_WORKER, AutoflowRunLauncher
from autoflow_dagster_tests.conftest import wait_for

pytestmark = pytest.mark.integration

GRACE_SECONDS = 2

START_SECONDS = 20
"""Within which a run ends that is cancelled at its start; Dagster itself would wait for 60."""

DAGSTER_YAML = f"""
telemetry:
  enabled: false
run_monitoring:
  enabled: true
run_launcher:
  module: autoflow_dagster.warm.run_launcher
  class: AutoflowRunLauncher
  config:
    terminate_grace_seconds: {GRACE_SECONDS}
"""

DEFINITIONS = textwrap.dedent(
    '''
    """Jobs to launch; they leave traces in the directory of this file."""

    import json, os, resource, signal, sys, threading, time
    from pathlib import Path

    import dagster as dg

    HERE = Path(__file__).parent

    if sys.argv[1:3] == ["api", "execute_run"] and (HERE / "load slowly").exists():
        (HERE / "waiting").touch()
        while not (HERE / "go on").exists():
            time.sleep(0.05)

    @dg.op
    def be_quick():
        pass

    @dg.op
    def tell():
        main = sys.modules["__main__"]
        os.umask(umask := os.umask(0))
        facts = {
            "argv": [sys.argv[0], sys.argv[1:3], len(sys.argv)],
            "orig_argv": sys.orig_argv[:5],
            "executable": sys.executable,
            "main": [main.__name__, main.__spec__.name, main.__file__],
            "path": sys.path,
            "environment": {k: v for k, v in os.environ.items()},
            "working directory": os.getcwd(),
            "leads its session": os.getpid() == os.getsid(0) == os.getpgrp(),
            "umask": umask,
            "limits": [resource.getrlimit(n) for n in range(16)],
            "input": os.readlink("/proc/self/fd/0"),
            "signals": {str(n): str(signal.getsignal(n)).split(" at ")[0]
                        for n in sorted(signal.valid_signals())},
            "main thread": threading.current_thread() is threading.main_thread(),
        }
        (HERE / "facts.json").write_text(json.dumps(facts))

    @dg.op
    def wait():
        (HERE / "waiting").touch()
        while not (HERE / "go on").exists():
            time.sleep(0.05)

    @dg.op
    def wait_stubbornly():
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        (HERE / "waiting").touch()
        time.sleep(600)

    @dg.op
    def hold_a_kernel():
        from autoflow_dagster_tests.kernel_sessions import KernelSession
        from autoflow_dagster.warm.warm_kernels import kernel_server
        from autoflow_dagster.notebooks.kernel_environment import kernel_environment
        from autoflow_dagster.settings import Settings

        settings = Settings.from_environ(os.environ)
        environment = kernel_environment(settings.environ)
        with KernelSession(kernel_server(settings), HERE, environment) as kernel:
            (HERE / "kernel").write_text(f"{kernel.is_warm} {kernel.pid}")
            (HERE / "waiting").touch()
            kernel.run("import time; time.sleep(600)")

    def job_of(op):
        @dg.job(name=f"{op.name}_job", executor_def=dg.in_process_executor)
        def job():
            op()
        return job

    defs = dg.Definitions(jobs=[
        job_of(op) for op in (be_quick, tell, wait, wait_stubbornly, hold_a_kernel)
    ])
    '''
)


class Place:
    """A Dagster instance with our launcher, and a file of definitions.

    Attributes
    ----------
    directory : Path
        Of the definitions; jobs leave traces there.
    """

    def __init__(self, home: Path, directory: Path) -> None:
        self.home, self.directory = home, directory
        home.mkdir()
        directory.mkdir()
        (home / "dagster.yaml").write_text(DAGSTER_YAML)
        self.definitions.write_text(DEFINITIONS)
        self.instance = DagsterInstance.from_config(str(home))

    @property
    def definitions(self) -> Path:
        """The file of definitions."""
        return self.directory / "definitions.py"

    @property
    def launcher(self) -> AutoflowRunLauncher:
        """The launcher that ``dagster.yaml`` names."""
        launcher = self.instance.run_launcher
        assert isinstance(launcher, AutoflowRunLauncher)
        return launcher

    def create(self, job_name: str) -> DagsterRun:
        """Create a run of a job."""
        repository = ReconstructableRepository.for_file(
            str(self.definitions), "defs", str(self.directory)
        )
        job = repository.get_reconstructable_job(job_name)
        return self.instance.create_run_for_job(
            job.get_definition(), job_code_origin=job.get_python_origin()
        )

    def launch(self, job_name: str) -> str:
        """Launch a job; return the run's id."""
        run = self.create(job_name)
        # pytest sets it for each test; a run with another environment does not start warm.
        os.environ.pop("PYTEST_CURRENT_TEST", None)
        self.instance.launch_run(run.run_id, None)  # type: ignore[arg-type]
        return run.run_id

    def run(self, run_id: str) -> DagsterRun:
        """Return a run as it is now."""
        run = self.instance.get_run_by_id(run_id)
        assert run is not None
        return run

    def ended(self, run_id: str) -> DagsterRunStatus:
        """Wait until a run has ended; return how."""
        wait_for("the run to end", lambda: self.run(run_id).is_finished)
        return self.run(run_id).status

    def worker(self, run_id: str) -> ProcessIdentity:
        """Return the process that was recorded for a run."""
        identity = ProcessIdentity.parse(self.run(run_id).tags[TAG_WORKER])
        assert identity is not None
        return identity

    def is_warm(self, run_id: str) -> bool:
        """Return whether a run's process, which has to be alive, was forked."""
        return Path(f"/proc/{self.worker(run_id).pid}/comm").read_text().strip() == "autoflow-run"

    def wait_until_waiting(self) -> None:
        """Wait until a job waits."""
        wait_for("the job to wait", (self.directory / "waiting").exists)

    def monitor(self) -> None:
        """Do what the daemon does every few seconds."""
        with WorkspaceProcessContext(self.instance, EmptyWorkspaceTarget()) as workspace:
            for error in execute_run_monitoring_iteration(workspace, logging.getLogger("monitor")):
                assert error is None

    def failure(self, run_id: str) -> str:
        """Return why a run failed."""
        messages = [entry.message for entry in self.instance.all_logs(run_id)]
        return next(message for message in messages if "as failed" in message)


@pytest.fixture(scope="module")
def module_place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """An instance for all tests: its fork servers take seconds to start."""
    directory = tmp_path_factory.mktemp("place")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DAGSTER_HOME", str(directory / "home"))
        patch.setenv("AUTOFLOW_WARM_RUNS", "on")
        patch.setenv("AUTOFLOW_WARM_KERNELS", "off")
        patch.setenv("GREETING", "good day")
        patch.chdir(directory)
        place = Place(directory / "home", directory / "project")
        yield place
        place.instance.dispose()


@pytest.fixture
def place(module_place: Place) -> Iterator[Place]:
    """An instance whose runs end with the test."""
    yield module_place
    for run in module_place.instance.get_runs():
        identity = ProcessIdentity.parse(run.tags.get(TAG_WORKER, ""))
        if identity is not None:
            identity.send_signal(signal.SIGKILL)
    for trace in ("waiting", "go on", "load slowly", "kernel", "facts.json"):
        (module_place.directory / trace).unlink(missing_ok=True)
    module_place.definitions.write_text(DEFINITIONS)


@pytest.fixture(params=["on", "off"])
def either(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, place: Place) -> Place:
    """The same with warm runs on and off."""
    monkeypatch.setenv("AUTOFLOW_WARM_RUNS", request.param)
    return place


def test_a_warm_run_is_like_an_ordinary_one(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Arguments, environment, directory, session, signals and limits of its process are the same."""
    facts = []
    for switch in ("on", "off"):
        monkeypatch.setenv("AUTOFLOW_WARM_RUNS", switch)
        assert place.ended(place.launch("tell_job")) is DagsterRunStatus.SUCCESS
        facts.append(json.loads((place.directory / "facts.json").read_text()))
    warm, cold = facts
    for made_by_the_shell in ("_", "PWD", "OLDPWD", "SHLVL", "AUTOFLOW_WARM_RUNS"):
        warm["environment"].pop(made_by_the_shell, None)
        cold["environment"].pop(made_by_the_shell, None)
    assert {n: (warm[n], cold[n]) for n in cold if warm[n] != cold[n]} == {}
    assert warm["environment"]["GREETING"] == "good day"


def test_a_run_is_warm_when_it_is_to_be(either: Place) -> None:
    """And not otherwise."""
    run_id = either.launch("wait_job")
    either.wait_until_waiting()
    assert either.is_warm(run_id) == (os.environ["AUTOFLOW_WARM_RUNS"] == "on")
    (either.directory / "go on").touch()
    assert either.ended(run_id) is DagsterRunStatus.SUCCESS


def test_definitions_are_never_stale(place: Place) -> None:
    """Each run builds them anew: what is edited counts at once."""
    assert place.ended(place.launch("be_quick_job")) is DagsterRunStatus.SUCCESS
    text = place.definitions.read_text()
    edited = text.replace("def be_quick():\n    pass", "def be_quick():\n    1 / 0")
    assert edited != text
    place.definitions.write_text(edited)
    assert place.ended(place.launch("be_quick_job")) is DagsterRunStatus.FAILURE


def test_a_run_whose_process_was_killed_fails(either: Place) -> None:
    """At the next look of the daemon, saying why; until then it is known to be alive."""
    run_id = either.launch("wait_job")
    either.wait_until_waiting()
    either.monitor()
    assert either.run(run_id).status is DagsterRunStatus.STARTED
    worker = either.worker(run_id)
    os.kill(worker.pid, signal.SIGKILL)
    wait_for("the process to end", lambda: not worker.is_running)
    either.monitor()
    assert either.run(run_id).status is DagsterRunStatus.FAILURE
    assert f"The run's process {worker.pid} has ended without saying how" in either.failure(run_id)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"boot": "another-boot"}, "was lost when the machine or container was restarted"),
        ({"namespace": "pid:[1]"}, "was lost when the machine or container was restarted"),
        ({"started": 1}, "has ended without saying how"),
    ],
)
def test_a_pid_that_means_another_process_is_not_mistaken(
    place: Place, change: dict[str, Any], message: str
) -> None:
    """After a restart, or when the pid was given to another process: the run fails, nobody is hit."""
    run = place.create("wait_job")
    own = ProcessIdentity.of(os.getpid())
    assert own is not None
    other = replace(own, **change)
    place.instance.add_run_tags(run.run_id, {TAG_WORKER: str(other)})
    result = place.launcher.check_run_worker_health(place.run(run.run_id))
    assert result.status is WorkerStatus.FAILED
    assert message in str(result.msg)
    assert not other.send_signal(signal.SIGKILL)


def test_a_run_without_a_process_is_not_alive(place: Place) -> None:
    """For whatever reason none was recorded."""
    result = place.launcher.check_run_worker_health(place.create("wait_job"))
    assert result.status is WorkerStatus.NOT_FOUND


def test_a_cancelled_run_ends_with_its_kernel(
    either: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As cancelled, by itself, long before it would be killed."""
    monkeypatch.setenv("AUTOFLOW_WARM_KERNELS", os.environ["AUTOFLOW_WARM_RUNS"])
    monkeypatch.setenv("AUTOFLOW_WARM_MODULES", "json")
    run_id = either.launch("hold_a_kernel_job")
    either.wait_until_waiting()
    is_warm, pid = (either.directory / "kernel").read_text().split()
    assert is_warm == str(os.environ["AUTOFLOW_WARM_RUNS"] == "on")
    kernel = ProcessIdentity.of(int(pid))
    assert kernel is not None
    assert kernel.is_running
    assert either.launcher.terminate(run_id)
    assert either.ended(run_id) is DagsterRunStatus.CANCELED
    wait_for("the kernel to end", lambda: not kernel.is_running)
    wait_for("the process to end", lambda: not either.worker(run_id).is_running)
    assert not either.launcher.terminate(run_id)


def test_a_run_can_be_cancelled_as_soon_as_it_was_launched(either: Place) -> None:
    """Its process does not know yet that it is to say how it ended."""
    run_id = either.launch("wait_job")
    worker = either.worker(run_id)
    assert either.launcher.terminate(run_id)
    wait_for("the run to end", lambda: either.run(run_id).is_finished, START_SECONDS)
    assert either.run(run_id).status is DagsterRunStatus.CANCELED
    assert not worker.is_running


def test_a_run_can_be_cancelled_before_it_begins(either: Place) -> None:
    """Told by Dagster that it was cancelled, it would take itself for one that runs elsewhere."""
    (either.directory / "load slowly").touch()
    run_id = either.launch("wait_job")
    either.wait_until_waiting()
    worker = either.worker(run_id)
    assert either.launcher.terminate(run_id)
    (either.directory / "go on").touch()
    wait_for("the run to end", lambda: either.run(run_id).is_finished, START_SECONDS)
    assert either.run(run_id).status is DagsterRunStatus.CANCELED
    assert not worker.is_running


def test_a_run_that_ends_without_a_word_is_cancelled(either: Place) -> None:
    """Somebody killed its process meanwhile."""
    run_id = either.launch("wait_stubbornly_job")
    either.wait_until_waiting()
    worker = either.worker(run_id)
    assert either.launcher.terminate(run_id)
    worker.send_signal(signal.SIGKILL)
    wait_for("the run to end", lambda: either.run(run_id).is_finished, START_SECONDS)
    assert either.run(run_id).status is DagsterRunStatus.CANCELED


def test_a_run_that_does_not_end_is_killed(either: Place) -> None:
    """After the grace period; it is reported as cancelled, as it cannot do so itself."""
    run_id = either.launch("wait_stubbornly_job")
    either.wait_until_waiting()
    worker = either.worker(run_id)
    assert either.launcher.terminate(run_id)
    assert either.ended(run_id) is DagsterRunStatus.CANCELED
    assert not worker.is_running


def test_a_run_that_does_not_end_is_killed_when_the_service_stops(place: Place) -> None:
    """At once: nobody would be there to do so later."""
    run_id = place.launch("wait_stubbornly_job")
    place.wait_until_waiting()
    worker = place.worker(run_id)
    with DagsterInstance.from_config(str(place.home)) as other:
        other.run_launcher.terminate(run_id)
    wait_for("the process to end", lambda: not worker.is_running, GRACE_SECONDS)


def test_a_run_without_a_process_can_be_cancelled(place: Place) -> None:
    """Nobody else would end it."""
    run_id = place.launch("wait_job")
    place.wait_until_waiting()
    os.kill(place.worker(run_id).pid, signal.SIGKILL)
    wait_for("the process to end", lambda: not place.worker(run_id).is_running)
    assert place.launcher.terminate(run_id)
    assert place.run(run_id).status is DagsterRunStatus.CANCELED


def test_a_run_goes_on_without_the_daemon(either: Place) -> None:
    """A daemon that is killed leaves its runs; the next one sees and cancels them."""
    script = textwrap.dedent(
        """
        import sys, time
        from dagster import DagsterInstance
        with DagsterInstance.get() as instance:
            instance.launch_run(sys.argv[1], None)
            print("launched", flush=True)
            time.sleep(600)
        """
    )
    run_id = either.create("wait_job").run_id
    command = [sys.executable, "-c", script, run_id]
    with subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True) as daemon:
        assert daemon.stdout is not None
        assert daemon.stdout.readline() == b"launched\n"
        either.wait_until_waiting()
        os.killpg(daemon.pid, signal.SIGKILL)
    health = either.launcher.check_run_worker_health(either.run(run_id))
    assert health.status is WorkerStatus.RUNNING
    (either.directory / "go on").touch()
    assert either.ended(run_id) is DagsterRunStatus.SUCCESS


@pytest.mark.parametrize(("job_name", "killed"), [("wait_job", 0), ("wait_stubbornly_job", 1)])
def test_the_service_can_end_all_its_runs(either: Place, job_name: str, killed: int) -> None:
    """Those that do not end when they are asked to are killed; other instances' go on."""
    run_id = either.launch(job_name)
    either.wait_until_waiting()
    worker = either.worker(run_id)
    assert end_runs(either.home / "other", 1) == 0
    assert runs_of(either.home) == [worker]
    grace_seconds = GRACE_SECONDS if killed else 60  # an orderly end may take a while
    assert end_runs(either.home, grace_seconds) == killed
    wait_for("the process to end", lambda: not worker.is_running)
    if not killed:
        assert either.run(run_id).status is DagsterRunStatus.FAILURE


def test_runs_start_when_fork_servers_cannot(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that dies when it starts costs warmth and nothing else."""
    fatal = "import os, sys\nif 'server_process' in str(sys.orig_argv): os._exit(1)"
    (tmp_path / "sitecustomize.py").write_text(fatal)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with DagsterInstance.from_config(str(place.home)) as other:
        for _ in range(2):
            run_id = place.create("be_quick_job").run_id
            other.launch_run(run_id, None)  # type: ignore[arg-type]
            assert place.ended(run_id) is DagsterRunStatus.SUCCESS


@pytest.fixture(scope="module")
def keeper() -> Iterator[Keeper]:
    """Owner of a fork server for runs."""
    keeper = Keeper("dagster")
    yield keeper
    keeper.close()


ENVIRONMENT = dict(os.environ)


def _request(*arguments: str, module: str = "dagster", directory: Path | None = None) -> Request:
    return Request(
        executable=sys.executable,
        module=module,
        arguments=arguments,
        environment=ENVIRONMENT,
        working_dir=directory or Path("/"),
        files=(0, 1, 2),
        attached=False,
        process_name="autoflow-run",
    )


def test_nothing_runs_before_it_is_recorded(keeper: Keeper, tmp_path: Path) -> None:
    """A process that nobody tells to go ends and does nothing, forked or not."""
    started: list[Callable[[], Any]] = [
        lambda: keeper.ask(_request("--version")),
        lambda: GatedProcess([sys.executable, "-c", f"open({str(tmp_path / 'p')!r}, 'w')"], {}),
    ]
    for start in started:
        process = start()
        identity = ProcessIdentity.of(process.pid)
        assert identity is not None
        process.close()
        wait_for("the process to end", lambda i=identity: not i.is_running)  # type: ignore[misc]
        with contextlib.suppress(AttributeError):
            wait_for("its status", process.has_ended)
    assert not (tmp_path / "p").exists()


def test_a_fork_server_runs_nothing_else(keeper: Keeper) -> None:
    """It is for Dagster's own programs only."""
    with pytest.raises(NotWarmError, match=r"only dagster, .*, dagster_webserver can be run"):
        keeper.ask(_request("--help", module="http.server"))


def test_a_directory_that_is_gone_is_the_callers_error(keeper: Keeper, tmp_path: Path) -> None:
    """As when a process is started there in the ordinary way."""
    with pytest.raises(NotWarmError, match="cannot be read"):
        keeper.ask(_request("--version", directory=tmp_path / "gone"))
