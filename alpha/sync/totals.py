"""Round trips against the exchange's closed PnL.

The exchange closes at the average entry price, we first in first out: order by order the two
differ, over a time in which the account went from flat to flat they come to the same.
"""

from __future__ import annotations

from alpha.clock import iso
from alpha.ledger.syncs import SyncStore, Total


async def compare_totals(store: SyncStore, account: str, since_ms: int, until_ms: int) -> list[str]:
    """Compares and stores every cycle that has ended in a time up to which both sides are known; a
    sentence for each that differs, and for closing orders that the ledger knows nothing of."""
    words = []
    for symbol in await store.closed_symbols(account, since_ms):
        # What ended before is as it was, and nobody held anything after it.
        after_ms = await store.last_total_ms(account, symbol, since_ms - 1)
        cycles = await store.flat_cycles(account, symbol, after_ms, until_ms)
        for opened_ms, closed_ms in cycles:
            total = await store.total(account, symbol, opened_ms, closed_ms)
            await store.put_total(account, total)
            if not total.agrees:
                words.append(_words(total))
        await store.drop_totals(account, symbol, after_ms, [closed for _, closed in cycles])
    for symbol, order_id in await store.unknown_closings(account, since_ms):
        words.append(f"{symbol}: the ledger has no execution of the closing order {order_id}")
    return words


def _words(total: Total) -> str:
    return (
        f"{total.symbol}, {iso(total.opened_ms)} to {iso(total.closed_ms)}: the exchange closed "
        f"{total.exchange_pnl:f} with fees {total.exchange_fees:f}, the ledger "
        f"{total.ledger_pnl:f} with fees {total.ledger_fees:f}"
    )
