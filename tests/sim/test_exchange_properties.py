"""Random days at the exchange: whatever is asked for, its books agree with each other."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from alpha.sim.model import Amendment, Order, Refusal, Side, StopRequest, opposite
from alpha.sim.server import restored
from alpha.sim.store import Marks, Store, batch_of
from tests.sim.pure import ACCOUNT, COIN, SPEC, Bench, D

SIDES = st.sampled_from(["Buy", "Sell"])
STEPS = st.integers(60, 3000)
AWAY = st.integers(1, 60)
SMP = ["CancelMaker", "CancelTaker", "CancelBoth"]
CREATE_REFUSALS = {10001, 110003, 110007, 110009, 110017, 110061, 110092, 110093, 110094}
AMEND_REFUSALS = {10001, 110007, 110064, 110094}


class Day(RuleBasedStateMachine):
    """One account, one coin; every step is stored as the server stores it."""

    def __init__(self) -> None:
        super().__init__()
        self.bench = Bench(balance="1000000")
        self.folder = TemporaryDirectory()
        self.store = Store(Path(self.folder.name))
        self.store.claim("feed", "test")
        exchange = self.bench.exchange
        exchange.state.put_account(exchange.state.accounts[ACCOUNT])
        self.number = 0
        self.saved = 0
        self.told: dict[str, Order] = {}
        self._save()

    def teardown(self) -> None:
        self.store.close()
        self.folder.cleanup()

    def _save(self) -> None:
        """Stores what has happened since the last call, as the server would."""
        self.bench.changes.append(self.bench.exchange.take_changes())
        for changes in self.bench.changes[self.saved :]:
            for emission in changes.emissions:
                for row in emission.rows:
                    if isinstance(row, Order):
                        before = self.told.get(row.order_id)
                        assert before is None or before.open or before.status == "Triggered"
                        self.told[row.order_id] = row
            self.store.commit(batch_of(changes, Marks(self.bench.ms, self.bench.ms, 0)))
        self.saved = len(self.bench.changes)

    def _price(self, ticks: int) -> Decimal:
        return self.bench.exchange.state.mark(COIN) + D(ticks) / 10

    def _create(self, side: Side, steps: int, **more: object) -> None:
        self.number += 1
        try:
            self.bench.create(side, str(D(steps) / 1000), link_id=f"o-{self.number}", **more)
        except Refusal as refusal:
            assert refusal.code in CREATE_REFUSALS
            assert self.bench.exchange.take_changes().empty

    @rule(side=SIDES, steps=STEPS, reduce=st.booleans())
    def market(self, side: Side, steps: int, reduce: bool) -> None:
        self._create(side, steps, reduce_only=reduce)
        self._save()

    @rule(side=SIDES, steps=STEPS, stop=AWAY, profit=AWAY)
    def market_with_stops(self, side: Side, steps: int, stop: int, profit: int) -> None:
        sign = 1 if side == "Buy" else -1
        self._create(
            side,
            steps,
            stop_loss=self._price(-sign * stop),
            take_profit=self._price(sign * profit),
        )
        self._save()

    @rule(side=SIDES, steps=STEPS, stop=AWAY, profit=AWAY, limit=st.integers(0, 5))
    def market_with_partial_stops(
        self, side: Side, steps: int, stop: int, profit: int, limit: int
    ) -> None:
        sign = 1 if side == "Buy" else -1
        self._create(
            side,
            steps,
            stop_loss=self._price(-sign * stop),
            take_profit=self._price(sign * profit),
            tp_limit=self._price(sign * (profit + limit)) if limit else None,
            tpsl_mode="Partial",
        )
        self._save()

    @precondition(lambda self: self.bench.position() != 0)
    @rule(steps=STEPS, stop=AWAY)
    def partial_stop(self, steps: int, stop: int) -> None:
        held = self.bench.position()
        request = StopRequest(
            symbol=COIN,
            stop_loss=self._price(-stop if held > 0 else stop),
            tpsl_mode="Partial",
            size=min(abs(held), D(steps) / 1000),
        )
        try:
            self.bench.exchange.trading_stop(ACCOUNT, request, self.bench.ms)
        except Refusal as refusal:
            assert refusal.code == 110061
        self._save()

    @rule(side=SIDES, steps=STEPS, away=st.integers(-8, 8), smp=st.sampled_from(SMP))
    def limit_without_self_match(self, side: Side, steps: int, away: int, smp: str) -> None:
        self._create(side, steps, price=self._price(away), smp_type=smp)
        self._save()

    @rule(side=SIDES, steps=STEPS, away=st.integers(-8, 8), reduce=st.booleans())
    def limit(self, side: Side, steps: int, away: int, reduce: bool) -> None:
        self._create(side, steps, price=self._price(away), reduce_only=reduce)
        self._save()

    @rule(side=SIDES, steps=STEPS, away=AWAY, up=st.booleans(), reduce=st.booleans())
    def conditional(self, side: Side, steps: int, away: int, up: bool, reduce: bool) -> None:
        self._create(
            side,
            steps,
            trigger_price=self._price(away if up else -away),
            trigger_direction=1 if up else 2,
            reduce_only=reduce,
        )
        self._save()

    @rule(move=st.integers(-80, 80), side=SIDES, gap=st.booleans(), steps=STEPS)
    def market_moves(self, move: int, side: Side, gap: bool, steps: int) -> None:
        price = max(self._price(move), D(50))
        self.bench.tick(str(price), side, gap=gap, qty=str(D(steps) / 1000))
        self._save()

    @precondition(lambda self: self.bench.position() != 0)
    @rule(stop=AWAY, trailing=AWAY)
    def trading_stop(self, stop: int, trailing: int) -> None:
        sign = 1 if self.bench.position() > 0 else -1
        request = StopRequest(
            symbol=COIN, stop_loss=self._price(-sign * stop), trailing=D(trailing) / 10
        )
        try:
            self.bench.exchange.trading_stop(ACCOUNT, request, self.bench.ms)
        except Refusal as refusal:
            assert refusal.code == 34040
        self._save()

    @precondition(lambda self: self.bench.open_orders())
    @rule(data=st.data())
    def cancel_one(self, data: st.DataObject) -> None:
        order = data.draw(st.sampled_from(self.bench.open_orders()))
        self.bench.exchange.cancel(ACCOUNT, COIN, order.order_id, "", self.bench.ms)
        assert not order.open
        self._save()

    @precondition(lambda self: self.bench.open_orders())
    @rule(data=st.data(), steps=STEPS)
    def amend_one(self, data: st.DataObject, steps: int) -> None:
        order = data.draw(st.sampled_from(self.bench.open_orders()))
        new = Amendment(qty=D(steps) / 1000)
        if order.child:
            return
        try:
            self.bench.exchange.amend(ACCOUNT, COIN, order.order_id, "", new, self.bench.ms)
        except Refusal as refusal:
            assert refusal.code in AMEND_REFUSALS
        self._save()

    @rule(rate=st.integers(-30, 30))
    def funding(self, rate: int) -> None:
        self.bench.exchange.funding(COIN, D(rate) / 10_000, self.bench.ms)
        self._save()

    @precondition(lambda self: self.bench.position() != 0)
    @rule(what=st.sampled_from(["liquidate", "deleverage", "settle", "part"]), steps=STEPS)
    def forced(self, what: str, steps: int) -> None:
        exchange, held = self.bench.exchange, abs(self.bench.position())
        if what == "liquidate":
            row = exchange.liquidate(ACCOUNT, COIN, self.bench.ms)
        elif what == "settle":
            row = exchange.settle(ACCOUNT, COIN, self.bench.ms)
        else:
            qty = min(held, D(steps) / 1000) if what == "part" else None
            row = exchange.deleverage(ACCOUNT, COIN, qty, self.bench.ms)
        assert row.closed_size == row.qty and row.position_after == self.bench.position()
        self._save()

    @invariant()
    def money_and_position_follow_from_the_executions(self) -> None:
        rows = self.bench.executions()
        fills = [r for r in rows if r.exec_type != "Funding"]
        size = sum((r.qty if r.side == "Buy" else -r.qty for r in fills), D(0))
        assert self.bench.position() == size
        assert self.bench.balance() == 1_000_000 + sum((r.pnl - r.fee for r in rows), D(0))
        # Opening fees lie with the position until the fills that close it take them along.
        taken = sum((r.open_fee for r in fills), D(0))
        opening = sum(
            (r.fee - (r.fee * r.closed_size / r.qty).quantize(D("1e-8")) for r in fills), D(0)
        )
        held = self.bench.exchange.state.position(ACCOUNT, COIN)
        assert held.open_fee == opening - taken and (held.size > 0 or held.open_fee == 0)
        wallet = self.bench.exchange.state.wallet_view(ACCOUNT)
        assert wallet.account.balance == self.bench.balance()
        filled: dict[str, Decimal] = {}
        for row in fills:
            filled[row.order_id] = filled.get(row.order_id, D(0)) + row.qty
        for order_id, order in self.told.items():
            assert order.cum_qty == filled.get(order_id, D(0))
            assert order.status != "Filled" or order.leaves == 0

    @invariant()
    def stops_belong_to_the_position(self) -> None:
        held = self.bench.exchange.state.position(ACCOUNT, COIN)
        children = [o for o in self.bench.open_orders() if o.child]
        assert len({o.stop_type for o in children}) == len(children)
        wanted = {
            "StopLoss": held.stop_loss,
            "TakeProfit": held.take_profit,
            "TrailingStop": held.trailing,
        }
        assert {o.stop_type for o in children} == {k for k, v in wanted.items() if v is not None}
        for child in children:
            assert child.qty == held.size > 0 and opposite(child.side) == held.side
        partial = [o for o in self.bench.open_orders() if o.system and not o.child]
        assert held.size > 0 or not partial
        assert all(o.side != held.side for o in partial)
        for order in self.bench.open_orders():
            if order.reduce_only and not order.conditional:
                assert held.side not in ("", order.side) and order.leaves <= held.size

    @invariant()
    def nothing_open_lies_behind_the_market(self) -> None:
        book = self.bench.exchange.state.books[COIN]
        for order in self.bench.open_orders():
            if order.conditional and order.distance is None and order.trigger_price is not None:
                if order.trigger_direction == 1:
                    assert order.trigger_price > book.last or order.system
                else:
                    assert order.trigger_price < book.last or order.system

    @invariant()
    def a_restart_finds_the_same_exchange(self) -> None:
        saved = self.store.load()
        again = restored([SPEC], saved)
        state, found = self.bench.exchange.state, again.state
        assert found.accounts == state.accounts
        assert list(found.orders[COIN].values()) == list(state.orders[COIN].values())
        assert found.links == state.links and found.sequences == state.sequences
        assert found.issued == state.issued
        held = state.position(ACCOUNT, COIN)
        assert found.position(ACCOUNT, COIN) == held


TestDay = Day.TestCase
TestDay.settings = settings(max_examples=150, stateful_step_count=30, deadline=None)


def test_a_stop_that_was_triggered_waits_behind_what_rests_also_after_a_restart() -> None:
    day = Day()
    try:
        day.market_with_partial_stops(side="Buy", steps=60, stop=1, profit=1, limit=1)
        day.limit(side="Sell", steps=60, away=2, reduce=False)
        day.market_moves(side="Buy", steps=60, move=1, gap=False)
        resting = [order for order in day.bench.open_orders() if order.status == "New"]
        assert [order.stop_type for order in resting] == ["", "PartialTakeProfit"]
        day.a_restart_finds_the_same_exchange()
    finally:
        day.teardown()
