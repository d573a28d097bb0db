"""PostgreSQL, Redis and the lease of one daemon: opened in order, closed in reverse."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass

from alpha import embedded, resources
from alpha.alerts import Alerts
from alpha.backup.points import restore_point
from alpha.bots.host import BotHandle
from alpha.clock import Clock
from alpha.config import Config
from alpha.core.reasons import ReasonBook
from alpha.errors import NeedsOperator
from alpha.ledger import migrations, registry
from alpha.ledger.lease import Lease, LeaseBusy, LeaseHeld
from alpha.ledger.migrations import Applied, Before, migrate
from alpha.ledger.pool import Pool, open_pool
from alpha.ledger.reader import LedgerReader
from alpha.ledger.writer import LedgerWriter
from alpha.trading.latency import Latencies

#: Connections of the lease alone: whose the accounts are never waits for what duties ask.
LEASE_CONNECTIONS = 3

#: Waits for the lease; False when the run ended before it came.
StandBy = Callable[[Pool, Lease, LeaseHeld], Awaitable[bool]]


@dataclass(frozen=True, slots=True)
class Stores:
    """`redis_url` may point at a server that is away: the mirror copes. `servers`: our own, when
    none are configured."""

    pool: Pool
    reader: LedgerReader
    writer: LedgerWriter
    lease: Lease
    redis_url: str
    frame_to_commit_ms: Latencies
    servers: embedded.Servers | None
    #: Files of the migrations that this start has applied.
    migrated: tuple[str, ...] = ()


async def open_stores(
    stack: AsyncExitStack,
    config: Config,
    accounts: Sequence[str],
    *,
    installation: str,
    reasons: ReasonBook,
    clock: Clock,
    alerts: Alerts,
    stand_by: StandBy,
) -> Stores | None:
    """Servers, pool, lease, migrations. The caller holds the data directory's lock, so it may
    take over at once what an earlier process of this installation held. `stand_by` is called
    where another installation holds an account; None when the run ended while it waited. The
    schema of a database that others work on is not touched."""
    dsn, direct, redis_url, servers = await _servers(stack, config, clock)
    pooler = True if direct != dsn else None
    pool = await open_pool(dsn, clock=clock, pooler=pooler)
    stack.push_async_callback(pool.close)
    lease_pool = await open_pool(dsn, clock=clock, max_size=LEASE_CONNECTIONS, pooler=pooler)
    stack.push_async_callback(lease_pool.close)
    lease = Lease(
        lease_pool,
        accounts,
        f"{installation} pid {os.getpid()}",
        installation=installation,
        clock=clock,
    )
    is_new = await pool.fetchval("SELECT to_regclass('config.leases') IS NULL")
    if not is_new:
        if not await _own(pool, lease, stand_by):
            return None
        await _refuse_to_migrate_under_others(direct, lease)
    point = restore_point(config, direct, clock)
    applied: list[Applied] = []

    async def change() -> None:
        folder = resources.migrations_folder()
        applied.extend(await migrate(direct, folder, clock=clock, before=point))

    await _holding(lease, change)
    await registry.register(
        pool, [registry.AccountEntry(name, config.mode) for name in accounts], []
    )
    if is_new and not await _own(pool, lease, stand_by):
        return None
    latencies = Latencies()
    writer = LedgerWriter(
        pool, clock=clock, lease=lease, reasons=reasons, frame_to_commit=latencies, alerts=alerts
    )
    migrated = tuple(f"{one.version:04d}_{one.name}" for one in applied)
    return Stores(pool, LedgerReader(pool), writer, lease, redis_url, latencies, servers, migrated)


async def _holding(lease: Lease, work: Before) -> None:
    """Keeps a lease that is ours while something takes longer than it lives. Raises LeaseLost, and
    the work ends where it is, once another owner has come."""
    if not lease.epochs:
        return await work()
    renewing = asyncio.create_task(lease.renew(), name="lease-at-start")
    working = asyncio.ensure_future(work())
    try:
        await asyncio.wait([renewing, working], return_when=asyncio.FIRST_COMPLETED)
        if renewing.done():
            renewing.result()
        working.result()
    finally:
        renewing.cancel()
        working.cancel()
        await asyncio.wait([renewing, working])


async def _own(pool: Pool, lease: Lease, stand_by: StandBy) -> bool:
    try:
        await lease.acquire(take_over=True)
    except LeaseBusy:
        raise
    except LeaseHeld as held:
        return await stand_by(pool, lease, held)
    return True


async def _refuse_to_migrate_under_others(direct: str, lease: Lease) -> None:
    """Daemons of other accounts may share the database, not live through a change of it. One that
    starts with us on an empty database holds nothing before it has applied all of them: so who
    holds is asked first."""
    other = await lease.other_daemon()
    pending = (await migrations.status(direct, resources.migrations_folder())).pending
    if other is not None and pending:
        await lease.release()
        raise NeedsOperator(
            f"expected nobody else on the database while migration {pending[0].path.name} is "
            f"applied, was {other}; stop it, start this daemon, then that one in the same version"
        )


async def _servers(
    stack: AsyncExitStack, config: Config, clock: Clock
) -> tuple[str, str, str, embedded.Servers | None]:
    """URLs of the database, of the database past a pooler, and of Redis; servers of our own."""
    servers: embedded.Servers | None = None
    dsn = config.postgres.url.get_secret_value()
    redis_url = config.redis.url.get_secret_value()
    if not dsn or not redis_url:
        servers = await embedded.start(
            config.data_dir,
            mode=config.mode,
            postgres=not dsn,
            redis=not redis_url,
            clock=clock,
        )
        stack.push_async_callback(servers.stop)
        dsn = dsn or servers.postgres_dsn
        redis_url = redis_url or servers.redis_url
    return dsn, config.postgres.direct_url.get_secret_value() or dsn, redis_url, servers


async def register_bots(
    pool: Pool, config: Config, handles: Mapping[str, BotHandle], reasons: ReasonBook
) -> None:
    """Accounts with their owners, every configured bot, and the code book of the order ids."""
    accounts = [
        registry.AccountEntry(
            name,
            config.mode,
            config.accounts[name].netting,
            hashlib.sha256(config.accounts[name].api_key.get_secret_value().encode()).hexdigest()[
                :16
            ],
            {
                symbol: config.bots[owner].bot_id
                for symbol, owner in config.accounts[name].owners.items()
            },
        )
        for name in sorted({bot.account for bot in config.bots.values()})
    ]
    bots = [
        registry.BotEntry(
            bot_id=bot.bot_id,
            account=bot.account,
            name=name,
            plugin=bot.plugin,
            mode=config.mode,
            status=handles[name].state.value if name in handles else "disabled",
            initial_capital=bot.capital,
            redis_db=bot.redis_db,
            plugin_version=handles[name].version if name in handles else None,
            description=bot.description,
        )
        for name, bot in config.bots.items()
    ]
    tags = [
        registry.OrderTagEntry(reason.code, reason.name, reason.is_entry)
        for reason in reasons.reasons()
    ]
    await registry.register(pool, accounts, bots, tags)
