"""Virtual positions against the exchange's, all the time.

What the bots and `manual` hold has to sum to the exchange's net position. A difference that lasts
is a gap first; one that stays blocks the entries of its symbol.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

import structlog

from alpha.clock import Clock
from alpha.core.events import PositionEvent
from alpha.core.orders import TERMINAL, OrderState
from alpha.trading.account import Account

log = structlog.get_logger(__name__)

#: Sizes differ this long, with nothing in flight, before it is a mismatch ...
MISMATCH_S = 2.0
#: ... and this long where orders are being filled all the time.
BUSY_MISMATCH_S = 10.0
#: REST may show an execution late: while sizes differ it is asked again at these ages of the
#: difference, then every `ASK_EVERY_S` until it counts as unexplained and waits for the sweeps.
ASK_AT_S = (1.0, 2.0, 3.0, 5.0)
ASK_EVERY_S = 4.0
ASK_UNTIL_S = 60.0
#: A stop that outlives its position is asked for at these ages of it, then waits for the sweeps.
LEFT_OVER_AT_S = (2.0, 5.0, 15.0)


@dataclass(slots=True)
class _Difference:
    since: float
    ask_at: float
    asked: int = 0


class Comparison:
    """Of one account. `gap` is told of a difference that lasts, `ask` to sweep for one that is
    known already, or for stops that have outlived their position."""

    def __init__(
        self,
        account: Account,
        *,
        clock: Clock,
        gap: Callable[[str], None],
        ask: Callable[[str], None],
    ) -> None:
        self._account = account
        self._clock = clock
        self._gap = gap
        self._ask = ask
        self._differences: dict[str, _Difference] = {}
        #: Since when an order is left over, and how often it has been asked for.
        self._left_over: dict[str, tuple[float, int]] = {}

    def compare(self) -> None:
        """Compares virtual positions with the exchange's; called about once a second. A
        difference is swept for first, and blocks the symbol's entries if it stays."""
        account = self._account
        if not account.live:
            self._differences.clear()
            return
        if account.unexplained:
            symbols = ", ".join(sorted(account.unexplained))
            account.unexplained.clear()
            self._gap(f"an execution of an unknown type in {symbols}")
        now, busy = self._clock.monotonic(), self._busy()
        for symbol in set(account.exchange) | set(account.books):
            if self._agrees(symbol):
                self._differences.pop(symbol, None)
                self._lift(symbol)
            else:
                self._differs(symbol, now, busy=symbol in busy)
        self._look_for_ends(now)

    def _look_for_ends(self, now: float) -> None:
        """Stops that belong to a position end with it (Bybit V5, Enum Definitions: cancelType
        CancelByTpSlTsClear). Where one seems to outlive it, the stream has lost its end."""
        account, tracker = self._account, self._account.tracker
        open_now = {
            row.client_order_id
            for row in tracker.working()
            if row.purpose == "stop"
            and row.state == OrderState.OPEN
            and not tracker.is_ours(row.client_order_id)
            and (shown := account.exchange.get(row.symbol)) is not None
            and not shown.signed_size
        }
        before, self._left_over = self._left_over, {}
        for order in open_now:
            since, asked = before.get(order, (now, 0))
            if asked < len(LEFT_OVER_AT_S) and now - since >= LEFT_OVER_AT_S[asked]:
                self._ask(f"stop {order} is open and its position is gone")
                asked += 1
            self._left_over[order] = since, asked

    def differing(self) -> list[str]:
        """Symbols whose sizes differ now, whatever is in flight."""
        symbols = sorted(set(self._account.exchange) | set(self._account.books))
        return [symbol for symbol in symbols if not self._agrees(symbol)]

    def settle(self) -> list[str]:
        """Symbols, with nothing in flight, in which a sweep just done leaves a difference."""
        account, busy = self._account, self._busy()
        symbols = sorted(set(account.exchange) | set(account.books))
        return [s for s in symbols if s not in busy and not self._agrees(s)]

    def block(self, symbol: str) -> None:
        """The symbol takes no entries until the sizes agree again."""
        account = self._account
        if symbol in account.blocked:
            return
        ours, theirs = self._sizes(symbol)
        account.blocked[symbol] = (
            f"position differs: the ledger holds {ours}, the exchange {theirs}; "
            f"see `alpha reconcile`"
        )
        account.alerts.tell(
            "position_mismatch",
            f"expected the exchange to hold {ours} {symbol} as the ledger does, was {theirs}; the "
            f"symbol takes no entries: see `alpha reconcile`, then `alpha reconcile --apply`",
            account=account.name,
            symbol=symbol,
            ledger=str(ours),
            exchange=str(theirs),
        )

    def _lift(self, symbol: str) -> None:
        if self._account.blocked.get(symbol, "").startswith("position"):
            del self._account.blocked[symbol]
            log.info("position_agrees", account=self._account.name, symbol=symbol)

    def _differs(self, symbol: str, now: float, *, busy: bool) -> None:
        found = self._differences.setdefault(symbol, _Difference(now, now + ASK_AT_S[0]))
        age = now - found.since
        ours, theirs = self._sizes(symbol)
        why = f"{symbol}: the ledger holds {ours}, the exchange {theirs}"
        if now >= found.ask_at and age <= ASK_UNTIL_S and not (busy and age < BUSY_MISMATCH_S):
            found.asked += 1
            later = ASK_AT_S[found.asked :] or (age + ASK_EVERY_S,)
            found.ask_at = found.since + later[0]
            (self._gap if found.asked == 1 else self._ask)(why)
        if age >= MISMATCH_S and not busy:
            self.block(symbol)

    def _busy(self) -> set[str]:
        """Where an order is under way. Resting orders and untriggered stops change nothing by
        themselves; one that has ended, and whose executions are still missing, is why sizes
        differ, not why they may."""
        quiet = (OrderState.OPEN, *TERMINAL)
        working = self._account.tracker.working()
        moving = {row.symbol for row in working if OrderState(row.state) not in quiet}
        return moving | self._account.waiting.symbols

    def _agrees(self, symbol: str) -> bool:
        ours, theirs = self._sizes(symbol)
        return ours == theirs

    def _sizes(self, symbol: str) -> tuple[Decimal, Decimal]:
        """As the ledger has it, and the exchange."""
        return self._account.net(symbol), _size(self._account.exchange.get(symbol))


def _size(event: PositionEvent | None) -> Decimal:
    return event.signed_size if event is not None else Decimal(0)
