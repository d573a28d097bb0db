"""The fold of one (account, symbol): executions in, fills, lots, round trips and positions out.

The book keeps the executions since its checkpoint, a moment at which nobody held anything, and
the state after the newest of them. A row that belongs at the end costs one step. A row that
belongs further back, or knowledge that changes whose a row is, folds again from the last flat
moment before it; what that replaces is said in the change, so that the ledger can do the same.

Ledger order is (exec_time, seq, order_id, leaves_qty descending, exec_id). Any order, split and
duplication of deliveries ends in the same projections.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, localcontext

from alpha.core.attribution import Share, attribute, names_itself, reason_of
from alpha.core.effects import Effects, flows, tally
from alpha.core.events import CASH_ONLY, POSITION_CHANGING, Execution, LedgerKey
from alpha.core.ids import parse
from alpha.core.lots import ZERO, BotLots, Touched, part
from alpha.core.records import (
    AttributionRules,
    BookChange,
    BotPosition,
    Correction,
    Effect,
    Fill,
    Flow,
    FundingPayment,
    ReasonSource,
    Tally,
)
from alpha.core.steps import NO_STEPS, QtySteps

#: Where nothing lies before: later than no execution.
BEGINNING_MS = -1
#: Digits of intermediate results: products of two numeric(28, 12) are exact.
PRECISION = 60


class BeforeCheckpoint(Exception):
    """Rows at or before the checkpoint: the book has to be read again from a flat moment that is
    strictly earlier than the oldest of them."""

    def __init__(self, rows: Sequence[Execution], checkpoint_ms: int) -> None:
        super().__init__(f"{len(rows)} executions at or before {checkpoint_ms}")
        self.rows = tuple(rows)


def is_known(row: Execution) -> bool:
    """Whether it is known what executions of this type do. Those of another are stored and
    change nothing; the account asks the exchange for its position instead."""
    return row.exec_type in CASH_ONLY or row.exec_type in POSITION_CHANGING


@dataclass(slots=True)
class _Steps:
    """What a run of steps has done, in order."""

    touched: Touched = field(default_factory=Touched)
    fills: list[Fill] = field(default_factory=list)
    funding: list[FundingPayment] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Leg:
    """One half of a trade: what it closes, or what it opens."""

    effect: Effect
    qty: Decimal
    fee: Decimal
    realised: Decimal
    reason: str
    reason_source: ReasonSource


def _fill(row: Execution, share: Share, lots: BotLots, leg: _Leg) -> Fill:
    return Fill(
        account=row.account,
        symbol=row.symbol,
        exec_id=row.exec_id,
        bot_id=share.bot_id,
        leg=0 if leg.effect == "exit" else 1,
        order_id=row.order_id,
        order_link_id=row.order_link_id,
        side="Buy" if share.signed_qty > 0 else "Sell",
        exec_type=row.exec_type,
        price=row.price,
        qty=leg.qty,
        fee=leg.fee,
        fee_currency=row.fee_currency,
        effect=leg.effect,
        reason=leg.reason,
        reason_source=leg.reason_source,
        attribution=share.attribution,
        realised=leg.realised,
        position_after=lots.signed_qty,
        is_maker=row.is_maker,
        exec_time=row.exec_time,
        seq=row.seq,
    )


class Book:
    """`checkpoint_ms`: everybody was flat after all executions up to it (None: since ever)."""

    def __init__(
        self,
        account: str,
        symbol: str,
        *,
        checkpoint_ms: int | None = None,
        qty_steps: QtySteps = NO_STEPS,
    ) -> None:
        self.account = account
        self.symbol = symbol
        self._checkpoint_ms = BEGINNING_MS if checkpoint_ms is None else checkpoint_ms
        self.qty_steps = qty_steps
        self._rows: list[Execution] = []
        self._keys: list[LedgerKey] = []
        self._effects: list[Effects] = []
        self._known: set[str] = set()
        self._unnamed: dict[str, set[str]] = {}  # order id -> exec_ids that it could explain
        self._lots: dict[str, BotLots] = {}
        self._flats: list[int] = []  # how many rows had been folded at each flat moment

    # -- adding -------------------------------------------------------------------------------

    def add(self, rows: Iterable[Execution], rules: AttributionRules) -> BookChange:
        """Folds rows that are not known yet. Raises BeforeCheckpoint, with nothing done, when
        one of them is not later than the checkpoint."""
        fresh = {row.exec_id: row for row in rows if row.exec_id not in self._known}
        if not fresh:
            return BookChange(self.account, self.symbol)
        ordered = sorted(fresh.values(), key=lambda row: row.ledger_key)
        if ordered[0].exec_time <= self._checkpoint_ms:
            raise BeforeCheckpoint(ordered, self._checkpoint_ms)
        at_end = not self._keys or ordered[0].ledger_key > self._keys[-1]
        for row in ordered:
            self._known.add(row.exec_id)
            if not names_itself(row, rules):
                self._unnamed.setdefault(row.order_id, set()).add(row.exec_id)
        if at_end:
            count = len(self._effects)
            steps = self._fold(ordered, rules)
            tallies = tally(self._effects[count:])
            return self._change(steps, executions=tuple(ordered), tallies=tallies)
        return self._insert(ordered, rules)

    def _insert(self, late: Sequence[Execution], rules: AttributionRules) -> BookChange:
        before = self.positions()
        for row in late:
            index = bisect_left(self._keys, row.ledger_key)
            self._rows.insert(index, row)
            self._keys.insert(index, row.ledger_key)
        start, boundary_ms = self._flat_before(late[0].exec_time)
        old = self._effects[start:]
        steps = self._refold(start, rules)
        return self._change(
            steps,
            executions=tuple(late),
            tallies=tally(self._effects[start:], less=old),
            flows=flows(self._effects[start:], less=old),
            replaced_after_ms=boundary_ms,
            corrections=self._corrections(before),
        )

    def reattribute(self, rules: AttributionRules, order_id: str | None = None) -> BookChange:
        """An order row, an override or a configuration learned later: folds again if it changes
        whose something is, or why. With `order_id` only rows of that order are in question."""
        first = self._first_unnamed(order_id)
        if first is None:
            return BookChange(self.account, self.symbol)
        before, old = self.positions(), list(self._effects)
        start, boundary_ms = self._flat_before(self._rows[first].exec_time)
        steps = self._refold(start, rules)
        differs = (i for i in range(start, len(old)) if self._effects[i] != old[i])
        first = next(differs, None)
        if first is None:
            return BookChange(self.account, self.symbol)
        later, later_ms = self._flat_before(self._rows[first].exec_time)
        if later > start:  # what lies before it is as it was: nothing of it is written again
            boundary_ms, steps = later_ms, self._refold(later, rules)
        return self._change(
            steps,
            replaced_after_ms=boundary_ms,
            corrections=self._corrections(before),
            tallies=tally(self._effects[start:], less=old[start:]),
            flows=flows(self._effects[start:], less=old[start:]),
        )

    def _first_unnamed(self, order_id: str | None) -> int | None:
        if order_id is None:
            return 0 if self._rows else None
        if order_id not in self._unnamed:
            return None
        return next(i for i, row in enumerate(self._rows) if row.order_id == order_id)

    # -- folding ------------------------------------------------------------------------------

    def _flat_before(self, exec_time: int) -> tuple[int, int]:
        """The newest flat moment strictly before `exec_time`: the index of the first row after
        it, and its time. Rows of one millisecond are never torn apart."""
        for count in reversed(self._flats):
            boundary_ms = self._keys[count - 1][0]
            if boundary_ms < exec_time and (
                count == len(self._keys) or self._keys[count][0] > boundary_ms
            ):
                return count, boundary_ms
        return 0, self._checkpoint_ms

    def _refold(self, start: int, rules: AttributionRules) -> _Steps:
        rows = self._rows[start:]
        del self._rows[start:], self._keys[start:], self._effects[start:]
        while self._flats and self._flats[-1] > start:
            self._flats.pop()
        self._lots = {}
        return self._fold(rows, rules)

    def _fold(self, rows: Sequence[Execution], rules: AttributionRules) -> _Steps:
        steps = _Steps()
        with localcontext(prec=PRECISION):
            for row in rows:
                effects = self._step(row, rules, steps.touched)
                steps.fills += effects.fills
                steps.funding += effects.funding
                self._rows.append(row)
                self._keys.append(row.ledger_key)
                self._effects.append(effects)
                if not any(lots.signed_qty for lots in self._lots.values()):
                    self._flats.append(len(self._rows))
        return steps

    def _step(self, row: Execution, rules: AttributionRules, touched: Touched) -> Effects:
        """One execution on the state before it."""
        if not is_known(row):
            return Effects()
        held = {bot: lots.signed_qty for bot, lots in self._lots.items() if lots.signed_qty}
        shares = attribute(row, rules, held, self.qty_steps.at(row.exec_time))
        if row.exec_type in CASH_ONLY:
            return Effects(funding=tuple(self._funding(row, share, touched) for share in shares))
        fills: list[Fill] = []
        done = len(touched.round_trips)
        for share in shares:
            fills += self._trade(row, share, rules, touched)
        return Effects(fills=tuple(fills), round_trips=tuple(touched.round_trips[done:]))

    def _lots_of(self, bot_id: str) -> BotLots:
        known = self._lots.get(bot_id)
        if known is None:
            known = self._lots[bot_id] = BotLots(bot_id)
        return known

    def _funding(self, row: Execution, share: Share, touched: Touched) -> FundingPayment:
        lots = self._lots_of(share.bot_id)
        lots.accrue(-share.fee, touched)
        return FundingPayment(
            account=self.account,
            symbol=self.symbol,
            exec_id=row.exec_id,
            bot_id=share.bot_id,
            position=lots.signed_qty,
            rate=row.fee_rate,
            amount=-share.fee,
            currency=row.fee_currency,
            exec_time=row.exec_time,
            seq=row.seq,
        )

    def _trade(
        self, row: Execution, share: Share, rules: AttributionRules, touched: Touched
    ) -> list[Fill]:
        """A bot's part of a trade: what closes first, then what opens (a flip is both)."""
        lots = self._lots_of(share.bot_id)
        signed, held = share.signed_qty, lots.signed_qty
        closing = min(abs(signed), abs(held)) if held * signed < 0 else ZERO
        opening = abs(signed) - closing
        close_fee = part(share.fee, closing, abs(signed)) if closing else ZERO
        direction = 1 if signed > 0 else -1
        fills: list[Fill] = []
        if closing:
            reason, source = reason_of(row, rules, "exit")
            gross = lots.close(row, direction * closing, close_fee, reason, touched)
            leg = _Leg("exit", closing, close_fee, gross, reason, source)
            fills.append(_fill(row, share, lots, leg))
        if opening:
            reason, source = reason_of(row, rules, "entry")
            open_fee = share.fee - close_fee
            lots.open(row, direction * opening, open_fee, reason, touched)
            leg = _Leg("entry", opening, open_fee, ZERO, reason, source)
            fills.append(_fill(row, share, lots, leg))
        return fills

    # -- what is said -------------------------------------------------------------------------

    def _change(
        self,
        steps: _Steps,
        *,
        executions: tuple[Execution, ...] = (),
        replaced_after_ms: int | None = None,
        corrections: tuple[Correction, ...] = (),
        tallies: tuple[Tally, ...] = (),
        flows: tuple[Flow, ...] = (),
    ) -> BookChange:
        return BookChange(
            account=self.account,
            symbol=self.symbol,
            executions=executions,
            fills=tuple(steps.fills),
            funding=tuple(steps.funding),
            lots=tuple(steps.touched.lots.values()),
            round_trips=tuple(steps.touched.round_trips),
            cycles=tuple(steps.touched.cycles.values()),
            replaced_after_ms=replaced_after_ms,
            corrections=corrections,
            tallies=tallies,
            flows=flows,
            quarantined=tuple(row for row in executions if not is_known(row)),
        )

    def _corrections(self, before: Mapping[str, BotPosition]) -> tuple[Correction, ...]:
        after = self.positions()
        flat = BotPosition.flat(self.symbol)
        changed = []
        for bot_id in sorted(before.keys() | after.keys()):
            was, now = before.get(bot_id, flat), after.get(bot_id, flat)
            if was != now:
                changed.append(Correction(bot_id, was, now))
        return tuple(changed)

    # -- questions ----------------------------------------------------------------------------

    @property
    def checkpoint_ms(self) -> int | None:
        return None if self._checkpoint_ms == BEGINNING_MS else self._checkpoint_ms

    @property
    def after_ms(self) -> int:
        """Rows at or before this are refused: the checkpoint, or a time before all."""
        return self._checkpoint_ms

    @property
    def newest(self) -> LedgerKey | None:
        """The last place of the ledger that is folded; None while there is none."""
        return self._keys[-1] if self._keys else None

    @property
    def rows(self) -> Sequence[Execution]:
        """Executions since the checkpoint, in ledger order."""
        return tuple(self._rows)

    def __contains__(self, exec_id: str) -> bool:
        return exec_id in self._known

    def position(self, bot_id: str) -> BotPosition:
        lots = self._lots.get(bot_id)
        if lots is None:
            return BotPosition.flat(self.symbol)
        return lots.position(self.symbol)

    def positions(self) -> dict[str, BotPosition]:
        """Open positions by bot, `manual` included."""
        return {
            bot: lots.position(self.symbol)
            for bot, lots in sorted(self._lots.items())
            if lots.signed_qty
        }

    def cost(self, bot_id: str) -> Decimal:
        """What the bot's open lots were entered for, < 0 for a short. First in first out, like
        what is realised; the position's price is the average of its entries, like the exchange's.
        """
        lots = self._lots.get(bot_id)
        if lots is None or not lots.signed_qty:
            return ZERO
        total = sum((lot.remaining_qty * lot.entry_price for lot in lots.lots), ZERO)
        return total if lots.signed_qty > 0 else -total

    def net(self) -> Decimal:
        return sum((lots.signed_qty for lots in self._lots.values()), ZERO)

    def overshot(self, rules: AttributionRules) -> dict[str, Decimal]:
        """What a bot's own exits and stops have opened, beyond what there was to close, by bot:
        open lots under an order id of the bot whose reason is no entry's."""
        found: dict[str, Decimal] = {}
        for bot, lots in self._lots.items():
            for lot in lots.lots:
                own = parse(lot.order_link_id, rules.reasons) if lot.order_link_id else None
                reason = own and own.reason and rules.reasons.get(own.reason)
                if own is not None and own.bot_id == bot and reason and not reason.is_entry:
                    found[bot] = found.get(bot, ZERO) + lot.remaining_qty
        return found

    def added_to(self, past: Book) -> tuple[Tally, ...]:
        """What this book's sums have beyond those of another one of the same time."""
        return tally(self._effects, less=past._effects)

    def moved_beyond(self, past: Book) -> tuple[Flow, ...]:
        """The same in what was moved, and when."""
        return flows(self._effects, less=past._effects)

    def fills_of(self, bot_id: str) -> list[Fill]:
        """The bot's fills since the checkpoint, in ledger order."""
        return [fill for e in self._effects for fill in e.fills if fill.bot_id == bot_id]

    def anew(self) -> Book:
        """One without rows, from the same checkpoint."""
        return Book(
            self.account, self.symbol, checkpoint_ms=self.checkpoint_ms, qty_steps=self.qty_steps
        )

    def owners_now(self, row: Execution, rules: AttributionRules) -> frozenset[str]:
        """To whom an execution would belong as the next one."""
        held = {bot: lots.signed_qty for bot, lots in self._lots.items() if lots.signed_qty}
        shares = attribute(row, rules, held, self.qty_steps.at(row.exec_time))
        return frozenset(share.bot_id for share in shares)

    def owners_of(self, order_id: str) -> frozenset[str]:
        """Bots to which executions of an order without an id of ours belong, since the
        checkpoint; empty when none has come."""
        exec_ids = self._unnamed.get(order_id, set())
        return (
            frozenset(
                fill.bot_id
                for row, effects in zip(self._rows, self._effects, strict=True)
                if row.exec_id in exec_ids
                for fill in effects.fills
            )
            if exec_ids
            else frozenset()
        )

    def begin_after(self, moment_ms: int) -> None:
        """Everybody was flat after everything up to `moment_ms`, of which this book has nothing:
        from now on it begins there."""
        if self._keys and self._keys[0][0] <= moment_ms:
            raise ValueError(f"expected only rows later than {moment_ms}, was {self._keys[0][0]}")
        self._checkpoint_ms = max(self._checkpoint_ms, moment_ms)

    def trim(self, keep_after_ms: int) -> None:
        """Moves the checkpoint to the newest flat moment at or before `keep_after_ms`."""
        if not self._keys or self._keys[0][0] > keep_after_ms:
            return
        upto = bisect_right(self._keys, keep_after_ms, key=lambda key: key[0])
        count, boundary_ms = self._flat_before(keep_after_ms + 1)
        count = min(count, upto)
        if count == 0 or self._keys[count - 1][0] != boundary_ms:
            return
        for row in self._rows[:count]:
            self._known.discard(row.exec_id)
            unnamed = self._unnamed.get(row.order_id, set())
            unnamed.discard(row.exec_id)
            if not unnamed:
                self._unnamed.pop(row.order_id, None)
        del self._rows[:count], self._keys[:count], self._effects[:count]
        self._flats = [flat - count for flat in self._flats if flat > count]
        self._lots = {bot: lots for bot, lots in self._lots.items() if lots.signed_qty}
        self._checkpoint_ms = boundary_ms
