"""Momentum decides at each 4-hour close, for all symbols together.

Exit first: a close under the mean (`ma_exit`); with `trail_basis = "peak"` the trailing stop
before it. Then entries: a close above the upper band out of narrow bands on high volume; of
several the strongest, as long as there are slots. The trailing stop of a position is otherwise
held by the exchange.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

import msgspec

from alpha.bots import (
    JSON,
    Bar,
    BotPosition,
    Enter,
    Exit,
    Intents,
    Market,
    SizeRejected,
    Snapshot,
    StopPlan,
    Subscription,
    hookimpl,
)

from . import regime
from .figures import Figures
from .limits import Limits
from .regime import Regime
from .settings import MomentumSettings

BAR_MS = 14_400_000
BARS_A_DAY = 6
#: Days of history behind the regime's warm-up: what is left of the first value then is below
#: anything that could decide a comparison differently after a restart.
REGIME_SPARE_DAYS = 200

ZERO = Decimal(0)
ONE = Decimal(1)


class Momentum:
    """One bot. Saved: anchors and latches of the limits (`limits.Limits`)."""

    per_symbol = False

    def __init__(self, settings: MomentumSettings) -> None:
        self._settings = settings
        self._wanted = _wanted(settings)
        self._figures = {symbol: Figures(settings) for symbol in settings.symbols}
        self._regime = (
            Regime(settings.btc_ma_length, float(settings.btc_adx)) if settings.btc_filter else None
        )
        self._limits = Limits()

    @hookimpl
    def subscriptions(self) -> Sequence[Subscription]:
        return self._wanted

    @hookimpl
    def universe(self, markets: Sequence[Market]) -> Sequence[Subscription]:
        """What is not listed is left out."""
        listed = {market.symbol for market in markets}
        return [one for one in self._wanted if one.symbol in listed]

    @hookimpl
    def leverage(self, symbol: str) -> Decimal:
        return self._settings.leverage

    @hookimpl
    def on_bar(self, bar: Bar) -> None:
        figures = self._figures.get(bar.symbol)
        if figures is not None:
            figures.add(bar)
        if self._regime is not None and bar.symbol == regime.SYMBOL:
            self._regime.add(bar)

    @hookimpl
    def on_close(self, close_ms: int, bars: Mapping[str, Bar], snapshot: Snapshot) -> Intents:
        self._limits.observe(close_ms, snapshot.equity, self._settings)
        traded = [symbol for symbol in self._settings.symbols if symbol in bars]
        exits = self._exits(close_ms, traded, snapshot)
        leaving = {one.symbol for one in exits}
        return [*exits, *self._entries(traded, leaving, snapshot)]

    @hookimpl
    def on_reset(self, snapshot: Snapshot) -> None:
        self._limits.reset(snapshot.equity)

    @hookimpl
    def halted(self) -> str | None:
        limits = self._limits
        if limits.halted_ms is None:
            return None
        return (
            f"equity {limits.halted_equity} fell to {ONE - self._settings.drawdown:%} of its peak "
            f"{limits.peak} or below; open positions stay managed, start the bot to trade again"
        )

    @hookimpl
    def dump_state(self) -> Mapping[str, JSON]:
        state: Mapping[str, JSON] = msgspec.to_builtins(self._limits, builtin_types=(Decimal,))
        return state

    @hookimpl
    def load_state(self, state: Mapping[str, JSON]) -> None:
        self._limits = msgspec.convert(state, Limits)

    # -- exits --------------------------------------------------------------------------------

    def _exits(self, close_ms: int, traded: Sequence[str], snapshot: Snapshot) -> list[Exit]:
        found: list[Exit] = []
        for symbol in traded:
            position = snapshot.positions.get(symbol)
            if position is None or symbol in snapshot.pending_exits:
                continue
            reason = self._exit_reason(close_ms, self._figures[symbol], position)
            if reason is not None:
                found.append(Exit(symbol=symbol, reason=reason))
        return found

    def _exit_reason(self, close_ms: int, figures: Figures, position: BotPosition) -> str | None:
        """A short is not this bot's idea: it blocks entries and is left to the operator. Nor is a
        position tested at a close that lies before it."""
        opened_ms = position.opened_ms
        if position.signed_qty <= ZERO or (opened_ms is not None and opened_ms >= close_ms):
            return None
        if opened_ms is not None and self._settings.trail_basis == "peak":
            peak = figures.peak_since(opened_ms // BAR_MS * BAR_MS)
            if peak is not None:
                level = _money(peak) * (ONE - self._settings.trail)
                if _money(figures.close) <= level:
                    return "trailing_stop"
        if figures.mean is not None and figures.close < figures.mean:
            return "ma_exit"
        return None

    # -- entries ------------------------------------------------------------------------------

    def _entries(self, traded: Sequence[str], leaving: set[str], snapshot: Snapshot) -> list[Enter]:
        """The strongest breakouts, as many as there are slots. A slot is freed by an exit that
        was decided at this close, and is not taken by an order too small to be sent."""
        settings = self._settings
        if self._limits.stopped or (self._regime is not None and not self._regime.is_favourable):
            return []
        multiplier = settings.week_size if self._limits.week_reduced else ONE
        notional = snapshot.equity * settings.fraction * multiplier
        if notional <= ZERO:
            return []
        ranked = sorted(
            (one for one in traded if self._figures[one].breaks_out and _is_free(one, snapshot)),
            key=lambda symbol: -self._figures[symbol].strength,
        )
        slots = settings.max_positions
        slots -= len((snapshot.positions.keys() | snapshot.pending_entries) - leaving)
        found: list[Enter] = []
        for place, symbol in enumerate(ranked, start=1):
            if slots <= 0:
                break
            entry = self._enter(symbol, place, notional, multiplier)
            found.append(entry)
            slots -= _can_be_sent(entry, snapshot)
        return found

    def _enter(self, symbol: str, place: int, notional: Decimal, multiplier: Decimal) -> Enter:
        settings, figures = self._settings, self._figures[symbol]
        trails = settings.trail_basis == "entry"
        return Enter(
            symbol=symbol,
            side="Buy",
            notional=notional,
            price=_money(figures.close),
            reason="volatility_breakout",
            leverage=settings.leverage,
            stops=StopPlan(
                trailing=settings.trail if trails else None,
                stop_loss=None if trails else settings.backstop,
            ),
            details={
                "pct": f"{figures.rank:.6g}",
                "rvr": f"{figures.volume:.6g}",
                "upper": f"{figures.upper:.8g}",
                "sma": f"{figures.mean:.8g}",
                "strength": f"{figures.strength:.6g}",
                "rank": str(place),
                "multiplier": str(multiplier),
            },
        )


def _wanted(settings: MomentumSettings) -> list[Subscription]:
    """The bars of all symbols; with the filter more of BTCUSDT's."""
    wanted = {
        symbol: Subscription(symbol, BAR_MS, settings.warmup_bars, settings.history_bars)
        for symbol in settings.symbols
    }
    if settings.btc_filter:
        bars = BARS_A_DAY * (Regime.warmup_days(settings.btc_ma_length) + 1)
        warmup = max(bars, settings.warmup_bars)
        history = max(bars + BARS_A_DAY * REGIME_SPARE_DAYS, settings.history_bars)
        wanted[regime.SYMBOL] = Subscription(regime.SYMBOL, BAR_MS, warmup, history)
    return list(wanted.values())


def _is_free(symbol: str, snapshot: Snapshot) -> bool:
    return snapshot.is_flat(symbol) and symbol not in snapshot.pending_exits


def _can_be_sent(entry: Enter, snapshot: Snapshot) -> bool:
    """Whether the order's size will be taken; one that is too small is refused, with a record."""
    instrument = snapshot.instruments.get(entry.symbol)
    if instrument is None:
        return True
    return not isinstance(instrument.size_order(entry.notional, entry.price), SizeRejected)


def _money(price: float) -> Decimal:
    return Decimal(repr(price))
