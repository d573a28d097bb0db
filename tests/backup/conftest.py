"""A ledger of some hundred fills, made once, and a copy of it for each test."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from itertools import count
from pathlib import Path

import asyncpg
import pytest

from alpha.backup.verbs import Backups
from alpha.clock import SystemClock, SystemRandomness
from alpha.config.settings import BackupSettings, Config
from alpha.embedded.place import Place
from alpha.embedded.postgres import dsn
from bench.million import Shape, make
from tests.conftest import ROOT

FILLS = 600
_numbers = count(1)


async def execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


async def fetchval(url: str, query: str) -> object:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


@pytest.fixture(scope="session")
def filled(postgres_template: tuple[Place, str]) -> Iterator[str]:
    place, template = postgres_template
    with asyncio.Runner() as runner:
        runner.run(execute(dsn(place, "postgres"), f"CREATE DATABASE filled TEMPLATE {template}"))
        shape = Shape(fills=FILLS, accounts=1, bots=3)
        runner.run(make(dsn(place, "filled"), shape, candles=200, jobs=1))
    yield "filled"


@pytest.fixture
async def ledger_dsn(postgres_template: tuple[Place, str], filled: str) -> AsyncIterator[str]:
    """The URL of a database of this test's own, with a ledger in it."""
    place, _ = postgres_template
    name, admin = f"ledger_{next(_numbers)}", dsn(place, "postgres")
    await execute(admin, f"CREATE DATABASE {name} TEMPLATE {filled} STRATEGY FILE_COPY")
    yield dsn(place, name)
    await execute(admin, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


@pytest.fixture
async def empty_dsn(postgres_template: tuple[Place, str]) -> AsyncIterator[str]:
    place, _ = postgres_template
    name, admin = f"empty_{next(_numbers)}", dsn(place, "postgres")
    await execute(admin, f"CREATE DATABASE {name} TEMPLATE template0")
    yield dsn(place, name)
    await execute(admin, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def backups_of(url: str, folder: Path, **settings: object) -> Backups:
    """The verbs over a database; settings of `[backup]`."""
    backup = BackupSettings.model_validate({"dir": str(folder / "backups"), **settings})
    config = Config(data_dir=folder, backup=backup)
    return Backups(config, url, ROOT / "migrations", SystemClock(), SystemRandomness())
