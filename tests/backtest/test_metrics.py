"""Figures computed by hand, and a report that stands alone."""

from __future__ import annotations

import json
import math
import re
from array import array
from decimal import Decimal
from html.parser import HTMLParser

import pytest

from alpha.backtest.drawing import days, moments, steps, thinned
from alpha.backtest.metrics import daily_equity, metrics, monthly_returns
from alpha.backtest.output import document
from alpha.backtest.report import LEAD, MOST_CANDLES, MOST_NEAR, page
from alpha.backtest.result import Curve, Result, Trade
from alpha.backtest.tape import Tape
from alpha.bots import Exit
from tests.backtest.stage import BTC, STEP, Act, Scripted, candles, enter, flat, plan, run

DAY = 86_400_000
D = Decimal


def trade(net: str, reason: str = "ma_exit", symbol: str = BTC) -> Trade:
    return Trade(
        bot="one",
        symbol=symbol,
        side="long",
        qty=D(1),
        entry_ms=0,
        entry_price=D(100),
        entry_reason="entry",
        exit_ms=3_600_000,
        exit_price=D(101),
        exit_reason=reason,
        fees=D("0.1"),
        net_pnl=D(net),
    )


def result(equity: list[float], trades: list[Trade], step: int = DAY) -> Result:
    """Equity at the ends of days of 2025, with one position open at every other close."""
    first = 20_089 * DAY  # 2025-01-01
    found = Curve()
    found.close_ms = array("q", (first + (n + 1) * step for n in range(len(equity))))
    found.equity = array("d", equity)
    found.open_positions = array("i", (n % 2 for n in range(len(equity))))
    return Result(
        balance=D(100),
        final_balance=D(str(equity[-1])),
        trades=trades,
        signals=[],
        open_positions=[],
        refused=[],
        fees=D(1),
        funding=D(0),
        curve=found,
        bars=len(equity),
        notes=[],
    )


def test_returns_and_what_they_cost_in_nerves() -> None:
    figures = metrics(result([110.0, 99.0, 121.0, 121.0], []))
    # Daily returns: +10 %, -10 %, +22.22 %, 0
    returns = [0.1, -0.1, 22 / 99, 0.0]
    mean = sum(returns) / 4
    spread = math.sqrt(sum((one - mean) ** 2 for one in returns) / 3)
    below = math.sqrt(0.1**2 / 4)
    assert figures["total_return"] == pytest.approx(0.21)
    assert figures["sharpe"] == pytest.approx(mean / spread * math.sqrt(365))
    assert figures["sortino"] == pytest.approx(mean / below * math.sqrt(365))
    # From the first close to the last three days pass.
    assert figures["cagr"] == pytest.approx(1.21 ** (365.25 / 3) - 1)
    assert figures["max_drawdown"] == pytest.approx(0.1)
    assert figures["calmar"] == pytest.approx((1.21 ** (365.25 / 3) - 1) / 0.1)
    assert figures["max_drawdown_from"] == "2025-01-02T00:00:00.000Z"
    assert figures["max_drawdown_to"] == "2025-01-03T00:00:00.000Z"
    assert figures["max_drawdown_recovered"] == "2025-01-04T00:00:00.000Z"
    assert figures["exposure"] == 0.5


def test_a_drawdown_from_the_start_that_is_not_recovered() -> None:
    figures = metrics(result([90.0, 80.0, 95.0], []))
    assert figures["max_drawdown"] == pytest.approx(0.2)
    assert figures["max_drawdown_recovered"] is None


def test_trades_are_summed_up() -> None:
    trades = [
        trade("30"),
        trade("-10", "stop_loss"),
        trade("-5", "stop_loss", "ETHUSDT"),
        trade("0"),
    ]
    figures = metrics(result([115.0, 115.0], trades))
    assert (figures["trades"], figures["win_rate"], figures["net_pnl"]) == (4, 0.25, 15.0)
    assert (figures["profit_factor"], figures["expectancy"]) == (2.0, 3.75)
    assert (figures["average_win"], figures["average_loss"]) == (30.0, -7.5)
    assert (figures["best"], figures["worst"], figures["average_hours"]) == (30.0, -10.0, 1.0)
    assert figures["by_reason"] == {
        "ma_exit": {"trades": 2, "net_pnl": 30.0, "fees": 0.2, "win_rate": 0.5},
        "stop_loss": {"trades": 2, "net_pnl": -15.0, "fees": 0.2, "win_rate": 0.0},
    }
    by_symbol = figures["by_symbol"]
    assert isinstance(by_symbol, dict) and set(by_symbol) == {BTC, "ETHUSDT"}


def test_what_has_no_value_is_none() -> None:
    figures = metrics(result([100.0], []))
    for name in ("cagr", "sharpe", "sortino", "calmar", "profit_factor", "expectancy", "win_rate"):
        assert figures[name] is None, name
    assert "NaN" not in document(result([100.0], []), figures).decode()


def test_a_close_at_midnight_ends_the_day_before() -> None:
    found = result([1.0, 2.0, 3.0, 4.0], [], step=DAY // 2).curve
    assert daily_equity(found) == [(20_089, 2.0), (20_090, 4.0)]


def test_months_follow_one_another() -> None:
    found = result([float(100 + n) for n in range(40)], []).curve
    months = dict(monthly_returns(found, 100.0))
    assert list(months) == ["2025-01", "2025-02"]
    assert months["2025-01"] == pytest.approx(0.30)
    assert months["2025-02"] == pytest.approx(139 / 130 - 1)


def test_amounts_keep_their_digits() -> None:
    raw = document(result([100.0], [trade("0.123456789012345678")]), {})
    assert b'"net_pnl":0.123456789012345678' in raw
    assert list(json.loads(raw)) == [
        "trades",
        "signals",
        "final_balance",
        "open_positions",
        "metrics",
    ]


# -- the report -------------------------------------------------------------------------------


class Tags(HTMLParser):
    """Fails on tags that do not match; notes what would be fetched from elsewhere."""

    VOID = frozenset({"meta", "line", "polygon", "polyline", "path", "circle", "rect"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.outside: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("script", "link", "img", "iframe"):
            self.outside.append(tag)
        self.outside += [value for name, value in attrs if name in ("src", "href") and value]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def test_the_report_stands_alone_and_shows_everything() -> None:
    script = Scripted(
        {
            0: [enter("Buy", 100.0, plan(tp="0.02"))],
            3: [enter("Sell", 102.0, plan(sl="0.01"))],
            8: [Exit(symbol=BTC, reason="ma_exit")],
            600: [enter("Buy", 100.0)],
        }
    )
    rows = [*flat(100.0, 2), (100.0, 103.0, 100.0, 102.0), *flat(102.0, 3), *flat(101.0, 600)]
    market = candles(BTC, rows)
    found = run(script, [market])
    tape = Tape({BTC: market}, STEP)
    text = page(["a<b"], tape, found, metrics(found))
    tags = Tags()
    tags.feed(text)
    assert not tags.open and not tags.outside
    said = " ".join(tags.text)
    for words in ("Equity", "Drawdown", "Months", "Exit reasons", "take_profit", "Still open", BTC):
        assert words in said
    assert "a<b" in said and "a<b" not in text
    far, near = text.split("Nearer: all trades")
    assert far.count('class="mark"') == near.count('class="mark"') == len(found.trades) == 2
    # Whatever is wider than a telephone scrolls in a box of its own.
    assert text.count('<div class="wide"><svg') == text.count("<svg") == 5
    assert len(re.findall('<div class="wide"><table', text)) == text.count("<table") == 4
    assert "http" not in text and "url(" not in text
    assert text == page(["a<b"], tape, found, metrics(found))


def test_a_run_without_trades_has_a_report() -> None:
    market = candles(BTC, flat(100.0, 3))
    found = run(Scripted(), [market])
    tags = Tags()
    tags.feed(page(["idle"], Tape({BTC: market}, STEP), found, metrics(found)))
    assert not tags.open


def test_a_thinned_curve_keeps_its_extremes() -> None:
    points = [(n, math.sin(n / 50)) for n in range(10_000)]
    points[7777] = (7777, 9.0)
    shown = thinned(points, 500)
    assert len(shown) <= 502
    assert (7777, 9.0) in shown and shown[-1] == points[-1]
    assert shown == sorted(shown)


def test_a_chart_from_nearer_by_shows_every_candle_of_a_trade() -> None:
    """Trades of an hour, a day apart: a day of candles each, in which the trade is seen whole."""
    day = DAY // STEP
    acts: dict[int, Act] = {n * day: [enter("Buy", 100.0)] for n in range(9)}
    acts |= {n * day + 12: [Exit(symbol=BTC, reason="ma_exit")] for n in range(9)}
    market = candles(BTC, flat(100.0, 9 * day))
    found = run(Scripted(acts), [market])
    text = page(["often"], Tape({BTC: market}, STEP), found, metrics(found))
    _, near = text.split("Nearer: the busiest times")
    near = near.partition("</details>")[0]
    assert near.count("<svg") == MOST_NEAR and near.count('class="mark"') == MOST_NEAR
    # The first entry fills in bar 1: that much of its lead is missing.
    assert near.count('class="candle') == MOST_NEAR * MOST_CANDLES - (LEAD - 1)
    assert "01-02 00:00" in near and "01-01 00:00" in near


def test_axes_have_round_steps() -> None:
    day = 86_400_000
    assert moments(0, 10 * day)[:2] == [(0, "1970-01-01"), (2 * day, "1970-01-03")]
    hours = moments(day // 2 + 1, day + 1)
    assert hours[:2] == [(14 * day // 24, "01-01 14:00"), (16 * day // 24, "01-01 16:00")]
    assert 4 <= len(moments(0, 4 * day - 1)) <= 8
    assert steps(0.0, 1.0) == pytest.approx([0.0, 0.2, 0.4, 0.6, 0.8, 1.0])
    assert steps(9312.0, 10_870.0) == [9500, 10_000, 10_500]
    assert days(DAY // 2, 3 * DAY) == [DAY, 2 * DAY, 3 * DAY]
    assert len(days(0, 400 * DAY)) <= 7
