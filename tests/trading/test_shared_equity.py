"""Equity of bots on one account: each its own; together, with `manual`, that of the account."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from alpha.clock import ManualClock
from alpha.core.cash import AverageCost
from alpha.core.events import Execution, PositionEvent, WalletEvent
from alpha.core.intents import Exit
from alpha.core.records import (
    MANUAL,
    AttributionRules,
    Commit,
    Correction,
    Fill,
    OrderRow,
    Tally,
)
from alpha.ledger.risk_journal import Subject
from alpha.trading.account import Account, AccountStatus
from alpha.trading.risk_scopes import Pictures, Scope
from tests.core.histories import ACCOUNT, SYMBOL, T0, Model, deliveries, histories, knowledge
from tests.trading.limited import BTC, ONE, WIDE, Start
from tests.trading.test_arrival import Written, account_of

ZERO, TINY = Decimal(0), Decimal("1E-11")
OTHER = "SOLUSDT"
#: The exchange books cash to eight decimals.
SMALLEST = Decimal("1E-8")


@dataclass
class Purse:
    """What a bot calls its own: its capital, and what the account has told it of its cash."""

    wallet: Decimal
    result: Decimal = ZERO
    owns_wallet: bool = False

    def told_tally(self, tally: Tally) -> None:
        self.wallet += tally.cash
        self.result += tally.cash

    def told_fill(self, fill: Fill, received_ns: int) -> None:
        pass

    def told_correction(self, correction: Correction) -> None:
        pass

    def told_order(self, row: OrderRow) -> None:
        pass


class Ledger(Written):
    """Tables by symbol."""

    def __init__(self) -> None:
        super().__init__()
        self.models = {SYMBOL: Model(), OTHER: Model()}

    def put(self, commit: Commit) -> bool:
        if commit.change is not None:
            self.models[commit.change.symbol].write(commit.change)
        return True


@dataclass
class Site:
    account: Account
    sessions: dict[str, Purse] = field(default_factory=dict)


def two_symbols(rows: list[Execution]) -> list[Execution]:
    """Every third one is of another symbol. Without what nobody knows the effect of, and without
    adjustments, which no wallet has seen."""
    known = [row for row in rows if row.exec_type not in ("Novelty", "Adjustment")]
    return [
        replace(row, symbol=OTHER) if number % 3 == 2 else row for number, row in enumerate(known)
    ]


def truth(rows: list[Execution], prices: Mapping[str, Decimal]) -> Decimal:
    """What all of it has won: money that came in for what was sold, less what was paid, and what
    is left at these prices. Who has traded it and what closed what is of no interest."""
    total = ZERO
    for row in rows:
        total += row.signed_qty * (prices[row.symbol] - row.price) - row.fee
    return total


def position(symbol: str, size: Decimal, value: Decimal) -> PositionEvent:
    """As the exchange tells it."""
    price = value / abs(size) if size else None
    unsaid = (None, None, None, None, None, None, None)
    return PositionEvent(ACCOUNT, symbol, size, price, *unsaid, 0, 1, T0 + 60_000)


@settings(max_examples=200)
@given(
    data=st.data(),
    rows=histories().map(two_symbols).filter(bool),
    known=knowledge(),
    capital=st.integers(1, 10_000),
    cents=st.tuples(st.integers(8_000, 12_000), st.integers(8_000, 12_000)),
)
def test_the_equities_of_bots_come_to_that_of_their_account(
    data: st.DataObject,
    rows: list[Execution],
    known: AttributionRules,
    capital: int,
    cents: tuple[int, int],
) -> None:
    prices = {SYMBOL: Decimal(cents[0]) / 100, OTHER: Decimal(cents[1]) / 100}
    clock, ledger = ManualClock(T0), Ledger()
    account = account_of(known, ledger, clock)
    account.seek = None  # nothing waits for an order
    capitals = {bot: Decimal(capital * place) for place, bot in enumerate(sorted(known.bots), 1)}
    site = Site(account, {bot: Purse(money) for bot, money in capitals.items()})
    for bot, purse in site.sessions.items():
        account.listen(bot, purse)
    for frame in data.draw(deliveries(rows)):
        account.receive(frame)

    wallet, average = sum(capitals.values(), ZERO), AverageCost()
    in_order = sorted(rows, key=lambda row: row.ledger_key)
    wallet += sum((average.take(row).change for row in in_order), ZERO)
    open_pnl = ZERO
    for symbol in prices:
        size, value = average.open_costs().get(symbol, (ZERO, ZERO))
        open_pnl += size * prices[symbol] - (value if size > 0 else -value)
        account.receive_position(position(symbol, size, value))
    account.balance.tell(WalletEvent(ACCOUNT, wallet, wallet + open_pnl, None, T0 + 60_000, "rest"))
    account.become(AccountStatus.LIVE)
    pictures = Pictures(
        {ACCOUNT: site},
        clock,
        quote=lambda symbol: (prices[symbol], clock.monotonic()),
        revision=lambda: 0,
        fresh_s=120.0,
    )
    one = (ACCOUNT,)
    bots = {
        bot: pictures.money(Scope(Subject("bot", bot, one, ACCOUNT, bot), bot, ()))
        for bot in site.sessions
    }
    whole = pictures.money(Scope(Subject("account", ACCOUNT, one, ACCOUNT), ACCOUNT, ()))

    manual = account.balance.cash.get(MANUAL, ZERO)
    manual += pictures.of(ACCOUNT).open_pnl.get(MANUAL, ZERO)
    equities = sum((equity for equity, _ in bots.values()), manual)
    results = sum((result for _, result in bots.values()), manual)
    won = truth(rows, prices)
    assert account.balance.cash.keys() <= site.sessions.keys() | {MANUAL}
    assert abs(equities - sum(capitals.values()) - won) < TINY
    assert abs(results - won) < TINY and abs(whole[1] - won) < TINY
    assert abs(whole[0] - equities) <= SMALLEST * len(rows)
    told = account.balance.told
    assert told is not None and abs(whole[0] - told.equity) < TINY
    for bot, (equity, result) in bots.items():
        assert abs(equity - capitals[bot] - result) < TINY
        assert abs(result - _of_ledger(bot, ledger, pictures)) < TINY


def _of_ledger(bot: str, ledger: Ledger, pictures: Pictures) -> Decimal:
    """Realised, less fees, with funding, from the rows of the ledger; and open PnL."""
    total = pictures.of(ACCOUNT).open_pnl.get(bot, ZERO)
    for model in ledger.models.values():
        fills = [fill for fill in model.fills.values() if fill.bot_id == bot]
        paid = [row for row in model.funding.values() if row.bot_id == bot]
        total += sum((fill.realised - fill.fee for fill in fills), ZERO)
        total += sum((row.amount for row in paid), ZERO)
    return total


async def test_a_bot_that_has_closed_a_part_has_the_equity_of_its_lots(limited: Start) -> None:
    """Bought at two prices and sold in part: what is left is not worth what the average says."""
    crew = await limited()
    assert crew.plan(ONE, stops=WIDE) == 1
    await crew.hear()
    await crew.tick("110")
    assert crew.plan(ONE, stops=WIDE) == 1
    await crew.hear()
    assert crew.decide(ONE, Exit(symbol=BTC, reason="time_exit", qty=Decimal(3))) == 1
    await crew.hear()
    held = crew.life.account.position(ONE, BTC)
    assert held.avg_price is not None and 100 < held.avg_price < 110
    await crew.life.stored()
    flow = await crew.pool.fetchval(
        "SELECT sum(CASE side WHEN 'Buy' THEN -exec_value ELSE exec_value END - commission)"
        " FROM trading.fills WHERE bot_id = $1",
        ONE,
    )
    session = crew.life.sessions[ONE]
    price = session.exposures()[BTC] / held.signed_qty
    worth = 10_000 + flow + held.signed_qty * price
    assert abs(session.money()[1] - worth) < TINY
    assert abs(session.snapshot(crew.exchange.now_ms).equity - worth) < TINY
    assert session.wallet + (price - held.avg_price) * held.signed_qty != session.money()[1]
