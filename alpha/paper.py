"""The built-in exchange as a child process: started, adopted after a crash, stopped.

The daemon talks to it over the same sockets as to Bybit. It lives in a session of its own, so
that neither Ctrl-C nor a kill -9 of the daemon takes the market away; without clients it ends
by itself after `LINGER_S`. One that dies under a running daemon is started again.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import structlog

from alpha.clock import Clock
from alpha.errors import AlphaError, ConfigError, TimedOut
from alpha.installation import holder_of

log = structlog.get_logger(__name__)

LINGER_S = 60
READY_WITHIN_S = 20.0
WATCH_EVERY_S = 0.5


@dataclass(frozen=True, slots=True)
class PaperAccount:
    key: str
    secret: str
    balance: str


@dataclass(frozen=True, slots=True)
class PaperMarket:
    """What the market is: the same values find the same market again."""

    feed: str
    seed: int
    speed: float
    data: str | None
    start: str | None


@dataclass(frozen=True, slots=True)
class PaperUrls:
    rest: str
    public_ws: str
    private_ws: str
    trade_ws: str
    pid: int


class PaperExchange:
    """The child of one data directory."""

    def __init__(self, data_dir: Path, clock: Clock) -> None:
        self._state = data_dir / "sim"
        self._clock = clock
        self._process: subprocess.Popen[bytes] | None = None
        self._pid: int | None = None
        self._arguments: tuple[str, ...] = ()
        self._keys = ""
        self._port = 0

    async def start(self, market: PaperMarket, accounts: Sequence[PaperAccount]) -> PaperUrls:
        """Starts the exchange, or adopts the one that an earlier daemon has left running."""
        arguments = _arguments(market, self._state)
        # In the environment, not on the command line: other users see that.
        keys = " ".join(f"{one.key}:{one.secret}:{one.balance}" for one in accounts)
        print_of_arguments = hashlib.sha256("\0".join([*arguments, keys]).encode()).hexdigest()
        self._arguments, self._keys = tuple(arguments), keys
        ready, mark = self._state / "ready.json", self._state / "arguments.sha256"
        running = holder_of(self._state, "sim.lock")
        if running:
            known = mark.read_text(encoding="ascii") if mark.exists() else ""
            urls = _try_read(ready)
            if known == print_of_arguments and urls is not None:
                log.info("paper_exchange_adopted", pid=running)
                self._pid, self._port = running, _port_of(urls)
                return urls
            await self._end(running)
        self._state.mkdir(parents=True, exist_ok=True, mode=0o700)
        mark.write_text(print_of_arguments, encoding="ascii")
        return await self._spawn()

    async def watch(self) -> None:
        """Starts the exchange again, at the same address, when it has died: the account and the
        market time are in its store, and the daemon closes the gap as after any other."""
        while True:
            await self._clock.sleep(WATCH_EVERY_S)
            if not self._lives():
                log.error("paper_exchange_died", pid=self._pid)
                await self._spawn()

    def _lives(self) -> bool:
        if self._process is not None and self._process.pid == self._pid:
            return self._process.poll() is None
        return holder_of(self._state, "sim.lock") == self._pid

    async def _spawn(self) -> PaperUrls:
        ready, errors = self._state / "ready.json", self._state / "sim.log"
        ready.unlink(missing_ok=True)
        with errors.open("ab") as output:
            self._process = subprocess.Popen(  # noqa: ASYNC220  (a fork, once, at start)
                [sys.executable, "-m", "alpha", *self._arguments, "--port", str(self._port)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                env={**os.environ, "ALPHA_SIM_ACCOUNTS": self._keys},
            )
        deadline = self._clock.monotonic() + READY_WITHIN_S
        while self._clock.monotonic() < deadline:
            urls = _try_read(ready)
            if urls is not None:
                self._pid, self._port = self._process.pid, _port_of(urls)
                log.info("paper_exchange_started", pid=self._pid, rest=urls.rest)
                return urls
            if self._process.poll() is not None:
                words, code = _last_words(errors), self._process.returncode
                raise (ConfigError if code == ConfigError.exit_code else AlphaError)(words)
            await self._clock.sleep(0.02)
        self._process.kill()
        raise TimedOut(f"expected the paper exchange within {READY_WITHIN_S:.0f} s; see {errors}")

    async def stop(self) -> None:
        if self._pid is not None:
            await self._end(self._pid)
            self._pid = None

    async def _end(self, pid: int) -> None:
        """SIGTERM, then SIGKILL after five seconds."""
        for sign, patience in ((signal.SIGTERM, 5.0), (signal.SIGKILL, 5.0)):
            try:
                os.kill(pid, sign)
            except ProcessLookupError:
                return
            deadline = self._clock.monotonic() + patience
            while self._clock.monotonic() < deadline:
                if self._process is not None and self._process.poll() is not None:
                    return
                if holder_of(self._state, "sim.lock") is None:
                    return
                await self._clock.sleep(0.02)


def _port_of(urls: PaperUrls) -> int:
    return urlsplit(urls.rest).port or 0


def _arguments(market: PaperMarket, state: Path) -> list[str]:
    arguments = [
        "sim",
        "--feed", market.feed,
        "--seed", str(market.seed),
        "--speed", f"{market.speed:g}",
        "--state", str(state),
        "--ready-file", str(state / "ready.json"),
        "--linger", str(LINGER_S),
    ]  # fmt: skip
    if market.data:
        arguments += ["--data", str(Path(market.data).resolve())]
    if market.start:
        arguments += ["--start", market.start]
    return arguments


def _try_read(ready: Path) -> PaperUrls | None:
    """The ready file, written at once when the exchange listens; None while there is none."""
    try:
        found = json.loads(ready.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return PaperUrls(
        rest=found["rest"],
        public_ws=found["public_ws"],
        private_ws=found["private_ws"],
        trade_ws=found["trade_ws"],
        pid=found.get("pid", 0),
    )


def _last_words(errors: Path) -> str:
    lines = errors.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    words = lines[-1].removeprefix("alpha: ") if lines else "no output"
    return f"the paper exchange did not start: {words}"
