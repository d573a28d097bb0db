"""ShortSeller and the fill model once more, written from the rules alone: one plain loop with
Decimals, nothing shared with the engine or the plugin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_FLOOR, ROUND_HALF_EVEN, Decimal

D = Decimal
STEP = 300_000
DAY = 86_400_000
WARM = 3000
FEE = D("0.00055")
GRID = {  # tick, quantity step
    "BTCUSDT": (D("0.1"), D("0.001")),
    "ETHUSDT": (D("0.01"), D("0.01")),
    "SOLUSDT": (D("0.01"), D("0.1")),
}
LEVELS = {  # stop loss, take profit, trailing distance, activation
    "BTCUSDT": (D("0.01"), D("0.03"), D("0.01"), D("0.02")),
    "ETHUSDT": (D("0.015"), D("0.045"), D("0.02"), D("0.02")),
    "SOLUSDT": (D("0.015"), D("0.06"), D("0.02"), D("0.03")),
}
#: start_ms, open, high, low, close as texts
Candle = tuple[int, str, str, str, str]
#: symbol, qty, entry_ms, entry price, exit_ms, exit price, reason, net
Trade = tuple[str, Decimal, int, Decimal, int, Decimal, str, Decimal]


@dataclass
class Rules:
    risk_gates: bool = True
    trailing: bool = True
    window: int = 1
    cooldown: int = 12
    slippage_bps: int = 0


@dataclass
class Short:
    qty: Decimal
    price: Decimal
    at: int
    stop: Decimal
    profit: Decimal
    distance: Decimal
    arms: Decimal
    trail: Decimal | None = None


@dataclass
class Asset:
    closes: list[float] = field(default_factory=list)
    averages: dict[int, float] = field(default_factory=dict)
    before: tuple[float, dict[int, float]] | None = None
    crossed: int = 0
    since: int = 10**9
    day: int = -1
    count: int = 0
    entry_at: int | None = None
    short: Short | None = None
    entering: Decimal | None = None
    exiting: str | None = None


def to_tick(price: Decimal, tick: Decimal) -> Decimal:
    return (price / tick).quantize(D(1), ROUND_HALF_EVEN) * tick


class Oracle:
    def __init__(self, market: Mapping[str, Sequence[Candle]], rules: Rules) -> None:
        self.market, self.rules = market, rules
        self.assets = {symbol: Asset() for symbol in market}
        self.wallet = D(10_000)
        self.trades: list[Trade] = []
        self.peak = D(0)
        self.day, self.day_equity = -1, D(0)
        self.halted = False

    def run(self) -> list[Trade]:
        for number in range(len(next(iter(self.market.values())))):
            for symbol, rows in self.market.items():
                self.open(symbol, rows[number])
                self.stops(symbol, rows[number])
            for symbol, rows in self.market.items():
                self.learn(self.assets[symbol], float(rows[number][4]))
            if number + 1 >= WARM:
                self.decide({symbol: rows[number] for symbol, rows in self.market.items()})
        return self.trades

    # -- fills

    def open(self, symbol: str, row: Candle) -> None:
        asset, opened = self.assets[symbol], D(row[1])
        slip = D(self.rules.slippage_bps) / 10_000
        if asset.exiting is not None:
            self.close(symbol, opened * (1 + slip), row[0], asset.exiting)
            asset.exiting = None
        if asset.entering is not None:
            price = opened * (1 - slip)
            tick = GRID[symbol][0]
            sl, tp, trail, act = LEVELS[symbol]
            asset.short = Short(
                asset.entering,
                price,
                row[0],
                to_tick(price * (1 + sl), tick),
                to_tick(price * (1 - tp), tick),
                max(to_tick(price * trail, tick), tick),
                to_tick(price * (1 - act), tick),
            )
            self.wallet -= asset.entering * price * FEE
            asset.entry_at, asset.entering = row[0], None

    def stops(self, symbol: str, row: Candle) -> None:
        short = self.assets[symbol].short
        if short is None:
            return
        start, opened, high, low = row[0], D(row[1]), D(row[2]), D(row[3])
        adverse = [(short.stop, "stop_loss")]
        if short.trail is not None:
            adverse.append((short.trail, "trailing_stop"))
        level, reason = min(adverse)
        if high >= level:
            self.close(symbol, max(level, opened), start, reason)
        elif low <= short.profit:
            self.close(symbol, min(short.profit, opened), start, "take_profit")
        elif self.rules.trailing and (short.trail is not None or low <= short.arms):
            moved = low + short.distance
            short.trail = moved if short.trail is None else min(short.trail, moved)

    def close(self, symbol: str, price: Decimal, at: int, reason: str) -> None:
        asset = self.assets[symbol]
        short = asset.short
        assert short is not None
        gross = (short.price - price) * short.qty
        fee_in, fee_out = short.qty * short.price * FEE, short.qty * price * FEE
        self.wallet += gross - fee_out
        net = gross - fee_in - fee_out
        self.trades.append((symbol, short.qty, short.at, short.price, at, price, reason, net))
        asset.short = None

    # -- indicators

    def learn(self, asset: Asset, close: float) -> None:
        last = (asset.closes[-1], dict(asset.averages)) if asset.closes else None
        asset.closes.append(close)
        for length in (240, 600):
            if len(asset.closes) <= length:
                asset.averages[length] = sum(asset.closes) / len(asset.closes)
            else:
                old = asset.averages[length]
                asset.averages[length] = old + 2 / (length + 1) * (close - old)
        asset.crossed = 0
        if last is not None:
            asset.crossed = sum(
                last[0] > last[1][n] and close < asset.averages[n] for n in (240, 600)
            )

    # -- decisions

    def decide(self, rows: Mapping[str, Candle]) -> None:
        start = next(iter(rows.values()))[0]
        now = start + STEP
        wallet, equity = self.wallet, self.wallet
        for symbol, asset in self.assets.items():
            if asset.short is not None:
                equity += (asset.short.price - D(rows[symbol][4])) * asset.short.qty
        if now // DAY != self.day:
            self.day, self.day_equity = now // DAY, equity
        self.peak = max(self.peak, equity)
        for asset in self.assets.values():
            if asset.day != start // DAY:
                asset.day, asset.count = start // DAY, 0
            asset.count += asset.crossed
            asset.since = 0 if asset.crossed else asset.since + 1
        if self.rules.risk_gates and (self.halted or equity <= self.peak * D("0.85")):
            self.halted = True
            for asset in self.assets.values():
                if asset.short is not None and asset.exiting is None:
                    asset.exiting = "risk_limit"
            return
        exposure = sum(
            (one.short.qty * one.short.price for one in self.assets.values() if one.short), D(0)
        )
        for symbol, asset in self.assets.items():
            close = D(rows[symbol][4])
            active = all(asset.closes[-1] < value for value in asset.averages.values())
            if asset.short is not None:
                asset.exiting = self.leave(symbol, asset.short, close, now, active)
            elif (
                active
                and asset.count < 12
                and asset.since < self.rules.window
                and (asset.entry_at is None or now - asset.entry_at >= self.rules.cooldown * STEP)
            ):
                step = GRID[symbol][1]
                target = (wallet * D("0.7")).quantize(D("0.01"), ROUND_HALF_EVEN)
                qty = (target / close / step).to_integral_value(ROUND_FLOOR) * step
                if self.rules.risk_gates and (
                    equity <= self.day_equity * D("0.95")
                    or exposure + qty * close > wallet * D("2.2")
                ):
                    continue
                exposure += qty * close
                asset.entering = qty

    def leave(
        self, symbol: str, short: Short, close: Decimal, now: int, active: bool
    ) -> str | None:
        gain = (short.price - close) / short.price
        sl, tp, _, _ = LEVELS[symbol]
        if gain >= tp:
            return "take_profit"
        if gain <= -sl:
            return "stop_loss"
        if now - short.at > DAY:
            return "time_exit"
        if not active and now - short.at >= self.rules.cooldown * STEP:
            return "ma_exit"
        return None
