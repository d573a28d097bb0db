"""A dump of the earlier platform, made up: its shapes, its mistakes, none of its data.

`Dump()` holds a small history with one of each trap; `text()` writes it as pg_dump does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

Row = Mapping[str, str | None]

#: What the sync's error texts hold: a key id that must reach nothing of ours.
KEY_ID = "Zk4Qp0mVtY7rWcXe19"
ERROR = (
    "error sign! origin_string[1762500000000" + KEY_ID + "5000category=linear&cursor=a%3Ab] (10004)"
)

COLUMNS = {
    "bots": (
        *("bot_id", "bot_name", "bot_type", "strategy_name", "status", "deployment_mode"),
        *("initial_capital", "current_equity", "created_at", "updated_at", "last_heartbeat"),
    ),
    "fills": (
        *("id", "bot_id", "symbol", "order_id", "client_order_id", "side", "exec_price"),
        *("exec_qty", "exec_time", "close_reason", "commission", "created_at"),
    ),
    "completed_trades": (
        *("id", "trade_id", "bot_id", "symbol", "entry_order_id", "entry_client_order_id"),
        *("entry_side", "entry_price", "entry_qty", "entry_time", "entry_reason"),
        *("entry_commission", "exit_order_id", "exit_client_order_id", "exit_side", "exit_price"),
        *("exit_qty", "exit_time", "exit_reason", "exit_commission", "gross_pnl", "net_pnl"),
        *("pnl_pct", "total_commission", "holding_duration_seconds", "source", "synced_at"),
    ),
    "orders": ("id", "order_id", "status", "created_at"),
    "positions": ("id", "bot_id", "symbol", "size", "side", "avg_entry_price"),
    "sync_status": ("id", "bot_id", "sync_type", "status", "error_message"),
    "position_entries": ("id", "bot_id", "symbol", "entry_id", "remaining_qty"),
}
HEAD = """--
-- PostgreSQL database dump
--

\\restrict aB3dEfGh

-- Dumped from database version 15.14
-- Dumped by pg_dump version 15.14

SET statement_timeout = 0;
SET client_encoding = 'UTF8';
SELECT pg_catalog.set_config('search_path', '', false);

CREATE FUNCTION trading.update_position_entries_timestamp() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    NEW.updated_at = NOW();
    RETURN NEW;
END;
$$;

"""
TAIL = """--
-- Name: fills_id_seq; Type: SEQUENCE SET; Schema: trading; Owner: trading_user
--

SELECT pg_catalog.setval('trading.fills_id_seq', 216, true);

--
-- PostgreSQL database dump complete
--

\\unrestrict aB3dEfGh

"""


def fill(
    number: int,
    bot: str,
    symbol: str,
    side: str,
    price: str,
    qty: str,
    time: str,
    *,
    order: str = "",
    link: str = "",
    reason: str | None = None,
    fee: str = "0.00000000",
) -> Row:
    return {
        "id": str(number),
        "bot_id": bot,
        "symbol": symbol,
        "order_id": order or f"order-{number}",
        "client_order_id": link,
        "side": side,
        "exec_price": price,
        "exec_qty": qty,
        "exec_time": time,
        "close_reason": reason,
        "commission": fee,
        "created_at": time,
    }


def trade(
    trade_id: str,
    bot: str,
    symbol: str,
    entry_side: str,
    prices: tuple[str, str],
    qty: str,
    times: tuple[str, str],
    *,
    fees: tuple[str, str],
    gross: str,
    net: str,
    pct: str = "1.250000",
) -> Row:
    exit_side = "Sell" if entry_side == "Buy" else "Buy"
    word = "long" if entry_side == "Buy" else "short"
    order = f"closing-{trade_id[-13:]}"
    return {
        "id": trade_id[-4:],
        "trade_id": trade_id,
        "bot_id": bot,
        "symbol": symbol,
        "entry_order_id": order,
        "entry_client_order_id": order,
        "entry_side": entry_side,
        "entry_price": prices[0],
        "entry_qty": qty,
        "entry_time": times[0],
        "entry_reason": f"{word}_entry",
        "entry_commission": fees[0],
        "exit_order_id": order,
        "exit_client_order_id": order,
        "exit_side": exit_side,
        "exit_price": prices[1],
        "exit_qty": qty,
        "exit_time": times[1],
        "exit_reason": f"{word}_exit",
        "exit_commission": fees[1],
        "gross_pnl": gross,
        "net_pnl": net,
        "pnl_pct": pct,
        "total_commission": "0",
        "holding_duration_seconds": "1",
        "source": "bybit_api",
        "synced_at": times[1],
    }


def bots() -> list[Row]:
    made: list[Row] = []
    for name, equity in (("shortseller", "7000"), ("lxalgo", "10000"), ("momentum", "5000")):
        made.append(
            {
                "bot_id": f"{name}_001",
                "bot_name": name,
                "bot_type": name,
                "strategy_name": name,
                "status": "active",
                "deployment_mode": "demo",
                "initial_capital": "10000.00000000",
                "current_equity": f"{equity}.00000000",
                "created_at": "2025-10-20 10:00:00+00",
                "updated_at": "2025-10-20 10:00:00+00",
                "last_heartbeat": None,
            }
        )
    return made


def fills() -> list[Row]:
    """Two entries kept of what the exchange reported, one of a bot's own notes, one of each kind
    that has no place in a history."""
    lx, ss = "lxalgo_001", "shortseller_001"
    return [
        # kept: reported by the exchange, whole milliseconds
        fill(1, lx, "DOGEUSDT", "Buy", "0.2", "100", "2025-10-25 10:00:00.123+00", link="a1b2"),
        fill(2, ss, "BTCUSDT", "Sell", "60000", "0.01", "2025-10-25 13:00:01.5+03", link="c3"),
        # a bot's note of the same order, and one that only looks the same, 3 s away
        fill(3, lx, "DOGEUSDT", "Buy", "0.2001", "100", "2025-10-25 10:00:09.000456+00",
             order="order-1", link="a1b2"),
        fill(4, ss, "BTCUSDT", "Sell", "60010", "0.01", "2025-10-25 10:00:04.123456+00",
             link="zz"),
        # a bot's note that nothing confirms: kept as an estimate
        fill(5, lx, "XRPUSDT", "Buy", "2.5", "40", "2025-10-26 10:00:00.654321+00", link="d4",
             reason="Rule 6"),
        # funding: on the hour, no link id
        fill(6, "unknown", "BTCUSDT", "Sell", "60100", "0.01", "2025-10-25 16:00:00+00"),
        # an exit that nobody has tagged, on the hour but with microseconds of its own
        fill(7, "unknown", "ETHUSDT", "Sell", "3000", "0.2", "2025-10-25 17:00:00.001+00"),
        fill(8, "unknown", "PEPEUSDT", "Sell", "0.00001", "1000000", "2025-10-25 18:11:00.2+00"),
        # tests of the platform, in each place where they are named
        fill(9, "all_bots_test", "BTCUSDT", "Buy", "1", "1", "2025-10-25 19:00:01+00"),
        fill(10, ss, "BTCUSDT", "Buy", "1", "1", "2025-10-25 19:00:02+00",
             link="shortseller_001:phase3_test:1761400000000"),
        fill(11, ss, "BTCUSDT", "Buy", "1", "1", "2025-10-25 19:00:03+00", reason="phase3_test"),
        # not a bot of ours
        fill(12, "grid_007", "BTCUSDT", "Buy", "1", "1", "2025-10-25 19:30:03+00", link="x"),
    ]  # fmt: skip


def trades() -> list[Row]:
    lx, ss = "lxalgo_001", "shortseller_001"
    return [
        # a short that the mapper calls long: 100 -> 90, gross 10 for 1 coin
        trade(f"{ss}_BTCUSDT_1761386400000", ss, "BTCUSDT", "Buy", ("60000", "59000"), "0.010",
              ("2025-10-25 10:00:00+00", "2025-10-25 14:30:00+00"),
              fees=("0.3300", "0.3245"), gross="10.0000", net="9.3455"),
        # a long that it calls short, closed in the second of its making
        trade(f"{lx}_DOGEUSDT_1761390000000", lx, "DOGEUSDT", "Sell", ("0.2", "0.19"), "100",
              ("2025-10-25 11:00:00+00", "2025-10-25 11:00:01+00"),
              fees=("0.011", "0.01045"), gross="-1.0", net="-1.02145"),
        # an altcoin under ShortSeller: LXAlgo's. Its figures do not follow from its prices.
        trade(f"{ss}_PEPEUSDT_1761393600000", ss, "PEPEUSDT", "Sell", ("0.00001", "0.000011"),
              "1000000", ("2025-10-25 12:00:00+00", "2025-10-25 12:45:00+00"),
              fees=("0.0055", "0.0060"), gross="0.9000", net="0.8885"),
        # made by hand
        trade(f"{lx}:SUIUSDT:1761397200000", lx, "SUIUSDT", "Buy", ("2", "2.1"), "5",
              ("2025-10-25 13:00:00+00", "2025-10-25 13:10:00+00"),
              fees=("0", "0"), gross="0.5", net="0.5"),
    ]  # fmt: skip


@dataclass
class Dump:
    tables: dict[str, Sequence[Row]] = field(
        default_factory=lambda: {
            "bots": bots(),
            "fills": fills(),
            "orders": [{"id": "1", "order_id": "o", "status": "Deactivated", "created_at": "x"}],
            "positions": [],
            "completed_trades": trades(),
            "sync_status": [
                {
                    "id": "1",
                    "bot_id": "lxalgo_001",
                    "sync_type": "hourly",
                    "status": "failed",
                    "error_message": ERROR,
                }
            ],
            "position_entries": [
                {
                    "id": "1",
                    "bot_id": "lxalgo_001",
                    "symbol": "DOGEUSDT",
                    "entry_id": "lxalgo_001:DOGEUSDT:1761386400.5",
                    "remaining_qty": "100",
                }
            ],
        }
    )

    def text(self, *, inserts: bool = False) -> str:
        write = self._inserts if inserts else self._copy
        return HEAD + "".join(write(name, rows) for name, rows in self.tables.items()) + TAIL

    def _declared(self, name: str) -> str:
        columns = ",\n".join(f"    {column} text" for column in COLUMNS[name])
        return f"CREATE TABLE trading.{name} (\n{columns},\n    CONSTRAINT c CHECK (true)\n);\n\n"

    def _copy(self, name: str, rows: Sequence[Row]) -> str:
        columns = COLUMNS[name]
        lines = [f"COPY trading.{name} ({', '.join(columns)}) FROM stdin;"]
        lines += ["\t".join(_copied(row[column]) for column in columns) for row in rows]
        return self._declared(name) + "\n".join([*lines, "\\.", "", ""])

    def _inserts(self, name: str, rows: Sequence[Row]) -> str:
        columns = COLUMNS[name]
        lines = [
            f"INSERT INTO trading.{name} VALUES "
            f"({', '.join(_quoted(row[column]) for column in columns)});"
            for row in rows
        ]
        return self._declared(name) + "\n".join([*lines, "", ""])


def _copied(value: str | None) -> str:
    if value is None:
        return "\\N"
    return value.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n")


def _quoted(value: str | None) -> str:
    return "NULL" if value is None else "'" + value.replace("'", "''") + "'"
