"""History of the earlier bots into the database of these settings."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import tzinfo
from pathlib import Path

from alpha.clock import Clock, SystemRandomness, iso
from alpha.config import Config
from alpha.control import audit, socket
from alpha.control.databases import READER_WAIT_S, database_pool, is_migrated, stores
from alpha.control.desk import CommandRecord
from alpha.errors import ConfigError, NeedsOperator
from alpha.imports.dump import read_dump
from alpha.imports.found import Found, Home
from alpha.imports.homes import Bot, Homes
from alpha.imports.known import Known, ask
from alpha.imports.lxalgo import read_log, read_lxalgo
from alpha.imports.momentum import WANTED as MOMENTUM_TABLES
from alpha.imports.momentum import read_momentum
from alpha.imports.platform import WANTED as PLATFORM_TABLES
from alpha.imports.platform import read_platform
from alpha.imports.report import Report
from alpha.imports.rows import Tables
from alpha.imports.server import is_url, read_server
from alpha.imports.shortseller import WANTED as SHORTSELLER_TABLES
from alpha.imports.shortseller import read_shortseller
from alpha.imports.sqlite import read_sqlite
from alpha.imports.store import Origin, bring
from alpha.installation import installation_id
from alpha.ledger import migrations
from alpha.ledger.lease import Lease, LeaseHeld
from alpha.ledger.pool import Pool, open_pool
from alpha.ledger.queries import load
from alpha.ledger.summaries import Summaries
from alpha.resources import migrations_folder


@dataclass(frozen=True, slots=True)
class Importer:
    """One import into one database. `live`: `--live` was given. `beside`: also while a daemon
    trades; history stands beside the ledger, so neither disturbs the other."""

    config: Config
    clock: Clock
    dry_run: bool
    live: bool = False
    beside: bool = False

    async def platform(self, source: str) -> Report:
        """The earlier platform, from a plain dump or from its server."""
        tables = await self._tables(source, PLATFORM_TABLES)
        found = read_platform(tables, self._homes(), self.config.mode)
        return await self._bring(lambda _: found, Origin(tables.name, tables.sha256))

    async def momentum(self, file: Path, *, bot: str | None, zone: tzinfo | None) -> Report:
        """Momentum's SQLite file; `zone` is that of its local times, None to find it out."""
        self.check()
        home = self._homes().named(bot, "momentum")
        tables = await asyncio.to_thread(read_sqlite, file, MOMENTUM_TABLES)
        return await self._bring(
            lambda known: read_momentum(tables, home, zone, known, self.config.mode),
            Origin(tables.name, tables.sha256),
        )

    async def shortseller(self, source: str, *, bot: str | None) -> Report:
        """ShortSeller's own database, from a plain dump or from its server."""
        home = self._homes().named(bot, "shortseller")
        tables = await self._tables(source, SHORTSELLER_TABLES)
        return await self._bring(
            lambda known: read_shortseller(tables, home, known),
            Origin(tables.name, tables.sha256),
        )

    async def lxalgo(self, file: Path, *, bot: str | None) -> Report:
        """LXAlgo's trade log."""
        self.check()
        home = self._homes().named(bot, "lxalgo")
        log = await asyncio.to_thread(read_log, file)
        return await self._bring(
            lambda known: read_lxalgo(log, home, known), Origin(log.name, log.sha256)
        )

    # -- around all of them -----------------------------------------------------------------------

    def check(self) -> None:
        """Raises ConfigError when these settings may not import."""
        if self.config.mode == "live" and not self.live and not self.dry_run:
            raise ConfigError(
                "mode live: expected --live to bring history into the books of real money, found "
                "none; look at it with --dry-run first"
            )

    def _homes(self) -> Homes:
        return Homes(
            {
                name: Bot(name, bot.plugin or name, Home(bot.bot_id or name, bot.account))
                for name, bot in self.config.bots.items()
            }
        )

    async def _tables(self, source: str, wanted: Sequence[str]) -> Tables:
        self.check()
        if is_url(source):
            return await read_server(source, wanted)
        return await asyncio.to_thread(read_dump, Path(source), wanted)

    async def _bring(self, read: Callable[[Known], Found], origin: Origin) -> Report:
        async with self._pool() as pool:
            found = read(await ask(pool))
            homes = sorted(found.homes(), key=lambda home: home.bot_id)
            async with self._lease(pool, homes) as lease:
                report = await bring(
                    pool,
                    found,
                    homes,
                    origin,
                    mode=self.config.mode,
                    dry_run=self.dry_run,
                    lease=lease,
                )
            if report.import_id is not None:
                await Summaries(pool, self.clock).refresh_days()
                await self._audit(pool, report)
            return report

    async def _audit(self, pool: Pool, report: Report) -> None:
        operator = socket.user_named(os.getuid())
        told = {"source": report.source, "import": str(report.import_id)}
        result = f"{report.new_rows} new rows"
        row = CommandRecord("cli", operator, f"import {report.kind}", told, result=result)
        await audit.record(pool, row)

    @asynccontextmanager
    async def _pool(self) -> AsyncIterator[Pool]:
        """A database that nobody has used yet gets its tables; one of an earlier version does
        not: that is `alpha db migrate`'s to do."""
        async with stores(self.config, self.clock) as found:
            pool = await open_pool(
                found.postgres_direct, clock=self.clock, max_size=2, wait_s=READER_WAIT_S
            )
            try:
                async with pool.acquire() as connection:
                    folder = migrations_folder()
                    if not await is_migrated(pool):
                        await migrations.migrate(connection, folder, clock=self.clock)
                    pending = (await migrations.status(connection, folder)).pending
                if pending:
                    raise NeedsOperator(
                        f"expected a database that is up to date, found {len(pending)} migrations "
                        "pending; run `alpha db migrate`, then import again"
                    )
                yield pool
            finally:
                await pool.close()

    @asynccontextmanager
    async def _lease(self, pool: Pool, homes: Sequence[Home]) -> AsyncIterator[Lease | None]:
        if self.dry_run or self.beside or not homes:
            yield None
            return
        installation = installation_id(self.config.data_dir, SystemRandomness())
        accounts = sorted({home.account for home in homes})
        lease = Lease(
            pool, accounts, f"{installation} import", installation=installation, clock=self.clock
        )
        try:
            await lease.acquire()
        except LeaseHeld as error:
            raise LeaseHeld(
                f"{error}. Nothing was imported; --beside imports while it runs, which is safe"
            ) from None
        try:
            yield lease
        finally:
            await lease.release()


async def imports_so_far(config: Config, clock: Clock) -> list[dict[str, object]]:
    """Every import that brought something, oldest first: `id`, `imported_at`, `kind`, `source`,
    `sha256`, `new_rows`."""
    async with database_pool(config, clock) as pool:
        if not await pool.fetchval("SELECT to_regclass('audit.imports') IS NOT NULL"):
            return []
        rows = await pool.fetch(load("imports.sql")["imports"])
    return [{**dict(row.items()), "imported_at": iso(row["imported_at"])} for row in rows]
