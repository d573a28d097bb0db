"""LXAlgo's rules against what a published run of theirs signalled and traded."""

from __future__ import annotations

import csv
import gzip
from collections import Counter
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import pytest

from plugins.lxalgo.figures import Figures
from plugins.lxalgo.state import Book
from tests.plugins.candles import BAR_MS

PUBLISHED = Path(__file__).resolve().parents[3] / "shared" / "vectors" / "lxalgo"
FEE = Decimal("0.00055")
WINDOW_MS = 4 * 3_600_000

pytestmark = pytest.mark.shared_data


def rows(name: str) -> list[dict[str, str]]:
    with gzip.open(PUBLISHED / name, "rt", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def signals() -> list[dict[str, str]]:
    return rows("signals_20250905_20251017.csv.gz")


def trades() -> list[dict[str, str]]:
    return rows("trades_20251018_043213.csv.gz")


def seconds(stamp: str) -> float:
    """Of a time as text or, as the two trades open at the end have it, in milliseconds."""
    return int(stamp) / 1000 if stamp.isdigit() else datetime.fromisoformat(stamp).timestamp()


def rules_that_may_be(row: dict[str, str]) -> set[str | None]:
    """Changes of price and volume were not published: with neither and with both."""
    rsi, volatility, spread = (
        float(row[name]) if row[name] else None for name in ("rsi", "volatility", "spread")
    )
    return {Figures(8.0, rsi, volatility, spread, change, change).rule for change in (None, 100.0)}


def test_the_classifier_gives_the_published_rules() -> None:
    found = Counter(row["rule"] for row in signals())
    assert found == {"Rule 8": 6605, "Rule 6": 2565}
    decided = 0
    for row in signals():
        may_be = rules_that_may_be(row)
        assert row["rule"].lower().replace(" ", "_") in may_be, row
        decided += len(may_be) == 1
    assert decided == 8238


@pytest.mark.parametrize(
    ("shift_ms", "total", "rule_8", "rule_6"),
    [(BAR_MS, 1411, 1065, 346), (0, 1399, 1036, 363)],
    ids=["by close", "by open"],
)
def test_windows_accept_as_many_signals_as_counted(
    shift_ms: int, total: int, rule_8: int, rule_6: int
) -> None:
    """Chronological, in the order of the file within one bar; one per symbol and window."""
    book, accepted = Book(), Counter[str]()
    for row in sorted(signals(), key=lambda row: int(row["timestamp"])):
        window = (int(row["timestamp"]) + shift_ms) // WINDOW_MS
        book.forget_windows_before(window)
        if not book.is_cooling(row["symbol"], window):
            book.windows[row["symbol"]] = window
            accepted[row["rule"]] += 1
    assert (accepted.total(), accepted["Rule 8"], accepted["Rule 6"]) == (total, rule_8, rule_6)


def test_published_trades_add_up() -> None:
    """net = exit value - invested - fees of both sides, and 200 USDT for each entry."""
    net = Decimal(0)
    for row in trades():
        invested = 200 * Decimal(row["entry_count"])
        got = Decimal(row["quantity"]) * Decimal(row["exit_price"])
        assert Decimal(row["total_invested"]) == invested
        expected = got - invested - FEE * (invested + got)
        assert abs(Decimal(row["net_pnl"]) - expected) < Decimal("1e-8"), row
        net += Decimal(row["net_pnl"])
    assert len(trades()) == 1166
    assert round(net, 4) == Decimal("26672.2114")
    assert sum(Decimal(row["net_pnl"]) > 0 for row in trades()) == 144


def test_published_exits_lie_where_the_rules_say() -> None:
    """The stop 8 % under the average, breakeven 0.02 % over it; ages of the time exits. (Take
    profits refer to the first signal's price.)"""
    found = Counter[str]()
    for row in trades():
        average, price = Decimal(row["avg_entry_price"]), Decimal(row["exit_price"])
        hours = (seconds(row["exit_time"]) - seconds(row["entry_time"])) / 3600
        reason = row["exit_reason"]
        found[reason] += 1
        if reason == "stop_loss":
            assert price / average == pytest.approx(Decimal("0.92"), abs=Decimal("1e-9"))
        elif reason == "breakeven_sl":
            assert price / average == pytest.approx(Decimal("1.0002"), abs=Decimal("1e-9"))
        elif reason == "negative_pnl_8h":
            assert hours >= 8 and price < average
        elif reason == "time_limit_72h":
            assert hours >= 72
    assert found == {
        "take_profit": 134,
        "stop_loss": 541,
        "negative_pnl_8h": 206,
        "breakeven_sl": 275,
        "time_limit_72h": 8,
        "force_close_eod": 2,
    }
