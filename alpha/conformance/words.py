"""Decisions and intents, to be compared and to be read."""

from __future__ import annotations

from collections.abc import Sequence

from alpha.core.decisions import Decision, Planned
from alpha.core.intents import Enter, Exit, Intent


def planned_of(decision: Decision | None) -> Sequence[Planned]:
    return () if decision is None else decision.planned


def wanted(decision: Decision | None) -> list[tuple[str, str]]:
    """Intents with their ids. Details are words for people: figures in them come from averages
    that a restart builds anew."""
    return [
        (one.intent.model_dump_json(exclude={"details"}), one.order_link_id)
        for one in planned_of(decision)
    ]


def listed(decision: Decision | None) -> str:
    found = [f"{shown(one.intent)} as {one.order_link_id}" for one in planned_of(decision)]
    return "; ".join(found) or "no intents"


def shown(intent: Intent) -> str:
    if isinstance(intent, Enter):
        return f"{intent.side} {intent.symbol} for {intent.notional:f} USDT ({intent.reason})"
    if isinstance(intent, Exit):
        return f"exit of {intent.symbol} ({intent.reason})"
    return f"stop of {intent.symbol} to {intent.stop_loss:f} ({intent.reason})"


def short(text: str) -> str:
    return text if len(text) <= 300 else f"{text[:200]} ... {text[-90:]}"
