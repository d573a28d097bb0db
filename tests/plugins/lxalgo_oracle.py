"""LXAlgo and a market to trade it on, written a second time: from the rules as they are described,
with every figure computed anew over its whole window. Shares no code with the product."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_FLOOR, ROUND_HALF_EVEN, Decimal
from itertools import pairwise

Row = tuple[int, float, float, float, float, float]  # start_ms, open, high, low, close, volume
MINUTE = 60_000
BAR, HOUR, DAY = 5 * MINUTE, 60 * MINUTE, 1440 * MINUTE
FEE = Decimal("0.00055")
STEPS = {  # tick, quantity step
    "BTCUSDT": (Decimal("0.1"), Decimal("0.001")),
    "ETHUSDT": (Decimal("0.01"), Decimal("0.01")),
    "SOLUSDT": (Decimal("0.01"), Decimal("0.1")),
}


@dataclass
class Rules:
    threshold: float = 8.0
    lookback: int = 12
    size: Decimal = Decimal(200)
    most: int = 20
    entries: int = 1
    sl: Decimal = Decimal("0.08")
    tp: Decimal = Decimal("0.30")
    act: Decimal = Decimal("0.20")
    off: Decimal = Decimal("0.10")
    be: Decimal = Decimal("0.08")
    slippage_bps: Decimal = Decimal(0)


@dataclass
class Held:
    entry_ms: int
    avg: Decimal
    qty: Decimal
    rules: list[str]
    invested: Decimal
    fees: Decimal
    stop: Decimal
    target: Decimal
    armed_at: Decimal
    distance: Decimal
    first: Decimal
    entries: int = 1
    trail: Decimal | None = None
    peak: Decimal | None = None
    even: Decimal | None = None


#: symbol, entry_ms, exit_ms, exit price, exit reason, quantity, net
Sold = tuple[str, int, int, Decimal, str, Decimal, Decimal]


def D(x: float) -> Decimal:
    return Decimal(repr(x))


def tick(symbol: str, price: Decimal) -> Decimal:
    unit = STEPS[symbol][0]
    return (price / unit).quantize(Decimal(1), ROUND_HALF_EVEN) * unit


def rule(rows: Sequence[Row], i: int, r: Rules) -> tuple[str, float] | None:
    """The rule that bar `i` signals, and its rise in percent."""
    _, _, high, low, close, volume = rows[i]
    base = rows[i - r.lookback][1]
    pump = (close - base) / base * 100
    if pump < r.threshold:
        return None
    closes = [row[4] for row in rows[i - 299 : i + 1]]
    up = down = 0.0
    for before, now in pairwise(closes):
        up += (max(now - before, 0.0) - up) / 84
        down += (max(before - now, 0.0) - down) / 84
    rsi = 100.0 if down == 0 else 100 - 100 / (1 + up / down)
    last = closes[-145:]
    returns = [(b / a - 1) * 100 for a, b in pairwise(last)]
    volatility = statistics.stdev(returns)
    spread = (high - low) / close * 100
    change = (close / closes[-145] - 1) * 100
    old = rows[i - 144][5]
    growth = (volume / old - 1) * 100 if old else (math.inf if volume else math.nan)
    score = sum((rsi > 60, growth > 50, spread < 3, volatility > 0.005, change > 5))
    if score >= 2 and spread < 4:
        return "rule_8", pump
    return ("rule_6", pump) if rsi > 55 and volatility > 0.008 else None


@dataclass
class Oracle:
    rows: Mapping[str, Sequence[Row]]
    rules: Rules
    wallet: Decimal = Decimal(10_000)
    held: dict[str, Held] = field(default_factory=dict)
    buys: dict[str, tuple[str, Decimal]] = field(default_factory=dict)  # rule, quantity
    sells: dict[str, str] = field(default_factory=dict)
    windows: dict[str, int] = field(default_factory=dict)
    sold: list[Sold] = field(default_factory=list)
    signals: list[tuple[str, int, str, str]] = field(default_factory=list)
    day: tuple[int, Decimal] = (-1, Decimal(0))
    week: tuple[int, Decimal] = (-1, Decimal(0))
    worst: Decimal = Decimal(0)
    level: int = 0
    halted: int = 0

    def run(self) -> Oracle:
        symbols = sorted(self.rows)
        for i in range(len(self.rows[symbols[0]])):
            for symbol in symbols:
                self.trade_bar(symbol, self.rows[symbol][i])
            if i >= 299:
                self.decide(i, symbols)
        return self

    # -- the market ---------------------------------------------------------------------------

    def sell(self, symbol: str, start: int, price: Decimal, reason: str) -> None:
        h = self.held.pop(symbol)
        got = h.qty * price
        self.wallet += got - h.invested - got * FEE
        net = got - h.invested - h.fees - got * FEE
        self.sold.append((symbol, h.entry_ms, start, price, reason, h.qty, net))

    def trade_bar(self, symbol: str, row: Row) -> None:
        start, o, h, low, *_ = row
        open_, high, bottom = D(o), D(h), D(low)
        slip = self.rules.slippage_bps / 10_000
        if symbol in self.sells:
            self.sell(symbol, start, open_ * (1 - slip), self.sells.pop(symbol))
        if symbol in self.buys:
            self.buy(symbol, start, open_ * (1 + slip))
        held = self.held.get(symbol)
        if held is None:
            return
        level, reason = held.stop, "stop_loss"
        if held.trail is not None and held.trail > level:
            level, reason = held.trail, "trailing_stop"
        if bottom <= level:
            self.sell(symbol, start, min(level, open_), reason)
        elif high >= held.target:
            self.sell(symbol, start, max(held.target, open_), "take_profit")
        elif held.peak is not None or high >= held.armed_at:
            held.peak = high if held.peak is None else max(held.peak, high)
            held.trail = held.peak - held.distance

    def buy(self, symbol: str, start: int, price: Decimal) -> None:
        name, qty = self.buys.pop(symbol)
        r, cost = self.rules, qty * price
        self.wallet -= cost * FEE
        self.windows[symbol] = start // (4 * HOUR)
        h = self.held.get(symbol)
        if h is None:
            zero = Decimal(0)
            h = self.held[symbol] = Held(
                start, price, qty, [name], cost, cost * FEE, zero, zero, zero, zero, price
            )
        else:
            h.avg = (h.avg * h.qty + cost) / (h.qty + qty)
            h.qty, h.invested, h.fees = h.qty + qty, h.invested + cost, h.fees + cost * FEE
            h.rules.append(name)
            h.entries += 1
        h.stop = tick(symbol, h.avg * (1 - r.sl))
        if h.even is not None:
            h.stop = max(h.stop, h.even)
        h.target = tick(symbol, h.first * (1 + r.tp))
        h.armed_at = tick(symbol, h.avg * (1 + r.act))
        h.distance = max(tick(symbol, h.avg * r.off), STEPS[symbol][0])

    # -- the strategy -------------------------------------------------------------------------

    def decide(self, i: int, symbols: Sequence[str]) -> None:
        r = self.rules
        start = self.rows[symbols[0]][i][0]
        now = start + BAR
        closes = {symbol: D(self.rows[symbol][i][4]) for symbol in symbols}
        equity = self.wallet + sum(h.qty * closes[s] - h.invested for s, h in self.held.items())
        self.limits(now, equity)
        if now < self.halted:
            for symbol in self.held:
                self.sells[symbol] = "risk_limit"
                self.signals.append((symbol, start, "exit", "risk_limit"))
            return
        for symbol, h in self.held.items():
            age, close = now - h.entry_ms, closes[symbol]
            if (age >= 8 * HOUR and close < h.avg) or age >= 72 * HOUR:
                self.sells[symbol] = "time_exit"
                self.signals.append((symbol, start, "exit", "time_exit"))
            elif close >= h.avg * (1 + r.be):
                even = tick(symbol, h.avg * (1 + 2 * FEE + Decimal("0.0002")))
                if h.even is None or even > h.even:
                    h.even = h.stop = even
        found = [(s, rule(self.rows[s], i, r)) for s in symbols]
        ranked = sorted(
            ((one[0] != "rule_8", -one[1], -self.turnover(s, i), s) for s, one in found if one)
        )
        for is_6, _, _, symbol in ranked:
            name = "rule_6" if is_6 else "rule_8"
            holding = self.held.get(symbol)
            if (
                self.level == 2
                or (holding and holding.even is None and name in holding.rules)
                or len(self.held.keys() | self.buys.keys()) >= r.most
                or self.windows.get(symbol) == now // (4 * HOUR)
                or symbol in self.sells
                or (holding and holding.entries >= r.entries)
            ):
                continue
            unit = STEPS[symbol][1]
            size = r.size / 2 if self.level == 1 else r.size
            units = (size / closes[symbol] / unit).to_integral_value(ROUND_FLOOR)
            self.buys[symbol] = (name, units * unit)
            self.signals.append((symbol, start, "entry", "scale_in" if holding else name))

    def turnover(self, symbol: str, i: int) -> float:
        return self.rows[symbol][i][5] * self.rows[symbol][i][4]

    def limits(self, now: int, equity: Decimal) -> None:
        day, monday = now // DAY, (now // DAY + 3) // 7
        if day != self.day[0]:
            self.day = (day, equity)
        if monday != self.week[0]:
            self.week, self.worst, self.level = (monday, equity), Decimal(0), 0
        lost_today, lost = self.day[1] - equity, self.week[1] - equity
        self.worst = max(self.worst, lost)
        if lost_today / self.day[1] >= Decimal("0.02"):
            self.halted = max(self.halted, (day + 1) * DAY + MINUTE)
        if lost / self.week[1] >= Decimal("0.06"):
            self.level = 2
            self.halted = max(self.halted, ((monday + 1) * 7 - 3) * DAY + MINUTE)
        elif self.level != 2 and lost / self.week[1] >= Decimal("0.04"):
            self.level = 1
        elif self.level == 1 and equity >= self.week[1] - self.worst / 2:
            self.level = 0
