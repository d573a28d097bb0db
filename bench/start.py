"""How long a start takes on a large ledger: `python -m bench.start DSN`.

DSN is a database that `bench.million` has filled, as its bots have left it: with the state that
each had saved. The built-in exchange holds the same positions and the executions of the last
half hour, and opens five minutes after the newest. Then a daemon with all the bots, half of them
ShortSellers, half Momentum, is started as by an operator. Seconds from its first instruction
until every account is `live`, until every bot is warm, and until it says that it is ready.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path

import structlog

from alpha.alerts import Alerts
from alpha.clock import Clock, SystemClock, iso
from alpha.config import load
from alpha.config.rules import paper_account
from alpha.crew import open_crew
from alpha.ledger.pool import Pool, open_pool
from alpha.ledger.reader import LedgerReader
from alpha.sim.feeds.synthetic import SyntheticFeed
from alpha.sim.model import Account, Execution, Position
from alpha.sim.server import FIRST_NUMBER
from alpha.sim.state import FIRST_SEQ, Changes
from alpha.sim.store import Marks, Store, batch_of
from bench.chaos_daemon import Daemon
from bench.million import SYMBOLS

AWAY_MS = 5 * 60_000
_SEEN_MS = 30 * 60_000
_BALANCE = Decimal(10_000_000)
_PATIENCE_S = 300.0

_SETTINGS = """
mode = "paper"
data_dir = "{data}"
[postgres]
url = "{dsn}"
[paper]
speed = 1
start = "{start}"
balance = {balance}
[backup]
enabled = false
"""
_ACCOUNT = """
[accounts.{account}]
netting = true
"""
_BOT = """
[bots.{bot}]
enabled = true
plugin = "{plugin}"
bot_id = "{bot}"
account = "{account}"
shared_account = true
capital = 10000
[bots.{bot}.settings]
symbols = {symbols}
"""
_RECENT = """
SELECT account, symbol, exec_id, exec_type, order_id, order_link_id, side, order_type,
       stop_order_type, create_type, price, qty, value, fee, fee_rate, is_maker, exec_time, seq
  FROM trading.executions WHERE exec_time >= $1 ORDER BY exec_time, seq"""
#: As a bot of the plugin is saved that has no memory yet.
_SAVE = """
UPDATE config.bot_state SET state = $3 WHERE account = $1 AND bot_id = $2 AND state::text = '{}'"""


class Start:
    """One installation in a folder of its own, on a database that is there."""

    def __init__(self, folder: Path, dsn: str, clock: Clock) -> None:
        self._dsn = dsn
        self._clock = clock
        self._daemon = Daemon(folder, clock, paired=False)
        self._accounts = self._bots = 0

    async def run(self) -> dict[str, object]:
        pool = await open_pool(self._dsn, clock=self._clock, max_size=2)
        try:
            await self._prepare(pool)
        finally:
            await pool.close()
        return await self._start()

    # -- what the run before has left ---------------------------------------------------------

    async def _prepare(self, pool: Pool) -> None:
        reader = LedgerReader(pool)
        newest_ms = await reader.newest_ms()
        assert newest_ms is not None
        bots = [
            (str(row["account"]), str(row["bot_id"]))
            for row in await pool.fetch(
                "SELECT account, bot_id FROM trading.bots WHERE bot_id <> 'manual' ORDER BY 1, 2"
            )
        ]
        self._accounts = len({account for account, _ in bots})
        self._bots = len(bots)
        opens_ms = newest_ms - newest_ms % 60_000 + AWAY_MS
        self._daemon.config.write_text(self._settings(bots, opens_ms))
        await self._save_states(pool)
        recent = [dict(row) for row in await pool.fetch(_RECENT, newest_ms - _SEEN_MS)]
        self._seed(await reader.positions(), recent, opens_ms)

    async def _save_states(self, pool: Pool) -> None:
        config = load(self._daemon.config, {}, {})
        crew = open_crew(config, self._clock, {}, Alerts(self._clock))
        for handle in crew.handles.values():
            await pool.execute(_SAVE, handle.account, handle.bot_id, handle.saved.state_json)

    def _seed(
        self,
        open_positions: Sequence[Mapping[str, object]],
        recent: Sequence[Mapping[str, object]],
        opens_ms: int,
    ) -> None:
        """The exchange as the ledger knows it."""
        names = sorted({str(row["account"]) for row in open_positions})
        keys = {name: paper_account(name).api_key.get_secret_value() for name in names}
        nets: dict[tuple[str, str], tuple[Decimal, Decimal]] = {}
        for row in open_positions:
            place = keys[str(row["account"])], str(row["symbol"])
            size, price = row["size"], row["avg_entry_price"]
            assert isinstance(size, Decimal) and isinstance(price, Decimal)
            signed = size if row["side"] == "long" else -size
            net, _ = nets.get(place, (Decimal(0), price))
            nets[place] = net + signed, price
        changes = Changes(
            emissions=[],
            orders=[],
            positions=[
                Position(
                    account=account,
                    symbol=symbol,
                    side="Buy" if net > 0 else "Sell",
                    size=abs(net),
                    cost=abs(net) * price,
                    updated_ms=opens_ms - AWAY_MS,
                    seq=FIRST_SEQ,
                )
                for (account, symbol), (net, price) in nets.items()
                if net
            ],
            accounts=[
                Account(key=key, number=FIRST_NUMBER + place, balance=_BALANCE)
                for place, key in enumerate(keys.values())
            ],
            executions=[_executed(row, keys[str(row["account"])]) for row in recent],
            transfers=[],
            issued=0,
            sequences={},
        )
        folder = self._daemon.data_dir / "sim"
        folder.mkdir(parents=True, mode=0o700)
        store = Store(folder)
        try:
            store.claim(SyntheticFeed(1, opens_ms).fingerprint, "bench")
            store.commit(batch_of(changes, Marks(opens_ms - 1, opens_ms - 1, opens_ms - 1)))
        finally:
            store.close()

    def _settings(self, bots: Sequence[tuple[str, str]], opens_ms: int) -> str:
        parts = [
            _SETTINGS.format(
                data=self._daemon.data_dir, dsn=self._dsn, start=iso(opens_ms), balance=_BALANCE
            )
        ]
        parts += [_ACCOUNT.format(account=name) for name in dict.fromkeys(name for name, _ in bots)]
        symbols = json.dumps(SYMBOLS)
        for number, (account, bot) in enumerate(bots):
            plugin = "shortseller" if number % 2 else "momentum"
            parts.append(_BOT.format(bot=bot, plugin=plugin, account=account, symbols=symbols))
        return "".join(parts)

    # -- the start ----------------------------------------------------------------------------

    async def _start(self) -> dict[str, object]:
        """What the log says: to ask a daemon that starts, again and again, would slow it down."""
        began = self._clock.monotonic()
        self._daemon.start()
        try:
            live_s = await self._until("after='live'", self._accounts, began)
            warm_s = await self._until("event='bot_caught_up'", self._bots, began)
        finally:
            await self._daemon.stop()
        return {"live_s": round(live_s, 2), "warm_s": round(warm_s, 2)}

    async def _until(self, words: str, times: int, began: float) -> float:
        while (seconds := self._clock.monotonic() - began) < _PATIENCE_S:
            if self._daemon.log.exists() and self._daemon.log.read_text().count(words) >= times:
                return self._clock.monotonic() - began
            await self._clock.sleep(0.05)
        log = self._daemon.log.read_text()[-3000:]
        raise RuntimeError(f"expected {words} {times} times within {seconds:g} s, was not: {log}")


def _executed(row: Mapping[str, object], account: str) -> Execution:
    def text(name: str) -> str:
        return str(row[name])

    def money(name: str) -> Decimal:
        found = row[name]
        assert isinstance(found, Decimal)
        return found

    at, seq = row["exec_time"], row["seq"]
    assert isinstance(at, int) and isinstance(seq, int)
    return Execution(
        account=account,
        symbol=text("symbol"),
        exec_id=text("exec_id"),
        exec_type=text("exec_type"),
        order_id=text("order_id"),
        link_id=text("order_link_id"),
        side="Buy" if row["side"] == "Buy" else "Sell",
        order_type=text("order_type"),
        stop_type=text("stop_order_type"),
        create_type=text("create_type"),
        order_price=money("price"),
        order_qty=money("qty"),
        leaves_qty=Decimal(0),
        price=money("price"),
        qty=money("qty"),
        value=money("value"),
        fee=money("fee"),
        fee_rate=money("fee_rate"),
        pnl=Decimal(0),
        closed_size=Decimal(0),
        is_maker=row["is_maker"] is True,
        mark_price=money("price"),
        exec_ms=at,
        seq=seq,
        balance_after=_BALANCE,
        position_after=Decimal(0),
    )


async def measure(dsn: str, clock: Clock) -> dict[str, object]:
    folder = Path(tempfile.mkdtemp(prefix="alpha-bench-"))
    try:
        return await Start(folder, dsn, clock).run()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.start", description=__doc__)
    parser.add_argument("dsn", help="a database that bench.million has filled")
    options = parser.parse_args(arguments)
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    print(json.dumps(asyncio.run(measure(options.dsn, SystemClock()))))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
