"""What of a symbol's past may enter the books.

The exchange keeps two years. Where that begins in the middle of a position, nobody knows how the
position came about: its executions stay out, up to the first moment at which the account was flat.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from alpha.clock import iso
from alpha.core.book import Book, is_known
from alpha.core.events import Execution
from alpha.core.records import AttributionRules
from alpha.ledger.stored import trimmed

ZERO = Decimal(0)
#: Cycles from flat to flat are written together until they are so many executions.
ENOUGH = 256


@dataclass(frozen=True, slots=True)
class Past:
    """`rows` may enter the books, `left` comes before them. `held` is the position that the history
    begins with: > 0 long."""

    rows: tuple[Execution, ...]
    left: tuple[Execution, ...]
    held: Decimal

    @property
    def words(self) -> str:
        """What stays out, and why."""
        first, last = self.left[0], self.left[-1]
        return (
            f"{first.symbol}: the exchange's history begins {iso(first.exec_time)} with a position "
            f"of {trimmed(self.held):f}; {len(self.left)} executions up to {iso(last.exec_time)} "
            f"belong to it and stay out"
        )


def past_of(rows: Sequence[Execution], position_after: Decimal) -> Past:
    """`rows` are the history of one symbol in ledger order, `position_after` the account's real
    position after the newest of them."""
    effects = [row.signed_qty if is_known(row) else ZERO for row in rows]
    held = position_after - sum(effects, ZERO)
    position, begin = held, 0
    if held:
        begin = len(rows)
        for count, (row, effect) in enumerate(zip(rows, effects, strict=True), start=1):
            position += effect
            last_of_its_moment = count == len(rows) or rows[count].exec_time > row.exec_time
            if effect and not position and last_of_its_moment:
                begin = count
                break
    return Past(tuple(rows[begin:]), tuple(rows[:begin]), held)


class Cycles:
    """Cuts history where all owners are flat. Give it rows in ledger order."""

    def __init__(self, book: Book, rules: AttributionRules) -> None:
        self._book = book
        self._rules = rules
        self._rows: list[Execution] = []
        self._flat = 0  # how many of them end with everybody flat

    def take(self, row: Execution) -> Iterator[tuple[Execution, ...]]:
        """Yields what is complete before this row."""
        if self._rows and row.exec_time > self._rows[-1].exec_time and self._is_flat():
            self._flat = len(self._rows)
            if self._flat >= ENOUGH:
                yield self._cut()
        self._book.add((row,), self._rules)
        self._rows.append(row)

    def end(self) -> tuple[tuple[Execution, ...], tuple[Execution, ...]]:
        """What is complete, and what is left open after it."""
        if self._is_flat():
            self._flat = len(self._rows)
        return self._cut(), tuple(self._rows)

    def _is_flat(self) -> bool:
        return not self._book.positions()

    def _cut(self) -> tuple[Execution, ...]:
        done = tuple(self._rows[: self._flat])
        del self._rows[: self._flat]
        self._flat = 0
        if not self._rows:
            self._book = self._book.anew()
        return done
