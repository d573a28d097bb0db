"""`alpha backtest` with LXAlgo against the same rules written a second time, trade by trade."""

from __future__ import annotations

import csv
import gzip
import json
from decimal import Decimal
from functools import cache
from pathlib import Path

import pytest

from alpha.cli import main
from tests.plugins.lxalgo_oracle import STEPS, Oracle, Row, Rules

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"

pytestmark = pytest.mark.shared_data


@cache
def rows() -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for symbol in STEPS:
        with gzip.open(DATA / f"bybit-linear-{symbol}-5m.csv.gz", "rt", encoding="ascii") as file:
            found[symbol] = [
                (int(row[0]), *map(float, row[1:6]))  # type: ignore[misc]
                for row in csv.reader(file)
                if row[0].isdigit()
            ]
    return found


def D(text: str) -> Decimal:
    return Decimal(text)


#: The published thresholds hardly meet these symbols: lower ones, and larger stakes for the limits.
CASES: dict[str, tuple[Rules, dict[str, object]]] = {
    "reference": (Rules(), {}),
    "near stops, breakeven, trailing": (
        Rules(threshold=0.8, sl=D("0.02"), tp=D("0.04"), act=D("0.01"), off=D("0.012"),
              be=D("0.006"), slippage_bps=D("2")),
        {"pump_threshold": 0.8, "sl": 0.02, "tp": 0.04, "activation": 0.01, "offset": 0.012,
         "be_trigger": 0.006, "slippage_bps": 2},
    ),
    "limits": (
        Rules(threshold=0.8, size=D("9000"), lookback=24, most=2),
        {"pump_threshold": 0.8, "base_size": 9000, "pump_lookback": 24, "max_active_trades": 2},
    ),
    "scale-in": (
        Rules(threshold=1.0, entries=4, be=D("0.01"), tp=D("0.06"), act=D("0.03"), off=D("0.02")),
        {"pump_threshold": 1, "max_entries_per_symbol": 4, "be_trigger": 0.01, "tp": 0.06,
         "activation": 0.03, "offset": 0.02},
    ),
}  # fmt: skip


#: So many trades each: the cases are eventful.
TRADES = {"reference": 2, "near stops, breakeven, trailing": 618, "limits": 155, "scale-in": 353}


@pytest.mark.parametrize("case", CASES)
def test_every_signal_and_trade_is_the_same(case: str, tmp_path: Path) -> None:
    rules, changes = CASES[case]
    file = tmp_path / "result.json"
    sets: list[str] = []
    for key, value in changes.items():
        sets += ["--set", f"{'backtest' if key == 'slippage_bps' else 'lxalgo'}.{key}={value}"]
    asked = ["backtest", "--bots", "lxalgo", "--data", str(DATA), "--json", str(file), *sets]
    assert main(asked) == 0
    found = json.loads(file.read_text(), parse_float=Decimal)
    oracle = Oracle(rows(), rules).run()
    signals = sorted((s["symbol"], s["bar_ms"], s["kind"], s["reason"]) for s in found["signals"])
    assert signals == sorted(oracle.signals)
    trades = sorted(
        (t["symbol"], t["entry_ms"], t["exit_ms"], t["exit_price"], t["exit_reason"], t["qty"])
        for t in found["trades"]
    )
    assert trades == sorted(one[:6] for one in oracle.sold)
    nets = {(t["symbol"], t["exit_ms"]): t["net_pnl"] for t in found["trades"]}
    for one in oracle.sold:
        assert abs(nets[one[0], one[2]] - one[6]) < Decimal("1e-6")
    assert len(trades) == TRADES[case]
    assert abs(Decimal(found["final_balance"]) - oracle.wallet) < Decimal("1e-6")
