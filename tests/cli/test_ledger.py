"""`alpha ledger verify` from the outside, over a real database and a real Redis."""

from __future__ import annotations

import json
from pathlib import Path

import asyncpg
import pytest
from redis import Redis

from alpha.cli import main


@pytest.fixture
def settings(tmp_path: Path, postgres_dsn: str, redis_url: str) -> str:
    file = tmp_path / "alpha.toml"
    file.write_text(
        f'data_dir = "{tmp_path}/data"\n[postgres]\nurl = "{postgres_dsn}"\n'
        f'[redis]\nurl = "{redis_url}"\n[bots.first]\nbot_id = "first_001"\nredis_db = 2\n',
        encoding="utf-8",
    )
    return str(file)


@pytest.fixture
async def registered(postgres_dsn: str) -> None:
    connection = await asyncpg.connect(postgres_dsn)
    await connection.execute("INSERT INTO trading.accounts (account, mode) VALUES ('main','paper')")
    await connection.execute(
        "INSERT INTO trading.bots (bot_id, account, bot_name, bot_type, strategy_name, mode) "
        "VALUES ('first_001', 'main', 'first', 't', 't', 'paper')"
    )
    await connection.close()


def verify(settings: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, object]]:
    code = main(["ledger", "verify", "--json", "--config", settings])
    document: dict[str, object] = json.loads(capsys.readouterr().out)
    return code, document


@pytest.mark.usefixtures("registered")
def test_a_ledger_that_agrees(settings: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, found = verify(settings, capsys)
    assert code == 0
    assert set(found) >= {
        "ok",
        "executions",
        "fills",
        "sha256",
        "tables",
        "redis",
        "exchange",
        "problems",
    }
    assert (found["ok"], found["executions"], found["fills"]) == (True, 0, 0)
    assert (found["tables"], found["redis"], found["exchange"]) == ("ok", "ok", "not_asked")
    assert found["problems"] == [] and len(str(found["sha256"])) == 64


@pytest.mark.usefixtures("registered")
def test_a_redis_that_differs(
    settings: str, redis_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with Redis.from_url(redis_url, db=2) as redis:
        redis.sadd("positions:first_001", "BTCUSDT")
        redis.set("position:first_001:BTCUSDT", "0.5")
        details = {"size": "0.5", "signed_size": "0.5", "side": "Buy"}
        redis.hset("position:first_001:BTCUSDT:details", mapping=details)
        code, found = verify(settings, capsys)
        redis.flushdb()
    assert code == 1
    assert (found["ok"], found["tables"], found["redis"]) == (False, "ok", "differs")
    assert found["problems"] == [
        {"where": "redis first_001 BTCUSDT", "expected": "0", "found": "0.5"}
    ]


@pytest.mark.usefixtures("registered")
def test_a_redis_that_is_away_was_not_asked(
    settings: str, capsys: pytest.CaptureFixture[str]
) -> None:
    text = Path(settings).read_text(encoding="utf-8")
    lines = [
        "url = 'redis://127.0.0.1:1'" if line.startswith('url = "') and "redis" in line else line
        for line in text.splitlines()
    ]
    Path(settings).write_text("\n".join(lines), encoding="utf-8")
    code, found = verify(settings, capsys)
    assert (code, found["redis"]) == (0, "not_asked")


@pytest.mark.usefixtures("registered")
def test_an_unknown_account_is_2(settings: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ledger", "verify", "--account", "nobody", "--config", settings]) == 2
    assert "expected one of main, was 'nobody'" in capsys.readouterr().err
