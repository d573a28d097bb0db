"""Momentum's, ShortSeller's and LXAlgo's own files: nothing is made up, nothing comes twice."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

from tests.imports import old_bots
from tests.imports.conftest import Run

Ask = Callable[[str], list[tuple[Any, ...]]]
NO_POSITION = "the exchange's last word shows no such position"


def trades(ask: Ask) -> list[tuple[Any, ...]]:
    return ask(
        "SELECT symbol, side, quantity, to_char(entry_time AT TIME ZONE 'UTC', 'DD HH24:MI'), "
        "to_char(exit_time AT TIME ZONE 'UTC', 'DD HH24:MI'), entry_reason, exit_reason, net_pnl, "
        "pnl_pct FROM trading.imported_trades ORDER BY entry_time, exit_time"
    )


def holds(ask: Ask, account: str, symbol: str, size: str) -> None:
    """What the exchange said last of a position."""
    ask(
        f"INSERT INTO trading.accounts (account, mode) VALUES ('{account}', 'paper') "
        "ON CONFLICT DO NOTHING"
    )
    ask(
        "INSERT INTO trading.exchange_positions (account, symbol, position_idx, signed_size, seq, "
        f"source, exchange_time) VALUES ('{account}', '{symbol}', 0, {size}, 1, 'rest', now())"
    )


def test_momentum(run: Run, ask: Ask, tmp_path: Path, everything: Callable[[], str]) -> None:
    file = old_bots.momentum(tmp_path / "trading.db")
    holds(ask, "mo", "BTCUSDT", "5")
    dry: Any = run("momentum", str(file), "--dry-run")
    report: Any = run("momentum", str(file))
    assert dry["tables"] == report["tables"] and dry["after"] == report["after"]
    number = Decimal
    assert trades(ask) == [
        ("ETHUSDT", "long", number("0.3"), "25 11:00", "25 17:30", None, "ma_exit", 30,
         number("0.024999")),
        # A stop that gained was a trailing one; a fraction of 1.0 is one percent here.
        ("BTCUSDT", "long", number("0.01"), "25 22:30", "25 23:30", None, "trailing_stop", 6,
         number("0.01")),
        ("SOLUSDT", "long", 2, "26 07:00", "26 07:20", None, "stop_loss", -20, number("-0.05")),
        ("XRPUSDT", "long", 100, "26 09:00", "26 09:20", None, "manual_exit", -10,
         number("-0.04")),
    ]  # fmt: skip
    assert [(row["place"], row["key"]) for row in report["rejected"]] == [
        ("row 5", "ADAUSDT_1761430000"),
        ("row 6", "DOTUSDT_1761440000"),
    ]
    assert NO_POSITION in report["rejected"][0]["reason"]
    assert "a number as quantity, was 'many'" in report["rejected"][1]["reason"]
    assert ask("SELECT sum(net_pnl) FROM trading.bot_daily_performance") == [(6,)]
    kept: dict[str, str] = dict(
        ask("SELECT source_table, record::text FROM trading.imported_records")
    )
    assert '"risk_type": "daily_loss_limit"' in kept["risk_events"]
    assert '"action": "halt"' in kept["risk_events"]
    assert '"event_type": "error"' in kept["system_events"]
    assert '"ending_equity": "5030"' in kept["daily_snapshots"]
    assert "Qm7Zt" not in everything() + str(report)
    assert any("UTC+0300 in 8 rows" in note for note in report["notes"])
    again: Any = run("momentum", str(file))
    assert (again["new_rows"], again["after"]) == (0, report["after"])


def test_an_open_trade_comes_in_if_the_exchange_has_it(run: Run, ask: Ask, tmp_path: Path) -> None:
    holds(ask, "mo", "ADAUSDT", "1000")
    rows = [list(row) for row in old_bots.MOMENTUM_TRADES]
    run("momentum", str(old_bots.momentum(tmp_path / "open.db", rows[4:5])))
    assert trades(ask) == [
        ("ADAUSDT", "long", 1000, "26 10:00", None, None, None, None, None),
    ]
    # Closed by the time of the next import: then it counts.
    rows[4][6:8], rows[4][10:13] = ["2025-10-27 13:00:00", 0.6], [100.0, 0.2, "MA Exit"]
    report = run("momentum", str(old_bots.momentum(tmp_path / "closed.db", rows[4:5])))
    assert report["new_rows"] == 1 + 1
    assert ask("SELECT symbol, net_pnl FROM trading.trades_pnl") == [("ADAUSDT", 100)]


def test_momentum_needs_to_know_the_zone(run: Run, ask: Ask, tmp_path: Path) -> None:
    rows = [[*row[:-1], None] for row in old_bots.MOMENTUM_TRADES[:1]]
    file = tmp_path / "trading.db"
    old_bots.momentum(file, rows)
    with sqlite3.connect(file) as connection:
        connection.execute("DELETE FROM system_events")
        connection.execute("DELETE FROM risk_events")
    connection.close()
    refused = run("momentum", str(file), fails=True)
    assert refused["code"] == 1 and "--source-tz" in str(refused["message"])
    assert run("momentum", str(file), "--source-tz", "nowhere", fails=True)["code"] == 2
    run("momentum", str(file), "--source-tz", "Europe/Athens")
    assert [row[3:5] for row in trades(ask)] == [("25 11:00", "25 17:30")]


def test_files_that_are_no_momentum_change_nothing(
    run: Run, everything: Callable[[], str], tmp_path: Path
) -> None:
    before = everything()
    good = old_bots.momentum(tmp_path / "good.db").read_bytes()
    pages = bytearray(good)
    pages[4096:8192] = b"\xff" * 4096
    files = {
        "text.db": (b"hello", "expected an SQLite file"),
        "damaged.db": (bytes(pages), "sound SQLite file"),
        "cut.db": (good[: len(good) // 2], "sound SQLite file"),
    }
    for name, (content, words) in files.items():
        (tmp_path / name).write_bytes(content)
        refused = run("momentum", str(tmp_path / name), fails=True)
        assert refused["code"] == 1 and words in str(refused["message"]), name
    assert run("momentum", str(tmp_path / "none.db"), fails=True)["code"] == 2
    assert everything() == before


def test_shortseller(run: Run, ask: Ask, tmp_path: Path, everything: Callable[[], str]) -> None:
    file = tmp_path / "multiasset_trading.sql"
    file.write_text(old_bots.shortseller(), encoding="utf-8")
    report: Any = run("shortseller", str(file))
    number = Decimal
    # 3 closes 1 and half of 2, 4 the other half; fees follow the quantity.
    rows = ask(
        "SELECT source_id, side, quantity, gross_pnl, entry_commission, exit_commission, net_pnl, "
        "entry_reason FROM trading.imported_trades ORDER BY source_id"
    )
    assert rows == [
        ("1:3", "short", number("0.01"), 10, number("0.3"), number("0.2"), number("9.5"),
         "ema_cross"),
        ("2:3", "short", number("0.01"), 20, number("0.3"), number("0.2"), number("19.5"),
         "ema_cross"),
        ("2:4", "short", number("0.01"), -10, number("0.3"), number("0.2"), number("-10.5"),
         "ema_cross"),
    ]  # fmt: skip
    assert [(row["key"], row["reason"]) for row in report["rejected"]] == [
        ("6", "not executed: its status is cancelled")
    ]
    assert [(row["key"], row["reason"]) for row in report["unpaired"]] == [
        ("4", "buys 0.03 more than was sold before"),
        ("5", f"never bought back, and {NO_POSITION}"),
    ]
    assert "the orders' own pnl adds up to 28.9" in report["notes"][0]
    assert ask(
        "SELECT source_id, record ->> 'signal_type', record ->> 'fill' "
        "FROM trading.imported_records WHERE source_table = 'signals' ORDER BY 1"
    ) == [("1", "short", "legacy:1"), ("2", "close_short", "legacy:3")]
    assert ask(
        "SELECT record ->> 'equity' FROM trading.imported_records "
        "WHERE source_table = 'account_balance'"
    ) == [("10000",)]
    assert ask("SELECT count(*) FROM trading.imported_fills") == [(5,)]
    assert "Qm7Zt" not in everything() + str(report)
    assert run("shortseller", str(file))["new_rows"] == 0


def test_lxalgo(run: Run, ask: Ask, tmp_path: Path) -> None:
    file = tmp_path / "trade_log.json"
    file.write_text(old_bots.lxalgo(), encoding="utf-8")
    report: Any = run("lxalgo", str(file))
    nothing = (None, None)
    assert trades(ask) == [
        ("DOGEUSDT", "long", None, "05 10:00", "05 10:30", "rule_8", "external", *nothing),
        ("DOGEUSDT", "long", None, "05 11:00", "05 11:30", "rule_8", "risk_limit", *nothing),
    ]
    assert [(row["place"], row["reason"]) for row in report["unpaired"]] == [
        ("event 6", "opened again before the log closed it"),
        ("event 8", "closes what the log has not opened"),
        ("event 2", f"still open, and {NO_POSITION}"),
        ("event 7", f"still open, and {NO_POSITION}"),
    ]
    # No exit price, no profit: it counts in no figure.
    assert ask("SELECT count(*) FROM trading.trades_pnl") == [(0,)]
    assert ask("SELECT count(*) FROM trading.imported_records") == [(8,)]
    assert run("lxalgo", str(file))["new_rows"] == 0


def test_logs_without_events_bring_nothing(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "trade_log.json"
    for content in ("", "[]", '{"trade_events": []}'):
        file.write_text(content, encoding="utf-8")
        report: Any = run("lxalgo", str(file))
        assert (report["new_rows"], report["notes"]) == (0, ["the log holds no events"])


def test_logs_that_are_damaged_change_nothing(
    run: Run, everything: Callable[[], str], tmp_path: Path
) -> None:
    before = everything()
    whole, file = old_bots.lxalgo(), tmp_path / "trade_log.json"
    for content, words in (
        (whole[: len(whole) // 2], "cut off or damaged at line "),
        ('{"trades": []}', "trade_events"),
        ("7", "trade_events"),
    ):
        file.write_text(content, encoding="utf-8")
        refused = run("lxalgo", str(file), fails=True)
        assert refused["code"] == 1 and words in str(refused["message"])
    assert everything() == before


def test_a_log_event_that_cannot_be_read_is_rejected(run: Run, ask: Ask, tmp_path: Path) -> None:
    events = old_bots.lxalgo_events()[:3]
    file = tmp_path / "trade_log.json"
    file.write_text(old_bots.lxalgo([*events, {**events[0], "timestamp": "soon"}]), "utf-8")
    report: Any = run("lxalgo", str(file))
    assert [row["place"] for row in report["rejected"]] == ["event 4"]
    assert len(trades(ask)) == 1
