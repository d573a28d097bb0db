"""A paper run, killed, against its own recording: the daemon, the simulator and the verb as they
are. Then recordings that were tampered with, each of which has to be found out."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from alpha.clock import SystemClock
from alpha.parity.recording import Decided, Filled, Head, Record, line, lines_of, read
from alpha.parity.story import Story, load
from tests.acceptance.daemons import Installation, Json, installation

DAY_MS = 86_400_000
CONFIG = """
mode = "paper"
data_dir = "{folder}/data"
[record]
enabled = true
[paper]
feed = "replay"
speed = 6000
data = "{data}"
[accounts.main]
api_key = "the-key-of-this-account"
api_secret = "the-secret-of-this-account"
[bots.shortseller]
enabled = true
bot_id = "shortseller_001"
[bots.shortseller.settings]
profile = "reference"
"""


def parity(home: Installation, recording: Path, *options: str) -> tuple[int, Json]:
    answer = home.ask("parity", "--recording", str(recording), "--json", *options)
    assert answer.stdout, answer.stderr
    found = json.loads(answer.stdout)
    assert isinstance(found, dict)
    return answer.returncode, found


def days(story: Story) -> float:
    closes = [key.close_ms for track in story.tracks.values() for key, _ in track.called]
    return (max(closes) - min(closes)) / DAY_MS


def tampered(source: Path, target: Path, change: Callable[[Record], Record | None]) -> Path:
    """A copy of a recording; `change` gives each line anew, None leaves it out."""
    records = [change(one) for one in read(source)]
    target.write_bytes(gzip.compress(b"".join(line(one) for one in records if one is not None)))
    return target


def object_of(found: object) -> Json:
    assert isinstance(found, dict), found
    return found


@pytest.mark.shared_data
async def test_two_market_days_decide_the_same_in_both(
    server_folder: Path, shared_data: Path
) -> None:
    clock = SystemClock()
    settings = CONFIG.format(folder=server_folder, data=shared_data)
    with installation(server_folder, settings=settings) as home:
        process = home.start()
        await home.ready()
        folder = server_folder / "data" / "recordings"
        for _ in range(12):
            await clock.sleep(5)
            assert process.poll() is None, home.log[-2000:]
            if days(load(folder)) >= 2:
                break
        process.kill()
        process.wait()

        story = load(folder)
        assert days(story) >= 2
        code, found = parity(home, folder)
        assert code == 0 and found["ok"] and found["divergence"] is None, found
        figures = object_of(object_of(found["bots"])["shortseller"])
        assert figures["closes"] == len(list(story.tracks["shortseller"].called)) > 500
        assert isinstance(figures["decisions"], int) and figures["decisions"] > 10
        assert figures["closes_with_other_positions"] == 0
        sizes = object_of(figures["sizes"])
        assert (sizes["explained_by_equity"], sizes["unexplained"]) == (0, [])
        assert figures["states_apart"] == figures["values_apart"] == 0, figures
        assert object_of(found["by_model"])["bots"]

        [file] = list(folder.glob("*"))
        text = b"\n".join(lines_of(file))
        assert b"the-key-of" not in text and b"the-secret-of" not in text
        _assert_tampering_is_found(home, file, server_folder)


def _assert_tampering_is_found(home: Installation, file: Path, folder: Path) -> None:
    entries = [
        one
        for one in read(file)
        if isinstance(one, Decided) and b'"kind":"enter"' in bytes(one.intents)
    ]
    gone = entries[len(entries) // 2]

    def forget_a_decision(record: Record) -> Record:
        if record == gone:
            return msgspec.structs.replace(gone, intents=msgspec.Raw(b"[]"))
        return record

    code, found = parity(home, tampered(file, folder / "decision.gz", forget_a_decision))
    first = object_of(found["divergence"])
    assert code == 1 and first["close_ms"] == gone.event_ms
    assert first["live"] == [] and first["backtest"]
    assert object_of(first["cause"])["kind"] == "plugin"

    def forget_fills(record: Record) -> Record | None:
        lost = isinstance(record, Filled) and record.fill.order_link_id in gone_ids
        return None if lost else record

    gone_ids = {one["id"] for one in json.loads(bytes(gone.intents)) if "id" in one}
    code, found = parity(home, tampered(file, folder / "fills.gz", forget_fills))
    figures = object_of(object_of(found["bots"])["shortseller"])
    assert figures["closes_with_other_positions"]
    assert "backtest flat (no fill)" in str(figures["first_other_position"])
    first = object_of(found["divergence"])
    assert code == 1 and object_of(first["cause"])["kind"] == "position"

    def other_settings(record: Record) -> Record:
        if not isinstance(record, Head):
            return record
        settings = msgspec.Raw(b'{"profile":"reference","cooldown_bars":1000}')
        bots = [msgspec.structs.replace(one, settings=settings) for one in record.bots]
        return msgspec.structs.replace(record, bots=bots)

    code, found = parity(home, tampered(file, folder / "settings.gz", other_settings))
    first = object_of(found["divergence"])
    assert code == 1 and first["live"] and not first["backtest"]
