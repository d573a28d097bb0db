"""Accounts and bots as the database knows them: what every money row refers to.

Written once at start from the configuration, then only status, equity and heartbeats change.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

from alpha.core.records import MANUAL
from alpha.errors import ConfigError
from alpha.ledger.pool import Connection, Pool
from alpha.ledger.queries import load

Mode = Literal["live", "demo", "testnet", "paper", "backtest"]


#: Why a bot is paused that a person has stopped: it stays so over restarts.
OPERATOR_STOP = "stopped by the operator"
#: The same of a bot whose policy for trades by hand is to pause.
MANUAL_TRADE = "somebody has traded by hand"
LASTING_PAUSES = (OPERATOR_STOP, MANUAL_TRADE)
#: Why a bot is disabled that a clean stop has left; one that a kill has left may be disabled, too.
DAEMON_STOP = "the daemon was stopped"


@dataclass(frozen=True, slots=True)
class AccountEntry:
    """`owners` maps a symbol to the one bot that may own it, by configuration."""

    account: str
    mode: Mode
    netting: bool = False
    api_key_hash: str | None = None
    owners: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class BotEntry:
    """`name` is the short one ("shortseller"), `bot_id` the one in the books."""

    bot_id: str
    account: str
    name: str
    plugin: str
    mode: Mode
    status: str = "disabled"
    initial_capital: Decimal | None = None
    redis_db: int = 0
    plugin_version: str | None = None
    description: str = ""


@dataclass(frozen=True, slots=True)
class OrderTagEntry:
    """One code of the order ids' code book."""

    code: str
    reason: str
    is_entry: bool
    plugin: str | None = None


async def register(
    pool: Pool,
    accounts: Iterable[AccountEntry],
    bots: Iterable[BotEntry],
    tags: Iterable[OrderTagEntry] = (),
) -> None:
    """Writes accounts, each with its `manual` row, bots, symbol owners and reason codes.

    Bots that are no longer configured stay: their money rows refer to them. Raises ConfigError
    for a database of another mode."""
    sql = load("registry.sql")
    accounts = list(accounts)
    async with pool.acquire() as connection, connection.transaction():
        await _refuse_other_mode(connection, accounts)
        for account in accounts:
            await connection.execute(
                sql["upsert_account"],
                account.account,
                account.mode,
                account.netting,
                account.api_key_hash,
            )
            manual = BotEntry(MANUAL, account.account, MANUAL, MANUAL, account.mode)
            await _upsert(connection, manual)
        for bot in bots:
            await _upsert(connection, bot)
        for account in accounts:
            await connection.execute(sql["forget_owners"], account.account)
            await connection.execute(
                sql["insert_owners"],
                account.account,
                list(account.owners),
                list(account.owners.values()),
            )
        for tag in tags:
            await connection.execute(
                sql["insert_tag"], tag.code, tag.reason, tag.is_entry, tag.plugin
            )


async def _refuse_other_mode(connection: Connection, accounts: Iterable[AccountEntry]) -> None:
    """A database belongs to one mode for ever: paper fills never stand beside real ones."""
    for account in accounts:
        found = await connection.fetchrow(load("registry.sql")["other_mode"], account.mode)
        if found is not None:
            raise ConfigError(
                f"postgres.url: expected a database of mode {account.mode}, was one of mode "
                f"{found['mode']} (account {found['account']}); give each mode a database of its "
                f"own"
            )


async def _upsert(connection: Connection, bot: BotEntry) -> None:
    await connection.execute(
        load("registry.sql")["upsert_bot"],
        bot.bot_id,
        bot.account,
        bot.name,
        bot.plugin,
        bot.status,
        bot.mode,
        bot.initial_capital,
        bot.redis_db,
        bot.plugin_version,
        bot.description or None,
    )


async def set_uid(connection: Connection, account: str, uid: str) -> None:
    """The exchange's number of the user whose key the account has."""
    await connection.execute(load("registry.sql")["set_uid"], account, uid)


async def register_qty_steps(
    pool: Pool, account: str, qty_steps: Mapping[str, Decimal], at_ms: int
) -> None:
    """The quantity steps that the exchange tells an account at `at_ms` (its clock). Those that
    are known already change nothing; earlier ones stay, for what happened while they held."""
    await pool.execute(
        load("registry.sql")["insert_qty_steps"],
        account,
        list(qty_steps),
        list(qty_steps.values()),
        at_ms,
    )


async def paused_to_stay(pool: Pool) -> dict[str, str]:
    """Bots that a person or their policy has stopped and nobody has started since, and why; asked
    before `register`."""
    rows = await pool.fetch(load("registry.sql")["stopped_bots"], list(LASTING_PAUSES))
    return {row["bot_id"]: row["status_reason"] for row in rows}


def kept_status(status: str, reason: str, stopped: str | None) -> tuple[str, str]:
    """What is written down of a bot's state: one that was stopped for good starts paused, also
    if it has failed before or since, or is only about to start."""
    if stopped not in LASTING_PAUSES:
        return status, reason
    return ("paused" if status == "disabled" else status), stopped or ""


async def set_status(
    pool: Pool | Connection, bot_id: str, account: str, status: str, reason: str = ""
) -> None:
    """A bot's state as people see it; one of the words of `alpha.bots`."""
    await pool.execute(load("registry.sql")["set_status"], bot_id, account, status, reason)


async def heartbeat(
    pool: Pool | Connection,
    account: str,
    bot_ids: Iterable[str],
    *,
    decided_ms: Mapping[str, int] | None = None,
    equity: Mapping[str, Decimal] | None = None,
) -> None:
    """The process is alive for these bots; with it, when each last decided and its equity."""
    ids = list(bot_ids)
    decided, money = decided_ms or {}, equity or {}
    await pool.execute(
        load("registry.sql")["heartbeat"],
        account,
        ids,
        [decided.get(bot_id) for bot_id in ids],
        [money.get(bot_id) for bot_id in ids],
    )
