"""The systemd unit: read by systemd's own checker, and lived by a daemon that is told to stop."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

from alpha.errors import AlphaError, ConfigError, NotFound, TimedOut
from tests.acceptance.daemons import installation
from tests.conftest import ROOT
from tests.deploy.supervisor import NotifySocket
from tests.until import until

UNIT = ROOT / "deploy" / "alpha.service"
#: The worst exposure that `systemd-analyze security` may find, of 100; it finds 15.
EXPOSURE = 20

needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="needs systemd-analyze on PATH"
)


def settings() -> dict[str, list[str]]:
    """The values of each key of the unit, in order; sections share no key."""
    found: dict[str, list[str]] = defaultdict(list)
    for line in UNIT.read_text("utf-8").splitlines():
        if line and line[0] not in "#[":
            key, _, value = line.partition("=")
            found[key].append(value)
    return found


def only(key: str) -> str:
    (value,) = settings()[key]
    return value


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["systemd-analyze", *arguments], capture_output=True, text=True, timeout=60, check=False
    )


def watchdog_s() -> float:
    text = only("WatchdogSec")
    assert text.endswith("s") and text[:-1].isdigit(), text
    return float(text[:-1])


@needs_systemd
def test_systemd_accepts_it(tmp_path: Path) -> None:
    # The checker looks for the program, which is installed where the unit is, not here.
    program = only("ExecStart").split()[0]
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text("utf-8").replace(program, sys.executable), encoding="utf-8")
    done = analyze("verify", str(unit))
    assert (done.returncode, done.stderr) == (0, "")


@needs_systemd
def test_systemd_notices_what_is_wrong_in_it(tmp_path: Path) -> None:
    """What the test above relies on."""
    program = only("ExecStart").split()[0]
    text = UNIT.read_text("utf-8").replace(program, sys.executable)
    unit = tmp_path / UNIT.name
    unit.write_text(text.replace("Restart=on-failure", "Restart=whenever"), encoding="utf-8")
    assert "whenever" in analyze("verify", str(unit)).stderr


@needs_systemd
def test_it_may_do_little() -> None:
    done = analyze("security", "--offline=true", f"--threshold={EXPOSURE}", str(UNIT))
    assert done.returncode == 0, done.stdout


def test_it_is_supervised_and_run_by_a_user_of_its_own() -> None:
    assert only("Type") == "notify"
    assert only("NotifyAccess") == "main"
    assert only("Restart") == "on-failure"
    assert only("User") not in ("", "root")
    assert 5 <= watchdog_s() <= 60


def test_a_long_start_is_not_cut_off() -> None:
    """The change of a large database and the backup before it."""
    assert only("TimeoutStartSec") == "infinity"


def test_a_stop_reaches_the_daemon_alone() -> None:
    """Its servers take SIGTERM for themselves, and would be gone before its last write."""
    assert only("KillSignal") == "SIGTERM"
    assert only("KillMode") == "mixed"
    assert "ExecStop" not in settings()


def test_what_stays_wrong_is_not_tried_again() -> None:
    given_up = {int(word) for word in only("RestartPreventExitStatus").split()}
    assert given_up == {ConfigError.exit_code, NotFound.exit_code}
    # A database that was away for too long, or any other failure, may be over soon.
    assert not given_up & {AlphaError.exit_code, TimedOut.exit_code}


def test_its_data_are_where_it_may_write() -> None:
    home = only("WorkingDirectory")
    assert only("ProtectSystem") == "strict"
    assert home == f"/var/lib/{only('StateDirectory')}"
    assert f"ALPHA__DATA_DIR={home}" in only("Environment").split()


def test_secrets_come_from_a_file_that_need_not_be_there() -> None:
    assert only("EnvironmentFile").startswith("-/etc/")


async def test_a_daemon_tells_systemd_when_it_is_ready_lives_and_leaves(
    server_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deadline_s = watchdog_s() / 10  # the same protocol, sooner
    systemd = NotifySocket(server_folder / "notify", watchdog_s=deadline_s)
    for name, value in systemd.environment.items():
        monkeypatch.setenv(name, value)
    try:
        with installation(server_folder) as home:
            daemon = home.start("--bots", "none")
            await until(
                lambda: systemd.heard("READY=1") or daemon.poll() is not None,
                "READY=1",
                within_s=60,
            )
            assert daemon.poll() is None, home.log
            fed = systemd.listen().count("WATCHDOG=1")
            await until(
                lambda: systemd.listen().count("WATCHDOG=1") >= fed + 3,
                "three feeds in the time of two deadlines",
                within_s=2 * deadline_s,
            )
            assert not systemd.heard("STOPPING=1")
            assert home.stop(daemon) == 0
            assert systemd.heard("STOPPING=1")
    finally:
        systemd.close()
