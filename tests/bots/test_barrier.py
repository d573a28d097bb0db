from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from alpha.bots import Subscription
from alpha.bots.barrier import WAIT_S, Close, CloseBarrier, Step
from alpha.core.events import Bar

MINUTE = 60_000
SYMBOLS = ("AAA", "BBB", "CCC")


def bar(symbol: str, place: int, interval_ms: int = MINUTE) -> Bar:
    return Bar(symbol, interval_ms, place * interval_ms, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0)


def barrier(*, per_symbol: bool = False) -> CloseBarrier:
    return CloseBarrier([Subscription(one, MINUTE, 1) for one in SYMBOLS], per_symbol=per_symbol)


def told(steps: list[Step]) -> list[str]:
    """Steps as text: "AAA0" is bar 0 shown, "[AAA BBB]0" the close of bar 0 with these bars."""
    return [
        f"[{' '.join(sorted(step.bars))}]{step.close_ms // MINUTE - 1}"
        if isinstance(step, Close)
        else f"{step.symbol}{step.start_ms // MINUTE}"
        for step in steps
    ]


def test_a_close_is_handed_on_with_its_last_bar() -> None:
    gate = barrier()
    assert told(gate.add(bar("BBB", 0), 0.0)) == ["BBB0"]
    assert told(gate.add(bar("AAA", 0), 0.1)) == ["AAA0"]
    assert told(gate.add(bar("CCC", 0), 0.2, received_ns=7)) == ["CCC0", "[AAA BBB CCC]0"]
    assert gate.due(100.0) == []


def test_what_is_late_is_cut_and_updates_indicators_only() -> None:
    gate = barrier()
    gate.add(bar("AAA", 0), 10.0)
    gate.add(bar("BBB", 0), 11.0)
    assert gate.due(10.0 + WAIT_S - 0.01) == []
    assert told(gate.due(10.0 + WAIT_S)) == ["[AAA BBB]0"]
    assert told(gate.add(bar("CCC", 0), 12.5)) == ["CCC0"]
    assert gate.due(100.0) == []


def test_a_newer_bar_waits_until_the_older_close_is_decided() -> None:
    gate = barrier()
    gate.add(bar("AAA", 0), 0.0)
    gate.add(bar("BBB", 0), 0.0)
    assert gate.add(bar("AAA", 1), 0.5) == []
    assert gate.add(bar("BBB", 1), 0.5) == []
    assert told(gate.add(bar("CCC", 0), 0.6)) == ["CCC0", "[AAA BBB CCC]0", "AAA1", "BBB1"]
    assert told(gate.add(bar("CCC", 1), 0.7)) == ["CCC1", "[AAA BBB CCC]1"]


def test_a_cut_frees_the_closes_behind_it() -> None:
    gate = barrier()
    gate.add(bar("AAA", 0), 0.0)
    for symbol in SYMBOLS:
        gate.add(bar(symbol, 1), 1.5)
    assert told(gate.due(WAIT_S)) == ["[AAA]0", "AAA1", "BBB1", "CCC1", "[AAA BBB CCC]1"]


def test_foreign_bars_are_ignored() -> None:
    gate = barrier()
    assert gate.add(bar("XXX", 0), 0.0) == []
    assert gate.add(bar("AAA", 0, 5 * MINUTE), 0.0) == []
    assert gate.due(100.0) == []


def test_per_symbol_bots_wait_for_nobody() -> None:
    gate = barrier(per_symbol=True)
    assert told(gate.add(bar("AAA", 0), 0.0)) == ["AAA0", "[AAA]0"]
    assert told(gate.add(bar("BBB", 0), 0.0)) == ["BBB0", "[BBB]0"]


def test_one_bar_of_a_gap_makes_the_close_stale() -> None:
    gate = barrier()
    gate.add(bar("AAA", 0), 0.0, stale=True)
    gate.add(bar("BBB", 0), 0.0)
    close = gate.add(bar("CCC", 0), 0.0)[-1]
    assert isinstance(close, Close)
    assert close.stale


@settings(max_examples=300)
@given(
    st.lists(st.tuples(st.sampled_from(SYMBOLS), st.floats(0, 3)), min_size=1, max_size=40),
)
def test_order_holds_for_any_arrival(arrivals: list[tuple[str, float]]) -> None:
    """Each symbol's bars come in order, the symbols against each other and the clock as they like:
    no bar is shown while an older close is open, none twice, none before it came; each close is
    decided once, in order, with exactly the bars that were shown for it."""
    gate = barrier()
    steps: list[Step] = []
    counts = dict.fromkeys(SYMBOLS, 0)
    now = 0.0
    for symbol, pause in arrivals:
        now += pause
        steps += gate.due(now)
        steps += gate.add(bar(symbol, counts[symbol]), now)
        counts[symbol] += 1
    steps += gate.due(now + 2 * WAIT_S)
    decided = -1
    shown: dict[int, set[str]] = {}
    for step in steps:
        if isinstance(step, Close):
            assert step.close_ms > decided
            assert step.bars.keys() == shown.get(step.close_ms)
            decided = step.close_ms
            assert not any(close_ms > decided for close_ms in shown)
        else:
            assert step.symbol not in shown.setdefault(step.close_ms, set())
            shown[step.close_ms].add(step.symbol)
    places = range(max(counts.values()))
    everything = {
        (place + 1) * MINUTE: {s for s in SYMBOLS if counts[s] > place} for place in places
    }
    assert shown == everything


def between(*symbols: str) -> CloseBarrier:
    return CloseBarrier([Subscription(one, MINUTE, 1) for one in symbols])


def test_a_symbol_that_comes_later_takes_part_from_its_first_close_on() -> None:
    """B goes and C comes, from the close of bar 3 on, while the closes of bars 1 and 2 are being
    gathered: A's bars are enough for them."""
    gate = between("A", "B")
    gate.add(bar("A", 1), 0.0)
    gate.add(bar("A", 2), 0.0)
    now = {Subscription("A", MINUTE, 1): 0, Subscription("C", MINUTE, 1): 4 * MINUTE}
    assert [one for one in told(gate.follow(now)) if one[0] == "["] == ["[A]1", "[A]2"]
    assert gate.subscribed == {("A", MINUTE), ("C", MINUTE)}
    assert told(gate.add(bar("A", 3), 1.0)) == ["A3"]
    assert told(gate.add(bar("C", 3), 1.0)) == ["C3", "[A C]3"]
    assert gate.add(bar("B", 4), 1.0) == []


def test_bars_of_a_symbol_that_went_make_no_close_whole() -> None:
    gate = between("A", "B")
    gate.add(bar("B", 1), 0.0)
    now = {Subscription("A", MINUTE, 1): 0, Subscription("C", MINUTE, 1): 0}
    assert gate.follow(now) == []
    assert told(gate.add(bar("C", 1), 0.0)) == ["C1"]
    assert told(gate.add(bar("A", 1), 0.0)) == ["A1", "[A C]1"]


def test_bars_that_have_been_shown_are_left_out() -> None:
    """A bot that joins has history up to different closes; the market may be behind it."""
    wanted = [Subscription(one, MINUTE, 1) for one in SYMBOLS]
    for per_symbol in (False, True):
        gate = CloseBarrier(wanted, per_symbol=per_symbol)
        assert (
            gate.follow(dict(zip(wanted, (3 * MINUTE, 3 * MINUTE, 2 * MINUTE), strict=True))) == []
        )
        assert gate.add(bar("AAA", 0), 0.0) == [] == gate.add(bar("AAA", 1), 0.0)
        assert told(gate.add(bar("CCC", 1), 0.0)) == ["CCC1", "[CCC]1"], "the only one that lacked"
        assert gate.add(bar("AAA", 2), 0.0) != []
        assert len(gate.due(10.0)) == (0 if per_symbol else 1)
