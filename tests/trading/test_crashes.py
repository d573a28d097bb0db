"""Any order, duplication and split of deliveries, any crash point: the same ledger and orders."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import count
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alpha.embedded.place import Place
from alpha.embedded.postgres import dsn
from alpha.ledger.pool import open_pool
from alpha.ledger.verify import verify
from tests.conftest import _execute
from tests.trading.exchange import START_MS, SYMBOLS, hand_exchange
from tests.trading.life import ACCOUNT, MINUTE, Life, manual_clock, register_beat

BARS = 8
#: Closes of both coins, bar by bar; the fourth takes the first coin through its stop.
PRICES = [
    {"BTCUSDT": Decimal(btc), "ETHUSDT": Decimal(eth)}
    for btc, eth in zip(
        ("100", "101", "102", "94", "95", "96", "95.5", "97"),
        ("100", "99", "98.5", "99", "97", "96", "99", "98"),
        strict=True,
    )
]
FATES = ("", "", "", "unanswered", "lost", "refused", "dies", "dies after")
#: Order ids of the intents of a kind that are not among those given.
DECIDED = """
SELECT i.value ->> 'id' AS id
  FROM config.decisions d CROSS JOIN LATERAL json_array_elements(d.intents) i
 WHERE i.value ->> 'kind' = $1 AND NOT (i.value ->> 'id') = ANY($2::text[])"""
NEEDLESS = """
SELECT order_link_id FROM trading.orders
 WHERE purpose = 'exit' AND state = 'never_accepted'
   AND reject_reason = 'nothing is left to close'"""
#: Intents without a row of their own, and rows without an intent.
UNSIGNALLED = """
SELECT bot_id, ordinal, i.place
  FROM config.decisions d
 CROSS JOIN LATERAL json_array_elements(d.intents) WITH ORDINALITY AS i(value, place)
  FULL JOIN trading.signals s USING (account, bot_id, ordinal)
 GROUP BY 1, 2, 3
HAVING count(*) FILTER (WHERE s.place = i.place - 1) <> 1"""
_databases = count(1)


@dataclass(frozen=True)
class Step:
    """What goes wrong in one bar."""

    fates: tuple[str, ...] = ()
    shuffle: tuple[int, ...] = ()
    twice: frozenset[int] = frozenset()
    #: Rows delivered before the process is killed; None: it lives.
    killed_after: int | None = None
    killed_before_sending: bool = False
    #: Transactions that still go through before it is gone.
    commits: int = 0
    #: The stream is lost with everything that this bar brings.
    cut: bool = False


steps = st.builds(
    Step,
    fates=st.lists(st.sampled_from(FATES), max_size=3).map(tuple),
    shuffle=st.permutations(range(12)).map(tuple),
    twice=st.frozensets(st.integers(0, 11), max_size=4),
    killed_after=st.none() | st.integers(0, 8),
    killed_before_sending=st.sampled_from((False, False, False, True)),
    commits=st.integers(0, 6),
    cut=st.sampled_from((False, False, False, True)),
)


@dataclass
class Outcome:
    sha256: str = ""
    problems: list[object] = field(default_factory=list)
    executions: set[str] = field(default_factory=set)
    truth: set[str] = field(default_factory=set)
    creates: list[str] = field(default_factory=list)
    told: int = 0
    fills: int = 0
    positions: dict[str, Decimal] = field(default_factory=dict)
    held: dict[str, Decimal] = field(default_factory=dict)
    unprotected: list[str] = field(default_factory=list)
    #: Entries that were decided and never reached the exchange: dropped, as they should be.
    lost_entries: list[str] = field(default_factory=list)
    #: Exits that were decided and neither reached it nor had become needless.
    lost_exits: list[str] = field(default_factory=list)
    #: Intents that have no signal, or several.
    unsignalled: list[str] = field(default_factory=list)


def rows_of(frames: list[bytes]) -> list[bytes]:
    """Frames split into one per row."""
    split = []
    for frame in frames:
        message = msgspec.json.decode(frame)
        split += [msgspec.json.encode({**message, "data": [row]}) for row in message["data"]]
    return split


def arranged(rows: list[bytes], step: Step) -> list[bytes]:
    order = sorted(range(len(rows)), key=lambda i: step.shuffle[i % 12] if step.shuffle else i)
    return [rows[i] for i in order for _ in range(2 if i in step.twice else 1)]


@asynccontextmanager
async def database(server: tuple[Place, str]) -> AsyncIterator[str]:
    place, template = server
    name = f"story_{next(_databases)}"
    await _execute(place, f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
    try:
        yield dsn(place, name)
    finally:
        await _execute(place, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


async def play(server: tuple[Place, str], story: tuple[Step, ...]) -> Outcome:
    clock = manual_clock()
    with tempfile.TemporaryDirectory() as folder:
        async with database(server) as url, hand_exchange(Path(folder), clock) as exchange:
            pool = await open_pool(url, clock=clock, max_size=4)
            try:
                await register_beat(pool)
                life = Life(exchange, pool, clock)
                await life.start()
                past: dict[int, Mapping[str, Decimal]] = {}
                for place, step in enumerate(story):
                    past[place] = PRICES[place]
                    life = await one_bar(life, place, step, past)
                return await ended(life, url)
            finally:
                pool.terminate()


async def one_bar(
    life: Life, place: int, step: Step, past: Mapping[int, Mapping[str, Decimal]]
) -> Life:
    """Prices move, the bar closes, orders go out, what they cause comes back."""
    exchange = life.exchange
    close_ms = START_MS + (place + 1) * MINUTE
    for symbol in SYMBOLS:
        await exchange.tick(symbol, past[place][symbol], close_ms - 1_000)
    await hear(life, Step(shuffle=step.shuffle, twice=step.twice))
    exchange.market_clock.set(close_ms + 100, close_ms + 100)
    exchange.faults.extend(step.fates)
    life.close(place, past[place])
    if step.killed_before_sending:
        return await reborn(life, step, past)
    if any(fate.startswith("dies") for fate in step.fates):
        await life.supervisor.settle(0.05)
        if life.supervisor._spawned:
            return await reborn(life, step, past)
    await life.quiet()
    exchange.faults.clear()
    if step.cut:
        exchange.take_frames()
        life.disconnect()
        life.connect()
        await life.sweep()
        await life.quiet()
    if step.killed_after is not None:
        await hear(life, step)
        return await reborn(life, step, past)
    await hear(life, step)
    await life.service.protection.check()
    await hear(life, step)
    return life


async def hear(life: Life, step: Step) -> None:
    """Delivers what the exchange has pushed, in the order of the step, until it is silent."""
    while frames := life.exchange.take_frames():
        rows = arranged(rows_of(frames), step)
        for row in rows[: step.killed_after]:
            life.hear(row)
        if step.killed_after is not None:
            return
        await life.quiet()


async def reborn(life: Life, step: Step, past: Mapping[int, Mapping[str, Decimal]]) -> Life:
    exchange = life.exchange
    await life.kill(commits=step.commits)
    exchange.faults.clear()
    exchange.take_frames()
    after = Life(exchange, life.pool, life.clock)
    await after.start(past)
    await hear(after, Step())
    await after.service.protection.check()
    await hear(after, Step())
    return after


async def ended(life: Life, url: str) -> Outcome:
    exchange = life.exchange
    await life.sweep()
    await life.quiet()
    await hear(life, Step())
    await life.sweep()
    await life.stored()
    await exchange.done()
    result = await verify(url, account=ACCOUNT)
    truth = await exchange.truth()
    stored = await life.pool.fetch("SELECT exec_id FROM trading.executions")
    fills = await life.pool.fetchval("SELECT count(*) FROM trading.fills")
    lost = {
        purpose: [row["id"] for row in await life.pool.fetch(DECIDED, kind, exchange.creates)]
        for purpose, kind in (("entry", "enter"), ("exit", "exit"))
    }
    needless = await life.pool.fetch(NEEDLESS)
    outcome = Outcome(
        sha256=result.sha256,
        problems=list(result.problems),
        executions={row["exec_id"] for row in stored},
        truth={row.exec_id for row in truth},
        creates=exchange.creates,
        told=life.beat.fills,
        fills=fills,
        positions={symbol: exchange.position(symbol) for symbol in SYMBOLS},
        held={symbol: life.account.net(symbol) for symbol in SYMBOLS},
        unprotected=[
            symbol
            for symbol in SYMBOLS
            if exchange.position(symbol) and not exchange.open_orders(symbol)
        ],
    )
    outcome.lost_entries = lost["entry"]
    outcome.lost_exits = sorted(set(lost["exit"]) - {row["order_link_id"] for row in needless})
    outcome.unsignalled = [str(row) for row in await life.pool.fetch(UNSIGNALLED)]
    await life.kill()
    return outcome


_calm: dict[int, Outcome] = {}


def calm(server: tuple[Place, str]) -> Outcome:
    """The same bars without anything going wrong."""
    if BARS not in _calm:
        _calm[BARS] = asyncio.run(play(server, (Step(),) * BARS))
    return _calm[BARS]


def test_a_calm_run_trades(postgres_template: tuple[Place, str]) -> None:
    outcome = calm(postgres_template)
    assert not outcome.problems
    assert len(outcome.creates) >= 6
    assert outcome.told == outcome.fills > len(outcome.creates)
    assert outcome.executions == outcome.truth


@pytest.mark.timeout(1_200)
@settings(max_examples=150 if os.environ.get("CI") else 50, deadline=None)
@given(story=st.lists(steps, min_size=BARS - 1, max_size=BARS - 1).map(lambda s: (Step(), *s)))
def test_any_story_ends_in_the_same_books(
    postgres_template: tuple[Place, str], story: tuple[Step, ...]
) -> None:
    expected = calm(postgres_template)
    outcome = asyncio.run(play(postgres_template, story))
    assert outcome.problems == []
    assert outcome.executions == outcome.truth, "every execution once, none invented"
    assert len(set(outcome.creates)) == len(outcome.creates), "no order twice"
    assert outcome.held == outcome.positions
    assert outcome.unprotected == []
    assert outcome.lost_exits == []
    assert outcome.unsignalled == []
    if not outcome.lost_entries:
        assert sorted(outcome.creates) == sorted(expected.creates)
        assert outcome.positions == expected.positions
    if outcome.truth == expected.truth:
        assert outcome.sha256 == expected.sha256
