"""Trading rules beside candles, in the shapes that people have them."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest

from alpha.candles.files import CandleError
from alpha.candles.instruments import read_instruments

ROOT = Path(__file__).parents[1]
OURS = {"tick_size": "0.5", "qty_step": "0.01", "min_qty": "0.02", "taker_fee": "0.0006"}
FLAT = {"tickSize": "0.5", "qtyStep": "0.01", "minOrderQty": "0.02", "takerFeeRate": "0.0006"}
GROUPED = {
    "symbol": "ABCUSDT",
    "status": "Trading",
    "priceFilter": {"tickSize": "0.5", "minPrice": "0.5"},
    "lotSizeFilter": {"qtyStep": "0.01", "minOrderQty": "0.02"},
    "taker_fee": "0.0006",
}


@pytest.mark.parametrize(
    "document",
    [
        {"ABCUSDT": OURS},
        {"ABCUSDT": FLAT},
        {"ABCUSDT": GROUPED},
        {"ABCUSDT": {"tick_size": 0.5, "qty_step": 0.01, "min_qty": 0.02, "taker_fee": 0.0006}},
        [GROUPED],
        [{"symbol": "ABCUSDT", **FLAT}],
        {"retCode": 0, "result": {"category": "linear", "list": [GROUPED]}},
    ],
)
def test_rules_are_read_in_every_usual_shape(document: object, tmp_path: Path) -> None:
    path = tmp_path / "instruments.json"
    path.write_text(json.dumps(document))
    assert read_instruments(path) == {"ABCUSDT": {key: Decimal(OURS[key]) for key in OURS}}


def test_an_answer_of_the_exchange_is_read_as_it_is(tmp_path: Path) -> None:
    recorded = json.loads((ROOT / "vectors/bybit/http_get_instruments_linear.json").read_text())
    path = tmp_path / "instruments.json"
    path.write_text(json.dumps(recorded))
    (symbol, *_) = rules = read_instruments(path)
    assert symbol.endswith("USDT") and rules[symbol]["tick_size"] > 0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[1]", "expected an object"),
        ('{"ABCUSDT": {"tickSiz": 1}}', "ABCUSDT: expected one of .*; the nearest is tick_size"),
        ('{"ABCUSDT": {"tickSize": 0}}', "ABCUSDT.tick_size: expected more than 0"),
        ('{"ABCUSDT":\n 7]', ":2: expected JSON"),
    ],
)
def test_what_is_wrong_is_named(text: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "instruments.json"
    path.write_text(text)
    with pytest.raises(CandleError, match=words):
        read_instruments(path)
