"""`alpha ledger`: does everything agree with the executions?"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from alpha.cli.options import ConfigOption, JsonOption, ModeOption, settings

if TYPE_CHECKING:
    from alpha.config import Config
    from alpha.ledger.verify import VerifyResult

app = typer.Typer(help="Verify the ledger.", no_args_is_help=True)

_SHOWN = 20


@app.callback()
def ledger() -> None:
    """Verify the ledger."""


@app.command("verify")
def verify(
    config: ConfigOption = None,
    mode: ModeOption = None,
    account: Annotated[
        str | None, typer.Option("--account", metavar="NAME", help="Of this account only.")
    ] = None,
    jobs: Annotated[
        int, typer.Option("--jobs", metavar="N", min=1, max=64, help="Processes that compute.")
    ] = 1,
    as_json: JsonOption = False,
) -> None:
    """Recompute everything from the executions and compare it with tables, Redis and the
    exchange. Exit code 0 only if all that could be asked agrees."""
    from alpha.control.wire import encode

    result = asyncio.run(_verify(settings(config, {"mode": mode}), account, jobs))
    print(encode(result.as_json()) if as_json else _text(result))
    raise typer.Exit(0 if result.ok else 1)


async def _verify(config: Config, account: str | None, jobs: int) -> VerifyResult:
    from alpha.clock import SystemClock
    from alpha.control.databases import is_migrated, stores
    from alpha.control.truth import exchange_reader, mirror_reader
    from alpha.errors import NotFound
    from alpha.ledger.pool import open_pool
    from alpha.ledger.reader import LedgerReader
    from alpha.ledger.verify import verify

    clock = SystemClock()
    async with stores(config, clock, redis=True) as found:
        pool = await open_pool(found.postgres, clock=clock, max_size=1, wait_s=5.0)
        try:
            if not await is_migrated(pool):
                raise NotFound("expected a ledger, found a database that no daemon has used yet")
            async with exchange_reader(config, clock) as exchange:
                return await verify(
                    found.postgres_direct,
                    account=account,
                    mirror_reader=mirror_reader(config, found.redis, LedgerReader(pool).commits),
                    mirrored={bot.bot_id for bot in config.bots.values()},
                    exchange_reader=exchange,
                    clock=clock,
                    jobs=jobs,
                )
        finally:
            await pool.close()


def _text(result: VerifyResult) -> str:
    lines = [
        f"{'ok' if result.ok else 'DIFFERS'}: {result.executions} executions, "
        f"{result.fills} fills; tables {result.tables}, redis {result.redis}, "
        f"exchange {result.exchange}",
        f"sha256 {result.sha256}",
    ]
    lines += [f"{what} was not asked: {why}" for what, why in result.not_asked.items()]
    for problem in result.problems[:_SHOWN]:
        lines.append(f"{problem.where}: expected {problem.expected}, found {problem.found}")
    if len(result.problems) > _SHOWN:
        lines.append(f"and {len(result.problems) - _SHOWN} more (--json shows them)")
    return "\n".join(lines)
