"""Spoilt sources end in a refusal or in rejected rows, never in anything else."""

from __future__ import annotations

import gzip
import random  # noqa: TID251  seeded
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from alpha.errors import AlphaError
from alpha.imports import lxalgo, momentum, platform, shortseller
from alpha.imports.dump import read_dump
from alpha.imports.found import Found, Home
from alpha.imports.homes import Bot, Homes
from alpha.imports.known import Known
from alpha.imports.sqlite import read_sqlite
from alpha.imports.words import reason_of
from tests.fuzz.mutation import mutated
from tests.imports import old_bots
from tests.imports.old_platform import Dump

HOME = Home("bot_001", "main")
HOMES = Homes({name: Bot(name, name, HOME) for name in ("shortseller", "lxalgo", "momentum")})
Read = Callable[[Path], Found]


def read_platform(file: Path) -> Found:
    return platform.read_platform(read_dump(file, platform.WANTED), HOMES, "paper")


def read_shortseller(file: Path) -> Found:
    return shortseller.read_shortseller(read_dump(file, shortseller.WANTED), HOME, Known())


def read_lxalgo(file: Path) -> Found:
    return lxalgo.read_lxalgo(lxalgo.read_log(file), HOME, Known())


def read_momentum(file: Path) -> Found:
    tables = read_sqlite(file, momentum.WANTED)
    return momentum.read_momentum(tables, HOME, None, Known(), "paper")


def as_copy(_: Path) -> bytes:
    return Dump().text().encode()


def as_inserts(_: Path) -> bytes:
    return Dump().text(inserts=True).encode()


def as_gzip(_: Path) -> bytes:
    return gzip.compress(Dump().text().encode())


def as_sqlite(folder: Path) -> bytes:
    return old_bots.momentum(folder / "whole.db").read_bytes()


@pytest.mark.parametrize(
    ("write", "read"),
    [
        (as_copy, read_platform),
        (as_inserts, read_platform),
        (as_gzip, read_platform),
        (lambda _: old_bots.shortseller().encode(), read_shortseller),
        (lambda _: old_bots.lxalgo().encode(), read_lxalgo),
        (as_sqlite, read_momentum),
    ],
    ids=["copy", "inserts", "gzip", "shortseller", "lxalgo", "momentum"],
)
def test_spoilt_sources(tmp_path: Path, write: Callable[[Path], bytes], read: Read) -> None:
    whole, file = write(tmp_path), tmp_path / "spoilt"
    file.write_bytes(whole)
    assert read(file).homes()
    outcomes = set()
    for number in range(250):
        file.write_bytes(mutated([whole], random.Random(number)))
        try:
            found = read(file)
        except AlphaError as error:
            outcomes.add("refused")
            assert "expected" in str(error)
        else:
            outcomes.add("read")
            keys = [trade.source_id for trade in found.trades]
            keys += [fill.source_id for fill in found.fills]
            keys += [record.source_id for record in found.records]
            assert all(key.isprintable() and len(key) <= 250 for key in keys)
    assert "refused" in outcomes


def test_an_offset_that_changes_is_followed(tmp_path: Path) -> None:
    """Clocks go back on 26 October: the same local hour is three, then two hours ahead of UTC."""
    first, second = (list(row) for row in old_bots.MOMENTUM_TRADES[:2])
    second[4], second[6] = "2025-10-27 14:00:00.500000", "2025-10-27 20:30:00.250000"
    second[-1] = "2025-10-27 12:00:01"
    file = old_bots.momentum(tmp_path / "trading.db", [first, second])
    summer, winter = read_momentum(file).trades
    hours = [trade.entry_ms // 3_600_000 % 24 for trade in (summer, winter) if trade.entry_ms]
    assert hours == [11, 12]


def test_another_mode_than_the_databases_stays_out(tmp_path: Path) -> None:
    file = old_bots.momentum(tmp_path / "trading.db")
    tables = read_sqlite(file, momentum.WANTED)
    found = momentum.read_momentum(tables, HOME, None, Known(), "live")
    assert found.trades == [] and len(found.rejects) == len(old_bots.MOMENTUM_TRADES)
    reasons = {row.reason for row in found.rejects}
    assert reasons == {"traded in mode demo, the database is of mode live"}


def test_a_log_adds_nothing_to_what_the_ledger_has(tmp_path: Path) -> None:
    file = tmp_path / "trade_log.json"
    file.write_text(old_bots.lxalgo(), encoding="utf-8")
    log = lxalgo.read_log(file)
    began = int(datetime(2025, 11, 5, 11, tzinfo=UTC).timestamp() * 1000)
    found = lxalgo.read_lxalgo(log, HOME, Known(since={("main", "DOGEUSDT"): began}))
    assert [trade.exit_reason for trade in found.trades] == ["external"]
    assert sum(tally.rows for tally in found.left_out["trade_events"].values()) == 1


def test_a_log_with_a_mark_of_its_encoding_is_read(tmp_path: Path) -> None:
    file = tmp_path / "trade_log.json"
    file.write_text(old_bots.lxalgo(), encoding="utf-8-sig")
    assert len(lxalgo.read_log(file).events) == len(old_bots.lxalgo_events())


def test_a_figure_that_says_nothing_spoils_its_row_only(tmp_path: Path) -> None:
    file = tmp_path / "multiasset.sql"
    file.write_text(old_bots.shortseller().replace("10000.00000000", "NaN"), encoding="utf-8")
    found = read_shortseller(file)
    assert ("1", "expected a number as total_balance, was 'NaN'") in [
        (row.key, row.reason) for row in found.rejects
    ]
    assert len(found.fills) == 5 and len(found.records) == 2


def test_an_open_event_is_kept_if_the_exchange_has_it(tmp_path: Path) -> None:
    file = tmp_path / "trade_log.json"
    file.write_text(old_bots.lxalgo(old_bots.lxalgo_events()[:2]), encoding="utf-8")
    known = Known(held={("main", "DOGEUSDT"): Decimal(5)})
    found = lxalgo.read_lxalgo(lxalgo.read_log(file), HOME, known)
    assert [(trade.exit_ms, trade.net_pnl) for trade in found.trades] == [(None, None)] * 2
    assert found.unpaired == []


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("MA Exit", "ma_exit"),
        ("Exchange Stop Loss", "stop_loss"),
        ("System Shutdown", "manual_exit"),
        ("risk_management", "risk_limit"),
        ("external_close", "external"),
        ("8h_negative_pnl", "time_exit"),
        ("Rule 6", "rule_6"),
        ("trailing_stop", "trailing_stop"),
        ("short_exit", None),
        ("fill", None),
        ("api_key=abc failed", None),
        (None, None),
    ],
)
def test_reasons(text: str | None, reason: str | None) -> None:
    assert reason_of(text) == reason
