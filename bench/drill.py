"""The disk is gone: how long until everything is back, and what is missing then?

`python -m bench.drill [--fills 1000000] [--json]` makes a ledger of that size, has a daemon trade
on the built-in exchange into the same database, backs it up meanwhile, lets it trade on, stops it
and drops the database. Then, timed: restore and verification; a migration of every fill with its
restore point; the rollback; a daemon's start until its account is live and holds every execution
that the exchange has. The exchange's executions are read from its own store, without our client.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import structlog

from alpha import embedded
from alpha.backup.points import restore_point
from alpha.clock import Clock, SystemClock
from alpha.config import load
from alpha.ledger.migrations import migrate
from alpha.ledger.pool import connect
from bench.chaos_daemon import ROOT, Daemon
from bench.million import MIGRATIONS, Shape, make

RESTORE_WITHIN_S = 30 * 60
ROLLBACK_WITHIN_S = 15 * 60
ACCOUNT = "main"
_PATIENCE_S = 120.0
#: Trades before the backup, and between it and the loss.
_TRADES = 6

_SETTINGS = """
mode = "paper"
data_dir = "{data}"
[paper]
speed = 1200
[bots.shortseller]
enabled = true
bot_id = "shortseller_001"
[bots.shortseller.settings]
ema_fast = 60  # by its own averages there may be no trade for two minutes
ema_slow = 120
max_crosses_per_day = 1000
[backup]
enabled = false
"""
#: What a release might do: a column for every fill, filled in and indexed.
_MIGRATION = """
ALTER TABLE trading.fills ADD COLUMN notional numeric(28, 12);
UPDATE trading.fills SET notional = exec_price * exec_qty;
CREATE INDEX fills_by_notional ON trading.fills (notional);
"""

Row = dict[str, object]


class Drill:
    """One installation in a folder of its own, and what is done to it."""

    def __init__(self, folder: Path, shape: Shape, clock: Clock, *, jobs: int) -> None:
        self._shape = shape
        self._jobs = jobs
        self._clock = clock
        self._daemon = Daemon(folder, clock, paired=False)
        self._daemon.config.write_text(_SETTINGS.format(data=self._daemon.data_dir))
        self._config = load(self._daemon.config, {}, {})
        self._folder = folder
        self._dsn = ""

    async def run(self) -> Row:
        async with AsyncExitStack() as stack:
            data, mode = self._config.data_dir, self._config.mode
            servers = await embedded.start(data, mode=mode, redis=False, clock=self._clock)
            stack.push_async_callback(servers.stop)
            self._dsn = servers.postgres_dsn
            made = await make(self._dsn, self._shape, jobs=self._jobs, clock=self._clock)
            _tell("ledger", made)
            backup, trades = await self._trade_and_lose()
            _tell("backup", backup)
            restored = await self._alpha("backup", "restore", "latest")
            _tell("restore", restored)
            migration = await self._migrate()
            _tell("migration", migration)
            rolled_back = await self._alpha("db", "rollback", "--yes")
            _tell("rollback", rolled_back)
            reconciled = await self._reconcile(trades)
        seconds = (
            _total(restored["seconds"]) + _number(migration["seconds"])
            + _number(reconciled["seconds"])
        )  # fmt: skip
        rollback_s = _total(rolled_back["seconds"])
        return {
            "fills": made["fills"],
            "made_s": made["seconds"],
            "backup": {"seconds": backup["seconds"], "bytes": backup["bytes"]},
            "restore": {name: restored[name] for name in ("ok", "executions", "seconds")},
            "migration": migration,
            "rollback": rolled_back["seconds"],
            "reconcile": reconciled,
            "restore_migrate_verify_reconcile_s": round(seconds, 1),
            "rollback_s": round(rollback_s, 1),
            "ok": restored["ok"] is True
            and reconciled["missing"] == reconciled["invented"] == 0
            and seconds < RESTORE_WITHIN_S
            and rollback_s < ROLLBACK_WITHIN_S,
        }

    async def _trade_and_lose(self) -> tuple[Row, int]:
        """The backup, made while the daemon trades, and how much the exchange had traded then."""
        self._daemon.start()
        await self._until(lambda: len(self._truth()) >= _TRADES, f"{_TRADES} trades")
        backup = await self._alpha("backup", "create")
        trades = len(self._truth())
        await self._until(lambda: len(self._truth()) >= trades + _TRADES, "trades after it")
        await self._daemon.stop()
        connection = await connect(self._dsn.replace("/alpha_paper?", "/postgres?"))
        try:
            await connection.execute("DROP DATABASE alpha_paper WITH (FORCE)", timeout=600)
        finally:
            await connection.close()
        return backup, trades

    async def _migrate(self) -> Row:
        """Migration and restore point, as the start of a newer version makes them."""
        folder = self._folder / "migrations"
        shutil.copytree(MIGRATIONS, folder)
        number = len(list(folder.glob("*.sql"))) + 1
        (folder / f"{number:04d}_notional.sql").write_text(_MIGRATION)
        began = self._clock.monotonic()
        point = restore_point(self._config, self._dsn, self._clock)
        (done,) = await migrate(self._dsn, folder, clock=self._clock, before=point)
        seconds = self._clock.monotonic() - began
        return {"seconds": round(seconds, 3), "migration_ms": round(done.duration_ms)}

    async def _reconcile(self, trades: int) -> Row:
        """A daemon starts on what was restored and fetches what has happened since."""
        before = await self._ledger()
        began = self._clock.monotonic()
        self._daemon.start()
        truth = self._truth()
        await self._until_live()
        live_s = self._clock.monotonic() - began
        missing = truth - await self._ledger()
        verified = await self._alpha("ledger", "verify", "--account", ACCOUNT)
        await self._daemon.stop()
        after = await self._ledger()
        return {
            "seconds": round(live_s, 3),
            "at_backup": trades,
            "restored": len(before),
            "lost_and_fetched": len(truth - before),
            "missing": len(missing),
            "invented": len(after - self._truth()),
            "verify": verified["ok"],
            "exchange": verified["exchange"],
        }

    # -- asking -----------------------------------------------------------------------------

    def _truth(self) -> set[tuple[str, str]]:
        """(symbol, exec_id) of what the exchange itself has executed."""
        store = self._config.data_dir / "sim" / "sim.sqlite"
        if not store.exists():
            return set()
        with sqlite3.connect(f"file:{store}?mode=ro", uri=True) as connection:
            try:
                rows = connection.execute("SELECT body FROM executions").fetchall()
            except sqlite3.OperationalError:  # it is being made
                return set()
        found = [json.loads(body) for (body,) in rows]
        return {(row["symbol"], row["exec_id"]) for row in found}

    async def _ledger(self) -> set[tuple[str, str]]:
        connection = await connect(self._dsn)
        try:
            rows = await connection.fetch(
                "SELECT symbol, exec_id FROM trading.executions WHERE account = $1", ACCOUNT
            )
        finally:
            await connection.close()
        return {(row["symbol"], row["exec_id"]) for row in rows}

    async def _until_live(self) -> None:
        """Until the daemon says that the account is reconciled."""
        deadline = self._clock.monotonic() + _PATIENCE_S
        while self._clock.monotonic() < deadline:
            found = await self._daemon.ask("status", 2.0)
            accounts = found.get("accounts") if found else None
            account = accounts.get(ACCOUNT) if isinstance(accounts, dict) else None
            if isinstance(account, dict) and account["status"] == "live":
                return
            await self._clock.sleep(0.1)
        raise RuntimeError(f"expected a live account, was not: {self._daemon.log.read_text()}")

    async def _until(self, is_so: Callable[[], bool], what: str) -> None:
        deadline = self._clock.monotonic() + _PATIENCE_S
        while not is_so():
            if self._clock.monotonic() > deadline:
                log = self._daemon.log.read_text(errors="replace")[-3000:]
                raise RuntimeError(f"expected {what}, were none: {log}")
            await self._clock.sleep(0.1)

    async def _alpha(self, *words: str) -> Row:
        """What a verb answers, in a process of its own, as a person runs it."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "alpha", *words, "--json"),
            *("--config", str(self._daemon.config)),
            cwd=ROOT,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        output, errors = await process.communicate()
        try:
            found: Row = json.loads(output)
        except ValueError:
            raise RuntimeError(f"alpha {' '.join(words)}: {errors.decode()[-2000:]}") from None
        return found


def _tell(step: str, found: Row) -> None:
    """Progress, for whoever waits for a large one."""
    print(f"{step}: {json.dumps(found)}", file=sys.stderr, flush=True)


def _number(value: object) -> float:
    assert isinstance(value, int | float)
    return float(value)


def _total(seconds: object) -> float:
    assert isinstance(seconds, dict)
    return _number(seconds["total"])


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.drill", description=__doc__)
    parser.add_argument("--fills", type=int, default=1_000_000)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--jobs", type=int, default=2, help="processes that make the ledger")
    options = parser.parse_args(arguments)
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    folder = Path(tempfile.mkdtemp(prefix="alpha-drill-"))
    folder.chmod(0o755)  # the servers' user passes; their data are that user's alone
    try:
        drill = Drill(folder, Shape(fills=options.fills), SystemClock(), jobs=options.jobs)
        found = asyncio.run(drill.run())
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(json.dumps(found) if options.json else json.dumps(found, indent=2))
    return 0 if found["ok"] else 1


if __name__ == "__main__":
    raise SystemExit(main())
