"""Finds plugins: in folders, one package per plugin, and among installed packages by the entry
point group `alpha.plugins`. Nothing is imported before it is asked for by name.

The environment variable ALPHA_LOAD_PLUGINS, names with commas between, restricts what is found.
"""

from __future__ import annotations

import importlib.util
import sys
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import metadata
from pathlib import Path
from types import ModuleType

from alpha.bots.plugin import Plugin
from alpha.bots.settings import PluginSettings
from alpha.errors import ConfigError, NotFound

GROUP = "alpha.plugins"
RESTRICTION = "ALPHA_LOAD_PLUGINS"

AnyPlugin = Plugin[PluginSettings]


@dataclass(frozen=True, slots=True)
class _Source:
    """Where a plugin comes from; `load` imports it."""

    where: str
    load: Callable[[], object]


class Catalog:
    """Plugins by name. `folders` that do not exist are fine."""

    def __init__(self, folders: Sequence[Path], environ: Mapping[str, str]) -> None:
        self._folders = tuple(folders)
        self._sources: dict[str, list[_Source]] = {}
        self._loaded: dict[str, AnyPlugin] = {}
        wanted = environ.get(RESTRICTION)
        only = None if wanted is None else {name.strip() for name in wanted.split(",")}
        for name, source in [*_in_folders(folders), *_installed()]:
            if only is None or name in only:
                self._sources.setdefault(name, []).append(source)

    def names(self) -> tuple[str, ...]:
        return tuple(sorted(self._sources))

    def get(self, name: str) -> AnyPlugin:
        """NotFound for an unknown name; ConfigError for a plugin that cannot be imported, is
        offered twice, or was written for another version of the hooks."""
        if name not in self._loaded:
            self._loaded[name] = self._load(name)
        return self._loaded[name]

    def _load(self, name: str) -> AnyPlugin:
        sources = self._sources.get(name)
        if sources is None:
            known = ", ".join(self.names()) or "none"
            places = ", ".join(str(folder) for folder in self._folders) or "no folder"
            raise NotFound(
                f"unknown plugin {name!r}; known are {known} (looked in {places} and among "
                f"installed packages)"
            )
        if len(sources) > 1:
            places = " and ".join(source.where for source in sources)
            raise ConfigError(f"plugin {name}: expected one, found it in {places}; remove one")
        where = sources[0].where
        try:
            found = sources[0].load()
        except Exception as error:
            raise ConfigError(
                f"plugin {name} of {where} cannot be imported: {type(error).__name__}: {error}"
            ) from error
        if not isinstance(found, Plugin):
            raise ConfigError(
                f"plugin {name} of {where}: expected an alpha.bots.Plugin named `plugin`, "
                f"was {type(found).__name__}"
            )
        if found.name != name:
            raise ConfigError(f"plugin {name} of {where}: expected this name, was {found.name!r}")
        found.check()
        return found


def _in_folders(folders: Sequence[Path]) -> list[tuple[str, _Source]]:
    found: list[tuple[str, _Source]] = []
    for folder in folders:
        for init in sorted(folder.glob("*/__init__.py")):
            name = init.parent.name
            if name.isidentifier() and not name.startswith("_"):
                found.append((name, _Source(str(init.parent), partial(_from_folder, init))))
    return found


def _installed() -> list[tuple[str, _Source]]:
    return [
        (entry.name, _Source(f"package {entry.value}", entry.load))
        for entry in metadata.entry_points(group=GROUP)
    ]


def _from_folder(init: Path) -> object:
    """Imports the package under a name of its own, so that folders cannot shadow each other."""
    path = init.resolve()
    name = f"alpha_plugin_{path.parent.name}_{zlib.crc32(str(path).encode()):08x}"
    module = sys.modules.get(name) or _import(name, path)
    return getattr(module, "plugin", None)


def _import(name: str, path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        name, path, submodule_search_locations=[str(path.parent)]
    )
    if spec is None or spec.loader is None:
        raise ImportError(f"expected a Python package at {path.parent}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        for loaded in [one for one in sys.modules if one == name or one.startswith(f"{name}.")]:
            del sys.modules[loaded]
        raise
    return module
