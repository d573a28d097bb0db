"""Rows of a small, consistent trade: a buy, and a sell that closes it."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from alpha.core.events import Execution, Side
from alpha.core.records import (
    BookChange,
    Commit,
    DecisionRow,
    Fill,
    FundingPayment,
    Lot,
    Marks,
    OrderRow,
    PositionCycle,
    RoundTrip,
)

T0 = 1_759_305_600_000
PRICE = Decimal("100.5")


def execution(
    exec_id: str,
    ms: int,
    side: Side = "Buy",
    qty: str = "1",
    *,
    account: str = "main",
    symbol: str = "BTCUSDT",
    order_link_id: str = "",
    exec_type: str = "Trade",
    create_type: str = "CreateByUser",
    seq: int = 0,
    fee: str = "0.05",
) -> Execution:
    amount = Decimal(qty)
    return Execution(
        account=account,
        symbol=symbol,
        exec_id=exec_id,
        order_id=f"order-{exec_id}",
        order_link_id=order_link_id,
        side=side,
        exec_type=exec_type,
        price=PRICE,
        qty=amount,
        value=PRICE * amount,
        fee=Decimal(fee),
        fee_currency="USDT",
        fee_rate=Decimal("0.00055"),
        leaves_qty=Decimal(0),
        closed_size=None,
        is_maker=False,
        create_type=create_type,
        order_type="Market",
        stop_order_type="",
        exec_time=ms,
        seq=seq or ms,
        source="stream",
        received_ms=ms + 20,
    )


def fill(row: Execution, bot_id: str, position_after: str, *, leg: int = 1) -> Fill:
    return Fill(
        account=row.account,
        symbol=row.symbol,
        exec_id=row.exec_id,
        bot_id=bot_id,
        leg=leg,
        order_id=row.order_id,
        order_link_id=row.order_link_id,
        side=row.side,
        exec_type=row.exec_type,
        price=row.price,
        qty=row.qty,
        fee=row.fee,
        fee_currency=row.fee_currency,
        effect="entry" if leg else "exit",
        reason="manual_entry" if leg else "manual_exit",
        reason_source="effect",
        attribution="symbol",
        realised=Decimal(0),
        position_after=Decimal(position_after),
        is_maker=row.is_maker,
        exec_time=row.exec_time,
        seq=row.seq,
    )


def lot(row: Execution, bot_id: str, remaining: str) -> Lot:
    left = Decimal(remaining)
    return Lot(
        account=row.account,
        symbol=row.symbol,
        exec_id=row.exec_id,
        bot_id=bot_id,
        side="long",
        entry_price=row.price,
        original_qty=row.qty,
        remaining_qty=left,
        entry_fee=row.fee,
        entry_fee_left=row.fee * left / row.qty,
        funding_left=Decimal(0),
        entry_reason="manual_entry",
        order_id=row.order_id,
        order_link_id="",
        entry_time=row.exec_time,
    )


def cycle(opened: Execution, bot_id: str, size: str, closed: Execution | None) -> PositionCycle:
    return PositionCycle(
        account=opened.account,
        symbol=opened.symbol,
        bot_id=bot_id,
        opened_by=opened.exec_id,
        side="long",
        size=Decimal(size),
        max_size=opened.qty,
        avg_entry_price=opened.price,
        realised_pnl=Decimal(0),
        fees=opened.fee,
        funding=Decimal(0),
        entry_reason="manual_entry",
        exit_reason="manual_exit" if closed else None,
        opened_at=opened.exec_time,
        closed_at=closed.exec_time if closed else None,
    )


def round_trip(entry: Execution, exit_: Execution, bot_id: str) -> RoundTrip:
    return RoundTrip(
        account=entry.account,
        symbol=entry.symbol,
        bot_id=bot_id,
        side="long",
        entry_exec_id=entry.exec_id,
        exit_exec_id=exit_.exec_id,
        qty=exit_.qty,
        entry_price=entry.price,
        exit_price=exit_.price,
        entry_time=entry.exec_time,
        exit_time=exit_.exec_time,
        entry_reason="manual_entry",
        exit_reason="manual_exit",
        gross_pnl=(exit_.price - entry.price) * exit_.qty,
        entry_fee=entry.fee,
        exit_fee=exit_.fee,
        funding=Decimal(0),
        entry_order_id=entry.order_id,
        exit_order_id=exit_.order_id,
        entry_link_id="",
        exit_link_id="",
    )


def entry_commit(row: Execution, bot_id: str = "alpha_001") -> Commit:
    change = BookChange(
        row.account,
        row.symbol,
        executions=(row,),
        fills=(fill(row, bot_id, str(row.qty)),),
        lots=(lot(row, bot_id, str(row.qty)),),
        cycles=(cycle(row, bot_id, str(row.qty), None),),
    )
    return Commit(row.account, change=change, marks=Marks(row.account, row.exec_time, 0))


def exit_commit(entry: Execution, exit_: Execution, bot_id: str = "alpha_001") -> Commit:
    change = BookChange(
        exit_.account,
        exit_.symbol,
        executions=(exit_,),
        fills=(fill(exit_, bot_id, "0", leg=0),),
        lots=(lot(entry, bot_id, "0"),),
        round_trips=(round_trip(entry, exit_, bot_id),),
        cycles=(cycle(entry, bot_id, "0", exit_),),
    )
    return Commit(exit_.account, change=change, marks=Marks(exit_.account, exit_.exec_time, 0))


def funding_commit(row: Execution, bot_id: str = "alpha_001") -> Commit:
    payment = FundingPayment(
        account=row.account,
        symbol=row.symbol,
        exec_id=row.exec_id,
        bot_id=bot_id,
        position=row.qty,
        rate=row.fee_rate,
        amount=-row.fee,
        currency="USDT",
        exec_time=row.exec_time,
        seq=row.seq,
    )
    change = BookChange(row.account, row.symbol, executions=(row,), funding=(payment,))
    return Commit(row.account, change=change)


def order(link_id: str, state: str, *, updated_ms: int = T0, filled: str = "0") -> OrderRow:
    return OrderRow(
        account="main",
        client_order_id=link_id,
        bot_id="alpha_001",
        symbol="BTCUSDT",
        side="Buy",
        purpose="entry",
        reason="entry",
        order_type="Market",
        qty=Decimal(1),
        price=None,
        trigger_price=None,
        reduce_only=False,
        state=state,
        exchange_order_id=None,
        exchange_status=None,
        filled_qty=Decimal(filled),
        avg_fill_price=None,
        reject_code=None,
        reject_reason=None,
        decided_ms=T0,
        sent_ms=None,
        acked_ms=None,
        terminal_ms=None,
        updated_ms=updated_ms,
    )


def decision(ordinal: int, bot_id: str = "alpha_001") -> DecisionRow:
    return DecisionRow(
        account="main",
        bot_id=bot_id,
        ordinal=ordinal,
        event_key=f"close:300000:{T0 + ordinal * 300_000}",
        event_ms=T0 + ordinal * 300_000,
        state_json=f'{{"b":1.0,"a":{ordinal}}}',
        last_stamp=T0 + ordinal,
        cursor_json=f'{{"close": {ordinal}}}',
        intents_json="[]",
    )


def history() -> list[Commit]:
    """A trade, its funding, a second one that is taken back and replaced by a late row, orders
    that move forward and backward, decisions and marks."""
    buy, sell = execution("e1", T0), execution("e2", T0 + 2_000, "Sell")
    funding = execution("f1", T0 + 1_000, exec_type="Funding", create_type="")
    wrong, right = execution("e3", T0 + 5_000), execution("e3b", T0 + 4_000)
    second = entry_commit(right, "beta_001")
    assert second.change is not None
    replaced = replace(second.change, replaced_after_ms=T0 + 2_000)
    taken_back = replace(entry_commit(wrong, "alpha_001"), orders=(order("o1", "open"),))
    return [
        Commit("main", orders=(order("o1", "pending"),), decisions=(decision(1),)),
        entry_commit(buy),
        funding_commit(funding),
        replace(exit_commit(buy, sell), orders=(order("o1", "sent"),)),
        taken_back,
        replace(second, change=replaced, orders=(order("o1", "filled", filled="1"),)),
        Commit("main", orders=(order("o1", "acked"),), decisions=(decision(2), decision(3))),
        Commit("main", marks=Marks("main", T0 + 5_000, T0 + 3_000)),
    ]
