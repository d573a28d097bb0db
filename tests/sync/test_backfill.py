"""History enters the books whole and right, or stays out with a word about it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection

import asyncpg
import pytest

from alpha.core.events import Execution
from alpha.errors import RetryLater
from alpha.ledger.lease import Lease, LeaseHeld, LeaseLost
from alpha.ledger.risk_journal import read
from alpha.ledger.syncs import Run, SyncStore
from alpha.sync import account as syncing
from alpha.trading.catchup import CatchUp
from tests.sync.conftest import ACCOUNT, BOT, CLOCK, D, Site


async def round_trips(site: Site, count: int, symbol: str = "ETHUSDT") -> None:
    for number in range(count):
        side, other = ("Buy", "Sell") if number % 2 else ("Sell", "Buy")
        await site.trade(side, "2", symbol)
        await site.trade(side, "1", symbol)
        await site.trade(other, "3", symbol)


async def test_history_enters_an_empty_ledger(site: Site) -> None:
    await round_trips(site, 3)
    await site.trade("Buy", "0.5", "BTCUSDT")  # still open
    await site.provoke(event="funding", rate="0.0001", symbol="BTCUSDT")
    async with site.sync() as sync:
        run = await sync.backfill(1)
        assert (run.status, run.error, run.notes) == ("completed", "", ())
        assert await site.ledger() == await site.truth()
        assert run.new == run.seen == len(await site.truth())
        again = await sync.backfill(2)
        assert (again.status, again.new, again.left) == ("completed", 0, 0)
    await site.verified()
    held = await site.pool.fetch(
        "SELECT bot_id, symbol, side, size FROM trading.positions WHERE closed_at IS NULL"
    )
    assert [tuple(row.values()) for row in held] == [("manual", "BTCUSDT", "long", D("0.5"))]
    totals = await site.pool.fetch("SELECT * FROM trading.control_totals ORDER BY closed_at")
    assert [row["symbol"] for row in totals] == ["ETHUSDT"] * 3
    for row in totals:
        assert row["agrees"] and row["orders"] == 1, dict(row)
        assert abs(row["pnl_difference"]) < D("1e-6") and abs(row["fee_difference"]) < D("1e-6")
        assert row["exchange_fees"] > 0


async def test_a_position_whose_beginning_is_not_known_stays_out(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    await site.trade("Buy", "5")  # older than what the exchange still has
    opened_ms = max(row.exec_time for row in await everything(site))
    await site.trade("Sell", "2")
    await site.trade("Sell", "3")
    gone = await site.truth()
    await round_trips(site, 1)
    until_ms = await site.rest.server_time()

    async def upper() -> int:
        return until_ms

    monkeypatch.setattr(syncing, "MONTH_MS", until_ms - opened_ms - 1)
    async with site.sync() as sync:
        monkeypatch.setattr(sync, "_upper_time", upper)
        run = await sync.backfill(1)
    assert run.status == "completed"
    assert await site.ledger() == await site.truth() - gone
    assert run.left == len(gone) - len(
        [r for r in await everything(site) if r.exec_time <= opened_ms]
    )
    assert len(run.notes) == 1 and "with a position of 5; " in run.notes[0]
    await site.verified()
    assert await site.pool.fetchval("SELECT count(*) FROM trading.adjustments") == 0


async def test_a_backfill_that_was_cut_off_goes_on_where_it_was(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    await round_trips(site, 1)
    real, asked = site.rest.executions, list[int]()

    async def failing(start_ms: int, end_ms: int) -> AsyncIterator[list[Execution]]:
        asked.append(start_ms)
        if len(asked) == 3:
            raise RetryLater("expected an answer of the exchange, was none")
        async for page in real(start_ms, end_ms):
            yield page

    monkeypatch.setattr(site.rest, "executions", failing)
    async with site.sync() as sync:
        run = await sync.backfill(1)
    assert (run.status, run.windows, run.windows_done) == ("partial", 5, 2)
    assert run.error == "expected an answer of the exchange, was none"
    # A process that was killed leaves its run behind as one that goes on.
    await site.pool.execute("UPDATE trading.sync_status SET status = 'running', error = ''")
    async with site.sync() as sync:
        again = await sync.backfill(1)
        assert (again.status, again.windows_done, again.left) == ("completed", 5, 0)
        assert again.notes[0].startswith("resumed at ")
        assert len(asked) == 6 and asked[3] == asked[2]  # what was fetched is not fetched again
    assert await site.ledger() == {
        row.exec_id for row in await everything(site) if row.exec_time <= run.end_ms
    }
    await site.verified()
    states = await site.pool.fetch("SELECT status, error FROM trading.sync_status ORDER BY id")
    assert [tuple(row.values()) for row in states] == [
        ("partial", "the process ended before the run did"),
        ("completed", ""),
    ]
    assert await site.pool.fetchval("SELECT count(*) FROM trading.sync_backlog") == 0


@pytest.mark.parametrize("error", [ValueError("odd"), asyncpg.DataError("odd")])
async def test_what_is_odd_ends_the_run_and_nothing_else(
    site: Site, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    async def failing(*_: object) -> set[tuple[str, str]]:
        raise error

    await site.trade("Buy", "1")
    async with site.sync() as sync:
        monkeypatch.setattr(sync, "_lacking", failing)
        run = await sync.sync("hourly")
    assert (run.status, run.error) == ("failed", "odd")


async def test_limits_know_what_history_has_come_since_their_anchors(site: Site) -> None:
    await round_trips(site, 2)
    await site.trade("Buy", "0.5", "BTCUSDT")  # still open
    began_ms = await site.rest.server_time()
    scopes = [("overall", "main+other", None), ("account", ACCOUNT, None), ("bot", BOT, BOT)]
    for scope, subject, bot_id in scopes:
        await site.pool.execute(
            """
            INSERT INTO trading.risk_anchors (
                scope, subject, accounts, account, bot_id, day, day_equity, day_result, week,
                week_equity, week_result, peak_equity, peak_result, seen_at, equity, result,
                began_at, earlier_cash)
            VALUES ($1, $2, $3, $4, $5, DATE '2026-01-05', 100, 1, DATE '2026-01-05', 100, 2, 100,
                    3, now(), 100, 4, $6, 0)
            """,
            *(scope, subject, subject.split("+") if scope == "overall" else [ACCOUNT]),
            *(None if scope == "overall" else ACCOUNT, bot_id, began_ms),
        )
    async with site.sync() as sync:
        assert (await sync.backfill(1)).status == "completed"
    (row,) = await site.pool.fetch(
        "SELECT sum(CASE side WHEN 'Buy' THEN -exec_value ELSE exec_value END - commission), "
        "max(exec_price) FILTER (WHERE symbol = 'BTCUSDT') FROM trading.fills"
    )
    cash, price = row
    stored = await read(site.pool, [ACCOUNT])
    for scope, subject, bot_id in scopes:
        since = stored.anchors[scope, subject].since
        if bot_id is not None:  # `manual` has traded
            assert since.is_nothing
            continue
        assert (since.cash, since.held) == (cash, {"BTCUSDT": D("0.5")}), scope
        assert since.worth(lambda symbol: None) == cash + since.prices["BTCUSDT"] / 2
        assert 0 < since.prices["BTCUSDT"] <= price


async def all_but(site: Site, monkeypatch: pytest.MonkeyPatch, hidden: set[str]) -> None:
    """The exchange shows everything but these, as long as they are in the set."""
    real = site.rest.executions

    async def shown(start_ms: int, end_ms: int) -> AsyncIterator[list[Execution]]:
        async for page in real(start_ms, end_ms):
            yield [row for row in page if row.exec_id not in hidden]

    monkeypatch.setattr(site.rest, "executions", shown)


@pytest.mark.parametrize("kind", ["backfill", "hourly"])
async def test_what_would_fold_too_much_anew_stays_out(
    site: Site, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    await site.trade("Buy", "0.5", "BTCUSDT")
    begun = await site.truth()
    await site.trade("Sell", "0.1", "BTCUSDT")
    hidden = await site.truth() - begun
    await site.trade("Sell", "0.1", "BTCUSDT")
    await all_but(site, monkeypatch, hidden)
    missed = len(hidden)
    async with site.sync() as sync:
        assert (await sync.sync("hourly")).left == 0
    known = await site.ledger()
    assert known and known.isdisjoint(hidden)
    hidden.clear()
    async with site.sync(len(known) + missed - 1) as sync:
        run = await (sync.backfill(1) if kind == "backfill" else sync.sync("hourly"))
        assert (run.status, run.new, run.left) == ("completed", 0, missed)
        assert "to fold anew" in run.notes[0] and "stays out" in run.notes[0]
        assert await site.ledger() == known
    async with site.sync(len(known) + missed) as sync:
        run = await (sync.backfill(1) if kind == "backfill" else sync.sync("hourly"))
        assert (run.status, run.new, run.left) == ("completed", missed, 0)
    await site.verified()


@pytest.mark.parametrize("kind", ["backfill", "hourly"])
async def test_without_a_daemon_nothing_is_too_much(
    site: Site, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """A symbol that never is flat, with a hole of several portions far back, and one beside it."""
    await site.trade("Buy", "0.5", "BTCUSDT")
    begun = await site.truth()
    for side in ("Buy", "Sell", "Buy"):
        await site.trade(side, "0.1", "BTCUSDT")
    hidden = await site.truth() - begun
    await site.trade("Sell", "0.1", "BTCUSDT")
    await round_trips(site, 1)
    await all_but(site, monkeypatch, hidden)
    monkeypatch.setattr(syncing, "PORTION", 2)

    async def synced(most_rows: int | None) -> Run:
        async with site.sync(most_rows) as sync:
            return await (sync.backfill(1) if kind == "backfill" else sync.sync("manual"))

    async with site.sync() as sync:
        assert (await sync.sync("hourly")).left == 0
    missed = len(hidden)
    assert missed > 4
    hidden.clear()
    run = await synced(3)  # a daemon's
    assert (run.new, run.left) == (0, missed)
    verb = "alpha sync backfill" if kind == "backfill" else "alpha sync run"
    assert f"`{verb}` brings it in while no daemon runs" in run.notes[0]
    written = await site.pool.fetchval("SELECT max(xmin::text::bigint) FROM trading.executions")
    run = await synced(None)
    assert (run.status, run.new, run.left, run.notes) == ("completed", missed, 0, ())
    # The whole symbol was folded anew once, not once for each portion.
    whole = await site.pool.fetchval(
        "SELECT count(DISTINCT xmin::text) FROM trading.executions WHERE xmin::text::bigint > $1",
        written,
    )
    assert whole == 1
    assert await site.ledger() == await site.truth()
    await site.verified()
    assert (await synced(None)).new == 0


EXECUTIONS_UNTIL = "SELECT high_water FROM trading.sync_watermarks WHERE endpoint = 'executions'"


async def test_what_a_backfill_leaves_out_is_found_by_later_syncs(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They begin where the last one did that left nothing out, however long that is ago."""
    await site.trade("Buy", "0.5", "BTCUSDT")
    begun = await site.truth()
    await site.trade("Sell", "0.1", "BTCUSDT")
    hidden = await site.truth() - begun
    await site.trade("Sell", "0.1", "BTCUSDT")
    await all_but(site, monkeypatch, hidden)
    async with site.sync() as sync:
        assert (await sync.sync("hourly")).left == 0
    missed = len(hidden)
    hidden.clear()
    async with site.sync(1) as sync:
        assert (await sync.sync("hourly")).left == missed
        mark = await site.pool.fetchval(EXECUTIONS_UNTIL)
        assert (await sync.backfill(1)).left == missed
    assert await site.pool.fetchval(EXECUTIONS_UNTIL) == mark
    async with site.sync() as sync:
        assert (await sync.sync("manual")).new == missed
    await site.verified()


async def test_a_busy_time_enters_in_portions(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """More than a transaction takes, and in the end a position that is open all the time."""
    await site.trade("Buy", "0.5", "BTCUSDT")
    async with site.sync() as sync:
        assert (await sync.sync("hourly")).left == 0
    before = len(await site.ledger())
    await round_trips(site, 1)
    await CLOCK.sleep(1)  # what an account may send in a second
    for side in ("Buy", "Sell", "Sell", "Buy"):
        await site.trade(side, "0.1", "BTCUSDT")
    missed = len(await site.truth()) - before
    monkeypatch.setattr(syncing, "PORTION", 3)
    written = await site.pool.fetchval("SELECT max(xmin::text::bigint) FROM trading.executions")
    async with site.sync(6) as sync:
        run = await sync.sync("hourly")
    assert (run.status, run.error, run.new, run.left) == ("completed", "", missed, 0)
    assert await site.ledger() == await site.truth()
    rows = await site.pool.fetch(
        "SELECT count(*) AS rows FROM trading.executions WHERE xmin::text::bigint > $1 "
        "GROUP BY xmin::text",
        written,
    )
    assert missed > 12 and max(row["rows"] for row in rows) <= 3
    await site.verified()


async def test_an_account_that_a_daemon_holds_is_left_alone(site: Site) -> None:
    daemon = Lease(site.pool, [ACCOUNT], "a daemon", installation="elsewhere", clock=CLOCK)
    await daemon.acquire()
    with pytest.raises(LeaseHeld, match="was held by a daemon"):
        async with site.sync():
            raise AssertionError("expected no sync without the lease")
    await daemon.release()


async def test_a_sync_whose_account_was_taken_meanwhile_writes_nothing(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fold of a whole symbol holds the loop up for longer than a lease lives."""
    await site.trade("Buy", "0.5", "BTCUSDT")
    begun = await site.truth()
    await site.trade("Sell", "0.1", "BTCUSDT")
    hidden = await site.truth() - begun
    await site.trade("Sell", "0.1", "BTCUSDT")
    await all_but(site, monkeypatch, hidden)
    async with site.sync() as sync:
        assert (await sync.sync("hourly")).left == 0
    hidden.clear()
    known, marks = await site.ledger(), await sync_marks(site)
    daemon = Lease(site.pool, [ACCOUNT], "a daemon", installation="elsewhere", clock=CLOCK)
    real = CatchUp.bring

    async def bring(self: CatchUp, rows: Collection[Execution]) -> None:
        await site.pool.execute("UPDATE config.leases SET expires_at = clock_timestamp()")
        await daemon.acquire()
        await daemon.release()  # even one that has gone again
        await real(self, rows)

    monkeypatch.setattr(CatchUp, "bring", bring)
    with pytest.raises(LeaseLost, match="account main"):
        async with site.sync() as sync:
            await sync.sync("manual")
    assert await site.ledger() == known
    assert await sync_marks(site) == marks
    assert await newest_run(site) == ("failed", True)


async def test_a_sync_that_is_stopped_does_not_run_on_in_its_status(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = asyncio.Event()

    async def bring(self: CatchUp, rows: Collection[Execution]) -> None:
        asked.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(CatchUp, "bring", bring)
    await site.trade("Buy", "0.5", "BTCUSDT")

    async def sync() -> None:
        async with site.sync() as sync:
            await sync.sync("manual")

    running = asyncio.create_task(sync())
    await asyncio.wait_for(asked.wait(), 20)
    running.cancel()
    await asyncio.wait([running])
    assert running.cancelled()
    assert await newest_run(site) == ("failed", True)


async def test_the_end_is_written_though_connections_are_lost(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def bring(self: CatchUp, rows: Collection[Execution]) -> None:
        killer = await asyncpg.connect(site.dsn)
        await killer.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        await killer.close()
        raise asyncpg.AdminShutdownError("as of these")

    real, lost = SyncStore.update, ["one that was not known to be lost yet"]

    async def update(self: SyncStore, run: Run) -> None:
        if run.status != "running" and lost:
            raise asyncpg.ConnectionDoesNotExistError(lost.pop())
        await real(self, run)

    monkeypatch.setattr(CatchUp, "bring", bring)
    monkeypatch.setattr(SyncStore, "update", update)
    await site.trade("Buy", "0.5", "BTCUSDT")
    async with site.sync() as sync:
        assert (await sync.sync("manual")).status == "failed"
    assert await newest_run(site) == ("failed", True)


async def newest_run(site: Site) -> tuple[str, bool]:
    """Its status, and whether it says when it ended."""
    row = await site.pool.fetchrow("SELECT * FROM trading.sync_status ORDER BY id DESC LIMIT 1")
    assert row is not None
    return row["status"], row["finished_at"] is not None


async def sync_marks(site: Site) -> list[object]:
    rows = await site.pool.fetch("SELECT * FROM trading.sync_watermarks ORDER BY endpoint")
    return [tuple(row) for row in rows]


async def everything(site: Site) -> list[Execution]:
    now = await site.rest.server_time()
    found: list[Execution] = []
    async for page in site.rest.executions(now - 6 * 86_400_000, now + 1_000):
        found += page
    return found
