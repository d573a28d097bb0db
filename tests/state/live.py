"""A mirror at work on a real server, and the picture that it shows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal

from redis.asyncio import Redis

from alpha.clock import SystemClock
from alpha.state.connection import open_redis
from alpha.state.mirror import Mirror
from alpha.state.picture import BotPicture, CandlePicture, MarketPicture, OrderPicture
from alpha.state.picture import PositionPicture as Position

SHORT = "shortseller_001"
LX = "lxalgo_001"
DATABASES = {SHORT: 0, LX: 1}


class SkippingClock(SystemClock):
    """Runs like the machine's and can be put forward: what is due is due at once."""

    def __init__(self) -> None:
        self._skipped = 0.0

    def skip(self, seconds: float) -> None:
        self._skipped += seconds

    def monotonic(self) -> float:
        return super().monotonic() + self._skipped


class Desk:
    """What the daemon would know: changed by the test, read by the mirror."""

    def __init__(self) -> None:
        self.bots = {
            bot: BotPicture(
                bot_id=bot,
                redis_db=db,
                state="running",
                state_reason="",
                mode="paper",
                positions={},
                orders=(),
                wallet=Decimal("10000.50"),
                equity=Decimal("10010.5"),
                unrealised_pnl=Decimal(10),
                available=Decimal("9000.0"),
            )
            for bot, db in DATABASES.items()
        }
        self.market = MarketPicture()
        self.asked: list[str] = []

    def show(self, bot: str, **sizes: str) -> None:
        """Signed sizes by symbol, all others flat."""
        positions = {
            symbol: Position(Decimal(size), avg_price=Decimal("100.10"), stop_loss=Decimal("1E+2"))
            for symbol, size in sizes.items()
        }
        self.bots[bot] = replace(self.bots[bot], positions=positions)

    def order(self, bot: str, *ids: str) -> None:
        orders = tuple(
            OrderPicture(
                order_id=one,
                symbol="BTCUSDT",
                side="Sell",
                purpose="entry",
                reason="ema_cross",
                qty=Decimal("0.10"),
                filled_qty=Decimal(0),
                state="new",
            )
            for one in ids
        )
        self.bots[bot] = replace(self.bots[bot], orders=orders)

    def price(self, symbol: str, last: str) -> None:
        bar = CandlePicture(symbol, 300_000, 1_762_492_500_000, 1.0, 2.0, 0.5, 1.5, 10.0)
        self.market = MarketPicture((bar,), {symbol: Decimal(last)}, 1_762_492_800_000)

    def picture(self, bot: str) -> BotPicture:
        self.asked.append(bot)
        return self.bots[bot]


def mirror_of(
    desk: Desk,
    url: str,
    clock: SkippingClock | None = None,
    *,
    token: str = "t1",
    mode: str = "paper",
) -> Mirror:
    return Mirror(
        url,
        mode=mode,
        owner="main",
        token=token,
        bots=DATABASES,
        clock=clock or SkippingClock(),
        pictures=desk.picture,
        market=lambda: desk.market,
    )


@asynccontextmanager
async def at_work(mirror: Mirror) -> AsyncIterator[asyncio.Task[None]]:
    """The mirror's task; ended, and the mirror closed, on leaving."""
    task = asyncio.create_task(mirror.run(), name="mirror")
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait([task])
        await mirror.close()


@asynccontextmanager
async def reader(url: str, database: int = 0) -> AsyncIterator[Redis]:
    redis = open_redis(url, database)
    try:
        yield redis
    finally:
        await redis.aclose()
