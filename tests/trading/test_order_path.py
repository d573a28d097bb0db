"""Orders that wait, that are larger than the exchange takes, or that are somebody else's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import pytest

from alpha.bybit.limiter import Priority
from alpha.clock import ManualClock
from alpha.core.events import OrderEvent
from alpha.core.records import MANUAL
from alpha.crew import report_crew
from alpha.ledger import registry
from alpha.ledger.pool import Pool
from alpha.trading.account import AccountStatus
from tests.trading.exchange import START_MS, HandExchange
from tests.trading.life import ACCOUNT, BOT, INSTRUMENTS, Life, register_beat
from tests.trading.test_faults import BTC, enter, hear, leave
from tests.trading.test_shared import ONE, THREE, TWO, Crew
from tests.until import until

D = Decimal
CREATE = "/v5/order/create"

HALTS: dict[str, Callable[[Life], object]] = {
    "stopped": lambda life: life.handle.pause(registry.OPERATOR_STOP),
    "failed": lambda life: life.handle.fail("a hook"),
    "account halted": lambda life: life.account.become(AccountStatus.HALTED, "its key"),
    "gap": lambda life: life.disconnect(),
    "ledger away": lambda life: setattr(life.fence, "entries", False),
    "position differs": lambda life: life.account.blocked.update({BTC: "position differs"}),
}


@pytest.mark.parametrize("halt", HALTS.values(), ids=HALTS.keys())
async def test_an_entry_that_queues_for_its_turn_does_not_leave_after_a_halt(
    life: Life, clock: ManualClock, halt: Callable[[Life], object]
) -> None:
    limiter = life.service.rest._http._limiter
    for _ in range(7):
        await limiter.acquire(CREATE, Priority.EXIT)
    life.exchange.market_clock.set(START_MS + 60_000, START_MS + 60_000)
    life.close(0, {BTC: D(100), "ETHUSDT": D(100)})
    await life.clock.sleep(0)
    assert limiter.waiting(CREATE) == 1, "the entry waits behind others"
    halt(life)
    await life.quiet()
    assert life.exchange.creates == []
    assert CREATE not in life.exchange.asked
    (row,) = life.account.tracker._rows.values()
    assert row.state == "never_accepted"
    assert "nothing was sent" in (row.reject_reason or "")


async def test_an_exit_is_tried_for_as_long_as_it_is_refused(life: Life) -> None:
    """Half a day of refusals, thirty seconds apart."""
    await enter(life)
    await hear(life)
    life.service.gateway._in_vain[(BOT, BTC)] = 1_500
    life.exchange.refuse[CREATE] = (110003, "price is invalid")
    life.service.close(BOT, BTC, "risk_limit")
    await until(lambda: len(life.account.tracker._rows) > 3, "it is tried under new ids")
    del life.exchange.refuse[CREATE]
    await life.quiet()
    await hear(life)
    assert life.exchange.position(BTC) == 0


async def test_a_position_larger_than_one_order_is_closed_by_several(
    life: Life, monkeypatch: pytest.MonkeyPatch
) -> None:
    await enter(life)
    await hear(life)
    assert life.exchange.position(BTC) == D("4.5")
    small = replace(INSTRUMENTS[BTC], max_market_qty=D(2))
    monkeypatch.setitem(INSTRUMENTS, BTC, small)
    await leave(life)
    for _ in range(3):
        await hear(life)
    assert life.exchange.position(BTC) == 0
    exits = [row for row in life.account.tracker._rows.values() if row.purpose == "exit"]
    assert [row.qty for row in exits] == [D(2), D(2), D("0.5")]


async def test_an_order_of_somebody_else_is_never_sent_again(life: Life) -> None:
    """One that left the books of the exchange, in a state that nobody has heard of."""
    strange = OrderEvent(
        account=ACCOUNT,
        symbol=BTC,
        order_id="5c0ffee0-0000-4000-8000-000000000000",
        order_link_id="",
        parent_link_id="",
        side="Sell",
        order_type="Limit",
        status="Marinating",
        qty=D(1),
        cum_exec_qty=D(0),
        avg_price=None,
        price=D(120),
        trigger_price=None,
        stop_order_type="",
        create_type="CreateByUser",
        cancel_type="",
        reject_reason="",
        reduce_only=True,
        position_idx=0,
        created_ms=START_MS,
        updated_ms=START_MS,
    )
    life.account.receive_order(strange)
    await life.sweep()
    await life.quiet()
    assert CREATE not in life.exchange.asked
    assert life.account.tracker.working() == []


async def test_what_was_closed_too_much_is_found_after_a_crash_on_a_netted_symbol(
    exchange: HandExchange, pool: Pool, clock: ManualClock
) -> None:
    """It cancels another bot's position out, so that the exchange lists none."""
    await register_beat(pool, ONE, TWO, THREE)
    exchange.market_clock.set(START_MS + 60_000, START_MS + 60_000)
    crew = Crew(exchange, pool, clock, netting=True)
    await crew.start()
    await crew.enter(ONE, "Buy")
    await crew.enter(TWO, "Buy", stops=None)
    await crew.leave(ONE, hear=False)
    await crew.tick("94", hear=False)  # its stop fires before it could be cancelled
    assert exchange.position(BTC) == 0
    await crew.restart()
    await crew.wait(3)
    await crew.wait(3)
    assert crew.held(ONE) == 0
    assert crew.held(TWO) == exchange.position(BTC) == D("4.5")
    crew.adds_up()
    await crew.life.kill()


async def test_a_stop_is_kept_though_the_bot_fails(life: Life, pool: Pool) -> None:
    """After a crash the bot begins as it was left: stopped, not running."""
    life.handle.pause(registry.OPERATOR_STOP)
    life.handle.fail("a hook raised")
    await report_crew(pool, life.sessions)
    assert await registry.paused_to_stay(pool) == {BOT: registry.OPERATOR_STOP}
    life.handle.start()
    await report_crew(pool, life.sessions)
    assert await registry.paused_to_stay(pool) == {}


async def test_a_person_who_adds_and_closes_everything_leaves_everybody_flat(life: Life) -> None:
    """The bot's part ends its position and does not turn it."""
    await enter(life)
    await hear(life)
    exchange = life.exchange
    await exchange.trade(BTC, "Buy", D("1.5"), exchange.now_ms + 1_000)
    await hear(life)
    assert exchange.position(BTC) == D(6)
    assert life.account.position(BOT, BTC).signed_qty == D("4.5")
    assert life.account.position(MANUAL, BTC).signed_qty == D("1.5")
    await exchange.trade(BTC, "Sell", D(6), exchange.now_ms + 1_000)
    await hear(life)
    assert exchange.position(BTC) == 0
    assert life.account.position(BOT, BTC).signed_qty == 0
    assert life.account.position(MANUAL, BTC).signed_qty == 0
    assert exchange.open_orders(BTC) == []
    await life.stored()
    rows = await life.pool.fetch(
        "SELECT bot_id, effect, sum(exec_qty) AS qty FROM trading.fills WHERE symbol = $1"
        " GROUP BY 1, 2 ORDER BY 1, 2",
        BTC,
    )
    assert [(row["bot_id"], row["effect"], row["qty"]) for row in rows] == [
        (BOT, "entry", D("4.5")),
        (BOT, "exit", D("4.5")),
        (MANUAL, "entry", D("1.5")),
        (MANUAL, "exit", D("1.5")),
    ]
