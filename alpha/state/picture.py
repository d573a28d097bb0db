"""What the mirror shows of one bot and of the market: a frozen picture of memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class PositionPicture:
    """A bot's position in one symbol; `signed_size` 0 when flat. Times are ISO 8601, UTC."""

    signed_size: Decimal
    avg_price: Decimal | None = None
    unrealised_pnl: Decimal | None = None
    mark_price: Decimal | None = None
    stop_loss: Decimal | None = None
    take_profit: Decimal | None = None
    trailing_stop: Decimal | None = None
    opened_at: str | None = None
    last_update: str | None = None
    seq: int | None = None
    source: str = "fold"


@dataclass(frozen=True, slots=True)
class OrderPicture:
    """A live order. `order_id` is our id on the wire, or the exchange's for a stop child."""

    order_id: str
    symbol: str
    side: str
    purpose: str
    reason: str
    qty: Decimal
    filled_qty: Decimal
    state: str
    trigger_price: Decimal | None = None


@dataclass(frozen=True, slots=True)
class BotPicture:
    """Everything of one bot, in its own database `redis_db`."""

    bot_id: str
    redis_db: int
    state: str
    state_reason: str
    mode: str
    positions: Mapping[str, PositionPicture]  # by symbol; flat ones may be absent
    orders: tuple[OrderPicture, ...]
    wallet: Decimal | None
    equity: Decimal | None
    unrealised_pnl: Decimal | None
    available: Decimal | None = None  # of the whole account, for new positions
    #: The ledger's commit that the picture shows; None when it is ahead of the ledger.
    commit_no: int | None = None
    trades_today: int | None = None
    daily_pnl: Decimal | None = None


@dataclass(frozen=True, slots=True)
class CandlePicture:
    """The last closed bar of one symbol and interval."""

    symbol: str
    interval_ms: int
    start_ms: int
    open: float
    high: float
    low: float
    close: float
    volume: float


@dataclass(frozen=True, slots=True)
class MarketPicture:
    candles: tuple[CandlePicture, ...] = ()
    prices: Mapping[str, Decimal] = field(default_factory=dict)
    at_ms: int = 0
