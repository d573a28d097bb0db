"""What an operator's word is worth: it outlives the process."""

from __future__ import annotations

from pathlib import Path

from tests.acceptance.daemons import PATIENCE_S, Installation, installation
from tests.until import until


def state_of(home: Installation) -> tuple[str, str]:
    bots = home.json("status")["bots"]
    assert isinstance(bots, dict)
    return bots["shortseller"]["state"], bots["shortseller"]["state_reason"]


async def test_a_stopped_bot_stays_stopped_until_somebody_starts_it(server_folder: Path) -> None:
    with installation(server_folder) as home:
        killed = home.start()
        await home.ready()
        assert home.ask("bots", "stop", "shortseller").returncode == 0
        killed.kill()
        killed.wait()

        stopped = home.start()
        await home.ready(2)
        assert state_of(home) == ("paused", "stopped by the operator")
        assert home.stop(stopped) == 0

        last = home.start()
        await home.ready(3)
        assert state_of(home)[0] == "paused"
        assert home.ask("bots", "start", "shortseller").returncode == 0
        assert state_of(home)[0] == "running"
        await home.trades(1)
        assert home.stop(last) == 0


async def test_an_entry_above_the_notional_limit_is_refused(server_folder: Path) -> None:
    with installation(server_folder) as home:
        home.config.write_text(home.config.read_text() + "\n[risk]\nmax_notional = 2000\n")
        daemon = home.start()
        await until(
            lambda: "is above the limit of 2000 per order" in home.log,
            "a refusal",
            within_s=PATIENCE_S,
        )
        assert home.stop(daemon) == 0
        assert home.truth("Trade") == []
        assert home.own_orders() == []
