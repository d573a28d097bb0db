"""Private frames out of the exchange's emissions (V5 "Websocket Stream", Private)."""

from __future__ import annotations

from collections.abc import Iterable

from alpha.sim import rows
from alpha.sim.hub import Hub, encode
from alpha.sim.model import Emission, Execution, Kind, Order, PositionView, Row, WalletView

TOPICS = frozenset(
    {
        *("order", "execution", "position", "wallet"),
        *("order.linear", "execution.linear", "position.linear"),
        *("execution.fast", "execution.fast.linear"),
        *("dcp.future", "dcp.spot", "dcp.option"),
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
            for topic in TOPICS_OF[emission.kind]:
                if topic in session.topics:
                    if topic not in built:
                        built[topic] = private_frame(topic, emission, numbers[emission.account])
                    if built[topic]:
                        session.push(topic, built[topic])


def conflicting(topic: str, others: Iterable[str]) -> bool:
    """True where the same kind of event would come twice: all-in-one beside categorised."""
    other = topic.removesuffix(".linear") if topic.endswith(".linear") else f"{topic}.linear"
    return other in others


TOPICS_OF: dict[Kind, tuple[str, ...]] = {
    "order": ("order", "order.linear"),
    # The fast topic first, as its name says.
    "execution": ("execution.fast", "execution.fast.linear", "execution", "execution.linear"),
    "position": ("position", "position.linear"),
    "wallet": ("wallet",),
}


def private_frame(topic: str, emission: Emission, number: int) -> bytes:
    """The frame of an emission; empty where the fast topic has nothing to say of it."""
    first = emission.rows[0]
    if topic.startswith("execution.fast"):
        data = [
            rows.fast_row(row)
            for row in emission.rows
            if isinstance(row, Execution) and row.exec_type == "Trade"
        ]
        if not data:
            return b""
        return encode({"topic": topic, "creationTime": emission.ms, "data": data})
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
