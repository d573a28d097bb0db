"""Charts as SVG, drawn without a library: lines, areas, candles, bars. Colours are classes that
the page's style sheet knows, so that a chart follows its light or dark theme."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from html import escape

from alpha.clock import iso

WIDTH = 1100
LEFT, RIGHT, TOP, BOTTOM = 74, 14, 10, 24
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS

#: (Unix ms, value)
Point = tuple[int, float]


@dataclass(frozen=True, slots=True)
class Candle:
    start_ms: int
    open: float
    high: float
    low: float
    close: float


@dataclass(frozen=True, slots=True)
class Mark:
    """A trade: from entry to exit, with a text that shows when the pointer rests on it."""

    entry_ms: int
    entry_price: float
    exit_ms: int
    exit_price: float
    is_long: bool
    is_won: bool
    text: str


class Frame:
    """Axes of a chart: maps time and value to the picture, and draws the grid."""

    def __init__(
        self,
        start_ms: int,
        end_ms: int,
        low: float,
        high: float,
        height: int,
        write: Callable[[float], str],
    ) -> None:
        self.height = height
        self._start, self._span = start_ms, max(end_ms - start_ms, 1)
        if not high > low:
            low, high = low - 1, high + 1
        self._low, self._range = low, high - low
        self._write = write

    def x(self, at_ms: int) -> float:
        return LEFT + (at_ms - self._start) / self._span * (WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        inner = self.height - TOP - BOTTOM
        return TOP + (1 - (value - self._low) / self._range) * inner

    def svg(self, parts: Sequence[str], label: str) -> str:
        return (
            f'<svg viewBox="0 0 {WIDTH} {self.height}" role="img" aria-label="{escape(label)}">'
            + "".join([*self._grid(), *parts])
            + "</svg>"
        )

    def _grid(self) -> Iterator[str]:
        for value in steps(self._low, self._low + self._range):
            y = self.y(value)
            yield f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
            yield (
                f'<text class="axis" x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">'
                f"{escape(self._write(value))}</text>"
            )
        for at_ms, text in moments(self._start, self._start + self._span):
            x = min(self.x(at_ms), WIDTH - 36.0)  # half of the text is behind it
            yield (
                f'<text class="axis" x="{x:.1f}" y="{self.height - 6}" text-anchor="middle">'
                f"{text}</text>"
            )


def steps(low: float, high: float, most: int = 5) -> list[float]:
    """Round values between two others, for an axis."""
    rough = (high - low) / most
    unit = 10.0 ** math.floor(math.log10(rough))
    step = next(unit * one for one in (1, 2, 5, 10) if unit * one >= rough)
    first = math.ceil(low / step)
    return [(first + number) * step for number in range(math.floor(high / step) - first + 1)]


def moments(start_ms: int, end_ms: int) -> list[tuple[int, str]]:
    """Days for an axis, or hours where it is shorter than four of them."""
    if end_ms - start_ms >= 4 * DAY_MS:
        return [(at_ms, iso(at_ms)[:10]) for at_ms in days(start_ms, end_ms)]
    for step in (1, 2, 3, 6, 12):
        first = -(-start_ms // (step * HOUR_MS)) * step * HOUR_MS
        found = list(range(first, end_ms + 1, step * HOUR_MS))
        if len(found) <= 8:
            break
    return [(at_ms, iso(at_ms)[5:16].replace("T", " ")) for at_ms in found]


def days(start_ms: int, end_ms: int, most: int = 7) -> list[int]:
    """Midnights between two moments, for an axis: every day, every second, every fourth, ..."""
    step, first = 1, -(-start_ms // DAY_MS)
    last = end_ms // DAY_MS
    while (last - first) // step + 1 > most:
        step *= 2
    return [day * DAY_MS for day in range(first, last + 1, step)]


def thinned(points: Sequence[Point], most: int = 1400) -> list[Point]:
    """No more points than a picture can show; the lowest and the highest of each part stay."""
    if len(points) <= most:
        return list(points)
    size = -(-len(points) // (most // 2))
    found: list[Point] = []
    for at in range(0, len(points), size):
        part = points[at : at + size]
        ends = {min(part, key=lambda one: one[1]), max(part, key=lambda one: one[1])}
        found += sorted(ends)
    if found[-1] != points[-1]:
        found.append(points[-1])
    return found


def curve(
    points: Sequence[Point],
    *,
    height: int,
    kind: str,
    label: str,
    write: Callable[[float], str],
    base: float | None = None,
) -> str:
    """A line over time. With a `base` the area between both is filled, and the base drawn."""
    shown = thinned(points)
    values = [value for _, value in shown] + ([] if base is None else [base])
    frame = Frame(shown[0][0], shown[-1][0], min(values), max(values), height, write)
    line = " ".join(f"{frame.x(at):.1f},{frame.y(value):.1f}" for at, value in shown)
    parts = []
    if base is not None:
        ends = f"{frame.x(shown[-1][0]):.1f},{{0}} {frame.x(shown[0][0]):.1f},{{0}}"
        bottom = f"{frame.y(base):.1f}"
        parts.append(f'<polygon class="{kind} area" points="{line} {ends.format(bottom)}"/>')
        parts.append(
            f'<line class="base" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{bottom}" y2="{bottom}"/>'
        )
    parts.append(f'<polyline class="{kind} line" points="{line}"/>')
    return frame.svg(parts, label)


def candle_chart(candles: Sequence[Candle], marks: Sequence[Mark], *, label: str) -> str:
    """Candles with trades on them: a line from entry to exit, green where it was won."""
    low, high = min(one.low for one in candles), max(one.high for one in candles)
    start, end = candles[0].start_ms, candles[-1].start_ms
    length = (end - start) // max(len(candles) - 1, 1)
    frame = Frame(start, end + length, low, high, 340, lambda value: f"{value:g}")
    width = max(0.6, (WIDTH - LEFT - RIGHT) / len(candles) * 0.62)
    parts = []
    for one in candles:
        x = frame.x(one.start_ms + length // 2)
        kind = "up" if one.close >= one.open else "down"
        top, bottom = frame.y(max(one.open, one.close)), frame.y(min(one.open, one.close))
        parts.append(
            f'<path class="candle {kind}" d="M{x:.1f} {frame.y(one.high):.1f}'
            f"V{frame.y(one.low):.1f}"
            f"M{x - width / 2:.1f} {top:.1f}h{width:.1f}V{max(bottom, top + 0.5):.1f}"
            f'h{-width:.1f}z"/>'
        )
    for mark in marks:
        x1, y1 = frame.x(mark.entry_ms), frame.y(mark.entry_price)
        x2, y2 = frame.x(mark.exit_ms), frame.y(mark.exit_price)
        up = -1 if mark.is_long else 1
        parts.append(
            f'<g class="{"won" if mark.is_won else "lost"}"><title>{escape(mark.text)}</title>'
            f'<path class="mark" d="M{x1:.1f} {y1:.1f}L{x2:.1f} {y2:.1f}"/>'
            f'<path class="entry" d="M{x1:.1f} {y1:.1f}l-4 {-7 * up}h8z"/>'
            f'<circle class="exit" cx="{x2:.1f}" cy="{y2:.1f}" r="3"/></g>'
        )
    return frame.svg(parts, label)


def bars(rows: Sequence[tuple[str, float, str]], *, label: str) -> str:
    """Horizontal bars from a common zero: (name, value, text behind it)."""
    row_height, name_width = 26, 150
    height = row_height * len(rows) + 8
    low = min(0.0, *(value for _, value, _ in rows))
    high = max(0.0, *(value for _, value, _ in rows))
    # Room on both sides for the texts that stand behind the bars.
    left, right = name_width + (190 if low < 0 else 10), WIDTH - (190 if high > 0 else 10)
    scale = (right - left) / ((high - low) or 1)
    zero = left - low * scale
    parts = []
    for number, (name, value, text) in enumerate(rows):
        y = number * row_height + 4
        length = abs(value) * scale
        x = zero if value >= 0 else zero - length
        anchor, at = ("start", x + length + 6) if value >= 0 else ("end", x - 6)
        parts.append(
            f'<text class="name" x="{name_width - 8}" y="{y + 16}" text-anchor="end">'
            f'{escape(name)}</text><rect class="{"won" if value >= 0 else "lost"}" x="{x:.1f}" '
            f'y="{y}" width="{max(length, 1):.1f}" height="{row_height - 8}" rx="2"/>'
            f'<text class="axis" x="{at:.1f}" y="{y + 15}" text-anchor="{anchor}">'
            f"{escape(text)}</text>"
        )
    parts.append(f'<line class="base" x1="{zero:.1f}" x2="{zero:.1f}" y1="0" y2="{height}"/>')
    return (
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(label)}">'
        + "".join(parts)
        + "</svg>"
    )
