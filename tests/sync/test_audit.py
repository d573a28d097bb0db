"""The ledger's cash equals the exchange's to the last digit; what does not is named."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import asyncpg
import pytest

from alpha.core.events import Execution
from alpha.ledger.stored import trimmed
from tests.sync.conftest import D, Site


async def busy(site: Site) -> None:
    """Partial closes, a flip, odd prices, funding, a liquidation, a deleveraging, transfers."""
    for side, qty in (("Buy", "3"), ("Buy", "0.71"), ("Sell", "1.13"), ("Sell", "4"), ("Buy", "2")):
        await site.trade(side, qty)
        await site.passed(5_000)
    await site.provoke(event="funding", rate="0.00013")
    await site.provoke(event="transfer", amount="123.45678901")
    await site.trade("Buy", "0.037", "BTCUSDT")
    await site.provoke(event="adl", qty="0.3")
    await site.provoke(event="liquidation", symbol="BTCUSDT")
    await site.provoke(event="transfer", amount="-23.4")
    await site.trade("Sell", "0.011", "BTCUSDT")
    await site.provoke(event="funding", rate="-0.0002", symbol="BTCUSDT")


async def stored(site: Site) -> asyncpg.Record:
    row = await site.pool.fetchrow("SELECT * FROM trading.wallet_audits ORDER BY id DESC LIMIT 1")
    assert row is not None
    return row


async def test_cash_agrees_to_the_last_digit(site: Site) -> None:
    await busy(site)
    await site.passed(3_000)
    async with site.sync() as sync:
        await sync.backfill(1)
        assert (await sync.sync("manual", audit=True)).status == "completed"
        first = await stored(site)
        assert first["difference"] == first["rounding"] == first["rows_differing"] == 0
        assert first["opening_balance"] == 100_000
        assert first["moved"] == D("100.05678901")
        assert first["rows_compared"] == len(await site.truth()) > 10
        assert first["fees"] > 0 and first["funding"] != 0 and first["realised"] != 0
        assert set(json.loads(first["open_costs"])) == {"BTCUSDT", "ETHUSDT"}
        await busy(site)
        await site.passed(3_000)
        assert (await sync.sync("manual", audit=True)).status == "completed"
        row = await stored(site)
        assert (row["since"], row["opening_balance"]) == (first["until"], first["wallet_balance"])
        assert row["difference"] == row["rounding"] == row["rows_differing"] == 0
    wallet = (await site.rest.wallet()).wallet
    assert row["wallet_balance"] == row["ledger_balance"] == wallet
    assert first["rows_compared"] + row["rows_compared"] == len(await site.truth())
    assert not site.alerts.recent
    moved = await site.pool.fetch(
        "SELECT kind, change, count(*) FROM trading.cash_movements GROUP BY 1, 2 ORDER BY 1"
    )
    assert [tuple(row.values()) for row in moved] == [
        ("TRANSFER_IN", D("123.45678901"), 2),
        ("TRANSFER_OUT", D("-23.4"), 2),
    ]


@pytest.fixture
def seen_through(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> Callable[[Callable[[Execution], Execution | None]], None]:
    """Sets what becomes of each execution on its way from the exchange; None: it is not shown."""
    real = site.rest.executions

    def set_to(change: Callable[[Execution], Execution | None]) -> None:
        async def executions(start_ms: int, end_ms: int) -> AsyncIterator[list[Execution]]:
            async for page in real(start_ms, end_ms):
                yield [row for row in map(change, page) if row is not None]

        monkeypatch.setattr(site.rest, "executions", executions)

    return set_to


Through = Callable[[Callable[[Execution], Execution | None]], None]


async def victim(site: Site) -> Execution:
    """A fill in the middle of what has happened, which opens and pays a fee."""
    now = await site.rest.server_time()
    rows = [row async for page in site.rest.executions(now - 86_400_000, now) for row in page]
    return sorted(rows, key=lambda row: row.ledger_key)[1]


async def test_an_execution_withheld_is_named_and_forgotten_once_it_has_come(
    site: Site, seen_through: Through
) -> None:
    await busy(site)
    await site.passed(3_000)
    withheld = await victim(site)
    seen_through(lambda row: None if row.exec_id == withheld.exec_id else row)
    async with site.sync() as sync:
        run = await sync.sync("manual", audit=True)
        assert run.status == "completed"
        named = f"the transaction log names {withheld.exec_id}, which the ledger lacks"
        assert f"{withheld.symbol}: {named}" in run.notes
        row = await stored(site)
        assert row["difference"] != 0
        assert row["first_difference"].startswith(f"TRADE {withheld.exec_id} of {withheld.symbol}")
        assert "the ledger has no such execution" in row["first_difference"]
        (alert,) = [one for one in site.alerts.recent if one.kind == "wallet_differs"]
        assert alert.level == "CRITICAL" and withheld.exec_id in alert.message
        seen_through(lambda row: row)
        again = await sync.sync("manual", audit=True)
        assert (again.new, again.notes) == (1, ())
        row = await stored(site)
        assert (row["difference"], row["rows_differing"]) == (0, 0)
        assert row["opening_balance"] == 100_000  # it has begun with the ledger again
    await site.verified()


async def test_a_fee_that_was_altered_is_named(site: Site, seen_through: Through) -> None:
    await busy(site)
    await site.passed(3_000)
    wrong = await victim(site)
    off = D("0.00000001")
    seen_through(
        lambda row: replace(row, fee=row.fee + off) if row.exec_id == wrong.exec_id else row
    )
    async with site.sync() as sync:
        await sync.sync("manual", audit=True)
        row = await stored(site)
    assert (row["difference"], row["rounding"], row["rows_differing"]) == (off, 0, 1)
    assert row["first_difference"].startswith(f"TRADE {wrong.exec_id} of {wrong.symbol} at ")
    assert f"the ledger paid {trimmed(wrong.fee + off):f}," in row["first_difference"]
    assert f"the exchange charged {trimmed(wrong.fee):f}" in row["first_difference"]
