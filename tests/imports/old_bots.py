"""Histories of the earlier bots, made up: Momentum's SQLite file, ShortSeller's database, LXAlgo's
log, with the shapes and the traps of each."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path

from tests.imports.old_platform import HEAD, TAIL

Value = str | float | None

MOMENTUM = """
CREATE TABLE trades (id INTEGER PRIMARY KEY AUTOINCREMENT, trade_id TEXT UNIQUE, mode TEXT NOT NULL,
    symbol TEXT NOT NULL, side TEXT NOT NULL, entry_time TIMESTAMP NOT NULL,
    entry_price REAL NOT NULL, exit_time TIMESTAMP, exit_price REAL, quantity REAL NOT NULL,
    position_size_usd REAL NOT NULL, stop_loss REAL, take_profit REAL, pnl_usd REAL, pnl_pct REAL,
    exit_reason TEXT, holding_time_seconds INTEGER, signal_strength REAL,
    created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP);
CREATE TABLE daily_snapshots (id INTEGER PRIMARY KEY AUTOINCREMENT, date DATE UNIQUE NOT NULL,
    mode TEXT, starting_equity REAL, ending_equity REAL, daily_pnl REAL, daily_pnl_pct REAL,
    trades_count INTEGER, wins_count INTEGER, losses_count INTEGER, open_positions INTEGER,
    created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP);
CREATE TABLE system_events (id INTEGER PRIMARY KEY AUTOINCREMENT, event_time TIMESTAMP,
    event_type TEXT, event_level TEXT, message TEXT, details TEXT,
    created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP);
CREATE TABLE risk_events (id INTEGER PRIMARY KEY AUTOINCREMENT, event_time TIMESTAMP,
    risk_type TEXT, current_value REAL, limit_value REAL, action_taken TEXT,
    created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP);
"""
_TRADE = (
    *("trade_id", "mode", "symbol", "side", "entry_time", "entry_price", "exit_time", "exit_price"),
    *("quantity", "position_size_usd", "pnl_usd", "pnl_pct", "exit_reason", "created_at"),
)
#: In UTC+3, stored a second later in UTC. The last two are still open, one with letters in it.
MOMENTUM_TRADES: Sequence[Sequence[Value]] = [
    ("ETHUSDT_1761390000", "demo", "ETHUSDT", "Buy", "2025-10-25 14:00:00.500000", 4000.1,
     "2025-10-25 20:30:00.250000", 4100.1, 0.3, 1200.03, 30.0, 0.024999, "MA Exit",
     "2025-10-25 11:00:01"),
    ("BTCUSDT_1761400000", "demo", "BTCUSDT", "Buy", "2025-10-26 01:30:00.000001", 60000.0,
     "2025-10-26 02:30:00.000001", 60600.0, 0.01, 600.0, 6.0, 1.0, "Exchange Stop Loss",
     "2025-10-25 22:30:00"),
    ("SOLUSDT_1761410000", "demo", "SOLUSDT", "Buy", "2025-10-26 10:00:00.000000", 200.0,
     "2025-10-26 10:20:00.000000", 190.0, 2.0, 400.0, -20.0, -0.05, "Exchange Stop Loss",
     "2025-10-26 07:00:00"),
    ("XRPUSDT_1761420000", "demo", "XRPUSDT", "Buy", "2025-10-26 12:00:00.000000", 2.5,
     "2025-10-26 12:20:00.000000", 2.4, 100.0, 250.0, -10.0, -0.04, "System Shutdown",
     "2025-10-26 09:00:00"),
    ("ADAUSDT_1761430000", "demo", "ADAUSDT", "Buy", "2025-10-26 13:00:00.000000", 0.5, None, None,
     1000.0, 500.0, None, None, None, "2025-10-26 10:00:00"),
    ("DOTUSDT_1761440000", "demo", "DOTUSDT", "Buy", "2025-10-26 14:00:00.000000", 3.0, None, None,
     "many", 500.0, None, None, None, "2025-10-26 11:00:00"),
]  # fmt: skip
SECRET = "api_key=Qm7ZtR2xW9aLpE4sV1cK refused"


def momentum(file: Path, trades: Sequence[Sequence[Value]] = MOMENTUM_TRADES) -> Path:
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.executescript(MOMENTUM)
        marks = ", ".join("?" * len(_TRADE))
        connection.executemany(f"INSERT INTO trades ({', '.join(_TRADE)}) VALUES ({marks})", trades)
        connection.execute(
            "INSERT INTO system_events (event_time, event_type, event_level, message, details, "
            "created_at) VALUES ('2025-10-25 13:00:00.1', 'ERROR', 'ERROR', ?, ?, "
            "'2025-10-25 10:00:00')",
            (SECRET, json.dumps({"error": SECRET})),
        )
        connection.execute(
            "INSERT INTO risk_events (event_time, risk_type, current_value, limit_value, "
            "action_taken, created_at) VALUES ('2025-10-26 15:00:00', 'DAILY_LOSS_LIMIT', -3.2, "
            "-3.0, 'Trading halted until tomorrow', '2025-10-26 12:00:00')"
        )
        connection.execute(
            "INSERT INTO daily_snapshots (date, mode, starting_equity, ending_equity, daily_pnl, "
            "trades_count) VALUES ('2025-10-25', 'demo', 5000, 5030, 30, 1)"
        )
    return file


# -- ShortSeller ----------------------------------------------------------------------------------

_ORDER = (
    *("id", "symbol", "side", "quantity", "price", "order_id", "exchange_order_id", "status"),
    *("strategy", "timestamp", "executed_at", "pnl", "fees", "notes"),
)


def order(
    number: int,
    symbol: str,
    side: str,
    qty: str,
    price: str,
    time: str,
    *,
    status: str = "filled",
    pnl: str | None = None,
    fees: str = "0.5",
) -> Mapping[str, str | None]:
    return {
        "id": str(number),
        "symbol": symbol,
        "side": side,
        "quantity": qty,
        "price": price,
        "order_id": f"ss-{number}",
        "exchange_order_id": None,
        "status": status,
        "strategy": "ema_crossover",
        "timestamp": time,
        "executed_at": time if status == "filled" else None,
        "pnl": pnl,
        "fees": fees,
        "notes": SECRET,
    }


def shortseller_orders() -> list[Mapping[str, str | None]]:
    """Two sells and a buy of part of both; a buy of more than is left; a sell that stays open."""
    return [
        order(1, "BTCUSDT", "sell", "0.01", "60000", "2025-10-25 10:00:00+00", fees="0.30"),
        order(2, "BTCUSDT", "sell", "0.02", "61000", "2025-10-25 11:00:00+00", fees="0.60"),
        order(3, "BTCUSDT", "buy", "0.02", "59000", "2025-10-25 12:00:00+00", fees="0.40",
              pnl="28.9"),
        order(4, "BTCUSDT", "buy", "0.04", "62000", "2025-10-25 13:00:00+00", fees="0.80"),
        order(5, "ETHUSDT", "sell", "1", "4000", "2025-10-25 14:00:00+00"),
        order(6, "ETHUSDT", "buy", "1", "3900", "2025-10-25 15:00:00+00", status="cancelled"),
    ]  # fmt: skip


def shortseller() -> str:
    """A dump as pg_dump 14 writes it."""
    tables: dict[str, tuple[Sequence[str], Sequence[Mapping[str, str | None]]]] = {
        "account_balance": (
            ("id", "total_balance", "available_balance", "equity", "margin_used", "timestamp"),
            [
                {
                    "id": "1",
                    "total_balance": "10000.00000000",
                    "available_balance": "10000.00000000",
                    "equity": "10000.00000000",
                    "margin_used": "0.00000000",
                    "timestamp": "2025-10-01 00:00:00+00",
                }
            ],
        ),
        "signals": (
            ("id", "symbol", "signal_type", "strength", "price", "timestamp", "executed",
             "execution_id"),
            [
                {"id": "1", "symbol": "BTCUSDT", "signal_type": "short", "strength": "0.8",
                 "price": "60010", "timestamp": "2025-10-25 09:59:59+00", "executed": "t",
                 "execution_id": "1"},
                {"id": "2", "symbol": "BTCUSDT", "signal_type": "close", "strength": "0.8",
                 "price": "59010", "timestamp": "2025-10-25 11:59:59+00", "executed": "t",
                 "execution_id": "3"},
            ],
        ),
        "trades": (_ORDER, shortseller_orders()),
    }  # fmt: skip
    parts = []
    for name, (columns, rows) in tables.items():
        lines = [f"COPY trading.{name} ({', '.join(columns)}) FROM stdin;"]
        lines += ["\t".join(row[column] or "\\N" for column in columns) for row in rows]
        parts.append("\n".join([*lines, "\\.", "", ""]))
    return HEAD + "".join(parts) + TAIL


# -- LXAlgo ---------------------------------------------------------------------------------------


def opened(time: str, symbol: str, rule: str, price: float) -> dict[str, object]:
    return {
        "timestamp": f"2025-11-05T{time}.123456+00:00",
        "event": "opened",
        "symbol": symbol,
        "rule_id": rule,
        "entry_price": price,
        "position_size": 350.0,
    }


def closed(time: str, symbol: str, rule: str, reason: str) -> dict[str, object]:
    return {
        "timestamp": f"2025-11-05T{time}.654321+00:00",
        "event": "closed",
        "symbol": symbol,
        "rule_id": rule,
        "reason": reason,
    }


def lxalgo_events() -> list[dict[str, object]]:
    return [
        opened("10:00:00", "DOGEUSDT", "Rule 8", 0.2),
        opened("10:01:00", "DOGEUSDT", "Rule 6", 0.201),
        closed("10:30:00", "DOGEUSDT", "Rule 8", "external_close"),
        # The same key again, and again without its end.
        opened("11:00:00", "DOGEUSDT", "Rule 8", 0.21),
        closed("11:30:00", "DOGEUSDT", "Rule 8", "risk_management"),
        opened("12:00:00", "DOGEUSDT", "Rule 8", 0.22),
        opened("13:00:00", "DOGEUSDT", "Rule 8", 0.23),
        closed("14:00:00", "SUIUSDT", "untracked_startup", "external_close"),
    ]


def lxalgo(events: Sequence[Mapping[str, object]] | None = None) -> str:
    return json.dumps({"trade_events": lxalgo_events() if events is None else events}, indent=2)
