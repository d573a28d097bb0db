"""Microseconds of CPU that portfolio limits take per entry: with the limits that the bots have by
default, and with all nine limits in all three scopes.

Three accounts with a bot each hold `POSITIONS` positions in all. Measured in turns: an entry after
others of the same decision (only orders have changed), an entry after a new price of every symbol
(everything is valued anew), and what the check was before, of the order's own size alone.

Prints one JSON object. Run: python -m bench.risk
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from decimal import Decimal
from statistics import fmean, median

from alpha.alerts import Alerts
from alpha.clock import SystemClock, SystemRandomness, VenueClock, cpu_ns
from alpha.core.events import WalletEvent
from alpha.core.ids import wire_id
from alpha.core.orders import OrderState
from alpha.core.records import Commit, OrderRow
from alpha.core.risk import Action, Entry, EntryRisk, Kind, Rule, check_entry
from alpha.core.steps import QtySteps
from alpha.ledger.risk_journal import RiskEvent, RiskJournal, Subject
from alpha.trading.account import Account, AccountStatus
from alpha.trading.portfolio_risk import PortfolioRisk
from alpha.trading.risk_scopes import Pictures, Purse, Quote, Scope
from bench.fold import START_MS, STEP, history

ACCOUNTS = ("one", "two", "three")
POSITIONS = 26
BURST = 10  # entries of one decision
TURNS = 400
ROUNDS = 5
RULES = tuple(
    Rule(kind, limit, Action.BLOCK_ENTRIES)
    for kind, limit in (
        (Kind.DAILY_LOSS, Decimal("0.5")),
        (Kind.WEEKLY_LOSS, Decimal("0.5")),
        (Kind.DRAWDOWN, Decimal("0.5")),
        (Kind.GROSS_EXPOSURE, Decimal(10**12)),
        (Kind.NET_EXPOSURE, Decimal(10**12)),
        (Kind.LEVERAGE, Decimal(100)),
        (Kind.CONCENTRATION, Decimal(100)),
        (Kind.OPEN_POSITIONS, Decimal(10**6)),
        (Kind.ORDERS_PER_MINUTE, Decimal(10**9)),
    )
)
DEFAULT = frozenset(
    {Kind.DAILY_LOSS, Kind.WEEKLY_LOSS, Kind.DRAWDOWN, Kind.LEVERAGE, Kind.OPEN_POSITIONS}
)


class Ledger:
    def put(self, commit: Commit) -> bool:
        return True


class Journal(RiskJournal):
    """Takes what it is given and writes nothing."""

    def __init__(self) -> None:
        pass

    def put(self, event: RiskEvent, *, in_force: bool) -> None:
        raise AssertionError(f"expected no limit to be broken, was {event.trip.why}")

    def keep(self, subject: Subject, anchors: object, earlier: object) -> None:
        pass


@dataclass
class Bot:
    wallet: Decimal
    owns_wallet: bool = False


@dataclass
class Desk:
    account: Account
    sessions: dict[str, Purse]


class Prices:
    """Of every symbol the same, another one at each `move`."""

    def __init__(self, clock: SystemClock) -> None:
        self.revision = 0
        self._clock = clock

    def move(self) -> None:
        self.revision += 1

    def quote(self, symbol: str) -> Quote:
        return Decimal(str(6_000.5 + self.revision % 97)), self._clock.monotonic()


def bot_of(account: str) -> str:
    return f"{account}_001"


def desk(name: str, clock: SystemClock, positions: int) -> Desk:
    bot = bot_of(name)
    symbols = [f"COIN{number}USDT" for number in range(positions)]
    account = Account(
        name,
        bots={bot: frozenset(symbols)},
        known_bots=[bot],
        owners={},
        ledger=Ledger(),
        clock=clock,
        qty_steps={symbol: QtySteps.always(STEP) for symbol in symbols},
        overrides={},
    )
    (row,) = history(1)
    account.release()
    for number, symbol in enumerate(symbols):
        link = wire_id(bot, "entry", START_MS + number)
        account.receive(
            [
                replace(
                    row,
                    account=name,
                    symbol=symbol,
                    exec_id=f"{row.exec_id}-{number}",
                    order_id=f"{row.order_id}-{number}",
                    order_link_id=link,
                    exec_time=START_MS + number,
                )
            ]
        )
    account.balance.tell(
        WalletEvent(name, Decimal(10_000), Decimal(10_000), Decimal(10_000), START_MS + 10**9)
    )
    account.become(AccountStatus.LIVE)
    return Desk(account, {bot: Bot(Decimal(10_000))})


def pending(account: str, number: int) -> OrderRow:
    bot = bot_of(account)
    return OrderRow(
        account=account,
        client_order_id=wire_id(bot, "entry", START_MS + 10**7 + number),
        bot_id=bot,
        symbol=f"COIN{number}USDT",
        side="Buy",
        purpose="entry",
        reason="entry",
        order_type="Market",
        qty=Decimal("0.1"),
        price=None,
        trigger_price=None,
        reduce_only=False,
        state=OrderState.PENDING.value,
        exchange_order_id=None,
        exchange_status=None,
        filled_qty=Decimal(0),
        avg_fill_price=None,
        reject_code=None,
        reject_reason=None,
        decided_ms=START_MS,
        sent_ms=None,
        acked_ms=None,
        terminal_ms=None,
        updated_ms=START_MS,
    )


def scopes(*, all_limits: bool) -> list[Scope]:
    above = RULES if all_limits else ()
    found = [Scope(Subject("overall", "+".join(ACCOUNTS), ACCOUNTS), "everything", above)]
    for name in ACCOUNTS:
        found.append(Scope(Subject("account", name, (name,), name), f"account {name}", above))
        bot = bot_of(name)
        own = tuple(one for one in RULES if all_limits or one.kind in DEFAULT)
        found.append(Scope(Subject("bot", bot, (name,), name, bot), f"bot {bot}", own))
    return found


def main() -> None:
    print(json.dumps({"default": figures(all_limits=False), "all": figures(all_limits=True)}))


def figures(*, all_limits: bool) -> dict[str, float]:
    clock = SystemClock()
    venue = VenueClock(clock)
    venue.observe(START_MS)
    prices = Prices(clock)
    desks = {
        name: desk(name, clock, POSITIONS // 3 + (place < POSITIONS % 3))
        for place, name in enumerate(ACCOUNTS)
    }
    risk = PortfolioRisk(
        scopes(all_limits=all_limits),
        Pictures(desks, clock, quote=prices.quote, revision=lambda: prices.revision, fresh_s=120.0),
        Journal(),
        clock=clock,
        venue=venue,
        randomness=SystemRandomness(1),
        alerts=Alerts(clock),
    )
    size, limits = Decimal(600), EntryRisk(max_notional=Decimal(10_000))
    burst: list[float] = []
    first: list[float] = []
    before: list[float] = []
    for _ in range(ROUNDS):
        for turn in range(TURNS):
            name = ACCOUNTS[turn % len(ACCOUNTS)]
            account = desks[name].account
            prices.move()
            for number in range(BURST):
                entry = Entry(name, bot_of(name), f"COIN{number}USDT", size)
                began = cpu_ns()
                refused = risk.refusal(entry)
                taken = (cpu_ns() - began) / 1_000
                assert refused is None, refused
                (burst if number else first).append(taken)
                account.tracker.plan(pending(name, number))
                began = cpu_ns()
                assert check_entry(limits, notional=size) is None
                before.append((cpu_ns() - began) / 1_000)
            for number in range(BURST):  # they are over: nothing is pending at the next decision
                row = pending(name, number)
                account.tracker.move(row.client_order_id, OrderState.NEVER_ACCEPTED)
                account.tracker._rows.pop(row.client_order_id)
    every = [*first, *burst]
    return {
        "limits_per_entry": sum(
            len(one.rules) for one in risk.scopes if one.covers("one", "one_001")
        ),
        "us_per_entry": round(fmean(every), 2),
        "us_first_of_decision": round(median(first), 2),
        "us_others_of_decision": round(median(burst), 2),
        "us_order_size_alone": round(median(before), 3),
        "ratio": round(fmean(every) / fmean(before), 1),
    }


if __name__ == "__main__":
    main()
