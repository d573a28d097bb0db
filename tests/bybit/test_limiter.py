"""The rate limiter, on a clock that moves only when it is told or slept on."""

from __future__ import annotations

import asyncio

import pytest

from alpha.bybit.limiter import ENTRY_PATIENCE_S, Address, EntryDropped, Limiter, Priority
from alpha.clock import ManualClock
from alpha.errors import RetryLater
from tests.bybit.conftest import FastClock, eventually

CREATE = "/v5/order/create"


async def _take(limiter: Limiter, priority: Priority, times: int) -> None:
    for _ in range(times):
        await limiter.acquire(CREATE, priority)


async def test_ten_exits_a_second_and_not_eleven() -> None:
    clock = ManualClock(1_000_000)
    limiter = Limiter(clock)
    await _take(limiter, Priority.EXIT, 10)
    assert clock.now_ms() == 1_000_000
    await limiter.acquire(CREATE, Priority.EXIT)
    assert clock.now_ms() == 1_001_000


async def test_entries_leave_three_tokens_of_ten() -> None:
    clock = ManualClock(1_000_000)
    limiter = Limiter(clock)
    await _take(limiter, Priority.ENTRY, 7)
    assert clock.now_ms() == 1_000_000
    entry = asyncio.create_task(limiter.acquire(CREATE, Priority.ENTRY))
    await _take(limiter, Priority.EXIT, 3)
    assert clock.now_ms() == 1_000_000, "expected the exits to find the reserve at once"
    await entry
    assert clock.now_ms() >= 1_001_000


async def test_no_second_holds_more_than_the_limit() -> None:
    clock = ManualClock(0)
    limiter = Limiter(clock)
    sent: list[int] = []
    for number in range(60):
        priority = Priority.EXIT if number % 3 else Priority.ENTRY
        await limiter.acquire(CREATE, priority)
        sent.append(clock.now_ms())
        clock.advance(number % 7 * 10)
    for first, stamp in enumerate(sent):
        assert sum(stamp <= later < stamp + 1000 for later in sent[first:]) <= 10


async def test_a_waiting_exit_goes_before_entries_that_came_earlier() -> None:
    clock = FastClock(10)
    limiter = Limiter(clock)
    await _take(limiter, Priority.EXIT, 10)
    order: list[str] = []

    async def send(name: str, priority: Priority) -> None:
        await limiter.acquire(CREATE, priority)
        order.append(name)

    tasks = [asyncio.create_task(send("entry", Priority.ENTRY))]
    await eventually(lambda: limiter.waiting(CREATE) == 1)
    tasks += [asyncio.create_task(send(f"exit {n}", Priority.EXIT)) for n in range(3)]
    await asyncio.gather(*tasks)
    assert order == ["exit 0", "exit 1", "exit 2", "entry"]


async def test_an_entry_that_queued_too_long_is_dropped() -> None:
    clock = ManualClock(0)
    limiter = Limiter(clock, {CREATE: 1})

    async def hog() -> None:
        while True:
            await limiter.acquire(CREATE, Priority.EXIT)

    hogging = asyncio.create_task(hog())
    await eventually(lambda: limiter.waiting(CREATE) == 1)
    started = clock.monotonic()
    with pytest.raises(EntryDropped, match="the entry is dropped"):
        await limiter.acquire(CREATE, Priority.ENTRY)
    assert clock.monotonic() - started >= ENTRY_PATIENCE_S
    hogging.cancel()
    await asyncio.wait({hogging})
    assert limiter.waiting(CREATE) == 0


async def test_headers_raise_the_limit_and_show_what_others_used() -> None:
    clock = ManualClock(0)
    limiter = Limiter(clock)
    limiter.observe(CREATE, {"X-Bapi-Limit": "20", "X-Bapi-Limit-Status": "4"})
    await _take(limiter, Priority.EXIT, 4)
    assert clock.now_ms() == 0
    await limiter.acquire(CREATE, Priority.EXIT)
    assert clock.now_ms() == 1000


async def test_answers_without_headers_teach_nothing() -> None:
    clock = ManualClock(0)
    limiter = Limiter(clock)
    for headers in ({}, {"X-Bapi-Limit": "", "X-Bapi-Limit-Status": "many"}):
        limiter.observe(CREATE, headers)
    await _take(limiter, Priority.EXIT, 10)
    assert clock.now_ms() == 0


@pytest.mark.parametrize("absurd", ["10001", "999999999", "9" * 19, "9" * 5000])
async def test_numbers_that_no_limit_can_be_teach_nothing(absurd: str) -> None:
    clock = ManualClock(0)
    limiter = Limiter(clock)
    limiter.observe(CREATE, {"X-Bapi-Limit": absurd, "X-Bapi-Limit-Status": absurd})
    await _take(limiter, Priority.EXIT, 10)
    assert clock.now_ms() == 0
    await limiter.acquire(CREATE, Priority.EXIT)
    assert clock.now_ms() == 1000
    limiter.observe(CREATE, {"X-Bapi-Limit": absurd, "X-Bapi-Limit-Status": "0"})
    await limiter.acquire(CREATE, Priority.EXIT)
    assert clock.now_ms() == 2000


async def test_too_many_visits_empties_the_window() -> None:
    clock = ManualClock(0)
    limiter = Limiter(clock)
    limiter.exceeded(CREATE)
    await limiter.acquire(CREATE, Priority.EXIT)
    assert clock.now_ms() == 1000


async def test_endpoints_have_windows_of_their_own() -> None:
    clock = ManualClock(0)
    limiter = Limiter(clock)
    await _take(limiter, Priority.EXIT, 10)
    await limiter.acquire("/v5/order/cancel", Priority.EXIT)
    assert clock.now_ms() == 0


async def test_the_address_limit_binds_everything_together() -> None:
    clock = ManualClock(0)
    limiter = Limiter(clock)
    for number in range(350):
        await limiter.acquire(f"/v5/market/{number % 50}", Priority.OTHER)
    for number in range(150):
        await limiter.acquire(f"/v5/order/{number % 50}", Priority.EXIT)
    assert clock.now_ms() == 0
    await limiter.acquire("/v5/order/cancel", Priority.EXIT)
    assert clock.now_ms() == 5000


async def test_an_address_ban_lets_exits_try_and_nothing_else() -> None:
    clock = ManualClock(0)
    limiter = Limiter(clock)
    limiter.shut(600)
    await limiter.acquire(CREATE, Priority.EXIT)
    for priority in (Priority.ENTRY, Priority.OTHER):
        with pytest.raises(RetryLater) as caught:
            await limiter.acquire(CREATE, priority)
        assert caught.value.after_s == 600
    clock.advance(600_000)
    await limiter.acquire(CREATE, Priority.ENTRY)


async def test_a_cancelled_waiter_leaves_the_queue() -> None:
    clock = FastClock(1)
    limiter = Limiter(clock, {CREATE: 1})
    await limiter.acquire(CREATE, Priority.EXIT)
    waiter = asyncio.create_task(limiter.acquire(CREATE, Priority.EXIT))
    await eventually(lambda: limiter.waiting(CREATE) == 1)
    waiter.cancel()
    await asyncio.wait({waiter})
    assert limiter.waiting(CREATE) == 0


async def test_reads_leave_room_for_exits_at_the_address() -> None:
    clock = ManualClock(0)
    address = Address()
    market, account = Limiter(clock, address=address), Limiter(clock, address=address)
    for _ in range(350):
        await market.acquire("/v5/market/kline", Priority.OTHER)
    await _take(account, Priority.EXIT, 10)
    assert clock.now_ms() == 0, "expected the exits to go at once"
    await market.acquire("/v5/market/kline", Priority.OTHER)
    assert clock.now_ms() == 5000


async def test_accounts_share_their_address() -> None:
    """600 requests in 5 s from one address are refused for ten minutes, whoever's they are."""
    clock = ManualClock(0)
    address = Address()
    limiters = [Limiter(clock, address=address) for _ in range(4)]
    for _ in range(300):
        for limiter in limiters:
            await limiter.acquire("/v5/position/list", Priority.EXIT)
        clock.advance(10)
    assert len(address.window.sent) <= 500
    limiters[0].shut(600)
    with pytest.raises(RetryLater, match="shut this address out"):
        await limiters[1].acquire(CREATE, Priority.ENTRY)
