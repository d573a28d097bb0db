"""Whose an execution is, and why it happened. Pure, and asked only inside the fold.

The first of these that answers decides:

0. what a person has accepted as a difference to the exchange (an adjustment) is `manual`;
1. an override of the execution, by an operator or by a bot's policy for manual trades;
2. its own order id, when that names a bot of the account;
3. the order row of its exchange order id, or that row's parent (a stop attached to an entry; what
   it closes beyond its bot's position, which others have added to, goes on by rule 5);
4. for executions of the exchange's own making (funding, liquidation, ADL, settlement): everyone
   who holds the symbol, in signed shares of the net position;
5. for executions that close something, or that the system created: the account's only bot, if it
   holds what is closed; then the only holder, `manual` included, of something this closes; then
   the symbol's configured owner. Nobody closes more than it holds: who takes the rest is asked
   anew, and what closes nothing is `manual`;
6. `manual`: also what the system does about a position that is older than the ledger, which no
   bot of ours can have opened.

Opposite positions that add up to nothing have no shares: the exchange charges no funding on them
and has nothing to force. Should it do so all the same, rule 5 decides.

An opening execution that a person or a foreign program created is `manual`, also on an account
with one bot.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal

from alpha.core.events import ADJUSTMENT, CASH_ONLY, Execution
from alpha.core.ids import parse
from alpha.core.reasons import from_exchange
from alpha.core.records import MANUAL, Attribution, AttributionRules, Effect, ReasonSource

ZERO = Decimal(0)
#: Executions that the exchange makes out of the net position of an account.
FORCED: frozenset[str] = frozenset({"BustTrade", "AdlTrade", "Settle", "Delivery"})
#: The same by createType: a liquidation that only lowers the risk level trades on the market,
#: with execType Trade (Bybit V5, enum createType).
FORCED_ORDERS: frozenset[str] = frozenset(
    {"CreateByLiq", "CreateByTakeOver_PassThrough", "CreateByAdl_PassThrough", "CreateBySettle"}
)
#: Shares of cash and quantities are exact to this; the rest goes to the last.
QUANTUM = Decimal("1E-12")


@dataclass(frozen=True, slots=True)
class Share:
    """A bot's part: signed quantity (0 for cash-only rows) and signed fraction of the cash."""

    bot_id: str
    signed_qty: Decimal
    fee: Decimal
    attribution: Attribution


def attribute(
    row: Execution, rules: AttributionRules, held: Mapping[str, Decimal], qty_step: Decimal | None
) -> tuple[Share, ...]:
    """Who takes what of `row`, given the signed positions just before it. Quantities and fees of
    the shares sum exactly to those of the row."""
    named = _named(row, rules)
    if named is not None:
        if named[1] == "parent" and _closes_others(row, named[0], held):
            return _by_effect(row, rules, held, named)
        return (Share(named[0], row.signed_qty, row.fee, named[1]),)
    if row.exec_type in CASH_ONLY or is_forced(row):
        holders = {bot: qty for bot, qty in sorted(held.items()) if qty}
        if len(holders) > 1 and sum(holders.values(), ZERO):
            return _shares(row, holders, qty_step)
        if len(holders) == 1:
            how: Attribution = "sole_bot" if _sole(rules) in holders else "open_lot"
            return (Share(next(iter(holders)), row.signed_qty, row.fee, how),)
    return _by_effect(row, rules, held)


def _named(row: Execution, rules: AttributionRules) -> tuple[str, Attribution] | None:
    if row.exec_type == ADJUSTMENT:
        return MANUAL, "manual"
    override = rules.overrides.get(row.exec_id)
    if override is not None:
        return override, "override"
    parsed = parse(row.order_link_id, rules.reasons) if row.order_link_id else None
    if parsed is not None and parsed.bot_id in rules.bots:
        return parsed.bot_id, "id"
    tag = rules.orders.get(row.order_id)
    if tag is not None and tag.bot_id in rules.bots:
        return tag.bot_id, tag.source
    return None


def _sole(rules: AttributionRules) -> str | None:
    return next(iter(rules.bots)) if len(rules.bots) == 1 else None


def _closes_others(row: Execution, bot_id: str, held: Mapping[str, Decimal]) -> bool:
    """A stop that came with an order closes the whole position on the exchange: more than its bot
    holds, where others have added to it."""
    closes = {bot: abs(qty) for bot, qty in held.items() if qty * row.signed_qty < 0}
    return closes.pop(bot_id, ZERO) < abs(row.signed_qty) and bool(closes)


def _by_effect(
    row: Execution,
    rules: AttributionRules,
    held: Mapping[str, Decimal],
    named: tuple[str, Attribution] | None = None,
) -> tuple[Share, ...]:
    """Each owner in turn closes what it holds, so that nobody's position is turned by what others
    do; what is left opens, and nobody of ours has opened it. `named` is asked first."""
    left, holding = row.signed_qty, {bot: qty for bot, qty in held.items() if qty}
    found: dict[str, Attribution] = {}
    quantities: dict[str, Decimal] = {}
    while left or not found:
        bot_id, attribution = _next_owner(row, rules, holding, left, first=not found)
        if named is not None and not found and holding.get(named[0], ZERO) * left < 0:
            bot_id, attribution = named
        size = holding.pop(bot_id, ZERO)
        closes_all = size * left < 0 and abs(size) < abs(left)
        qty = -size if closes_all else left
        found.setdefault(bot_id, attribution)
        quantities[bot_id] = quantities.get(bot_id, ZERO) + qty
        left -= qty
    fees = _split_cash(row.fee, quantities, row.signed_qty)
    return tuple(Share(bot, qty, fees[bot], found[bot]) for bot, qty in quantities.items())


def _next_owner(
    row: Execution,
    rules: AttributionRules,
    held: Mapping[str, Decimal],
    signed: Decimal,
    *,
    first: bool,
) -> tuple[str, Attribution]:
    closes = [bot for bot, qty in sorted(held.items()) if qty * signed < 0]
    if not closes and not (first and is_system_created(row)):
        return MANUAL, "manual"
    sole = _sole(rules)
    if sole is not None and sole in closes:
        return sole, "sole_bot"
    if len(closes) == 1:
        return closes[0], "open_lot"
    owner = rules.owners.get(row.symbol)
    if owner is not None and (first or owner in closes):
        return owner, "symbol"
    return MANUAL, "manual"


def is_forced(row: Execution) -> bool:
    """Liquidation, auto-deleveraging or settlement of the account's net position."""
    return row.exec_type in FORCED or row.create_type in FORCED_ORDERS


def names_itself(row: Execution, rules: AttributionRules) -> bool:
    """Its own order id says whose it is and why: no order row can add anything."""
    if not row.order_link_id:
        return False
    parsed = parse(row.order_link_id, rules.reasons)
    return parsed is not None and parsed.bot_id in rules.bots and parsed.reason is not None


def is_system_created(row: Execution) -> bool:
    """Made by the exchange: stops, forced executions, funding, everything that it names itself.
    Conditional orders, TWAP, grids and their like are what a person or a program has sent."""
    word = from_exchange(row.exec_type, row.create_type, row.stop_order_type)
    return word is not None or row.exec_type != "Trade"


def _shares(
    row: Execution, holders: Mapping[str, Decimal], qty_step: Decimal | None
) -> tuple[Share, ...]:
    """Signed shares position_i / sum of positions, by largest remainder to the quantity step;
    the fee of a forced trade follows the quantities."""
    total = sum(holders.values(), ZERO)
    if row.exec_type in CASH_ONLY:
        cash = _split_cash(row.fee, holders, total)
        return tuple(Share(bot, ZERO, cash[bot], "share") for bot in holders)
    split = _split_qty(row.signed_qty, holders, total, qty_step or QUANTUM)
    quantities = {bot: qty for bot, qty in split.items() if qty}
    fees = _split_cash(row.fee, quantities, row.signed_qty)
    return tuple(Share(bot, qty, fees[bot], "share") for bot, qty in quantities.items())


def _split_cash(
    cash: Decimal, holders: Mapping[str, Decimal], total: Decimal
) -> dict[str, Decimal]:
    shares: dict[str, Decimal] = {}
    left = cash
    bots = list(holders)
    for bot in bots[:-1]:
        shares[bot] = (cash * holders[bot] / total).quantize(QUANTUM, ROUND_DOWN)
        left -= shares[bot]
    shares[bots[-1]] = left
    return shares


def _split_qty(
    qty: Decimal, holders: Mapping[str, Decimal], total: Decimal, step: Decimal
) -> dict[str, Decimal]:
    """Whole steps in the direction of the trade: everyone's share rounded down, and the steps
    that are left to the largest remainders, first names first. So nobody's share is a step off,
    and a holder of whole steps never gets more than closes its position."""
    if any(amount % step for amount in (qty, *holders.values())):
        step = QUANTUM  # the exchange has changed the step since
    whole = abs(total) * step
    steps: dict[str, Decimal] = {}
    rest: dict[str, Decimal] = {}
    for bot, held in holders.items():  # qty x held / total, without dividing: ties stay ties
        count, left = divmod(abs(qty) * (held if total > 0 else -held), whole)
        steps[bot], rest[bot] = (count - 1, left + whole) if left < 0 else (count, left)
    missing = int(abs(qty) / step - sum(steps.values(), ZERO))
    for bot in sorted(holders, key=lambda bot: (-rest[bot], bot))[:missing]:
        steps[bot] += 1
    unit = step if qty > 0 else -step
    return {bot: count * unit for bot, count in steps.items()}


def reason_of(row: Execution, rules: AttributionRules, effect: Effect) -> tuple[str, ReasonSource]:
    """The reason and where it comes from: the order's id, the exchange's own word, the effect.

    It says why the order was sent, so both halves of a flip carry the same one: an exit that went
    through zero opens with its exit reason. Whether a fill enters or exits, its effect says."""
    parsed = parse(row.order_link_id, rules.reasons) if row.order_link_id else None
    if parsed is not None and parsed.bot_id in rules.bots and parsed.reason:
        return parsed.reason, "id"
    tag = rules.orders.get(row.order_id)
    if tag is not None and tag.source == "order" and tag.reason:
        return tag.reason, "id"
    word = from_exchange(row.exec_type, row.create_type, row.stop_order_type)
    if word is not None:
        return word, "exchange"
    return ("manual_exit" if effect == "exit" else "manual_entry"), "effect"
