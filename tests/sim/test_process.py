"""The simulator as a process: kill -9, restart, a feed that ends, bad input, lingering."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import socket as sockets
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from decimal import Decimal as D
from pathlib import Path

import aiohttp
import pytest

from tests.sim.wire import Json, Venue

ROOT = Path(__file__).parents[2]
HEADER = "start_ms,open,high,low,close,volume\n"
DAY_MS = 86_400_000
FIRST_MS = 1_760_000_100_000 // 300_000 * 300_000


class Child:
    """One `alpha sim` process on a state folder."""

    def __init__(self, folder: Path, http: aiohttp.ClientSession, *options: str) -> None:
        self._http = http
        self._ready = folder / "ready.json"
        self._ready.unlink(missing_ok=True)
        self._errors = folder / "stderr.log"
        with self._errors.open("wb") as errors:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "alpha", "sim", "--state", str(folder / "state")),
                    *("--ready-file", str(self._ready)),
                    *("--account", "demo-key:demo-secret:10000"),
                    *options,
                ],
                cwd=ROOT,
                stderr=errors,
            )

    async def ready(self) -> Venue:
        async with asyncio.timeout(20):
            while not self._ready.exists():
                assert self.process.poll() is None, self.errors()
                await until_next_look()
        return Venue(self._http, json.loads(self._ready.read_text()), "demo-key", "demo-secret")

    async def ended(self) -> int:
        return await asyncio.to_thread(self.process.wait, 20)

    def errors(self) -> str:
        return self._errors.read_text()

    async def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        assert await self.ended() == -signal.SIGKILL

    async def stop(self) -> None:
        self.process.terminate()
        assert await self.ended() == 0, self.errors()


Start = Callable[..., Child]


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Start]:
    """Starts simulators on one state folder; none outlives the test."""
    children: list[Child] = []
    async with aiohttp.ClientSession() as http:

        def run(*options: str) -> Child:
            children.append(Child(tmp_path, http, *options))
            return children[-1]

        yield run
        for child in children:
            if child.process.poll() is None:
                await child.kill()


async def until_next_look() -> None:
    """Yields between two looks at a condition that has a deadline."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(0.01):
            await asyncio.Event().wait()


def execution_key(row: Json) -> tuple[str, ...]:
    return tuple(
        str(row[name])
        for name in ("execId", "execTime", "seq", "execQty", "execPrice", "execFee", "execPnl")
    )


async def truth(venue: Venue) -> list[Json]:
    found = await venue.raw("GET", "/sim/executions", f"account={venue.key}", {})
    rows: list[Json] = found["list"]
    return rows


async def test_kill_9_loses_nothing_that_was_told(tmp_path: Path, start: Start) -> None:
    """Five kills in the middle of trading; what a client saw is there, nothing else is twice."""
    seen: dict[str, tuple[str, ...]] = {}
    acknowledged: set[str] = set()
    last_ms = 0
    for life in range(5):
        child = start("--speed", "1200")
        try:
            venue = await child.ready()
            state = await venue.raw("GET", "/sim/state", "", {})
            assert state["market_ms"] >= last_ms
            assert {execution_key(row) for row in await truth(venue)} >= set(seen.values())
            async with venue.private("execution") as socket:
                for number in range(4):
                    side = "Buy" if number % 2 else "Sell"
                    link = f"kill-{life}-{number}"
                    await venue.create(
                        symbol="ETHUSDT",
                        side=side,
                        orderType="Market",
                        qty="0.7",
                        orderLinkId=link,
                        stopLoss="1" if side == "Buy" else "99999",
                    )
                    acknowledged.add(link)
                    await socket.hear(
                        lambda m, link=link: any(  # type: ignore[misc]
                            r["orderLinkId"] == link for r in m.get("data", [])
                        )
                    )
                for row in socket.rows("execution"):
                    seen[row["execId"]] = execution_key(row)
            last_ms = int((await venue.result("/v5/market/time"))["timeNano"]) // 1_000_000
        finally:
            await child.kill()
    child = start("--speed", "1200")
    try:
        venue = await child.ready()
        rows = await truth(venue)
        stored = {row["execId"]: execution_key(row) for row in rows}
        assert len(stored) == len(rows)
        assert {key: stored[key] for key in seen} == seen
        assert {row["orderLinkId"] for row in rows} == acknowledged
        stamps = [int(row["execTime"]) for row in rows]
        assert stamps == sorted(stamps)
        again = await venue.post(
            "/v5/order/create",
            symbol="ETHUSDT",
            side="Buy",
            orderType="Market",
            qty="1",
            orderLinkId="kill-0-0",
        )
        assert again["retCode"] == 110072
        cash = 10_000 + sum(float(r["execPnl"]) - float(r["execFee"]) for r in rows)
        wallet = await venue.result("/v5/account/wallet-balance", accountType="UNIFIED")
        assert float(wallet["list"][0]["coin"][0]["walletBalance"]) == pytest.approx(cash)
    finally:
        await child.stop()


async def test_orders_and_stops_survive_and_still_work(tmp_path: Path, start: Start) -> None:
    child = start("--speed", "60")
    venue = await child.ready()
    await venue.create(symbol="BTCUSDT", side="Buy", orderType="Market", qty="0.1")
    last = float(
        (await venue.result("/v5/market/tickers", symbol="BTCUSDT"))["list"][0]["lastPrice"]
    )
    body = {"symbol": "BTCUSDT", "tpslMode": "Full", "positionIdx": 0}
    near = {"trailingStop": "5", "stopLoss": f"{last * 0.9:.1f}"}
    assert (await venue.post("/v5/position/trading-stop", **body, **near))["retCode"] == 0
    before = (await venue.result("/v5/position/list", symbol="BTCUSDT"))["list"][0]
    await child.kill()
    child = start("--speed", "1200")
    try:
        venue = await child.ready()

        async def closed() -> bool:
            row = (await venue.result("/v5/position/list", symbol="BTCUSDT"))["list"][0]
            if row["size"] != "0":
                assert (row["size"], row["avgPrice"]) == (before["size"], before["avgPrice"])
                assert (row["stopLoss"], row["trailingStop"]) == (before["stopLoss"], "5")
            return bool(row["size"] == "0")

        async with asyncio.timeout(15):
            while not await closed():
                await until_next_look()
        rows = await truth(venue)
        assert rows[-1]["createType"] == "CreateByTrailingStop" and rows[-1]["orderLinkId"] == ""
    finally:
        await child.kill()


def candles(folder: Path, count: int, bad_line: str = "") -> Path:
    lines = [
        f"{FIRST_MS + n * 300_000},{100 + n % 7},{108 + n % 7},{99 - n % 7},{101 + n % 7},50\n"
        for n in range(count)
    ]
    text = HEADER + "".join(lines) + bad_line
    folder.mkdir()
    (folder / "bybit-linear-SOLUSDT-5m.csv").write_text(text)
    return folder


async def test_a_replay_ends_with_a_closed_market(tmp_path: Path, start: Start) -> None:
    data = candles(tmp_path / "data", 40)
    opening = ("--start", "2025-10-09T09:30:00Z")
    child = start("--feed", "replay", "--data", str(data), "--speed", "6000", *opening)
    try:
        venue = await child.ready()
        async with asyncio.timeout(15):
            while (await venue.raw("GET", "/sim/state", "", {}))["status"] != "ended":
                await until_next_look()
        state = await venue.raw("GET", "/sim/state", "", {})
        assert state["market_ms"] == FIRST_MS + 40 * 300_000
        found = await venue.result("/v5/market/instruments-info", symbol="SOLUSDT")
        assert found["list"][0]["status"] == "Closed"
        order = {"symbol": "SOLUSDT", "side": "Buy", "orderType": "Market", "qty": "1"}
        assert (await venue.post("/v5/order/create", **order))["retCode"] == 110074
    finally:
        await child.stop()
    other = start("--feed", "synthetic")
    assert await other.ended() == 1
    assert "alpha paper reset" in other.errors()


async def test_a_crash_takes_the_positions_of_who_cannot_pay(tmp_path: Path, start: Start) -> None:
    """Candles stand at 100 and fall to 80: a thin account is liquidated, a fat one is not."""
    data = candles(tmp_path / "data", 0)
    rows = [(100, 100.5, 99.5, 100)] * 30 + [(100, 100, 80, 80)] + [(80, 80.5, 79.5, 80)] * 10
    lines = [
        f"{FIRST_MS + n * 300_000},{','.join(map(str, row))},500\n" for n, row in enumerate(rows)
    ]
    (data / "bybit-linear-SOLUSDT-5m.csv").write_text(HEADER + "".join(lines))
    child = start(
        *("--feed", "replay", "--data", str(data), "--speed", "1500"),
        *("--start", "2025-10-09T09:30:00Z", "--account", "thin:thin-secret:200"),
    )
    fat = await child.ready()
    thin = Venue(fat.http, fat.urls, "thin", "thin-secret")
    order = {"symbol": "SOLUSDT", "side": "Buy", "orderType": "Market", "qty": "15"}
    async with thin.private("execution", "position", "wallet") as socket:
        await fat.create(**order)
        await thin.create(**order, stopLoss="70")
        bought = [row for row in await truth(thin) if row["execType"] == "Trade"]
        await socket.hear(
            lambda m: (
                m.get("topic") == "wallet"
                and any(row["execType"] == "BustTrade" for row in socket.rows("execution"))
            )
        )
    (taken,) = [row for row in socket.rows("execution") if row["execType"] == "BustTrade"]
    assert D(taken["execQty"]) == sum(D(row["execQty"]) for row in bought) == 15
    assert taken["createType"] == "CreateByTakeOver_PassThrough" and taken["orderLinkId"] == ""
    # At the end of the bar, not at its low; the price is where 200 USDT are used up.
    assert (int(taken["execTime"]) - FIRST_MS) % 300_000 == 0
    assert D("86") < D(taken["execPrice"]) < D("88")
    assert "Liq" in {row["positionStatus"] for row in socket.rows("position")}
    left = D(socket.rows("wallet")[-1]["coin"][0]["walletBalance"])
    assert 0 <= left < 1
    assert (await thin.result("/v5/position/list", settleCoin="USDT"))["list"] == []
    assert (await thin.result("/v5/order/realtime", symbol="SOLUSDT"))["list"] == []
    log = (await thin.result("/v5/account/transaction-log"))["list"]
    assert [row["tradeId"] for row in log if row["type"] == "LIQUIDATION"] == [taken["execId"]]
    kept = (await fat.result("/v5/position/list", settleCoin="USDT"))["list"]
    assert [row["size"] for row in kept] == ["15"]
    await child.stop()


async def test_bad_candles_name_file_and_line(tmp_path: Path, start: Start) -> None:
    data = candles(tmp_path / "data", 20, bad_line="x,1,2,3,4,5\n")
    child = start("--feed", "replay", "--data", str(data))
    assert await child.ended() == 1
    words = child.errors().strip().splitlines()
    assert len(words) == 1 and "SOLUSDT-5m.csv" in words[0] and "22" in words[0]


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (["--account", "onlykey"], 2, "expected --account KEY:SECRET"),
        (["--account", "k:s:-5"], 2, "expected a balance in USDT, was '-5'"),
        (["--account", "demo-key:again"], 2, "expected every account once"),
        (["--start", "yesterday"], 2, "'--start': expected a UTC time"),
        (["--ready-file", "/no-such-folder/ready"], 2, "expected a file in a folder that exists"),
        (["--speed", "0"], 4, "expected a speed above 0 and up to 1200"),
        (["--state", "/dev/null/state"], 1, "expected a state folder that this user can write"),
    ],
)
async def test_options_that_cannot_be_are_one_clear_line(
    start: Start, options: list[str], code: int, words: str
) -> None:
    child = start(*options)
    assert await child.ended() == code
    (line,) = child.errors().strip().splitlines()
    assert line.startswith("alpha: ") and words in line


async def test_a_taken_port_is_one_clear_line(tmp_path: Path, start: Start) -> None:
    with sockets.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        child = start("--port", port)
        assert await child.ended() == 1
    words = [line for line in child.errors().splitlines() if line.startswith("alpha:")]
    assert len(words) == 1 and f"port {port}" in words[0]
    assert not (tmp_path / "ready.json").exists()


async def test_a_second_simulator_on_the_same_state_is_refused(
    tmp_path: Path, start: Start
) -> None:
    child = start()
    try:
        await child.ready()
        second = start()
        assert await second.ended() == 1
        assert "another simulator runs" in second.errors()
    finally:
        await child.kill()


async def test_it_ends_by_itself_when_no_client_comes(tmp_path: Path, start: Start) -> None:
    child = start("--linger", "1")
    venue = await child.ready()
    async with venue.private("order"):
        # A connected client keeps it alive for longer than the lingering time.
        with pytest.raises(subprocess.TimeoutExpired):
            await asyncio.to_thread(child.process.wait, 2)
    assert await child.ended() == 0


async def test_accounts_may_be_added_and_keep_what_they_hold(start: Start) -> None:
    child = start()
    venue = await child.ready()
    await venue.create(symbol="ETHUSDT", side="Buy", orderType="Market", qty="1")
    await venue.create(symbol="ETHUSDT", side="Sell", orderType="Market", qty="1")
    before = (await venue.result("/v5/account/wallet-balance", accountType="UNIFIED"))["list"][0]
    await child.stop()
    venue = await start("--key", "second", "--secret", "two", "--balance", "500").ready()
    after = (await venue.result("/v5/account/wallet-balance", accountType="UNIFIED"))["list"][0]
    assert after["totalWalletBalance"] == before["totalWalletBalance"] != "10000"
    venue.key, venue.secret = "second", "two"
    other = (await venue.result("/v5/account/wallet-balance", accountType="UNIFIED"))["list"][0]
    assert other["totalWalletBalance"] == "500"
    assert (await venue.result("/v5/execution/list"))["list"] == []


async def test_what_an_account_has_set_and_recent_trades_survive_a_kill(start: Start) -> None:
    child = start("--speed", "300")
    venue = await child.ready()
    window = {"product": "DERIVATIVES", "timeWindow": 30}
    assert (await venue.post("/v5/order/disconnected-cancel-all", **window))["retCode"] == 0
    refuse = await venue.post("/v5/account/set-limit-px-action", modifyEnable=False)
    assert refuse["retCode"] == 0
    recent = "/v5/market/recent-trade"
    async with asyncio.timeout(20):
        while len((await venue.result(recent, symbol="ETHUSDT"))["list"]) < 25:
            await until_next_look()
    await child.kill()
    venue = await start("--speed", "300").ready()
    assert (await venue.result("/v5/account/info"))["timeWindow"] == 30
    assert (await venue.result("/v5/account/user-setting-config"))["lpaPerp"] is True
    async with asyncio.timeout(20):
        listed: list[Json] = []
        while len(listed) < 25:
            listed = (await venue.result(recent, symbol="ETHUSDT"))["list"]
            await until_next_look()
    minutes = [int(row["time"]) // 60_000 for row in listed]
    assert len({row["execId"] for row in listed}) == len(listed)
    # Every minute that is not the first or the last of the list is there whole.
    whole = sorted(set(minutes))[1:-1]
    assert whole and all(minutes.count(minute) == 10 for minute in whole)
