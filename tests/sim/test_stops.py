"""Stops of the matching core: conditional orders, stop loss, take profit, trailing stop."""

from __future__ import annotations

import pytest

from alpha.sim.model import Amendment, Refusal, StopRequest
from tests.sim.pure import ACCOUNT, COIN, Bench, D, orders_told


def test_conditional_order_keeps_its_ids_through_trigger_and_fill() -> None:
    bench = Bench()
    bench.create("Buy", "1")
    order, changes = bench.create(
        "Sell", "1", trigger_price="98", trigger_direction=2, reduce_only=True, link_id="stop"
    )
    assert [o.status for o in orders_told(changes)] == ["Untriggered"]
    assert not bench.tick("98.1", "Sell").executions
    changes = bench.tick("97", "Sell")
    told = orders_told(changes)
    assert [o.status for o in told] == ["Triggered", "Filled"]
    assert {o.order_id for o in told} == {order.order_id}
    assert {o.link_id for o in told} == {"stop"} and told[0].price == 0
    assert {row.stop_type for row in changes.executions} == {"Stop"}
    assert {row.create_type for row in changes.executions} == {"CreateByStopOrder"}
    assert bench.position() == 0


def test_stop_fires_at_its_level_on_the_way_and_at_the_open_after_a_gap() -> None:
    for gap, expected in ((False, "98"), (True, "95")):
        bench = Bench()
        bench.create("Buy", "0.1")
        bench.create("Sell", "0.1", trigger_price="98", trigger_direction=2, reduce_only=True)
        changes = bench.tick("95", "Sell", gap=gap)
        assert changes.executions[0].price == D(expected)


def test_touching_the_trigger_is_enough() -> None:
    bench = Bench()
    bench.create("Buy", "0.1", stop_loss="98", take_profit="103")
    assert bench.tick("103", "Buy").executions[0].create_type == "CreateByTakeProfit"


def test_attached_stops_become_children_that_name_their_parent() -> None:
    bench = Bench()
    parent, _ = bench.create("Buy", "2", link_id="parent", stop_loss="97", take_profit="105")
    children = {o.stop_type: o for o in bench.open_orders()}
    assert set(children) == {"StopLoss", "TakeProfit"}
    for child in children.values():
        assert child.link_id == "" and child.parent_link_id == "parent"
        assert child.side == "Sell" and child.reduce_only and child.qty == 2
    changes = bench.tick("96", "Sell")
    rows = changes.executions
    assert {r.create_type for r in rows} == {"CreateByStopLoss"}
    assert {r.link_id for r in rows} == {""} and bench.position() == 0
    profit = children["TakeProfit"]
    assert (profit.status, profit.cancel_type) == ("Deactivated", "CancelByTpSlTsClear")
    held = bench.exchange.state.position(ACCOUNT, COIN)
    assert held.stop_loss is None and held.take_profit is None
    assert parent.stop_loss == 97


def test_children_grow_and_shrink_with_the_position() -> None:
    bench = Bench()
    bench.create("Buy", "1", stop_loss="97")
    bench.create("Buy", "0.5")
    (child,) = bench.open_orders()
    assert child.qty == D("1.5")
    bench.create("Sell", "1.2", reduce_only=True)
    assert child.qty == D("0.3")


def test_a_flip_ends_the_stops_of_the_old_side() -> None:
    bench = Bench()
    bench.create("Buy", "1", stop_loss="97")
    bench.create("Sell", "2", stop_loss="104")
    (child,) = bench.open_orders()
    assert child.side == "Buy" and child.trigger_price == 104 and child.qty == 1


def test_trading_stop_sets_moves_and_removes_and_says_when_nothing_changed() -> None:
    bench = Bench()
    desk = bench.exchange
    with pytest.raises(Refusal, match="can not set tp/sl/ts for zero position"):
        desk.trading_stop(ACCOUNT, StopRequest(symbol=COIN, stop_loss=D("97")), bench.ms)
    bench.create("Buy", "1")
    desk.trading_stop(ACCOUNT, StopRequest(symbol=COIN, stop_loss=D("97")), bench.ms)
    (child,) = bench.open_orders()
    with pytest.raises(Refusal) as refused:
        desk.trading_stop(ACCOUNT, StopRequest(symbol=COIN, stop_loss=D("97")), bench.ms)
    assert refused.value.code == 34040
    desk.trading_stop(ACCOUNT, StopRequest(symbol=COIN, stop_loss=D("98")), bench.ms)
    assert bench.open_orders() == [child] and child.trigger_price == 98
    with pytest.raises(Refusal, match="set for Buy position should lower"):
        desk.trading_stop(ACCOUNT, StopRequest(symbol=COIN, stop_loss=D("101")), bench.ms)
    desk.trading_stop(ACCOUNT, StopRequest(symbol=COIN, stop_loss=D("0")), bench.ms)
    assert child.status == "Deactivated" and not bench.open_orders()


def test_trailing_stop_follows_the_best_price_and_fires_at_its_distance() -> None:
    bench = Bench()
    bench.create("Buy", "0.1")
    request = StopRequest(symbol=COIN, trailing=D("2"))
    bench.exchange.trading_stop(ACCOUNT, request, bench.ms)
    bench.tick("105")
    bench.tick("103.5", "Sell")
    bench.tick("104.5")
    assert bench.position() == D("0.1")
    changes = bench.tick("102", "Sell")
    assert changes.executions[0].price == 103
    assert changes.executions[0].stop_type == "TrailingStop"
    assert bench.position() == 0


def test_trailing_stop_waits_for_its_activation_price() -> None:
    bench = Bench()
    bench.create("Sell", "0.1")
    request = StopRequest(symbol=COIN, trailing=D("1"), active_price=D("97"))
    bench.exchange.trading_stop(ACCOUNT, request, bench.ms)
    bench.tick("98", "Sell")
    bench.tick("99.9")
    assert bench.position() == D("-0.1")
    bench.tick("96.5", "Sell")
    changes = bench.tick("99")
    assert changes.executions[0].price == D("97.5") and bench.position() == 0


def test_one_way_of_the_price_meets_orders_in_its_own_order() -> None:
    """Down to 94: the resting buy at 97 fills first, then the stop at 95 closes all."""
    bench = Bench()
    bench.create("Sell", "0.2", trigger_price="95", trigger_direction=2)
    bench.create("Buy", "0.1", price="99")
    bench.tick("94", "Sell")
    assert bench.executions()[0].price == 99
    assert bench.position() == D("-0.1") and bench.average() == 95


def test_conditional_order_without_margin_is_cancelled_when_it_triggers() -> None:
    bench = Bench(balance="100")
    order, _ = bench.create("Buy", "40", trigger_price="101", trigger_direction=1)
    changes = bench.tick("102")
    assert order.status == "Cancelled" and not changes.executions


def test_reduce_only_stop_without_a_position_is_cancelled_when_it_triggers() -> None:
    bench = Bench()
    bench.create("Buy", "1")
    order, _ = bench.create("Sell", "1", trigger_price="98", trigger_direction=2, reduce_only=True)
    bench.create("Sell", "1", reduce_only=True)
    bench.tick("97", "Sell")
    assert (order.status, order.cancel_type) == ("Cancelled", "CancelByReduceOnly")
    assert bench.position() == 0


def test_cancelling_a_conditional_order_deactivates_it() -> None:
    bench = Bench()
    order, _ = bench.create("Sell", "1", trigger_price="98", trigger_direction=2)
    bench.exchange.cancel(ACCOUNT, COIN, order.order_id, "", bench.ms)
    assert (order.status, order.cancel_type) == ("Deactivated", "CancelByUser")


def test_amended_trigger_is_checked_against_the_market() -> None:
    bench = Bench()
    order, _ = bench.create("Sell", "1", trigger_price="98", trigger_direction=2)
    new = Amendment(trigger_price=D("99"))
    bench.exchange.amend(ACCOUNT, COIN, order.order_id, "", new, bench.ms)
    assert order.trigger_price == 99
    with pytest.raises(Refusal, match="110093"):
        bad = Amendment(trigger_price=D("100.5"))
        bench.exchange.amend(ACCOUNT, COIN, order.order_id, "", bad, bench.ms)


def test_ten_conditional_orders_per_symbol() -> None:
    bench = Bench()
    for number in range(10):
        bench.create("Sell", "1", trigger_price=str(90 - number), trigger_direction=2)
    with pytest.raises(Refusal) as refused:
        bench.create("Sell", "1", trigger_price="80", trigger_direction=2)
    assert refused.value.code == 110009
