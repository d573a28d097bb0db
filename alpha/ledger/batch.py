"""Several commits as one: what the ledger looks like after all of them.

The result of writing a batch equals writing its commits one after the other. Per key the last
row wins; a commit with `replaced_after_ms` takes back the earlier rows of its symbol that are
later than that; an order never goes back to a lower state.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import TypeVar

from alpha.core.events import ADJUSTMENT, Execution
from alpha.core.orders import OrderState, advance
from alpha.core.records import (
    BookChange,
    Commit,
    DecisionRow,
    Fill,
    FundingPayment,
    Lot,
    Marks,
    OrderRow,
    Override,
    PositionCycle,
    RoundTrip,
    SignalRow,
)

Key = tuple[str, ...]
Row = TypeVar("Row", Fill, FundingPayment, Lot, RoundTrip, PositionCycle)


def row_count(commit: Commit) -> int:
    """Rows that a commit writes: what the limit of a transaction counts."""
    count = (
        len(commit.orders)
        + len(commit.overrides)
        + 2 * len(commit.decisions)
        + len(commit.signals)
        + (commit.marks is not None)
    )
    change = commit.change
    if change is not None:
        count += len(change.executions) + len(change.fills) + len(change.funding)
        count += len(change.lots) + len(change.round_trips) + len(change.cycles)
    return count


@dataclass(slots=True)
class Batch:
    """The rows of one transaction, by unique key."""

    accounts: set[str] = field(default_factory=set)
    executions: dict[Key, Execution] = field(default_factory=dict)
    adjustments: dict[Key, Execution] = field(default_factory=dict)
    overrides: list[Override] = field(default_factory=list)
    #: (account, symbol) -> the projections later than this are deleted first
    replaced_after: dict[Key, int] = field(default_factory=dict)
    fills: dict[tuple[Key, int], Fill] = field(default_factory=dict)
    funding: dict[Key, FundingPayment] = field(default_factory=dict)
    lots: dict[Key, Lot] = field(default_factory=dict)
    round_trips: dict[Key, RoundTrip] = field(default_factory=dict)
    cycles: dict[Key, PositionCycle] = field(default_factory=dict)
    orders: dict[Key, OrderRow] = field(default_factory=dict)
    decisions: dict[tuple[Key, int], DecisionRow] = field(default_factory=dict)
    bot_states: dict[Key, DecisionRow] = field(default_factory=dict)
    signals: dict[tuple[Key, int, int], SignalRow] = field(default_factory=dict)
    marks: dict[str, Marks] = field(default_factory=dict)

    @classmethod
    def of(cls, commits: Iterable[Commit]) -> Batch:
        batch = cls()
        for commit in commits:
            batch.add(commit)
        return batch

    def add(self, commit: Commit) -> None:
        self.accounts.add(commit.account)
        if commit.change is not None:
            self._add_change(commit.change)
        for order in commit.orders:
            key = (order.account, order.client_order_id)
            known = self.orders.get(key)
            self.orders[key] = order if known is None else later_order(known, order)
        self.overrides += commit.overrides
        for decision in commit.decisions:
            self._add_decision(decision)
        for signal in commit.signals:
            bot = (signal.account, signal.bot_id)
            self.signals.setdefault((bot, signal.ordinal, signal.place), signal)
        if commit.marks is not None:
            self._add_marks(commit.marks)

    def _add_change(self, change: BookChange) -> None:
        scope = (change.account, change.symbol)
        for execution in change.executions:
            stored = self.adjustments if execution.exec_type == ADJUSTMENT else self.executions
            stored.setdefault((*scope, execution.exec_id), execution)
        if change.replaced_after_ms is not None:
            self._take_back(scope, change.replaced_after_ms)
        for fill in change.fills:
            self.fills[((*scope, fill.exec_id, fill.bot_id), fill.leg)] = fill
        for payment in change.funding:
            self.funding[(*scope, payment.exec_id, payment.bot_id)] = payment
        for lot in change.lots:
            self.lots[(*scope, lot.exec_id, lot.bot_id)] = lot
        for trip in change.round_trips:
            key = (*scope, trip.entry_exec_id, trip.exit_exec_id, trip.bot_id)
            self.round_trips[key] = trip
        for cycle in change.cycles:
            self.cycles[(*scope, cycle.bot_id, cycle.opened_by)] = cycle

    def _take_back(self, scope: Key, after_ms: int) -> None:
        known = self.replaced_after.get(scope, after_ms)
        self.replaced_after[scope] = min(known, after_ms)
        _drop(self.fills, scope, lambda row: row.exec_time > after_ms)
        _drop(self.funding, scope, lambda row: row.exec_time > after_ms)
        _drop(self.lots, scope, lambda row: row.entry_time > after_ms)
        _drop(self.round_trips, scope, lambda row: row.exit_time > after_ms)
        _drop(self.cycles, scope, lambda row: row.opened_at > after_ms)

    def _add_decision(self, row: DecisionRow) -> None:
        bot = (row.account, row.bot_id)
        self.decisions[(bot, row.ordinal)] = row
        newest = self.bot_states.get(bot)
        if newest is None or row.ordinal >= newest.ordinal:
            self.bot_states[bot] = row

    def _add_marks(self, marks: Marks) -> None:
        known = self.marks.get(marks.account, marks)
        self.marks[marks.account] = replace(
            known,
            seen_ms=max(known.seen_ms, marks.seen_ms),
            verified_ms=max(known.verified_ms, marks.verified_ms),
        )


def later_order(known: OrderRow, proposed: OrderRow) -> OrderRow:
    """The row that is further on; of two in the same state the one that changed later."""
    before, after = OrderState(known.state), OrderState(proposed.state)
    if before is after:
        return proposed if proposed.updated_ms >= known.updated_ms else known
    return proposed if advance(before, after) is after else known


K = TypeVar("K", bound=tuple[object, ...])


def _drop(rows: dict[K, Row], scope: Key, is_replaced: Callable[[Row], bool]) -> None:
    gone = [
        key for key, row in rows.items() if (row.account, row.symbol) == scope and is_replaced(row)
    ]
    for key in gone:
        del rows[key]
