"""The fill model once more, as plainly as its rules are written; the bots that are restated here
sit on it.

Whole series are looked at at once, averages are formed anew for every bar, nothing is saved or
resumed: no code and no design is shared with the bots, their host or the backtest. What both
agree on, trade by trade, is what the rules say.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_HALF_EVEN, Decimal
from typing import NamedTuple

BAR_MS = 300_000
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
FEE = Decimal("0.00055")
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
