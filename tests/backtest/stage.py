"""A stage for tests of the backtest: candles from a few numbers, a strategy that does what it is
told at given closes, and one run of both."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from alpha.backtest.engine import Engine, FundingRate
from alpha.backtest.instruments import instruments_of
from alpha.backtest.result import Result
from alpha.backtest.seat import Seat
from alpha.backtest.tape import Tape
from alpha.backtest.venue import Terms
from alpha.bots import Bar, Enter, Exit, Fill, MoveStop, Snapshot, StopPlan, Subscription, hookimpl
from alpha.candles.files import Candles
from alpha.core.events import Side

STEP = 300_000
BTC, ETH, SOL = "BTCUSDT", "ETHUSDT", "SOLUSDT"
#: open, high, low, close
Row = tuple[float, float, float, float]
Intent = Enter | Exit | MoveStop
#: What to do at a close: intents, or a function of the picture that gives them.
Act = Sequence[Intent] | Callable[[Snapshot], Sequence[Intent]]


def candles(symbol: str, rows: Sequence[Row], start_ms: int = 0, step: int = STEP) -> Candles:
    made = Candles(symbol, step, Path(f"{symbol}-5m.csv"))
    made.starts = array("q", range(start_ms, start_ms + len(rows) * step, step))
    for row in rows:
        for column, price in zip(made.numbers(), (*row, 1.0), strict=True):
            column.append(price)
    return made


def flat(price: float, count: int) -> list[Row]:
    """Bars without any movement."""
    return [(price, price, price, price)] * count


def plan(
    sl: str | None = None,
    tp: str | None = None,
    trail: str | None = None,
    activation: str | None = None,
) -> StopPlan:
    def number(text: str | None) -> Decimal | None:
        return None if text is None else Decimal(text)

    return StopPlan(
        stop_loss=number(sl),
        take_profit=number(tp),
        trailing=number(trail),
        activation=number(activation),
    )


def enter(
    side: Side,
    price: float,
    stops: StopPlan | None = None,
    *,
    symbol: str = BTC,
    notional: str = "1000",
    reason: str = "entry",
) -> Enter:
    return Enter(
        symbol=symbol,
        side=side,
        notional=Decimal(notional),
        price=Decimal(repr(price)),
        reason=reason,
        leverage=Decimal(5),
        stops=stops,
    )


@dataclass
class Scripted:
    """Does at the close of bar number N (from 0) what `acts` has for N."""

    acts: Mapping[int, Act] = field(default_factory=dict)
    symbols: Sequence[str] = (BTC,)
    interval_ms: int = STEP
    warmup: int = 1
    pictures: dict[int, Snapshot] = field(default_factory=dict)
    bars: dict[int, Mapping[str, Bar]] = field(default_factory=dict)
    fills: list[Fill] = field(default_factory=list)

    @hookimpl
    def subscriptions(self) -> Sequence[Subscription]:
        return [Subscription(one, self.interval_ms, self.warmup) for one in self.symbols]

    @hookimpl
    def on_close(
        self, close_ms: int, bars: Mapping[str, Bar], snapshot: Snapshot
    ) -> Sequence[Intent]:
        number = close_ms // self.interval_ms - 1
        self.pictures[number] = snapshot
        self.bars[number] = bars
        act = self.acts.get(number, ())
        return act(snapshot) if callable(act) else act

    @hookimpl
    def on_fill(self, fill: Fill) -> None:
        self.fills.append(fill)


def seat(strategy: object, name: str = "scripted") -> Seat:
    return Seat(name, name, lambda: strategy, plugin=name)


def run(
    strategies: Mapping[str, object] | object,
    market: Sequence[Candles],
    *,
    balance: str = "10000",
    slippage_bps: str = "0",
    netting: bool = False,
    capital: Mapping[str, Decimal] | None = None,
    from_ms: int | None = None,
    until_ms: int | None = None,
    funding: Sequence[FundingRate] = (),
) -> Result:
    """One run over the candles, with the filters of the well-known symbols."""
    if not isinstance(strategies, Mapping):
        strategies = {"scripted": strategies}
    tape = Tape({one.symbol: one for one in market}, market[0].interval_ms, until_ms)
    engine = Engine(
        [seat(strategy, name) for name, strategy in strategies.items()],
        tape,
        instruments_of({}, market),
        Terms(Decimal(balance), Decimal(slippage_bps), netting),
        capital=capital,
        from_ms=from_ms,
        funding=funding,
    )
    return engine.run()
