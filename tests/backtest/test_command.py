"""`alpha backtest` as a user meets it: what it writes, and what wrong input gets."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from alpha.candles.files import Candles
from alpha.candles.writing import write_candles
from alpha.cli import main
from tests.backtest.oracle import GRID
from tests.backtest.test_shortseller import walk

STEP = 300_000
#: A short warm-up, so that little data is enough.
QUICK = ("--set", "shortseller.ema_fast=24", "--set", "shortseller.ema_slow=60")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "candles"
    folder.mkdir()
    for seed, symbol in enumerate(GRID, start=11):
        write(folder, walk(symbol, 3600, seed))
    return folder


def write(folder: Path, candles: Candles) -> Path:
    path = folder / f"bybit-linear-{candles.symbol}-5m.csv.gz"
    write_candles(path, candles)
    return path


def backtest(data: Path, *options: str) -> int:
    return main(["backtest", "--bots", "shortseller", "--data", str(data), *QUICK, *options])


def result(data: Path, tmp_path: Path, *options: str) -> dict[str, object]:
    file = tmp_path / "result.json"
    assert backtest(data, "--json", str(file), *options) == 0
    found: dict[str, object] = json.loads(file.read_text())
    return found


def rows(found: object) -> Sequence[dict[str, object]]:
    assert isinstance(found, list) and found
    return found


def test_the_result_has_the_agreed_shape(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = result(data, tmp_path)
    assert list(found) == ["trades", "signals", "final_balance", "open_positions", "metrics"]
    for trade in rows(found["trades"]):
        assert list(trade) == [
            *("bot", "symbol", "side", "qty", "entry_ms", "entry_price", "entry_reason"),
            *("exit_ms", "exit_price", "exit_reason", "fees", "net_pnl"),
        ]
        assert trade["bot"] == "shortseller" and trade["side"] == "short"
        assert isinstance(trade["entry_ms"], int) and isinstance(trade["exit_ms"], int)
        assert isinstance(trade["net_pnl"], float)
    for signal in rows(found["signals"]):
        assert list(signal) == ["bot", "symbol", "bar_ms", "kind", "reason"]
        assert signal["kind"] in ("entry", "exit")
    shown = capsys.readouterr()
    assert "final balance" in shown.out
    assert "needs 3000 bars to warm up" in shown.err


def test_options_change_the_run(data: Path, tmp_path: Path) -> None:
    plain = result(data, tmp_path)
    for options in (
        ("--set", "backtest.slippage_bps=5"),
        ("--set", "shortseller.cooldown_bars=24"),
        ("--set", "shortseller.symbols=SOLUSDT"),
        ("--set", "shortseller.levels.SOLUSDT.sl=0.004"),
        ("--set", "shortseller.trailing=False", "--set", "shortseller.levels.BTCUSDT.tp=0.01"),
        ("--balance", "5000"),
        ("--to", "2025-04-15T20:00:00Z"),
        ("--from", "2025-04-15"),
    ):
        assert result(data, tmp_path, *options)["trades"] != plain["trades"], options
    assert result(data, tmp_path) == plain


def test_a_window_limits_decisions(data: Path, tmp_path: Path) -> None:
    found = result(data, tmp_path, "--from", "2025-04-15", "--to", "2025-04-15T20:00:00Z")
    stamps = [signal["bar_ms"] for signal in rows(found["signals"])]
    assert all(isinstance(one, int) and 1744675200000 <= one < 1744747200000 for one in stamps)


def test_json_goes_to_stdout_alone(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert backtest(data, "--json", "-") == 0
    assert json.loads(capsys.readouterr().out)["final_balance"] > 0


def test_filters_beside_the_candles_count(data: Path, tmp_path: Path) -> None:
    rules = {"SOLUSDT": {"tick_size": "0.01", "qty_step": "10", "taker_fee": "0"}}
    (data / "instruments.json").write_text(json.dumps(rules))
    found = result(data, tmp_path, "--set", "shortseller.symbols=SOLUSDT")
    assert {float(str(one["qty"])) % 10 for one in rows(found["trades"])} == {0.0}
    assert {one["fees"] for one in rows(found["trades"])} == {0}


def test_several_bots_share_one_account(data: Path, tmp_path: Path) -> None:
    file = tmp_path / "both.json"
    arguments = ["backtest", "--bots", "shortseller,lxalgo", "--data", str(data), *QUICK]
    code = main([*arguments, "--set", "lxalgo.pump_threshold=2", "--json", str(file)])
    assert code == 0
    found = json.loads(file.read_text())
    assert {signal["bot"] for signal in found["signals"]} == {"shortseller", "lxalgo"}


def test_nothing_is_started_and_nothing_left_behind(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.chdir(home)
    assert backtest(data, "--html", "report.html") == 0
    assert [path.name for path in home.iterdir()] == ["report.html"]


# -- wrong input ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (("--set", "shortseller.cooldwn_bars=3"), 4, "the nearest is 'cooldown_bars'"),
        (("--set", "shortseller.cooldown_bars=many"), 4, "cooldown_bars: expected"),
        (("--set", "shortsell.cooldown_bars=3"), 2, "the nearest is 'shortseller'"),
        (("--set", "backtest.slipage=3"), 4, "the nearest is 'slippage_bps'"),
        (("--set", "backtest.slippage_bps=-3"), 4, "slippage_bps: expected 0 or more"),
        (("--set", "cooldown"), 2, "expected BOT.KEY=VALUE"),
        (("--balance", "much"), 2, "--balance: expected a number"),
        (("--balance", "-5"), 4, "a balance above 0"),
        (("--from", "yesterday"), 2, "'--from': expected a UTC time like"),
        (("--from", "0001-01-01T00:00+01:00"), 2, "'--from': expected a UTC time like"),
        (("--to", "2025-04-31"), 2, "'--to': expected a UTC time like"),
        (("--from", "2025-04-15", "--to", "2025-04-14"), 2, "after --from"),
        (("--to", "2020-01-01"), 2, "after the first candle"),
        (("--from", "2030-01-01"), 2, "up to the start of the last candle"),
        (("--bots", "shortselling"), 2, "unknown plugin 'shortselling'"),
        (("--bots", ""), 1, "bot momentum: expected at least 109 bars of 4h"),
    ],
)
def test_wrong_options_are_named(
    data: Path,
    options: Sequence[str],
    code: int,
    words: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = ["--bots", "shortseller"] if "--set" in options else []
    found = main(["backtest", "--data", str(data), *arguments, *options])
    assert found == code
    said = capsys.readouterr().err
    assert words in " ".join(said.split())
    assert "Traceback" not in said


def test_folders_without_candles_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert backtest(tmp_path / "nowhere") == 2
    assert "expected a folder of candle files" in capsys.readouterr().err
    assert backtest(tmp_path) == 2
    assert "expected files like bybit-linear" in capsys.readouterr().err
    write(tmp_path, walk("SOLUSDT", 3600, 1))
    assert backtest(tmp_path) == 0
    assert "no candles of BTCUSDT, ETHUSDT; goes without" in capsys.readouterr().err
    assert backtest(tmp_path, "--set", "shortseller.symbols=XRPUSDT") == 2
    assert "expected candles of XRPUSDT" in capsys.readouterr().err


def test_a_place_that_cannot_be_written_to_is_named(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert backtest(data, "--json", "/nowhere/result.json") == 1
    assert "/nowhere/result.json: expected to write there" in capsys.readouterr().err


def test_too_little_warm_up_says_how_many_bars_are_needed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, walk("SOLUSDT", 2999, 1))
    assert backtest(tmp_path) == 1
    assert "expected at least 3000 bars of 5m" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("spoil", "line", "words"),
    [
        (lambda lines: lines[:100] + lines[103:], 101, "after a hole of 3 candles"),
        (lambda lines: [*lines[:50], lines[49], *lines[50:]], 51, "a duplicate of line 50"),
        (lambda lines: [*lines[:9], lines[10], lines[9], *lines[11:]], 10, "out of order"),
        (lambda lines: [*lines[:9], "1,2,3", *lines[10:]], 10, "expected 6 columns"),
        (lambda lines: [*lines[:9], _high(lines[9]), *lines[10:]], 10, "between low"),
        (lambda lines: [*lines[:9], "7" + lines[9][1:], *lines[10:]], 10, "out of order"),
    ],
)
def test_faulty_candles_are_named_with_file_and_line(
    tmp_path: Path, spoil: object, line: int, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "SOLUSDT-5m.csv"
    write_candles(path, walk("SOLUSDT", 3600, 1))
    assert callable(spoil)
    path.write_text("\n".join(spoil(path.read_text().splitlines())) + "\n")
    assert backtest(tmp_path) == 1
    said = " ".join(capsys.readouterr().err.split())
    assert f"SOLUSDT-5m.csv:{line}: " in said and words in said
    assert backtest(tmp_path, "--repair") == 0
    assert "note: " in capsys.readouterr().err


def _high(line: str) -> str:
    cells = line.split(",")
    return ",".join([cells[0], cells[1], cells[3], cells[3], cells[1], cells[5]])


def test_a_plugin_that_raises_shows_its_traceback_and_the_bar(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    package = tmp_path / "plugins" / "clumsy"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(
        "from alpha.bots import Plugin, PluginSettings, Subscription, hookimpl\n"
        "class Clumsy:\n"
        "    def __init__(self, settings): pass\n"
        "    @hookimpl\n"
        "    def subscriptions(self): return [Subscription('SOLUSDT', 300000, 1)]\n"
        "    @hookimpl\n"
        "    def on_close(self, close_ms):\n"
        "        return 1 / (close_ms - 1743701400000)\n"
        "plugin = Plugin(name='clumsy', alpha_api='1', strategy=Clumsy, settings=PluginSettings)\n"
    )
    config = tmp_path / "config.toml"
    config.write_text(f'plugins_dir = "{package.parent}"\n')
    arguments = ["backtest", "--bots", "clumsy", "--data", str(data), "--config", str(config)]
    assert main(arguments) == 1
    said = capsys.readouterr().err
    assert "Traceback (most recent call last)" in said
    assert "return 1 / (close_ms - 1743701400000)" in said
    assert "hook on_close" in said and "ZeroDivisionError" in said
    assert "SOLUSDT 1743701100000" in said
