"""The numbered checks. Numbers are for ever: a check that goes leaves its number free."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Literal

from msgspec.structs import replace

from alpha.bots.discovery import Catalog
from alpha.bots.host import BotHandle
from alpha.bots.states import BotState
from alpha.conformance.course import Course, Kept
from alpha.conformance.ground import CLOSES, Candidate, Ground, lay_out
from alpha.conformance.reach import read_sources, sources, watching
from alpha.conformance.words import listed, planned_of, short, shown, wanted
from alpha.core.decisions import Decision
from alpha.core.instruments import Instrument, SizeRejected
from alpha.core.intents import Enter, Exit, Intent
from alpha.errors import NeedsOperator

Status = Literal["passed", "failed", "not seen"]

#: Moments at which the bot is started anew: those where something happened, and others.
RESTARTS = 24
OTHERS = 8
#: Behind a restart so many events are compared, or as many decisions with intents.
EVENTS_AFTER = 600
DECISIONS_AFTER = 3
#: What the second process hashes with: the first that is not this one's.
_HASH_SEEDS = ("20250106", "20250107")


@dataclass(frozen=True, slots=True)
class Request:
    """What is checked: a plugin found by name in the folders or among the installed packages, with
    the settings of one bot, on the candles of `data` (None: a made market)."""

    name: str
    folders: tuple[Path, ...]
    settings: Mapping[str, object]
    data: Path | None = None
    closes: int = CLOSES  # that a made market has


@dataclass(frozen=True, slots=True)
class Verdict:
    """`seen` says what the check has looked at. Without anything to look at it is `not seen`."""

    number: int
    name: str
    status: Status
    seen: str
    expected: str = ""
    found: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    plugin: str
    where: str
    symbols: tuple[str, ...]
    closes: int
    entries: int
    exits: int
    stops: int
    verdicts: tuple[Verdict, ...]

    @property
    def ok(self) -> bool:
        return all(one.status != "failed" for one in self.verdicts)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a check has looked at, and, when it fails, what was expected and found."""

    seen: str
    expected: str = ""
    found: str = ""


@dataclass(frozen=True, slots=True)
class Trial:
    """A candidate, its ground, and what it did there."""

    request: Request
    candidate: Candidate
    ground: Ground
    course: Course
    reached: tuple[str, ...]

    @property
    def kept(self) -> Sequence[Kept]:
        return self.course.kept

    def intents(self) -> list[tuple[Kept, Intent]]:
        return [(one, planned.intent) for one in self.kept for planned in planned_of(one.decision)]

    def begun(self) -> BotHandle:
        """A fresh bot behind its history, ready for the first event."""
        return self.ground.begin(self.ground.seat(self.candidate).handle)


def candidate_of(request: Request) -> Candidate:
    catalog = Catalog(request.folders, os.environ)
    return Candidate(catalog.get(request.name), request.settings)


def check(request: Request) -> Report:
    """Runs every check. NotFound for an unknown plugin, ConfigError for a faulty one,
    NeedsOperator when there are too few bars."""
    with watching([folder / request.name for folder in request.folders]) as watch:
        candidate = candidate_of(request)
        watch.add(sources(candidate.plugin))
        ground = lay_out(candidate, request.data, request.closes)
        course = Course(ground, ground.seat(candidate)).run()
    trial = Trial(request, candidate, ground, course, tuple(watch.heard))
    intents = [intent for _, intent in trial.intents()]
    return Report(
        plugin=request.name,
        where=ground.where,
        symbols=tuple(dict.fromkeys(one.symbol for one in ground.subscriptions)),
        closes=sum(one.event.kind == "close" for one in course.kept),
        entries=sum(isinstance(one, Enter) for one in intents),
        exits=sum(isinstance(one, Exit) for one in intents),
        stops=course.stops,
        verdicts=tuple(_judge(trial, number) for number in CHECKS),
    )


def _judge(trial: Trial, number: int) -> Verdict:
    name, look = CHECKS[number]
    outcome = look(trial)
    if outcome.expected:
        return Verdict(number, name, "failed", outcome.seen, outcome.expected, outcome.found)
    return Verdict(number, name, "passed" if outcome.seen else "not seen", outcome.seen)


# -- 1 and 2: functions of what they are told -----------------------------------------------------


def _no_io(trial: Trial) -> Outcome:
    files = sources(trial.candidate.plugin)
    found = list(dict.fromkeys([*read_sources(files), *trial.reached]))
    seen = f"{len(files)} files, {len(trial.kept)} events"
    if found:
        return Outcome(
            seen,
            "nothing outside of the plugin: no files, network, clock or chance",
            "; ".join(found[:5]),
        )
    return Outcome(seen)


def _deterministic(trial: Trial) -> Outcome:
    rows = rows_of(trial.course)
    again = rows_of(Course(trial.ground, trial.ground.seat(trial.candidate)).run())
    for where, others in (("a second run", again), ("another process", _elsewhere(trial.request))):
        for one, other in zip_longest(rows, others, fillvalue=NO_EVENT):
            if one != other:
                return Outcome(
                    "", f"in {where} the same as in the first: {short(one)}", short(other)
                )
    return Outcome(f"3 runs, {_decisions(trial)} decisions" if _decisions(trial) else "")


#: For a whole run in another process.
PATIENCE_S = 600
NO_EVENT = "the run was over"


def rows_of(course: Course) -> list[str]:
    """Event and decision, with everything that a ledger would store of it."""
    return [f"{one.event}: {_whole(one.decision)}" for one in course.kept]


def _whole(decision: Decision | None) -> str:
    if decision is None:
        return "nothing"
    row = decision.row
    return f"{row.intents_json} state {row.state_json} {row.ordinal} {row.last_stamp}"


def _elsewhere(request: Request) -> list[str]:
    """The rows of another process, that hashes with another seed."""
    asked = {
        "name": request.name,
        "folders": [str(folder.resolve()) for folder in request.folders],
        "settings": request.settings,
        "closes": request.closes,
        "data": None if request.data is None else str(request.data.resolve()),
    }
    own = os.environ.get("PYTHONHASHSEED")
    seed = next(one for one in _HASH_SEEDS if one != own)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "alpha.conformance"],
            input=json.dumps(asked, default=str),
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise NeedsOperator(
            f"expected a second process to run the plugin within {PATIENCE_S} s, it did not"
        ) from None
    if done.returncode:
        raise NeedsOperator(
            f"expected a second process to run the plugin too, it ended with {done.returncode}: "
            f"{done.stderr.strip()[-500:]}"
        )
    rows: list[str] = json.loads(done.stdout.splitlines()[-1])
    return rows


# -- 3: restarts ----------------------------------------------------------------------------------


def _restart(trial: Trial) -> Outcome:
    places = _moments(trial)
    compared = 0
    for place in places:
        kept = trial.kept[place]
        handle, outcome = _restarted(trial, place)
        if outcome is not None:
            return outcome
        decision = handle.started(
            kept.event.at_ms, replace(trial.kept[place + 1].event.snapshot, now_ms=kept.event.at_ms)
        )
        if wanted(decision):
            return Outcome(
                "", f"nothing to be done at a restart after {kept.event}", listed(decision)
            )
        decided = 0
        for later in trial.kept[place + 1 : place + 1 + EVENTS_AFTER]:
            found = later.event.tell(handle)
            if wanted(found) != wanted(later.decision):
                return Outcome(
                    "",
                    f"after a restart behind {kept.event} the same as without it at "
                    f"{later.event}: {listed(later.decision)}",
                    listed(found),
                )
            compared += bool(wanted(found))
            decided += bool(wanted(found))
            if decided == DECISIONS_AFTER:
                break
    return Outcome(f"{len(places)} restarts, {compared} decisions behind them" if compared else "")


def _restarted(trial: Trial, place: int) -> tuple[BotHandle, Outcome | None]:
    """A fresh bot with what was saved behind that event, warmed up to there."""
    kept = trial.kept[place]
    seat = trial.ground.seat(trial.candidate)
    handle = seat.handle
    handle.restore(kept.saved)
    if handle.state is BotState.FAILED:
        return handle, Outcome(
            "", f"load_state to take what was saved behind {kept.event}", handle.state_reason
        )
    state = seat.state()
    if state != kept.saved.state_json:
        return handle, Outcome(
            "",
            f"after load_state the state that was saved behind {kept.event}: "
            f"{short(kept.saved.state_json)}",
            short(state),
        )
    return trial.ground.begin(handle, kept.event.told_ms), None


def _moments(trial: Trial) -> list[int]:
    """Places of the events behind which the bot is started anew."""
    last = len(trial.kept) - 1
    eventful = [
        place
        for place, one in enumerate(trial.kept[:last])
        if planned_of(one.decision) or one.event.filled is not None
    ]
    return sorted({*_spread(eventful, RESTARTS), *_spread(range(last), OTHERS)})


def _spread(places: Sequence[int], count: int) -> list[int]:
    if len(places) <= count:
        return list(places)
    return [places[number * len(places) // count] for number in range(count)]


# -- 4 and 5: bars that say nothing new -----------------------------------------------------------


def _duplicates(trial: Trial) -> Outcome:
    """The host drops a bar that it knows. At a restart the history brings bars again that the
    saved state has seen."""
    handle = trial.begun()
    closes = 0
    for kept in trial.kept:
        event = kept.event
        if event.kind == "close":
            closes += 1
            for bar in [*event.bars.values()] * 2:
                handle.bar(bar)
        found = event.tell(handle)
        if _whole(found) != _whole(kept.decision):
            return _differs("with each bar told three times", kept, found)
        if event.kind == "close" and (again := event.tell(handle)) is not None:
            return Outcome("", f"nothing at {event}, told again", listed(again))
    places = _moments(trial)
    for place in places:
        saved = trial.kept[place]
        seat = trial.ground.seat(trial.candidate)
        seat.handle.restore(saved.saved)
        before = seat.state()
        trial.ground.begin(seat.handle, saved.event.told_ms)
        after = seat.state()
        if after != before:
            return Outcome(
                "",
                f"a saved state that bars it has seen do not change, at a restart behind "
                f"{saved.event}: {short(before)}",
                f"{short(after)} after the history was told again",
            )
    return Outcome(f"{closes} closes told twice, {len(places)} histories" if _any(trial) else "")


def _unfinished(trial: Trial) -> Outcome:
    """Open bars between the closes; then bars that are not finished when the others' close is
    decided."""
    handle = trial.begun()
    opened = 0
    for kept in trial.kept:
        if kept.event.kind == "close":
            for bar in kept.event.bars.values():
                for close in (bar.open, bar.high * 1.05, bar.low * 0.95):
                    opened += 1
                    high, low = max(bar.high, close), min(bar.low, close)
                    handle.bar(replace(bar, close=close, high=high, low=low, closed=False))
        found = kept.event.tell(handle)
        if _whole(found) != _whole(kept.decision):
            return _differs("with unfinished bars between the closes", kept, found)
    late = _late(trial)
    course = Course(trial.ground, trial.ground.seat(trial.candidate), late).run() if late else None
    for one in course.kept if course is not None else ():
        for planned in planned_of(one.decision):
            intent = planned.intent
            if isinstance(intent, Enter) and (intent.symbol, one.event.at_ms) in late:
                return Outcome(
                    "",
                    f"no entry in {intent.symbol} at {one.event}: its bar was not finished then",
                    shown(intent),
                )
    return Outcome(f"{opened} open bars, {len(late)} late ones" if _any(trial) else "")


def _late(trial: Trial) -> frozenset[tuple[str, int]]:
    """The bars on which something was entered, and their next: a bot that goes by what it knew
    finds a reason to enter at the second."""
    if len({one.symbol for one in trial.ground.subscriptions}) < 2:
        return frozenset()
    return frozenset(
        (intent.symbol, one.event.at_ms + ahead)
        for one, intent in trial.intents()
        if isinstance(intent, Enter)
        for ahead in (0, one.event.interval_ms)
    )


def _differs(how: str, kept: Kept, found: Decision | None) -> Outcome:
    return Outcome(
        "",
        f"{how} the same as without, at {kept.event}: {short(_whole(kept.decision))}",
        short(_whole(found)),
    )


# -- 6 to 8: what it asks for ---------------------------------------------------------------------


def _reasons(trial: Trial) -> Outcome:
    exits = sum(isinstance(intent, Exit) for _, intent in trial.intents())
    for one in trial.kept:
        for fault in filter(_is_about_reasons, one.faults):
            return Outcome("", f"an exit reason at {one.event}", fault)
    stops = trial.course.stops
    return Outcome(f"{exits} exits, {stops} by stops" if exits or stops else "")


def _is_about_reasons(fault: str) -> bool:
    """The host's words for a reason that is none, and pydantic's for one that is not there."""
    missing = "validation error" in fault and ("for Exit" in fault or "for MoveStop" in fault)
    return "expected an exit reason" in fault or (missing and "reason" in fault)


def _sizes(trial: Trial) -> Outcome:
    entries = 0
    for one, intent in trial.intents():
        instrument = trial.ground.instruments[intent.symbol]
        if isinstance(intent, Enter):
            entries += 1
        wrong = _misfit(one, intent, instrument)
        if wrong is not None:
            expected, found = wrong
            return Outcome("", f"{expected}, at {one.event}", f"{shown(intent)}: {found}")
    return Outcome(f"{entries} entries" if entries else "")


def _misfit(kept: Kept, intent: Intent, instrument: Instrument) -> tuple[str, str] | None:
    """What was expected of an intent's size and what was found; None when it fits."""
    if isinstance(intent, Exit):
        held = kept.event.snapshot.positions.get(intent.symbol)
        if intent.qty is None:
            return None
        if instrument.floor_qty(intent.qty) != intent.qty:
            return f"a multiple of {instrument.qty_step}", f"a quantity of {intent.qty}"
        if held is not None and intent.qty > abs(held.signed_qty):
            return f"at most the {abs(held.signed_qty)} that are held", f"{intent.qty}"
    if isinstance(intent, Enter):
        if intent.leverage > instrument.max_leverage:
            return f"a leverage up to {instrument.max_leverage}", f"{intent.leverage}"
        bar = kept.event.bars.get(intent.symbol)
        if bar is not None and not bar.low <= float(intent.price) <= bar.high:
            return f"the close of the bar, {bar.close}, as price", f"{intent.price}"
        qty = instrument.size_order(intent.notional, intent.price)
        if isinstance(qty, SizeRejected):
            return "a size that the exchange takes", str(qty)
    return None


def _well_formed(trial: Trial) -> Outcome:
    for one in trial.kept:
        for fault in one.faults:
            if not _is_about_reasons(fault):
                return Outcome("", f"hooks that return intents at {one.event}", fault)
    return Outcome(f"{len(trial.kept)} events")


CHECKS: dict[int, tuple[str, Callable[[Trial], Outcome]]] = {
    1: ("no I/O", _no_io),
    2: ("deterministic", _deterministic),
    3: ("a restart gives the same next decision", _restart),
    4: ("a duplicate bar changes nothing", _duplicates),
    5: ("an unfinished bar changes nothing", _unfinished),
    6: ("exits carry reasons", _reasons),
    7: ("sizes respect filters", _sizes),
    8: ("hooks return what the host takes", _well_formed),
}


def _decisions(trial: Trial) -> int:
    return sum(one.decision is not None for one in trial.kept)


def _any(trial: Trial) -> bool:
    return any(planned_of(one.decision) for one in trial.kept)
