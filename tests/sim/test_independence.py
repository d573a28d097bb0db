"""The simulator and the Bybit client must be able to contradict each other: no shared code."""

from __future__ import annotations

import ast
from pathlib import Path

SIM = Path(__file__).parents[2] / "alpha" / "sim"
ALLOWED = ("alpha.sim", "alpha.candles", "alpha.clock", "alpha.errors")
PURE = ("model", "draw", "book", "positions", "state", "matching", "stops", "admission", "orders")
IMPURE = {"asyncio", "time", "random", "aiohttp", "sqlite3", "structlog", "os", "alpha.clock"}


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return names


def test_the_simulator_imports_no_other_part_of_alpha() -> None:
    modules = sorted(SIM.rglob("*.py"))
    assert len(modules) > 20
    for path in modules:
        for name in imported(path):
            if name == "alpha" or name.startswith("alpha."):
                assert name.startswith(ALLOWED), f"{path.name} imports {name}"


def test_the_matching_core_has_no_clock_and_no_input_or_output() -> None:
    for name in (*PURE, "exchange"):
        found = imported(SIM / f"{name}.py")
        assert not found & IMPURE, f"{name} imports {found & IMPURE}"
