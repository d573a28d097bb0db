"""A recording put in order: what each bot was shown, close by close, and what came of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import msgspec

from alpha.bots.hookspecs import Subscription
from alpha.core.events import Bar, Execution
from alpha.core.instruments import Instrument
from alpha.core.records import Fill, OrderRow
from alpha.errors import NeedsOperator
from alpha.parity.recording import (
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
    read,
)

#: Symbol and interval in ms.
Series = tuple[str, int]


class Key(NamedTuple):
    """A close of one bot; `symbol` is empty unless it decides per symbol."""

    close_ms: int
    interval_ms: int
    symbol: str


class Wish(msgspec.Struct, frozen=True):
    """An intent of a decision, as far as it is compared. `link_id` is None for one that was
    dropped, `dropped` says why."""

    kind: str
    symbol: str
    reason: str
    side: str | None = None
    notional: Decimal | None = None
    price: Decimal | None = None
    qty: Decimal | None = None
    stop_loss: Decimal | None = None
    details: dict[str, str] = msgspec.field(default_factory=dict)
    link_id: str | None = msgspec.field(default=None, name="id")
    dropped: str | None = None

    @property
    def words(self) -> tuple[str, str, str | None, str]:
        """What has to be the same."""
        return (self.kind, self.symbol, self.side, self.reason)

    def __str__(self) -> str:
        side = f" {self.side}" if self.side else ""
        return f"{self.kind} {self.symbol}{side} ({self.reason})"


_wishes = msgspec.json.Decoder(list[Wish]).decode


@dataclass(slots=True)
class Close:
    """One close of a bot; `decided` is None where its hook was not called. `state` is what the bot
    would have been saved as behind it, as JSON."""

    asked: Closing
    decided: Decided | None = None
    state: bytes = b"{}"

    @property
    def wishes(self) -> list[Wish]:
        return [] if self.decided is None else _wishes(self.decided.intents)


@dataclass(slots=True)
class Track:
    """One bot's part."""

    bot: RecordedBot
    joined: list[Joined] = field(default_factory=list)
    #: Bars in the order in which it was shown them, each with the number of closes before it.
    shown: list[tuple[int, Bar]] = field(default_factory=list)
    closes: dict[Key, Close] = field(default_factory=dict)
    late: int = 0  # bars that were shown behind the close that they belong to
    newest: dict[Series, int] = field(default_factory=dict)  # start of the newest bar shown
    #: Choices of symbols, each with the number of closes before it.
    choices: list[tuple[int, Chosen]] = field(default_factory=list)
    #: Decisions that no close was asked for: on fills, orders, the timer, and the host's own.
    others: list[Decided] = field(default_factory=list)
    #: Each with the number of closes that had been asked for before it.
    fills: list[tuple[int, Fill]] = field(default_factory=list)
    told: set[tuple[str, str, int]] = field(default_factory=set)
    orders: dict[str, OrderRow] = field(default_factory=dict)
    state: bytes = b"{}"  # the newest

    @property
    def subscriptions(self) -> list[Subscription]:
        """Everything that it has subscribed to at some time."""
        told = [one.subscriptions for one in self.joined]
        told += [choice.subscriptions for _, choice in self.choices]
        found = {(one.symbol, one.interval_ms): one for named in told for one in named}
        return list(found.values())

    @property
    def called(self) -> Iterator[tuple[Key, Close]]:
        return ((key, close) for key, close in self.closes.items() if close.decided is not None)


@dataclass(slots=True)
class Story:
    """`bars` are those of the market, whoever was shown them."""

    heads: list[Head] = field(default_factory=list)
    tracks: dict[str, Track] = field(default_factory=dict)
    bars: dict[Series, dict[int, Bar]] = field(default_factory=dict)
    instruments: dict[str, Instrument] = field(default_factory=dict)
    #: By account: what longs paid shorts, by symbol and time.
    funding: dict[str, dict[tuple[str, int], Decimal]] = field(default_factory=dict)
    lost: int = 0
    #: Series in which a bar was recorded twice with different numbers, and its start.
    contradictions: dict[Series, int] = field(default_factory=dict)


def load(path: Path) -> Story:
    """NotFound, or NeedsOperator for what cannot be read or holds no decision."""
    story = _tell(read(path))
    if not any(True for track in story.tracks.values() for _ in track.called):
        raise NeedsOperator(
            f"{path}: expected the decisions of at least one bot, found none; record for longer, "
            "until `alpha bots list` shows a bot running"
        )
    return story


def _tell(records: Iterable[Record]) -> Story:
    story = Story()
    open_close: dict[str, Close] = {}
    for record in records:
        match record:
            case Head():
                _take_head(story, record)
            case Rules():
                story.instruments[record.instrument.symbol] = record.instrument
            case Lost():
                story.lost += record.count
            case Joined():
                track = story.tracks[record.bot]
                track.joined.append(record)
                track.state = bytes(record.state)
            case Chosen():
                track = story.tracks[record.bot]
                track.choices.append((len(track.closes), record))
            case Shown():
                _take_bar(story, record)
            case Closing():
                open_close[record.bot] = _take_close(story.tracks[record.bot], record)
            case Decided():
                _take_decision(story.tracks[record.bot], record, open_close.pop(record.bot, None))
            case Filled():
                _take_fill(story.tracks[record.bot], record.fill)
            case Ordered():
                story.tracks[record.bot].orders[record.row.client_order_id] = record.row
            case Heard(kind="Execution"):
                _take_funding(story, record)
            case _:
                pass
    return story


def _take_decision(track: Track, decided: Decided, close: Close | None) -> None:
    if bytes(decided.state) != b"null":
        track.state = bytes(decided.state)
    if close is None or not decided.event_key.startswith("close:"):
        track.others.append(decided)
    elif close.decided is None:
        close.decided, close.state = decided, track.state


def _take_fill(track: Track, fill: Fill) -> None:
    """Once: a start tells fills again."""
    name = (fill.symbol, fill.exec_id, fill.leg)
    if name not in track.told:
        track.told.add(name)
        track.fills.append((len(track.closes), fill))


def _take_funding(story: Story, heard: Heard) -> None:
    row = msgspec.convert(heard.row, Execution, strict=False)
    if row.exec_type == "Funding" and row.value:
        paid = row.fee / row.value
        rate = paid if row.side == "Buy" else -paid
        rates = story.funding.setdefault(heard.account, {})
        rates[row.symbol, row.exec_time] = rate


def _take_head(story: Story, head: Head) -> None:
    story.heads.append(head)
    for bot in head.bots:
        track = story.tracks.setdefault(bot.name, Track(bot))
        if _identity(track.bot) != _identity(bot):
            raise NeedsOperator(
                f"bot {bot.name}: expected the same plugin and settings in all files, found others "
                f"in run {head.run}; replay each run by itself"
            )


def _identity(bot: RecordedBot) -> tuple[object, ...]:
    return (bot.bot_id, bot.plugin, bot.account, bytes(bot.settings), bot.capital, bot.netting)


def _take_bar(story: Story, shown: Shown) -> None:
    bar, track = shown.bar, story.tracks[shown.bot]
    series = (bar.symbol, bar.interval_ms)
    known = story.bars.setdefault(series, {}).setdefault(bar.start_ms, bar)
    if known != bar:
        story.contradictions.setdefault(series, bar.start_ms)
    newest = track.newest.get(series)
    if newest is not None and bar.start_ms <= newest:
        return  # a restart warms up with what was seen before
    track.newest[series] = bar.start_ms
    track.shown.append((len(track.closes), known))
    if newest is not None and Key(bar.close_ms, bar.interval_ms, "") in track.closes:
        track.late += 1


def _take_close(track: Track, asked: Closing) -> Close:
    """A close that is asked for again, after a restart, stays as it was when it was decided."""
    symbol = ""
    if track.joined[-1].per_symbol:
        symbol = asked.symbols[0]
    return track.closes.setdefault(Key(asked.close_ms, asked.interval_ms, symbol), Close(asked))
