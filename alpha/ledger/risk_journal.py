"""Portfolio limits in the database: read at the start, written beside trading.

Memory decides; what it has decided is written at once, and nobody waits for it. While the database
is away everything is kept and written when it is back: events in their order, of each limit and of
each anchor the newest word.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Literal

import asyncpg
import structlog

from alpha.clock import Clock
from alpha.core.earlier import Earlier
from alpha.core.risk import BEYOND, Action, Anchors, Kind, Rule, Trip
from alpha.ledger.lease import Lease, LeaseLost
from alpha.ledger.pool import CONNECTION_ERRORS, Connection, Pool
from alpha.ledger.queries import load

log = structlog.get_logger(__name__)

ScopeKind = Literal["overall", "account", "bot"]
#: Anchors move with every price: they are written this often, and at once with anything else.
ANCHORS_EVERY_S = 5.0
MAX_EVENTS = 1000
_WITHIN_S = 5.0
_FIRST_PAUSE_S = 0.25
_LONGEST_PAUSE_S = 5.0
_CENTS = Decimal("1E-8")
#: The database is away, or does not take a row.
_NOT_WRITTEN: tuple[type[BaseException], ...] = (*CONNECTION_ERRORS, asyncpg.PostgresError)


@dataclass(frozen=True, slots=True)
class Subject:
    """Whose limits: `name` is the account, the bot's id, or the accounts joined by '+'."""

    scope: ScopeKind
    name: str
    accounts: tuple[str, ...]
    account: str | None = None
    bot_id: str | None = None

    @property
    def key(self) -> tuple[str, str]:
        return (self.scope, self.name)


@dataclass(frozen=True, slots=True)
class RiskEvent:
    """One row of audit.risk_events. `at_ms` is venue time."""

    event_id: str
    event: Literal["breach", "action", "resolution"]
    subject: Subject
    trip: Trip
    at_ms: int
    value: Decimal | None = None
    positions: int = 0
    orders: int = 0
    operator: str | None = None
    notes: str = ""


@dataclass(frozen=True, slots=True)
class Kept:
    """Anchors as they were written. `earlier` is what of the ledger was from before they began
    then, None where nobody has looked; `since` is what has come to it since."""

    anchors: Anchors
    earlier: Earlier | None
    since: Earlier


@dataclass(frozen=True, slots=True)
class Stored:
    """What an earlier process has left, by scope and subject."""

    anchors: dict[tuple[str, str], Kept]
    trips: dict[tuple[str, str], list[Trip]]
    #: Entries of the last minute of orders: account, bot's id and event time (ms), oldest first.
    entries: list[tuple[str, str, int]]


async def read(pool: Pool, accounts: list[str]) -> Stored:
    """Everything that concerns these accounts."""
    sql = load("risk.sql")
    anchors = await _read_anchors(pool, accounts)
    trips: dict[tuple[str, str], list[Trip]] = {}
    for row in await pool.fetch(sql["state"], accounts):
        name = row["limit_name"]
        trip = Trip(
            Kind(name) if name in set(Kind) else None,
            Action(row["action"]),
            row["value"],
            row["limit_value"],
            row["since"],
            row["noticed_at"],
            row["why"],
            row["operator"],
            row["breach_id"],
        )
        trips.setdefault((row["scope"], row["subject"]), []).append(trip)
    entries = [
        (row["account"], row["bot_id"], row["decided_at"])
        for row in await pool.fetch(sql["entries"], accounts)
    ]
    return Stored(anchors, trips, entries)


@dataclass(frozen=True, slots=True)
class Look:
    """A question to the ledger: what is from before a time, of accounts or of one bot of them."""

    accounts: tuple[str, ...]
    bot_id: str | None
    before_ms: int


async def read_earlier(pool: Pool, looks: Sequence[Look]) -> list[Earlier]:
    """The answers, in their order: the ledger of each account is read once for all of them."""
    moments: dict[str, set[int]] = {}
    for look in looks:
        for account in look.accounts:
            moments.setdefault(account, set()).add(look.before_ms)
    sql, moved = load("risk.sql")["earlier"], dict[str, list[asyncpg.Record]]()
    for account, some in moments.items():
        moved[account] = await pool.fetch(sql, account, sorted(some), max(some))
    return [
        _sum(
            row
            for account in look.accounts
            for row in moved[account]
            if row["before"] <= look.before_ms and look.bot_id in (None, row["bot_id"])
        )
        for look in looks
    ]


def _sum(rows: Iterable[asyncpg.Record]) -> Earlier:
    cash, held = Decimal(0), dict[str, Decimal]()
    for row in rows:
        cash += row["cash"]
        held[row["symbol"]] = held.get(row["symbol"], Decimal(0)) + row["qty"]
    return Earlier(cash, {symbol: qty for symbol, qty in held.items() if qty})


async def _read_anchors(pool: Pool, accounts: list[str]) -> dict[tuple[str, str], Kept]:
    rows = await pool.fetch(load("risk.sql")["anchors"], accounts)
    known = [
        Look(tuple(row["accounts"]), row["bot_id"], row["began_at"])
        for row in rows
        if row["earlier_cash"] is not None
    ]
    answers = iter(await read_earlier(pool, known))
    found = [(row, _kept(row, answers)) for row in rows]
    moved = {
        (name, symbol)
        for row, kept in found
        for name in row["accounts"]
        for symbol in kept.since.held
    }
    if moved:
        sql = load("risk.sql")["last_prices"]
        prices = await pool.fetch(sql, *zip(*moved, strict=True))
        found = [(row, _priced(kept, row["accounts"], prices)) for row, kept in found]
    return {(row["scope"], row["subject"]): kept for row, kept in found}


def _kept(row: asyncpg.Record, answers: Iterator[Earlier]) -> Kept:
    """`answers` are the ledger's to those that know what was earlier, in their order."""
    anchors = Anchors(
        row["day"],
        row["day_equity"],
        row["day_result"],
        row["week"],
        row["week_equity"],
        row["week_result"],
        row["peak_equity"],
        row["peak_result"],
        row["seen_at"],
        row["equity"],
        row["result"],
        row["began_at"],
    )
    if row["earlier_cash"] is None:
        return Kept(anchors, None, Earlier())
    held = {symbol: Decimal(qty) for symbol, qty in json.loads(row["earlier_held"]).items()}
    known = Earlier(row["earlier_cash"], held)
    return Kept(anchors, known, next(answers).plus(known, -1))


def _priced(kept: Kept, accounts: list[str], prices: Sequence[asyncpg.Record]) -> Kept:
    """With the newest prices, which are the last ones, of what has come since."""
    found = {
        row["symbol"]: row["exec_price"]
        for row in prices
        if row["account"] in accounts and row["symbol"] in kept.since.held
    }
    return replace(kept, since=replace(kept.since, prices=found))


async def save_bot_limits(pool: Pool, subject: Subject, rules: Iterable[Rule]) -> None:
    """What a bot is limited to, into the registry; NULL where it is not."""
    limits = {rule.kind: rule.limit for rule in rules}
    positions = limits.get(Kind.OPEN_POSITIONS)
    await pool.execute(
        load("risk.sql")["save_bot_limits"],
        subject.bot_id,
        subject.account,
        None if positions is None else int(positions),
        limits.get(Kind.LEVERAGE),
        limits.get(Kind.DAILY_LOSS),
        limits.get(Kind.WEEKLY_LOSS),
        limits.get(Kind.DRAWDOWN),
    )


class RiskJournal:
    """`put` and `keep` never wait and never fail; `run` writes."""

    def __init__(self, lease: Lease, clock: Clock) -> None:
        self._lease = lease
        self._clock = clock
        self._sql = load("risk.sql")
        self._events: deque[RiskEvent] = deque()
        self._anchors: dict[tuple[str, str], tuple[Subject, Anchors, Earlier | None]] = {}
        self._states: dict[tuple[str, str, str], tuple[Subject, Trip, bool]] = {}
        self._urgent = asyncio.Event()
        self._wrote = asyncio.Event()
        self.dropped = 0

    # -- from memory --------------------------------------------------------------------------

    def put(self, event: RiskEvent, *, in_force: bool) -> None:
        """What has happened, and whether the limit it is about holds from now on."""
        if len(self._events) >= MAX_EVENTS:
            self._events.popleft()
            self.dropped += 1
        self._events.append(event)
        self._states[(*event.subject.key, event.trip.name)] = (event.subject, event.trip, in_force)
        self._urgent.set()

    def keep(self, subject: Subject, anchors: Anchors, earlier: Earlier | None) -> None:
        """`earlier` is what of the ledger is from before they began; None: nobody has looked."""
        self._anchors[subject.key] = (subject, anchors, earlier)

    @property
    def waiting(self) -> bool:
        """Something that has happened is not in the database yet."""
        return bool(self._events or self._states)

    async def settle(self, within_s: float) -> bool:
        """Whether everything that has happened is in the database, after so long at most."""
        try:
            async with asyncio.timeout(within_s):
                while self.waiting:
                    self._wrote.clear()
                    await self._wrote.wait()
        except TimeoutError:
            return False
        return True

    # -- to the database ----------------------------------------------------------------------

    async def run(self) -> None:
        """Writes until cancelled, or until another daemon owns the accounts."""
        pause = _FIRST_PAUSE_S
        said: set[str] = set()  # failures since the last time it went well
        while True:
            if not self.waiting:
                await self._until_due()
            self._urgent.clear()
            try:
                async with asyncio.timeout(_WITHIN_S):
                    await self._write()
            except LeaseLost:
                return
            except _NOT_WRITTEN as error:
                name = type(error).__name__
                if name not in said:
                    said.add(name)
                    log.warning("risk_not_written", error=name, why=str(error))
                await self._clock.sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE_S)
            else:
                pause = _FIRST_PAUSE_S
                said.clear()
                self._wrote.set()

    async def flush(self) -> None:
        """Writes what there is now, once."""
        await self._write()
        self._wrote.set()

    async def finish(self, within_s: float) -> None:
        """Writes what there is at the end of a run, as far as it can be."""
        passing: tuple[type[BaseException], ...] = (LeaseLost, *_NOT_WRITTEN)
        try:
            async with asyncio.timeout(within_s):
                await self.flush()
        except passing as error:
            log.warning("risk_not_written", error=type(error).__name__, why=str(error))

    async def _until_due(self) -> None:
        try:
            async with asyncio.timeout(ANCHORS_EVERY_S):
                await self._urgent.wait()
        except TimeoutError:
            pass

    async def _write(self) -> None:
        events = list(self._events)
        states, anchors = dict(self._states), dict(self._anchors)
        if states:  # by themselves: what is in force waits for no event or anchor
            async with self._lease.owning() as connection:
                for subject, trip, in_force in states.values():
                    await self._save_state(connection, subject, trip, in_force)
            for key, state in states.items():
                if self._states.get(key) is state:
                    del self._states[key]
        if not (events or anchors):
            return
        async with self._lease.owning() as connection:
            for event in events:
                await self._save_event(connection, event)
            for subject, one, earlier in anchors.values():
                await self._save_anchors(connection, subject, one, earlier)
        written = {event.event_id for event in events}
        while self._events and self._events[0].event_id in written:
            self._events.popleft()
        for name, kept in anchors.items():
            if self._anchors.get(name) is kept:
                del self._anchors[name]

    async def _save_state(
        self, connection: Connection, subject: Subject, trip: Trip, in_force: bool
    ) -> None:
        await connection.execute(
            self._sql["save_state"],
            subject.scope,
            subject.name,
            trip.name,
            list(subject.accounts),
            subject.account,
            subject.bot_id,
            in_force,
            trip.action.value,
            _number(trip.value),
            _number(trip.limit),
            trip.at_ms,
            trip.wall_ms,
            trip.why,
            trip.operator,
            trip.event_id,
        )
        if subject.scope == "overall":
            await connection.execute(
                self._sql["end_elsewhere"], subject.name, trip.name, list(subject.accounts)
            )

    async def _save_event(self, connection: Connection, event: RiskEvent) -> None:
        trip, value = event.trip, event.value
        has_limit = trip.kind is not None
        used = None
        if has_limit and value is not None and trip.limit > 0:
            used = _number(min(value / trip.limit, BEYOND))
        await connection.execute(
            self._sql["save_event"],
            event.event_id,
            event.at_ms,
            event.event,
            trip.event_id,
            event.subject.scope,
            event.subject.account,
            event.subject.bot_id,
            trip.name,
            None if value is None or not has_limit else _number(value),
            _number(trip.limit) if has_limit else None,
            used,
            trip.action.value,
            event.positions,
            event.orders,
            event.operator,
            event.notes,
        )

    async def _save_anchors(
        self, connection: Connection, subject: Subject, at: Anchors, earlier: Earlier | None
    ) -> None:
        held = {} if earlier is None else earlier.held
        await connection.execute(
            self._sql["save_anchors"],
            subject.scope,
            subject.name,
            list(subject.accounts),
            subject.account,
            subject.bot_id,
            at.day,
            _number(at.day_equity),
            _number(at.day_result),
            at.week,
            _number(at.week_equity),
            _number(at.week_result),
            _number(at.peak_equity),
            _number(at.peak_result),
            at.at_ms,
            _number(at.equity),
            _number(at.result),
            at.began_ms,
            None if earlier is None else earlier.cash,
            json.dumps({symbol: f"{qty:f}" for symbol, qty in held.items()}),
        )


def _number(value: Decimal) -> Decimal:
    """As the columns hold it: eight places."""
    return value.quantize(_CENTS)
