"""ShortSeller's rules once more: averages of whole series, formed at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from tests.plugins.restated import (
    BAR_MS,
    DAY_MS,
    HOUR_MS,
    SYMBOLS,
    Exchange,
    Market,
    Order,
    Plan,
    sized,
)


@dataclass(frozen=True)
class ShortRules:
    fast: int = 240
    slow: int = 600
    window_1000: bool = False
    entry_window: int = 1
    max_crosses: int = 12
    cooldown: int = 12
    max_hours: int = 24
    allocation: Decimal = Decimal("0.07")
    leverage: Decimal = Decimal(10)
    gates: bool = True
    trailing: bool = True
    exposure: Decimal = Decimal("2.20")


#: Stop loss, take profit, trailing distance, activation.
LEVELS = {
    "BTCUSDT": ("0.010", "0.030", "0.010", "0.020"),
    "ETHUSDT": ("0.015", "0.045", "0.020", "0.020"),
    "SOLUSDT": ("0.015", "0.060", "0.020", "0.030"),
}


def averages(closes: Sequence[float], length: int, window_1000: bool) -> list[float | None]:
    weight = 2 / (length + 1)

    def course(values: Sequence[float]) -> list[float]:
        found = [sum(values[:length]) / length]
        for value in values[length:]:
            found.append(found[-1] + weight * (value - found[-1]))
        return found

    if not window_1000:
        return [*[None] * (length - 1), *course(closes)]
    ends = range(1000, len(closes) + 1)
    return [*[None] * 999, *(course(closes[end - 1000 : end])[-1] for end in ends)]


class RestatedShort(Exchange):
    def __init__(self, market: Market, rules: ShortRules, slippage: Decimal = Decimal(0)) -> None:
        super().__init__(market, slippage=slippage)
        self.rules = rules
        self.warm = 1000 if rules.window_1000 else 3000
        self.closes = {symbol: [float(row.close) for row in market[symbol]] for symbol in SYMBOLS}
        self.emas = {
            symbol: [averages(one, n, rules.window_1000) for n in (rules.fast, rules.slow)]
            for symbol, one in self.closes.items()
        }
        self.crosses: dict[tuple[str, int], int] = {}
        self.crossed: dict[str, int] = {}
        self.entered: dict[str, int] = {}
        self.day = -1
        self.day_equity = self.peak = Decimal(0)
        self.halted = False

    def decide(self, place: int, close_ms: int) -> None:
        for symbol, one in self.held.items():
            self.entered[symbol] = one.start_ms
        for deal in self.deals[-len(SYMBOLS) :]:
            newest = max(self.entered.get(deal.symbol, 0), deal.entry_ms)
            self.entered[deal.symbol] = newest
        if place < self.warm - 1:
            return
        equity = self.equity(place)
        if close_ms // DAY_MS != self.day:
            self.day, self.day_equity = close_ms // DAY_MS, equity
        self.peak = max(self.peak, equity)
        for symbol in SYMBOLS:
            self._count(symbol, place, close_ms - BAR_MS)
        if self.rules.gates and equity <= self.peak * Decimal("0.85"):
            self.halted = True
        if self.halted:
            for symbol in self.held:
                self.leave(symbol, "risk_limit", close_ms - BAR_MS)
            return
        accepted = Decimal(0)
        for symbol in SYMBOLS:
            if symbol in self.held:
                reason = self._reason_to_leave(symbol, place, close_ms)
                if reason:
                    self.leave(symbol, reason, close_ms - BAR_MS)
            elif self._may_enter(symbol, place, close_ms):
                accepted += self._sell(symbol, place, close_ms, equity, accepted)

    def _count(self, symbol: str, place: int, start_ms: int) -> None:
        closes = self.closes[symbol]
        for ema in self.emas[symbol]:
            before, now = ema[place - 1], ema[place]
            if before is None or now is None:
                continue
            if closes[place - 1] > before and closes[place] < now:
                key = (symbol, start_ms // DAY_MS)
                self.crosses[key] = self.crosses.get(key, 0) + 1
                self.crossed[symbol] = place

    def _is_active(self, symbol: str, place: int) -> bool:
        found = [ema[place] for ema in self.emas[symbol]]
        return all(one is not None and self.closes[symbol][place] < one for one in found)

    def _reason_to_leave(self, symbol: str, place: int, close_ms: int) -> str | None:
        one, close = self.held[symbol], self.market[symbol][place].close
        stop, profit = (Decimal(part) for part in LEVELS[symbol][:2])
        age = close_ms - one.start_ms
        if close <= one.price * (1 - profit):
            return "take_profit"
        if close >= one.price * (1 + stop):
            return "stop_loss"
        if age > self.rules.max_hours * HOUR_MS:
            return "time_exit"
        if not self._is_active(symbol, place) and age >= self.rules.cooldown * BAR_MS:
            return "ma_exit"
        return None

    def _may_enter(self, symbol: str, place: int, close_ms: int) -> bool:
        rules, entered = self.rules, self.entered.get(symbol)
        crosses = self.crosses.get((symbol, (close_ms - BAR_MS) // DAY_MS), 0)
        return (
            (entered is None or close_ms - entered >= rules.cooldown * BAR_MS)
            and self._is_active(symbol, place)
            and crosses < rules.max_crosses
            and symbol in self.crossed
            and place - self.crossed[symbol] < rules.entry_window
        )

    def _sell(
        self, symbol: str, place: int, close_ms: int, equity: Decimal, accepted: Decimal
    ) -> Decimal:
        """Notional of the order; 0 where there is none."""
        rules, close = self.rules, self.market[symbol][place].close
        target = round(self.wallet * rules.allocation * rules.leverage, 2)
        qty = sized(symbol, target, close)
        if qty is None:
            return Decimal(0)
        if rules.gates:
            exposure = sum(one.price * one.qty for one in self.held.values()) + accepted
            if equity <= self.day_equity * Decimal("0.95"):
                return Decimal(0)
            if exposure + qty * close > self.wallet * rules.exposure:
                return Decimal(0)
        stop, profit, trail, activation = (Decimal(part) for part in LEVELS[symbol])
        plan = Plan(stop, profit, trail, activation) if rules.trailing else Plan(stop, profit)
        self.enter(Order(symbol, -1, qty, plan, "ema_cross"), close_ms - BAR_MS)
        return qty * close
