"""The product as its user meets it: processes, signals, files, exit codes."""

from __future__ import annotations

import json
import os
import random  # noqa: TID251  (the moments of the kills, seeded)
import signal
from collections import Counter
from pathlib import Path

import pytest

from alpha.bots.mark import mark_of, read_mark
from alpha.clock import SystemClock
from tests.acceptance.daemons import PATIENCE_S, Installation, comparable, installation
from tests.acceptance.test_halt import entries, is_flat
from tests.until import until

FIVE_MINUTES_MS = 300_000
KILLS = 10


def troubles(log: str) -> list[str]:
    """Log lines above information, and everything that is no log line of ours."""
    return [
        line
        for line in log.splitlines()
        if "Traceback" in line or any(f"level='{w}'" in line for w in ("error", "critical"))
    ]


async def assert_ledger_is_the_truth(home: Installation) -> None:
    """Row by row. Only what a market at this speed has done to stops of positions since the daemon
    left, all of it later than what the ledger has, may be missing: an order of ours never."""
    rows = await home.ledger()
    ledger = {comparable(row, ours=True) for row in rows}
    truth = {comparable(row, ours=False): row for row in home.truth()}
    assert len(ledger) == len(rows), "doubled"
    assert ledger <= truth.keys(), "invented"
    newest = max(int(str(row["exec_ms"])) for row in rows)
    missing = [row for key, row in truth.items() if key not in ledger]
    lost = [row for row in missing if row["link_id"] or int(str(row["exec_ms"])) < newest]
    assert lost == []


def assert_nothing_was_sent_twice(home: Installation) -> None:
    """One entry per symbol and close: the stamp of an id is the time of its decision."""
    entries = Counter(
        (order["symbol"], int(str(order["link_id"]).split("-")[2], 36) // FIVE_MINUTES_MS)
        for order in home.own_orders()
        if not order["reduce_only"]
    )
    assert entries and set(entries.values()) == {1}


async def test_ten_kills_lose_double_and_invent_nothing(server_folder: Path) -> None:
    clock, moments = SystemClock(), random.Random(7)
    in_hooks: list[bool] = []
    with installation(server_folder) as home:
        for kill in range(KILLS):
            process = home.start()
            await home.ready(kill + 1)
            await clock.sleep(moments.uniform(0.0, 3.0))
            assert process.poll() is None, home.log[-2000:]
            process.kill()
            process.wait()
            await clock.sleep(moments.uniform(0.0, 1.0))
            in_hooks.append(read_mark(mark_of(server_folder / "data")) is not None)
        last = home.start()
        await home.ready(KILLS + 1)
        if in_hooks[-1]:  # the bot whose hook a kill cut off waits for a person, this once
            assert home.ask("bots", "start", "shortseller").returncode == 0
        await home.trades(100)
        while_trading = home.json("ledger", "verify")
        assert home.stop(last) == 0
        verified = home.json("ledger", "verify")

        assert while_trading["ok"] and while_trading["exchange"] == "ok", while_trading
        assert verified["ok"] and verified["problems"] == [], verified
        assert verified["executions"] == len(await home.ledger())
        await assert_ledger_is_the_truth(home)
        assert_nothing_was_sent_twice(home)
        found = troubles(home.log)
        cut_off = [line for line in found if "the process ended uncleanly in hook" in line]
        assert (found, len(cut_off)) == (cut_off, sum(in_hooks))


@pytest.mark.alone
@pytest.mark.shared_data
async def test_a_replay_trades_and_verifies(server_folder: Path, shared_data: Path) -> None:
    report = server_folder / "report.json"
    with installation(server_folder, feed="replay", speed=6000, data=shared_data) as home:
        process = home.start("--bots", "shortseller", "--for", "30s", "--report", str(report))
        assert process.wait(timeout=40) == 0, home.log[-2000:]
        found = json.loads(report.read_text())
        assert found["bots"]["shortseller"]["fills"] > 20
        assert found["ledger"]["verify"] == "ok"
        assert found["ledger"]["executions"] == len(await home.ledger())
        assert found["latency"]["frame_to_order_us"]["p50"] > 0
        assert found["seconds"] < 35
        assert troubles(home.log) == []
        await assert_ledger_is_the_truth(home)


async def test_a_stopped_daemon_leaves_its_position_and_finds_it_again(
    server_folder: Path,
) -> None:
    with installation(server_folder) as home:
        first = home.start()
        await home.trades(1)
        refused = home.start()
        assert refused.wait(timeout=PATIENCE_S) == 1
        assert "already in use by process" in home.log
        live = home.json("status")
        assert live["source"] == "daemon"
        entered = entries(home)  # a new position: no exit comes within its first hour
        await until(
            lambda: entries(home) > entered and not is_flat(home),
            "a position to leave",
            within_s=PATIENCE_S,
        )
        assert home.stop(first) == 0
        held = home.json("positions")
        assert held["source"] == "database" and held["positions"]
        truth = home.truth()

        second = home.start()
        await home.ready(2)
        again = home.json("positions")
        assert [row["symbol"] for row in again["positions"]] == [  # type: ignore[attr-defined]
            row["symbol"]
            for row in held["positions"]  # type: ignore[attr-defined]
        ] or len(home.truth()) > len(truth)
        assert home.stop(second) == 0
        assert_nothing_was_sent_twice(home)
        assert troubles(home.log) == []


async def test_a_wrong_secret_ends_the_start(server_folder: Path) -> None:
    """The daemon against an exchange that knows another secret for its key."""
    with installation(server_folder) as exchange:
        first = exchange.start("--bots", "none")
        await exchange.ready()
        urls = json.loads((server_folder / "data" / "sim" / "ready.json").read_text())
        stranger = server_folder / "stranger"
        stranger.mkdir(mode=0o755)
        with installation(stranger) as home:
            home.config.write_text(
                home.config.read_text()
                + f"""
[exchange]
rest_url = "{urls["rest"]}"
public_ws_url = "{urls["public_ws"]}"
private_ws_url = "{urls["private_ws"]}"
[accounts.main]
api_key = "nobody"
api_secret = "knows-me"
"""
            )
            process = home.start()
            assert process.wait(timeout=PATIENCE_S) == 1
            last = home.log.strip().splitlines()[-1]
            assert "10003" in last or "10004" in last, last
            assert "knows-me" not in home.log
        assert exchange.stop(first) == 0


async def test_a_killed_exchange_comes_back_with_its_account(server_folder: Path) -> None:
    with installation(server_folder) as home:
        daemon = home.start()
        await home.trades(1)
        known = [row["exec_id"] for row in home.truth()]
        live = home.log.count("after='live'")
        ready = server_folder / "data" / "sim" / "ready.json"
        os.kill(json.loads(ready.read_text())["pid"], signal.SIGKILL)
        await until(
            lambda: "paper_exchange_died" in home.log and ready.exists(), "the exchange again"
        )
        await until(lambda: home.log.count("after='live'") > live, "a live account", within_s=30)
        verified = home.json("ledger", "verify")
        assert verified["ok"] and verified["exchange"] == "ok", verified
        assert [row["exec_id"] for row in home.truth()][: len(known)] == known
        assert home.stop(daemon) == 0
        await assert_ledger_is_the_truth(home)


async def test_killed_keepers_cost_seconds_and_no_fill(server_folder: Path) -> None:
    """The processes that hold PostgreSQL and Redis for us die, and the servers with them."""
    with installation(server_folder) as home:
        daemon = home.start()
        await home.trades(1)
        killed = keepers(server_folder)
        assert len(killed) == 2
        for pid in killed:
            os.kill(pid, signal.SIGKILL)
        await until(lambda: len(keepers(server_folder)) == 2, "keepers again", within_s=30)
        await home.trades(len(home.truth()) + 20)
        assert home.json("ledger", "verify")["ok"]
        assert home.stop(daemon) == 0
        await assert_ledger_is_the_truth(home)
        assert home.json("ledger", "verify")["ok"]


def keepers(folder: Path) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        try:
            words = (entry / "cmdline").read_bytes()
        except OSError:
            continue
        if entry.name.isdigit() and b"keeper.py" in words and os.fsencode(folder) in words:
            found.append(int(entry.name))
    return found
