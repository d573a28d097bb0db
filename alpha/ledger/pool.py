"""Connections to PostgreSQL: one pool per process, the same types everywhere.

timestamptz travels as Unix milliseconds (int), numeric as Decimal, json as text. Works direct
and through PgBouncer in transaction mode: nothing here depends on a session, and the statement
cache is off behind a pooler, where a prepared statement may not outlive its transaction.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import parse_qs, unquote, urlsplit

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from alpha.clock import Clock
from alpha.errors import ConfigError, TimedOut

if TYPE_CHECKING:
    _PoolOfRecords = asyncpg.Pool[asyncpg.Record]
else:
    _PoolOfRecords = asyncpg.Pool

Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"
Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]"

#: A connection whose question was given up has this long to be usable again.
RELEASE_WITHIN_S = 2.0

#: PostgreSQL counts timestamptz from 2000-01-01, in microseconds.
_POSTGRES_EPOCH_MS = 946_684_800_000

#: What a lost, refusing or overloaded server raises: the data are fine, the same call may be
#: made again.
CONNECTION_ERRORS: tuple[type[BaseException], ...] = (
    OSError,  # TimeoutError is one
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.LockNotAvailableError,
    asyncpg.TransactionRollbackError,
)

#: Refusals that no waiting cures.
_REFUSALS = (
    asyncpg.InvalidCatalogNameError,
    asyncpg.InvalidAuthorizationSpecificationError,
)


#: A server on a system that cannot look (Windows) refuses the setting.
_END_WITH_US = """
DO $$ BEGIN
    PERFORM set_config('client_connection_check_interval', '2s', true);
EXCEPTION WHEN invalid_parameter_value THEN NULL;
END $$
"""


def server_name(dsn: str) -> str:
    """Host, port and database of a URL for people: never the user's password.

    A unix socket's folder stands in `?host=`."""
    parts = urlsplit(dsn)
    query = parse_qs(parts.query)
    host = query.get("host", [parts.hostname or "localhost"])[0]
    port = query.get("port", [str(parts.port or 5432)])[0]
    return f"{unquote(host)}:{port}, database {unquote(parts.path.lstrip('/')) or 'of the user'}"


def through_pooler(dsn: str) -> bool:
    """Whether the URL looks like PgBouncer's: its own port. One behind another port is known by
    the `direct_url` beside it."""
    parts = urlsplit(dsn)
    return "6432" in (str(parts.port or ""), parse_qs(parts.query).get("port", [""])[0])


def _encode_time(ms: int) -> tuple[int]:
    return ((ms - _POSTGRES_EPOCH_MS) * 1000,)


def _decode_time(wire: tuple[int]) -> int:
    return wire[0] // 1000 + _POSTGRES_EPOCH_MS


async def _set_codecs(connection: Connection) -> None:
    await connection.set_type_codec(
        "timestamptz",
        schema="pg_catalog",
        encoder=_encode_time,
        decoder=_decode_time,
        format="tuple",
    )


async def connect(dsn: str, *, timeout_s: float = 5.0) -> asyncpg.Connection[asyncpg.Record]:
    """One connection of its own, with Alpha's codecs. Raises what asyncpg raises."""
    connection: asyncpg.Connection[asyncpg.Record] = await asyncpg.connect(
        dsn,
        timeout=timeout_s,
        command_timeout=60,
        statement_cache_size=0 if through_pooler(dsn) else 200,
        server_settings={"timezone": "UTC", "application_name": "alpha"},
    )
    await _set_codecs(connection)
    return connection


async def end_with_us(connection: Connection) -> None:
    """Has the server look every two seconds of this transaction whether we are still there. Else
    it goes on with what a killed process has asked for, or waits for a lock, with all that the
    transaction holds, for as long as that takes."""
    await connection.execute(_END_WITH_US)


class BoundedPool(_PoolOfRecords):
    """A pool whose connections come back or are given up: one that died in the middle of a
    question, without a word, would otherwise be waited for, and its place kept, for ever."""

    async def release(
        self,
        connection: PoolConnectionProxy[asyncpg.Record],
        *,
        timeout: float | None = RELEASE_WITHIN_S,  # noqa: ASYNC109  (asyncpg's own signature)
    ) -> None:
        await super().release(connection, timeout=RELEASE_WITHIN_S if timeout is None else timeout)


async def _reach(pool: Pool) -> None:
    """Raises what asyncpg raises, with the pool given up, when its server does not answer."""
    try:
        await pool
        async with pool.acquire(timeout=5.0):
            pass
    except BaseException:
        pool.terminate()
        raise


async def open_pool(
    dsn: str,
    *,
    clock: Clock,
    max_size: int = 8,
    wait_s: float = 30.0,
    pooler: bool | None = None,
) -> Pool:
    """A pool that has reached its server.

    Retries with back-off for `wait_s` seconds while the server cannot be reached, then raises
    TimedOut; a server that refuses database or password raises ConfigError at once. Both name
    the host."""
    cached = 0 if (through_pooler(dsn) if pooler is None else pooler) else 200
    deadline = clock.monotonic() + wait_s
    pause = 0.1
    while True:
        try:
            pool = BoundedPool(
                dsn,
                max_queries=50_000,
                max_inactive_connection_lifetime=300.0,
                connection_class=asyncpg.Connection,
                record_class=asyncpg.Record,
                loop=None,
                # One that keeps itself filled logs a traceback for each attempt of an outage.
                min_size=0,
                max_size=max_size,
                timeout=5.0,
                command_timeout=60.0,
                statement_cache_size=cached,
                server_settings={"timezone": "UTC", "application_name": "alpha"},
                init=_set_codecs,
            )
            await _reach(pool)
        except _REFUSALS as error:
            raise ConfigError(
                f"expected PostgreSQL at {server_name(dsn)} to accept the configured user, "
                f"was refused: {error}; check [postgres] url"
            ) from None
        except (ValueError, asyncpg.ClientConfigurationError) as error:
            raise ConfigError(
                f"expected a PostgreSQL URL in [postgres] url, was not readable: "
                f"{type(error).__name__}; write postgresql://user@host:5432/database"
            ) from None
        except CONNECTION_ERRORS as error:
            if clock.monotonic() + pause > deadline:
                raise TimedOut(
                    f"expected PostgreSQL at {server_name(dsn)} to answer within {wait_s:.0f} s, "
                    f"was {type(error).__name__}; start it or correct [postgres] url"
                ) from error
            await clock.sleep(pause)
            pause = min(pause * 2, 2.0)
        else:
            return pool
