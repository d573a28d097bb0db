"""A small trading desk for plugin tests: hosts one bot, fills its market orders at the signal
close, keeps positions and wallet. It has no stops: tests act as the exchange where they need to.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from alpha.bots.host import BotHandle
from alpha.bots.opening import open_bot
from alpha.core.decisions import Decision
from alpha.core.events import Bar
from alpha.core.instruments import Instrument
from alpha.core.intents import Enter, Exit
from alpha.core.records import BotPosition, Fill
from alpha.core.snapshot import Snapshot
from plugins import momentum as momentum_plugin
from plugins import shortseller as shortseller_plugin

ZERO = Decimal(0)


def instrument(symbol: str, tick: str, step: str) -> Instrument:
    big = Decimal(1_000_000)
    return Instrument(
        symbol=symbol,
        base_coin=symbol.removesuffix("USDT"),
        tick=Decimal(tick),
        qty_step=Decimal(step),
        min_qty=Decimal(step),
        max_qty=big,
        max_market_qty=big,
        min_notional=Decimal(5),
        max_leverage=Decimal(100),
    )


INSTRUMENTS: Mapping[str, Instrument] = {
    "BTCUSDT": instrument("BTCUSDT", "0.1", "0.001"),
    "ETHUSDT": instrument("ETHUSDT", "0.01", "0.01"),
    "SOLUSDT": instrument("SOLUSDT", "0.01", "0.1"),
}
MORE_INSTRUMENTS: Mapping[str, Instrument] = {
    **INSTRUMENTS,
    "XRPUSDT": instrument("XRPUSDT", "0.0001", "0.1"),
    "BNBUSDT": instrument("BNBUSDT", "0.1", "0.01"),
}


def shortseller(settings: Mapping[str, object] | None = None) -> BotHandle:
    return open_bot(
        shortseller_plugin.plugin,
        name="shortseller",
        bot_id="shortseller_001",
        account="main",
        settings=settings or {},
    )


def momentum(settings: Mapping[str, object] | None = None) -> BotHandle:
    return open_bot(
        momentum_plugin.plugin,
        name="momentum",
        bot_id="momentum_001",
        account="main",
        settings=settings or {},
    )


@dataclass
class Desk:
    """`fills` off: orders are decided and never executed. `equity` overrides wallet + open PnL."""

    handle: BotHandle
    wallet: Decimal = Decimal(10_000)
    fills: bool = True
    positions: dict[str, BotPosition] = field(default_factory=dict)
    pending_entries: set[str] = field(default_factory=set)
    pending_exits: set[str] = field(default_factory=set)
    equity: Decimal | None = None
    now_ms: int = 0
    decisions: list[Decision] = field(default_factory=list)
    closes: dict[str, Decimal] = field(default_factory=dict)

    def snapshot(self, now_ms: int) -> Snapshot:
        self.now_ms = max(self.now_ms, now_ms)
        return Snapshot(
            now_ms=self.now_ms,
            positions=dict(self.positions),
            pending_entries=frozenset(self.pending_entries),
            pending_exits=frozenset(self.pending_exits),
            wallet=self.wallet,
            equity=self.wallet + self._open_pnl() if self.equity is None else self.equity,
            instruments=MORE_INSTRUMENTS,
        )

    def _open_pnl(self) -> Decimal:
        total = ZERO
        for symbol, position in self.positions.items():
            if position.avg_price is not None:
                total += (self.closes[symbol] - position.avg_price) * position.signed_qty
        return total

    def run(self) -> Desk:
        self.handle.start()
        self.handle.ready()
        return self

    def close(self, *bars: Bar) -> Decision | None:
        """One close of all symbols; its orders are filled before the next event."""
        close_ms = bars[0].close_ms
        by_symbol = {bar.symbol: bar for bar in bars}
        self.closes.update({bar.symbol: Decimal(repr(bar.close)) for bar in bars})
        decision = self.handle.close(
            bars[0].interval_ms, close_ms, by_symbol, self.snapshot(close_ms)
        )
        if decision is not None:
            self.decisions.append(decision)
            if self.fills:
                for planned in decision.planned:
                    self._execute(planned.intent, planned.order_link_id, by_symbol, close_ms)
        return decision

    def _execute(
        self, intent: object, link_id: str, bars: Mapping[str, Bar], close_ms: int
    ) -> None:
        if isinstance(intent, Enter):
            qty = MORE_INSTRUMENTS[intent.symbol].size_order(intent.notional, intent.price)
            if not isinstance(qty, Decimal):
                return  # too small: refused
            signed = qty if intent.side == "Buy" else -qty
            self.fill(intent.symbol, signed, intent.price, close_ms, intent.reason, link_id)
        elif isinstance(intent, Exit):
            price = Decimal(repr(bars[intent.symbol].close))
            position = self.positions[intent.symbol]
            self.fill(intent.symbol, -position.signed_qty, price, close_ms, intent.reason, link_id)

    def fill(
        self, symbol: str, signed: Decimal, price: Decimal, at_ms: int, reason: str, link_id: str
    ) -> Decision | None:
        """The exchange fills `signed` of a symbol; tells the bot."""
        before = self.positions.get(symbol)
        held = before.signed_qty if before is not None else ZERO
        after = held + signed
        is_entry = held == ZERO or (held > 0) == (signed > 0)
        realised = ZERO
        if before is not None and not is_entry and before.avg_price is not None:
            realised = (price - before.avg_price) * -signed
        self.wallet += realised
        if after == ZERO:
            del self.positions[symbol]
        elif before is None or before.avg_price is None:
            self.positions[symbol] = BotPosition(symbol, after, price, at_ms, reason)
        else:
            average = before.avg_price
            if is_entry:
                average = (abs(held) * average + abs(signed) * price) / abs(after)
            self.positions[symbol] = BotPosition(
                symbol, after, average, before.opened_ms, before.entry_reason
            )
        fill = Fill(
            account="main",
            symbol=symbol,
            exec_id=f"{link_id}:{at_ms}",
            bot_id=self.handle.bot_id,
            leg=1 if is_entry else 0,
            order_id=link_id,
            order_link_id=link_id,
            side="Buy" if signed > 0 else "Sell",
            exec_type="Trade",
            price=price,
            qty=abs(signed),
            fee=ZERO,
            fee_currency="USDT",
            effect="entry" if is_entry else "exit",
            reason=reason,
            reason_source="id",
            attribution="id",
            realised=realised,
            position_after=after,
            is_maker=False,
            exec_time=at_ms,
            seq=at_ms,
        )
        decision = self.handle.fill(fill, self.snapshot(at_ms))
        if decision is not None:
            self.decisions.append(decision)
        return decision

    def entries(self) -> list[tuple[int, str]]:
        return [
            (decision.row.event_ms, planned.intent.symbol)
            for decision in self.decisions
            for planned in decision.planned
            if isinstance(planned.intent, Enter)
        ]

    def exits(self) -> list[tuple[int, str, str]]:
        return [
            (decision.row.event_ms, planned.intent.symbol, planned.intent.reason)
            for decision in self.decisions
            for planned in decision.planned
            if isinstance(planned.intent, Exit)
        ]
