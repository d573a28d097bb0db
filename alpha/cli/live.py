"""The running daemon on the terminal: a live table, or plain lines where there is no terminal.

Painting happens in a thread of its own. A terminal that is stopped (Ctrl-S) or a pipe that nobody
reads blocks that thread and never the event loop."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from typing import Protocol, TextIO

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from alpha.clock import Clock
from alpha.control.desk import BotStatus, FillSummary, PositionStatus, Status
from alpha.control.text import age, cell, money

EVERY_S = 0.5
#: A summary line this often where there is no terminal, in paintings.
_SUMMARY_EVERY = 60
_STOP_WITHIN_S = 1.0

_COLOURS = {
    "live": "green",
    "running": "green",
    "warming": "yellow",
    "starting": "yellow",
    "syncing": "yellow",
    "paused": "yellow",
    "reduce_only": "yellow",
    "stale": "red",
    "halted": "red",
    "failed": "red",
}


class Face(Protocol):
    """Something that shows statuses one after the other, from one thread."""

    def open(self) -> None: ...

    def paint(self, status: Status) -> None: ...

    def close(self) -> None: ...


class LiveView:
    """Shows what `status` returns, every half second, until its task is cancelled."""

    def __init__(
        self, status: Callable[[], Status], clock: Clock, *, stream: TextIO | None = None
    ) -> None:
        self._status = status
        self._clock = clock
        out = stream or sys.stdout
        self._face: Face = TableFace(out) if out.isatty() else LineFace(out)

    async def run(self) -> None:
        painter = _Painter(self._face)
        painter.start()
        try:
            while True:
                painter.show(self._status())
                await self._clock.sleep(EVERY_S)
        finally:
            painter.show(self._status())
            painter.end()
            await self._wait_for(painter)

    async def _wait_for(self, painter: _Painter) -> None:
        """The last picture is worth a moment, but the loop has a shutdown to run meanwhile."""
        deadline = self._clock.monotonic() + _STOP_WITHIN_S
        while painter.is_alive() and self._clock.monotonic() < deadline:
            await self._clock.sleep(0.01)


class _Painter(threading.Thread):
    """Paints the newest status; those that came while it was busy are skipped."""

    def __init__(self, face: Face) -> None:
        super().__init__(name="live-view", daemon=True)
        self._face = face
        self._changed = threading.Condition()
        self._newest: Status | None = None
        self._ending = False

    def show(self, status: Status) -> None:
        with self._changed:
            self._newest = status
            self._changed.notify()

    def end(self) -> None:
        """Asks the thread to end; one that is blocked by its terminal dies with the process."""
        with self._changed:
            self._ending = True
            self._changed.notify()

    def run(self) -> None:
        try:
            self._face.open()
            while (status := self._next()) is not None:
                self._face.paint(status)
        except (OSError, ValueError):
            return  # the terminal or the pipe is gone; the daemon runs on
        finally:
            self._face.close()

    def _next(self) -> Status | None:
        with self._changed:
            self._changed.wait_for(lambda: self._newest is not None or self._ending)
            status, self._newest = self._newest, None
            return status


class TableFace:
    """The live table of a terminal."""

    def __init__(self, stream: TextIO) -> None:
        self._live = Live(console=Console(file=stream), auto_refresh=False, transient=False)

    def open(self) -> None:
        self._live.start()

    def paint(self, status: Status) -> None:
        self._live.update(picture(status), refresh=True)

    def close(self) -> None:
        self._live.stop()


class LineFace:
    """Plain lines: each change once, and a summary now and then."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._seen: dict[str, str] = {}
        self._paintings = 0

    def open(self) -> None:
        pass

    def paint(self, status: Status) -> None:
        for subject, line in _facts(status):
            if self._seen.get(subject) != line:
                self._seen[subject] = line
                print(line, file=self._stream)
        if self._paintings % _SUMMARY_EVERY == 0:
            print(summary(status), file=self._stream)
        self._paintings += 1
        self._stream.flush()

    def close(self) -> None:
        pass


def _facts(status: Status) -> Iterator[tuple[str, str]]:
    """What is worth a line when it changes, by subject."""
    for name, account in status["accounts"].items():
        yield f"account {name}", f"account {name}: {account['status']}"
    for name, bot in status["bots"].items():
        reason = f" ({bot['state_reason']})" if bot["state_reason"] else ""
        yield f"bot {name}", f"{name}: {bot['state']}{reason}"
        if bot["last_fill"] is not None:
            yield f"fill {name}", f"{name}: fill {bot['fills']}: {fill_words(bot['last_fill'])}"


def summary(status: Status) -> str:
    bots = " · ".join(
        f"{name} {bot['state']} {len(bot['positions'])} open, {bot['fills']} fills, "
        f"realised {money(bot['realised_pnl'])}, open {money(bot['unrealised_pnl'])}"
        for name, bot in status["bots"].items()
    )
    return f"mode {status['mode']} · data {age(status['data_age_s'])} · {bots or 'no bots'}"


def picture(status: Status) -> RenderableType:
    """Mode, accounts and data age above; per bot its state, position, PnL and last fill."""
    return Group(_head(status), _table(status))


def _head(status: Status) -> Text:
    head = Text("alpha", style="bold")
    colour = "bold white on red" if status["mode"] == "live" else "bold cyan"
    head.append("  ").append(f" {status['mode']} ", style=colour)
    for name, account in status["accounts"].items():
        head.append(f"  {name} ").append(account["status"], style=_colour(account["status"]))
        if account["equity"] is not None:
            head.append(f" {money(account['equity'], signed=False)} USDT")
        for part in account["degraded"]:
            head.append(f" {part}", style="red")
    head.append(f"  data {age(status['data_age_s'])}")
    for part in ("postgres", "redis"):
        state = status["postgres"] if part == "postgres" else status["redis"]
        if state != "ok":
            head.append(f"  {part} {state}", style="red")
    if status["uptime_s"] is not None:
        head.append(f"  up {status['uptime_s']:.0f} s", style="dim")
    return head


def _table(status: Status) -> Table:
    table = Table(expand=False, pad_edge=False)
    for column in ("bot", "state", "position"):
        table.add_column(column)
    for column in ("realised", "open", "fills"):
        table.add_column(column, justify="right")
    table.add_column("last fill")
    for name, bot in status["bots"].items():
        table.add_row(
            name,
            _state(bot),
            "\n".join(position_words(position) for position in bot["positions"]) or "flat",
            _signed(bot["realised_pnl"]),
            _signed(bot["unrealised_pnl"]),
            str(bot["fills"]),
            fill_words(bot["last_fill"]) if bot["last_fill"] else "-",
        )
    return table


def _state(bot: BotStatus) -> Text:
    state = Text(bot["state"], style=_colour(bot["state"]))
    if bot["state_reason"]:
        state.append(f"\n{bot['state_reason']}", style="dim")
    return state


def _colour(word: str) -> str:
    return _COLOURS.get(word, "")


def _signed(value: object) -> Text:
    words = money(value)
    return Text(words, style="red" if words[:1] == "-" and words != "-" else "green")


def position_words(position: PositionStatus) -> str:
    return (
        f"{position['symbol']} {position['side']} {cell(position['size'])}"
        f" @ {cell(position['avg_price'])}"
    )


def fill_words(fill: FillSummary) -> str:
    """`05:15:00 Sell 0.014 BTCUSDT @ 50000.5 death_cross`."""
    at = str(fill["exec_time"])[11:19]
    reason = f" {fill['reason']}" if fill["reason"] else ""
    return (
        f"{at} {fill['side']} {cell(fill['exec_qty'])} {fill['symbol']}"
        f" @ {cell(fill['exec_price'])}{reason}"
    )
