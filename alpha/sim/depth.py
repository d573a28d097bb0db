"""The deeper order book topics: one snapshot for a new listener, then what has changed.

`orderbook.{50|200|1000}.{symbol}`. The book behind them has fifty levels a side, so the larger
depths show no more than that, as a thin book would.
"""

from __future__ import annotations

from decimal import Decimal

from alpha.sim.book import LEVELS, Book
from alpha.sim.rows import Json, text

DEPTHS = frozenset({"50", "200", "1000"})

Side = dict[Decimal, Decimal]


class DepthTopic:
    """What the listeners of one topic know of a book, and how they learn the rest.

    Snapshots repeat what was told last, so that one stream of deltas fits every listener; a
    delta may therefore not be dropped on the way.
    """

    def __init__(self, topic: str, book: Book, update: int) -> None:
        self._topic = topic
        self._book = book
        self._update = update
        self._told = self._sides()

    def snapshot(self, ms: int, seq: int) -> dict[str, Json]:
        return self._frame("snapshot", self._told, ms, seq)

    def delta(self, ms: int, seq: int) -> dict[str, Json] | None:
        """Levels that are new, have another quantity, or (quantity 0) are gone; None if none."""
        now = self._sides()
        bids, asks = (changed(old, new) for old, new in zip(self._told, now, strict=True))
        if not bids and not asks:
            return None
        self._told = now
        self._update += 1
        return self._frame("delta", (bids, asks), ms, seq)

    def _sides(self) -> tuple[Side, Side]:
        book = self._book
        bids = {price: qty for price, qty in book.levels("Sell", LEVELS) if qty > 0}
        asks = {price: qty for price, qty in book.levels("Buy", LEVELS) if qty > 0}
        return bids, asks

    def _frame(self, kind: str, sides: tuple[Side, Side], ms: int, seq: int) -> dict[str, Json]:
        bids, asks = sides
        below: list[Json] = [[text(p), text(bids[p])] for p in sorted(bids, reverse=True)]
        above: list[Json] = [[text(p), text(asks[p])] for p in sorted(asks)]
        return {
            "topic": self._topic,
            "type": kind,
            "ts": ms,
            "data": {
                "s": self._book.spec.symbol,
                "b": below,
                "a": above,
                "u": self._update,
                "seq": seq,
            },
            "cts": ms,
        }


def changed(old: Side, new: Side) -> Side:
    gone = dict.fromkeys(old.keys() - new.keys(), Decimal(0))
    return {price: qty for price, qty in new.items() if old.get(price) != qty} | gone
