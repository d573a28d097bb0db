"""What the library takes and gives: amounts, sides, times, rows; and a fill as an execution."""

from __future__ import annotations

import hashlib
import re
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import TypeAlias

import asyncpg

from alpha.clock import utc
from alpha.core.events import Execution, Side
from alpha.core.ids import parse
from alpha.errors import ConfigError
from alpha.ledger.stored import trimmed

#: An amount. Floats are refused: money is decimal.
Number: TypeAlias = "Decimal | int | str"
#: A row as it stands in the database; times are aware datetimes in UTC.
Row: TypeAlias = "dict[str, Decimal | datetime | str | int | bool | None]"

#: Where rows come from that no daemon wrote.
LIBRARY = "library"
_DIGITS = Decimal("1e-12")
_SYMBOL = re.compile(r"[A-Z0-9-]{2,40}")


def amount(name: str, value: Number, *, signed: bool = False, zero: bool = False) -> Decimal:
    """As NUMERIC keeps it. Raises ConfigError."""
    if isinstance(value, bool) or not isinstance(value, (Decimal, int, str)):
        raise ConfigError(
            f"expected {name} as Decimal, whole number or text, was {type(value).__name__}; write "
            f'Decimal("0.1")'
        )
    try:
        found = Decimal(value)
        is_exact = found.is_finite() and found == found.quantize(_DIGITS)
    except InvalidOperation:
        raise ConfigError(f"expected {name} to be a number, was {value!r}") from None
    if not is_exact or abs(found) >= Decimal("1e16"):
        raise ConfigError(f"expected {name} with at most 12 digits behind the point, was {value}")
    if not signed and (found < 0 or (found == 0 and not zero)):
        raise ConfigError(f"expected {name} {'>=' if zero else '>'} 0, was {value}")
    return found


def whole(name: str, value: int, least: int, most: int = 1_000_000) -> int:
    """Raises ConfigError."""
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise ConfigError(f"expected {name} as a whole number {least} to {most}, was {value!r}")
    return value


def text(name: str, value: str) -> str:
    """Raises ConfigError."""
    if not isinstance(value, str):
        raise ConfigError(f"expected {name} as text, was {type(value).__name__}")
    return value


def side_of(side: str) -> Side:
    if side == "Buy":
        return "Buy"
    if side == "Sell":
        return "Sell"
    raise ConfigError(f"expected side Buy or Sell, was {side!r}")


def expect_symbol(symbol: str) -> None:
    """Raises ConfigError."""
    if not _SYMBOL.fullmatch(text("symbol", symbol)):
        raise ConfigError(f"expected a symbol such as BTCUSDT, was {symbol!r}")


def ms_of(at: datetime) -> int:
    """Unix ms; raises ConfigError for what is no time, naive, or out of what order ids hold."""
    if not isinstance(at, datetime):
        raise ConfigError(f"expected exec_time as a datetime, was {type(at).__name__}")
    if not 1970 <= at.year < 2286:
        raise ConfigError(f"expected exec_time from 1970 to 2285, was {at.isoformat()}")
    if at.tzinfo is None:
        raise ConfigError(f"expected an aware exec_time, was {at.isoformat()}; use datetime.UTC")
    return round(at.timestamp() * 1000)


def row_of(record: asyncpg.Record) -> Row:
    row: Row = dict(record)
    for name, value in row.items():
        if isinstance(value, Decimal):
            row[name] = trimmed(value)
        elif name.endswith("_time") and isinstance(value, int):
            row[name] = utc(value)
    return row


def new_execution(
    bot_id: str,
    account: str,
    *,
    symbol: str,
    side: str,
    price: Decimal,
    qty: Decimal,
    fee: Decimal,
    at_ms: int,
    received_ms: int,
    reason: str | None,
    order_id: str,
    link_id: str,
    exec_id: str,
) -> Execution:
    """A fill as a row of the ledger. What has no name gets one that follows from all the rest.
    Raises ConfigError for a symbol, side, reason or order id that is none."""
    expect_symbol(symbol)
    side_of(side)
    given = {"order_id": order_id, "client_order_id": link_id, "exec_id": exec_id}
    if reason is not None:
        given["close_reason"] = reason
    for name, value in given.items():
        text(name, value)
    if link_id:
        parsed = parse(link_id)
        if parsed is None or parsed.bot_id != bot_id:
            raise ConfigError(f"expected client_order_id {bot_id}:reason:unix_ms, was {link_id!r}")
    else:
        link_id = f"{bot_id}:{reason or 'entry'}:{at_ms}"
        if parse(link_id) is None:
            raise ConfigError(
                f"expected a close_reason of 1 to 24 of a-z, 0-9 and _, was {reason!r}"
            )
    # 100.5 and 100.50 are one price, and so one fill.
    amounts = [str(trimmed(value)) for value in (price, qty, fee)]
    words = [symbol, side, *amounts, str(at_ms), order_id, link_id]
    digest = hashlib.sha256("|".join(words).encode()).hexdigest()[:24]
    exec_id = exec_id or f"{LIBRARY}-{digest}"
    return Execution(
        account=account,
        symbol=symbol,
        exec_id=exec_id,
        order_id=order_id or f"order-{exec_id}",
        order_link_id=link_id,
        side=side_of(side),
        exec_type="Trade",
        price=price,
        qty=qty,
        value=(price * qty).quantize(_DIGITS),
        fee=fee,
        fee_currency="USDT",
        fee_rate=None,
        leaves_qty=Decimal(0),
        closed_size=None,
        is_maker=False,
        create_type="CreateByUser",
        order_type="Market",
        stop_order_type="",
        exec_time=at_ms,
        seq=at_ms,
        source="import",
        received_ms=received_ms,
    )
