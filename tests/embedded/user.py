"""A process that uses the servers until its input ends: `python -m tests.embedded.user DIR`."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from alpha import embedded
from alpha.clock import SystemClock


async def main(folder: Path) -> None:
    servers = await embedded.start(folder, mode="paper", clock=SystemClock())
    print(servers.postgres_dsn, servers.redis_url, flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await servers.stop()
    print("left", flush=True)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
