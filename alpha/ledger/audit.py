"""The ledger recomputed from nothing: a second, plain implementation of the fold.

It shares no code with the fold that writes the tables (`alpha.core.book`): a mistake there
must not be able to confirm itself. Whole history in, rows of the tables out, with the tables'
column names, one (account, symbol) at a time. Slow and simple on purpose.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_DOWN, Context, Decimal, localcontext
from fractions import Fraction
from math import floor

from alpha.core.events import Execution

Value = str | int | bool | Decimal | None
TableRow = dict[str, Value]
RowKey = tuple[Value, ...]

#: table -> the columns that identify a row within one (account, symbol)
KEYS: Mapping[str, tuple[str, ...]] = {
    "trading.fills": ("exec_id", "bot_id", "leg"),
    "trading.funding_payments": ("exec_id", "bot_id"),
    "trading.position_entries": ("exec_id", "bot_id"),
    "trading.completed_trades": ("entry_exec_id", "exit_exec_id", "bot_id"),
    "trading.positions": ("bot_id", "opened_by"),
}

_NOBODY = "manual"
_TRADES = {
    "Trade",
    "BustTrade",
    "AdlTrade",
    "Settle",
    "Delivery",
    "BlockTrade",
    "MovePosition",
    "FutureSpread",
    "CorporateAction",
    "Adjustment",
}
_FORCED = {"BustTrade", "AdlTrade", "Settle", "Delivery"}
_FORCED_ORDERS = {
    "CreateByLiq",
    "CreateByTakeOver_PassThrough",
    "CreateByAdl_PassThrough",
    "CreateBySettle",
}
#: What the exchange calls its own doings (Bybit V5, enums createType and stopOrderType).
_WORDS = {
    **dict.fromkeys(("CreateByStopLoss", "CreateByPartialStopLoss"), "stop_loss"),
    **dict.fromkeys(("StopLoss", "PartialStopLoss"), "stop_loss"),
    **dict.fromkeys(("CreateByTakeProfit", "CreateByPartialTakeProfit"), "take_profit"),
    **dict.fromkeys(("TakeProfit", "PartialTakeProfit"), "take_profit"),
    **dict.fromkeys(("CreateByTrailingStop", "CreateByTrailingProfit"), "trailing_stop"),
    "TrailingStop": "trailing_stop",
    **dict.fromkeys(_FORCED_ORDERS - {"CreateBySettle"}, "risk_limit"),
    **dict.fromkeys(("CreateByClosing", "CreateByMmRateClose", "MmRateClose"), "manual_exit"),
    **dict.fromkeys(("CreateByAdminClosing", "CreateBySettle"), "manual_exit"),
}
_SMALLEST = Decimal("0.000000000001")
_OURS = re.compile(r"([a-z0-9_]{1,20})-([a-z][a-z0-9]{0,2})-[0-9a-z]{8}")
_OLDER = re.compile(r"([a-z0-9_]{1,20}):([a-z0-9_]{1,24}):[0-9]{9,13}")


@dataclass(frozen=True, slots=True)
class Facts:
    """What the books may know besides executions. `orders` maps an exchange order id to (bot,
    reason, "order" | "parent"), `codes` the codes of order ids to reasons."""

    bots: frozenset[str]
    owners: Mapping[str, str]
    orders: Mapping[str, tuple[str, str, str]]
    overrides: Mapping[str, str]
    codes: Mapping[str, str]
    #: (since, step), Unix ms, in the order of time
    qty_steps: Sequence[tuple[int, Decimal]] = ()


@dataclass(slots=True)
class Recomputed:
    """Expected rows of one (account, symbol) by table and key, and the net position by bot."""

    tables: dict[str, dict[RowKey, TableRow]] = field(
        default_factory=lambda: {table: {} for table in KEYS}
    )
    positions: dict[str, Decimal] = field(default_factory=dict)

    def put(self, table: str, row: TableRow) -> None:
        self.tables[table][tuple(row[column] for column in KEYS[table])] = row


@dataclass(slots=True)
class _Holding:
    """One bot's open lots, oldest first, and its current position row."""

    lots: list[TableRow] = field(default_factory=list)
    cycle: TableRow | None = None


def recompute(executions: Iterable[Execution], facts: Facts) -> Recomputed:
    """Everything that the executions of one (account, symbol) mean, from the first to the last."""
    with localcontext(Context(prec=60)):
        audit = _Audit(facts)
        for row in sorted(executions, key=_ledger_order):
            audit.take(row)
        audit.result.positions = {
            bot: size for bot in sorted(audit.holdings) if (size := audit.size(bot))
        }
        return audit.result


def names_itself(link_id: str, bots: frozenset[str], codes: Mapping[str, str]) -> bool:
    """Whether an order id says bot and reason, so that nobody has to look for its order."""
    if found := _OURS.fullmatch(link_id):
        return found[1] in bots and found[2] in codes
    found = _OLDER.fullmatch(link_id)
    return found is not None and found[1] in bots


def _ledger_order(row: Execution) -> tuple[int, int, str, Decimal, str]:
    return (row.exec_time, row.seq, row.order_id, -row.leaves_qty, row.exec_id)


def _exchange_word(row: Execution) -> str | None:
    """The reason that the exchange names itself: by execType, else createType, else, for rows
    without one, stopOrderType."""
    if row.exec_type in _FORCED:
        return "risk_limit" if row.exec_type in ("BustTrade", "AdlTrade") else "manual_exit"
    unnamed = row.create_type in ("", "UNKNOWN")
    return _WORDS.get(row.stop_order_type if unnamed else row.create_type)


class _Audit:
    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        self.result = Recomputed()
        self.holdings: dict[str, _Holding] = {}

    def size(self, bot: str) -> Decimal:
        """Signed: longs above zero."""
        lots = self.holdings[bot].lots if bot in self.holdings else []
        total = sum((_number(lot["remaining_qty"]) for lot in lots), Decimal(0))
        return -total if lots and lots[0]["side"] == "short" else total

    def take(self, row: Execution) -> None:
        if row.exec_type == "Funding":
            for bot, _, cash, _ in self._parts(row):
                self._pay_funding(row, bot, -cash)
        elif row.exec_type in _TRADES:
            for bot, signed, fee, how in self._parts(row):
                self._trade(row, bot, signed, fee, how)

    # -- whose it is ----------------------------------------------------------------------------

    def _parts(self, row: Execution) -> list[tuple[str, Decimal, Decimal, str]]:
        """(bot, signed quantity, fee, how it was found), together exactly the execution."""
        signed = row.qty if row.side == "Buy" else -row.qty
        if row.exec_type == "Funding":
            signed = Decimal(0)
        facts = self.facts
        if row.exec_type == "Adjustment":
            return [(_NOBODY, signed, row.fee, "manual")]
        if row.exec_id in facts.overrides:
            return [(facts.overrides[row.exec_id], signed, row.fee, "override")]
        bot, _ = self._named_by_id(row)
        if bot is not None:
            return [(bot, signed, row.fee, "id")]
        order = facts.orders.get(row.order_id)
        sizes = {bot: self.size(bot) for bot in sorted(self.holdings) if self.size(bot)}
        if order is not None and order[0] in facts.bots:
            bot, _, how = order
            closing = {name for name, size in sizes.items() if (size < 0) == (signed > 0)}
            is_enough = bot in closing and abs(sizes[bot]) >= abs(signed)
            if how != "parent" or not signed or is_enough or not closing - {bot}:
                return [(bot, signed, row.fee, how)]
            return self._by_effect(row, signed, sizes, (bot, how) if bot in closing else None)
        forced = row.exec_type in _FORCED or row.create_type in _FORCED_ORDERS
        if row.exec_type == "Funding" or forced:
            if len(sizes) == 1:
                bot = next(iter(sizes))
                how = "sole_bot" if facts.bots == {bot} else "open_lot"
                return [(bot, signed, row.fee, how)]
            if sizes and sum(sizes.values()) != 0:
                return self._shared(row, signed, sizes)
        return self._by_effect(row, signed, sizes)

    def _named_by_id(self, row: Execution) -> tuple[str | None, str | None]:
        """Bot and reason of the row's own order id, if it names a bot of the account."""
        found = _OURS.fullmatch(row.order_link_id) or _OLDER.fullmatch(row.order_link_id)
        if found is None or found[1] not in self.facts.bots:
            return None, None
        if ":" in row.order_link_id:
            return found[1], found[2]
        return found[1], self.facts.codes.get(found[2])

    def _spelt_out(self, link_id: str) -> str | None:
        """bot:reason:unix_ms of an id that has our form, whoever's bot it names."""
        if _OURS.fullmatch(link_id):
            bot, code, stamp = link_id.split("-")
            return f"{bot}:{self.facts.codes.get(code, code)}:{int(stamp, 36)}"
        if _OLDER.fullmatch(link_id):
            bot, reason, at = link_id.split(":")
            return f"{bot}:{reason}:{int(at) * (1 if int(at) >= 10**11 else 1000)}"
        return None

    def _by_effect(
        self,
        row: Execution,
        signed: Decimal,
        sizes: Mapping[str, Decimal],
        first: tuple[str, str] | None = None,
    ) -> list[tuple[str, Decimal, Decimal, str]]:
        """Nobody closes more than it has: the rest goes to whoever is next, at last to `manual`."""
        bot, how = first or self._whose(row, signed, sizes, is_rest=False)
        taken, hows = {bot: _most(signed, sizes.get(bot))}, {bot: how}
        rest = signed - taken[bot]
        while rest:
            others = {name: size for name, size in sizes.items() if name not in taken}
            bot, how = self._whose(row, rest, others, is_rest=True)
            part = _most(rest, others.get(bot))
            taken[bot] = taken.get(bot, Decimal(0)) + part
            hows.setdefault(bot, how)
            rest -= part
        fees = _divide_cash(row.fee, taken, signed) if len(taken) > 1 else {bot: row.fee}
        return [(name, part, fees[name], hows[name]) for name, part in taken.items()]

    def _whose(
        self, row: Execution, signed: Decimal, sizes: Mapping[str, Decimal], *, is_rest: bool
    ) -> tuple[str, str]:
        closing = [
            bot
            for bot, size in sizes.items()
            if (size > 0 and signed < 0) or (size < 0 and signed > 0)
        ]
        by_system = row.exec_type != "Trade" or _exchange_word(row) is not None
        if not closing and (is_rest or not by_system):
            return _NOBODY, "manual"
        if len(self.facts.bots) == 1:
            (only,) = self.facts.bots
            if only in closing:
                return only, "sole_bot"
        if len(closing) == 1:
            return closing[0], "open_lot"
        owner = self.facts.owners.get(row.symbol)
        if owner is None or (is_rest and owner not in closing):
            return _NOBODY, "manual"
        return owner, "symbol"

    def _shared(
        self, row: Execution, signed: Decimal, sizes: Mapping[str, Decimal]
    ) -> list[tuple[str, Decimal, Decimal, str]]:
        net = sum(sizes.values(), Decimal(0))
        if row.exec_type == "Funding":
            cash = _divide_cash(row.fee, sizes, net)
            return [(bot, Decimal(0), cash[bot], "share") for bot in sizes]
        step = Fraction(self._step_at(row.exec_time))
        if any(Fraction(amount) % step for amount in (signed, *sizes.values())):
            step = Fraction(_SMALLEST)
        exact = {
            bot: Fraction(abs(signed)) * Fraction(size) / Fraction(net) / step
            for bot, size in sizes.items()
        }
        counts = {bot: floor(amount) for bot, amount in exact.items()}
        missing = Fraction(abs(signed)) / step - sum(counts.values())
        by_rest = sorted(sizes, key=lambda bot: (counts[bot] - exact[bot], bot))
        for bot in by_rest[: int(missing)]:
            counts[bot] += 1
        unit = Decimal(step.numerator) / step.denominator * (1 if signed > 0 else -1)
        parts = {bot: count * unit for bot, count in counts.items() if count}
        fees = _divide_cash(row.fee, parts, signed)
        return [(bot, amount, fees[bot], "share") for bot, amount in parts.items()]

    def _step_at(self, at_ms: int) -> Decimal:
        in_force = [step for since, step in self.facts.qty_steps if since <= at_ms]
        return in_force[-1] if in_force else _SMALLEST

    def _reason(self, row: Execution, effect: str) -> tuple[str, str]:
        _, reason = self._named_by_id(row)
        if reason:
            return reason, "id"
        order = self.facts.orders.get(row.order_id)
        if order is not None and order[2] == "order" and order[1]:
            return order[1], "id"
        word = _exchange_word(row)
        return (word, "exchange") if word else (f"manual_{effect}", "effect")

    # -- what it does ---------------------------------------------------------------------------

    def _trade(self, row: Execution, bot: str, signed: Decimal, fee: Decimal, how: str) -> None:
        before = self.size(bot)
        opposite = (before > 0 > signed) or (before < 0 < signed)
        closed = min(abs(before), abs(signed)) if opposite else Decimal(0)
        opened = abs(signed) - closed
        closing_fee = _part(fee, closed, abs(signed)) if closed else Decimal(0)
        side = "Buy" if signed > 0 else "Sell"
        if closed:
            reason, source = self._reason(row, "exit")
            profit = self._close(row, bot, closed, closing_fee, reason)
            fill: TableRow = {"leg": 0, "effect": "exit", "exec_qty": closed, "realised": profit}
            fill |= {"commission": closing_fee, "reason": reason, "reason_source": source}
            self._put_fill(row, bot, side, how, fill)
        if opened:
            reason, source = self._reason(row, "entry")
            self._open(row, bot, side, opened, fee - closing_fee, reason)
            fill = {"leg": 1, "effect": "entry", "exec_qty": opened, "realised": Decimal(0)}
            fill |= {"commission": fee - closing_fee, "reason": reason, "reason_source": source}
            self._put_fill(row, bot, side, how, fill)

    def _put_fill(self, row: Execution, bot: str, side: str, how: str, fill: TableRow) -> None:
        common: TableRow = {
            "exec_id": row.exec_id,
            "bot_id": bot,
            "order_id": row.order_id,
            "order_link_id": row.order_link_id,
            "client_order_id": self._spelt_out(row.order_link_id),
            "side": side,
            "exec_type": row.exec_type,
            "exec_price": row.price,
            "fee_currency": row.fee_currency,
            "attribution": how,
            "position_after": self.size(bot),
            "is_maker": row.is_maker,
            "exec_time": row.exec_time,
            "seq": row.seq,
        }
        self.result.put("trading.fills", common | fill)

    def _open(
        self, row: Execution, bot: str, side: str, qty: Decimal, fee: Decimal, reason: str
    ) -> None:
        holding = self.holdings.setdefault(bot, _Holding())
        lot: TableRow = {
            "exec_id": row.exec_id,
            "bot_id": bot,
            "side": "long" if side == "Buy" else "short",
            "entry_price": row.price,
            "original_qty": qty,
            "remaining_qty": qty,
            "entry_commission": fee,
            "commission_left": fee,
            "funding_left": Decimal(0),
            "entry_reason": reason,
            "entry_order_id": row.order_id,
            "order_link_id": row.order_link_id,
            "entry_time": row.exec_time,
        }
        holding.lots.append(lot)
        self.result.put("trading.position_entries", lot)
        cycle = holding.cycle
        if cycle is None:
            cycle = holding.cycle = {
                "bot_id": bot,
                "opened_by": row.exec_id,
                "side": lot["side"],
                "size": Decimal(0),
                "max_size": Decimal(0),
                "avg_entry_price": Decimal(0),
                "realized_pnl": Decimal(0),
                "fees": Decimal(0),
                "funding": Decimal(0),
                "entry_reason": reason,
                "exit_reason": None,
                "opened_at": row.exec_time,
                "closed_at": None,
            }
            self.result.put("trading.positions", cycle)
        size = _number(cycle["size"])
        cost = _number(cycle["avg_entry_price"]) * size + row.price * qty
        cycle["size"] = size + qty
        cycle["avg_entry_price"] = (cost / (size + qty)).quantize(_SMALLEST)
        cycle["max_size"] = max(_number(cycle["max_size"]), size + qty)
        cycle["fees"] = _number(cycle["fees"]) + fee

    def _close(self, row: Execution, bot: str, qty: Decimal, fee: Decimal, reason: str) -> Decimal:
        holding = self.holdings[bot]
        to_close, fee_left, profit = qty, fee, Decimal(0)
        while to_close > 0:
            lot = holding.lots[0]
            remaining = _number(lot["remaining_qty"])
            piece = min(to_close, remaining)
            exit_fee = fee_left if piece == to_close else _part(fee, piece, qty)
            entry_fee = _part(_number(lot["commission_left"]), piece, remaining)
            funding = _part(_number(lot["funding_left"]), piece, remaining)
            gain = (row.price - _number(lot["entry_price"])) * piece
            gain = gain if lot["side"] == "long" else -gain
            trip: TableRow = {
                "bot_id": bot,
                "entry_exec_id": lot["exec_id"],
                "exit_exec_id": row.exec_id,
                "side": lot["side"],
                "quantity": piece,
                "entry_order_id": lot["entry_order_id"],
                "entry_order_link_id": lot["order_link_id"],
                "entry_price": lot["entry_price"],
                "entry_time": lot["entry_time"],
                "entry_reason": lot["entry_reason"],
                "entry_commission": entry_fee,
                "exit_order_id": row.order_id,
                "exit_order_link_id": row.order_link_id,
                "exit_price": row.price,
                "exit_time": row.exec_time,
                "exit_reason": reason,
                "exit_commission": exit_fee,
                "gross_pnl": gain,
                "funding": funding,
            }
            self.result.put("trading.completed_trades", trip)
            lot["remaining_qty"] = remaining - piece
            lot["commission_left"] = _number(lot["commission_left"]) - entry_fee
            lot["funding_left"] = _number(lot["funding_left"]) - funding
            if piece == remaining:
                holding.lots.pop(0)
            to_close, fee_left, profit = to_close - piece, fee_left - exit_fee, profit + gain
        self._close_cycle(row, holding, qty, fee, profit, reason)
        return profit

    def _close_cycle(
        self,
        row: Execution,
        holding: _Holding,
        qty: Decimal,
        fee: Decimal,
        profit: Decimal,
        reason: str,
    ) -> None:
        cycle = holding.cycle
        if cycle is None:
            raise AssertionError(f"expected an open position for {row.exec_id}, was none")
        cycle["size"] = _number(cycle["size"]) - qty
        cycle["realized_pnl"] = _number(cycle["realized_pnl"]) + profit
        cycle["fees"] = _number(cycle["fees"]) + fee
        cycle["exit_reason"] = reason
        if not holding.lots:
            cycle["closed_at"] = row.exec_time
            holding.cycle = None

    def _pay_funding(self, row: Execution, bot: str, cash: Decimal) -> None:
        payment: TableRow = {
            "exec_id": row.exec_id,
            "bot_id": bot,
            "position": self.size(bot),
            "rate": row.fee_rate,
            "amount": cash,
            "currency": row.fee_currency,
            "exec_time": row.exec_time,
            "seq": row.seq,
        }
        self.result.put("trading.funding_payments", payment)
        holding = self.holdings.get(bot)
        if holding is None or holding.cycle is None:
            return
        whole = abs(self.size(bot))
        left = cash
        for lot in holding.lots:
            share = _part(cash, _number(lot["remaining_qty"]), whole)
            share = left if lot is holding.lots[-1] else share
            lot["funding_left"] = _number(lot["funding_left"]) + share
            left -= share
        holding.cycle["funding"] = _number(holding.cycle["funding"]) + cash


def _number(value: Value) -> Decimal:
    if not isinstance(value, Decimal):
        raise AssertionError(f"expected an amount, was {value!r}")
    return value


def _part(whole: Decimal, qty: Decimal, of: Decimal) -> Decimal:
    """whole x qty / of to twelve digits, towards zero; all of it without rounding."""
    return whole if qty == of else (whole * qty / of).quantize(_SMALLEST, ROUND_DOWN)


def _most(signed: Decimal, size: Decimal | None) -> Decimal:
    """As much of `signed` as closes `size`; all of it where it closes nothing."""
    if not size or (size > 0) is (signed > 0) or abs(size) >= abs(signed):
        return signed
    return -size


def _divide_cash(
    cash: Decimal, weights: Mapping[str, Decimal], total: Decimal
) -> dict[str, Decimal]:
    """By weight, exact: the last one takes what is left."""
    *others, last = weights
    shares = {bot: (cash * weights[bot] / total).quantize(_SMALLEST, ROUND_DOWN) for bot in others}
    return {**shares, last: cash - sum(shares.values(), Decimal(0))}
