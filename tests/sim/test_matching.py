"""The matching core: fills, Bybit's average price, flips, limits, margin, funding."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alpha.sim import positions
from alpha.sim.model import Amendment, Execution, Position, Refusal, Side
from tests.sim.pure import ACCOUNT, COIN, SPEC, Bench, D, orders_told


def test_position_numbers_reproduce_a_recorded_row() -> None:
    """A recorded 0.158 BTC long at 10x, mark 86380.2 (maintenance rate 0.33 %)."""
    held = Position(
        account="a",
        symbol=COIN,
        side="Buy",
        size=D("0.158"),
        cost=D("13669.6367"),
        realised=D("-5.46785468"),
    )
    mark = D("86380.2")
    view = positions.view(held, mark, SPEC)
    assert view.avg_price == D("86516.68797468")
    assert view.value == D("13648.0716")
    assert view.unrealised == D("-21.5651")
    assert view.break_even == D("86598.9240581")
    assert view.initial_margin == D("1371.57363016")
    assert positions.maintenance_margin(held, mark, D("0.0033")) == D("51.80510644")


def test_large_order_walks_the_book_and_partial_fills_share_one_seq_per_frame() -> None:
    bench = Bench()
    order, changes = bench.create("Buy", "5")
    assert order.status == "Filled" and order.cum_qty == 5
    prices = [row.price for row in changes.executions]
    assert prices == sorted(prices) and prices[0] == 100 and len(set(prices)) >= 3
    frames = [e.rows for e in changes.emissions if e.kind == "execution"]
    for rows in frames:
        assert len({row.seq for row in rows if isinstance(row, Execution)}) == 1
    assert len({row.exec_id for row in changes.executions}) == len(changes.executions)
    leaves = [row.leaves_qty for row in changes.executions]
    assert leaves == sorted(leaves, reverse=True) and leaves[-1] == 0


def test_frames_come_in_every_order_that_real_connections_show() -> None:
    kinds: set[tuple[str, ...]] = set()
    for number in range(60):
        _, changes = Bench(salt=f"s{number}").create("Buy", "2")
        kinds.add(tuple(e.kind for e in changes.emissions))
    assert any(k.index("order") < k.index("execution") for k in kinds)
    assert any(k.index("order") > k.index("execution") for k in kinds)
    assert any(k.index("position") < k.index("execution") for k in kinds)
    assert any(k.count("execution") == 2 for k in kinds)
    assert any(k.count("execution") == 1 for k in kinds)


def test_market_order_larger_than_the_book_ends_cancelled_with_what_it_got() -> None:
    bench = Bench(balance="10000000")
    order, changes = bench.create("Buy", "50")
    # 1 % of 100 are ten levels of 0.1 and the best one, about one coin each.
    assert order.status == "Cancelled" and order.reject_reason == "EC_NoImmediateQtyToFill"
    assert order.price == 101 and 0 < order.cum_qty < 20
    assert max(row.price for row in changes.executions) <= 101
    assert bench.position() == order.cum_qty


def test_liquidity_comes_back_with_the_next_public_trade() -> None:
    bench = Bench(balance="10000000")
    first, _ = bench.create("Buy", "50")
    second, _ = bench.create("Buy", "50")
    assert second.cum_qty == 0
    bench.tick("100")
    third, _ = bench.create("Buy", "50")
    assert third.cum_qty == first.cum_qty


@given(
    trades=st.lists(
        st.tuples(st.sampled_from(["Buy", "Sell"]), st.integers(60, 400), st.integers(900, 1100)),
        min_size=1,
        max_size=30,
    )
)
@settings(max_examples=300, deadline=None)
def test_books_balance_for_any_sequence_of_market_orders(
    trades: list[tuple[Side, int, int]],
) -> None:
    """Fees, profit and position, recomputed from the execution rows alone."""
    bench = Bench(balance="100000000")
    for side, steps, price in trades:
        bench.tick(str(D(price) / 10), side)
        bench.create(side, str(D(steps) / 1000))
    size = cost = cash = D(0)
    for row in bench.executions():
        signed = row.qty if row.side == "Buy" else -row.qty
        closed = min(abs(size), row.qty) if size * signed < 0 else D(0)
        assert row.closed_size == closed
        entry = cost * closed / abs(size) if closed else D(0)
        gain = (row.price * closed - entry) * (1 if size > 0 else -1)
        assert abs(row.pnl - gain) < D("1e-7")
        opened = row.qty - closed
        cost = cost - entry + opened * row.price
        size += signed
        cash += row.pnl - row.fee
        assert row.position_after == size
        assert row.fee == round(row.value * D("0.00055"), 8)
    assert bench.position() == size
    assert bench.balance() == 100_000_000 + cash
    if size:
        assert abs(bench.average() - cost / abs(size)) < D("1e-7")
    seqs = [row.seq for row in bench.executions()]
    assert seqs == sorted(seqs)


def test_flip_takes_the_price_of_the_fill_that_opens_the_other_side() -> None:
    bench = Bench()
    bench.create("Buy", "0.3")
    bench.tick("110", "Sell")
    order, changes = bench.create("Sell", "0.5")
    assert order.closed_pnl == D("3")
    assert bench.position() == D("-0.2") and bench.average() == 110
    assert sum(row.closed_size for row in changes.executions) == D("0.3")


def test_limit_order_rests_fills_as_maker_and_in_parts_when_only_touched() -> None:
    bench = Bench()
    order, changes = bench.create("Buy", "2", price="99", link_id="rest")
    assert order.status == "New" and not changes.executions
    bench.tick("99", "Sell", qty="0.5")
    assert order.status == "PartiallyFilled" and order.cum_qty == D("0.5")
    bench.tick("98.9", "Sell")
    assert order.status == "Filled"
    rows = bench.executions()
    assert all(row.is_maker and row.price == 99 for row in rows)
    assert sum(row.fee for row in rows) == D("198") * D("0.0002")


def test_limit_orders_by_time_in_force() -> None:
    bench = Bench()
    post, _ = bench.create("Buy", "1", price="100.1", time_in_force="PostOnly")
    assert (post.status, post.reject_reason) == ("Cancelled", "EC_PostOnlyWillTakeLiquidity")
    fok, _ = bench.create("Buy", "40", price="100.2", time_in_force="FOK")
    assert fok.status == "Cancelled" and fok.cum_qty == 0
    ioc, _ = bench.create("Buy", "5", price="100.1", time_in_force="IOC")
    assert ioc.status == "Cancelled" and 0 < ioc.cum_qty < 5
    gtc, _ = bench.create("Buy", "5", price="100.3")
    assert gtc.status == "PartiallyFilled" and gtc.open


def test_limit_price_outside_the_band_moves_to_its_edge() -> None:
    order, _ = Bench().create("Buy", "1", price="120")
    assert order.price == 101


def test_amend_moves_a_resting_order_and_refuses_what_cannot_be() -> None:
    bench = Bench()
    order, _ = bench.create("Buy", "2", price="99", link_id="a1")
    bench.exchange.amend(ACCOUNT, COIN, "", "a1", Amendment(price=D("98.5"), qty=D("1")), bench.ms)
    assert (order.price, order.qty) == (D("98.5"), D(1))
    with pytest.raises(Refusal, match="110001 order not exists or too late to replace"):
        bench.exchange.amend(ACCOUNT, COIN, "", "nope", Amendment(price=D("98")), bench.ms)
    bench.tick("98.5", "Sell", qty="0.6")
    with pytest.raises(Refusal) as refused:
        bench.exchange.amend(ACCOUNT, COIN, "", "a1", Amendment(qty=D("0.5")), bench.ms)
    assert refused.value.code == 110064


@pytest.mark.parametrize(
    ("side", "qty", "more", "code", "words"),
    [
        ("Buy", "0.0005", {}, 10001, "Qty invalid"),
        ("Buy", "0.001", {}, 110094, "minimum order value 5USDT"),
        ("Buy", "1", {"link_id": "a:b"}, 10001, "order_link_id"),
        ("Buy", "1", {"link_id": "x" * 37}, 10001, "longer than 36"),
        ("Buy", "1", {"price": "99.05"}, 110003, "price is invalid"),
        ("Buy", "1", {"position_idx": 1}, 10001, "position idx not match position mode"),
        ("Sell", "1", {"reduce_only": True}, 110017, "current position is zero"),
        ("Buy", "49", {"price": "100"}, 110007, "CheckMarginRatio fail! InsufficientAB"),
        ("Buy", "1", {"stop_loss": "101"}, 10001, "StopLoss:1010000 set for Buy position"),
        (
            "Buy",
            "1",
            {"trigger_price": "99.9", "trigger_direction": 1},
            110092,
            "expect Rising, but trigger_price[999000] <= current[1000000]??LastPrice",
        ),
        ("Sell", "1", {"trigger_price": "101", "trigger_direction": 2}, 110093, "expect Falling"),
    ],
)
def test_refusals_leave_no_trace(
    side: Side, qty: str, more: dict[str, object], code: int, words: str
) -> None:
    bench = Bench(balance="400")
    with pytest.raises(Refusal) as refused:
        bench.create(side, qty, **more)
    assert refused.value.code == code and words in refused.value.message
    assert bench.exchange.take_changes().empty
    assert not bench.open_orders()


def test_link_ids_are_used_up_for_a_lifetime() -> None:
    bench = Bench()
    bench.create("Buy", "1", price="95", link_id="once")
    bench.exchange.cancel(ACCOUNT, COIN, "", "once", bench.ms)
    with pytest.raises(Refusal, match="110072 OrderLinkedID is duplicate"):
        bench.create("Buy", "1", price="95", link_id="once")


def test_reduce_only_closes_what_is_there_and_never_more() -> None:
    bench = Bench()
    bench.create("Buy", "1")
    order, _ = bench.create("Sell", "3", reduce_only=True)
    assert order.qty == 1 and order.status == "Filled" and bench.position() == 0


def test_resting_reduce_only_order_shrinks_and_ends_with_the_position() -> None:
    bench = Bench()
    bench.create("Buy", "1")
    order, _ = bench.create("Sell", "1", price="100.9", reduce_only=True)
    bench.create("Sell", "0.4")
    assert order.qty == D("0.6") and order.open
    bench.create("Sell", "0.6")
    assert (order.status, order.cancel_type) == ("Cancelled", "CancelByReduceOnly")


def test_funding_moves_cash_and_nothing_else() -> None:
    bench = Bench()
    bench.create("Sell", "2")
    before, size, average = bench.balance(), bench.position(), bench.average()
    bench.exchange.funding(COIN, D("0.0001"), 5_000)
    row = bench.exchange.take_changes().executions[0]
    assert (row.exec_type, row.side, row.link_id, row.exec_ms) == ("Funding", "Sell", "", 5_000)
    assert row.fee_rate == D("-0.0001") and row.fee == D("-0.02")
    assert bench.balance() == before + D("0.02")
    assert (bench.position(), bench.average()) == (size, average)


def test_leverage_limits_what_can_be_opened() -> None:
    bench = Bench(balance="400")
    with pytest.raises(Refusal, match="110007"):
        bench.create("Buy", "49", price="100")
    bench.exchange.set_leverage(ACCOUNT, COIN, D(50), bench.ms)
    order, _ = bench.create("Buy", "30", price="99")
    assert order.open
    with pytest.raises(Refusal, match="110043"):
        bench.exchange.set_leverage(ACCOUNT, COIN, D(50), bench.ms)
    with pytest.raises(Refusal, match="110013"):
        bench.exchange.set_leverage(ACCOUNT, COIN, D(101), bench.ms)


def test_a_closed_market_refuses_orders() -> None:
    bench = Bench()
    bench.exchange.close_market()
    with pytest.raises(Refusal) as refused:
        bench.create("Buy", "1")
    assert refused.value.code == 110074


def test_the_same_salt_and_requests_give_the_same_ids_and_fills() -> None:
    def told() -> list[object]:
        bench = Bench(salt="same")
        bench.create("Buy", "3")
        bench.tick("101")
        bench.create("Sell", "3")
        return [*bench.executions(), *(orders_told(c) for c in bench.changes)]

    assert told() == told()


def test_quantities_are_exact_decimals() -> None:
    bench = Bench()
    bench.create("Buy", "0.123")
    assert all(isinstance(row.qty, Decimal) for row in bench.executions())
    assert sum(row.qty for row in bench.executions()) == D("0.123")
