"""Daemons that share one database, one Redis and one exchange, each with a folder of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from alpha.config.rules import paper_account
from tests.acceptance.daemons import OFTEN, PATIENCE_S, ROOT, Installation, installation
from tests.until import until

CONFIG = """
mode = "paper"
data_dir = "{folder}/data"
[postgres]
url = "{postgres}"
direct_url = "{direct}"
[redis]
url = "{redis}"
[exchange]
rest_url = "{rest}"
public_ws_url = "{public_ws}"
private_ws_url = "{private_ws}"
trade_ws_url = "{trade_ws}"
[bots.{bot}]
plugin = "shortseller"
bot_id = "{bot}_001"
account = "{account}"
redis_db = {redis_db}
enabled = true
[bots.{bot}.settings]
{often}"""


@dataclass(frozen=True)
class Site:
    """Where the shared servers are; `pooler` stands before PostgreSQL when there is one."""

    folder: Path
    postgres: str
    redis: str
    exchange: dict[str, str]
    pooler: str = ""

    def settings(self, folder: Path, account: str, bot: str, redis_db: int) -> str:
        return CONFIG.format(
            folder=folder,
            postgres=self.pooler or self.postgres,
            direct=self.postgres if self.pooler else "",
            redis=self.redis,
            account=account,
            bot=bot,
            redis_db=redis_db,
            often=OFTEN,
            **self.exchange,
        )

    @contextmanager
    def daemons(self, *wanted: tuple[str, str, str, int]) -> Iterator[list[Installation]]:
        """One installation for each (folder, account, bot, redis database)."""
        with ExitStack() as stack:
            made = []
            for name, account, bot, redis_db in wanted:
                folder = self.folder / name
                folder.mkdir()
                made.append(
                    stack.enter_context(
                        installation(
                            folder,
                            settings=self.settings(folder, account, bot, redis_db),
                            books=self.folder / "exchange",
                        )
                    )
                )
            yield made

    def pair(self) -> AbstractContextManager[list[Installation]]:
        """Two installations of the same bot: whoever comes first owns its account."""
        return self.daemons(("a", "main", "shorty", 0), ("b", "main", "shorty", 0))


@dataclass(frozen=True)
class Exchange:
    process: subprocess.Popen[bytes]
    urls: dict[str, str]

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(timeout=PATIENCE_S)


async def exchange_of(folder: Path, accounts: tuple[str, ...], speed: int) -> Exchange:
    state, ready = folder / "exchange", folder / "exchange.ready"
    keys = [paper_account(name) for name in accounts]
    options = [
        f"--account={one.api_key.get_secret_value()}:{one.api_secret.get_secret_value()}:100000"
        for one in keys
    ]
    process = subprocess.Popen(  # noqa: ASYNC220  (a fork, once)
        [
            *(sys.executable, "-m", "alpha", "sim", "--speed", str(speed)),
            *("--state", str(state), "--ready-file", str(ready), *options),
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        cwd=ROOT,
    )
    await until(ready.exists, "an exchange", within_s=PATIENCE_S)
    return Exchange(process, json.loads(ready.read_text()))
