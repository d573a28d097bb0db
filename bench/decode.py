"""Microseconds to decode one execution frame, and one row of a frame of 32, into domain events.

`python bench/decode.py` prints one JSON object."""

from __future__ import annotations

import json
import timeit

from alpha.bybit.messages import decode_private

_ROW = {
    "category": "linear", "symbol": "ETHUSDT", "closedSize": "0", "execFee": "0.01095836",
    "execId": "85406bdb-e365-5031-b5f0-5d60da7ebaf6", "execPrice": "2739.59", "execQty": "0.01",
    "execType": "Trade", "execValue": "27.3959", "feeRate": "0.0004", "tradeIv": "", "markIv": "",
    "blockTradeId": "", "markPrice": "2739.62", "indexPrice": "", "underlyingPrice": "",
    "leavesQty": "0", "orderId": "65d1cc50-3b63-4c52-8f31-60cf5bb82f5e",
    "orderLinkId": "rec-stop-down", "orderPrice": "2684.83", "orderQty": "0.01",
    "orderType": "Market", "stopOrderType": "Stop", "side": "Sell", "execTime": "1791270948650",
    "isLeverage": "0", "isMaker": False, "seq": 12078223981, "marketUnit": "", "execPnl": "0",
    "createType": "CreateByStopOrder", "extraFees": [], "feeCurrency": "USDT",
}  # fmt: skip


def frame(rows: int) -> bytes:
    data = [
        _ROW | {"execId": f"{number:08d}-e365-5031-b5f0-5d60da7ebaf6"} for number in range(rows)
    ]
    envelope = {"topic": "execution.linear", "creationTime": 1791270948690, "data": data}
    return json.dumps(envelope, separators=(",", ":")).encode()


def microseconds(raw: bytes, times: int) -> float:
    """The best of five runs: the others measure what else the machine was doing."""
    runs = timeit.repeat(lambda: decode_private(raw, "main", 0), number=times, repeat=5)
    return min(runs) / times * 1e6


def main() -> None:
    one, many = frame(1), frame(32)
    print(
        json.dumps(
            {
                "benchmark": "decode",
                "frame_bytes": len(one),
                "us_per_execution_frame": round(microseconds(one, 20_000), 2),
                "us_per_row_of_32": round(microseconds(many, 1_000) / 32, 2),
            }
        )
    )


if __name__ == "__main__":
    main()
