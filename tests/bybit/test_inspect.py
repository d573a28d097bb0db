"""`alpha inspect`: every recorded file, one document or one per line, and bad input."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from alpha.bybit.account_rows import FundingRate
from alpha.bybit.recorded import decode_recorded
from alpha.cli.inspect import inspect
from tests.bybit.recorded import FUNDING_ANSWER, TRADE_FRAME, VECTORS, vector

app = typer.Typer()
app.command()(inspect)


def run(path: Path) -> Result:
    return CliRunner().invoke(app, [str(path)])


def events(result: Result) -> list[dict[str, object]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


#: What every recorded file holds, by hand: the kinds of its events, in order.
KINDS = {
    "http_get_account_info": ["AccountInfo"],
    "http_get_executions": ["Execution", "Execution"],
    "http_get_fee_rate": ["FeeRate", "FeeRate", "FeeRate"],
    "http_get_funding_history": ["FundingRate", "FundingRate"],
    "http_get_instruments_linear": ["Instrument", "Instrument"],
    "http_get_klines_linear": ["Bar"],
    "http_get_order_partially_filled_rejected": ["OrderEvent"],
    "http_get_orders_history": ["OrderEvent"],
    "http_get_orders_realtime": ["OrderEvent", "OrderEvent"],
    "http_get_orders_realtime_tp_sl": ["OrderEvent", "OrderEvent"],
    "http_get_positions": ["PositionEvent", "PositionEvent", "PositionEvent"],
    "http_get_user_query_api": ["KeyInfo"],
    "http_get_wallet_balance": ["WalletEvent"],
    "ws_account_execution": ["Execution"],
    "ws_account_execution_fast": ["FastExecution"],
    "ws_account_order": ["OrderEvent"],
    "ws_account_order_buy_stop_market": ["OrderEvent"],
    "ws_account_order_filled": ["OrderEvent"],
    "ws_account_order_market_if_touched": ["OrderEvent"],
    "ws_account_order_stop_limit": ["OrderEvent"],
    "ws_account_order_stop_loss": ["OrderEvent"],
    "ws_account_order_stop_market": ["OrderEvent"],
    "ws_account_order_take_profit": ["OrderEvent"],
    "ws_account_position": ["PositionEvent"],
    "ws_account_position_short": ["PositionEvent"],
    "ws_account_wallet": ["WalletEvent"],
    "ws_auth_failure": ["Ack"],
    "ws_auth_success": ["Ack"],
    "ws_kline": ["Bar"],
    "ws_order_response": ["Ack"],
    "ws_orderbook_snapshot": ["OrderBook"],
    "ws_public_trade": ["Ignored"],  # recorded under a topic name that Bybit does not use
    "ws_subscription_ack": ["Ack"],
    "ws_subscription_failure": ["Ack"],
    "ws_ticker_linear": ["Ticker"],
}


def test_every_recorded_file_is_expected_here() -> None:
    assert sorted(path.stem for path in VECTORS.glob("*.json")) == sorted(KINDS)


@pytest.mark.parametrize("name", sorted(KINDS))
def test_every_recorded_file_decodes(name: str) -> None:
    result = run(VECTORS / f"{name}.json")
    assert result.exit_code == 0, result.stderr
    assert [event["event"] for event in events(result)] == KINDS[name]


def test_funding_history_of_the_vector() -> None:
    first, second = decode_recorded(vector("http_get_funding_history.json"))
    assert isinstance(first, FundingRate) and isinstance(second, FundingRate)
    assert (first.symbol, str(first.rate), first.at_ms) == ("BTCUSDT", "0.0001", 1709884800000)
    assert (str(second.rate), second.at_ms) == ("0.00015", 1709856000000)


def test_one_document_per_line(tmp_path: Path) -> None:
    path = tmp_path / "frames.jsonl"
    path.write_text(f"{TRADE_FRAME}\n\n{FUNDING_ANSWER}\n")
    trade, funding = events(run(path))
    assert trade["event"] == "Execution"
    assert (trade["price"], trade["qty"], trade["side"]) == ("2739.59", "0.01", "Sell")
    assert (trade["exec_time"], trade["source"]) == (1791270948650, "stream")
    assert (funding["exec_type"], funding["fee"], funding["source"]) == (
        "Funding",
        "0.0085907",
        "rest",
    )


def test_a_list_of_documents(tmp_path: Path) -> None:
    path = tmp_path / "frames.json"
    path.write_text(f"[\n{TRADE_FRAME},\n{TRADE_FRAME}\n]")
    assert len(events(run(path))) == 2


def test_klines_take_their_interval_from_their_spacing() -> None:
    answer = {
        "retCode": 0,
        "result": {
            "symbol": "BTCUSDT",
            "list": [[str(n * 300_000), "1", "2", "1", "2", "3", "4"] for n in (2, 1, 0)],
        },
    }
    bars = decode_recorded(json.dumps(answer).encode())
    assert [getattr(bar, "interval_ms", None) for bar in bars] == [300_000] * 3


def test_a_refusal_and_an_unknown_answer(tmp_path: Path) -> None:
    path = tmp_path / "frames.jsonl"
    path.write_text(
        '{"retCode":110072,"retMsg":"OrderLinkedID is duplicate","result":{}}\n'
        '{"retCode":0,"retMsg":"OK","result":{"timeSecond":"1"}}\n'
    )
    assert events(run(path)) == [
        {"event": "Refusal", "code": 110072, "message": "OrderLinkedID is duplicate"},
        {"event": "Ignored", "topic": "answer with timeSecond"},
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"{TRADE_FRAME}\n{{oops\n", "line 2: expected JSON, was"),
        (
            f"{TRADE_FRAME}\n\n{TRADE_FRAME.replace('2739.59', 'x')}\n",
            "line 3: malformed frame: execPrice: expected a decimal number, was 'x'",
        ),
        ("not json", "line 1: expected JSON, was"),
        ('{\n "topic": "order",\n oops\n}', "line 3: expected JSON, was"),
        ("", "line 1: expected JSON, was nothing"),
        ('{"foo":1}', "line 1: malformed frame: topic: expected a topic, an op or a retCode"),
        ("[1]", "line 1: malformed frame"),
    ],
)
def test_bad_input_names_its_line(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "frames"
    path.write_text(text)
    result = run(path)
    assert result.exit_code == 1
    assert said in result.stderr
    assert "Traceback" not in result.output


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    path = tmp_path / "frames"
    path.write_bytes(b'{"op":\n"\xff"}')
    result = run(path)
    assert result.exit_code == 1
    assert "line 2: expected UTF-8 text, was byte 0xff" in result.stderr


def test_a_missing_file(tmp_path: Path) -> None:
    result = run(tmp_path / "nowhere.json")
    assert result.exit_code == 2
    assert "expected a file, found none" in result.stderr
