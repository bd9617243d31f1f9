"""Execute the Dockerfile's steps in bare Debian roots, then run the example in the result.

For machines without a container engine: stages become directories, ``RUN`` becomes ``chroot``. The
service runs as a user whom the image does not know, without capabilities, on a read-only root; its
health check has to succeed meanwhile. What else a container engine isolates is not checked here.
Needs root, debootstrap, setpriv and the network.

    python scripts/image_check.py [--work DIR] [--keep]
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
UID = 12345
"""Of the user as whom the service runs: not the one in the Dockerfile, because any has to do."""

RUN_SECONDS = 900
BUILD_TOOLS = ("gcc", "cc", "make", "pip", "pip3")


@dataclass
class Stage:
    """A stage of the Dockerfile and the root that it became."""

    name: str
    root: Path
    environment: dict[str, str] = field(default_factory=dict)
    working_dir: str = "/"
    settings: dict[str, str] = field(default_factory=dict)


def instructions(text: str) -> list[tuple[str, str]]:
    """Return keyword and arguments of each instruction of a Dockerfile."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    return [
        (word.upper(), rest.strip())
        for word, _, rest in (line.strip().partition(" ") for line in joined.splitlines())
        if word
    ]


def build(text: str, work: Path) -> Stage:
    """Execute a Dockerfile; return its last stage."""
    stages: list[Stage] = []
    for word, rest in instructions(text):
        print(f"--- {word} {rest[:100]}", flush=True)
        if word == "FROM":
            stages.append(_begin(rest, work, len(stages)))
        else:
            _execute(word, rest, stages)
    return stages[-1]


def _begin(rest: str, work: Path, number: int) -> Stage:
    image, _, name = rest.partition(" AS ")
    suite = re.fullmatch(r"debian:(\w+)-slim", image)
    if suite is None:
        raise SystemExit(f"FROM {image}: only debian:SUITE-slim can be stood in for.")
    base = work / f"base-{suite[1]}"
    if not base.exists():
        partial = work / f"partial-{suite[1]}"
        shutil.rmtree(partial, ignore_errors=True)
        _run(["debootstrap", "--variant=minbase", suite[1], str(partial)])
        partial.rename(base)
    root = work / f"stage-{number}"
    _run(["rm", "-rf", "--one-file-system", str(root)])
    _run(["cp", "-a", str(base), str(root)])
    shutil.copy("/etc/resolv.conf", root / "etc/resolv.conf")
    return Stage(name.strip(), root)


def _execute(word: str, rest: str, stages: list[Stage]) -> None:
    stage = stages[-1]
    if word == "RUN":
        _run_in(stage, rest)
    elif word == "WORKDIR":
        stage.working_dir = rest
        (stage.root / rest.lstrip("/")).mkdir(parents=True, exist_ok=True)
    elif word == "ENV":
        for assignment in shlex.split(rest):
            name, _, value = assignment.partition("=")
            stage.environment[name] = value
    elif word == "COPY":
        _copy(rest.split(), stages)
    else:
        stage.settings[word] = rest


def _copy(words: list[str], stages: list[Stage]) -> None:
    stage, source_root = stages[-1], ROOT
    if words[0].startswith("--from="):
        name = words.pop(0).removeprefix("--from=")
        source_root = next(other.root for other in stages if other.name == name)
    *sources, target = words
    destination = stage.root / Path(stage.working_dir, target).as_posix().lstrip("/")
    for name in sources:
        source = source_root / name.lstrip("/")
        if source.is_dir():
            ignored = shutil.ignore_patterns("__pycache__") if source_root is ROOT else None
            shutil.copytree(source, destination, symlinks=True, ignore=ignored)
        else:
            shutil.copy(source, destination / source.name)


def _run_in(stage: Stage, command: str) -> None:
    """Execute a shell command in a stage, with what this machine needs to reach its registries."""
    pip = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
    certificates = Path("/etc/ssl/certs/ca-certificates.crt")
    inside = stage.root / "var/tmp/registry-certificates.crt"
    if certificates.exists():
        shutil.copy(certificates, inside)
        pip["PIP_CERT"] = f"/{inside.relative_to(stage.root)}"
    environment = {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "DEBIAN_FRONTEND": "noninteractive",
        **pip,
        **stage.environment,
    }
    try:
        _run(
            ["chroot", str(stage.root), "/bin/sh", "-c", f"cd {stage.working_dir} && {command}"],
            env=environment,
        )
    finally:
        inside.unlink(missing_ok=True)


def _run(command: list[str], env: dict[str, str] | None = None) -> None:
    done = subprocess.run(command, env=env, stdin=subprocess.DEVNULL, check=False)
    if done.returncode:
        raise SystemExit(f"failed with exit status {done.returncode}: {shlex.join(command)[:300]}")


def check(stage: Stage) -> None:
    """Run the example in the image, as somebody else than root, until every date is done."""
    tools = [
        t
        for t in BUILD_TOOLS
        for d in ("usr/bin", "opt/autoflow/bin")
        if (stage.root / d / t).exists()
    ]
    if tools:
        raise SystemExit(f"build tools in the image: {', '.join(tools)}")
    mounts = stage.root / "mounts"
    shutil.copytree(ROOT / "examples" / "inputs", mounts / "inputs", dirs_exist_ok=True)
    sys.path.insert(0, str(ROOT))
    from autoflow_dagster.demo.server import DemoFlowapi

    with DemoFlowapi(days=9, subscribers=200) as flowapi:
        environment = {
            **stage.environment,
            "FLOWAPI_URL": flowapi.url,
            "FLOWAPI_TOKEN": flowapi.token,
            "AUTOFLOW_SENSOR_INTERVAL": "2",
        }
        entry = json.loads(stage.settings["ENTRYPOINT"]) + json.loads(stage.settings["CMD"])
        entry += ["--once", "--port", "0", "--reports-port", "0"]
        user = ["setpriv", f"--reuid={UID}", f"--regid={UID}", "--clear-groups", "--no-new-privs"]
        inside = shlex.join(["chroot", str(stage.root), *user, "--bounding-set=-all"])
        script = f"{_mounts(stage.root)}exec {inside} {shlex.join(entry)}"
        environment["PATH"] += ":/usr/sbin:/sbin"
        service = subprocess.Popen(
            ["unshare", "--mount", "--pid", "--fork", "--kill-child", "/bin/sh", "-ec", script],
            env=environment,
            stdin=subprocess.DEVNULL,
        )
        probe = json.loads(stage.settings["HEALTHCHECK"].partition("CMD ")[2])
        was_healthy = _wait(service, [*shlex.split(inside), *probe], environment)
    notebooks = sorted((mounts / "outputs" / "notebooks").glob("*.ipynb"))
    reports = sorted((mounts / "outputs" / "reports").glob("*.pdf"))
    owners = {path.stat().st_uid for path in [*notebooks, *reports]}
    status = service.returncode
    print(f"exit status {status}, {len(notebooks)} notebooks, {len(reports)} reports")
    if not was_healthy:
        raise SystemExit("the health check has never succeeded while the service ran")
    if status or not notebooks or not reports or owners != {UID}:
        raise SystemExit(f"the example did not run to its end as user {UID} (owners: {owners})")


def _wait(service: subprocess.Popen[bytes], probe: list[str], environment: dict[str, str]) -> bool:
    """Wait for the service to end; return whether its health check has succeeded before."""
    was_healthy = False
    deadline = time.monotonic() + RUN_SECONDS
    while service.poll() is None:
        if time.monotonic() > deadline:
            service.kill()  # and with it everything in its process namespace
            service.wait()
            raise SystemExit(f"the service has not ended after {RUN_SECONDS} seconds")
        if not was_healthy:
            was_healthy = subprocess.run(probe, env=environment, check=False).returncode == 0
        time.sleep(2)
    return was_healthy


def _mounts(root: Path) -> str:
    """Return commands after which `root` is read-only but for outputs and /tmp, as in a container."""
    return "\n".join(
        [
            "mount --make-rprivate /",
            f"mount --bind {root} {root}",
            f"mount --bind {root}/mounts/outputs {root}/mounts/outputs",
            f"mount -t proc proc {root}/proc",
            f"mount -t tmpfs -o mode=1777 tmpfs {root}/tmp",
            f"mount -t tmpfs -o mode=1777 tmpfs {root}/dev/shm",
            f"mount -o remount,bind,ro {root}",
            "",
        ]
    )


def main() -> None:
    """Build and check."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--work", type=Path, default=Path(tempfile.gettempdir()) / "autoflow-image-check"
    )
    parser.add_argument("--keep", action="store_true", help="Keep the stages' roots.")
    arguments = parser.parse_args()
    missing = [name for name in ("debootstrap", "setpriv", "unshare") if not shutil.which(name)]
    if os.geteuid() != 0 or missing:
        raise SystemExit("Run it as root, after: apt-get install debootstrap util-linux")
    arguments.work.mkdir(parents=True, exist_ok=True)
    stage = build((ROOT / "Dockerfile").read_text(), arguments.work)
    check(stage)
    if not arguments.keep:
        for number in range(9):
            _run(["rm", "-rf", "--one-file-system", str(arguments.work / f"stage-{number}")])
    print("the image's steps work, and the example runs in it")


if __name__ == "__main__":
    main()
