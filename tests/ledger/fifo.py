"""Trades counted with fractions out of stored fills and funding alone: what views are held to.

Shares no code with the books: fills in ledger order, lots in a list, fees and funding pro rata.
"""

from __future__ import annotations

import random  # noqa: TID251  seeded histories
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from fractions import Fraction

from alpha.core.events import Execution, Side
from alpha.core.ids import wire_id
from alpha.ledger.pool import Pool
from tests.ledger.conftest import ACCOUNT, BOTS
from tests.ledger.samples import T0, execution

DAY_MS = 86_400_000


@dataclass
class OpenLot:
    order: str
    exec_id: str
    reason: str
    price: Fraction
    at: int
    qty: Fraction
    fee: Fraction  # of what is left
    funding: Fraction = Fraction(0)


@dataclass(frozen=True)
class Piece:
    bot: str
    symbol: str
    side: str
    order: str
    entry_reason: str
    exit_reason: str
    qty: Fraction
    entry: Fraction
    exit: Fraction
    entry_at: int
    exit_at: int
    gross: Fraction
    fees: Fraction
    funding: Fraction

    @property
    def net(self) -> Fraction:
        return self.gross - self.fees + self.funding

    @property
    def day(self) -> date:
        return datetime.fromtimestamp(self.exit_at / 1000, UTC).date()


@dataclass
class Cycle:
    opened_by: str
    entries: set[str] = field(default_factory=set)
    exits: set[str] = field(default_factory=set)


@dataclass
class Counted:
    pieces: list[Piece] = field(default_factory=list)
    lots: dict[tuple[str, str], list[OpenLot]] = field(default_factory=lambda: defaultdict(list))
    sides: dict[tuple[str, str], str] = field(default_factory=dict)
    cycles: dict[tuple[str, str], list[Cycle]] = field(default_factory=lambda: defaultdict(list))


async def count(pool: Pool) -> Counted:
    """Everything that the stored fills and funding payments of all bots come to."""
    rows = await pool.fetch(
        "SELECT f.bot_id, f.symbol, f.exec_id, f.leg, f.side, f.order_id, f.exec_price, f.exec_qty,"
        " f.commission, f.reason, f.exec_time, NULL::numeric AS amount, e.seq, e.leaves_qty"
        " FROM trading.fills f JOIN trading.executions e USING (account, symbol, exec_id)"
        " UNION ALL SELECT p.bot_id, p.symbol, p.exec_id, 0, '', e.order_id, 0, 0, 0, '',"
        " p.exec_time, p.amount, e.seq, e.leaves_qty"
        " FROM trading.funding_payments p JOIN trading.executions e"
        " USING (account, symbol, exec_id)"
    )
    counted = Counted()
    for row in sorted(
        rows,
        key=lambda r: (
            r["exec_time"],
            r["seq"],
            r["order_id"],
            -r["leaves_qty"],
            r["exec_id"],
            r["leg"],
        ),
    ):
        key = (row["bot_id"], row["symbol"])
        lots = counted.lots[key]
        if row["amount"] is not None:
            held = sum(lot.qty for lot in lots)
            for lot in lots:
                lot.funding += Fraction(row["amount"]) * lot.qty / held
            continue
        side = "long" if row["side"] == "Buy" else "short"
        qty, price = Fraction(row["exec_qty"]), Fraction(row["exec_price"])
        fee = Fraction(row["commission"])
        if not lots or counted.sides[key] == side:
            if not lots:
                counted.cycles[key].append(Cycle(row["exec_id"]))
            counted.sides[key] = side
            counted.cycles[key][-1].entries.add(row["exec_id"])
            entry = (row["order_id"], row["exec_id"], row["reason"], price, row["exec_time"])
            lots.append(OpenLot(*entry, qty, fee))
            continue
        counted.cycles[key][-1].exits.add(row["exec_id"])
        left = qty
        while left:
            lot = lots[0]
            part = min(left, lot.qty)
            share = part / lot.qty
            sign = 1 if counted.sides[key] == "long" else -1
            counted.pieces.append(
                Piece(
                    *key,
                    counted.sides[key],
                    lot.order,
                    lot.reason,
                    row["reason"],
                    part,
                    lot.price,
                    price,
                    lot.at,
                    row["exec_time"],
                    (price - lot.price) * part * sign,
                    lot.fee * share + fee * part / qty,
                    lot.funding * share,
                )
            )
            lot.fee -= lot.fee * share
            lot.funding -= lot.funding * share
            lot.qty -= part
            left -= part
            if not lot.qty:
                lots.pop(0)
    return counted


def history(seed: int, symbol: str, rows: int = 60) -> Iterator[Execution]:
    """Two bots on one symbol over four days: longs and shorts, scale-ins, partial closes, flips,
    orders that fill in pieces, funding. Quantities and prices divide without a rest."""
    chance = random.Random(f"{seed} {symbol}")
    at, number = T0, 0
    while number < rows:
        at += chance.randrange(1_000, 4 * DAY_MS * 2 // rows)
        bot = chance.choice(BOTS)
        side: Side = chance.choice(("Buy", "Sell"))
        if chance.random() < 0.15:
            yield replace(
                execution(
                    f"{symbol}-{number}",
                    at,
                    side,
                    "1",
                    symbol=symbol,
                    exec_type="Funding",
                    create_type="",
                    fee=str(chance.randrange(-40, 40) / 8),
                )
            )
            number += 1
            continue
        reason = chance.choice(("ema_cross", "rule_1", "stop_loss", "take_profit"))
        pieces = chance.choice((1, 1, 2, 3))
        for piece in range(pieces):
            row = execution(
                f"{symbol}-{number}",
                at,
                side,
                str(chance.choice((1, 2, 4))),
                symbol=symbol,
                order_link_id=wire_id(bot, reason, at),
                seq=at,
                fee=str(chance.randrange(0, 16) / 16),
            )
            price = Fraction(chance.randrange(720, 880), 8)
            yield replace(
                row,
                order_id=f"order-{symbol}-{at}",
                account=ACCOUNT,
                price=type(row.price)(price.numerator) / price.denominator,
                leaves_qty=type(row.qty)(pieces - piece - 1),
            )
            number += 1
