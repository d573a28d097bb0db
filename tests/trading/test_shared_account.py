"""Several bots on one account: whose an execution without an id of ours is, and when it is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal

import pytest

from alpha.bybit.limiter import Limiter
from alpha.bybit.rest import Rest
from alpha.bybit.signing import Credentials
from alpha.clock import ManualClock
from alpha.core.events import Execution, OrderEvent, Side
from alpha.core.ids import wire_id
from alpha.core.records import Correction, Fill, Marks, OrderRow, Override, Tally
from alpha.core.steps import QtySteps
from alpha.ledger.pool import Pool
from alpha.ledger.reader import LedgerReader
from alpha.ledger.registry import AccountEntry, BotEntry, register, register_qty_steps
from alpha.ledger.verify import verify
from alpha.ledger.writer import LedgerWriter
from alpha.supervision import Supervisor
from alpha.trading.account import Account
from alpha.trading.catchup import CatchUp
from alpha.trading.manual import ManualPolicy
from alpha.trading.waiting import OrderSearch
from tests.trading.exchange import KEY, START_MS, HandExchange
from tests.trading.life import ACCOUNT, NOWHERE
from tests.until import until

ANN, BOB = "ann_001", "bob_001"
BTC, ETH = "BTCUSDT", "ETHUSDT"
D = Decimal


@dataclass
class Ear:
    """What one bot is told."""

    fills: list[Fill] = field(default_factory=list)
    orders: list[OrderRow] = field(default_factory=list)
    corrections: list[Correction] = field(default_factory=list)

    def told_fill(self, fill: Fill, received_ns: int) -> None:
        self.fills.append(fill)

    def told_tally(self, tally: Tally) -> None:
        pass

    def told_correction(self, correction: Correction) -> None:
        self.corrections.append(correction)

    def told_order(self, row: OrderRow) -> None:
        self.orders.append(row)


class Desk:
    """An account of two bots over a real database; the exchange is asked only by id."""

    def __init__(
        self,
        pool: Pool,
        exchange: HandExchange,
        clock: ManualClock,
        *,
        owners: Mapping[str, str] | None = None,
        policies: Mapping[str, ManualPolicy] | None = None,
    ) -> None:
        self.paused: list[tuple[str, str]] = []
        self.clock = clock
        self.reader = LedgerReader(pool)
        self.writer = LedgerWriter(pool, clock=clock, lease=None)
        self.exchange = exchange
        self.ears = {ANN: Ear(), BOB: Ear()}
        self.account = Account(
            ACCOUNT,
            bots={ANN: frozenset({BTC, ETH}), BOB: frozenset({BTC})},
            known_bots=(ANN, BOB),
            owners=owners or {},
            manual_policies=policies,
            ledger=self.writer,
            clock=clock,
            qty_steps={BTC: QtySteps.always(D("0.001"))},
            overrides={},
        )
        self.account.release()
        for bot_id, ear in self.ears.items():
            self.account.listen(bot_id, ear)
        rest = Rest(
            NOWHERE,
            Credentials(KEY, "secret"),
            account=ACCOUNT,
            clock=clock,
            limiter=Limiter(clock),
            transport=exchange,
        )
        self.supervisor = Supervisor(clock)
        self.search = OrderSearch(self.account, rest, clock=clock, spawn=self.supervisor.spawn)
        self.catch_up = CatchUp(self.account, self.reader, self.writer)

    def receive(self, *rows: Execution) -> None:
        self.account.receive(rows)

    def told(self, bot_id: str) -> list[str]:
        return [fill.exec_id for fill in self.ears[bot_id].fills]

    def size(self, bot_id: str, symbol: str = BTC) -> Decimal:
        return self.account.position(bot_id, symbol).signed_qty

    async def stored(self) -> dict[tuple[str, str], Decimal]:
        assert await self.writer.drain(10)
        return await self.reader.open_sizes(ACCOUNT)


@pytest.fixture
async def desk(pool: Pool, exchange: HandExchange, clock: ManualClock) -> AsyncIterator[Desk]:
    bots = [BotEntry(bot_id, ACCOUNT, bot_id, "test", "paper") for bot_id in (ANN, BOB)]
    await register(pool, [], bots)
    await register_qty_steps(pool, ACCOUNT, {BTC: D("0.001")}, START_MS)
    desk = Desk(pool, exchange, clock)
    writing = asyncio.create_task(desk.writer.run())
    yield desk
    writing.cancel()
    await asyncio.wait([writing])
    await desk.supervisor.cancel()


def execution(
    number: int, side: Side, qty: str, by: str = "", symbol: str = BTC, **fields: object
) -> Execution:
    at = START_MS + number * 1_000
    row = Execution(
        account=ACCOUNT,
        symbol=symbol,
        exec_id=f"e{number}",
        order_id=f"o{number}",
        order_link_id=wire_id(by, "entry", at) if by else "",
        side=side,
        exec_type="Trade",
        price=D(100),
        qty=D(qty),
        value=D(qty) * 100,
        fee=D("0.01"),
        fee_currency="USDT",
        fee_rate=None,
        leaves_qty=D(0),
        closed_size=None,
        is_maker=False,
        create_type="CreateByUser",
        order_type="Market",
        stop_order_type="",
        exec_time=at,
        seq=number,
    )
    return replace(row, **fields)  # type: ignore[arg-type]  # a test's own field names


def order(number: int, side: Side, parent: str = "", **fields: object) -> OrderEvent:
    event = OrderEvent(
        account=ACCOUNT,
        symbol=BTC,
        order_id=f"o{number}",
        order_link_id="",
        parent_link_id=parent,
        side=side,
        order_type="Market",
        status="Filled",
        qty=D(1),
        cum_exec_qty=D(1),
        avg_price=D(100),
        price=None,
        trigger_price=None,
        stop_order_type="StopLoss",
        create_type="CreateByStopLoss",
        cancel_type="",
        reject_reason="",
        reduce_only=True,
        position_idx=0,
        created_ms=START_MS,
        updated_ms=START_MS,
    )
    return replace(event, **fields)  # type: ignore[arg-type]  # a test's own field names


STOP = {"create_type": "CreateByStopLoss", "stop_order_type": "StopLoss"}
TRAILING = {"create_type": "CreateByTrailingStop", "stop_order_type": "TrailingStop"}
BOBS = wire_id(BOB, "entry", START_MS)


# -- waiting for the order ------------------------------------------------------------------------


async def test_a_stop_of_one_of_two_longs_waits_for_its_order(desk: Desk, pool: Pool) -> None:
    """Both hold; the parent in the order row says whose stop it was."""
    desk.receive(execution(1, "Buy", "1", ANN), execution(2, "Buy", "1", BOB))
    desk.receive(execution(3, "Sell", "1", **STOP))
    assert desk.account.waiting.symbols == {BTC}
    assert (desk.size(ANN), desk.size(BOB)) == (D(1), D(1))
    desk.account.receive_order(order(3, "Sell", BOBS))
    assert (desk.size(ANN), desk.size(BOB)) == (D(1), D(0))
    assert desk.told(BOB) == ["e2", "e3"] and not desk.account.waiting
    assert [row.bot_id for row in desk.ears[BOB].orders] == [BOB]
    assert await desk.stored() == {(ANN, BTC): D(1)}
    assert desk.ears[ANN].corrections == desk.ears[BOB].corrections == []


async def test_only_what_follows_it_in_its_symbol_waits_with_it(desk: Desk) -> None:
    desk.receive(execution(1, "Buy", "1", ANN), execution(2, "Buy", "1", BOB))
    desk.receive(execution(4, "Sell", "1", **STOP))
    desk.receive(execution(5, "Buy", "1", ANN), execution(6, "Buy", "1", ANN, ETH))
    desk.receive(execution(3, "Buy", "2", BOB))
    assert desk.told(ANN) == ["e1", "e6"]  # e5 comes after e4 in the ledger
    assert desk.told(BOB) == ["e2", "e3"]
    desk.account.receive_order(order(4, "Sell", BOBS))
    assert desk.told(ANN) == ["e1", "e6", "e5"]
    assert desk.told(BOB) == ["e2", "e3", "e4"]


async def test_after_two_seconds_it_is_folded_with_what_is_known(desk: Desk) -> None:
    """Nobody knows its order: manual. The order that comes later is a correction."""
    desk.receive(execution(1, "Buy", "1", ANN), execution(2, "Buy", "1", BOB))
    searching = asyncio.create_task(desk.search.run())
    began = desk.clock.monotonic()
    desk.receive(execution(3, "Sell", "1", **STOP))
    desk.receive(execution(3, "Sell", "1", **STOP))  # REST and stream: one row
    await until(lambda: not desk.account.waiting, "the execution is folded")
    assert 1.9 <= desk.clock.monotonic() - began < 2.5
    assert desk.size("manual") == -1
    desk.account.receive_order(order(3, "Sell", BOBS))
    assert (desk.size("manual"), desk.size(BOB)) == (D(0), D(0))
    assert [c.after.signed_qty for c in desk.ears[BOB].corrections] == [D(0)]
    assert await desk.stored() == {(ANN, BTC): D(1)}
    searching.cancel()


async def test_seen_stays_behind_what_waits(desk: Desk) -> None:
    """A crash now loses e2 from memory: nothing that is stored may claim that it was there."""
    desk.receive(execution(1, "Buy", "1", ANN))
    desk.receive(execution(2, "Sell", "1"), execution(3, "Buy", "1", ANN, ETH))
    assert await desk.stored() == {(ANN, BTC): D(1), (ANN, ETH): D(1)}
    marks = await desk.reader.marks(ACCOUNT)
    assert marks.seen_ms == START_MS + 1_999
    desk.account.fold_waiting()
    await desk.stored()
    assert (await desk.reader.marks(ACCOUNT)).seen_ms == START_MS + 3_000


async def test_a_sweep_leaves_nothing_behind_that_waits(desk: Desk) -> None:
    row = execution(1, "Sell", "1")
    desk.receive(replace(row, source="rest"))
    assert desk.account.waiting
    await desk.catch_up.run({row.key: row})
    assert not desk.account.waiting
    assert await desk.stored() == {("manual", BTC): D(-1)}


@pytest.mark.parametrize(
    "fields",
    [
        {"exec_type": "Funding", "create_type": ""},
        {"exec_type": "BustTrade", "create_type": "CreateByTakeOver_PassThrough"},
        {"create_type": "CreateByLiq"},
    ],
)
async def test_what_has_no_order_to_wait_for_is_folded_at_once(
    desk: Desk, fields: dict[str, str]
) -> None:
    desk.receive(execution(1, "Buy", "1", ANN), execution(2, "Buy", "1", BOB))
    desk.receive(replace(execution(3, "Sell", "1"), **fields))  # type: ignore[arg-type]
    assert not desk.account.waiting and desk.account.book(BTC).rows[-1].exec_id == "e3"


# -- orders that the exchange makes ---------------------------------------------------------------


async def test_a_trailing_stop_belongs_to_the_owner_of_the_position(desk: Desk) -> None:
    desk.receive(execution(1, "Buy", "1", BOB))
    placed = order(2, "Sell", status="Untriggered", **TRAILING)
    row = desk.account.receive_order(placed)
    assert row is not None and (row.bot_id, row.purpose, row.reason) == (
        BOB,
        "stop",
        "trailing_stop",
    )
    desk.receive(execution(2, "Sell", "1", **TRAILING))
    desk.account.receive_order(replace(placed, status="Filled"))
    assert desk.size(BOB) == 0
    assert await desk.stored() == {}
    stored = await desk.reader.orders(10)
    assert [(row["bot_id"], row["state"]) for row in stored] == [(BOB, "filled")]
    assert await desk.reader.order_tags(ACCOUNT) == {}  # shown for bob, no evidence that it is his


async def test_its_row_follows_what_the_books_say(desk: Desk) -> None:
    """The order row is there before anybody holds anything: manual, until the fill tells."""
    row = desk.account.receive_order(order(2, "Sell", status="Untriggered", **TRAILING))
    assert row is not None and row.bot_id == "manual"
    desk.receive(execution(1, "Buy", "1", BOB))
    desk.receive(execution(2, "Sell", "1", **TRAILING))
    await desk.stored()
    assert [row["bot_id"] for row in await desk.reader.orders(10)] == [BOB]


async def test_a_persons_conditional_order_stays_manual(desk: Desk) -> None:
    desk.receive(execution(1, "Buy", "1", BOB))
    placed = order(2, "Sell", create_type="CreateByStopOrder", stop_order_type="Stop")
    row = desk.account.receive_order(placed)
    assert row is not None and row.bot_id == "manual"


# -- given to another bot -------------------------------------------------------------------------


def decided(exec_id: str, bot_id: str, at: int = 0) -> Override:
    return Override(ACCOUNT, BTC, exec_id, bot_id, "somebody", "operator", "", START_MS + at)


async def test_an_execution_is_given_to_another_bot_while_running(
    desk: Desk, postgres_dsn: str
) -> None:
    desk.receive(execution(1, "Buy", "1", ANN), execution(2, "Buy", "2"))
    desk.account.fold_waiting()
    assert desk.size("manual") == 2
    await desk.catch_up.assign(decided("e2", BOB), START_MS + 2_000)
    assert (desk.size("manual"), desk.size(BOB)) == (D(0), D(2))
    (told,) = desk.ears[BOB].corrections
    assert (told.before.signed_qty, told.after.signed_qty) == (D(0), D(2))
    assert desk.ears[ANN].corrections == []
    assert await desk.stored() == {(ANN, BTC): D(1), (BOB, BTC): D(2)}
    await desk.catch_up.assign(decided("e2", "manual", 1), START_MS + 2_000)
    assert await desk.stored() == {(ANN, BTC): D(1), ("manual", BTC): D(2)}
    assert (await verify(postgres_dsn)).problems == ()


async def test_one_that_memory_has_forgotten_is_read_again(desk: Desk, postgres_dsn: str) -> None:
    desk.receive(execution(1, "Buy", "1"))
    desk.account.fold_waiting()
    desk.receive(execution(2, "Sell", "1", BOB), execution(3, "Buy", "1", BOB))
    desk.receive(execution(4, "Sell", "1"))
    desk.account.fold_waiting()
    desk.receive(execution(5, "Buy", "3", ANN))
    await desk.stored()
    desk.account.forget(START_MS + 4_500)
    assert "e1" not in desk.account.book(BTC)
    await desk.catch_up.assign(decided("e1", BOB), START_MS + 1_000)
    # bob is long one at e2, flat after it, long again at e3, and e4 closes that.
    assert await desk.stored() == {(ANN, BTC): D(3)}
    fills = await desk.reader.fills(10, BOB)
    assert [(f["exec_id"], f["effect"]) for f in fills] == [
        ("e1", "entry"), ("e2", "exit"), ("e3", "entry"), ("e4", "exit"),
    ]  # fmt: skip
    assert (await verify(postgres_dsn)).problems == ()


# -- trades by hand -------------------------------------------------------------------------------


def by_hand(pool: Pool, exchange: HandExchange, clock: ManualClock, policy: ManualPolicy) -> Desk:
    """The policy is bob's; ETH is ann's alone, BTC is bob's by configuration."""
    desk = Desk(pool, exchange, clock, owners={BTC: BOB}, policies={BOB: policy, ANN: policy})
    desk.account.marks = Marks(ACCOUNT, START_MS, START_MS)
    desk.account.manual.pause = lambda bot_id, why: desk.paused.append((bot_id, why))
    desk.account.seek = None
    return desk


async def written(desk: Desk) -> dict[tuple[str, str], Decimal]:
    writing = asyncio.create_task(desk.writer.run())
    try:
        return await desk.stored()
    finally:
        writing.cancel()
        await asyncio.wait([writing])


@pytest.fixture
async def two_bots(pool: Pool) -> None:
    bots = [BotEntry(bot_id, ACCOUNT, bot_id, "test", "paper") for bot_id in (ANN, BOB)]
    await register(pool, [AccountEntry(ACCOUNT, "paper", owners={BTC: BOB})], bots)


@pytest.mark.usefixtures("two_bots")
async def test_ignored_it_is_manuals_and_everybody_is_told(
    pool: Pool, exchange: HandExchange, clock: ManualClock
) -> None:
    desk = by_hand(pool, exchange, clock, "ignore")
    desk.receive(execution(1, "Buy", "1", BOB), execution(2, "Buy", "1"))
    desk.receive(execution(3, "Buy", "1", order_id="o2"))  # the rest of the order
    assert await written(desk) == {(BOB, BTC): D(1), ("manual", BTC): D(2)}
    (alert,) = desk.account.alerts.recent
    assert (alert.kind, alert.symbol, alert.details["exec_id"]) == ("manual_trade", BTC, "e2")
    assert alert.details["owners"] == "manual"
    assert desk.paused == [] and desk.told(BOB) == ["e1"]


@pytest.mark.usefixtures("two_bots")
async def test_adopted_it_adds_to_the_bots_position(
    pool: Pool, exchange: HandExchange, clock: ManualClock, postgres_dsn: str
) -> None:
    desk = by_hand(pool, exchange, clock, "adopt")
    desk.receive(execution(1, "Buy", "1", BOB), execution(2, "Buy", "2"))
    desk.receive(execution(3, "Buy", "1", symbol=ETH))  # ann is flat there: nothing to add to
    desk.receive(execution(4, "Buy", "1", ANN, ETH), execution(5, "Buy", "1", symbol=ETH))
    assert await written(desk) == {
        (BOB, BTC): D(3), ("manual", ETH): D(1), (ANN, ETH): D(2),
    }  # fmt: skip
    assert desk.told(BOB) == ["e1", "e2"]  # a fill like others, no correction
    rows = await pool.fetch(
        "SELECT exec_id, bot_id, operator, source FROM trading.attribution_overrides ORDER BY id"
    )
    assert [tuple(row) for row in rows] == [("e2", BOB, BOB, "policy"), ("e5", ANN, ANN, "policy")]
    told = [(alert.bot_id, alert.symbol) for alert in desk.account.alerts.recent]
    assert told == [(BOB, BTC), ("manual", ETH), (ANN, ETH)]
    assert (await verify(postgres_dsn)).problems == ()


@pytest.mark.usefixtures("two_bots")
async def test_a_late_one_is_adopted_as_well(
    pool: Pool, exchange: HandExchange, clock: ManualClock, postgres_dsn: str
) -> None:
    desk = by_hand(pool, exchange, clock, "adopt")
    desk.receive(execution(1, "Buy", "1", BOB), execution(3, "Buy", "1", BOB))
    desk.receive(execution(2, "Buy", "2"))
    assert await written(desk) == {(BOB, BTC): D(4)}
    assert [c.after.signed_qty for c in desk.ears[BOB].corrections] == [D(4)]
    assert (await verify(postgres_dsn)).problems == ()


@pytest.mark.usefixtures("two_bots")
@pytest.mark.parametrize("side", ["Buy", "Sell"])
async def test_it_pauses_whoever_trades_the_symbol(
    pool: Pool, exchange: HandExchange, clock: ManualClock, side: Side
) -> None:
    desk = by_hand(pool, exchange, clock, "pause")
    desk.receive(execution(1, "Buy", "1", ANN, ETH), execution(2, "Sell", "1", **STOP))
    assert desk.paused == []  # neither an own fill nor a stop is by hand
    desk.receive(execution(3, side, "1", symbol=ETH))
    assert [bot_id for bot_id, _ in desk.paused] == [ANN]
    desk.receive(execution(4, side, "1"))
    assert [bot_id for bot_id, _ in desk.paused] == [ANN, ANN, BOB]


@pytest.mark.usefixtures("two_bots")
async def test_what_was_traded_before_the_first_start_pauses_nobody(
    pool: Pool, exchange: HandExchange, clock: ManualClock
) -> None:
    desk = by_hand(pool, exchange, clock, "pause")
    desk.account.marks = Marks(ACCOUNT, 0, 0)
    desk.receive(execution(1, "Buy", "1"))
    assert desk.paused == [] and not desk.account.alerts.recent
