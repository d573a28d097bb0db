"""Our rows beside recorded and documented ones: same fields, same JSON types."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from alpha.sim import frames, rows
from alpha.sim.model import Emission, Execution, Kind, Order
from alpha.sim.rest_market import instrument_row
from tests.sim.pure import ACCOUNT, COIN, SPEC, Bench, D

VECTORS = Path(__file__).parents[1] / "vectors" / "bybit"

# The order row of a resting limit order as recorded on the wire (2026-10, order.linear).
RECORDED_ORDER = (
    "category symbol orderId orderLinkId blockTradeId side positionIdx orderStatus cancelType "
    "rejectReason timeInForce isLeverage price qty avgPrice leavesQty leavesValue cumExecQty "
    "cumExecValue cumExecFee orderType stopOrderType orderIv triggerPrice takeProfit stopLoss "
    "triggerBy tpTriggerBy slTriggerBy triggerDirection placeType lastPriceOnCreated "
    "closeOnTrigger reduceOnly smpGroup smpType smpOrderId slLimitPrice tpLimitPrice tpslMode "
    "createType marketUnit createdTime updatedTime feeCurrency closedPnl parentOrderLinkId "
    "slippageTolerance slippageToleranceType cumFeeDetail rpiTakerAccess rpiMatchedQty"
)
# The execution row beside it (execution.linear).
RECORDED_EXECUTION = (
    "category symbol closedSize execFee execId execPrice execQty execType execValue feeRate "
    "tradeIv markIv blockTradeId markPrice indexPrice underlyingPrice leavesQty orderId "
    "orderLinkId orderPrice orderQty orderType stopOrderType side execTime isLeverage isMaker "
    "seq marketUnit execPnl createType extraFees feeCurrency"
)


def told(kind: Kind) -> list[dict[str, Any]]:
    """Rows of a topic out of a short day with a stop, a fill and a funding payment."""
    bench = Bench()
    bench.create("Buy", "1", stop_loss="97", link_id="a")
    bench.exchange.funding(COIN, D("0.0001"), bench.ms)
    bench.changes.append(bench.exchange.take_changes())
    bench.tick("96", "Sell")
    found: list[dict[str, Any]] = []
    for changes in bench.changes:
        for emission in changes.emissions:
            if emission.kind == kind:
                frame = json.loads(frames.private_frame(kind, emission, 1))
                assert frame["id"] and frame["topic"] == kind
                found += frame["data"]
    assert found
    return found


def test_order_rows_have_exactly_the_recorded_fields() -> None:
    for row in told("order"):
        assert sorted(row) == sorted(RECORDED_ORDER.split())


def test_execution_rows_have_exactly_the_recorded_fields() -> None:
    for row in told("execution"):
        assert sorted(row) == sorted(RECORDED_EXECUTION.split())


@pytest.mark.parametrize(
    ("vector", "kind", "absent"),
    [
        ("ws_account_execution", "execution", set()),
        # A string in accounts with a group for self-match prevention, a number without one.
        ("ws_account_order", "order", {"smpGroup"}),
        ("ws_account_order_filled", "order", {"smpGroup"}),
        ("ws_account_order_stop_market", "order", {"smpGroup"}),
        ("ws_account_position", "position", set()),
        ("ws_account_wallet", "wallet", {"totalPerpUpl"}),
    ],
)
def test_socket_rows_know_every_field_of_the_vectors(
    vector: str, kind: Kind, absent: set[str]
) -> None:
    recorded = json.loads((VECTORS / f"{vector}.json").read_text())["data"][0]
    for row in told(kind):
        for name, value in recorded.items():
            if name not in absent:
                assert name in row, name
                assert type(row[name]) is type(value), name


@pytest.mark.parametrize("vector", ["http_get_positions", "http_get_executions"])
def test_rest_rows_know_every_field_of_the_vectors(vector: str) -> None:
    recorded = json.loads((VECTORS / f"{vector}.json").read_text())["result"]["list"][0]
    bench = Bench()
    _, changes = bench.create("Buy", "1")
    ours: dict[str, rows.WireRow] = {
        "http_get_positions": rows.position_rest_row(
            bench.exchange.state.position_view(ACCOUNT, COIN)
        ),
        "http_get_executions": rows.execution_rest_row(changes.executions[0]),
    }
    for name, value in recorded.items():
        assert type(ours[vector][name]) is type(value), name


def test_instruments_know_every_field_of_the_vectors() -> None:
    document = json.loads((VECTORS / "http_get_instruments_linear.json").read_text())
    row = instrument_row(SPEC, "Trading", 1)
    for name, value in document["result"]["list"][0].items():
        assert type(row[name]) is type(value), name
        if isinstance(value, dict):
            inner = row[name]
            assert isinstance(inner, dict) and set(value) <= set(inner), name


def test_rest_and_socket_differ_where_the_recordings_do() -> None:
    bench = Bench()
    order, changes = bench.create("Buy", "1", price="99")
    assert rows.order_row(order)["avgPrice"] == "0"
    assert rows.order_rest_row(order)["avgPrice"] == ""
    bench.exchange.cancel(ACCOUNT, COIN, order.order_id, "", bench.ms)
    assert rows.order_row(order)["leavesQty"] == "0"
    assert rows.order_rest_row(order)["leavesQty"] == ""
    assert rows.order_row(order)["tpslMode"] == "UNKNOWN"
    assert rows.order_rest_row(order)["tpslMode"] == ""
    _, changes = bench.create("Buy", "1")
    fill = next(iter(changes.executions))
    assert isinstance(fill, Execution)
    assert rows.execution_row(fill)["extraFees"] == []
    rest = rows.execution_rest_row(fill)
    assert rest["extraFees"] == "" and not {"category", "execPnl", "isLeverage"} & set(rest)


@pytest.mark.parametrize(
    ("value", "shown"),
    [("1E+3", "1000"), ("0.10", "0.1"), ("-0.00", "0"), ("1E-8", "0.00000001"), ("5", "5")],
)
def test_numbers_are_plain_decimal_strings(value: str, shown: str) -> None:
    assert rows.text(Decimal(value)) == shown


def test_one_frame_carries_its_emission_whole() -> None:
    bench = Bench()
    _, changes = bench.create("Buy", "5")
    for emission in changes.emissions:
        assert isinstance(emission, Emission)
        frame = json.loads(frames.private_frame(emission.kind, emission, 7))
        assert len(frame["data"]) == len(emission.rows)
        assert frame["creationTime"] == emission.ms and frame["id"].startswith("7_")
    assert any(isinstance(row, Order) for e in changes.emissions for row in e.rows)
