"""`run` calls `alpha import` with a database of the test's own and the three bots."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import asyncpg
import pytest

from alpha.cli import main

Document = dict[str, object]
Run = Callable[..., Document]


@pytest.fixture
def settings(tmp_path: Path, postgres_dsn: str) -> Path:
    file = tmp_path / "alpha.toml"
    bots = "".join(
        f'[bots.{name}]\nenabled = true\nbot_id = "{name}_001"\naccount = "{account}"\n'
        for name, account in (("shortseller", "main"), ("lxalgo", "lx"), ("momentum", "mo"))
    )
    file.write_text(
        f'data_dir = "{tmp_path}/data"\n[postgres]\nurl = "{postgres_dsn}"\n{bots}',
        encoding="utf-8",
    )
    return file


@pytest.fixture
def run(settings: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Calls a verb, returns its JSON; with `fails` its exit code and its message."""

    def call(*words: str, fails: bool = False) -> Document:
        code = main(["import", *words, "--json", "--config", str(settings)])
        told = capsys.readouterr()
        if fails:
            return {"code": code, "message": told.err}
        assert code == 0, told.err
        document: Document = json.loads(told.out)
        return document

    return call


@pytest.fixture
def ask(postgres_dsn: str) -> Callable[[str], list[tuple[object, ...]]]:
    """Rows of a query."""

    async def fetch(query: str) -> list[tuple[object, ...]]:
        connection = await asyncpg.connect(postgres_dsn)
        try:
            return [tuple(row.values()) for row in await connection.fetch(query)]
        finally:
            await connection.close()

    return lambda query: asyncio.run(fetch(query))


@pytest.fixture
def everything(ask: Callable[[str], list[tuple[object, ...]]]) -> Callable[[], str]:
    """All text of all tables of the database but leases, which every import takes for a moment."""

    def read() -> str:
        names = ask(
            "SELECT schemaname || '.' || tablename FROM pg_tables "
            "WHERE schemaname IN ('trading', 'analytics', 'config', 'audit') "
            "AND tablename <> 'leases' ORDER BY 1"
        )
        return "\n".join(str(ask(f"SELECT t::text FROM {name[0]} t")) for name in names)

    return read
