"""The Dockerfile, read as Docker reads it; its health check is run against a real daemon."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from tests.acceptance.daemons import Installation, installation
from tests.conftest import ROOT


@dataclass(frozen=True)
class Instruction:
    name: str
    text: str


def instructions() -> list[Instruction]:
    """The instructions in order, with continued lines joined and comments left out."""
    found: list[Instruction] = []
    pending = ""
    for line in (ROOT / "Dockerfile").read_text("utf-8").splitlines():
        if line.lstrip().startswith("#") or not (pending or line.strip()):
            continue
        pending += line.strip()
        if pending.endswith("\\"):
            pending = pending[:-1]
            continue
        name, _, text = pending.partition(" ")
        found.append(Instruction(name, text.strip()))
        pending = ""
    return found


def stages() -> list[list[Instruction]]:
    found: list[list[Instruction]] = []
    for instruction in instructions():
        if instruction.name == "FROM":
            found.append([])
        if found:
            found[-1].append(instruction)
    return found


def of(name: str, stage: int = -1) -> list[str]:
    return [one.text for one in stages()[stage] if one.name == name]


def sources() -> list[str]:
    """What is copied out of the build context."""
    found: list[str] = []
    for stage in range(len(stages())):
        for text in of("COPY", stage):
            if not text.startswith("--from="):
                found += text.split()[:-1]
    return found


def test_one_process_gets_the_signals() -> None:
    """The exec form: a shell in between would keep SIGTERM for itself."""
    (entry,), (command,) = of("ENTRYPOINT"), of("CMD")
    assert json.loads(entry) == ["alpha"]
    assert json.loads(command) == ["run"]
    assert of("STOPSIGNAL") == ["SIGTERM"]


def test_it_runs_as_a_user_without_rights_who_owns_the_data() -> None:
    names = [one.name for one in stages()[-1]]
    (user,) = of("USER")
    assert user not in ("root", "0")
    assert names.index("USER") < names.index("VOLUME")
    assert not any(one.name == "RUN" for one in stages()[-1][names.index("USER") :])
    assert of("VOLUME") == of("WORKDIR") == ["/var/lib/alpha"]
    assert any("ALPHA__DATA_DIR=/var/lib/alpha" in text.split() for text in of("ENV"))


def test_everything_it_installs_is_in_the_lock() -> None:
    """The package itself is installed without anything that it would ask for."""
    installs = [
        command
        for stage in range(len(stages()))
        for text in of("RUN", stage)
        for command in text.split("&&")
        if " install " in f" {command} "
    ]
    assert len(installs) == 2
    for command in installs:
        locked = "--require-hashes -r requirements/runtime.txt" in command
        alone = "--no-deps --no-build-isolation ." in command
        assert locked != alone, command


def test_what_it_copies_is_there_and_not_ignored() -> None:
    allowed = [
        line[1:]
        for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines()
        if line.startswith("!")
    ]
    for source in sources():
        assert (ROOT / source).exists(), source
        assert source.rstrip("/") in allowed, source
    assert {source.rstrip("/") for source in sources()} == set(allowed)


def test_nothing_else_is_sent_to_the_builder() -> None:
    """Data, the history and whatever else lies in the folder stay outside."""
    lines = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    excluded = [rule for rule in rules[1:] if not rule.startswith("!")]
    assert any(fnmatch("alpha/core/__pycache__", rule) for rule in excluded)


def test_the_package_builds_from_what_is_copied(tmp_path: Path) -> None:
    """A file that the build begins to need has to be copied too."""
    context = tmp_path / "source"
    for source in sources():
        target = context / source
        target.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["cp", "-R", str(ROOT / source).rstrip("/"), str(target)], check=True)
    done = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=context,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.glob("alpha-*.whl"))


async def test_it_is_healthy_while_a_daemon_answers_and_only_then(server_folder: Path) -> None:
    with installation(server_folder) as home:
        daemon = home.start("--bots", "none")
        await home.ready()
        assert _health(home) == 0
        assert home.stop(daemon) == 0
        assert home.json("status")["source"] == "database"  # an answer, and yet not health
        assert _health(home) != 0


def _health(home: Installation) -> int:
    (text,) = of("HEALTHCHECK")
    command = text.partition(" CMD ")[2].strip()
    assert command.split()[:3] == ["alpha", "status", "--json"]
    program = home.folder / "alpha"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m alpha "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    path = f"{home.folder}{os.pathsep}{os.environ['PATH']}"
    # As in the image: the settings are those of the folder where it stands.
    return subprocess.run(
        ["/bin/sh", "-c", command],
        cwd=home.folder,
        env={**os.environ, "PATH": path, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        timeout=60,
        check=False,
    ).returncode
