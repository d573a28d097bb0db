"""Money, lots, several bots on one account."""

from __future__ import annotations

from decimal import Decimal

from alpha.backtest.engine import FundingRate
from alpha.bots import Exit, Snapshot
from tests.backtest.stage import (
    BTC,
    ETH,
    STEP,
    Intent,
    Row,
    Scripted,
    candles,
    enter,
    flat,
    plan,
    run,
)

D = Decimal
CALM: Row = (100.0, 100.0, 100.0, 100.0)


def test_the_entry_fee_leaves_the_wallet_at_entry_and_equity_knows_no_exit_fee() -> None:
    script = Scripted({0: [enter("Sell", 100.0)]})
    run(script, [candles(BTC, [CALM, (100.0, 103.0, 100.0, 103.0)])])
    before, after = script.pictures[0], script.pictures[1]
    assert before.wallet == before.equity == 10_000
    assert after.wallet == D(10_000) - D("0.55")  # 10 * 100 * 0.00055
    assert after.equity == after.wallet - 30
    assert after.positions[BTC].signed_qty == -10
    assert after.positions[BTC].avg_price == 100
    assert after.positions[BTC].opened_ms == STEP


def test_orders_of_one_close_have_no_effect_on_each_other() -> None:
    seen: list[Snapshot] = []

    def both(snapshot: Snapshot) -> list[Intent]:
        seen.append(snapshot)
        return [enter("Buy", 100.0), enter("Buy", 10.0, symbol=ETH)]

    script = Scripted({0: both}, symbols=(BTC, ETH))
    result = run(script, [candles(BTC, flat(100.0, 2)), candles(ETH, flat(10.0, 2))])
    assert seen[0].wallet == 10_000
    assert {one.symbol for one in result.open_positions} == {BTC, ETH}
    assert result.final_balance == D(10_000) - 2 * D("0.55")


def test_scaling_in_averages_and_partial_exits_close_the_oldest_first() -> None:
    script = Scripted(
        {
            0: [enter("Buy", 100.0)],  # 10 at 100
            1: [enter("Buy", 100.0, reason="scale_in")],  # 10 at 110
            2: [Exit(symbol=BTC, reason="ma_exit", qty=D(15))],
            3: [Exit(symbol=BTC, reason="time_exit")],
        }
    )
    prices = [100.0, 100.0, 110.0, 120.0, 130.0]
    result = run(script, [candles(BTC, [(p, p, p, p) for p in prices])])
    assert script.pictures[2].positions[BTC].avg_price == 105
    assert script.pictures[3].positions[BTC].avg_price == 110  # five of the second lot are left
    first, second = result.trades
    assert (first.qty, first.entry_ms, first.entry_reason) == (D(15), STEP, "entry")
    assert first.entry_price == (D(1000) + 5 * D(110)) / 15
    fee = D("0.00055")
    assert first.fees == fee * (1000 + 550 + 15 * 120)
    assert first.net_pnl == 15 * 120 - 1550 - first.fees
    assert (second.qty, second.entry_price, second.entry_reason) == (D(5), D(110), "scale_in")
    assert result.final_balance == 10_000 + first.net_pnl + second.net_pnl


def test_a_position_is_turned_round_by_an_exit_and_an_entry_of_one_close() -> None:
    script = Scripted(
        {
            0: [enter("Buy", 100.0)],
            1: [enter("Sell", 100.0), Exit(symbol=BTC, reason="ma_exit")],
        }
    )
    result = run(script, [candles(BTC, flat(100.0, 3))])
    assert [(one.side, one.exit_reason) for one in result.trades] == [("long", "ma_exit")]
    assert [(one.side, one.qty) for one in result.open_positions] == [("short", D(10))]


def test_the_account_adds_up() -> None:
    acts = {n: [enter("Buy" if n % 4 else "Sell", 100.0)] for n in range(0, 30, 2)} | {
        n: [Exit(symbol=BTC, reason="ma_exit")] for n in range(1, 28, 2)
    }
    prices = [100.0 + (n * 7 % 11) / 10 for n in range(32)]
    result = run(Scripted(acts), [candles(BTC, [(p, p, p, p) for p in prices])], slippage_bps="3")
    assert len(result.trades) == 14
    open_fees = sum((one.fees for one in result.open_positions), D(0))
    assert result.final_balance == 10_000 + sum(one.net_pnl for one in result.trades) - open_fees
    assert result.fees == sum((one.fees for one in result.trades), open_fees)


def test_what_is_below_the_minimum_is_refused_and_still_a_signal() -> None:
    script = Scripted({0: [enter("Buy", 100.0, notional="4")]})
    result = run(script, [candles(BTC, flat(100.0, 2))])
    assert not result.open_positions
    assert [one.bar_ms for one in result.signals] == [0]
    assert "below minimum" in result.refused[0].why


def test_funding_moves_cash_at_its_moment() -> None:
    script = Scripted({0: [enter("Sell", 100.0)], 2: [Exit(symbol=BTC, reason="ma_exit")]})
    rates = [
        FundingRate(BTC, STEP, D("0.01")),  # before the entry fills: nothing is held
        FundingRate(BTC, 2 * STEP, D("0.001")),
        FundingRate(BTC, 3 * STEP, D("-0.002")),  # the exit fills behind it
    ]
    result = run(script, [candles(BTC, flat(100.0, 4))], funding=rates)
    # A short receives 1 USDT at 0.1 % of 1000, and pays 2.
    assert result.funding == D(-1)
    (trade,) = result.trades
    assert trade.net_pnl == D(-1) - trade.fees
    assert result.final_balance == 10_000 + trade.net_pnl


# -- several bots -----------------------------------------------------------------------------


def test_bots_share_the_wallet_and_hold_positions_of_their_own() -> None:
    one = Scripted({0: [enter("Buy", 100.0)]})
    two = Scripted({1: [enter("Buy", 100.0)]})
    result = run(
        {"one": one, "two": two}, [candles(BTC, [CALM, CALM, (110.0, 110.0, 110.0, 110.0)])]
    )
    assert {(left.bot, left.entry_price) for left in result.open_positions} == {
        ("one", D(100)),
        ("two", D(110)),
    }
    assert two.pictures[1].positions == {}
    assert two.pictures[1].wallet == one.pictures[1].wallet == D(10_000) - D("0.55")
    assert one.pictures[2].equity == two.pictures[2].equity


def test_a_bot_with_capital_of_its_own_sees_only_that() -> None:
    one, two = Scripted({0: [enter("Buy", 100.0)]}), Scripted()
    market = [candles(BTC, [CALM, (100.0, 101.0, 100.0, 101.0)])]
    run({"one": one, "two": two}, market, capital={"one": D(500), "two": D(300)})
    assert one.pictures[1].wallet == D(500) - D("0.55")
    assert one.pictures[1].equity == one.pictures[1].wallet + 10
    assert two.pictures[1].wallet == two.pictures[1].equity == 300


def test_bots_may_not_stand_against_each_other_without_netting() -> None:
    def strategies() -> dict[str, Scripted]:
        return {
            "one": Scripted({0: [enter("Buy", 100.0)]}),
            "two": Scripted({0: [enter("Sell", 100.0)], 1: [enter("Sell", 100.0)]}),
        }

    market = [candles(BTC, flat(100.0, 3))]
    refused = run(strategies(), market).refused
    assert [one.why.partition(":")[0] for one in refused] == ["symbol_conflict"] * 2
    netted = run(strategies(), market, netting=True)
    assert {(left.bot, left.side) for left in netted.open_positions} == {
        ("one", "long"),
        ("two", "short"),
    }


def test_stops_of_one_bot_leave_the_other_alone() -> None:
    one = Scripted({0: [enter("Buy", 100.0, plan(sl="0.01"))]})
    two = Scripted({0: [enter("Buy", 100.0, plan(sl="0.05"))]})
    result = run({"one": one, "two": two}, [candles(BTC, [CALM, CALM, (100.0, 100.0, 98.0, 99.0)])])
    assert [(trade.bot, trade.exit_price) for trade in result.trades] == [("one", D(99))]
    assert [left.bot for left in result.open_positions] == ["two"]
