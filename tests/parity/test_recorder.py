"""The recorder: files that can be read whatever ended the process, and a loop that never waits."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path

import pytest

from alpha.alerts import Alerts
from alpha.bots.host import BotHandle
from alpha.bots.opening import open_bot
from alpha.clock import ManualClock
from alpha.core.events import Bar
from alpha.errors import NeedsOperator, NotFound
from alpha.parity.recorder import BATCH, Recorder
from alpha.parity.recording import Head, Lost, Record, Shown, read
from plugins.shortseller import plugin as shortseller

STEP = 300_000
NOON = 1_767_614_400_000  # 2026-01-05T12:00:00Z
DAY_MS = 86_400_000


@pytest.fixture
def handle() -> BotHandle:
    return open_bot(
        shortseller, name="shortseller", bot_id="shortseller_001", account="main", settings={}
    )


class Desk:
    """A recorder with its clock and alerts."""

    def __init__(self, folder: Path, most_waiting: int) -> None:
        self.folder = folder
        self.clock = ManualClock(NOON)
        self.alerts = Alerts(self.clock)
        self.recorder = Recorder(
            folder,
            mode="paper",
            bots=[],
            max_notional=Decimal(500),
            clock=self.clock,
            alerts=self.alerts,
            most_waiting=most_waiting,
        )

    def show(self, handle: BotHandle, numbers: range) -> None:
        for number in numbers:
            self.recorder.shown(handle, bar(number))

    async def write(self) -> None:
        """What the recorder's task does after each pause."""
        await self.recorder.flush()

    @property
    def starts(self) -> list[int]:
        return [one.bar.start_ms // STEP for one in read(self.folder) if isinstance(one, Shown)]


@asynccontextmanager
async def desk(folder: Path, most_waiting: int = 1000) -> AsyncIterator[Desk]:
    made = Desk(folder, most_waiting)
    yield made
    await made.recorder.close()


def files(folder: Path) -> list[Path]:
    return sorted(folder.iterdir())


def bar(number: int) -> Bar:
    price = 100.1 + number / 3
    return Bar("BTCUSDT", STEP, number * STEP, price, price + 1, price - 1, price, 0.1, 12.34)


async def test_what_is_written_reads_back(tmp_path: Path, handle: BotHandle) -> None:
    async with desk(tmp_path) as it:
        it.show(handle, range(3))
    head, *shown = read(tmp_path)
    assert isinstance(head, Head)
    assert (head.run, head.part, head.mode) == ("20260105T120000Z", 0, "paper")
    assert head.max_notional == Decimal(500)
    assert shown == [Shown("shortseller", bar(number)) for number in range(3)]
    [file] = files(tmp_path)
    assert file.stat().st_mode & 0o777 == 0o600


async def test_a_file_cut_off_anywhere_reads_to_its_last_batch(
    tmp_path: Path, handle: BotHandle
) -> None:
    sizes, count = [], 0
    async with desk(tmp_path / "whole") as it:
        for _ in range(5):
            it.show(handle, range(count, count + 7))
            count += 7
            await it.write()
            [file] = files(it.folder)
            sizes.append(file.stat().st_size)
        content = file.read_bytes()  # as a kill leaves it: nothing has ended the file
    for size in range(sizes[0], len(content) + 1, 13):
        cut = tmp_path / "cut.jsonl.gz"
        cut.write_bytes(content[:size])
        whole = 7 * sum(1 for one in sizes if one <= size)
        found = [one.bar.start_ms // STEP for one in read(cut) if isinstance(one, Shown)]
        assert found == list(range(len(found)))
        assert whole <= len(found) <= whole + 7, size


async def test_a_full_queue_loses_lines_and_says_where(tmp_path: Path, handle: BotHandle) -> None:
    async with desk(tmp_path, most_waiting=10) as it:
        it.show(handle, range(25))
        await it.write()
        it.show(handle, range(25, 27))
    records: list[Record] = list(read(tmp_path))[1:]
    assert [one.bar.start_ms // STEP for one in records[:10] if isinstance(one, Shown)] == list(
        range(10)
    )
    assert records[10:] == [
        Lost(15),
        Shown("shortseller", bar(25)),
        Shown("shortseller", bar(26)),
    ]


async def test_what_was_lost_last_is_told_at_the_end(tmp_path: Path, handle: BotHandle) -> None:
    async with desk(tmp_path, most_waiting=10) as it:
        it.show(handle, range(12))
    assert list(read(tmp_path))[-1] == Lost(2)


async def test_each_day_has_a_file_of_its_own(tmp_path: Path, handle: BotHandle) -> None:
    async with desk(tmp_path) as it:
        it.show(handle, range(2))
        await it.write()
        it.clock.advance(DAY_MS)
        it.show(handle, range(2, 4))
        await it.write()
        names = [file.name for file in files(tmp_path)]
        assert names == ["20260105T120000Z-000.jsonl.gz", "20260105T120000Z-001.jsonl.gz"]
        assert it.starts == [0, 1, 2, 3]
    # Any file of a run leads to all of it.
    second = [one for one in read(tmp_path / names[1]) if isinstance(one, Shown)]
    assert len(second) == 4


async def test_a_second_run_never_writes_into_the_files_of_the_first(
    tmp_path: Path, handle: BotHandle
) -> None:
    for number in range(2):
        async with desk(tmp_path) as it:
            it.show(handle, range(number, number + 1))
    assert it.starts == [0, 1]
    assert len(files(tmp_path)) == 2


async def test_a_disk_that_takes_nothing_costs_lines_and_nothing_else(
    tmp_path: Path, handle: BotHandle
) -> None:
    folder = tmp_path / "recordings"
    folder.write_text("in the way")
    async with desk(folder) as it:
        it.show(handle, range(5))
        await it.write()
        [alert] = it.alerts.recent
        assert alert.kind == "recording_interrupted" and "File exists" in alert.message
        folder.unlink()
        it.show(handle, range(5, 6))
        await it.write()
        assert not folder.exists(), "it is tried again after a while only"
        it.clock.advance(31_000)
        await it.write()
    assert list(read(folder))[1:] == [Lost(5), Shown("shortseller", bar(5))]


async def test_large_batches_are_written_whole(tmp_path: Path, handle: BotHandle) -> None:
    async with desk(tmp_path, most_waiting=10 * BATCH) as it:
        it.show(handle, range(3 * BATCH + 1))
        await it.write()
        assert it.starts == list(range(3 * BATCH + 1))


def test_what_is_no_recording_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="found nothing"):
        list(read(tmp_path / "none"))
    with pytest.raises(NotFound, match="expected files like"):
        list(read(tmp_path))
    other = tmp_path / "notes.txt"
    other.write_text("hello")
    with pytest.raises(NeedsOperator, match="expected a recording"):
        list(read(other))
