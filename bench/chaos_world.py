"""The world of a run: an exchange, PostgreSQL, Redis and a daemon, each a process of its own, and
proxies that can break what lies between them."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sqlite3
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import aiohttp

from alpha import embedded
from alpha.clock import Clock
from alpha.control.socket import socket_path
from alpha.embedded.place import find_place
from alpha.sim.proxy import FaultProxy

ROOT = Path(__file__).resolve().parents[1]
READY_WITHIN_S = 60.0
#: A daemon that ends by itself is started again after this, as a supervisor would.
RESTART_S = 1.0


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


def _config(world: World) -> str:
    rest, sockets = f"http://127.0.0.1:{world.port}", f"ws://127.0.0.1:{world.port}/v5"
    lines = [
        'mode = "paper"',
        f'data_dir = "{world.data_dir}"',
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
    """Everything of one run, in one folder. `start`, then faults through its verbs, then `stop`."""

    def __init__(
        self, folder: Path, layout: Layout, *, seed: int, speed: int, clock: Clock
    ) -> None:
        self.folder = folder
        self.layout = layout
        self.seed = seed
        self.data_dir = folder / "data"
        self.store = folder / "exchange" / "sim.sqlite"
        self.config = folder / "config.toml"
        self.log = folder / "daemon.log"
        self.port = 0
        self.starts = 0
        #: Ends of the daemon that nobody asked for.
        self.problems: list[str] = []
        #: What the daemon said of itself last: the process that trades (not its guard).
        self.pid: int | None = None
        self._speed = speed
        self._clock = clock
        self._servers = embedded.Servers()
        self._http: aiohttp.ClientSession | None = None
        self._exchange: asyncio.subprocess.Process | None = None
        self._daemon: asyncio.subprocess.Process | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._restart_after_s = 0.0
        self._killed = False
        self._outputs: list[TextIO] = []

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

    @property
    def control(self) -> Path:
        return socket_path(self.data_dir)

    # -- life -------------------------------------------------------------------------------

    async def start(self) -> None:
        """Returns when everything runs and the daemon has said that it is ready."""
        self.folder.chmod(0o755)
        servers = self.folder / "servers"
        self._servers = await embedded.start(servers, mode="paper", clock=self._clock)
        place = await asyncio.to_thread(find_place, servers)
        self.postgres = FaultProxy(str(place.run / ".s.PGSQL.5432"), 0)
        self.redis = FaultProxy(str(place.run / "redis-paper.sock"), 0)
        await self.postgres.start()
        await self.redis.start()
        self._http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5))
        await self.start_exchange()
        self.config.write_text(_config(self))
        self._keeper = asyncio.create_task(self._keep_daemon(), name="daemon-keeper")
        await self._until(lambda: self._said("alpha_ready"), "the daemon to be ready")

    async def stop(self) -> int | None:
        """Ends everything; the exit code of the daemon, which is asked to end like by an
        operator."""
        code = await self._end_daemon()
        if self._exchange is not None and self._exchange.returncode is None:
            self._exchange.terminate()
            await self._exchange.wait()
        if self._http is not None:
            await self._http.close()
        if hasattr(self, "redis"):
            await self.postgres.stop()
            await self.redis.stop()
        await self._servers.stop()
        for output in self._outputs:
            output.close()
        return code

    async def _end_daemon(self) -> int | None:
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        daemon = self._daemon
        if daemon is None or daemon.returncode is not None:
            return None
        self.resume_daemon()
        daemon.terminate()
        try:
            async with asyncio.timeout(20):
                return await daemon.wait()
        except TimeoutError:
            daemon.kill()
            await daemon.wait()
            self.problems.append("the daemon did not end within 20 s of SIGTERM")
            return None

    async def _keep_daemon(self) -> None:
        """Runs the daemon and starts it again whenever it ends, as a supervisor does."""
        while True:
            self._killed = False
            self._daemon = await self._spawn("run", "--config", str(self.config), log="daemon.log")
            self.starts += 1
            code = await self._daemon.wait()
            if self._killed:
                await self._clock.sleep(self._restart_after_s)
            else:
                self.problems.append(f"the daemon ended by itself with {code}")
                await self._clock.sleep(RESTART_S)

    async def _spawn(self, *words: str, log: str) -> asyncio.subprocess.Process:
        output = (self.folder / log).open("a")
        self._outputs.append(output)
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", "alpha", *words,
            stdin=asyncio.subprocess.DEVNULL, stdout=output, stderr=output, cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip

    async def start_exchange(self) -> None:
        ready = self.folder / "ready.json"
        ready.unlink(missing_ok=True)
        accounts = [f"{api_key(name)}:s{name}:10000" for name in self.layout.accounts]
        self._exchange = await self._spawn(
            "sim", "--state", str(self.store.parent), "--port", str(self.port),
            "--speed", str(self._speed), "--seed", "1", "--ready-file", str(ready),
            *(word for account in accounts for word in ("--account", account)),
            log="exchange.log",
        )  # fmt: skip
        await self._until(ready.exists, "the exchange to be ready")
        self.port = int(json.loads(ready.read_text())["rest"].rpartition(":")[2])

    async def _until(self, done: object, what: str) -> None:
        assert callable(done)
        deadline = self._clock.monotonic() + READY_WITHIN_S
        while not done():
            if self._clock.monotonic() > deadline:
                raise TimeoutError(f"expected {what} within {READY_WITHIN_S:.0f} s; see {self.log}")
            await self._clock.sleep(0.05)

    def _said(self, word: str) -> bool:
        return self.log.exists() and word in self.log.read_text(errors="replace")

    # -- faults -----------------------------------------------------------------------------

    def kill_daemon(self, down_s: float = 0.0) -> None:
        """kill -9, and a new one after `down_s`."""
        self._killed, self._restart_after_s = True, down_s
        for pid in self._pids():
            _signal(pid, signal.SIGKILL)

    def stall_daemon(self) -> None:
        for pid in self._pids():
            _signal(pid, signal.SIGSTOP)

    def resume_daemon(self) -> None:
        for pid in self._pids():
            _signal(pid, signal.SIGCONT)

    def _pids(self) -> list[int]:
        """The process that trades first, then what watches over it."""
        started = [] if self._daemon is None else [self._daemon.pid]
        alive = self._daemon is not None and self._daemon.returncode is None
        return list(dict.fromkeys([*([self.pid] if self.pid else []), *started])) if alive else []

    async def kill_exchange(self, down_s: float) -> None:
        if self._exchange is None or self._exchange.returncode is not None:
            return
        self._exchange.kill()
        await self._exchange.wait()
        await self._clock.sleep(down_s)
        await self.start_exchange()

    async def tell_exchange(self, path: str, body: Mapping[str, object]) -> str:
        """ "" when it did as told, else why not."""
        assert self._http is not None
        try:
            url = f"http://127.0.0.1:{self.port}{path}"
            async with self._http.post(url, json=dict(body)) as answer:
                text = await answer.text()
                return "" if answer.status == 200 and '"retCode":1' not in text else text[:200]
        except (aiohttp.ClientError, TimeoutError) as error:
            return f"{type(error).__name__}: {error}"

    async def clear_exchange_faults(self) -> None:
        assert self._http is not None
        try:
            await (await self._http.delete(f"http://127.0.0.1:{self.port}/sim/faults")).read()
        except (aiohttp.ClientError, TimeoutError):
            return

    # -- asking -----------------------------------------------------------------------------

    async def ask(self, verb: str, within_s: float, **arguments: str) -> dict[str, object] | None:
        """The daemon's answer over its control socket, or None when there is none in time."""
        try:
            async with asyncio.timeout(within_s):
                reader, writer = await asyncio.open_unix_connection(self.control, limit=1 << 24)
                try:
                    request = json.dumps({"verb": verb, "arguments": arguments})
                    writer.write(request.encode() + b"\n")
                    line = await reader.readline()
                finally:
                    writer.close()
        except (OSError, TimeoutError):
            return None
        try:
            found = json.loads(line)
        except ValueError:
            return None
        data = found.get("data")
        return data if isinstance(data, dict) else None

    async def verify(self) -> dict[str, object]:
        """What `alpha ledger verify --json` says, in a process of its own."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "alpha", "ledger", "verify", "--json", "--config",
            str(self.config), cwd=ROOT, stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        output, errors = await process.communicate()
        try:
            found: dict[str, object] = json.loads(output)
        except ValueError:
            return {"ok": False, "problems": [errors.decode(errors="replace")[-500:]]}
        return found

    def exchange_rows(self, query: str) -> list[tuple[object, ...]]:
        """Rows of the exchange's own store."""
        with sqlite3.connect(f"file:{self.store}?mode=ro", uri=True, timeout=5) as connection:
            return [tuple(row) for row in connection.execute(query).fetchall()]


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return
