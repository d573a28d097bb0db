"""A process that uses the servers until its input ends: `python -m tests.embedded.user DIR`.

With the name of a user behind it, it becomes that user first, once everything is imported: the
user need not reach this interpreter. It has to reach /usr/bin/python3 then, for the keepers."""

from __future__ import annotations

import asyncio
import codecs
import os
import pwd
import sys
from importlib.metadata import version
from pathlib import Path

from alpha import embedded
from alpha.clock import SystemClock


async def main(folder: Path) -> None:
    servers = await embedded.start(folder, mode="paper", clock=SystemClock())
    print(servers.postgres_dsn, servers.redis_url, flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await servers.stop()
    print("left", flush=True)


def become(name: str) -> None:
    version("redis")  # the libraries do these first when they are first used
    for encoding in ("ascii", "idna", "latin-1"):
        codecs.lookup(encoding)
    user = pwd.getpwnam(name)
    os.setgroups([])
    os.setgid(user.pw_gid)
    os.setuid(user.pw_uid)
    os.environ["HOME"] = "/nonexistent"
    sys.executable = "/usr/bin/python3"


if __name__ == "__main__":
    if len(sys.argv) > 2:
        become(sys.argv[2])
    asyncio.run(main(Path(sys.argv[1])))
