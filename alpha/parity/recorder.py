"""Writes what bots see and decide into files, beside the loop.

The loop only appends to a bounded queue; a thread encodes, compresses and writes. Each batch is
flushed whole, so whatever ends the process leaves files that can be read to their last batch. When
the queue is full lines are lost, and the recording says how many and where. A disk that takes
nothing ends the file; another is tried later.
"""

from __future__ import annotations

import asyncio
import os
import re
import zlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from decimal import Decimal
from pathlib import Path

import msgspec

from alpha.alerts import Alerts
from alpha.bots.host import BotHandle
from alpha.bybit.messages import PrivateEvent
from alpha.clock import Clock, utc
from alpha.config import Config
from alpha.core.decisions import Decision
from alpha.core.events import Bar, Execution, OrderEvent, PositionEvent, WalletEvent
from alpha.core.instruments import Instrument
from alpha.core.records import BotPosition, Fill, OrderRow
from alpha.core.snapshot import Snapshot
from alpha.parity.recording import (
    VERSION,
    Chosen,
    Closing,
    Decided,
    Filled,
    Head,
    Heard,
    Joined,
    Lost,
    Ordered,
    Record,
    RecordedBot,
    Rules,
    Shown,
    file_name,
    line,
)
from alpha.supervision import Supervisor

#: Lines that may wait for the disk.
MOST_WAITING = 200_000
WRITE_EVERY_S = 0.2
#: Lines that are encoded at a time; between two batches the loop gets its turn.
BATCH = 500
TRY_AGAIN_S = 30.0
DAY_MS = 86_400_000
#: Where recordings are, in the data directory.
FOLDER = "recordings"
_SECRET = re.compile(r"secret|token|password|passphrase|api_?key|private_?key", re.IGNORECASE)
_numbers = msgspec.json.Encoder(decimal_format="number").encode


class Files:
    """The files of one run, one a day (UTC). Used by one thread."""

    def __init__(self, folder: Path, clock: Clock, head: Callable[[str, int], Head]) -> None:
        self._folder = folder
        self._clock = clock
        self._head = head
        self._run = ""
        self._part = 0
        self._day = -1
        self._file = -1
        self._packer = zlib.compressobj(wbits=31)

    def write(self, records: Sequence[Record]) -> None:
        """Flushed when it returns. OSError when the disk does not take it: the file has ended."""
        try:
            self._write(records)
        except OSError:
            self._abandon()
            raise

    def _write(self, records: Sequence[Record]) -> None:
        day = self._clock.now_ms() // DAY_MS
        if self._file >= 0 and day != self._day:
            self.close()
        if self._file < 0:
            self._open(day)
        for first in range(0, len(records), BATCH):
            batch = b"".join(map(line, records[first : first + BATCH]))
            self._put(self._packer.compress(batch) + self._packer.flush(zlib.Z_SYNC_FLUSH))

    def close(self) -> None:
        if self._file < 0:
            return
        file, self._file = self._file, -1
        try:
            _write_whole(file, self._packer.flush(zlib.Z_FINISH))
        finally:
            os.close(file)

    def _abandon(self) -> None:
        file, self._file = self._file, -1
        if file >= 0:
            os.close(file)

    def _open(self, day: int) -> None:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        while True:
            name = self._name()
            try:
                flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
                self._file = os.open(self._folder / name, flags, 0o600)
                break
            except FileExistsError:
                self._part += 1
        self._day = day
        self._packer = zlib.compressobj(wbits=31)
        self._put(self._packer.compress(line(self._head(self._run, self._part))))
        self._part += 1

    def _name(self) -> str:
        if not self._run:
            self._run = utc(self._clock.now_ms()).strftime("%Y%m%dT%H%M%SZ")
        return file_name(self._run, self._part)

    def _put(self, content: bytes) -> None:
        _write_whole(self._file, content)


def _write_whole(file: int, content: bytes) -> None:
    while content:
        content = content[os.write(file, content) :]


class Recorder:
    """The witness that writes: a task of the daemon's runs `run`, and `close` ends it."""

    def __init__(
        self,
        folder: Path,
        *,
        mode: str,
        bots: Sequence[RecordedBot],
        max_notional: Decimal | None,
        clock: Clock,
        alerts: Alerts,
        most_waiting: int = MOST_WAITING,
    ) -> None:
        self._folder = folder
        self._files = Files(
            folder,
            clock,
            lambda run, part: Head(VERSION, run, part, mode, list(bots), max_notional),
        )
        self._clock = clock
        self._alerts = alerts
        self._most_waiting = most_waiting
        self._waiting: list[Record] = []
        self._lost = 0
        self._retry_at = 0.0
        self._rules: dict[str, Instrument] = {}
        self._states: dict[str, str] = {}
        self._choices: dict[str, object] = {}
        # One thread: batches are written in order, also when a task was cancelled in between.
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="recorder")

    async def run(self) -> None:
        while True:
            await self._clock.sleep(WRITE_EVERY_S)
            await self.flush()

    async def flush(self) -> None:
        """Writes what waits, unless the disk has refused it a moment ago."""
        if self._waiting and self._clock.monotonic() >= self._retry_at:
            await self._write()

    async def close(self) -> None:
        """Writes what waits and ends the file."""
        if self._lost:
            self._waiting.append(Lost(self._lost))
        await self._write()
        try:
            await asyncio.get_running_loop().run_in_executor(self._thread, self._files.close)
        except OSError as error:
            self._tell(error)
        self._thread.shutdown(wait=False)

    async def _write(self) -> None:
        batch, self._waiting = self._waiting, []
        if not batch:
            return
        work = asyncio.get_running_loop().run_in_executor(self._thread, self._files.write, batch)
        try:
            await work
        except OSError as error:
            self._lost += len(batch)
            self._retry_at = self._clock.monotonic() + TRY_AGAIN_S
            self._tell(error)

    def _tell(self, error: OSError) -> None:
        self._alerts.tell(
            "recording_interrupted",
            f"expected to write a recording into {self._folder}, was {error.strerror}; trading "
            f"goes on, what happens meanwhile is not recorded: make room",
            level="ERROR",
        )

    def _put(self, record: Record) -> None:
        waiting = self._waiting
        if len(waiting) >= self._most_waiting:
            self._lost += 1
            return
        if self._lost:
            waiting.append(Lost(self._lost))
            self._lost = 0
        waiting.append(record)

    # -- the witness --------------------------------------------------------------------------

    def joined(self, handle: BotHandle, positions: Mapping[str, BotPosition]) -> None:
        saved = handle.saved
        self._states[handle.name] = saved.state_json
        self._put(
            Joined(
                handle.name,
                saved.ordinal,
                handle.per_symbol,
                _raw(saved.state_json),
                dict(positions),
                list(handle.subscriptions),
            )
        )
        self._choices.pop(handle.name, None)

    def shown(self, handle: BotHandle, bar: Bar) -> None:
        self._put(Shown(handle.name, bar))

    def closing(
        self,
        handle: BotHandle,
        interval_ms: int,
        close_ms: int,
        bars: Mapping[str, Bar],
        snapshot: Snapshot,
        *,
        replayed: bool,
    ) -> None:
        self._note_choice(handle)
        for symbol in bars:
            rules = snapshot.instruments.get(symbol)
            if rules is not None and self._rules.get(symbol) is not rules:
                self._rules[symbol] = rules
                self._put(Rules(rules))
        self._put(
            Closing(
                handle.name,
                interval_ms,
                close_ms,
                list(bars),
                replayed,
                dict(snapshot.positions),
                list(snapshot.pending_entries),
                list(snapshot.pending_exits),
                snapshot.wallet,
                snapshot.equity,
            )
        )

    def _note_choice(self, handle: BotHandle) -> None:
        chosen = handle.chosen
        if chosen is None or self._choices.get(handle.name) is chosen:
            return
        self._choices[handle.name] = chosen
        now_ms, markets, held = chosen
        self._put(
            Chosen(handle.name, now_ms, list(markets), sorted(held), list(handle.subscriptions))
        )

    def decided(self, handle: BotHandle, decision: Decision) -> None:
        row = decision.row
        state = row.state_json
        changed = self._states.get(handle.name) != state
        self._states[handle.name] = state
        self._put(
            Decided(
                handle.name,
                row.ordinal,
                row.event_key,
                row.event_ms,
                _raw(row.intents_json),
                _raw(state if changed else "null"),
            )
        )

    def filled(self, handle: BotHandle, fill: Fill) -> None:
        self._put(Filled(handle.name, fill))

    def ordered(self, handle: BotHandle, row: OrderRow) -> None:
        self._put(Ordered(handle.name, row))

    def heard(self, account: str, event: PrivateEvent) -> None:
        if isinstance(event, Execution | OrderEvent | PositionEvent | WalletEvent):
            self._put(Heard(account, type(event).__name__, event))


async def open_recorder(
    stack: AsyncExitStack,
    config: Config,
    handles: Mapping[str, BotHandle],
    clock: Clock,
    alerts: Alerts,
    supervisor: Supervisor,
) -> Recorder | None:
    """The recorder of a run, which ends with `stack`; None where the settings want none."""
    if not config.record.enabled:
        return None
    recorder = Recorder(
        config.data_dir / FOLDER,
        mode=config.mode,
        bots=[_recorded(config, handle) for handle in handles.values()],
        max_notional=config.risk.max_notional,
        clock=clock,
        alerts=alerts,
    )
    stack.push_async_callback(recorder.close)
    supervisor.keep("recorder", recorder.run, vital=False)
    return recorder


def _recorded(config: Config, handle: BotHandle) -> RecordedBot:
    bot = config.bots[handle.name]
    account = config.accounts.get(handle.account)
    return RecordedBot(
        handle.name,
        handle.bot_id,
        handle.plugin,
        handle.version,
        handle.account,
        msgspec.Raw(_numbers(_without_secrets(bot.settings))),
        bot.capital if bot.shared_account else None,
        account is not None and account.netting,
    )


def _without_secrets(settings: Mapping[str, object]) -> dict[str, object]:
    """Strategies do no I/O and need no keys; what is called like one stays out all the same."""
    return {
        name: _without_secrets(value) if isinstance(value, dict) else value
        for name, value in settings.items()
        if not _SECRET.search(name)
    }


def _raw(text: str) -> msgspec.Raw:
    return msgspec.Raw(text.encode())
