"""Private frames out of the exchange's emissions (V5 "Websocket Stream", Private)."""

from __future__ import annotations

from collections.abc import Iterable

from alpha.sim import rows
from alpha.sim.hub import Hub, encode
from alpha.sim.model import Emission, Execution, Order, PositionView, Row, WalletView

TOPICS = frozenset(
    {
        *("order", "execution", "position", "wallet"),
        *("order.linear", "execution.linear", "position.linear"),
        "dcp.future",
        "greeks",
    }
)


def publish_private(hub: Hub, emissions: Iterable[Emission], numbers: dict[str, int]) -> None:
    """Sends each emission to its account's listeners, under the name that they subscribed."""
    for emission in emissions:
        listeners = hub.private.get(emission.account)
        if not listeners:
            continue
        built: dict[str, bytes] = {}
        for session in listeners:
            for topic in (emission.kind, f"{emission.kind}.linear"):
                if topic in session.topics:
                    if topic not in built:
                        built[topic] = private_frame(topic, emission, numbers[emission.account])
                    session.push(topic, built[topic])


def private_frame(topic: str, emission: Emission, number: int) -> bytes:
    first = emission.rows[0]
    return encode(
        {
            "id": envelope_id(topic, first, number, emission.ms),
            "topic": topic,
            "creationTime": emission.ms,
            "data": [wire_row(row) for row in emission.rows],
        }
    )


def envelope_id(topic: str, row: Row, number: int, ms: int) -> str:
    if isinstance(row, Execution):
        return f"{number}_{row.symbol}_{row.seq}"
    if isinstance(row, Order):
        return f"{number}_{row.symbol}_{row.order_id[:8]}_{ms}"
    return f"{number}_{topic}_{ms}"


def wire_row(row: Row) -> rows.WireRow:
    if isinstance(row, Execution):
        return rows.execution_row(row)
    if isinstance(row, Order):
        return rows.order_row(row)
    if isinstance(row, PositionView):
        return rows.position_row(row)
    assert isinstance(row, WalletView)
    return rows.wallet_row(row)
