"""`alpha backup`: make, list, verify and restore backups of the database."""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from alpha.cli.options import ConfigOption, JsonOption, ModeOption, settings

if TYPE_CHECKING:
    from alpha.backup.folder import Backup, Kind
    from alpha.backup.verbs import Backups
    from alpha.config import Config

app = typer.Typer(help="Make, list, verify, restore backups.", no_args_is_help=True)

NameArgument = Annotated[
    str, typer.Argument(metavar="NAME", help="A backup of `alpha backup list`, or latest.")
]
#: What the daemon's own backups leave to everything else on the machine.
_NICENESS = 15
_PR_SET_PDEATHSIG = 1


@app.command("create")
def create(
    config: ConfigOption = None,
    mode: ModeOption = None,
    scheduled: Annotated[
        str | None,
        typer.Option("--scheduled", metavar="KIND", help="hourly or daily: as the daemon does."),
    ] = None,
    daemon: Annotated[int | None, typer.Option("--daemon", metavar="PID", hidden=True)] = None,
    as_json: JsonOption = False,
) -> None:
    """Back the database up; with --scheduled daily Redis, too."""
    if scheduled not in (None, "hourly", "daily"):
        raise typer.BadParameter(f"expected hourly or daily, was {scheduled!r}")
    if scheduled is not None:
        os.nice(_NICENESS)
    if daemon is not None:
        _end_with(daemon)
    from alpha.control.wire import encode

    kind: Kind = "manual" if scheduled is None else "daily" if scheduled == "daily" else "hourly"
    backup, redis = asyncio.run(_create(settings(config, {"mode": mode}), kind))
    if as_json:
        print(encode({**backup.row(), "seconds": backup.manifest.seconds, **redis}))
        return
    print(f"{backup.name}: {_size(backup)}, {backup.manifest.seconds:.1f} s")
    for what, said in redis.items():
        if said is not None:
            print(f"{what}: {said}")


def _end_with(daemon: int) -> None:
    """Has the kernel end this process when its daemon dies: the next one needs the folder, and
    pg_dump's locks stand in the way of a migration. SIGTERM ends pg_dump first."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # it may be ignored, as SIGTERM then
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != daemon:  # it died before the request was in
        raise typer.Abort


async def _create(config: Config, kind: Kind) -> tuple[Backup, dict[str, str | None]]:
    """The backup; where the copy of Redis is, or why there is none."""
    from alpha.backup.redis import snapshot_redis
    from alpha.clock import SystemClock
    from alpha.control.databases import stores
    from alpha.errors import AlphaError

    async with stores(config, SystemClock(), redis=kind == "daily") as found:
        backups = _backups(config, found.postgres_direct)
        backup = await backups.create(kind)
        if kind != "daily":
            return backup, {"redis": None, "redis_problem": None}
        try:
            path = await snapshot_redis(found.redis, backups.folder, config.backup, SystemClock())
        except (AlphaError, OSError) as error:
            return backup, {"redis": None, "redis_problem": str(error)}
        return backup, {"redis": str(path), "redis_problem": None}


@app.command("list")
def list_(
    config: ConfigOption = None, mode: ModeOption = None, as_json: JsonOption = False
) -> None:
    """List the backups of this mode, oldest first."""
    from alpha.backup.folder import BackupFolder
    from alpha.control.wire import encode

    known = BackupFolder.of(settings(config, {"mode": mode})).all()
    if as_json:
        print(encode({"backups": [backup.row() for backup in known]}))
        return
    for backup in known:
        manifest = backup.manifest
        print(f"{backup.name}  {manifest.kind}  {manifest.created_at}  {_size(backup)}")
    if not known:
        print("no backups yet: alpha backup create")


@app.command("verify")
def verify(
    name: NameArgument = "latest",
    config: ConfigOption = None,
    mode: ModeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Restore into a scratch database, recompute everything from the executions, compare with
    what was written down. Exit code 0 only if all agrees."""
    from alpha.control.wire import encode

    found = asyncio.run(_verify(settings(config, {"mode": mode}), name))
    print(encode(found) if as_json else _told(found))
    raise typer.Exit(0 if found["ok"] else 1)


async def _verify(config: Config, name: str) -> dict[str, object]:
    async with _open(config) as backups:
        return await backups.verify(name)


@app.command("restore")
def restore(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="A backup of `alpha backup list`, or a file.")
    ],
    force: Annotated[
        bool, typer.Option("--force", help="Replace what is there, after a backup of it.")
    ] = False,
    into: Annotated[
        str | None,
        typer.Option("--into", metavar="DATABASE", help="Another one: a name, or a URL."),
    ] = None,
    config: ConfigOption = None,
    mode: ModeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Restore into an empty database, migrate it, verify it. No daemon may run on it."""
    from alpha.control.wire import encode

    found = asyncio.run(_restore(settings(config, {"mode": mode}), name, force, into))
    if as_json:
        print(encode(found))
    else:
        print(_told(found))
        print(_backfill(found))
    raise typer.Exit(0 if found["ok"] else 1)


async def _restore(config: Config, name: str, force: bool, into: str | None) -> dict[str, object]:
    from alpha.installation import DataDirLock

    if into is not None:
        async with _open(config) as backups:
            return await backups.restore(name, force=force, into=into)
    with DataDirLock(config.data_dir):
        async with _open(config) as backups:
            return await backups.restore(name, force=force)


@asynccontextmanager
async def _open(config: Config) -> AsyncIterator[Backups]:
    from alpha.clock import SystemClock
    from alpha.control.databases import stores

    async with stores(config, SystemClock()) as found:
        yield _backups(config, found.postgres_direct)


def _backups(config: Config, dsn: str) -> Backups:
    from alpha.backup.verbs import Backups
    from alpha.clock import SystemClock, SystemRandomness
    from alpha.resources import migrations_folder

    return Backups(config, dsn, migrations_folder(), SystemClock(), SystemRandomness())


def _size(backup: Backup) -> str:
    ledger = backup.manifest.ledger
    size = backup.manifest.bytes / 1e6
    return f"{ledger.executions} executions, {ledger.fills} fills, {size:.1f} MB"


def _told(found: dict[str, object]) -> str:
    seconds, problems = found["seconds"], found["problems"]
    assert isinstance(seconds, dict) and isinstance(problems, list)
    steps = ", ".join(f"{name} {took:.1f} s" for name, took in seconds.items())
    lines = [
        f"{'ok' if found['ok'] else 'DIFFERS'}: {found['name']}, {found['executions']} executions, "
        f"{found['fills']} fills",
        f"sha256 {found['sha256']}",
        steps,
    ]
    lines += [f"{p['where']}: expected {p['expected']}, found {p['found']}" for p in problems[:20]]
    if not found["compared"]:
        lines.append("no manifest beside it: sound in itself, but compared with nothing")
    if found.get("replaced"):
        lines.append(f"what was there is in {found['replaced']}")
    return "\n".join(lines)


def _backfill(found: dict[str, object]) -> str:
    accounts = found["backfill"]
    assert isinstance(accounts, list)
    lines = [
        f"account {one['account']}: executions since {one['since'] or 'ever'}" for one in accounts
    ]
    return "\n".join(["the next start of a daemon fetches from the exchange:", *lines])
