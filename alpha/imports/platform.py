"""The earlier platform's PostgreSQL: its fills and round trips, with what is wrong in them put
right or left behind.

* Its round trips took the closing order's side for the position's: a row written by the mapper
  (`trade_id` is `<bot>_<SYMBOL>_<ms>`) has its side turned. Its entry time is the closing order's
  creation: unknown where the two are at most a second apart, approximate else.
* Its fills hold funding payments, the bots' own guesses beside what the exchange reported, tests,
  and executions of a bot `unknown`.
* Positions, orders, lots and the log of its sync are not looked at: the last holds key ids.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Literal

from alpha.core.events import PositionSide, Side
from alpha.imports.found import ZERO, Figures, Fill, Found, Home, Plain, Record, Tally, Trade
from alpha.imports.homes import Homes
from alpha.imports.rows import SourceRow, Tables, ms, shown
from alpha.imports.words import EXTERNAL, is_test, reason_of, word_of
from alpha.ledger.registry import Mode

BOTS, FILLS, TRADES = "trading.bots", "trading.fills", "trading.completed_trades"
#: What is read at all.
WANTED = (BOTS, FILLS, TRADES)
_NEEDED = {
    BOTS: ("bot_id",),
    FILLS: (
        *("id", "bot_id", "symbol", "order_id", "client_order_id", "side"),
        *("exec_price", "exec_qty", "exec_time", "commission"),
    ),
}
_TRADE_COLUMNS = (
    *("trade_id", "bot_id", "symbol", "entry_side", "entry_price", "entry_qty", "entry_time"),
    *("exit_price", "exit_time", "net_pnl"),
)
#: Why tables are left where they are.
_NOT_IMPORTED = {
    "trading.positions": "the ledger has its own",
    "trading.orders": "the exchange has them",
    "trading.position_entries": "the ledger has its own",
    "trading.sync_status": "holds error texts of another system",
}
FUNDING, TEST = "a funding payment, not a trade", "a test's order"
TWIN = "a bot's note of what the exchange reported itself"
BY_HAND = "made by hand, with quantities that are wrong"
NO_BOT = "its bot is not in the settings"

_MAPPED = re.compile(r".+_[A-Z0-9]+_[0-9]{9,}")
_SHORTSELLERS = frozenset({"BTCUSDT", "ETHUSDT", "SOLUSDT"})
_UNKNOWN = "unknown"
_SAME_KEY = "the same key as a row before"
_FILL_FIGURES = Figures("exec_qty", fees=("commission",))
_TRADE_FIGURES = Figures("entry_qty", "net_pnl", ("entry_commission", "exit_commission"))
_TWIN_WITHIN = timedelta(seconds=5)
_NO_HOLD = timedelta(seconds=1)


def read_platform(tables: Tables, homes: Homes, mode: Mode) -> Found:
    """Rows of another mode than the database's are rejected, except in paper.

    Raises Unreadable for another database, or a value that its column cannot hold."""
    tables.expect("a database of the earlier platform", _NEEDED)
    if TRADES in tables.columns:
        tables.expect("a database of the earlier platform", {TRADES: _TRADE_COLUMNS})
    found = Found("platform")
    owners = _Owners(homes, mode, _modes(tables.rows[BOTS]))
    found.take(tables.rows[BOTS], "bot_id", Figures(), partial(_bot, owners, found))
    _Fills(owners, found).take(tables.rows[FILLS])
    trades = tables.rows.get(TRADES, ())
    found.take(trades, "trade_id", _TRADE_FIGURES, partial(_trade, owners, found))
    odd = sum(
        trade.gross_pnl is not None
        and trade.gross_pnl - trade.entry_fee - trade.exit_fee != trade.net_pnl
        for trade in found.trades
    )
    if odd:
        found.notes.append(
            f"net PnL is kept as the source has it where it is not gross less fees: {odd}"
        )
    if found.moved:
        found.notes.append(f"round trips of ShortSeller in altcoins are LXAlgo's: {found.moved}")
    for table, count in sorted(tables.counts.items()):
        if table not in WANTED and count:
            found.leave_out(table, _NOT_IMPORTED.get(table, "not imported"), Tally(count))
    return found


def _modes(rows: Iterable[SourceRow]) -> dict[str, str]:
    """In which mode each bot traded, as far as the source says."""
    return {row.text("bot_id") or "": word_of(row.text("deployment_mode")) for row in rows}


@dataclass(frozen=True, slots=True)
class _Owners:
    """Whose a row is: by the bot that it names, or by its symbol."""

    homes: Homes
    mode: Mode
    modes: Mapping[str, str]

    def of(self, bot: str, symbol: str | None = None) -> Home | str:
        """The home, or why there is none."""
        modes = {self.modes[bot]} if bot in self.modes else set(self.modes.values())
        if self.mode != "paper" and modes - {self.mode, ""}:
            return f"traded in mode {min(modes)[:20]}, the database is of mode {self.mode}"
        by_symbol = symbol is not None and (bot == _UNKNOWN or is_others(bot, symbol))
        found = self.homes.running(_owner_of(symbol or "")) if by_symbol else self.homes.of_id(bot)
        return found or NO_BOT


def is_others(bot: str, symbol: str) -> bool:
    """ShortSeller trades three coins; what stands under its name in others is LXAlgo's."""
    return bot.startswith("shortseller") and symbol not in _SHORTSELLERS


def _bot(owners: _Owners, found: Found, row: SourceRow, tally: Tally) -> None:
    """Its capital and equity as the platform knew them; the registry keeps its own."""
    bot_id = row.word("bot_id")
    home = owners.of(bot_id)
    if is_test(bot_id):
        found.leave_out(BOTS, TEST, tally)
    elif isinstance(home, str):
        found.reject(BOTS, row.place, shown(bot_id), home, tally)
    else:
        money = ("initial_capital", "current_equity")
        values: dict[str, Plain] = {"bot_id": bot_id}
        values |= {name: _plain(row.amount_or_none(name)) for name in money}
        created = row.moment_or_none("created_at")
        at_ms = ms(created) if created else None
        if found.is_first(BOTS, bot_id):
            found.records.append(Record("bots", bot_id, home, None, at_ms, values))
        else:
            found.reject(BOTS, row.place, shown(bot_id), _SAME_KEY, tally)


def _plain(value: Decimal | None) -> str | None:
    return None if value is None else f"{value.normalize():f}"


# -- fills ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Row:
    """A fill of the platform. Whole milliseconds are the exchange's, microseconds a bot's own."""

    place: str
    key: str
    bot: str
    symbol: str
    side: Side
    price: Decimal
    qty: Decimal
    fee: Decimal
    time: datetime
    order_id: str | None
    client_order_id: str | None
    reason: str | None
    is_test: bool
    tally: Tally

    @property
    def is_funding(self) -> bool:
        on_the_hour = not (self.time.minute or self.time.second or self.time.microsecond)
        return on_the_hour and not self.client_order_id

    @property
    def is_bots_own(self) -> bool:
        return self.time.microsecond % 1000 != 0


@dataclass(frozen=True, slots=True)
class _Fills:
    owners: _Owners
    found: Found

    def take(self, source: Iterable[SourceRow]) -> None:
        rows: list[_Row] = []

        def read(given: SourceRow, tally: Tally) -> None:
            row = _fill_row(given, tally)
            if row.is_test:
                self.found.leave_out(FILLS, TEST, tally)
            elif row.is_funding:
                self.found.leave_out(FILLS, FUNDING, tally)
            else:
                rows.append(row)

        self.found.take(source, "id", _FILL_FIGURES, read)
        reported = _Reported([row for row in rows if not row.is_bots_own])
        for row in rows:
            if row.is_bots_own and reported.has(row):
                self.found.leave_out(FILLS, TWIN, row.tally)
            else:
                self._keep(row)
        free = sum(not fill.fee for fill in self.found.fills)
        if free:
            self.found.notes.append(
                f"no commission is recorded in the source for {free} of the fills"
            )

    def _keep(self, row: _Row) -> None:
        home = self.owners.of(row.bot, row.symbol if row.bot == _UNKNOWN else None)
        if isinstance(home, str):
            self.found.reject(FILLS, row.place, row.key, home, row.tally)
        elif row.qty <= 0 or row.price <= 0:
            why = "expected a quantity and a price above 0"
            self.found.reject(FILLS, row.place, row.key, why, row.tally)
        elif not self.found.is_first(FILLS, row.key):
            self.found.reject(FILLS, row.place, row.key, _SAME_KEY, row.tally)
        else:
            quality: Literal["exchange", "estimated"]
            quality = "estimated" if row.is_bots_own else "exchange"
            self.found.fills.append(
                Fill(
                    source_id=row.key,
                    home=home,
                    symbol=row.symbol,
                    side=row.side,
                    price=row.price,
                    qty=row.qty,
                    fee=row.fee,
                    time_ms=ms(row.time),
                    order_id=row.order_id,
                    client_order_id=row.client_order_id,
                    reason=row.reason,
                    quality=quality,
                )
            )


def _owner_of(symbol: str) -> str:
    """While all bots shared an account: BTC, ETH and SOL were ShortSeller's, the rest LXAlgo's."""
    return "shortseller" if symbol in _SHORTSELLERS else "lxalgo"


def _fill_row(row: SourceRow, tally: Tally) -> _Row:
    return _Row(
        place=row.place,
        key=row.word("id"),
        bot=row.word("bot_id"),
        symbol=row.symbol(),
        side=_side(row, "side"),
        price=row.amount("exec_price"),
        qty=row.amount("exec_qty"),
        fee=row.amount("commission"),
        time=row.moment("exec_time"),
        order_id=row.word_or_none("order_id"),
        client_order_id=row.word_or_none("client_order_id"),
        reason=reason_of(row.text("close_reason")),
        is_test=any(
            is_test(row.text(name)) for name in ("bot_id", "client_order_id", "close_reason")
        ),
        tally=tally,
    )


def _side(row: SourceRow, column: str) -> Side:
    """The platform's bots wrote `buy` where the exchange says `Buy`."""
    value = word_of(row.text(column))
    if value == "buy":
        return "Buy"
    if value == "sell":
        return "Sell"
    raise row.bad(column, "Buy or Sell")


class _Reported:
    """What the exchange has reported itself, to be found by order or by likeness."""

    def __init__(self, rows: Iterable[_Row]) -> None:
        self._orders: set[str] = set()
        self._times: dict[tuple[str, Side, Decimal], list[datetime]] = {}
        for row in rows:
            if row.order_id:
                self._orders.add(row.order_id)
            self._times.setdefault((row.symbol, row.side, row.qty), []).append(row.time)
        for times in self._times.values():
            times.sort()

    def has(self, row: _Row) -> bool:
        """The same order, or the same symbol, side and quantity within five seconds."""
        if row.order_id in self._orders:
            return True
        times = self._times.get((row.symbol, row.side, row.qty), [])
        at = bisect_left(times, row.time - _TWIN_WITHIN)
        return at < len(times) and times[at] <= row.time + _TWIN_WITHIN


# -- round trips ----------------------------------------------------------------------------------


def _trade(owners: _Owners, found: Found, row: SourceRow, tally: Tally) -> None:
    key, bot_id, symbol = row.word("trade_id"), row.word("bot_id"), row.symbol()
    if any(is_test(text) for text in (bot_id, row.text("entry_reason"), row.text("exit_reason"))):
        found.leave_out(TRADES, TEST, tally)
        return
    home = owners.of(bot_id, symbol)
    if key.startswith(f"{bot_id}:") or isinstance(home, str):
        why = BY_HAND if key.startswith(f"{bot_id}:") else str(home)
        found.reject(TRADES, row.place, shown(key), why, tally)
        return
    entered, left = row.moment("entry_time"), row.moment("exit_time")
    trade = _round_trip(row, key, home, entered, left)
    if any((value or ZERO) <= 0 for value in (trade.quantity, trade.entry_price, trade.exit_price)):
        why = "expected a quantity and prices above 0"
        found.reject(TRADES, row.place, shown(key), why, tally)
    elif left < entered:
        found.reject(TRADES, row.place, shown(key), "expected an exit after the entry", tally)
    elif not found.is_first(TRADES, key):
        found.reject(TRADES, row.place, shown(key), _SAME_KEY, tally)
    else:
        found.trades.append(trade)
        found.moved += is_others(bot_id, symbol)


def _round_trip(row: SourceRow, key: str, home: Home, entered: datetime, left: datetime) -> Trade:
    is_mapped = _MAPPED.fullmatch(key) is not None
    entry_fee, exit_fee = (row.amount_or_none(f"{leg}_commission") for leg in ("entry", "exit"))
    fees, net_pnl = (entry_fee or ZERO) + (exit_fee or ZERO), row.amount("net_pnl")
    gross, percent = row.amount_or_none("gross_pnl"), row.share_or_none("pnl_pct")
    return Trade(
        source_id=key,
        home=home,
        symbol=row.symbol(),
        side=_position_side(_side(row, "entry_side"), turned=is_mapped),
        quantity=row.amount("entry_qty"),
        entry_price=row.amount("entry_price"),
        exit_price=row.amount("exit_price"),
        entry_ms=None if left - entered <= _NO_HOLD else ms(entered),
        exit_ms=ms(left),
        entry_reason=reason_of(row.text("entry_reason")),
        exit_reason=reason_of(row.text("exit_reason")) or EXTERNAL,
        gross_pnl=net_pnl + fees if gross is None else gross,
        net_pnl=net_pnl,
        pnl_pct=None if percent is None else percent / 100,
        quality="entry_time_approx" if is_mapped else "estimated",
        entry_fee=entry_fee or ZERO,
        exit_fee=exit_fee or ZERO,
        entry_order_id=None if is_mapped else row.word_or_none("entry_order_id"),
        exit_order_id=row.word_or_none("exit_order_id"),
    )


def _position_side(entry: Side, *, turned: bool) -> PositionSide:
    """Of a row written by the mapper the recorded side is that of the order which closed it."""
    return "long" if (entry == "Buy") is not turned else "short"
