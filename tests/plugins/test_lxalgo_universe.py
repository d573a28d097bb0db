"""Which symbols LXAlgo follows, and what becomes of those that leave."""

from __future__ import annotations

from decimal import Decimal

from alpha.bots import Market
from tests.plugins.lxalgo_tape import BTC, ETH, SOL, intents, lxalgo, tape


def test_symbols_are_chosen_by_turnover() -> None:
    handle = lxalgo()
    assert handle.wants_universe
    assert not handle.subscriptions
    markets = [
        Market("AUSDT", Decimal(10_000_000)),
        Market("BUSDT", Decimal(10_000_001)),
        Market("CUSDT", Decimal(90_000_000)),
    ]
    assert handle.choose(0, markets)
    assert [one.symbol for one in handle.subscriptions] == ["CUSDT", "BUSDT"]
    assert not handle.choose(0, markets)


def test_without_turnovers_all_are_taken_in_their_order() -> None:
    handle = lxalgo()
    handle.choose(0, [Market("AUSDT"), Market("BUSDT")])
    assert [one.symbol for one in handle.subscriptions] == ["AUSDT", "BUSDT"]


def test_configured_symbols_that_are_not_traded_are_left_out() -> None:
    handle = lxalgo({"symbols": [SOL, BTC, "GONEUSDT"]})
    handle.choose(0, [Market(BTC), Market(ETH), Market(SOL)])
    assert [one.symbol for one in handle.subscriptions] == [SOL, BTC]


def test_a_symbol_that_left_is_managed_and_not_bought() -> None:
    """It keeps its bars while there is a position; the others keep theirs."""
    market = tape(symbols=(BTC, ETH))
    market.close(109.0, 100.0)
    handle = market.desk.handle
    assert not handle.choose(market.start_ms, [Market(ETH)], {BTC})  # the same bars
    assert {one.symbol for one in handle.subscriptions} == {BTC, ETH}
    for _ in range(95):
        market.close(108.0, 100.0)
    assert intents(market.close(108.0, 109.0)) == [
        ("exit", BTC, "time_exit"),
        ("enter", ETH, "rule_8"),
    ]
    assert handle.choose(market.start_ms, [Market(ETH)])
    assert [one.symbol for one in handle.subscriptions] == [ETH]


def test_what_is_held_is_followed_whether_chosen_or_not() -> None:
    """As after a restart: the choice is made anew, the position is there."""
    handle = lxalgo()
    handle.choose(0, [Market(ETH)], {BTC})
    assert [one.symbol for one in handle.subscriptions] == [ETH, BTC]


def test_a_symbol_that_left_is_not_bought() -> None:
    market = tape(symbols=(BTC, ETH))
    market.desk.handle.choose(market.start_ms, [Market(ETH)], {BTC})
    assert intents(market.close(109.0, 109.0)) == [("enter", ETH, "rule_8")]


def test_a_new_symbol_is_decided_on_after_its_warm_up() -> None:
    market = tape(symbols=(BTC,))
    market.desk.handle.choose(market.start_ms, [Market(BTC)])
    assert market.desk.handle.choose(market.start_ms, [])
    assert market.desk.handle.choose(market.start_ms, [Market(BTC)])
    assert market.close(109.0) is None
    assert "was 1" in market.desk.handle.state_reason
