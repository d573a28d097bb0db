"""A backtest's result as JSON."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from alpha.backtest.result import Result

_encode = msgspec.json.Encoder(decimal_format="number").encode


def document(result: Result, metrics: Mapping[str, object]) -> bytes:
    """`trades, signals, final_balance, open_positions, metrics`; amounts are numbers with all
    their digits, every `*_ms` is Unix milliseconds."""
    return _encode(
        {
            "trades": result.trades,
            "signals": result.signals,
            "final_balance": result.final_balance,
            "open_positions": result.open_positions,
            "metrics": metrics,
        }
    )
