from __future__ import annotations

import asyncio
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alpha.clock import SystemClock
from alpha.core.book import Book
from alpha.core.events import Execution, PositionEvent
from alpha.core.ids import wire_id
from alpha.core.reasons import BUILTIN
from alpha.core.records import Commit, Marks, OrderTag
from alpha.errors import ConfigError, NotFound, TimedOut
from alpha.ledger.batch import Batch
from alpha.ledger.observations import record_event, save_positions
from alpha.ledger.pool import Pool, open_pool, server_name, through_pooler
from alpha.ledger.queries import load
from alpha.ledger.reader import DAY_MS, LedgerReader, plain
from alpha.ledger.registry import AccountEntry, BotEntry, heartbeat, register, set_status
from alpha.ledger.transaction import write_batch
from tests.ledger.conftest import ACCOUNT, BOTS
from tests.ledger.ledgers import SYMBOL, executions, flat_often
from tests.ledger.samples import T0, execution, history, order
from tests.ledger.test_verify import RULES, store, trade
from tests.ledger.test_writer import wiped


@pytest.fixture
def reader(pool: Pool) -> LedgerReader:
    return LedgerReader(pool)


async def write(pool: Pool, *commits: Commit) -> None:
    async with pool.acquire() as connection:
        await write_batch(connection, Batch.of(commits), None)


async def test_executions_come_back_as_they_were_in_ledger_order(
    pool: Pool, reader: LedgerReader
) -> None:
    tied = [
        replace(execution(f"t{number}", T0 + 9), order_id=order_id, leaves_qty=Decimal(leaves))
        for number, (order_id, leaves) in enumerate([("a", 0), ("a", 2), ("B", 0), ("_", 1)])
    ]
    odd = replace(
        execution("odd", T0 + 20),
        exec_pnl=Decimal("-1.5"),
        mark_price=Decimal("1E+2"),
        fee_rate=None,
        source="rest",
        received_ms=0,
    )
    rows = [*tied, odd, *trade()]
    await store(pool, rows)
    stored = await reader.executions_since(ACCOUNT, SYMBOL, None)
    assert stored == sorted(rows, key=lambda row: row.ledger_key)
    assert [row.exec_id for row in stored[1:5]] == ["t2", "t3", "t1", "t0"]
    assert [row.exec_id for row in await reader.executions_since(ACCOUNT, SYMBOL, T0 + 20)] == [
        row.exec_id for row in stored if row.exec_time > T0 + 20
    ]
    keys = [(SYMBOL, "odd"), (SYMBOL, "new"), ("ETHUSDT", "e1")]
    assert await reader.missing_exec_ids(ACCOUNT, keys) == set(keys[1:])
    assert await reader.missing_exec_ids(ACCOUNT, []) == set()
    assert await reader.missing_exec_ids("second", keys[:1]) == {(SYMBOL, "odd")}
    assert await reader.exec_ids(ACCOUNT, T0 + 9, T0 + 20) == {(SYMBOL, "odd")}
    assert await reader.traded_symbols(ACCOUNT) == [SYMBOL]


async def test_last_flat_is_a_checkpoint_from_which_a_book_goes_on(
    pool: Pool, reader: LedgerReader
) -> None:
    """For any history and any moment: a book begun at the boundary holds what the whole one
    holds, and no later execution at or before the moment was flat on a boundary."""
    loop = asyncio.get_running_loop()

    async def check(rows: list[Execution], before: int) -> None:
        await wiped(pool)
        await store(pool, rows)
        flat = await reader.last_flat_ms(ACCOUNT, SYMBOL, before)
        whole = Book(ACCOUNT, SYMBOL)
        whole.add(rows, RULES)
        rest = Book(ACCOUNT, SYMBOL, checkpoint_ms=flat)
        rest.add(await reader.executions_since(ACCOUNT, SYMBOL, flat), RULES)
        assert rest.positions() == whole.positions()
        moments = sorted({row.exec_time for row in rows if row.exec_time <= before})
        flats = []
        for moment in moments:
            upto = Book(ACCOUNT, SYMBOL)
            upto.add([row for row in rows if row.exec_time <= moment], RULES)
            if not upto.positions():
                flats.append(moment)
        assert flat == (flats[-1] if flats else None)

    @settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(rows=st.one_of(executions(10), flat_often()), seconds=st.integers(-1, 10))
    def property_(rows: list[Execution], seconds: int) -> None:
        asyncio.run_coroutine_threadsafe(check(rows, T0 + seconds * 1_000), loop).result(60)

    await asyncio.to_thread(property_)


async def test_what_a_restart_loads(pool: Pool, reader: LedgerReader) -> None:
    await write(pool, *history())
    link_id = wire_id("alpha_001", "entry", T0)
    working = replace(order(link_id, "open"), exchange_order_id="x2", price=Decimal("1.50"))
    child = replace(
        order("x3", "filled"),
        exchange_order_id="x3",
        parent_client_order_id=link_id,
        reason="entry",
    )
    # Made by the exchange for whoever held the position: no evidence, whoever it is shown for.
    of_position = replace(order("x5", "filled"), exchange_order_id="x5", purpose="stop")
    stranger = replace(order("x4", "open"), exchange_order_id="x4", bot_id="manual")
    await write(pool, Commit(ACCOUNT, orders=(working, child, of_position, stranger)))
    assert await reader.open_orders(ACCOUNT) == [working, stranger]
    assert await reader.order_tags(ACCOUNT) == {
        "x2": OrderTag("alpha_001", "entry", "order"),
        "x3": OrderTag("alpha_001", "entry", "parent"),
    }
    assert await reader.order_tags(ACCOUNT, "ETHUSDT") == {}
    assert await reader.bot_state(ACCOUNT, "beta_001") is None
    assert await reader.marks("second") == Marks("second", 0, 0)
    assert await reader.known_bots(ACCOUNT) == list(BOTS)
    assert await reader.open_symbols(ACCOUNT) == [SYMBOL]
    assert await reader.open_sizes(ACCOUNT) == {("beta_001", SYMBOL): Decimal(1)}


async def test_the_newest_override_wins(pool: Pool, reader: LedgerReader) -> None:
    await store(pool, trade())
    for bot in ("alpha_001", "manual", "beta_001"):
        await pool.execute(
            "INSERT INTO trading.attribution_overrides "
            "(account, symbol, exec_id, bot_id, operator) "
            "VALUES ('main', 'BTCUSDT', 'e5', $1, 'somebody')",
            bot,
        )
    assert await reader.overrides(ACCOUNT) == {"e5": "beta_001"}
    assert [row.bot_id for row in await reader.all_overrides()] == [
        "alpha_001",
        "manual",
        "beta_001",
    ]


async def test_people_see_the_newest_rows_in_ledger_order(pool: Pool, reader: LedgerReader) -> None:
    await store(pool, trade())
    assert [row["exec_id"] for row in await reader.fills(2)] == ["e4", "e5"]
    assert [row["exec_id"] for row in await reader.fills(9, "alpha_001")] == ["e1", "e2", "e3"]
    last = plain(await reader.fills(1))[0]
    assert last["exec_time"] == "2025-10-01T08:00:05.000Z"
    assert (last["side"], last["exec_qty"], last["exec_price"]) == ("Sell", "0.5", "100.5")
    assert (last["commission"], last["close_reason"]) == ("0.05", "manual_entry")
    open_ = await reader.positions("beta_001")
    assert [(row["side"], row["size"]) for row in open_] == [("short", Decimal(2))]
    bots = {row["bot_id"]: row for row in await reader.bots()}
    assert set(bots) == {"alpha_001", "beta_001", "gamma_001"}
    assert bots["alpha_001"]["fills"] == 3
    for number in range(3):
        await write(pool, Commit(ACCOUNT, orders=(order(f"o{number}", "open"),)))
    assert [row["order_link_id"] for row in await reader.orders(2)] == ["o1", "o2"]


async def test_days_of_a_bot_and_of_nobody(pool: Pool, reader: LedgerReader) -> None:
    await store(pool, trade())
    daily = await reader.daily("alpha_001", 7)
    assert [(row["trade_date"], row["trades"]) for row in daily] == [("2025-10-01", 1)]
    assert await reader.daily("alpha_001", 7, now_ms=T0 + 8 * DAY_MS) == []
    with pytest.raises(NotFound, match="expected one of alpha_001, beta_001, gamma_001"):
        await reader.daily("nobody", 7)


async def test_bots_are_registered_again_without_losing_anything(
    pool: Pool, reader: LedgerReader
) -> None:
    await set_status(pool, "alpha_001", ACCOUNT, "paused", "an operator said so")
    await heartbeat(
        pool,
        ACCOUNT,
        ["alpha_001", "beta_001"],
        decided_ms={"alpha_001": T0},
        equity={"beta_001": Decimal("99.5")},
    )
    bots = {row["bot_id"]: row for row in await reader.bots()}
    assert bots["alpha_001"]["status_reason"] == "an operator said so"
    assert (bots["alpha_001"]["last_heartbeat"], bots["beta_001"]["last_heartbeat"]) == (T0, None)
    assert bots["beta_001"]["current_equity"] == Decimal("99.5")
    await register(pool, [], [BotEntry("alpha_001", ACCOUNT, "alpha", "test", "paper", "running")])
    bots = {row["bot_id"]: row for row in await reader.bots()}
    assert bots["alpha_001"]["status"] == "running"
    assert bots["alpha_001"]["last_heartbeat"] == T0
    assert len(bots) == 3


async def test_a_database_belongs_to_one_mode(pool: Pool) -> None:
    with pytest.raises(ConfigError, match="expected a database of mode live, was one of mode"):
        await register(pool, [AccountEntry("other", "live")], [])
    assert await pool.fetchval("SELECT count(*) FROM trading.accounts WHERE mode = 'live'") == 0


async def test_what_the_exchange_showed_is_kept_newest_first(
    pool: Pool, reader: LedgerReader
) -> None:
    await store(pool, trade())
    shown = PositionEvent(
        account=ACCOUNT,
        symbol=SYMBOL,
        signed_size=Decimal("-2.5"),
        entry_price=Decimal("100.5"),
        mark_price=Decimal(99),
        leverage=Decimal(10),
        liq_price=None,
        unrealised_pnl=Decimal(3),
        stop_loss=Decimal(105),
        take_profit=None,
        trailing_stop=None,
        position_idx=0,
        seq=7,
        updated_ms=T0 + 9_000,
    )
    await save_positions(pool, [shown])
    await save_positions(pool, [replace(shown, seq=6, stop_loss=None, updated_ms=T0)])
    position = (await reader.positions("beta_001"))[0]
    assert (position["stop_loss"], position["mark_price"]) == (Decimal(105), Decimal(99))
    await record_event(pool, "START", "INFO", "started", account=ACCOUNT, details={"pid": 7})
    assert await pool.fetchval("SELECT details ->> 'pid' FROM audit.system_events") == "7"
    beta = replace(order("", "open"), bot_id="beta_001", purpose="stop")
    stops = [
        replace(
            beta,
            client_order_id=f"beta_001-{code}-0000000{n}",
            reason=reason,
            trigger_price=Decimal(price),
            state=state,
        )
        for n, (code, reason, price, state) in enumerate(
            (
                ("sl", "stop_loss", 104, "open"),
                ("tp", "take_profit", 95, "acked"),
                ("sl", "stop_loss", 110, "cancelled"),
            )
        )
    ]
    await write(pool, Commit(ACCOUNT, orders=tuple(stops)))
    position = (await reader.positions("beta_001"))[0]
    levels = (position["stop_loss"], position["take_profit"], position["trailing_stop"])
    assert levels == (Decimal(104), Decimal(95), None), "the bot's own stops, not the position's"


async def test_reasons_of_plugins_are_spelt_out_in_order_ids(pool: Pool) -> None:
    reasons = BUILTIN.with_reason("moon_phase", "mp", is_entry=True)
    link = wire_id("alpha_001", "moon_phase", T0, reasons)
    async with pool.acquire() as connection:
        batch = Batch.of([Commit(ACCOUNT, orders=(order(link, "open"),))])
        await write_batch(connection, batch, None, reasons)
    stored = await pool.fetchval("SELECT client_order_id FROM trading.orders")
    assert stored == f"alpha_001:moon_phase:{T0}"


# -- connections ---------------------------------------------------------------------------------


async def test_a_server_that_is_away_is_named_without_its_password() -> None:
    with pytest.raises(TimedOut, match=r"PostgreSQL at 127\.0\.0\.1:9, database x to") as error:
        await open_pool("postgresql://u:geheim@127.0.0.1:9/x", clock=SystemClock(), wait_s=0.2)
    assert "geheim" not in str(error.value)


async def test_a_wrong_database_or_url_is_refused_at_once(postgres_dsn: str) -> None:
    wrong = postgres_dsn.replace(postgres_dsn.split("?")[0].rsplit("/", 1)[1], "nowhere", 1)
    with pytest.raises(ConfigError, match="nowhere"):
        await open_pool(wrong, clock=SystemClock(), wait_s=5)
    with pytest.raises(ConfigError, match="expected a PostgreSQL URL"):
        await open_pool("mysql://u:geheim@h/x", clock=SystemClock(), wait_s=5)


def test_urls() -> None:
    assert server_name("postgresql://u:p@db:6432/a") == "db:6432, database a"
    assert server_name("postgresql://u@/a?host=/run/pg") == "/run/pg:5432, database a"
    assert through_pooler("postgresql://u:p@db:6432/a")
    assert through_pooler("postgresql://u@/a?host=/run&port=6432")
    assert not through_pooler("postgresql://u:p@db/a")


@pytest.mark.parametrize("file", ["reads.sql", "writes.sql", "lease.sql", "registry.sql"])
def test_statements_have_a_name_and_a_body(file: str) -> None:
    statements = load(file)
    assert statements
    assert all(";" in body for body in statements.values())
