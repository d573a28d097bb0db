"""A daemon as a user has it: a process of its own on a folder of its own, with the built-in
exchange as its child. What is true is read from the exchange's own store, without our client."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from alpha.clock import SystemClock
from alpha.config import load
from alpha.control.databases import database_pool
from tests.until import until

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 75.0
Json = dict[str, object]

#: Of a bot that is waited for to trade: by its own averages of 240 and 600 bars it leaves the
#: market alone for more than a day in the first three, which is two minutes at 1,200 times speed.
#: With these it is half a minute at the most, and what it loses reaches no limit in a week.
OFTEN = """ema_fast = 60
ema_slow = 120
max_crosses_per_day = 1000
allocation = "0.04"
"""
CONFIG = """
mode = "paper"
data_dir = "{folder}/data"
[paper]
feed = "{feed}"
speed = {speed}
{data}
[bots.shortseller]
enabled = true
bot_id = "shortseller_001"
[bots.shortseller.settings]
{often}"""


@dataclass
class Installation:
    """One data directory with its settings. `start` runs the daemon, `ask` a verb."""

    folder: Path
    feed: str = "synthetic"
    speed: int = 1200
    data: Path | None = None
    #: The whole config file, for what the fields above do not say.
    settings: str | None = None
    #: Where the exchange keeps its books; the built-in one's own folder when not given.
    books: Path | None = None
    running: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        data = f'data = "{self.data}"' if self.data else ""
        self.config.write_text(
            self.settings
            or CONFIG.format(
                folder=self.folder, feed=self.feed, speed=self.speed, data=data, often=OFTEN
            )
        )

    @property
    def store(self) -> Path:
        return (self.books or self.folder / "data" / "sim") / "sim.sqlite"

    @property
    def config(self) -> Path:
        return self.folder / "config.toml"

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")

    def start(self, *options: str) -> subprocess.Popen[bytes]:
        with (self.folder / "log").open("ab") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "alpha", "run", "--config", str(self.config), *options],
                stdout=output,
                stderr=output,
                stdin=subprocess.DEVNULL,
                cwd=ROOT,
            )
        self.running.append(process)
        return process

    def ask(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "alpha", *words, "--config", str(self.config)],
            capture_output=True,
            text=True,
            timeout=60,
            cwd=ROOT,
            check=False,
        )

    def json(self, *words: str) -> Json:
        answer = self.ask(*words, "--json")
        found = json.loads(answer.stdout)
        assert isinstance(found, dict), answer.stderr
        return found

    def alerts(self) -> dict[str, Json]:
        """The newest of each kind, as `alpha alerts` tells them."""
        rows = self.json("alerts")["alerts"]
        assert isinstance(rows, list)
        return {str(row["kind"]): row for row in rows}

    async def trades(self, count: int) -> None:
        """Until the exchange itself has executed so many trades."""
        await until(
            lambda: len(self.truth("Trade")) >= count, f"{count} trades", within_s=PATIENCE_S
        )

    async def ready(self, times: int = 1) -> None:
        try:
            await until(
                lambda: self.log.count("alpha_ready") >= times, "a daemon", within_s=PATIENCE_S
            )
        except AssertionError as error:
            raise AssertionError(f"{error}, found {self.log[-3000:]}") from None

    def stop(self, process: subprocess.Popen[bytes]) -> int:
        process.send_signal(signal.SIGTERM)
        return process.wait(timeout=PATIENCE_S)

    def truth(self, exec_type: str | None = None) -> list[Json]:
        """The exchange's own executions, oldest first, straight from its store."""
        if not self.store.exists():
            return []
        with sqlite3.connect(f"file:{self.store}?mode=ro", uri=True) as connection:
            try:
                rows = connection.execute("SELECT body FROM executions ORDER BY n").fetchall()
            except sqlite3.OperationalError:
                return []
        found = [json.loads(body) for (body,) in rows]
        return [row for row in found if exec_type in (None, row["exec_type"])]

    def own_orders(self) -> list[Json]:
        """Orders with an id of ours, straight from the exchange's store."""
        with sqlite3.connect(f"file:{self.store}?mode=ro", uri=True) as connection:
            rows = connection.execute("SELECT body FROM orders WHERE link_id <> '' ORDER BY n")
            return [json.loads(body) for (body,) in rows.fetchall()]

    async def ledger(self) -> list[Json]:
        """The ledger's executions, read without our reader."""
        config = load(self.config, {}, {})
        async with database_pool(config, SystemClock()) as pool:
            rows = await pool.fetch(
                "SELECT *, (extract(epoch FROM exec_time) * 1000)::bigint AS exec_ms"
                " FROM trading.executions ORDER BY exec_time, exec_id"
            )
        return [dict(row) for row in rows]

    async def fetch(self, query: str) -> list[Json]:
        """Rows of the database, read without our reader."""
        async with database_pool(load(self.config, {}, {}), SystemClock()) as pool:
            return [dict(row) for row in await pool.fetch(query)]


#: A field of an execution in the ledger, and in the exchange's store.
SAME = {
    "exec_id": "exec_id",
    "exec_type": "exec_type",
    "symbol": "symbol",
    "order_id": "order_id",
    "order_link_id": "link_id",
    "side": "side",
    "exec_ms": "exec_ms",
    "seq": "seq",
    "is_maker": "is_maker",
    "create_type": "create_type",
}
SAME_NUMBERS = {
    "price": "price",
    "qty": "qty",
    "value": "value",
    "fee": "fee",
    "fee_rate": "fee_rate",
    "leaves_qty": "leaves_qty",
}


def comparable(row: Json, *, ours: bool) -> tuple[object, ...]:
    """What the ledger's row and the exchange's have to agree on."""

    def name(pair: tuple[str, str]) -> str:
        return pair[0] if ours else pair[1]

    words = [row[name(pair)] for pair in SAME.items()]
    return (*words, *(Decimal(str(row[name(pair)])) for pair in SAME_NUMBERS.items()))


@contextmanager
def installation(folder: Path, **options: object) -> Iterator[Installation]:
    """Ends whatever still runs in the folder."""
    made = Installation(folder, **options)  # type: ignore[arg-type]
    try:
        yield made
    finally:
        for process in made.running:
            if process.poll() is None:
                process.kill()
            process.wait()
        ready = folder / "data" / "sim" / "ready.json"
        if ready.exists():
            _end(int(json.loads(ready.read_text())["pid"]))


def _end(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGTERM)
    except ProcessLookupError:
        return
