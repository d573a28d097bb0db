"""An execution given to another bot without a daemon, adjustments, and quantity steps: the books
stay those that the ledger alone gives."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from alpha.clock import SystemClock
from alpha.core.book import Book
from alpha.core.events import ADJUSTMENT, Execution
from alpha.core.ids import wire_id
from alpha.core.records import Commit, Override
from alpha.core.steps import QtySteps
from alpha.errors import NotFound
from alpha.ledger.assign import assign_stored, find_execution
from alpha.ledger.batch import Batch
from alpha.ledger.lease import Lease, LeaseHeld
from alpha.ledger.pool import Pool
from alpha.ledger.reader import LedgerReader
from alpha.ledger.registry import register_qty_steps
from alpha.ledger.transaction import write_batch
from alpha.ledger.verify import verify
from tests.ledger.conftest import ACCOUNT, BOTS
from tests.ledger.ledgers import SYMBOL
from tests.ledger.samples import T0, execution
from tests.ledger.test_verify import RULES, store, trade

D = Decimal
ALPHA, BETA = BOTS


def decided(exec_id: str, bot_id: str, at: int = 0) -> Override:
    return Override(ACCOUNT, SYMBOL, exec_id, bot_id, "somebody", "operator", "", T0 + at)


async def give(pool: Pool, override: Override) -> None:
    _, _, exec_time = await find_execution(LedgerReader(pool), override.exec_id, None)
    await assign_stored(pool, override, exec_time, installation="here", clock=SystemClock())


async def owners(pool: Pool) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for row in await LedgerReader(pool).fills(100):
        found.setdefault(str(row["exec_id"]), set()).add(str(row["bot_id"]))
    return found


async def test_everything_after_the_execution_is_computed_anew(
    pool: Pool, postgres_dsn: str
) -> None:
    """e5 was a person's; it opens a second short of beta's position then."""
    await store(pool, trade())
    assert (await owners(pool))["e5"] == {"manual"}
    before = await verify(postgres_dsn)
    await give(pool, decided("e5", BETA))
    assert (await owners(pool))["e5"] == {BETA}
    assert await LedgerReader(pool).open_sizes(ACCOUNT) == {(BETA, SYMBOL): D("-2.5")}
    after = await verify(postgres_dsn)
    assert after.problems == () and after.ok
    assert after.sha256 != before.sha256  # a decision is part of the ledger


async def test_an_old_one_changes_the_past_and_nothing_else(pool: Pool, postgres_dsn: str) -> None:
    """e2 took profit of alpha's long; beta's from then on, it opens a short there, which e4 of
    beta adds to; of alpha's long one is left then, half of which e5, a person's, closes."""
    await store(pool, trade())
    await give(pool, decided("e2", BETA))
    assert await LedgerReader(pool).open_sizes(ACCOUNT) == {
        (ALPHA, SYMBOL): D("0.5"), (BETA, SYMBOL): D(-3),
    }  # fmt: skip
    assert (await verify(postgres_dsn)).problems == ()


async def test_the_last_of_several_wins_and_all_stay(pool: Pool, postgres_dsn: str) -> None:
    await store(pool, trade())
    await give(pool, decided("e5", ALPHA))
    await give(pool, decided("e5", "manual", 1))
    assert (await owners(pool))["e5"] == {"manual"}
    assert [o.bot_id for o in await LedgerReader(pool).all_overrides()] == [ALPHA, "manual"]
    assert (await verify(postgres_dsn)).problems == ()


async def test_not_while_a_daemon_has_the_account(pool: Pool) -> None:
    await store(pool, trade())
    lease = Lease(pool, [ACCOUNT], "elsewhere", installation="there", clock=SystemClock())
    await lease.acquire()
    with pytest.raises(LeaseHeld, match="elsewhere"):
        await give(pool, decided("e5", BETA))
    assert await LedgerReader(pool).all_overrides() == []
    assert (await owners(pool))["e5"] == {"manual"}


async def test_an_execution_that_nobody_knows(pool: Pool) -> None:
    await store(pool, trade())
    reader = LedgerReader(pool)
    with pytest.raises(NotFound, match="'e77'"):
        await find_execution(reader, "e77", None)
    with pytest.raises(NotFound, match="account second"):
        await find_execution(reader, "e5", "second")
    assert await find_execution(reader, "e5", ACCOUNT) == (ACCOUNT, SYMBOL, T0 + 5_000)


# -- adjustments ----------------------------------------------------------------------------------


def adjustment(at: int, side: str, qty: str) -> Execution:
    row = execution(f"adjustment-{at}", T0 + at, "Buy" if side == "Buy" else "Sell", qty, fee="0")
    return replace(
        row,
        order_id="",
        exec_type=ADJUSTMENT,
        create_type="somebody",
        order_type="the exchange has it",
        fee_rate=None,
        source="import",
        received_ms=0,
        seq=0,
    )


async def test_an_adjustment_is_manuals_and_counts_in_the_books(
    pool: Pool, postgres_dsn: str
) -> None:
    rows = [*trade(), adjustment(6_000, "Buy", "2")]
    await store(pool, rows)
    reader = LedgerReader(pool)
    assert await reader.open_sizes(ACCOUNT) == {
        (BETA, SYMBOL): D(-2), ("manual", SYMBOL): D("1.5"),
    }  # fmt: skip
    assert await pool.fetchval("SELECT count(*) FROM trading.executions") == 6
    row = await pool.fetchrow("SELECT qty, operator, note FROM trading.adjustments")
    assert row is not None and tuple(row) == (D(2), "somebody", "the exchange has it")
    stored = await reader.executions_since(ACCOUNT, SYMBOL, None)
    assert replace(stored[-1], received_ms=0) == rows[-1]
    result = await verify(postgres_dsn)
    assert (result.problems, result.executions) == ((), 6)
    fill = (await reader.fills(1))[0]
    assert (fill["bot_id"], fill["exec_type"]) == ("manual", ADJUSTMENT)


async def test_an_adjustment_of_a_bot_is_refused(pool: Pool) -> None:
    await store(pool, [*trade(), adjustment(6_000, "Buy", "2")])
    with pytest.raises(Exception, match="expected a row of the ledger"):
        await pool.execute(
            "INSERT INTO trading.position_entries (account, symbol, exec_id, bot_id, side, "
            "entry_price, original_qty, remaining_qty, entry_commission, commission_left, "
            "funding_left, entry_reason, entry_order_id, order_link_id, entry_time) VALUES "
            f"('main', 'BTCUSDT', 'adjustment-6000', '{ALPHA}', 'long', 1, 1, 1, 0, 0, 0, "
            "'entry', '', '', now())"
        )


# -- quantity steps -------------------------------------------------------------------------------


async def test_a_forced_fill_is_shared_by_the_step_of_its_time(
    pool: Pool, postgres_dsn: str
) -> None:
    """The exchange has made the step finer since; the books of then stay as they were."""
    await register_qty_steps(pool, ACCOUNT, {SYMBOL: D("0.1")}, T0)
    alpha, beta = (wire_id(bot, "ema_cross", T0) for bot in BOTS)
    rows = [
        execution("e1", T0, "Buy", "1", order_link_id=alpha),
        execution("e2", T0 + 1_000, "Buy", "2", order_link_id=beta),
        execution("e3", T0 + 2_000, "Sell", "1", exec_type="AdlTrade", create_type=""),
    ]
    reader = LedgerReader(pool)

    async def fold(book: Book, row: Execution) -> None:
        async with pool.acquire() as connection:
            change = book.add([row], RULES)
            await write_batch(connection, Batch.of([Commit(ACCOUNT, change=change)]), None)

    book = Book(ACCOUNT, SYMBOL, qty_steps=(await reader.qty_steps(ACCOUNT))[SYMBOL])
    for row in rows:
        await fold(book, row)
    assert await reader.open_sizes(ACCOUNT) == {(ALPHA, SYMBOL): D("0.7"), (BETA, SYMBOL): D("1.3")}
    await register_qty_steps(pool, ACCOUNT, {SYMBOL: D("0.1")}, T0 + 2_500)
    await register_qty_steps(pool, ACCOUNT, {SYMBOL: D("0.001")}, T0 + 3_000)
    steps = (await reader.qty_steps(ACCOUNT))[SYMBOL]
    assert steps == QtySteps(((0, D("0.1")), (T0 + 3_000, D("0.001"))))
    assert (await verify(postgres_dsn)).problems == ()
    later = execution("e4", T0 + 4_000, "Sell", "1", exec_type="BustTrade", create_type="")
    fresh = Book(ACCOUNT, SYMBOL, qty_steps=steps)
    fresh.add(rows, RULES)
    await fold(fresh, later)
    assert await reader.open_sizes(ACCOUNT) == {
        (ALPHA, SYMBOL): D("0.35"), (BETA, SYMBOL): D("0.65"),
    }  # fmt: skip
    assert (await verify(postgres_dsn)).problems == ()


async def test_a_first_step_that_comes_after_the_first_trade_says_nothing_of_it(
    pool: Pool,
) -> None:
    """What was folded without a step stays folded without one."""
    await store(pool, trade())
    await register_qty_steps(pool, ACCOUNT, {SYMBOL: D("0.1"), "ETHUSDT": D(1)}, T0 + 9_000)
    steps = await LedgerReader(pool).qty_steps(ACCOUNT)
    assert steps[SYMBOL].at(T0 + 8_999) is None and steps[SYMBOL].at(T0 + 9_000) == D("0.1")
    assert steps["ETHUSDT"].at(0) == D(1)
    assert await LedgerReader(pool).qty_steps("second") == {}
