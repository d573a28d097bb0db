"""What has happened to an account: executions, closed profit and loss, transaction log."""

from __future__ import annotations

from alpha.sim import rows
from alpha.sim.engine import Engine
from alpha.sim.intervals import DAY_MS
from alpha.sim.pages import WEEK_MS, asked_window, page_cursor, page_mark
from alpha.sim.rest import Call, Endpoint, Result, Routes
from alpha.sim.rows import Json
from alpha.sim.store import ClosedQuery, ExecutionQuery

NOTHING: Result = {"nextPageCursor": "", "list": []}


class HistoryApi:
    """Read from the store alone, so that a list never shows what is not committed."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def routes(self) -> Routes:
        return {
            ("GET", "/v5/execution/list"): Endpoint(self.executions, 50),
            ("GET", "/v5/position/closed-pnl"): Endpoint(self.closed_pnl, 50),
            ("GET", "/v5/account/transaction-log"): Endpoint(self.transaction_log, 25),
        }

    async def executions(self, call: Call) -> Result:
        params = call.params
        params.linear()
        order_id, link_id = params.text("orderId"), params.text("orderLinkId")
        symbol, base = params.text("symbol"), params.text("baseCoin")
        if params.text("settleCoin", "USDT") != "USDT" and not (order_id or link_id):
            return {"category": "linear", **NOTHING}
        if base and not symbol:
            symbol = f"{base}USDT"
        window = asked_window(params, WEEK_MS, self._engine.now_ms())
        hidden = self._engine.hub.faults.hidden("/v5/execution/list", call.account)
        limit = params.limit(50, 100)
        found = await self._engine.store.executions(
            ExecutionQuery(
                account=call.account,
                symbol=symbol,
                order_id=order_id,
                link_id=link_id,
                exec_type=params.text("execType"),
                start_ms=window.start_ms,
                end_ms=window.end_ms,
                before=page_mark(params),
                limit=limit + len(hidden),
            )
        )
        found = [item for item in found if item[1].exec_id not in hidden][:limit]
        cursor = page_cursor([(row.exec_ms, n) for n, row in found])
        listed: list[Json] = [rows.execution_rest_row(row) for _, row in found]
        return {"nextPageCursor": cursor, "category": "linear", "list": listed}

    async def closed_pnl(self, call: Call) -> Result:
        """One row for each order that has closed (a part of) a position."""
        params = call.params
        params.linear()
        window = asked_window(params, WEEK_MS, self._engine.now_ms())
        found = await self._engine.store.closings(
            ClosedQuery(
                account=call.account,
                symbol=params.text("symbol"),
                start_ms=window.start_ms,
                end_ms=window.end_ms,
                before=page_mark(params),
                limit=params.limit(50, 100),
            )
        )
        state = self._engine.exchange.state
        listed: list[Json] = [
            rows.closed_row(fills, state.position(call.account, fills[0].symbol).leverage)
            for _, fills in found
        ]
        cursor = page_cursor([(fills[-1].exec_ms, n) for n, fills in found])
        return {"nextPageCursor": cursor, "category": "linear", "list": listed}

    async def transaction_log(self, call: Call) -> Result:
        """Every change of the balance; funding has the sign opposite to its execution."""
        params = call.params
        window = asked_window(params, DAY_MS, self._engine.now_ms())
        kinds = {name: kind for kind, name in rows.LEDGER_TYPES.items()}
        wanted, base = params.text("type"), params.text("baseCoin")
        category = params.text("category")
        if (
            (wanted and wanted not in (*kinds, *rows.TRANSFER_TYPES))
            or category not in ("", "linear")
            or params.text("currency", "USDT") != "USDT"
        ):
            return NOTHING
        query = ExecutionQuery(
            account=call.account,
            symbol=f"{base}USDT" if base else "",
            exec_type=kinds.get(wanted, ""),
            start_ms=window.start_ms,
            end_ms=window.end_ms,
            before=page_mark(params),
            limit=params.limit(20, 50),
        )
        found: list[tuple[tuple[int, int], Json]] = []
        if wanted not in rows.TRANSFER_TYPES:
            for number, row in await self._engine.store.executions(query):
                found.append(((row.exec_ms, number), rows.ledger_row(row)))
        if not category and not base and wanted not in kinds:  # they belong to no product
            for number, moved in await self._engine.store.transfers(query):
                if wanted in ("", rows.transfer_type(moved)):
                    found.append(((moved.at_ms, number), rows.transfer_row(moved)))
        page = sorted(found, key=lambda item: item[0], reverse=True)[: query.limit]
        cursor = page_cursor([mark for mark, _ in page])
        return {"nextPageCursor": cursor, "list": [row for _, row in page]}
