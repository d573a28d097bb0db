"""LXAlgo decides at each 5-minute close, in this order: loss limits, time exits, breakeven,
entries.

Entry: the close lies `pump_threshold` percent above the open 12 bars back and rule 8 or rule 6
holds; then the gates. Stop loss, take profit and trailing stop are held by the exchange.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from decimal import Decimal

import msgspec

from alpha.bots import (
    JSON,
    Bar,
    BotPosition,
    Enter,
    Exit,
    Fill,
    Intents,
    Market,
    MoveStop,
    Snapshot,
    StopPlan,
    Subscription,
    hookimpl,
)

from .figures import BUFFER_BARS, Figures, Gauge
from .limits import MINUTE_MS
from .settings import LXAlgoSettings
from .state import Book, Trade

BAR_MS = 5 * MINUTE_MS
HOUR_MS = 60 * MINUTE_MS

#: Taker fee of a symbol whose instrument is not known.
TAKER_FEE = Decimal("0.00055")
ZERO = Decimal(0)
ONE = Decimal(1)


@dataclass(frozen=True, slots=True)
class Signal:
    """A rule that holds for a symbol whose price has risen enough."""

    symbol: str
    rule: str
    figures: Figures
    bar: Bar

    @property
    def rank(self) -> tuple[bool, float, float, str]:
        """Rule 8 before rule 6, then by rise, turnover and name."""
        return (self.rule != "rule_8", -(self.figures.pump or 0.0), -self.bar.turnover, self.symbol)


class LXAlgo:
    """One bot. Saved: windows entered in, trades, anchors and halts (`state.Book`)."""

    per_symbol = False

    def __init__(self, settings: LXAlgoSettings) -> None:
        self._settings = settings
        self._threshold = float(settings.pump_threshold)
        self._chosen = frozenset(settings.symbols)
        self._gauges = {symbol: Gauge(settings.pump_lookback) for symbol in settings.symbols}
        self._book = Book()
        self._window_ms = settings.cooldown_hours * HOUR_MS
        self._negative_ms = settings.negative_hours * HOUR_MS
        self._max_ms = settings.max_hours * HOUR_MS

    @hookimpl
    def subscriptions(self) -> Sequence[Subscription]:
        return [_subscription(symbol) for symbol in self._settings.symbols]

    @hookimpl
    def universe(self, markets: Sequence[Market], held: AbstractSet[str]) -> Sequence[Subscription]:
        """The configured symbols that are traded, or all with enough turnover, the most traded
        first; where no turnover is known, all in the order given. What is held besides is managed
        and not bought."""
        settings = self._settings
        if settings.symbols:
            traded = {market.symbol for market in markets}
            chosen = [symbol for symbol in settings.symbols if symbol in traded]
        else:
            liquid = [
                market
                for market in markets
                if market.turnover_24h is None or market.turnover_24h > settings.min_turnover
            ]
            liquid.sort(key=lambda market: -(market.turnover_24h or ZERO))
            chosen = [market.symbol for market in liquid]
        self._chosen = frozenset(chosen)
        managed = sorted(held - self._chosen)
        return [_subscription(symbol) for symbol in (*chosen, *managed)]

    @hookimpl
    def leverage(self, symbol: str) -> Decimal:
        return self._settings.leverage

    @hookimpl
    def on_bar(self, bar: Bar) -> None:
        gauge = self._gauges.get(bar.symbol)
        if gauge is None:
            gauge = self._gauges[bar.symbol] = Gauge(self._settings.pump_lookback)
        gauge.add(bar)

    @hookimpl
    def on_close(self, close_ms: int, bars: Mapping[str, Bar], snapshot: Snapshot) -> Intents:
        book, settings = self._book, self._settings
        account = book.account
        self._forget(close_ms, snapshot)
        account.observe(close_ms, snapshot.equity, settings)
        if account.is_halted(close_ms):
            return _close_all(snapshot, account.halted_by)
        if settings.profit_lock and account.gives_back(snapshot.equity - snapshot.wallet, settings):
            return _close_all(snapshot, "profit_lock")
        intents: list[Enter | Exit | MoveStop] = []
        exiting = set(snapshot.pending_exits)
        for symbol in sorted(snapshot.positions):
            position = snapshot.positions[symbol]
            if symbol in exiting or position.signed_qty <= ZERO or position.avg_price is None:
                continue  # a short is not this bot's idea: it is left to the operator
            trade = self._trade(close_ms, symbol, position)
            detail = self._exit_detail(close_ms, symbol, trade, position.avg_price)
            if detail is not None:
                exiting.add(symbol)
                intents.append(Exit(symbol=symbol, reason="time_exit", details={"detail": detail}))
            elif symbol not in snapshot.pending_entries:
                moved = self._breakeven(symbol, trade, position.avg_price, snapshot)
                if moved is not None:
                    intents.append(moved)
        signals = self._signals(close_ms, bars)
        if signals:
            intents += self._entries(close_ms, signals, snapshot, exiting)
        return intents

    @hookimpl
    def on_fill(self, fill: Fill) -> None:
        """The first fill of an entry starts the position's age; every one takes up the window."""
        book, symbol = self._book, fill.symbol
        if fill.effect == "exit":
            if fill.position_after == ZERO:
                book.trades.pop(symbol, None)
            return
        bar_ms = fill.exec_time // BAR_MS * BAR_MS
        book.windows[symbol] = bar_ms // self._window_ms
        trade = book.trades.get(symbol)
        if trade is None or abs(fill.position_after) == fill.qty:
            book.trades[symbol] = Trade(bar_ms, [fill.reason], order=fill.order_link_id)
        elif fill.order_link_id != trade.order:
            trade.rules.append(trade.adding or fill.reason)
            trade.entries += 1
            trade.order, trade.adding = fill.order_link_id, None

    @hookimpl
    def on_correction(self, after: BotPosition) -> None:
        if not after.signed_qty:
            self._book.trades.pop(after.symbol, None)
        elif after.opened_ms is not None and after.symbol in self._book.trades:
            self._book.trades[after.symbol].entry_ms = after.opened_ms // BAR_MS * BAR_MS

    @hookimpl
    def dump_state(self) -> Mapping[str, JSON]:
        state: Mapping[str, JSON] = msgspec.to_builtins(self._book, builtin_types=(Decimal,))
        return state

    @hookimpl
    def load_state(self, state: Mapping[str, JSON]) -> None:
        self._book = msgspec.convert(state, Book)

    # -- positions ----------------------------------------------------------------------------

    def _forget(self, close_ms: int, snapshot: Snapshot) -> None:
        """Windows that are over, and trades whose position has gone without a word."""
        book = self._book
        book.forget_windows_before(close_ms // self._window_ms)
        for symbol in list(book.trades):
            if symbol not in snapshot.positions and symbol not in snapshot.pending_entries:
                del book.trades[symbol]

    def _trade(self, close_ms: int, symbol: str, position: BotPosition) -> Trade:
        """What is known of a position; one that was found is adopted with the time of its first
        execution."""
        trade = self._book.trades.get(symbol)
        if trade is None:
            opened_ms = close_ms if position.opened_ms is None else position.opened_ms
            rules = [position.entry_reason] if position.entry_reason is not None else []
            trade = self._book.trades[symbol] = Trade(opened_ms // BAR_MS * BAR_MS, rules)
        return trade

    def _close(self, symbol: str) -> Decimal | None:
        """The newest close of a symbol."""
        gauge = self._gauges.get(symbol)
        return None if gauge is None or gauge.close is None else Decimal(repr(gauge.close))

    def _exit_detail(
        self, close_ms: int, symbol: str, trade: Trade, average: Decimal
    ) -> str | None:
        age_ms = close_ms - trade.entry_ms
        close = self._close(symbol)
        if age_ms >= self._negative_ms and close is not None and close < average:
            return f"neg_{self._settings.negative_hours}h"
        return "max_age" if age_ms >= self._max_ms else None

    def _breakeven(
        self, symbol: str, trade: Trade, average: Decimal, snapshot: Snapshot
    ) -> MoveStop | None:
        """Once per average price, and never downwards."""
        close = self._close(symbol)
        if close is None or close < average * (ONE + self._settings.be_trigger):
            return None
        instrument = snapshot.instruments.get(symbol)
        fee = TAKER_FEE if instrument is None else instrument.taker_fee
        stop = average * (ONE + 2 * fee + self._settings.be_margin)
        if instrument is not None:
            stop = instrument.round_price(stop)
        if trade.stop is not None and stop <= trade.stop:
            return None
        trade.stop = stop
        return MoveStop(
            symbol=symbol, stop_loss=stop, reason="stop_loss", details={"detail": "breakeven"}
        )

    # -- entries ------------------------------------------------------------------------------

    def _signals(self, close_ms: int, bars: Mapping[str, Bar]) -> list[Signal]:
        found: list[Signal] = []
        threshold, chosen = self._threshold, self._chosen
        for symbol in bars:
            gauge = self._gauges[symbol]
            pump = gauge.pump
            if pump is None or pump < threshold or symbol not in chosen:
                continue
            if not gauge.ready or gauge.close_ms != close_ms:
                continue
            figures = gauge.figures()
            rule = figures.rule
            if rule is not None:
                found.append(Signal(symbol, rule, figures, bars[symbol]))
        found.sort(key=lambda signal: signal.rank)
        return found

    def _entries(
        self, close_ms: int, signals: Sequence[Signal], snapshot: Snapshot, exiting: set[str]
    ) -> list[Enter]:
        """One after the other, as long as there are slots."""
        taken = {*snapshot.positions, *snapshot.pending_entries}
        entries: list[Enter] = []
        for signal in signals:
            if len(taken) >= self._settings.max_active_trades:
                break
            if signal.symbol not in exiting:
                entry = self._entry(close_ms, signal, snapshot)
                if entry is not None:
                    entries.append(entry)
                    taken.add(signal.symbol)
        return entries

    def _entry(self, close_ms: int, signal: Signal, snapshot: Snapshot) -> Enter | None:
        """The gates of one symbol."""
        symbol, trade = signal.symbol, self._book.trades.get(signal.symbol)
        if (
            self._book.account.multiplier <= ZERO
            or (trade is not None and trade.stop is None and signal.rule in trade.rules)
            or self._book.is_cooling(symbol, close_ms // self._window_ms)
        ):
            return None
        position = snapshot.positions.get(symbol)
        if position is None:
            return None if symbol in snapshot.pending_entries else self._enter(signal, snapshot)
        if (
            trade is None
            or symbol in snapshot.pending_entries
            or position.signed_qty <= ZERO
            or trade.entries >= self._settings.max_entries_per_symbol
        ):
            return None
        return self._add(signal, trade, position, snapshot)

    def _add(
        self, signal: Signal, trade: Trade, position: BotPosition, snapshot: Snapshot
    ) -> Enter:
        """An addition keeps the take profit of the first entry and lowers no stop."""
        if trade.first_price is None:
            trade.first_price = position.avg_price
        trade.adding = signal.rule
        target = None
        if trade.first_price is not None:
            target = trade.first_price * (ONE + self._settings.tp)
        return self._enter(signal, snapshot, reason="scale_in", stop=trade.stop, target=target)

    def _enter(
        self,
        signal: Signal,
        snapshot: Snapshot,
        *,
        reason: str | None = None,
        stop: Decimal | None = None,
        target: Decimal | None = None,
    ) -> Enter:
        settings, figures = self._settings, signal.figures
        multiplier = self._book.account.multiplier
        return Enter(
            symbol=signal.symbol,
            side="Buy",
            notional=settings.base_size * multiplier,
            price=Decimal(repr(signal.bar.close)),
            reason=reason or signal.rule,
            leverage=settings.leverage,
            stops=StopPlan(
                stop_loss=settings.sl,
                take_profit=settings.tp,
                trailing=settings.offset if settings.trailing else None,
                activation=settings.activation if settings.trailing else None,
                stop_loss_price=stop,
                take_profit_price=target,
            ),
            details={
                "rule": signal.rule,
                "pump": _shown(figures.pump),
                "rsi": _shown(figures.rsi),
                "volatility": _shown(figures.volatility),
                "spread": _shown(figures.spread),
                "score": str(figures.score),
                "multiplier": str(multiplier),
            },
        )


def _subscription(symbol: str) -> Subscription:
    return Subscription(symbol, BAR_MS, BUFFER_BARS)


def _shown(value: float | None) -> str:
    return "" if value is None else f"{value:.8g}"


def _close_all(snapshot: Snapshot, limit: str) -> list[Exit]:
    return [
        Exit(symbol=symbol, reason="risk_limit", details={"detail": limit})
        for symbol in sorted(snapshot.positions)
        if symbol not in snapshot.pending_exits
    ]
