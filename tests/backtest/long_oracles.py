"""LXAlgo and Momentum once more, written from the rules alone, with the fill model of longs: plain
loops that share nothing with the engine or the plugins. Windows are summed anew at each bar."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import ROUND_FLOOR, ROUND_HALF_EVEN, Decimal
from itertools import pairwise

D = Decimal
HOUR = 3_600_000
DAY = 24 * HOUR
FEE = D("0.00055")
#: start_ms, open, high, low, close, volume
Candle = tuple[int, float, float, float, float, float]
#: symbol, qty, entry_ms, entry price, exit_ms, exit price, reason, net
Trade = tuple[str, Decimal, int, Decimal, int, Decimal, str, Decimal]


def fmean(numbers: Iterable[float]) -> float:
    found = list(numbers)
    return math.fsum(found) / len(found)


def stdev(numbers: Sequence[float]) -> float:
    """Of a sample. (That of the standard library is exact and a hundred times slower.)"""
    mean = fmean(numbers)
    return math.sqrt(math.fsum((one - mean) ** 2 for one in numbers) / (len(numbers) - 1))


def money(number: float) -> Decimal:
    return D(repr(number))


@dataclass
class Plan:
    """Fractions of the entry; `arms` None with a distance: armed at once."""

    stop: Decimal | None = None
    profit: Decimal | None = None
    distance: Decimal | None = None
    arms: Decimal | None = None


@dataclass
class Long:
    qty: Decimal
    price: Decimal
    at: int
    stop: Decimal | None
    profit: Decimal | None
    distance: Decimal | None
    arms: Decimal | None
    trail: Decimal | None = None
    at_breakeven: bool = False


@dataclass
class Desk:
    """Orders for the next open, positions, wallet. `step` is the length of a fine bar."""

    tick: Decimal
    lot: Decimal
    step: int
    slippage_bps: int = 0
    wallet: Decimal = field(default_factory=lambda: D(10_000))
    held: dict[str, Long] = field(default_factory=dict)
    entering: dict[str, tuple[Decimal, Plan]] = field(default_factory=dict)
    exiting: dict[str, str] = field(default_factory=dict)
    trades: list[Trade] = field(default_factory=list)

    def on_tick(self, price: Decimal) -> Decimal:
        return (price / self.tick).quantize(D(1), ROUND_HALF_EVEN) * self.tick

    def enter(self, symbol: str, notional: Decimal, close: Decimal, plan: Plan) -> bool:
        qty = (notional / close / self.lot).to_integral_value(ROUND_FLOOR) * self.lot
        if qty < self.lot or qty * close < 5:
            return False
        self.entering[symbol] = (qty, plan)
        return True

    def open(self, symbol: str, row: Candle) -> None:
        slip = D(self.slippage_bps) / 10_000
        opened = money(row[1])
        if symbol in self.exiting:
            self.close(symbol, opened * (1 - slip), row[0], self.exiting.pop(symbol))
        if symbol in self.entering:
            qty, plan = self.entering.pop(symbol)
            price = opened * (1 + slip)

            def level(part: Decimal | None, sign: int) -> Decimal | None:
                return None if part is None else self.on_tick(price * (1 + sign * part))

            distance = None
            if plan.distance is not None:
                distance = max(self.on_tick(price * plan.distance), self.tick)
            new = Long(
                qty,
                price,
                row[0],
                level(plan.stop, -1),
                level(plan.profit, 1),
                distance,
                level(plan.arms, 1),
            )
            if distance is not None and plan.arms is None:
                new.trail = self.on_tick(price - distance)
            self.held[symbol] = new
            self.wallet -= qty * price * FEE

    def stops(self, symbol: str, row: Candle) -> None:
        one = self.held.get(symbol)
        if one is None:
            return
        opened, high, low = money(row[1]), money(row[2]), money(row[3])
        adverse = [
            (level, reason)
            for level, reason in ((one.stop, "stop_loss"), (one.trail, "trailing_stop"))
            if level is not None
        ]
        level, reason = max(adverse) if adverse else (D(0), "")
        if low <= level:
            self.close(symbol, min(level, opened), row[0], reason)
        elif one.profit is not None and high >= one.profit:
            self.close(symbol, max(one.profit, opened), row[0], "take_profit")
        elif one.distance is not None:
            if one.trail is not None:
                one.trail = max(one.trail, high - one.distance)
            elif one.arms is not None and high >= one.arms:
                one.trail = high - one.distance

    def close(self, symbol: str, price: Decimal, at: int, reason: str) -> None:
        one = self.held.pop(symbol)
        gross, fee = (price - one.price) * one.qty, one.qty * price * FEE
        self.wallet += gross - fee
        net = gross - fee - one.qty * one.price * FEE
        self.trades.append((symbol, one.qty, one.at, one.price, at, price, reason, net))

    def equity(self, closes: Mapping[str, float]) -> Decimal:
        return self.wallet + sum(
            ((money(closes[symbol]) - one.price) * one.qty for symbol, one in self.held.items()),
            D(0),
        )


# -- Momentum ---------------------------------------------------------------------------------


def momentum(market: Mapping[str, Sequence[Candle]], desk: Desk) -> list[Trade]:
    """On fine bars of `desk.step`; all series begin at the start of a 4-hour bar."""
    parts = 4 * HOUR // desk.step
    coarse: dict[str, list[Candle]] = {symbol: [] for symbol in market}
    day = week = month = -1
    anchor = dict.fromkeys(("day", "week", "month"), D(0))
    latched: set[str] = set()
    peak = D(0)
    for number in range(len(next(iter(market.values())))):
        for symbol, rows in market.items():
            desk.open(symbol, rows[number])
        for symbol, rows in market.items():
            desk.stops(symbol, rows[number])
        if (number + 1) % parts:
            continue
        for symbol, rows in market.items():
            one = rows[number + 1 - parts : number + 1]
            high, low = max(row[2] for row in one), min(row[3] for row in one)
            volume = sum(row[5] for row in one)
            coarse[symbol].append((one[0][0], one[0][1], high, low, one[-1][4], volume))
        if len(next(iter(coarse.values()))) < 109:
            continue
        now = next(iter(coarse.values()))[-1][0] + 4 * HOUR
        closes = {symbol: bars[-1][4] for symbol, bars in coarse.items()}
        equity = desk.equity(closes)
        moment = datetime.fromtimestamp(now / 1000, UTC)
        periods = (now // DAY, (now + 3 * DAY) // (7 * DAY), moment.year * 12 + moment.month)
        for name, old, new in zip(anchor, (day, week, month), periods, strict=True):
            if old != new:
                anchor[name] = equity
                latched.discard(name)
        day, week, month = periods
        peak = max(peak, equity)
        for name, limit in (("day", D("0.03")), ("week", D("0.08")), ("month", D("0.15"))):
            if equity <= anchor[name] * (1 - limit):
                latched.add(name)
        if equity <= peak * D("0.8"):
            latched.add("drawdown")
        found = {symbol: figures(bars) for symbol, bars in coarse.items()}
        for symbol, one_held in desk.held.items():
            if one_held.at < now and closes[symbol] < found[symbol][0]:
                desk.exiting[symbol] = "ma_exit"
        if latched & {"day", "month", "drawdown"}:
            continue
        slots = 3 - len(desk.held) + len(desk.exiting)
        strong = [one for one in found if found[one][1] and one not in desk.held]
        for symbol in sorted(strong, key=lambda one: -found[one][2]):
            if slots <= 0:
                break
            size = equity * D("0.2") * (D("0.5") if "week" in latched else 1)
            plan = Plan(distance=D("0.1"))
            slots -= desk.enter(symbol, size, money(closes[symbol]), plan)
    return desk.trades


def figures(bars: Sequence[Candle]) -> tuple[float, bool, float]:
    """Mean, whether it breaks out, strength."""
    closes = [bar[4] for bar in bars[-109:]]
    widths = []
    for end in range(20, 110):
        window = closes[end - 20 : end]
        widths.append(4 * stdev(window) / fmean(window))
    mean = fmean(closes[-20:])
    upper = mean + 2 * stdev(closes[-20:])
    rank = sum(width < widths[-1] for width in widths) / 89
    volume = bars[-1][5] / fmean(bar[5] for bar in bars[-20:])
    close = closes[-1]
    strength = fmean((1 - rank, min(volume / 5, 1), min((close - mean) / mean / 0.1, 1)))
    return mean, rank < 0.35 and close > upper and volume > 2 and close > mean, strength


# -- LXAlgo -----------------------------------------------------------------------------------


@dataclass
class LXRules:
    pump: float = 8.0
    base: Decimal = field(default_factory=lambda: D(200))
    most: int = 20
    stop: Decimal = field(default_factory=lambda: D("0.08"))
    profit: Decimal = field(default_factory=lambda: D("0.30"))
    arms: Decimal = field(default_factory=lambda: D("0.20"))
    offset: Decimal = field(default_factory=lambda: D("0.10"))
    breakeven: Decimal = field(default_factory=lambda: D("0.08"))


def lxalgo(market: Mapping[str, Sequence[Candle]], desk: Desk, rules: LXRules) -> list[Trade]:
    day = week = -1
    day_equity = week_equity = worst = D(0)
    level, halted_until = 0, 0
    windows: dict[str, int] = {}
    for number in range(len(next(iter(market.values())))):
        rows = {symbol: one[number] for symbol, one in market.items()}
        for symbol, row in rows.items():
            desk.open(symbol, row)
        for symbol, row in rows.items():
            desk.stops(symbol, row)
        if number + 1 < 300:
            continue
        now = next(iter(rows.values()))[0] + desk.step
        closes = {symbol: row[4] for symbol, row in rows.items()}
        equity = desk.equity(closes)
        if day != now // DAY:
            day, day_equity = now // DAY, equity
        if week != (now + 3 * DAY) // (7 * DAY):
            week, week_equity, worst, level = (now + 3 * DAY) // (7 * DAY), equity, D(0), 0
        lost = week_equity - equity
        worst = max(worst, lost)
        if day_equity - equity >= day_equity * D("0.02"):
            halted_until = max(halted_until, (day + 1) * DAY + 60_000)
        if lost >= week_equity * D("0.06"):
            level = 2
            halted_until = max(halted_until, (week + 1) * 7 * DAY - 3 * DAY + 60_000)
        elif level < 2 and lost >= week_equity * D("0.04"):
            level = 1
        elif level == 1 and lost <= worst / 2:
            level = 0
        if now < halted_until:
            desk.exiting.update(dict.fromkeys(desk.held, "risk_limit"))
            continue
        for symbol, one in desk.held.items():
            close = money(closes[symbol])
            age = now - one.at
            if (age >= 8 * HOUR and close < one.price) or age >= 72 * HOUR:
                desk.exiting[symbol] = "time_exit"
            elif not one.at_breakeven and close >= one.price * (1 + rules.breakeven):
                one.at_breakeven = True
                moved = desk.on_tick(one.price * (1 + 2 * FEE + D("0.0002")))
                one.stop = moved if one.stop is None else max(one.stop, moved)
        signals = []
        for symbol, series in market.items():
            rise = (series[number][4] - series[number - 12][1]) / series[number - 12][1] * 100
            if rise >= rules.pump:
                rule = classify(series[number - 299 : number + 1])
                turnover = series[number][4] * series[number][5]
                if rule is not None:
                    signals.append((rule != "rule_8", -rise, -turnover, symbol))
        for *_, symbol in sorted(signals):
            window = now // (4 * HOUR)
            taken = {*desk.held, *desk.entering}
            if len(taken) >= rules.most or symbol in taken or windows.get(symbol) == window:
                continue
            size = rules.base * (D(1), D("0.5"), D(0))[level]
            plan = Plan(rules.stop, rules.profit, rules.offset, rules.arms)
            if size and desk.enter(symbol, size, money(closes[symbol]), plan):
                windows[symbol] = window
    return desk.trades


def classify(bars: Sequence[Candle]) -> str | None:
    """The rule that 300 bars are for."""
    closes = [bar[4] for bar in bars]
    up = down = 0.0
    for before, after in pairwise(closes):
        up += (max(after - before, 0.0) - up) / 84
        down += (max(before - after, 0.0) - down) / 84
    rsi = 100.0 if down == 0 else 100 - 100 / (1 + up / down)
    changes = [(closes[n] / closes[n - 1] - 1) * 100 for n in range(-144, 0)]
    volatility = stdev(changes)
    now = bars[-1]
    spread = (now[2] - now[3]) / now[4] * 100
    price = (now[4] / closes[-145] - 1) * 100
    old = bars[-145][5]
    volume = math.inf if old == 0 else (now[5] / old - 1) * 100
    score = (rsi > 60) + (volume > 50) + (spread < 3) + (volatility > 0.005) + (price > 5)
    if score >= 2 and spread < 4:
        return "rule_8"
    return "rule_6" if rsi > 55 and volatility > 0.008 else None
