"""Frames that nobody expects: what they may change, and what follows from them."""

from __future__ import annotations

import json
from decimal import Decimal

from structlog.testing import capture_logs

from alpha.bybit.stream import StreamState
from alpha.core.records import MANUAL
from tests.trading.life import ACCOUNT, BOT, Life
from tests.trading.test_faults import BTC, enter, hear


def execution_frame(life: Life, **changes: object) -> bytes:
    row = {
        "category": "linear",
        "symbol": BTC,
        "execId": "odd-1",
        "orderId": "order-of-nobody",
        "orderLinkId": "",
        "side": "Buy",
        "execPrice": "100",
        "execQty": "1",
        "execValue": "100",
        "execFee": "0.05",
        "execType": "Trade",
        "createType": "CreateByUser",
        "execTime": str(life.exchange.now_ms),
        "seq": 10**12,
    }
    frame = {"topic": "execution.linear", "creationTime": 1, "data": [{**row, **changes}]}
    return json.dumps(frame).encode()


async def test_an_execution_of_an_unknown_type_is_kept_apart_and_the_position_asked_anew(
    life: Life,
) -> None:
    await enter(life)
    await hear(life)
    held, told, gaps = life.account.positions(BOT), life.beat.fills, life.account.gaps
    assert held
    with capture_logs() as logs:
        life.hear(execution_frame(life, execType="SomethingNew", execQty="7"))
    alerts = [line for line in logs if line["event"] == "unknown_execution_type"]
    assert [(line["log_level"], line["exec_type"]) for line in alerts] == [
        ("critical", "SomethingNew")
    ]
    assert (life.account.positions(BOT), life.beat.fills) == (held, told)
    assert life.account.positions(MANUAL) == {}

    life.exchange.asked.clear()
    life.service.recovery.comparison.compare()
    assert life.account.gaps == gaps + 1
    await life.sweep()
    assert any("/v5/position/list" in asked for asked in life.exchange.asked)
    await life.stored()
    kept = await life.pool.fetch(
        "SELECT exec_type FROM trading.executions WHERE account = $1 AND exec_id = 'odd-1'", ACCOUNT
    )
    assert [row["exec_type"] for row in kept] == ["SomethingNew"]
    assert life.account.positions(BOT) == held


async def test_a_frame_for_a_symbol_nobody_trades_changes_only_manual(life: Life) -> None:
    await enter(life)
    await hear(life)
    held, told, orders = life.account.positions(BOT), life.beat.fills, life.session.orders
    with capture_logs() as logs:
        life.hear(execution_frame(life, symbol="DOGEUSDT"))
    await life.quiet()
    assert life.account.positions(BOT) == held
    assert (life.beat.fills, life.session.orders) == (told, orders)
    assert {s: p.signed_qty for s, p in life.account.positions(MANUAL).items()} == {"DOGEUSDT": 1}
    assert "manual_trade" in {line["event"] for line in logs}


async def test_a_bots_stop_that_closes_what_a_person_has_added_leaves_both_flat(life: Life) -> None:
    """The exchange knows one position: a stop that came with the bot's entry closes all of it."""
    await enter(life)
    await hear(life)
    held = life.account.positions(BOT)[BTC].signed_qty
    now = life.exchange.now_ms
    await life.exchange.trade(BTC, "Buy", Decimal(2), now + 1_000)
    await hear(life)
    assert life.exchange.position(BTC) == held + 2
    await life.service.protection.check()
    await hear(life)
    creates = len(life.exchange.creates)
    await life.exchange.tick(BTC, Decimal(80), now + 2_000)
    await hear(life)
    assert life.exchange.position(BTC) == 0
    await life.service.protection.check()
    await life.quiet()
    assert (life.account.positions(BOT), life.account.positions(MANUAL)) == ({}, {})
    assert len(life.exchange.creates) == creates, "nothing is left to close or to protect"
    await life.stored()
    rows = await life.pool.fetch(
        "SELECT bot_id, close_reason, attribution, sum(exec_qty) FROM trading.fills"
        " WHERE symbol = $1 AND effect = 'exit' GROUP BY 1, 2, 3 ORDER BY 1",
        BTC,
    )
    assert [tuple(row) for row in rows] == [
        (BOT, "stop_loss", "parent", held),
        (MANUAL, "stop_loss", "open_lot", 2),
    ]


async def test_a_private_frame_that_cannot_be_read_is_a_gap(life: Life) -> None:
    gaps = life.account.gaps
    life.service.on_state(StreamState("malformed", "execPrice: expected a decimal number"))
    assert life.account.gaps == gaps + 1
    assert life.account.live, "bots go on; the sweep brings what may be missing"
    await life.sweep()
