"""The backtest's seat decides as the daemon's host does, and its lots are the ledger's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple

import pytest

from alpha.backtest.engine import Engine
from alpha.backtest.instruments import instruments_of
from alpha.backtest.metrics import metrics
from alpha.backtest.output import document
from alpha.backtest.result import Result
from alpha.backtest.seat import Seat
from alpha.backtest.tape import Tape
from alpha.backtest.venue import Terms
from alpha.bots import Bar, Fill, Intents, Snapshot, Subscription, hookimpl
from alpha.bots.host import BotHandle
from alpha.candles.files import Candles
from alpha.core.book import Book
from alpha.core.events import Execution
from alpha.core.intents import Enter, Exit
from alpha.core.records import AttributionRules
from bench.plugins.churn import Churn, ChurnSettings
from plugins.shortseller import plugin as shortseller
from plugins.shortseller.strategy import ShortSeller
from tests.backtest.oracle import GRID
from tests.backtest.test_shortseller import STEP, walk


class Close(NamedTuple):
    close_ms: int
    bars: Mapping[str, Bar]
    snapshot: Snapshot


class Filled(NamedTuple):
    fill: Fill
    snapshot: Snapshot


class Recorded:
    """A strategy whose calls and answers are written down on the way."""

    per_symbol = False

    def __init__(self, inner: ShortSeller) -> None:
        self._inner = inner
        self.calls: list[Close | Filled] = []

    @hookimpl
    def subscriptions(self) -> Sequence[Subscription]:
        return self._inner.subscriptions()

    @hookimpl
    def on_bar(self, bar: Bar) -> None:
        self._inner.on_bar(bar)

    @hookimpl
    def on_close(self, close_ms: int, bars: Mapping[str, Bar], snapshot: Snapshot) -> Intents:
        self.calls.append(Close(close_ms, bars, snapshot))
        return self._inner.on_close(close_ms, bars, snapshot)

    @hookimpl
    def on_fill(self, fill: Fill, snapshot: Snapshot) -> None:
        self.calls.append(Filled(fill, snapshot))
        self._inner.on_fill(fill)

    @hookimpl
    def halted(self) -> str | None:
        return self._inner.halted()


def _run(strategy: object, market: Mapping[str, Candles], slippage: str = "0") -> Result:
    seat = Seat("bot", "bot", lambda: strategy, plugin="bot")
    terms = Terms(slippage_bps=Decimal(slippage))
    filters = instruments_of({}, market.values())
    return Engine([seat], Tape(market, STEP), filters, terms).run()


def _market(count: int) -> dict[str, Candles]:
    return {symbol: walk(symbol, count, seed) for seed, symbol in enumerate(GRID, start=31)}


@pytest.mark.parametrize("settings", [{}, {"risk_gates": False}], ids=["gates", "no gates"])
def test_the_daemons_host_decides_the_same(settings: Mapping[str, object]) -> None:
    market = _market(4500)
    made = shortseller.maker(settings, bot="bot")
    inner = made()
    assert isinstance(inner, ShortSeller)
    recorded = Recorded(inner)
    result = _run(recorded, market)
    handle = BotHandle("bot", "bot", "main", made, plugin="shortseller")
    handle.start()
    handle.ready()
    rows = Tape(market, STEP)
    (stretch,) = rows.stretches((), 10_000)
    warm = {bar.start_ms: row for row in rows.rows(stretch) for bar in row[:1]}
    first = next(call.close_ms for call in recorded.calls if isinstance(call, Close))
    for start_ms, row in warm.items():
        if start_ms + STEP < first:
            for bar in row:
                handle.bar(bar)
    kinds = []
    for call in recorded.calls:
        if isinstance(call, Filled):
            handle.fill(call.fill, call.snapshot)
            continue
        decision = handle.close(STEP, call.close_ms, call.bars, call.snapshot)
        assert decision is not None
        for planned in decision.planned:
            intent = planned.intent
            assert isinstance(intent, Enter | Exit)
            kind = "entry" if isinstance(intent, Enter) else "exit"
            kinds.append((intent.symbol, call.close_ms - STEP, kind, intent.reason))
    assert kinds == [(one.symbol, one.bar_ms, one.kind, one.reason) for one in result.signals]
    assert len(kinds) > 20


class Heard(Churn):
    """Churn on 5-minute bars, with its fills kept."""

    def __init__(self, salt: str) -> None:
        super().__init__(ChurnSettings(symbols=tuple(GRID), salt=salt))
        self.fills: list[Fill] = []

    @hookimpl
    def subscriptions(self) -> Sequence[Subscription]:
        return [Subscription(symbol, STEP, 1) for symbol in GRID]

    @hookimpl
    def on_fill(self, fill: Fill) -> None:
        self.fills.append(fill)


@pytest.mark.parametrize("salt", ["a", "b", "c", "d"])
def test_the_ledgers_fold_of_the_fills_agrees(salt: str) -> None:
    """Scale-ins, partial exits, stops, turns: realised PnL and positions are those of the book
    that live fills go through."""
    bot = Heard(salt)
    result = _run(bot, _market(1500), slippage="3")
    books = {symbol: Book("backtest", symbol) for symbol in GRID}
    rules = AttributionRules("backtest", frozenset({"bot"}))
    realised: list[Decimal] = []
    for fill in bot.fills:
        change = books[fill.symbol].add([_execution(fill)], rules)
        realised += [one.realised for one in change.fills]
    assert realised == [fill.realised for fill in bot.fills]
    assert len(result.trades) > 200
    for symbol, book in books.items():
        held = book.positions().get("bot")
        found = [one for one in result.open_positions if one.symbol == symbol]
        assert abs(held.signed_qty if held else Decimal(0)) == sum(
            (one.qty for one in found), Decimal(0)
        )
        for one in found:
            assert held is not None and held.avg_price is not None
            assert abs(one.entry_price - held.avg_price) < Decimal("1e-18")
    paid = sum((one.realised - one.fee for one in bot.fills), Decimal(0))
    assert abs(result.final_balance - (result.balance + paid)) < Decimal("1e-15")


def test_the_same_run_gives_the_same_bytes() -> None:
    def once() -> bytes:
        result = _run(Heard("same"), _market(600))
        return document(result, metrics(result))

    first = once()
    assert first == once()
    assert b'"trades":[{' in first


def _execution(fill: Fill) -> Execution:
    return Execution(
        account=fill.account,
        symbol=fill.symbol,
        exec_id=fill.exec_id,
        order_id=fill.order_id,
        order_link_id=fill.order_link_id,
        side=fill.side,
        exec_type="Trade",
        price=fill.price,
        qty=fill.qty,
        value=fill.price * fill.qty,
        fee=fill.fee,
        fee_currency="USDT",
        fee_rate=None,
        leaves_qty=Decimal(0),
        closed_size=None,
        is_maker=False,
        create_type="CreateByUser" if fill.order_link_id else "CreateByStopLoss",
        order_type="Market",
        stop_order_type="" if fill.order_link_id else "StopLoss",
        exec_time=fill.exec_time,
        seq=fill.seq,
    )
