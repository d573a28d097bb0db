"""ShortSeller decides at each 5-minute close.

Entry: flat, not in cooldown, close under both averages, fewer than the day's allowed crosses, and
a close has just dropped through one of the averages; then the risk gates. Exit, first match:
take profit, stop loss, time, close no longer under both averages (`ma_exit`, after the cooldown).
Stops on the exchange act at any time; the first two exits are their back-up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import ROUND_HALF_EVEN, Decimal

import msgspec

from alpha.bots import (
    JSON,
    Bar,
    BotPosition,
    Enter,
    Exit,
    Fill,
    Intents,
    SizeRejected,
    Snapshot,
    StopPlan,
    Subscription,
    hookimpl,
)

from .crosses import Averages
from .settings import ShortSellerSettings
from .state import Asset, Book

BAR_MS = 300_000
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS

#: Part of the day's first equity below which no entry is made.
DAY_FLOOR = Decimal("0.95")
#: Part of the equity peak at which everything is closed.
PEAK_FLOOR = Decimal("0.85")

CENT = Decimal("0.01")
ZERO = Decimal(0)
ONE = Decimal(1)


class ShortSeller:
    """One bot. Saved: entry bars, counters, anchors, peak and halt (`state.Book`)."""

    per_symbol = False

    def __init__(self, settings: ShortSellerSettings) -> None:
        self._settings = settings
        self._averages = {
            symbol: Averages(settings.ema_fast, settings.ema_slow, settings.ema_mode)
            for symbol in settings.symbols
        }
        self._book = Book({symbol: Asset() for symbol in settings.symbols})
        self._cooldown_ms = settings.cooldown_bars * BAR_MS
        self._max_hold_ms = settings.max_hold_hours * HOUR_MS

    @hookimpl
    def subscriptions(self) -> Sequence[Subscription]:
        settings = self._settings
        return [
            Subscription(symbol, BAR_MS, settings.warmup_bars, settings.history_bars)
            for symbol in settings.symbols
        ]

    @hookimpl
    def leverage(self, symbol: str) -> Decimal:
        return self._settings.leverage

    @hookimpl
    def on_bar(self, bar: Bar) -> None:
        self._averages[bar.symbol].add(bar)

    @hookimpl
    def on_close(self, close_ms: int, bars: Mapping[str, Bar], snapshot: Snapshot) -> Intents:
        self._take_anchors(close_ms, snapshot)
        self._forget_finished_orders(snapshot)
        for symbol, bar in bars.items():
            self._count_crosses(symbol, bar)
        if self._settings.risk_gates:
            self._test_drawdown(close_ms, snapshot)
            if self._book.halted_ms is not None:
                return _close_all(snapshot)
        intents: list[Enter | Exit] = []
        for symbol in self._settings.symbols:
            if symbol not in bars:
                continue
            position = snapshot.positions.get(symbol)
            if position is not None:
                reason = self._exit_reason(close_ms, symbol, position)
                if reason is not None and symbol not in snapshot.pending_exits:
                    intents.append(Exit(symbol=symbol, reason=reason))
            else:
                entry = self._entry(close_ms, symbol, snapshot)
                if entry is not None:
                    intents.append(entry)
        return intents

    @hookimpl
    def on_fill(self, fill: Fill) -> None:
        """The first fill of an entry starts the position's age and the cooldown."""
        asset = self._book.assets.get(fill.symbol)
        if asset is None or fill.effect != "entry":
            return
        if abs(fill.position_after) == fill.qty or asset.entry_ms is None:
            asset.entry_ms = fill.exec_time // BAR_MS * BAR_MS

    @hookimpl
    def on_correction(self, after: BotPosition) -> None:
        asset = self._book.assets.get(after.symbol)
        if asset is not None and after.signed_qty and after.opened_ms is not None:
            asset.entry_ms = after.opened_ms // BAR_MS * BAR_MS

    @hookimpl
    def on_reset(self, snapshot: Snapshot) -> None:
        self._book.halted_ms = None
        self._book.halted_equity = None
        self._book.peak = snapshot.equity

    @hookimpl
    def halted(self) -> str | None:
        book = self._book
        if book.halted_ms is None or not self._settings.risk_gates:
            return None
        return (
            f"equity {book.halted_equity} fell to {PEAK_FLOOR:%} of its peak {book.peak} or below; "
            "everything was closed, start the bot to trade again"
        )

    @hookimpl
    def dump_state(self) -> Mapping[str, JSON]:
        state: Mapping[str, JSON] = msgspec.to_builtins(self._book, builtin_types=(Decimal,))
        return state

    @hookimpl
    def load_state(self, state: Mapping[str, JSON]) -> None:
        self._book = msgspec.convert(state, Book)
        for symbol in self._settings.symbols:
            self._book.assets.setdefault(symbol, Asset())

    # -- each close ---------------------------------------------------------------------------

    def _take_anchors(self, close_ms: int, snapshot: Snapshot) -> None:
        book, equity = self._book, snapshot.equity
        day = close_ms // DAY_MS
        if book.day != day:
            book.day = day
            book.day_equity = equity
        if book.peak is None or equity > book.peak:
            book.peak = equity

    def _forget_finished_orders(self, snapshot: Snapshot) -> None:
        for symbol, asset in self._book.assets.items():
            if asset.ordered is not None and symbol not in snapshot.pending_entries:
                asset.ordered = None

    def _count_crosses(self, symbol: str, bar: Bar) -> None:
        asset = self._book.assets[symbol]
        if asset.first_ms is None:
            asset.first_ms = bar.close_ms
        day = bar.start_ms // DAY_MS
        if asset.day != day:
            asset.day = day
            asset.crosses = 0
        averages = self._averages[symbol]
        if averages.crossed and averages.start_ms == bar.start_ms:
            asset.crosses += len(averages.crossed)

    def _test_drawdown(self, close_ms: int, snapshot: Snapshot) -> None:
        book = self._book
        if book.halted_ms is not None or book.peak is None or book.peak <= ZERO:
            return
        if snapshot.equity <= book.peak * PEAK_FLOOR:
            book.halted_ms = close_ms
            book.halted_equity = snapshot.equity

    # -- exits --------------------------------------------------------------------------------

    def _exit_reason(self, close_ms: int, symbol: str, position: BotPosition) -> str | None:
        """A long is not this bot's idea: it blocks entries and is left to the operator."""
        if position.signed_qty >= ZERO or position.avg_price is None:
            return None
        averages = self._averages[symbol]
        levels = self._settings.levels_of(symbol)
        close = Decimal(repr(averages.close))
        entry_ms = self._entry_ms(close_ms, symbol, position)
        if close <= position.avg_price * (ONE - levels.tp):
            return "take_profit"
        if close >= position.avg_price * (ONE + levels.sl):
            return "stop_loss"
        if close_ms - entry_ms > self._max_hold_ms:
            return "time_exit"
        if not averages.active and close_ms - entry_ms >= self._cooldown_ms:
            return "ma_exit"
        return None

    def _entry_ms(self, close_ms: int, symbol: str, position: BotPosition) -> int:
        """Start of the bar in which the position was opened; one that was found is adopted with
        the time of its first execution."""
        asset = self._book.assets[symbol]
        opened_ms = position.opened_ms
        if opened_ms is not None and (
            asset.entry_ms is None or asset.entry_ms < opened_ms // BAR_MS * BAR_MS
        ):
            asset.entry_ms = opened_ms // BAR_MS * BAR_MS
        if asset.entry_ms is None:
            asset.entry_ms = close_ms
        return asset.entry_ms

    # -- entries ------------------------------------------------------------------------------

    def _entry(self, close_ms: int, symbol: str, snapshot: Snapshot) -> Enter | None:
        settings = self._settings
        asset, averages = self._book.assets[symbol], self._averages[symbol]
        since = averages.bars_since_cross
        if (
            symbol in snapshot.pending_entries
            or symbol in snapshot.pending_exits
            or (asset.entry_ms is not None and close_ms - asset.entry_ms < self._cooldown_ms)
            or not averages.active
            or asset.crosses >= settings.max_crosses_per_day
            or since is None
            or since >= settings.entry_window_bars
            or close_ms - since * BAR_MS < (asset.first_ms or 0)
        ):
            return None
        notional = self._slot(snapshot)
        if notional <= ZERO:
            return None
        price = Decimal(repr(averages.close))
        size = self._order_notional(symbol, notional, price, snapshot)
        if settings.risk_gates and not self._gates_open(size, snapshot):
            return None
        asset.ordered = size  # 0 where no order will come of it
        return self._enter(symbol, notional, price, snapshot)

    def _slot(self, snapshot: Snapshot) -> Decimal:
        settings = self._settings
        notional = snapshot.wallet * settings.allocation * settings.leverage
        return notional.quantize(CENT, ROUND_HALF_EVEN)

    def _order_notional(
        self, symbol: str, notional: Decimal, price: Decimal, snapshot: Snapshot
    ) -> Decimal:
        """Quantity x price of the order that the target becomes after rounding; 0 where it is too
        small, or too large, to be sent."""
        instrument = snapshot.instruments.get(symbol)
        if instrument is None:
            return notional
        qty = instrument.size_order(notional, price)
        return ZERO if isinstance(qty, SizeRejected) else qty * price

    def _gates_open(self, size: Decimal, snapshot: Snapshot) -> bool:
        day_equity = self._book.day_equity
        if day_equity is not None and snapshot.equity <= day_equity * DAY_FLOOR:
            return False
        return self._exposure(snapshot) + size <= snapshot.wallet * self._settings.exposure_limit

    def _exposure(self, snapshot: Snapshot) -> Decimal:
        """Entry notional of open and pending positions, orders of this close included."""
        total = ZERO
        assets = self._book.assets
        for symbol in {*snapshot.positions, *snapshot.pending_entries, *assets}:
            held = ZERO
            position = snapshot.positions.get(symbol)
            if position is not None and position.avg_price is not None:
                held = abs(position.signed_qty) * position.avg_price
            ordered = assets[symbol].ordered if symbol in assets else None
            if ordered is None and symbol in snapshot.pending_entries:
                ordered = self._slot(snapshot)
            total += max(held, ordered or ZERO)
        return total

    def _enter(self, symbol: str, notional: Decimal, price: Decimal, snapshot: Snapshot) -> Enter:
        settings, averages = self._settings, self._averages[symbol]
        levels = settings.levels_of(symbol)
        return Enter(
            symbol=symbol,
            side="Sell",
            notional=notional,
            price=price,
            reason="ema_cross",
            leverage=settings.leverage,
            stops=StopPlan(
                stop_loss=levels.sl,
                take_profit=levels.tp,
                trailing=levels.trail if settings.trailing else None,
                activation=levels.activation if settings.trailing else None,
            ),
            details={
                f"ema{settings.ema_fast}": f"{averages.fast:.8g}",
                f"ema{settings.ema_slow}": f"{averages.slow:.8g}",
                "crossed": "+".join(str(length) for length in averages.crossed),
                "crosses": str(self._book.assets[symbol].crosses),
                "wallet": str(snapshot.wallet),
            },
        )


def _close_all(snapshot: Snapshot) -> list[Exit]:
    return [
        Exit(symbol=symbol, reason="risk_limit")
        for symbol in sorted(snapshot.positions)
        if symbol not in snapshot.pending_exits
    ]
