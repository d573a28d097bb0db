"""Imports point downwards only, and the pure parts are pure."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.conftest import ROOT


class Layer(NamedTuple):
    """Parts that may import every part of the layers before them, and each other if they are
    `siblings`."""

    parts: frozenset[str]
    siblings: bool = False


LAYERS = (
    Layer(frozenset({"__init__", "errors"})),
    Layer(frozenset({"clock"})),
    Layer(frozenset({"alerts"})),
    Layer(
        frozenset(
            {
                *("candles", "core", "embedded", "guard", "installation", "interrupts"),
                *("resources", "supervision"),
            }
        )
    ),
    Layer(frozenset({"schedule", "watchdog"})),
    Layer(frozenset({"bybit", "ledger", "state", "config", "sim"})),
    Layer(frozenset({"bots", "imports", "market", "trading", "sync"}), siblings=True),
    Layer(frozenset({"analytics"})),
    Layer(frozenset({"control", "backup", "backtest", "quality"})),
    Layer(frozenset({"conformance", "facade", "parity"})),
    Layer(frozenset({"sinks", "telegram", "web", "cli"})),
    # What the daemon is put together from, and the daemon, which knows everyone.
    Layer(
        frozenset(
            {
                "accounts",
                "announcements",
                "crew",
                "duties",
                "exchange",
                "floor",
                "live",
                "live_desk",
                "measuring",
                "paper",
                "pictures",
                "recording",
                "report",
                "risk_watch",
                "rounds",
                "serving",
                "standby",
                "stores",
                "syncing",
                "universe",
            }
        ),
        siblings=True,
    ),
    Layer(frozenset({"daemon"})),
    Layer(frozenset({"__main__"})),
)
RANK = {part: rank for rank, layer in enumerate(LAYERS) for part in layer.parts}

#: Parts that may import less than their layer does.
ONLY = {
    "core": {"errors"},
    # The simulated exchange shares no code with the client: each checks the other. Candle files
    # are of neither.
    "sim": {"candles", "clock", "errors"},
    "candles": {"errors"},
}
#: Conversions between milliseconds and datetimes: functions of their argument alone.
PURE_OF_CLOCK = {"utc", "iso"}
#: Arrows against the direction, each with its reason.
EXCEPT = {
    ("cli/run.py", "daemon"): "the verb that starts it",
    ("__init__.py", "facade"): "the library's face, imported when it is asked for",
}

#: What is pure neither waits, nor reads or writes, nor knows the time.
IMPURE = frozenset(
    {
        *("asyncio", "concurrent", "multiprocessing", "signal", "subprocess", "threading"),
        *("io", "os", "pathlib", "socket", "tempfile", "logging", "structlog"),
        *("time", "random", "secrets", "uuid"),
    }
)


class Import(NamedTuple):
    module: str
    name: str  # empty for `import module`
    line: int


def imports_of(path: Path, package: str) -> Iterator[Import]:
    """Every import of a file, wherever it stands, with relative ones spelt out."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"), str(path))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(alias.name, "", node.lineno)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1]
            module = ".".join([*above, *([node.module] if node.module else [])])
            for alias in node.names:
                yield Import(module if node.level else node.module or "", alias.name, node.lineno)


def package_of(path: Path, root: Path) -> str:
    return ".".join(path.relative_to(root).parent.parts)


def part_of(module: str, name: str) -> str | None:
    """The part of Alpha that an import reaches; None when it is not ours."""
    steps = module.split(".")
    if steps[0] != "alpha":
        return None
    return steps[1] if len(steps) > 1 else name if name in RANK else "__init__"


def files_of(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


def where(path: Path, found: Import) -> str:
    return f"{path.relative_to(ROOT)}:{found.line} imports {found.module} {found.name}".rstrip()


def test_every_part_has_its_place() -> None:
    parts = {path.relative_to(ROOT / "alpha").parts[0] for path in files_of("alpha")}
    unknown = {part.removesuffix(".py") for part in parts} - set(RANK)
    assert not unknown, f"give these parts a layer: {sorted(unknown)}"


def test_imports_point_downwards() -> None:
    wrong = []
    for path in files_of("alpha"):
        inside = path.relative_to(ROOT / "alpha")
        part = inside.parts[0].removesuffix(".py")
        for found in imports_of(path, package_of(path, ROOT)):
            other = part_of(found.module, found.name)
            if other is None or other == part or other not in RANK:
                continue
            sideways = RANK[other] == RANK[part] and LAYERS[RANK[part]].siblings
            allowed = (RANK[other] < RANK[part] or sideways) and other in ONLY.get(part, RANK)
            pure = other == "clock" and found.name in PURE_OF_CLOCK
            if not allowed and not pure and (inside.as_posix(), other) not in EXCEPT:
                wrong.append(where(path, found))
    assert not wrong, "\n".join(wrong)


def test_only_its_own_verb_knows_the_simulator() -> None:
    wrong = [
        where(path, found)
        for path in files_of("alpha")
        for found in imports_of(path, package_of(path, ROOT))
        if part_of(found.module, found.name) == "sim"
        and path.relative_to(ROOT / "alpha").as_posix() != "cli/sim.py"
        and path.relative_to(ROOT / "alpha").parts[0] != "sim"
    ]
    assert not wrong, "\n".join(wrong)


def test_plugins_use_what_any_plugin_can() -> None:
    wrong = [
        where(path, found)
        for path in files_of("plugins")
        for found in imports_of(path, package_of(path, ROOT))
        if part_of(found.module, found.name) not in (None, "bots", "core", "errors")
        or found.module.split(".")[0] == "tests"
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("folder", ["alpha/core", "plugins"])
def test_the_pure_parts_are_pure(folder: str) -> None:
    wrong = [
        where(path, found)
        for path in files_of(folder)
        for found in imports_of(path, package_of(path, ROOT))
        if found.module.split(".")[0] in IMPURE
    ]
    assert not wrong, "\n".join(wrong)


def test_relative_imports_are_spelt_out(tmp_path: Path) -> None:
    file = tmp_path / "alpha" / "sim" / "book.py"
    file.parent.mkdir(parents=True)
    file.write_text("from ..bybit import signing\nfrom . import frames\nimport alpha.core.ids\n")
    found = list(imports_of(file, package_of(file, tmp_path)))
    assert [(one.module, one.name) for one in found] == [
        ("alpha.bybit", "signing"),
        ("alpha.sim", "frames"),
        ("alpha.core.ids", ""),
    ]
