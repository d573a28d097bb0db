"""The bots in a backtest against their rules restated: the same trades, to the last digit."""

from __future__ import annotations

import gzip
from collections import Counter
from collections.abc import Iterator, Mapping
from decimal import Decimal
from functools import cache
from pathlib import Path

import pytest

from alpha.backtest.result import Result
from alpha.backtest.setup import Request, prepare
from alpha.bots.discovery import Catalog
from alpha.config import Config
from tests.plugins.candles import draws
from tests.plugins.restated import BAR_MS, SYMBOLS, Deal, Exchange, Market, Row
from tests.plugins.restated_momentum import MomentumRules, RestatedMomentum
from tests.plugins.restated_shortseller import RestatedShort, ShortRules

ROOT = Path(__file__).parents[2]
RECORDED = ROOT.parent / "shared" / "data"
#: Tuesday, 1 April 2025.
BEGIN = 1_743_465_600_000
PRICES = {"BTCUSDT": (60_000.0, 1), "ETHUSDT": (3_000.0, 2), "SOLUSDT": (150.0, 2)}


def wild(seed: int, amp: float, gap: float, count: int) -> Iterator[tuple[str, list[str]]]:
    """Candles that jump, gap and calm down, on the tick."""
    for number, (symbol, (price, places)) in enumerate(PRICES.items()):
        draw, last, mood = draws(seed * 10 + number), price, 1.0
        lines = ["start_ms,open,high,low,close,volume"]
        for place in range(count):
            if place % 480 == 0:
                mood = 0.2 + 2 * next(draw)
            first = last * (1 + (next(draw) - 0.5) * gap) if next(draw) < 0.1 else last
            close = first * (1 + (next(draw) - 0.5) * 2 * amp * mood)
            close *= (price / close) ** 0.0005
            high = max(first, close) * (1 + next(draw) * amp * mood / 2)
            low = min(first, close) * (1 - next(draw) * amp * mood / 2)
            volume = (0.5 + next(draw)) * (6 if next(draw) < 0.02 else 1)
            first, high, low, close = (round(x, places) for x in (first, high, low, close))
            lines.append(
                f"{BEGIN + place * BAR_MS},{first},{max(high, first, close)},"
                f"{min(low, first, close)},{close},{volume:.3f}"
            )
            last = close
        yield symbol, lines


@cache
def read(folder: Path) -> Market:
    market = {}
    for symbol in SYMBOLS:
        with gzip.open(folder / f"bybit-linear-{symbol}-5m.csv.gz", "rt", encoding="ascii") as file:
            rows = (line.strip().split(",") for line in file if line[0].isdigit())
            market[symbol] = [Row(int(start), *map(Decimal, cells)) for start, *cells in rows]
    return market


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Mapping[int, Path]:
    """Folders of made-up candles by seed, from lively to hardly bearable."""
    folders = {}
    for seed, amp, gap in ((1, 0.006, 0.02), (2, 0.012, 0.05), (3, 0.003, 0.01)):
        folders[seed] = folder = tmp_path_factory.mktemp(f"seed{seed}")
        for symbol, lines in wild(seed, amp, gap, 10_000):
            path = folder / f"bybit-linear-{symbol}-5m.csv.gz"
            with gzip.open(path, "wt", encoding="ascii", compresslevel=1) as file:
                file.write("\n".join(lines) + "\n")
    return folders


def backtest(bot: str, folder: Path, changes: Mapping[str, str], slippage_bps: str) -> Result:
    request = Request(
        bots=(bot,),
        data=folder,
        slippage_bps=Decimal(slippage_bps),
        changes=tuple((bot, key, value) for key, value in changes.items()),
    )
    prepared = prepare(Config(), Catalog([ROOT / "plugins"], {}), request)
    return prepared.engine.run()


def exact(value: object) -> object:
    """Amounts to 1e-9: both sides divide, in another order."""
    return round(value, 9) if isinstance(value, Decimal) else value


def assert_same(expected: Exchange, found: Result) -> Counter[str]:
    """The same trades, decisions, wallet and open positions; returns the exits by reason."""
    expected.run()
    trades = [Deal(*(getattr(one, name) for name in Deal._fields)) for one in found.trades]
    told = sorted(trades, key=lambda one: (one.entry_ms, one.symbol))
    restated = sorted(expected.deals, key=lambda one: (one.entry_ms, one.symbol))
    assert [tuple(map(exact, one)) for one in told] == [tuple(map(exact, one)) for one in restated]
    assert sorted(expected.said) == sorted(
        (one.bar_ms, one.symbol, one.kind, one.reason) for one in found.signals
    )
    assert exact(found.final_balance) == exact(expected.wallet)
    assert {one.symbol for one in found.open_positions} == set(expected.held)
    return Counter(one.exit_reason for one in restated)


#: Settings of the bot, and the rules that they are.
SHORT: Mapping[str, tuple[Mapping[str, str], ShortRules]] = {
    "as it is": ({}, ShortRules()),
    "small stakes": ({"allocation": "0.01"}, ShortRules(allocation=Decimal("0.01"))),
    "no gates": ({"risk_gates": "false"}, ShortRules(gates=False)),
    "restless": (
        {
            "ema_fast": "10",
            "ema_slow": "40",
            "max_crosses_per_day": "6",
            "cooldown_bars": "4",
            "max_hold_hours": "3",
            "allocation": "0.03",
            "entry_window_bars": "2",
            "exposure_limit": "0.59",
        },
        ShortRules(
            fast=10,
            slow=40,
            max_crosses=6,
            cooldown=4,
            max_hours=3,
            allocation=Decimal("0.03"),
            entry_window=2,
            exposure=Decimal("0.59"),
        ),
    ),
    "no trailing, patient": (
        {"trailing": "false", "allocation": "0.02", "entry_window_bars": "3", "leverage": "4"},
        ShortRules(trailing=False, allocation=Decimal("0.02"), entry_window=3, leverage=Decimal(4)),
    ),
    "window": (
        {"ema_mode": "window_1000", "ema_fast": "20", "ema_slow": "60", "allocation": "0.01"},
        ShortRules(window_1000=True, fast=20, slow=60, allocation=Decimal("0.01")),
    ),
}

#: Seeds of candles, and slippage in basis points.
RUNS = [(1, "0"), (2, "3"), (3, "1.5")]

EAGER = {"bbw_pct": "0.95", "rvr": "1.0"}
MOMENTUM: Mapping[str, tuple[Mapping[str, str], MomentumRules]] = {
    "as it is": ({}, MomentumRules()),
    "eager": (EAGER, MomentumRules(0.95, 1.0)),
    "tight": (
        {**EAGER, "trail": "0.02", "max_positions": "1"},
        MomentumRules(0.95, 1.0, trail=Decimal("0.02"), max_positions=1),
    ),
    "large": (
        {**EAGER, "trail": "0.05", "max_fraction": "2", "risk_per_trade": "0.9"},
        MomentumRules(
            0.95, 1.0, trail=Decimal("0.05"), max_fraction=Decimal(2), risk=Decimal("0.9")
        ),
    ),
    "peak": (
        {**EAGER, "trail": "0.03", "trail_basis": "peak", "max_fraction": "0.6"},
        MomentumRules(0.95, 1.0, trail=Decimal("0.03"), peak=True, max_fraction=Decimal("0.6")),
    ),
}


@pytest.mark.parametrize(("seed", "slippage"), RUNS)
def test_shortseller_on_made_up_candles(made: Mapping[int, Path], seed: int, slippage: str) -> None:
    seen: Counter[str] = Counter()
    for name, (changes, rules) in SHORT.items():
        if name == "window" and seed != 1:
            continue  # a thousand values for every bar
        expected = RestatedShort(read(made[seed]), rules, Decimal(slippage) / 10_000)
        seen += assert_same(expected, backtest("shortseller", made[seed], changes, slippage))
    assert min(seen[one] for one in ("stop_loss", "take_profit", "trailing_stop", "ma_exit")) > 3


@pytest.mark.parametrize(("seed", "slippage"), RUNS)
def test_momentum_on_made_up_candles(made: Mapping[int, Path], seed: int, slippage: str) -> None:
    seen: Counter[str] = Counter()
    for changes, rules in MOMENTUM.values():
        expected = RestatedMomentum(read(made[seed]), rules, Decimal(slippage) / 10_000)
        seen += assert_same(expected, backtest("momentum", made[seed], changes, slippage))
    assert seen["trailing_stop"] > 3


@pytest.mark.shared_data
@pytest.mark.parametrize("name", ["as it is", "no gates", "no trailing, patient"])
def test_shortseller_on_recorded_candles(name: str) -> None:
    changes, rules = SHORT[name]
    expected = RestatedShort(read(RECORDED), rules, Decimal("0.0002"))
    seen = assert_same(expected, backtest("shortseller", RECORDED, changes, "2"))
    assert seen["ma_exit"] > 50


@pytest.mark.shared_data
@pytest.mark.parametrize("name", MOMENTUM)
def test_momentum_on_recorded_candles(name: str) -> None:
    changes, rules = MOMENTUM[name]
    expected = RestatedMomentum(read(RECORDED), rules, Decimal("0.0002"))
    assert_same(expected, backtest("momentum", RECORDED, changes, "2"))
