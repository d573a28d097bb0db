"""Where the servers' data lie, and as whom the servers run.

PostgreSQL refuses to run as root. Started by root, both servers run as an unprivileged user: the
owner of data that exist already, else `nobody`. Their data stay in the data_dir when that user
can reach it, else they go to /var/lib/alpha; no permission of a folder that is not ours changes.
"""

from __future__ import annotations

import hashlib
import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path

from alpha.errors import ConfigError

SYSTEM_HOME = Path("/var/lib/alpha")
_UNPRIVILEGED = "nobody"
_POINTER = "servers.path"
#: A socket's path may have 107 bytes on Linux, 103 elsewhere; the longest name in the folder
#: (`redis-testnet.keeper`) and its slash have 21.
_RUN_LIMIT = 103 - 21


@dataclass(frozen=True, slots=True)
class Place:
    """`home` holds the servers' data and logs, `run` their sockets. `uid` and `gid` are None
    when the servers run as this process does."""

    home: Path
    run: Path
    uid: int | None
    gid: int | None
    user: str

    def make(self, folder: Path) -> Path:
        """A folder of the servers' user that nobody else can enter."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self.uid is not None and self.gid is not None and folder.stat().st_uid != self.uid:
            os.chown(folder, self.uid, self.gid)
        return folder


def find_place(data_dir: Path, *, system_home: Path = SYSTEM_HOME) -> Place:
    """The place of a data_dir: the same at every start. Raises ConfigError when this user can
    neither use the data that are there nor make new ones."""
    data_dir = data_dir.resolve()
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"expected a data_dir that can be made, was {data_dir}: {error.strerror}; "
            f"choose another data_dir"
        ) from None
    place = (_as_root if os.geteuid() == 0 else _as_user)(data_dir, system_home)
    _check_run(place)
    return place


def make_open(folder: Path) -> Path:
    """A folder of our own that every user can read, whatever the umask; those above it are made
    like it where they are missing."""
    missing = [step for step in (folder, *folder.parents) if not step.exists()]
    for step in reversed(missing):
        step.mkdir(exist_ok=True)
        step.chmod(0o755)
    return folder


def reachable(folder: Path, uid: int, gid: int) -> bool:
    """Whether that user may pass through every folder down to, and into, this one."""
    return all(_allows(step, uid, gid, 0o1) for step in (folder, *folder.parents))


def readable(file: Path, uid: int, gid: int) -> bool:
    """Whether that user may read and execute the file."""
    return reachable(file.parent, uid, gid) and _allows(file, uid, gid, 0o5)


def _allows(path: Path, uid: int, gid: int, bits: int) -> bool:
    found = path.stat()
    shift = 6 if found.st_uid == uid else 3 if found.st_gid == gid else 0
    return (found.st_mode >> shift) & bits == bits


def _as_root(data_dir: Path, system_home: Path) -> Place:
    pointer = data_dir / _POINTER
    home = Path(pointer.read_text("utf-8").strip()) if pointer.exists() else data_dir
    if not home.is_dir():
        raise ConfigError(
            f"expected the server data of {data_dir} in {home}, was no such folder; "
            f"restore it, or remove {pointer} to begin anew"
        )
    owner = _owner_of_data(home)
    user = _unprivileged() if owner is None else pwd.getpwuid(owner)
    if owner is None and not reachable(home, user.pw_uid, user.pw_gid):
        home = system_home / hashlib.sha256(str(data_dir).encode()).hexdigest()[:12]
        make_open(home)
        pointer.write_text(f"{home}\n", encoding="utf-8")
    if not reachable(home, user.pw_uid, user.pw_gid):
        raise ConfigError(
            f"expected the server data in {home} to be reachable by user {user.pw_name}, "
            f"were not; open the folders above them to that user or choose another data_dir"
        )
    run = _run_folder(home, user.pw_uid)
    return Place(home, run, user.pw_uid, user.pw_gid, user.pw_name)


def _as_user(data_dir: Path, system_home: Path) -> Place:
    uid = os.geteuid()
    pointer = data_dir / _POINTER
    owner = _owner_of_data(data_dir)
    if pointer.exists() or owner not in (None, uid):
        whose = "root" if pointer.exists() else _name_of(owner)
        raise ConfigError(
            f"expected the server data of {data_dir} to be those of user {_name_of(uid)}, "
            f"were made by user {whose}; run as that user or choose another data_dir"
        )
    return Place(data_dir, _run_folder(data_dir, uid), None, None, _name_of(uid))


def _owner_of_data(home: Path) -> int | None:
    """Whose the servers' data are; None while there are none."""
    for folder in (home / "pg", *sorted(home.glob("redis-*"))):
        if folder.is_dir() and folder.stat().st_uid != 0:
            return folder.stat().st_uid
    return None


def _run_folder(home: Path, uid: int) -> Path:
    """Deterministic, so that every process finds the same sockets."""
    run = home / "sockets"
    if len(os.fsencode(run)) <= _RUN_LIMIT:
        return run
    return Path("/tmp") / f"alpha-{uid}-{hashlib.sha256(str(home).encode()).hexdigest()[:12]}"


def _check_run(place: Place) -> None:
    """In /tmp anybody could have made a folder of that name first."""
    place.make(place.run)
    found = place.run.lstat()
    expected = os.geteuid() if place.uid is None else place.uid
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != expected or found.st_mode & 0o077:
        raise ConfigError(
            f"expected {place.run} to be a folder of user {place.user} alone, was not; "
            f"remove it or choose a data_dir with a shorter path"
        )


def _unprivileged() -> pwd.struct_passwd:
    try:
        return pwd.getpwnam(_UNPRIVILEGED)
    except KeyError:
        raise ConfigError(
            f"expected a user {_UNPRIVILEGED!r} for the servers to run as, was none; "
            f"run as a normal user or set [postgres] url and [redis] url"
        ) from None


def _name_of(uid: int | None) -> str:
    try:
        return pwd.getpwuid(uid or 0).pw_name
    except KeyError:
        return str(uid)
