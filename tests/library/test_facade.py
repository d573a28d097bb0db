"""alpha.AlphaDB on real servers: what it books is a ledger like any other."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from redis.asyncio import Redis

import alpha
from alpha import AlphaDB
from alpha.clock import SystemClock
from alpha.errors import ConfigError, NeedsOperator, NotFound, TimedOut
from alpha.ledger.booking import book_executions
from alpha.ledger.lease import Lease
from alpha.ledger.pool import Pool, open_pool
from alpha.ledger.registry import AccountEntry, BotEntry, Mode, register
from alpha.ledger.verify import verify
from tests.conftest import ROOT
from tests.ledger.samples import execution

BOT = "notebook_001"
D = Decimal
NOON = datetime(2025, 10, 1, 12, tzinfo=UTC)

Connect = Callable[..., AlphaDB]


@pytest.fixture
def connect(
    postgres_dsn: str, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Connect:
    config = tmp_path / "config.toml"
    config.write_text(f'data_dir = "{tmp_path / "data"}"\n', "utf-8")
    monkeypatch.chdir(tmp_path)

    def open_one(bot_id: str = BOT, account: str | None = "notes", **options: object) -> AlphaDB:
        given: dict[str, object] = {"postgres_url": postgres_dsn, "redis_url": redis_url, **options}
        made: Connect = AlphaDB
        return made(bot_id, account=account, config=config, wait_s=5.0, **given)

    return open_one


@pytest.fixture
async def pool(postgres_dsn: str) -> AsyncIterator[Pool]:
    pool = await open_pool(postgres_dsn, clock=SystemClock(), max_size=2)
    yield pool
    pool.terminate()


@pytest.fixture
async def others(pool: Pool) -> Pool:
    """A database with a bot of its own on account main."""
    await register(
        pool, [AccountEntry("main", "paper")], [BotEntry("alpha_001", "main", "a", "a", "paper")]
    )
    return pool


async def buy_and_sell(db: AlphaDB) -> tuple[int, int]:
    bought = await db.write_fill(
        symbol="BTCUSDT",
        side="Buy",
        exec_price=D("100.5"),
        exec_qty="2",
        commission="0.11",
        exec_time=NOON,
        close_reason="ema_cross",
    )
    sold = await db.write_fill(
        symbol="BTCUSDT",
        side="Sell",
        exec_price=110,
        exec_qty=1,
        commission="0.06",
        exec_time=NOON + timedelta(hours=1),
        client_order_id=f"{BOT}:take_profit:1759323600000",
        order_id="my-order",
    )
    return bought, sold


async def test_fills_become_books_and_are_booked_once(
    connect: Connect, pool: Pool, postgres_dsn: str
) -> None:
    async with connect() as db:
        ids = await buy_and_sell(db)
        assert min(ids) > 0
        assert ids[0] != ids[1]
        assert await buy_and_sell(db) == ids, "the same fills have the ids that they have"
        written_otherwise = await db.write_fill(
            symbol="BTCUSDT",
            side="Buy",
            exec_price="100.50",
            exec_qty=D("2.000"),
            commission="0.110",
            exec_time=NOON,
            close_reason="ema_cross",
        )
        assert written_otherwise == ids[0], "zeros at the end make no other fill"
        newest, oldest = await db.get_recent_fills()
        assert (oldest["id"], newest["id"]) == ids
        assert oldest | {"exec_id": ""} == {
            "id": ids[0],
            "exec_time": NOON,
            "symbol": "BTCUSDT",
            "side": "Buy",
            "exec_qty": D(2),
            "exec_price": D("100.5"),
            "commission": D("0.11"),
            "effect": "entry",
            "close_reason": "ema_cross",
            "realised": D(0),
            "position_after": D(2),
            "client_order_id": f"{BOT}:ema_cross:{round(NOON.timestamp() * 1000)}",
            "order_id": oldest["order_id"],
            "exec_id": "",
        }
        assert newest["client_order_id"] == f"{BOT}:take_profit:1759323600000"
        assert newest["order_id"] == "my-order"
        assert await db.get_recent_fills(1) == [newest]
        assert await db.get_recent_fills(symbol="ETHUSDT") == []
    rows = await pool.fetch("SELECT net_pnl, close_reason FROM trading.trades_pnl")
    # (110 - 100.5) * 1, less half of 0.11 and 0.06
    assert [tuple(row) for row in rows] == [(D("9.385"), "take_profit")]
    (held,) = await pool.fetch("SELECT bot_id, total_qty FROM trading.current_positions")
    assert tuple(held) == (BOT, 1)
    found = await verify(postgres_dsn)
    assert found.problems == ()
    assert found.fills == 2


async def test_a_late_fill_computes_the_books_anew(
    connect: Connect, pool: Pool, postgres_dsn: str
) -> None:
    async with connect() as db:
        await buy_and_sell(db)
        late = await db.write_fill(
            symbol="BTCUSDT",
            side="Buy",
            exec_price=90,
            exec_qty=1,
            exec_time=NOON - timedelta(minutes=1),
        )
        assert late > 0
        assert await db.get_daily_pnl() == D("19.94"), "first in, first out"
    assert (await verify(postgres_dsn)).problems == ()


async def test_days_count_what_ended_on_them_with_fees_and_funding(
    connect: Connect, pool: Pool
) -> None:
    async with connect() as db:
        assert await db.get_daily_pnl() == 0
        assert await db.get_trade_count_today() == 0
        await buy_and_sell(db)
        funding = execution(
            "f1",
            round((NOON + timedelta(hours=2)).timestamp() * 1000),
            "Buy",
            "1",
            account="notes",
            exec_type="Funding",
            create_type="",
            fee="0.5",
        )
        await book_executions(
            pool, "notes", [funding], holder="a test", installation="a test", clock=SystemClock()
        )
        assert await db.get_trade_count_today() == 1, "what is open has been traded, too"
        next_day = NOON + timedelta(days=1)
        await db.write_fill(
            symbol="BTCUSDT", side="Sell", exec_price=90, exec_qty=1, exec_time=next_day
        )
        # (90 - 100.5), less the other half of 0.11, and the funding that was paid
        assert await db.get_daily_pnl() == D("-11.055")
        assert await db.get_daily_pnl(2) == D("-11.055") + D("9.385")
        assert await db.get_trade_count_today() == 0, "closed only"
    async with connect() as db:
        days = await pool.fetch(
            "SELECT net_pnl FROM trading.bot_daily_performance ORDER BY trade_date"
        )
        assert [row["net_pnl"] for row in days] == [D("9.385"), D("-11.055")]


async def test_today_is_that_of_the_account_and_counts_imported_trips(
    connect: Connect, pool: Pool
) -> None:
    async with connect() as db, connect("later_001", "elsewhere") as other:
        await buy_and_sell(db)
        await other.write_fill(
            symbol="BTCUSDT",
            side="Buy",
            exec_price=90,
            exec_qty=1,
            exec_time=NOON + timedelta(days=3),
        )
        assert await db.get_daily_pnl() == D("9.385")
        async with pool.acquire() as connection, connection.transaction():
            await connection.execute(
                "INSERT INTO audit.imports (id, kind, source, report)"
                " VALUES (1, 'momentum', 'trading.db', '{}')"
            )
            await connection.execute(
                "INSERT INTO trading.imported_trades (kind, source_id, account, bot_id, symbol,"
                " side, entry_commission, exit_time, exit_commission, net_pnl, quality, import_id)"
                " VALUES ('momentum', '1', 'notes', $1, 'ETHUSDT', 'long', 0, $2, 0, 7,"
                " 'estimated', 1)",
                BOT,
                round(NOON.timestamp() * 1000),
            )
        assert await db.get_daily_pnl() == D("16.385")
        (held,) = await pool.fetch("SELECT net_pnl FROM trading.completed_trades")
        assert held["net_pnl"] == D("9.385"), "what reports are made of has none of it"


@pytest.mark.parametrize("mode", ["live", "demo", "testnet"])
async def test_fills_of_an_exchange_come_from_it_alone(
    connect: Connect, pool: Pool, mode: Mode
) -> None:
    await register(
        pool,
        [AccountEntry("real", mode)],
        [BotEntry("real_001", "real", "real", "real", mode)],
    )
    async with connect("real_001", None) as db:
        with pytest.raises(NeedsOperator, match=f"of mode {mode}: its fills come from the exchang"):
            await buy_and_sell(db)
        assert await db.get_recent_fills() == []
    assert await pool.fetchval("SELECT count(*) FROM trading.executions") == 0
    with pytest.raises(NeedsOperator, match=f"to make a bot in, was {mode}"):
        async with connect(account="real"):
            pass


async def test_while_a_daemon_has_the_account_it_alone_writes(connect: Connect, pool: Pool) -> None:
    async with connect() as db:
        daemon = Lease(pool, ["notes"], "a daemon", installation="elsewhere", clock=SystemClock())
        await daemon.acquire()
        writes = (
            lambda: buy_and_sell(db),
            lambda: db.update_position_redis("BTCUSDT", size=1, side="Buy"),
            db.update_heartbeat,
            lambda: db.update_equity(1000),
        )
        for write in writes:
            with pytest.raises(NeedsOperator, match="to be free, was held by a daemon"):
                await write()
        assert await db.get_recent_fills() == []
        assert await db.get_position_redis("BTCUSDT") is None
        await daemon.release()
        await buy_and_sell(db)
        assert len(await db.get_recent_fills()) == 2


async def test_scripts_that_write_at_once_wait_for_each_other(
    connect: Connect, postgres_dsn: str
) -> None:
    async def write(number: int) -> None:
        async with connect() as db:
            for minute in range(4):
                await db.write_fill(
                    symbol="BTCUSDT",
                    side="Buy" if (minute + number) % 2 else "Sell",
                    exec_price=100 + number,
                    exec_qty=1,
                    exec_time=NOON + timedelta(minutes=minute),
                )

    async with connect():
        await asyncio.gather(*(write(number) for number in range(3)))
    found = await verify(postgres_dsn)
    assert found.problems == ()
    assert found.executions == 12


async def test_the_picture_in_redis_is_the_documented_one(
    connect: Connect, redis_url: str, pool: Pool
) -> None:
    async with connect(redis_db=2) as db:
        assert await db.get_position_redis("BTCUSDT") is None
        await db.update_position_redis("BTCUSDT", size="1.50", side="Sell", avg_price="100.5")
        shown = await db.get_position_redis("BTCUSDT")
        assert shown is not None
        assert (shown["size"], shown["signed_size"], shown["side"]) == ("1.5", "-1.5", "Sell")
        assert (shown["avg_price"], shown["source"]) == ("100.5", "library")
        await db.update_equity("1012.5", balance=1000)
        await db.update_heartbeat()
        raw = Redis.from_url(f"{redis_url}", db=2, decode_responses=True)
        assert await raw.get(f"position:{BOT}:BTCUSDT") == "1.5"
        assert await raw.get(f"{BOT}:position:BTCUSDT") == "1.5"
        assert await raw.smembers(f"positions:{BOT}") == {"BTCUSDT"}
        assert (await raw.hgetall(f"equity:{BOT}"))["equity"] == "1012.5"
        assert 0 < await raw.ttl(f"heartbeat:{BOT}") <= 15
        await db.update_position_redis("BTCUSDT", size=0, side="Buy")
        assert await raw.get(f"position:{BOT}:BTCUSDT") == "0"
        assert await raw.smembers(f"positions:{BOT}") == set()
        await raw.set("alpha:mode", "live")
        await raw.aclose()
    (bot,) = await pool.fetch("SELECT * FROM trading.bots WHERE bot_id = $1", BOT)
    assert (bot["current_equity"], bot["redis_db"]) == (D("1012.5"), 2)
    assert bot["last_heartbeat"] is not None
    async with connect() as db:  # its database is known by now
        with pytest.raises(ConfigError, match="of mode paper, was one of mode live"):
            await db.get_position_redis("BTCUSDT")


async def test_without_redis_the_books_are_read_all_the_same(connect: Connect) -> None:
    async with connect(redis_url="redis://127.0.0.1:1") as db:
        db._live._wait_s = 0.2
        assert await db.get_daily_pnl() == 0
        with pytest.raises(TimedOut, match="expected Redis to answer"):
            await db.get_position_redis("BTCUSDT")


async def test_a_database_that_the_server_does_not_have_is_said_at_once(
    connect: Connect, others: Pool
) -> None:
    words = "redis_db: expected one of the server's databases, 0 to 15, was 99"
    with pytest.raises(ConfigError, match=words):
        async with connect(redis_db=99):
            pass
    assert await others.fetchval("SELECT count(*) FROM trading.bots WHERE bot_id = $1", BOT) == 0
    async with connect("alpha_001", None, redis_db=99) as db:
        assert await db.get_daily_pnl() == 0, "the books need no Redis"
        async with asyncio.timeout(4):  # of the five seconds that a server is waited for
            with pytest.raises(ConfigError, match=words):
                await db.get_position_redis("BTCUSDT")


async def test_a_database_that_comes_late_is_waited_for(connect: Connect, tmp_path: Path) -> None:
    clock = SystemClock()
    began = clock.monotonic()
    with pytest.raises(TimedOut, match="expected PostgreSQL"):
        nowhere = AlphaDB(
            BOT,
            config=tmp_path / "config.toml",
            postgres_url="postgresql://nobody@127.0.0.1:1/none",
            redis_url="redis://127.0.0.1:1",
            wait_s=1.0,
        )
        async with nowhere:
            pass
    assert clock.monotonic() - began > 0.6, "tried again"


async def test_unknown_bots_and_accounts_of_others_are_refused(
    connect: Connect, others: Pool
) -> None:
    with pytest.raises(NotFound, match="was 'notebook_001'; see alpha bots list"):
        async with connect(account=None):
            pass
    with pytest.raises(ConfigError, match="was main of alpha_001; name another"):
        async with connect(account="main"):
            pass
    with pytest.raises(ConfigError, match="expected account main of alpha_001"):
        async with connect("alpha_001", "notes"):
            pass
    with pytest.raises(ConfigError, match="expected a bot id"):
        AlphaDB("manual")
    async with connect("alpha_001", None) as db:
        assert db.account == "main"


async def test_what_makes_no_fill_is_refused_with_the_reason(connect: Connect, pool: Pool) -> None:
    fine: dict[str, object] = {
        "symbol": "BTCUSDT",
        "side": "Buy",
        "exec_price": 100,
        "exec_qty": 1,
        "exec_time": NOON,
        "exec_id": "mine",
    }
    wrong: list[tuple[dict[str, object], str]] = [
        ({"exec_price": 0.1}, "expected exec_price as Decimal, whole number or text, was float"),
        ({"exec_qty": 0}, "expected exec_qty > 0"),
        ({"exec_qty": "-1"}, "expected exec_qty > 0"),
        ({"exec_qty": "many"}, "expected exec_qty to be a number"),
        ({"exec_qty": "NaN"}, "expected exec_qty"),
        ({"exec_price": "0.0000000000001"}, "at most 12 digits"),
        ({"side": "buy"}, "expected side Buy or Sell, was 'buy'"),
        ({"symbol": "btc; --"}, "expected a symbol"),
        ({"exec_time": datetime(2025, 1, 1)}, "expected an aware exec_time"),  # noqa: DTZ001
        ({"client_order_id": "alpha_001:entry:1759323600000"}, "expected client_order_id notebook"),
        ({"close_reason": "What?"}, "expected a close_reason"),
        ({"symbol": None}, "expected symbol as text, was NoneType"),
        ({"side": None}, "expected side Buy or Sell, was None"),
        ({"exec_time": "2025-01-01"}, "expected exec_time as a datetime, was str"),
        ({"exec_time": datetime(1960, 1, 1, tzinfo=UTC)}, "expected exec_time from 1970 to 2285"),
        ({"exec_time": datetime(2200, 1, 1, tzinfo=UTC)}, "at most a day after now"),
        ({"order_id": 7}, "expected order_id as text, was int"),
        ({"client_order_id": 7}, "expected client_order_id as text, was int"),
        ({"exec_id": 7}, "expected exec_id as text, was int"),
        ({"close_reason": 7}, "expected close_reason as text, was int"),
    ]
    async with connect() as db:
        write: Callable[..., Awaitable[int]] = db.write_fill  # as a script without types has it
        for change, words in wrong:
            with pytest.raises(ConfigError, match=words):
                await write(**{**fine, **change})
        assert await pool.fetchval("SELECT count(*) FROM trading.executions") == 0
        await write(**fine)
        with pytest.raises(ConfigError, match="expected exec_id mine to be Buy 1 at 100"):
            await write(**{**fine, "exec_qty": 2})


async def test_questions_that_make_no_sense_are_refused_with_the_reason(connect: Connect) -> None:
    opened: Callable[..., AlphaDB] = AlphaDB
    with pytest.raises(ConfigError, match="expected bot_id as text, was int"):
        opened(5)
    with pytest.raises(ConfigError, match="expected redis_db as a whole number 0 to"):
        opened("notebook_001", -1)
    async with connect() as db:
        fills: Callable[..., Awaitable[object]] = db.get_recent_fills
        pnl: Callable[..., Awaitable[object]] = db.get_daily_pnl
        position: Callable[..., Awaitable[object]] = db.get_position_redis
        for ask, asked, words in (
            (fills, -1, "expected limit as a whole number 0 to"),
            (fills, "5", "expected limit as a whole number"),
            (pnl, 0, "expected days as a whole number 1 to"),
            (pnl, 10**12, "expected days as a whole number"),
            (position, "btc", "expected a symbol"),
        ):
            with pytest.raises(ConfigError, match=words):
                await ask(asked)
        with pytest.raises(ConfigError, match="expected symbol as text"):
            await fills(5, symbol=5)


async def test_a_file_of_settings_may_be_named_by_text(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text("mode = 'pape'")
    with pytest.raises(ConfigError, match=r"config\.toml"):
        async with AlphaDB("notebook_001", config=str(file)):
            pass


def test_asking_for_alpha_alone_loads_nothing_of_it() -> None:
    code = (
        "import alpha, sys; print('asyncpg' in sys.modules); alpha.AlphaDB;"
        "print('asyncpg' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["False", "True"]
    with pytest.raises(AttributeError, match="has no attribute 'AlphaDb'"):
        _ = alpha.AlphaDb
