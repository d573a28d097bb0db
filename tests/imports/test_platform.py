"""The earlier platform's dump: what is put right, what is left behind, and what is refused."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from alpha.cli import main
from alpha.clock import SystemClock
from alpha.config import load
from alpha.control.importing import Importer
from tests.imports.conftest import Run
from tests.imports.old_platform import ERROR, KEY_ID, Dump, bots, fills, trades

Ask = Callable[[str], list[tuple[Any, ...]]]


@pytest.fixture
def dump(tmp_path: Path) -> Path:
    file = tmp_path / "trading_db-20251107.sql.gz"
    file.write_bytes(gzip.compress(Dump().text().encode()))
    return file


def test_what_is_kept_is_put_right(run: Run, ask: Ask, dump: Path) -> None:
    report = run("platform", str(dump))
    assert (report["new_rows"], report["dry_run"]) == (3 + 5 + 3, False)
    rows = ask(
        "SELECT bot_id, account, symbol, side, quantity, entry_time IS NULL, "
        "to_char(exit_time AT TIME ZONE 'UTC', 'HH24:MI:SS'), entry_reason, exit_reason, "
        "net_pnl, quality FROM trading.imported_trades ORDER BY exit_time"
    )
    approx = (None, "external")
    assert rows == [
        ("lxalgo_001", "lx", "DOGEUSDT", "long", 100, True, "11:00:01", *approx,
         Decimal("-1.02145"), "entry_time_approx"),
        ("lxalgo_001", "lx", "PEPEUSDT", "long", 1000000, False, "12:45:00", *approx,
         Decimal("0.8885"), "entry_time_approx"),
        ("shortseller_001", "main", "BTCUSDT", "short", Decimal("0.01"), False, "14:30:00", *approx,
         Decimal("9.3455"), "entry_time_approx"),
    ]  # fmt: skip
    assert ask(
        "SELECT exec_id, bot_id, symbol, quality, close_reason FROM trading.imported_fills "
        "ORDER BY source_id::int"
    ) == [
        ("legacy:1", "lxalgo_001", "DOGEUSDT", "exchange", None),
        ("legacy:2", "shortseller_001", "BTCUSDT", "exchange", None),
        ("legacy:5", "lxalgo_001", "XRPUSDT", "estimated", "rule_6"),
        ("legacy:7", "shortseller_001", "ETHUSDT", "exchange", None),
        ("legacy:8", "lxalgo_001", "PEPEUSDT", "exchange", None),
    ]
    assert ask("SELECT count(*) FROM trading.executions") == [(0,)]


def test_every_row_is_accounted_for(run: Run, dump: Path) -> None:
    report: Any = run("platform", str(dump))
    tables = report["tables"]
    assert tables["trading.fills"]["left_out_by_reason"] == {
        "a test's order": 3,
        "a funding payment, not a trade": 1,
        "a bot's note of what the exchange reported itself": 2,
    }
    assert tables["trading.sync_status"]["left_out_by_reason"] == {
        "holds error texts of another system": 1
    }
    for what, name in (("trades", "trading.completed_trades"), ("fills", "trading.fills")):
        table, imported = tables[name], report["imported"][what]
        for figure in ("rows", "quantity", "net_pnl", "fees"):
            parts = [table["rejected"][figure], table["left_out"][figure], imported[figure]]
            assert sum(map(Decimal, parts)) == Decimal(table["read"][figure]), (name, figure)
    assert Decimal(report["imported"]["trades"]["net_pnl"]) == Decimal("9.21255")
    assert {row["key"]: row["reason"] for row in report["rejected"]} == {
        "12": "its bot is not in the settings",
        "lxalgo_001:SUIUSDT:1761397200000": "made by hand, with quantities that are wrong",
    }
    text = gzip.decompress(dump.read_bytes()).decode().splitlines()
    for row in report["rejected"]:
        assert row["key"] in text[int(row["place"].removeprefix("line ")) - 1]


def test_views_show_it_with_its_quality(run: Run, ask: Ask, dump: Path) -> None:
    run("platform", str(dump))
    assert ask(
        "SELECT bot_id, close_reason, count(*), sum(net_pnl), min(source), min(quality) "
        "FROM trading.trades_pnl GROUP BY 1, 2 ORDER BY 1"
    ) == [
        ("lxalgo_001", "external", 2, Decimal("-0.13295"), "import", "entry_time_approx"),
        ("shortseller_001", "external", 1, Decimal("9.3455"), "import", "entry_time_approx"),
    ]
    assert ask(
        "SELECT bot_id, trades, wins, net_pnl, fees FROM trading.bot_daily_performance ORDER BY 1"
    ) == [
        ("lxalgo_001", 2, 1, Decimal("-0.13295"), Decimal("0.03295")),
        ("shortseller_001", 1, 1, Decimal("9.3455"), Decimal("0.6545")),
    ]
    assert ask("SELECT sum(trades), sum(estimated) FROM trading.completed_trades_summary") == [
        (3, 3)
    ]
    assert ask("SELECT sum(net_pnl) FROM analytics.daily_performance_summary") == ask(
        "SELECT sum(net_pnl) FROM trading.trades_pnl"
    )
    assert ask("SELECT exit_reason, sum(trades) FROM trading.exit_reason_analysis GROUP BY 1") == [
        ("external", 3)
    ]


def test_analytics_shows_it_beside_the_ledger(
    run: Run, ask: Ask, dump: Path, settings: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def shown(*words: str) -> str:
        assert main(["analytics", *words, "--config", str(settings)]) == 0
        return capsys.readouterr().out

    run("platform", str(dump), "--dry-run")
    run("platform", str(dump))
    rows = {row["bot"]: row for row in json.loads(shown("--json"))["analytics"]}
    assert rows["lxalgo"]["imported"] == {
        "trades": 2, "wins": 1, "losses": 1, "estimated": 0, "fees": "0.03295",
        "net_pnl": "-0.13295", "first": "2025-10-25T11:00:01.000Z",
        "last": "2025-10-25T12:45:00.000Z",
    }  # fmt: skip
    assert rows["momentum"]["imported"] is None
    assert all((row["trades"], row["net_pnl"]) == (0, "0") for row in rows.values())
    assert "imported, beside the above: 1 trades · net +9.35 · 2025-" in shown("shortseller")
    # What the ledger holds itself is history no more.
    ledger_has(ask, trades()[0]["exit_order_id"])
    assert "imported" not in shown("shortseller")


def ledger_has(ask: Ask, order: object) -> None:
    ask(
        "INSERT INTO trading.executions (account, symbol, exec_id, order_id, order_link_id, side, "
        "exec_type, price, qty, value, fee, fee_currency, leaves_qty, is_maker, create_type, "
        "order_type, stop_order_type, exec_time, seq, source) VALUES ('main', 'BTCUSDT', 'e1', "
        f"'{order}', '', 'Buy', 'Trade', 59000, 0.01, 590, 0.3, 'USDT', 0, false, '', 'Market', "
        "'', '2025-10-25T14:30:00Z', 1, 'rest')"
    )


def test_what_the_ledger_has_itself_counts_once(run: Run, ask: Ask, dump: Path) -> None:
    run("platform", str(dump))
    ledger_has(ask, trades()[0]["exit_order_id"])
    assert ask("SELECT bot_id FROM trading.trades_pnl") == [("lxalgo_001",)] * 2
    # Found by index for each row, never by reading all executions for all of them.
    plan = "\n".join(row[0] for row in ask("EXPLAIN SELECT * FROM trading.trades_pnl"))
    assert "SubPlan" in plan and "hashed" not in plan
    assert ask("SELECT count(*) FROM trading.imported_trades") == [(3,)]


def test_a_second_run_brings_nothing(
    run: Run, ask: Ask, everything: Callable[[], str], dump: Path
) -> None:
    first: Any = run("platform", str(dump))
    imports: Any = run("list")["imports"]
    (listed,) = imports
    assert (listed["kind"], listed["new_rows"], listed["source"]) == ("platform", 11, dump.name)
    assert ask("SELECT command, result FROM audit.command_log") == [
        ("import platform", "11 new rows")
    ]
    before = everything()
    again: Any = run("platform", str(dump))
    assert (again["new_rows"], again["import_id"]) == (0, None)
    assert again["duplicates"] == {"trades": 3, "fills": 5, "records": 3}
    assert again["before"] == again["after"] == first["after"]
    assert everything() == before


async def test_two_at_once_bring_it_once(settings: Path, dump: Path) -> None:
    importer = Importer(load(settings, {}, {}), SystemClock(), dry_run=False, beside=True)
    reports = await asyncio.gather(importer.platform(str(dump)), importer.platform(str(dump)))
    assert sorted(report.new_rows for report in reports) == [0, 11]


def test_a_dry_run_says_the_same_and_changes_nothing(
    run: Run, everything: Callable[[], str], dump: Path
) -> None:
    before = everything()
    dry: Any = run("platform", str(dump), "--dry-run")
    assert everything() == before
    real: Any = run("platform", str(dump))
    assert dry.pop("dry_run") is True and real.pop("dry_run") is False
    assert dry.pop("import_id") is None and real.pop("import_id") == 1
    assert dry == real


def test_error_texts_reach_nothing(
    run: Run, everything: Callable[[], str], dump: Path, tmp_path: Path
) -> None:
    report = run("platform", str(dump))
    assert KEY_ID in gzip.decompress(dump.read_bytes()).decode()
    for place in (str(report), everything()):
        assert KEY_ID not in place and "origin_string" not in place
    # Nor when the text stands where a number should, and the import is refused.
    wrong = Dump()
    wrong.tables["completed_trades"] = [{**trades()[0], "net_pnl": ERROR}]
    file = tmp_path / "wrong.sql"
    file.write_text(wrong.text(), encoding="utf-8")
    refused = run("platform", str(file), fails=True)
    assert refused["code"] == 1 and KEY_ID not in str(refused["message"])


def cut_in_a_row(text: str) -> str:
    return text[: text.index("0.00001") + 4]


def cut_between_tables(text: str) -> str:
    return text[: text.index("CREATE TABLE trading.completed_trades")]


def with_a_value_less(text: str) -> str:
    return text.replace("DOGEUSDT\torder-1\t", "DOGEUSDT\t", 1)


def with_a_word_as_price(text: str) -> str:
    return text.replace("\t60000\t", "\tsixty\t", 1)


def with_a_share_that_no_column_holds(text: str) -> str:
    return text.replace("1.250000", "125000000000.0", 1)


def without_fills(text: str) -> str:
    return text.replace("trading.fills", "trading.trades")


DAMAGES: tuple[tuple[Callable[[str], str], tuple[str, ...]], ...] = (
    (cut_in_a_row, ("line ", "cut off")),
    (cut_between_tables, ("line ", "cut off")),
    (lambda text: cut_between_tables(text).replace("\n", "\r\n"), ("line ", "cut off")),
    (with_a_value_less, ("line ", "expected 12 values, was 11")),
    (with_a_word_as_price, ("line ", "a number as exec_price, was 'sixty'")),
    (with_a_share_that_no_column_holds, ("line ", "a share below 1e6 as pnl_pct")),
    (without_fills, ("earlier platform", "trading.fills")),
    (lambda _: "hello\n", ("no data of any table",)),
)


def test_damaged_and_foreign_dumps_change_nothing(
    run: Run, everything: Callable[[], str], tmp_path: Path
) -> None:
    before = everything()
    file = tmp_path / "damaged.sql"
    for damage, words in DAMAGES:
        file.write_text(damage(Dump().text()), encoding="utf-8")
        refused = run("platform", str(file), fails=True)
        assert refused["code"] == 1
        for word in (*words, "nothing was changed"):
            assert word in str(refused["message"])
    assert everything() == before


def test_rows_that_say_nothing_are_rejected_and_the_others_come(
    run: Run, ask: Ask, tmp_path: Path
) -> None:
    """What a column may hold spoils its own row only."""
    good_fill, good_trade = fills()[4], trades()[0]
    spoilt_fills: tuple[dict[str, str | None], ...] = (
        {"exec_price": "NaN"},
        {"exec_qty": None},
        {"side": "Hold"},
        {"symbol": "doge/usdt"},
        {"bot_id": ""},
        {"exec_time": "infinity"},
    )
    spoilt_trades: tuple[dict[str, str | None], ...] = (
        {"net_pnl": "NaN"},
        {"entry_side": "long"},
        {"exit_price": None},
        {"entry_price": "0"},
    )
    dump = Dump()
    dump.tables["fills"] = [
        {**good_fill, "side": "buy"},
        *({**good_fill, "id": f"{90 + n}", **bad} for n, bad in enumerate(spoilt_fills)),
    ]
    dump.tables["completed_trades"] = [
        good_trade,
        *(
            {**good_trade, "trade_id": f"{n}{good_trade['trade_id']}", **bad}
            for n, bad in enumerate(spoilt_trades)
        ),
    ]
    file = tmp_path / "nasty.sql"
    file.write_text(dump.text(), encoding="utf-8")
    report: Any = run("platform", str(file))
    assert report["imported"]["fills"]["rows"] == report["imported"]["trades"]["rows"] == 1
    assert ask("SELECT side FROM trading.imported_fills") == [("Buy",)]
    reasons = {row["key"]: row["reason"] for row in report["rejected"]}
    assert len(reasons) == len(report["rejected"]) == len(spoilt_fills) + len(spoilt_trades)
    assert reasons["90"] == "expected a number as exec_price, was 'NaN'"
    assert reasons["91"] == "expected a value as exec_qty, was nothing"
    assert reasons["92"] == "expected Buy or Sell as side, was 'Hold'"
    assert all(row["place"].startswith("line ") for row in report["rejected"])
    tables = report["tables"]
    assert tables["trading.fills"]["read"]["rows"] == 1 + len(spoilt_fills)
    assert tables["trading.fills"]["rejected"]["rows"] == len(spoilt_fills)
    assert tables["trading.completed_trades"]["rejected"]["rows"] == len(spoilt_trades)
    assert run("platform", str(file))["new_rows"] == 0


def test_a_cut_gzip_and_other_files_are_refused(run: Run, dump: Path, tmp_path: Path) -> None:
    whole = dump.read_bytes()
    cut = tmp_path / "cut.sql.gz"
    cut.write_bytes(whole[: len(whole) // 2])
    assert "cut off after line" in str(run("platform", str(cut), fails=True)["message"])
    custom = tmp_path / "custom.dump"
    custom.write_bytes(b"PGDMP\x01\x0e")
    assert "pg_restore -f" in str(run("platform", str(custom), fails=True)["message"])
    custom.write_text(Dump().text(), encoding="utf-16")
    assert "pg_dump --file" in str(run("platform", str(custom), fails=True)["message"])
    absent = run("platform", str(tmp_path / "none.sql"), fails=True)
    assert absent["code"] == 2
    away = run("platform", "postgresql://reader:hidden@127.0.0.1:1/trading_db", fails=True)
    assert away["code"] == 5 and "127.0.0.1:1" in str(away["message"])
    assert "hidden" not in str(away["message"]) and "reader" not in str(away["message"])
    odd = run("platform", "postgresql://reader:hidden@[::1/trading_db", fails=True)
    assert odd["code"] == 1 and "expected a URL" in str(odd["message"])
    assert "hidden" not in str(odd["message"])


def test_a_held_account_refuses_unless_beside(run: Run, ask: Ask, dump: Path) -> None:
    ask(
        "INSERT INTO config.leases VALUES ('lx', 'other:abc 1', 'other:abc', 1, now(), "
        "now() + interval '1 hour')"
    )
    refused = run("platform", str(dump), fails=True)
    assert refused["code"] == 1 and "other:abc" in str(refused["message"])
    assert ask("SELECT count(*) FROM trading.imported_trades") == [(0,)]
    assert run("platform", str(dump), "--dry-run")["new_rows"] == 11
    assert run("platform", str(dump), "--beside")["new_rows"] == 11


def test_live_asks_for_its_flag(run: Run, ask: Ask, dump: Path, settings: Path) -> None:
    settings.write_text(
        'mode = "live"\n' + settings.read_text("utf-8") + "[live]\nenabled = true\n", "utf-8"
    )
    refused = run("platform", str(dump), fails=True)
    assert refused["code"] == 4 and "--live" in str(refused["message"])
    # What was traded with play money is no history of real money.
    report: Any = run("platform", str(dump), "--live")
    reasons = {row["reason"] for row in report["rejected"]}
    assert report["new_rows"] == 0
    assert "traded in mode demo, the database is of mode live" in reasons
    live = Dump()
    live.tables["bots"] = [{**bot, "deployment_mode": "live"} for bot in bots()]
    dump.write_bytes(gzip.compress(live.text().encode()))
    assert run("platform", str(dump), "--live")["new_rows"] == 11
    assert ask("SELECT DISTINCT mode FROM trading.accounts") == [("live",)]
