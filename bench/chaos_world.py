"""The world of a run: an exchange, PostgreSQL, Redis and a daemon, each a process of its own, and
proxies that can break what lies between them."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import aiohttp

from alpha import embedded
from alpha.clock import Clock
from alpha.embedded.place import find_place
from alpha.sim.proxy import FaultProxy
from bench.chaos_daemon import ROOT, Daemon, spawn

READY_WITHIN_S = 60.0


@dataclass(frozen=True, slots=True)
class Bot:
    name: str
    account: str
    symbols: tuple[str, ...]
    side: str = "Both"
    shared: bool = False
    redis_db: int = 0
    pace: int = 40


@dataclass(frozen=True, slots=True)
class Layout:
    """Who trades where. `netting` names the accounts whose bots may be opposite."""

    bots: tuple[Bot, ...]
    netting: frozenset[str] = frozenset()

    @property
    def accounts(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(bot.account for bot in self.bots))

    @property
    def markets(self) -> tuple[tuple[str, str], ...]:
        found = {(bot.account, symbol): None for bot in self.bots for symbol in bot.symbols}
        return tuple(found)

    def bots_of(self, account: str) -> tuple[Bot, ...]:
        return tuple(bot for bot in self.bots if bot.account == account)


LAYOUT = Layout(
    bots=(
        Bot("solo", "own", ("BTCUSDT", "ETHUSDT")),
        Bot("east", "wide", ("SOLUSDT",), shared=True, redis_db=1),
        Bot("west", "wide", ("XRPUSDT",), shared=True, redis_db=1),
        Bot("ann", "same", ("DOGEUSDT",), "Buy", shared=True, redis_db=2),
        Bot("bob", "same", ("DOGEUSDT", "LINKUSDT"), shared=True, redis_db=2),
        Bot("up", "net", ("ADAUSDT",), "Buy", shared=True, redis_db=2),
        Bot("down", "net", ("ADAUSDT",), "Sell", shared=True, redis_db=2),
    ),
    netting=frozenset({"net"}),
)


def api_key(account: str) -> str:
    """What the exchange knows the account by."""
    return f"chaoskey{account}"


def _config(world: World, daemon: Daemon) -> str:
    rest, sockets = f"http://127.0.0.1:{world.port}", f"ws://127.0.0.1:{world.port}/v5"
    lines = [
        'mode = "paper"',
        f'data_dir = "{daemon.data_dir}"',
        f'plugins_dir = "{ROOT / "bench" / "plugins"}"',
        f'[postgres]\nurl = "{world.postgres_url}"',
        f'[redis]\nurl = "{world.redis_url}"',
        f'[exchange]\nrest_url = "{rest}"\npublic_ws_url = "{sockets}/public/linear"',
        f'private_ws_url = "{sockets}/private"\ntrade_ws_url = "{sockets}/trade"',
    ]
    for account in world.layout.accounts:
        lines += [
            f'[accounts.{account}]\napi_key = "{api_key(account)}"\napi_secret = "s{account}"',
            f"netting = {str(account in world.layout.netting).lower()}",
        ]
    for bot in world.layout.bots:
        lines += [
            f'[bots.{bot.name}]\nenabled = true\nplugin = "churn"\nbot_id = "{bot.name}"',
            f'account = "{bot.account}"\nredis_db = {bot.redis_db}',
            *(["shared_account = true\ncapital = 5000"] if bot.shared else []),
            f"[bots.{bot.name}.settings]\nsymbols = {json.dumps(list(bot.symbols))}",
            f'side = "{bot.side}"\nsalt = "{world.seed}{bot.name}"\npace = {bot.pace}',
        ]
    return "\n".join(lines) + "\n"


class World:
    """Everything of one run, in one folder: `start`, then faults through its verbs, then `stop`.

    With `pair` there are two installations of the daemon, and one of them waits."""

    def __init__(
        self, folder: Path, layout: Layout, *, seed: int, speed: int, pair: bool, clock: Clock
    ) -> None:
        self.folder = folder
        self.layout = layout
        self.seed = seed
        self.store = folder / "exchange" / "sim.sqlite"
        self.port = 0
        names = ("one", "two") if pair else ("one",)
        self.daemons = [Daemon(folder / name, clock, paired=pair) for name in names]
        #: The one that trades, as far as is known.
        self.active = self.daemons[0]
        self._speed = speed
        self._clock = clock
        self._servers = embedded.Servers()
        self._http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5))
        self._exchange: asyncio.subprocess.Process | None = None

    # -- addresses --------------------------------------------------------------------------

    @property
    def direct_postgres_url(self) -> str:
        return self._servers.postgres_dsn

    @property
    def direct_redis_url(self) -> str:
        return self._servers.redis_url

    @property
    def postgres_url(self) -> str:
        host, port = self.postgres.address
        return f"postgresql://alpha@{host}:{port}/alpha_paper?sslmode=disable"

    @property
    def redis_url(self) -> str:
        host, port = self.redis.address
        return f"redis://{host}:{port}"

    # -- life -------------------------------------------------------------------------------

    async def start(self) -> None:
        """Returns when everything runs and the first daemon has said that it is ready."""
        self.folder.chmod(0o755)
        servers = self.folder / "servers"
        self._servers = await embedded.start(servers, mode="paper", clock=self._clock)
        place = await asyncio.to_thread(find_place, servers)
        self.postgres = FaultProxy(str(place.run / ".s.PGSQL.5432"), 0)
        self.redis = FaultProxy(str(place.run / "redis-paper.sock"), 0)
        await self.postgres.start()
        await self.redis.start()
        await self.start_exchange()
        for daemon in self.daemons:
            daemon.config.write_text(_config(self, daemon))
        first, *others = self.daemons
        first.start()
        await self._until(lambda: first.said("alpha_ready"), f"a daemon; see {first.log}")
        for daemon in others:
            daemon.start()
            await self._until(partial(daemon.said, "standby"), f"a standby; see {daemon.log}")

    async def stop(self) -> list[str]:
        """Ends everything; what went wrong with the daemons."""
        problems: list[str] = []
        for daemon in self.daemons:
            begun = daemon.starts
            code = await daemon.stop()
            problems += daemon.problems
            if begun and code != 0:
                problems.append(f"daemon {daemon.folder.name} ended with {code} when asked to")
        if self._exchange is not None and self._exchange.returncode is None:
            self._exchange.terminate()
            await self._exchange.wait()
        await self._http.close()
        if hasattr(self, "redis"):
            await self.postgres.stop()
            await self.redis.stop()
        await self._servers.stop()
        return problems

    async def start_exchange(self) -> None:
        """On the port that it had before."""
        ready = self.folder / "ready.json"
        ready.unlink(missing_ok=True)
        accounts = [f"{api_key(name)}:s{name}:10000" for name in self.layout.accounts]
        with (self.folder / "exchange.log").open("a") as output:
            self._exchange = await spawn(
                "sim", "--state", str(self.store.parent), "--port", str(self.port),
                "--speed", str(self._speed), "--seed", "1", "--ready-file", str(ready),
                *(word for account in accounts for word in ("--account", account)),
                output=output,
            )  # fmt: skip
        await self._until(ready.exists, "the exchange; see exchange.log")
        self.port = int(json.loads(ready.read_text())["rest"].rpartition(":")[2])

    async def _until(self, done: Callable[[], bool], what: str) -> None:
        deadline = self._clock.monotonic() + READY_WITHIN_S
        while not done():
            if self._clock.monotonic() > deadline:
                raise TimeoutError(f"expected within {READY_WITHIN_S:.0f} s {what}, was none")
            await self._clock.sleep(0.05)

    # -- faults -----------------------------------------------------------------------------

    async def kill_exchange(self, down_s: float) -> None:
        """kill -9, and a new one on its state after `down_s`."""
        if self._exchange is None or self._exchange.returncode is not None:
            return
        self._exchange.kill()
        await self._exchange.wait()
        await self._clock.sleep(down_s)
        await self.start_exchange()

    async def provoke(self, body: Mapping[str, object]) -> str:
        """Empty when the exchange did as told, else why not."""
        status, text = await self._tell("POST", "/sim/provoke", body)
        return "" if status == 200 and '"ok":true' in text.replace(" ", "") else text[:200]

    async def fail(self, faults: Sequence[Mapping[str, object]]) -> tuple[list[int], str]:
        """Switches faults of the exchange on: their ids, and why not where there are none."""
        body = {"seed": self.seed, "faults": faults}
        status, text = await self._tell("POST", "/sim/faults", body)
        return (json.loads(text)["ids"], "") if status == 200 else ([], text[:200])

    async def hits(self, ids: Collection[int]) -> int:
        """How often these faults have struck; 0 where the exchange has forgotten them."""
        status, text = await self._tell("GET", "/sim/faults", None)
        faults = json.loads(text)["faults"] if status == 200 else []
        return sum(fault["hits"] for fault in faults if fault["id"] in ids)

    async def _tell(
        self, method: str, path: str, body: Mapping[str, object] | None
    ) -> tuple[int, str]:
        try:
            url = f"http://127.0.0.1:{self.port}{path}"
            async with self._http.request(method, url, json=body) as answer:
                return answer.status, await answer.text()
        except (aiohttp.ClientError, TimeoutError) as error:
            return 0, f"{type(error).__name__}: {error}"

    # -- asking -----------------------------------------------------------------------------

    def exchange_rows(self, query: str) -> list[tuple[object, ...]]:
        """Rows of the exchange's own store."""
        with sqlite3.connect(f"file:{self.store}?mode=ro", uri=True, timeout=5) as connection:
            return [tuple(row) for row in connection.execute(query).fetchall()]
