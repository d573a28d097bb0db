"""What a backup says of a ledger."""

from __future__ import annotations

import threading
from collections.abc import Iterable

import pytest

from alpha.backup import facts
from alpha.core.canonical import LedgerDigest, Override
from alpha.core.events import Execution
from alpha.ledger.pool import connect
from alpha.ledger.verify import verify


async def test_the_ledger_is_hashed_in_parts_beside_the_loop(
    ledger_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[threading.Thread] = []
    add = LedgerDigest.add

    def noted(digest: LedgerDigest, rows: Iterable[Execution | Override]) -> None:
        threads.append(threading.current_thread())
        add(digest, rows)

    monkeypatch.setattr(facts, "PART", 7)
    monkeypatch.setattr(LedgerDigest, "add", noted)
    connection = await connect(ledger_dsn)
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            found = await facts.read_facts(connection, candles=False)
    finally:
        await connection.close()
    assert len(threads) > found.ledger.executions // 7
    assert threading.main_thread() not in threads
    assert found.ledger.sha256 == (await verify(ledger_dsn)).sha256
