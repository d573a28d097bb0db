"""What two runs of a bot may differ in, and how it is said."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation

import msgspec

from alpha.clock import iso
from alpha.core.records import BotPosition, Fill
from alpha.parity.recording import Decided
from alpha.parity.story import Wish

ZERO = Decimal(0)
#: Numbers that differ by less of themselves, or by less at all, are the same: computed with 28
#: digits here, while the exchange books amounts with 8 behind the point.
ROUNDING = Decimal("1e-9")
LEAST = Decimal("1e-8")
MOST_VALUES = 5


def alike(live: object, own: object) -> bool:
    """Equal, or numbers (also written as text) that differ by rounding only."""
    if live == own:
        return True
    then, now = _number(live), _number(own)
    if then is None or now is None:
        return False
    return abs(then - now) <= LEAST or _apart(then, now) <= ROUNDING


def _number(value: object) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        found = Decimal(str(value))
    except InvalidOperation:
        return None
    return found if found.is_finite() else None


def sides(live: BotPosition | None, own: BotPosition | None) -> tuple[int, int]:
    """-1 short, 0 flat, 1 long."""
    return _sign(live), _sign(own)


def _sign(position: BotPosition | None) -> int:
    if position is None or not position.signed_qty:
        return 0
    return 1 if position.signed_qty > 0 else -1


def differing(live: Sequence[Wish], own: Sequence[Wish]) -> set[str]:
    """Symbols on which two decisions do not agree; all of them when only their order differs."""
    then, now = {one.words for one in live}, {one.words for one in own}
    return {words[1] for words in then ^ now} or {words[1] for words in then}


@dataclass(slots=True)
class Sizes:
    """Sizes of decisions that agree in everything else. One that differs by no more than equity
    or wallet had differed until then is explained by it: fills had other prices."""

    equal: int = 0
    explained: int = 0
    largest: Decimal = ZERO
    equity_apart: Decimal = ZERO
    levels: int = 0  # stops moved to other prices, computed from other entry prices
    wallets: int = 0  # closes at which the wallet differed by more than rounding
    wallet: str | None = None
    values: int = 0  # decisions with which other values were told
    value: str | None = None
    unexplained: list[dict[str, object]] = field(default_factory=list)

    def see_money(
        self, close_ms: int, live: tuple[Decimal, Decimal], own: tuple[Decimal, Decimal]
    ) -> None:
        """Wallet and equity of a close."""
        if _apart(live[0], own[0]) > ROUNDING:
            self.wallets += 1
            self.wallet = (
                self.wallet or f"at the close of {iso(close_ms)}: live {live[0]}, backtest {own[0]}"
            )
        self.equity_apart = max(self.equity_apart, _apart(live[1], own[1]))

    def compare(self, bot: str, close_ms: int, live: Wish, own: Wish) -> None:
        apart = values(live, own)
        if apart:
            self.values += 1
            self.value = self.value or f"at the close of {iso(close_ms)}: {apart}"
        if live.stop_loss != own.stop_loss:
            self.levels += 1
        if live.price != own.price:
            self._note(bot, close_ms, live, "price", live.price, own.price)
        name = "notional" if live.kind == "enter" else "qty"
        then, now = (live.notional, own.notional) if live.kind == "enter" else (live.qty, own.qty)
        if then is None or now is None:
            if then is not now:
                self._note(bot, close_ms, live, name, then, now)
            return
        by = _apart(then, now)
        if by <= ROUNDING:
            self.equal += 1
        elif by <= self.equity_apart * 2 + ROUNDING:
            self.explained += 1
            self.largest = max(self.largest, by)
        else:
            self._note(bot, close_ms, live, name, then, now)

    def _note(
        self,
        bot: str,
        close_ms: int,
        live: Wish,
        what: str,
        then: Decimal | None,
        now: Decimal | None,
    ) -> None:
        self.unexplained.append(
            {
                "bot": bot,
                "close_ms": close_ms,
                "decision": str(live),
                "what": what,
                "live": then,
                "backtest": now,
            }
        )


def _apart(one: Decimal, other: Decimal) -> Decimal:
    most = max(abs(one), abs(other))
    return abs(one - other) / most if most else ZERO


@dataclass(frozen=True, slots=True)
class Apart:
    """Positions that are not on the same side. `order` says what became of an order that was not
    filled in the daemon."""

    bot: str
    symbol: str
    since_ms: int
    live: BotPosition | None
    own: BotPosition | None
    live_fills: list[Fill]
    own_fills: list[Fill]
    order: str | None

    def __str__(self) -> str:
        found = (
            f"position in {self.symbol} since the close of {iso(self.since_ms)}: live "
            f"{_position(self.live)} ({_fills(self.live_fills)}), backtest {_position(self.own)} "
            f"({_fills(self.own_fills)})"
        )
        return f"{found}; live {self.order}" if self.order else found


def _position(position: BotPosition | None) -> str:
    if position is None or not position.signed_qty:
        return "flat"
    side = "long" if position.signed_qty > 0 else "short"
    return f"{side} {abs(position.signed_qty)} from {position.avg_price:f}"


def _fills(fills: Sequence[Fill]) -> str:
    if not fills:
        return "no fill"
    newest = fills[-1]
    more = f", {len(fills)} fills" if len(fills) > 1 else ""
    return (
        f"{newest.side} {newest.qty} at {newest.price} for {newest.reason} at "
        f"{iso(newest.exec_time)}{more}"
    )


@dataclass(frozen=True, slots=True)
class Divergence:
    """A close at which two runs of one bot decided differently. Pairs are (live, backtest)."""

    bot: str
    close_ms: int
    interval_ms: int
    symbols: set[str]
    live: list[Wish]
    own: list[Wish]
    absent: list[str]
    apart: Apart | None
    pending: tuple[list[str], list[str]]
    equity: tuple[Decimal, Decimal]
    states: tuple[bytes, bytes]  # before the close
    others: list[Decided]

    def cause(self) -> dict[str, object]:
        """The first input that differed: `kind` and a sentence, with both values."""
        if self.apart is not None:
            if self.apart.order is not None:
                return {"kind": "order", "what": str(self.apart)}
            return {"kind": "position", "what": str(self.apart)}
        if self.pending[0] != self.pending[1]:
            live, own = (", ".join(one) or "none" for one in self.pending)
            return {
                "kind": "pending",
                "what": f"orders under way: live {live}, backtest {own}; from order to fill took "
                "longer than a bar",
            }
        details = list(self._details())
        if details:
            return {"kind": "indicator", "what": "; ".join(details[:MOST_VALUES])}
        state = list(unlike(*map(msgspec.json.decode, self.states)))
        if state:
            return {"kind": "state", "what": "; ".join(state[:MOST_VALUES])}
        if not alike(str(self.equity[0]), str(self.equity[1])):
            return {
                "kind": "equity",
                "what": f"equity: live {self.equity[0]}, backtest {self.equity[1]}",
            }
        return {
            "kind": "plugin",
            "what": "bars, positions, orders, equity and saved state are the same: the plugin's "
            "code or settings are others than they were, or it depends on something else",
        }

    def _details(self) -> Iterator[str]:
        """Values that the strategy has told with decisions of the same symbol."""
        own = {one.symbol: one for one in self.own}
        for one in self.live:
            if one.symbol in own and (apart := values(one, own[one.symbol])):
                yield apart


def values(live: Wish, own: Wish) -> str:
    """Where the values that two decisions came with differ; "" where they do not."""
    told = [
        f"{name} live {live.details.get(name)}, backtest {own.details.get(name)}"
        for name in {**live.details, **own.details}
        if not alike(live.details.get(name), own.details.get(name))
    ]
    return f"{live.symbol} {', '.join(told)}" if told else ""


def unlike(live: object, own: object, where: str = "state") -> Iterator[str]:
    """Where two JSON values differ."""
    if isinstance(live, Mapping) and isinstance(own, Mapping):
        for name in sorted({*live, *own}):
            yield from unlike(live.get(name), own.get(name), f"{where}.{name}")
    elif isinstance(live, list) and isinstance(own, list) and len(live) == len(own):
        for place, (then, now) in enumerate(zip(live, own, strict=True)):
            yield from unlike(then, now, f"{where}[{place}]")
    elif not alike(live, own):
        yield f"{where}: live {live}, backtest {own}"
