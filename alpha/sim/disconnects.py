"""DCP: an account's orders go when nobody has listened for it for too long.

Armed by `POST /v5/order/disconnected-cancel-all` together with a private socket that has
subscribed `dcp.future`. The window is wall time; it begins when the last such socket is gone,
and a new one in time ends it. Without such a socket from the start nothing is ever cancelled.
"""

from __future__ import annotations

import asyncio

import structlog

from alpha.clock import Clock
from alpha.sim.engine import Engine
from alpha.sim.hub import Session

log = structlog.get_logger(__name__)

TOPIC = "dcp.future"


class Disconnects:
    """Waits for accounts whose last `dcp.future` socket has gone."""

    def __init__(self, engine: Engine, wall: Clock) -> None:
        self._engine = engine
        self._wall = wall
        self._waiting: dict[str, asyncio.Task[None]] = {}
        self._closed = False
        engine.hub.farewells.append(self._left)

    async def close(self) -> None:
        """The end of the simulator is no disconnection of its clients."""
        self._closed = True
        tasks = list(self._waiting.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _left(self, session: Session) -> None:
        account = session.account
        if self._closed or TOPIC not in session.topics or self._heard(account):
            return
        seconds = self._engine.exchange.state.accounts[account].dcp_s
        if not seconds:
            return
        earlier = self._waiting.get(account)
        if earlier is not None:
            earlier.cancel()
        self._waiting[account] = asyncio.create_task(self._cancel(account, seconds))

    def _heard(self, account: str) -> bool:
        return any(TOPIC in one.topics for one in self._engine.hub.private.get(account, ()))

    async def _cancel(self, account: str, seconds: int) -> None:
        await self._wall.sleep(seconds)
        exchange = self._engine.exchange
        if self._heard(account) or not exchange.state.accounts[account].dcp_s:
            return
        gone = await self._engine.perform(lambda ms: exchange.disconnected(account, ms))
        log.info("nobody listens: orders cancelled", account=account[:4], orders=len(gone))
