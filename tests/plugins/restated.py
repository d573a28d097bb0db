"""ShortSeller, Momentum and the fill model once more, as plainly as the rules are written.

Whole series are looked at at once, averages are formed anew for every bar, nothing is saved or
resumed: no code and no design is shared with the bots, their host or the backtest. What both
agree on, trade by trade, is what the rules say.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from math import sqrt
from typing import NamedTuple

BAR_MS = 300_000
HOUR_MS = 3_600_000
FOUR_HOURS_MS = 4 * HOUR_MS
DAY_MS = 24 * HOUR_MS
FEE = Decimal("0.00055")
ONE = Decimal(1)
#: Tick and quantity step.
FILTERS = {
    "BTCUSDT": (Decimal("0.1"), Decimal("0.001")),
    "ETHUSDT": (Decimal("0.01"), Decimal("0.01")),
    "SOLUSDT": (Decimal("0.01"), Decimal("0.1")),
}
SYMBOLS = tuple(FILTERS)


class Row(NamedTuple):
    """A 5-minute candle."""

    start_ms: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal


Market = Mapping[str, Sequence[Row]]


class Deal(NamedTuple):
    """A finished trade."""

    symbol: str
    side: str
    qty: Decimal
    entry_ms: int
    entry_price: Decimal
    entry_reason: str
    exit_ms: int
    exit_price: Decimal
    exit_reason: str
    fees: Decimal
    net_pnl: Decimal


#: Start of the deciding bar, symbol, kind, reason.
Said = tuple[int, str, str, str]


@dataclass(frozen=True)
class Plan:
    """Distances of the stops as fractions of the fill."""

    stop: Decimal | None = None
    profit: Decimal | None = None
    trail: Decimal | None = None
    activation: Decimal | None = None


@dataclass
class Order:
    symbol: str
    sign: int
    qty: Decimal
    plan: Plan
    reason: str


@dataclass
class Held:
    """An open position; `best` is the price that the trailing stop follows, None until armed."""

    sign: int
    qty: Decimal
    price: Decimal
    start_ms: int
    reason: str
    fee: Decimal
    stop: Decimal | None
    profit: Decimal | None
    distance: Decimal | None
    activation: Decimal | None
    best: Decimal | None


def on_tick(price: Decimal, tick: Decimal) -> Decimal:
    return (price / tick).to_integral_value(ROUND_HALF_EVEN) * tick


def sized(symbol: str, target: Decimal, price: Decimal) -> Decimal | None:
    """Floored to the step; raised to the least that is taken if that is at most 10 % more."""
    _, step = FILTERS[symbol]
    qty = target / price // step * step
    least = step
    while least * price < 5:
        least += step
    if qty >= least:
        return qty
    return least if least * price <= target * Decimal("1.10") else None


@dataclass
class Exchange:
    """The account, and bars that go by: orders at the open, then stops, then the bot's close."""

    market: Market
    balance: Decimal = Decimal(10_000)
    slippage: Decimal = Decimal(0)
    wallet: Decimal = field(init=False)
    held: dict[str, Held] = field(default_factory=dict)
    entries: list[Order] = field(default_factory=list)
    exits: list[tuple[str, str]] = field(default_factory=list)
    deals: list[Deal] = field(default_factory=list)
    said: list[Said] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.wallet = self.balance

    def decide(self, place: int, close_ms: int) -> None:
        raise NotImplementedError

    def run(self) -> None:
        for place, first in enumerate(self.market[SYMBOLS[0]]):
            exits, self.exits = self.exits, []
            entries, self.entries = self.entries, []
            for symbol, reason in exits:
                if symbol in self.held:
                    row = self.market[symbol][place]
                    price = row.open * (1 - self.slippage * self.held[symbol].sign)
                    self._leave(symbol, price, row.start_ms, reason)
            for order in entries:
                self._enter(order, self.market[order.symbol][place])
            for symbol in list(self.held):
                self._look_at_stops(symbol, self.market[symbol][place])
            self.decide(place, first.start_ms + BAR_MS)

    def equity(self, place: int) -> Decimal:
        open_pnl = (
            (self.market[symbol][place].close - one.price) * one.qty * one.sign
            for symbol, one in self.held.items()
        )
        return self.wallet + sum(open_pnl)

    def leave(self, symbol: str, reason: str, start_ms: int) -> None:
        self.exits.append((symbol, reason))
        self.said.append((start_ms, symbol, "exit", reason))

    def enter(self, order: Order, start_ms: int) -> None:
        self.entries.append(order)
        self.said.append((start_ms, order.symbol, "entry", order.reason))

    def _enter(self, order: Order, row: Row) -> None:
        sign, plan, (tick, _) = order.sign, order.plan, FILTERS[order.symbol]
        price = row.open * (1 + self.slippage * sign)
        fee = price * order.qty * FEE
        self.wallet -= fee

        def level(part: Decimal | None, way: int) -> Decimal | None:
            return None if part is None else on_tick(price * (1 + way * sign * part), tick)

        self.held[order.symbol] = Held(
            sign,
            order.qty,
            price,
            row.start_ms,
            order.reason,
            fee,
            stop=level(plan.stop, -1),
            profit=level(plan.profit, 1),
            distance=None if plan.trail is None else max(on_tick(price * plan.trail, tick), tick),
            activation=level(plan.activation, 1),
            best=price if plan.trail is not None and plan.activation is None else None,
        )

    def _leave(self, symbol: str, price: Decimal, start_ms: int, reason: str) -> None:
        one = self.held.pop(symbol)
        fee = price * one.qty * FEE
        gross = (price - one.price) * one.qty * one.sign
        self.wallet += gross - fee
        self.deals.append(
            Deal(
                symbol,
                "long" if one.sign > 0 else "short",
                one.qty,
                one.start_ms,
                one.price,
                one.reason,
                start_ms,
                price,
                reason,
                one.fee + fee,
                gross - fee - one.fee,
            )
        )

    def _look_at_stops(self, symbol: str, row: Row) -> None:
        one, (tick, _) = self.held[symbol], FILTERS[symbol]
        sign = one.sign
        worst, best = (row.low, row.high) if sign > 0 else (row.high, row.low)
        stops: list[tuple[Decimal, str]] = []
        if one.stop is not None:
            stops.append((one.stop, "stop_loss"))
        if one.best is not None and one.distance is not None:
            stops.append((on_tick(one.best - sign * one.distance, tick), "trailing_stop"))
        touched = [(level, name) for level, name in stops if (worst - level) * sign <= 0]
        if touched:
            level, name = max(touched, key=lambda pair: pair[0] * sign)
            beyond = (row.open - level) * sign < 0
            self._leave(symbol, row.open if beyond else level, row.start_ms, name)
        elif one.profit is not None and (best - one.profit) * sign >= 0:
            better = (row.open - one.profit) * sign > 0
            price = row.open if better else one.profit
            self._leave(symbol, price, row.start_ms, "take_profit")
        elif one.best is not None:
            one.best = max(one.best * sign, best * sign) * sign
        elif one.activation is not None and (best - one.activation) * sign >= 0:
            one.best = best


# -- ShortSeller ------------------------------------------------------------------------------


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


# -- Momentum ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class MomentumRules:
    bbw_pct: float = 0.35
    rvr: float = 2.0
    trail: Decimal = Decimal("0.10")
    peak: bool = False
    max_positions: int = 3
    risk: Decimal = Decimal("0.05")
    max_fraction: Decimal = Decimal("0.20")


def mean_of(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def deviation_of(values: Sequence[float]) -> float:
    mean = mean_of(values)
    return sqrt(sum((value - mean) ** 2 for value in values) / (len(values) - 1))


class Whole(NamedTuple):
    """A 4-hour bar with all its parts."""

    start_ms: int
    high: Decimal
    close: float
    volume: float


def four_hours(rows: Sequence[Row]) -> list[Whole]:
    parts: dict[int, list[Row]] = {}
    for row in rows:
        parts.setdefault(row.start_ms // FOUR_HOURS_MS, []).append(row)
    return [
        Whole(
            number * FOUR_HOURS_MS,
            max(row.high for row in some),
            float(some[-1].close),
            float(sum(row.volume for row in some)),
        )
        for number, some in sorted(parts.items())
        if len(some) == 48
    ]


class RestatedMomentum(Exchange):
    def __init__(
        self, market: Market, rules: MomentumRules, slippage: Decimal = Decimal(0)
    ) -> None:
        super().__init__(market, slippage=slippage)
        self.rules = rules
        self.bars = {symbol: four_hours(market[symbol]) for symbol in SYMBOLS}
        self.places = {
            symbol: {bar.start_ms + FOUR_HOURS_MS: place for place, bar in enumerate(bars)}
            for symbol, bars in self.bars.items()
        }
        self.anchors: dict[str, tuple[object, Decimal]] = {}
        self.reached: set[str] = set()
        self.peak = Decimal(0)

    def decide(self, place: int, close_ms: int) -> None:
        ready = [one for one in SYMBOLS if self.places[one].get(close_ms, -1) >= 108]
        if close_ms % FOUR_HOURS_MS or not ready:
            return
        equity = self.equity(place)
        self._limit(close_ms, equity)
        start_ms = close_ms - FOUR_HOURS_MS
        leaving = 0
        for symbol in ready:
            reason = self._reason_to_leave(symbol, place, close_ms)
            if reason:
                leaving += 1
                self.leave(symbol, reason, start_ms)
        if self.reached & {"day", "month", "drawdown"}:
            return
        rules = self.rules
        part = min(rules.risk / rules.trail, rules.max_fraction)
        target = equity * part * (Decimal("0.5") if "week" in self.reached else ONE)
        slots = rules.max_positions - len(self.held) + leaving
        for _, symbol in sorted(self._candidates(ready, close_ms), key=lambda pair: -pair[0]):
            qty = sized(symbol, target, self.market[symbol][place].close)
            if slots > 0 and qty is not None:
                slots -= 1
                plan = Plan(stop=Decimal("0.20")) if rules.peak else Plan(trail=rules.trail)
                self.enter(Order(symbol, 1, qty, plan, "volatility_breakout"), start_ms)

    def _limit(self, close_ms: int, equity: Decimal) -> None:
        at = datetime.fromtimestamp(close_ms / 1000, UTC)
        for name, period, floor in (
            ("day", at.date(), "0.97"),
            ("week", at.isocalendar()[:2], "0.92"),
            ("month", (at.year, at.month), "0.85"),
        ):
            if name not in self.anchors or self.anchors[name][0] != period:
                self.anchors[name] = (period, equity)
                self.reached.discard(name)
            if equity <= self.anchors[name][1] * Decimal(floor):
                self.reached.add(name)
        self.peak = max(self.peak, equity)
        if equity <= self.peak * Decimal("0.80"):
            self.reached.add("drawdown")

    def _reason_to_leave(self, symbol: str, place: int, close_ms: int) -> str | None:
        one = self.held.get(symbol)
        if one is None:
            return None
        bars = self.bars[symbol][: self.places[symbol][close_ms] + 1]
        if self.rules.peak:
            first = one.start_ms // FOUR_HOURS_MS * FOUR_HOURS_MS
            peak = max(bar.high for bar in bars if bar.start_ms >= first)
            if self.market[symbol][place].close <= peak * (1 - self.rules.trail):
                return "trailing_stop"
        return "ma_exit" if bars[-1].close < mean_of([bar.close for bar in bars[-20:]]) else None

    def _candidates(self, ready: Sequence[str], close_ms: int) -> list[tuple[float, str]]:
        found = []
        for symbol in ready:
            end = self.places[symbol][close_ms] + 1
            closes = [bar.close for bar in self.bars[symbol][end - 109 : end]]
            volumes = [bar.volume for bar in self.bars[symbol][end - 20 : end]]
            windows = [closes[k : k + 20] for k in range(90)]
            widths = [4 * deviation_of(window) / mean_of(window) for window in windows]
            mean, deviation = mean_of(windows[-1]), deviation_of(windows[-1])
            pct = sum(width < widths[-1] for width in widths) / 89
            rvr = volumes[-1] / mean_of(volumes)
            rise = (closes[-1] - mean) / mean
            strength = mean_of([1 - pct, min(rvr / 5, 1.0), min(rise / 0.10, 1.0)])
            if (
                symbol not in self.held
                and pct < self.rules.bbw_pct
                and closes[-1] > mean + 2 * deviation
                and rvr > self.rules.rvr
            ):
                found.append((strength, symbol))
        return found
