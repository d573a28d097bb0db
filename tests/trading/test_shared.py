"""Several bots on one account and one symbol: own conditional stops, sides, netting."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from decimal import Decimal

import msgspec
import pytest

from alpha.clock import ManualClock
from alpha.core.ids import wire_id
from alpha.core.intents import Enter, Exit, MoveStop, StopPlan
from alpha.core.records import OrderRow
from alpha.core.steps import QtySteps
from alpha.ledger.pool import Pool
from alpha.pictures import stops_of
from alpha.sim.model import Order
from tests.trading.exchange import KEY, START_MS, HandExchange
from tests.trading.life import ACCOUNT, MINUTE, STOPS, Beat, Life, register_beat

D = Decimal
BTC = "BTCUSDT"
ONE, TWO, THREE = "one_001", "two_001", "three_001"
TRAIL = StopPlan(stop_loss=D("0.05"), trailing=D("0.02"))


class Crew:
    """Bots that do nothing by themselves, and a test that decides for them."""

    def __init__(
        self, exchange: HandExchange, pool: Pool, clock: ManualClock, *, netting: bool
    ) -> None:
        self.exchange = exchange
        self.pool = pool
        self.clock = clock
        self.netting = netting
        self.place = 0

    async def start(self, *bots: str) -> Life:
        beats = {bot: Beat(idle=True) for bot in bots or (ONE, TWO, THREE)}
        self.life = Life(self.exchange, self.pool, self.clock, bots=beats, netting=self.netting)
        await self.life.start()
        await self.hear()
        return self.life

    async def restart(self, *bots: str, commits: int = 0) -> Life:
        await self.life.kill(commits=commits)
        self.exchange.faults.clear()
        self.exchange.take_frames()
        return await self.start(*bots)

    async def decide(self, bot: str, *intents: Enter | Exit | MoveStop, hear: bool = True) -> None:
        self.place += 1
        session = self.life.sessions[bot]
        at = self.exchange.now_ms + 1_000
        self.exchange.market_clock.set(at, at)
        decision = session.handle.plan(intents, f"test:{self.place}", at)
        assert decision is not None
        session._carry_out(decision, None)
        await self.life.quiet()
        if hear:
            await self.hear()

    async def enter(
        self, bot: str, side: str, *, stops: StopPlan | None = STOPS, hear: bool = True
    ) -> None:
        intent = Enter(
            symbol=BTC,
            side="Buy" if side == "Buy" else "Sell",
            notional=D(450),
            price=self.exchange.price(BTC),
            reason="entry",
            leverage=D(5),
            stops=stops,
        )
        await self.decide(bot, intent, hear=hear)

    async def leave(self, bot: str, qty: Decimal | None = None, *, hear: bool = True) -> None:
        await self.decide(bot, Exit(symbol=BTC, reason="time_exit", qty=qty), hear=hear)

    async def tick(self, price: str, *, hear: bool = True) -> None:
        await self.exchange.tick(BTC, D(price), self.exchange.now_ms + 1_000)
        if hear:
            await self.hear()

    async def wait(self, seconds: float) -> None:
        await self.clock.sleep(seconds)
        await self.hear()

    async def hear(self) -> None:
        """Frames and looks at the stops, until nothing happens any more."""
        for _ in range(20):
            frames = self.exchange.take_frames()
            for frame in frames:
                self.life.hear(frame)
            await self.life.service.protection.check()
            await self.life.quiet()
            if not frames and not self.exchange.ear.frames:
                return
        raise AssertionError("expected the account to come to rest")

    def held(self, bot: str) -> Decimal:
        return self.life.account.position(bot, BTC).signed_qty

    def stops(self, bot: str) -> dict[str, tuple[Decimal, Decimal | None]]:
        """Reason -> (quantity, trigger) of the bot's conditional orders on the exchange."""
        return {
            self._row(order).reason: (order.qty, order.trigger_price)
            for order in self.exchange.open_orders(BTC)
            if order.link_id.startswith(f"{bot}-")
        }

    def _row(self, order: Order) -> OrderRow:
        row = self.life.account.tracker.get(order.link_id)
        assert row is not None, f"expected to know {order.link_id}"
        return row

    def adds_up(self) -> None:
        assert self.life.account.net(BTC) == self.exchange.position(BTC)
        assert len(set(self.exchange.creates)) == len(self.exchange.creates)

    async def last_exit(self, bot: str) -> Mapping[str, object]:
        await self.life.stored()
        row = await self.pool.fetchrow(
            "SELECT close_reason, attribution FROM trading.fills "
            "WHERE bot_id = $1 AND effect = 'exit' ORDER BY exec_time DESC LIMIT 1",
            bot,
        )
        assert row is not None
        return dict(row)


@pytest.fixture(params=[False, True], ids=["one side", "netting"])
async def crew(
    request: pytest.FixtureRequest, exchange: HandExchange, pool: Pool, clock: ManualClock
) -> AsyncIterator[Crew]:
    await register_beat(pool, ONE, TWO, THREE)
    exchange.market_clock.set(START_MS + MINUTE, START_MS + MINUTE)
    crew = Crew(exchange, pool, clock, netting=request.param)
    await crew.start()
    yield crew
    crew.adds_up()
    await crew.life.kill()


def price_of(stop: tuple[Decimal, Decimal | None]) -> Decimal:
    assert stop[1] is not None
    return stop[1]


async def test_each_bot_has_stops_of_its_own(crew: Crew) -> None:
    await crew.enter(ONE, "Buy")
    await crew.tick("101")
    await crew.enter(TWO, "Buy")
    first, second = crew.stops(ONE), crew.stops(TWO)
    assert set(first) == set(second) == {"stop_loss", "take_profit"}
    assert {qty for qty, _ in first.values()} == {crew.held(ONE)}
    assert price_of(first["stop_loss"]) < price_of(second["stop_loss"])
    event = crew.life.account.exchange[BTC]
    assert (event.stop_loss, event.take_profit) == (None, None)
    for bot, stops in ((ONE, first), (TWO, second)):
        shown = stops_of(crew.life.account, bot, BTC)
        assert (shown.stop_loss, shown.take_profit) == (
            price_of(stops["stop_loss"]),
            price_of(stops["take_profit"]),
        )
    assert crew.life.service.protection.unprotected() == []


async def test_a_stop_that_fires_closes_its_bot_alone(crew: Crew) -> None:
    await crew.enter(ONE, "Buy")
    await crew.tick("104")
    await crew.enter(TWO, "Buy")
    await crew.tick("98")  # the second's stop lies at 98.8, the first's at 95
    assert crew.held(TWO) == 0
    assert crew.held(ONE) == crew.exchange.position(BTC) > 0
    assert crew.stops(TWO) == {}, "its take profit is cancelled"
    assert set(crew.stops(ONE)) == {"stop_loss", "take_profit"}
    found = await crew.last_exit(TWO)
    assert found == {"close_reason": "stop_loss", "attribution": "id"}


async def test_a_part_that_is_closed_takes_its_part_of_the_stops(crew: Crew) -> None:
    await crew.enter(ONE, "Buy")
    await crew.enter(TWO, "Buy")
    whole = crew.held(ONE)
    await crew.leave(ONE, D(1))
    await crew.wait(1)
    assert crew.held(ONE) == whole - 1
    assert {qty for qty, _ in crew.stops(ONE).values()} == {whole - 1}
    await crew.leave(ONE)
    assert crew.stops(ONE) == {}
    assert set(crew.stops(TWO)) == {"stop_loss", "take_profit"}


async def test_another_side_is_refused_unless_positions_are_netted(crew: Crew) -> None:
    await crew.enter(ONE, "Buy")
    await crew.enter(TWO, "Sell")
    if not crew.netting:
        assert crew.held(TWO) == 0
        assert "symbol_conflict" in (await crew.life.refused())[-1]
        return
    assert crew.held(TWO) == -crew.held(ONE)
    assert crew.exchange.position(BTC) == 0
    await crew.tick("106")  # through the short's stop
    assert crew.held(TWO) == 0
    assert crew.exchange.position(BTC) == crew.held(ONE) > 0
    await crew.leave(ONE)
    assert crew.exchange.position(BTC) == 0
    assert crew.exchange.open_orders(BTC) == []


async def test_an_entry_on_its_way_counts_as_a_side(crew: Crew) -> None:
    await crew.enter(ONE, "Buy", hear=False)
    await crew.enter(TWO, "Sell", hear=False)
    assert any("is entering" in why for why in await crew.life.refused()) is not crew.netting
    await crew.hear()


async def test_a_moved_stop_is_amended(crew: Crew) -> None:
    await crew.enter(ONE, "Buy")
    before = [order.order_id for order in crew.exchange.open_orders(BTC)]
    await crew.decide(ONE, MoveStop(symbol=BTC, stop_loss=D("99.5"), reason="stop_loss"))
    assert crew.stops(ONE)["stop_loss"] == (crew.held(ONE), D("99.5"))
    assert [order.order_id for order in crew.exchange.open_orders(BTC)] == before


async def test_a_trailing_stop_goes_one_way_and_stays_when_the_process_dies(crew: Crew) -> None:
    await crew.enter(ONE, "Buy", stops=TRAIL)
    first = price_of(crew.stops(ONE)["trailing_stop"])
    await crew.tick("103")
    await crew.wait(1.1)
    raised = price_of(crew.stops(ONE)["trailing_stop"])
    assert raised == D(103) - D("2.0") > first
    assert stops_of(crew.life.account, ONE, BTC).stop_loss == raised
    await crew.tick("102")
    await crew.wait(1.1)
    assert price_of(crew.stops(ONE)["trailing_stop"]) == raised
    await crew.restart()
    await crew.wait(1.1)
    assert price_of(crew.stops(ONE)["trailing_stop"]) == raised
    await crew.tick("100.9")
    assert crew.held(ONE) == 0
    assert (await crew.last_exit(ONE))["close_reason"] == "trailing_stop"
    assert crew.exchange.open_orders(BTC) == []


async def test_a_stop_that_fires_beside_an_exit_does_not_leave_a_position(crew: Crew) -> None:
    await crew.enter(ONE, "Buy")
    await crew.enter(TWO, "Buy")
    await crew.leave(ONE, hear=False)
    await crew.tick("94", hear=False)  # before the stops could be cancelled
    await crew.hear()
    await crew.wait(3)
    assert crew.held(ONE) == crew.held(TWO) == 0
    assert crew.exchange.position(BTC) == 0
    assert crew.exchange.open_orders(BTC) == []


async def test_stops_survive_a_crash_and_are_not_sent_twice(crew: Crew) -> None:
    await crew.enter(ONE, "Buy")
    await crew.life.stored()
    sent = list(crew.exchange.creates)
    await crew.restart()
    assert crew.exchange.creates == sent
    assert set(crew.stops(ONE)) == {"stop_loss", "take_profit"}


async def test_stops_of_a_bot_that_is_left_out_are_kept(crew: Crew) -> None:
    await crew.enter(ONE, "Buy")
    await crew.restart(TWO)
    assert set(crew.stops(ONE)) == {"stop_loss", "take_profit"}
    await crew.enter(TWO, "Buy")
    assert set(crew.stops(TWO)) == {"stop_loss", "take_profit"}
    await crew.tick("94")
    assert crew.held(ONE) == crew.held(TWO) == crew.exchange.position(BTC) == 0


@pytest.mark.parametrize("fault", ["unanswered", "lost", "refused"])
async def test_a_stop_whose_answer_was_lost_is_there_once(crew: Crew, fault: str) -> None:
    crew.exchange.faults.extend(["", fault])
    await crew.enter(ONE, "Buy")
    await crew.wait(1)
    assert set(crew.stops(ONE)) == {"stop_loss", "take_profit"}
    assert len(crew.exchange.open_orders(BTC)) == 2


async def test_a_stop_that_is_refused_for_good_closes_the_position(crew: Crew) -> None:
    await crew.enter(ONE, "Buy", hear=False)
    crew.exchange.refuse_conditional = (110009, "The number of stop orders exceeds the maximum")
    await crew.hear()
    for _ in range(4):
        await crew.wait(1)
    assert crew.held(ONE) == crew.exchange.position(BTC) == 0
    assert (await crew.last_exit(ONE))["close_reason"] == "risk_limit"


async def test_conditional_orders_find_room_or_the_entry_is_refused(
    crew: Crew,
) -> None:
    await crew.enter(ONE, "Buy", stops=StopPlan(**{**TRAIL.model_dump(), "take_profit": D(1)}))
    for place in range(6):
        await crew.exchange.conditional(BTC, f"strange{place}", D(50))
    await crew.hear()
    await crew.enter(TWO, "Buy")
    assert "conditional orders" in (await crew.life.refused())[-1]
    await crew.enter(THREE, "Buy", stops=StopPlan(stop_loss=D("0.05")))
    assert set(crew.stops(THREE)) == {"stop_loss"}


async def test_the_exchanges_account_is_named(crew: Crew) -> None:
    await crew.enter(ONE, "Buy")
    await crew.life.stored()
    rows = await crew.pool.fetch(
        "SELECT purpose, reason, state, reduce_only FROM trading.orders "
        "WHERE account = $1 AND bot_id = $2 AND purpose = 'stop'",
        ACCOUNT,
        ONE,
    )
    assert {(row["reason"], row["state"], row["reduce_only"]) for row in rows} == {
        ("stop_loss", "open", False),
        ("take_profit", "open", False),
    }


async def test_the_highest_leverage_that_a_bot_declares_is_set_once(crew: Crew) -> None:
    await crew.restart(ONE, TWO)
    crew.exchange.asked.clear()
    for beat, leverage in zip(crew.life.bots.values(), (D(3), D(7)), strict=True):
        beat.declared = leverage
    for session in crew.life.sessions.values():
        await crew.life.service.prepare(session)
    held = crew.exchange.engine.exchange.state.position(KEY, BTC)
    assert held.leverage == 7
    assert crew.exchange.asked.count("/v5/position/set-leverage") == 2, "once per symbol"


async def test_leverage_that_nobody_declares_is_the_default(crew: Crew) -> None:
    await crew.life.kill()
    crew.exchange.take_frames()
    crew.life = Life(
        crew.exchange,
        crew.pool,
        crew.clock,
        bots={ONE: Beat(idle=True)},
        default_leverage=D(4),
    )
    await crew.life.start()
    assert crew.exchange.engine.exchange.state.position(KEY, BTC).leverage == 4


async def test_a_bot_hears_of_an_order_that_is_refused_at_once(crew: Crew) -> None:
    crew.exchange.refuse["/v5/order/create"] = (110007, "ab not enough for new order")
    await crew.enter(ONE, "Buy")
    beat = crew.life.bots[ONE]
    assert [(row.state, row.reject_code) for row in beat.orders] == [("rejected", 110007)]
    assert crew.life.bots[TWO].orders == []
    assert crew.life.doubted == []


async def test_an_order_refused_for_its_quantity_has_the_rules_read_again(crew: Crew) -> None:
    crew.exchange.refuse["/v5/order/create"] = (10001, "Qty invalid")
    await crew.enter(ONE, "Buy")
    assert crew.life.doubted == [BTC]


async def test_quantity_steps_that_have_changed_hold_from_then_on(crew: Crew) -> None:
    await crew.enter(ONE, "Buy")
    account = crew.life.account
    step = QtySteps.of([(0, D("0.001")), (2**41, D("0.01"))])
    crew.life.service.learn_steps({BTC: step})
    assert account.books[BTC].qty_steps is step and account.qty_steps == {BTC: step}


async def test_stops_change_hands_when_a_symbol_comes_to_be_shared(crew: Crew) -> None:
    await crew.restart(ONE)
    await crew.enter(ONE, "Buy")
    event = crew.life.account.exchange[BTC]
    assert event.stop_loss and event.take_profit
    await crew.life.stored()
    await crew.restart(ONE, TWO)
    await crew.wait(1)
    event = crew.life.account.exchange[BTC]
    assert (event.stop_loss, event.take_profit) == (None, None)
    assert set(crew.stops(ONE)) == {"stop_loss", "take_profit"}
    await crew.life.stored()
    await crew.restart(ONE)
    assert set(crew.stops(ONE)) == {"stop_loss", "take_profit"}
    await crew.tick("94")
    assert crew.held(ONE) == 0
    assert crew.exchange.open_orders(BTC) == []


async def test_a_stop_that_the_exchange_has_forgotten_ends_and_is_placed_again(crew: Crew) -> None:
    await crew.enter(ONE, "Buy")
    lost = next(o for o in crew.exchange.open_orders(BTC) if "-sl-" in o.link_id)
    await crew.exchange.forget(lost)
    await crew.life.sweep()
    row = crew.life.account.tracker.get(lost.link_id)
    assert row is not None and row.state == "open", "once is not enough"
    await crew.clock.sleep(11)
    await crew.life.sweep()
    await crew.hear()
    row = crew.life.account.tracker.get(lost.link_id)
    assert row is not None and row.state == "deactivated"
    assert crew.stops(ONE)["stop_loss"] == (crew.held(ONE), lost.trigger_price)


async def test_an_order_that_ended_while_its_row_was_lost_has_a_row_again(crew: Crew) -> None:
    """Sent right before the process was killed, and over before the next one looks."""
    stamp = crew.exchange.now_ms
    lost = wire_id(ONE, "trailing_stop", stamp)
    await crew.enter(ONE, "Buy")
    await crew.life.stored()
    await crew.life.kill()
    await crew.exchange.conditional(BTC, lost, D(90))
    (order,) = (one for one in crew.exchange.open_orders(BTC) if one.link_id == lost)
    values = {"category": "linear", "symbol": BTC, "orderId": order.order_id}
    await crew.exchange("POST", "/v5/order/cancel", {}, msgspec.json.encode(values))
    crew.exchange.take_frames()
    await crew.start()
    row = crew.life.account.tracker.get(lost)
    assert row is not None and (row.bot_id, row.reason) == (ONE, "trailing_stop")
    await crew.life.stored()
    query = "SELECT state FROM trading.orders WHERE order_link_id = $1"
    assert await crew.pool.fetchval(query, lost) == row.state == "deactivated"
    known = await crew.pool.fetch("SELECT order_link_id, decided_at FROM trading.orders")
    await crew.restart()
    assert await crew.pool.fetch("SELECT order_link_id, decided_at FROM trading.orders") == known


async def test_a_position_without_any_stop_is_taken_up_after_a_restart(crew: Crew) -> None:
    await crew.enter(ONE, "Buy", stops=None)
    await crew.life.stored()
    await crew.restart()
    assert crew.held(ONE) == D("4.5") and crew.stops(ONE) == {}
    await crew.leave(ONE)
    assert crew.held(ONE) == 0
