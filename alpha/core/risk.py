"""Risk rules of the send path: pure functions of what is held, owed and lost.

Portfolio limits belong to a scope: one bot, one account, or everything (`overall`). What a limit
measures is a formula of a `Standing`; `FORMULAS` states it in words, for errors and for people.
Losses are counted on results (cash that trades, fees and funding have moved, and open PnL), so
that a deposit hides no loss and a withdrawal is none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from alpha.core.records import MANUAL
from alpha.core.refusals import Refusal

ZERO, ONE, HALF = Decimal(0), Decimal(1), Decimal("0.5")
#: A ratio to nothing, or to less: larger than any limit, and still a number for the database.
BEYOND = Decimal(999_999)
DAY_MS = 86_400_000
WEEK_MS = 7 * DAY_MS
#: The epoch was a Thursday: ISO weeks begin three days before a multiple of seven.
MONDAY_MS = 3 * DAY_MS
MINUTE_MS = 60_000


@dataclass(frozen=True, slots=True)
class EntryRisk:
    """`max_notional` is the most that one entry may be worth, in USDT; None: no limit.
    `reduce_only` names why no entry is taken at all; None: entries are taken."""

    max_notional: Decimal | None = None
    reduce_only: str | None = None


def check_entry(risk: EntryRisk, *, notional: Decimal) -> str | None:
    """Why an entry of `notional` USDT is refused; None when it may go. Exits are never asked."""
    if risk.reduce_only is not None:
        return Refusal("risk", f"reduce only: {risk.reduce_only}")
    if risk.max_notional is not None and notional > risk.max_notional:
        limit = f"{risk.max_notional:f} per order"
        return Refusal(
            "notional_limit", f"notional {notional:f} USDT is above the limit of {limit}"
        )
    return None


# -- limits -----------------------------------------------------------------------------------


class Kind(StrEnum):
    """What a limit is of."""

    DAILY_LOSS = "daily_loss"
    WEEKLY_LOSS = "weekly_loss"
    DRAWDOWN = "drawdown"
    GROSS_EXPOSURE = "gross_exposure"
    NET_EXPOSURE = "net_exposure"
    LEVERAGE = "leverage"
    CONCENTRATION = "concentration"
    OPEN_POSITIONS = "open_positions"
    ORDERS_PER_MINUTE = "orders_per_minute"


class Action(StrEnum):
    """What follows from a broken limit, the mildest first."""

    WARN = "warn"
    BLOCK_ENTRIES = "block_entries"
    REDUCE = "reduce"
    FLATTEN = "flatten"
    HALT = "halt"


#: What is said of a scope while a limit of it is broken.
STATES: Mapping[Action, str] = {
    Action.WARN: "warning",
    Action.BLOCK_ENTRIES: "blocked",
    Action.REDUCE: "reduced",
    Action.FLATTEN: "flattening",
    Action.HALT: "halted",
}
LOSSES = frozenset({Kind.DAILY_LOSS, Kind.WEEKLY_LOSS, Kind.DRAWDOWN})
COUNTS = frozenset({Kind.OPEN_POSITIONS, Kind.ORDERS_PER_MINUTE})
#: Limits that smaller positions bring back within.
EXPOSURES = frozenset(Kind) - LOSSES - COUNTS
#: Limits that need an equity.
RATIOS = frozenset({Kind.LEVERAGE, Kind.CONCENTRATION})
#: What stays of an entry's size while `reduce` holds.
REDUCED = HALF

FORMULAS: Mapping[Kind, str] = {
    Kind.DAILY_LOSS: "lost = result at 00:00 UTC - result now; "
    "lost / min(equity at 00:00 UTC, equity now + lost) >= limit, 0 < limit < 1",
    Kind.WEEKLY_LOSS: "lost = result on Monday 00:00 UTC - result now; "
    "lost / min(equity on Monday 00:00 UTC, equity now + lost) >= limit, 0 < limit < 1",
    Kind.DRAWDOWN: "lost = highest result - result now; "
    "lost / min(equity at the highest result, equity now + lost) >= limit, 0 < limit < 1",
    Kind.GROSS_EXPOSURE: "sum of |quantity| * price in USDT > limit, limit > 0",
    Kind.NET_EXPOSURE: "|sum of signed quantity * price| in USDT > limit, limit > 0",
    Kind.LEVERAGE: "gross exposure / equity > limit, 0 < limit <= 100",
    Kind.CONCENTRATION: "gross exposure of one symbol / equity > limit, 0 < limit <= 100",
    Kind.OPEN_POSITIONS: "number of open positions that no exit is closing whole, and entries on "
    "their way > limit, limit a whole number >= 1",
    Kind.ORDERS_PER_MINUTE: "entries taken within 60 seconds > limit, limit a whole number >= 1",
}


@dataclass(frozen=True, slots=True)
class Rule:
    """`value` and `value_with` measure what the limit is compared with, as things stand and with
    an entry that has traded."""

    kind: Kind
    limit: Decimal
    action: Action
    is_loss: bool = field(init=False, compare=False, repr=False)
    value: Callable[[Standing], Decimal] = field(init=False, compare=False, repr=False)
    value_with: Callable[[Standing, Entry], Decimal] | None = field(
        init=False, compare=False, repr=False
    )

    def __post_init__(self) -> None:
        # Looked up once: an entry passes many rules.
        object.__setattr__(self, "is_loss", self.kind in LOSSES)
        object.__setattr__(self, "value", _MEASURES[self.kind])
        object.__setattr__(self, "value_with", _WITH_ENTRY.get(self.kind))


def fault_of(kind: Kind, limit: Decimal) -> bool:
    """Whether a limit is nonsensical: one that nothing, or everything, breaks."""
    if not limit.is_finite() or limit <= ZERO:
        return True
    if kind in LOSSES:
        return limit >= ONE
    if kind in RATIOS:
        return limit > 100
    return kind in COUNTS and limit != limit.to_integral_value()


def may_act(kind: Kind, action: Action) -> bool:
    """No smaller order brings a count back within its limit."""
    return not (action is Action.REDUCE and kind in COUNTS)


# -- time -------------------------------------------------------------------------------------


def day_of(at_ms: int) -> int:
    """Number of the UTC day since the epoch."""
    return at_ms // DAY_MS


def week_of(at_ms: int) -> int:
    """Number of the ISO week, which begins on Monday 00:00 UTC."""
    return (at_ms + MONDAY_MS) // WEEK_MS


class Anchors(msgspec.Struct, frozen=True):
    """Where a scope stood: when its day and its week began, at its best, and last. `day` and
    `week` are numbers (`day_of`, `week_of`), `at_ms` is venue time; money in USDT. What is from
    before `began_ms` moves nothing, whenever it comes: 00:00 UTC of the day of the first."""

    day: int
    day_equity: Decimal
    day_result: Decimal
    week: int
    week_equity: Decimal
    week_result: Decimal
    peak_equity: Decimal
    peak_result: Decimal
    at_ms: int
    equity: Decimal
    result: Decimal
    began_ms: int


def begin(at_ms: int, equity: Decimal, result: Decimal) -> Anchors:
    day, week = day_of(at_ms), week_of(at_ms)
    stood = (equity, result)
    return Anchors(day, *stood, week, *stood, *stood, at_ms, *stood, day * DAY_MS)


def follow(before: Anchors | None, at_ms: int, equity: Decimal, result: Decimal) -> Anchors:
    """The anchors with what is known now. A day or week that has begun since starts where the
    scope stood last, so that what was lost while nobody looked counts. Time never goes back."""
    if before is None:
        return begin(at_ms, equity, result)
    day, week = max(before.day, day_of(at_ms)), max(before.week, week_of(at_ms))
    new_day, new_week = day > before.day, week > before.week
    best = result > before.peak_result
    return Anchors(
        day,
        before.equity if new_day else before.day_equity,
        before.result if new_day else before.day_result,
        week,
        before.equity if new_week else before.week_equity,
        before.result if new_week else before.week_result,
        equity if best else before.peak_equity,
        result if best else before.peak_result,
        max(at_ms, before.at_ms),
        equity,
        result,
        before.began_ms,
    )


def anew(anchors: Anchors, kinds: Iterable[Kind]) -> Anchors:
    """These losses are counted from where the scope stood last: somebody has reset them."""
    for kind in kinds:
        if kind is Kind.DAILY_LOSS:
            anchors = replace(anchors, day_equity=anchors.equity, day_result=anchors.result)
        elif kind is Kind.WEEKLY_LOSS:
            anchors = replace(anchors, week_equity=anchors.equity, week_result=anchors.result)
        elif kind is Kind.DRAWDOWN:
            anchors = replace(anchors, peak_equity=anchors.equity, peak_result=anchors.result)
    return anchors


def shifted(anchors: Anchors, result: Decimal) -> Anchors:
    """As if this had been won, or lost, before the anchors began."""
    return replace(
        anchors,
        day_result=anchors.day_result + result,
        week_result=anchors.week_result + result,
        peak_result=anchors.peak_result + result,
        result=anchors.result + result,
    )


# -- where a scope stands ---------------------------------------------------------------------


class Held(NamedTuple):
    """One owner's position: `value` is its signed quantity times the price, in USDT."""

    account: str
    owner: str
    symbol: str
    signed_qty: Decimal
    value: Decimal


@dataclass(slots=True)
class Exposure:
    """Positions, with what is on its way into the market. Everything in USDT: `net` of the
    positions, `buying` and `selling` of entries that may still trade."""

    gross: Decimal = ZERO
    net: Decimal = ZERO
    buying: Decimal = ZERO
    selling: Decimal = ZERO
    by_symbol: dict[str, Decimal] = field(default_factory=dict)
    places: set[tuple[str, str, str]] = field(default_factory=set)  # account, owner, symbol
    #: Those whose exits on their way close all that is held there.
    leaving: set[tuple[str, str, str]] = field(default_factory=set)

    def hold(self, place: tuple[str, str, str], value: Decimal) -> None:
        self._add(place, abs(value))
        self.net += value

    def enter(self, place: tuple[str, str, str], value: Decimal) -> None:
        """An entry that is pending, sent, open, or whose outcome nobody knows."""
        self._add(place, abs(value))
        self.leaving.discard(place)
        if value > 0:
            self.buying += value
        else:
            self.selling -= value

    def _add(self, place: tuple[str, str, str], size: Decimal) -> None:
        self.gross += size
        symbol = place[2]
        self.by_symbol[symbol] = self.by_symbol.get(symbol, ZERO) + size
        self.places.add(place)

    def places_with(self, *entered: tuple[str, str, str]) -> Decimal:
        """How many there are once exits and these entries have traded."""
        return Decimal(len((self.places - self.leaving).union(entered)))

    @property
    def most_net(self) -> Decimal:
        """The largest net exposure that entries on their way may lead to."""
        return max(abs(self.net + self.buying), abs(self.net - self.selling))


@dataclass(slots=True)
class Standing:
    """`entries` is how many were taken in the last minute. `exposure` and `entries` grow with the
    entries that are taken, until things are looked at anew."""

    equity: Decimal
    anchors: Anchors
    exposure: Exposure
    entries: int = 0


class Entry(NamedTuple):
    """What is about to be sent; `value` is signed, in USDT."""

    account: str
    owner: str
    symbol: str
    value: Decimal

    @property
    def place(self) -> tuple[str, str, str]:
        return (self.account, self.owner, self.symbol)


def share(part: Decimal, of: Decimal) -> Decimal:
    """`part / of`; of nothing, or less, nothing is 0 and everything else is beyond measure."""
    if part <= ZERO:
        return ZERO
    return min(part / of, BEYOND) if of > ZERO else BEYOND


def _loss(now: Anchors, result: Decimal, equity: Decimal) -> Decimal:
    """Of the equity there was, less what was withdrawn since."""
    lost = result - now.result
    return share(lost, min(equity, now.equity + lost))


#: By kind: the value as things stand.
_MEASURES: Mapping[Kind, Callable[[Standing], Decimal]] = {
    Kind.DAILY_LOSS: lambda at: _loss(at.anchors, at.anchors.day_result, at.anchors.day_equity),
    Kind.WEEKLY_LOSS: lambda at: _loss(at.anchors, at.anchors.week_result, at.anchors.week_equity),
    Kind.DRAWDOWN: lambda at: _loss(at.anchors, at.anchors.peak_result, at.anchors.peak_equity),
    Kind.GROSS_EXPOSURE: lambda at: at.exposure.gross,
    Kind.NET_EXPOSURE: lambda at: at.exposure.most_net,
    Kind.LEVERAGE: lambda at: share(at.exposure.gross, at.equity),
    Kind.CONCENTRATION: lambda at: share(
        max(at.exposure.by_symbol.values(), default=ZERO), at.equity
    ),
    Kind.OPEN_POSITIONS: lambda at: at.exposure.places_with(),
    Kind.ORDERS_PER_MINUTE: lambda at: Decimal(at.entries),
}


def measure(kind: Kind, at: Standing) -> Decimal:
    """The value that a limit of this kind is compared with, 0 or more."""
    return _MEASURES[kind](at)


def _net_with(at: Standing, entry: Entry) -> Decimal:
    exposure, value = at.exposure, entry.value
    buying = exposure.buying + max(value, ZERO)
    selling = exposure.selling - min(value, ZERO)
    return max(abs(exposure.net + buying), abs(exposure.net - selling))


#: The same with an entry; a loss stays what it is.
_WITH_ENTRY: Mapping[Kind, Callable[[Standing, Entry], Decimal]] = {
    Kind.GROSS_EXPOSURE: lambda at, entry: at.exposure.gross + abs(entry.value),
    Kind.NET_EXPOSURE: _net_with,
    Kind.LEVERAGE: lambda at, entry: share(at.exposure.gross + abs(entry.value), at.equity),
    Kind.CONCENTRATION: lambda at, entry: share(
        at.exposure.by_symbol.get(entry.symbol, ZERO) + abs(entry.value), at.equity
    ),
    Kind.OPEN_POSITIONS: lambda at, entry: at.exposure.places_with(entry.place),
    Kind.ORDERS_PER_MINUTE: lambda at, entry: Decimal(at.entries + 1),
}


def with_entry(kind: Kind, at: Standing, entry: Entry) -> Decimal:
    """The value once the entry has traded; of a concentration, that of its symbol."""
    found = _WITH_ENTRY.get(kind)
    return _MEASURES[kind](at) if found is None else found(at, entry)


def is_broken(rule: Rule, value: Decimal) -> bool:
    """A loss may not reach its limit, everything else may and not exceed it."""
    return value >= rule.limit if rule.is_loss else value > rule.limit


class Breach(NamedTuple):
    rule: Rule
    value: Decimal

    @property
    def words(self) -> str:
        kind, limit = self.rule.kind, self.rule.limit
        return f"{kind} is {shown(kind, self.value)}, limit {shown(kind, limit)}"


def shown(kind: Kind, value: Decimal) -> str:
    """For people: losses and concentration in percent, leverage in multiples."""
    if kind in LOSSES or kind is Kind.CONCENTRATION:
        return f"{value * 100:.2f} %"
    if kind is Kind.LEVERAGE:
        return f"{value:.2f}x"
    return f"{value:f}" if kind in COUNTS else f"{value:.2f} USDT"


def breaches(rules: Iterable[Rule], at: Standing) -> list[Breach]:
    """The rules that are broken as things stand."""
    found = [Breach(rule, measure(rule.kind, at)) for rule in rules]
    return [one for one in found if is_broken(*one)]


def refusal(rules: Iterable[Rule], at: Standing, entry: Entry) -> Breach | None:
    """The first rule that speaks against an entry: it would break the limit, and bring it no
    nearer. A rule that only warns refuses nothing, nor does a loss that makes entries smaller."""
    for rule in rules:
        if rule.action is Action.WARN or (rule.is_loss and rule.action is Action.REDUCE):
            continue
        value = rule.value(at) if rule.value_with is None else rule.value_with(at, entry)
        if value < rule.limit or not is_broken(rule, value):
            continue
        if rule.kind is Kind.NET_EXPOSURE and value <= measure(rule.kind, at):
            continue  # it brings the two sides nearer to each other
        return Breach(rule, value)
    return None


# -- what is in force -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Trip:
    """A limit that was broken and is not over, or a person's own word (`kind` None). `at_ms` is
    venue time, `wall_ms` for people."""

    kind: Kind | None
    action: Action
    value: Decimal
    limit: Decimal
    at_ms: int
    wall_ms: int
    why: str
    operator: str | None = None
    event_id: str = ""

    @property
    def name(self) -> str:
        """`daily_loss`; a person's own word goes by what it does: `halt`, `flatten`."""
        return self.kind.value if self.kind is not None else self.action.value

    @property
    def stops_entries(self) -> bool:
        return self.action in (Action.BLOCK_ENTRIES, Action.FLATTEN, Action.HALT)


def is_over(trip: Trip, rule: Rule | None, at: Standing, now_ms: int) -> bool:
    """Whether a trip ends by itself: a loss with its day or week, an exposure or a count once it
    is within its limit; one that closes positions not before they are closed. A halt, a drawdown,
    and what a person has said never do."""
    if trip.kind is None or trip.action is Action.HALT or trip.kind is Kind.DRAWDOWN:
        return False
    if trip.action is Action.FLATTEN and any(one[1] != MANUAL for one in at.exposure.places):
        return False
    if trip.kind is Kind.DAILY_LOSS:
        return day_of(now_ms) > day_of(trip.at_ms)
    if trip.kind is Kind.WEEKLY_LOSS:
        return week_of(now_ms) > week_of(trip.at_ms)
    return rule is None or not is_broken(rule, measure(trip.kind, at))


class Cut(NamedTuple):
    held: Held
    fraction: Decimal  # of what is held, up to 1


def cuts(rule: Rule, equity: Decimal, held: Iterable[Held], fixed: Iterable[Held]) -> list[Cut]:
    """What to close so that an exposure is within its limit: of all that count, the same part.
    `fixed` are positions that count and are not ours to close."""
    mine, others = list(held), list(fixed)
    if rule.kind is Kind.NET_EXPOSURE:
        net = sum((one.value for one in (*mine, *others)), ZERO)
        return _cut(abs(net) - rule.limit, [one for one in mine if one.value * net > 0])
    allowed = rule.limit * max(equity, ZERO) if rule.kind in RATIOS else rule.limit
    if rule.kind is not Kind.CONCENTRATION:
        gross = sum((abs(one.value) for one in (*mine, *others)), ZERO)
        return _cut(gross - allowed, mine)
    found: list[Cut] = []
    for symbol in sorted({one.symbol for one in mine}):
        own = [one for one in mine if one.symbol == symbol]
        gross = sum((abs(one.value) for one in (*mine, *others) if one.symbol == symbol), ZERO)
        found += _cut(gross - allowed, own)
    return found


def _cut(excess: Decimal, held: list[Held]) -> list[Cut]:
    total = sum((abs(one.value) for one in held), ZERO)
    if excess <= ZERO or total <= ZERO:
        return []
    return [Cut(one, min(excess / total, ONE)) for one in held]
