"""Private reads: account, positions, orders.

Lists come newest first with an opaque cursor that is already percent-encoded, also on the
last page. Windows are at most seven days wide. Closed orders without a fill are forgotten a
day of market time after their end.
"""

from __future__ import annotations

from urllib.parse import quote, unquote

from alpha.sim import rows
from alpha.sim.engine import Engine
from alpha.sim.feeds.base import InstrumentSpec
from alpha.sim.intervals import DAY_MS
from alpha.sim.model import Order, PositionView, Refusal
from alpha.sim.pages import WEEK_MS, asked_window, page_cursor, page_mark
from alpha.sim.rest import Call, Endpoint, Result, Routes
from alpha.sim.rows import Json
from alpha.sim.store import OrderQuery

RECENT_CLOSED = 500
#: Products of which an account here never holds anything.
EMPTY_CATEGORIES = ("inverse", "option")


class AccountApi:
    """What an account may read of itself."""

    def __init__(self, engine: Engine, specs: tuple[InstrumentSpec, ...]) -> None:
        self._engine = engine
        self._specs = {spec.symbol: spec for spec in specs}

    def routes(self) -> Routes:
        return {
            ("GET", "/v5/account/wallet-balance"): Endpoint(self.wallet, 50),
            ("GET", "/v5/account/info"): Endpoint(self.info, 50),
            ("GET", "/v5/account/fee-rate"): Endpoint(self.fee_rate, 5),
            ("GET", "/v5/account/user-setting-config"): Endpoint(self.settings, 50),
            ("GET", "/v5/user/query-api"): Endpoint(self.query_api, 10),
            ("GET", "/v5/position/list"): Endpoint(self.positions, 50),
            ("GET", "/v5/order/realtime"): Endpoint(self.realtime, 50),
            ("GET", "/v5/order/history"): Endpoint(self.history, 50),
        }

    # -- the account ----------------------------------------------------------------------

    async def wallet(self, call: Call) -> Result:
        if call.params.text("accountType") != "UNIFIED":
            raise Refusal(10001, "params error: accountType only support UNIFIED")
        state = self._engine.exchange.state
        view = await self._engine.read(lambda ms: state.wallet_view(call.account))
        row = rows.wallet_row(view)
        coins = call.params.text("coin")
        if coins and "USDT" not in coins.split(","):
            row["coin"] = []
        return {"list": [row]}

    async def info(self, call: Call) -> Result:
        window_s = self._engine.exchange.state.accounts[call.account].dcp_s
        return {
            "marginMode": "REGULAR_MARGIN",
            "updatedTime": str(self._engine.now_ms()),
            "unifiedMarginStatus": 5,
            "dcpStatus": "ON" if window_s else "OFF",
            "timeWindow": window_s,
            "smpGroup": 0,
            "isMasterTrader": False,
            "spotHedgingStatus": "OFF",
        }

    async def fee_rate(self, call: Call) -> Result:
        call.params.linear()
        symbol = call.params.text("symbol")
        if symbol and symbol not in self._specs:
            raise Refusal(10001, f"params error: symbol invalid {symbol}")
        listed: list[Json] = [
            {
                "symbol": spec.symbol,
                "takerFeeRate": rows.text(spec.taker_fee),
                "makerFeeRate": rows.text(spec.maker_fee),
                "baseCoin": "",
            }
            for spec in self._specs.values()
            if symbol in ("", spec.symbol)
        ]
        return {"list": listed}

    async def query_api(self, call: Call) -> Result:
        number = self._engine.exchange.state.accounts[call.account].number
        return {
            "id": str(number),
            "note": "paper",
            "apiKey": call.account,
            "readOnly": 0,
            "secret": "",
            "permissions": {
                "ContractTrade": ["Order", "Position"],
                "Spot": [],
                "Wallet": [],
                "Options": [],
                "Derivatives": ["DerivativesTrade"],
                "CopyTrading": [],
                "BlockTrade": [],
                "Exchange": [],
                "NFT": [],
                "Affiliate": [],
                "Earn": [],
            },
            "ips": ["*"],
            "type": 1,
            "deadlineDay": -2,
            "expiredAt": "1970-01-01T00:00:00Z",
            "createdAt": "2025-01-01T00:00:00Z",
            "unified": 0,
            "uta": 1,
            "userID": number,
            "inviterID": 0,
            "vipLevel": "No VIP",
            "mktMakerLevel": "0",
            "affiliateID": 0,
            "rsaPublicKey": "",
            "isMaster": True,
            "parentUid": "0",
            "kycLevel": "LEVEL_DEFAULT",
            "kycRegion": "",
        }

    async def settings(self, call: Call) -> Result:
        """What limit prices out of the band meet; fees are never paid in MNT."""
        return {
            "lpaSpot": False,
            "lpaPerp": self._engine.exchange.state.accounts[call.account].refuses_far,
            "smsef": False,
            "fmsef": False,
            "deltaEnable": False,
        }

    # -- positions ------------------------------------------------------------------------

    async def positions(self, call: Call) -> Result:
        params = call.params
        if params.text("category") in EMPTY_CATEGORIES:
            # Clients that show every position ask for all products of the account.
            return {"nextPageCursor": "", "category": params.text("category"), "list": []}
        params.linear()
        symbol = params.text("symbol")
        limit = params.limit(20, 200)
        if symbol and symbol not in self._specs:
            raise Refusal(10001, f"params error: symbol invalid {symbol}")
        if not symbol and not params.text("settleCoin"):
            raise Refusal(10001, "params error: symbol or settleCoin is required")
        after = unquote(params.text("cursor")).partition(",")[0]
        found = await self._engine.read(lambda ms: self._positions(call.account, symbol))
        if not symbol and params.text("settleCoin") != "USDT":
            found = []
        page = [view for view in found if not after or view.position.symbol > after][:limit]
        cursor = ""
        if page and not symbol:
            last = page[-1].position
            cursor = quote(f"{last.symbol},{last.updated_ms},0", safe="")
        listed: list[Json] = [rows.position_rest_row(view) for view in page]
        return {"nextPageCursor": cursor, "category": "linear", "list": listed}

    def _positions(self, account: str, symbol: str) -> list[PositionView]:
        state = self._engine.exchange.state
        if symbol:
            return [state.position_view(account, symbol)]
        held = state.positions[account]
        return [state.position_view(account, name) for name in sorted(held) if held[name].size > 0]

    # -- orders ---------------------------------------------------------------------------

    async def realtime(self, call: Call) -> Result:
        """Open orders (openOnly 0) or the last 500 closed ones (1); by id, either."""
        params = call.params
        params.linear()
        order_id, link_id = params.text("orderId"), params.text("orderLinkId")
        symbol, settle, base = (params.text(n) for n in ("symbol", "settleCoin", "baseCoin"))
        if not (symbol or settle or base):
            raise Refusal(10001, "params error: symbol, settleCoin or baseCoin is required")
        limit = params.limit(20, 50)
        if base and not symbol:
            symbol = f"{base}USDT"
        mark = page_mark(params)
        if order_id or link_id:
            hidden = self._hidden("/v5/order/realtime", call.account)
            found = await self._by_id(call.account, order_id, link_id)
            found = [item for item in found if item[1].order_id not in hidden]
        elif params.integer("openOnly", 0) == 1:
            closed = await self._closed(call.account, symbol)
            found = [item for item in closed if item[0] < mark][:limit]
        else:
            orders = await self._engine.read(lambda ms: self._open(call.account, symbol))
            which = params.text("orderFilter")
            found = [
                item
                for item in orders
                if item[0] < mark
                and not (which == "Order" and item[1].conditional)
                and not (which == "StopOrder" and not item[1].conditional)
            ][:limit]
        return self._orders([order for _, order in found], [mark for mark, _ in found])

    async def history(self, call: Call) -> Result:
        params = call.params
        params.linear()
        window = asked_window(params, WEEK_MS, self._engine.now_ms())
        status = params.text("orderStatus")
        if status in ("New", "PartiallyFilled", "Untriggered"):
            raise Refusal(181017, "OrderStatus must be final status")
        order_id, link_id = params.text("orderId"), params.text("orderLinkId")
        hidden = self._hidden("/v5/order/history", call.account)
        limit = params.limit(20, 50)
        found = await self._engine.store.orders(
            OrderQuery(
                account=call.account,
                symbol=params.text("symbol"),
                order_id=order_id,
                link_id=link_id,
                status=status,
                start_ms=window.start_ms,
                end_ms=window.end_ms,
                forget_ms=self._engine.now_ms() - DAY_MS,
                before=page_mark(params),
                limit=limit + len(hidden),
            )
        )
        found = [item for item in found if item[1].order_id not in hidden][:limit]
        marks = [(order.created_ms, n) for n, order in found]
        return self._orders([order for _, order in found], marks)

    def _hidden(self, path: str, account: str) -> frozenset[str]:
        """Ids of the rows that a fault keeps from showing yet."""
        return self._engine.hub.faults.hidden(path, account)

    def _orders(self, orders: list[Order], marks: list[tuple[int, int]]) -> Result:
        listed: list[Json] = [rows.order_rest_row(order) for order in orders]
        cursor = page_cursor(marks)
        return {"nextPageCursor": cursor, "category": "linear", "list": listed}

    def _open(self, account: str, symbol: str) -> list[tuple[tuple[int, int], Order]]:
        """Open orders newest first, each with its place in the list."""
        state = self._engine.exchange.state
        placed = [
            ((order.created_ms, int(order.order_id[:8], 16)), order)
            for order in state.open_orders(account, symbol or None)
        ]
        return sorted(placed, key=lambda item: item[0], reverse=True)

    async def _by_id(
        self, account: str, order_id: str, link_id: str
    ) -> list[tuple[tuple[int, int], Order]]:
        for mark, order in await self._engine.read(lambda ms: self._open(account, "")):
            if order.order_id == order_id or (not order_id and order.link_id == link_id):
                return [(mark, order)]
        query = OrderQuery(
            account=account, order_id=order_id, link_id=link_id, recent=RECENT_CLOSED, limit=1
        )
        return [((o.created_ms, n), o) for n, o in await self._engine.store.orders(query)]

    async def _closed(self, account: str, symbol: str) -> list[tuple[tuple[int, int], Order]]:
        query = OrderQuery(
            account=account, symbol=symbol, recent=RECENT_CLOSED, limit=RECENT_CLOSED
        )
        return [((o.created_ms, n), o) for n, o in await self._engine.store.orders(query)]
