"""Batches of orders: create, amend, cancel up to twenty at once (V5 "Batch Place Order").

The answer's `list` and `retExtInfo.list` run beside the request, index by index. The whole is
retCode 0 even if every single one failed.
"""

from __future__ import annotations

from collections.abc import Callable

from alpha.sim.draw import Draw
from alpha.sim.engine import Engine
from alpha.sim.model import Order, Refusal
from alpha.sim.params import Params
from alpha.sim.rest import Answer, Call, Endpoint, Routes
from alpha.sim.rest_trade import ACK_FIRST_PERCENT, amendment, ids, order_ids, order_request
from alpha.sim.rows import Json

MOST = 20
Work = Callable[[int], Order]
Reader = Callable[[str, Params], Work]


class BatchApi:
    """Each item is judged by itself; the items share one moment and one commit."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def routes(self) -> Routes:
        return {
            ("POST", "/v5/order/create-batch"): Endpoint(self.create, 10, weight=size),
            ("POST", "/v5/order/amend-batch"): Endpoint(self.amend, 10, weight=size),
            ("POST", "/v5/order/cancel-batch"): Endpoint(self.cancel, 10, weight=size),
        }

    async def create(self, call: Call) -> Answer:
        def read(account: str, params: Params) -> Work:
            request = order_request(params)
            return lambda ms: self._engine.exchange.create(account, request, ms)

        return await self._each(call, read, stamped=True)

    async def amend(self, call: Call) -> Answer:
        exchange = self._engine.exchange

        def read(account: str, params: Params) -> Work:
            symbol, order_id, link_id = order_ids(params)
            new = amendment(params)
            found = exchange.state.find_order(account, symbol, order_id, link_id)
            if found is not None and found.conditional:
                raise Refusal(110001, "order not exists or too late to replace")
            return lambda ms: exchange.amend(account, symbol, order_id, link_id, new, ms)

        return await self._each(call, read)

    async def cancel(self, call: Call) -> Answer:
        def read(account: str, params: Params) -> Work:
            symbol, order_id, link_id = order_ids(params)
            return lambda ms: self._engine.exchange.cancel(account, symbol, order_id, link_id, ms)

        return await self._each(call, read)

    async def _each(self, call: Call, read: Reader, *, stamped: bool = False) -> Answer:
        call.params.linear()
        items = call.params.items("request")
        if not 1 <= len(items) <= MOST:
            raise Refusal(10001, f"params error: request must hold 1 to {MOST} orders")

        def attempt(number: int, params: Params, ms: int) -> tuple[Json, Json]:
            asked: dict[str, Json] = {
                "category": "linear",
                "symbol": params.text("symbol"),
                "orderId": "",
                "orderLinkId": params.text("orderLinkId"),
            }
            if stamped:
                asked["createAt"] = ""
            try:
                if number >= call.granted:
                    raise Refusal(10006, "Too many visits!")
                asked |= ids(read(call.account, params)(ms))
            except Refusal as refusal:
                return asked, {"code": refusal.code, "msg": refusal.message}
            if stamped:
                asked["createAt"] = str(ms)
            return asked, {"code": 0, "msg": "OK"}

        def work(ms: int) -> Answer:
            done = [attempt(number, params, ms) for number, params in enumerate(items)]
            return Answer({"list": [row for row, _ in done]}, {"list": [ext for _, ext in done]})

        async def answer(result: Answer) -> None:
            if Draw("ack", str(result.result)).chance(ACK_FIRST_PERCENT):
                await call.reply(result)

        return await self._engine.perform(work, answer)


def size(params: Params) -> int:
    """Orders in the batch: each uses one request of the bucket; so does a batch refused whole."""
    count = len(params.items("request"))
    return count if 1 <= count <= MOST else 1
