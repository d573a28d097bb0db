"""The fold once more, written to be read: all executions of one symbol in, plain tables out.

It shares nothing with the code under test but the input types: fractions instead of decimals,
one list of lots per bot, no increments, its own reading of order ids and its own reason table.
A table maps the key of a row to the row's fields.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from math import floor

from alpha.core.events import Execution
from alpha.core.records import AttributionRules

Row = dict[str, object]
Table = dict[tuple[object, ...], Row]
FORCED_TYPES = ("BustTrade", "AdlTrade", "Settle", "Delivery")
TRADING = ("Trade", *FORCED_TYPES, "BlockTrade", "MovePosition", "FutureSpread", "Adjustment")
#: (since, step) in the order of time
Steps = Sequence[tuple[int, Decimal]]
CODES = {
    "en": "entry",
    "ec": "ema_cross",
    "si": "scale_in",
    "ts": "trailing_stop",
    "x1": "own_exit",
}
WORDS = {
    "CreateByStopLoss": "stop_loss",
    "CreateByTakeProfit": "take_profit",
    "CreateByTrailingProfit": "trailing_stop",
    "CreateByLiq": "risk_limit",
    "CreateByTakeOver_PassThrough": "risk_limit",
    "CreateByAdl_PassThrough": "risk_limit",
    "CreateByClosing": "manual_exit",
    "CreateBySettle": "manual_exit",
}
FORCED = (
    "CreateByLiq",
    "CreateByTakeOver_PassThrough",
    "CreateByAdl_PassThrough",
    "CreateBySettle",
)


@dataclass
class Tables:
    fills: Table = field(default_factory=dict)
    funding: Table = field(default_factory=dict)
    lots: Table = field(default_factory=dict)
    round_trips: Table = field(default_factory=dict)
    cycles: Table = field(default_factory=dict)
    positions: dict[str, Fraction] = field(default_factory=dict)


def cut(number: Fraction) -> Fraction:
    """To twelve digits, towards zero."""
    return Fraction(int(number * 10**12), 10**12)


def pro_rata(amount: Fraction, weights: Sequence[Fraction], total: Fraction) -> list[Fraction]:
    shares = [cut(amount * weight / total) for weight in weights[:-1]]
    return [*shares, amount - sum(shares)]


def fold(executions: Iterable[Execution], rules: AttributionRules, step: Decimal | Steps) -> Tables:
    known: dict[str, Execution] = {row.exec_id: row for row in executions}
    oracle = Oracle(rules, [(0, step)] if isinstance(step, Decimal) else step)
    for row in sorted(
        known.values(),
        key=lambda r: (r.exec_time, r.seq, r.order_id, -r.leaves_qty, r.exec_id),
    ):
        oracle.take(row)
    tables = oracle.tables
    tables.positions = {bot: held for bot in oracle.open if (held := oracle.held(bot))}
    return tables


class Oracle:
    def __init__(self, rules: AttributionRules, steps: Steps) -> None:
        self.rules = rules
        self.steps = steps
        self.tables = Tables()
        self.open: dict[str, list[Row]] = {}  # bot -> rows of the lots table, oldest first
        self.cycle: dict[str, Row] = {}  # bot -> row of the cycles table

    def held(self, bot: str) -> Fraction:
        lots = self.open.get(bot, [])
        return sum(
            (num(lot["remaining_qty"]) * (1 if lot["side"] == "long" else -1) for lot in lots),
            Fraction(0),
        )

    def take(self, row: Execution) -> None:
        if row.exec_type == "Funding":
            for bot, _, fee, _ in self.parts(row):
                self.pay(row, bot, -fee)
        elif row.exec_type in TRADING:
            for bot, signed, fee, how in self.parts(row):
                self.trade(row, bot, signed, fee, how)

    # whose

    def own_id(self, row: Execution) -> tuple[str, str | None] | None:
        pieces = row.order_link_id.split("-")
        if len(pieces) == 3 and len(pieces[2]) == 8 and pieces[0] in self.rules.bots:
            return pieces[0], CODES.get(pieces[1])
        return None

    def parts(self, row: Execution) -> list[tuple[str, Fraction, Fraction, str]]:
        signed = Fraction(row.qty) * (1 if row.side == "Buy" else -1)
        if row.exec_type == "Funding":
            signed = Fraction(0)
        fee, rules, own = Fraction(row.fee), self.rules, self.own_id(row)
        tag = rules.orders.get(row.order_id)
        if row.exec_type == "Adjustment":
            return [("manual", signed, fee, "manual")]
        if row.exec_id in rules.overrides:
            return [(rules.overrides[row.exec_id], signed, fee, "override")]
        if own:
            return [(own[0], signed, fee, "id")]
        held = {bot: self.held(bot) for bot in sorted(self.open) if self.held(bot)}
        if tag and tag.bot_id in rules.bots:
            against = {bot: abs(size) for bot, size in held.items() if size * signed < 0}
            mine = against.pop(tag.bot_id, Fraction(0))
            if tag.source != "parent" or not against or mine >= abs(signed):
                return [(tag.bot_id, signed, fee, tag.source)]
            # the exchange has closed all of its position, and others had a part in that
            return self.by_effect(row, signed, fee, held, (tag.bot_id, "parent") if mine else None)
        forced = row.exec_type in (*FORCED_TYPES, "Funding")
        if forced or row.create_type in FORCED:
            if len(held) == 1:
                (bot,) = held
                return [(bot, signed, fee, "sole_bot" if {bot} == rules.bots else "open_lot")]
            if len(held) > 1 and sum(held.values(), Fraction(0)):
                return self.shared(row, signed, fee, held)
        return self.by_effect(row, signed, fee, held)

    def by_effect(
        self,
        row: Execution,
        signed: Fraction,
        fee: Fraction,
        held: Mapping[str, Fraction],
        first: tuple[str, str] | None = None,
    ) -> list[tuple[str, Fraction, Fraction, str]]:
        bot, how = first or self.closer(row, signed, held)
        room = abs(held.get(bot, Fraction(0)))
        if held.get(bot, Fraction(0)) * signed >= 0 or room >= abs(signed):
            return [(bot, signed, fee, how)]
        # it closes all it has, the others go on with the rest
        parts = {bot: (-held[bot], how)}
        left, others = signed + held[bot], {name: held[name] for name in held if name != bot}
        while left:
            closing = {name for name, size in others.items() if size * left < 0}
            if self.rules.bots <= closing and len(self.rules.bots) == 1:
                bot, how = min(self.rules.bots), "sole_bot"
            elif len(closing) == 1:
                bot, how = min(closing), "open_lot"
            elif self.rules.owners.get(row.symbol) in closing:
                bot, how = self.rules.owners[row.symbol], "symbol"
            else:
                bot, how = "manual", "manual"
            size = min(abs(left), abs(others.pop(bot))) if bot in closing else abs(left)
            taken = size if left > 0 else -size
            before, word = parts.get(bot, (Fraction(0), how))
            parts[bot] = (before + taken, word)
            left -= taken
        fees = pro_rata(fee, [qty for qty, _ in parts.values()], signed)
        return [
            (name, qty, part, word)
            for (name, (qty, word)), part in zip(parts.items(), fees, strict=True)
        ]

    def closer(
        self, row: Execution, signed: Fraction, held: Mapping[str, Fraction]
    ) -> tuple[str, str]:
        rules = self.rules
        closes = [bot for bot, size in held.items() if size * signed < 0]
        if not closes and row.exec_type == "Trade" and said(row) is None:
            return "manual", "manual"
        if len(rules.bots) == 1 and rules.bots & set(closes):
            return next(iter(rules.bots)), "sole_bot"
        if len(closes) == 1:
            return closes[0], "open_lot"
        if row.symbol in rules.owners:
            return rules.owners[row.symbol], "symbol"
        return "manual", "manual"

    def shared(
        self, row: Execution, signed: Fraction, fee: Fraction, held: Mapping[str, Fraction]
    ) -> list[tuple[str, Fraction, Fraction, str]]:
        net, bots = sum(held.values(), Fraction(0)), list(held)
        if row.exec_type == "Funding":
            cash = pro_rata(fee, list(held.values()), net)
            return [(bot, Fraction(0), part, "share") for bot, part in zip(bots, cash, strict=True)]
        step = Fraction([step for since, step in self.steps if since <= row.exec_time][-1])
        if any((size / step).denominator > 1 for size in (signed, *held.values())):
            step = Fraction(1, 10**12)
        exact = {bot: abs(signed) * size / net / step for bot, size in held.items()}
        whole = {bot: floor(part) for bot, part in exact.items()}
        missing = abs(signed) / step - sum(whole.values())
        assert missing.denominator == 1
        for bot in sorted(bots, key=lambda bot: (whole[bot] - exact[bot], bot))[: int(missing)]:
            whole[bot] += 1
        direction = 1 if signed > 0 else -1
        quantities = {bot: direction * count * step for bot, count in whole.items() if count}
        fees = pro_rata(fee, list(quantities.values()), signed)
        return [
            (bot, qty, part, "share")
            for (bot, qty), part in zip(quantities.items(), fees, strict=True)
        ]

    def why(self, row: Execution, effect: str) -> tuple[str, str]:
        own, tag = self.own_id(row), self.rules.orders.get(row.order_id)
        if own and own[1]:
            return own[1], "id"
        if tag and tag.source == "order" and tag.reason:
            return tag.reason, "id"
        word = said(row)
        return (word, "exchange") if word else (f"manual_{effect}", "effect")

    # what it does

    def trade(self, row: Execution, bot: str, signed: Fraction, fee: Fraction, how: str) -> None:
        before = self.held(bot)
        closed = min(abs(before), abs(signed)) if before * signed < 0 else Fraction(0)
        opened = abs(signed) - closed
        exit_fee = fee if not opened else cut(fee * closed / abs(signed))
        direction = 1 if signed > 0 else -1
        if closed:
            reason = self.why(row, "exit")
            profit = self.close(row, bot, closed, exit_fee, reason[0])
            after = before + direction * closed
            self.fill(row, bot, 0, direction, closed, exit_fee, reason, how, profit, after)
        if opened:
            reason = self.why(row, "entry")
            self.enter(row, bot, direction, opened, fee - exit_fee, reason[0])
            self.fill(
                row, bot, 1, direction, opened, fee - exit_fee, reason, how, Fraction(0),
                before + signed,
            )  # fmt: skip

    def fill(
        self, row: Execution, bot: str, leg: int, direction: int, qty: Fraction, fee: Fraction,
        reason: tuple[str, str], how: str, realised: Fraction, after: Fraction,
    ) -> None:  # fmt: skip
        self.tables.fills[(row.exec_id, bot, leg)] = {
            "account": row.account, "symbol": row.symbol, "exec_id": row.exec_id, "bot_id": bot,
            "leg": leg, "order_id": row.order_id, "order_link_id": row.order_link_id,
            "side": "Buy" if direction > 0 else "Sell", "exec_type": row.exec_type,
            "price": row.price, "qty": qty, "fee": fee, "fee_currency": row.fee_currency,
            "effect": "entry" if leg else "exit", "reason": reason[0], "reason_source": reason[1],
            "attribution": how, "realised": realised, "position_after": after,
            "is_maker": row.is_maker, "exec_time": row.exec_time, "seq": row.seq,
        }  # fmt: skip

    def enter(
        self, row: Execution, bot: str, direction: int, qty: Fraction, fee: Fraction, reason: str
    ) -> None:
        side = "long" if direction > 0 else "short"
        common: Row = {"account": row.account, "symbol": row.symbol, "bot_id": bot, "side": side}
        lot: Row = common | {
            "exec_id": row.exec_id, "entry_price": Fraction(row.price), "original_qty": qty,
            "remaining_qty": qty, "entry_fee": fee, "entry_fee_left": fee,
            "funding_left": Fraction(0), "entry_reason": reason, "order_id": row.order_id,
            "order_link_id": row.order_link_id, "entry_time": row.exec_time,
        }  # fmt: skip
        self.open.setdefault(bot, []).append(lot)
        self.tables.lots[(row.exec_id, bot)] = lot
        if bot not in self.cycle:
            self.cycle[bot] = self.tables.cycles[(bot, row.exec_id)] = common | {
                "opened_by": row.exec_id, "size": Fraction(0), "max_size": Fraction(0),
                "avg_entry_price": Fraction(0), "realised_pnl": Fraction(0), "fees": Fraction(0),
                "funding": Fraction(0), "entry_reason": reason, "exit_reason": None,
                "opened_at": row.exec_time, "closed_at": None,
            }  # fmt: skip
        cycle = self.cycle[bot]
        size = num(cycle["size"])
        cost = size * num(cycle["avg_entry_price"]) + qty * Fraction(row.price)
        cycle["size"] = size + qty
        cycle["max_size"] = max(num(cycle["max_size"]), size + qty)
        cycle["avg_entry_price"] = round(cost / (size + qty), 12)
        cycle["fees"] = num(cycle["fees"]) + fee

    def close(
        self, row: Execution, bot: str, qty: Fraction, fee: Fraction, reason: str
    ) -> Fraction:
        pieces: list[tuple[Row, Fraction]] = []
        left = qty
        for lot in self.open[bot]:
            if left:
                pieces.append((lot, min(left, num(lot["remaining_qty"]))))
                left -= pieces[-1][1]
        fees = pro_rata(fee, [piece for _, piece in pieces], qty)
        profit = sum(
            (
                self.piece(row, lot, piece, exit_fee, reason)
                for (lot, piece), exit_fee in zip(pieces, fees, strict=True)
            ),
            Fraction(0),
        )
        self.open[bot] = [lot for lot in self.open[bot] if num(lot["remaining_qty"])]
        cycle = self.cycle[bot]
        cycle["size"] = num(cycle["size"]) - qty
        cycle["realised_pnl"] = num(cycle["realised_pnl"]) + profit
        cycle["fees"] = num(cycle["fees"]) + fee
        cycle["exit_reason"] = reason
        if not self.open[bot]:
            cycle["closed_at"] = row.exec_time
            del self.cycle[bot]
        return profit

    def piece(
        self, row: Execution, lot: Row, qty: Fraction, exit_fee: Fraction, reason: str
    ) -> Fraction:
        remaining = num(lot["remaining_qty"])
        entry_fee, funding = num(lot["entry_fee_left"]), num(lot["funding_left"])
        if qty < remaining:
            entry_fee, funding = cut(entry_fee * qty / remaining), cut(funding * qty / remaining)
        move = Fraction(row.price) - num(lot["entry_price"])
        gross = qty * (move if lot["side"] == "long" else -move)
        self.tables.round_trips[(lot["exec_id"], row.exec_id, lot["bot_id"])] = {
            "account": row.account, "symbol": row.symbol, "bot_id": lot["bot_id"],
            "side": lot["side"], "entry_exec_id": lot["exec_id"], "exit_exec_id": row.exec_id,
            "qty": qty, "entry_price": lot["entry_price"], "exit_price": row.price,
            "entry_time": lot["entry_time"], "exit_time": row.exec_time,
            "entry_reason": lot["entry_reason"], "exit_reason": reason, "gross_pnl": gross,
            "entry_fee": entry_fee, "exit_fee": exit_fee, "funding": funding,
            "entry_order_id": lot["order_id"], "exit_order_id": row.order_id,
            "entry_link_id": lot["order_link_id"], "exit_link_id": row.order_link_id,
        }  # fmt: skip
        lot["remaining_qty"] = remaining - qty
        lot["entry_fee_left"] = num(lot["entry_fee_left"]) - entry_fee
        lot["funding_left"] = num(lot["funding_left"]) - funding
        return gross

    def pay(self, row: Execution, bot: str, amount: Fraction) -> None:
        self.tables.funding[(row.exec_id, bot)] = {
            "account": row.account, "symbol": row.symbol, "exec_id": row.exec_id, "bot_id": bot,
            "position": self.held(bot), "rate": row.fee_rate, "amount": amount,
            "currency": row.fee_currency, "exec_time": row.exec_time, "seq": row.seq,
        }  # fmt: skip
        lots = self.open.get(bot, [])
        if not lots:
            return
        sizes = [num(lot["remaining_qty"]) for lot in lots]
        for lot, share in zip(lots, pro_rata(amount, sizes, sum(sizes, Fraction(0))), strict=True):
            lot["funding_left"] = num(lot["funding_left"]) + share
        self.cycle[bot]["funding"] = num(self.cycle[bot]["funding"]) + amount


def said(row: Execution) -> str | None:
    """The exchange's own word for why it traded."""
    if row.exec_type in ("BustTrade", "AdlTrade"):
        return "risk_limit"
    if row.exec_type in ("Settle", "Delivery"):
        return "manual_exit"
    if row.create_type == "":
        return {"TrailingStop": "trailing_stop"}.get(row.stop_order_type)
    return WORDS.get(row.create_type)


def num(value: object) -> Fraction:
    assert isinstance(value, Fraction), f"expected a fraction, was {value!r}"
    return value
