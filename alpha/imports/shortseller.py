"""ShortSeller's own PostgreSQL: one row per order. Round trips are made of them by the ledger's own
first in, first out; the bot only sells short, so a sell opens and a buy closes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from alpha.core.events import Execution, Side
from alpha.core.lots import BotLots, Touched
from alpha.core.records import RoundTrip
from alpha.imports.found import ZERO, Figures, Fill, Found, Home, Plain, Record, Tally, Trade, one
from alpha.imports.known import Known
from alpha.imports.rows import SourceRow, Tables, ms, shown
from alpha.imports.words import reason_of, word_of

ORDERS, SIGNALS = "trading.trades", "trading.signals"
POSITIONS, BALANCES = "trading.positions", "trading.account_balance"
DAYS = "trading.risk_metrics"
WANTED = (ORDERS, SIGNALS, POSITIONS, BALANCES, DAYS)
_NEEDED = {
    ORDERS: ("id", "symbol", "side", "quantity", "price", "order_id", "status", "timestamp"),
}
_DONE = frozenset({"filled", "executed", "completed", "closed", "done"})
#: The figures of the tables that are kept as they are.
_FIGURES = {
    POSITIONS: (
        *("size", "avg_price", "unrealized_pnl", "realized_pnl", "stop_loss", "take_profit"),
        "leverage",
    ),
    BALANCES: (
        *("total_balance", "available_balance", "total", "available", "equity", "margin_used"),
        "unrealized_pnl",
    ),
    DAYS: (
        *("total_pnl", "max_drawdown", "win_rate", "profit_factor", "sharpe_ratio"),
        *("total_trades", "winning_trades", "losing_trades"),
    ),
    SIGNALS: ("strength", "price"),
}
_SIGNALS = frozenset({"long", "short", "close"})
_ORDER_FIGURES = Figures("quantity", "pnl", ("fees",))


def read_shortseller(tables: Tables, home: Home, known: Known) -> Found:
    """Raises Unreadable for another database, or a value that its column cannot hold."""
    tables.expect("ShortSeller's database", _NEEDED)
    found = Found("shortseller")
    orders: list[_Order] = []

    def read_order(row: SourceRow, tally: Tally) -> None:
        orders.extend(_order(row, found, tally))

    def read_record(row: SourceRow, _: Tally) -> None:
        _record(row, home, orders, found)

    found.take(tables.rows[ORDERS], "id", _ORDER_FIGURES, read_order, home.bot_id)
    orders.sort(key=lambda order: (order.time, order.number))
    books: dict[str, _Shorts] = {}
    for order in orders:
        found.fills.append(order.fill(home))
        books.setdefault(order.symbol, _Shorts(home)).take(order, found)
    for book in books.values():
        book.finish(known, found)
    for table in (SIGNALS, POSITIONS, BALANCES, DAYS):
        key = "date" if table == DAYS else "id"
        found.take(tables.rows.get(table, ()), key, Figures(), read_record, home.bot_id)
    for table, count in sorted(tables.counts.items()):
        if table not in WANTED and count:
            why = "candles: see `alpha data import`" if "market_data" in table else "not imported"
            found.leave_out(table, why, Tally(count))
    told, made = (
        sum((order.pnl or ZERO for order in orders), ZERO),
        sum((trade.net_pnl or ZERO for trade in found.trades), ZERO),
    )
    if told != made:
        found.notes.append(
            f"the orders' own pnl adds up to {told.normalize():f}, their round trips first in, "
            f"first out and after fees to {made.normalize():f}"
        )
    return found


# -- orders ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Order:
    place: str
    number: int
    symbol: str
    side: Side
    qty: Decimal
    price: Decimal
    fee: Decimal
    pnl: Decimal | None
    order_id: str
    #: the exchange's, None where the bot has not kept it
    exchange_order_id: str | None
    reason: str | None
    time: datetime

    @property
    def key(self) -> str:
        return str(self.number)

    def fill(self, home: Home) -> Fill:
        return Fill(
            source_id=self.key,
            home=home,
            symbol=self.symbol,
            side=self.side,
            price=self.price,
            qty=self.qty,
            fee=self.fee,
            time_ms=ms(self.time),
            order_id=self.exchange_order_id,
            client_order_id=self.order_id,
            reason=self.reason,
            quality="estimated",
        )

    def execution(self, home: Home) -> Execution:
        """As the fold takes it; it never leaves this module."""
        return Execution(
            account=home.account,
            symbol=self.symbol,
            exec_id=self.key,
            order_id=self.exchange_order_id or "",
            order_link_id=self.order_id,
            side=self.side,
            exec_type="Trade",
            price=self.price,
            qty=self.qty,
            value=self.price * self.qty,
            fee=self.fee,
            fee_currency="USDT",
            fee_rate=None,
            leaves_qty=ZERO,
            closed_size=None,
            is_maker=False,
            create_type="",
            order_type="",
            stop_order_type="",
            exec_time=ms(self.time),
            seq=self.number,
            source="import",
        )


def _order(row: SourceRow, found: Found, tally: Tally) -> list[_Order]:
    """Nothing for one that was not executed, or cannot have been."""
    number, symbol = row.word("id"), row.symbol()
    if not number.isdecimal():
        raise row.bad("id", "a whole number")
    qty, fee = row.amount("quantity"), row.amount_or_none("fees") or ZERO
    pnl, status = row.amount_or_none("pnl"), word_of(row.text("status"))
    order_id, price = row.word("order_id"), row.amount_or_none("price") or ZERO
    side = word_of(row.text("side"))
    executed = row.moment_or_none("executed_at") or row.moment("timestamp")
    exchange_order_id = row.word_or_none("exchange_order_id")
    why = None
    if status not in _DONE:
        why = f"not executed: its status is {status[:20] or 'unknown'}"
    elif side not in ("buy", "sell"):
        why = "expected a side of buy or sell"
    elif qty <= 0 or price <= 0:
        why = "expected a quantity and a price above 0"
    elif not (found.is_first(ORDERS, number) and found.is_first(ORDERS, f"order {order_id}")):
        why = "the same key as a row before"
    if why is not None:
        found.reject(ORDERS, row.place, shown(number), why, tally)
        return []
    order = _Order(
        place=row.place,
        number=int(number),
        symbol=symbol,
        side="Buy" if side == "buy" else "Sell",
        qty=qty,
        price=price,
        fee=fee,
        pnl=pnl,
        order_id=order_id,
        exchange_order_id=exchange_order_id,
        reason=_strategy(row.text("strategy")) if side == "sell" else None,
        time=executed,
    )
    return [order]


def _strategy(text: str | None) -> str | None:
    return "ema_cross" if word_of(text) == "ema_crossover" else reason_of(text)


@dataclass(slots=True)
class _Shorts:
    """The shorts of one symbol, first in, first out."""

    home: Home
    lots: BotLots = field(init=False)
    open_orders: list[_Order] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.lots = BotLots(self.home.bot_id)

    def take(self, order: _Order, found: Found) -> None:
        touched, row = Touched(), order.execution(self.home)
        if order.side == "Sell":
            self.lots.open(row, -order.qty, order.fee, order.reason or "", touched)
            self.open_orders.append(order)
            return
        closed = min(order.qty, -self.lots.signed_qty)
        if closed < order.qty:
            why = f"buys {(order.qty - closed).normalize():f} more than was sold before"
            found.leave_unpaired(ORDERS, order.place, order.key, why)
        if closed:
            fee = (order.fee * closed / order.qty).quantize(Decimal("0.000000000001"))
            self.lots.close(row, closed, fee, "", touched)
            found.trades += [self._trade(piece) for piece in touched.round_trips]

    def _trade(self, piece: RoundTrip) -> Trade:
        return Trade(
            source_id=f"{piece.entry_exec_id}:{piece.exit_exec_id}",
            home=self.home,
            symbol=piece.symbol,
            side=piece.side,
            quantity=piece.qty,
            entry_price=piece.entry_price,
            exit_price=piece.exit_price,
            entry_ms=piece.entry_time,
            exit_ms=piece.exit_time,
            entry_reason=piece.entry_reason or None,
            exit_reason=None,
            gross_pnl=piece.gross_pnl,
            net_pnl=piece.net_pnl,
            pnl_pct=piece.net_pnl / (piece.entry_price * piece.qty),
            entry_fee=piece.entry_fee,
            exit_fee=piece.exit_fee,
            entry_order_id=piece.entry_order_id or None,
            exit_order_id=piece.exit_order_id or None,
        )

    def finish(self, known: Known, found: Found) -> None:
        """What is still open is a position only if the exchange says so."""
        by_number = {order.key: order for order in self.open_orders}
        for lot in self.lots.lots:
            order = by_number[lot.exec_id]
            if known.confirms(self.home, lot.symbol, self.lots.signed_qty):
                note = "is still open, as the exchange's last word confirms"
                found.notes.append(f"{lot.symbol}: the sale of order row {order.key} {note}")
            else:
                why = "never bought back, and the exchange's last word shows no such position"
                found.leave_unpaired(ORDERS, order.place, order.key, why)


# -- everything else ------------------------------------------------------------------------------


def _record(row: SourceRow, home: Home, orders: Sequence[_Order], found: Found) -> None:
    symbol = row.symbol() if row.table in (SIGNALS, POSITIONS) else None
    key = row.word("date" if row.table == DAYS else "id")
    column = {POSITIONS: "opened_at", DAYS: "date"}.get(row.table, "timestamp")
    at = row.moment_or_none(column)
    values: dict[str, Plain] = {}
    for name in _FIGURES[row.table]:
        if name in row.values:
            value = row.amount_or_none(name)
            values[name] = None if value is None else f"{value.normalize():f}"
    if row.table == SIGNALS:
        values |= _signal(row, at, orders)
    if row.table == POSITIONS:
        side, status = word_of(row.text("side")), word_of(row.text("status"))
        closed = row.moment_or_none("closed_at")
        values["side"] = side if side in ("long", "short") else None
        values["status"] = status if status in ("open", "closed") else None
        values["closed_ms"] = None if closed is None else ms(closed)
    if not found.is_first(row.table, key):
        found.reject(row.table, row.place, shown(key), "the same key as a row before", one())
        return
    table = row.table.partition(".")[2]
    found.records.append(Record(table, key, home, symbol, ms(at) if at else None, values))


def _signal(row: SourceRow, at: datetime | None, orders: Sequence[_Order]) -> dict[str, Plain]:
    """`close` names no direction: it is that of the position which the orders had made by then."""
    kind, executed = word_of(row.text("signal_type")), row.text("executed")
    if kind == "close":
        held = sum(
            (
                order.qty if order.side == "Buy" else -order.qty
                for order in orders
                if order.symbol == row.text("symbol") and at is not None and order.time < at
            ),
            ZERO,
        )
        kind = "close_short" if held < 0 else "close_long" if held > 0 else "close"
    elif kind not in _SIGNALS:
        kind = "other"
    execution = row.word_or_none("execution_id")
    return {
        "signal_type": kind,
        "executed": None if executed is None else executed in ("t", "true", "1"),
        "fill": f"legacy:{execution}" if execution else None,
    }
