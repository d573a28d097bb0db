"""Key names and values of the mirror; readers outside rely on them.

The size of a position is unsigned, plain text, "0" when flat. `position:{bot}:{symbol}` and its
`:details` are canonical, `{bot}:position:{symbol}` carries the same number beside them.
"""

from __future__ import annotations

from decimal import Decimal

from alpha.core import canonical
from alpha.state.picture import (
    BotPicture,
    CandlePicture,
    MarketPicture,
    OrderPicture,
    PositionPicture,
)

RUN_TOKENS = "alpha:run:"
MODE = "alpha:mode"
HEARTBEAT = "heartbeat:alpha"
EVENTS = "alpha:events"

#: A live order that nobody removes goes by itself after this.
ORDER_TTL_S = 7 * 86_400
PRICE_TTL_S = 60

Fields = dict[str, str]


def run_token(owner: str) -> str:
    """One for each daemon that shares a Redis; `owner` names its accounts."""
    return f"{RUN_TOKENS}{owner}"


def position(bot_id: str, symbol: str) -> str:
    return f"position:{bot_id}:{symbol}"


def position_details(bot_id: str, symbol: str) -> str:
    return f"position:{bot_id}:{symbol}:details"


def position_alias(bot_id: str, symbol: str) -> str:
    return f"{bot_id}:position:{symbol}"


def open_positions(bot_id: str) -> str:
    return f"positions:{bot_id}"


def order(bot_id: str, order_id: str) -> str:
    return f"order:{bot_id}:{order_id}"


def open_orders(bot_id: str) -> str:
    return f"orders:{bot_id}:open"


def heartbeat(bot_id: str) -> str:
    return f"heartbeat:{bot_id}"


def equity(bot_id: str) -> str:
    return f"equity:{bot_id}"


def bot_state(bot_id: str) -> str:
    return f"bot:{bot_id}:state"


def bot_metrics(bot_id: str) -> str:
    return f"bot:{bot_id}:metrics"


def price(symbol: str) -> str:
    return f"price:{symbol}"


def candle(symbol: str, interval_ms: int) -> str:
    return f"candle:{symbol}:{interval_ms // 60_000}"


def channel(kind: str, bot_id: str) -> str:
    """`kind` is fills, orders or positions. Pub/sub knows no databases: the bot's id is in it."""
    return f"alpha:{kind}:{bot_id}"


def plain(value: Decimal | None) -> str:
    """Decimal text without exponent and trailing zeros; "" for unknown."""
    return "" if value is None else canonical.plain(value)


def size_of(picture: PositionPicture) -> str:
    return plain(abs(picture.signed_size))


def details_of(picture: PositionPicture) -> Fields:
    signed = picture.signed_size
    return {
        "size": size_of(picture),
        "signed_size": plain(signed),
        "side": "Buy" if signed > 0 else "Sell" if signed < 0 else "None",
        "avg_price": plain(picture.avg_price),
        "unrealized_pnl": plain(picture.unrealised_pnl),
        "mark_price": plain(picture.mark_price),
        "stop_loss": plain(picture.stop_loss),
        "take_profit": plain(picture.take_profit),
        "trailing_stop": plain(picture.trailing_stop),
        "opened_at": picture.opened_at or "",
        "last_update": picture.last_update or "",
        "seq": "" if picture.seq is None else str(picture.seq),
        "source": picture.source,
    }


def order_of(picture: OrderPicture) -> Fields:
    return {
        "order_id": picture.order_id,
        "symbol": picture.symbol,
        "side": picture.side,
        "purpose": picture.purpose,
        "reason": picture.reason,
        "qty": plain(picture.qty),
        "filled_qty": plain(picture.filled_qty),
        "state": picture.state,
        "trigger_price": plain(picture.trigger_price),
    }


def equity_of(picture: BotPicture, at_ms: int) -> Fields:
    return {
        "equity": plain(picture.equity),
        "balance": plain(picture.wallet),
        "available": plain(picture.available),
        "upnl": plain(picture.unrealised_pnl),
        "ts": str(at_ms),
    }


def state_of(picture: BotPicture) -> Fields:
    return {
        "status": picture.state,
        "mode": picture.mode,
        "reason": picture.state_reason,
        "commit_no": "" if picture.commit_no is None else str(picture.commit_no),
    }


def metrics_of(picture: BotPicture) -> Fields:
    held = sum(1 for position in picture.positions.values() if position.signed_size)
    fields = {"open_positions": str(held)}
    if picture.trades_today is not None:
        fields["trades_today"] = str(picture.trades_today)
    if picture.daily_pnl is not None:
        fields["daily_pnl"] = plain(picture.daily_pnl)
    return fields


def price_of(last: Decimal, market: MarketPicture) -> Fields:
    return {"last": plain(last), "ts": str(market.at_ms)}


def candle_of(bar: CandlePicture) -> Fields:
    return {
        "start": str(bar.start_ms),
        "open": repr(bar.open),
        "high": repr(bar.high),
        "low": repr(bar.low),
        "close": repr(bar.close),
        "volume": repr(bar.volume),
    }
