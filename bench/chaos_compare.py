"""Alpha against the truth, row by row."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

from bench.chaos_truth import (
    CASH_ONLY,
    ENTRY_CODES,
    Database,
    Exchange,
    Fold,
    Mirror,
    Row,
    fold,
    number,
    own_id,
    signed_qty,
    signed_size,
)
from bench.chaos_world import Layout

#: A field of an execution in the ledger, and in the exchange's store.
WORDS = {
    "exec_type": "exec_type",
    "order_id": "order_id",
    "order_link_id": "link_id",
    "side": "side",
    "exec_ms": "exec_ms",
    "seq": "seq",
    "is_maker": "is_maker",
    "create_type": "create_type",
    "order_type": "order_type",
    "stop_order_type": "stop_type",
}
NUMBERS = {
    "price": "price",
    "qty": "qty",
    "value": "value",
    "fee": "fee",
    "fee_rate": "fee_rate",
    "leaves_qty": "leaves_qty",
}
#: Fields that not every source of a row carries.
OPTIONAL = {"closed_size": "closed_size", "mark_price": "mark_price", "exec_pnl": "pnl"}
STATES = {
    "New": {"open"},
    "Untriggered": {"open"},
    "Triggered": {"open"},
    "PartiallyFilled": {"partially_filled"},
    "Filled": {"filled"},
    "Cancelled": {"cancelled"},
    "PartiallyFilledCanceled": {"cancelled"},
    "Rejected": {"rejected", "never_accepted"},
    "Deactivated": {"deactivated", "cancelled"},
}
#: What an order may be that the exchange does not have.
UNSEEN = frozenset({"never_accepted", "rejected"})
BAR_MS = 60_000
STOP_CODES = ("sl", "ts")


@dataclass(frozen=True, slots=True)
class Finding:
    """`kind` is lost, doubled, invented, double_send or mismatch; `where` names it for good."""

    kind: str
    where: str
    expected: str
    found: str

    def shown(self) -> dict[str, str]:
        return {
            "kind": self.kind,
            "where": self.where,
            "expected": self.expected,
            "found": self.found,
        }


def compare(
    exchange: Exchange, database: Database, mirror: Mirror, layout: Layout
) -> list[Finding]:
    """Every difference. `exchange` has to be read after the other two, so that what they know
    and it does not was never there."""
    true = fold(exchange, layout)
    return [
        *_executions(exchange, database),
        *_fills(exchange, database),
        *_orders(exchange, database),
        *_double_sends(exchange, database),
        *_positions(exchange, true, database, layout),
        *_protection(exchange, true, layout),
        *_mirrored(database, mirror, layout),
    ]


def entries(exchange: Exchange) -> set[str]:
    """Ids of all entries that were sent."""
    ids = [str(order["link_id"]) for order in exchange.orders]
    return {one for one in ids if (found := own_id(one)) is not None and found[1] in ENTRY_CODES}


def counts(findings: list[Finding]) -> dict[str, int]:
    found = Counter(finding.kind for finding in findings)
    return {
        "lost": found["lost"],
        "doubled": found["doubled"],
        "invented": found["invented"],
        "double_sends": found["double_send"],
        "mismatches": found["mismatch"],
    }


def _executions(exchange: Exchange, database: Database) -> Iterator[Finding]:
    ours = {
        (str(r["account"]), str(r["symbol"]), str(r["exec_id"])): r for r in database.executions
    }
    for key, row in exchange.executions.items():
        where = "execution " + " ".join(key)
        if key not in ours:
            yield Finding("lost", where, f"{row['side']} {row['qty']} {row['exec_type']}", "no row")
        else:
            yield from _fields(where, row, ours[key])
    for key in ours.keys() - exchange.executions.keys():
        yield Finding("invented", "execution " + " ".join(key), "no row", "a row in the ledger")


def _fields(where: str, true: Row, ours: Row) -> Iterator[Finding]:
    for name, theirs in WORDS.items():
        if _plain(ours[name]) != _plain(true[theirs]):
            yield Finding("mismatch", f"{where}: {name}", str(true[theirs]), str(ours[name]))
    for name, theirs in NUMBERS.items():
        if ours[name] is None or number(ours[name]) != number(true[theirs]):
            yield Finding("mismatch", f"{where}: {name}", str(true[theirs]), str(ours[name]))
    for name, theirs in OPTIONAL.items():
        if ours[name] is not None and number(ours[name]) != number(true[theirs]):
            yield Finding("mismatch", f"{where}: {name}", str(true[theirs]), str(ours[name]))


def _plain(word: object) -> object:
    """UNKNOWN is the wire's word for none."""
    return "" if word in (None, "UNKNOWN") else word


def _fills(exchange: Exchange, database: Database) -> Iterator[Finding]:
    """The bots' shares of an execution add up to it."""
    for key, row in exchange.executions.items():
        where = "fills of " + " ".join(key)
        if row["exec_type"] in CASH_ONLY:
            paid = database.paid.get(key)
            if paid is None or paid != -number(row["fee"]):
                yield Finding("mismatch", where, f"payment {-number(row['fee'])}", str(paid))
            continue
        true, ours = signed_qty(row), database.filled.get(key, Decimal(0))
        if ours != true:
            kind = "doubled" if abs(ours) > abs(true) else "lost"
            yield Finding(kind, where, str(true), str(ours))
    for key in (database.filled.keys() | database.paid.keys()) - exchange.executions.keys():
        yield Finding("invented", "fills of " + " ".join(key), "nothing", "a fill")


def _orders(exchange: Exchange, database: Database) -> Iterator[Finding]:
    rows = {(str(row["account"]), str(row["order_link_id"])): row for row in database.orders}
    seen: set[tuple[str, str]] = set()
    for order in exchange.orders:
        account, link_id = str(order["account"]), str(order["link_id"])
        key = (account, link_id or str(order["order_id"]))
        seen.add(key)
        where = "order " + " ".join(key)
        row = rows.get(key)
        if row is None:
            if own_id(link_id) is not None:
                yield Finding("mismatch", where, f"a row ({order['status']})", "no row")
            continue
        status = str(order["status"])
        if row["state"] not in STATES.get(status, {status}):
            yield Finding("mismatch", f"{where}: state", status, str(row["state"]))
        if number(row["filled_qty"]) != number(order["cum_qty"]):
            filled = str(row["filled_qty"])
            yield Finding("mismatch", f"{where}: filled_qty", str(order["cum_qty"]), filled)
        if row["exchange_order_id"] not in (None, order["order_id"]):
            known = str(row["exchange_order_id"])
            yield Finding("mismatch", f"{where}: order id", str(order["order_id"]), known)
    for key, row in rows.items():
        if key not in seen and row["state"] not in UNSEEN:
            where = "order " + " ".join(key)
            yield Finding(
                "mismatch", where, "an order at the exchange, or an end", str(row["state"])
            )


def _double_sends(exchange: Exchange, database: Database) -> Iterator[Finding]:
    """A bot decides on one entry per symbol and close: two orders of one minute's stamps are one
    decision sent twice. And one id is one order."""
    entries: dict[tuple[str, str, int], list[str]] = defaultdict(list)
    ids: Counter[tuple[str, str]] = Counter()
    for order in exchange.orders:
        link_id = str(order["link_id"])
        ids[str(order["account"]), link_id] += bool(link_id)
        found = own_id(link_id)
        if found is not None and found[1] in ENTRY_CODES:
            bot, _, stamp = found
            entries[bot, str(order["symbol"]), stamp // BAR_MS].append(link_id)
    decided = {
        str(row["order_link_id"]): number(row["decided_ms"])
        for row in database.orders
        if row.get("decided_ms") is not None
    }
    for (bot, symbol, minute), links in entries.items():
        if len(links) > 1 and not _are_several(links, decided):
            yield Finding("double_send", f"{bot} {symbol} {minute}", "one entry", " ".join(links))
    for (account, link_id), count in ids.items():
        if count > 1:
            yield Finding("double_send", f"{account} {link_id}", "one order", str(count))


def _are_several(links: list[str], decided: Mapping[str, Decimal]) -> bool:
    """Stamps only rise: when the clock has stamped a close by hand or host, those of late bars
    follow it one by one, in its minute. Then each id has a close of its own, before its stamp."""
    closes: set[Decimal] = set()
    for link_id in links:
        own, at = own_id(link_id), decided.get(link_id)
        if own is None or at is None or at >= own[2]:
            return False
        closes.add(at // BAR_MS)
    return len(closes) == len(links)


def _positions(
    exchange: Exchange, true: Fold, database: Database, layout: Layout
) -> Iterator[Finding]:
    sums: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for (account, symbol, _), size in database.positions.items():
        sums[account, symbol] += size
    for market in exchange.positions.keys() | true.net.keys() | sums.keys():
        where = "position " + " ".join(market)
        row = exchange.positions.get(market)
        size = Decimal(0) if row is None else signed_size(row)
        if size != true.net[market]:
            yield Finding(
                "mismatch", f"{where} (the exchange's own)", str(true.net[market]), str(size)
            )
        if sums[market] != size:
            yield Finding("mismatch", f"{where} (sum of the bots)", str(size), str(sums[market]))
    for bot in layout.bots:
        for symbol in bot.symbols:
            if (bot.account, symbol) in true.doubtful:
                continue
            held = true.held[bot.account, symbol, bot.name]
            ours = database.positions.get((bot.account, symbol, bot.name), Decimal(0))
            if ours != held:
                where = f"position {bot.account} {symbol} of {bot.name}"
                yield Finding("mismatch", where, str(held), str(ours))


def _protection(exchange: Exchange, true: Fold, layout: Layout) -> Iterator[Finding]:
    """Every entry asks for a stop loss, so no position that only bots have made lacks one. Bots
    that share a symbol have stop orders of their own, each for the bot's whole position."""
    for market, row in exchange.positions.items():
        if market in true.doubtful:
            continue
        account, symbol = market
        traders = [bot.name for bot in layout.bots_of(account) if symbol in bot.symbols]
        if len(traders) > 1:
            for bot in traders:
                yield from _own_stops(exchange, account, symbol, bot, true.held[*market, bot])
        elif signed_size(row) and row["stop_loss"] is None and row["trailing"] is None:
            yield Finding("mismatch", "stop of " + " ".join(market), "a stop loss", "none")


def _own_stops(
    exchange: Exchange, account: str, symbol: str, bot: str, held: Decimal
) -> Iterator[Finding]:
    where = f"stop of {account} {symbol} {bot}"
    stops = [
        order
        for order in exchange.orders
        if (order["account"], order["symbol"]) == (account, symbol)
        and order["status"] == "Untriggered"
        and (found := own_id(str(order["link_id"]))) is not None
        and found[0] == bot
    ]
    if held and not any(f"-{code}-" in str(o["link_id"]) for o in stops for code in STOP_CODES):
        yield Finding("mismatch", where, "a stop order", "none")
    for order in stops:
        qty = number(order["qty"]) if order["side"] == "Sell" else -number(order["qty"])
        if qty != held:
            yield Finding("mismatch", f"{where} {order['link_id']}", str(held), str(qty))


def _mirrored(database: Database, mirror: Mirror, layout: Layout) -> Iterator[Finding]:
    held = {(bot, symbol): size for (_, symbol, bot), size in database.positions.items()}
    bots = {bot.name for bot in layout.bots}
    for key in (held.keys() | mirror.positions.keys()) - {k for k in held if k[0] not in bots}:
        ours, shown = held.get(key, Decimal(0)), mirror.positions.get(key, Decimal(0))
        if ours != shown:
            yield Finding("mismatch", "redis position " + " ".join(key), str(ours), str(shown))
    for bot, state in mirror.states.items():
        if bot in bots:
            if state != database.states.get(bot):
                known = str(database.states.get(bot))
                yield Finding("mismatch", f"redis state of {bot}", known, state)
        else:
            yield Finding("mismatch", f"redis position {bot}", "one size", state)
