"""The exchange's memory on disk: one SQLite file, one thread, one transaction per step.

A step is committed before anything of it is answered or published, so what a client has seen
survives any kill. Besides the rows, every transaction carries the marks of market time.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import ParamSpec, TypeVar

import msgspec

from alpha.errors import NeedsOperator
from alpha.sim.model import Account, Execution, Order, Position, Transfer
from alpha.sim.state import Changes

P = ParamSpec("P")
R = TypeVar("R")

SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS accounts (key TEXT PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS positions (
    account TEXT NOT NULL, symbol TEXT NOT NULL, body BLOB NOT NULL,
    PRIMARY KEY (account, symbol)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS orders (
    n INTEGER PRIMARY KEY, account TEXT NOT NULL, order_id TEXT NOT NULL UNIQUE,
    link_id TEXT NOT NULL, symbol TEXT NOT NULL, status TEXT NOT NULL, open INTEGER NOT NULL,
    filled INTEGER NOT NULL, created_ms INTEGER NOT NULL, updated_ms INTEGER NOT NULL,
    body BLOB NOT NULL);
CREATE UNIQUE INDEX IF NOT EXISTS orders_link ON orders (account, link_id) WHERE link_id <> '';
CREATE INDEX IF NOT EXISTS orders_created ON orders (account, created_ms, n);
CREATE INDEX IF NOT EXISTS orders_open ON orders (open) WHERE open = 1;
CREATE TABLE IF NOT EXISTS executions (
    n INTEGER PRIMARY KEY, account TEXT NOT NULL, exec_id TEXT NOT NULL,
    exec_type TEXT NOT NULL, symbol TEXT NOT NULL, order_id TEXT NOT NULL,
    link_id TEXT NOT NULL, exec_ms INTEGER NOT NULL, body BLOB NOT NULL,
    UNIQUE (account, exec_id));
CREATE INDEX IF NOT EXISTS executions_time ON executions (account, exec_ms, n);
CREATE INDEX IF NOT EXISTS executions_order ON executions (account, order_id);
CREATE TABLE IF NOT EXISTS transfers (
    n INTEGER PRIMARY KEY, account TEXT NOT NULL, at_ms INTEGER NOT NULL, body BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS transfers_time ON transfers (account, at_ms, n);
"""

PUT_ORDER = """
INSERT INTO orders (account, order_id, link_id, symbol, status, open, filled, created_ms,
                    updated_ms, body)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (order_id) DO UPDATE SET status = excluded.status, open = excluded.open,
    filled = excluded.filled, updated_ms = excluded.updated_ms, body = excluded.body
"""
PUT_EXECUTION = """
INSERT INTO executions (account, exec_id, exec_type, symbol, order_id, link_id, exec_ms, body)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)
"""

PUT_TRANSFER = "INSERT INTO transfers (account, at_ms, body) VALUES (?, ?, ?)"
#: In lists of both, what is transferred in a millisecond comes after what is executed in it.
AFTER_EXECUTIONS = 2**61

encode = msgspec.json.encode
_order = msgspec.json.Decoder(Order)
_position = msgspec.json.Decoder(Position)
_account = msgspec.json.Decoder(Account)
_execution = msgspec.json.Decoder(Execution)
_transfer = msgspec.json.Decoder(Transfer)

Blob = tuple[str | int | bytes, ...]


class Marks(msgspec.Struct, frozen=True):
    """Market time, in ms: what may be published, what has been matched, what was funded."""

    reserved_ms: int
    played_ms: int
    funded_ms: int


class Saved(msgspec.Struct, frozen=True):
    """What a restart finds."""

    marks: Marks | None
    salt: str
    issued: int
    sequences: dict[str, int]
    accounts: list[Account]
    positions: list[Position]
    orders: list[Order]
    links: list[tuple[str, str]]


class Batch(msgspec.Struct, frozen=True):
    """One transaction, encoded on the caller's thread while the objects stand still."""

    meta: list[Blob]
    accounts: list[Blob]
    positions: list[Blob]
    orders: list[Blob]
    executions: list[Blob]
    transfers: list[Blob]


def batch_of(changes: Changes, marks: Marks) -> Batch:
    return Batch(
        meta=[
            ("marks", encode(marks).decode()),
            ("issued", str(changes.issued)),
            ("sequences", encode(changes.sequences).decode()),
        ],
        accounts=[(row.key, encode(row)) for row in changes.accounts],
        positions=[(row.account, row.symbol, encode(row)) for row in changes.positions],
        orders=[
            (
                row.account,
                row.order_id,
                row.link_id,
                row.symbol,
                row.status,
                int(row.open),
                int(row.cum_qty > 0),
                row.created_ms,
                row.updated_ms,
                encode(row),
            )
            for row in changes.orders
        ],
        executions=[
            (
                row.account,
                row.exec_id,
                row.exec_type,
                row.symbol,
                row.order_id,
                row.link_id,
                row.exec_ms,
                encode(row),
            )
            for row in changes.executions
        ],
        transfers=[(row.account, row.at_ms, encode(row)) for row in changes.transfers],
    )


class ExecutionQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which executions; `before` is the (exec_ms, n) of the last row of the page before."""

    account: str
    symbol: str = ""
    order_id: str = ""
    link_id: str = ""
    exec_type: str = ""
    start_ms: int = 0
    end_ms: int = 2**62
    before: tuple[int, int] = (2**62, 2**62)
    limit: int = 50


class ClosedQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which closing orders, by the time of their last fill."""

    account: str
    symbol: str = ""
    start_ms: int = 0
    end_ms: int = 2**62
    before: tuple[int, int] = (2**62, 2**62)
    limit: int = 50


class OrderQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which closed orders; `forget_ms`: unfilled ones that ended before it are gone.

    `recent` above 0 looks only at so many of the account's newest closed orders.
    """

    account: str
    symbol: str = ""
    order_id: str = ""
    link_id: str = ""
    status: str = ""
    start_ms: int = 0
    end_ms: int = 2**62
    forget_ms: int = 0
    recent: int = 0
    before: tuple[int, int] = (2**62, 2**62)
    limit: int = 20


class Store:
    """SQLite behind a lock file. Used from one thread only (see `StoreThread`)."""

    def __init__(self, folder: Path) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(folder / "sim.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise NeedsOperator(
                f"expected a state folder that this user can write, was {folder} "
                f"({error.strerror}); give --state another folder"
            ) from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._lock)
            raise NeedsOperator(
                f"expected to own the simulator's state in {folder}, but another simulator runs "
                "on it; stop that one or give --state another folder"
            ) from None
        os.ftruncate(self._lock, 0)
        os.write(self._lock, f"{os.getpid()}\n".encode())
        self._db = sqlite3.connect(folder / "sim.sqlite", isolation_level=None)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.executescript(SCHEMA)

    def close(self) -> None:
        self._db.close()
        os.close(self._lock)

    # -- identity -------------------------------------------------------------------------

    def claim(self, fingerprint: str, salt: str) -> None:
        """Binds a new state to a feed; refuses one that belongs to another."""
        found = self._meta("fingerprint")
        if found is None:
            self._db.execute("BEGIN IMMEDIATE")
            self._put_meta([("fingerprint", fingerprint), ("salt", salt)])
            self._db.execute("COMMIT")
        elif found != fingerprint:
            raise NeedsOperator(
                f"expected the paper account of the feed {fingerprint}, but this one belongs to "
                f"{found}; start with that feed, seed and start, or wipe it with alpha paper reset"
            )

    def _meta(self, key: str) -> str | None:
        row = self._db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return None if row is None else str(row[0])

    def _put_meta(self, rows: list[Blob]) -> None:
        self._db.executemany("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)", rows)

    # -- writing and loading --------------------------------------------------------------

    def commit(self, batch: Batch) -> None:
        db = self._db
        db.execute("BEGIN IMMEDIATE")
        try:
            self._put_meta(batch.meta)
            db.executemany("INSERT OR REPLACE INTO accounts VALUES (?, ?)", batch.accounts)
            db.executemany("INSERT OR REPLACE INTO positions VALUES (?, ?, ?)", batch.positions)
            db.executemany(PUT_ORDER, batch.orders)
            db.executemany(PUT_EXECUTION, batch.executions)
            db.executemany(PUT_TRANSFER, batch.transfers)
            db.execute("COMMIT")
        except BaseException:
            db.execute("ROLLBACK")
            raise

    def load(self) -> Saved:
        db = self._db
        marks = self._meta("marks")
        sequences = self._meta("sequences")
        return Saved(
            marks=None if marks is None else msgspec.json.decode(marks, type=Marks),
            salt=self._meta("salt") or "",
            issued=int(self._meta("issued") or 0),
            sequences=msgspec.json.decode(sequences or "{}", type=dict[str, int]),
            accounts=[_account.decode(row[0]) for row in db.execute("SELECT body FROM accounts")],
            positions=[
                _position.decode(row[0]) for row in db.execute("SELECT body FROM positions")
            ],
            orders=[
                _order.decode(row[0])
                for row in db.execute("SELECT body FROM orders WHERE open = 1 ORDER BY n")
            ],
            links=[
                (str(row[0]), str(row[1]))
                for row in db.execute("SELECT account, link_id FROM orders WHERE link_id <> ''")
            ],
        )

    # -- reading --------------------------------------------------------------------------

    def executions(self, query: ExecutionQuery) -> list[tuple[int, Execution]]:
        """Newest first; an order id or link id leaves every other filter aside."""
        where = ["account = ?", "(exec_ms, n) < (?, ?)"]
        values: list[str | int] = [query.account, *query.before]
        if query.order_id:
            where.append("order_id = ?")
            values.append(query.order_id)
        elif query.link_id:
            where.append("link_id = ?")
            values.append(query.link_id)
        else:
            where.append("exec_ms BETWEEN ? AND ?")
            values += [query.start_ms, query.end_ms]
            for column, value in (("symbol", query.symbol), ("exec_type", query.exec_type)):
                if value:
                    where.append(f"{column} = ?")
                    values.append(value)
        rows = self._db.execute(
            f"SELECT n, body FROM executions WHERE {' AND '.join(where)} "
            "ORDER BY exec_ms DESC, n DESC LIMIT ?",
            [*values, query.limit],
        )
        return [(int(n), _execution.decode(body)) for n, body in rows]

    def transfers(self, query: ExecutionQuery) -> list[tuple[int, Transfer]]:
        """Newest first; the numbers are higher than those of all executions."""
        rows = self._db.execute(
            "SELECT n + ?, body FROM transfers WHERE account = ? AND (at_ms, n + ?) < (?, ?) "
            "AND at_ms BETWEEN ? AND ? ORDER BY at_ms DESC, n DESC LIMIT ?",
            [
                AFTER_EXECUTIONS,
                query.account,
                AFTER_EXECUTIONS,
                *query.before,
                query.start_ms,
                query.end_ms,
                query.limit,
            ],
        )
        return [(int(n), _transfer.decode(body)) for n, body in rows]

    def closings(self, query: ClosedQuery) -> list[tuple[int, list[Execution]]]:
        """The fills of each order that has closed something, oldest fill first; newest order first.

        The number is that of the order's last row.
        """
        where = "account = ? AND exec_type <> 'Funding' AND exec_ms >= ?"
        values: list[str | int] = [query.account, query.start_ms]
        if query.symbol:
            where += " AND symbol = ?"
            values.append(query.symbol)
        orders = self._db.execute(
            f"SELECT order_id, MAX(exec_ms) AS at, MAX(n) AS last FROM executions WHERE {where} "
            "AND CAST(json_extract(CAST(body AS TEXT), '$.closed_size') AS REAL) > 0 "
            "GROUP BY order_id HAVING at <= ? AND (at, last) < (?, ?) "
            "ORDER BY at DESC, last DESC LIMIT ?",
            [*values, query.end_ms, *query.before, query.limit],
        ).fetchall()
        fills = "SELECT body FROM executions WHERE account = ? AND order_id = ? ORDER BY n"
        return [
            (
                int(last),
                [
                    _execution.decode(body)
                    for (body,) in self._db.execute(fills, (query.account, order_id))
                ],
            )
            for order_id, _, last in orders
        ]

    def all_executions(self, account: str) -> list[Execution]:
        """Everything an account has ever executed, oldest first."""
        rows = self._db.execute(
            "SELECT body FROM executions WHERE account = ? ORDER BY n", (account,)
        )
        return [_execution.decode(row[0]) for row in rows]

    def orders(self, query: OrderQuery) -> list[tuple[int, Order]]:
        """Closed orders, newest first; an id leaves every other filter but age aside."""
        where = [
            "account = ?",
            "open = 0",
            "(created_ms, n) < (?, ?)",
            "(filled = 1 OR updated_ms >= ?)",
        ]
        values: list[str | int] = [query.account, *query.before, query.forget_ms]
        if query.recent:
            newest = "SELECT n FROM orders WHERE account = ? AND open = 0 ORDER BY n DESC LIMIT ?"
            where.append(f"n IN ({newest})")
            values += [query.account, query.recent]
        if query.order_id:
            where.append("order_id = ?")
            values.append(query.order_id)
        elif query.link_id:
            where.append("link_id = ?")
            values.append(query.link_id)
        else:
            where.append("created_ms BETWEEN ? AND ?")
            values += [query.start_ms, query.end_ms]
            for column, value in (("symbol", query.symbol), ("status", query.status)):
                if value:
                    where.append(f"{column} = ?")
                    values.append(value)
        rows = self._db.execute(
            f"SELECT n, body FROM orders WHERE {' AND '.join(where)} "
            "ORDER BY created_ms DESC, n DESC LIMIT ?",
            [*values, query.limit],
        )
        return [(int(n), _order.decode(body)) for n, body in rows]


class StoreThread:
    """Runs the store on its own thread, so that no commit stops the event loop."""

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="sim-store")
        self._store: Store | None = None

    async def open(self, folder: Path) -> None:
        self._store = await self._call(lambda: Store(folder))

    async def close(self) -> None:
        if self._store is not None:
            await self._call(self._store.close)
        self._executor.shutdown(wait=False)

    async def claim(self, fingerprint: str, salt: str) -> None:
        await self._call(self._opened.claim, fingerprint, salt)

    async def load(self) -> Saved:
        return await self._call(self._opened.load)

    async def commit(self, batch: Batch) -> None:
        await self._call(self._opened.commit, batch)

    async def executions(self, query: ExecutionQuery) -> list[tuple[int, Execution]]:
        return await self._call(self._opened.executions, query)

    async def transfers(self, query: ExecutionQuery) -> list[tuple[int, Transfer]]:
        return await self._call(self._opened.transfers, query)

    async def closings(self, query: ClosedQuery) -> list[tuple[int, list[Execution]]]:
        return await self._call(self._opened.closings, query)

    async def all_executions(self, account: str) -> list[Execution]:
        return await self._call(self._opened.all_executions, account)

    async def orders(self, query: OrderQuery) -> list[tuple[int, Order]]:
        return await self._call(self._opened.orders, query)

    @property
    def _opened(self) -> Store:
        if self._store is None:
            raise RuntimeError("expected an open store; call open() first")
        return self._store

    async def _call(self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._executor, lambda: work(*args, **kwargs))
