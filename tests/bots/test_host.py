from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal

import msgspec
import pytest

from alpha.bots import Bar, Exit, MoveStop, Subscription, hookimpl
from alpha.bots.guard import Limits
from alpha.bots.host import BotHandle, BotState, SavedBot
from alpha.core.decisions import Decision
from alpha.core.ids import parse
from alpha.core.records import BotPosition, Correction, Fill
from alpha.errors import BotFault, NeedsOperator
from tests.bots.strategies import MINUTE, Scripted, bar, enter, hosted, snapshot


def close(handle: BotHandle, place: int, *held: str, symbols: Sequence[str] = ("AAA",)) -> Decision:
    close_ms = (place + 1) * MINUTE
    bars = {symbol: bar(symbol, place) for symbol in symbols}
    decision = handle.close(MINUTE, close_ms, bars, snapshot(close_ms, *held))
    assert decision is not None
    return decision


def fill(exec_id: str = "e1", at_ms: int = 5) -> Fill:
    return Fill(
        account="main",
        symbol="AAA",
        exec_id=exec_id,
        bot_id="tester_001",
        leg=0,
        order_id="o1",
        order_link_id="",
        side="Sell",
        exec_type="Trade",
        price=Decimal(1),
        qty=Decimal(1),
        fee=Decimal(0),
        fee_currency="USDT",
        effect="exit",
        reason="manual_exit",
        reason_source="effect",
        attribution="id",
        realised=Decimal(0),
        position_after=Decimal(0),
        is_maker=False,
        exec_time=at_ms,
        seq=9,
    )


def state(handle: BotHandle) -> BotState:
    return handle.state


def intents(decision: Decision) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = json.loads(decision.row.intents_json)
    return rows


# -- decisions --------------------------------------------------------------------------------


def test_a_decision_holds_event_state_and_intents() -> None:
    handle = hosted(Scripted({MINUTE: [enter(), Exit(symbol="AAA", reason="time_exit")]}))
    decision = close(handle, 0)
    row = decision.row
    assert (row.account, row.bot_id, row.ordinal) == ("main", "tester_001", 1)
    assert (row.event_key, row.event_ms) == ("close:60000:60000", MINUTE)
    assert row.state_json == '{"b":{"x":1,"y":"1.50"},"closes":1}'
    assert json.loads(row.cursor_json) == {
        "closes": {"60000": 60000},
        "fills": {},
        "held": {},
    }
    ids = [planned.order_link_id for planned in decision.planned]
    assert ids == ["tester_001-en-00001aao", "tester_001-te-00001aap"]
    parsed = parse(ids[1])
    assert parsed is not None
    assert (parsed.bot_id, parsed.reason, parsed.unix_ms) == ("tester_001", "time_exit", 60001)
    assert row.last_stamp == 60001
    assert [one["id"] for one in intents(decision)] == ids
    assert intents(decision)[0]["notional"] == "100"


def test_stamps_rise_above_the_last_one() -> None:
    exits = [Exit(symbol="AAA", reason="time_exit")] * 3
    handle = hosted(Scripted({MINUTE: exits, MINUTE + 1: exits}))
    first = close(handle, 0)
    second = handle.close(MINUTE, MINUTE + 1, {"AAA": bar("AAA", 1)}, snapshot(MINUTE + 1))
    assert second is not None
    stamps = [parse(one.order_link_id) for one in (*first.planned, *second.planned)]
    assert [one.unix_ms - MINUTE for one in stamps if one] == [0, 1, 2, 3, 4, 5]


def test_the_same_event_on_the_same_state_gives_the_same_row() -> None:
    def decide(saved: SavedBot | None) -> list[Decision]:
        strategy = Scripted({2 * MINUTE: [enter()], 3 * MINUTE: [enter(), enter()]})
        handle = hosted(strategy, run=False)
        handle.restore(saved)
        handle.start()
        handle.bar(bar("AAA", 0))
        handle.ready()
        return [close(handle, place) for place in (1, 2)]

    first, second = decide(None), decide(None)
    assert first == second
    # A restart behind the first of the two repeats the second, with its ids.
    row = first[0].row
    saved = SavedBot(row.ordinal, row.state_json, row.last_stamp, row.cursor_json)
    strategy = Scripted({3 * MINUTE: [enter(), enter()]})
    handle = hosted(strategy, run=False)
    handle.restore(saved)
    handle.start()
    for place in (0, 1):
        handle.bar(bar("AAA", place))
    handle.ready()
    assert close(handle, 2) == first[1]


def test_a_close_without_intents_advances_the_cursor() -> None:
    handle = hosted(Scripted())
    decision = close(handle, 0)
    assert decision.planned == ()
    assert decision.row.intents_json == "[]"
    assert handle.cursor.last_close(MINUTE) == MINUTE


def test_a_close_is_decided_once() -> None:
    strategy = Scripted()
    handle = hosted(strategy)
    close(handle, 0)
    close(handle, 1)
    for place in (0, 1):
        close_ms = (place + 1) * MINUTE
        bars = {"AAA": bar("AAA", place)}
        assert handle.close(MINUTE, close_ms, bars, snapshot(close_ms)) is None
    assert (strategy.closes, strategy.bars) == (2, 2)


def test_open_and_known_and_foreign_bars_change_nothing() -> None:
    strategy = Scripted()
    handle = hosted(strategy)
    handle.bar(bar("AAA", 0, closed=False))
    handle.bar(bar("BBB", 0))
    handle.bar(msgspec.structs.replace(bar("AAA", 0), interval_ms=2 * MINUTE))
    assert strategy.bars == 0
    handle.bar(bar("AAA", 0))
    handle.bar(bar("AAA", 0))
    assert strategy.bars == 1


def test_bars_of_a_close_reach_indicators_first() -> None:
    strategy = Scripted(symbols=("AAA", "BBB"))
    handle = hosted(strategy)
    handle.bar(bar("BBB", 0))
    close(handle, 0, symbols=("BBB", "AAA"))
    assert strategy.seen == ["bar BBB 0", "bar AAA 0", "close AAA BBB 1"]


def test_a_cut_is_recorded() -> None:
    handle = hosted(Scripted(symbols=("AAA", "BBB", "CCC")))
    close(handle, 0, symbols=("AAA", "BBB", "CCC"))
    decision = close(handle, 1, symbols=("BBB",))
    assert decision.row.event_key == "close:60000:120000:cut=AAA+CCC"


def test_a_fill_is_a_decision_and_moves_the_cursor() -> None:
    handle = hosted(Scripted())
    decision = handle.fill(fill(), snapshot(5, "AAA"))
    assert decision is not None
    assert decision.row.event_key == "fill:e1:0"
    assert [one.intent for one in decision.planned] == [Exit(symbol="AAA", reason="take_profit")]
    assert handle.cursor.fills == {"AAA": (5, "e1", 0)}
    again = hosted(Scripted(), run=False)
    again.restore(handle.saved)
    assert again.cursor == handle.cursor


def test_hooks_without_effect_are_no_decisions() -> None:
    handle = hosted(Scripted())
    assert handle.timer(60_000, snapshot(60_000)) is None
    before = BotPosition.flat("AAA")
    assert handle.correction(Correction("tester_001", before, before), snapshot(1)) is None
    assert handle.ordinal == 0


def test_the_platform_may_plan_an_exit() -> None:
    handle = hosted(Scripted())
    decision = handle.plan([Exit(symbol="AAA", reason="risk_limit")], "protect:AAA:7", 7)
    assert decision is not None
    assert decision.planned[0].order_link_id == "tester_001-rl-00000007"
    assert handle.plan([], "protect:AAA:8", 8) is None


def test_per_symbol_bots_get_one_bar_and_have_a_cursor_per_symbol() -> None:
    class PerSymbol(Scripted):
        per_symbol = True

    handle = hosted(PerSymbol(symbols=("AAA", "BBB")))
    first = close(handle, 0, symbols=("AAA",))
    second = close(handle, 0, symbols=("BBB",))
    assert first.row.event_key == "close:60000:60000:AAA"
    assert second.row.event_key == "close:60000:60000:BBB"
    assert handle.cursor.closes == {"60000:AAA": MINUTE, "60000:BBB": MINUTE}
    with pytest.raises(ValueError, match="expected 1 bar, was 2"):
        close(handle, 1, symbols=("AAA", "BBB"))


# -- warm-up ----------------------------------------------------------------------------------


def test_symbols_are_decided_on_once_they_are_warm() -> None:
    strategy = Scripted(symbols=("AAA", "BBB"))
    strategy.warmup = 3
    handle = hosted(strategy, run=False)
    handle.start()
    handle.bar(bar("AAA", 0))
    handle.bar(bar("AAA", 1))
    handle.ready()
    assert state(handle) is BotState.WARMING
    assert "BBB and 1 more: expected 3 bars, was 0" in handle.state_reason
    bars = {"AAA": bar("AAA", 2), "BBB": bar("BBB", 2)}
    assert handle.close(MINUTE, 3 * MINUTE, bars, snapshot(3 * MINUTE)) is not None
    assert strategy.seen[-1] == "close AAA 3"
    assert state(handle) is BotState.RUNNING
    assert handle.state_reason == (
        "BBB: expected 3 bars, was 1; warming until 1970-01-01T00:05:00.000Z"
    )
    close(handle, 3, symbols=("AAA", "BBB"))
    close(handle, 4, symbols=("AAA", "BBB"))
    assert strategy.seen[-1] == "close AAA BBB 5"
    assert handle.state_reason == ""


# -- nonsense ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        ("buy", "expected a sequence of intents, was str"),
        (7, "expected a sequence of intents, was int"),
        ([7], "expected Enter, Exit or MoveStop, was int"),
        ([enter(reason="because")], "expected an entry reason, was 'because'"),
        ([enter(reason="stop_loss")], "expected an entry reason, was 'stop_loss'"),
        ([enter("ZZZ")], "entry in ZZZ, which the bot does not subscribe to"),
        ([Exit(symbol="ZZZ", reason="time_exit")], "exit in ZZZ, where the bot has nothing"),
        (
            [MoveStop(symbol="AAA", stop_loss=Decimal(1), reason="entry")],
            "expected an exit reason, was 'entry'",
        ),
    ],
)
def test_nonsense_is_a_fault_and_goes_nowhere(
    answer: object, fault: str, capsys: pytest.CaptureFixture[str]
) -> None:
    handle = hosted(Scripted({MINUTE: answer}))
    decision = close(handle, 0)
    assert decision.planned == ()
    assert all("dropped" in one for one in intents(decision))
    assert handle.figures["on_close"].faults == 1
    assert fault in capsys.readouterr().out


@pytest.mark.parametrize("reason", ["", "because", "entry"])
def test_an_exit_goes_out_even_with_a_wrong_reason(reason: str) -> None:
    handle = hosted(Scripted({MINUTE: [Exit(symbol="AAA", reason=reason)]}))
    decision = close(handle, 0)
    assert handle.figures["on_close"].faults == 1
    (planned,) = decision.planned
    assert planned.intent == Exit(
        symbol="AAA", reason="risk_limit", details={"reason_given": reason}
    )


def test_entries_are_dropped_with_a_reason_while_they_are_closed() -> None:
    both = [enter(), Exit(symbol="AAA", reason="time_exit")]
    handle = hosted(Scripted({(place + 1) * MINUTE: both for place in range(4)}))
    handle.pause("by the operator")
    paused = close(handle, 0)
    handle.start()
    handle.reduce_only("the database is away")
    reduced = close(handle, 1)
    handle.lift()
    running = close(handle, 2)
    for decision, why in (
        (paused, "the bot is paused (by the operator)"),
        (reduced, "the bot is reduce_only (the database is away)"),
    ):
        assert [one.intent.kind for one in decision.planned] == ["exit"]
        assert intents(decision)[0]["dropped"] == why
        # Ids do not depend on whether entries were open.
        parsed = parse(decision.planned[0].order_link_id)
        assert parsed is not None
        assert parsed.unix_ms == decision.row.event_ms + 1
    assert [one.intent.kind for one in running.planned] == ["enter", "exit"]
    assert handle.figures["on_close"].faults == 0


# -- isolation --------------------------------------------------------------------------------


def test_three_exceptions_in_a_row_fail_the_bot() -> None:
    boom = {place * MINUTE: RuntimeError("boom") for place in (2, 3, 5, 6, 7)}
    strategy = Scripted(boom)
    handle = hosted(strategy)
    for place in range(6):
        close(handle, place)
    assert state(handle) is BotState.RUNNING
    close(handle, 6)
    assert state(handle) is BotState.FAILED
    assert handle.state_reason == "hook on_close raised RuntimeError: boom (3 faults in a row)"
    assert handle.close(MINUTE, 8 * MINUTE, {"AAA": bar("AAA", 7)}, snapshot(0)) is None
    assert handle.fill(fill(), snapshot(5)) is None
    assert strategy.seen[-1] == "close AAA 7"


def test_a_failed_hook_leaves_no_state_behind() -> None:
    handle = hosted(Scripted({2 * MINUTE: RuntimeError("boom")}))
    first = close(handle, 0)
    second = close(handle, 1)
    third = close(handle, 2)
    assert second.row.state_json == first.row.state_json
    assert second.row.ordinal == 2
    assert json.loads(third.row.state_json)["closes"] == 2


def test_a_started_again_bot_goes_on_from_its_last_good_state() -> None:
    made: list[Scripted] = []

    def make() -> Scripted:
        made.append(Scripted({2 * MINUTE: SystemExit(3)} if not made else {}))
        return made[-1]

    handle = BotHandle(
        "tester",
        "tester_001",
        "main",
        make,
        plugin="scripted",
        limits=Limits(faults_in_row=1),
    )
    handle.start()
    handle.ready()
    close(handle, 0)
    close(handle, 1)
    assert state(handle) is BotState.FAILED
    assert not handle.ready()
    assert handle.start()
    assert state(handle) is BotState.STARTING
    handle.bar(bar("AAA", 1))
    handle.ready()
    assert state(handle) is BotState.RUNNING
    assert json.loads(close(handle, 2).row.state_json)["closes"] == 2
    assert made[1].closes == 2


def test_an_overrun_counts_and_its_answer_stands() -> None:
    class Slow(Scripted):
        @hookimpl
        def on_close(self, bars: Mapping[str, Bar], close_ms: int) -> object:
            sum(range(300_000))
            return [Exit(symbol="AAA", reason="time_exit")]

    handle = hosted(Slow(), limits=Limits(budget_ms=0.5, faults_in_row=2))
    assert len(close(handle, 0).planned) == 1
    assert state(handle) is BotState.RUNNING
    assert len(close(handle, 1).planned) == 1
    assert state(handle) is BotState.FAILED
    assert "ms of CPU time, expected at most 0.5 ms" in handle.state_reason
    assert handle.figures["on_close"].worst_ns > 500_000


def test_a_state_that_is_no_json_is_a_fault() -> None:
    class Odd(Scripted):
        @hookimpl
        def dump_state(self) -> Mapping[str, object]:  # type: ignore[override]
            return {"closes": float("nan") if self.closes else 0}

    handle = hosted(Odd(), limits=Limits(faults_in_row=1))
    assert close(handle, 0).row.state_json == '{"closes":0}'
    assert state(handle) is BotState.FAILED
    assert "expected finite numbers, state.closes is nan" in handle.state_reason


def test_a_saved_state_that_is_not_taken_fails_the_bot() -> None:
    handle = hosted(Scripted(), run=False)
    handle.restore(SavedBot(4, '{"closes":"many"}', 7, '{"closes":{},"fill":null}'))
    assert state(handle) is BotState.FAILED
    assert "its saved state was not taken" in handle.state_reason
    with pytest.raises(NeedsOperator, match="expected a saved cursor, was 'x'"):
        hosted(Scripted(), run=False).restore(SavedBot(4, "{}", 7, "x"))


@pytest.mark.parametrize("answer", [[], "AAA", [1], None])
def test_subscriptions_are_checked(answer: object) -> None:
    class Odd:
        @hookimpl
        def subscriptions(self) -> object:
            return answer

    with pytest.raises(BotFault, match="expected a sequence of Subscription"):
        hosted(Odd())


def test_a_subscription_may_stand_once() -> None:
    class Twice:
        @hookimpl
        def subscriptions(self) -> object:
            return [Subscription("AAA", MINUTE, 1), Subscription("AAA", MINUTE, 2)]

    with pytest.raises(BotFault, match="AAA 60000 ms twice"):
        hosted(Twice())


@pytest.mark.parametrize("answer", [5, Decimal("NaN"), Decimal("0.5"), "5"])
def test_leverage_is_checked(answer: object) -> None:
    class Odd(Scripted):
        @hookimpl
        def leverage(self) -> object:
            return answer

    assert hosted(Odd()).leverage("AAA") is None
    assert hosted(Scripted()).leverage("AAA") is None


# -- a halt of the bot's own ------------------------------------------------------------------


def test_the_bots_own_halt_pauses_it_until_reset() -> None:
    strategy = Scripted({3 * MINUTE: [enter()]})
    handle = hosted(strategy)
    close(handle, 0)
    strategy.halt = "lost too much"
    close(handle, 1)
    assert (handle.state, handle.state_reason) == (BotState.PAUSED, "lost too much")
    assert close(handle, 2).planned == ()
    assert handle.start()
    assert (handle.state, handle.halt) == (BotState.RUNNING, None)
    # What the reset changed is stored with the next decision.
    assert json.loads(close(handle, 3).row.state_json)["closes"] == 5


def test_a_halt_that_is_not_lifted_stays() -> None:
    class Stubborn(Scripted):
        @hookimpl
        def on_reset(self) -> None:
            raise RuntimeError("no")

    strategy = Stubborn()
    handle = hosted(strategy)
    strategy.halt = "lost too much"
    close(handle, 0)
    assert not handle.start()
    assert (handle.state, handle.state_reason) == (BotState.PAUSED, "lost too much")


def test_the_timer_is_a_hook_like_others() -> None:
    class Timed(Scripted):
        @hookimpl
        def on_timer(self, now_ms: int) -> object:
            return [Exit(symbol="AAA", reason="time_exit")] if now_ms == MINUTE else None

    handle = hosted(Timed())
    assert handle.wants_timer
    assert not hosted(Scripted()).wants_timer
    decision = handle.timer(MINUTE, snapshot(MINUTE))
    assert decision is not None
    assert decision.row.event_key == "timer:60000"
    assert handle.timer(2 * MINUTE, snapshot(2 * MINUTE)) is None


def test_a_halt_survives_a_restart() -> None:
    strategy = Scripted()
    strategy.halt = "lost too much"
    handle = hosted(strategy, run=False)
    handle.restore(SavedBot(1, '{"closes":1}', 7, '{"closes":{},"fill":null}'))
    handle.start()
    handle.bar(bar("AAA", 0))
    handle.ready()
    assert (handle.state, handle.halt) == (BotState.PAUSED, "lost too much")
