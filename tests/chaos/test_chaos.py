"""One short run of the harness of faults, as a person starts it; and that a seed is one plan."""

from __future__ import annotations

import json
import subprocess
import sys
from decimal import Decimal

import pytest

from bench.chaos_compare import compare, counts
from bench.chaos_plan import NAMES, Fault, random_plan, single_plan
from bench.chaos_truth import Database, Exchange, Mirror, Row
from bench.chaos_watch import Look, Struck, recovery
from bench.chaos_world import LAYOUT
from tests.conftest import ROOT

MARKETS = LAYOUT.markets


@pytest.mark.timeout(300)
def test_nothing_is_lost_doubled_or_invented_under_faults() -> None:
    command = [sys.executable, "bench/chaos.py", "--seed", "1", "--for", "15s", "--json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    document = json.loads(done.stdout)
    names = ("lost", "doubled", "invented", "double_sends", "mismatches")
    assert {name: document[name] for name in names} == dict.fromkeys(names, 0), document
    assert document["fills"] > 0
    assert document["faults"] > 0
    assert done.returncode == 0, document


def test_a_seed_is_one_plan_and_another_seed_is_another() -> None:
    assert random_plan(7, 48, MARKETS) == random_plan(7, 48, MARKETS)
    assert random_plan(7, 48, MARKETS) != random_plan(8, 48, MARKETS)


def test_all_faults_of_a_plan_end_before_the_quiet() -> None:
    for seed in range(200):
        assert max(fault.end_s for fault in random_plan(seed, 48, MARKETS)) <= 48


def test_thirty_seeds_have_every_kind() -> None:
    drawn = {fault.name for seed in range(1, 31) for fault in random_plan(seed, 48, MARKETS)}
    assert drawn == set(NAMES)
    assert [fault.name for fault in single_plan(1, 12, MARKETS)] == list(NAMES)


# -- the comparison notices -----------------------------------------------------------------------

EXECUTION: Row = {
    "account": "own", "symbol": "BTCUSDT", "exec_id": "e1", "exec_type": "Trade",
    "order_id": "o1", "link_id": "solo-en-000000zz", "side": "Buy", "exec_ms": 5, "seq": 9,
    "is_maker": False, "create_type": "CreateByUser", "order_type": "Market",
    "stop_type": "UNKNOWN", "price": "10", "qty": "2", "value": "20", "fee": "0.01",
    "fee_rate": "0.0005", "leaves_qty": "0", "closed_size": "0", "mark_price": "10", "pnl": "0",
}  # fmt: skip
ORDER: Row = {
    "account": "own", "symbol": "BTCUSDT", "order_id": "o1", "link_id": "solo-en-000000zz",
    "parent_link_id": "", "status": "Filled", "cum_qty": "2",
}  # fmt: skip
POSITION: Row = {
    "account": "own", "symbol": "BTCUSDT", "side": "Buy", "size": "2", "stop_loss": "9",
    "trailing": None,
}  # fmt: skip


def exchange() -> Exchange:
    found = Exchange(orders=[dict(ORDER)])
    found.executions["own", "BTCUSDT", "e1"] = dict(EXECUTION)
    found.positions["own", "BTCUSDT"] = dict(POSITION)
    return found


def database() -> Database:
    row = {**EXECUTION, "order_link_id": EXECUTION["link_id"], "stop_order_type": ""}
    row["exec_pnl"] = None
    order: Row = {
        "account": "own", "order_link_id": ORDER["link_id"], "state": "filled",
        "filled_qty": "2", "exchange_order_id": "o1",
    }  # fmt: skip
    key = ("own", "BTCUSDT", "e1")
    states = {bot.name: "running" for bot in LAYOUT.bots}
    held = {("own", "BTCUSDT", "solo"): Decimal(2)}
    return Database([row], [order], {key: Decimal(2)}, {}, held, states)


def mirror() -> Mirror:
    return Mirror({("solo", "BTCUSDT"): Decimal(2)}, dict(database().states))


def test_what_agrees_is_no_finding() -> None:
    assert compare(exchange(), database(), mirror(), LAYOUT) == []


def test_every_kind_of_difference_is_found() -> None:
    key = ("own", "BTCUSDT", "e1")
    lost = database()
    lost.executions.clear()
    doubled = database()
    doubled.filled[key] = Decimal(4)
    invented = database()
    invented.executions.append({**invented.executions[0], "exec_id": "e2"})
    moved = database()
    moved.positions["own", "BTCUSDT", "solo"] = Decimal(3)
    unfinished = database()
    unfinished.orders[0]["state"] = "open"
    for ours, kind in (
        (lost, "lost"),
        (doubled, "doubled"),
        (invented, "invented"),
        (moved, "mismatches"),
        (unfinished, "mismatches"),
    ):
        assert counts(compare(exchange(), ours, mirror(), LAYOUT))[kind] > 0, kind
    twice = exchange()
    twice.orders.append({**ORDER, "order_id": "o2", "link_id": "solo-en-00000100"})
    assert counts(compare(twice, database(), mirror(), LAYOUT))["double_sends"] == 1
    for first, second, found in ((900, 60_900, 0), (900, 901, 1), (900, 2_000_000, 1)):
        late = database()  # bars that came late, stamped behind what the host has decided meanwhile
        late.orders[0] |= {"order_link_id": "solo-en-00004abk", "decided_ms": first}
        late.orders.append({**late.orders[0], "order_link_id": "solo-en-00004abl"})
        late.orders[1]["decided_ms"] = second
        raised = exchange()
        raised.orders = [
            {**ORDER, "link_id": "solo-en-00004abk"},
            {**ORDER, "link_id": "solo-en-00004abl"},
        ]
        assert counts(compare(raised, late, mirror(), LAYOUT))["double_sends"] == found
    bare = exchange()
    bare.positions["own", "BTCUSDT"]["stop_loss"] = None
    assert counts(compare(bare, database(), mirror(), LAYOUT))["mismatches"] == 1
    stale = mirror()
    stale.positions.clear()
    assert counts(compare(exchange(), database(), stale, LAYOUT))["mismatches"] == 1


def test_recovery_is_the_time_until_it_stays_well() -> None:
    struck = [
        Struck(Fault("a", "redis", 1, 1), 1.0, 2.0),
        Struck(Fault("b", "redis", 6, 0), 6.0, 6.0),
    ]
    looks = [
        Look(place / 2, () if place / 2 not in (2.5, 3.5) else ("own",)) for place in range(20)
    ]
    assert recovery(looks, struck) == {"a": 2.0, "b": 0.0}
    assert recovery([*looks, Look(10.0, None)], struck)["b"] is None
