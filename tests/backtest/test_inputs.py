"""What a folder gives a backtest: files, filters, rates."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest

from alpha.backtest.funding import funding_of
from alpha.backtest.instruments import instruments_of
from alpha.backtest.tape import Folder
from alpha.candles.files import CandleError
from alpha.candles.writing import write_candles
from alpha.errors import NotFound
from tests.backtest.stage import BTC, ETH, STEP, Row, candles, flat

D = Decimal
MINUTE = 60_000


def save(folder: Path, symbol: str, name: str, step: int, count: int = 10) -> None:
    write_candles(
        folder / f"bybit-linear-{symbol}-{name}.csv", candles(symbol, flat(1.0, count), step=step)
    )


def test_the_finest_interval_that_all_have_is_taken(tmp_path: Path) -> None:
    save(tmp_path, BTC, "1m", MINUTE)
    save(tmp_path, BTC, "5m", STEP)
    save(tmp_path, ETH, "5m", STEP)
    folder = Folder(tmp_path)
    assert folder.symbols == (BTC, ETH)
    assert folder.finest([BTC]) == MINUTE
    assert folder.finest([BTC, ETH]) == STEP
    assert folder.read(BTC, STEP) is folder.read(BTC, STEP)


def test_files_that_share_no_interval_or_a_name_are_refused(tmp_path: Path) -> None:
    save(tmp_path, BTC, "1m", MINUTE)
    save(tmp_path, ETH, "5m", STEP)
    with pytest.raises(CandleError, match="expected candles of one interval for BTCUSDT, ETHUSDT"):
        Folder(tmp_path).finest([BTC, ETH])
    (tmp_path / "other-BTCUSDT-1m.csv").write_text("")
    with pytest.raises(CandleError, match="expected one file for BTCUSDT of 1m"):
        Folder(tmp_path)


def test_one_file_is_a_folder_too(tmp_path: Path) -> None:
    save(tmp_path, BTC, "5m", STEP)
    assert Folder(tmp_path / "bybit-linear-BTCUSDT-5m.csv").symbols == (BTC,)
    with pytest.raises(NotFound, match="found nothing"):
        Folder(tmp_path / "none")


def test_filters_come_from_the_table_the_file_or_the_decimals(tmp_path: Path) -> None:
    rows: list[Row] = [(0.0123, 0.0130, 0.012, 0.0125)]
    save(tmp_path, BTC, "5m", STEP)
    market = [candles(BTC, flat(1.0, 1)), candles(ETH, flat(1.0, 1)), candles("ABCUSDT", rows)]
    rules = {"ETHUSDT": {"qty_step": "0.5", "taker_fee": "0.001"}}
    (tmp_path / "instruments.json").write_text(json.dumps(rules))
    found = instruments_of(Folder(tmp_path).rules(), market)
    assert (found[BTC].tick, found[BTC].qty_step, found[BTC].min_qty) == (
        D("0.1"),
        D("0.001"),
        D("0.001"),
    )
    assert found[BTC].min_notional == 5
    assert found[BTC].taker_fee == D("0.00055")
    # what the file does not tell is the table's; a step is the smallest quantity too
    assert (found[ETH].tick, found[ETH].qty_step, found[ETH].min_qty) == (
        D("0.01"),
        D("0.5"),
        D("0.5"),
    )
    assert found[ETH].taker_fee == D("0.001")
    # volumes of 1.0 have no decimals
    assert (found["ABCUSDT"].tick, found["ABCUSDT"].qty_step) == (D("0.0001"), D(1))


def test_rates_beside_the_candles_are_found(tmp_path: Path) -> None:
    save(tmp_path, BTC, "5m", STEP)
    (tmp_path / "bybit-linear-BTCUSDT-funding.csv").write_text("time_ms,rate\n300000,0.0001\n")
    (tmp_path / "bybit-linear-ETHUSDT-funding.csv").write_text("time_ms,rate\n300000,0.0002\n")
    (found,) = funding_of(Folder(tmp_path), [BTC])
    assert (found.symbol, found.at_ms, found.rate) == (BTC, STEP, D("0.0001"))
    assert Folder(tmp_path).symbols == (BTC,)
