"""Three bots on one account, two symbols, any prices, faults and crashes: their books add up to the
exchange's, every position has its stop, every order is sent once, and what is closed is flat."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from alpha.core.intents import StopPlan
from alpha.crew import past_of
from alpha.embedded.place import Place
from alpha.ledger.pool import open_pool
from alpha.ledger.verify import verify
from alpha.trading.own_stops import STOPS
from tests.trading.exchange import START_MS, SYMBOLS, hand_exchange
from tests.trading.life import (
    ACCOUNT,
    MINUTE,
    Beat,
    Life,
    TooLittle,
    manual_clock,
    register_beat,
)
from tests.trading.test_crashes import Step as Delivery
from tests.trading.test_crashes import arranged, database, rows_of

D = Decimal
ZERO = D(0)
BOTS = ("one_001", "two_001", "three_001")
FATES = ("", "", "", "unanswered", "lost", "refused", "dies", "dies after")
#: Moves of a bar, in percent: stop losses lie 5 below or above, take profits 20 away.
MOVES = (-6, -3, -1, 0, 0, 1, 3, 6)
TRAIL = StopPlan(stop_loss=D("0.05"), trailing=D("0.03"))
ROUNDS = 12
CALM = Delivery()


@dataclass(frozen=True)
class Step:
    """What a bar brings. `shock` is a move after orders went out and before anything of it was
    heard; `stop_fates` befall the stops that follow."""

    move: int = 0
    shock: int = 0
    fates: tuple[str, ...] = ()
    stop_fates: tuple[str, ...] = ()
    #: Funding of the first coin, while orders are under way.
    rate: Decimal = ZERO
    delivery: Delivery = CALM


deliveries = st.builds(
    Delivery,
    shuffle=st.permutations(range(12)).map(tuple),
    twice=st.frozensets(st.integers(0, 11), max_size=4),
    killed_after=st.none() | st.none() | st.integers(0, 12),
    killed_before_sending=st.sampled_from((False, False, False, True)),
    commits=st.integers(0, 12),
    cut=st.sampled_from((False, False, False, True)),
)
steps = st.builds(
    Step,
    move=st.sampled_from(MOVES),
    shock=st.sampled_from((0, 0, *MOVES)),
    fates=st.lists(st.sampled_from(FATES), max_size=5).map(tuple),
    stop_fates=st.lists(st.sampled_from(FATES), max_size=5).map(tuple),
    rate=st.sampled_from((ZERO, ZERO, D("0.001"), D("-0.002"))),
    delivery=deliveries,
)


def crew(*, netting: bool) -> dict[str, Beat]:
    """The second enters a bar later, on the other side where that is allowed."""
    one, two, three = BOTS
    return {
        one: Beat(),
        two: Beat(phase=1, flipped=netting),
        three: Beat(phase=2, stops=TRAIL),
    }


class Story:
    """Plays the bars of one story through as many lives as it takes."""

    def __init__(self, life: Life, *, netting: bool) -> None:
        self.life = life
        self.netting = netting
        self.past: dict[int, Mapping[str, Decimal]] = {}
        self.price = D(100)

    def _moved(self, percent: int) -> Decimal:
        self.price = (self.price * (100 + percent) / 100).quantize(D("0.1"))
        return self.price

    async def bar(self, place: int, step: Step) -> None:
        exchange, delivery = self.life.exchange, step.delivery
        close_ms = START_MS + (place + 1) * MINUTE
        price = self._moved(step.move)
        for symbol in SYMBOLS:
            await exchange.tick(symbol, price, close_ms - 1_000)
        await self.rest(Delivery(shuffle=delivery.shuffle, twice=delivery.twice))
        self.past[place] = dict.fromkeys(SYMBOLS, price)
        exchange.market_clock.set(close_ms + 100, close_ms + 100)
        exchange.faults.extend(step.fates)
        self.life.close(place, self.past[place])
        if delivery.killed_before_sending:
            return await self.reborn(delivery)
        if await self._dies(step.fates):
            return await self.reborn(delivery)
        exchange.faults.clear()
        if step.shock:
            for symbol in SYMBOLS:
                await exchange.tick(symbol, self._moved(step.shock), close_ms + 1_000)
        if step.rate:
            await exchange.fund(SYMBOLS[0], step.rate, exchange.now_ms)
        if delivery.cut:
            exchange.take_frames()
            self.life.disconnect()
            self.life.connect()
            await self.life.sweep()
            await self.life.quiet()
        if delivery.killed_after is not None:
            await self.hear(delivery)
            return await self.reborn(delivery)
        exchange.faults.extend(step.stop_fates)
        await self.hear(delivery)
        await self.life.service.protection.check()
        if await self._dies(step.stop_fates):
            return await self.reborn(delivery)
        exchange.faults.clear()
        await self.rest(delivery)

    async def _dies(self, fates: tuple[str, ...]) -> bool:
        """Whether something hangs for ever; else everything has been answered."""
        if any(fate.startswith("dies") for fate in fates):
            await self.life.supervisor.settle(0.05)
            if self.life.supervisor._spawned:
                return True
        await self.life.quiet()
        return False

    async def hear(self, delivery: Delivery) -> None:
        rows = arranged(rows_of(self.life.exchange.take_frames()), delivery)
        for row in rows[: delivery.killed_after]:
            self.life.hear(row)

    async def rest(self, delivery: Delivery = CALM) -> None:
        """Frames and looks at the stops, until a second passes in which nothing happens."""
        calm = 0
        for _ in range(ROUNDS * 5):
            await self.life.service.protection.check()
            await self.life.quiet()
            if self.life.exchange.ear.frames:
                await self.hear(Delivery(shuffle=delivery.shuffle, twice=delivery.twice))
                calm = -1
            calm += 1
            if calm > 3:
                return
            await self.life.clock.sleep(0.6)
            await self._trade()
        raise AssertionError("expected the account to come to rest")

    async def _trade(self) -> None:
        """The market trades where it is, so that its book is full again."""
        exchange = self.life.exchange
        for symbol in SYMBOLS:
            await exchange.tick(symbol, exchange.price(symbol), exchange.now_ms + 50)

    async def reborn(self, delivery: Delivery) -> None:
        await self.life.kill(commits=delivery.commits)
        exchange = self.life.exchange
        exchange.faults.clear()
        exchange.take_frames()
        self.life = Life(
            exchange,
            self.life.pool,
            self.life.clock,
            bots=crew(netting=self.netting),
            netting=self.netting,
        )
        await self.life.start(self.past)
        await self.rest()

    async def settled(self) -> None:
        await self.rest()
        await self.life.sweep()
        await self.rest()

    # -- what has to hold -----------------------------------------------------------------------

    def check_sums(self) -> None:
        exchange, account = self.life.exchange, self.life.account
        for symbol in SYMBOLS:
            assert account.net(symbol) == exchange.position(symbol), symbol
            held = account.book(symbol).positions()
            assert set(held) <= set(BOTS), "nothing is anybody else's"
            assert {position.entry_reason for position in held.values()} <= {"entry"}, "overshot"
            if not self.netting:
                assert len({position.signed_qty > 0 for position in held.values()}) <= 1
        assert len(set(exchange.creates)) == len(exchange.creates), "no order twice"

    def check_stops(self) -> None:
        """Each position has one stop of exactly its quantity, and nobody else has any."""
        tracker = self.life.account.tracker
        for symbol in SYMBOLS:
            found: dict[tuple[str, str], list[Decimal]] = {}
            for order in self.life.exchange.open_orders(symbol):
                row = tracker.get(order.link_id)
                assert row is not None and row.purpose == "stop", order.link_id
                sign = 1 if order.side == "Sell" else -1
                found.setdefault((row.bot_id, row.reason), []).append(sign * order.qty)
            for bot in BOTS:
                held = self.life.account.position(bot, symbol).signed_qty
                expected = [held] if held else []
                fixed, trailing = (found.get((bot, leg), []) for leg in STOPS)
                assert [*fixed, *trailing] == expected, (bot, symbol)
                assert found.get((bot, "take_profit"), []) in ([], expected), (bot, symbol)

    async def check_ledger(self, url: str) -> None:
        await self.life.stored()
        assert list((await verify(url, account=ACCOUNT)).problems) == []
        stored = await self.life.pool.fetch("SELECT exec_id FROM trading.executions")
        truth = {row.exec_id for row in await self.life.exchange.truth()}
        assert {row["exec_id"] for row in stored} == truth
        for bot, session in self.life.sessions.items():
            past = await past_of(self.life.reader, bot, ACCOUNT)
            assert (session.fills, session.realised) == (past.fills, past.realised), bot
            assert session.money()[0] == D(10_000) + past.cash_flow, bot

    async def close_all(self) -> None:
        for symbol in SYMBOLS:
            for bot in BOTS:
                self.life.service.close(bot, symbol, "risk_limit")
        await self.life.quiet()
        await self.settled()
        for symbol in SYMBOLS:
            assert self.life.exchange.position(symbol) == 0
            assert self.life.account.book(symbol).positions() == {}
            assert self.life.exchange.open_orders(symbol) == []


async def play(server: tuple[Place, str], bars: tuple[Step, ...], *, netting: bool) -> int:
    clock = manual_clock()
    with tempfile.TemporaryDirectory() as folder:
        async with database(server) as url, hand_exchange(Path(folder), clock) as exchange:
            pool = await open_pool(url, clock=clock, max_size=4)
            try:
                await register_beat(pool, *BOTS)
                life = Life(exchange, pool, clock, bots=crew(netting=netting), netting=netting)
                await life.start()
                story = Story(life, netting=netting)
                for place, step in enumerate(bars):
                    await story.bar(place, step)
                await story.settled()
                story.check_sums()
                story.check_stops()
                await story.close_all()
                await story.check_ledger(url)
                await story.life.kill()
                return len(exchange.creates)
            finally:
                pool.terminate()


@pytest.mark.parametrize("netting", [False, True])
def test_calm_bars_trade(postgres_template: tuple[Place, str], *, netting: bool) -> None:
    bars = tuple(Step(move=move) for move in (0, 1, 1, -3, -3, 3, 3, -1))
    assert asyncio.run(play(postgres_template, bars, netting=netting)) >= 20


@pytest.mark.parametrize("netting", [False, True])
@pytest.mark.parametrize("shock", [-6, 6])
def test_stops_that_fire_while_exits_are_under_way(
    postgres_template: tuple[Place, str], shock: int, *, netting: bool
) -> None:
    bars = (Step(), Step(), Step(shock=shock))
    asyncio.run(play(postgres_template, bars, netting=netting))


@pytest.mark.timeout(1_800)
@settings(max_examples=100 if os.environ.get("CI") else 12, deadline=None)
@given(bars=st.lists(steps, min_size=4, max_size=8).map(tuple), netting=st.booleans())
def test_any_story_adds_up(
    postgres_template: tuple[Place, str], bars: tuple[Step, ...], *, netting: bool
) -> None:
    try:
        asyncio.run(play(postgres_template, bars, netting=netting))
    except TooLittle:
        assert netting
        reject()
