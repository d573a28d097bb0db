"""ShortSeller's limits: crosses and losses of a day, exposure, drawdown."""

from __future__ import annotations

from decimal import Decimal

from alpha.bots import BotPosition
from alpha.bots.host import BotState
from tests.plugins.candles import BAR_MS
from tests.plugins.shortseller_tape import BTC, DAY, DAY_MS, ENTRY, ETH, NOTHING, SOL, intents, tape

# -- days -------------------------------------------------------------------------------------


def test_the_counter_belongs_to_the_day_of_the_bars_start() -> None:
    """The last bar of September is decided at 00:00 of October and counts for September."""
    market = tape(start_ms=DAY + DAY_MS - 2 * BAR_MS, fills=False)
    market.drop()
    assert market.now == DAY + DAY_MS
    assert market.state()["crosses"] == 2
    assert market.state()["day"] == DAY // DAY_MS
    market.close(101.0)
    assert market.state() == {
        "crosses": 0,
        "day": DAY // DAY_MS + 1,
        "entry_ms": None,
        "first_ms": DAY + DAY_MS - BAR_MS,
        "ordered": None,
    }


def test_the_day_begins_with_the_close_at_midnight() -> None:
    """A loss of 5 % since the day's first close, which is the one at 00:00, ends entries."""
    market = tape(start_ms=DAY + DAY_MS - 3 * BAR_MS, fills=False)
    market.desk.equity = Decimal(10_000)
    market.close(100.0)  # 23:50, the first evaluated bar: an anchor of its own
    market.desk.equity = Decimal(9_600)
    assert intents(market.drop()) == ENTRY  # 23:55 and 00:00; the latter is the new anchor
    market.desk.equity = Decimal(9_121)  # 4.99 % below it, 8.8 % below the first one
    assert intents(market.drop()) == ENTRY
    market.desk.equity = Decimal(9_120)  # 5 %
    assert intents(market.drop()) == NOTHING
    market.desk.equity = Decimal(9_121)
    assert intents(market.drop()) == ENTRY  # tested at each entry, not latched


# -- gates ------------------------------------------------------------------------------------


def test_three_slots_fit_the_exposure_limit_and_no_more() -> None:
    symbols = (BTC, ETH, SOL)
    assert len(intents(tape(symbols=symbols).drop())) == 3
    less = tape({"exposure_limit": "2.09"}, symbols=symbols)
    assert [symbol for _, symbol, _ in intents(less.drop())] == [BTC, ETH]
    off = tape({"exposure_limit": "2.09", "risk_gates": False}, symbols=symbols)
    assert len(intents(off.drop())) == 3


def test_an_order_that_is_too_small_takes_no_room_from_the_next() -> None:
    """A slot of 3.50 USDT is worth less than the smallest order of 5; where it counted, the two
    behind it would find no room."""
    less = tape({"exposure_limit": "1.39"}, symbols=(BTC, ETH, SOL))
    less.desk.wallet = Decimal(5)
    assert [symbol for _, symbol, _ in intents(less.drop())] == [BTC, ETH, SOL]


def test_exposure_counts_positions_at_entry_and_orders_on_their_way() -> None:
    market = tape({"exposure_limit": "1.39"}, symbols=(BTC, ETH), fills=False)
    market.close(101.0, 100.0)
    assert intents(market.close(99.0, 100.0)) == ENTRY
    market.desk.pending_entries = {BTC}
    market.close(98.0, 101.0)
    assert intents(market.close(98.0, 99.0)) == NOTHING
    market.desk.pending_entries = set()
    short = BotPosition(BTC, Decimal("-70.7"), Decimal(99), market.now, "ema_cross")
    market.desk.positions[BTC] = short
    market.desk.equity = Decimal(10_000)
    market.close(98.0, 101.0)
    assert intents(market.close(98.0, 99.0)) == NOTHING
    del market.desk.positions[BTC]
    market.close(98.0, 101.0)
    assert intents(market.close(98.0, 99.0)) == [("enter", ETH, "ema_cross")]


def test_a_drawdown_of_15_percent_closes_everything_until_reset() -> None:
    market = tape(symbols=(BTC, ETH), fills=False)
    desk = market.desk
    desk.equity = Decimal(10_000)
    market.close(100.0)
    desk.equity = Decimal(12_000)  # the peak
    market.close(100.0)
    for symbol in (BTC, ETH):
        desk.positions[symbol] = BotPosition(symbol, Decimal(-1), Decimal(100), DAY, "ema_cross")
    desk.equity = Decimal("10_200.01")
    assert intents(market.close(99.0)) == NOTHING
    desk.equity = Decimal(10_200)
    tripped = market.close(99.0)
    assert intents(tripped) == [("exit", BTC, "risk_limit"), ("exit", ETH, "risk_limit")]
    assert desk.handle.state is BotState.PAUSED
    assert "equity 10200 fell to 85% of its peak 12000" in desk.handle.state_reason
    desk.pending_exits = {BTC}
    assert intents(market.close(100.0)) == [("exit", ETH, "risk_limit")]
    desk.pending_exits = set()
    desk.positions.clear()
    desk.equity = Decimal(13_000)
    assert intents(market.drop()) == NOTHING
    desk.equity = Decimal(10_000)
    market.close(99.0)
    assert desk.handle.start()
    assert desk.handle.state_reason == ""
    assert len(intents(market.drop())) == 2


def test_gates_may_be_off() -> None:
    market = tape({"risk_gates": False}, fills=False)
    market.desk.equity = Decimal(10_000)
    market.close(100.0)
    market.desk.equity = Decimal(1)
    assert intents(market.drop()) == ENTRY
    assert market.desk.handle.state is BotState.RUNNING
