"""PostgreSQL of our own: one cluster per data_dir, one database per mode, unix socket only."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pwd
import signal
from pathlib import Path
from urllib.parse import quote

import asyncpg

from alpha.clock import Clock
from alpha.embedded.keeper import Order
from alpha.embedded.keeping import Stay, join
from alpha.embedded.place import Place, make_open
from alpha.embedded.programs import postgres_programs
from alpha.errors import ConfigError

OWNER = "alpha"
_PORT = 5432

#: A small server for one daemon. Data safety (fsync, synchronous_commit, full_page_writes) stays
#: at PostgreSQL's own safe defaults.
_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "port": str(_PORT),
    "max_connections": "60",
    "shared_buffers": "64MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_min_messages": "warning",
    "log_checkpoints": "off",
}

_STARTING = (
    OSError,  # no socket yet, nobody listens
    asyncpg.CannotConnectNowError,
    asyncpg.ConnectionDoesNotExistError,
    asyncpg.TooManyConnectionsError,
)


async def start_postgres(
    place: Place,
    clock: Clock,
    *,
    settings: dict[str, str] | None = None,
    programs: Path | None = None,
) -> Stay:
    """Starts or joins the server of a place; returns when it answers. `settings` override
    PostgreSQL's, for this start; `programs` is a folder with others than the wheel's (tests)."""
    if programs is None:
        programs = await asyncio.to_thread(postgres_programs, place)
    data = place.home / "pg"
    await asyncio.to_thread(_check_version, data, programs)
    order = _order(place, programs, data, {**_SETTINGS, **(settings or {})})
    stay = await join(order, place.home / "pg.lock", clock)
    try:
        await stay.until_ready(lambda: _answers(dsn(place, "postgres")))
    except BaseException:
        await stay.leave()
        raise
    return stay


def dsn(place: Place, database: str) -> str:
    """The URL of a database on the place's socket."""
    return f"postgresql://{OWNER}@/{database}?host={quote(str(place.run), safe='/')}&port={_PORT}"


async def create_database(place: Place, mode: str) -> str:
    """The URL of the mode's database, made when it is not there. Its mark, a comment on it, has
    to name the mode: data of two modes never mix."""
    name = f"alpha_{mode}"
    connection = await asyncpg.connect(dsn(place, "postgres"), timeout=10.0)
    try:
        mark = await _mark_of(connection, name)
        if mark is None:
            # Another process may be first.
            with contextlib.suppress(asyncpg.DuplicateDatabaseError, asyncpg.UniqueViolationError):
                await connection.execute(f'CREATE DATABASE "{name}"')
            mark = await _mark_of(connection, name)
        if mark == "":
            await connection.execute(f"COMMENT ON DATABASE \"{name}\" IS '{_mark(mode)}'")
        elif mark != _mark(mode):
            raise ConfigError(
                f"expected database {name} to be marked {_mark(mode)!r}, was {mark!r}; "
                f"choose another data_dir"
            )
    finally:
        await connection.close()
    return dsn(place, name)


def _mark(mode: str) -> str:
    return f"alpha mode {mode}"


async def _mark_of(connection: asyncpg.Connection[asyncpg.Record], database: str) -> str | None:
    """The comment on a database: empty without one, None when there is no such database."""
    found = await connection.fetchval(
        "SELECT coalesce(shobj_description(oid, 'pg_database'), '') FROM pg_database "
        "WHERE datname = $1",
        database,
    )
    return None if found is None else str(found)


def _order(place: Place, programs: Path, data: Path, settings: dict[str, str]) -> Order:
    unfinished = data.with_name("pg.new")
    access = place.home / "pg-access"
    _write_access(access, place)
    settings = {
        **settings,
        "unix_socket_directories": str(place.run),
        "hba_file": str(access / "pg_hba.conf"),
        "ident_file": str(access / "pg_ident.conf"),
    }
    flags = [flag for key, value in settings.items() for flag in ("-c", f"{key}={value}")]
    return Order(
        name="PostgreSQL",
        command=[str(programs / "postgres"), "-D", str(data), *flags],
        comm="postgres",
        data=str(data),
        unfinished=str(unfinished),
        prepare=[
            str(programs / "initdb"),
            "-D", str(unfinished),
            "-U", OWNER,
            "--auth=peer",
            "--encoding=UTF8",
            "--locale=C",
            "--data-checksums",
        ],
        stale=[str(data / "postmaster.pid"), str(place.run / f".s.PGSQL.{_PORT}.lock")],
        control=str(place.run / "pg.keeper"),
        log=str(place.home / "pg.log"),
        uid=place.uid,
        gid=place.gid,
        stop_signal=signal.SIGINT,
        stop_within_s=30.0,
    )  # fmt: skip


def _write_access(folder: Path, place: Place) -> None:
    """Lets in whoever owns the data, and root, through the socket and the kernel's word for who
    they are: no password to keep, none to leak."""
    people = {pwd.getpwuid(os.geteuid()).pw_name, place.user, pwd.getpwuid(0).pw_name}
    files = {
        "pg_hba.conf": f"local all {OWNER} peer map=alpha\n",
        "pg_ident.conf": "".join(f'alpha "{person}" {OWNER}\n' for person in sorted(people)),
    }
    make_open(folder)
    for name, text in files.items():
        path = folder / name
        if not path.exists() or path.read_text("utf-8") != text:
            unfinished = path.with_suffix(f".{os.getpid()}")
            unfinished.write_text(text, encoding="utf-8")
            unfinished.chmod(0o644)
            unfinished.rename(path)


def _check_version(data: Path, programs: Path) -> None:
    """Data of another major version are left alone: PostgreSQL itself could not read them."""
    marker = data / "PG_VERSION"
    if not marker.exists():
        return
    found = marker.read_text("ascii").strip()
    with (programs.parent / "share" / "postgres.bki").open(encoding="ascii") as catalogue:
        ours = catalogue.readline().split()[-1]  # "# PostgreSQL 18", which initdb goes by too
    if found != ours:
        raise ConfigError(
            f"expected data of PostgreSQL {ours} in {data}, was version {found}; move them over "
            f"with pg_dump of version {found}, or set [postgres] url to a server of that version"
        )


async def _answers(url: str) -> bool:
    try:
        connection = await asyncpg.connect(url, timeout=5.0)
    except _STARTING:
        return False
    try:
        await connection.fetchval("SELECT 1")
    finally:
        await connection.close()
    return True
