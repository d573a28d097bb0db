"""One bot's books in one symbol: lots first in, first out, and the position from flat to flat.

Fees and funding follow the quantity exactly: every piece takes its share, the last piece of a
lot takes what is left, so sums never differ from what the exchange charged.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace
from decimal import ROUND_DOWN, Decimal

from alpha.core.attribution import QUANTUM
from alpha.core.events import Execution, PositionSide
from alpha.core.records import BotPosition, Lot, PositionCycle, RoundTrip

ZERO = Decimal(0)


def part(whole: Decimal, qty: Decimal, of: Decimal) -> Decimal:
    """`whole` x qty / of, exact when all of it is asked for."""
    if qty == of:
        return whole
    return (whole * qty / of).quantize(QUANTUM, ROUND_DOWN)


@dataclass(slots=True)
class Touched:
    """What a step of the fold has changed, newest version of each row, in order."""

    lots: dict[tuple[str, str], Lot] = field(default_factory=dict)
    cycles: dict[tuple[str, str], PositionCycle] = field(default_factory=dict)
    round_trips: list[RoundTrip] = field(default_factory=list)

    def lot(self, lot: Lot) -> None:
        self.lots[(lot.exec_id, lot.bot_id)] = lot

    def cycle(self, cycle: PositionCycle) -> None:
        self.cycles[(cycle.opened_by, cycle.bot_id)] = cycle


@dataclass(slots=True)
class BotLots:
    """Open lots of one bot, all on one side, and the cycle they belong to."""

    bot_id: str
    signed_qty: Decimal = ZERO
    lots: deque[Lot] = field(default_factory=deque)
    cycle: PositionCycle | None = None

    def position(self, symbol: str) -> BotPosition:
        if self.cycle is None or not self.signed_qty:
            return BotPosition.flat(symbol)
        return BotPosition(
            symbol,
            self.signed_qty,
            self.cycle.avg_entry_price,
            self.cycle.opened_at,
            self.cycle.entry_reason,
        )

    def open(
        self, row: Execution, signed: Decimal, fee: Decimal, reason: str, touched: Touched
    ) -> None:
        """Adds a lot in the direction of the position, or begins one."""
        side: PositionSide = "long" if signed > 0 else "short"
        qty = abs(signed)
        lot = Lot(
            account=row.account,
            symbol=row.symbol,
            exec_id=row.exec_id,
            bot_id=self.bot_id,
            side=side,
            entry_price=row.price,
            original_qty=qty,
            remaining_qty=qty,
            entry_fee=fee,
            entry_fee_left=fee,
            funding_left=ZERO,
            entry_reason=reason,
            order_id=row.order_id,
            order_link_id=row.order_link_id,
            entry_time=row.exec_time,
        )
        self.lots.append(lot)
        touched.lot(lot)
        self._add_to_cycle(row, side, qty, fee, reason, touched)
        self.signed_qty += signed

    def _add_to_cycle(
        self,
        row: Execution,
        side: PositionSide,
        qty: Decimal,
        fee: Decimal,
        reason: str,
        touched: Touched,
    ) -> None:
        known = self.cycle
        if known is None:
            self.cycle = PositionCycle(
                account=row.account,
                symbol=row.symbol,
                bot_id=self.bot_id,
                opened_by=row.exec_id,
                side=side,
                size=qty,
                max_size=qty,
                avg_entry_price=row.price,
                realised_pnl=ZERO,
                fees=fee,
                funding=ZERO,
                entry_reason=reason,
                exit_reason=None,
                opened_at=row.exec_time,
                closed_at=None,
            )
        else:
            size = known.size + qty
            cost = known.avg_entry_price * known.size + row.price * qty
            self.cycle = replace(
                known,
                size=size,
                max_size=max(known.max_size, size),
                avg_entry_price=(cost / size).quantize(QUANTUM),
                fees=known.fees + fee,
            )
        touched.cycle(self.cycle)

    def close(
        self, row: Execution, signed: Decimal, fee: Decimal, reason: str, touched: Touched
    ) -> Decimal:
        """Closes lots first in, first out; returns the gross PnL. `signed` is opposite to the
        position and not larger than it."""
        total = left = abs(signed)
        fee_left, gross = fee, ZERO
        while left:
            lot = self.lots[0]
            qty = min(left, lot.remaining_qty)
            exit_fee = fee_left if qty == left else part(fee, qty, total)
            piece = _round_trip(lot, row, qty, exit_fee, reason)
            self._shrink(lot, piece, touched)
            touched.round_trips.append(piece)
            gross += piece.gross_pnl
            fee_left -= exit_fee
            left -= qty
        self.signed_qty += signed
        self._close_cycle(row, total, gross, fee, reason, touched)
        return gross

    def _shrink(self, lot: Lot, piece: RoundTrip, touched: Touched) -> None:
        smaller = replace(
            lot,
            remaining_qty=lot.remaining_qty - piece.qty,
            entry_fee_left=lot.entry_fee_left - piece.entry_fee,
            funding_left=lot.funding_left - piece.funding,
        )
        touched.lot(smaller)
        if smaller.remaining_qty:
            self.lots[0] = smaller
        else:
            self.lots.popleft()

    def _close_cycle(
        self,
        row: Execution,
        qty: Decimal,
        gross: Decimal,
        fee: Decimal,
        reason: str,
        touched: Touched,
    ) -> None:
        known = self.cycle
        if known is None:
            raise AssertionError(f"expected an open cycle of {self.bot_id}, was none")
        size = known.size - qty
        closed = replace(
            known,
            size=size,
            realised_pnl=known.realised_pnl + gross,
            fees=known.fees + fee,
            exit_reason=reason,
            closed_at=None if size else row.exec_time,
        )
        touched.cycle(closed)
        self.cycle = closed if size else None

    def accrue(self, amount: Decimal, touched: Touched) -> None:
        """Funding cash onto the open lots, pro rata to what remains of them."""
        if self.cycle is None or not self.lots:
            return
        total = abs(self.signed_qty)
        left = amount
        for index, lot in enumerate(self.lots):
            last = index == len(self.lots) - 1
            share = left if last else part(amount, lot.remaining_qty, total)
            left -= share
            richer = replace(lot, funding_left=lot.funding_left + share)
            self.lots[index] = richer
            touched.lot(richer)
        self.cycle = replace(self.cycle, funding=self.cycle.funding + amount)
        touched.cycle(self.cycle)


def _round_trip(
    lot: Lot, row: Execution, qty: Decimal, exit_fee: Decimal, reason: str
) -> RoundTrip:
    direction = 1 if lot.side == "long" else -1
    return RoundTrip(
        account=lot.account,
        symbol=lot.symbol,
        bot_id=lot.bot_id,
        side=lot.side,
        entry_exec_id=lot.exec_id,
        exit_exec_id=row.exec_id,
        qty=qty,
        entry_price=lot.entry_price,
        exit_price=row.price,
        entry_time=lot.entry_time,
        exit_time=row.exec_time,
        entry_reason=lot.entry_reason,
        exit_reason=reason,
        gross_pnl=(row.price - lot.entry_price) * qty * direction,
        entry_fee=part(lot.entry_fee_left, qty, lot.remaining_qty),
        exit_fee=exit_fee,
        funding=part(lot.funding_left, qty, lot.remaining_qty),
        entry_order_id=lot.order_id,
        exit_order_id=row.order_id,
        entry_link_id=lot.order_link_id,
        exit_link_id=row.order_link_id,
    )
