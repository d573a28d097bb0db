"""`alpha new-bot` and `alpha conformance` as a bot's author meets them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from alpha.bots import scaffold
from alpha.bots.scaffold import class_name, write_plugin
from alpha.cli import main
from alpha.errors import NeedsOperator
from tests.conftest import ROOT

FILES = ["README.md", "__init__.py", "settings.py", "strategy.py"]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.startswith(("ALPHA_", "BYBIT_")):
            monkeypatch.delenv(name)


def test_it_writes_a_folder_and_says_what_is_in_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["new-bot", "breakout", "--into", "mine"]) == 0
    shown = capsys.readouterr().out.splitlines()
    files = [*FILES, "test_breakout.py"]
    assert shown == [
        f"mine/breakout: {', '.join(files)}",
        'next: set plugins_dir = "mine" in config.toml, then alpha conformance breakout',
    ]
    assert sorted(one.name for one in (tmp_path / "mine" / "breakout").iterdir()) == files
    assert [one.name for one in (tmp_path / "mine").iterdir()] == ["breakout"]


@pytest.mark.parametrize(
    "name",
    ["A", "1st", "_a", "a_", "a-b", "../a", "", "a" * 21, "import", "json", "none", "backtest"],
)
def test_a_bad_name_is_refused_and_nothing_is_written(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["new-bot", name, "--into", "mine"]) == 2
    assert f"such as dip_buyer, was {name!r}" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_what_is_there_stays_as_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine" / "breakout").mkdir(parents=True)
    assert main(["new-bot", "breakout", "--into", "mine"]) == 1
    assert "mine/breakout: expected no such folder yet" in capsys.readouterr().err
    assert list((tmp_path / "mine" / "breakout").iterdir()) == []
    assert main(["new-bot", "momentum", "--into", "mine"]) == 1
    assert "momentum is a plugin already" in capsys.readouterr().err


def test_a_failure_half_way_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = Path.write_text
    left = 3

    def full(path: Path, text: str, encoding: str) -> int:
        nonlocal left
        left -= 1
        if left < 0:
            raise OSError(28, "No space left on device")
        return write(path, text, encoding)

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(NeedsOperator, match="was No space left on device"):
        write_plugin("breakout", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("a file")
    with pytest.raises(NeedsOperator, match="mine/breakout: expected to write there"):
        write_plugin("breakout", tmp_path / "mine")


@pytest.mark.parametrize(
    ("name", "expected"),
    [("dip_buyer", "DipBuyer"), ("exit", "ExitBot"), ("true", "TrueBot"), ("x1__y", "X1Y")],
)
def test_class_names_clash_with_nothing(name: str, expected: str) -> None:
    assert class_name(name) == expected


def test_what_it_writes_passes_ruff_mypy_and_its_own_test(tmp_path: Path) -> None:
    """Whatever its name: short ones, long ones and those that Python or the template know."""
    names = ["a", "exit", "abcdefghij_klmnopqrs"]
    for name in names:
        write_plugin(name, tmp_path)
    config = str(ROOT / "pyproject.toml")
    commands = [
        ["ruff", "check", "--config", config, "."],
        ["ruff", "format", "--check", "--config", config, "."],
        ["mypy", "--strict", *names],
        ["pytest", "-q", "."],
    ]
    for command in commands:
        done = subprocess.run(
            [sys.executable, "-m", *command],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT), "MYPYPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=170,
            check=False,
        )
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    assert f"{2 * len(names)} passed" in done.stdout


def test_the_template_is_whole() -> None:
    assert len(scaffold.template_files()) == len(FILES) + 1


# -- conformance ----------------------------------------------------------------------------------


def test_a_bot_that_breaks_a_rule_is_told_what_was_expected(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_plugin("breakout", tmp_path)
    path = tmp_path / "breakout" / "strategy.py"
    text = path.read_text("utf-8").replace('reason="ma_exit"', 'reason="had_enough"')
    path.write_text(text, "utf-8")
    assert main(["conformance", str(tmp_path / "breakout")]) == 1
    shown = capsys.readouterr().out
    assert " 6  FAILED    exits carry reasons\n              expected an exit reason at " in shown
    assert "found    hook on_close: exit in BTCUSDT: expected an exit reason, was 'had_e" in shown
    assert shown.endswith("1 of 8 failed\n")
    assert main(["conformance", str(tmp_path / "breakout"), "--json"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert not document["ok"]
    (found,) = (one for one in document["checks"] if one["status"] == "failed")
    assert found["number"] == 6 and "had_enough" in found["found"]


def test_an_unknown_plugin_and_a_faulty_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["conformance", "nobody"]) == 2
    assert "unknown plugin 'nobody'" in capsys.readouterr().err
    write_plugin("breakout", tmp_path)
    (tmp_path / "breakout" / "settings.py").write_text("oops", "utf-8")
    assert main(["conformance", str(tmp_path / "breakout")]) == 4
    assert "cannot be imported: NameError" in capsys.readouterr().err
