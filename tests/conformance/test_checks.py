"""Every check can fail: a bot with one line changed breaks that rule and no other."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest

from alpha import resources
from alpha.backtest.tape import aggregate
from alpha.bots import Bar
from alpha.bots.scaffold import write_plugin
from alpha.bots.warmup import WarmUp
from alpha.candles.writing import write_candles
from alpha.conformance.checks import CHECKS, Report, Request, Verdict, check
from alpha.conformance.market import make_market
from alpha.errors import NeedsOperator, NotFound

BOTS = Path(__file__).parent / "bots"
SOURCE = (BOTS / "steady" / "__init__.py").read_text("utf-8")


class Break(NamedTuple):
    """One rule broken: the text that is replaced, and a word of what the check must say of it."""

    number: int
    old: str
    new: str
    found: str


BREAKS = {
    "reads_a_file": Break(
        1, "intents: list", 'open("/dev/null").close()\n        intents: list', "calls open()"
    ),
    "reads_the_clock": Break(
        1,
        "        self._bars[bar.symbol] = bar",
        "        self._bars[bar.symbol] = bar\n        import time\n        time.time()",
        "imports time",
    ),
    "reaches_outside_through_another_module": Break(
        1,
        "intents: list",
        'import linecache\n        linecache.getline("/dev/null", 1)\n        intents: list',
        "in on_close did open('/dev/null'",
    ),
    "hashes_texts": Break(
        2, "Decimal(200)", "Decimal(200 + hash(bar.symbol) % 1000)", '"notional":"'
    ),
    "forgets_when_it_left": Break(3, '{"left": self._left,', '{"left": {},', "BTCUSDT"),
    "loads_nothing": Break(3, "self._left, self._count = left, count", "return", '"left":{}'),
    "refuses_its_own_state": Break(3, 'state["left"]', 'state["gone"]', "KeyError"),
    "counts_bars_in_its_state": Break(
        4,
        "        self._bars[bar.symbol] = bar",
        "        self._bars[bar.symbol] = bar\n        self._count += 1",
        '"count":',
    ),
    "goes_by_the_bar_before": Break(5, "in bars:", "in self._bars:", "(entry)"),
    "leaves_for_no_reason": Break(6, 'reason="time_exit"', 'reason="bored"', "'bored'"),
    "leaves_for_a_reason_to_enter": Break(6, '"time_exit"', '"entry"', "was 'entry'"),
    "leaves_without_a_word": Break(6, ', reason="time_exit"', "", "Field required"),
    "buys_too_little": Break(7, "Decimal(200)", "Decimal(1)", "below minimum"),
    "sizes_by_another_price": Break(
        7, "repr(bar.close)", "repr(bar.close * 2)", "Buy ETHUSDT for 200 USDT (entry): 6039.88"
    ),
    "closes_crumbs": Break(
        7, 'reason="time_exit"', 'reason="time_exit", qty=Decimal("0.0011111")', "0.0011111"
    ),
    "borrows_too_much": Break(7, "Decimal(5)", "Decimal(500)", "500"),
    "raises_at_times": Break(
        8,
        "intents: list",
        "if not close_ms % 30_000_000:\n            raise KeyError(0)\n        intents: list",
        "KeyError",
    ),
    "buys_what_it_does_not_follow": Break(
        8, "symbol=bar.symbol,\n            side", 'symbol="SOLUSDT",\n            side', "SOLUSDT"
    ),
    "answers_in_words": Break(
        8,
        "return intents",
        'return intents if close_ms % 30_000_000 else ["none"]',
        "expected Enter, Exit or MoveStop, was str",
    ),
}


def write(folder: Path, name: str, source: str) -> Request:
    place = folder / name
    place.mkdir()
    (place / "__init__.py").write_text(source.replace('"steady"', f'"{name}"'), "utf-8")
    return Request(name, (folder,), {}, closes=800)


def failed(report: Report) -> list[Verdict]:
    return [one for one in report.verdicts if one.status == "failed"]


def test_the_bot_that_is_broken_below_keeps_every_rule() -> None:
    report = check(Request("steady", (BOTS,), {}))
    assert [(one.number, one.status) for one in report.verdicts] == [
        (number, "passed") for number in CHECKS
    ]
    assert report.ok and report.entries > 30 and report.exits > 30


@pytest.mark.parametrize("name", BREAKS)
def test_a_broken_rule_is_found_and_no_other(name: str, tmp_path: Path) -> None:
    number, old, new, words = BREAKS[name]
    assert SOURCE.count(old) == 1
    report = check(write(tmp_path, name, SOURCE.replace(old, new)))
    (found,) = failed(report)
    assert found.number == number
    assert words in found.found, found
    assert found.expected and not report.ok


SHAPES = {
    "decides_per_symbol": [("    def __init__", "    per_symbol = True\n\n    def __init__")],
    "follows_two_intervals": [
        (
            "for symbol in SYMBOLS]",
            "for symbol in SYMBOLS] + [Subscription(SYMBOLS[0], 12 * BAR_MS, 30, 60)]",
        ),
        ("self._bars[bar.symbol] = bar", "self._bars[bar.symbol, bar.interval_ms] = bar"),
        ("self._bars: dict[str, Bar]", "self._bars: dict[tuple[str, int], Bar]"),
        ("self._bars[symbol]", "self._bars[symbol, BAR_MS]"),
        (
            "for symbol in bars:",
            "for symbol in bars if bars[next(iter(bars))].interval_ms == BAR_MS else ():",
        ),
    ],
    "leaves_by_timer_and_hears_of_orders": [
        (
            "    @hookimpl\n    def on_fill",
            "    @hookimpl\n    def on_order(self, order: object) -> None:\n"
            "        self._count += 1\n\n"
            "    @hookimpl\n    def on_timer(self, now_ms: int, snapshot: Snapshot) -> Intents:\n"
            "        return [\n            Exit(symbol=one, reason='time_exit')\n"
            "            for one in snapshot.positions\n"
            "            if now_ms % (12 * BAR_MS) == 0 and one not in snapshot.pending_exits\n"
            "        ]\n\n    @hookimpl\n    def on_fill",
        )
    ],
    "sells_short_and_moves_its_stop": [
        ('side="Buy"', 'side="Sell"'),
        (
            "            if snapshot.is_flat",
            "            elif position is not None and position.avg_price is not None:\n"
            "                stop = position.avg_price * Decimal('1.01')\n"
            "                intents.append(\n"
            "                    MoveStop(symbol=symbol, stop_loss=stop, reason='stop_loss')\n"
            "                )\n            if snapshot.is_flat",
        ),
        ("Intents,", "Intents,\n    MoveStop,"),
    ],
    "chooses_its_symbols": [
        (
            "    @hookimpl\n    def on_bar",
            "    @hookimpl\n    def universe(self, markets: Sequence[Market])"
            " -> Sequence[Subscription]:\n"
            "        return [Subscription(one.symbol, BAR_MS, 20) for one in markets]\n\n"
            "    @hookimpl\n    def on_bar",
        ),
        ("Intents,", "Intents,\n    Market,"),
        ("for symbol in SYMBOLS]", "for symbol in ()]"),
    ],
}


@pytest.mark.parametrize("name", SHAPES)
def test_bots_of_other_shapes_conform(name: str, tmp_path: Path) -> None:
    source = SOURCE
    for old, new in SHAPES[name]:
        assert source.count(old) == 1, old
        source = source.replace(old, new)
    report = check(write(tmp_path, name, source))
    assert [one for one in report.verdicts if one.status != "passed"] == []


def test_state_that_bots_share_is_found(tmp_path: Path) -> None:
    old = "if bar.close > RISE * bar.open:"
    shared = "SEEN.append(symbol)\n                if len(SEEN) % 2:"
    source = SOURCE.replace(old, shared).replace("RISE = 1.003", "SEEN: list[str] = []")
    numbers = [one.number for one in failed(check(write(tmp_path, "sharing", source)))]
    assert 2 in numbers and 3 in numbers


def test_a_host_that_let_such_bars_through_would_be_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What checks 4 and 5 say is as much about the host as about the bot."""
    write_plugin("trend", tmp_path)
    take = WarmUp.take

    def careless(warmup: WarmUp, bar: Bar) -> bool:
        return take(warmup, bar) or True

    monkeypatch.setattr(WarmUp, "take", careless)
    found = failed(check(Request("trend", (tmp_path,), {}, closes=800)))
    assert [one.number for one in found] == [4, 5]
    assert "with each bar told three times" in found[0].expected
    assert "with unfinished bars between the closes" in found[1].expected


def test_every_check_has_a_bot_that_breaks_it() -> None:
    assert {one.number for one in BREAKS.values()} == set(CHECKS)


@pytest.mark.parametrize("name", ["shortseller", "lxalgo", "momentum"])
def test_the_bots_that_come_along_conform(name: str) -> None:
    report = check(Request(name, (resources.plugins_folder(),), {}))
    assert [one for one in report.verdicts if one.status != "passed"] == []
    assert report.entries >= 5 and report.exits + report.stops >= 5


def test_a_bot_that_never_trades_has_shown_little(tmp_path: Path) -> None:
    report = check(write(tmp_path, "idle", SOURCE.replace("RISE = 1.003", "RISE = 9.0")))
    assert report.ok and report.entries == 0
    unseen = [one.number for one in report.verdicts if one.status == "not seen"]
    assert unseen == [3, 4, 5, 6, 7]


def test_it_runs_on_candles_of_ones_own(tmp_path: Path) -> None:
    """Of another interval, put together by the host; the folder has what the bot does not ask
    for, too."""
    for symbol, candles in make_market(("BTCUSDT", "ETHUSDT", "SOLUSDT"), 60_000, 3_000).items():
        assert aggregate(candles, 300_000, len(candles))
        write_candles(tmp_path / f"{symbol}-1m.csv", candles)
    report = check(Request("steady", (BOTS,), {}, tmp_path))
    assert report.ok and report.where == str(tmp_path)
    assert report.symbols == ("BTCUSDT", "ETHUSDT")
    assert 300 < report.closes < 600 and report.entries > 3


def test_too_few_candles_are_refused(tmp_path: Path) -> None:
    for symbol, candles in make_market(("BTCUSDT", "ETHUSDT"), 300_000, 15).items():
        write_candles(tmp_path / f"{symbol}-5m.csv", candles)
    with pytest.raises(NeedsOperator, match=r"expected more than 20 bars of 5m .* found 15"):
        check(Request("steady", (BOTS,), {}, tmp_path))
    (tmp_path / "ETHUSDT-5m.csv").unlink()
    with pytest.raises(NeedsOperator, match="expected candles of ETHUSDT, found those of BTCUSDT"):
        check(Request("steady", (BOTS,), {}, tmp_path))


def test_an_unknown_plugin_is_not_found() -> None:
    with pytest.raises(NotFound, match="unknown plugin 'nobody'"):
        check(Request("nobody", (BOTS,), {}))
