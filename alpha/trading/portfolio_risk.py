"""Limits over bots and accounts, in the send path: what takes no entries, and since when.

An entry is judged with itself, with what is held and with every entry that may still trade, so two
bots that decide in the same turn cannot both slip under a limit. Exits are never asked. Memory
decides; the journal writes down what it has decided.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from decimal import Decimal

import structlog

from alpha.alerts import Alerts
from alpha.clock import Clock, Randomness, VenueClock, iso
from alpha.core.earlier import Earlier, earlier_of
from alpha.core.records import Flow
from alpha.core.risk import (
    BEYOND,
    LOSSES,
    ONE,
    REDUCED,
    STATES,
    ZERO,
    Action,
    Breach,
    Entry,
    Kind,
    Rule,
    Standing,
    Trip,
    anew,
    breaches,
    day_of,
    follow,
    is_over,
    measure,
    refusal,
    shifted,
)
from alpha.ledger.pool import Pool
from alpha.ledger.risk_journal import Look, RiskEvent, RiskJournal, Stored, read_earlier
from alpha.trading.risk_scopes import Picture, Pictures, Scope

log = structlog.get_logger(__name__)

Row = dict[str, object]
#: What a standing was made of, pictures and day, and the standing.
_Seen = tuple[tuple[Picture, ...], int, Standing]


class PortfolioRisk:
    """`scopes` go from everything down to single bots. `act` is called when something is to be
    closed."""

    def __init__(
        self,
        scopes: Sequence[Scope],
        pictures: Pictures,
        journal: RiskJournal,
        *,
        clock: Clock,
        venue: VenueClock,
        randomness: Randomness,
        alerts: Alerts,
    ) -> None:
        self.scopes = tuple(scopes)
        self.pictures = pictures
        self.journal = journal
        self._clock = clock
        self._venue = venue
        self._randomness = randomness
        self._alerts = alerts
        self._chains: dict[tuple[str, str], tuple[Scope, ...]] = {}
        self._seen: dict[tuple[str, str], _Seen] = {}
        self._corrections = 0
        self.act: Callable[[], None] = lambda: None

    def restore(self, stored: Stored) -> None:
        """What an earlier process has left: before any entry."""
        for scope in self.scopes:
            subject = scope.subject
            kept = stored.anchors.get(subject.key)
            if kept is not None:
                scope.anchors, scope.earlier, scope.since = kept.anchors, kept.earlier, kept.since
                scope.reread = not kept.since.is_nothing
            trips = list(stored.trips.get(subject.key, ()))
            if subject.scope == "overall":
                # Said of everything while there were other accounts: it holds all the same.
                for (kind, name), others in stored.trips.items():
                    if kind == "overall" and name != subject.name:
                        trips += others
            scope.trips = {trip.name: trip for trip in trips}
            scope.note_trips()
            for account, bot_id, at_ms in stored.entries:
                if scope.counts_entries and scope.covers(account, bot_id):
                    scope.count_entry(at_ms)
            for trip in scope.trips.values():
                log.warning("risk_limit_in_force", scope=scope.label, limit=trip.name, why=trip.why)

    def corrected(self, account: str, flows: Iterable[Flow]) -> None:
        """The books were corrected. What is from before a scope's anchors began is no result of
        its day: they shift by what it is worth, as soon as that can be told."""
        moved = list(flows)
        for scope in self.scopes:
            if scope.anchors is None or account not in scope.accounts:
                continue
            began_ms = scope.anchors.began_ms
            found = earlier_of(
                one for one in moved if one.at_ms < began_ms and scope.covers(account, one.bot_id)
            )
            if not found.is_nothing:
                self._corrections += 1
                scope.since, scope.reread = scope.since.plus(found), True
                self._seen.pop(scope.subject.key, None)

    def unread(self) -> list[Scope]:
        """Scopes whose ledger has to be asked, and can be."""
        return [one for one in self.scopes if one.unread and self.pictures.is_live(one)]

    async def read_earlier(
        self, pool: Pool, drained: Callable[[Sequence[str]], Awaitable[bool]]
    ) -> None:
        """Asks the ledger for what is from before anchors began, where that is not known. An answer
        counts when it is of all that memory holds: `drained` waits for the ledger of accounts."""
        before = self._corrections
        unread = [one for one in self.unread() if await drained(one.accounts)]
        looks = {
            one.subject.key: Look(one.accounts, one.bot_id, one.anchors.began_ms)
            for one in unread
            if one.anchors is not None
        }
        answers = dict(zip(looks, await read_earlier(pool, list(looks.values())), strict=True))
        if self._corrections != before:
            return
        for scope in unread:
            look = looks.get(scope.subject.key)
            anchors = scope.anchors
            if look is not None and anchors is not None and anchors.began_ms == look.before_ms:
                scope.earlier, scope.reread = answers[scope.subject.key], False
                self._keep(scope)

    def _keep(self, scope: Scope) -> None:
        if scope.anchors is not None and not scope.reread:
            self.journal.keep(scope.subject, scope.anchors, scope.earlier)

    # -- the send path ------------------------------------------------------------------------

    def _chain(self, account: str, bot_id: str) -> tuple[Scope, ...]:
        key = (account, bot_id)
        chain = self._chains.get(key)
        if chain is None:
            chain = tuple(one for one in self.scopes if one.covers(account, bot_id))
            self._chains[key] = chain
        return chain

    def stops(self, account: str, bot_id: str) -> str | None:
        """Why the bot takes no entries at all; None while it does."""
        for scope in self._chain(account, bot_id):
            if scope.stops is not None:
                return scope.stops
        return None

    def size_multiplier(self, account: str, bot_id: str) -> Decimal:
        """What is left of the size of a bot's entries: half while any limit reduces."""
        reduces = any(scope.reduces for scope in self._chain(account, bot_id))
        return REDUCED if reduces else ONE

    def look(self, account: str, bot_id: str) -> None:
        """Judges the losses that make entries smaller, by the figures of this moment."""
        for scope in self._chain(account, bot_id):
            waiting = [one for one in scope.shrinking if one.kind.value not in scope.trips]
            if not waiting:
                continue
            pictures = self.pictures.all_of(scope)
            if not self.pictures.stale(scope, pictures):
                standing = self._standing(scope, pictures)
                if breaches(waiting, standing):
                    self._judge(scope, standing)

    def refusal(self, entry: Entry) -> str | None:
        """Why an entry is refused; None when it may go, which counts it."""
        chain = self._chain(entry.account, entry.owner)
        judged: list[tuple[Scope, Standing]] = []
        for scope in chain:
            if scope.stops is not None:
                return scope.stops
            if not scope.rules:
                continue
            pictures = self.pictures.all_of(scope)
            stale = self.pictures.stale(scope, pictures)
            if not judged:
                stale = stale or self.pictures.stale_price(entry.symbol)
            if stale:
                return f"risk limits of {scope.label}: {stale}"
            standing = self._standing(scope, pictures)
            judged.append((scope, standing))
            found = refusal(scope.rules, standing, entry)
            if found is not None and found.rule.kind in LOSSES:
                self._judge(scope, standing)
            if found is not None:
                after = "" if found.rule.kind in LOSSES else " with this entry"
                return f"risk limit of {scope.label}: {found.words}{after}"
        if judged:
            self._take(entry, judged)
        return None

    def _take(self, entry: Entry, judged: Sequence[tuple[Scope, Standing]]) -> None:
        """Counts an entry that is planned next: for those that follow it in the same turn."""
        now_ms = self._now()
        picture = self.pictures.of(entry.account)
        picture.take(entry)
        for scope, standing in judged:
            if scope.counts_entries:
                scope.count_entry(now_ms)
                standing.entries += 1
            if len(scope.accounts) > 1:  # the sum of several pictures is the standing's own
                standing.exposure.enter(entry.place, entry.value)

    def _now(self) -> int:
        return self._venue.now_ms() if self._venue.anchored else self._clock.now_ms()

    def _standing(self, scope: Scope, pictures: tuple[Picture, ...]) -> Standing:
        """As things are now; the anchors follow."""
        now_ms = self._now()
        entries = scope.entries(now_ms)
        seen = self._seen.get(scope.subject.key)
        if seen is not None and seen[0] == pictures and seen[1] == day_of(now_ms):
            seen[2].entries = entries
            return seen[2]
        equity, result = self.pictures.money(scope)
        before = scope.anchors
        if before is not None and not scope.since.is_nothing:
            before = shifted(before, scope.since.worth(self.pictures.fresh_price))
            if scope.earlier is not None:
                # Both of one moment. Should the ledger not get to it, a start shifts them back.
                scope.earlier, scope.reread = scope.earlier.plus(scope.since), False
            scope.since = Earlier()
        scope.anchors = anchors = follow(before, now_ms, equity, result)
        self._keep(scope)
        standing = Standing(equity, anchors, self.pictures.exposure(scope), entries)
        self._seen[scope.subject.key] = (pictures, day_of(now_ms), standing)
        return standing

    # -- again and again ----------------------------------------------------------------------

    def assess(self) -> None:
        """Looks at every scope that has limits: what is broken now, and what is over."""
        for scope in self.scopes:
            if not scope.rules and not any(trip.kind for trip in scope.trips.values()):
                continue
            pictures = self.pictures.all_of(scope)
            scope.blind = self.pictures.stale(scope, pictures)
            if not scope.blind:
                self._judge(scope, self._standing(scope, pictures))

    def _judge(self, scope: Scope, standing: Standing) -> None:
        now_ms = self._now()
        for trip in list(scope.trips.values()):
            if is_over(trip, scope.rule(trip.kind), standing, now_ms):
                self._end(scope, trip, self._value(trip, standing), None, "it is within its limit")
        for breach in breaches(scope.rules, standing):
            if breach.rule.kind.value not in scope.trips:
                self._trip(scope, breach, now_ms)

    def _value(self, trip: Trip, standing: Standing | None) -> Decimal | None:
        return None if trip.kind is None or standing is None else measure(trip.kind, standing)

    def _trip(self, scope: Scope, breach: Breach, now_ms: int) -> None:
        rule = breach.rule
        trip = Trip(
            rule.kind,
            rule.action,
            breach.value,
            rule.limit,
            now_ms,
            self._clock.now_ms(),
            breach.words,
            event_id=self._randomness.token(),
        )
        self._begin(scope, trip)
        level = "CRITICAL" if rule.action in (Action.FLATTEN, Action.HALT) else "ERROR"
        self._alerts.tell(
            "risk_breach",
            f"expected {scope.label} within its limits, was: {breach.words}; "
            f"{_CONSEQUENCE[rule.action]}: see `alpha risk show`",
            level="CRITICAL" if level == "CRITICAL" else "ERROR",
            component=rule.kind.value,
            account=scope.subject.account,
            bot_id=scope.subject.bot_id,
            value=f"{breach.value:f}",
            limit=f"{rule.limit:f}",
            action=rule.action.value,
        )

    def _begin(self, scope: Scope, trip: Trip) -> None:
        scope.trips[trip.name] = trip
        scope.note_trips()
        self.journal.put(
            RiskEvent(
                trip.event_id,
                "breach",
                scope.subject,
                trip,
                trip.at_ms,
                trip.value if trip.kind is not None else None,
                positions=len(self.pictures.held(scope)) if trip.stops_entries else 0,
                orders=len(self.pictures.pending(scope)) if trip.stops_entries else 0,
                operator=trip.operator,
                notes=trip.why,
            ),
            in_force=True,
        )
        if trip.action in (Action.FLATTEN, Action.REDUCE):
            self.act()

    def _end(
        self, scope: Scope, trip: Trip, value: Decimal | None, operator: str | None, why: str
    ) -> None:
        del scope.trips[trip.name]
        scope.note_trips()
        self.tell(scope, trip, "resolution", value=value, operator=operator, notes=why)
        if trip.kind is not None:
            self._alerts.tell(
                "risk_resolved",
                f"expected {scope.label} to come back within {trip.name}, and it did: {why}",
                level="ERROR",
                component=trip.name,
                account=scope.subject.account,
                bot_id=scope.subject.bot_id,
            )

    def tell(
        self,
        scope: Scope,
        trip: Trip,
        event: str,
        *,
        value: Decimal | None = None,
        positions: int = 0,
        operator: str | None = None,
        notes: str = "",
    ) -> None:
        """What was done about a trip, or how it ended: one row."""
        self.journal.put(
            RiskEvent(
                self._randomness.token(),
                "resolution" if event == "resolution" else "action",
                scope.subject,
                trip,
                self._now(),
                value,
                positions=positions,
                operator=operator,
                notes=notes,
            ),
            in_force=event != "resolution",
        )

    # -- what a person says -------------------------------------------------------------------

    def order(self, scope: Scope, action: Action, operator: str, why: str) -> Trip:
        """A halt or a flatten, until somebody resumes. One that holds already stays."""
        known = scope.trips.get(action.value)
        if known is not None:
            return known
        words = f"{operator}: {why}" if why else operator
        trip = Trip(
            None,
            action,
            ZERO,
            ZERO,
            self._now(),
            self._clock.now_ms(),
            words,
            operator,
            self._randomness.token(),
        )
        log.warning("risk_ordered", scope=scope.label, action=action.value, operator=operator)
        self._begin(scope, trip)
        return trip

    def resume(self, scopes: Iterable[Scope], operator: str) -> list[tuple[Scope, Trip]]:
        """Ends what persons have said; the limits that are broken stay in force."""
        return self._over(scopes, operator, lambda trip: trip.kind is None, "resumed")

    def reset(
        self, scopes: Iterable[Scope], kind: Kind | None, operator: str
    ) -> list[tuple[Scope, Trip]]:
        """Ends broken limits, all or those of one kind, and counts losses from now on."""
        chosen = list(scopes)

        def is_meant(trip: Trip) -> bool:
            return trip.kind is not None and kind in (None, trip.kind)

        ended = self._over(chosen, operator, is_meant, "reset")
        for scope in chosen:
            if scope.anchors is not None:
                pictures = self.pictures.all_of(scope)
                if not self.pictures.stale(scope, pictures):
                    self._standing(scope, pictures)
                scope.anchors = anew(scope.anchors, LOSSES if kind is None else {kind})
                self._keep(scope)
            self._seen.pop(scope.subject.key, None)
        return ended

    def _over(
        self,
        scopes: Iterable[Scope],
        operator: str,
        is_meant: Callable[[Trip], bool],
        word: str,
    ) -> list[tuple[Scope, Trip]]:
        ended = []
        for scope in scopes:
            for trip in [one for one in scope.trips.values() if is_meant(one)]:
                self._end(scope, trip, None, operator, f"{word} by {operator}")
                ended.append((scope, trip))
        return ended

    # -- for people ---------------------------------------------------------------------------

    def rows(self) -> list[Row]:
        """Every limit with its value, and what persons have said."""
        found: list[Row] = []
        for scope in self.scopes:
            pictures = self.pictures.all_of(scope)
            stale = self.pictures.stale(scope, pictures) if scope.rules else ""
            standing = None if stale or not scope.rules else self._standing(scope, pictures)
            for rule in scope.rules:
                value = None if standing is None else measure(rule.kind, standing)
                trip = scope.trips.get(rule.kind.value)
                found.append(row_of(scope, rule, value, trip, stale))
            for trip in scope.trips.values():
                if scope.rule(trip.kind) is None:
                    found.append(row_of(scope, None, None, trip, ""))
        return found

    def holds(self) -> list[Row]:
        """What stops or reduces entries now."""
        return [
            row_of(scope, None, None, trip, "")
            for scope in self.scopes
            for trip in scope.trips.values()
            if trip.action is not Action.WARN
        ]


_CONSEQUENCE = {
    Action.WARN: "nothing follows from it",
    Action.BLOCK_ENTRIES: "it takes no entries",
    Action.REDUCE: "its entries are halved",
    Action.FLATTEN: "its positions are closed and it takes no entries",
    Action.HALT: "it takes no entries until `alpha risk reset`",
}


def row_of(
    scope: Scope, rule: Rule | None, value: Decimal | None, trip: Trip | None, stale: str
) -> Row:
    """One line of `alpha risk show`: a rule, a trip, or both."""
    limit = rule.limit if rule is not None else None
    if trip is not None and trip.kind is not None:
        limit = trip.limit
    used = min(value / limit, BEYOND) if value is not None and limit else None
    name = trip.name if trip is not None else rule.kind.value if rule is not None else ""
    action = trip.action if trip is not None else rule.action if rule is not None else Action.WARN
    state = "no data" if stale else "ok"
    return {
        "scope": scope.subject.scope,
        "account": scope.subject.account,
        "bot": scope.label.removeprefix("bot ") if scope.bot_id is not None else None,
        "bot_id": scope.bot_id,
        "limit": name,
        "value": value,
        "limit_value": limit,
        "share_used": None if used is None else round(used, 6),
        "action": action.value,
        "state": state if trip is None else STATES[trip.action],
        "since": iso(trip.at_ms) if trip is not None else None,
        "operator": trip.operator if trip is not None else None,
        "why": trip.why if trip is not None else stale,
    }
