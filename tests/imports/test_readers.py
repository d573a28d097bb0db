"""Spoilt sources end in a refusal or in rejected rows, never in anything else."""

from __future__ import annotations

import gzip
import random  # noqa: TID251  seeded
from collections.abc import Callable
from pathlib import Path

import pytest

from alpha.errors import AlphaError
from alpha.imports import lxalgo, momentum, platform, shortseller
from alpha.imports.dump import read_dump
from alpha.imports.found import Found, Home
from alpha.imports.homes import Bot, Homes
from alpha.imports.known import Known
from alpha.imports.sqlite import read_sqlite
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
