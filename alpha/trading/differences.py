"""Where the ledger and the exchange differ: positions, executions, orders, one point each.

A look compares what we hold with what REST shows. Both move while it is taken, so only what two
looks a moment apart both show is a difference. Nothing here changes anything.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from alpha.bybit.rest import Rest
from alpha.clock import Clock
from alpha.core.events import OrderEvent, PositionEvent
from alpha.core.ids import parse
from alpha.core.orders import SHOWN, OrderState
from alpha.core.reasons import ReasonBook
from alpha.core.records import MANUAL, OrderRow

#: How far back executions are compared one by one.
REACH_MS = 86_400_000
LOOK_AGAIN_S = 2.0
ZERO = Decimal(0)

Kind = Literal["position", "execution", "order", "orphan", "cash"]
Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Difference:
    """`subject` is the id of the execution or order, "" for a position. `ledger` and `exchange`
    say what each side holds. An `orphan` is an order of ours whose bot is not running, or a
    stop of a bot without a position."""

    account: str
    kind: Kind
    symbol: str
    subject: str
    ledger: str
    exchange: str
    note: str

    @property
    def point(self) -> tuple[Kind, str, str]:
        return self.kind, self.symbol, self.subject

    def as_row(self) -> dict[str, object]:
        return {
            "account": self.account,
            "kind": self.kind,
            "symbol": self.symbol,
            "subject": self.subject,
            "ledger": self.ledger,
            "exchange": self.exchange,
            "note": self.note,
        }


@dataclass(frozen=True, slots=True)
class Ours:
    """One account as we have it. `held` is signed, by bot (`manual` included) and symbol; `bots`
    are those that are enabled, `known` all that ever traded here; `orders` are not finished, by
    our id or the exchange's; `missing` tells which (symbol, exec_id) the database lacks, `paid`
    what those it holds have cost in a window of ms."""

    account: str
    held: Mapping[Key, Decimal]
    orders: Mapping[str, OrderRow]
    bots: Collection[str]
    known: Collection[str]
    reasons: ReasonBook
    missing: Callable[[Collection[Key]], Awaitable[set[Key]]]
    paid: Callable[[int, int], Awaitable[Mapping[Key, Decimal]]]

    def net(self) -> dict[str, Decimal]:
        sizes: dict[str, Decimal] = {}
        for (_, symbol), qty in self.held.items():
            sizes[symbol] = sizes.get(symbol, ZERO) + qty
        return sizes

    def owner(self, link_id: str) -> str | None:
        """The bot of ours that has given this id."""
        own = parse(link_id, self.reasons) if link_id else None
        return own.bot_id if own is not None and own.bot_id in self.known else None

    def is_entering(self, bot_id: str, symbol: str) -> bool:
        return any(
            row.bot_id == bot_id and row.symbol == symbol and row.purpose == "entry"
            for row in self.orders.values()
        )


async def differences(
    rest: Rest, ours: Callable[[], Awaitable[Ours]], clock: Clock
) -> list[Difference]:
    """What two looks both show. Raises AlphaError when the exchange cannot be asked."""
    first = await look(rest, ours)
    if not first:
        return []
    await clock.sleep(LOOK_AGAIN_S)
    points = {one.point for one in first}
    return [one for one in await look(rest, ours) if one.point in points]


async def look(rest: Rest, ours: Callable[[], Awaitable[Ours]]) -> list[Difference]:
    """One look; what moves while it is taken may show as a difference too."""
    wallet = (await rest.wallet()).wallet  # before the log, which then has what it has become
    until_ms = await rest.server_time()
    before = await ours()
    cash = await _cash(rest, before, until_ms, wallet)
    found = [one async for one in _executions(rest, before, until_ms)]
    before = await ours()
    shown = {event.symbol: event for event in await rest.positions()}
    for symbol, size in before.net().items():
        if size and symbol not in shown:  # flat ones are left out of the list
            shown.update({event.symbol: event for event in await rest.positions(symbol)})
    after = await ours()
    positions = [
        one
        for one in _positions(after, shown)
        if after.net().get(one.symbol, ZERO) == before.net().get(one.symbol, ZERO)
    ]
    listed = await rest.open_orders()
    return [*found, *positions, *_orders(await ours(), listed), *cash]


async def _executions(rest: Rest, ours: Ours, until_ms: int) -> AsyncIterator[Difference]:
    async for page in rest.executions(until_ms - REACH_MS, until_ms + 1_000):
        rows = {row.key: row for row in page}
        for symbol, exec_id in sorted(await ours.missing(list(rows))):
            row = rows[(symbol, exec_id)]
            what = f"{row.exec_type} {row.side} {row.qty:f} at {row.price:f}"
            note = "the exchange has executed what the ledger lacks"
            yield Difference(ours.account, "execution", symbol, exec_id, "none", what, note)


async def _cash(rest: Rest, ours: Ours, until_ms: int, wallet: Decimal) -> list[Difference]:
    """What executions have cost, as the ledger has it and as the account was charged, and whether
    a change of the balance has left what was in the wallet a moment before. Transfers, interest
    and bonuses are in the log too: they explain themselves, and touch no bot."""
    log = await rest.transactions(until_ms - REACH_MS, until_ms + 1_000)
    paid = await ours.paid(until_ms - REACH_MS - 1, until_ms + 1_000)
    found = []
    for row in log:
        held = paid.get((row.symbol, row.trade_id))
        if held is not None and held != row.paid:
            note = f"the account was charged otherwise ({row.kind})"
            sides = f"{held:f}", f"{row.paid:f}"
            found.append(Difference(ours.account, "cash", row.symbol, row.trade_id, *sides, note))
    balances = [row.balance for row in log if row.balance is not None]
    if balances and wallet not in balances:
        note = "the wallet is not what any change of the balance has left"
        sides = f"{balances[0]:f}", f"{wallet:f}"
        found.append(Difference(ours.account, "cash", "", "wallet", *sides, note))
    return found


def _positions(ours: Ours, shown: Mapping[str, PositionEvent]) -> Iterator[Difference]:
    sizes = ours.net()
    for symbol in sorted({*sizes, *shown}):
        held = sizes.get(symbol, ZERO)
        event = shown.get(symbol)
        size = event.signed_size if event is not None else ZERO
        if held != size:
            parts = ", ".join(
                f"{bot_id} {qty:f}"
                for (bot_id, name), qty in sorted(ours.held.items())
                if name == symbol and qty
            )
            note = f"the ledger's is {parts}" if parts else "nobody holds it in the ledger"
            yield Difference(ours.account, "position", symbol, "", f"{held:f}", f"{size:f}", note)


def _orders(ours: Ours, listed: Collection[OrderEvent]) -> Iterator[Difference]:
    ids: set[str | None] = set()
    for event in listed:
        link_id = event.order_link_id or event.order_id
        ids.update((link_id, event.order_id))
        owner = ours.owner(event.order_link_id)
        if owner is None:
            continue  # a person's, or the exchange's own stop on a position
        what = f"{event.status} {event.side} {event.qty:f}"
        orphan = _orphan(ours, owner, event)
        if orphan:
            yield Difference(ours.account, "orphan", event.symbol, link_id, owner, what, orphan)
        elif link_id not in ours.orders:
            note = "the ledger does not know it, or has finished it"
            yield Difference(ours.account, "order", event.symbol, link_id, "none", what, note)
    for link_id, row in ours.orders.items():
        if OrderState(row.state) in SHOWN and not ids & {link_id, row.exchange_order_id}:
            note = "the exchange does not list it any more"
            state = f"{row.state} {row.side} {row.qty:f}"
            yield Difference(ours.account, "order", row.symbol, link_id, state, "none", note)


def _orphan(ours: Ours, owner: str, event: OrderEvent) -> str:
    """Why nobody looks after this order of ours; "" where somebody does."""
    held = ours.held.get((owner, event.symbol), ZERO)
    if event.trigger_price and not held and not ours.is_entering(owner, event.symbol):
        return f"a stop of {owner}, which holds nothing of {event.symbol}"
    if owner not in ours.bots and owner != MANUAL and not event.trigger_price:
        return f"{owner} is not running"
    return ""
