"""docs/write-a-bot.md, done as it says: its commands, its code, its output."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from alpha.backtest.tape import Folder
from alpha.candles.writing import write_candles
from alpha.cli import main
from alpha.config import load
from alpha.conformance.checks import CHECKS
from alpha.conformance.market import make_market
from tests.conftest import ROOT

PAGE = (ROOT / "docs" / "write-a-bot.md").read_text("utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
OUTPUTS = [text for language, text in BLOCKS if not language]
EDITS = re.findall(r"^<!-- (\S+), (.*?) -->\n```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture
def beside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder with a configuration that looks for plugins in `plugins`."""
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.startswith(("ALPHA_", "BYBIT_")):
            monkeypatch.delenv(name)
    (tmp_path / "config.toml").write_text('plugins_dir = "plugins"\n', "utf-8")
    return tmp_path


def python(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT), "MYPYPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=170,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def apply(folder: Path) -> None:
    """The edits of step 3."""
    for file, place, code in EDITS:
        path = folder / file
        lines = path.read_text("utf-8").splitlines(keepends=True)
        low, high = span(lines, place)
        lines[low:high] = [code]
        path.write_text("".join(lines), "utf-8")
    ((new, old),) = re.findall(r"`__init__` says `(.*?)` where it said `(.*?)`", PAGE)
    path = folder / "strategy.py"
    text = path.read_text("utf-8")
    assert text.count(old) == 1
    path.write_text(text.replace(old, new), "utf-8")


def span(lines: list[str], place: str) -> tuple[int, int]:
    """The lines that an edit replaces."""
    how, _, name = place.partition(": ")
    for node in ast.walk(ast.parse("".join(lines))):
        if how == "behind" and isinstance(node, ast.AnnAssign):
            if ast.unparse(node.target) == name.rstrip(":"):
                end = node.end_lineno or 0
                return end, end
        elif isinstance(node, ast.FunctionDef):
            if how == "instead of" and node.name == name.removeprefix("def "):
                return node.decorator_list[0].lineno - 1, node.end_lineno or 0
            if how == "instead of the tests" and node.name.startswith("test_"):
                return node.lineno - 1, len(lines)
    raise AssertionError(f"expected a place to edit, was {place!r}")


def test_the_page_from_its_first_step_to_the_backtest(
    beside: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["new-bot", "dip_buyer"]) == 0
    assert capsys.readouterr().out == OUTPUTS[0]
    assert main(["conformance", "dip_buyer"]) == 0
    assert capsys.readouterr().out == OUTPUTS[1]
    folder = beside / "plugins" / "dip_buyer"
    assert len(EDITS) == 4
    apply(folder)
    assert "2 passed" in python("-m", "pytest", "-q", "plugins/dip_buyer")
    document = json.loads(python("-m", "alpha", "conformance", "dip_buyer", "--json"))
    assert document["ok"] and document["entries"] > 5
    assert [one["status"] for one in document["checks"]] == ["passed"] * len(CHECKS)
    python("-m", "ruff", "check", "--config", str(ROOT / "pyproject.toml"), "plugins")
    python("-m", "mypy", "--strict", "plugins/dip_buyer")

    (beside / "data").mkdir()
    for candles in make_market(("BTCUSDT",), 300_000, 3_000).values():
        write_candles(beside / "data" / "BTCUSDT-5m.csv.gz", candles)
    assert Folder(beside / "data").symbols == ("BTCUSDT",)
    backtests = re.findall(r"^alpha (backtest .*)$", PAGE, re.MULTILINE)
    assert len(backtests) == 2
    trades = []
    for words in backtests:
        python("-m", "alpha", *words.split(), "--json", "result.json")
        trades.append(len(json.loads((beside / "result.json").read_bytes())["trades"]))
    assert trades[0] > trades[1] > 0


def test_the_configuration_of_the_last_step_is_one(beside: Path) -> None:
    (table,) = re.findall(r"^```toml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    path = beside / "config.toml"
    path.write_text(path.read_text("utf-8") + table, "utf-8")
    assert main(["new-bot", "dip_buyer"]) == 0
    assert main(["config", "check"]) == 0
    assert load(path, {}, {}).enabled_bots["dip_buyer"].settings == {"symbol": "ETHUSDT"}


def test_every_check_stands_in_the_table_by_its_number() -> None:
    rows = re.findall(r"^\| (\d+) \| ([^|]+) \|", PAGE, re.MULTILINE)
    assert {int(number): name for number, name in rows} == {
        number: name for number, (name, _) in CHECKS.items()
    }
