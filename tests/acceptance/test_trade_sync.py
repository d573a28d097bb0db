"""The trade sync as a user has it: a daemon that trades, and the command line."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import aiohttp

from tests.acceptance.daemons import installation


async def test_a_trading_daemon_syncs_and_its_cash_agrees(server_folder: Path) -> None:
    with installation(server_folder, speed=600) as site:
        daemon = site.start("--for", "150s")
        await site.ready()
        await site.trades(3)
        urls = json.loads((server_folder / "data" / "sim" / "ready.json").read_text())
        async with aiohttp.ClientSession() as http:
            funding = {"event": "funding", "symbol": "ETHUSDT", "rate": "0.0001"}
            await http.post(f"{urls['rest']}/sim/provoke", json=funding)
        done = site.ask("sync", "run", "--json")
        assert done.returncode == 0, (done.stdout[-2000:], done.stderr)
        (account,) = json.loads(done.stdout)["accounts"]
        (run,) = account["runs"]
        assert (run["kind"], run["status"], run["error"]) == ("manual", "completed", "")
        assert (run["executions_new"], run["executions_left"]) == (0, 0)
        assert run["executions_seen"] >= 3 and run["cash_rows_seen"] >= 3
        audit = account["audit"]
        assert Decimal(audit["difference"]) == Decimal(audit["rounding"]) == 0
        assert audit["rows_compared"] >= 3 and audit["first_difference"] == ""
        assert Decimal(audit["opening_balance"]) == 10_000
        assert account["success_age_s"] < 60
        back = site.ask("sync", "backfill", "--months", "2")
        assert back.returncode == 0 and "backfill completed" in back.stdout, back.stderr
        assert site.ask("sync", "backfill", "--months", "25").returncode == 2
        assert site.ask("sync", "run", "--account", "nobody").returncode == 2
        assert site.ask("sync", "status", "--account", "nobody").returncode == 2
        assert site.stop(daemon) == 0
        assert not [line for line in site.log.splitlines() if "wallet_differs" in line]
        shown = site.json("sync", "status")
        assert shown["source"] == "database"
        assert site.ask("ledger", "verify").returncode == 0
