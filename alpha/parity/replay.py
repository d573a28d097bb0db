"""A recording through the backtester: the same plugins with the same settings, fed with the bars
that were recorded, an account at a time."""

from __future__ import annotations

import json
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from alpha.backtest.engine import Engine, FundingRate
from alpha.backtest.result import Refused
from alpha.backtest.seat import HookRaised, Seat
from alpha.backtest.tape import Tape
from alpha.backtest.venue import Book, Done, Terms, Venue
from alpha.bots.discovery import Catalog
from alpha.bots.hookspecs import Subscription
from alpha.candles.files import Candles, interval_name
from alpha.clock import iso
from alpha.core.events import Bar
from alpha.core.instruments import Instrument
from alpha.core.reasons import BUILTIN
from alpha.core.risk import EntryRisk
from alpha.errors import AlphaError, NeedsOperator
from alpha.parity.follower import Follower, Tally
from alpha.parity.story import Key, Series, Story, Track
from alpha.parity.venue import Feed, RecordedVenue

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Followed:
    """One bot's part of the outcome."""

    track: Track
    tally: Tally
    unreached: list[Key]
    refused: list[Refused]

    @property
    def name(self) -> str:
        return self.track.bot.name


@dataclass(slots=True)
class Outcome:
    bots: list[Followed] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    #: How much worse than the fill model market orders were filled, as fractions of the price.
    slipped: list[Decimal] = field(default_factory=list)
    from_ms: int = 0
    to_ms: int = 0


class RecordedTape(Tape):
    """Bars as they were recorded, those of higher intervals too."""

    def __init__(
        self, candles: Mapping[str, Candles], interval_ms: int, bars: Mapping[Series, Iterable[Bar]]
    ) -> None:
        super().__init__(candles, interval_ms)
        self._bars = bars

    def higher(self, symbol: str, interval_ms: int) -> dict[int, Bar]:
        return {bar.close_ms: bar for bar in self._bars[symbol, interval_ms]}


def replay(
    story: Story,
    catalog: Catalog,
    *,
    by_model: bool = False,
    progress: Callable[[int], None] | None = None,
) -> Outcome:
    """Every bot of the recording that decided. Orders are filled as they were, or `by_model`: by
    the fill model of a backtest. NeedsOperator for what cannot be replayed, HookRaised when a
    plugin raises."""
    outcome = Outcome(notes=_notes(story))
    accounts: dict[str, list[Track]] = {}
    for track in story.tracks.values():
        if any(True for _ in track.called):
            accounts.setdefault(track.bot.account, []).append(track)
        else:
            outcome.notes.append(f"bot {track.bot.name} decided nothing: not compared")
    for tracks in accounts.values():
        followers, refused, slipped = _follow(
            story, tracks, catalog, outcome.notes, progress, by_model=by_model
        )
        outcome.slipped += slipped
        outcome.bots += [
            Followed(
                one.track,
                one.tally,
                one.unreached,
                [no for no in refused if no.bot == one.track.bot.name],
            )
            for one in followers
        ]
    closes = [key.close_ms for one in outcome.bots for key, _ in one.track.called]
    outcome.from_ms, outcome.to_ms = min(closes), max(closes)
    return outcome


def _notes(story: Story) -> list[str]:
    notes = []
    if story.lost:
        notes.append(f"{story.lost} lines of the recording are missing")
    if len({head.run for head in story.heads}) > 1:
        notes.append("the recording spans several runs: the backtest goes on where bots restarted")
    for (symbol, interval_ms), start_ms in story.contradictions.items():
        notes.append(
            f"bars of {symbol} {interval_name(interval_ms)} were brought with different numbers, "
            f"first that of {iso(start_ms)}: the first to come counts"
        )
    return notes


def _follow(
    story: Story,
    tracks: Sequence[Track],
    catalog: Catalog,
    notes: list[str],
    progress: Callable[[int], None] | None,
    *,
    by_model: bool,
) -> tuple[list[Follower], list[Refused], list[Decimal]]:
    begin_ms = min(key.close_ms - key.interval_ms for one in tracks for key, _ in one.called)
    end_ms = max(key.close_ms for one in tracks for key, _ in one.called)
    wanted = {(s.symbol, s.interval_ms) for one in tracks for s in one.subscriptions}
    symbols = sorted({symbol for symbol, _ in wanted if (symbol, _) in story.bars})
    interval_ms = _base(story, symbols, begin_ms, end_ms)
    tape = RecordedTape(
        {
            symbol: _candles(symbol, interval_ms, story.bars[symbol, interval_ms], begin_ms)
            for symbol in symbols
        },
        interval_ms,
        {
            series: [bar for bar in bars.values() if bar.start_ms >= begin_ms]
            for series, bars in story.bars.items()
        },
    )
    seats = [_seat(catalog, track, notes) for track in tracks]
    followers = []
    for seat, track in zip(seats, tracks, strict=True):
        _refuse_positions(track)
        followers.append(Follower(seat, track, as_recorded=not by_model))
        seat.keep(
            [
                Subscription(one.symbol, one.interval_ms, 1)
                for one in track.subscriptions
                if (one.symbol, one.interval_ms) in story.bars and one.symbol in symbols
            ]
        )
    first = min(
        (close for one in tracks for _, close in one.called), key=lambda one: one.asked.close_ms
    )
    capital = {one.bot.name: one.bot.capital for one in tracks if one.bot.capital is not None}
    venues: list[RecordedVenue] = []

    def recorded(
        terms: Terms,
        books: Sequence[Book],
        instruments: Mapping[str, Instrument],
        told: Callable[[Done], None],
        listening: Container[int],
    ) -> Venue:
        feeds = [Feed(track, seat.link_id) for seat, track in zip(seats, tracks, strict=True)]
        venue = RecordedVenue(terms, books, instruments, told, listening, feeds, interval_ms)
        venues.append(venue)
        return venue

    rates = story.funding.get(tracks[0].bot.account, {})
    engine = Engine(
        seats,
        tape,
        story.instruments,
        Terms(
            balance=sum(capital.values(), ZERO) if capital else first.asked.wallet,
            netting=any(one.bot.netting for one in tracks),
            risk=EntryRisk(max_notional=story.heads[0].max_notional),
        ),
        capital=capital,
        from_ms=begin_ms,
        funding=[
            FundingRate(symbol, at_ms // interval_ms * interval_ms, rate)
            for (symbol, at_ms), rate in rates.items()
        ],
        progress=progress,
        venue=Venue if by_model else recorded,
    )
    refused = engine.run().refused
    return followers, refused, [one for venue in venues for one in venue.slipped]


def _base(story: Story, symbols: Sequence[str], begin_ms: int, end_ms: int) -> int:
    """The finest interval that was recorded of all symbols all the time; stops are looked at
    over its bars."""
    common = set.intersection(
        *({interval for name, interval in story.bars if name == symbol} for symbol in symbols)
    )
    for interval_ms in sorted(common):
        series = [story.bars[symbol, interval_ms] for symbol in symbols]
        if all(min(bars) <= begin_ms and max(bars) + interval_ms >= end_ms for bars in series):
            return interval_ms
    raise NeedsOperator(
        f"expected bars of one interval for {', '.join(symbols)} from {iso(begin_ms)} to "
        f"{iso(end_ms)}, found none; record bots of one account that share an interval"
    )


def _candles(symbol: str, interval_ms: int, bars: Mapping[int, Bar], begin_ms: int) -> Candles:
    candles = Candles(symbol, interval_ms, Path("recording"))
    candles.turnovers = type(candles.opens)("d")
    for start_ms, bar in sorted(bars.items()):
        if start_ms >= begin_ms:
            numbers = (bar.open, bar.high, bar.low, bar.close, bar.volume, bar.turnover)
            candles.append(start_ms, numbers)
    return candles


def _seat(catalog: Catalog, track: Track, notes: list[str]) -> Seat:
    bot = track.bot
    plugin = catalog.get(bot.plugin)
    if plugin.version != bot.version:
        notes.append(
            f"bot {bot.name}: recorded with version {bot.version} of plugin {bot.plugin}, replayed "
            f"with {plugin.version}"
        )
    settings: Mapping[str, object] = json.loads(bytes(bot.settings), parse_float=Decimal)
    make = plugin.maker(settings, bot=bot.name)
    try:
        return Seat(
            bot.name, bot.bot_id, make, plugin=plugin.name, book=plugin.reason_book(BUILTIN)
        )
    except AlphaError:
        raise
    except Exception as error:
        raise HookRaised(
            f"bot {bot.name}: plugin {plugin.name} could not make its strategy: {error!r}"
        ) from error


def _refuse_positions(track: Track) -> None:
    held = [one for one in track.joined[0].positions.values() if one.signed_qty]
    if held:
        raise NeedsOperator(
            f"bot {track.bot.name}: expected a recording that begins flat, found {held[0].symbol} "
            f"{held[0].signed_qty}; give the folder, or an earlier file, so that it begins before "
            "the position was opened"
        )
