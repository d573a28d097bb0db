"""What came of a comparison, for people and as JSON."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from alpha.clock import iso
from alpha.parity.difference import Divergence
from alpha.parity.replay import Followed, Outcome
from alpha.parity.story import Wish

_encode = msgspec.json.Encoder(decimal_format="number").encode


def first_divergence(outcome: Outcome) -> Divergence | None:
    found = [one.tally.first for one in outcome.bots if one.tally.first is not None]
    return min(found, key=lambda one: one.close_ms, default=None)


def is_same(outcome: Outcome) -> bool:
    """No divergence, every size explained, every close reached."""
    return not any(
        one.tally.divergences or one.tally.sizes.unexplained or one.unreached
        for one in outcome.bots
    )


def document(outcome: Outcome, by_model: Outcome | None = None) -> str:
    """`by_model` is told beside it, and does not count."""
    content = _content(outcome)
    if by_model is not None:
        content["by_model"] = _content(by_model)
    return msgspec.json.format(_encode(content), indent=2).decode()


def _content(outcome: Outcome) -> dict[str, object]:
    first = first_divergence(outcome)
    return {
        "ok": is_same(outcome),
        "from_ms": outcome.from_ms,
        "to_ms": outcome.to_ms,
        "bots": {one.name: _figures(one) for one in outcome.bots},
        "divergence": None if first is None else _divergence(first),
        "notes": outcome.notes,
    }


def _figures(one: Followed) -> dict[str, object]:
    tally, sizes = one.tally, one.tally.sizes
    return {
        "closes": tally.closes,
        "decisions": tally.decisions,
        "divergences": tally.divergences,
        "unreached_closes": len(one.unreached),
        "entries_closed_then": tally.kept_back,
        "late_bars": one.track.late,
        "closes_with_other_positions": tally.apart_closes,
        "first_other_position": None if tally.apart is None else str(tally.apart),
        "states_apart": tally.states_apart,
        "first_state": tally.state,
        "values_apart": sizes.values,
        "first_value": sizes.value,
        "sizes": {
            "equal": sizes.equal,
            "explained_by_equity": sizes.explained,
            "largest_apart": sizes.largest,
            "unexplained": sizes.unexplained,
        },
        "wallets_apart": sizes.wallets,
        "first_wallet": sizes.wallet,
        "equity_apart": sizes.equity_apart,
        "stops_moved_to_other_prices": sizes.levels,
        "refused": len(one.refused),
    }


def _divergence(found: Divergence) -> dict[str, object]:
    return {
        "bot": found.bot,
        "bar_ms": found.close_ms - found.interval_ms,
        "close_ms": found.close_ms,
        "interval_ms": found.interval_ms,
        "live": [_wish(one) for one in found.live],
        "backtest": [_wish(one) for one in found.own],
        "cause": found.cause(),
    }


def _wish(wish: Wish) -> dict[str, object]:
    return {
        "decision": str(wish),
        "notional": wish.notional,
        "qty": wish.qty,
        "values": wish.details,
        "id": wish.link_id,
        "dropped": wish.dropped,
    }


def lines(outcome: Outcome, by_model: Outcome | None = None) -> Iterator[str]:
    """`by_model` is told beside it, and does not count."""
    for note in outcome.notes:
        yield f"note: {note}"
    for one in outcome.bots:
        yield from _told(one)
    first = first_divergence(outcome)
    if first is not None:
        yield from _told_divergence(first)
    elif is_same(outcome):
        yield (
            f"no divergence from {iso(outcome.from_ms)} to {iso(outcome.to_ms)}: live and backtest "
            "decided the same"
        )
    if by_model is not None:
        yield from _told_model(outcome, by_model)


def _told(one: Followed) -> Iterator[str]:
    tally, sizes = one.tally, one.tally.sizes
    yield (
        f"{one.name}: {tally.closes} closes, {tally.decisions} decisions, "
        f"{tally.divergences} divergences"
    )
    if sizes.explained:
        yield (
            f"  {sizes.explained} sizes differ by what equity does, at most "
            f"{sizes.largest * 100:.4f} % (equity apart by at most "
            f"{sizes.equity_apart * 100:.4f} %)"
        )
    if sizes.levels:
        yield f"  {sizes.levels} stops moved to other prices: entries had other prices"
    for size in sizes.unexplained[:3]:
        yield (
            f"  size: {size['decision']}: {size['what']} live {size['live']}, backtest "
            f"{size['backtest']}: more than equity explains"
        )
    if sizes.wallet is not None:
        yield (
            f"  {sizes.wallets} closes with another wallet than the fills make (equity apart by at "
            f"most {sizes.equity_apart * 100:.4f} %); first {sizes.wallet}"
        )
    if sizes.value is not None:
        yield f"  {sizes.values} decisions came with other values; first {sizes.value}"
    if tally.state is not None:
        yield f"  {tally.states_apart} closes with another saved state; first {tally.state}"
    if tally.kept_back:
        yield f"  {tally.kept_back} entries were closed to the bot then: compared, not traded"
    if one.track.late:
        yield f"  {one.track.late} bars came behind their close, as then"
    if tally.apart is not None:
        yield f"  {tally.apart_closes} closes with other positions; first: {tally.apart}"
    if one.unreached:
        key = one.unreached[0]
        yield (
            f"  {len(one.unreached)} closes could not be replayed, first that of "
            f"{iso(key.close_ms)}: no bars of it in the recording"
        )


def _told_model(outcome: Outcome, by_model: Outcome) -> Iterator[str]:
    """How far the fill model of a backtest would have led away from it."""
    decisions = sum(one.tally.decisions for one in by_model.bots)
    other = sum(one.tally.divergences for one in by_model.bots)
    apart = sum(one.tally.apart_closes for one in by_model.bots)
    equity = max(one.tally.sizes.equity_apart for one in by_model.bots)
    yield (
        f"by the fill model: {other} closes of {decisions} decisions differ, {apart} closes with "
        f"other positions, equity apart by at most {equity * 100:.4f} %"
    )
    if outcome.slipped:
        worse = sum(outcome.slipped) / len(outcome.slipped) * 10_000
        most = max(map(abs, outcome.slipped)) * 10_000
        yield (
            f"  {len(outcome.slipped)} market orders were filled {worse:.2f} bps worse on average "
            f"than at the open of the next bar, at most {most:.2f} bps away"
        )
    first = first_divergence(by_model)
    if first is not None:
        yield f"  first at {iso(first.close_ms)}, bot {first.bot}: {first.cause()['what']}"


def _told_divergence(found: Divergence) -> Iterator[str]:
    yield (
        f"first divergence: bot {found.bot}, bar {iso(found.close_ms - found.interval_ms)} "
        f"(closed {iso(found.close_ms)})"
    )
    for who, wishes in (("live", found.live), ("backtest", found.own)):
        yield f"  {who} decided: {'; '.join(map(_worded, wishes)) or 'nothing'}"
    cause = found.cause()
    yield f"  cause ({cause['kind']}): {cause['what']}"


def _worded(wish: Wish) -> str:
    values = ", ".join(f"{name} {value}" for name, value in wish.details.items())
    dropped = f", dropped: {wish.dropped}" if wish.dropped else ""
    return f"{wish}{f' with {values}' if values else ''}{dropped}"
