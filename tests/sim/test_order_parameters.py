"""What a create, amend or trading-stop request can ask for, order by order."""

from __future__ import annotations

from decimal import Decimal

import pytest

from alpha.sim.model import Amendment, Order, Refusal, Side, StopRequest
from tests.sim.pure import ACCOUNT, COIN, SPEC, Bench, D, orders_told


def refused(bench: Bench, side: Side = "Buy", qty: str = "1", **more: object) -> int:
    with pytest.raises(Refusal) as caught:
        bench.create(side, qty, **more)
    assert bench.exchange.take_changes().empty
    return caught.value.code


def system_orders(bench: Bench) -> dict[str, Order]:
    return {o.stop_type: o for o in bench.open_orders() if o.system}


# -- time in force ------------------------------------------------------------------------


def test_times_in_force_differ_in_what_becomes_of_the_rest() -> None:
    best = Bench().exchange.state.books[COIN].levels("Buy", 1)[0]
    price, some = str(best[0]), str(best[1] + 1)
    found = {}
    for tif in ("GTC", "IOC", "FOK", "PostOnly"):
        order, _ = Bench().create("Buy", some, price=price, time_in_force=tif)
        found[tif] = (order.status, order.reject_reason, order.cum_qty)
    assert found == {
        "GTC": ("PartiallyFilled", "EC_NoError", best[1]),
        "IOC": ("Cancelled", "EC_NoImmediateQtyToFill", best[1]),
        "FOK": ("Cancelled", "EC_NoImmediateQtyToFill", 0),
        "PostOnly": ("Cancelled", "EC_PostOnlyWillTakeLiquidity", 0),
    }
    resting, _ = Bench().create("Buy", "1", price="99", time_in_force="PostOnly")
    assert resting.status == "New"
    assert refused(Bench(), price="99", time_in_force="GTX") == 10001


def test_a_market_order_that_runs_dry_is_cancelled_with_fills() -> None:
    bench = Bench(balance="1000000")
    order, changes = bench.create("Buy", "40")
    assert order.status == "Cancelled" and order.reject_reason == "EC_NoImmediateQtyToFill"
    assert 0 < order.cum_qty < 40 and bench.position() == order.cum_qty
    assert [o.status for o in orders_told(changes)] == ["Cancelled"]


# -- slippage tolerance -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("side", "kind", "value", "limit"),
    [
        ("Buy", "TickSize", "3", "100.3"),
        ("Sell", "TickSize", "3", "99.6"),
        ("Buy", "Percent", "0.25", "100.2"),
        ("Sell", "Percent", "0.25", "99.7"),
        # Never beyond the protection of every market order, one per cent here.
        ("Buy", "Percent", "5", "101"),
    ],
)
def test_slippage_tolerance_bounds_the_price(side: str, kind: str, value: str, limit: str) -> None:
    bench = Bench(balance="1000000")
    request = {"slippage_type": kind, "slippage": value}
    order, changes = bench.create("Buy" if side == "Buy" else "Sell", "50", **request)
    assert order.price == D(limit)
    prices = [row.price for row in changes.executions]
    assert prices and all(p <= D(limit) if side == "Buy" else p >= D(limit) for p in prices)


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        ({"slippage_type": "TickSize", "slippage": "0"}, 110108),
        ({"slippage_type": "TickSize", "slippage": "1.5"}, 110108),
        ({"slippage_type": "TickSize", "slippage": "10001"}, 110108),
        ({"slippage_type": "Percent", "slippage": "0.001"}, 110109),
        ({"slippage_type": "Percent", "slippage": "10.01"}, 110109),
        ({"slippage_type": "Pips", "slippage": "1"}, 10001),
        ({"slippage_type": "TickSize", "slippage": "5", "price": "99"}, 10001),
        ({"slippage_type": "TickSize", "slippage": "5", "stop_loss": "99"}, 10001),
    ],
)
def test_slippage_tolerance_out_of_bounds(request_: dict[str, object], code: int) -> None:
    assert refused(Bench(), "Buy", "1", **request_) == code


# -- partial take profit and stop loss -----------------------------------------------------


def test_partial_stops_are_as_large_as_the_fill_that_brought_them() -> None:
    bench = Bench()
    bench.create("Buy", "2", stop_loss="97", tpsl_mode="Partial", link_id="a")
    bench.create("Buy", "1", take_profit="104", tpsl_mode="Partial", link_id="b")
    stop, profit = (system_orders(bench)[f"Partial{leg}"] for leg in ("StopLoss", "TakeProfit"))
    assert (stop.qty, stop.parent_link_id, stop.create_type) == (
        D(2),
        "a",
        "CreateByPartialStopLoss",
    )
    assert (profit.qty, profit.parent_link_id, profit.link_id) == (D(1), "b", "")
    held = bench.exchange.state.position(ACCOUNT, COIN)
    assert held.stop_loss is None and held.take_profit is None
    bench.tick("97", "Sell")
    assert bench.position() == 1 and stop.status == "Filled"
    assert system_orders(bench) == {"PartialTakeProfit": profit}
    bench.tick("104")
    assert bench.position() == 0 and profit.status == "Filled"


def test_of_a_pair_the_other_ends_when_one_fires() -> None:
    bench = Bench()
    bench.create("Buy", "2", stop_loss="97", take_profit="103", tpsl_mode="Partial")
    bench.create("Buy", "1")
    pair = system_orders(bench)
    bench.tick("103")
    assert pair["PartialTakeProfit"].status == "Filled" and bench.position() == 1
    stop = pair["PartialStopLoss"]
    assert (stop.status, stop.cancel_type) == ("Deactivated", "CancelByTpSlTsClear")


def test_a_limit_take_profit_rests_at_its_price() -> None:
    bench = Bench()
    bench.create("Buy", "2", take_profit="103", tp_limit="103.5", tpsl_mode="Partial")
    profit = system_orders(bench)["PartialTakeProfit"]
    bench.tick("103.2")
    assert (profit.status, profit.order_type, profit.reduce_only) == ("New", "Limit", True)
    changes = bench.tick("103.8")
    assert profit.status == "Filled" and bench.position() == 0
    assert {row.price for row in changes.executions} == {D("103.5")}


def test_partial_stops_end_with_the_position_and_are_limited() -> None:
    bench = Bench()
    bench.create("Sell", "4")
    request = StopRequest(symbol=COIN, stop_loss=D(103), tpsl_mode="Partial", size=D("0.5"))
    for _ in range(20):
        bench.exchange.trading_stop(ACCOUNT, request, bench.ms)
    with pytest.raises(Refusal) as caught:
        bench.exchange.trading_stop(ACCOUNT, request, bench.ms)
    assert caught.value.code == 110061
    assert len(bench.open_orders()) == 20
    bench.create("Buy", "4", reduce_only=True)
    assert bench.open_orders() == [] and bench.position() == 0


def test_limit_stops_need_the_partial_mode() -> None:
    assert refused(Bench(), take_profit="103", tp_limit="103.5") == 10001
    bench = Bench()
    bench.create("Buy", "1")
    for bad in ({"size": D(2)}, {"size": None}, {"size": D("0.0001")}):
        request = StopRequest(symbol=COIN, stop_loss=D(97), tpsl_mode="Partial", **bad)
        with pytest.raises(Refusal):
            bench.exchange.trading_stop(ACCOUNT, request, bench.ms)


# -- reduce only, close on trigger ---------------------------------------------------------


def test_a_reduce_only_order_above_the_largest_size_is_split() -> None:
    bench = Bench(balance="100000000")
    for _ in range(2):
        bench.create("Buy", "60", price="100.9")
        for _ in range(60):
            bench.tick("100.8", "Sell", qty="2")
    assert bench.position() == 120
    bench.exchange.take_changes()
    first, changes = bench.create("Sell", "200", reduce_only=True, link_id="out")
    made = {o.order_id: o for o in orders_told(changes)}
    # The largest market order is 50: the position of 120 takes three.
    assert [o.qty for o in made.values()] == [50, 50, 20]
    assert [o.link_id for o in made.values()] == ["out", "", ""]
    assert first.link_id == "out" and all(o.reduce_only for o in made.values())


def test_qty_zero_closes_everything() -> None:
    bench = Bench()
    bench.create("Buy", "3")
    order, _ = bench.create("Sell", "0", reduce_only=True, close_on_trigger=True)
    assert order.qty == 3 and bench.position() == 0
    assert refused(bench, "Sell", "0", reduce_only=True, close_on_trigger=True) == 110017
    assert refused(bench, "Sell", "0") == 10001


def test_reduce_only_against_nothing_is_refused_in_recorded_words() -> None:
    bench = Bench()
    with pytest.raises(Refusal, match="current position is zero"):
        bench.create("Sell", "1", reduce_only=True)
    bench.create("Buy", "1")
    with pytest.raises(Refusal, match="orderQty will be truncated to zero"):
        bench.create("Buy", "1", reduce_only=True)


# -- self-match prevention -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("smp", "maker", "taker"),
    [
        ("None", "New", "Filled"),
        ("CancelMaker", "Cancelled", "Filled"),
        ("CancelTaker", "New", "Cancelled"),
        ("CancelBoth", "Cancelled", "Cancelled"),
    ],
)
def test_who_is_cancelled_where_own_orders_would_meet(smp: str, maker: str, taker: str) -> None:
    bench = Bench()
    resting, _ = bench.create("Sell", "1", price="100.5")
    incoming, _ = bench.create("Buy", "0.2", price="100.6", smp_type=smp)
    assert (resting.status, incoming.status) == (maker, taker)
    for order in (resting, incoming):
        if order.status == "Cancelled":
            assert order.cancel_type == "CancelBySmp" and order.smp_order_id
    assert refused(bench, smp_type="CancelNobody") == 10001


# -- prices from the book ------------------------------------------------------------------


def test_prices_out_of_the_book() -> None:
    book = Bench().exchange.state.books[COIN]
    queue, _ = Bench().create("Buy", "1", price="1", bbo_side="Queue", bbo_level=2)
    assert queue.price == book.levels("Sell")[1][0] and queue.status == "New"
    counter, _ = Bench().create("Buy", "0.1", price="1", bbo_side="Counterparty", bbo_level=3)
    assert counter.price == book.levels("Buy")[2][0] and counter.status == "Filled"


# -- own conditional orders ----------------------------------------------------------------


def test_ten_conditional_orders_of_ones_own_and_no_more() -> None:
    bench = Bench()
    bench.create("Buy", "1", stop_loss="97", take_profit="103")
    stop = {"trigger_price": "98", "trigger_direction": 2, "reduce_only": True}
    for number in range(10):
        bench.create("Sell", "0.1", **stop, link_id=f"s-{number}")
    assert refused(bench, "Sell", "0.1", **stop) == 110009
    assert len(bench.open_orders()) == 12


def test_trigger_and_quantity_of_a_conditional_order_can_be_amended() -> None:
    bench = Bench()
    bench.create("Buy", "2")
    stop = {"trigger_price": "98", "trigger_direction": 2, "reduce_only": True}
    order, _ = bench.create("Sell", "1", **stop, link_id="stop")
    new = Amendment(trigger_price=D(99), qty=D("1.5"))
    bench.exchange.amend(ACCOUNT, COIN, "", "stop", new, bench.ms)
    assert (order.trigger_price, order.qty, order.status) == (D(99), D("1.5"), "Untriggered")
    with pytest.raises(Refusal) as caught:
        bench.exchange.amend(ACCOUNT, COIN, "", "stop", Amendment(trigger_price=D(101)), bench.ms)
    assert caught.value.code == 110093
    bench.exchange.take_changes()
    changes = bench.tick("98.9", "Sell")
    told = [o.status for o in orders_told(changes) if o.link_id == "stop"]
    assert told == ["Triggered", "Filled"] and bench.position() == D("0.5")
    assert {row.link_id for row in changes.executions} == {"stop"}


def test_cancel_all_by_filter() -> None:
    def day() -> Bench:
        bench = Bench()
        bench.create("Buy", "1", stop_loss="97")
        bench.create("Buy", "1", price="95", link_id="rest")
        bench.create("Sell", "1", trigger_price="96", trigger_direction=2, link_id="stop")
        return bench

    left = {
        ("", ""): set(),
        ("Order", ""): {"StopLoss", "Stop"},
        ("StopOrder", ""): {""},
        ("StopOrder", "Stop"): {"StopLoss", ""},
    }
    for (which, stop_type), kinds in left.items():
        bench = day()
        gone = bench.exchange.cancel_all(ACCOUNT, COIN, which, stop_type, bench.ms)
        assert {o.stop_type for o in bench.open_orders()} == kinds
        assert {o.status for o in gone} <= {"Cancelled", "Deactivated"}


# -- races ---------------------------------------------------------------------------------


def test_a_cancel_that_lost_its_race_is_refused_or_brings_a_second_filled() -> None:
    found = set()
    for salt in "abcdefgh":
        bench = Bench(salt=salt)
        order, _ = bench.create("Buy", "0.5", price="99.5")
        bench.tick("99", "Sell")
        assert order.status == "Filled"
        try:
            bench.exchange.cancel(ACCOUNT, COIN, order.order_id, "", bench.ms)
        except Refusal as refusal:
            found.add(str(refusal.code))
            assert bench.exchange.take_changes().empty
            continue
        (again,) = orders_told(bench.exchange.take_changes())
        assert (again.status, again.cum_qty) == ("Filled", D("0.5"))
        found.add(f"{again.cancel_type} {again.reject_reason}")
        with pytest.raises(Refusal):
            bench.exchange.cancel(ACCOUNT, COIN, order.order_id, "", bench.ms)
    assert found == {"110001", "CancelByUser EC_OrigClOrdIDDoesNotExist"}


def test_a_conditional_order_cancelled_before_its_trigger_is_deactivated() -> None:
    bench = Bench()
    order, _ = bench.create("Buy", "1", trigger_price="105", trigger_direction=1)
    bench.exchange.cancel(ACCOUNT, COIN, order.order_id, "", bench.ms)
    told = (order.status, order.cancel_type, order.reject_reason)
    assert told == ("Deactivated", "CancelByUser", "EC_NoError")


def test_spec_of_the_bench_is_what_these_tests_assume() -> None:
    assert (SPEC.max_market_qty, SPEC.tick_size) == (D(50), Decimal("0.1"))
