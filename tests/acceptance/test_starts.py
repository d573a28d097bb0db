"""Daemons whose start meets what it cannot use: keys that are refused, an exchange or a database
that does not answer before the end of `--for`."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import asyncpg
import pytest

from alpha.config.rules import paper_account
from alpha.errors import TimedOut
from alpha.sim.proxy import FaultProxy
from tests.acceptance.daemons import PATIENCE_S, ROOT, Installation, Json, installation
from tests.acceptance.pairs import Exchange, exchange_of
from tests.until import until

CONFIG = """
mode = "paper"
data_dir = "{folder}/data"
plugins_dir = "{root}/tests/plugins"
[postgres]
url = "{postgres}"
[redis]
url = "{redis}"
[exchange]
rest_url = "{rest}"
public_ws_url = "{public_ws}"
private_ws_url = "{private_ws}"
trade_ws_url = "{trade_ws}"
"""
BOT = """
[bots.{bot}]
plugin = "metronome"
bot_id = "{bot}"
account = "{account}"
redis_db = {db}
enabled = true
"""


@pytest.fixture
async def exchange(server_folder: Path) -> AsyncIterator[Exchange]:
    exchange = await exchange_of(server_folder, ("main", "second"), 120)
    try:
        yield exchange
    finally:
        exchange.stop()


async def switch(exchange: Exchange, *faults: Json) -> None:
    """These faults, and no others."""
    url = f"{exchange.urls['rest']}/sim/faults"
    async with aiohttp.ClientSession() as http:
        await (await http.delete(url)).read()
        async with http.post(url, json={"seed": 1, "faults": list(faults)}) as answer:
            assert answer.status == 200, await answer.text()


def refused(account: str) -> Json:
    key = paper_account(account).api_key.get_secret_value()
    return {"kind": "ret_code", "code": 10003, "key": key, "path": "/v5/"}


def settings(folder: Path, exchange: Exchange, postgres: str, redis: str, **bots: str) -> str:
    """`bots` are accounts by the bots' names."""
    head = CONFIG.format(folder=folder, root=ROOT, postgres=postgres, redis=redis, **exchange.urls)
    told = [
        BOT.format(bot=bot, account=account, db=db)
        for db, (bot, account) in enumerate(bots.items())
    ]
    return head + "".join(told)


def trades_of(home: Installation, bot: str) -> int:
    rows = home.truth("Trade")
    return len([row for row in rows if str(row["link_id"]).startswith(f"{bot}-")])


def status_of(home: Installation, account: str) -> str:
    accounts = home.json("status")["accounts"]
    assert isinstance(accounts, dict)
    return str(accounts[account]["status"])


async def test_of_two_accounts_only_the_one_whose_key_is_refused_stands_still(
    server_folder: Path, exchange: Exchange, postgres_dsn: str, redis_url: str
) -> None:
    """From the start, and again in the middle of the run."""
    told = settings(server_folder, exchange, postgres_dsn, redis_url, one="main", two="second")
    await switch(exchange, refused("second"))
    with installation(server_folder, settings=told, books=server_folder / "exchange") as home:
        daemon = home.start()
        await home.ready()
        await until(lambda: trades_of(home, "one") >= 4, "the other account trades")
        assert status_of(home, "second") == "halted"
        found = home.json("status")["degraded"]
        assert isinstance(found, list)
        (part,) = [row for row in found if row["part"] == "account:second"]
        assert "10003" in part["why"], part
        assert trades_of(home, "two") == 0

        await switch(exchange)  # the key has been renewed
        await until(lambda: trades_of(home, "two") >= 2, "the second trades, too", within_s=30)

        key = paper_account("second").api_key.get_secret_value()
        await switch(exchange, refused("second"), {"kind": "close_socket", "key": key})
        await until(lambda: status_of(home, "second") == "halted", "it stands still", within_s=20)
        two, one = trades_of(home, "two"), trades_of(home, "one")
        await until(lambda: trades_of(home, "one") >= one + 4, "the other trades on")
        assert trades_of(home, "two") == two
        assert status_of(home, "main") == "live"
        assert daemon.poll() is None

        await switch(exchange)
        await until(lambda: trades_of(home, "two") > two, "it trades again", within_s=30)
        assert home.log.count("key_refused") == 2, "once for each time"
        assert home.stop(daemon) == 0
        verified = home.json("ledger", "verify")
        assert verified["ok"] and verified["problems"] == [], verified


async def test_a_run_in_which_no_key_is_taken_ends(
    server_folder: Path, exchange: Exchange, postgres_dsn: str, redis_url: str
) -> None:
    told = settings(server_folder, exchange, postgres_dsn, redis_url, one="main", two="second")
    await switch(exchange, refused("main"), refused("second"))
    with installation(server_folder, settings=told, books=server_folder / "exchange") as home:
        assert home.start().wait(timeout=PATIENCE_S) == 1
        assert "refused" in home.log.splitlines()[-1] and "10003" in home.log.splitlines()[-1]


async def test_an_account_that_cannot_be_loaded_ends_the_start_of_all(
    server_folder: Path, exchange: Exchange, postgres_dsn: str, redis_url: str
) -> None:
    """The other one is loaded by then. It says which and why, and the next start has them both."""
    told = settings(server_folder, exchange, postgres_dsn, redis_url, one="main", two="second")
    database = await asyncpg.connect(postgres_dsn)
    try:
        await database.execute(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            " PERFORM pg_sleep(1); RAISE EXCEPTION 'no room for %', NEW.account; END $$;"
            "CREATE TRIGGER refuse BEFORE INSERT ON config.quantity_steps FOR EACH ROW"
            " WHEN (NEW.account = 'second') EXECUTE FUNCTION refuse()"
        )
        with installation(server_folder, settings=told, books=server_folder / "exchange") as home:
            assert home.start().wait(timeout=PATIENCE_S) == 1
            last = home.log.splitlines()[-1]
            assert "expected account second to be loaded" in last, last
            assert "RaiseError: no room for second" in last and "internal error" not in last, last
            assert "alpha_ready" not in home.log and home.own_orders() == []
            assert "Traceback" in home.log, "where it was stands in the log"
            held = "SELECT count(*) FROM config.leases WHERE expires_at > clock_timestamp()"
            assert await database.fetchval(held) == 0
            (told_of,) = await database.fetch(
                "SELECT * FROM audit.system_events WHERE event_type = 'daemon_failed'"
            )
            assert "account second" in str(dict(told_of))

            await database.execute("DROP TRIGGER refuse ON config.quantity_steps")
            daemon = home.start()
            await home.ready()
            await until(lambda: trades_of(home, "one") >= 1, "the first trades", within_s=60)
            await until(lambda: trades_of(home, "two") >= 1, "the second trades", within_s=60)
            assert home.stop(daemon) == 0
    finally:
        await database.close()


async def test_the_time_ends_for_a_run_whose_exchange_never_answers(
    server_folder: Path, exchange: Exchange, postgres_dsn: str, redis_url: str
) -> None:
    told = settings(server_folder, exchange, postgres_dsn, redis_url, one="main")
    report = server_folder / "report.json"
    await switch(exchange, {"kind": "maintenance"})
    with installation(server_folder, settings=told, books=server_folder / "exchange") as home:
        daemon = home.start("--for", "9s", "--report", str(report))
        assert daemon.wait(timeout=PATIENCE_S) == 0, home.log[-2000:]
        assert "alpha_ready" not in home.log
        assert json.loads(report.read_text())["seconds"] < 15


async def test_the_time_ends_for_a_run_whose_database_never_answers(
    server_folder: Path, exchange: Exchange, redis_url: str
) -> None:
    proxy = FaultProxy("127.0.0.1", 1)
    port = await proxy.start()
    proxy.stall()
    try:
        nowhere = f"postgresql://nobody@127.0.0.1:{port}/nothing?sslmode=disable"
        told = settings(server_folder, exchange, nowhere, redis_url, one="main")
        with installation(server_folder, settings=told) as home:
            assert home.start("--for", "4s").wait(timeout=15) == TimedOut.exit_code
            assert "before the end of --for" in home.log
    finally:
        await proxy.stop()
