"""What goes to a sink: bars that bots were shown, fills that the ledger holds, equity and PnL.

Ids are tags only where there is a bounded number of them; those of executions and orders are
fields. Fills of one bot and moment are told apart by the tag `piece`, counted from 0.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from decimal import Decimal

from alpha.candles.files import interval_name
from alpha.core.events import Bar
from alpha.core.records import Commit, Fill
from alpha.sinks.influx import InfluxSink
from alpha.sinks.line import Value

#: Moments with fills of which it is remembered which came when.
MOST_KNOWN = 10_000


class Points:
    """Everything is told with the tag `mode`."""

    def __init__(self, sink: InfluxSink, mode: str) -> None:
        self._sink = sink
        self._mode = mode
        self._pieces: OrderedDict[tuple[str, ...], list[tuple[str, int]]] = OrderedDict()

    def bar(self, bar: Bar) -> None:
        """A closed bar, at its start."""
        self._sink.put(
            "bar",
            {
                "mode": self._mode,
                "symbol": bar.symbol,
                "interval": interval_name(bar.interval_ms),
            },
            {
                "open": bar.open,
                "high": bar.high,
                "low": bar.low,
                "close": bar.close,
                "volume": bar.volume,
                "turnover": bar.turnover,
            },
            bar.start_ms,
        )

    def committed(self, commits: Sequence[Commit], commit_no: int) -> None:
        """Fills, once the database has them."""
        for commit in commits:
            for fill in commit.change.fills if commit.change is not None else ():
                self._fill(fill)

    def _fill(self, fill: Fill) -> None:
        self._sink.put(
            "fill",
            {
                "mode": self._mode,
                "account": fill.account,
                "bot": fill.bot_id,
                "symbol": fill.symbol,
                "side": fill.side,
                "effect": fill.effect,
                "reason": fill.reason,
                "piece": str(self._piece(fill)),
            },
            {
                "price": fill.price,
                "qty": fill.qty,
                "value": fill.price * fill.qty,
                "fee": fill.fee,
                "realised": fill.realised,
                "position": fill.position_after,
                "exec_id": fill.exec_id,
                "order_id": fill.order_id,
            },
            fill.exec_time,
        )

    def _piece(self, fill: Fill) -> int:
        moment = (
            *(fill.account, fill.bot_id, fill.symbol, fill.side),
            *(fill.effect, fill.reason, str(fill.exec_time)),
        )
        known = self._pieces.setdefault(moment, [])
        self._pieces.move_to_end(moment)
        while len(self._pieces) > MOST_KNOWN:
            self._pieces.popitem(last=False)
        key = (fill.exec_id, fill.leg)
        if key not in known:
            known.append(key)
        return known.index(key)

    def bot(
        self,
        bot_id: str,
        account: str,
        *,
        wallet: Decimal,
        equity: Decimal,
        realised: Decimal,
        exposure: Decimal,
        positions: int,
        at_ms: int,
    ) -> None:
        """A bot's money, USDT: what it may call its own, and what it has won."""
        tags = {"mode": self._mode, "account": account, "bot": bot_id}
        self._sink.put("equity", tags, {"equity": equity, "wallet": wallet}, at_ms)
        fields: dict[str, Value | None] = {
            "realised": realised,
            "unrealised": equity - wallet,
            "exposure": exposure,
            "positions": positions,
        }
        self._sink.put("pnl", tags, fields, at_ms)

    def account(self, account: str, *, wallet: Decimal, equity: Decimal, at_ms: int) -> None:
        """An account's money as the exchange tells it, USDT."""
        tags = {"mode": self._mode, "account": account}
        self._sink.put("equity", tags, {"equity": equity, "wallet": wallet}, at_ms)
