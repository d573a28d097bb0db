"""Carries a plan out."""

from __future__ import annotations

import asyncio
from collections import Counter

from redis.asyncio import Redis
from redis.exceptions import RedisError

from alpha.clock import Clock
from alpha.sim.proxy import FaultProxy
from bench.chaos_plan import Fault
from bench.chaos_truth import is_open
from bench.chaos_watch import Struck
from bench.chaos_world import World, api_key


class Injector:
    def __init__(self, world: World, clock: Clock, plan: tuple[Fault, ...]) -> None:
        self._world = world
        self._clock = clock
        self._plan = plan
        self._proxied: dict[str, int] = {}
        self.started = 0.0
        #: In the order of their beginning.
        self.struck: list[Struck] = []
        #: By kind, how often the exchange's own faults have hit something.
        self.hits: Counter[str] = Counter()

    def _now_s(self) -> float:
        return self._clock.monotonic() - self.started

    async def run(self) -> None:
        """Returns when the last fault is over."""
        self.started = self._clock.monotonic()
        async with asyncio.TaskGroup() as group:
            for fault in self._plan:
                await self._clock.sleep(max(0.0, fault.at_s - self._now_s()))
                group.create_task(self._strike(fault), name=fault.name)
        self.struck.sort(key=lambda one: one.began_s)

    async def _strike(self, fault: Fault) -> None:
        began_s = self._now_s()
        refused = await self._carried_out(fault)
        self.struck.append(Struck(fault, began_s, self._now_s(), refused))

    async def _carried_out(self, fault: Fault) -> str:
        """Returns when it is over: "" or why it could not be done."""
        match fault.part:
            case "daemon":
                return await self._daemon(fault)
            case "exchange":
                await self._world.kill_exchange(fault.for_s)
                return ""
            case "exchange_fault":
                return await self._exchange(fault)
            case "provoke":
                return await self._provoke(fault)
            case "postgres":
                return await self._proxy(self._world.postgres, fault)
            case "redis" if fault.detail["how"] == "wipe":
                return await self._wipe()
            case "redis":
                return await self._proxy(self._world.redis, fault)

    async def _daemon(self, fault: Fault) -> str:
        daemon = self._world.active
        if fault.name == "daemon_stopped":
            daemon.stall()
            await self._clock.sleep(fault.for_s)
            daemon.resume()
        elif fault.name == "daemon_lost":
            daemon.kill(fault.for_s)
            if len(self._world.daemons) == 1:  # else the standby has to take over meanwhile
                await self._clock.sleep(fault.for_s)
        else:
            daemon.kill()
            if fault.for_s:  # and once more, in the middle of its start
                await self._clock.sleep(fault.for_s)
                daemon.kill()
        return ""

    async def _exchange(self, fault: Fault) -> str:
        detail = dict(fault.detail)
        with_close = detail.pop("with_close", False)
        once = detail["kind"] == "close_socket"
        faults = [{**detail, **({} if once else {"for_s": fault.for_s})}]
        if with_close:
            faults.append({"kind": "close_socket", "socket": detail["socket"]})
        ids, refused = await self._world.fail(faults)
        if not refused:
            await self._clock.sleep(0.1 if once else fault.for_s)
            self.hits[fault.name] += await self._world.hits(ids)
        return refused

    async def _provoke(self, fault: Fault) -> str:
        """In the plan's market; what needs a position, in the first market after it that has
        one."""
        detail = dict(fault.detail)
        account, symbol = str(detail.pop("account")), str(detail["symbol"])
        if detail["event"] == "manual_order":
            detail["qty"] = QUANTITIES[symbol]
        elif detail["event"] != "funding":
            account, symbol = await self._open_market(account, symbol)
        if detail["event"] != "funding":
            detail["key"] = api_key(account)
        return await self._world.provoke({**detail, "symbol": symbol})

    async def _open_market(self, account: str, symbol: str) -> tuple[str, str]:
        markets = self._world.layout.markets
        first = markets.index((account, symbol))
        rows = await asyncio.to_thread(
            self._world.exchange_rows, "SELECT account, symbol, body FROM positions"
        )
        held = {(key, name) for key, name, body in rows if is_open(body)}
        for market in (*markets[first:], *markets[:first]):
            if (api_key(market[0]), market[1]) in held:
                return market
        return account, symbol

    async def _proxy(self, proxy: FaultProxy, fault: Fault) -> str:
        how = str(fault.detail["how"])
        if how == "reset":
            proxy.reset()
            return ""
        {"cut": proxy.cut, "stall": proxy.stall, "half_open": proxy.half_open}[how]()
        self._proxied[fault.part] = self._proxied.get(fault.part, 0) + 1
        await self._clock.sleep(fault.for_s)
        self._proxied[fault.part] -= 1
        if not self._proxied[fault.part]:  # the last of those that overlap ends it
            proxy.heal()
        return ""

    async def _wipe(self) -> str:
        client = Redis.from_url(self._world.direct_redis_url)
        try:
            await client.flushall()
        except (RedisError, OSError) as error:
            return str(error)
        finally:
            await client.aclose()
        return ""


#: What a person orders by hand.
QUANTITIES = {
    "BTCUSDT": "0.002",
    "ETHUSDT": "0.05",
    "SOLUSDT": "1",
    "XRPUSDT": "60",
    "DOGEUSDT": "800",
    "LINKUSDT": "8",
    "ADAUSDT": "300",
}
