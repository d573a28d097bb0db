"""Each check finds what breaks it, and only that, in a ledger that is sound else."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest
from redis import Redis

from alpha.alerts import Alert, Alerts
from alpha.cli import main
from alpha.clock import ManualClock, SystemClock, VenueClock
from alpha.core.book import Book
from alpha.core.events import Bar
from alpha.core.records import AttributionRules, Commit
from alpha.ledger.alert_journal import SystemEvent
from alpha.ledger.batch import Batch
from alpha.ledger.pool import Pool
from alpha.ledger.registry import DAEMON_STOP
from alpha.ledger.transaction import write_batch
from alpha.market.archive import MarketArchive
from alpha.quality.checks import CHECKS, Finding, Window, run_checks
from alpha.quality.duty import EVENT, QualityDuty
from alpha.quality.spans import Spans
from tests.ledger.conftest import ACCOUNT, BOTS, pool, unguarded
from tests.ledger.fifo import history
from tests.ledger.samples import T0
from tests.proxied import behind_proxy
from tests.quality.life import lived
from tests.trading.conftest import clock, exchange
from tests.until import until

__all__ = ["clock", "exchange", "pool"]

SYMBOL = "BTCUSDT"
RULES = AttributionRules(account=ACCOUNT, bots=frozenset(BOTS))
FULL = Window(None, keep_short_days=90)
MINUTE, HOUR, DAY_MS = 60_000, 3_600_000, 86_400_000


@pytest.fixture
async def books(pool: Pool) -> Pool:
    """Two bots that went long and short, with funding and something left open; their orders,
    balances, and candles."""
    book = Book(ACCOUNT, SYMBOL)
    for row in history(2, SYMBOL, 40):
        async with pool.acquire() as connection:
            change = book.add([row], RULES)
            await write_batch(connection, Batch.of([Commit(ACCOUNT, change=change)]), None)
    await pool.execute(
        "INSERT INTO trading.orders (account, order_link_id, client_order_id, bot_id, symbol, side,"
        " purpose, reason, order_type, qty, reduce_only, state, exchange_order_id, filled_qty,"
        " avg_fill_price, decided_at, changed_at)"
        " SELECT DISTINCT ON (order_id) account, order_link_id, client_order_id, bot_id, symbol,"
        " side, effect, reason, 'Market', 1, false, 'filled', order_id, 1, 1, exec_time, exec_time"
        " FROM trading.fills WHERE client_order_id IS NOT NULL"
    )
    for at, wallet in ((T0 - DAY_MS, 1000), (T0 - DAY_MS // 2, 1000)):
        await pool.execute(
            "INSERT INTO trading.account_balance (account, total_balance, equity, source,"
            " timestamp, created_at) VALUES ($1, $2, $2, 'rest', $3, now() - interval '1 hour')",
            *(ACCOUNT, wallet, at),
        )
    await spans(pool, range(100))
    assert await pool.fetchval("SELECT count(*) FROM trading.positions WHERE closed_at IS NULL")
    return pool


async def spans(pool: Pool, places: range) -> None:
    """A series that was handed on, each candle of `places` stored."""
    await pool.execute(
        "INSERT INTO trading.candle_spans (symbol, interval, since, until, bar_ms)"
        " VALUES ($1, '5m', $2, $3, 300000)",
        *(SYMBOL, T0, T0 + 99 * 5 * MINUTE),
    )
    await pool.executemany(
        "INSERT INTO trading.market_data (symbol, interval, timestamp, open_price, high_price,"
        " low_price, close_price, volume, quote_volume, data_source)"
        " VALUES ($1, '5m', $2, 1, 1, 1, 1, 1, 1, 'rest')",
        [(SYMBOL, T0 + place * 5 * MINUTE) for place in places],
    )


async def faulty(pool: Pool, window: Window = FULL) -> dict[str, Finding]:
    return {one.check.name: one for one in await run_checks(pool, window) if not one.is_clean}


async def test_books_that_are_sound(books: Pool) -> None:
    assert await faulty(books) == {}
    assert await faulty(books, Window(T0, 90)) == {}


async def test_what_a_bot_has_traded_is_sound(pool: Pool, tmp_path: Path) -> None:
    async with lived(tmp_path, pool) as signals:
        assert signals > 1
        assert await faulty(pool) == {}


FAULTS = {
    "missing_candles": (
        "DELETE FROM trading.market_data WHERE timestamp IN"
        " (SELECT timestamp FROM trading.market_data ORDER BY 1 OFFSET 7 LIMIT 6)"
    ),
    "orphan_fills": (
        "INSERT INTO trading.fills (account, symbol, exec_id, bot_id, leg, order_id, order_link_id,"
        " side, exec_type, exec_price, exec_qty, commission, fee_currency, effect, reason,"
        " reason_source, attribution, realised, position_after, is_maker, exec_time, seq)"
        " SELECT account, symbol, v.id, bot_id, 0, '', '', v.side, 'Trade', 1, 1, 0, 'USDT',"
        " 'entry', 'x', 'id', 'id', 0, 0, false, exec_time, 1"
        " FROM (SELECT * FROM trading.fills LIMIT 1) f,"
        " (VALUES ('nobody', 'Buy'), ('none', 'Sell')) v(id, side)"
    ),
    "orphan_positions": (
        "UPDATE trading.positions SET opened_by = 'nobody' WHERE closed_at IS NULL"
    ),
    "orphan_orders": (
        "UPDATE trading.orders SET bot_id = 'nobody_001' WHERE order_link_id ="
        " (SELECT order_link_id FROM trading.orders LIMIT 1)"
    ),
    "orphan_signals": (
        "INSERT INTO trading.signals (account, bot_id, ordinal, place, symbol, timestamp,"
        " signal_type, reason, order_link_id, event_key, origin, replayed, decided_at)"
        " SELECT account, bot_id, 1, 0, symbol, exec_time, 'long', 'entry', 'nothing', 'k',"
        " 'strategy', false, exec_time FROM trading.fills LIMIT 1"
    ),
    "duplicate_orders": (
        "INSERT INTO trading.orders (account, order_link_id, bot_id, symbol, side, purpose, reason,"
        " order_type, qty, reduce_only, state, exchange_order_id, filled_qty, avg_fill_price,"
        " decided_at, changed_at) SELECT account, order_link_id || 'x', bot_id, symbol, side,"
        " purpose, reason, order_type, qty, reduce_only, state, exchange_order_id, filled_qty,"
        " avg_fill_price, decided_at, changed_at FROM trading.orders LIMIT 1"
    ),
    "missing_fields": (
        "UPDATE trading.orders SET avg_fill_price = NULL WHERE order_link_id ="
        " (SELECT order_link_id FROM trading.orders LIMIT 1)"
    ),
    "execution_shares": (
        "UPDATE trading.funding_payments SET amount = amount + 0.000000000001 WHERE exec_id ="
        " (SELECT exec_id FROM trading.funding_payments ORDER BY 1 LIMIT 1)"
    ),
    "round_trip_shares": (
        "UPDATE trading.completed_trades SET quantity = quantity + 1 WHERE trade_id ="
        " (SELECT trade_id FROM trading.completed_trades LIMIT 1)"
    ),
    "lots_and_positions": (
        "UPDATE trading.positions SET size = size + 1, max_size = max_size + 1"
        " WHERE closed_at IS NULL"
    ),
    "bot_equity": (
        "WITH b AS (INSERT INTO trading.account_balance (account, bot_id, total_balance, equity,"
        " source, timestamp) VALUES ('second', 'gamma_001', 100, 100, 'books', now()))"
        " UPDATE trading.bots SET current_equity = 99.98, process_heartbeat = now() + '1 s'"
        " WHERE bot_id = 'gamma_001'"
    ),
    "ledger_cash": (
        "UPDATE trading.account_balance SET total_balance = 1001.01 WHERE id ="
        " (SELECT max(id) FROM trading.account_balance)"
    ),
    "wallet_audit": (
        "INSERT INTO trading.wallet_audits (account, since, until, opening_balance, realised, fees,"
        " funding, moved, rounding, log_balance, wallet_balance, rows_compared, rows_differing,"
        " executions) VALUES ('main', now(), now(), 1, 0, 0, 0, 0, 0, 1, 1.00000001, 0, 0, 0)"
    ),
}


@pytest.mark.parametrize("names", [list(FAULTS)[number::4] for number in range(4)])
async def test_one_fault_is_one_finding(books: Pool, names: list[str]) -> None:
    """Faults that have nothing to do with each other."""
    async with books.acquire() as connection, unguarded(connection):
        for name in names:
            await connection.execute(FAULTS[name])
    found = await faulty(books)
    assert set(found) == set(names)
    for finding in found.values():
        assert finding.found and finding.examples
        assert finding.check.advice in finding.message and finding.examples[0] in finding.message


async def test_faults_that_break_several_things(books: Pool) -> None:
    """A fill that is gone is missed by its execution, its round trip and the sums."""
    async with books.acquire() as connection, unguarded(connection):
        row = await connection.fetchrow(
            "DELETE FROM trading.fills WHERE exec_id ="
            " (SELECT exec_id FROM trading.fills WHERE effect = 'exit' LIMIT 1) RETURNING *"
        )
    assert row is not None
    found = await faulty(books)
    assert {"execution_shares", "orphan_round_trips", "fills_and_lots"} <= set(found)
    assert row["exec_id"] in found["execution_shares"].examples[0]
    # By the hour, what is looked at in full is left out, and what lies before the window.
    assert set(await faulty(books, Window(row["exec_time"], 90))) == set(found) - {"fills_and_lots"}
    assert await faulty(books, Window(T0 + 30 * DAY_MS, 90)) == {}


async def test_executions_and_fills_that_are_there_twice(books: Pool) -> None:
    async with books.acquire() as connection, unguarded(connection):
        for table in ("executions", "fills"):
            names = await connection.fetch(
                "SELECT column_name FROM information_schema.columns"
                " WHERE table_schema = 'trading' AND table_name = $1"
                " AND is_generated = 'NEVER' AND column_name <> 'symbol'",
                table,
            )
            columns = ", ".join(row["column_name"] for row in names)
            await connection.execute(
                f"INSERT INTO trading.{table} (symbol, {columns}) SELECT 'ETHUSDT', {columns}"
                f" FROM trading.{table} WHERE exec_id = 'BTCUSDT-3'"
            )
    found = await faulty(books)
    assert found["duplicate_executions"].found == 1
    assert "BTCUSDT-3" in found["duplicate_executions"].examples[0]
    assert "ETHUSDT" in found["fills_and_lots"].examples[0]


async def test_equities_that_a_clean_stop_has_left(books: Pool) -> None:
    """While a position is open the two are of different moments; a stop writes both at one."""
    bot = await books.fetchval("SELECT min(bot_id) FROM trading.positions WHERE closed_at IS NULL")
    await books.execute(
        "INSERT INTO trading.account_balance (account, bot_id, total_balance, equity, source,"
        " timestamp) SELECT account, bot_id, 100, 100, 'books', now() FROM trading.bots"
        " WHERE bot_id = $1",
        bot,
    )
    equity = (
        "UPDATE trading.bots SET current_equity = 101, process_heartbeat = now() + '1 s',"
        " status = $2, status_reason = $3 WHERE bot_id = $1"
    )
    for status in ("running", "disabled"):  # by the settings, after a kill
        await books.execute(equity, bot, status, "")
        assert await faulty(books) == {}
    await books.execute(equity, bot, "disabled", DAEMON_STOP)
    assert set(await faulty(books)) == {"bot_equity"}


async def test_a_few_missing_candles_are_nothing(books: Pool) -> None:
    await books.execute(
        "DELETE FROM trading.market_data WHERE timestamp IN"
        " (SELECT timestamp FROM trading.market_data ORDER BY 1 LIMIT 5)"
    )
    assert await faulty(books) == {}


async def test_short_candles_that_were_forgotten_are_not_missing(books: Pool) -> None:
    await books.execute("DELETE FROM trading.market_data")
    assert set(await faulty(books)) == {"missing_candles"}
    # The market has gone on by more than candles are kept.
    await books.execute(
        "INSERT INTO trading.candle_spans (symbol, interval, since, until, bar_ms)"
        " VALUES ('ETHUSDT', '5m', $1, $1, 300000)",
        T0 + 100 * DAY_MS,
    )
    assert await faulty(books) == {}


# -- what should be there -------------------------------------------------------------------------


def bars(first: int, last: int) -> list[Bar]:
    return [
        Bar(SYMBOL, 5 * MINUTE, T0 + place * 5 * MINUTE, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, True)
        for place in range(first, last + 1)
    ]


async def test_bars_that_were_handed_on_and_lost_are_found(pool: Pool, clock: ManualClock) -> None:
    archive, handed = MarketArchive(pool, clock), {(SYMBOL, 5 * MINUTE): (T0, T0 + 9 * 5 * MINUTE)}
    spans = Spans(pool, lambda: handed, lambda: archive.waiting)
    kept = bars(0, 9)
    archive.keep(kept, "stream")
    await spans.save(90)
    await spans.save(90)
    stored = "SELECT count(*) FROM trading.candle_spans"
    assert await pool.fetchval(stored) == 0, "candles wait for the database"
    async with working(archive):
        await until(lambda: archive.written == 10, "candles")
        await spans.save(90)
        assert await pool.fetchval(stored) == 0, "those had no time to be stored"
        await spans.save(90)
        assert await faulty(pool) == {}
        # The next ones are handed on, and never kept.
        handed[(SYMBOL, 5 * MINUTE)] = (T0, T0 + 19 * 5 * MINUTE)
        await spans.save(90)
        await spans.save(90)
    found = (await faulty(pool))["missing_candles"]
    assert found.found == 10
    assert found.examples == (f"{SYMBOL} 5m: 10 missing from 2025-10-01T08:50Z",)
    assert await pool.fetchval(stored) == 1


async def test_a_clean_stop_says_what_should_be_there(pool: Pool, clock: ManualClock) -> None:
    """A run of less than two turns knows of holes, too."""
    archive, handed = MarketArchive(pool, clock), {(SYMBOL, 5 * MINUTE): (T0, T0 + 9 * 5 * MINUTE)}
    spans = Spans(pool, lambda: handed, lambda: archive.waiting)
    stored = "SELECT count(*) FROM trading.candle_spans"
    archive.keep(bars(0, 9), "stream")
    await spans.finish(90)
    assert await pool.fetchval(stored) == 0, "candles wait for the database"
    async with working(archive):
        await until(lambda: archive.waiting == 0, "candles")
    await spans.finish(90)
    assert await faulty(pool) == {}
    await pool.execute("DELETE FROM trading.market_data WHERE timestamp > $1", T0 + 5 * MINUTE)
    assert (await faulty(pool))["missing_candles"].found == 8


async def test_candles_on_their_way_wait(pool: Pool, clock: ManualClock) -> None:
    away = True
    archive = MarketArchive(pool, clock, is_away=lambda: away)
    async with working(archive):
        archive.keep(bars(0, 9), "stream")
        for _ in range(10):
            await SystemClock().sleep(0)
        assert archive.waiting == 10, "they were taken from the queue, and are not stored"


@asynccontextmanager
async def working(archive: MarketArchive) -> AsyncIterator[None]:
    task = asyncio.create_task(archive.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


# -- by the hour ----------------------------------------------------------------------------------


def duty(
    pool: Pool, clock: ManualClock, alerts: Alerts, now_ms: int = T0 + 4 * DAY_MS
) -> tuple[QualityDuty, list[SystemEvent]]:
    venue, events = VenueClock(clock), list[SystemEvent]()
    venue.observe(now_ms)
    spans = Spans(pool, lambda: None, int)
    made = QualityDuty(pool, spans, events.append, alerts, clock, venue, keep_short_days=90)
    return made, events


async def test_findings_become_events_and_alerts(books: Pool, clock: ManualClock) -> None:
    alerts, told = Alerts(clock), list[Alert]()
    alerts.listen(told.append)
    quality, events = duty(books, clock, alerts)
    await quality.look()
    await quality.look_at_all()
    assert events == [] and told == []
    async with books.acquire() as connection, unguarded(connection):
        for name in ("missing_candles", "duplicate_orders", "lots_and_positions", "ledger_cash"):
            await connection.execute(FAULTS[name])
    await quality.look_at_all()
    assert [(one.kind, one.level, one.component) for one in events] == [
        (EVENT, "WARNING", "missing_candles"),
        (EVENT, "ERROR", "duplicate_orders"),
    ]
    assert events[0].details["found"] == 6
    assert [(one.kind, one.level, one.component) for one in told] == [
        ("data_quality", "CRITICAL", "lots_and_positions"),
        ("data_quality", "CRITICAL", "ledger_cash"),
    ]


async def test_what_was_only_a_moment_is_not_told(books: Pool, clock: ManualClock) -> None:
    """A transfer has come, and the balance that says so is a minute late."""
    alerts, told = Alerts(clock), list[Alert]()
    alerts.listen(told.append)
    quality, events = duty(books, clock, alerts)
    await books.execute(FAULTS["bot_equity"])
    slept = clock.now_ms()

    async def sleep(seconds: float) -> None:
        clock.advance(round(seconds * 1000))
        await books.execute(
            "INSERT INTO trading.account_balance (account, bot_id, total_balance, equity, source,"
            " timestamp) VALUES ('second', 'gamma_001', 99.98, 99.98, 'books', now())"
        )

    clock.sleep = sleep  # type: ignore[method-assign]
    await quality.look()
    assert clock.now_ms() - slept == 150_000
    assert events == [] and told == []


async def test_a_database_that_is_away_is_no_finding(
    books: Pool, postgres_dsn: str, clock: ManualClock
) -> None:
    async with behind_proxy(postgres_dsn) as (proxy, away):
        quality, events = duty(away, clock, Alerts(clock))
        proxy.cut()
        await quality.look()
        await quality.look_at_all()
        await quality.save_spans()
        assert events == []


# -- the doctor -----------------------------------------------------------------------------------


@pytest.fixture
def settings(tmp_path: Path, postgres_dsn: str, redis_url: str) -> str:
    file = tmp_path / "alpha.toml"
    file.write_text(
        f'data_dir = "{tmp_path}/data"\n[postgres]\nurl = "{postgres_dsn}"\n'
        f'[redis]\nurl = "{redis_url}"\n',
        encoding="utf-8",
    )
    return str(file)


def doctor(
    capsys: pytest.CaptureFixture[str], settings: str, *more: str
) -> tuple[int, dict[str, dict[str, object]]]:
    code = main(["doctor", "--json", "--config", settings, *more])
    document = json.loads(capsys.readouterr().out)
    assert document["ok"] == (code == 0)
    return code, {row["check"]: row for row in document["checks"]}


async def _execute(dsn: str, statement: str) -> None:
    connection = await asyncpg.connect(dsn)
    await connection.execute(statement)
    await connection.close()


def test_the_doctor_looks_at_the_data(
    settings: str, postgres_dsn: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, checks = doctor(capsys, settings, "--data")
    assert code == 0
    assert list(checks) == [check.name for check in CHECKS]
    asyncio.run(
        _execute(
            postgres_dsn,
            "INSERT INTO trading.candle_spans VALUES ('BTCUSDT', '1h', '2025-11-01', '2025-11-02',"
            " 3600000)",
        )
    )
    code, checks = doctor(capsys, settings, "--data")
    assert code == 1
    assert [name for name, row in checks.items() if not row["ok"]] == ["missing_candles"]
    assert checks["missing_candles"]["found"] == 25
    assert main(["doctor", "--data", "--config", settings]) == 1
    said = capsys.readouterr().out
    assert "missing_candles" in said and "warning" in said and "something is wrong" in said
    assert "BTCUSDT 1h: 25 missing from 2025-11-01T00:00Z" in said, "whole, to be copied"


def test_the_doctor_looks_at_what_alpha_stands_on(
    settings: str, redis_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, checks = doctor(capsys, settings)
    assert code == 0
    assert list(checks) == ["settings", "database", "clock", "redis", "disk"]
    assert ", database " in str(checks["database"]["found"]), "where it is, for psql"
    with Redis.from_url(redis_url) as client:
        before = client.config_get("maxmemory-policy")["maxmemory-policy"]
        client.config_set("maxmemory-policy", "allkeys-lru")
        try:
            code, checks = doctor(capsys, settings)
        finally:
            client.config_set("maxmemory-policy", before)
    assert code == 1
    assert not checks["redis"]["ok"] and "noeviction" in str(checks["redis"]["advice"])


def test_the_doctor_names_what_does_not_answer(
    settings: str, capsys: pytest.CaptureFixture[str]
) -> None:
    text = Path(settings).read_text("utf-8")
    Path(settings).write_text(
        text[: text.index("[postgres]")]
        + '[postgres]\nurl = "postgresql://a@127.0.0.1:1/a"\n[redis]\nurl = "redis://127.0.0.1:1"\n'
    )
    code, checks = doctor(capsys, settings)
    assert code == 1
    assert {name for name, row in checks.items() if not row["ok"]} == {"database", "clock", "redis"}
    assert "127.0.0.1:1" in str(checks["database"]["advice"])
