"""Portfolio limits in the send path: what is refused, what holds, and what never stops an exit."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from alpha.core.intents import Exit
from alpha.core.risk import DAY_MS, Action, Kind
from alpha.ledger.pool import Pool
from tests.trading.limited import BTC, ETH, FRESH_S, ONE, TWO, Limited, Start, hold, rule

D = Decimal


#: Room for one entry of 450 USDT and not for two, on an account of 100,000.
ROOM_FOR_ONE = {
    Kind.GROSS_EXPOSURE: "600",
    Kind.NET_EXPOSURE: "600",
    Kind.LEVERAGE: "0.006",
    Kind.CONCENTRATION: "0.006",
    Kind.OPEN_POSITIONS: "1",
    Kind.ORDERS_PER_MINUTE: "1",
}


@pytest.mark.parametrize("kind", ROOM_FOR_ONE)
@pytest.mark.parametrize("action", [Action.BLOCK_ENTRIES, Action.WARN])
async def test_an_entry_that_would_break_a_limit_is_refused(
    limited: Start, kind: Kind, action: Action
) -> None:
    crew = await limited(overall=(rule(kind, ROOM_FOR_ONE[kind], action),))
    assert await crew.enter(ONE) == 1
    taken = await crew.enter(TWO)
    if action is Action.WARN:
        assert taken == 1
        await crew.look()
        assert crew.kinds() == ["risk_breach"]
        return
    assert taken == 0
    assert f"risk limit of everything: {kind.value} is" in await crew.why()
    assert await crew.leave(ONE) == 1
    assert crew.held(ONE) == 0
    if kind is Kind.ORDERS_PER_MINUTE:
        crew.clock.advance(60_000)
    assert await crew.enter(TWO) == 1


@pytest.mark.parametrize("kind", ROOM_FOR_ONE)
async def test_two_bots_that_decide_in_the_same_turn_cannot_both_slip_under(
    limited: Start, kind: Kind
) -> None:
    crew = await limited(account=(rule(kind, ROOM_FOR_ONE[kind]),))
    assert [crew.plan(ONE), crew.plan(TWO)] == [1, 0]
    await crew.hear()
    assert (crew.held(ONE), crew.held(TWO)) == (D("4.5"), D(0))


@pytest.mark.parametrize("fault", ["lost", "unanswered"])
async def test_an_order_that_nobody_knows_of_counts(limited: Start, fault: str) -> None:
    crew = await limited(overall=(rule(Kind.GROSS_EXPOSURE, "600"),))
    crew.exchange.faults.append(fault)
    assert crew.plan(ONE) == 1
    for _ in range(5):
        await crew.life.clock.sleep(0)
    (row,) = crew.life.account.tracker.working(ONE)
    assert crew.plan(TWO) == 0, row.state
    await crew.hear()


async def test_limits_of_a_bot_are_its_own(limited: Start) -> None:
    crew = await limited(**{ONE: (rule(Kind.OPEN_POSITIONS, "1"),)})
    assert await crew.enter(ONE) == 1
    assert await crew.enter(ONE, symbol=ETH) == 0
    assert await crew.enter(TWO) == 1
    assert await crew.enter(TWO, symbol=ETH) == 1


@pytest.mark.parametrize("scope", ["account", ONE])
async def test_an_exit_makes_room_for_an_entry_of_the_same_decision(
    limited: Start, scope: str
) -> None:
    crew = await limited(**{scope: (rule(Kind.OPEN_POSITIONS, "1"),)})
    assert await crew.enter(ONE) == 1
    out = Exit(symbol=BTC, reason="time_exit")
    assert crew.decide(ONE, out, crew.entry(symbol=ETH)) == 2
    assert crew.plan(ONE, symbol=BTC) == 0, "its place is taken"
    await crew.hear()
    assert (crew.held(ONE), crew.held(ONE, ETH)) == (D(0), D("4.5"))


async def test_part_of_an_exit_makes_no_room(limited: Start) -> None:
    crew = await limited(account=(rule(Kind.OPEN_POSITIONS, "1"),))
    assert await crew.enter(ONE) == 1
    part = Exit(symbol=BTC, reason="time_exit", qty=D(2))
    assert crew.decide(ONE, part, crew.entry(symbol=ETH)) == 1
    await crew.hear()
    assert crew.held(ONE) == D("2.5")


async def test_an_entry_that_cannot_be_judged_holds_no_exit_up(
    limited: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    crew = await limited()
    assert await crew.enter(ONE) == 1

    def broken(entry: object) -> str | None:
        raise ArithmeticError("a fault of the limits")

    monkeypatch.setattr(crew.risk, "refusal", broken)
    out = Exit(symbol=BTC, reason="time_exit")
    assert crew.decide(ONE, crew.entry(symbol=ETH), out) == 1
    await crew.hear()
    assert crew.held(ONE) == 0 == crew.held(ONE, ETH)
    await crew.life.stored()
    (row,) = await crew.pool.fetch(
        "SELECT rejected_by, rejection_reason FROM trading.signals WHERE rejected_by IS NOT NULL"
    )
    assert tuple(row) == ("risk", "it could not be judged: ArithmeticError")


async def test_a_bot_that_is_not_part_of_this_run_is_not_judged(limited: Start) -> None:
    crew = await limited(**{ONE: (rule(Kind.DRAWDOWN, "0.02"),)})
    crew.life.service.sessions.pop(ONE)
    crew.risk.assess()
    assert crew.scope(ONE).anchors is None, "its part of the shared wallet is not known"
    (row,) = crew.risk.rows()
    assert (row["state"], row["why"]) == ("no data", "the bot is not part of this run")


async def test_an_entry_that_brings_both_sides_nearer_is_not_refused(limited: Start) -> None:
    crew = await limited(netting=True, account=(rule(Kind.NET_EXPOSURE, "600"),))
    assert await crew.enter(ONE) == 1
    assert await crew.enter(TWO) == 0
    assert await crew.enter(TWO, "Sell") == 1


# -- losses ------------------------------------------------------------------------------------


async def _lose(crew: Limited) -> None:
    """225 USDT: more than 2 % of the bot's capital of 10,000, and 0.2 % of the account."""
    await hold(crew)
    crew.risk.assess()
    assert crew.alerts == []
    await crew.tick("50")


@pytest.mark.parametrize("kind", [Kind.DAILY_LOSS, Kind.WEEKLY_LOSS, Kind.DRAWDOWN])
async def test_an_open_loss_stops_entries_and_no_exit(limited: Start, kind: Kind) -> None:
    crew = await limited(**{ONE: (rule(kind, "0.02"),)})
    await _lose(crew)
    assert await crew.enter(ONE, symbol=ETH) == 0
    why = await crew.why()
    assert f"bot {ONE}: {kind.value} is 2." in why
    assert crew.kinds() == ["risk_breach"]
    assert crew.alerts[0].bot_id == ONE
    assert await crew.enter(TWO, symbol=ETH) == 1, "the other bot has lost nothing"
    assert await crew.leave(ONE) == 1 and crew.held(ONE) == 0
    assert await crew.enter(ONE) == 0, "it holds although nothing is open"
    await crew.tick("50", after_ms=DAY_MS)
    await crew.look()
    assert await crew.enter(ONE) == (kind is Kind.DAILY_LOSS)
    await crew.tick("50", after_ms=7 * DAY_MS)
    await crew.look()
    assert await crew.enter(ONE, symbol=ETH) == (kind is not Kind.DRAWDOWN)


async def test_a_halt_of_a_limit_holds_until_somebody_resets_it(limited: Start) -> None:
    crew = await limited(account=(rule(Kind.DAILY_LOSS, "0.002", Action.HALT),))
    await _lose(crew)
    await crew.look()
    assert crew.alerts[0].level == "CRITICAL"
    await crew.tick("50", after_ms=9 * DAY_MS)
    await crew.look()
    assert await crew.enter(TWO) == 0 and "halt" in await crew.why()
    assert crew.risk.resume(crew.risk.scopes, "root") == []
    ((scope, trip),) = crew.risk.reset(crew.risk.scopes, Kind.DAILY_LOSS, "root")
    assert (scope.label, trip.kind) == ("account main", Kind.DAILY_LOSS)
    assert await crew.enter(TWO) == 1


async def test_a_reset_counts_anew_from_where_things_stand(limited: Start) -> None:
    crew = await limited(account=(rule(Kind.DAILY_LOSS, "0.001"),))
    await _lose(crew)
    await crew.look()
    crew.risk.reset(crew.risk.scopes, None, "root")
    await crew.look()
    assert crew.kinds() == ["risk_breach", "risk_resolved"]
    await crew.tick("40")
    assert await crew.enter(TWO, symbol=ETH) == 1
    await crew.tick("25")
    assert await crew.enter(TWO, symbol=ETH) == 0


async def test_reduce_halves_entries_once(limited: Start) -> None:
    crew = await limited(**{ONE: (rule(Kind.WEEKLY_LOSS, "0.02", Action.REDUCE),)})
    await _lose(crew)
    assert await crew.leave(ONE) == 1
    await crew.look()
    snapshot = crew.life.sessions[ONE].snapshot(crew.exchange.now_ms)
    assert snapshot.size_multiplier == D("0.5")
    assert await crew.enter(ONE, symbol=ETH, notional="400") == 1
    assert crew.held(ONE, ETH) == 2
    # 200 at a price of 50 that the bot's own rule has cut already: 4, not 2.
    assert crew.plan(ONE, notional="200", details={"multiplier": "0.5"}) == 1
    await crew.hear()
    assert crew.held(ONE) == 4


@pytest.mark.parametrize("scope", ["overall", "account", ONE])
@pytest.mark.parametrize("kind", [Kind.DAILY_LOSS, Kind.WEEKLY_LOSS, Kind.DRAWDOWN])
async def test_reduce_holds_for_an_entry_before_the_watch_has_looked(
    limited: Start, kind: Kind, scope: str
) -> None:
    crew = await limited(**{scope: (rule(kind, "0.002", Action.REDUCE),)})
    await _lose(crew)
    assert crew.kinds() == [], "nobody has looked since the price fell"
    assert await crew.enter(ONE, symbol=ETH, notional="400") == 1
    assert crew.held(ONE, ETH) == 2
    assert crew.kinds() == ["risk_breach"]


@pytest.mark.parametrize("own", ["NaN", "sNaN", "Infinity", "-1"])
async def test_reduce_halves_whatever_a_bot_says_of_its_own(limited: Start, own: str) -> None:
    crew = await limited(**{ONE: (rule(Kind.WEEKLY_LOSS, "0.02", Action.REDUCE),)})
    await _lose(crew)
    await crew.look()
    assert crew.plan(ONE, symbol=ETH, notional="400", details={"multiplier": own}) == 1
    await crew.hear()
    assert crew.held(ONE, ETH) == 2


async def test_a_deposit_hides_no_loss_and_a_withdrawal_is_none(limited: Start) -> None:
    crew = await limited(account=(rule(Kind.DAILY_LOSS, "0.002"),))
    await hold(crew)
    crew.risk.assess()
    told = crew.life.account.balance.told
    assert told is not None
    before = crew.risk.scopes[1].anchors
    assert before is not None
    crew.life.account.balance.tell(
        replace(told, wallet=told.wallet - 50_000, at_ms=crew.exchange.now_ms + 1)
    )
    crew.risk.assess()
    after = crew.risk.scopes[1].anchors
    assert crew.alerts == [] and after is not None
    assert after.equity == before.equity - 50_000 and after.result == before.result
    await crew.tick("60")
    crew.life.account.balance.tell(
        replace(told, wallet=told.wallet + 50_000, at_ms=crew.exchange.now_ms + 2)
    )
    assert await crew.enter(TWO, symbol=ETH) == 1, "180 of 100,000 are not 0.2 %"
    await crew.tick("50")
    assert await crew.enter(TWO, symbol=ETH) == 0


# -- fresh data --------------------------------------------------------------------------------


async def test_a_price_that_is_too_old_stops_entries_and_no_exit(limited: Start) -> None:
    crew = await limited(**{ONE: (rule(Kind.GROSS_EXPOSURE, "6000"),)})
    assert await crew.enter(ONE) == 1
    crew.fresh_prices(age_s=FRESH_S + 1)
    assert await crew.enter(ONE, symbol=ETH) == 0
    assert "older than 120 s" in await crew.why()
    (row,) = crew.risk.rows()
    assert (row["state"], row["value"]) == ("no data", None)
    assert await crew.enter(TWO, symbol=ETH) == 1, "nothing of it is limited"
    assert await crew.leave(ONE) == 1 and crew.held(ONE) == 0


async def test_a_wallet_that_is_too_old_stops_entries_until_it_is_told(limited: Start) -> None:
    crew = await limited(account=(rule(Kind.LEVERAGE, "2"),))
    assert await crew.enter(ONE) == 1
    crew.risk.assess()
    crew.clock.advance(round(FRESH_S * 1000) + 1_000)
    crew.fresh_prices()
    assert await crew.enter(TWO) == 0 and "wallet" in await crew.why()
    crew.life.account.balance.tell(await crew.life.service.rest.wallet())
    assert await crew.enter(TWO) == 1


# -- halts -------------------------------------------------------------------------------------


async def test_a_halt_lets_stops_and_exits_go(limited: Start) -> None:
    crew = await limited()
    assert await crew.enter(ONE) == 1 and await crew.enter(TWO, symbol=ETH) == 1
    crew.risk.order(crew.scope("overall"), Action.HALT, "root", "news")
    assert await crew.enter(TWO) == 0
    assert await crew.why() == "risk limit of everything: halt by root: news"
    await crew.tick("94")  # below its stop
    assert crew.held(ONE) == 0
    assert await crew.leave(TWO, symbol=ETH) == 1 and crew.held(TWO, ETH) == 0
    assert await crew.enter(TWO) == 0
    ((_, trip),) = crew.risk.resume(crew.risk.scopes, "root")
    assert trip.name == "halt"
    assert await crew.enter(TWO) == 1


async def test_an_entry_that_waits_for_its_turn_does_not_leave_after_a_halt(limited: Start) -> None:
    crew = await limited()
    assert crew.plan(ONE) == 1
    crew.risk.order(crew.scope(ONE), Action.HALT, "root", "")
    await crew.hear()
    assert crew.exchange.creates == [] and crew.held(ONE) == 0


async def test_what_holds_outlives_the_process(limited: Start, pool: Pool) -> None:
    crew = await limited(
        account=(rule(Kind.DAILY_LOSS, "0.002", Action.HALT), rule(Kind.DRAWDOWN, "0.5"))
    )
    await _lose(crew)
    await crew.look()
    crew.risk.order(crew.scope(TWO), Action.HALT, "root", "news")
    await crew.journal.flush()
    before = crew.scope("account").anchors
    await crew.restart()
    after = crew.scope("account").anchors
    assert before is not None and after is not None
    assert (after.day, after.week, after.at_ms) == (before.day, before.week, before.at_ms)
    assert after.day_result == round(before.day_result, 8)
    assert after.peak_equity == round(before.peak_equity, 8)
    assert await crew.enter(ONE, symbol=ETH) == 0 and "halt by daily_loss" in await crew.why()
    assert set(crew.scope(TWO).trips) == {"halt"}
    crew.risk.reset(crew.risk.scopes, None, "root")
    await crew.journal.flush()
    await crew.restart()
    assert await crew.enter(ONE, symbol=ETH) == 1
    assert await crew.enter(TWO, symbol=ETH) == 0
    crew.risk.resume(crew.risk.scopes, "root")
    await crew.journal.flush()
    await crew.restart()
    assert await crew.enter(TWO, symbol=ETH) == 1
    rows = await pool.fetch("SELECT * FROM audit.risk_breaches ORDER BY event_time, risk_type")
    assert [(row["risk_type"], row["action_taken"], row["resolved"]) for row in rows] == [
        ("daily_loss", "halt", True),
        ("halt", "halt", True),
    ]
    assert rows[0]["current_value"] > rows[0]["limit_value"] == D("0.002")
    assert rows[0]["share_used"] > 1
    assert rows[0]["resolution_notes"] == "reset by root"


async def test_losses_count_over_a_restart(limited: Start) -> None:
    crew = await limited(account=(rule(Kind.DAILY_LOSS, "0.002"), rule(Kind.DRAWDOWN, "0.1")))
    await hold(crew)
    crew.risk.assess()
    await crew.journal.flush()
    await crew.restart()
    await crew.tick("50")
    assert await crew.enter(TWO, symbol=ETH) == 0 and "daily_loss" in await crew.why()


@pytest.mark.parametrize("scope", ["overall", "account", ONE])
async def test_entries_of_the_last_minute_count_over_a_restart(limited: Start, scope: str) -> None:
    crew = await limited(**{scope: (rule(Kind.ORDERS_PER_MINUTE, "2"),)})
    assert await crew.enter(ONE) == 1
    await crew.tick("100", after_ms=10_000)
    assert await crew.enter(ONE, symbol=ETH) == 1
    assert await crew.leave(ONE, symbol=ETH) == 1, "an exit is no entry"
    await crew.restart()
    assert await crew.enter(ONE, symbol=ETH) == 0
    assert "orders_per_minute is 3, limit 2" in await crew.why()
    assert await crew.enter(TWO, symbol=ETH) == (scope == ONE)
    await crew.tick("100", after_ms=51_000)
    assert await crew.enter(ONE, symbol=ETH) == 1, "the first is older than a minute"
    assert await crew.enter(ONE, symbol=ETH) == 0, "the second is not"


async def test_everything_decided_without_a_database_is_written_when_it_is_back(
    limited: Start, pool: Pool
) -> None:
    crew = await limited(account=(rule(Kind.DAILY_LOSS, "0.002", Action.FLATTEN),))
    await _lose(crew)
    await crew.look()  # the journal does not run: the database might as well be away
    crew.risk.order(crew.scope("overall"), Action.HALT, "root", "news")
    assert crew.journal.waiting and not await crew.journal.settle(0.01)
    assert crew.held(ONE) == 0, "closed all the same"
    await crew.journal.flush()
    assert not crew.journal.waiting
    events = await pool.fetch("SELECT event, risk_type FROM audit.risk_events ORDER BY recorded_at")
    found = [(row["event"], row["risk_type"]) for row in events]
    assert found == [("breach", "daily_loss"), ("action", "daily_loss"), ("breach", "halt")]
    with pytest.raises(Exception, match="append-only"):
        await pool.execute("DELETE FROM audit.risk_events")
    assert BTC not in crew.life.account.positions(ONE)
