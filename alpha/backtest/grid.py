"""The grid of a sweep: each axis is one setting with the values that it tries."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from itertools import product

from alpha.errors import ConfigError

#: (bot, key, value), as `--set` gives them.
Change = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Axis:
    """`bot.key` and its values. Those of a `scale` are numbers, in rising order, so that values
    side by side are neighbours; of others none is nearer than another."""

    bot: str
    key: str
    values: tuple[str, ...]
    scale: bool

    @property
    def name(self) -> str:
        return f"{self.bot}.{self.key}"


@dataclass(frozen=True, slots=True)
class Point:
    """One set of values; `places` are their places on the axes, `number` its place in the grid."""

    number: int
    places: tuple[int, ...]
    changes: tuple[Change, ...]

    def settings(self) -> dict[str, object]:
        """Value by `bot.key`: as JSON has it where the text is JSON, else the text."""
        return {f"{bot}.{key}": plain(value) for bot, key, value in self.changes}

    def __str__(self) -> str:
        return " ".join(f"{bot}.{key}={value}" for bot, key, value in self.changes)


def parse_axes(texts: Sequence[str]) -> tuple[Axis, ...]:
    """`bot.key=1,2,3`, once per setting. A comma inside brackets or quotes parts nothing."""
    found: dict[str, Axis] = {}
    for text in texts:
        name, equals, rest = text.partition("=")
        bot, dot, key = name.strip().partition(".")
        values = _parted(rest)
        if not (equals and dot and bot and key and all(values)):
            raise ConfigError(
                f"--grid {text}: expected BOT.KEY=VALUE,VALUE,... such as "
                "shortseller.cooldown_bars=12,24,48"
            )
        axis = _axis(bot, key, values)
        if axis.name in found:
            raise ConfigError(f"--grid {axis.name}: expected once, found it twice; join its values")
        if len(set(values)) < len(values):
            raise ConfigError(f"--grid {text}: expected each value once")
        found[axis.name] = axis
    if not found:
        raise ConfigError("expected --grid BOT.KEY=VALUE,VALUE,... at least once")
    return tuple(found.values())


def points(axes: Sequence[Axis]) -> list[Point]:
    """All sets of values; the last axis changes fastest."""
    places = product(*(range(len(axis.values)) for axis in axes))
    return [
        Point(
            number,
            at,
            tuple(
                (axis.bot, axis.key, axis.values[place])
                for axis, place in zip(axes, at, strict=True)
            ),
        )
        for number, at in enumerate(places)
    ]


def neighbours(axes: Sequence[Axis], places: tuple[int, ...]) -> list[tuple[int, ...]]:
    """The places one step away on one axis that is a scale."""
    found = []
    for number, axis in enumerate(axes):
        for place in (places[number] - 1, places[number] + 1):
            if axis.scale and 0 <= place < len(axis.values):
                found.append((*places[:number], place, *places[number + 1 :]))
    return found


def plain(text: str) -> object:
    try:
        found: object = json.loads(text)
    except json.JSONDecodeError:
        return text
    return found


def _axis(bot: str, key: str, values: tuple[str, ...]) -> Axis:
    try:
        ordered = tuple(sorted(values, key=Decimal))
    except InvalidOperation:
        return Axis(bot, key, values, scale=False)
    return Axis(bot, key, ordered, scale=True)


def _parted(text: str) -> tuple[str, ...]:
    parts, depth, quoted = [""], 0, False
    for char in text:
        if char == '"':
            quoted = not quoted
        elif not quoted:
            depth += (char in "[{") - (char in "]}")
        if char == "," and depth == 0 and not quoted:
            parts.append("")
        else:
            parts[-1] += char
    return tuple(part.strip() for part in parts)
