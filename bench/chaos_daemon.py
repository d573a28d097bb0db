"""One installation of the daemon: a folder, its settings, a process, and who starts it again."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path
from typing import TextIO

from alpha.clock import Clock
from alpha.control.socket import socket_path

ROOT = Path(__file__).resolve().parents[1]
#: A daemon that ends by itself is started again after this, as a supervisor would.
RESTART_S = 1.0
STOP_WITHIN_S = 20.0
TAKEN_OVER = "has to stop"


async def spawn(*words: str, output: TextIO) -> asyncio.subprocess.Process:
    """`alpha WORDS`, from this tree."""
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "alpha", *words, cwd=ROOT,
        stdin=asyncio.subprocess.DEVNULL, stdout=output, stderr=output,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip


class Daemon:
    """`paired`: another one may take its accounts over while it is stalled or cut off; then it
    ends with an error when it finds out, which is no problem."""

    def __init__(self, folder: Path, clock: Clock, *, paired: bool) -> None:
        self.folder = folder
        self.data_dir = folder / "data"
        self.config = folder / "config.toml"
        self.log = folder / "log"
        self.starts = 0
        #: Ends that nobody asked for.
        self.problems: list[str] = []
        #: What the daemon said of itself last: the process that trades, not its guard.
        self.pid: int | None = None
        self._paired = paired
        self._clock = clock
        self._process: asyncio.subprocess.Process | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._killed = False
        self._down_s = 0.0
        folder.mkdir(parents=True, exist_ok=True)

    def start(self) -> None:
        self._keeper = asyncio.create_task(self._keep(), name=f"keeper-of-{self.folder.name}")

    async def _keep(self) -> None:
        """Runs it, and runs it again whenever it ends, as a supervisor does."""
        with self.log.open("a") as output:
            while True:
                self._killed = False
                self.pid = None
                self._process = await spawn("run", "--config", str(self.config), output=output)
                self.starts += 1
                code = await self._process.wait()
                if self._killed:
                    await self._clock.sleep(self._down_s)
                    continue
                if not (self._paired and code == 1 and TAKEN_OVER in self._last_words()):
                    self.problems.append(f"daemon {self.folder.name} ended by itself with {code}")
                await self._clock.sleep(RESTART_S)

    async def stop(self) -> int | None:
        """The exit code, asked to end as by an operator; None when it had none to give."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        process = self._process
        if process is None or process.returncode is not None:
            return None
        self.resume()
        process.terminate()
        try:
            async with asyncio.timeout(STOP_WITHIN_S):
                return await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
            return None

    def _last_words(self) -> str:
        return self.log.read_text(errors="replace")[-2000:]

    def said(self, word: str) -> bool:
        return self.log.exists() and word in self.log.read_text(errors="replace")

    # -- faults -----------------------------------------------------------------------------

    def kill(self, down_s: float = 0.0) -> None:
        """kill -9, and a new one after `down_s`."""
        self._killed, self._down_s = True, down_s
        self._signal(signal.SIGKILL)

    def stall(self) -> None:
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        """To the process that trades, then to what watches over it."""
        process = self._process
        if process is None or process.returncode is not None:
            return
        for pid in dict.fromkeys((self.pid or process.pid, process.pid)):
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                continue

    # -- asking -----------------------------------------------------------------------------

    async def ask(self, verb: str, within_s: float, **arguments: str) -> dict[str, object] | None:
        """The answer over the control socket, or None when there is none in time."""
        path = socket_path(self.data_dir)
        try:
            async with asyncio.timeout(within_s):
                reader, writer = await asyncio.open_unix_connection(path, limit=1 << 24)
                try:
                    request = json.dumps({"verb": verb, "arguments": arguments})
                    writer.write(request.encode() + b"\n")
                    line = await reader.readline()
                finally:
                    writer.close()
            data = json.loads(line).get("data")
        except (OSError, TimeoutError, ValueError):
            return None
        return data if isinstance(data, dict) else None

    async def verify(self) -> dict[str, object]:
        """What `alpha ledger verify --json` says, in a process of its own."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "alpha", "ledger", "verify", "--json", "--config",
            str(self.config), cwd=ROOT, stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        output, errors = await process.communicate()
        try:
            found: dict[str, object] = json.loads(output)
        except ValueError:
            return {"ok": False, "problems": [errors.decode(errors="replace")[-500:]]}
        return found
