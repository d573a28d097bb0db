"""What is written down beside the ledger, and computed from it: how signals have ended, equity and
balances over time, risk figures by day, pictures of the whole portfolio.

Small writes that nothing waits for; no projection of the ledger is computed from them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from datetime import date
from decimal import Decimal
from typing import Literal

from alpha.ledger.pool import Connection
from alpha.ledger.queries import load

_SQL = load("recording.sql")


async def limit(connection: Connection) -> None:
    """What the transaction may take, so that it holds nobody up."""
    await connection.execute(_SQL["limit"])


async def settle_signals(connection: Connection, accounts: Sequence[str]) -> int:
    """Finds out what became of signals that are still open; how many rows have changed. In a
    transaction of its own: it sets how that is planned."""
    await connection.execute(_SQL["by_key"])
    return _changed(await connection.execute(_SQL["settle_signals"], list(accounts)))


async def reopen_signals(connection: Connection, account: str, symbol: str, since_ms: int) -> int:
    """The books of the symbol have changed from `since_ms` (event time) on."""
    return _changed(await connection.execute(_SQL["reopen_signals"], account, symbol, since_ms))


SnapshotType = Literal[
    "periodic", "wallet", "trade_open", "trade_close", "deposit", "withdrawal", "manual"
]


@dataclass(frozen=True, slots=True)
class BalanceRow:
    """Of an account, or of one of its bots (`bot_id`). USDT; `at_ms` is the exchange's clock."""

    account: str
    bot_id: str | None
    kind: SnapshotType
    wallet: Decimal
    equity: Decimal
    source: Literal["stream", "rest", "books"]
    at_ms: int
    available: Decimal | None = None
    margin_used: Decimal | None = None
    realised: Decimal | None = None
    amount: Decimal | None = None
    position_id: str | None = None
    #: Of a deposit or withdrawal that the transaction log has not told of: after when it was, and
    #: up to when.
    since_ms: int | None = None
    until_ms: int | None = None


async def save_balances(connection: Connection, rows: Sequence[BalanceRow]) -> None:
    """In their order. Of a position one row is kept for its beginning and one for its end."""
    if rows:
        await connection.execute(
            _SQL["insert_balances"],
            *zip(
                *(
                    (
                        row.account,
                        row.bot_id,
                        row.kind,
                        row.wallet,
                        row.equity,
                        row.available,
                        row.margin_used,
                        row.realised,
                        row.amount,
                        row.position_id,
                        row.source,
                        row.at_ms,
                        row.since_ms,
                        row.until_ms,
                    )
                    for row in rows
                ),
                strict=True,
            ),
        )


@dataclass(frozen=True, slots=True)
class SettledWallet:
    """A wallet, USDT, that executions and known transfers explain, and when the exchange has told
    it. `stood_still`: for so long that no other clock can mistake what came before it."""

    wallet: Decimal
    at_ms: int
    stood_still: bool


async def settled_wallet(connection: Connection, account: str) -> SettledWallet | None:
    """The newest of the account; None if it never had one."""
    row = await connection.fetchrow(_SQL["settled_wallet"], account)
    return None if row is None else SettledWallet(*row)


async def settle_wallets(connection: Connection, found: Mapping[str, SettledWallet]) -> None:
    """By account."""
    if found:
        columns = zip(*(astuple(one) for one in found.values()), strict=True)
        await connection.execute(_SQL["settle_wallets"], list(found), *columns)


async def wallets_between(
    connection: Connection,
    account: str,
    owners: Sequence[str],
    after_ms: int,
    before_ms: int,
    most: int,
) -> list[tuple[Decimal, int]]:
    """What was written down of the account's wallet meanwhile, newest first, with its time: as the
    account's, or as that of `owners`, ids of bots that have it alone."""
    rows = await connection.fetch(
        _SQL["wallets_between"], account, list(owners), after_ms, before_ms, most
    )
    return [(row["total_balance"], row["timestamp"]) for row in rows]


async def cash_between(
    connection: Connection, account: str, after_ms: int, until_ms: int
) -> Decimal | None:
    """What executions have moved in the account's wallet meanwhile, USDT; None where the exchange
    has not told what a closing one has won."""
    found: Decimal | None = await connection.fetchval(
        _SQL["cash_between"], account, after_ms, until_ms
    )
    return found


async def confirm_transfers(
    connection: Connection,
    accounts: Sequence[str],
    owners: Sequence[tuple[str, str]],
    least: Decimal,
) -> int:
    """Deposits and withdrawals of times that the transaction log covers become what it says, and
    those of it that have cancelled out before a wallet stood still are written, from `least` USDT
    on; how many rows were. `owners`: account and id of bots that have their account alone."""
    found: int = await connection.fetchval(
        _SQL["confirm_transfers"],
        list(accounts),
        [account for account, _ in owners],
        [bot_id for _, bot_id in owners],
        least,
    )
    return found


async def thin_balances(connection: Connection, before_ms: int) -> int:
    """Leaves one row an hour of what is older; how many are gone."""
    return _changed(await connection.execute(_SQL["thin_balances"], before_ms))


async def closed_since(
    connection: Connection, bot_ids: Sequence[str], day_ms: int, week_ms: int, month_ms: int
) -> tuple[Decimal, Decimal, Decimal]:
    """The net result of what the bots have closed since each of the moments."""
    row = await connection.fetchrow(_SQL["closed_since"], list(bot_ids), day_ms, week_ms, month_ms)
    assert row is not None, "an aggregate has one row"
    return row["day"], row["week"], row["month"]


@dataclass(frozen=True, slots=True)
class PortfolioRow:
    """Everything of one daemon at one moment, USDT; `at_ms` is the exchange's clock."""

    at_ms: int
    installation: str
    equity: Decimal
    wallet: Decimal
    realised: Decimal
    margin_used: Decimal | None
    gross: Decimal
    net: Decimal
    active_bots: int
    bots_in_trade: int
    open_positions: int
    bots: Mapping[str, Mapping[str, str | int]]


async def save_portfolio(
    connection: Connection,
    row: PortfolioRow,
    closed: tuple[Decimal, Decimal, Decimal],
    value_at_risk: Decimal | None,
) -> None:
    """`closed` is the net result since midnight, Monday and the first of the month (UTC)."""
    leverage = row.gross / row.equity if row.equity > 0 else None
    await connection.execute(
        _SQL["insert_portfolio"],
        row.at_ms,
        row.installation,
        row.equity,
        row.wallet,
        row.equity - row.wallet,
        row.realised,
        row.margin_used,
        row.gross,
        row.net,
        None if leverage is None or leverage >= 1_000_000 else leverage,
        value_at_risk,
        row.active_bots,
        row.bots_in_trade,
        row.open_positions,
        *closed,
        json.dumps(row.bots),
    )


ConfigType = Literal["strategy_params", "risk_params", "trading_params"]


async def save_configuration(
    connection: Connection,
    bot_id: str,
    account: str,
    key: str,
    kind: ConfigType,
    value: Mapping[str, object],
) -> tuple[int, Mapping[str, object] | None] | None:
    """Makes it the version in force. None when it already is; else its number, and the value
    before it (None: it is the first). `value` is JSON, without secrets."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    checksum = hashlib.sha256(text.encode()).hexdigest()
    before = await connection.fetchrow(_SQL["close_configuration"], bot_id, account, key, checksum)
    version: int | None = await connection.fetchval(
        _SQL["open_configuration"], bot_id, account, key, kind, text, checksum
    )
    if version is None:
        return None
    return version, None if before is None else json.loads(before["config_value"])


@dataclass(frozen=True, slots=True)
class RiskDay:
    """A bot's day as the columns of trading.risk_metrics have it, in their order."""

    day: date
    starting_equity: Decimal
    ending_equity: Decimal
    cash_flow: Decimal
    trades: int
    wins: int
    losses: int
    breakeven: int
    win_rate: Decimal | None
    gross_profit: Decimal
    gross_loss: Decimal
    net_profit: Decimal
    profit_factor: Decimal | None
    avg_win: Decimal | None
    avg_loss: Decimal | None
    largest_win: Decimal | None
    largest_loss: Decimal | None
    max_drawdown: Decimal
    max_drawdown_pct: Decimal
    current_drawdown: Decimal
    avg_leverage: Decimal | None
    max_leverage: Decimal | None
    avg_position_size: Decimal | None
    max_exposure: Decimal | None
    avg_hours: Decimal | None
    shortest_hours: Decimal | None
    longest_hours: Decimal | None


@dataclass(frozen=True, slots=True)
class Ratios:
    sharpe: Decimal | None
    sortino: Decimal | None
    calmar: Decimal | None


async def risk_since(connection: Connection, bot_id: str, account: str) -> date | None:
    """The first day that has to be computed; None: all that there are."""
    found: date | None = await connection.fetchval(_SQL["risk_since"], bot_id, account)
    return found


async def risk_days(
    connection: Connection, bot_id: str, account: str, since: date | None
) -> list[RiskDay]:
    """Every day on which the bot's equity was written down, oldest first. Leverage and exposure are
    known of those from `since` on."""
    rows = await connection.fetch(_SQL["risk_days"], bot_id, account, since or date(2000, 1, 1))
    return [RiskDay(*row.values()) for row in rows]


async def save_risk_day(
    connection: Connection, bot_id: str, account: str, day: RiskDay, ratios: Ratios
) -> None:
    await connection.execute(
        _SQL["upsert_risk_day"], bot_id, account, *astuple(day), *astuple(ratios)
    )


async def daily_results(connection: Connection, bot_ids: Sequence[str], today: date) -> list[float]:
    """What the bots have made of their equity on each day before `today`, as a fraction."""
    rows = await connection.fetch(_SQL["daily_results"], list(bot_ids), today)
    return [float(row["result"]) for row in rows]


async def forget_events(connection: Connection, days: int) -> int:
    """Drops system events that are older; how many."""
    return _changed(await connection.execute(_SQL["forget_events"], days))


def _changed(status: str) -> int:
    """ "UPDATE 3" -> 3."""
    return int(status.rpartition(" ")[2])
