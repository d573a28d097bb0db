"""What goes wrong around the order path, one thing at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from decimal import Decimal

import pytest

from alpha.clock import ManualClock
from alpha.core.intents import Exit, MoveStop
from alpha.errors import RetryLater
from alpha.ledger.pool import CONNECTION_ERRORS, Pool
from alpha.ledger.verify import verify
from alpha.supervision import ESCALATE_AFTER, Supervisor
from alpha.trading import sweep
from alpha.trading.account import AccountStatus
from alpha.trading.outcomes import SURE_AFTER_S
from tests.trading.exchange import START_MS, HandExchange
from tests.trading.life import ACCOUNT, BOT, MINUTE, STOPS, Life
from tests.until import until

D = Decimal
BTC, ETH = "BTCUSDT", "ETHUSDT"
EVEN = {BTC: D(100), ETH: D(100)}


async def hear(life: Life) -> None:
    while frames := life.exchange.take_frames():
        for frame in frames:
            life.hear(frame)
        await life.quiet()


async def enter(life: Life, *faults: str) -> None:
    """The first close: the first coin is entered."""
    life.exchange.market_clock.set(START_MS + MINUTE, START_MS + MINUTE)
    life.exchange.faults.extend(faults)
    life.close(0, EVEN)
    await life.quiet()


async def leave(life: Life, *faults: str) -> str:
    """A decision of the host to close the first coin; the order's id."""
    life.exchange.faults.extend(faults)
    life.service.close(BOT, BTC, "risk_limit")
    await life.quiet()
    (row,) = [row for row in life.account.tracker._rows.values() if row.purpose == "exit"][-1:]
    return row.client_order_id


async def orders(pool: Pool) -> dict[str, str]:
    rows = await pool.fetch(
        "SELECT order_link_id, state FROM trading.orders WHERE bot_id = $1", BOT
    )
    return {row["order_link_id"]: row["state"] for row in rows}


async def is_whole(life: Life, dsn: str) -> None:
    await life.sweep()
    await life.stored()
    found = await verify(dsn, account=ACCOUNT)
    assert found.problems == ()
    stored = await life.pool.fetch("SELECT exec_id FROM trading.executions")
    assert {row["exec_id"] for row in stored} == {r.exec_id for r in await life.exchange.truth()}


# -- the ledger's queue ---------------------------------------------------------------------------


async def test_what_the_ledger_refused_is_stored_once_it_takes_commits_again(
    exchange: HandExchange, pool: Pool, clock: ManualClock, postgres_dsn: str
) -> None:
    life = Life(exchange, pool, clock, max_queue=6)
    await life.start()
    await enter(life)
    frames = exchange.take_frames()
    for frame in frames:  # without a turn of the loop: nothing is written meanwhile
        life.hear(frame)
    assert life.account.overflowed
    assert life.account.status is AccountStatus.STALE
    assert not life.writer.accepts(ACCOUNT)
    assert life.account.gaps == 1
    held = life.account.position(BOT, BTC).signed_qty
    told = life.beat.fills
    assert held == exchange.position(BTC) > 0
    await life.sweep()
    assert life.account.live
    assert life.writer.accepts(ACCOUNT)
    assert life.account.position(BOT, BTC).signed_qty == held
    assert life.beat.fills == told, "no fill is told twice"
    await is_whole(life, postgres_dsn)
    saved = await life.reader.bot_state(ACCOUNT, BOT)
    assert saved is not None
    assert saved.ordinal == life.handle.ordinal
    assert saved.state_json == life.handle.saved.state_json
    await life.kill()


async def test_a_long_absence_does_not_overrun_the_queue(
    exchange: HandExchange,
    pool: Pool,
    clock: ManualClock,
    postgres_dsn: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for number in range(12):
        at_ms = START_MS + number * 1_000
        await exchange.trade(ETH, "Sell" if number % 2 else "Buy", D(1), at_ms)
    count = len(await exchange.truth())
    assert count >= 12
    monkeypatch.setattr(sweep, "SLICE", 2)
    life = Life(exchange, pool, clock, max_queue=8)
    await life.start()
    assert life.account.live
    assert [one for one in life.account.alerts.recent if one.kind == "ledger_refuses"] == []
    assert life.account.backfilled == count
    await is_whole(life, postgres_dsn)
    await life.kill()


async def test_executions_that_memory_knows_and_the_database_lacks_are_brought(
    life: Life, pool: Pool, postgres_dsn: str
) -> None:
    await enter(life)
    await hear(life)
    await life.stored()
    for table in ("fills", "position_entries", "positions", "executions"):
        await pool.execute(f"ALTER TABLE trading.{table} DISABLE TRIGGER USER")
        await pool.execute(f"DELETE FROM trading.{table}")
        await pool.execute(f"ALTER TABLE trading.{table} ENABLE TRIGGER USER")
    await is_whole(life, postgres_dsn)


# -- PostgreSQL away ------------------------------------------------------------------------------


class Away:
    """A store that does not answer: every question ends as a lost connection does."""

    async def missing_exec_ids(self, *_: object) -> set[tuple[str, str]]:
        raise ConnectionRefusedError("expected PostgreSQL, was away")


async def test_a_reconnect_without_postgres_tells_the_bots_and_lets_exits_go(
    life: Life, pool: Pool, clock: ManualClock, postgres_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await enter(life)
    life.disconnect()
    life.exchange.take_frames()
    assert life.account.gaps == 1
    monkeypatch.setattr(life.reader, "missing_exec_ids", Away().missing_exec_ids)
    recovery = asyncio.create_task(life.service.recovery.run())
    life.connect()
    await until(lambda: life.beat.fills > 0, "the fills of the gap are told")
    assert life.account.position(BOT, BTC).signed_qty == life.exchange.position(BTC) > 0
    assert not life.account.live
    link_id = await leave(life)
    assert link_id in life.exchange.creates, "an exit goes out while PostgreSQL is away"
    assert life.exchange.position(BTC) == 0
    assert not recovery.done()
    monkeypatch.undo()
    await until(lambda: life.account.live, "the account is live once PostgreSQL is back")
    recovery.cancel()
    await asyncio.gather(recovery, return_exceptions=True)
    await hear(life)
    await is_whole(life, postgres_dsn)


async def test_an_account_whose_ledger_is_away_takes_no_entries(life: Life) -> None:
    life.writer.degraded_since, life.writer.away = 1.0, True
    life.service.recovery.watch_ledger()
    assert life.account.status is AccountStatus.STALE
    assert life.account.gaps == 1
    await enter(life)
    assert life.exchange.creates == []
    life.service.recovery.watch_ledger()
    assert life.account.gaps == 1, "one outage is one gap"
    assert "expected live" in (await life.refused())[-1]


async def test_nothing_outside_being_away_stops_the_daemon(clock: ManualClock) -> None:
    supervisor = Supervisor(clock, passing=CONNECTION_ERRORS)
    runs = 0

    async def away() -> None:
        nonlocal runs
        runs += 1
        if runs <= 3 * ESCALATE_AFTER:
            raise (RetryLater("expected the exchange"), ConnectionResetError())[runs % 2]

    await supervisor.keep("away", away)
    assert runs == 3 * ESCALATE_AFTER + 1
    assert not supervisor.failed.done()

    async def broken() -> None:
        raise ValueError("a fault of our own")

    await supervisor.keep("broken", broken)
    assert isinstance(supervisor.failed.result(), ValueError)


# -- gaps -----------------------------------------------------------------------------------------


async def test_only_the_loss_of_a_live_stream_is_a_gap(life: Life) -> None:
    life.disconnect()
    life.disconnect()  # an attempt that failed
    assert life.account.gaps == 1
    life.connect()
    await life.sweep()
    assert life.account.live
    assert life.account.gaps == 1


async def test_frames_before_the_gap_is_closed_wait_for_it(life: Life) -> None:
    await enter(life)
    life.disconnect()
    for frame in life.exchange.take_frames():
        life.hear(frame)
    assert life.beat.fills == 0, "what the stream brings too early is held back"
    life.connect()
    await life.sweep()
    assert life.account.position(BOT, BTC).signed_qty == life.exchange.position(BTC) > 0
    assert life.beat.fills == len(await life.exchange.truth())


# -- orders of an earlier life --------------------------------------------------------------------


async def after(life: Life, past: Mapping[int, Mapping[str, Decimal]]) -> Life:
    await life.stored()
    await life.kill()
    life.exchange.faults.clear()
    life.exchange.take_frames()
    again = Life(life.exchange, life.pool, life.clock)
    await again.start(past)
    return again


async def test_an_entry_that_never_arrived_is_dropped_after_ten_seconds(
    life: Life, clock: ManualClock
) -> None:
    life.exchange.faults.append("dies")
    life.exchange.market_clock.set(START_MS + MINUTE, START_MS + MINUTE)
    life.close(0, EVEN)
    await life.stored()
    began = clock.monotonic()
    again = await after(life, {0: EVEN})
    await again.stored()
    (state,) = (await orders(life.pool)).values()
    assert state == "never_accepted"
    assert life.exchange.creates == []
    assert clock.monotonic() - began >= SURE_AFTER_S
    assert again.session.snapshot(0).pending_entries == frozenset()
    await again.kill()


async def test_an_exit_that_never_arrived_is_sent_again_under_its_id(
    life: Life, clock: ManualClock
) -> None:
    await enter(life)
    await hear(life)
    life.exchange.faults.append("dies")
    life.service.close(BOT, BTC, "risk_limit")
    await life.stored()
    ((link_id, state),) = [
        (one, state) for one, state in (await orders(life.pool)).items() if "-rl-" in one
    ]
    assert state == "pending"
    began = clock.monotonic()
    again = await after(life, {0: EVEN})
    assert life.exchange.creates[-1] == link_id
    assert life.exchange.position(BTC) == 0
    assert clock.monotonic() - began < SURE_AFTER_S
    await again.kill()


async def test_an_order_whose_answer_was_lost_is_found_and_not_sent_twice(life: Life) -> None:
    await enter(life, "unanswered")
    await hear(life)
    (link_id,) = life.exchange.creates
    row = life.account.tracker.get(link_id)
    assert row is not None and row.state == "filled"
    exit_id = await leave(life, "unanswered")
    await hear(life)
    assert life.exchange.creates == [link_id, exit_id]


async def test_an_exit_waits_for_the_exchange_and_for_the_lease(life: Life) -> None:
    await enter(life)
    await hear(life)
    life.fence.exits = False
    life.service.close(BOT, BTC, "risk_limit")
    await life.supervisor.settle(0.05)
    assert len(life.exchange.creates) == 1, "nothing is sent without the lease"
    life.exchange.faults.extend(["refused", "refused"])
    life.fence.exits = True
    await life.quiet()
    assert life.exchange.position(BTC) == 0
    assert len(life.exchange.creates) == 2


async def test_an_entry_is_not_sent_without_the_lease(life: Life) -> None:
    life.fence.entries = False
    await enter(life)
    assert life.exchange.creates == []
    assert life.account.tracker.working() == []


# -- closing until flat ---------------------------------------------------------------------------


async def test_what_a_refused_exit_leaves_is_closed_under_a_new_id(
    life: Life, clock: ManualClock
) -> None:
    await enter(life)
    await hear(life)
    life.exchange.refuse["/v5/order/create"] = (110003, "price is invalid")
    life.service.close(BOT, BTC, "risk_limit")
    await until(lambda: len(life.account.tracker._rows) > 4, "it is tried under new ids")
    del life.exchange.refuse["/v5/order/create"]
    await life.quiet()
    await hear(life)
    assert life.exchange.position(BTC) == 0
    assert life.account.position(BOT, BTC).signed_qty == 0


async def test_an_exit_refused_before_a_crash_is_followed_after_it(life: Life) -> None:
    await enter(life)
    await hear(life)
    decision = life.session.plan_exit(Exit(symbol=BTC, reason="risk_limit"), "host:test", 0)
    assert decision is not None
    life.exchange.refuse["/v5/order/create"] = (110003, "price is invalid")
    life.service.gateway.carry_out(decision, life.session)
    link_id = decision.planned[0].order_link_id
    await until(
        lambda: (row := life.account.tracker.get(link_id)) is not None and row.state == "rejected",
        "the exit is refused",
    )
    life.dead = True
    await life.stored()
    await life.kill()
    # As if nothing had followed it yet.
    del life.exchange.refuse["/v5/order/create"]
    await life.pool.execute("DELETE FROM config.decisions WHERE event_key LIKE 'rest:%'")
    await life.pool.execute("DELETE FROM trading.orders WHERE state = 'pending'")
    again = Life(life.exchange, life.pool, life.clock)
    await again.start({0: EVEN})
    await hear(again)
    assert life.exchange.position(BTC) == 0
    await again.kill()


async def test_nothing_to_reduce_is_never_tried_again(life: Life) -> None:
    await enter(life)
    await hear(life)
    life.exchange.refuse["/v5/order/create"] = (110017, "current position is zero")
    asked = len(life.exchange.asked)
    await leave(life)
    assert life.exchange.asked[asked:].count("/v5/order/create") == 1
    assert "/v5/position/list" in life.exchange.asked[asked:]


# -- stops ----------------------------------------------------------------------------------------


def stop_of(life: Life) -> Decimal | None:
    found = [o for o in life.exchange.open_orders(BTC) if o.stop_type == "StopLoss"]
    return found[0].trigger_price if found else None


async def guarded(life: Life) -> None:
    await enter(life)
    await hear(life)
    await life.service.protection.check()
    await hear(life)


async def test_stops_are_anchored_to_the_average_fill(life: Life) -> None:
    await guarded(life)
    average = life.account.position(BOT, BTC).avg_price
    assert average is not None
    assert stop_of(life) == (average * D("0.95")).quantize(D("0.1"))


async def test_a_moved_stop_survives_a_restart(life: Life) -> None:
    await guarded(life)
    move = MoveStop(symbol=BTC, stop_loss=D(97), reason="stop_loss")
    decision = life.handle.plan([move], "close:test", START_MS + 2 * MINUTE)
    assert decision is not None
    life.service.gateway.carry_out(decision, life.session)
    await life.service.protection.check()
    await hear(life)
    assert stop_of(life) == D(97)
    again = await after(life, {0: EVEN})
    await again.service.protection.check()
    await hear(again)
    assert stop_of(again) == D(97)
    assert again.service.protection._guarded[(BOT, BTC)].moved_stop == D(97)
    await again.kill()


async def test_a_new_position_does_not_inherit_a_moved_stop(life: Life) -> None:
    await guarded(life)
    life.service.protection.move(BOT, BTC, D(97))
    await life.service.protection.check()
    await leave(life)
    await hear(life)
    life.exchange.market_clock.set(START_MS + 4 * MINUTE, START_MS + 4 * MINUTE)
    life.close(3, EVEN)  # before the stops are looked at again
    await life.quiet()
    await hear(life)
    await life.service.protection.check()
    await hear(life)
    average = life.account.position(BOT, BTC).avg_price
    assert average is not None
    assert stop_of(life) == (average * D("0.95")).quantize(D("0.1"))


async def test_stops_of_open_positions_are_taken_up_after_a_restart(life: Life) -> None:
    await guarded(life)
    again = await after(life, {0: EVEN})
    state = again.service.protection._guarded[(BOT, BTC)]
    assert state.plan == STOPS
    await again.service.protection.check()
    assert state.placed is not None
    await again.kill()


async def test_a_position_whose_stop_is_gone_and_refused_is_closed(
    life: Life, clock: ManualClock
) -> None:
    await guarded(life)
    life.exchange.refuse["/v5/position/trading-stop"] = (10001, "StopLoss invalid")
    event = life.account.exchange[BTC]
    await life.exchange.engine.perform(
        lambda ms: life.exchange.engine.exchange.cancel_all("k", BTC, "StopOrder", "", ms)
    )
    await hear(life)
    assert event.stop_loss and not life.account.exchange[BTC].stop_loss
    for _ in range(4):
        await life.service.protection.check()
        clock.advance(600)
    await life.quiet()
    assert life.exchange.position(BTC) == 0


async def test_a_stop_is_not_given_up_while_the_exchange_does_not_answer(
    life: Life, clock: ManualClock
) -> None:
    await enter(life)
    await hear(life)
    life.exchange.away = True
    for _ in range(30):
        await life.service.protection.check()
        clock.advance(600)
    life.exchange.away = False
    assert life.exchange.position(BTC) > 0
    await life.service.protection.check()
    await hear(life)
    average = life.account.position(BOT, BTC).avg_price
    assert average is not None
    assert stop_of(life) == (average * D("0.95")).quantize(D("0.1"))
