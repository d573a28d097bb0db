"""Small strategies for the host's tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

from alpha.bots import JSON, Bar, Enter, Exit, Fill, Intents, Snapshot, Subscription, hookimpl
from alpha.bots.guard import Limits
from alpha.bots.host import BotHandle
from alpha.bots.mark import HookMark
from alpha.core.records import BotPosition

MINUTE = 60_000


def bar(symbol: str, place: int, close: float = 100.0, *, closed: bool = True) -> Bar:
    return Bar(symbol, MINUTE, place * MINUTE, close, close, close, close, 1.0, close, closed)


def enter(symbol: str = "AAA", reason: str = "entry") -> Enter:
    return Enter(
        symbol=symbol,
        side="Buy",
        notional=Decimal(100),
        price=Decimal(100),
        reason=reason,
        leverage=Decimal(1),
    )


def snapshot(now_ms: int, *held: str) -> Snapshot:
    return Snapshot(
        now_ms=now_ms,
        positions={one: BotPosition(one, Decimal(1), Decimal(100), 0, "entry") for one in held},
        pending_entries=frozenset(),
        pending_exits=frozenset(),
        wallet=Decimal(1000),
        equity=Decimal(1000),
        instruments={},
    )


class Scripted:
    """Answers `answers[close_ms]`, an exception among them raised; counts what it saw."""

    def __init__(
        self, answers: Mapping[int, object] | None = None, symbols: Sequence[str] = ("AAA",)
    ) -> None:
        self.answers = dict(answers or {})
        self.symbols = symbols
        self.warmup = 1
        self.seen: list[str] = []
        self.closes = 0
        self.bars = 0
        self.halt: str | None = None

    @hookimpl
    def subscriptions(self) -> Sequence[Subscription]:
        return [Subscription(symbol, MINUTE, self.warmup) for symbol in self.symbols]

    @hookimpl
    def on_bar(self, bar: Bar) -> None:
        self.bars += 1
        self.seen.append(f"bar {bar.symbol} {bar.start_ms // MINUTE}")

    @hookimpl
    def on_close(self, bars: Mapping[str, Bar], close_ms: int) -> object:
        self.closes += 1
        self.seen.append(f"close {' '.join(sorted(bars))} {close_ms // MINUTE}")
        answer = self.answers.get(close_ms)
        if isinstance(answer, BaseException):
            raise answer
        return answer

    @hookimpl
    def on_fill(self, fill: Fill) -> Intents:
        return [Exit(symbol=fill.symbol, reason="take_profit")]

    @hookimpl
    def on_reset(self) -> None:
        self.halt = None
        self.closes += 1

    @hookimpl
    def halted(self) -> str | None:
        return self.halt

    @hookimpl
    def dump_state(self) -> Mapping[str, JSON]:
        return {"closes": self.closes, "b": {"y": Decimal("1.50"), "x": 1}}

    @hookimpl
    def load_state(self, state: Mapping[str, JSON]) -> None:
        closes = state["closes"]
        assert isinstance(closes, int)
        self.closes = closes


def hosted(
    strategy: object,
    *,
    run: bool = True,
    mark: HookMark | None = None,
    limits: Limits | None = None,
) -> BotHandle:
    handle = BotHandle(
        "tester",
        "tester_001",
        "main",
        lambda: strategy,
        plugin="scripted",
        limits=limits,
        mark=mark,
    )
    if run:
        handle.start()
        handle.ready()
    return handle
