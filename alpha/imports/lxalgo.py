"""LXAlgo's `trade_log.json`: what was opened and closed, without exit prices and without fees.

A key (symbol, rule) may be opened again after it was closed, so events are read in their order.
No profit is made up: round trips of this log have none, and count in no figure. The log was a
means of recovery, cut to its newest events; it is no whole history.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from alpha.errors import NotFound
from alpha.imports.found import Found, Home, Plain, Record, Trade, one
from alpha.imports.known import Known
from alpha.imports.rows import BadValue, SourceRow, Unreadable, ms, shown
from alpha.imports.words import reason_of, word_of

EVENTS = "trade_events"
_FIELDS = ("timestamp", "event", "symbol", "rule_id", "entry_price", "position_size", "reason")
_AGAIN = "opened again before the log closed it"
_UNTRACKED = "closes what the log has not opened"
_NOT_HELD = "still open, and the exchange's last word shows no such position"
_IN_LEDGER = "the ledger has this symbol's executions of that time"


@dataclass(frozen=True, slots=True)
class Log:
    name: str
    sha256: str
    events: list[SourceRow]


def read_log(path: Path) -> Log:
    """The events of a log. An empty file and an empty list are logs without events.

    Raises NotFound without a file, Unreadable naming the place for one that is cut off or no
    such log."""
    if not path.is_file():
        raise NotFound(f"expected a trade log, was no file: {path}")
    raw = path.read_bytes()
    try:
        document: object = json.loads(raw.decode("utf-8-sig")) if raw.strip() else []
    except json.JSONDecodeError as error:
        raise Unreadable(
            f"{path.name}: expected whole JSON, was cut off or damaged at line {error.lineno} "
            f"column {error.colno}; nothing was changed"
        ) from None
    except (ValueError, RecursionError) as error:
        raise Unreadable(
            f"{path.name}: expected JSON in UTF-8, was unreadable ({type(error).__name__}); "
            "nothing was changed"
        ) from None
    events: object = document.get(EVENTS) if isinstance(document, dict) else document
    if not isinstance(events, list):
        raise Unreadable(
            f"{path.name}: expected an object with the list {EVENTS}, was "
            f"{type(document).__name__} without it; nothing was changed"
        )
    rows = [_row(event, number) for number, event in enumerate(events, 1)]
    return Log(path.name, hashlib.sha256(raw).hexdigest(), rows)


def _row(event: object, number: int) -> SourceRow:
    values = event if isinstance(event, dict) else {}
    return SourceRow(EVENTS, f"event {number}", {name: _text(values.get(name)) for name in _FIELDS})


def _text(value: object) -> str | None:
    return value if value is None or isinstance(value, str) else repr(value)


@dataclass(frozen=True, slots=True)
class _Event:
    row: SourceRow
    at_ms: int
    is_open: bool
    symbol: str
    rule: str

    @property
    def key(self) -> str:
        return f"{self.at_ms}:{self.symbol}:{self.rule}"

    def leave(self, found: Found, why: str) -> None:
        found.leave_unpaired(EVENTS, self.row.place, shown(self.key), why)


def read_lxalgo(log: Log, home: Home, known: Known) -> Found:
    found = Found("lxalgo")
    if not log.events:
        found.notes.append("the log holds no events")
    open_now: dict[tuple[str, str], _Event] = {}
    for event in _in_order(log.events, home, found):
        place = (event.symbol, event.rule)
        opened = open_now.pop(place, None)
        if event.is_open:
            if opened is not None:
                opened.leave(found, _AGAIN)
            open_now[place] = event
        elif opened is None:
            event.leave(found, _UNTRACKED)
        else:
            _keep(opened, event, home, known, found)
    for event in open_now.values():
        if known.confirms(home, event.symbol, None):
            _keep(event, None, home, known, found)
        else:
            event.leave(found, _NOT_HELD)
    return found


def _in_order(rows: list[SourceRow], home: Home, found: Found) -> list[_Event]:
    """The readable events by time, each kept as a record as well."""
    events = []
    for row in rows:
        symbol = row.text("symbol")
        found.saw(EVENTS, home.bot_id, shown(symbol), one())
        try:
            event = _event(row)
            values: dict[str, Plain] = {
                "event": "opened" if event.is_open else "closed",
                "rule": event.rule,
                "entry_price": _number(row, "entry_price"),
                "position_size": _number(row, "position_size"),
                "reason": reason_of(row.text("reason")),
            }
        except BadValue as error:
            found.reject(EVENTS, row.place, shown(symbol), error.what, one())
            continue
        key = f"{event.key}:{values['event']}"
        if not found.is_first(EVENTS, key):
            found.reject(EVENTS, row.place, shown(key), "the same event as one before", one())
            continue
        found.records.append(Record(EVENTS, key, home, event.symbol, event.at_ms, values))
        events.append(event)
    return sorted(events, key=lambda event: event.at_ms)


def _event(row: SourceRow) -> _Event:
    word = word_of(row.need("event"))
    if "open" not in word and "clos" not in word:
        raise row.bad("event", "an opening or a closing")
    rule = word_of(row.need("rule_id"))
    return _Event(
        row=row,
        at_ms=ms(row.moment("timestamp")),
        is_open="open" in word,
        symbol=row.symbol(),
        rule=reason_of(rule) or rule[:24],
    )


def _number(row: SourceRow, column: str) -> str | None:
    value = row.amount_or_none(column)
    return None if value is None else f"{value.normalize():f}"


def _keep(opened: _Event, closed: _Event | None, home: Home, known: Known, found: Found) -> None:
    """A round trip without prices of its end. What `position_size` counts, the log does not say:
    it stays with the event."""
    if closed is not None and known.has_executions(home, closed.symbol, closed.at_ms):
        found.leave_out(EVENTS, _IN_LEDGER, one())
        return
    price = opened.row.amount_or_none("entry_price")
    found.trades.append(
        Trade(
            source_id=opened.key if closed is not None else f"open:{opened.key}",
            home=home,
            symbol=opened.symbol,
            side="long",
            quantity=None,
            entry_price=price,
            exit_price=None,
            entry_ms=opened.at_ms,
            exit_ms=None if closed is None else closed.at_ms,
            entry_reason=opened.rule if reason_of(opened.rule) else None,
            exit_reason=None if closed is None else reason_of(closed.row.text("reason")),
            gross_pnl=None,
            net_pnl=None,
            pnl_pct=None,
        )
    )
