"""A real PgBouncer in transaction mode before the tests' PostgreSQL."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import asyncpg
import pytest

from tests.acceptance.daemons import PATIENCE_S
from tests.until import until

PROGRAM = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
PORT = 6543

INI = """
[databases]
* = host={host} port={port} user={user}
[pgbouncer]
listen_addr =
unix_socket_dir = {folder}
listen_port = {own_port}
auth_type = any
pool_mode = transaction
default_pool_size = 4
max_client_conn = 100
server_reset_query_always = 0
logfile = {folder}/log
pidfile = {folder}/pid
"""


@asynccontextmanager
async def pgbouncer(folder: Path, postgres: str) -> AsyncIterator[str]:
    """The URL of the same database through the pooler."""
    if PROGRAM is None:
        pytest.skip("needs PgBouncer, found no pgbouncer; install it (apt-get install pgbouncer)")
    folder = folder / "pooler"
    process, user = start(folder, postgres)
    url = f"postgresql://{user}@{urlsplit(postgres).path}?host={folder}&port={PORT}"
    try:
        await until(lambda: answers(url), "a pooler", within_s=PATIENCE_S)
        yield url
    finally:
        process.terminate()
        process.wait(timeout=PATIENCE_S)


def start(folder: Path, postgres: str) -> tuple[subprocess.Popen[bytes], str]:
    """The pooler's process, and the user that PostgreSQL knows. It refuses to be root: then it
    runs as PostgreSQL's own user, whom the server lets in."""
    parts = urlsplit(postgres)
    query = parse_qs(parts.query)
    host, user = query["host"][0], parts.username or ""
    folder.mkdir()
    ini = folder / "pgbouncer.ini"
    ini.write_text(
        INI.format(host=host, port=query["port"][0], user=user, folder=folder, own_port=PORT)
    )
    command = [PROGRAM or "", "--quiet", str(ini)]
    owner = os.stat(host)
    if os.geteuid() != 0 or owner.st_uid == 0:
        return subprocess.Popen(command, stdin=subprocess.DEVNULL), user
    os.chown(folder, owner.st_uid, owner.st_gid)
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        user=owner.st_uid,
        group=owner.st_gid,
        extra_groups=[],
    )
    return process, user


async def answers(url: str) -> bool:
    try:
        connection = await asyncpg.connect(url, statement_cache_size=0)
    except (OSError, asyncpg.PostgresError):
        return False
    await connection.close()
    return True
