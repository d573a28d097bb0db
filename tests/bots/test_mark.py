from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from alpha.bots.host import BotState
from alpha.bots.mark import HookMark, RunningHook, read_mark
from alpha.clock import ManualClock
from tests.bots.strategies import MINUTE, Scripted, bar, hosted, snapshot

ROOT = Path(__file__).parents[2]

#: A process whose hook never comes back.
STUCK = """
import sys
from pathlib import Path
from alpha.bots.mark import HookMark
from alpha.clock import ManualClock

mark = HookMark(Path(sys.argv[1]), ManualClock(1_759_190_400_000))
mark.enter(HookMark.label("tester", "on_close"))
if sys.argv[2] == "left":
    mark.leave()
print("in", flush=True)
sys.stdin.read()
"""


def killed(path: Path, how: str) -> None:
    """Runs STUCK and kills it with SIGKILL once it is in its hook."""
    process = subprocess.Popen(
        [sys.executable, "-c", STUCK, str(path), how],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=ROOT,
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"in\n"
        process.send_signal(signal.SIGKILL)


def test_the_mark_outlives_a_kill(tmp_path: Path) -> None:
    path = tmp_path / "run" / "hook.mark"
    killed(path, "stuck")
    expected = RunningHook("tester", "on_close", 1_759_190_400_000)
    assert read_mark(path) == expected
    mark = HookMark(path, ManualClock())
    assert mark.left_running == expected
    assert read_mark(path) is None
    guilty, innocent = hosted(Scripted(), run=False, mark=mark), Scripted()
    other = hosted(innocent, run=False, mark=HookMark(tmp_path / "other", ManualClock()))
    assert guilty.start()
    assert guilty.state is BotState.FAILED
    assert guilty.state_reason == (
        "the process ended uncleanly in hook on_close of bot tester, "
        "running since 2025-09-30T00:00:00.000Z"
    )
    other.start()
    assert other.state is BotState.STARTING


def test_an_operator_brings_it_back(tmp_path: Path) -> None:
    path = tmp_path / "hook.mark"
    killed(path, "stuck")
    handle = hosted(Scripted(), mark=HookMark(path, ManualClock()))
    handle.start()
    handle.bar(bar("AAA", 0))
    handle.ready()
    assert handle.state is BotState.RUNNING


def test_a_kill_between_hooks_blames_nobody(tmp_path: Path) -> None:
    path = tmp_path / "hook.mark"
    killed(path, "left")
    assert HookMark(path, ManualClock()).left_running is None


def test_the_mark_shows_the_hook_that_runs(tmp_path: Path) -> None:
    seen: list[RunningHook | None] = []
    path = tmp_path / "hook.mark"

    class Watched(Scripted):
        def note(self) -> None:
            seen.append(read_mark(path))

    clock = ManualClock(77)
    strategy = Watched({MINUTE: RuntimeError("boom")})
    strategy.seen = Noting(strategy)
    handle = hosted(strategy, mark=HookMark(path, clock))
    handle.close(MINUTE, MINUTE, {"AAA": bar("AAA", 0)}, snapshot(MINUTE))
    assert [one.hook for one in seen if one is not None] == ["on_bar", "on_close"]
    assert {one.since_ms for one in seen if one is not None} == {77}
    assert read_mark(path) is None


class Noting(list[str]):
    """Calls the strategy's `note` from inside its hooks."""

    def __init__(self, strategy: object) -> None:
        super().__init__()
        self._strategy = strategy

    def append(self, item: str) -> None:
        super().append(item)
        note = getattr(self._strategy, "note", None)
        if note is not None:
            note()


@pytest.mark.parametrize("content", [b"", b"rubbish", b"x" * 128])
def test_a_foreign_file_is_no_mark(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "hook.mark"
    path.write_bytes(content)
    assert read_mark(path) is None
    mark = HookMark(path, ManualClock())
    assert mark.left_running is None
    mark.enter(HookMark.label("b", "on_bar"))
    assert mark.running() == RunningHook("b", "on_bar", 0)
    mark.close()


def test_no_file_is_no_mark(tmp_path: Path) -> None:
    assert read_mark(tmp_path / "absent") is None
