"""Momentum's SQLite file: round trips as the bot saw them, days, events.

Its times are local and name no zone; `Buy` is a long; `pnl_pct` is a fraction; there are no fees,
and an exit price is the last ticker's. Rows that cannot be read are rejected one by one: SQLite
lets anything stand in any column.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import tzinfo
from decimal import Decimal

from alpha.core.events import PositionSide
from alpha.imports.found import Found, Home, Plain, Record, Tally, Trade, one
from alpha.imports.known import Known
from alpha.imports.rows import BadValue, SourceRow, Tables, ms, shown
from alpha.imports.words import reason_of, word_of
from alpha.imports.zones import LocalTimes
from alpha.ledger.registry import Mode

TRADES, DAYS, EVENTS, RISKS = "trades", "daily_snapshots", "system_events", "risk_events"
#: The tables, and the columns that they must have. Only the first must be there.
WANTED: Mapping[str, tuple[str, ...]] = {
    TRADES: (
        *("trade_id", "mode", "symbol", "side", "entry_time", "entry_price", "exit_time"),
        *("exit_price", "quantity", "pnl_usd", "pnl_pct", "exit_reason", "created_at"),
    ),
    DAYS: ("date",),
    EVENTS: ("id", "event_time", "event_type", "created_at"),
    RISKS: ("id", "event_time", "risk_type", "created_at"),
}
_LONGS, _SHORTS = frozenset({"buy", "long"}), frozenset({"sell", "short"})
_EVENT_TYPES = frozenset(
    {
        *("system_start", "system_stop", "error", "warning", "info", "trade", "order", "test"),
        *("bot_start", "bot_stop", "config_change", "risk_breach"),
    }
)
_LEVELS = frozenset({"debug", "info", "warning", "error", "critical"})
_RISKS = frozenset({"daily_loss_limit", "weekly_loss_limit", "monthly_loss_limit", "drawdown"})
#: What an action says, by the first of these words in it.
_ACTIONS = {
    "halt": "halt",
    "stop": "halt",
    "flatten": "flatten",
    "close": "flatten",
    "reduce": "reduce",
    "block": "block_entries",
    "pause": "block_entries",
    "warn": "warn",
    "alert": "warn",
}
_DAY_FIGURES = (
    *("starting_equity", "ending_equity", "daily_pnl", "daily_pnl_pct", "trades_count"),
    *("wins_count", "losses_count", "open_positions"),
)
_TRADE_FIGURES = ("position_size_usd", "stop_loss", "take_profit", "signal_strength")
#: A percentage where a fraction should be is a hundred times the profit over the entry value.
_PERCENT_FROM = Decimal(50)
_NOT_HELD = "still open in the source, and the exchange's last word shows no such position"


def read_momentum(
    tables: Tables, home: Home, zone: tzinfo | None, known: Known, mode: Mode
) -> Found:
    """Raises Unreadable for another file, or when nothing tells the zone of its times."""
    tables.expect("Momentum's database", {TRADES: WANTED[TRADES]})
    for table in (DAYS, EVENTS, RISKS):
        if table in tables.columns:
            tables.expect("Momentum's database", {table: WANTED[table]})
    times = LocalTimes(zone)
    times.learn(tables.rows[TRADES], "entry_time")
    for table in (EVENTS, RISKS):
        times.learn(tables.rows.get(table, ()), "event_time")
    reader = _Reader(home, times, known, mode, Found("momentum"))
    reader.take(tables)
    found = reader.found
    found.notes += times.notes()
    if any(trade.net_pnl is not None for trade in found.trades):
        found.notes.append("the source records no fees: its PnL is before them")
    return found


@dataclass(frozen=True, slots=True)
class _Reader:
    home: Home
    times: LocalTimes
    known: Known
    mode: Mode
    found: Found

    def take(self, tables: Tables) -> None:
        readers = {
            TRADES: self._trade,
            DAYS: self._day,
            EVENTS: self._event,
            RISKS: self._risk,
        }
        for table, read in readers.items():
            for row in tables.rows.get(table, ()):
                tally, symbol = _seen(row)
                self.found.saw(table, self.home.bot_id, symbol, tally)
                try:
                    why = read(row)
                except BadValue as error:
                    why = error.what
                if why is not None:
                    key = shown(row.text("trade_id") or row.text("date") or row.text("id"))
                    self.found.reject(table, row.place, key, why, tally)

    # Each returns why the row cannot be taken, or None.

    def _trade(self, row: SourceRow) -> str | None:
        key, mode = row.word("trade_id"), word_of(row.text("mode"))
        if self.mode not in ("paper", mode):
            return f"traded in mode {mode or 'unknown'}, the database is of mode {self.mode}"
        if not self.found.is_first(TRADES, key):
            return "the same key as a row before"
        side, quantity, symbol = _side(row), row.amount("quantity"), row.symbol()
        if quantity <= 0:
            return "expected a quantity above 0"
        entered = self.times.moment(row, "entry_time")
        entry_price = row.amount("entry_price")
        if row.text("exit_time") in (None, ""):
            return self._open(row, key, side, quantity)
        left, exit_price = self.times.moment(row, "exit_time"), row.amount_or_none("exit_price")
        if left < entered:
            return "expected an exit after the entry"
        net = row.amount_or_none("pnl_usd")
        self.found.trades.append(
            Trade(
                source_id=key,
                home=self.home,
                symbol=symbol,
                side=side,
                quantity=quantity,
                entry_price=entry_price,
                exit_price=exit_price,
                entry_ms=ms(entered),
                exit_ms=ms(left),
                entry_reason=None,
                exit_reason=_exit_reason(row, side, entry_price, exit_price),
                gross_pnl=net,
                net_pnl=net,
                pnl_pct=_fraction(row.share_or_none("pnl_pct"), net, entry_price * quantity),
            )
        )
        self._figures(row, key, symbol, ms(entered))
        return None

    def _open(self, row: SourceRow, key: str, side: PositionSide, quantity: Decimal) -> str | None:
        """Only as far as the exchange confirms it. Its key leaves room for the closed trade."""
        symbol = row.symbol()
        signed = quantity if side == "long" else -quantity
        if not self.known.confirms(self.home, symbol, signed):
            return _NOT_HELD
        entered = ms(self.times.moment(row, "entry_time"))
        self.found.trades.append(
            Trade(
                source_id=f"open:{key}",
                home=self.home,
                symbol=symbol,
                side=side,
                quantity=quantity,
                entry_price=row.amount("entry_price"),
                exit_price=None,
                entry_ms=entered,
                exit_ms=None,
                entry_reason=None,
                exit_reason=None,
                gross_pnl=None,
                net_pnl=None,
                pnl_pct=None,
            )
        )
        return None

    def _figures(self, row: SourceRow, key: str, symbol: str, at_ms: int) -> None:
        """What the bot planned with; a value that cannot be read is not worth the trade."""
        values: dict[str, Plain] = {"mode": word_of(row.text("mode"))[:20]}
        for name in _TRADE_FIGURES:
            try:
                values[name] = _plain(row.amount_or_none(name))
            except BadValue:
                values[name] = None
        if any(value is not None for name, value in values.items() if name != "mode"):
            self.found.records.append(Record(TRADES, key, self.home, symbol, at_ms, values))

    def _day(self, row: SourceRow) -> str | None:
        day = row.moment("date")
        key = day.date().isoformat()
        if not self.found.is_first(DAYS, key):
            return "the same day as a row before"
        values: dict[str, Plain] = {name: _plain(row.amount_or_none(name)) for name in _DAY_FIGURES}
        self._keep(DAYS, key, ms(day), values)
        return None

    def _event(self, row: SourceRow) -> str | None:
        """When, and of what kind. Not what it says."""
        kind, level = word_of(row.text("event_type")), word_of(row.text("event_level"))
        values: dict[str, Plain] = {
            "event_type": kind if kind in _EVENT_TYPES else "other",
            "event_level": level if level in _LEVELS else None,
        }
        return self._event_record(EVENTS, row, values)

    def _risk(self, row: SourceRow) -> str | None:
        kind, action = word_of(row.text("risk_type")), word_of(row.text("action_taken"))
        values: dict[str, Plain] = {
            "risk_type": kind if kind in _RISKS else "other",
            "current_value": _plain(row.amount_or_none("current_value")),
            "limit_value": _plain(row.amount_or_none("limit_value")),
            "action": next((_ACTIONS[word] for word in _ACTIONS if word in action), "other"),
        }
        return self._event_record(RISKS, row, values)

    def _event_record(self, table: str, row: SourceRow, values: dict[str, Plain]) -> str | None:
        at = self.times.moment(row, "event_time")
        key = f"{row.word('id')}:{ms(at)}"
        if not self.found.is_first(table, key):
            return "the same key as a row before"
        self._keep(table, key, ms(at), values)
        return None

    def _keep(self, table: str, key: str, at_ms: int, values: dict[str, Plain]) -> None:
        self.found.records.append(Record(table, key, self.home, None, at_ms, values))


def _seen(row: SourceRow) -> tuple[Tally, str]:
    """What a row adds up to, as far as it can be read, and its symbol."""
    try:
        symbol = row.symbol() if "symbol" in row.values else ""
    except BadValue:
        symbol = "?"
    return one(row.figure("quantity"), row.figure("pnl_usd")), symbol


def _side(row: SourceRow) -> PositionSide:
    word = word_of(row.text("side"))
    if word in _LONGS:
        return "long"
    if word in _SHORTS:
        return "short"
    raise row.bad("side", "Buy or Sell")


def _exit_reason(
    row: SourceRow, side: PositionSide, entry: Decimal, exit_price: Decimal | None
) -> str | None:
    """A stop on the exchange that closed with a gain had been moved behind the price."""
    reason = reason_of(row.text("exit_reason"))
    if word_of(row.text("exit_reason")) != "exchange_stop_loss" or exit_price is None:
        return reason
    gained = exit_price > entry if side == "long" else exit_price < entry
    return "trailing_stop" if gained else reason


def _fraction(given: Decimal | None, net: Decimal | None, value: Decimal) -> Decimal | None:
    """The source's fraction; a percentage in its place, which some versions wrote, divided."""
    if given is None or not net or not value:
        return given
    return given / 100 if abs(given * value / net) > _PERCENT_FROM else given


def _plain(value: Decimal | None) -> str | None:
    return None if value is None else f"{value.normalize():f}"
