"""Looks at what a hook returned before anybody acts on it.

Entries fail closed: one that is not allowed, or not well-formed, is dropped with its reason on
record. Exits never do: one with a reason that nobody knows still closes the position, under
`risk_limit`, and counts as a fault of the plugin.
"""

from __future__ import annotations

import inspect
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import msgspec

from alpha.core.decisions import Dropped, Planned
from alpha.core.ids import next_stamp
from alpha.core.intents import Enter, Exit, MoveStop
from alpha.core.reasons import ReasonBook
from alpha.core.refusals import Refusal

AnyIntent = Enter | Exit | MoveStop

#: The reason of an exit whose own reason is none.
FALLBACK_EXIT = "risk_limit"


@dataclass(slots=True)
class Vetted:
    """`items` keeps the hook's order. `faults` are the plugin's own mistakes."""

    items: list[AnyIntent | Dropped] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


NOTHING = Vetted()


def vet(
    answer: object,
    *,
    book: ReasonBook,
    symbols: Collection[str],
    held: Collection[str],
    no_entries: str | None,
) -> Vetted:
    """`symbols` are those the bot subscribes to, `held` those it has a position in; `no_entries`
    says why entries are closed, None when they are open."""
    if answer is None:
        return NOTHING
    if inspect.iscoroutine(answer):
        answer.close()
        return Vetted(faults=["expected intents, was a coroutine; hooks are plain functions"])
    if not isinstance(answer, Sequence) or isinstance(answer, str | bytes):
        return Vetted(faults=[f"expected a sequence of intents, was {type(answer).__name__}"])
    if not answer:
        return NOTHING
    found = Vetted()
    for intent in answer:
        if isinstance(intent, Enter):
            _vet_enter(intent, found, book, symbols, no_entries)
        elif isinstance(intent, Exit):
            _vet_exit(intent, found, book, symbols, held)
        elif isinstance(intent, MoveStop):
            _vet_move(intent, found, book, symbols, held)
        else:
            found.faults.append(f"expected Enter, Exit or MoveStop, was {type(intent).__name__}")
    return found


def _vet_enter(
    intent: Enter,
    found: Vetted,
    book: ReasonBook,
    symbols: Collection[str],
    no_entries: str | None,
) -> None:
    fault = None
    if intent.symbol not in symbols:
        fault = f"entry in {intent.symbol}, which the bot does not subscribe to"
    elif not book.is_entry(intent.reason):
        fault = f"entry in {intent.symbol}: expected an entry reason, was {intent.reason!r}"
    if fault is not None:
        found.faults.append(fault)
        found.items.append(Dropped(intent, Refusal("plugin_fault", fault)))
    elif no_entries is not None:
        found.items.append(Dropped(intent, Refusal("bot_state", no_entries)))
    else:
        found.items.append(intent)


def _vet_exit(
    intent: Exit,
    found: Vetted,
    book: ReasonBook,
    symbols: Collection[str],
    held: Collection[str],
) -> None:
    if intent.symbol not in symbols and intent.symbol not in held:
        fault = f"exit in {intent.symbol}, where the bot has nothing"
        found.faults.append(fault)
        found.items.append(Dropped(intent, Refusal("plugin_fault", fault)))
        return
    known = book.get(intent.reason)
    if known is None or known.is_entry:
        found.faults.append(
            f"exit in {intent.symbol}: expected an exit reason, was {intent.reason!r}"
        )
        details = {**intent.details, "reason_given": intent.reason}
        intent = intent.model_copy(update={"reason": FALLBACK_EXIT, "details": details})
    found.items.append(intent)


def _vet_move(
    intent: MoveStop,
    found: Vetted,
    book: ReasonBook,
    symbols: Collection[str],
    held: Collection[str],
) -> None:
    fault = None
    known = book.get(intent.reason)
    if intent.symbol not in symbols and intent.symbol not in held:
        fault = f"stop in {intent.symbol}, where the bot has nothing"
    elif known is None or known.is_entry:
        fault = f"stop in {intent.symbol}: expected an exit reason, was {intent.reason!r}"
    if fault is None:
        found.items.append(intent)
    else:
        found.faults.append(fault)
        found.items.append(Dropped(intent, Refusal("plugin_fault", fault)))


def stamped(
    items: Iterable[AnyIntent | Dropped], event_ms: int, last_stamp: int
) -> Iterator[tuple[AnyIntent | Dropped, int]]:
    """What a decision holds, each with the stamp of its order id. A dropped intent uses up its
    stamp too: the ids of the others do not depend on whether entries were open when the event
    was first seen."""
    for place, item in enumerate(items):
        last_stamp = next_stamp(event_ms, place, last_stamp)
        yield item, last_stamp


def record(items: Sequence[Planned | Dropped]) -> str:
    """The intents of a decision as JSON: those with an order id, and those dropped with why."""
    if not items:
        return "[]"
    rows: list[dict[str, object]] = []
    for item in items:
        if isinstance(item, Dropped):
            rows.append({**item.intent.model_dump(mode="json"), "dropped": str(item.why)})
        else:
            rows.append({**item.intent.model_dump(mode="json"), "id": item.order_link_id})
    return msgspec.json.encode(rows, order="deterministic").decode()
