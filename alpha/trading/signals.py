"""What a decision asked for, as rows of trading.signals: each intent with its answer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from alpha.core.decisions import Decision
from alpha.core.events import PositionSide
from alpha.core.instruments import Instrument
from alpha.core.intents import Enter, Exit, MoveStop
from alpha.core.records import SignalRow, SignalType
from alpha.core.refusals import rejected_by
from alpha.trading.levels import levels

#: The first word of the key of an event that a strategy has been told of.
HOOKS = frozenset({"close", "fill", "order", "timer", "correction", "start"})


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of an intent at once: `why` it went nowhere, or the order id that it was given.
    `held` is the bot's signed position as it was answered."""

    intent: Enter | Exit | MoveStop
    held: Decimal
    order_link_id: str | None = None
    why: str | None = None


def signal_rows(
    decision: Decision,
    answers: Iterable[Answer],
    *,
    decided_ms: int,
    instruments: Mapping[str, Instrument],
) -> tuple[SignalRow, ...]:
    """`answers` in the order of the decision's planned intents; those that the host has dropped
    are added at their places. `decided_ms` is wall time."""
    dropped = dict(decision.dropped)
    rest = iter(answers)
    found = []
    for place in range(len(decision.planned) + len(dropped)):
        one = dropped.get(place)
        answer = Answer(one.intent, Decimal(0), why=one.why) if one is not None else next(rest)
        found.append(_row(decision, place, answer, decided_ms, instruments))
    return tuple(found)


def _row(
    decision: Decision,
    place: int,
    answer: Answer,
    decided_ms: int,
    instruments: Mapping[str, Instrument],
) -> SignalRow:
    intent, row = answer.intent, decision.row
    stop_loss = take_profit = None
    instrument = instruments.get(intent.symbol)
    if isinstance(intent, MoveStop):
        stop_loss = intent.stop_loss
    elif isinstance(intent, Enter) and intent.stops is not None and instrument is not None:
        side: PositionSide = "long" if intent.side == "Buy" else "short"
        aimed = levels(intent.stops, side, intent.price, instrument)
        stop_loss, take_profit = aimed.stop_loss, aimed.take_profit
    return SignalRow(
        account=row.account,
        bot_id=row.bot_id,
        ordinal=row.ordinal,
        place=place,
        event_key=row.event_key,
        origin="strategy" if row.event_key.partition(":")[0] in HOOKS else "host",
        symbol=intent.symbol,
        signal_type=_type(intent, answer.held),
        reason=intent.reason,
        price=intent.price if isinstance(intent, Enter) else None,
        notional=intent.notional if isinstance(intent, Enter) else None,
        stop_loss=stop_loss,
        take_profit=take_profit,
        details=intent.details,
        replayed=decision.replayed,
        event_ms=row.event_ms,
        decided_ms=decided_ms,
        order_link_id=answer.order_link_id,
        rejected_by=None if answer.why is None else rejected_by(answer.why),
        why=None if answer.why is None else str(answer.why),
    )


def _type(intent: Enter | Exit | MoveStop, held: Decimal) -> SignalType:
    if isinstance(intent, Enter):
        return "long" if intent.side == "Buy" else "short"
    if isinstance(intent, MoveStop):
        return "move_stop"
    if not held:
        return "close"
    return "close_long" if held > 0 else "close_short"
