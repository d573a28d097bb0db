"""What has to be the same on two machines so that they compute the same backtest: Python's version
(the sum of floats is not that of 3.11 from 3.12 on), the files of Alpha, and those of plugins that
are installed packages."""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping
from hashlib import sha256
from importlib import metadata, util
from pathlib import Path

import alpha
from alpha.bots.discovery import GROUP

PYTHON = "Python"
#: Differences that are named.
NAMED = 3


def fingerprint(plugins: Collection[str]) -> dict[str, str]:
    """Digest by file, version by name."""
    ours = Path(alpha.__file__).parent
    found = {PYTHON: f"{sys.version_info.major}.{sys.version_info.minor}"}
    for path in files_below(ours):
        inside = path.relative_to(ours)
        # A wheel carries the plugins inside; those of folders are sent along.
        if path.suffix == ".py" and not inside.parts[0].startswith(("_plugins", "_migrations")):
            found[f"alpha/{inside.as_posix()}"] = _digest(path)
    for entry in metadata.entry_points(group=GROUP):
        if entry.name in plugins:
            for path, name in _of_package(entry.module.partition(".")[0]):
                found[f"plugin {entry.name}: {name}"] = _digest(path)
    return found


def difference(here: Mapping[str, str], there: Mapping[str, str]) -> str:
    """What is not the same, in words; empty when all is."""
    found: list[str] = []
    for name in sorted({*here, *there}):
        one, other = here.get(name), there.get(name)
        if one == other:
            continue
        if name == PYTHON:
            found.insert(0, f"expected {PYTHON} {one}, found {other}")
        elif other is None:
            found.append(f"{name} is missing there")
        elif one is None:
            found.append(f"{name} is only there")
        else:
            found.append(f"{name} differs")
    more = len(found) - NAMED
    return "; ".join(found[:NAMED]) + (f"; and {more} more" if more > 0 else "")


def files_below(folder: Path) -> list[Path]:
    """All files of a package; what Python compiled of them is not among them."""
    found = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return [path for path in found if "__pycache__" not in path.relative_to(folder).parts]


def _of_package(name: str) -> list[tuple[Path, str]]:
    """The files of an installed package or module, each with its path inside."""
    spec = util.find_spec(name)
    if spec is None:
        return []
    if spec.submodule_search_locations is None:
        return [(Path(spec.origin), Path(spec.origin).name)] if spec.origin else []
    return [
        (path, path.relative_to(folder).as_posix())
        for folder in map(Path, spec.submodule_search_locations)
        for path in files_below(folder)
    ]


def _digest(path: Path) -> str:
    return sha256(path.read_bytes()).hexdigest()
