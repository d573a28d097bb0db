"""A halt outlives kill -9, flatten closes while it holds, and both end when a person says so."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

from tests.acceptance.daemons import PATIENCE_S, Installation, Json, installation
from tests.until import until


def rows(home: Installation, *words: str, key: str) -> list[Json]:
    found = home.json(*words)[key]
    assert isinstance(found, list)
    return found


def entries(home: Installation) -> int:
    """Entries that have reached the exchange, by the code in their ids."""
    return sum("-ec-" in str(order["link_id"]) for order in home.own_orders())


def is_flat(home: Installation) -> bool:
    """By the exchange's own executions."""
    held: dict[str, Decimal] = {}
    for row in home.truth("Trade"):
        qty = Decimal(str(row["qty"])) * (1 if row["side"] == "Buy" else -1)
        held[str(row["symbol"])] = held.get(str(row["symbol"]), Decimal(0)) + qty
    return not any(held.values())


async def test_a_halt_outlives_kill_9_until_somebody_resumes(server_folder: Path) -> None:
    with installation(server_folder) as home:
        killed = home.start()
        await home.ready()
        await home.trades(1)
        answer = home.json("halt", "--reason", "a test")
        killed.kill()
        killed.wait()
        assert answer["kept"] is True
        assert "risk all: halted" in home.ask("status").stdout, "the database says so, too"

        daemon = home.start()
        await home.ready(2)
        before = entries(home)
        (held,) = [
            row for row in rows(home, "risk", "show", key="limits") if row["scope"] == "overall"
        ]
        assert (held["limit"], held["state"]) == ("halt", "halted")
        assert str(held["why"]).endswith("a test")
        for words in (
            ("halt", "nobody"),
            ("resume", ""),
            ("flatten", "account:nowhere", "--yes"),
            ("risk", "reset", "day_loss", "--yes"),
            ("risk", "reset", "--account", "", "--yes"),
        ):
            refused = home.ask(*words)
            assert refused.returncode == 2 and "expected " in refused.stderr, refused
        assert [row["limit"] for row in rows(home, "status", key="risk")] == ["halt"]
        flat = home.json("flatten", "all", "--yes")
        assert flat["verb"] == "flatten"
        await until(lambda: is_flat(home), "everything is closed", within_s=PATIENCE_S)
        assert entries(home) == before
        assert home.json("resume")["in_force"] == []
        assert home.json("status")["risk"] == []
        assert home.stop(daemon) == 0
        (bot,) = await home.fetch(
            "SELECT max_positions, leverage_limit, max_daily_loss_pct, max_weekly_loss_pct, "
            "max_drawdown_pct FROM trading.bots WHERE bot_id = 'shortseller_001'"
        )
        assert [str(value) for value in bot.values()] == [
            "3",
            "10.00000000",
            "0.05000000",
            "0.10000000",
            "0.20000000",
        ]
        (anchors,) = await home.fetch(
            "SELECT count(*) > 0 AS some, bool_and(began_at <= seen_at) AS are_before, "
            "bool_and(earlier_cash IS NOT NULL) AS are_read FROM trading.risk_anchors"
        )
        assert set(anchors.values()) == {True}, anchors
        events = await home.fetch(
            "SELECT risk_type, action_taken, resolved, resolution_notes FROM audit.risk_breaches "
            "ORDER BY event_time"
        )
        assert [(row["risk_type"], row["resolved"]) for row in events] == [
            ("halt", True),
            ("flatten", True),
        ]
