"""What executions do to an account's cash, as the exchange books it.

It closes at the average entry price of the account's net position (Bybit V5, Transaction Log:
`cashFlow`), to eight decimals; a reduction leaves the average as it was, a flip begins anew. The
bots' books close first in first out: both come to the same whenever everybody is flat.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, localcontext

from alpha.core.book import PRECISION, is_known
from alpha.core.events import ADJUSTMENT, Execution

ZERO = Decimal(0)
#: What the exchange counts cash in.
SMALLEST = Decimal("0.00000001")
COIN = "USDT"


@dataclass(frozen=True, slots=True)
class Cash:
    """`realised` > 0 was won, `paid` > 0 was a fee or funding paid."""

    realised: Decimal
    paid: Decimal

    @property
    def change(self) -> Decimal:
        return self.realised - self.paid


@dataclass(slots=True)
class _Open:
    size: Decimal  # signed
    value: Decimal  # what it was entered for, > 0


class AverageCost:
    """Follows the net positions of one account; executions come in ledger order. `held` maps a
    symbol to signed size and entry value, as `open_costs` gives them."""

    def __init__(self, held: Mapping[str, tuple[Decimal, Decimal]] | None = None) -> None:
        self._open = {symbol: _Open(size, value) for symbol, (size, value) in (held or {}).items()}

    def take(self, row: Execution) -> Cash:
        """What the execution has moved. An adjustment changes the position and no cash."""
        paid = row.fee if row.fee_currency == COIN else ZERO
        if not is_known(row) or not row.signed_qty:
            return Cash(ZERO, paid)
        with localcontext(prec=PRECISION):
            realised = self._trade(row.symbol, row.signed_qty, row.price)
        return Cash(ZERO if row.exec_type == ADJUSTMENT else realised, paid)

    def _trade(self, symbol: str, qty: Decimal, price: Decimal) -> Decimal:
        held = self._open.setdefault(symbol, _Open(ZERO, ZERO))
        realised = ZERO
        if held.size * qty < 0:
            closed = min(abs(qty), abs(held.size))
            whole = closed == abs(held.size)
            entered = held.value if whole else held.value * closed / abs(held.size)
            gain = price * closed - entered
            realised = (gain if held.size > 0 else -gain).quantize(SMALLEST)
            direction = 1 if qty > 0 else -1
            held.size += direction * closed
            held.value = ZERO if whole else held.value - entered
            qty -= direction * closed
        if qty:
            held.size += qty
            held.value += abs(qty) * price
        if not held.size:
            del self._open[symbol]
        return realised

    def open_costs(self) -> dict[str, tuple[Decimal, Decimal]]:
        return {symbol: (one.size, one.value) for symbol, one in sorted(self._open.items())}
