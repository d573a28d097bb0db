from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alpha.clock import ManualClock
from alpha.core.book import Book
from alpha.core.canonical import ledger_hash
from alpha.core.events import Execution, Side
from alpha.core.ids import wire_id
from alpha.core.records import AttributionRules, Commit
from alpha.errors import NotFound, RetryLater
from alpha.ledger.batch import Batch
from alpha.ledger.pool import Pool
from alpha.ledger.transaction import write_batch
from alpha.ledger.verify import VerifyResult, verify
from tests.ledger.conftest import ACCOUNT, BOTS, unguarded
from tests.ledger.ledgers import SYMBOL, executions, flat_often
from tests.ledger.samples import T0, execution
from tests.ledger.test_writer import wiped

RULES = AttributionRules(account=ACCOUNT, bots=frozenset(BOTS))


def trade() -> list[Execution]:
    """A long of one bot closed in two pieces with funding between, a short that stays open, and
    a person's position."""
    alpha = wire_id(BOTS[0], "ema_cross", T0)
    beta = wire_id(BOTS[1], "ema_cross", T0 + 7)
    return [
        execution("e1", T0, "Buy", "3", order_link_id=alpha),
        execution("f1", T0 + 1_000, "Buy", "3", exec_type="Funding", create_type="", fee="0.7"),
        execution("e2", T0 + 2_000, "Sell", "1", create_type="CreateByTakeProfit"),
        execution("e3", T0 + 3_000, "Sell", "2", create_type="CreateByStopLoss"),
        execution("e4", T0 + 4_000, "Sell", "2", order_link_id=beta),
        execution("e5", T0 + 5_000, "Sell", "0.5"),
    ]


async def store(pool: Pool, rows: list[Execution], cuts: Collection[int] = ()) -> None:
    """Folds the rows one by one as they come. `cuts` are the places between two commits where a
    batch ends; without any, every commit is one of its own."""
    book = Book(ACCOUNT, SYMBOL)
    commits = [Commit(ACCOUNT, change=book.add([row], RULES)) for row in rows]
    edges = [0, *sorted(cuts or range(1, len(commits))), len(commits)]
    async with pool.acquire() as connection:
        for start, end in pairwise(edges):
            await write_batch(connection, Batch.of(commits[start:end]), None)


async def corrupt(pool: Pool, statement: str) -> None:
    async with pool.acquire() as connection, unguarded(connection):
        assert (await connection.execute(statement)).split()[-1] == "1", statement


async def test_a_sound_ledger_is_ok_and_has_the_hash_of_its_executions(
    pool: Pool, postgres_dsn: str
) -> None:
    rows = trade()
    await store(pool, list(reversed(rows)))
    result = await verify(postgres_dsn)
    assert result.problems == ()
    assert result.ok
    assert result.sha256 == ledger_hash(rows)
    assert result.commit_no[ACCOUNT] == 6
    assert result.as_json() | {"commit_no": {}} == {
        "ok": True,
        "executions": 6,
        "fills": 5,
        "sha256": result.sha256,
        "tables": "ok",
        "redis": "not_asked",
        "exchange": "not_asked",
        "problems": [],
        "commit_no": {},
        "not_asked": {"exchange": "none can be reached: the built-in one runs with a daemon"},
    }
    fills = await pool.fetch("SELECT * FROM trading.fills ORDER BY exec_time")
    assert [(row["bot_id"], row["close_reason"], row["attribution"]) for row in fills] == [
        (BOTS[0], "ema_cross", "id"),
        (BOTS[0], "take_profit", "open_lot"),
        (BOTS[0], "stop_loss", "open_lot"),
        (BOTS[1], "ema_cross", "id"),
        ("manual", "manual_entry", "manual"),
    ]
    assert fills[0]["client_order_id"] == f"{BOTS[0]}:ema_cross:{T0}"


async def test_an_unknown_account_is_named(pool: Pool, postgres_dsn: str) -> None:
    with pytest.raises(NotFound, match="expected one of main, second, was 'nobody'"):
        await verify(postgres_dsn, account="nobody")


@pytest.mark.parametrize(
    ("statement", "where"),
    [
        ("DELETE FROM trading.executions WHERE exec_id = 'e2'", "trading.fills main BTCUSDT e2"),
        ("UPDATE trading.executions SET fee = 9 WHERE exec_id = 'e3'", "e3"),
        ("UPDATE trading.executions SET side = 'Buy' WHERE exec_id = 'e4'", "e4"),
        ("DELETE FROM trading.fills WHERE exec_id = 'e3'", "trading.fills main BTCUSDT e3"),
        (
            "UPDATE trading.fills SET bot_id = 'beta_001' WHERE exec_id = 'e2'",
            "trading.fills main BTCUSDT e2/beta_001/0",
        ),
        ("UPDATE trading.fills SET reason = 'x' WHERE exec_id = 'e2'", "e2/alpha_001/0 reason"),
        (
            "UPDATE trading.fills SET commission = commission + 0.000000000001 "
            "WHERE exec_id = 'e1'",
            "e1/alpha_001/1 commission",
        ),
        (
            "UPDATE trading.fills SET client_order_id = 'a:b:1' WHERE exec_id = 'e1'",
            "e1/alpha_001/1 client_order_id",
        ),
        ("DELETE FROM trading.funding_payments", "trading.funding_payments main BTCUSDT f1"),
        (
            "UPDATE trading.funding_payments SET amount = -amount",
            "trading.funding_payments main BTCUSDT f1/alpha_001 amount",
        ),
        (
            "UPDATE trading.position_entries SET remaining_qty = 1 WHERE exec_id = 'e4'",
            "trading.position_entries main BTCUSDT e4/beta_001 remaining_qty",
        ),
        (
            "INSERT INTO trading.position_entries (account, symbol, exec_id, bot_id, side, "
            "entry_price, original_qty, remaining_qty, entry_commission, commission_left, "
            "funding_left, entry_reason, entry_order_id, order_link_id, entry_time) VALUES "
            "('main', 'NEWUSDT', 'x', 'beta_001', 'long', 1, 1, 1, 0, 0, 0, '', '', '', now())",
            "trading.position_entries main NEWUSDT x/beta_001",
        ),
        (
            "DELETE FROM trading.completed_trades WHERE exit_exec_id = 'e2'",
            "trading.completed_trades main BTCUSDT e1/e2/alpha_001",
        ),
        (
            "UPDATE trading.completed_trades SET gross_pnl = 1 WHERE exit_exec_id = 'e3'",
            "e1/e3/alpha_001 gross_pnl",
        ),
        (
            "UPDATE trading.positions SET size = 1 WHERE opened_by = 'e4'",
            "trading.positions main BTCUSDT beta_001/e4 size",
        ),
        (
            "UPDATE trading.positions SET exit_reason = 'adl' WHERE opened_by = 'e1'",
            "trading.positions main BTCUSDT alpha_001/e1 exit_reason",
        ),
    ],
)
async def test_every_planted_corruption_is_found(
    pool: Pool, postgres_dsn: str, statement: str, where: str
) -> None:
    await store(pool, trade())
    await corrupt(pool, statement)
    result = await verify(postgres_dsn, account=ACCOUNT)
    assert not result.ok
    assert result.tables == "differs"
    assert any(where in problem.where for problem in result.problems), result.problems


async def test_an_override_changes_the_books_and_the_hash(pool: Pool, postgres_dsn: str) -> None:
    await store(pool, trade())
    before = await verify(postgres_dsn)
    await pool.execute(
        "INSERT INTO trading.attribution_overrides (account, symbol, exec_id, bot_id, operator) "
        "VALUES ('main', 'BTCUSDT', 'e5', 'beta_001', 'somebody')"
    )
    after = await verify(postgres_dsn)
    assert after.sha256 != before.sha256
    assert {problem.where.split()[3] for problem in after.problems} >= {
        "e5/beta_001/1",
        "e5/manual/1",
    }


async def test_whatever_is_stored_in_whatever_order_verifies(pool: Pool, postgres_dsn: str) -> None:
    loop = asyncio.get_running_loop()

    async def check(rows: list[Execution], cuts: set[int]) -> VerifyResult:
        await wiped(pool)
        await store(pool, rows, cuts)
        return await verify(postgres_dsn, account=ACCOUNT)

    @settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(data=st.data(), rows=st.one_of(executions(10), flat_often()))
    def property_(data: st.DataObject, rows: list[Execution]) -> None:
        shuffled = data.draw(st.permutations(rows))
        cuts = data.draw(st.sets(st.integers(1, max(len(rows) - 1, 1)), max_size=3))
        cuts = {cut for cut in cuts if cut < len(rows)}
        result = asyncio.run_coroutine_threadsafe(check(shuffled, cuts), loop).result(60)
        assert result.problems == ()
        assert result.sha256 == ledger_hash(rows)

    await asyncio.to_thread(property_)


@pytest.mark.parametrize("first_late_batch", [7, 8])
async def test_late_rows_take_back_what_was_written_before_them(
    pool: Pool, postgres_dsn: str, first_late_batch: int
) -> None:
    """Two late rows turn every entry into an exit and back, in one batch or in two: nothing of
    the earlier reading may stay behind."""
    sides: list[tuple[int, Side]] = [
        (-1_000, "Buy"),
        (0, "Sell"),  # flat: what follows is folded again
        (1_000, "Buy"),
        (2_000, "Sell"),
        (3_000, "Buy"),
        (4_000, "Sell"),
        (5_000, "Buy"),
        (500, "Sell"),  # late
        (4_500, "Buy"),  # late, and after a newer flat moment than the first
    ]
    rows = [
        execution(f"e{number}", T0 + at, side, order_link_id=wire_id(BOTS[0], "entry", T0 + number))
        for number, (at, side) in enumerate(sides)
    ]
    await store(pool, rows, {*range(1, 8), first_late_batch})
    result = await verify(postgres_dsn)
    assert result.problems == ()
    assert result.fills == 9


# -- Redis and the exchange ---------------------------------------------------------------------

OPEN = {(BOTS[1], SYMBOL): Decimal(-2)}


async def mirror_ok() -> Mapping[tuple[str, str], Decimal]:
    return OPEN | {(BOTS[0], SYMBOL): Decimal(0), ("elsewhere", SYMBOL): Decimal(7)}


@dataclass
class Exchange:
    """What the exchange would answer."""

    ids: set[tuple[str, str]]
    sizes: dict[str, Decimal]
    asked: list[tuple[int, int]] = field(default_factory=list)

    async def executions(
        self, account: str, after_ms: int, until_ms: int
    ) -> Collection[tuple[str, str]]:
        self.asked.append((after_ms, until_ms))
        return self.ids if account == ACCOUNT else set()

    async def positions(self, account: str) -> Mapping[str, Decimal]:
        return self.sizes if account == ACCOUNT else {}


def agreeing() -> Exchange:
    return Exchange({row.key for row in trade()}, {SYMBOL: Decimal("-2.5")})


async def test_redis_and_exchange_that_agree(pool: Pool, postgres_dsn: str) -> None:
    await store(pool, trade())
    exchange = agreeing()
    result = await verify(postgres_dsn, mirror_reader=mirror_ok, exchange_reader=exchange)
    assert (result.redis, result.exchange, result.problems) == ("ok", "ok", ())
    assert exchange.asked == [(T0 - 1, T0 + 5_000)]


async def test_a_mirror_that_stays_different_is_a_problem(pool: Pool, postgres_dsn: str) -> None:
    await store(pool, trade())

    async def stale() -> Mapping[tuple[str, str], Decimal]:
        return {(BOTS[1], SYMBOL): Decimal(-1)}

    clock = ManualClock(T0)
    result = await verify(postgres_dsn, mirror_reader=stale, clock=clock)
    assert (result.ok, result.tables, result.redis) == (False, "ok", "differs")
    assert [(one.where, one.expected, one.found) for one in result.problems] == [
        (f"redis {BOTS[1]} {SYMBOL}", "-2", "-1")
    ]
    assert clock.now_ms() - T0 >= 2_000


async def test_a_mirror_that_catches_up_is_fine(pool: Pool, postgres_dsn: str) -> None:
    await store(pool, trade())
    answers = [{}, {(BOTS[1], SYMBOL): Decimal(-1)}, OPEN]

    async def catching_up() -> Mapping[tuple[str, str], Decimal]:
        return answers.pop(0) if len(answers) > 1 else answers[0]

    result = await verify(postgres_dsn, mirror_reader=catching_up, clock=ManualClock(T0))
    assert (result.ok, result.redis) == (True, "ok")


@pytest.mark.parametrize(
    ("change", "where"),
    [
        (lambda exchange: exchange.ids.add((SYMBOL, "new")), f"exchange main {SYMBOL} new"),
        (lambda exchange: exchange.ids.remove((SYMBOL, "e3")), f"exchange main {SYMBOL} e3"),
        (lambda exchange: exchange.sizes.clear(), f"exchange main {SYMBOL}"),
    ],
)
async def test_an_exchange_that_differs(
    pool: Pool, postgres_dsn: str, change: object, where: str
) -> None:
    await store(pool, trade())
    exchange = agreeing()
    assert callable(change)
    change(exchange)
    result = await verify(postgres_dsn, exchange_reader=exchange, clock=ManualClock(T0))
    assert (result.ok, result.tables, result.exchange) == (False, "ok", "differs")
    assert [problem.where for problem in result.problems] == [where]


async def test_what_cannot_be_reached_was_not_asked(pool: Pool, postgres_dsn: str) -> None:
    await store(pool, trade())

    async def away() -> Mapping[tuple[str, str], Decimal]:
        raise ConnectionRefusedError

    class Away(Exchange):
        async def positions(self, account: str) -> Mapping[str, Decimal]:
            raise RetryLater("expected an answer, was none")

    result = await verify(postgres_dsn, mirror_reader=away, exchange_reader=Away(set(), {}))
    assert (result.ok, result.redis) == (False, "not_asked")
    assert result.not_asked == {
        "redis": "ConnectionRefusedError",
        "exchange": "expected an answer, was none",
    }
    assert result.exchange == "differs"  # its executions were asked, and are others
